"""Clusters named by a library of spectra: the spectral angle, and the likelihood with errors.

The spectrum of a cluster is fitted by each spectrum of the library, times a free factor and, where
a background is expected, on a smooth offset. The spectral angle is that of Kruse et al. 1993
(Remote Sens. Environ. 44, 145), less the part of it that is noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.text import per_cent
from spectessera.axis import UNITS, Axis, channel_edges

from .candidates import Candidate, LibraryMatch

# Largest angle (radians) of a spectrum that fits: without, and with an offset, which takes away
# what all spectra have in common.
TOLERANCE, TOLERANCE_WITH_OFFSET = 0.05, 0.20
# A spectrum is worse than the best if its likelihood is worse by so many standard deviations.
SURE = 4.0
# Least factor of the library spectrum, in its standard errors.
SEEN = 5.0
# Share of the channels of a cube that a spectrum must cover, and their least number.
LEAST_COVERED, FEWEST_CHANNELS = 0.5, 10
MOST_SHOWN, MOST_NAMED = 5, 3
# Smooth offset: polynomials along wavenumbers, powers of the energy loss.
_POLYNOMIALS, _POWERS = 7, (-2.0, -3.0, -4.0)
_SPEED = 12398.41984  # eV angstrom: h c


class OnAxis(NamedTuple):
    """A library on the channels of a cube.

    Attributes
    ----------
    names : list of str
    spectra : array (name, channel)
        NaN where a spectrum does not cover a channel.
    offset : array (channel, function)
        The smooth functions that may be added.
    """

    names: list[str]
    spectra: np.ndarray
    offset: np.ndarray


class _Fit(NamedTuple):
    """The fit of one library spectrum."""

    chi_square: float
    freedom: int
    factor: float  # in its standard errors
    residual: np.ndarray  # (channel that is covered,), in standard errors


def on_axis(library: xr.Dataset, axis: Axis) -> OnAxis:
    """Return a library on the channels of an axis, each the mean over the width of the channel.

    Parameters
    ----------
    library : Dataset
        Of :func:`spectessera.read_library`.
    axis : Axis
        Of the cube.

    Raises
    ------
    ValueError
        If its unit cannot be converted, or no spectrum covers half of the channels.
    """
    names, kept = [], []
    low, high = channel_edges(axis)
    positions = library["position"].transpose("name", "channel").values
    values = library["spectrum"].transpose("name", "channel").values
    own = (np.inf, -np.inf)
    for name, position, spectrum in zip(
        library["name"].values.tolist(), positions, values, strict=True
    ):
        known = np.isfinite(position)
        place = _converted(position[known], library, axis)
        own = (min(own[0], float(place.min())), max(own[1], float(place.max())))
        found = _means(place, spectrum[known], low, high)
        if np.isfinite(found).sum() >= max(FEWEST_CHANNELS, LEAST_COVERED * len(axis)):
            names.append(str(name))
            kept.append(found)
    if not kept:
        first, last = sorted((float(axis.values[0]), float(axis.values[-1])))
        raise ValueError(
            f"no spectrum of the library covers {per_cent(LEAST_COVERED)} of the channels of the "
            f"cube (at least {FEWEST_CHANNELS}): the cube goes from {first:g} to {last:g} "
            f"{axis.unit}, the library from {own[0]:g} to {own[1]:g} {axis.unit}; check its unit "
            "(--library-unit), or give another library"
        )
    return OnAxis(names, np.array(kept), _offset(axis))


def match_library(
    spectrum: np.ndarray, error: np.ndarray, library: OnAxis
) -> tuple[LibraryMatch, ...]:
    """Return the spectra of a library that fit a spectrum best, at most five, the best first.

    A spectrum of the library fits if its angle, without noise, is at most :data:`TOLERANCE` (0.2
    radians with an offset). The likelihood is compared on the channels that both cover: the errors
    are multiplied by what makes the best one fit, and channels whose residuals are alike count as
    one.

    Parameters
    ----------
    spectrum, error : array (channel,)
        The mean of a cluster and its standard error; no match where either is not finite.
    library : OnAxis

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.axis import Axis
    >>> x = np.linspace(400, 2400, 100)
    >>> green, red = 0.5 + 0.3 * np.sin(x / 200), 0.5 + 0.3 * np.cos(x / 200)
    >>> library = OnAxis(["green", "red"], np.array([green, red]), np.zeros((100, 0)))
    >>> best = match_library(2 * red + 0.001, np.full(100, 0.01), library)[0]
    >>> best.name, best.fits
    ('red', True)
    """
    if not (np.isfinite(spectrum).all() and np.isfinite(error).all() and (error > 0).any()):
        return ()
    sigma = np.maximum(error, error[error > 0].min())
    covered = np.isfinite(library.spectra)
    fits = [
        _fit(spectrum, sigma, each, library.offset, use)
        for each, use in zip(library.spectra, covered, strict=True)
    ]
    order = np.argsort([each.chi_square / each.freedom for each in fits], kind="stable")
    best = int(order[0])
    found = []
    for place in order[: 4 * MOST_SHOWN].tolist():
        angle, fitting = _angle(spectrum, sigma, library, place)
        fitting = fitting and bool(fits[place].factor >= SEEN)
        worse = 0.0 if place == best else _worse(spectrum, sigma, library, best, place)
        chi_square = fits[place].chi_square / fits[place].freedom
        found.append(LibraryMatch(library.names[place], angle, chi_square, worse, fitting))
    found.sort(key=lambda each: (not each.fits, each.worse))
    return tuple(found[:MOST_SHOWN])


def candidate_of(matches: tuple[LibraryMatch, ...]) -> Candidate | None:
    """Return the name that matches give: one, several that are as good, or None if none fits."""
    good = [each for each in matches if each.worse < SURE]
    if not any(each.fits for each in good):
        return None
    best = good[0]
    words = f"Spectral angle {best.angle:.3f}, chi-square {best.chi_square:.2g} per channel"
    if len(good) == 1:
        rival = next((each for each in matches if each is not best), None)
        if rival is not None:
            words += f"; the next, {rival.name}, is worse by {rival.worse:.1f} sigma"
        return Candidate(best.name, "library", 1.0, (), f"{words}.")
    names = [each.name for each in good[:MOST_NAMED]]
    more = len(good) - len(names)
    name = " or ".join(names) if not more else f"{', '.join(names)} or others"
    return Candidate(
        name, "library", 0.5, (), f"{words}; the others are worse by no more than the errors."
    )


# --- the workers assume checked input ----------------------------------------------------------


def _converted(position: np.ndarray, library: xr.Dataset, axis: Axis) -> np.ndarray:
    """Return the positions of a library in the unit of an axis.

    Wavelengths, wavenumbers and energies of light are converted into one another.
    """
    unit, kind = str(library.attrs.get("unit", "")), str(library.attrs.get("axis_kind", ""))
    if not unit or axis.kind == "channel":  # not given: that of the cube
        return position
    own = Axis(np.unique(position), unit, kind)
    if UNITS[own.unit][0] == UNITS[axis.unit][0]:
        return position * (UNITS[own.unit][1] / UNITS[axis.unit][1])
    light = {"wavelength", "wavenumber", "energy"}
    if own.kind not in light or axis.kind not in light:
        raise ValueError(
            f"the library is in {own.unit} ({own.kind.replace('_', ' ')}) and the cube in "
            f"{axis.unit} ({axis.kind.replace('_', ' ')}), which cannot be converted; give the "
            "unit of the library (--library-unit), or another library"
        )
    with np.errstate(divide="ignore"):
        angstrom = _angstrom(position * UNITS[own.unit][1], own.kind)
        return _angstrom(angstrom, axis.kind) / UNITS[axis.unit][1]


def _angstrom(values: np.ndarray, kind: str) -> np.ndarray:
    """Return wavelengths from wavenumbers (1/cm) or energies (keV), or these from wavelengths."""
    return {"wavelength": values, "wavenumber": 1e8 / values, "energy": 1e-3 * _SPEED / values}[
        kind
    ]


def _means(
    position: np.ndarray, values: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return the mean of a curve over channels, NaN where it is not known."""
    order = np.argsort(position, kind="stable")
    position, values = position[order], values[order]
    finite = np.isfinite(values) & np.isfinite(position)
    if finite.sum() < 2:
        return np.full(len(low), np.nan)
    place, known = position[finite], values[finite]
    place, first = np.unique(place, return_index=True)
    known = known[first]
    if len(place) < 2:
        return np.full(len(low), np.nan)
    area = np.concatenate([[0.0], np.cumsum(np.diff(place) * (known[1:] + known[:-1]) / 2)])

    def below(at: np.ndarray) -> np.ndarray:
        index = np.clip(np.searchsorted(place, at, "right") - 1, 0, len(place) - 2)
        start = place[index]
        slope = (known[index + 1] - known[index]) / (place[index + 1] - start)
        return area[index] + (at - start) * (known[index] + slope * (at - start) / 2)

    middle = (low + high) / 2
    inside = (middle >= place[0]) & (middle <= place[-1])
    left, right = np.clip(low, place[0], place[-1]), np.clip(high, place[0], place[-1])
    wide = right > left
    mean = np.full(len(low), np.nan)
    use = inside & wide
    mean[use] = (below(right[use]) - below(left[use])) / (right[use] - left[use])
    missing = position[~finite & np.isfinite(position)]
    if len(missing):  # a deleted channel is nearer than a known one
        nearest = np.abs(middle[:, None] - place).min(axis=1)
        mean[np.abs(middle[:, None] - missing).min(axis=1) < nearest] = np.nan
    return mean


def _offset(axis: Axis) -> np.ndarray:
    """Return smooth functions (channel, function) that a background may have."""
    if axis.kind == "wavenumber":
        span = axis.values.max() - axis.values.min()
        x = 2 * (axis.values - axis.values.min()) / span - 1
        return np.polynomial.legendre.legvander(x, _POLYNOMIALS - 1)
    if axis.kind == "energy_loss" and axis.values.min() > 0:
        x = axis.values / axis.values.min()
        return np.stack([x**power for power in _POWERS], axis=1)
    return np.zeros((len(axis), 0))


def _fit(
    spectrum: np.ndarray, sigma: np.ndarray, one: np.ndarray, offset: np.ndarray, use: np.ndarray
) -> _Fit:
    """Return the weighted fit of a spectrum by one of the library and the offset."""
    weight = 1 / sigma[use]
    data, library = spectrum[use] * weight, one[use] * weight
    smooth = offset[use] * weight[:, None]
    data, library = _without(data, smooth), _without(library, smooth)
    norm = float(library @ library)
    freedom = max(1, int(use.sum()) - offset.shape[1] - 1)
    if norm <= 0:
        return _Fit(float(data @ data), freedom, 0.0, data)
    factor = max(0.0, float(library @ data) / norm)
    residual = data - factor * library
    return _Fit(float(residual @ residual), freedom, factor * np.sqrt(norm), residual)


def _without(values: np.ndarray, smooth: np.ndarray) -> np.ndarray:
    """Return values (channel,) without their projection on smooth functions."""
    if not smooth.shape[1]:
        return values
    basis, _ = np.linalg.qr(smooth)
    return values - basis @ (basis.T @ values)


def _angle(
    spectrum: np.ndarray, sigma: np.ndarray, library: OnAxis, place: int
) -> tuple[float, bool]:
    """Return the angle without noise, and whether it is within the tolerance or may be."""
    use = np.isfinite(library.spectra[place])
    smooth = library.offset[use]
    data = _without(spectrum[use], smooth)
    one = _without(library.spectra[place][use], smooth)
    whole, norm = float(data @ data), float(one @ one)
    if norm <= 0 or whole <= 0 or data @ one <= 0:
        return float(np.pi / 2), False
    apart = max(0.0, whole - float(data @ one) ** 2 / norm)
    share = max(0.0, 1 - (smooth.shape[1] + 1) / len(data))
    noise = share * float(np.square(sigma[use]).sum())
    spread = np.sqrt(2 * float(np.square(np.square(sigma[use])).sum()))
    signal = max(whole - noise, apart, np.finfo(float).tiny)
    sine = np.sqrt(np.clip((apart - noise) / signal, 0, 1))
    least = np.sqrt(np.clip((apart - noise - 2 * spread) / signal, 0, 1))
    limit = TOLERANCE_WITH_OFFSET if smooth.shape[1] else TOLERANCE
    return float(np.arcsin(sine)), bool(np.arcsin(least) <= limit)


def _worse(
    spectrum: np.ndarray, sigma: np.ndarray, library: OnAxis, best: int, place: int
) -> float:
    """Return by how many standard deviations one spectrum fits worse than the best one."""
    use = np.isfinite(library.spectra[best]) & np.isfinite(library.spectra[place])
    if use.sum() < FEWEST_CHANNELS:
        return 0.0
    first, second = (
        _fit(spectrum, sigma, library.spectra[n], library.offset, use) for n in (best, place)
    )
    scale = max(1.0, first.chi_square / first.freedom) * _length(first.residual)
    return float(np.sqrt(max(0.0, (second.chi_square - first.chi_square) / scale)))


def _length(residual: np.ndarray) -> float:
    """Return how many neighbouring channels count as one: 1 plus twice the autocorrelations."""
    power = float(residual @ residual)
    if power <= 0:
        return 1.0
    total, limit = 1.0, 2 / np.sqrt(len(residual))
    for lag in range(1, len(residual) // 4):
        alike = float(residual[lag:] @ residual[:-lag]) / power
        if alike < limit:
            break
        total += 2 * alike
    return total
