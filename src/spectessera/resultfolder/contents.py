"""What a segmentation writes into the folder of its results."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w
import xarray as xr

from spectessera._version import __version__
from spectessera.colours import as_hex
from spectessera.cube import spectral_axis
from spectessera.diagnostics import warnings_of
from spectessera.htmlreport.page import report
from spectessera.io import RESULT, RESULT_STORE, write
from spectessera.naming.candidates import Naming, places_of_lines
from spectessera.naming.names import lines_of, name_clusters, title_of
from spectessera.naming.numbers import Quantity, quantities_of
from spectessera.naming.shapes import bands_in_words
from spectessera.plots import result as plots
from spectessera.plots.drawing import save_png
from spectessera.result import cluster_colours, cluster_names, rare_in_words

from ._numbers import finite
from .anymaps import write_all_maps
from .bandfile import write_bands
from .clustertable import write_cluster_table
from .manifest import ABUNDANCES, BANDS, CLUSTER_TABLE, HISTORY, MAPS, MODEL, REPORT, SCANS
from .scanfiles import write_scans

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter


def names_of(
    *, fitted: bool, with_report: bool, stored: bool, with_maps: bool = False,
    with_scans: bool = False,
) -> tuple[str, ...]:  # fmt: skip
    """Return the names of all files that :func:`write_files` may write, and that of the model."""
    names = [
        RESULT_STORE if stored else RESULT, "labels.png", "labels.fits", "clusters.png",
        "integrated.png", "scores.png", "summary.json", "settings.toml", CLUSTER_TABLE, BANDS,
    ]  # fmt: skip
    names += [HISTORY, MODEL] if fitted else []
    names += [*MAPS, *ABUNDANCES] if with_maps else []
    names += [SCANS] if with_scans else []
    return (*names, REPORT) if with_report else tuple(names)


def write_files(
    result: xr.Dataset,
    segmenter: SpectralSegmenter,
    folder: Path,
    run: dict[str, Any],
    *,
    fitted: bool,
    with_report: bool = False,
    stored: bool = False,
    maps: xr.Dataset | None = None,
    mixtures: xr.Dataset | None = None,
    cubes: Sequence[xr.DataArray] = (),
    library: xr.Dataset | None = None,
) -> dict[str, Any]:
    """Write all files of a segmentation into a new folder and return its summary.

    ``stored``: the result itself is in the folder already, as a Zarr store; ``maps``: of elements
    or lines; ``mixtures``: abundances of the clusters; ``cubes``: several scans that were joined;
    ``library``: of :func:`spectessera.read_library`, to name clusters by.
    """
    namings = name_clusters(result, library=library)
    write_bands(result, namings, folder)
    numbers = numbers_of(result, namings)
    summary = _summarise(result, run, namings, numbers)
    write_cluster_table(summary["clusters"], numbers, folder / CLUSTER_TABLE)
    summary |= write_all_maps(maps, mixtures, folder)
    if cubes:
        summary["scans"] = write_scans(result, (maps, mixtures), cubes, folder, stored=stored)
    if not stored:
        write(result, folder / RESULT)
    write(result, folder / "labels.png")
    if "wcs" in result.attrs:
        write(result, folder / "labels.fits")
    titles = {row["cluster"]: row["name"] for row in summary["clusters"] if row["name"]}
    lines = places_of_lines(namings)
    _draw(result, titles, lines, segmenter if fitted else None, folder)
    if with_report:
        report(result, folder / REPORT, namings=namings, maps=maps, mixtures=mixtures)
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    settings = {"run": {k: v for k, v in run.items() if v is not None}} | segmenter.settings()
    (folder / "settings.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    return summary


def numbers_of(result: xr.Dataset, namings: Sequence[Naming]) -> list[Sequence[Quantity]]:
    """Return the numbers of every cluster, with their errors."""
    axis, unit = spectral_axis(result["mean_spectrum"]), str(result.attrs.get("unit", ""))
    return [quantities_of(each, axis, unit) for each in namings]


def _draw(
    result: xr.Dataset, titles: dict[int, str], lines: dict[str, float],
    fitted: SpectralSegmenter | None, folder: Path,
) -> None:  # fmt: skip
    """Write the figures of a result, and of the training if there was one.

    ``titles``: names that were suggested; those by people come before them.
    """
    figures = {
        "clusters.png": plots.clusters(result, titles | cluster_names(result), lines=lines),
        "integrated.png": plots.integrated(result),
        "scores.png": plots.scores(result),
    }
    if fitted is not None:
        history = fitted.history_
        figures[HISTORY] = plots.history(history.rows, history.best_epoch)
    for name, figure in figures.items():
        save_png(figure, folder / name, dpi=110)


def _summarise(
    result: xr.Dataset,
    run: dict[str, Any],
    namings: Sequence[Naming],
    measured: Sequence[Sequence[Quantity]],
) -> dict[str, Any]:
    """Return the summary of a result as plain values, for a person or a script."""
    return {
        "spectessera": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **run,
        "shape": [int(result.sizes["y"]), int(result.sizes["x"]), int(result.sizes["channel"])],
        **summary_of_clusters(result, namings, measured),
        "scores": _scores(result),
        "criterion": result.attrs["criterion"],
        "frame": str(result.attrs.get("frame", "")),
        "metric": result.attrs["metric"],
        "confidence_noise": result.attrs["confidence_noise"],
        "seed_agreement": finite(result.attrs.get("seed_agreement")),
    }


def summary_of_clusters(
    result: xr.Dataset, namings: Sequence[Naming], measured: Sequence[Sequence[Quantity]]
) -> dict[str, Any]:
    """Return what a summary says of the clusters, and of what depends on them."""
    label = result["label"].values
    confidence = result["confidence"].values
    total = max(1, int((label > 0).sum()))
    clusters, unit = [], spectral_axis(result["mean_spectrum"]).unit
    numbers, sizes = result["cluster"].values, result["size"].values
    shades = cluster_colours(result)
    for cluster, size, naming, own in zip(numbers, sizes, namings, measured, strict=True):
        mean_confidence = float(confidence[label == cluster].mean()) if size else None
        clusters.append(
            {
                "cluster": int(cluster),
                "colour": as_hex(shades[cluster - 1]),
                "size": int(size),
                "share": int(size) / total,
                "confidence": mean_confidence,
            }
            | _named(naming, unit)
            | {"numbers": [_plain(each) for each in own]}
        )
    return {
        "n_clusters": int(result.attrs["n_clusters"]),
        "clusters": clusters,
        "rare": rare_in_words(result),
        "quality": json.loads(result.attrs["quality_counts"]),
        "warnings": [each._asdict() for each in warnings_of(result, namings)],
    }


def _plain(quantity: Quantity) -> dict[str, Any]:
    """Return a number of a cluster as plain values."""
    return quantity._asdict() | {"error": finite(quantity.error)}


def _named(naming: Naming, unit: str) -> dict[str, Any]:
    """Return the name, lines, bands and candidates of one cluster; the unit is that of the axis."""
    kinds = ("library", "pigment", "class", "element", "line")
    said: dict[str, Any] = {
        "name": title_of(naming),
        "lines": lines_of(naming),
        "candidates": [
            {"name": each.name, "kind": each.kind, "score": each.score, "evidence": each.evidence}
            for each in naming.of_kind(*kinds)
        ],
        "unexplained": [peak.position for peak in naming.unexplained],
    }
    if naming.bands:
        said["bands"] = [asdict(each) for each in naming.bands]
        said["bands_in_words"] = bands_in_words(naming, unit)
    if naming.library:
        said["library"] = [{**asdict(each), "worse": finite(each.worse)} for each in naming.library]
    if naming.redshift is not None:
        said |= {"redshift": naming.redshift, "redshift_error": naming.redshift_error}
    return said


def _scores(result: xr.Dataset) -> dict[str, dict[str, float]]:
    """Return the scores of every k."""
    names = {
        "silhouette": "score",
        "standard_error": "score_error",
        "stability": "stability",
        "stability_error": "stability_error",
        "agreement": "agreement",
        "excess": "excess",
        "gain": "gain",
        "gain_error": "gain_error",
    }
    curves = {word: result[name] for word, name in names.items() if name in result}
    return {
        str(k): {w: float(c.sel(k=k)) for w, c in curves.items() if np.isfinite(c.sel(k=k))}
        for k in result["k"].values.tolist()
    }
