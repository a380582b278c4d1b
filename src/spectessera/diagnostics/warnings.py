"""Everything that a user should be warned of in a result: the one place that gathers it.

The wording of every warning is in :data:`spectessera.warning.KINDS`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from spectessera._util.text import counted, per_cent
from spectessera.axis import channel_edges, in_terms_of
from spectessera.channels import bad_channels
from spectessera.cube import spectral_axis
from spectessera.naming.candidates import Naming
from spectessera.naming.names import naming_warnings, title_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.steps import inside_windows, rest_frame
from spectessera.result import (
    SPLIT_BELOW,
    clusters_changed,
    input_axis_of,
    number_of_clusters,
    preprocessing,
    provenance,
    quality_bits,
)
from spectessera.result.metadata import AS_WELL
from spectessera.scans import between
from spectessera.segmenter.novelty import NOVEL
from spectessera.warning import KINDS, ResultWarning, make_warning

from ._clusters import cluster_list
from .artefacts import artefacts_of

# Silhouettes that differ by less are nearly equal.
NEAR = 0.02
# More novel pixels than this are reported: 5 % are expected of the training spectra themselves.
MANY_NOVEL = 0.10
# Below this, other seeds give other clusters.
ALIKE_SEEDS = 0.95
# A cluster whose Jaccard index is below this is not to be trusted (Hennig 2007, Computational
# Statistics & Data Analysis 52, 258).
FOUND_AGAIN = 0.6
# Quality bit -> code of the warning.
DATA_CODES = {
    "masked": "W-DATA-MASKED",
    "not_finite": "W-DATA-NOT-FINITE",
    "empty": "W-DATA-EMPTY",
    "saturated": "W-DATA-SATURATED",
    "repaired": "W-DATA-REPAIRED",
    "negative_clipped": "W-DATA-NEGATIVE",
}


def warnings_of(result: xr.Dataset, namings: Sequence[Naming]) -> list[ResultWarning]:
    """Return all warnings about a result, its clusters and their names.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline.
    namings : sequence of Naming
        Of its clusters, in their order.

    Returns
    -------
    list of ResultWarning
        About the file, the number of clusters, the model, single clusters, names, and last the
        data.
    """
    return [
        *file_warnings(result),
        *choice_warnings(result),
        *seed_warnings(result),
        *channel_warnings(result),
        *novelty_warnings(result),
        *artefacts_of(result),
        *shared_name_warnings(result, namings),
        *naming_warnings(list(namings), result["cluster"].values.tolist()),
        *data_warnings(result),
        *sanity_of(result),
    ]


def file_warnings(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where something was assumed when the file was read."""
    notes = str(result.attrs.get("reading_notes", ""))
    return [make_warning("W-FILE-ASSUMED", {"notes": notes})] if notes else []


def data_warnings(result: xr.Dataset) -> list[ResultWarning]:
    """Return which spectra were left out or repaired, and where they are."""
    quality = result["quality"].transpose("y", "x").values
    quality = np.where(between(result.attrs, quality.shape), 0, quality)
    found = _despiked(result)
    for bit, name in quality_bits(result):
        rows, columns = np.nonzero(quality & bit)
        if len(rows):
            spectra = counted(len(rows), "spectrum", "spectra")
            where = f"{_span('row', rows)}, {_span('column', columns)}"
            code = DATA_CODES.get(name, "W-DATA-FLAGGED")
            found.append(make_warning(code, {"spectra": spectra, "where": where, "flag": name}))
    return found


def _despiked(result: xr.Dataset) -> list[ResultWarning]:
    """Return how many spikes were removed, if any were."""
    numbers = [result.attrs.get(name, 0) for name in ("spikes_removed", "spectra_despiked")]
    if not all(isinstance(each, (int, np.integer)) and each > 0 for each in numbers):
        return []
    spikes, spectra = numbers
    values = {
        "spikes": f"{spikes} {'spike' if spikes == 1 else 'spikes'}",
        "spectra": f"{spectra} {'spectrum' if spectra == 1 else 'spectra'}",
    }
    return [make_warning("W-DATA-DESPIKED", values)]


def sanity_of(result: xr.Dataset) -> list[ResultWarning]:
    """Return the warnings about its spectra that are stored with a result."""
    try:
        stored = json.loads(str(result.attrs.get("findings", "{}")))
    except (ValueError, RecursionError):
        return []  # of another program
    known = stored.items() if isinstance(stored, dict) else ()
    return [ResultWarning(code, str(text)) for code, text in known if code in KINDS]


def _span(word: str, places: np.ndarray) -> str:
    first, last = places.min(), places.max()
    return f"{word} {first}" if first == last else f"{word}s {first} to {last}"


def choice_warnings(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where the number of clusters has no support, or one of them is noise."""
    if provenance(result).get("clusters") == "trained":
        return []
    return [*_unsupported(result), *_unstable(result), *_split_by_noise(result)]


def _unsupported(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where neither stability nor silhouette singles out a k.

    Where evidence chose, the gain does; and where spectra are equal nothing has to.
    """
    if "gain" in result or result.attrs.get("criterion") == "equal":
        return []
    needed = ("score", "score_error", "stability", "stability_error")
    if "stable_from" not in result.attrs or not all(name in result for name in needed):
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
    return [make_warning("W-K-UNSUPPORTED", {"ks": ks})]


def _unstable(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where neighbours chose clusters that half of the pixels do not show.

    Neighbours share what a detector or a drift does to them, too; a known noise is independent.
    """
    k = number_of_clusters(result)
    chose = result.attrs.get("criterion"), result.attrs.get("judged_by")
    if chose != ("evidence", "neighbours") or "stability" not in result:
        return []
    if k not in result["k"].values or clusters_changed(result):
        return []
    stable = float(result["stability"].values[result["k"].values == k][0])
    if not stable < FOUND_AGAIN:
        return []
    values = {"k": k, "stability": stable, "fewer": _fewer(result)}
    return [make_warning("W-K-UNSTABLE", values)]


def _split_by_noise(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where two of the clusters differ by no more than the noise."""
    count = number_of_clusters(result)
    if "excess" not in result or count not in result["k"].values or clusters_changed(result):
        return []
    excess = result["excess"]
    of_count = excess.values[result["k"].values == count][0]
    split = of_count < excess.attrs.get("noise_alone_below", SPLIT_BELOW)
    return [make_warning("W-K-NOISE-SPLIT")] if split else []


def shared_name_warnings(result: xr.Dataset, namings: Sequence[Naming]) -> list[ResultWarning]:
    """Return which clusters have the same pigment or class as their name.

    Not the same ions or elements, which nearly all clusters of one object show.
    """
    named: dict[str, list[int]] = {}
    for cluster, naming in zip(result["cluster"].values.tolist(), namings, strict=True):
        if naming.of_kind("pigment", "class") and title_of(naming):
            named.setdefault(title_of(naming), []).append(cluster)
    return [
        make_warning("W-NAME-SHARED", {"clusters": cluster_list(same), "name": name}, tuple(same))
        for name, same in named.items()
        if len(same) > 1
    ]


def seed_warnings(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where other seeds give other clusters."""
    agreement = float(result.attrs.get("seed_agreement", np.nan))
    if np.isnan(agreement) or agreement >= ALIKE_SEEDS:
        return []
    return [make_warning("W-K-SEED", {"agreement": agreement, "fewer": _fewer(result)})]


def _fewer(result: xr.Dataset) -> str:
    """Return the advice to try fewer clusters, with the largest such number that is stable."""
    advice = "try fewer clusters (--clusters NUMBER)"
    if "stability" not in result or "stable_from" not in result.attrs:
        return advice
    stable = result["stability"].values >= result.attrs["stable_from"]
    ks = result["k"].values[stable & (result["k"].values < number_of_clusters(result))]
    if not ks.size:
        return advice
    most = int(ks.max())
    return (
        f"try fewer clusters: {most} (--clusters {most}) are all recovered from half of the pixels"
    )


def channel_warnings(result: xr.Dataset) -> list[ResultWarning]:
    """Return a warning where the model uses channels that are marked as bad."""
    bad = bad_channels(result)
    steps = preprocessing(result)
    if bad is None or "exclude" not in steps or "input_axis" not in result:
        return []
    names = ("keep", "exclude", "redshift")
    try:
        windows = Preprocess(**{name: steps[name] for name in names if name in steps})
    except (TypeError, ValueError):  # a result of another program
        return []
    axis, inputs = spectral_axis(result), input_axis_of(result)
    if axis.kind != "channel":
        axis = in_terms_of(axis, inputs)
    used = inside_windows(axis.values, windows.keep, windows.exclude)
    shifted = rest_frame(axis, windows.redshift)
    low, high = channel_edges(inputs)
    used &= (shifted.values >= low.min()) & (shifted.values <= high.max())
    count = int((bad & used).sum())
    values = {"count": count, "channels": counted(int(bad.sum()), "channel")}
    return [make_warning("W-MODEL-BAD-CHANNELS", values)] if count else []


def novelty_warnings(result: xr.Dataset) -> list[ResultWarning]:
    """Return which clusters, or how much of all pixels, are unlike the training spectra."""
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
    which = f", among them most of {cluster_list(unlike)}" if unlike else ""
    advice = "if these pixels matter, train a model on this cube (--fit, or --fit --start)"
    if AS_WELL in str(result.attrs.get("model_choice", "")):
        advice = (
            "yet the model predicts the measurement as well as one of this cube would (see why it "
            "was chosen); if these pixels matter, compare the map with one of such a model (--fit)"
        )
    values = {"share": per_cent(share), "which": which, "advice": advice}
    return [make_warning("W-MODEL-NOVEL", values, tuple(unlike))]
