"""Maps of elements, from cubes whose expected net counts are known."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from mapcases import ENERGY, FAMILIES, REGIONS, RESPONSE, SHAPE, painted, result_of, shape_of
from spectessera.cube import with_axis
from spectessera.maps.design import design_of
from spectessera.maps.elementmaps import _strongest_first as strongest_first
from spectessera.maps.elementmaps import elements
from spectessera.maps.families import Contents, MeanSpectra
from spectessera.naming import name_clusters
from spectessera.naming.xray import elements as naming
from spectessera.naming.xray.families import table
from spectessera.preprocess import with_live_time


@pytest.fixture(scope="module")
def page():
    return painted()


@pytest.fixture(scope="module")
def maps(page):
    return elements(page.cube, page.result)


def test_net_counts_are_the_expected_ones_within_their_errors(page, maps):
    assert set(FAMILIES) <= set(maps.element.values.tolist())
    for name in FAMILIES:
        truth = page.truth.sel(element=name).values
        found, error = (maps[each].sel(element=name).values
                        for each in ("net_counts", "net_counts_error"))  # fmt: skip
        strong = truth > 15
        pulls = ((found - truth) / error)[strong]
        assert 0.85 < pulls.std() < 1.15, name
        assert abs(pulls.mean()) < 0.25, name
        assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.9
        assert (found >= 0).all()
        assert (found[truth == 0] < 4 * error[truth == 0]).mean() > 0.99


def test_net_counts_of_clusters_are_those_of_their_pixels(page, maps):
    for name in FAMILIES:
        for number, region in enumerate(REGIONS, start=1):
            mine = page.result.label.values == number
            truth = page.truth.sel(element=name).values[mine].mean()
            where = {"element": name, "cluster": number}
            found = float(maps.cluster_net_counts.sel(where))
            error = float(maps.cluster_net_counts_error.sel(where))
            assert abs(found - truth) < 4 * error + 0.04 * sum(region.values()), (name, number)


def test_the_surest_families_are_first(maps):
    sigma = (maps.cluster_net_counts / maps.cluster_net_counts_error).max("cluster").values
    clusters = (maps.kind == "element").values & (maps.found_in != "single pixels").values
    assert clusters[: clusters.sum()].all()
    assert (np.diff(sigma[: clusters.sum()]) <= 0).all()


def test_a_family_names_a_surer_one_of_its_element():
    names = ["Rh L", "Pb M", "Au L", "Pb L", "Fe K", "Rh Compton"]
    counts = [[900.0, 9], [3, 20], [np.nan, np.nan], [40, 2], [5, 6], [990, 990]]
    made = xr.Dataset(
        {
            "cluster_net_counts": (("element", "cluster"), counts),
            "cluster_net_counts_error": (("element", "cluster"), np.ones((6, 2))),
        },
        coords={
            "element": names,
            "kind": ("element", ["instrument", *4 * ["element"], "instrument"]),
            "found_in": (
                "element",
                ["the instrument", "1", "single pixels", "1", "1, 2", "the instrument"],
            ),
        },
    )
    ordered = strongest_first(made)
    assert ordered.element.values.tolist() == [
        "Pb L", "Pb M", "Fe K", "Au L", "Rh Compton", "Rh L"
    ]  # fmt: skip
    assert ordered.surer.values.tolist() == ["", "Pb L", "", "", "", ""]


def test_chunks_change_no_bit(page, maps):
    chunked = elements(page.cube.chunk({"y": 9, "x": 10}), page.result)
    xr.testing.assert_identical(chunked, maps)


def test_workers_change_no_bit(page, maps, client):
    xr.testing.assert_identical(elements(page.cube.chunk({"y": 17}), page.result), maps)


def test_masked_pixels_have_no_counts(page):
    label = page.result.label.copy()
    label[3, 4] = 0
    maps = elements(page.cube, page.result.assign(label=label), single_pixels=False)
    missing = np.isnan(maps.net_counts.values)
    assert missing[:, 3, 4].all()
    assert missing.sum() == len(maps.element)


def test_calibration_and_resolution_are_those_of_the_mean_spectra(maps):
    assert maps.attrs["calibration_gain"] == pytest.approx(RESPONSE.gain, abs=0.001)
    assert maps.attrs["calibration_offset"] == pytest.approx(RESPONSE.offset, abs=0.01)
    width = 1000 * float(RESPONSE.width(5.9))
    assert float(maps.attrs["resolution"].split()[0]) == pytest.approx(width, abs=5)


def _designed(added, pixels):
    """Return potassium under calcium: the shape (channel,) of its lines, and the response."""
    families = tuple(
        f for f in table().families if (f.symbol, f.shell) in (("K", "K"), ("Ca", "K"))
    )
    background = np.exp(-ENERGY / 6)
    counts = 100 * shape_of("Ca K") + shape_of("K K") + 20 * background / background.sum() + added
    error = np.sqrt(counts / pixels)
    means = MeanSpectra(
        ENERGY, np.arange(len(ENERGY)), counts[None], error[None], np.array([float(pixels)])
    )
    window = float(ENERGY[0]), float(ENERGY[-1])
    start = RESPONSE._replace(noise=0.06)
    design, contents = design_of(means, Contents(start, families, {}, (), None, None, window))
    return design.shapes[0][:, 0], contents.response


def test_the_ratio_of_lines_of_a_faint_family_does_not_fit_its_neighbour():
    # Counts of nothing in the model, between the lines of potassium and calcium.
    added = 0.0043 * np.exp(-0.5 * ((ENERGY - 3.55) / 0.06) ** 2) / 0.0321 * 0.6
    shape, _ = _designed(added, pixels=300)
    truth = shape_of("K K")
    main, second = (np.abs(ENERGY - energy).argmin() for energy in (3.313, 3.59))
    assert shape[second] / shape[main] == pytest.approx(truth[second] / truth[main], rel=0.3)


def test_the_resolution_is_right_where_lines_cover_the_background():
    _, response = _designed(0.0, pixels=100_000)
    assert response.noise == pytest.approx(RESPONSE.noise, abs=0.001)


def test_spectra_that_are_named_are_not_decomposed_again(page, monkeypatch):
    naming.forget_explained()
    name_clusters(page.result)
    monkeypatch.setattr(naming, "decompose_counts", None)  # an error where it is called
    elements(page.cube, page.result, single_pixels=False)


def test_an_element_of_three_pixels_is_found():
    hot = {(5, 3): {"Ti K": 60.0}, (17, 20): {"Ti K": 90.0}, (30, 4): {"Ti K": 75.0}}
    page = painted(1, hot)
    maps = elements(page.cube, page.result)
    assert maps.attrs["found_in_single_pixels"] == "Ti K"
    found = maps.net_counts.sel(element="Ti K").values
    assert set(zip(*np.unravel_index(np.argsort(found.ravel())[-3:], SHAPE), strict=True)) == {*hot}
    for place, contents in hot.items():
        error = maps.net_counts_error.sel(element="Ti K").values[place]
        assert abs(found[place] - contents["Ti K"]) < 4 * error
    assert "Ti K" not in elements(page.cube, page.result, single_pixels=False).element


@pytest.mark.parametrize("seed", range(2, 6))
def test_noise_is_no_element_of_single_pixels(seed):
    assert elements(*painted(seed)[:2]).attrs["found_in_single_pixels"] == ""


def test_live_times_scale_counts_and_errors(page):
    times = np.where(np.arange(SHAPE[1]) < 11, 1.0, 3.0) * np.ones(SHAPE)
    timed = page.cube.assign_coords(live_time=(("y", "x"), times))
    scaled = with_live_time(timed)
    result = result_of(scaled, page.result.label.values).assign_attrs(confidence_noise="variance")
    maps, raw = (elements(each, result, single_pixels=False) for each in (scaled, timed))
    factor = scaled.attrs["live_time_median"] / times
    for name in ("net_counts", "net_counts_error"):
        np.testing.assert_allclose(maps[name], raw[name] * factor, rtol=2e-3, atol=2e-3)
    assert "live time of 3" in maps.attrs["live_time"]


def test_errors_say_what_is_wrong(page):
    with pytest.raises(ValueError, match="give the cube that was segmented"):
        elements(page.cube[:, :5], page.result)
    with pytest.raises(ValueError, match="only X-ray cubes have element maps"):
        elements(page.cube, with_axis(page.result, spt.axis.Axis(np.arange(480) + 400.0, "nm")))
    with pytest.raises(ValueError, match="element maps need counts"):
        elements((page.cube / 3.3).assign_attrs(noise="residual"), page.result)
    flat = page.result.copy()
    flat["mean_spectrum"] = flat["mean_spectrum"] * 0 + 3.0
    with pytest.raises(ValueError, match="have no lines"):
        elements(page.cube, flat)


def test_a_wrong_calibration_is_reported_with_the_flag_that_mends_it(page):
    axis = spt.axis.Axis(ENERGY / 0.96, "keV")
    with pytest.raises(ValueError, match="again with --energy") as error:
        elements(with_axis(page.cube, axis), with_axis(page.result, axis))
    given = str(error.value).split("--energy ")[1].split(", ")[0]
    first, last = (float(number) for number in given.split(","))
    assert first == pytest.approx(ENERGY[0], rel=0.01)
    assert last == pytest.approx(ENERGY[-1], rel=0.01)
