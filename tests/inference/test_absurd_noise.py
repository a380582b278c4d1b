"""Variances that are none, huge or tiny: never a warning of numpy, and never in the way."""

import numpy as np
import pytest

import spectessera as spt
from spectessera import Clusters, Network, SpectralSegmenter, Training, make_cube, segment
from spectessera.cube import to_spectra
from spectessera.evidence import finite_variance
from spectessera.inference import choose_neighbours

SHAPE = (20, 22, 24)
TRUTH = np.where(np.arange(22) < 11, 1, 2) * np.ones((20, 1), int)


def values():
    """Return two halves that differ by a line, with noise of variance 1, float64."""
    expected = 30 + 10 * np.sin(np.arange(24) / 5) + np.zeros(SHAPE)
    expected[TRUTH == 2, 8:12] += 20
    return expected + np.random.default_rng(0).standard_normal(SHAPE)


def variances(number, where):
    found = np.ones(SHAPE)
    found[where] = number
    return found


@pytest.fixture(scope="module")
def segmenter():
    clusters, training = Clusters(2, 4, restarts=2), Training(gamma=0.0, epochs=1)
    cube = make_cube(values(), wavelength=(400, 900), unit="nm")
    return SpectralSegmenter(
        network=Network(latent=2, encoder=(8,)), clusters=clusters, training=training
    ).fit(cube)


EVERYWHERE = (slice(None),)


@pytest.mark.parametrize("number", [0.0, np.nan, np.inf, 3e38, 1e-300])
def test_a_variance_that_float32_cannot_hold_is_none_in_every_step(segmenter, number):
    """Evidence, neighbours, rare groups and confidence are what they are without a variance."""
    cube = make_cube(
        values(), wavelength=(400, 900), unit="nm", variance=variances(number, EVERYWHERE)
    )
    assert "variance" not in cube.coords
    assert "is not used" in cube.attrs["reading_notes"]
    by_hand = make_cube(values(), wavelength=(400, 900), unit="nm").assign_coords(
        variance=(cube.dims, variances(number, EVERYWHERE))
    )
    assert choose_neighbours(by_hand).window == 1
    result = segment(by_hand, segmenter)
    assert result.attrs["confidence_noise"] == "residual"
    assert result.attrs["judged_by"] == "neighbours"
    assert spt.compare(result["label"].values, TRUTH).ari == 1


PIXEL, CHANNEL, VALUE, HALF = (3, 4), (slice(None), slice(None), 5), (3, 4, 5), (slice(0, 10),)


@pytest.mark.parametrize(
    ("number", "where"),
    [(number, PIXEL) for number in (0.0, np.nan, 3e38, 1e29, 1e-37)]
    + [(3e38, CHANNEL), (1e29, VALUE), (1e-37, VALUE), (3e38, HALF), (0.0, HALF)],
)
def test_variances_that_mark_bad_values_leave_the_others_alone(segmenter, number, where):
    cube = make_cube(values(), wavelength=(400, 900), unit="nm", variance=variances(number, where))
    used = choose_neighbours(cube)
    assert used.window > 1 or where == CHANNEL  # the gain is about what makes it worth it
    result = segment(cube, segmenter, neighbours=used)
    assert result.attrs["confidence_noise"] == "variance"
    assert result.attrs["judged_by"] == "noise"
    assert result.attrs["rare_clusters"] == 0
    assert spt.compare(result["label"].values, TRUTH).ari == 1
    assert result["confidence"].values.min() > 0.9


@pytest.mark.parametrize("number", [1e30, 1e-20])
def test_a_variance_far_from_the_noise_is_used_with_a_warning(segmenter, number):
    cube = make_cube(
        values(), wavelength=(400, 900), unit="nm", variance=variances(number, EVERYWHERE)
    )
    result = segment(cube, segmenter, neighbours=choose_neighbours(cube))
    assert "W-DATA-VARIANCE" in result.attrs["findings"]
    assert np.isfinite(result["confidence"]).all()


@pytest.mark.parametrize("where", [PIXEL, VALUE])
def test_values_near_the_largest_overflow_nothing(segmenter, where):
    some = values()
    some[where] = 1e29
    cube = make_cube(some, wavelength=(400, 900), unit="nm", variance=np.ones(SHAPE))
    result = segment(cube, segmenter, neighbours=choose_neighbours(cube))
    assert spt.compare(result["label"].values, TRUTH).ari > 0.95


def test_what_is_no_variance_or_too_small_for_float32_is_nan():
    variance = variances(2.0, EVERYWHERE)
    variance[0, 0, :5] = 3e38, np.inf, -1, 1e-300, np.nan
    found = to_spectra(make_cube(values(), variance=variance)).variance
    expected = np.full((440, 24), 2, np.float32)
    expected[0, :5] = np.nan
    np.testing.assert_array_equal(found, expected)


def test_bad_variances_become_those_of_their_channel():
    """Counts of 0 whose variance is 0 stay; a spectrum without any variance does not."""
    variance = np.tile(np.array([1.0, 4.0, 9.0], np.float32), (9, 1))
    variance[0] = 0
    variance[1] = 1e-20
    variance[2, 1], variance[3, 2], variance[4, 0] = np.nan, 1e25, 0
    expected = np.tile([1.0, 4.0, 9.0], (9, 1))
    expected[4, 0] = 0
    np.testing.assert_array_equal(finite_variance(variance), expected)
    nothing = np.full((4, 3), np.nan, np.float32)
    np.testing.assert_array_equal(finite_variance(nothing), np.zeros((4, 3)))
    np.testing.assert_array_equal(finite_variance(0 * variance), np.zeros((9, 3)))
