"""The power of ten by which a cube is scaled once."""

import dask.array as da
import numpy as np
import pytest

from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, segment
from spectessera.cube import make_cube
from spectessera.io import read
from spectessera.scale import PLACES, places, scale_of


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(5, 1, (6, 9, 11))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [1e-35, 1e-25, 1e-18, 1e18, 1e25])
def test_extreme_values_are_divided_and_the_unit_says_by_what(values, dtype, size):
    stored = (values * size).astype(dtype)
    variance = (values * size) ** 2 / 100  # as float32 it would be 0 or infinite
    cube = make_cube(stored, variance=variance, attrs={"unit": "erg/s/cm2/A"})
    scale = cube.attrs["value_scale"]
    assert 1e-3 < np.abs(cube).max() < 1e6
    assert cube.attrs["unit"] == f"{scale:g} erg/s/cm2/A"
    assert cube.dtype == cube.coords["variance"].dtype == dtype
    np.testing.assert_allclose(cube * (scale / size), values, rtol=1e-6)
    np.testing.assert_allclose(
        cube.coords["variance"] * (scale / size) ** 2, values**2 / 100, rtol=1e-6
    )


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e8])
def test_usual_values_stay_as_they_are(values, size):
    cube = make_cube(values * size, attrs={"unit": "counts"})
    np.testing.assert_array_equal(cube, values * size)
    assert cube.attrs == {"unit": "counts"}


def test_whole_numbers_and_empty_cubes_are_never_scaled(values):
    assert scale_of(values.astype(np.int64) * 10**15) == 1.0
    assert scale_of(np.zeros((3, 4, 5))) == scale_of(np.full((3, 4, 5), np.nan)) == 1.0


def test_the_scale_does_not_depend_on_chunks_or_on_edges_without_data(values):
    values *= 1e-20
    values[:2], values[:, :3] = np.nan, 0
    assert scale_of(values) == 1e-20
    for chunks in [(1, 1, -1), (4, 2, 3)]:
        assert scale_of(da.from_array(values, chunks=chunks, lock=True)) == 1e-20


def test_a_computed_array_is_not_computed_to_find_its_scale(values):
    def never(block):
        raise AssertionError("it was computed")

    lazy = da.from_array(values, chunks=3).map_blocks(never, dtype="f8", meta=np.empty((0, 0, 0)))
    assert scale_of(lazy) == 1.0


def test_values_marked_as_missing_are_looked_at_in_their_file(values, tmp_path):
    np.savez(tmp_path / "cube.npz", cube=values * 1e-20, ivar=np.full(values.shape, 1e40))
    for chunks in (None, 2):
        cube = read(tmp_path / "cube.npz", chunks=chunks)
        assert cube.attrs["value_scale"] == 1e-20
        np.testing.assert_allclose(cube.coords["variance"], 1, rtol=1e-6)


def test_fill_values_neither_determine_the_scale_nor_become_measurements(values):
    for size in (1e-20, 1e20):
        stored = values * size
        stored[::2, ::2] = 9.96921e36
        cube = make_cube(stored)
        assert np.isnan(cube[::2, ::2]).all()
        assert 1 < cube[1::2].median() < 10


def test_saturation_is_scaled_with_the_values(values):
    cube = make_cube(values * 1e-15, attrs={"saturation": 6e-15})
    np.testing.assert_allclose(cube.attrs["saturation"], 6.0)


def test_places_are_inside_and_different():
    for shape in [(1, 1), (2, 3), (1, 500), (4000, 3)]:
        found = places(shape)
        assert len(set(found)) == len(found) >= min(shape[0] * shape[1], PLACES) / 2
        assert all(0 <= y < shape[0] and 0 <= x < shape[1] for y, x in found)


def test_the_confidence_is_the_same_at_any_scale():
    """The variance of fluxes near 1e-25 is no float32 number: it was taken as 0."""
    generator = np.random.default_rng(1)
    truth = np.where(np.arange(12)[:, None, None] < 6, 10 + np.arange(20), 30 - np.arange(20.0))
    values = truth + generator.normal(0, 8, (12, 10, 20))
    variance = np.full(values.shape, 64.0)
    confidence = []
    for size in (1.0, 1e-25, 1e25):
        cube = make_cube(values * size, variance=variance * size**2, wavelength=(4000, 5000))
        segmenter = SpectralSegmenter(
            Preprocess(normalise="max"),
            Network(latent=2),
            Clusters(k_min=2, k_max=2),
            Training(epochs=3, seed=0),
        ).fit(cube)
        confidence.append(float(segment(cube, segmenter, seed=0).confidence.mean()))
    assert confidence[0] < 0.95
    np.testing.assert_allclose(confidence[1:], confidence[0], atol=0.01)
