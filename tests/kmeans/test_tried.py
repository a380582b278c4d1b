"""Clusterings with every k are made once: a later choice from the same points uses them."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter
from spectessera.kmeans import _choose
from spectessera.kmeans.points import cluster_points


def blobs(n=300, seed=0):
    generator = np.random.default_rng(seed)
    centers = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 3]])[generator.integers(3, size=n)]
    return (centers + generator.standard_normal((n, 3))).astype(np.float32)


def lines(seed=0):
    """Return a cube (8, 25, 60) of counts with three kinds of spectra."""
    generator = np.random.default_rng(seed)
    places = np.array([12, 28, 45])[generator.integers(3, size=(8, 25))]
    shape = np.exp(-0.5 * ((np.arange(60) - places[..., None]) / 2) ** 2)
    return spt.make_cube(generator.poisson(2 + 80 * shape).astype(np.uint16))


@pytest.fixture
def made(monkeypatch):
    """Return a list that gets the number of points of all clusterings that are made."""
    counts, original = [], _choose._candidates

    def counted(points, *others):
        counts.append(len(points))
        return original(points, *others)

    monkeypatch.setattr(_choose, "_candidates", counted)
    return counts


@pytest.mark.parametrize(
    "clusters", [Clusters(2, 5), Clusters(3, 3), Clusters(2, 4, max_points=1000)]
)
@pytest.mark.parametrize("n", [300, 5000])
def test_another_choice_from_the_same_points_is_the_same(made, clusters, n):
    points = blobs(n)
    first = cluster_points(points, clusters, seed=3)
    expected = cluster_points(points, clusters, seed=3)
    again = cluster_points(points, clusters, seed=3, tried=first.tried)
    assert len(made) == 2
    np.testing.assert_array_equal(again.labels, expected.labels)
    np.testing.assert_array_equal(again.centers, expected.centers)
    for one, other in zip(again.curves, expected.curves, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("change", ["points", "order", "seed", "k", "restarts", "metric"])
def test_other_points_and_settings_are_clustered_anew(made, change):
    points, clusters, seed = blobs(), Clusters(2, 5), 3
    first = cluster_points(points, clusters, seed=seed)
    if change == "points":
        points = points.copy()
        points[7, 1] = np.nextafter(points[7, 1], np.float32(99))  # one bit
    elif change == "order":
        points = points[::-1].copy()
    elif change == "seed":
        seed = 4
    else:
        values = {"k": {"k_max": 4}, "restarts": {"restarts": 3}, "metric": {"metric": "whitened"}}
        clusters = replace(clusters, **values[change])
    found = cluster_points(points, clusters, seed=seed, tried=first.tried)
    expected = cluster_points(points, clusters, seed=seed)
    assert len(made) == 3
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_the_criterion_is_free_to_be_another(made):
    points = blobs()
    first = cluster_points(points, Clusters(2, 5, criterion="stability"), seed=3)
    found = cluster_points(
        points, Clusters(2, 5, criterion="silhouette"), tried=first.tried, seed=3
    )
    assert made == [300]
    assert (first.criterion, found.criterion) == ("stability", "silhouette")


def test_many_points_are_not_kept():
    assert cluster_points(blobs(66_000), Clusters(2, 2, restarts=1)).tried is None


def test_segment_after_a_fit_chooses_from_the_clusterings_of_the_fit(made, tmp_path):
    """And gives what a model gives that was saved and loaded, which has none."""
    cube = lines()
    segmenter = SpectralSegmenter().fit(cube)
    result = spt.segment(cube, segmenter, seed=0)
    assert made == [200]
    segmenter.save(tmp_path / "model.safetensors")
    loaded = spt.segment(cube, spt.load(tmp_path / "model.safetensors"), seed=0)
    assert made == [200, 200]
    for name in ("label", "confidence", "score", "stability", "center"):
        np.testing.assert_array_equal(result[name], loaded[name])


def test_another_cube_and_another_seed_are_clustered_anew(made):
    segmenter = SpectralSegmenter().fit(lines())
    spt.segment(lines(1), segmenter, seed=0)
    spt.segment(lines(), segmenter, seed=1)
    assert len(made) == 3


def test_a_copy_that_is_sent_to_a_process_is_without_them():
    segmenter = SpectralSegmenter().fit(lines())
    assert segmenter._tried is not None
    copy = pickle.loads(pickle.dumps(segmenter))
    assert copy._tried is None
    np.testing.assert_array_equal(copy.predict(lines()), segmenter.predict(lines()))
