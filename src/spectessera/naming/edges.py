"""Edges in spectra of electron energy loss: onsets above a background that falls as a power law.

Egerton 2011, Electron Energy-Loss Spectroscopy in the Electron Microscope, chapter 4.4: the
background is fitted in a window before an edge and extrapolated under it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from spectessera.axis import Axis

from .candidates import Band
from .edgetable import EDGES

# Probability that a spectrum without edges has any.
FALSE_ALARM = 0.01
# eV: below, plasmons and the tail of the zero-loss peak are no power law.
LOWEST = 50.0
# Least rise, as a share of the background: smaller ones may be errors of the power law.
SMALLEST = 0.02
# Windows before and after an edge, as shares of its energy, and the least number of channels.
_BEFORE, _AFTER = 0.15, 0.05
_FEWEST_BEFORE, _FEWEST_AFTER = 8, 4
# How far the edge of an element may be: channels, share of the energy, eV (chemical shift).
_CHANNELS, _SHARE, _SHIFT = 2.0, 0.005, 5.0
_MARGIN = 5.0  # of the chance level
_NORMAL = 1.4826
MOST_ELEMENTS = 4


class _Step(NamedTuple):
    """What follows a channel above the extrapolated background: (channel,) each."""

    score: np.ndarray
    height: np.ndarray
    share: np.ndarray
    first: np.ndarray  # score of the first channels alone


def find_edges(spectrum: np.ndarray, error: np.ndarray, axis: Axis) -> tuple[Band, ...]:
    """Return the edges of a spectrum, those that noise alone would show once in a hundred spectra.

    Parameters
    ----------
    spectrum : array (channel,)
        Finite.
    error : array (channel,)
        Standard error; NaN where it is not known.
    axis : Axis
        Of energy losses.

    Returns
    -------
    tuple of Band
        In the order of the axis. The error of a position is half a channel, or more.

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.axis import Axis
    >>> energy = np.arange(400.0, 800.0, 2.0)
    >>> spectrum = 1e4 * (energy / 400) ** -3 + 400.0 * (energy >= 532)
    >>> noisy = np.random.default_rng(0).poisson(spectrum).astype(float)
    >>> axis = Axis(energy, "eV", "energy_loss")
    >>> [(edge.position, edge.elements) for edge in find_edges(noisy, np.sqrt(noisy), axis)]
    [(532.0, ('O K', 'Sb M5'))]
    """
    energy = axis.to("eV").values
    order = np.argsort(energy, kind="stable")
    energy, values = energy[order], np.asarray(spectrum, np.float64)[order]
    noise = _noise(values, np.asarray(error, np.float64)[order])
    if noise is None or (energy > LOWEST).sum() < _FEWEST_BEFORE + _FEWEST_AFTER:
        return ()
    steps = _steps(energy, values, noise)
    unit = float(Axis(np.ones(1), "eV", "energy_loss").to(axis.unit).values[0])
    score = _deflated(steps.score)
    found = [
        _edge(at, energy, steps._replace(score=score), unit)
        for at in _onsets(energy, steps._replace(score=score))
    ]
    rising = axis.values[0] < axis.values[-1]
    return tuple(sorted(found, key=lambda each: each.position, reverse=not rising))


def elements_at(energy: float, step: float) -> tuple[str, ...]:
    """Return the edges of elements near an energy (eV), the nearest first, at most four.

    ``step``: eV per channel.
    """
    near = max(_CHANNELS * step, _SHARE * energy, _SHIFT)
    listed = [
        (abs(position - energy), f"{element} {shell}")
        for shell, elements in EDGES.items()
        for element, position in elements.items()
        if abs(position - energy) <= near
    ]
    return tuple(name for _, name in sorted(listed)[:MOST_ELEMENTS])


def _noise(values: np.ndarray, error: np.ndarray) -> np.ndarray | None:
    """Return the noise (channel,): the error, or less where neighbours scatter less; None if 0."""
    if len(values) < _FEWEST_BEFORE:
        return None
    second = np.pad(np.abs(np.diff(values, n=2)) / np.sqrt(6), 1, mode="edge")
    known = np.where(np.isfinite(error) & (error > 0), error, np.inf)
    smooth = np.sqrt(np.maximum(values, 1e-3 * np.abs(values).max()))
    ratio = second / np.where(np.isfinite(known), known, smooth)
    level = 1.1 * _NORMAL * float(np.median(ratio))
    noise = np.where(np.isfinite(known), known * min(1.0, level), smooth * level)
    return noise if (noise > 0).all() else None


def _steps(energy: np.ndarray, values: np.ndarray, noise: np.ndarray) -> _Step:
    """Return, for every channel, how far what follows is above the background before it."""
    score, height, share, first = np.zeros((4, len(energy)))
    for at in range(_FEWEST_BEFORE, len(energy) - _FEWEST_AFTER + 1):
        start = min(int(np.searchsorted(energy, energy[at] * (1 - _BEFORE))), at - _FEWEST_BEFORE)
        stop = int(np.searchsorted(energy, energy[at] * (1 + _AFTER), "right"))
        stop = min(max(stop, at + _FEWEST_AFTER), len(energy))
        before = slice(start, at)
        if energy[start] < LOWEST or (values[before] <= 0).any():
            continue
        columns = np.stack([np.ones(len(energy[start:stop])), np.log(energy[start:stop])], axis=1)
        weight = values[before] / noise[before]
        weighted = columns[: at - start] * weight[:, None]
        covariance = np.linalg.inv(weighted.T @ weighted)
        solution = covariance @ (weighted.T @ (weight * np.log(values[before])))
        under = np.exp(columns @ solution)
        # The misfit of the power law before the edge is a part of its error.
        misfit = np.mean(((values[before] - under[: at - start]) / noise[before]) ** 2)
        covariance *= max(1.0, float(misfit) * (at - start) / (at - start - 2))
        for count, scores in ((stop - at, score), (_FEWEST_AFTER // 2, first)):
            span, ahead = slice(at, at + count), slice(at - start, at - start + count)
            excess = float((values[span] - under[ahead]).sum())
            slope = under[ahead] @ columns[ahead]
            variance = float(np.square(noise[span]).sum() + slope @ covariance @ slope)
            scores[at] = excess / np.sqrt(variance)
            if scores is score:
                height[at], share[at] = excess / count, excess / under[ahead].sum()
    return _Step(score, height, share, first)


def _deflated(score: np.ndarray) -> np.ndarray:
    """Return scores (channel,) by their own scatter, where the power law does not fit."""
    used = score[score != 0]
    if not len(used):
        return score
    return score / max(1.0, _NORMAL * float(np.median(np.abs(used - np.median(used)))))


def _onsets(energy: np.ndarray, steps: _Step) -> list[int]:
    """Return the channels at which edges begin, one for each edge."""
    count = len(energy)
    limit = float(norm.isf(FALSE_ALARM / (_MARGIN * count)))
    score = steps.score
    good = (score > limit) & (steps.share > SMALLEST) & (steps.first > limit / 2)
    chosen: list[int] = []
    for at in sorted(np.flatnonzero(good).tolist(), key=lambda each: (-score[each], each)):
        reach = max(_AFTER * energy[at], 1.0)
        if all(abs(energy[at] - energy[other]) > reach for other in chosen):
            chosen.append(at)
    return chosen


def _edge(at: int, energy: np.ndarray, steps: _Step, unit: float) -> Band:
    step = float(energy[at] - energy[at - 1])
    return Band(
        "edge",
        float(energy[at]) * unit,
        0.5 * step * unit,
        None,
        float(steps.height[at]),
        float(steps.score[at]),
        elements_at(float(energy[at]), step),
    )
