"""The redshift at which several lines of ionised gas fit the spectra.

Patterns are doublets, whose ratios are fixed or bounded by atomic physics, and the Balmer lines
with several values of reddening. The gain of a pattern at a redshift is the decrease of chi squared
by its fit. The score of a redshift is the gain of all patterns minus the squared significance of
the best single line of any width: a single line, which fits at many redshifts, has no score, and
neither has a broad line that a doublet fits.
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
    PreparedSpectra,
    Shape,
    check_spectra,
    line_kernel,
    matched_filter,
    prepare,
    refine,
    significance,
)
from .linetable import EMISSION, SKY, STRONG_SKY, rest_vacuum, vacuum_wavelengths
from .ranges import highest_redshift

SIGNIFICANT = 5.0  # standard errors from which a line counts as detected
DOUBTFUL = 3.0  # weaker patterns have no gain: noise must not add up over many spectra
LEAST_SCORE = 40.0  # chi squared beyond the best single line
TABLE_ERROR = 1.5  # km/s, uncertainty of the wavelengths of the table: 0.03 angstrom
SPREAD = 300.0  # km/s, largest velocity difference within one cube
DISTINCT = 500.0  # km/s, least difference between two redshifts
SINGLE_REACH = 350.0  # km/s, largest distance of a single line that may replace a doublet
AMBIGUOUS = 0.7  # share of the best score from which the redshift is ambiguous
WIDTHS = (1.0, 2.5)  # widths of lines over the narrowest width
SINGLE_WIDTHS = (1.0, 2.5, 5.0)  # the same for single lines

# Case B of hydrogen at 1e4 K (Storey & Hummer 1995, MNRAS 272, 41), and the extinction per E(B-V)
# there (Cardelli et al. 1989).
_BALMER = {
    "Ha 6563": (2.86, 2.53), "Hb 4861": (1.0, 3.61), "Hg 4340": (0.468, 4.17),
    "Hd 4102": (0.259, 4.44),
}  # fmt: skip
_REDDENING = (0.0, 0.5, 1.0, 2.0)
# Each pattern has one or more sets of line ratios. Doublets of one upper level have a fixed ratio
# (Storey & Zeippen 2000, MNRAS 312, 813); others depend on density (Osterbrock & Ferland 2006).
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
    """A redshift with several detected lines.

    Attributes
    ----------
    z, error : float
        The weighted mean over the spectra, and its standard error, which includes their spread
        if they differ by more than their errors (for example in a rotating disk).
    significance : float
        Square root of the decrease of chi squared beyond that of the best single line.
    lines : tuple of str
        Those with 5 standard errors or more in at least one spectrum.
    runner_up : float or None
        The second best redshift; None if no other redshift has a score.
    runner_up_score : float
        Its score divided by the best one, from 0 to 1.
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


class RedshiftScores(NamedTuple):
    """The scores of all trial redshifts.

    Attributes
    ----------
    log : array (z,)
        ln(1 + z), in equal steps.
    gain : array (k, z)
        Decrease of chi squared of each spectrum by all patterns.
    score : array (k, z)
        The gain minus that of the best single line.
    strength : array (line, k, z)
        Significance of each line of the patterns.
    names : tuple of str
        Of these lines.
    """

    log: np.ndarray
    gain: np.ndarray
    score: np.ndarray
    strength: np.ndarray
    names: tuple[str, ...]


def fit_redshift(
    spectra: Any, errors: Any, axis: Axis, *, low: float = -0.01, high: float | None = None
) -> Redshift | None:
    """Find the common redshift of all spectra of a cube.

    Three lines must be detected, or two if the second best redshift fits clearly worse. Lines with
    standard deviations of 40 to 400 km/s are detected; broader ones count as continuum.

    Parameters
    ----------
    spectra : array (k, channel)
        Mean spectra, in any unit, with their continuum. NaN: not measured.
    errors : array (k, channel)
        Standard errors of the means; 0 or NaN: not measured.
    axis : Axis
        Wavelengths; in air if the medium is unknown.
    low, high : float
        Range of redshifts, by default up to
        :func:`~spectessera.optical.ranges.highest_redshift`; those without a line on the axis have
        no score.

    Returns
    -------
    Redshift or None
        None if no redshift has enough detected lines.

    Raises
    ------
    ValueError
        If shapes differ, the axis is not of wavelengths, or ``high`` is not above ``low``.
    """
    spectra, errors = check_spectra(spectra, errors, axis)
    check_number("low", low, low=-0.9)
    high = highest_redshift(axis) if high is None else high
    check_number("high", high, low=low, high=20.0, open_low=True)
    data = prepare(spectra, errors, axis) if len(spectra) else None
    if data is None or not data.weight.any():
        return None
    hidden = without_sky(data)
    trials = [scores(hidden, low, high, factor) for factor in WIDTHS]
    joint = [_joint(trial) for trial in trials]
    which = int(np.argmax([each.max() for each in joint]))
    trial, total = trials[which], joint[which]
    best = _plateau_centre(total)
    lines, where = _detected_lines(trial, best)
    rival, share = _runner_up(total, trial, best)
    needed = 3 if share >= AMBIGUOUS else 2
    if total[best] < LEAST_SCORE or len(lines) < needed:
        return None
    z, error = _mean(hidden, trial, where)
    strength = float(np.sqrt(total[best]))
    return Redshift(z, error, strength, lines, rival, share, medium_warnings(axis))


def without_sky(data: PreparedSpectra) -> PreparedSpectra:
    """Return the spectra without the channels at the strongest lines of the night sky."""
    near = (np.abs(data.wave[:, None] - _SKY) < _SKY_HALF).any(axis=1)
    return data._replace(weight=np.where(near, 0.0, data.weight))


def scores(
    data: PreparedSpectra, low: float, high: float, factor: float, *, beyond_one: bool = True
) -> RedshiftScores:
    """Return the scores of all redshifts in a range, for lines of one width.

    Parameters
    ----------
    data : PreparedSpectra
    low, high : float
        Range of redshifts.
    factor : float
        Width of the lines divided by the narrowest width.
    beyond_one : bool
        Whether the gain of the best single line is subtracted in the score.

    Returns
    -------
    RedshiftScores
    """
    speed = factor * data.narrow
    rate = 0.25 * speed / SPEED_OF_LIGHT
    start = float(np.log(data.wave[0]))
    grid = np.arange(start, np.log(data.wave[-1]), rate)
    log = np.arange(np.log1p(low), np.log1p(high) + rate, rate)
    names = tuple(_REST)
    place = np.log(np.array(list(_REST.values())))[:, None] + log
    index = np.clip(np.rint((place - start) / rate).astype(int) + 1, 0, len(grid) + 1)
    # Lines off the axis get the index one step beyond either end, where nothing is measured.
    used = np.unique(index)
    index = np.searchsorted(used, index)
    inside = (used > 0) & (used <= len(grid))
    kernel = line_kernel(data, np.exp(start + rate * (used - 1)), speed)
    top, bottom = (
        np.where(inside, each, 0.0) for each in matched_filter(kernel, data.flux, data.weight)
    )
    pieces = {name: (top[:, at], bottom[:, at]) for name, at in zip(names, index, strict=True)}
    strength = np.array([significance(*pieces[name]) for name in names])  # (line, k, z)
    total = sum(_gain(pattern, pieces, speed) for pattern in PATTERNS)
    gain = np.asarray(total)
    if not beyond_one:
        return RedshiftScores(log, gain, gain, strength, names)
    single = np.pad(_single_line_gain(data, grid), [(0, 0), (1, 1)])[:, used]
    alone = np.zeros_like(gain)
    for at in index:
        alone = np.maximum(alone, single[:, at])
    return RedshiftScores(log, gain, np.maximum(gain - alone, 0.0), strength, names)


def _single_line_gain(data: PreparedSpectra, grid: np.ndarray) -> np.ndarray:
    """Return the gain (k, grid) of the best single line of any width near each position."""
    reach = 2 * round(SINGLE_REACH / SPEED_OF_LIGHT / (grid[1] - grid[0])) + 1
    best = np.zeros((len(data.flux), len(grid)))
    for factor in SINGLE_WIDTHS:
        kernel = line_kernel(data, np.exp(grid), factor * data.narrow)
        strength = significance(*matched_filter(kernel, data.flux, data.weight))
        best = np.maximum(best, strength)
    return ndimage.maximum_filter1d(best**2, reach, axis=1, mode="nearest")


def _gain(
    pattern: tuple[dict[str, float], ...],
    pieces: dict[str, tuple[np.ndarray, np.ndarray]],
    speed: float,
) -> np.ndarray:
    """Return the gain (k, z) of a pattern with the best of its ratios."""
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
    """Return the contribution of overlapping lines of a doublet to the denominator."""
    if len(ratios) != 2:
        return 0.0
    (one, first), (two, second) = ratios.items()
    distance = SPEED_OF_LIGHT * np.log(_REST[one] / _REST[two]) / speed
    common = 2 * first * second * np.exp(-0.25 * distance**2)
    return common * np.sqrt(pieces[one][1] * pieces[two][1])


def _joint(trial: RedshiftScores) -> np.ndarray:
    """Return the sum (z,) of the scores of all spectra, which may differ by :data:`SPREAD`."""
    half = round(SPREAD / SPEED_OF_LIGHT / (trial.log[1] - trial.log[0]))
    return ndimage.maximum_filter1d(trial.score, 2 * half + 1, axis=1, mode="nearest").sum(axis=0)


def _plateau_centre(total: np.ndarray) -> int:
    """Return the middle of the plateau of the best score; its width is the allowed spread."""
    best = int(np.argmax(total))
    end = best
    while end + 1 < len(total) and total[end + 1] == total[best]:
        end += 1
    return (best + end) // 2


def _detected_lines(trial: RedshiftScores, best: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the lines detected in at least one spectrum, and the best index (k,) of each spectrum.

    The index is -1 for spectra without a score.
    """
    half = round(SPREAD / SPEED_OF_LIGHT / (trial.log[1] - trial.log[0]))
    first, stop = max(0, best - half), best + half + 1
    where = first + trial.score[:, first:stop].argmax(axis=1)  # (k,)
    strength = trial.strength[:, np.arange(len(where)), where]  # (line, k)
    used = trial.score[np.arange(len(where)), where] > 0
    detected = [bool((each[used] >= SIGNIFICANT).any()) for each in strength]
    lines = tuple(name for name, yes in zip(trial.names, detected, strict=True) if yes)
    if {"[OII] 3726", "[OII] 3729"} <= set(lines):  # counts as one line: usually not resolved
        lines = tuple(name for name in lines if name != "[OII] 3726")
    return lines, np.where(used, where, -1)


def _runner_up(total: np.ndarray, trial: RedshiftScores, best: int) -> tuple[float | None, float]:
    """Return the second best redshift, and its score divided by the best one."""
    far = np.abs(trial.log - trial.log[best]) > (DISTINCT + SPREAD) / SPEED_OF_LIGHT
    others = np.where(far, total, 0.0)
    at = _plateau_centre(others)
    if others[at] <= 0:
        return None, 0.0
    return float(np.expm1(trial.log[at])), float(others[at] / total[best])


def _mean(data: PreparedSpectra, trial: RedshiftScores, where: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean of the redshifts of the spectra and its standard error."""
    shapes = []
    for row in np.flatnonzero(where >= 0):
        rest = [
            _REST[name]
            for name, strength in zip(trial.names, trial.strength[:, row, where[row]], strict=True)
            if strength >= SIGNIFICANT
        ]
        if rest:
            start = first_shape(data, float(np.expm1(trial.log[where[row]])))
            shapes.append(refine(data, int(row), np.array(rest), start, most=150.0))
    z = np.array([shape.redshift for shape in shapes])
    variance = np.array([shape.error for shape in shapes]) ** 2
    # Regions of one object move: the error includes their spread (DerSimonian & Laird 1986).
    weight = 1 / variance
    excess = float((weight * (z - np.average(z, weights=weight)) ** 2).sum()) - (len(z) - 1)
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    weight = 1 / (variance + (max(0.0, excess / scale) if len(z) > 1 else 0.0))
    mean = float(np.average(z, weights=weight))
    floor = (1 + mean) * TABLE_ERROR / SPEED_OF_LIGHT
    return mean, float(np.hypot(weight.sum() ** -0.5, floor))


def shape_near(data: PreparedSpectra, row: int, z: float, most: float = 500.0) -> Shape | None:
    """Return redshift and width of the lines of one spectrum within ``most`` km/s of a redshift.

    None if no line of the patterns is detected there.
    """
    hidden = without_sky(data)
    own = hidden._replace(flux=hidden.flux[row : row + 1], weight=hidden.weight[row : row + 1])
    reach = (1 + z) * most / SPEED_OF_LIGHT
    best: tuple[float, Shape, np.ndarray] | None = None
    for factor in WIDTHS:
        trial = scores(own, z - reach, z + reach, factor, beyond_one=False)
        at = int(trial.gain[0].argmax())
        detected = trial.strength[:, 0, at] >= SIGNIFICANT
        if detected.any() and (best is None or trial.gain[0, at] > best[0]):
            there = float(np.expm1(trial.log[at]))
            rest = np.array([_REST[name] for name in trial.names])[detected]
            best = float(trial.gain[0, at]), first_shape(data, there), rest
    return None if best is None else refine(own, 0, best[2], best[1], most=150.0)


def first_shape(data: PreparedSpectra, z: float) -> Shape:
    """Return the shape of unresolved lines at a redshift."""
    sigma = float(np.median(data.wave)) * data.narrow / SPEED_OF_LIGHT
    return Shape(z, 0.0, min(sigma, 3.9 * data.step), 30.0)


def medium_warnings(axis: Axis) -> tuple[ResultWarning, ...]:
    """Return a warning if the axis does not say whether wavelengths are in air or vacuum."""
    return () if axis.medium else (make_warning("W-NAME-MEDIUM"),)
