"""Pigments of the clusters of a macro-XRF cube: templates fitted to all counts of a cluster.

A cluster contains pixels of different thickness and some pixels of its neighbours, so its spectrum
is a non-negative mixture of the templates of one pigment over thickness, with a small share of
other pigments and of a smooth background. The mixture of each pigment is fitted by Poisson
likelihood. Templates are never exact: the number of counts is limited in the comparison, so that
pigments with nearly equal spectra remain one group. A cluster that no mixture fits gets no name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_ndim, check_number, check_numeric, check_same_shape
from spectessera._util.text import per_cent
from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming
from spectessera.synth.paint.modern import MODERN
from spectessera.synth.paint.palettes import Palette, assemble, load_palette
from spectessera.synth.paint.pigments import PIGMENTS, SUPPORT

from .evidence import PigmentLines, element_of, xray_peaks
from .mixtures import Pair, PairSettings, best_pair, mixture_candidate
from .templates import (
    FLOOR,
    LEAST_ENERGY,
    Columns,
    Match,
    calibrated_templates,
    coarsen,
    fit_all,
    fit_mixture,
    shifted_templates,
    window_of,
)

LEAST_COUNTS = 100
# A log likelihood ratio with expectation m is approximately normal with variance 2 m: the wrong
# one of two templates wins in more than 5 % of the cases if m is below 2 * 1.645**2.
SEPARABLE = 5.41
PAINTED = (0.25, 3.0)  # range of the thickness relative to the nominal one, for groups
USUAL_ADMIXTURE = 0.05  # mean of the exponential prior of the admixture


@dataclass(frozen=True)
class Matching:
    """How precisely templates are compared, and which candidates are returned.

    Parameters
    ----------
    admixture : float
        Largest share of other pigments and of a smooth background in the counts.
    most_counts : float
        Limit of the effective number of counts of a cluster: two pigments are one group for any
        measuring time if their spectra differ by less than 5.4 logarithmic units in this number
        of counts: the copper pigments, or lead white and minium.
    worst_misfit : float
        Largest Kullback-Leibler divergence between the cluster and its fit, beyond that of
        counting noise, in logarithmic units per count.
    least_score : float
        Candidates with a lower score are left out.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.
    """

    admixture: float = 0.1
    most_counts: float = 3000.0
    worst_misfit: float = 0.05
    least_score: float = 0.01

    def __post_init__(self) -> None:
        check_number("admixture", self.admixture, low=0.0, high=0.5)
        if self.most_counts != np.inf:
            check_number("most_counts", self.most_counts, low=0.0, open_low=True)
        check_number("worst_misfit", self.worst_misfit, low=0.0, open_low=True)
        check_number("least_score", self.least_score, low=0.0, high=1.0)


def pigment_candidates(
    spectrum: Any,
    pixels: float,
    axis: Axis,
    *,
    palette: Palette | str | Path = "all",
    naming: Naming | None = None,
    settings: Matching | None = None,
) -> tuple[Candidate, ...]:
    """Return the pigments that a cluster may consist of, the best first.

    The templates are interpolated to the axis of the cube; a calibration error of up to 0.6 % and
    20 eV and a resolution of 142 to 180 eV (at 5.9 keV) are fitted. The score is the probability
    of a pigment among those of the palette, with equal priors, multiplied by one minus the misfit
    divided by the worst accepted misfit. Pigments that a template classifier would confuse in more
    than 5 % of the cases, for these counts and this thickness, are one candidate: "azurite or
    malachite", the likelier first.

    Parameters
    ----------
    spectrum : array (channel,)
        Mean counts of the pixels of the cluster; with ``pixels=1``, its total counts.
    pixels : float
        Number of pixels of the cluster: the spectrum times this number are counts.
    axis : Axis
        Energies of the channels.
    palette : Palette, str or Path
        "all": the 24 built-in pigments; "known": also 16 pigments of the last three centuries,
        which needs xraylib; otherwise as for :func:`spectessera.synth.load_palette`.
    naming : Naming, optional
        With elements and their lines: only lines in it count as detected. By default peaks at the
        energies of the first lines count.
    settings : Matching, optional

    Returns
    -------
    tuple of Candidate
        Empty if no pigment fits. A pigment with characteristic lines is a candidate only if the
        strongest is detected; for those without (dyes, carbon) the evidence says so.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, the axis is not of energy or has too few channels in the range
        of the palette, or there are fewer than 100 counts.
    ImportError
        If the palette is "known" and xraylib is not installed.
    """
    values = np.asarray(spectrum)
    check_numeric("the spectrum", values)
    check_ndim("the spectrum", values, 1, "(channel,)")
    check_same_shape("the spectrum", values.shape, (len(axis),), "the axis")
    check_number("pixels", pixels, low=0.0, open_low=True)
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("the spectrum must consist of counts: finite, and 0 or more")
    chosen = settings or Matching()
    paint = _palette(palette)
    whole = window_of(values.astype(np.float64) * pixels, axis, paint.axis)
    window = coarsen(whole)
    total = window.counts.sum()
    if total < LEAST_COUNTS:
        raise ValueError(
            f"pigments need at least {LEAST_COUNTS} counts above {LEAST_ENERGY} keV; got "
            f"{total:g}: give counts, not a normalised spectrum, and the number of pixels"
        )
    data = window.counts / total
    columns = calibrated_templates(window, paint)
    matches = fit_all(data, columns, paint, chosen.admixture)
    peaks = naming or Naming(xray_peaks(whole.counts, Axis((whole.low + whole.high) / 2, "keV")))
    lines = PigmentLines(paint, peaks, naming is not None, whole.high[-1], total)
    pair = _pair(data, columns, matches, lines, chosen)
    groups, together = _groups(matches, columns, window.counts, chosen, pair)
    candidates = [_candidate(group, lines) for group in groups]
    if pair is not None and together >= chosen.least_score:
        candidates.append(mixture_candidate(pair, together, lines))
    known = [each for each in candidates if each is not None]
    return tuple(sorted(known, key=lambda each: -each.score))


def inseparable(
    palette: Palette | str | Path, total_counts: float, *, most_counts: float = np.inf
) -> tuple[tuple[str, ...], ...]:
    """Return the groups of pigments that a template classifier cannot separate.

    Two pigments are in one group if, at some thickness from 0.25 to 3 times the nominal one, the
    likeliest mixture of the other over thickness wins in more than 5 % of the cases: if their
    expected log likelihood ratio, counts times Kullback-Leibler divergence, is below 5.41. The
    relation is extended to be transitive: groups with a common pigment are merged.

    Parameters
    ----------
    palette : Palette, str or Path
        As for :func:`pigment_candidates`.
    total_counts : float
        Of a cluster.
    most_counts : float
        See :class:`Matching`; by default templates count as exact.

    Returns
    -------
    tuple of tuple of str
        Every pigment once, in the order of the palette.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> from spectessera.naming.pigments.match import inseparable
    >>> len(inseparable("choirbook", 2000.0)), len(inseparable("choirbook", 5.0))
    (8, 1)
    """
    check_number("total_counts", total_counts, low=0.0, open_low=True)
    paint = _palette(palette)
    counts = _effective_counts(total_counts, 1.0, most_counts)
    separable = _least_divergences(paint) * counts >= SEPARABLE
    left, groups = list(range(len(paint.pigments))), []
    while left:
        group = [left.pop(0)]
        for member in group:
            joining = [other for other in left if not separable[member, other]]
            group += joining
            left = [other for other in left if other not in joining]
        groups.append(tuple(paint.pigments[index] for index in sorted(group)))
    return tuple(groups)


def _palette(given: Palette | str | Path) -> Palette:
    if isinstance(given, Palette):
        return given
    return _built_in(given) if given in ("all", "known") else load_palette(given)


@cache
def _built_in(name: str | Path) -> Palette:
    """Return the palette of all built-in pigments; "known" adds the modern ones, which is slow."""
    return assemble(str(name), [*PIGMENTS.values(), *(MODERN if name == "known" else ())])


@lru_cache(maxsize=8)
def _least_divergences(paint: Palette) -> np.ndarray:
    """Return the least divergence (p, p) of pigments from mixtures of others over thickness."""
    axis = paint.axis
    window = coarsen(window_of(np.ones(len(axis)), axis, axis))
    templates = shifted_templates(window, paint).pigments
    number = len(templates)
    inside = (paint.factors >= PAINTED[0]) & (paint.factors <= PAINTED[1])
    divergence = np.zeros((number, number))
    for one in range(number):
        for other in range(number):
            if one != other:
                fits = [
                    fit_mixture(each, templates[other], FLOOR) for each in templates[one, inside]
                ]
                divergence[one, other] = min(fit.divergence for fit in fits)
    least = np.minimum(divergence, divergence.T)
    least.setflags(write=False)
    return least


def _effective_counts(total: float, dispersion: float, most: float) -> float:
    """Return the effective number of counts, limited by dispersion and by ``most``."""
    return 1 / (dispersion / total + 1 / most)


# --- scores and groups -------------------------------------------------------------------------


class _Scored(NamedTuple):
    """An accepted pigment, with its misfit in nats per count."""

    match: Match
    score: float
    misfit: float


def _groups(
    matches: list[Match],
    columns: Columns,
    counts: np.ndarray,
    settings: Matching,
    pair: Pair | None,
) -> tuple[list[list[_Scored]], float]:
    """Return groups of pigments that cannot be separated, the likeliest first; and a pair's score.

    A mixture of two is less likely at first sight, by the least ratio that separates pigments.
    """
    total = counts.sum()
    divergence = np.array([each.fit.divergence for each in matches])
    fits = [each.fit for each in matches] + ([pair.fit] if pair else [])
    best = min(fits, key=lambda fit: fit.divergence)
    # Channels with less than one expected count add less than one degree of freedom.
    freedom = np.minimum(best.model * total, 1).sum()
    effective = _effective_counts(
        total, max(1.0, 2 * total * best.divergence / freedom), settings.most_counts
    )
    misfit = np.maximum(divergence - freedom / (2 * total), 0)
    log = -effective * divergence
    log -= np.array([each.admixture for each in matches]) / USUAL_ADMIXTURE
    both = -effective * pair.fit.divergence - SEPARABLE if pair else -np.inf
    top = max(log.max(), both)
    whole = np.exp(log - top).sum() + np.exp(both - top)
    probability = np.exp(log - top) / whole
    score = probability * np.maximum(1 - misfit / settings.worst_misfit, 0)
    order = [int(each) for each in np.argsort(-probability) if score[each] > 0]
    scored = [_Scored(matches[each], float(score[each]), float(misfit[each])) for each in order]
    groups = []
    while scored:
        first = scored[0]
        near = [
            first is each
            or effective * _fitted_divergence(first.match, each.match, columns) < SEPARABLE
            for each in scored
        ]
        groups.append([each for each, is_near in zip(scored, near, strict=True) if is_near])
        scored = [each for each, is_near in zip(scored, near, strict=True) if not is_near]
    kept = [each for each in groups if sum(one.score for one in each) >= settings.least_score]
    wrong = max(pair.fit.divergence - freedom / (2 * total), 0) if pair else np.inf
    together = np.exp(both - top) / whole * max(1 - wrong / settings.worst_misfit, 0)
    return kept, float(together)


def _fitted_divergence(first: Match, other: Match, columns: Columns) -> float:
    """Return the divergence in nats per count between two fitted pigments.

    The smaller one of both directions: the part of one pigment, fitted by templates of the other.
    """
    divergences = []
    for one, by in ((first, other), (other, first)):
        own = fit_mixture(one.fit.model, columns.pigments[one.pigment], FLOOR).model
        fit = fit_mixture(own / own.sum(), columns.pigments[by.pigment], FLOOR)
        divergences.append(fit.divergence)
    return min(divergences)


def _candidate(group: list[_Scored], known: PigmentLines) -> Candidate | None:
    """Return a group as a candidate, without pigments whose characteristic lines are missing."""
    accepted: list[_Scored] = []
    lines: dict[str, Line] = {}
    without_lines: list[str] = []
    without_formula: list[str] = []
    paint = known.paint
    able = known.best([e.match.pigment for e in group if not known.lacks(e.match.pigment)])
    for each in group:
        if each.match.pigment not in able:
            continue
        accepted.append(each)
        lines |= {line.name: line for line in known.detected(each.match.pigment)}
        if not known.own(each.match.pigment):
            formula = paint.recipes[each.match.pigment] is not None
            names = without_lines if formula else without_formula
            names.append(paint.pigments[each.match.pigment])
    if not accepted:
        return None
    names = [paint.pigments[each.match.pigment] for each in accepted]
    score = min(1.0, sum(each.score for each in accepted))
    evidence = _evidence(accepted[0], names, tuple(lines.values()), without_lines, without_formula)
    return Candidate(" or ".join(names), "pigment", score, tuple(lines.values()), evidence)


def _evidence(
    best: _Scored,
    names: list[str],
    lines: tuple[Line, ...],
    without_lines: list[str],
    without_formula: list[str],
) -> str:
    """Return the evidence for the likeliest pigment, and what is missing, in a sentence."""
    detected = [line.name for line in lines if line.peak is not None]
    missing = [line.name for line in lines if line.peak is None]
    parts = []
    if detected:
        parts.append(f"{', '.join(detected)} detected")
    if missing:
        parts.append(f"{', '.join(missing)} not detected")
    if without_lines:
        parts.append(
            f"{', '.join(without_lines)}: no characteristic lines, only those of {SUPPORT}"
        )
    if without_formula:
        parts.append(f"{', '.join(without_formula)}: formula unknown, the whole spectrum fits")
    if len(names) > 1:
        parts.append(f"{', '.join(names)} cannot be separated with this number of counts")
    parts.append(f"a layer of about {best.match.thickness:.2g} times its usual thickness")
    if (share := best.match.admixture) > 0.005:
        parts.append(f"{per_cent(share)} of the counts are other pigments or background")
    misfit = f"{best.misfit:.2g} logarithmic units per count"
    return "; ".join([*parts, f"differs from the template by {misfit} beyond noise"])


# --- mixtures ----------------------------------------------------------------------------------


def _pair(
    data: np.ndarray,
    columns: Columns,
    matches: list[Match],
    known: PigmentLines,
    settings: Matching,
) -> Pair | None:
    """Return the two pigments that explain a cluster, if one alone cannot."""
    best = min((each.fit for each in matches), key=lambda fit: fit.divergence)
    freedom = np.minimum(best.model * known.total, 1).sum()
    gain = SEPARABLE / _effective_counts(known.total, 1.0, settings.most_counts)
    if best.divergence - freedom / (2 * known.total) < gain:
        return None
    able = {
        index: element_of(own[0])
        for index in range(len(known.paint.pigments))
        if (own := known.own(index)) and not known.lacks(index, settings.admixture)
    }
    return best_pair(data, columns, known.paint, able, PairSettings(settings.admixture, gain))
