"""From the spectra of a cube to network inputs: screening and preprocessing, part by part."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_channels
from spectessera._util.text import counted
from spectessera.axis import Axis, in_terms_of, resample_weights
from spectessera.channels import across_bad, bad_channels
from spectessera.cube import Spectra, spectral_axis
from spectessera.scale import LARGEST

from .frame import (
    AS_MEASURED,
    CONTINUUM,
    REST,
    UNCHANGED,
    Expects,
    Frame,
    at_rest,
    per_channel,
    without_continuum,
)
from .recipe import Preprocess
from .steps import QUALITY, UNUSABLE, Inputs, combine, inside_windows, screen

if TYPE_CHECKING:
    from scipy import sparse

log = logging.getLogger(__name__)

# Spectra that are preprocessed together: the intermediate arrays stay small beside the block.
ROWS = 4096
# Of these, so many at a time: what a step makes of them is still in the cache for the next one.
_IN_CACHE = 256


class Intake(NamedTuple):
    """What turns the measured spectra of one cube into network inputs.

    Attributes
    ----------
    preprocess : Preprocess
    axis : Axis
        Spectral axis that the preprocessing works on.
    weights : sparse array (channel of that axis, channel of the cube), or None
        They resample spectra onto this axis; None if it is the axis of the cube.
    saturation : float or None
        Value at which the detector of the cube saturates, if it is known.
    bad : array (channel of the cube,) of bool, or None
        Channels that are marked as bad. Spectra come without them. A network that was trained
        without them never sees them; for any other, a straight line between the neighbours stands
        in their place.
    frame : Frame
        Redshift and continuum.
    runs : list of slice
        Channels of the axis, without gaps, that the cube covers; where a continuum is subtracted.
    width : int
        Of the running median, in channels of the axis.
    """

    preprocess: Preprocess
    axis: Axis
    weights: sparse.csr_array | None = None
    saturation: float | None = None
    bad: np.ndarray | None = None
    frame: Frame = Frame()
    runs: tuple[slice, ...] = ()
    width: int = 0

    def apply(self, values: np.ndarray, variance: np.ndarray | None = None) -> Inputs:
        """Return the inputs of finite spectra (n, good channel of the cube)."""
        if len(values) <= _IN_CACHE:
            return self._apply(values, variance)
        whole: list[Any] = []
        for first in range(0, len(values), _IN_CACHE):
            rows = slice(first, first + _IN_CACHE)
            part = self._apply(values[rows], None if variance is None else variance[rows])
            if not whole:
                whole = [_room(len(values), each) for each in part]
            for every, some in zip(whole, part, strict=True):
                if every is not None:
                    every[rows] = some
        return Inputs(*whole)

    def _apply(self, values: np.ndarray, variance: np.ndarray | None) -> Inputs:
        """Return the inputs of spectra, few at a time."""
        if self.bad is not None:
            values = across_bad(values, self.bad)
            variance = None if variance is None else across_bad(variance, self.bad)
        if self.weights is not None:
            values = combine(values, self.weights)
            variance = None if variance is None else combine(variance, self.weights.power(2))
        if self.frame.continuum:
            values = without_continuum(values, list(self.runs), self.width)
        return self.preprocess.apply(values, self.axis, variance)


def _room(rows: int, like: np.ndarray | None) -> np.ndarray | None:
    """Return an array of so many rows for rows such as those given; None where there are none."""
    return None if like is None else np.empty((rows, *like.shape[1:]), like.dtype)


def intake_of(
    cube: xr.DataArray,
    preprocess: Preprocess,
    axis: Axis,
    *,
    frame: Frame = UNCHANGED,
    expects: Expects = AS_MEASURED,
    warn: bool = True,
) -> Intake:
    """Return the resampling of a cube's spectra onto an axis, and their preprocessing.

    Unless ``warn`` is false, there is a warning where the cube covers only a part of the axis, or
    has channels marked as bad among those that are used.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    preprocess : Preprocess
    axis : Axis
    frame : Frame
        Redshift and continuum of the cube.
    expects : Expects
        What the model was trained on. Where that is wavelengths at rest, values are flux densities
        unless they are counts, and are multiplied by the widths of their channels.
    warn : bool

    Raises
    ------
    ValueError
        If the axis of the cube is of another kind or covers too little of the axis, or if both are
        plain channels and their numbers differ.
    """
    own, saturation, bad = spectral_axis(cube), saturation_of(cube), bad_channels(cube)
    factor = None
    if expects.frame == REST and own.kind == axis.kind == "wavelength":
        factor = None if _are_counts(cube) else per_channel(own, str(cube.attrs.get("unit", "")))
        if frame.redshift != 0:
            own = at_rest(own, frame.redshift, axis.medium or "air")
    weights = None
    runs: tuple[slice, ...] = (slice(0, len(axis)),)
    if factor is not None or not axis.matches(own):
        if axis.kind == "channel":
            check_channels(len(own), len(axis))
        weights = resample_weights(own, axis, warn=warn and not expects.parts, least=expects.least)
        runs = tuple(_runs(np.diff(weights.indptr) > 0))
        if factor is not None:
            weights = weights.multiply(factor[None].astype(np.float32)).tocsr()
    if bad is not None and warn:
        own = own if weights is None else in_terms_of(own, axis)
        _report_interpolated(own.values[bad], preprocess, axis)
    return Intake(preprocess, axis, weights, saturation, bad, frame, runs, _median_width(axis))


def _are_counts(cube: xr.DataArray) -> bool:
    """Return whether values are numbers of photons in a channel."""
    return bool(cube.dtype.kind in "iu" or cube.attrs.get("noise") == "counts")


def _runs(covered: np.ndarray) -> Iterator[slice]:
    """Yield the runs of channels that are covered, of (channel,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], covered, [False]])))
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield slice(first, stop)


def _median_width(axis: Axis) -> int:
    """Return the window of the continuum in channels; 0 where there are no wavelengths."""
    if axis.kind != "wavelength" or len(axis) < 2:
        return 0
    step = np.median(np.abs(np.diff(axis.to("angstrom").values)))
    return max(int(CONTINUUM / step), 1)


def _report_interpolated(bad: np.ndarray, preprocess: Preprocess, axis: Axis) -> None:
    """Warn where bad channels at some positions (n,) are among those that a model works on."""
    used = inside_windows(bad, preprocess.keep, preprocess.exclude)
    used &= (bad >= axis.values.min()) & (bad <= axis.values.max())
    if used.any():
        log.warning(
            "the model was trained with %d of %s marked as bad; straight lines between their "
            "neighbours stand in their place", used.sum(), counted(len(bad), "channel"),
        )  # fmt: skip


class BlockInputs(NamedTuple):
    """Spectra of a block, or some of them, screened and preprocessed.

    Attributes
    ----------
    pixel : array (n,), int64
        Position of every unmasked pixel in the flattened image, or block, that was read.
    quality : array (n,), uint8
    usable : array (n,), bool
    values : array (m, good channel), float32
        Measured spectra of the usable pixels.
    variance : array (m, good channel), float32, or None
    inputs : array (m, input channel), float32
    """

    pixel: np.ndarray
    quality: np.ndarray
    usable: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray


def inputs_in_parts(
    spectra: Spectra, intake: Intake, rows: np.ndarray | None = None
) -> Iterator[BlockInputs]:
    """Screen and preprocess the spectra of a block, ``ROWS`` at a time.

    There is at least one part; the only one of a block without spectra is empty.

    Parameters
    ----------
    spectra : Spectra
    intake : Intake
    rows : array (n,), int, optional
        Which of the spectra, in order; by default all.
    """
    count = len(spectra.pixel) if rows is None else len(rows)
    for first in range(0, max(1, count), ROWS):
        span = slice(first, first + ROWS)
        some = span if rows is None else rows[span]
        variance = None if spectra.variance is None else spectra.variance[some]
        yield _inputs_of(Spectra(spectra.values[some], variance, spectra.pixel[some]), intake)


def _inputs_of(spectra: Spectra, intake: Intake) -> BlockInputs:
    """Screen and preprocess spectra."""
    values, quality = screen(
        spectra.values, max_missing=intake.preprocess.max_missing, saturation=intake.saturation
    )
    usable = quality & UNUSABLE == 0
    variance = spectra.variance
    if not usable.all():
        values = values[usable]
        variance = None if variance is None else variance[usable]
    inputs = intake.apply(values)
    quality[usable] |= np.where(inputs.clipped, QUALITY["negative_clipped"], 0).astype(np.uint8)
    return BlockInputs(spectra.pixel, quality, usable, values, variance, inputs.values)


def with_bad(values: np.ndarray, measured: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return spectra of all channels, the bad ones as they were measured.

    Parameters
    ----------
    values : array (n, good channel), float32
        Finite.
    measured : array (n, channel), float32
        A value that is not finite, or beyond 1e30, is replaced by one between the neighbours.
    bad : array (channel,), bool
    """
    whole = across_bad(values, bad)
    usable = bad & (np.abs(measured) <= LARGEST)
    whole[usable] = measured[usable]
    return whole


def saturation_of(cube: xr.DataArray) -> float | None:
    """Return the value at which the detector of a cube saturates, None if it is not known."""
    saturation = cube.attrs.get("saturation")
    return None if saturation is None else float(saturation)
