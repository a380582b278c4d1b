"""A function of spectra, applied to every pixel of a cube in any shape and place."""

import numpy as np
import pytest
import xarray as xr

from spectessera.cube import make_cube
from spectessera.maps.stream import map_pixels, map_pixels_lazily, times_matrices

SHAPE = (37, 29, 200)  # not square, and no multiple of anything


def products(matrices, spectra, labels):
    """The product of every spectrum and the matrix of its label, and the label."""
    return np.column_stack([times_matrices(spectra.values, labels, matrices), labels])


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(3.0, SHAPE).astype(np.uint16)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(1).integers(0, 4, SHAPE[:2])


@pytest.fixture(scope="module")
def matrices():
    return np.random.default_rng(2).normal(size=(3, SHAPE[2], 5)).astype(np.float32)


def whole(counts, labels, matrices):
    return map_pixels(products, matrices, make_cube(counts, energy=(1, 20)), labels, 6)


def test_the_numbers_of_a_pixel_are_those_of_its_spectrum_and_label(counts, labels, matrices):
    maps = whole(counts, labels, matrices)
    some = labels > 0
    truth = np.einsum("nc,nco->no", counts[some].astype(float), matrices[labels[some] - 1])
    np.testing.assert_allclose(maps[:5, some].T, truth, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(maps[5, some], labels[some])
    assert np.isnan(maps[:, ~some]).all()


@pytest.mark.parametrize("tile", [(5, 29), (37, 3), (11, 7), (1, 1)])
def test_chunks_change_no_bit(counts, labels, matrices, tile):
    cube = make_cube(counts, energy=(1, 20)).chunk({"y": tile[0], "x": tile[1]})
    if tile == (1, 1):
        cube, labels, counts = cube[:5, :5], labels[:5, :5], counts[:5, :5]
    expected = whole(counts, labels, matrices)
    np.testing.assert_array_equal(map_pixels(products, matrices, cube, labels, 6), expected)
    later = map_pixels_lazily(products, matrices, cube, labels, 6)
    np.testing.assert_array_equal(later.compute(), expected)


def test_workers_change_no_bit(counts, labels, matrices, client):
    expected = whole(counts[:20], labels[:20], matrices)
    cube = make_cube(counts[:20], energy=(1, 20)).chunk({"y": 8, "x": 15})
    chunked = xr.DataArray(labels[:20], dims=("y", "x")).chunk({"y": 5})
    np.testing.assert_array_equal(map_pixels(products, matrices, cube, chunked, 6), expected)
    later = map_pixels_lazily(products, matrices, cube, chunked, 6)
    np.testing.assert_array_equal(later.compute(), expected)


def test_masked_and_unusable_pixels_have_no_numbers_and_bad_channels_no_weight(labels):
    counts = np.ones(SHAPE, np.float32)
    counts[3, 4, :150] = np.nan
    counts[5, 6, 10] = np.nan  # one channel is interpolated
    counts[..., 7] = 1000.0
    mask, bad = np.zeros(SHAPE[:2], bool), np.arange(SHAPE[2]) == 7
    mask[0, 1] = True
    cube = make_cube(counts, mask=mask, bad_channel=bad)
    sums = [np.ones((SHAPE[2] - 1, 1), np.float32)]
    maps = map_pixels(products, sums, cube, np.ones_like(labels), 2)[0]
    assert np.isnan(maps[[0, 3], [1, 4]]).all()
    maps[[0, 3], [1, 4]] = SHAPE[2] - 1
    assert (maps == SHAPE[2] - 1).all()


def test_labels_of_another_image_are_refused(counts, matrices):
    cube = make_cube(counts)
    with pytest.raises(ValueError, match="give the cube that was segmented"):
        map_pixels(products, matrices, cube, np.ones((29, 37), int), 6)
