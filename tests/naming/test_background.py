"""The background passes under peaks and follows the spectrum elsewhere."""

import numpy as np

from spectessera.naming.background import clipped_background

CHANNEL = np.arange(1000)
CURVED = 400 * np.exp(-CHANNEL / 400) + 50


def test_the_background_passes_under_a_peak():
    peak = 500 * np.exp(-(((CHANNEL - 350) / 4.25) ** 2) / 2)
    under = clipped_background(CURVED + peak, np.full(1000, 10.0))
    assert np.allclose(under[50:-50], CURVED[50:-50], rtol=0.05)


def test_a_constant_spectrum_is_its_own_background():
    assert np.array_equal(clipped_background(np.full(40, 3.0), np.full(40, 5.0)), np.full(40, 3.0))
