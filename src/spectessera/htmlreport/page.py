"""One self-contained HTML file per segmentation: it needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera._util.files import atomic_text, check_file_place, encodable, package_data
from spectessera._util.text import shown
from spectessera._version import __version__
from spectessera.cube import spectral_axis
from spectessera.diagnostics import warnings_of
from spectessera.naming.candidates import Naming
from spectessera.naming.names import name_clusters
from spectessera.result import check_result, cluster_names, quality_bits, require
from spectessera.warning import ResultWarning, make_warning

from . import stills, text
from .cards import card_html
from .changes import GIVEN, change_section
from .choice import choice_section
from .detail import LEVELS, MOST_BYTES, Detail
from .facts import Card, cards, checked_names
from .figures import with_figure
from .mapfigures import map_figures
from .maps import Pixels, document, frame_ratio
from .mapsections import map_sections
from .scans import scan_section

TALLEST = 560  # pixels of the screen, of a map
PARTS = {
    "overview": "Overview",
    "map": "Map",
    "scans": "Scans",
    "clusters": "Clusters",
    "elements": "Elements",
    "lines": "Lines",
    "mixtures": "Mixtures",
    "changes": "Changes by people",
    "choice": "How many clusters",
    "warnings": "Warnings",
    "settings": "Settings",
    "provenance": "Provenance",
    "cite": "How to cite",
}
Maps = tuple[xr.Dataset | None, xr.Dataset | None]  # of elements or lines, and of mixtures
NEEDED = ("quality", "mean_spectrum", "std_spectrum", "size", "cluster")


def report(
    result: xr.Dataset,
    path: str | Path,
    *,
    namings: Sequence[Naming] | None = None,
    names: Mapping[int, str] | None = None,
    warnings: Sequence[str] = (),
    anode: str | None = None,
    maps: xr.Dataset | None = None,
    mixtures: xr.Dataset | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a segmentation as one self-contained HTML file, to read, to print and to send.

    The file loads nothing from anywhere, and its security policy forbids it to. Without scripts,
    and in print, still figures take the place of the live ones. The same arguments give the same
    bytes.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`, or read back by :func:`spectessera.read_result`.
    path : str or Path
        The file to write, such as "report.html".
    namings : sequence of Naming, optional
        What is said of the mean spectrum of every cluster, in the order of ``result["cluster"]``;
        by default :func:`spectessera.naming.name_clusters`.
    names : mapping of int to str, optional
        The user's own names by the number of the cluster; they come before those that are in the
        result, and these before those of ``namings``.
    warnings : sequence of str
        Sentences for the reader, in addition to those of
        :func:`spectessera.diagnostics.warnings_of`.
    anode : str, optional
        Of the X-ray tube, such as "Rh"; for the names by default.
    maps, mixtures : Dataset, optional
        Of :func:`spectessera.maps.suitable` and :func:`spectessera.maps.abundances`, for it.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If there is a file already and ``overwrite`` is false.
    FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
        If the file cannot be written there.
    ValueError
        If it is no result, or namings or names do not fit its clusters.
    ImportError
        If bokeh is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> import tempfile
    >>> from pathlib import Path
    >>> result = spt.segment(cube, segmenter, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spt.report(result, Path(folder) / "report.html", names={1: "paper"}).name
    'report.html'
    """
    path = Path(path)
    check_bokeh()
    check_file_place(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give another name, or overwrite=True")
    result = _check(result)
    names = checked_names(result, namings, cluster_names(result) | dict(names or {}))
    if isinstance(warnings, str):
        raise TypeError(f"warnings is a list of sentences, such as [{warnings!r}]")
    if namings is None:
        namings = name_clusters(result, anode=anode)
    listed = [*(ResultWarning("", each) for each in warnings), *warnings_of(result, namings)]
    made = cards(result, namings, names)
    for detail in LEVELS:
        page = _page(result, made, listed, (maps, mixtures), detail)
        if len(page.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    # half of a surrogate pair, in a name that was no UTF-8, cannot be written
    atomic_text(path, encodable(page))
    return path


def check_bokeh() -> None:
    """Raise an ImportError that names the pip line if bokeh is not installed."""
    try:
        import bokeh  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'a report needs bokeh, which is not installed: pip install "spectessera[report]"'
        ) from error


def _check(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose maps are (y, x), after a look at what a report needs."""
    check_result(result)
    require(result, *NEEDED, purpose="a report")
    if result.sizes["cluster"] == 0:
        raise ValueError("the result has no cluster, so there is nothing to report")
    if "confidence" not in result:  # not every method of spectessera.baselines tells one
        result = result.assign(confidence=result["label"].astype(float) * float("nan"))
    result = result.copy().assign_attrs(_seen(result.attrs))
    for name in result.variables:
        result[name].attrs.update(_seen(result[name].attrs))
    return result.transpose("y", "x", "cluster", ..., missing_dims="ignore").compute()


def _seen(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that are texts, without characters that are not seen."""
    whole = ("provenance", "wcs", "findings", *GIVEN)  # these are parsed
    texts = {name: value for name, value in attributes.items() if isinstance(value, str)}
    return {n: encodable(v) if n in whole else shown(v) for n, v in texts.items()}


# --- the page ----------------------------------------------------------------------------------


def _page(
    result: xr.Dataset, made: list[Card], warnings: list[ResultWarning], maps: Maps, detail: Detail
) -> str:
    """Return the whole file."""
    from bokeh.resources import Resources

    inline = Resources(mode="inline", components=["bokeh"], log_level="error")
    library = "\n".join(inline.js_raw).replace("\r\n", "\n")
    script = _data("report.js")
    title = text.safe(f"Clusters of {text.heading(result)}")
    data, step = _script_data(result, made, detail)
    sections = _sections(result, made, warnings, maps, detail, step)
    inner = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{PARTS[name]}'
        f"</h2>{html}</section>\n"
        for name, html in sections.items()
    )
    links = "".join(f'<li><a href="#{name}">{PARTS[name]}</a></li>' for name in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(library, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="spectessera {text.safe(__version__)}">\n'
        f"<title>{title}</title>\n<style>\n{_data('report.css')}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n<div class="page">\n'
        f"<header><h1>{title}</h1></header>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'
        f'<main id="main" tabindex="-1">\n{inner}</main>\n'
        f"<footer><p>Written by spectessera {text.safe(__version__)}. This file is complete: it "
        "loads nothing from the network.</p></footer>\n</div>\n"
        f'<script type="application/json" id="report-data">{data}</script>\n'
        f"<script>{library}</script>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _data(name: str) -> str:
    return package_data(name).read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    """Return a content security policy that allows these scripts and nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
        for each in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _script_data(result: xr.Dataset, made: list[Card], detail: Detail) -> tuple[str, int]:
    """Return the figures and the names of the clusters, as JSON that is safe inside HTML.

    Also how many pixels apart those of the live maps are.
    """
    pixels = Pixels.of(result, detail)
    figures, roots = document(result, with_figure(made, detail.spectra), pixels)
    names = ["none (masked)"] + [""] * int(result["cluster"].values.max())
    for card in made:
        names[card.cluster] = text.title_of(card)
    data: dict[str, Any] = {
        "document": figures,
        "roots": roots,
        "names": names,
        "quality": [
            (bit, text.QUALITY_WORDS.get(name, name)) for bit, name in quality_bits(result)
        ],
        "sky": None if pixels.places is None else pixels.places["origin"],
        "width": -(-result.sizes["x"] // pixels.step),
        "step": pixels.step,
        "ratio": frame_ratio(result["label"].shape),
        "tallest": TALLEST,
    }
    plain = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        plain = plain.replace(mark, f"\\u{ord(mark):04x}")
    return plain, pixels.step


def _sections(
    result: xr.Dataset,
    made: list[Card],
    warnings: list[ResultWarning],
    maps: Maps,
    detail: Detail,
    step: int,
) -> dict[str, str]:
    """Return the content of every section."""
    return {
        "overview": text.overview(result, made),
        "map": map_figures(result, made, step),
        **scan_section(result),
        "clusters": _cards(result, made, detail),
        **change_section(result),
        **map_sections(result, *maps, detail.thumbnail),
        "choice": choice_section(result),
        "warnings": _warnings(result, warnings),
        "settings": text.settings(result),
        "provenance": text.origins(result, __version__),
        "cite": text.citing(__version__),
    }


def _cards(result: xr.Dataset, made: list[Card], detail: Detail) -> str:
    axis = spectral_axis(result["mean_spectrum"])
    unit = str(result.attrs.get("unit", ""))
    drawn = {card.cluster for card in with_figure(made, detail.spectra)}
    parts = [
        '<p class="note">Each card shows the mean spectrum of a cluster (line) and the spread of '
        "its pixels (band: one standard deviation to either side)."
        '<span class="screen"> Zooming into one spectrum zooms all of them.</span></p>'
    ]
    if made and made[0].bad:
        parts.append("<p>Channels on grey are marked as bad: their values had no influence.</p>")
    if len(drawn) < sum(card.size > 0 for card in made):
        parts.append(f"<p>Spectra are drawn for the {len(drawn)} largest clusters.</p>")
    for card in made:
        figure = "" if card.size else "<p>This cluster has no pixels.</p>"
        if card.cluster in drawn:
            figure = text.figure(
                f"spectrum-{card.cluster}",
                stills.uri(stills.spectrum(card, axis, unit)),
                f"Mean spectrum of cluster {text.title_of(card)}",
                "",
            )
        parts.append(card_html(card, figure, unit, axis))
    return "\n".join(parts)


def _warnings(result: xr.Dataset, warnings: list[ResultWarning]) -> str:
    if text.mean_confidence(result) is None:
        warnings = [*warnings, make_warning("W-CONFIDENCE-MISSING")]
    return text.warning_list(warnings) if warnings else "<p>There are no warnings.</p>"
