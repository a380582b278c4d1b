"""Cases of :mod:`benchmarks.identity`, and the recorded form of their results."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import spectessera as spt

ABELL = Path(__file__).parents[1] / "examples" / "data" / "abell478.fits.gz"
# Attributes of a result that differ between runs, or are recorded in another way.
LEFT_OUT = ("provenance", "seconds_fit", "seconds_transform", "seconds_cluster")
SUMMARY = ("shape", "scores", "metric", "confidence_noise", "quality", "seed_agreement")
CANDIDATE = ("name", "kind", "score")
SHORT = 20  # arrays up to this size are recorded with their values

Values = dict[str, Any]


# --- recorded form of a value ---------------------------------------------------------------------


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return f"sha256 {hashlib.sha256(content).hexdigest()}"


def of_array(given: Any) -> str:
    """Return type, shape and hash of an array, with its values or their mean."""
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        return f"text {array.shape} {digest(json.dumps(array.tolist()).encode())}"
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)  # one NaN for all
    content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    good = array[np.isfinite(array)]
    if array.size <= SHORT:
        summary = str(array.tolist())
    else:
        summary = f"mean {float(good.mean(dtype=np.float64))}" if good.size else "nothing finite"
    return f"{array.dtype.name} {array.shape} {summary} {digest(content)}"


def of_dataset(name: str, result: xr.Dataset) -> Values:
    """Return the record of all variables and attributes of a result."""
    found = {f"{name}.{key}": of_array(each) for key, each in result.variables.items()}
    for key, value in result.attrs.items():
        if key not in LEFT_OUT:
            found[f"{name}.attribute.{key}"] = value
    if "provenance" in result.attrs:
        settings = json.loads(result.attrs["provenance"])["settings"]
        found[f"{name}.settings"] = json.dumps(settings, sort_keys=True)
    return found


def of_model(model: Any, cube: xr.DataArray, folder: Path) -> Values:
    """Return the record of a segmenter, also after it was saved and loaded."""
    model.save(folder / "model.safetensors")
    again = spt.load(folder / "model.safetensors")
    latent = model.transform(cube)
    usable = latent[np.isfinite(latent).all(axis=1)]
    arrays = {
        "labels": getattr(model, "labels_", np.empty(0)),
        "centers": model.cluster_centers_,
        "latent": latent,
        "decoded": model.inverse_transform(usable),
        "sample": model.sample(50, seed=1),
        "predicted by the loaded model": again.predict(cube),
        "latent of the loaded model": again.transform(cube),
    }
    found: Values = {f"model.{name}": of_array(each) for name, each in arrays.items()}
    rows = model.history_.rows
    return found | {"model.epochs": len(rows), "model.last epoch": rows[-1] if rows else None}


def of_summary(path: Path) -> Values:
    """Return the record of the summary of a command: numbers and names, no sentences."""
    summary = json.loads(path.read_text(encoding="utf-8"))
    found = {f"summary.{key}": json.dumps(summary[key]) for key in SUMMARY}
    for each in summary["clusters"]:
        parts = {key: value for key, value in each.items() if key != "candidates"}
        parts["candidates"] = [[one[key] for key in CANDIDATE] for one in each["candidates"]]
        content = digest(json.dumps(parts, sort_keys=True).encode())
        found[f"summary.cluster {each['cluster']}"] = f"{each['name']}; {each['size']}; {content}"
    return found


# --- cases ---------------------------------------------------------------------------------------


def command(folder: Path, *words: str | Path) -> None:
    """Run a command of the package in a separate process."""
    program = Path(sysconfig.get_path("scripts"), "spectessera")
    ended = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True)
    if ended.returncode != 0:
        raise RuntimeError(f"spectessera {' '.join(map(str, words))} failed:\n{ended.stderr}")


@cache
def page() -> tuple[xr.DataArray, xr.Dataset]:
    """Return a synthetic page as X-ray fluorescence scan, with its truth."""
    picture = spt.synth.miniature(seed=2, shape=(64, 48))
    return spt.synth.cube_from_rgb(picture, "choirbook", counts=1000, seed=0)


def few_epochs(epochs: int, **others: Any) -> Any:
    """Return a segmenter with few epochs, some other settings, and defaults otherwise."""
    return spt.SpectralSegmenter().set_params(training__epochs=epochs, **others)


def abell(folder: Path) -> Values:
    """Train on an optical cube, as in the README."""
    cube = spt.read(ABELL)
    lines = spt.Preprocess(keep=((7060, 7340),), continuum="median", normalise=None)
    model = spt.SpectralSegmenter(lines, training=spt.Training(epochs=8, seed=0)).fit(cube)
    result = spt.segment(cube, model, seed=0, keep=("latent", "decoded", "silhouette"))
    return of_dataset("result", result) | of_model(model, cube, folder)


def abell_command(folder: Path) -> Values:
    """Train on it by the command of the README."""
    words = "--keep 7060,7340 --continuum median --continuum-width 101 --smooth 3"
    more = "--normalise none --k-min 3 --k-max 6 --epochs 8 --quiet"
    command(folder, "segment", ABELL, "--fit", "--out", "out", *words.split(), *more.split())
    result = spt.read_result(folder / "out")
    return of_dataset("result", result) | of_summary(folder / "out" / "summary.json")


def painted(folder: Path) -> Values:  # noqa: ARG001
    """Segment a page with the shipped model, in three ways."""
    (cube, truth), model = page(), spt.load("maxrf")
    result = spt.segment(cube, model, seed=0)
    found = of_dataset("result", result)
    found |= of_dataset("trained", spt.segment(cube, model, "trained", seed=1))
    found |= of_dataset("four", spt.segment(cube, model, 4, seed=2, means=False))
    found |= of_dataset("truth", truth) | {"cube": of_array(cube)}
    scores = spt.compare(result["label"], truth["label"])
    return found | {"compared": scores.to_json()}


def chunked(folder: Path) -> Values:
    """Segment a page block by block, from a file into a file."""
    spt.write(page()[0], folder / "page.zarr")
    cube = spt.read(folder / "page.zarr", chunks={"y": 20, "x": 17})
    model, store = spt.load("maxrf"), folder / "result.zarr"
    result = spt.segment(cube, model, seed=0, keep=("latent", "decoded"), store=store)
    return of_dataset("result", result)


def processes(folder: Path) -> Values:
    """Segment a page by the command, in two processes."""
    spt.write(page()[0], folder / "page.h5")
    words = ("--model", "maxrf", "--scheduler", "local:2", "--out", "out", "--quiet")
    command(folder, "segment", "page.h5", *words)
    result = spt.read_result(folder / "out")
    return of_dataset("result", result) | of_summary(folder / "out" / "summary.json")


def tuned(folder: Path) -> Values:
    """Train the shipped model further, with thinned counts."""
    cube, training = page()[0], spt.Training(epochs=2, gamma=0.0, thinning=True, seed=0)
    model = spt.SpectralSegmenter(training=training).fit(cube, start="maxrf")
    return of_dataset("result", spt.segment(cube, model, seed=0)) | of_model(model, cube, folder)


def baselines(folder: Path) -> Values:  # noqa: ARG001
    """Segment a page without a network."""
    cube = page()[0]
    found = of_dataset("linear", spt.baselines.linear(cube, seed=0, keep=("latent",)))
    few = spt.Clusters(2, 6)
    for method in ("pca", "gmm"):
        result = spt.baselines.cluster_cube(cube, method, clusters=few, seed=0)
        found |= of_dataset(method, result)
    return found


def nebulae(folder: Path) -> Values:
    """Train a model on simulated nebulae by the command, and segment a synthetic cube with it."""
    words = "--simulate nebulae --epochs 1 --steps 5 --batch-size 64 --out own.safetensors --quiet"
    command(folder, "train", *words.split())
    picture = np.zeros((36, 30, 3), np.uint8)
    for part, colour in enumerate(np.eye(3, dtype=np.uint8) * 255):
        picture[4:30, 9 * part : 9 * part + 8] = colour
    cube, truth = spt.synth.nebular_cube(picture, snr=(10, 50), seed=0)
    found = of_dataset("truth", truth) | {"cube": of_array(cube)}
    for name in ("nebulae", folder / "own.safetensors"):
        model = spt.load(name)
        found |= of_dataset(Path(name).stem, spt.segment(cube, model, seed=0))
    return found | of_model(model, cube, folder)


def plain_array(folder: Path) -> Values:
    """Use the segmenter as an estimator of scikit-learn, with all terms of the loss."""
    cube = page()[0][::2, ::2]
    model = spt.SpectralSegmenter(
        spt.Preprocess(rebin_to=256, stabilise="sqrt"),
        spt.Network(latent=3, variational=True, dropout=0.1),
        spt.Clusters(2, 6),
        spt.Training(epochs=4, batch_size=128, gamma=0.05, beta=0.1, denoise=0.1, seed=3),
    ).fit(cube.values.reshape(-1, cube.sizes["channel"]))
    axisless = spt.make_cube(cube.values)
    return of_model(model, axisless, folder)


def jasper_ridge(file: Path, folder: Path) -> Values:
    """Train on a part of an optical scene, with settings chosen by its noise."""
    cube = spt.read(file, key="cube")[10:70, 20:70]
    model = few_epochs(6, clusters__k_max=8).fit(cube)
    return of_dataset("result", spt.segment(cube, model, seed=0)) | of_model(model, cube, folder)


def raman(file: Path, folder: Path) -> Values:
    """Train on a Raman image of a cell, with a cluster term."""
    cube = spt.read(file, key="cube")
    model = few_epochs(8, training__gamma=0.02, clusters__k_max=6).fit(cube)
    return of_dataset("result", spt.segment(cube, model, seed=0)) | of_model(model, cube, folder)


CASES: dict[str, Callable[[Path], Values]] = {
    "abell478": abell,
    "abell478 by command": abell_command,
    "page": painted,
    "chunked page": chunked,
    "page in two processes": processes,
    "page, fine-tuned": tuned,
    "page, baselines": baselines,
    "plain array": plain_array,
    "nebulae": nebulae,
}
WITH_DATA: dict[str, tuple[str, Callable[[Path, Path], Values]]] = {
    "jasper ridge": ("jasper_ridge.npz", jasper_ridge),
    "raman": ("raman_thp1_cell.npz", raman),
}
