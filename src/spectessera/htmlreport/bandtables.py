"""The tables of bands, edges and library spectra on the card of a cluster, as HTML."""

from __future__ import annotations

from spectessera.naming.candidates import Band, LibraryMatch, Naming
from spectessera.naming.library import SURE

from .text import DASH, count, number, safe, table, with_error

MOST_ROWS = 15
CAPTIONS = {"band": "Bands", "absorption": "Absorption bands", "edge": "Edges"}


def bands_html(naming: Naming, axis_unit: str) -> str:
    """Return the table of bands or edges, the most significant ones; "" without any."""
    if not naming.bands:
        return ""
    kind = naming.bands[0].kind
    unit = f" ({safe(axis_unit)})" if axis_unit else ""
    if kind == "edge":
        heads = (f"At{unit}", "Height", "Significance", "Edges of elements there")
    else:
        depth = "Depth" if kind == "absorption" else "Height"
        heads = (f"At{unit}", f"Full width{unit}", depth, "Significance")
    strongest = sorted(naming.bands, key=lambda each: -each.significance)[:MOST_ROWS]
    rows = [_row(each) for each in naming.bands if each in strongest]
    more = len(naming.bands) - len(rows)
    note = f'<p class="note">and {count(more, "weaker one")}.</p>' if more else ""
    return (
        table(CAPTIONS[kind], heads, rows, numeric=(0, 1, 2) if kind == "edge" else (0, 1, 2, 3))
        + note
    )


def _row(band: Band) -> list[str]:
    place, score = with_error(band.position, band.error), number(band.significance, 3)
    if band.kind == "edge":
        return [place, number(band.height, 3), score, safe(", ".join(band.elements)) or DASH]
    return [place, number(band.width, 3), number(abs(band.height), 3), score]


def library_html(naming: Naming) -> str:
    """Return the table of the library spectra that fit best; "" without a library."""
    if not naming.library:
        return ""
    heads = ("Spectrum", "Angle", "Chi-square per channel", "Worse than the best", "Fits")
    rows = [_match(each) for each in naming.library]
    good = [each for each in naming.library if each.worse < SURE]
    verdict = ""
    if not any(each.fits for each in naming.library):
        verdict = "No match: no spectrum of the library fits."
    elif not any(each.fits for each in good):
        verdict = "No match: those that fit are worse than one that does not."
    elif len(good) > 1:
        verdict = "Those that are worse by less than 4 \u03c3 cannot be distinguished."
    note = f'<p class="note">{verdict}</p>' if verdict else ""
    return table("Spectra of the library", heads, rows, numeric=(1, 2, 3)) + note


def _match(match: LibraryMatch) -> list[str]:
    return [
        safe(match.name),
        f"{match.angle:.3f} rad",
        number(match.chi_square, 3),
        f"{match.worse:.1f} \u03c3",
        "yes" if match.fits else "no",
    ]
