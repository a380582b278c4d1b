"""Which pigment a cluster of a macro-XRF cube is: templates fitted to all its counts.

A cluster has pixels of many thicknesses and a few of its neighbours, so its spectrum is a
non-negative mixture of one pigment's templates over thickness with a small part of other pigments
and of a smooth background. Each pigment's mixture is fitted by Poisson likelihood. Templates are
never exact: however many counts there are, they are believed as if they were fewer, so that
pigments of nearly one spectrum stay one group. What no mixture fits is not named.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_ndim, check_number, check_numeric, check_same_shape
from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming
from spectessera.synth.paint.modern import MODERN
from spectessera.synth.paint.palettes import Palette, assemble, load_palette
from spectessera.synth.paint.pigments import PIGMENTS, SUPPORT

from .evidence import own_lines, seen_lines, xray_peaks
from .templates import (
    FLOOR,
    LEAST_ENERGY,
    Columns,
    Match,
    calibrated_templates,
    coarse,
    fit_all,
    fit_mixture,
    moved_templates,
    window_of,
)

LEAST_COUNTS = 100
# A log likelihood ratio with the expectation m is about normal with the variance 2 m: the wrong
# one of two templates wins in more than 5 % of the cases where m is below 2 * 1.645**2.
APART = 5.41
PAINTED = (0.25, 3.0)  # thickness over the nominal one of which groups are told
USUAL_ADMIXTURE = 0.05  # shares of others are exponential with this mean, before any count


@dataclass(frozen=True)
class Matching:
    """How far templates are believed, and what is told of them.

    Parameters
    ----------
    admixture : float
        Largest share of the counts that other pigments and a smooth background may have.
    most_counts : float
        Templates are believed as if a cluster never had more counts than that: two pigments are
        one group, however long they are measured, if their spectra differ by less than 5.4 nats
        in so many counts, as the copper pigments and the whites of lead do.
    worst_misfit : float
        In nats a count: the Kullback-Leibler divergence of the cluster from what is fitted,
        beyond that of counting. Pigments that fit worse are not told.
    least_score : float
        Candidates below it are left out.

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
    """Return the pigments that a cluster may be, the best first.

    The templates are moved to the axis of the cube by energy; an error of its calibration of up
    to 0.6 % and 20 eV and a resolution of 142 to 180 eV (at 5.9 keV) are fitted. The score is the
    probability of a pigment among those of the palette, all equally likely before, times one less
    the misfit over the worst one that is told. Pigments that a template classifier would confuse
    in more than 5 % of the cases, at these counts and this thickness, are one candidate:
    "azurite or malachite", the likelier first.

    Parameters
    ----------
    spectrum : array (channel,)
        Mean counts of a pixel of the cluster; with ``pixels=1``, all its counts.
    pixels : float
        Pixels of the cluster: spectrum times pixels are counts, not normalised.
    axis : Axis
        Energies of the channels.
    palette : Palette, str or Path
        "all": the 24 built-in pigments; "known": those and the 16 of the last three centuries,
        which needs xraylib; else as :func:`spectessera.synth.load_palette` takes it.
    naming : Naming, optional
        Elements with their lines: what is not found there is not claimed. Without it, first lines
        of the elements are looked for at their energies.
    settings : Matching, optional

    Returns
    -------
    tuple of Candidate
        Empty where the spectrum is of something else. A pigment is told only with lines of its
        own; of those without any (dyes, carbon) the words say that.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be, the axis is not one of energy or has too few
        channels in the range of the palette, or there are fewer than 100 counts.
    ImportError
        If the palette is "known" and xraylib is not installed.
    """
    values = np.asarray(spectrum)
    check_numeric("the spectrum", values)
    check_ndim("the spectrum", values, 1, "(channel,)")
    check_same_shape("the spectrum", values.shape, (len(axis),), "the axis")
    check_number("pixels", pixels, low=0.0, open_low=True)
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("the spectrum must be counts, finite and 0 or more")
    chosen = settings or Matching()
    paint = _palette(palette)
    whole = window_of(values.astype(np.float64) * pixels, axis, paint.axis)
    window = coarse(whole)
    total = window.counts.sum()
    if total < LEAST_COUNTS:
        raise ValueError(
            f"a cluster is named by {LEAST_COUNTS} counts or more above {LEAST_ENERGY} keV; got "
            f"{total:g}: give counts, not a normalised spectrum, and the pixels of the cluster"
        )
    data = window.counts / total
    columns = calibrated_templates(window, paint)
    matches = fit_all(data, columns, paint, chosen.admixture)
    judged = _judge(matches, columns, window.counts, chosen)
    seen = naming or Naming(xray_peaks(whole.counts, Axis((whole.low + whole.high) / 2, "keV")))
    told = [_told(group, paint, seen, naming is not None, whole.high[-1]) for group in judged]
    return tuple(each for each in told if each is not None)


def inseparable(
    palette: Palette | str | Path, total_counts: float, *, most_counts: float = np.inf
) -> tuple[tuple[str, ...], ...]:
    """Return the groups of pigments that a template classifier cannot split.

    Two pigments are in one group if, at some thickness from 0.25 to 3 times the nominal one, the
    likeliest mixture of the other over thickness wins in more than 5 % of the cases: if their
    expected log likelihood ratio, counts times Kullback-Leibler divergence, is below 5.41. Groups
    are closed: who is in one group with two others joins these.

    Parameters
    ----------
    palette : Palette, str or Path
        As of :func:`pigment_candidates`.
    total_counts : float
        Of a cluster.
    most_counts : float
        See :class:`Matching`; by default templates are exact.

    Returns
    -------
    tuple of tuple of str
        Every pigment once, in the order of the palette.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be.
    """
    check_number("total_counts", total_counts, low=0.0, open_low=True)
    paint = _palette(palette)
    apart = _divergences(paint) * _believed(total_counts, 1.0, most_counts) >= APART
    left, groups = list(range(len(paint.pigments))), []
    while left:
        group = [left.pop(0)]
        for member in group:
            joining = [other for other in left if not apart[member, other]]
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
    """Return all pigments that ship, or with the modern ones, whose spectra take a while."""
    return assemble(str(name), [*PIGMENTS.values(), *(MODERN if name == "known" else ())])


@lru_cache(maxsize=8)
def _divergences(paint: Palette) -> np.ndarray:
    """Return the least divergence (p, p) of pigments from mixtures of others over thickness."""
    axis = paint.axis
    window = coarse(window_of(np.ones(len(axis)), axis, axis))
    templates = moved_templates(window, paint).pigments
    number = len(templates)
    inside = (paint.factors >= PAINTED[0]) & (paint.factors <= PAINTED[1])
    found = np.zeros((number, number))
    for one in range(number):
        for other in range(number):
            if one != other:
                fits = [
                    fit_mixture(each, templates[other], FLOOR) for each in templates[one, inside]
                ]
                found[one, other] = min(fit.divergence for fit in fits)
    least = np.minimum(found, found.T)
    least.setflags(write=False)
    return least


def _believed(total: float, dispersion: float, most: float) -> float:
    """Return as how many counts a cluster's are believed."""
    return 1 / (dispersion / total + 1 / most)


# --- judging -----------------------------------------------------------------------------------


class _Judged(NamedTuple):
    """A pigment that passed, with its misfit in nats a count."""

    match: Match
    score: float
    misfit: float


def _judge(
    matches: list[Match], columns: Columns, counts: np.ndarray, settings: Matching
) -> list[list[_Judged]]:
    """Return groups of pigments that cannot be told apart, the likeliest first."""
    total = counts.sum()
    divergence = np.array([each.fit.divergence for each in matches])
    # A channel of less than one expected count has no freedom of its own.
    best = matches[int(divergence.argmin())].fit
    freedom = np.minimum(best.model * total, 1).sum()
    believed = _believed(
        total, max(1.0, 2 * total * best.divergence / freedom), settings.most_counts
    )
    misfit = np.maximum(divergence - freedom / (2 * total), 0)
    log = -believed * divergence
    log -= np.array([each.admixture for each in matches]) / USUAL_ADMIXTURE
    probability = np.exp(log - log.max())
    probability /= probability.sum()
    score = probability * np.maximum(1 - misfit / settings.worst_misfit, 0)
    order = [int(each) for each in np.argsort(-probability) if score[each] > 0]
    judged = [_Judged(matches[each], float(score[each]), float(misfit[each])) for each in order]
    groups = []
    while judged:
        near = [
            judged[0] is each or believed * _apart(judged[0].match, each.match, columns) < APART
            for each in judged
        ]
        groups.append([each for each, is_near in zip(judged, near, strict=True) if is_near])
        judged = [each for each, is_near in zip(judged, near, strict=True) if not is_near]
    return [each for each in groups if sum(one.score for one in each) >= settings.least_score]


def _apart(first: Match, other: Match, columns: Columns) -> float:
    """Return the divergence, in nats a count, of two pigments as they are fitted here.

    The less of the two ways: what each has of its own templates, by the other's.
    """
    found = []
    for one, by in ((first, other), (other, first)):
        own = fit_mixture(one.fit.model, columns.pigments[one.pigment], FLOOR).model
        found.append(fit_mixture(own / own.sum(), columns.pigments[by.pigment], FLOOR).divergence)
    return min(found)


def _told(
    group: list[_Judged], paint: Palette, seen: Naming, named: bool, last: float
) -> Candidate | None:
    """Return the group as a candidate, without the pigments whose strongest line is missing."""
    kept: list[_Judged] = []
    lines: dict[str, Line] = {}
    silent: list[str] = []
    unknown: list[str] = []
    for each in group:
        own = own_lines(paint, each.match.pigment, last)
        found = seen_lines(own, seen, named)
        if own and not any(_element(line) == _element(own[0]) and line.peak for line in found):
            continue
        kept.append(each)
        lines |= {line.name: line for line in found}
        if not own:
            known = paint.recipes[each.match.pigment] is not None
            (silent if known else unknown).append(paint.pigments[each.match.pigment])
    if not kept:
        return None
    names = [paint.pigments[each.match.pigment] for each in kept]
    score = min(1.0, sum(each.score for each in kept))
    words = _words(kept[0], names, tuple(lines.values()), silent, unknown)
    return Candidate(" or ".join(names), "pigment", score, tuple(lines.values()), words)


def _words(
    best: _Judged,
    names: list[str],
    lines: tuple[Line, ...],
    silent: list[str],
    unknown: list[str],
) -> str:
    """Say what speaks for the likeliest of them, and what is missing."""
    found = [line.name for line in lines if line.peak is not None]
    missing = [line.name for line in lines if line.peak is None]
    parts = []
    if found:
        parts.append(f"{', '.join(found)} found")
    if missing:
        parts.append(f"{', '.join(missing)} not found")
    if silent:
        parts.append(f"{', '.join(silent)}: no lines of its own, only the background of {SUPPORT}")
    if unknown:
        parts.append(f"{', '.join(unknown)}: of no known formula, by its whole spectrum alone")
    if len(names) > 1:
        parts.append(f"{', '.join(names)} cannot be told apart by so many counts")
    thickness, share = best.match.thickness, best.match.admixture
    parts.append(f"a layer of about {thickness:.2g} times its usual thickness")
    if share > 0.005:
        parts.append(f"{share:.0%} of the counts are of something else")
    parts.append(f"differs from the template by {best.misfit:.2g} nats a count beyond noise")
    return "; ".join(parts)


def _element(line: Line) -> str:
    return line.name.split()[0]
