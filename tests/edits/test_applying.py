"""Acts on a segmented cube, against what numpy says of its pixels."""

import time

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from editcases import a_segmenter, striped_counts, striped_cube, stripes
from spectessera.colours import as_hex, colours
from spectessera.edits import (
    Mask,
    Merge,
    Polygon,
    Recolour,
    Rectangle,
    Rename,
    Runs,
    Split,
    apply_edits,
    edits_of,
    needs_cube,
)
from spectessera.result import (
    check_result,
    cluster_colours,
    cluster_names,
    clusters_changed,
    number_chosen,
    stored_edits,
)


@pytest.fixture(scope="module")
def segmenter():
    return a_segmenter()


@pytest.fixture(scope="module")
def result(segmenter):
    found = spt.segment(striped_cube(), segmenter, 4, seed=0, keep=("alone", "latent"))
    assert found["size"].values.tolist() == [144, 144, 72, 72]
    return found


def assert_spectra_are_those_of_the_pixels(result, counts):
    """Mean and deviation of the measured spectra, and sizes, are those of the label map."""
    for number in result["cluster"].values:
        pixels = counts[result["label"].values == number].astype(float)
        row = result.sel(cluster=number)
        assert int(row["size"]) == len(pixels)
        np.testing.assert_allclose(row["mean_spectrum"], pixels.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(row["std_spectrum"], pixels.std(axis=0), rtol=1e-5)


def test_a_merged_cluster_is_the_union_of_its_pixels(result):
    merged = check_result(apply_edits(result, [Merge((4, 2))]))
    old = result["label"].values
    np.testing.assert_array_equal(merged["label"], np.array([0, 1, 2, 3, 2])[old])
    assert_spectra_are_those_of_the_pixels(merged, striped_counts())
    for name in ("input_mean", "reconstructed_mean", "center"):
        weighted = np.average(result[name].values[[1, 3]], axis=0, weights=[144, 72])
        np.testing.assert_allclose(merged[name].values[1], weighted, rtol=1e-6)
    latents = result["latent_cube"].values
    members = latents[(old == 2) | (old == 4)].mean(axis=0)
    np.testing.assert_allclose(merged["center"].values[1], members, atol=1e-4)
    for other in ("mean_spectrum", "decoded_mean", "center"):  # not a bit of the others changes
        np.testing.assert_array_equal(merged[other].values[[0, 2]], result[other].values[[0, 2]])
    np.testing.assert_array_equal(merged["confidence"], result["confidence"])
    assert merged.attrs["n_clusters"] == 3
    assert number_chosen(merged) == 4
    for name in ("score", "stability"):  # those of the run
        xr.testing.assert_identical(merged[name], result[name])


def test_a_merge_needs_neither_cube_nor_model(result):
    merged = apply_edits(result, [Merge((1, 2, 3))])
    assert np.isnan(merged["decoded_mean"].values[0]).all()  # not known
    assert np.isfinite(merged["decoded_mean"].values[1]).all()
    assert merged["label_alone"].values.max() == 2
    assert "Cluster 4 is now 2." in stored_edits(merged)[0]["words"]


def test_numbers_names_and_colours_travel_with_their_clusters(result):
    before = [Rename(4, "four"), Recolour(3, "#010203"), Rename(2, "two")]
    merged = apply_edits(result, [*before, Merge((1, 2))])
    assert cluster_names(merged) == {1: "two", 3: "four"}
    shades = [as_hex(each) for each in cluster_colours(merged)]
    assert shades == [as_hex(colours(1)[0]), "#010203", as_hex(colours(4)[3])]
    assert apply_edits(merged, [Rename(1, ""), Rename(3, "")]).attrs.get("cluster_names") is None
    blank = apply_edits(merged, [Recolour(2, "")])
    assert as_hex(cluster_colours(blank)[1]) == as_hex(colours(2)[1])


def test_a_split_gives_back_what_was_merged(result, segmenter):
    merged = apply_edits(result, [Merge((3, 4))])
    again = check_result(apply_edits(merged, [Split(3)], striped_cube(), segmenter))
    labels = again["label"].values
    assert again.attrs["n_clusters"] == 4
    assert spt.compare(labels, stripes() + 1).ari == 1
    np.testing.assert_array_equal(labels[labels < 3], merged["label"].values[labels < 3])
    assert_spectra_are_those_of_the_pixels(again, striped_counts())
    whole = (merged["label"] == 3).values
    assert (again["confidence"].values[whole] <= merged["confidence"].values[whole]).all()
    assert "label_alone" not in again
    shades = [as_hex(each) for each in cluster_colours(again)]
    assert len(set(shades)) == 4


def test_a_cluster_of_noise_stays_one_and_that_is_said(result, segmenter):
    split = apply_edits(result, [Split(1)], striped_cube(), segmenter)
    assert "no more than the noise" in stored_edits(split)[0]["words"]
    xr.testing.assert_identical(split.drop_attrs(), result.drop_attrs())
    forced = apply_edits(result, [Split(1, k=2)], striped_cube(), segmenter)
    assert forced.attrs["n_clusters"] == 5
    assert forced["size"].values[[0, 4]].sum() == 144


@pytest.mark.parametrize("chunks", [None, {"y": 5, "x": 7}])
def test_a_masked_region_is_in_no_cluster(result, segmenter, chunks):
    cube = striped_cube() if chunks is None else striped_cube().chunk(chunks)
    region = Polygon(((2, 5), (2, 12), (11, 12), (11, 5)))
    masked = check_result(apply_edits(result, [Mask(region)], cube, segmenter))
    inside = region.inside(result["label"].shape)
    np.testing.assert_array_equal(masked["label"], np.where(inside, 0, result["label"]))
    assert np.isnan(masked["confidence"].values[inside]).all()
    assert_spectra_are_those_of_the_pixels(masked, striped_counts())
    np.testing.assert_array_equal(masked["mean_spectrum"][2:], result["mean_spectrum"][2:])
    assert masked.attrs["usable_pixels"] == 18 * 24 - inside.sum()
    assert f'"masked": {inside.sum()}' in masked.attrs["quality_counts"]
    alone = cube.assign_coords(mask=(("y", "x"), inside))
    own = spt.segment(alone, segmenter, 4, seed=0)
    for name in ("input_mean", "reconstructed_mean"):
        np.testing.assert_allclose(masked[name][:2], own[name][:2], rtol=1e-5, atol=1e-6)


def test_a_cluster_without_pixels_keeps_its_number(result):
    whole = apply_edits(result, [Mask(Rectangle(0, 18, 0, 8))])  # needs no cube: nothing is left
    assert whole["size"].values.tolist().count(0) == 1
    assert whole.sizes["cluster"] == 4
    assert "No pixels are left" in stored_edits(whole)[0]["words"]
    with pytest.raises(ValueError, match="means=False"):
        apply_edits(result, [Mask(Rectangle(0, 2, 0, 2))])
    unknown = apply_edits(result, [Mask(Rectangle(0, 2, 0, 2))], means=False)
    assert np.isnan(unknown["mean_spectrum"]).any(axis=1).sum() == 1


def test_the_same_lines_give_the_same_bits_and_undo_restores_them(result, segmenter):
    acts = [
        Merge((3, 4)), Rename(3, "robe"), Split(3), Recolour(2, "#aa3366"),
        Mask(Rectangle(0, 4, 0, 20)), Merge((1, 2)),
    ]  # fmt: skip
    cube, states = striped_cube(), [result]
    for act in acts:
        states.append(apply_edits(states[-1], [act], cube, segmenter))
    xr.testing.assert_identical(apply_edits(result, acts, cube, segmenter), states[-1])
    xr.testing.assert_identical(apply_edits(result, acts[:-1], cube, segmenter), states[-2])
    xr.testing.assert_identical(apply_edits(result, [], cube, segmenter), result)
    assert edits_of(states[-1]) == tuple(acts)
    assert clusters_changed(states[1])
    assert not clusters_changed(result)
    assert [needs_cube(each) for each in acts] == [False, False, True, False, True, False]


def test_the_given_result_is_not_changed(result, segmenter):
    before = result.copy(deep=True)
    acts = [Merge((1, 2)), Rename(1, "a"), Mask(Rectangle(0, 4, 0, 20)), Split(1, 2)]
    apply_edits(result, acts, striped_cube(), segmenter)
    xr.testing.assert_identical(result, before)


def test_errors_name_the_line_and_the_numbers_before_it(result, segmenter):
    with pytest.raises(ValueError, match=r"edit 2, .*split.*no cluster 4; .* 1 to 3"):
        apply_edits(result, [Merge((1, 2)), Split(4)], striped_cube(), segmenter)
    with pytest.raises(ValueError, match=r"edit 1.*give cube and segmenter"):
        apply_edits(result, [Split(1)])
    with pytest.raises(ValueError, match="no pixel of the image"):
        apply_edits(result, [Mask(Rectangle(99, 100, 0, 1))])
    with pytest.raises(ValueError, match="give the cube that was segmented"):
        apply_edits(result, [Split(1)], striped_cube()[:, :5], segmenter)
    with pytest.raises(ValueError, match="clusters 1 to K"):
        apply_edits(result.assign_coords(cluster=[1, 2, 3, 7]), [Rename(1, "a")])


def test_rare_groups_stay_the_last_clusters(result):
    rare = np.array([np.nan, np.nan, 8.0, 9.0])
    found = result.assign(rare=("cluster", rare)).assign_attrs(rare_clusters=2)
    merged = check_result(apply_edits(found, [Merge((1, 3))]))
    assert merged.attrs["rare_clusters"] == 1
    np.testing.assert_array_equal(merged["rare"], [np.nan, np.nan, 9.0])
    both = check_result(apply_edits(found, [Merge((3, 4)), Merge((1, 2))]))
    assert "rare" not in both
    assert number_chosen(both) == 2


def test_a_merge_in_a_large_image_takes_less_than_half_a_second():
    """2048 x 2048 pixels, 1000 clusters of 1024 channels."""
    generator = np.random.default_rng(0)
    label = generator.integers(1, 1001, (2048, 2048), np.int32)
    size = np.bincount(label.ravel(), minlength=1001)[1:]
    spectra = generator.random((1000, 1024), np.float32)
    result = xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": (("y", "x"), np.ones((2048, 2048), np.float32)),
            "size": ("cluster", size),
            "mean_spectrum": (("cluster", "channel"), spectra),
            "std_spectrum": (("cluster", "channel"), spectra),
        },
        coords={"cluster": np.arange(1, 1001)},
        attrs={"n_clusters": 1000},
    )
    start = time.perf_counter()
    merged = apply_edits(result, [Merge((7, 400))])
    assert time.perf_counter() - start < 0.5
    assert int((merged["label"] == 7).sum()) == size[6] + size[399]


def test_where_evidence_is_silent_a_cluster_stays_one(result, segmenter):
    """Stability would divide noise: of 24 pixels, too few for evidence, it makes several."""
    few = apply_edits(result, [Mask(Rectangle(3, 18, 0, 24))], striped_cube(), segmenter)
    assert int(few["size"][0]) == 24
    split = apply_edits(few, [Split(1)], striped_cube(), segmenter)
    assert split.attrs["n_clusters"] == 4
    assert "there is no evidence for more" in stored_edits(split)[-1]["words"]
    assert apply_edits(few, [Split(1, 2)], striped_cube(), segmenter).attrs["n_clusters"] == 5


def test_a_cluster_of_one_or_two_pixels_stays_one(result, segmenter):
    """It was an error that spoke of masked pixels of the cube."""
    one = np.argwhere(result["label"].values == 1)[2:]
    runs = Runs(tuple((int(y), int(x), int(x) + 1) for y, x in one))
    few = apply_edits(result, [Mask(runs)], striped_cube(), segmenter)
    split = apply_edits(few, [Split(1)], striped_cube(), segmenter)
    np.testing.assert_array_equal(split["label"], few["label"])
    assert "1 (2 pixels) stays one" in stored_edits(split)[-1]["words"]
    with pytest.raises(ValueError, match="has 2 pixels; a split into 2 parts needs at least 3"):
        apply_edits(few, [Split(1, 2)], striped_cube(), segmenter)
