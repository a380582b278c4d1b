"""Reading a cube for the network: block by block, screened and preprocessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_channels
from spectessera.axis import Axis, resample_weights
from spectessera.cube import Block, Spectra, read_block, spectral_axis

from .recipe import Preprocess
from .steps import QUALITY, UNUSABLE, Inputs, combine, screen

if TYPE_CHECKING:
    from scipy import sparse


class Intake(NamedTuple):
    """The way from the measured spectra of one cube to network inputs.

    Attributes
    ----------
    preprocess : Preprocess
    axis : Axis
        That the preprocessing works on.
    weights : sparse array (channel of that axis, channel of the cube), or None
        By which spectra are moved onto it, where the cube has another axis.
    """

    preprocess: Preprocess
    axis: Axis
    weights: sparse.csr_array | None = None

    def apply(self, values: np.ndarray, variance: np.ndarray | None = None) -> Inputs:
        """Return the inputs of finite spectra (n, channel of the cube)."""
        if self.weights is not None:
            values = combine(values, self.weights)
            variance = None if variance is None else combine(variance, self.weights.power(2))
        return self.preprocess.apply(values, self.axis, variance)


def intake_of(cube: xr.DataArray, preprocess: Preprocess, axis: Axis) -> Intake:
    """Return the way of a cube's spectra onto an axis and through the preprocessing.

    Raises
    ------
    ValueError
        If its axis is of another kind, or covers too little; or, being plain channels, has another
        number of them.
    """
    own = spectral_axis(cube)
    if axis.matches(own):
        return Intake(preprocess, axis)
    if axis.kind == "channel":
        check_channels(len(own), len(axis))
    return Intake(preprocess, axis, resample_weights(own, axis))


class BlockInputs(NamedTuple):
    """One block of a cube, preprocessed.

    Attributes
    ----------
    pixel : array (n,), int64
        Position of every unmasked pixel in the flattened image.
    quality : array (n,), uint8
    usable : array (n,), bool
    values : array (m, channel), float32
        Measured spectra of the usable pixels.
    variance : array (m, channel), float32, or None
    inputs : array (m, input channel), float32
    """

    pixel: np.ndarray
    quality: np.ndarray
    usable: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray


def read_inputs(cube: xr.DataArray, block: Block, intake: Intake) -> BlockInputs:
    """Read, screen and preprocess one block; assumes a checked cube."""
    return inputs_of(read_block(cube, block), intake, saturation_of(cube))


def inputs_of(spectra: Spectra, intake: Intake, saturation: float | None) -> BlockInputs:
    """Screen and preprocess spectra."""
    values, quality = screen(
        spectra.values, max_missing=intake.preprocess.max_missing, saturation=saturation
    )
    usable = quality & UNUSABLE == 0
    variance = spectra.variance
    if not usable.all():
        values = values[usable]
        variance = None if variance is None else variance[usable]
    made = intake.apply(values)
    quality[usable] |= np.where(made.clipped, QUALITY["negative_clipped"], 0).astype(np.uint8)
    return BlockInputs(spectra.pixel, quality, usable, values, variance, made.values)


def saturation_of(cube: xr.DataArray) -> float | None:
    """Return the value at which the detector of a cube saturates, where it tells one."""
    found = cube.attrs.get("saturation")
    return None if found is None else float(found)
