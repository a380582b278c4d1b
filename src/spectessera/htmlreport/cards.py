"""The cards of the clusters in a report, as HTML: candidates, lines, differences."""

from __future__ import annotations

from collections.abc import Sequence

from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak, is_hidden
from spectessera.naming.numbers import MEANINGS, quantities_of

from .bandtables import bands_html, library_html
from .chips import chip
from .facts import Card
from .text import DASH, count, number, safe, share, table, warning_list, with_error

MOST_ROWS = 20
PAGE_ROWS = 20  # a card of more rows may be longer than a page of paper
LISTED = ("net counts", "flux")  # kinds of numbers that are in the table of lines
KINDS = {
    "library": "spectrum of the library",
    "pigment": "pigment",
    "class": "class of object",
    "element": "element",
    "line": "line",
    "instrument": "instrument",
}


def card_html(card: Card, figure_html: str, unit: str, axis: Axis) -> str:
    """Return the card of one cluster; ``figure_html`` is safe, the units are not."""
    numbers = [f"{share(card.share)} of the pixels", count(card.size, "pixel")]
    numbers += [safe(card.area)] if card.area else []
    if card.confidence is not None:
        numbers.append(f"mean confidence {share(card.confidence)}")
    origin = "" if not card.name or card.given else f'<span class="soft">({_origin(card)})</span>'
    name = f" {safe(card.name)} {origin}" if card.name else ""
    parts = [
        f"<header><h3>{chip(card.colour)}<span>Cluster {card.cluster}"
        f"{':' if name else ''}{name}</span></h3>"
        f'<p class="numbers">{" · ".join(numbers)}</p></header>',
        figure_html,
    ]
    if card.given and card.naming and card.naming.candidates:
        best = ", ".join(each.name for each in card.naming.candidates[:3])
        parts.append(f'<p class="note">Best candidates from the lines: {safe(best)}.</p>')
    parts.append(_naming(card, axis, unit))
    if card.naming is not None:
        parts.append(library_html(card.naming))
        parts.append(bands_html(card.naming, axis.unit))
    parts.append(_contrast(card, unit, axis.unit))
    long = ' class="long"' if _rows(card) > PAGE_ROWS else ""
    return f'<article id="cluster-{card.cluster}"{long}>{"".join(parts)}</article>'


def _origin(card: Card) -> str:
    """Return where a name that the user has not given comes from."""
    by_library = card.naming is not None and card.naming.of_kind("library")
    return "suggested by the library" if by_library else "suggested by the lines"


def _rows(card: Card) -> int:
    """Return about how many rows of text a card has below its figure."""
    rows = len(card.lines()) + len(card.differences)
    if card.naming is None:
        return rows
    rows += len(card.naming.bands) + len(card.naming.library)
    others = 3 * bool(card.naming.unexplained) + 2 * len(card.naming.warnings)
    return rows + len(card.naming.candidates) + others


def _naming(card: Card, axis: Axis, unit: str) -> str:
    """Return candidates, lines, unexplained peaks and warnings."""
    naming, axis_unit = card.naming, axis.unit
    if naming is None:
        return ""
    parts = []
    if naming.candidates:
        heads = ("Candidate", "Kind", "Score", "Evidence")
        rows = [_candidate(each) for each in sorted(naming.candidates, key=_place)]
        parts.append(table("Candidates", heads, rows, numeric=(2,), wide=3))
    elif naming.bands or naming.library:
        pass  # what these say stands in tables of their own
    elif not naming.peaks:
        parts.append(
            '<p class="note">No peaks or bands were identified: lines are named along X-ray '
            "energies, and in the light of nebulae.</p>"
        )
    else:
        parts.append('<p class="note">No candidate explains the peaks of this spectrum.</p>')
    lines = card.lines()
    if lines:
        at = f" ({safe(axis_unit)})" if axis_unit else ""
        columns = ("Line", f"Expected{at}", f"Measured{at}", "Area", "Significance", "Remark")
        rows = [_line(each) for each in lines[:MOST_ROWS]]
        parts.append(table("Detected lines", columns, rows, numeric=(1, 2, 3, 4)))
        if len(lines) > MOST_ROWS:
            parts.append(f'<p class="note">and {count(len(lines) - MOST_ROWS, "weaker one")}.</p>')
        parts.append(_of_areas(unit, axis))
    parts.append(_numbers(naming, axis, unit))
    if naming.redshift is not None:
        error = naming.redshift_error
        shift = number(naming.redshift, 6) if error is None else with_error(naming.redshift, error)
        parts.append(f"<p>Redshift: {shift}</p>")
    parts.append(_unexplained(naming.unexplained, axis_unit))
    if naming.warnings:
        parts.append(warning_list(naming.warnings))
    return "".join(parts)


def _of_areas(unit: str, axis: Axis) -> str:
    """Return what the areas of lines are, and their errors."""
    measure = safe(unit) or "the unit of the spectra"
    words = f"Area: sum over the channels above the background, in {measure}"
    if axis.kind == "wavelength":
        words += (
            "; times the width of a channel it is the flux. The errors are those of a mean of the "
            "pixels, which differ in brightness, and grow where the line does not fit: the error "
            "of the sum of the same pixels, as in the maps, is smaller"
        )
    return f'<p class="note">{words}.</p>'


def _numbers(naming: Naming, axis: Axis, unit: str) -> str:
    """Return ratios and what follows from them; the lines themselves are in the table above."""
    shown = [each for each in quantities_of(naming, axis, unit) if each.kind not in LISTED]
    if not shown:
        return ""
    rows = [
        [
            safe(each.name),
            with_error(each.value, each.error) if each.error > 0 else number(each.value, 2),
            safe(each.unit if each.unit != "1" else ""),
            safe(each.note),
        ]
        for each in shown
    ]
    meant = "".join(
        f"<li>{safe(kind[0].upper() + kind[1:])}: {safe(MEANINGS[kind])}.</li>"
        for kind in dict.fromkeys(each.kind for each in shown)
    )
    told = table("Ratios", ("What", "Value", "Unit", "Remark"), rows, numeric=(1,))
    return f"<details><summary>Ratios with errors</summary>{told}<ul>{meant}</ul></details>"


def _place(each: Candidate) -> int:
    """Return the rank of a kind of candidates: the most specific kind comes first."""
    return list(KINDS).index(each.kind) if each.kind in KINDS else len(KINDS)


def _candidate(each: Candidate) -> list[str]:
    unseen = [line for line in each.lines if line.peak is None]
    covered = [f"{line.name} is {line.note}" for line in unseen if is_hidden(line)]
    missing = [line.name for line in unseen if not is_hidden(line)]
    said = [each.evidence.strip(" .")] if each.evidence.strip(" .") else []
    said += [f"Not detected: {', '.join(missing)}"] if missing else []
    words = ". ".join([*said, *covered]) + "." if unseen else each.evidence
    return [
        safe(each.name),
        safe(KINDS.get(each.kind, each.kind)),
        f"{each.score:.2f}",
        safe(words),
    ]


def _line(line: Line) -> list[str]:
    peak = line.peak
    assert peak is not None  # a card lists only detected lines
    return [
        safe(line.name),
        number(line.position, 6),
        with_error(peak.position, peak.error),
        _area(peak),
        number(peak.significance, 3),
        safe(line.note),
    ]


def _area(peak: Peak) -> str:
    """Return the area of a peak with its error."""
    if not peak.significance:
        return number(peak.area, 3)
    return with_error(peak.area, abs(peak.area / peak.significance))


def _unexplained(peaks: Sequence[Peak], axis_unit: str) -> str:
    if not peaks:
        return ""
    strongest = sorted(peaks, key=lambda each: -abs(each.significance))
    words = [
        f"{with_error(each.position, each.error)} {safe(axis_unit)} "
        f"(significance {number(each.significance, 3)})"
        for each in strongest[:8]
    ]
    more = f", and {count(len(peaks) - 8, 'weaker one')}" if len(peaks) > 8 else ""
    return f"<h4>Unexplained peaks</h4><p>{'; '.join(words)}{more}.</p>"


def _contrast(card: Card, unit: str, axis_unit: str) -> str:
    """Return the differences between a cluster and its most similar one."""
    if card.nearest is None:
        return ""
    link = f'<a href="#cluster-{card.nearest}">cluster {card.nearest}</a>'
    if not card.differences:
        return f'<p class="note">Its mean spectrum equals that of {link}.</p>'
    units = f" (means in {safe(unit)})" if unit else ""
    caption = f"Differences from {link}, the most similar cluster{units}"
    caption += ", without the zero peak of the detector" if card.zero else ""
    at = f"At{f' ({safe(axis_unit)})' if axis_unit else ''}"
    heads = (at, "Line", "Mean here", "Mean there", "Here it is")
    rows = [
        [
            number(each.position, 5),
            safe(each.line) or DASH,
            number(each.here, 3),
            number(each.there, 3),
            _ratio(each.here, each.there),
        ]
        for each in card.differences
    ]
    return table(caption, heads, rows, numeric=(2, 3))


def _ratio(here: float, there: float) -> str:
    """Return how one mean compares with another, in words."""
    word = "stronger" if here > there else "weaker"
    if here <= 0 or there <= 0:
        return word
    ratio = max(here / there, there / here)
    return f"{word}, {number(ratio, 2)} times" if ratio < 1000 else f"much {word}"
