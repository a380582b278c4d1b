"""Clusters that are no material are told, and materials are left alone."""

import json

import numpy as np
import pytest
import xarray as xr

from spectessera import Clusters, Preprocess
from spectessera.axis import Axis
from spectessera.baselines import cluster as baselines
from spectessera.cube import make_cube, with_axis
from spectessera.diagnostics.artefacts import artefacts_of
from spectessera.synth import load_palette


def texts(result):
    return [warning.text for warning in artefacts_of(result)]


def line_spectra():
    """Return four spectra (4, 96) of three lines each on a background; each sums to 400 counts."""
    centers = np.array([[10, 30, 62], [16, 40, 75], [23, 52, 62], [10, 46, 86]])
    heights = np.array([[3, 2, 1], [1, 3, 2], [2, 1, 3], [1, 1, 3]])
    lines = np.exp(-0.5 * ((np.arange(96) - centers[..., None]) / 1.8) ** 2)  # (4, 3, channel)
    spectra = (heights[..., None] * lines).sum(axis=1) + 0.02
    return 400 * spectra / spectra.sum(axis=1, keepdims=True)


SPECTRA = line_spectra()


def result_of(label, spectra, seed=0, confidence=None, **attrs):
    """Measure counts of each pixel's spectrum, and describe clusters as a segmentation does.

    ``label (y, x)``, 0 masked; ``spectra (cluster, channel)`` expected.
    """
    k = len(spectra)
    counts = np.random.default_rng(seed).poisson(spectra[np.maximum(label, 1) - 1])
    mean, std = np.zeros((2, k, counts.shape[-1]))
    for cluster in range(k):
        if (label == cluster + 1).any():
            mean[cluster] = counts[label == cluster + 1].mean(axis=0)
            std[cluster] = counts[label == cluster + 1].std(axis=0)
    data = {
        "label": (("y", "x"), label.astype(np.int32)),
        "mean_spectrum": (("cluster", "channel"), mean.astype(np.float32)),
        "std_spectrum": (("cluster", "channel"), std.astype(np.float32)),
        "size": (("cluster",), np.bincount(label.ravel(), minlength=k + 1)[1:]),
    }
    if confidence is not None:
        data["confidence"] = (("y", "x"), np.asarray(confidence, dtype=np.float32))
    return xr.Dataset(data, coords={"cluster": np.arange(1, k + 1)}, attrs=attrs)


def quarters(height=30, width=44):
    """Return four clusters (y, x), each a quarter of the image."""
    label = np.ones((height, width), dtype=int)
    label[: height // 2, width // 2 :] = 2
    label[height // 2 :, : width // 2] = 3
    label[height // 2 :, width // 2 :] = 4
    return label


def provenance(normalise):
    return json.dumps({"settings": {"preprocess": {"normalise": normalise}}})


def test_four_materials_raise_no_doubt():
    assert texts(result_of(quarters(), SPECTRA, confidence=np.full((30, 44), 0.98))) == []


# --- brightness only ---------------------------------------------------------------------------


def test_one_material_in_two_thicknesses_is_told_with_its_factor():
    spectra = SPECTRA.copy()
    spectra[1], spectra[3] = 1.8 * SPECTRA[0], SPECTRA[1]
    (words,) = texts(result_of(quarters(), spectra))
    assert words.startswith(
        "clusters 1 and 2 differ only in brightness (2 is 1.8 times as bright): this may be one"
    )
    assert "--normalise l2" in words


@pytest.mark.parametrize("normalise", ["none", "l2"])
def test_the_advice_to_normalise_is_not_given_twice(normalise):
    spectra = SPECTRA.copy()
    spectra[1] = 2 * SPECTRA[0]
    (words,) = texts(result_of(quarters(), spectra, provenance=provenance(normalise)))
    assert ("--normalise l2" in words) == (normalise == "none")
    assert ("normalised (l2), so" in words) == (normalise == "l2")


def test_three_steps_of_brightness_are_one_doubt():
    spectra = np.stack([SPECTRA[0], SPECTRA[2], 1.15 * SPECTRA[0], 2.5 * SPECTRA[0]])
    (words,) = texts(result_of(quarters(), spectra))
    assert words.startswith(
        "clusters 1, 3 and 4 differ only in brightness (4 is 2.5 times as bright as 1)"
    )


def test_a_tenth_brighter_is_no_doubt():
    spectra = np.stack([SPECTRA[0], 1.1 * SPECTRA[0], *SPECTRA[2:]])
    assert texts(result_of(quarters(), spectra)) == []


def test_endless_counts_do_not_make_a_shape_of_a_percent():
    """Significant to hundreds of sigmas, and yet the same to any eye."""
    tilt = 1 + 0.03 * np.linspace(-1, 1, 96)
    spectra = np.stack([1e6 * SPECTRA[0], 2e6 * SPECTRA[0] * tilt, *1e6 * SPECTRA[2:]])
    (words,) = texts(result_of(quarters(), spectra))
    assert "clusters 1 and 2 differ only in brightness" in words


def test_a_difference_above_the_tolerance_and_above_the_noise_is_a_shape():
    tilt = 1 + 0.2 * np.linspace(-1, 1, 96)
    spectra = np.stack([SPECTRA[0], 2 * SPECTRA[0] * tilt, *SPECTRA[2:]])
    assert texts(result_of(quarters(), spectra)) == []


def test_few_noisy_pixels_of_one_material_are_told_and_of_two_are_not():
    """The residual of 24 faint pixels is above the tolerance, but no more than noise."""
    label = quarters()
    label[:15, :22], label[2:6, 3:9] = 1, 2
    label[:15, 22:] = 3
    faint = np.stack([SPECTRA[0], 0.1 * SPECTRA[0], *SPECTRA[2:]])
    assert "clusters 1 and 2 differ only in brightness" in texts(result_of(label, faint))[0]
    faint[1] = 0.1 * SPECTRA[1]
    assert texts(result_of(label, faint)) == []


def test_of_spectra_that_noise_hides_nothing_is_claimed():
    label = quarters()
    spectra = np.stack([SPECTRA[0], 0.002 * SPECTRA[0], *SPECTRA[2:]])
    assert texts(result_of(label, spectra)) == []


def test_a_weak_line_of_its_own_is_another_material():
    """Two percent of the strongest line: the angle alone would call these spectra one."""
    line = np.exp(-0.5 * ((np.arange(96) - 84) / 1.8) ** 2)
    base = 1e3 * SPECTRA[0]
    spectra = np.stack([base, 2 * (base + 0.03 * base.max() * line), *1e3 * SPECTRA[2:]])
    cosine = spectra[0] @ spectra[1] / np.linalg.norm(spectra[0]) / np.linalg.norm(spectra[1])
    assert np.sqrt(1 - cosine**2) < 0.05
    assert texts(result_of(quarters(), spectra)) == []


def test_pigments_of_unlike_brightness_are_not_brightness_only():
    spectra = SPECTRA * np.array([1.0, 1.7, 3.0, 0.4])[:, None]
    assert texts(result_of(quarters(), spectra)) == []


def test_lead_tin_yellow_is_no_bright_lead_white():
    """Their spectra differ by an angle of 0.05 only, but tin has a line of its own."""
    palette = load_palette("choirbook")
    nominal = palette.spectra[:, list(palette.factors).index(1.0)]
    shares = nominal / nominal.sum(axis=1, keepdims=True)
    at = [palette.pigments.index(name) for name in ("lead white", "lead-tin yellow", "azurite")]
    label = halves()
    label[:20, :19] = 3
    spectra = shares[at] * np.array([400, 900, 600])[:, None]
    assert texts(result_of(label, spectra)) == []
    spectra[1] = 900 * shares[at[0]]
    (words,) = texts(result_of(label, spectra))
    assert words.startswith("clusters 1 and 2 differ only in brightness (2 is 2.2 times as bright)")


# --- rows, columns, edges ----------------------------------------------------------------------


def halves(height=40, width=57):
    label = np.ones((height, width), dtype=int)
    label[:, width // 3 :] = 2
    return label


def test_a_bad_row_and_a_bad_pair_of_columns_are_told():
    label = halves()
    label[17, 3:50] = 3
    label[:, 31:33] = 4
    row, column = texts(result_of(label, SPECTRA))
    assert row.startswith("nearly all of cluster 3 lies in row 17 (counted from 0)")
    assert column.startswith("nearly all of cluster 4 lies in columns 31 and 32 (counted from 0)")


def test_a_line_may_have_a_tenth_elsewhere_and_gaps():
    label = halves()
    label[17, 5:50:2] = 3  # 23 pixels, none touching
    label[30, 8] = label[3, 40] = 3
    (words,) = texts(result_of(label, SPECTRA[:3]))
    assert "nearly all of cluster 3 lies in row 17" in words


@pytest.mark.parametrize("shape", [(40, 57), (57, 40)])
def test_bands_grains_and_diagonals_are_no_lines(shape):
    width = shape[1]
    band = np.ones(shape, dtype=int)
    band[:, : width // 5] = 2
    grain = halves(*shape)
    grain[5:7, 8:10] = 3
    streak = halves(*shape)
    streak[np.arange(20) + 5, np.arange(20) + 7] = 3
    for label in (band, grain, streak):
        assert texts(result_of(label, SPECTRA[: label.max()])) == []


@pytest.mark.parametrize("height", [1, 2, 3, 9])
def test_an_image_of_few_rows_has_no_bad_row(height):
    label = np.ones((height, 80), dtype=int)
    label[:, 40:] = 2
    label[0, 10:30] = 3
    assert texts(result_of(label, SPECTRA[:3])) == []
    turned = result_of(label.T, SPECTRA[:3])
    assert texts(turned) == []


def test_a_row_that_is_nearly_all_that_is_not_masked_is_no_bad_row():
    label = np.zeros((40, 57), dtype=int)
    label[17, :30], label[17, 30:] = 1, 2
    assert texts(result_of(label, SPECTRA[:2])) == []


def test_the_frame_of_an_image_and_of_what_is_not_masked_is_told():
    label = np.full((60, 83), 1)
    label[0], label[-1], label[:, 0], label[:, -1] = 2, 2, 2, 2
    label[20:40, 20:60] = 3
    (words,) = texts(result_of(label, SPECTRA[:3]))
    assert words.startswith("nearly all of cluster 2 lies along the edge of the image")
    (words,) = texts(result_of(np.pad(label, 5), SPECTRA[:3]))
    assert words.startswith("nearly all of cluster 2 lies along the edge of the image")


def test_the_edge_of_a_hole_is_no_edge_of_the_image():
    label = np.full((60, 83), 1)
    label[20:40, 20:60] = 2
    label[21:39, 21:59] = 0
    assert texts(result_of(label, SPECTRA[:2])) == []


# --- scattered pixels --------------------------------------------------------------------------


def scatter(label, count, cluster, seed=3):
    found = label.copy()
    found.flat[np.random.default_rng(seed).choice(label.size, count, replace=False)] = cluster
    return found


def test_scattered_single_pixels_are_told_carefully():
    (words,) = texts(result_of(scatter(halves(), 20, 3), SPECTRA[:3]))
    assert words.startswith("cluster 3 consists of scattered single pixels (")
    assert "of 20 have no neighbour in the cluster)" in words
    assert "small grains" in words


def test_scattered_pixels_with_a_spike_name_the_channel():
    spectra = np.stack([*SPECTRA[:2], SPECTRA[:2].mean(axis=0)])
    spectra[2, 71] += 300
    (words,) = texts(result_of(scatter(halves(), 20, 3), spectra))
    assert words.startswith("cluster 3 consists of 20 pixels, nearly all scattered")
    assert "channel 71 (counted from 0): these may be hot pixels or cosmic rays" in words


def test_one_hot_pixel_is_told_and_one_odd_pixel_is_not():
    label = halves()
    label[22, 31] = 3
    spectra = np.stack([*SPECTRA[:2], SPECTRA[1]])
    spectra[2, 70:72] += 300
    (words,) = texts(result_of(label, spectra))
    assert words.startswith("cluster 3 consists of a single pixel")
    assert "channels 70 and 71" in words
    assert texts(result_of(label, SPECTRA[[0, 1, 3]])) == []


def test_a_random_mix_of_two_halves_or_of_one_tenth_is_no_hot_pixel():
    speckled = np.random.default_rng(0).integers(1, 3, (41, 57))
    assert texts(result_of(speckled, SPECTRA[:2])) == []
    assert texts(result_of(scatter(halves(), 230, 3), SPECTRA[:3])) == []


def test_rare_grains_of_several_pixels_are_no_hot_pixels():
    label = halves()
    for y, x in ((4, 5), (20, 33), (33, 50), (11, 44)):
        label[y : y + 2, x : x + 3] = 3
    assert texts(result_of(label, SPECTRA[:3])) == []


def test_single_pixels_of_a_line_scan_are_told_only_with_a_spike():
    label = np.ones((1, 900), dtype=int)
    label[0, 500:] = 2
    label[0, 60:900:90] = 3
    assert texts(result_of(label, SPECTRA[:3])) == []
    spectra = np.stack([*SPECTRA[:2], SPECTRA[:2].mean(axis=0)])
    spectra[2, 71] += 300
    assert "channel 71" in texts(result_of(label, spectra))[0]


# --- confidence --------------------------------------------------------------------------------


def test_unsure_clusters_are_told_together_and_nan_is_left_out():
    label = quarters()
    label[0] = 0
    confidence = np.array([np.nan, 0.95, 0.55, 0.61, 0.4])[label]
    confidence[20, 30] = np.nan
    (words,) = texts(result_of(label, SPECTRA, confidence=confidence))
    assert words.startswith(
        "low confidence of clusters 2 and 4 (mean 0.55 and 0.40): in a repeated measurement, 45 % "
        "and 60 % of the pixels would get another label"
    )


def test_confidence_of_nothing_but_nan_is_no_doubt():
    confidence = np.full((30, 44), np.nan)
    assert texts(result_of(quarters(), SPECTRA, confidence=confidence)) == []


# --- robust ------------------------------------------------------------------------------------


def test_empty_clusters_and_other_numbers_are_no_trouble():
    label = quarters()
    label[label == 4] = 3
    spectra = np.stack([SPECTRA[0], 1.5 * SPECTRA[0], SPECTRA[1], SPECTRA[2]])
    result = result_of(label, spectra)
    assert result["size"].values[3] == 0
    (words,) = texts(result)
    assert "clusters 1 and 2 " in words
    part = result.isel(cluster=[2, 1, 0])  # without the empty one, in another order
    assert texts(part) == [words]


@pytest.mark.parametrize("channels", [1, 2, 96])
def test_spectra_of_zeros_and_of_few_channels_give_no_doubt(channels):
    assert texts(result_of(quarters(), np.zeros((4, channels)))) == []
    assert texts(result_of(quarters(), SPECTRA[:, :channels])) == []


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_image_with_nothing_or_with_one_or_two_clusters(number):
    label = np.minimum(halves(), number)
    result = result_of(label, SPECTRA[:2], confidence=np.where(label > 0, 0.9, np.nan))
    assert texts(result) == []


def test_channels_without_a_value_are_left_out():
    spectra = SPECTRA.copy()
    spectra[1] = 1.8 * SPECTRA[0]
    result = result_of(quarters(), spectra)
    result["mean_spectrum"][:, 4] = np.nan
    result["std_spectrum"][:, 5] = np.nan
    assert "clusters 1 and 2 differ only in brightness" in texts(result)[0]


def test_a_dataset_without_labels_is_refused():
    with pytest.raises(ValueError, match="no label"):
        texts(result_of(quarters(), SPECTRA).drop_vars("label"))


@pytest.mark.parametrize(("normalise", "k", "doubts"), [(None, 4, 2), ("l2", 2, 0)])
def test_a_real_segmentation_of_thick_and_thin_paint(normalise, k, doubts):
    """Without normalisation brightness makes clusters; with it there are the two materials."""
    material, thick = np.zeros((33, 42), dtype=int), np.ones((33, 42))
    material[:20, 15:] = 1
    thick[8:25] = 4.0
    expected = thick[..., None] * SPECTRA[material]
    counts = np.random.default_rng(1).poisson(expected).astype(np.float32)
    found = baselines.cluster_cube(
        make_cube(counts, energy=(1.0, 20.0)),
        "raw",
        preprocess=Preprocess(rebin_to=None, normalise=normalise),
        clusters=Clusters(k, k),
        seed=0,
    )
    told = texts(found)
    assert len(told) == doubts
    assert all("differ only in brightness" in words for words in told)
    assert all("--normalise l2" in words for words in told)


# --- Raman bands on fluorescence ----------------------------------------------------------------

SHIFT = np.linspace(150, 1500, 450)
BANDS = {"calcite": ((1086, 1.0), (281, 0.3)), "gypsum": ((1008, 1.0), (493, 0.2), (1135, 0.15))}


def raman(mineral, glow):
    """Return bands on a background that is many times as strong and the same for all."""
    bands = sum(height / (1 + ((SHIFT - at) / 6) ** 2) for at, height in BANDS[mineral])
    return 100 * bands + glow * (2 + 3 * np.exp(-0.5 * ((SHIFT - 900) / 600) ** 2))


def raman_result(*spectra, noise=30.0):
    label = quarters()
    values = np.array(spectra)[label - 1]
    values = values + np.random.default_rng(0).normal(0, noise, values.shape)
    mean = np.array([values[label == k].mean(axis=0) for k in range(1, 5)])
    spread = np.array([values[label == k].std(axis=0) for k in range(1, 5)])
    data = {
        "label": (("y", "x"), label),
        "mean_spectrum": (("cluster", "channel"), mean),
        "std_spectrum": (("cluster", "channel"), spread),
        "size": ("cluster", np.bincount(label.ravel())[1:]),
    }
    result = xr.Dataset(data, coords={"cluster": np.arange(1, 5)})
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], Axis(SHIFT, unit="cm-1"))
    return result


def test_minerals_on_the_same_fluorescence_are_no_brightness():
    """The spectra have one shape but for a hundredth, which is all that is of the minerals."""
    warnings = artefacts_of(
        raman_result(raman("calcite", 300), raman("gypsum", 500),
                     raman("calcite", 1300), raman("gypsum", 1900))
    )  # fmt: skip
    found = [each.clusters for each in warnings if each.code == "W-CLUSTER-BRIGHTNESS"]
    assert sorted(found) == [(1, 3), (2, 4)]


def test_one_mineral_in_fluorescence_of_several_strengths_still_is():
    glows = (300, 600, 1000, 1700)
    (warning,) = artefacts_of(raman_result(*(raman("calcite", each) for each in glows)))
    assert warning.code == "W-CLUSTER-BRIGHTNESS"
    assert warning.clusters == (1, 2, 3, 4)
