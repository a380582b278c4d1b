"""Where too few spectra are usable, the error counts the reasons."""

import numpy as np
import pytest

import spectessera as spt
from spectessera.cube import make_cube
from spectessera.preprocess.steps import why_unusable

MASKED, NOT_FINITE, EMPTY, SATURATED = 4, 3, 2, 3
WORDS = r": 4 masked, 3 not finite \(.*NaN.*1e30\), 2 empty \(0 in all channels\), 3 saturated"


def spoilt(good: int = 0):
    """Return a cube of 3 x 4 pixels, each of which is not usable for one of four reasons."""
    values = np.full((3, 4, 8), 5, np.float32)
    flat = values.reshape(12, 8)
    flat[4:6], flat[6], flat[7:9] = np.nan, 1e35, 0
    flat[9:, 2] = 900
    flat[12 - good :] = 5 + np.arange(8)
    mask = (np.arange(12) < MASKED).reshape(3, 4)
    return make_cube(values, energy=(1, 8), mask=mask, attrs={"saturation": 900.0})


@pytest.mark.parametrize("chunks", [None, 2])
def test_training_says_why_spectra_are_not_usable(chunks):
    cube = spoilt() if chunks is None else spoilt().chunk({"y": chunks, "x": chunks})
    with pytest.raises(ValueError, match=r"^0 usable spectra: too few.*" + WORDS):
        spt.SpectralSegmenter().fit(cube)


def test_segmenting_says_why_spectra_are_not_usable():
    clean = make_cube(np.random.default_rng(0).poisson(9, (6, 7, 8)), energy=(1, 8))
    segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=1)).fit(clean)
    with pytest.raises(ValueError, match=r"the cube has 0 usable spectra of 12;.*" + WORDS):
        spt.segment(spoilt(), segmenter)


def test_a_baseline_says_why_spectra_are_not_usable():
    with pytest.raises(ValueError, match=r"^0 usable spectra of 12 pixels: too few.*" + WORDS):
        spt.baselines.cluster_cube(spoilt(), "pca")


def test_nothing_is_said_of_reasons_where_all_are_usable():
    assert why_unusable(np.zeros(3, np.uint8)) == ""
    cube = make_cube(np.arange(1, 9).reshape(1, 1, 8))
    with pytest.raises(ValueError, match=r"for 2 clusters$"):
        spt.SpectralSegmenter().fit(cube)
