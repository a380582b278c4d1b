"""The folder that a segmentation leaves behind."""

from __future__ import annotations

import datetime
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from . import __version__, plots
from .io import write
from .segmenter import SpectralSegmenter

RESULT = "result.nc"
# Silhouettes that differ by less are nearly alike.
NEAR = 0.02


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise before any work if results cannot be written to a folder.

    Raises
    ------
    FileExistsError
        If results are there already and ``overwrite`` is false.
    NotADirectoryError, PermissionError
        If it is a file, or not to be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; --out is a folder")
    if (folder / RESULT).exists() and not overwrite:
        raise FileExistsError(f"{folder} holds results already; give another --out, or --overwrite")
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest} is a file, so {folder} cannot be made")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write into {nearest}")


def write_folder(
    result: xr.Dataset,
    segmenter: SpectralSegmenter,
    folder: Path,
    run: dict[str, Any],
    *,
    fitted: bool,
) -> dict[str, Any]:
    """Write everything of a segmentation and return its summary.

    All files are made in a folder of their own first and moved in place together at the end;
    other files of the user in ``folder`` are left alone.
    """
    summary = summarise(result, run)
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / f".{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        write(result, staging / RESULT)
        write(result, staging / "labels.png")
        if "wcs" in result.attrs:
            write(result, staging / "labels.fits")
        figures = {
            "clusters.png": plots.clusters(result),
            "integrated.png": plots.integrated(result),
            "scores.png": plots.scores(result),
        }
        if fitted:
            history = segmenter.history_
            figures["history.png"] = plots.history(history.rows, history.best_epoch)
        for name, figure in figures.items():
            figure.savefig(staging / name, dpi=110)
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        (staging / "summary.json").write_text(text, encoding="utf-8")
        settings = {"run": {k: v for k, v in run.items() if v is not None}} | segmenter.settings()
        (staging / "settings.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
        for path in sorted(staging.iterdir()):
            os.replace(path, folder / path.name)
        if "wcs" not in result.attrs:  # of an older run: it would belong to another cube
            (folder / "labels.fits").unlink(missing_ok=True)
    finally:
        shutil.rmtree(staging)
    return summary


def summarise(result: xr.Dataset, run: dict[str, Any]) -> dict[str, Any]:
    """Return what a person or a script wants to know first, as plain values."""
    label = result["label"].values
    confidence = result["confidence"].values
    total = max(1, int((label > 0).sum()))
    clusters = []
    for cluster, size in zip(result["cluster"].values, result["size"].values, strict=True):
        sure = float(confidence[label == cluster].mean()) if size else None
        clusters.append(
            {
                "cluster": int(cluster),
                "size": int(size),
                "share": int(size) / total,
                "confidence": sure,
            }
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
        "notes": notes(result),
    }


def _scores(result: xr.Dataset) -> dict[str, dict[str, float]]:
    """Return what speaks for every k."""
    names = {
        "silhouette": "score",
        "standard_error": "score_error",
        "stability": "stability",
        "stability_error": "stability_error",
        "agreement": "agreement",
    }
    curves = {word: result[name] for word, name in names.items()}
    return {
        str(k): {w: float(c.sel(k=k)) for w, c in curves.items() if np.isfinite(c.sel(k=k))}
        for k in result["k"].values.tolist()
    }


def choice_note(result: xr.Dataset) -> list[str]:
    """Return a warning where no number of clusters stands out, by neither criterion."""
    stable, error = result["stability"].values, result["stability_error"].values
    score, spread = result["score"].values, result["score_error"].values
    if len(score) < 2 or not np.isfinite(stable).all():
        return []
    best = int(np.argmax(score))
    close = score + 2 * np.hypot(spread, spread[best]) + NEAR >= score[best]
    if (stable + 2 * error >= result.attrs["stable_from"]).any() or close.sum() < 2:
        return []
    ks = ", ".join(str(k) for k in result["k"].values[close])
    return [
        "no number of clusters stands out: with none do all clusters come back when half of the "
        f"pixels are clustered, and the silhouettes of k = {ks} are nearly alike; choose k "
        "yourself (--clusters NUMBER) and trust no single border"
    ]


def notes(result: xr.Dataset) -> list[str]:
    """Return what the user should be told of the quality of the spectra and the choice of k."""
    words = {
        "masked": "masked by the file: left out",
        "not_finite": "with too many values that are not finite: left out",
        "empty": "with nothing but zeros: left out",
        "saturated": "saturated: left out",
        "repaired": "with a few values that are not finite: interpolated",
        "negative_clipped": "with negative values, set to 0 before the square root",
    }
    quality = result["quality"].values
    masks = [int(bit) for bit in result["quality"].attrs["flag_masks"].split(",")]
    found = []
    for name, bit in zip(result["quality"].attrs["flag_meanings"].split(), masks, strict=True):
        rows, columns = np.nonzero(quality & bit)
        if len(rows):
            found.append(
                f"{len(rows)} spectra {words[name]} (rows {rows.min()} to {rows.max()}, "
                f"columns {columns.min()} to {columns.max()})"
            )
    return found + choice_note(result)
