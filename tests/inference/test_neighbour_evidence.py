"""The number of clusters of maps whose noise is not known."""

import json

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from spectessera import Clusters, SpectralSegmenter, Training, baselines, make_cube, segment
from spectessera.diagnostics.warnings import sanity_of
from spectessera.evidence import BEYOND
from spectessera.htmlreport.text import how_chosen

SHAPE = (21, 27, 60)


def drawn(truth: np.ndarray, seed: int, width: int = 1) -> np.ndarray:
    """Return spectra (21, 27, 60) of groups (21, 27) of random means, with noise."""
    generator = np.random.default_rng(seed)
    means = 9 + 3 * generator.standard_normal((truth.max() + 1, SHAPE[2]))
    noise = uniform_filter1d(generator.standard_normal(SHAPE), width, axis=2)
    return (means[truth] + noise).astype(np.float32)


def stripes(groups: int) -> np.ndarray:
    return np.broadcast_to(np.arange(SHAPE[1]) * groups // SHAPE[1], SHAPE[:2])


def anywhere(groups: int) -> np.ndarray:
    return np.random.default_rng(9).permutation(stripes(groups).ravel()).reshape(SHAPE[:2])


def trained(cube) -> SpectralSegmenter:
    clusters = Clusters(2, 6, criterion="evidence")
    return SpectralSegmenter(clusters=clusters, training=Training(gamma=0.0, epochs=3)).fit(cube)


@pytest.mark.parametrize("width", [1, 3])
def test_noise_is_one_cluster(width):
    cube = make_cube(drawn(stripes(1), 1, width))
    result = segment(cube, trained(cube))
    assert (result.attrs["n_clusters"], result.attrs["criterion"]) == (1, "evidence")
    assert result.attrs["structure"] <= BEYOND
    assert "the noise is not known" in how_chosen(result)


@pytest.mark.parametrize("groups", [2, 3])
def test_groups_are_found_by_the_neighbours_and_the_result_says_so(groups):
    cube = make_cube(drawn(stripes(groups), 2))
    result = segment(cube, trained(cube))
    assert (result.attrs["n_clusters"], result.attrs["criterion"]) == (groups, "evidence")
    assert result.attrs["judged_by"] == "neighbours"
    assert result.attrs["structure"] > BEYOND
    assert result["gain"].values[0] > 10 * result["gain_error"].values[0]
    assert "noise is taken to be independent" in how_chosen(result)


def test_the_answer_does_not_depend_on_the_chunks():
    cube = make_cube(drawn(stripes(3), 3))
    segmenter = trained(cube)
    whole, parts = segment(cube, segmenter), segment(cube.chunk({"y": 8, "x": 5}), segmenter)
    for name in ("label", "gain", "gain_error"):
        np.testing.assert_array_equal(whole[name].values, parts[name].values)
    assert whole.attrs["structure"] == parts.attrs["structure"]


def test_where_neighbours_say_nothing_of_groups_stability_chooses_and_a_warning_says_so():
    cube = make_cube(drawn(anywhere(3), 4))
    result = segment(cube, trained(cube))
    assert (result.attrs["n_clusters"], result.attrs["criterion"]) == (3, "stability")
    assert "judged_by" not in result.attrs
    assert [each.code for each in sanity_of(result)] == ["W-K-NEIGHBOURS-SILENT"]
    by_stability = segment(cube, trained(cube).set_params(clusters__criterion="stability"))
    assert json.loads(by_stability.attrs["findings"]) == {}


@pytest.mark.parametrize("how", ["list", "averages"])
def test_lists_and_averages_are_not_judged_by_neighbours(how):
    values = drawn(stripes(2), 5)
    cube = make_cube(values.reshape(-1, 1, SHAPE[2]) if how == "list" else values)
    result = segment(cube, trained(cube), neighbours=1.0 if how == "averages" else "auto")
    assert result.attrs["criterion"] == "stability"
    assert "gain" not in result


def test_baselines_are_judged_by_neighbours_too():
    noise, groups = make_cube(drawn(stripes(1), 6)), make_cube(drawn(stripes(3), 7))
    clusters = Clusters(2, 6, criterion="evidence")
    found = [baselines.cluster_cube(each, "pca", clusters=clusters) for each in (noise, groups)]
    assert [each.attrs["n_clusters"] for each in found] == [1, 3]
    assert [each.attrs["judged_by"] for each in found] == ["neighbours"] * 2
