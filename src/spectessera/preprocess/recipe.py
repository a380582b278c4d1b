"""The recipe: which steps lead from a measured spectrum to a network input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis

from .steps import (
    AUTO,
    NORMALISE,
    STABILISE,
    Inputs,
    Undone,
    _slope,
    combine,
    kept_channels,
    median_continuum,
    rebin_weights,
    rest_frame,
    scale_of,
    smooth_weights,
    stabilise,
)

if TYPE_CHECKING:
    from scipy import sparse


def _windows(name: str, given: Any) -> tuple[tuple[float, float], ...]:
    """Return windows of a spectral axis as pairs of floats, or say what was wrong with them."""
    words = f"{name} is a list of windows (low, high), such as [(5.0, 7.5)]; got {given!r}"
    try:
        windows = tuple((float(low), float(high)) for low, high in given)
    except (TypeError, ValueError) as error:
        raise ValueError(words) from error
    if not all(np.isfinite(low) and np.isfinite(high) and low < high for low, high in windows):
        raise ValueError(words)
    return windows


@dataclass(frozen=True)
class Preprocess:
    """The steps from a measured spectrum to a network input, in the order listed.

    Parameters
    ----------
    keep, exclude : tuple of (low, high)
        Windows of the spectral axis to use or to leave out, in the unit of the cube's axis.
    continuum : None or "median"
        Subtract a running median over ``continuum_width`` channels (emission-line cubes).
    continuum_width : int
        Odd number of channels.
    redshift : float
        Tell the input axis in the rest frame of the source; values are not changed.
    rebin_to : int, optional
        Sum neighbouring channels into so many bins; never across a gap of the axis.
    smooth : int
        Running mean over so many (odd) channels; 1 is none.
    stabilise : None, "auto", "log", "sqrt", "anscombe", "asinh" or "log-quantile"
        See :func:`stabilise`. "sqrt" makes the noise of counts alike in all channels. "auto" is
        what suits the noise of the spectra, chosen when a segmenter is trained
        (:mod:`spectessera.preprocess.auto`); without one, None.
    softening : float
        Where asinh turns from linear to logarithmic, in the unit of the values.
    normalise : None, "auto", "max", "l2" or "total"
        Divide every spectrum by its maximum, its root sum of squares or its sum. "auto" is "l2".
    max_missing : float
        Largest share of channels of a spectrum that is mended by interpolation.
    """

    keep: tuple[tuple[float, float], ...] = ()
    exclude: tuple[tuple[float, float], ...] = ()
    continuum: str | None = None
    continuum_width: int = 151
    redshift: float = 0.0
    rebin_to: int | None = None
    smooth: int = 1
    stabilise: str | None = None
    softening: float = 1.0
    normalise: str | None = "max"
    max_missing: float = 0.2

    def __post_init__(self) -> None:
        for name in ("keep", "exclude"):
            object.__setattr__(self, name, _windows(name, getattr(self, name)))
        check_choice("continuum", self.continuum, (None, "median"))
        for name in ("continuum_width", "smooth"):
            check_number(name, getattr(self, name), low=1, integer=True)
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd; got {getattr(self, name)}")
        check_number("redshift", self.redshift, low=-1.0, open_low=True)
        if self.rebin_to is not None:
            check_number("rebin_to", self.rebin_to, low=1, integer=True)
        check_choice("stabilise", self.stabilise, (*STABILISE, AUTO))
        check_number("softening", self.softening, low=0.0, open_low=True)
        check_choice("normalise", self.normalise, (*NORMALISE, AUTO))
        check_number("max_missing", self.max_missing, low=0.0, high=1.0)

    def settled(self) -> Preprocess:
        """Return the settings without "auto": those without a segmenter to choose."""
        return replace(
            self,
            stabilise=None if self.stabilise == AUTO else self.stabilise,
            normalise="l2" if self.normalise == AUTO else self.normalise,
        )

    def input_axis(self, axis: Axis) -> Axis:
        """Return the axis of the inputs made of spectra on ``axis``."""
        taken = axis.take(kept_channels(axis, self.keep, self.exclude))
        if self.rebin_to is not None:
            taken = rebin_weights(taken, self.rebin_to).axis
        return rest_frame(taken, self.redshift)

    def apply(self, values: np.ndarray, axis: Axis, variance: np.ndarray | None = None) -> Inputs:
        """Return the inputs of finite spectra.

        Parameters
        ----------
        values : array (n, channel), float32
            After :func:`screen`.
        axis : Axis
        variance : array (n, channel), optional
            Propagated along where given.

        Returns
        -------
        Inputs

        Raises
        ------
        ValueError
            If the axis does not suit the settings.
        """
        if AUTO in (self.stabilise, self.normalise):
            return self.settled().apply(values, axis, variance)
        kept = kept_channels(axis, self.keep, self.exclude)
        if not kept.all():
            axis = axis.take(kept)
            # A mask gives columns that lie together; the order of a sum must not depend on that.
            values = np.ascontiguousarray(values[:, kept])
            variance = None if variance is None else variance[:, kept]
        if self.continuum is not None:
            values = values - median_continuum(values, axis, self.continuum_width)
        weights = self._weights(axis)
        if weights is not None:
            values = combine(values, weights)
            variance = None if variance is None else combine(variance, weights.power(2))
        clips = self.stabilise in ("sqrt", "anscombe")
        clipped = values.min(axis=1) < 0 if clips else np.zeros(len(values), dtype=bool)
        if self.stabilise is not None:
            if self.stabilise == "log-quantile":
                variance = None  # not a function of one channel: it has no variance of its own
            if variance is not None:
                variance = variance * _slope(values, self.stabilise, self.softening) ** 2
            values = stabilise(values, self.stabilise, self.softening)
        scale = scale_of(values, self.normalise)
        values = np.ascontiguousarray(values / scale[:, None], dtype=np.float32)
        if variance is not None:
            variance = (variance / scale[:, None].astype(np.float64) ** 2).astype(np.float32)
        return Inputs(values, variance, scale, clipped)

    def _weights(self, axis: Axis) -> sparse.csr_array | None:
        """Return rebinning and smoothing as one matrix, or None.

        Bins that share a channel are not independent: the variance of their mean comes out right
        from the product of the two only.
        """
        if self.rebin_to is None:
            return smooth_weights(axis.segments(), self.smooth) if self.smooth > 1 else None
        bins = rebin_weights(axis, self.rebin_to)
        if self.smooth == 1:
            return bins.weights
        return smooth_weights(bins.windows, self.smooth) @ bins.weights

    def undo(self, inputs: np.ndarray, scale: np.ndarray | None = None) -> Undone:
        """Invert the normalisation (given its ``scale``) and the stabilisation.

        Channels left out, rebinning, smoothing, a subtracted continuum and the log-quantile
        transform lose what they would need to be inverted; they are named in the answer.

        Parameters
        ----------
        inputs : array (n, input channel)
        scale : array (n,), optional
            As in :class:`Inputs`.
        """
        if AUTO in (self.stabilise, self.normalise):
            return self.settled().undo(inputs, scale)
        left = []
        values = np.asarray(inputs, dtype=np.float32)
        if scale is not None:
            values = values * np.asarray(scale, dtype=np.float32)[:, None]
        elif self.normalise is not None:
            left.append(f"normalise={self.normalise!r} (its scale was not given)")
        if self.stabilise == "log":
            values = np.sign(values) * np.expm1(np.abs(values))
        elif self.stabilise == "sqrt":
            values = np.square(np.maximum(values, 0))
        elif self.stabilise == "anscombe":
            values = np.square(np.maximum(values, 0) / 2) - np.float32(0.375)
        elif self.stabilise == "asinh":
            values = np.sinh(values) * np.float32(self.softening)
        elif self.stabilise == "log-quantile":
            left.append("stabilise='log-quantile'")
        if self.smooth > 1:
            left.append(f"smooth={self.smooth}")
        if self.rebin_to is not None:
            left.append(f"rebin_to={self.rebin_to}")
        if self.continuum is not None:
            left.append(f"continuum={self.continuum!r}")
        left.extend(name for name in ("keep", "exclude") if getattr(self, name))
        return Undone(values, tuple(left))
