"""Spectra of a cube as inputs of a network: other axes, variances and what is reported."""

import numpy as np

from spectessera import make_cube
from spectessera.axis import Axis
from spectessera.cube import to_spectra
from spectessera.preprocess.intake import inputs_in_parts, intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import QUALITY

ENERGY = Axis(np.linspace(1.0, 5.0, 41), "keV", "energy")
PLAIN = Preprocess(stabilise=None, normalise=None)


def test_the_variance_on_another_axis_is_that_of_many_measurements():
    """Every channel of the coarser axis is a weighted sum, so its noise adds in squares."""
    values = np.random.default_rng(0).normal(100, 2, (40, 50, 41)).astype(np.float32)
    cube = make_cube(values, axis=ENERGY)
    intake = intake_of(cube, PLAIN, Axis(np.linspace(1.3, 4.7, 9), "keV", "energy"))
    assert intake.weights is not None
    found = intake.apply(values.reshape(-1, 41), np.full((2000, 41), 4.0, np.float32))
    ratio = found.variance.mean(axis=0) / found.values.var(axis=0)
    np.testing.assert_allclose(ratio, 1, atol=0.15)


def test_only_spectra_that_had_negative_values_clipped_are_reported():
    values = np.full((2, 2, 41), 4.0, np.float32)
    values[0, 1, 7] = -3
    cube = make_cube(values, axis=ENERGY)
    intake = intake_of(cube, Preprocess(stabilise="sqrt", normalise=None), ENERGY)
    (part,) = inputs_in_parts(to_spectra(cube), intake)
    assert part.quality.tolist() == [0, QUALITY["negative_clipped"], 0, 0]
