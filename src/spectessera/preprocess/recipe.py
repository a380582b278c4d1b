"""The recipe: the steps from a measured spectrum to a network input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.axis import Axis

from .rebinning import rebin_weights
from .steps import (
    AUTO,
    NORMALISE,
    STABILISE,
    Inputs,
    Undone,
    channel_mask,
    combine,
    deep_negatives,
    median_continuum,
    rest_frame,
    scale_of,
    smooth_weights,
    stabilise,
    stabilise_slope,
)

if TYPE_CHECKING:
    from scipy import sparse


def _windows(name: str, given: Any) -> tuple[tuple[float, float], ...]:
    """Return windows of a spectral axis as pairs of floats."""
    message = f"{name} is a list of windows (low, high), such as [(5.0, 7.5)]; got {given!r}"
    try:
        windows = tuple((float(low), float(high)) for low, high in given)
    except (TypeError, ValueError) as error:
        raise ValueError(message) from error
    if not all(np.isfinite(low) and np.isfinite(high) and low < high for low, high in windows):
        raise ValueError(message)
    return windows


@dataclass(frozen=True)
class Preprocess:
    """The steps from a measured spectrum to a network input, in the order listed.

    What is not named is as in the paper, and not as in the defaults of a segmenter, of which
    ``SpectralSegmenter().set_params(preprocess__smooth=3)`` changes one setting.

    Parameters
    ----------
    despike : bool
        Remove the spikes of cosmic rays from a cube first, from its mean spectra too
        (:func:`spectessera.preprocess.without_spikes`).
    keep, exclude : tuple of (low, high)
        Windows of the spectral axis to use or to exclude, in the unit of the cube's axis.
    baseline : None or "arpls"
        Subtract the smooth background under the bands, such as the fluorescence under a Raman
        spectrum (:func:`spectessera.preprocess.baseline.arpls_baseline`).
    baseline_width : int, optional
        Channels; structures that are much narrower are bands. By default a fifth of the channels.
    continuum : None or "median"
        Subtract a running median over ``continuum_width`` channels (emission-line cubes).
    continuum_width : int
        Odd number of channels.
    redshift : float
        Give the axis of the inputs in the rest frame of the source; values are not changed.
    rebin_to : int, optional
        Number of bins into which neighbouring channels are summed; a bin never spans a gap of the
        axis.
    smooth : int
        Odd number of channels of a running mean; 1 for none.
    stabilise : None, "auto", "log", "sqrt", "anscombe", "asinh" or "log-quantile"
        See :func:`spectessera.preprocess.steps.stabilise`. "sqrt" makes the noise of counts equal
        in all channels. "auto" is chosen by the noise of the spectra when a segmenter is trained
        (:mod:`spectessera.preprocess.auto`), and None without a segmenter.
    softening : float
        Value at which asinh changes from linear to logarithmic, in the unit of the values.
    normalise : None, "auto", "max", "l2" or "total"
        Divide every spectrum by its maximum, its root sum of squares or its sum. "auto" is "l2".
    max_missing : float
        Largest share of the channels of a spectrum that is replaced by interpolation.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera import Preprocess
    >>> from spectessera.axis import Axis
    >>> steps = Preprocess(rebin_to=2, stabilise="sqrt", normalise="max")
    >>> spectra = np.array([[1, 3, 9, 7]], dtype=np.float32)
    >>> steps.apply(spectra, Axis([1, 2, 3, 4], unit="keV")).values
    array([[0.5, 1. ]], dtype=float32)
    """

    despike: bool = False
    keep: tuple[tuple[float, float], ...] = ()
    exclude: tuple[tuple[float, float], ...] = ()
    baseline: str | None = None
    baseline_width: int | None = None
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
        if not isinstance(self.despike, bool):
            raise TypeError(f"despike is True or False; got {self.despike!r}")
        check_choice("baseline", self.baseline, (None, "arpls"))
        if self.baseline_width is not None:
            check_number("baseline_width", self.baseline_width, low=16, integer=True)
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
        """Return the settings with "auto" replaced by its meaning without a segmenter."""
        return replace(
            self,
            stabilise=None if self.stabilise == AUTO else self.stabilise,
            normalise="l2" if self.normalise == AUTO else self.normalise,
        )

    def without(self, windows: tuple[tuple[float, float], ...]) -> Preprocess:
        """Return the settings with further windows to exclude, such as those of bad channels."""
        return replace(self, exclude=(*self.exclude, *windows)) if windows else self

    def input_axis(self, axis: Axis) -> Axis:
        """Return the axis of the inputs of spectra on ``axis``."""
        taken = axis.take(channel_mask(axis, self.keep, self.exclude))
        if self.rebin_to is not None:
            taken = rebin_weights(taken, self.rebin_to).axis
        return rest_frame(taken, self.redshift)

    def apply(self, values: np.ndarray, axis: Axis, variance: np.ndarray | None = None) -> Inputs:
        """Return the inputs of finite spectra.

        Parameters
        ----------
        values : array (n, channel), float32
            After :func:`spectessera.preprocess.steps.screen`.
        axis : Axis
        variance : array (n, channel), optional
            Propagated to first order.

        Returns
        -------
        Inputs

        Raises
        ------
        ValueError
            If no channel is left, or the axis has too few channels for the bins.
        """
        if AUTO in (self.stabilise, self.normalise):
            return self.settled().apply(values, axis, variance)
        mask = channel_mask(axis, self.keep, self.exclude)
        if not mask.all():
            axis = axis.take(mask)
            # C-contiguous, so that the order of a sum does not depend on the memory layout; and
            # many times as fast as values[:, mask].
            values = values.compress(mask, axis=1)
            variance = None if variance is None else variance.compress(mask, axis=1)
        if self.baseline is not None:
            from .baseline import arpls_baseline

            values = values - arpls_baseline(values, axis, self.baseline_width)
        if self.continuum is not None:
            values = values - median_continuum(values, axis, self.continuum_width)
        weights = self._weights(axis)
        if weights is not None:
            values = combine(values, weights)
            variance = None if variance is None else combine(variance, weights.power(2))
        clips = self.stabilise in ("sqrt", "anscombe")
        clipped = deep_negatives(values) if clips else np.zeros(len(values), dtype=bool)
        if self.stabilise is not None:
            if self.stabilise == "log-quantile":
                variance = None  # a function of all channels, whose variance is not propagated
            if variance is not None:
                variance = variance * stabilise_slope(values, self.stabilise, self.softening) ** 2
            values = stabilise(values, self.stabilise, self.softening)
        scale = scale_of(values, self.normalise)
        values = np.ascontiguousarray(values / scale[:, None], dtype=np.float32)
        if variance is not None:
            variance = (variance / scale[:, None].astype(np.float64) ** 2).astype(np.float32)
        return Inputs(values, variance, scale, clipped)

    def _weights(self, axis: Axis) -> sparse.csr_array | None:
        """Return rebinning and smoothing as one matrix, or None.

        Bins that share a channel are not independent: only the product of both matrices gives the
        correct variance of a mean of bins.
        """
        if self.rebin_to is None:
            return smooth_weights(axis.segments(), self.smooth) if self.smooth > 1 else None
        bins = rebin_weights(axis, self.rebin_to)
        if self.smooth == 1:
            return bins.weights
        return smooth_weights(bins.windows, self.smooth) @ bins.weights

    def undo(self, inputs: np.ndarray, scale: np.ndarray | None = None) -> Undone:
        """Invert the normalisation (given its ``scale``) and the stabilisation.

        The selection of channels, rebinning, smoothing, the subtraction of a baseline or of a
        continuum and the log-quantile transform cannot be inverted; they are named in
        ``not_undone``.

        Parameters
        ----------
        inputs : array (n, input channel)
        scale : array (n,), optional
            As in ``Inputs``.
        """
        if AUTO in (self.stabilise, self.normalise):
            return self.settled().undo(inputs, scale)
        not_undone = []
        values = np.asarray(inputs, dtype=np.float32)
        if scale is not None:
            values = values * np.asarray(scale, dtype=np.float32)[:, None]
        elif self.normalise is not None:
            not_undone.append(f"normalise={self.normalise!r} (its scale was not given)")
        if self.stabilise == "log":
            values = np.sign(values) * np.expm1(np.abs(values))
        elif self.stabilise == "sqrt":
            values = np.square(np.maximum(values, 0))
        elif self.stabilise == "anscombe":
            values = np.square(np.maximum(values, 0) / 2) - np.float32(0.375)
        elif self.stabilise == "asinh":
            values = np.sinh(values) * np.float32(self.softening)
        elif self.stabilise == "log-quantile":
            not_undone.append("stabilise='log-quantile'")
        if self.smooth > 1:
            not_undone.append(f"smooth={self.smooth}")
        if self.rebin_to is not None:
            not_undone.append(f"rebin_to={self.rebin_to}")
        if self.baseline is not None:
            not_undone.append(f"baseline={self.baseline!r}")
        if self.continuum is not None:
            not_undone.append(f"continuum={self.continuum!r}")
        not_undone.extend(name for name in ("keep", "exclude") if getattr(self, name))
        return Undone(values, tuple(not_undone))
