"""At which redshift the lines of ionised gas agree with spectra: several must, one tells nothing.

Every pattern (the doublets, whose ratios are fixed by atomic physics or bounded by it, and the
Balmer lines with some reddening) is laid over the spectra at every redshift; what it takes off
chi squared is its gain. The score of a redshift is the gain of all patterns less the significance
squared of the one line, of any width, that is best: a single line, that fits anywhere, scores
nothing, and neither does a broad one that two of a doublet fit side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from spectessera._util.check import check_number
from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.axis import Axis
from spectessera.warning import ResultWarning, make_warning

from .linefits import (
    Prepared,
    Shape,
    check_spectra,
    line_kernel,
    matched,
    prepare,
    refine,
    significance,
)
from .linetable import EMISSION, SKY, STRONG_SKY, rest_vacuum, vacuum_wavelengths

SIGNIFICANT = 5.0  # standard errors from which on a line counts as seen
DOUBTFUL = 3.0  # below this a pattern adds nothing: noise must not add up over many spectra
LEAST_SCORE = 40.0  # chi squared beyond the best single line
TABLE_ERROR = 1.5  # km/s by which the wavelengths of the table are in doubt: 0.03 angstrom
SPREAD = 300.0  # km/s by which the spectra of one cube may differ
DISTINCT = 500.0  # km/s from which on a redshift is another one
LONE_REACH = 350.0  # km/s from a line within which a single one may stand for a doublet
AMBIGUOUS = 0.7  # of the best score from which on a runner-up is told of
WIDTHS = (1.0, 2.5)  # times the narrowest that are tried
LONE_WIDTHS = (1.0, 2.5, 5.0)  # of the one line that may be all there is

# Case B of hydrogen at 1e4 K (Storey & Hummer 1995, MNRAS 272, 41), and the extinction per E(B-V)
# there (Cardelli et al. 1989).
_BALMER = {
    "Ha 6563": (2.86, 2.53), "Hb 4861": (1.0, 3.61), "Hg 4340": (0.468, 4.17),
    "Hd 4102": (0.259, 4.44),
}  # fmt: skip
_REDDENING = (0.0, 0.5, 1.0, 2.0)
# Each pattern: ratios that are tried. Doublets of one upper level have one ratio (Storey &
# Zeippen 2000, MNRAS 312, 813); those of two go with density (Osterbrock & Ferland 2006).
PATTERNS: tuple[tuple[dict[str, float], ...], ...] = (
    tuple(
        {name: ratio * 10 ** (-0.4 * e * (k - 2.53)) for name, (ratio, k) in _BALMER.items()}
        for e in _REDDENING
    ),
    ({"[OIII] 5007": 1.0, "[OIII] 4959": 1 / 2.98},),
    ({"[NII] 6583": 1.0, "[NII] 6548": 1 / 2.96},),
    ({"[OI] 6300": 1.0, "[OI] 6364": 0.32},),
    tuple({"[SII] 6716": ratio, "[SII] 6731": 1.0} for ratio in (1.42, 0.9, 0.5)),
    tuple({"[OII] 3729": ratio, "[OII] 3726": 1.0} for ratio in (1.42, 0.9, 0.5)),
    ({"[NeIII] 3869": 1.0, "[NeIII] 3967": 0.301},),
    ({"[SIII] 9531": 1.0, "[SIII] 9069": 0.405},),
    ({"[ArIII] 7136": 1.0, "[ArIII] 7751": 0.241},),
    ({"HeI 5876": 1.0},),
)
_STRONG = tuple(line for line in EMISSION if any(line.name in pattern[0] for pattern in PATTERNS))
_REST = dict(zip((line.name for line in _STRONG), rest_vacuum(_STRONG).tolist(), strict=True))
_SKY = vacuum_wavelengths(np.array([line.air for line in SKY if line.name in STRONG_SKY]))
_SKY_HALF = 4.0  # angstrom


@dataclass(frozen=True)
class Redshift:
    """A redshift on which several lines agree.

    Attributes
    ----------
    z, error : float
        The weighted mean of all spectra with its standard error. Where spectra differ by more
        than their errors, such as those of a rotating disk, their spread is part of it.
    significance : float
        Square root of what the lines beyond the best single one take off chi squared.
    lines : tuple of str
        Those that are seen with 5 standard errors or more in one spectrum at least.
    runner_up : float or None
        The second best redshift; None if nothing else scores at all.
    runner_up_score : float
        Its score over the best one, from 0 to 1.
    warnings : tuple of ResultWarning
        Such as that the medium of the axis is not known.
    """

    z: float
    error: float
    significance: float
    lines: tuple[str, ...]
    runner_up: float | None = None
    runner_up_score: float = 0.0
    warnings: tuple[ResultWarning, ...] = ()

    @property
    def ambiguous(self) -> bool:
        """Whether the runner-up scores 0.7 of the best or more."""
        return self.runner_up_score >= AMBIGUOUS


class Scores(NamedTuple):
    """What every redshift has for it.

    Attributes
    ----------
    log : array (z,)
        ln(1 + z), in equal steps.
    gain : array (k, z)
        What all patterns take off chi squared of each spectrum.
    score : array (k, z)
        The same less what one line alone takes off.
    seen : array (line, k, z)
        Significance of each line of the patterns.
    names : tuple of str
        Of these lines.
    """

    log: np.ndarray
    gain: np.ndarray
    score: np.ndarray
    seen: np.ndarray
    names: tuple[str, ...]


def fit_redshift(
    spectra: Any, errors: Any, axis: Axis, *, low: float = -0.01, high: float = 1.5
) -> Redshift | None:
    """Find the one redshift of all spectra of a cube, or say that there is none.

    Three lines must be seen, or two of which the second best redshift does not do as well. Lines
    with standard deviations of 40 to 400 km/s are found; broader ones are taken for continuum.

    Parameters
    ----------
    spectra : array (k, channel)
        Mean spectra, in any unit, with their continuum. NaN is no measurement.
    errors : array (k, channel)
        Standard errors of the means; 0 or NaN is no measurement.
    axis : Axis
        Wavelengths; if the medium is not told they are taken for those in air.
    low, high : float
        Range that is searched; redshifts at which no line is on the axis are left out of it.

    Returns
    -------
    Redshift or None
        None where several lines do not agree on one.

    Raises
    ------
    ValueError
        If shapes do not agree, the axis is not of wavelengths, or the range is none.
    """
    spectra, errors = check_spectra(spectra, errors, axis)
    check_number("low", low, low=-0.9)
    check_number("high", high, low=low, high=20.0, open_low=True)
    ready = prepare(spectra, errors, axis) if len(spectra) else None
    if ready is None or not ready.weight.any():
        return None
    hidden = without_sky(ready)
    trials = [scores(hidden, low, high, factor) for factor in WIDTHS]
    joint = [_joint(trial) for trial in trials]
    which = int(np.argmax([each.max() for each in joint]))
    trial, total = trials[which], joint[which]
    best = _middle(total)
    lines, where = _lines_seen(trial, best)
    rival, share = _runner_up(total, trial, best)
    needed = 3 if share >= AMBIGUOUS else 2
    if total[best] < LEAST_SCORE or len(lines) < needed:
        return None
    z, error = _mean(hidden, trial, where)
    strength = float(np.sqrt(total[best]))
    return Redshift(z, error, strength, lines, rival, share, medium_warnings(axis))


def without_sky(ready: Prepared) -> Prepared:
    """Return the same spectra without the channels at the strongest lines of the night sky."""
    near = (np.abs(ready.wave[:, None] - _SKY) < _SKY_HALF).any(axis=1)
    return ready._replace(weight=np.where(near, 0.0, ready.weight))


def scores(
    ready: Prepared, low: float, high: float, factor: float, *, beyond_one: bool = True
) -> Scores:
    """Return what the patterns gain at every redshift, for lines of one width.

    Parameters
    ----------
    ready : Prepared
    low, high : float
        Range of redshifts.
    factor : float
        Width of the lines over that of the narrowest.
    beyond_one : bool
        Whether the score is less what one line alone gains.

    Returns
    -------
    Scores
    """
    speed = factor * ready.narrow
    rate = 0.25 * speed / SPEED_OF_LIGHT
    start = float(np.log(ready.wave[0]))
    grid = np.arange(start, np.log(ready.wave[-1]), rate)
    log = np.arange(np.log1p(low), np.log1p(high) + rate, rate)
    names = tuple(_REST)
    place = np.log(np.array(list(_REST.values())))[:, None] + log
    index = np.clip(np.rint((place - start) / rate).astype(int) + 1, 0, len(grid) + 1)
    # One step beyond either end nothing is measured: that is what lines off the axis get.
    used = np.unique(index)
    index = np.searchsorted(used, index)
    inside = (used > 0) & (used <= len(grid))
    kernel = line_kernel(ready, np.exp(start + rate * (used - 1)), speed)
    top, bottom = (
        np.where(inside, each, 0.0) for each in matched(kernel, ready.flux, ready.weight)
    )
    pieces = {name: (top[:, at], bottom[:, at]) for name, at in zip(names, index, strict=True)}
    seen = np.array([significance(*pieces[name]) for name in names])  # (line, k, z)
    total = sum(_gain(pattern, pieces, speed) for pattern in PATTERNS)
    gain = np.asarray(total)
    if not beyond_one:
        return Scores(log, gain, gain, seen, names)
    lone = np.pad(_lone(ready, grid), [(0, 0), (1, 1)])[:, used]
    alone = np.zeros_like(gain)
    for at in index:
        alone = np.maximum(alone, lone[:, at])
    return Scores(log, gain, np.maximum(gain - alone, 0.0), seen, names)


def _lone(ready: Prepared, grid: np.ndarray) -> np.ndarray:
    """Return what one line of any width near every place takes off chi squared, (k, grid)."""
    reach = 2 * round(LONE_REACH / SPEED_OF_LIGHT / (grid[1] - grid[0])) + 1
    best = np.zeros((len(ready.flux), len(grid)))
    for factor in LONE_WIDTHS:
        kernel = line_kernel(ready, np.exp(grid), factor * ready.narrow)
        own = significance(*matched(kernel, ready.flux, ready.weight))
        best = np.maximum(best, own)
    return ndimage.maximum_filter1d(best**2, reach, axis=1, mode="nearest")


def _gain(
    pattern: tuple[dict[str, float], ...],
    pieces: dict[str, tuple[np.ndarray, np.ndarray]],
    speed: float,
) -> np.ndarray:
    """Return what the best of a pattern's ratios takes off chi squared, (k, z)."""
    best: np.ndarray | float = 0.0
    for ratios in pattern:
        parts = [(ratio, *pieces[name]) for name, ratio in ratios.items()]
        top = np.sum([ratio * one for ratio, one, _ in parts], axis=0)
        bottom = np.sum([ratio**2 * two for ratio, _, two in parts], axis=0)
        bottom = bottom + _overlap(ratios, pieces, speed)
        best = np.maximum(best, np.maximum(significance(top, bottom), 0.0) ** 2)
    return np.where(np.asarray(best) > DOUBTFUL**2, best, 0.0)


def _overlap(
    ratios: dict[str, float], pieces: dict[str, tuple[np.ndarray, np.ndarray]], speed: float
) -> np.ndarray | float:
    """Return what lines so near that they share channels add to the denominator."""
    if len(ratios) != 2:
        return 0.0
    (one, first), (two, second) = ratios.items()
    apart = SPEED_OF_LIGHT * np.log(_REST[one] / _REST[two]) / speed
    common = 2 * first * second * np.exp(-0.25 * apart**2)
    return common * np.sqrt(pieces[one][1] * pieces[two][1])


def _joint(trial: Scores) -> np.ndarray:
    """Return the score (z,) of all spectra, each of which may be moved by some 100 km/s."""
    half = round(SPREAD / SPEED_OF_LIGHT / (trial.log[1] - trial.log[0]))
    return ndimage.maximum_filter1d(trial.score, 2 * half + 1, axis=1, mode="nearest").sum(axis=0)


def _middle(total: np.ndarray) -> int:
    """Return the middle of the plateau that the best score is, made by the allowed motion."""
    best = int(np.argmax(total))
    end = best
    while end + 1 < len(total) and total[end + 1] == total[best]:
        end += 1
    return (best + end) // 2


def _lines_seen(trial: Scores, best: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the lines seen in one spectrum at least, and where (k,) each has its redshift."""
    half = round(SPREAD / SPEED_OF_LIGHT / (trial.log[1] - trial.log[0]))
    first, stop = max(0, best - half), best + half + 1
    where = first + trial.score[:, first:stop].argmax(axis=1)  # (k,)
    own = trial.seen[:, np.arange(len(where)), where]  # (line, k)
    used = trial.score[np.arange(len(where)), where] > 0
    real = [bool((each[used] >= SIGNIFICANT).any()) for each in own]
    found = tuple(name for name, yes in zip(trial.names, real, strict=True) if yes)
    if {"[OII] 3726", "[OII] 3729"} <= set(found):  # one line, but for the sharpest eyes
        found = tuple(name for name in found if name != "[OII] 3726")
    return found, np.where(used, where, -1)


def _runner_up(total: np.ndarray, trial: Scores, best: int) -> tuple[float | None, float]:
    """Return the second best redshift and its score over the best one."""
    far = np.abs(trial.log - trial.log[best]) > (DISTINCT + SPREAD) / SPEED_OF_LIGHT
    others = np.where(far, total, 0.0)
    at = _middle(others)
    if others[at] <= 0:
        return None, 0.0
    return float(np.expm1(trial.log[at])), float(others[at] / total[best])


def _mean(ready: Prepared, trial: Scores, where: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean of the redshifts of the spectra and its standard error."""
    found = []
    for row in np.flatnonzero(where >= 0):
        rest = [
            _REST[name]
            for name, seen in zip(trial.names, trial.seen[:, row, where[row]], strict=True)
            if seen >= SIGNIFICANT
        ]
        if rest:
            start = first_shape(ready, float(np.expm1(trial.log[where[row]])))
            found.append(refine(ready, int(row), np.array(rest), start, most=150.0))
    z = np.array([shape.redshift for shape in found])
    variance = np.array([shape.error for shape in found]) ** 2
    # Regions of one object move: their spread is part of the error (DerSimonian & Laird 1986).
    weight = 1 / variance
    excess = float((weight * (z - np.average(z, weights=weight)) ** 2).sum()) - (len(z) - 1)
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    weight = 1 / (variance + (max(0.0, excess / scale) if len(z) > 1 else 0.0))
    mean = float(np.average(z, weights=weight))
    floor = (1 + mean) * TABLE_ERROR / SPEED_OF_LIGHT
    return mean, float(np.hypot(weight.sum() ** -0.5, floor))


def shape_near(ready: Prepared, row: int, z: float, most: float = 500.0) -> Shape | None:
    """Return redshift and width of the lines of one spectrum within so many km/s of a redshift.

    None if no line of the patterns is seen there.
    """
    hidden = without_sky(ready)
    own = hidden._replace(flux=hidden.flux[row : row + 1], weight=hidden.weight[row : row + 1])
    reach = (1 + z) * most / SPEED_OF_LIGHT
    best: tuple[float, Shape, np.ndarray] | None = None
    for factor in WIDTHS:
        trial = scores(own, z - reach, z + reach, factor, beyond_one=False)
        at = int(trial.gain[0].argmax())
        seen = trial.seen[:, 0, at] >= SIGNIFICANT
        if seen.any() and (best is None or trial.gain[0, at] > best[0]):
            there = float(np.expm1(trial.log[at]))
            rest = np.array([_REST[name] for name in trial.names])[seen]
            best = float(trial.gain[0, at]), first_shape(ready, there), rest
    return None if best is None else refine(own, 0, best[2], best[1], most=150.0)


def first_shape(ready: Prepared, z: float) -> Shape:
    """Return lines as narrow as the instrument makes them, at a redshift."""
    sigma = float(np.median(ready.wave)) * ready.narrow / SPEED_OF_LIGHT
    return Shape(z, 0.0, min(sigma, 3.9 * ready.step), 30.0)


def medium_warnings(axis: Axis) -> tuple[ResultWarning, ...]:
    """Return a warning where the axis does not say whether wavelengths are in air or vacuum."""
    return () if axis.medium else (make_warning("W-NAME-MEDIUM"),)
