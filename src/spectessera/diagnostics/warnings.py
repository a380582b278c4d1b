"""What the user should be told of a result, in words: the one place that gathers all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from spectessera.naming.candidates import Naming
from spectessera.naming.names import notes_of, title_of
from spectessera.result import provenance, quality_bits
from spectessera.segmenter.novelty import NOVEL

from .artefacts import doubts_of

# Silhouettes that differ by less are nearly alike.
NEAR = 0.02
# More novel pixels than this are told of: one in twenty is to be expected of the training itself.
MANY_NOVEL = 0.10
# Below this, other seeds give other clusters.
ALIKE_SEEDS = 0.95


def warnings_of(result: xr.Dataset, namings: Sequence[Naming]) -> list[str]:
    """Return what speaks against the clusters and their names.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline.
    namings : sequence of Naming
        Of its clusters, in their order.
    """
    return [
        *choice_note(result),
        *seed_notes(result),
        *novelty_notes(result),
        *doubts_of(result),
        *same_name_notes(result, namings),
        *notes_of(list(namings), result["cluster"].values.tolist()),
    ]


def quality_notes(result: xr.Dataset) -> list[str]:
    """Return which spectra were left out or mended, and where they are."""
    words = {
        "masked": "masked by the file: left out",
        "not_finite": "with too many values that are not finite: left out",
        "empty": "with nothing but zeros: left out",
        "saturated": "saturated: left out",
        "repaired": "with a few values that are not finite: interpolated",
        "negative_clipped": "with negative values, set to 0 before the square root",
    }
    quality = result["quality"].values
    found = []
    for bit, name in quality_bits(result):
        rows, columns = np.nonzero(quality & bit)
        if len(rows):
            many = "spectrum" if len(rows) == 1 else "spectra"
            places = f"{_span('row', rows)}, {_span('column', columns)}"
            found.append(f"{len(rows)} {many} {words.get(name, name)} ({places})")
    return found


def _span(word: str, places: np.ndarray) -> str:
    first, last = places.min(), places.max()
    return f"{word} {first}" if first == last else f"{word}s {first} to {last}"


def choice_note(result: xr.Dataset) -> list[str]:
    """Return a warning where no number of clusters stands out, by neither criterion."""
    needed = ("score", "score_error", "stability", "stability_error")
    told = "stable_from" in result.attrs and all(name in result for name in needed)
    if not told or provenance(result).get("clusters") == "trained":
        return []
    stable, error = result["stability"].values, result["stability_error"].values
    score, spread = result["score"].values, result["score_error"].values
    if len(score) < 2 or not np.isfinite(stable).all():
        return []
    best = int(np.argmax(score))
    close = score + 2 * np.hypot(spread, spread[best]) + NEAR >= score[best]
    if (stable + error >= result.attrs["stable_from"]).any() or close.sum() < 2:
        return []
    ks = ", ".join(str(k) for k in result["k"].values[close])
    return [
        "no number of clusters stands out: with none do all clusters come back when half of the "
        f"pixels are clustered, and the silhouettes of k = {ks} are nearly alike; choose k "
        "yourself (--clusters NUMBER) and trust no single border"
    ]


def same_name_notes(result: xr.Dataset, namings: Sequence[Naming]) -> list[str]:
    """Return which clusters have one pigment or class as their name: perhaps one thing, cut."""
    named: dict[str, list[str]] = {}
    for cluster, naming in zip(result["cluster"].values, namings, strict=True):
        if naming.of_kind("pigment", "class") and title_of(naming):
            named.setdefault(title_of(naming), []).append(str(int(cluster)))
    return [
        f"clusters {', '.join(clusters)} have the same name, {name}: perhaps one material that was "
        "cut in two, or mixtures with it"
        for name, clusters in named.items()
        if len(clusters) > 1
    ]


def seed_notes(result: xr.Dataset) -> list[str]:
    """Return a warning where other seeds give other clusters."""
    alike = float(result.attrs.get("seed_agreement", np.nan))
    if np.isnan(alike) or alike >= ALIKE_SEEDS:
        return []
    return [
        f"another seed gives other clusters (adjusted Rand index {alike:.2f}): some borders are "
        "matters of chance; try fewer clusters (--clusters NUMBER)"
    ]


def novelty_notes(result: xr.Dataset) -> list[str]:
    """Return which clusters, or how much of all pixels, are unlike anything in training."""
    if "novelty" not in result:
        return []
    label, novel = result["label"].values, result["novelty"].values > NOVEL
    share = novel[label > 0].mean() if (label > 0).any() else 0.0
    if share < MANY_NOVEL:
        return []
    unlike = [
        int(cluster)
        for cluster in result["cluster"].values
        if (label == cluster).any() and novel[label == cluster].mean() > 0.5
    ]
    words = f"{share:.0%} of the pixels are unlike the spectra that the model was trained on"
    if unlike:
        plural = "s" if len(unlike) > 1 else ""
        words += f", among them most of cluster{plural} {', '.join(map(str, unlike))}"
    return [words + "; train a model on this cube (--fit, or --fit --start) if these matter"]
