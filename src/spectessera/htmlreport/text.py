"""The words of a report, as HTML: everything that comes from data goes through :func:`safe`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.text import per_cent, visible
from spectessera.channels import bad_channels
from spectessera.result import (
    SPLIT_BELOW,
    clusters_changed,
    number_chosen,
    number_of_clusters,
    provenance,
    rare_in_words,
)
from spectessera.scans import between
from spectessera.warning import ResultWarning

from .chips import chip
from .facts import Card
from .lengths import map_size

NARROW = "\u202f"  # a narrow space that does not break
DASH = "\u2013"
TIMES = "\u00d7"
MOST_NAMED = 12
QUALITY_WORDS = {
    "masked": "masked, left out",
    "not_finite": "too many values that are not finite, left out",
    "empty": "zeros only, left out",
    "saturated": "saturated, left out",
    "repaired": "some values that were not finite, interpolated",
    "negative_clipped": "values below 0 by more than noise, set to 0",
}
ONE_CLUSTER = (
    "by the program: one cluster, since there are no groups beyond the noise: a part of the "
    "measurement does not predict any difference between the pixels in the other part"
)
# Added where neighbours take the place of a known noise.
BY_NEIGHBOURS = (
    " (the noise is not known: the pixels around a pixel and the pixel itself are the two parts, "
    "and their noise is taken to be independent)"
)
CRITERIA = {
    "evidence": "by the program: of the numbers of clusters that predict a held-out part of the "
    "measurement best, as far as can be told, the largest whose clusters are all recovered from "
    "half of the pixels, or the smallest if there is none",
    "stability": "by the program: the largest number of clusters that are all recovered from half "
    "of the pixels (stability), unless another such number separates them far better (silhouette)",
    "equal": "by the program: the spectra are so many groups of exactly equal ones",
    "given": "by the user",
    "silhouette": "by the program: the number of clusters with the largest silhouette",
}
PAPER = (
    "A. Bombini, F. García-Avello Bofías, C. Bracci, M. Ginolfi, C. Ruberto (2024): "
    "Datacube segmentation via Deep Spectral Clustering. arXiv:2401.17695."
)


def safe(value: Any) -> str:
    """Return the text of a value, escaped for HTML; characters that are not seen are escapes."""
    return escape("" if value is None else visible(str(value), keep="\n"), quote=True)


def count(number: int, word: str = "") -> str:
    """Return a whole number in groups of three digits, with a word in its singular or plural."""
    text = f"{number:,}".replace(",", NARROW)
    return text if not word else f"{text} {word}{'' if number == 1 else 's'}"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number in few digits; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return DASH
    text = f"{value:.0f}" if digits <= np.log10(max(1.0, abs(value))) < 6 else f"{value:.{digits}g}"
    return text.replace("-", "\u2212")


def share(value: float | None) -> str:
    """Return a share such as "12.5 %"."""
    return DASH if value is None else per_cent(value, 1, NARROW)


def with_error(value: float, error: float) -> str:
    """Return a value with its error, both to the second digit of the error."""
    if not np.isfinite(error) or error <= 0:
        return number(value, 6)
    places = int(min(8, max(0, 1 - np.floor(np.log10(error)))))
    return f"{value:.{places}f} ± {error:.{places}f}"


def title_of(card: Card) -> str:
    """Return number and name of a cluster, not escaped."""
    return f"{card.cluster}: {card.name}" if card.name else str(card.cluster)


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[int] = (),
    wide: int = -1,
) -> str:
    """Return a table of cells that are escaped already; the first cell of a row is its heading.

    ``numeric`` are the columns that are right-aligned, ``wide`` is a column of long text.
    """

    def mark(place: int) -> str:
        if place == wide:
            return ' class="words"'
        return ' class="n"' if place in numeric else ""

    head = "".join(f'<th scope="col"{mark(n)}>{each}</th>' for n, each in enumerate(heads))
    body = []
    for row in rows:
        cells = [f'<th scope="row"{mark(0)}>{row[0]}</th>']
        cells += [f"<td{mark(n)}>{each}</td>" for n, each in enumerate(row) if n]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def warning_list(warnings: Iterable[ResultWarning]) -> str:
    """Return warnings as a list, each with its code."""
    rows = "".join(
        f"<li>{safe(each.text)}"
        + (f' <span class="code">{safe(each.code)}</span>' if each.code else "")
        + "</li>"
        for each in warnings
    )
    return f'<ul class="warn">{rows}</ul>'


def figure(name: str, still: str, alt: str, caption: str, title: str = "") -> str:
    """Return a live figure with its still one; ``caption`` and ``title`` are escaped already."""
    head = f'<p class="title">{title}</p>' if title else ""
    return (
        f'<figure>{head}<div class="plot" id="fig-{name}" role="group" aria-label="{safe(alt)}">'
        f'</div><img class="still" src="{still}" alt="{safe(alt)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


# --- overview ----------------------------------------------------------------------------------


def heading(result: xr.Dataset) -> str:
    """Return the name of what is segmented, not escaped."""
    return str(result.attrs.get("object") or result.attrs.get("source") or "a spectral cube")


def how_chosen(result: xr.Dataset) -> str:
    """Return how the number of clusters was chosen, not escaped."""
    asked = provenance(result).get("clusters", "cube")
    if isinstance(asked, int):
        return "by the user"
    if asked == "trained":
        return "when the model was trained; the clusters are those of the model"
    criterion = str(result.attrs.get("criterion", "silhouette"))
    rare, alone = rare_in_words(result), "structure" in result.attrs and number_chosen(result) == 1
    how = ONE_CLUSTER if alone else CRITERIA.get(criterion, criterion)
    how += BY_NEIGHBOURS if result.attrs.get("judged_by") == "neighbours" else ""
    how = CRITERIA[criterion] if criterion == "equal" else how
    how += split_by_noise(result) + (f"; besides, {rare}" if rare else "")
    now = count(number_of_clusters(result), "cluster")
    return how + (f"; since then, people have made {now} of them" * clusters_changed(result))


def only_noise(result: xr.Dataset) -> bool:
    """Return whether evidence found no groups beyond the noise."""
    one = "structure" in result.attrs and number_of_clusters(result) == 1
    return one and not clusters_changed(result)


def split_by_noise(result: xr.Dataset) -> str:
    """Return which larger numbers of clusters split one cluster by noise; "" where none does."""
    if "excess" not in result:
        return ""
    excess = result["excess"]
    cut = result["k"].values[excess.values < excess.attrs.get("noise_alone_below", SPLIT_BELOW)]
    count = number_chosen(result) + int(result.attrs.get("rare_clusters", 0))
    if count in cut:
        return "; two of these clusters differ by no more than the noise"
    ks = " and ".join(str(k) for k in cut if k > count)
    if not ks:
        return ""
    return f"; with k = {ks}, two of the clusters differ by no more than the noise"


def overview(result: xr.Dataset, cards: Sequence[Card]) -> str:
    """Return the first section: the answer in words and the numbers."""
    height, width = result["label"].shape
    channels = f"{count(result.sizes['channel'])} channels"
    bad = bad_channels(result)
    if bad is not None:
        channels += f", {count(int(bad.sum()))} of them marked as bad"
    sure = mean_confidence(result)
    facts = [
        ("Size", f"{height} rows {TIMES} {width} columns {TIMES} {channels}"),
        ("Clusters", len(cards)),
        ("Mean confidence", share(sure)),
        ("Pixels with a cluster", count(sum(card.size for card in cards))),
    ]
    known = [name for name in ("object", "instrument", "telescope") if name in result.attrs]
    facts += [(name.capitalize(), result.attrs[name]) for name in known]
    rows = "".join(f"<div><dt>{safe(a)}</dt><dd>{safe(b)}</dd></div>" for a, b in facts)
    extent = map_size(result)
    long = {
        **({"Extent": extent} if extent else {}),
        "Source": result.attrs.get("source", "not recorded"),
        "Clusters chosen": how_chosen(result),
    }
    extra = {"model_choice": "Model chosen", "frame": "Wavelengths at rest"}
    long |= {words: result.attrs[name] for name, words in extra.items() if name in result.attrs}
    if result.attrs.get("neighbours", 0):
        long["Neighbours"] = neighbours_in_words(result)
    rows += "".join(
        f'<div class="all"><dt>{safe(a)}</dt><dd>{safe(b)}</dd></div>' for a, b in long.items()
    )
    return f'<p class="lead">{safe(in_words(result, cards, sure))}</p><dl class="facts">{rows}</dl>'


def neighbours_in_words(result: xr.Dataset) -> str:
    """Return how far neighbours were used and what they changed, not escaped."""
    label, reach = result["label"].values, int(result.attrs["neighbours"])
    usable = label > 0
    words = (
        "the spectrum of a pixel is averaged with those of its neighbours that are like it, up to "
        f"{count(reach, 'pixel')} away"
    )
    if "measurements" in result and usable.any():
        times = float(np.nanmean(result["measurements"].values[usable]))
        words += f"; a spectrum is as good as {times:.1f} measurements of one pixel, on average"
    if "label_alone" in result and usable.any():
        changed = float((result["label_alone"].values != label)[usable].mean())
        words += (
            f"; by their own spectrum alone, {share(changed)} of the pixels would be in another "
            "cluster"
        )
    return words


def mean_confidence(result: xr.Dataset) -> float | None:
    """Return the mean over all pixels that have a cluster."""
    values = result["confidence"].values[result["label"].values > 0]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else None


def in_words(result: xr.Dataset, cards: Sequence[Card], sure: float | None) -> str:
    """Return a summary of the result in a few sentences, not escaped."""
    gaps = between(result.attrs, result["label"].shape)
    pixels = f"{count((~gaps).sum())} pixels of {'these scans' if gaps.any() else 'this cube'}"
    if only_noise(result):
        return (
            f"The {pixels} differ by no more than noise: there are no groups, and all pixels are "
            "one cluster."
        )
    filled = sorted((card for card in cards if card.size), key=lambda card: -card.size)
    words = [
        f"The {pixels} fall into {count(len(filled), 'group')} of similar spectra, called clusters."
    ]
    named = [card for card in filled if card.name]
    if named:
        parts = [f"{card.name} (cluster {card.cluster}, {share(card.share)})" for card in named]
        shown = parts[:MOST_NAMED]
        if len(parts) > MOST_NAMED:
            shown.append(f"{len(parts) - MOST_NAMED} more")
        text = ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else shown[0]
        words.append(f"From the largest to the smallest: {text}.")
        if len(named) < len(filled):
            words.append(f"{count(len(filled) - len(named), 'cluster')} could not be named.")
        if any(not card.given for card in named):
            words.append("Names that are suggested by the lines are not proof.")
    elif filled:
        first = filled[0]
        words.append(
            f"The largest is cluster {first.cluster} with {share(first.share)} of the pixels that "
            f"have one, the smallest cluster {filled[-1].cluster} with {share(filled[-1].share)}."
        )
    if sure is not None:
        words.append(
            f"In a repeated measurement, a pixel would on average get the same cluster with a "
            f"probability of {'at least ' if clusters_changed(result) else ''}{share(sure)}."
        )
    return " ".join(words)


def legend(cards: Sequence[Card]) -> str:
    """Return the clusters with their colours, each linked to its card."""
    rows = "".join(
        f'<li>{chip(card.colour)}<a href="#cluster-{card.cluster}">{safe(title_of(card))}</a>'
        f'<span class="soft">{share(card.share)}</span></li>'
        for card in cards
    )
    return f'<ul class="legend" aria-label="Colours of the clusters">{rows}</ul>'


# --- the rest ----------------------------------------------------------------------------------


def settings(result: xr.Dataset) -> str:
    """Return all settings as tables, or the text itself if it cannot be parsed."""
    origin = provenance(result)
    groups = origin.get("settings", {})
    if not isinstance(groups, Mapping) or not groups:
        raw = result.attrs.get("provenance")
        return f"<pre>{safe(raw)}</pre>" if raw else "<p>The result has no settings.</p>"
    tables = []
    loose = {}
    for name, values in groups.items():
        if isinstance(values, Mapping):
            rows = [[safe(key), safe(_setting(value))] for key, value in values.items()]
            tables.append(table(safe(name), ("Setting", "Value"), rows))
        else:
            loose[name] = values
    if loose:
        rows = [[safe(key), safe(_setting(value))] for key, value in loose.items()]
        tables.insert(0, table("method", ("Setting", "Value"), rows))
    return f'<div class="settings">{"".join(tables)}</div>'


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def origins(result: xr.Dataset, version: str) -> str:
    """Return versions, seed, date and attributes of the result."""
    origin = provenance(result)
    rows = [
        ("Segmented by spectessera", origin.get("spectessera", "not recorded")),
        ("Report written by spectessera", version),
        ("Seed", origin.get("seed", "not recorded")),
        ("Date", result.attrs.get("created", origin.get("created", "not recorded"))),
    ]
    shown = {"provenance", "wcs", "created", "quality_counts", "source", "findings", "scans"}
    shown |= {"cluster_names", "cluster_colours", "edits"}  # elsewhere in the report
    words = {
        "unit": "Unit of the spectra",
        "metric": "Distance between spectra",
        "confidence_noise": "Noise model of the confidence",
        "stable_from": "Stability from which a k counts as stable",
        "structure": "Differences between the spectra beyond noise, in standard errors",
    }
    rows += [
        (words.get(str(name), str(name).replace("_", " ").capitalize()), value)
        for name, value in result.attrs.items()
        if name not in shown
    ]
    plain = ((n, f"{v:.6g}" if isinstance(v, (float, np.floating)) else v) for n, v in rows)
    cells = [[safe(name), safe(value)] for name, value in plain]
    return table("Where this result comes from", ("What", "Value"), cells)


def citing(version: str) -> str:
    """Return how to cite the software and the paper."""
    from importlib.metadata import PackageNotFoundError, metadata

    authors, summary = "The spectessera developers", "deep spectral clustering of datacubes"
    try:
        about = metadata("spectessera")
        known = {name: about[name] for name in ("Author", "Summary") if name in about}
        authors, summary = known.get("Author", authors), known.get("Summary", summary)
    except PackageNotFoundError:
        pass  # the package is used from its folder
    software = f"{authors}: spectessera (version {version}). {summary}."
    return (
        "<p>If you use this result in a publication, please cite the software and the paper whose "
        "method it implements.</p>"
        f'<p class="cite">{safe(software)}</p><p class="cite">{safe(PAPER)} '
        '<a href="https://arxiv.org/abs/2401.17695" rel="noreferrer">'
        "https://arxiv.org/abs/2401.17695</a></p>"
    )
