"""The folder of results that a segmentation writes."""

from __future__ import annotations

import datetime
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from ._version import __version__
from .diagnostics import warnings_of
from .htmlreport.page import report
from .io import RESULT, RESULT_STORE, remove_store, write
from .naming.candidates import Naming
from .naming.names import lines_of, name_clusters, title_of
from .plots import result as plots
from .plots.drawing import save_png
from .segmenter.estimator import SpectralSegmenter

REPORT = "report.html"


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise an error, before any work, if results cannot be written to a folder.

    Raises
    ------
    FileExistsError
        If it holds results already and ``overwrite`` is false.
    NotADirectoryError, PermissionError
        If it is a file, or cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; --out is a folder")
    there = any((folder / name).exists() for name in (RESULT, RESULT_STORE))
    if there and not overwrite:
        raise FileExistsError(f"{folder} holds results already; give another --out, or --overwrite")
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest} is a file, so {folder} cannot be created")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into {nearest}")


def write_folder(
    result: xr.Dataset,
    segmenter: SpectralSegmenter,
    folder: Path,
    run: dict[str, Any],
    *,
    fitted: bool,
    with_report: bool = False,
    stored: bool = False,
) -> dict[str, Any]:
    """Write all files of a segmentation and return its summary.

    ``stored``: the result itself is in the folder already, as a Zarr store.

    All files are written to a temporary folder first and moved into place together at the end;
    other files of the user in ``folder`` are not touched.
    """
    namings = name_clusters(result)
    summary = summarise(result, run, namings)
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / f".{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        if not stored:
            write(result, staging / RESULT)
        write(result, staging / "labels.png")
        if "wcs" in result.attrs:
            write(result, staging / "labels.fits")
        _draw(result, segmenter if fitted else None, staging)
        if with_report:
            report(result, staging / REPORT, namings=namings)
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        (staging / "summary.json").write_text(text, encoding="utf-8")
        settings = {"run": {k: v for k, v in run.items() if v is not None}} | segmenter.settings()
        (staging / "settings.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
        for path in sorted(staging.iterdir()):
            os.replace(path, folder / path.name)
        _remove_older(folder, "wcs" in result.attrs, with_report, stored)
    finally:
        shutil.rmtree(staging)
    return summary


def _remove_older(folder: Path, with_wcs: bool, with_report: bool, stored: bool) -> None:
    """Remove files of an older run that this one does not replace: they belong to another cube."""
    kept = {"labels.fits": with_wcs, REPORT: with_report, RESULT: not stored}
    for name in [each for each, mine in kept.items() if not mine]:
        (folder / name).unlink(missing_ok=True)
    if not stored:
        remove_store(folder / RESULT_STORE)


def _draw(result: xr.Dataset, fitted: SpectralSegmenter | None, folder: Path) -> None:
    """Write the figures of a result, and of the training if there was one."""
    figures = {
        "clusters.png": plots.clusters(result),
        "integrated.png": plots.integrated(result),
        "scores.png": plots.scores(result),
    }
    if fitted is not None:
        history = fitted.history_
        figures["history.png"] = plots.history(history.rows, history.best_epoch)
    for name, figure in figures.items():
        save_png(figure, folder / name, dpi=110)


def summarise(result: xr.Dataset, run: dict[str, Any], namings: Sequence[Naming]) -> dict[str, Any]:
    """Return the summary of a result as plain values, for a person or a script."""
    label = result["label"].values
    confidence = result["confidence"].values
    total = max(1, int((label > 0).sum()))
    clusters = []
    numbers, sizes = result["cluster"].values, result["size"].values
    for cluster, size, naming in zip(numbers, sizes, namings, strict=True):
        mean_confidence = float(confidence[label == cluster].mean()) if size else None
        clusters.append(
            {
                "cluster": int(cluster),
                "size": int(size),
                "share": int(size) / total,
                "confidence": mean_confidence,
            }
            | _named(naming)
        )
    return {
        "spectessera": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **run,
        "shape": [int(result.sizes["y"]), int(result.sizes["x"]), int(result.sizes["channel"])],
        "n_clusters": int(result.attrs["n_clusters"]),
        "clusters": clusters,
        "scores": _scores(result),
        "criterion": result.attrs["criterion"],
        "metric": result.attrs["metric"],
        "confidence_noise": result.attrs["confidence_noise"],
        "quality": json.loads(result.attrs["quality_counts"]),
        "seed_agreement": _finite(result.attrs.get("seed_agreement")),
        "warnings": [each._asdict() for each in warnings_of(result, namings)],
    }


def _finite(value: float | None) -> float | None:
    """Return a finite number, which JSON can hold, or None."""
    return float(value) if value is not None and np.isfinite(value) else None


def _named(naming: Naming) -> dict[str, Any]:
    """Return the name, lines and candidates of one cluster."""
    kinds = ("pigment", "class", "element", "line")
    said: dict[str, Any] = {
        "name": title_of(naming),
        "lines": lines_of(naming),
        "candidates": [
            {"name": each.name, "kind": each.kind, "score": each.score, "evidence": each.evidence}
            for each in naming.of_kind(*kinds)
        ],
        "unexplained": [peak.position for peak in naming.unexplained],
    }
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
    }
    curves = {word: result[name] for word, name in names.items() if name in result}
    return {
        str(k): {w: float(c.sel(k=k)) for w, c in curves.items() if np.isfinite(c.sel(k=k))}
        for k in result["k"].values.tolist()
    }
