"""Ratios of lines with their errors, and the class of the gas, of many pixels at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.naming.optical.gasclass import (
    AGN,
    ASYMPTOTE,
    COMPOSITE,
    CURVE_ERROR,
    DECIDED,
    HARD,
    HII,
    LINER,
    NO_HII,
    PN,
    regions,
)

DRAWS = 200  # of the fluxes within their errors
DETECTED = 3.0  # standard errors of a flux from which it is a part of a ratio
ALPHA, BETA, OIII, NII = "Ha 6563", "Hb 4861", "[OIII] 5007", "[NII] 6583"
OI, SII = "[OI] 6300", ("[SII] 6716", "[SII] 6731")
BLENDED_SII = ("[SII] 6716+6731",)
# Lines of the ratios and of the class, which are always fitted if they are on the axis.
DIAGNOSTIC = (BETA, OIII, OI, ALPHA, NII, *SII)
# Name of a ratio: the lines above, and those below.
RATIOS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "[OIII] 5007 / Hb 4861": ((OIII,), (BETA,)),
    "[NII] 6583 / Ha 6563": ((NII,), (ALPHA,)),
    "[SII] 6716+6731 / Ha 6563": (SII, (ALPHA,)),
    "[OI] 6300 / Ha 6563": ((OI,), (ALPHA,)),
    "Ha 6563 / Hb 4861": ((ALPHA,), (BETA,)),
    "[SII] 6716 / [SII] 6731": (SII[:1], SII[1:]),
}
# The legend of the map: 0 is no class (no detected line of the gas says anything).
CLASSES = (HII, COMPOSITE, LINER, AGN, PN, HARD, NO_HII, "undecided")
UNDECIDED = len(CLASSES)
LEAST_SHARE = 0.95  # of the draws beyond all HII regions, from [NII] / H alpha alone


class GasClass(NamedTuple):
    """The class of the gas of n pixels: its number in :data:`CLASSES`, from 1, and its share."""

    number: np.ndarray
    share: np.ndarray


def ratio_names(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ratios whose lines are all among the columns."""
    return tuple(name for name in RATIOS if _indices(name, columns) is not None)


def _indices(name: str, columns: tuple[str, ...]) -> tuple[list[int], list[int]] | None:
    """Return the positions of the lines above and below; None if one is missing."""
    sides = []
    for side in RATIOS[name]:
        if side == SII and not set(SII) <= set(columns):
            side = BLENDED_SII
        if not set(side) <= set(columns):
            return None
        sides.append([columns.index(line) for line in side])
    return sides[0], sides[1]


def log_ratios(
    flux: np.ndarray, covariance: np.ndarray, columns: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return decimal logarithms of the ratios of :func:`ratio_names`, and their standard errors.

    Parameters
    ----------
    flux : array (n, column)
    covariance : array (n, column, column)
    columns : tuple of str

    Returns
    -------
    values, errors : array (n, ratio)
        NaN where a side of the ratio has less than three standard errors.
    """
    values, errors = [], []
    for name in ratio_names(columns):
        above, below = _indices(name, columns) or ([], [])
        top, bottom = (_sum(flux, side) for side in (above, below))
        top_variance, mixed, bottom_variance = (
            _sum_of_squares(covariance, one, two)
            for one, two in ((above, above), (above, below), (below, below))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = top > DETECTED * np.sqrt(top_variance)
            seen &= bottom > DETECTED * np.sqrt(bottom_variance)
            relative = top_variance / top**2 + bottom_variance / bottom**2
            relative = np.sqrt(np.maximum(relative - 2 * mixed / (top * bottom), 0.0))
            values.append(np.where(seen, np.log10(top / bottom), np.nan))
            errors.append(np.where(seen, relative / np.log(10), np.nan))
    if not values:
        return np.zeros((len(flux), 0)), np.zeros((len(flux), 0))
    return np.stack(values, axis=1), np.stack(errors, axis=1)


def _sum(flux: np.ndarray, side: list[int]) -> np.ndarray:
    total = flux[:, side[0]].copy()
    for other in side[1:]:
        total += flux[:, other]
    return total


def _sum_of_squares(covariance: np.ndarray, one: list[int], two: list[int]) -> np.ndarray:
    total = np.zeros(len(covariance))
    for i in one:
        for j in two:
            total += covariance[:, i, j]
    return total


def gas_class(
    flux: np.ndarray, error: np.ndarray, columns: tuple[str, ...], seed: int = 0
) -> GasClass:
    """Return the class of the gas of every pixel, by the rules for mean spectra.

    See :mod:`spectessera.naming.optical.gasclass`. Fluxes are drawn 200 times within their errors,
    with the same random numbers for every pixel; a class needs 60 % of the draws.

    Parameters
    ----------
    flux, error : array (n, column)
    columns : tuple of str
    seed : int

    Returns
    -------
    GasClass
        0 where H alpha is not detected; the share is NaN there.
    """
    number = np.zeros(len(flux), dtype=np.int64)
    share = np.full(len(flux), np.nan)
    place = {name: at for at, name in enumerate(columns)}
    if ALPHA not in place or NII not in place:
        return GasClass(number, share)

    def detected(name: str) -> np.ndarray:
        if name not in place:
            return np.zeros(len(flux), dtype=bool)
        with np.errstate(invalid="ignore"):
            return np.asarray(flux[:, place[name]] >= DETECTED * error[:, place[name]])

    measured = np.isfinite(flux[:, [place[name] for name in (ALPHA, NII)]]).all(axis=1)
    alpha = detected(ALPHA) & measured
    planes = alpha & (detected(BETA) | detected(OIII))
    for name in (BETA, OIII):
        planes &= np.isfinite(flux[:, place[name]]) if name in place else False
    # The same random numbers for every pixel: six fluxes, and the curves on two axes.
    noise = np.random.default_rng(seed).standard_normal((8, DRAWS))
    for rows, judge in ((planes, _by_planes), (alpha & ~planes, _by_nitrogen)):
        for at in np.flatnonzero(rows):
            number[at], share[at] = judge(flux[at], error[at], place, noise)
    return GasClass(number, share)


def _by_planes(
    flux: np.ndarray, error: np.ndarray, place: dict[str, int], noise: np.ndarray
) -> tuple[int, float]:
    """Return the class from both diagnostic planes, and the share of the draws in it."""
    sulphur = [place[name] for name in (*SII, *BLENDED_SII) if name in place]
    sulphur = [at for at in sulphur if np.isfinite(flux[at])]
    used = [place[name] for name in (ALPHA, BETA, OIII, NII)]
    drawn = [
        _drawn(flux, error, at, row) for at, row in zip([*used, *sulphur], noise, strict=False)
    ]
    alpha, beta, oiii, nii = drawn[:4]
    sii = np.log10(np.sum(drawn[4:], axis=0) / alpha) if len(drawn) > 4 else None
    names = regions(
        np.log10(nii / alpha) + CURVE_ERROR * noise[6],
        np.log10(oiii / beta) + CURVE_ERROR * noise[7],
        sii,
    )
    shares = [float((names == name).mean()) for name in CLASSES]
    best = int(np.argmax(shares))
    return (best + 1, shares[best]) if shares[best] >= DECIDED else (UNDECIDED, shares[best])


def _by_nitrogen(
    flux: np.ndarray, error: np.ndarray, place: dict[str, int], noise: np.ndarray
) -> tuple[int, float]:
    """Return whether [NII] / H alpha exceeds that of any HII region."""
    nii, alpha = place[NII], place[ALPHA]
    ratio = _drawn(flux, error, nii, noise[0]) / _drawn(flux, error, alpha, noise[1])
    share = float((np.log10(ratio) + CURVE_ERROR * noise[2] > ASYMPTOTE).mean())
    return (CLASSES.index(NO_HII) + 1, share) if share >= LEAST_SHARE else (UNDECIDED, share)


def _drawn(flux: np.ndarray, error: np.ndarray, at: int, noise: np.ndarray) -> np.ndarray:
    return np.maximum(flux[at] + error[at] * noise, 0.1 * error[at])  # fluxes are positive
