"""The paper, end to end: data, training, segmentation, baselines, evaluation, noise study.

The scores of every method are written at once, so that a stopped run can be resumed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_choice, check_number
from spectessera._util.documents import read_json
from spectessera._util.files import atomic
from spectessera._util.writing import hdf5_sink
from spectessera._version import __version__
from spectessera.baselines.cluster import cluster_cube
from spectessera.evaluate import compare
from spectessera.inference.pipeline import segment
from spectessera.io import write
from spectessera.kmeans import Clusters
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.segmenter.models import load

from .degradation import noise_sweep
from .experiments import FULL, NAMES, QUICK, Experiment, NetworkVariant, Sizes, makers
from .figures import write_figures
from .tables import write_tables

BASELINES = ("raw", "sqrt", "asinh", "pca", "umap", "tsne", "gmm")
SLOW = ("umap", "tsne")  # fitted on a sample of the pixels
COLUMNS = (
    "accuracy", "weighted_accuracy", "f1", "tversky", "ari", "k", "ari_true_k", "ari_colours",
    "background", "fit_seconds", "segment_seconds",
)  # fmt: skip
Progress = Callable[[str, int, int], None]


class Row(NamedTuple):
    """Scores of one method on one image.

    Attributes
    ----------
    experiment, method, words : str
        ``words`` describes the method.
    seed : int
    k : int
        Chosen number of clusters.
    accuracy, weighted_accuracy, f1, tversky, ari : float
        Against the true labels, for the chosen k.
    ari_true_k : float
        With as many clusters as there are classes.
    ari_colours : float
        Against the clustered colours of the picture.
    background : float
        F1 of the class that is not in the training data; NaN if there is none.
    fit_seconds, segment_seconds : float
        Of the training, and of the segmentation of a new image. For methods that are fitted on
        that image, the latter includes the fit.
    """

    experiment: str
    method: str
    words: str
    seed: int
    k: int
    accuracy: float
    weighted_accuracy: float
    f1: float
    tversky: float
    ari: float
    ari_true_k: float
    ari_colours: float
    background: float
    fit_seconds: float
    segment_seconds: float


class Reproduction(NamedTuple):
    """All rows of a reproduction, and the folder with its figures and tables."""

    rows: tuple[Row, ...]
    folder: Path


def reproduce(
    name: str,
    out: str | Path,
    *,
    quick: bool = False,
    seeds: int = 1,
    pictures: str | Path | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Run one of the experiments of arXiv 2401.17695 and write all its figures and tables.

    Parameters
    ----------
    name : "astro" or "heritage"
    out : str or Path
        A folder; a run with the same settings that was stopped there is resumed.
    quick : bool
        A small version of the experiment.
    seeds : int
        Number of runs; their seeds are 0, 1, ... Figures show seed 0.
    pictures : str or Path, optional
        A folder of pictures that replace some training pages of the heritage experiment.
    progress : callable, optional
        Called with the name of a step, the number of finished steps and of all steps.

    Returns
    -------
    Reproduction

    Raises
    ------
    ValueError
        If there is no such experiment, or the folder holds a run with other settings.
    FileExistsError
        If the folder holds other files.
    """
    check_choice("experiment", name, NAMES)
    check_number("seeds", seeds, low=1, high=1000, integer=True)
    folder = Path(out)
    sizes = QUICK if quick else FULL
    _claim(folder, name, sizes, pictures)
    report = progress or (lambda *_: None)
    runs = [
        (seed, make)
        for seed in range(seeds)
        for make in makers(name, seed, sizes, None if pictures is None else Path(pictures))
    ]
    rows: list[Row] = []
    for number, (seed, make) in enumerate(runs):
        experiment = make()
        home = folder / f"seed-{seed}" / experiment.name
        home.mkdir(parents=True, exist_ok=True)
        part = _part_of(report, number, len(runs))
        rows += _all_methods(experiment, home, sizes, seed, part)
        if seed == 0:
            write_figures(experiment, home, folder / "figures" / experiment.name)
    write_tables(rows, mean_rows(rows), folder, name)
    return Reproduction(tuple(rows), folder)


def _part_of(progress: Progress, number: int, total: int) -> Progress:
    """Return a progress function for one run of several that counts the steps of all runs."""
    return lambda step, done, steps: progress(step, number * steps + done, total * steps)


def _claim(folder: Path, name: str, sizes: Sizes, pictures: Any) -> None:
    """Write the settings of the run to the folder; raise if it holds another run or other files."""
    settings = json.loads(
        json.dumps(
            {
                "experiment": name,
                "sizes": {key: str(value) for key, value in asdict(sizes).items()},
                "pictures": None if pictures is None else str(pictures),
                "version": __version__,
            }
        )
    )
    path = folder / "run.json"
    if path.exists():
        try:
            existing = read_json(path)
        except ValueError as error:
            raise ValueError(f"{error}; give another folder") from error
        if existing != settings:
            raise ValueError(f"{folder} holds a run with other settings; give another folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds other files; give an empty or a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(path, settings)


def _write_json(path: Path, content: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _all_methods(
    experiment: Experiment, home: Path, sizes: Sizes, seed: int, progress: Progress
) -> list[Row]:
    """Return the rows of all methods; rows that exist as files are read."""
    signed = bool((np.asarray(experiment.train[0][:1].values) < 0).any())
    baselines = [each for each in BASELINES if each != ("sqrt" if signed else "asinh")]
    steps = len(experiment.variants) + len(baselines) + 1
    rows = []
    for done, variant in enumerate(experiment.variants):
        progress(f"{experiment.name}: {variant.name}", done, steps)
        work = partial(_network, experiment, variant, home, seed)
        rows.append(_read_or_run(home, variant.name, work))
    first = len(experiment.variants)
    for done, method in enumerate(baselines, start=first):
        progress(f"{experiment.name}: {method}", done, steps)
        work = partial(_baseline, experiment, method, home, sizes, seed)
        rows.append(_read_or_run(home, method, work))
    progress(f"{experiment.name}: noise", steps - 1, steps)
    _noise(experiment, home, sizes, seed)
    progress(f"{experiment.name}: done", steps, steps)
    return rows


def _read_or_run(home: Path, name: str, work: Callable[[], Row]) -> Row:
    """Return the row of a method from its file, or do the work and write the row."""
    path = home / f"{name}.json"
    if path.exists():
        try:
            return Row(**read_json(path))
        except TypeError as error:
            raise ValueError(f"{path} is no row of a table ({error}); remove it") from error
    row = work()
    _write_json(path, row._asdict())
    return row


def _row(
    experiment: Experiment,
    name: str,
    description: str,
    seed: int,
    label: np.ndarray,
    true_k: np.ndarray,
    seconds: tuple[float, float],
) -> Row:
    """Return the row of a label map and of one with the true number of clusters (``true_k``)."""
    scores = compare(label, experiment.truth)
    background = np.flatnonzero(scores.classes == experiment.background)
    return Row(
        experiment=experiment.name,
        method=name,
        words=description,
        seed=seed,
        k=scores.clusters,
        accuracy=scores.accuracy,
        weighted_accuracy=scores.weighted_accuracy,
        f1=scores.f1,
        tversky=scores.tversky,
        ari=scores.ari,
        ari_true_k=compare(true_k, experiment.truth).ari,
        ari_colours=compare(label, experiment.colours).ari,
        background=float(scores.class_f1[background[0]]) if len(background) else float("nan"),
        fit_seconds=round(seconds[0], 2),
        segment_seconds=round(seconds[1], 2),
    )


def _true_k(experiment: Experiment) -> Clusters:
    """Return settings with as many clusters as there are classes."""
    k = len(np.unique(experiment.truth[experiment.truth > 0]))
    return Clusters(k, k, metric="euclidean")


def _network(experiment: Experiment, variant: NetworkVariant, home: Path, seed: int) -> Row:
    """Train one network and segment the image with it."""
    path = home / f"{variant.name}.safetensors"
    if path.exists():
        segmenter = load(path)
    else:
        segmenter = SpectralSegmenter(
            variant.preprocess, variant.network, experiment.clusters, variant.training
        ).fit(experiment.train)
        if segmenter.history_.interrupted:
            raise KeyboardInterrupt
        segmenter.save(path)
    start = time.perf_counter()
    result = segment(experiment.cube, segmenter, seed=seed, keep=["latent", "decoded"])
    seconds = time.perf_counter() - start
    write(result, home / f"{variant.name}.nc")
    latent = result["latent_cube"].values.reshape(-1, result.sizes["latent"])
    usable = np.isfinite(latent).all(axis=1)
    true_k = np.zeros(len(latent), dtype=np.int32)
    true_k[usable] = segmenter.cluster(latent[usable], _true_k(experiment), seed=seed).labels + 1
    label = result["label"].values
    return _row(
        experiment,
        variant.name,
        variant.description,
        seed,
        label,
        true_k.reshape(label.shape),
        (segmenter.history_.seconds, seconds),
    )


def _baseline(experiment: Experiment, method: str, home: Path, sizes: Sizes, seed: int) -> Row:
    """Embed and cluster the image with a baseline that is fitted on the image itself."""

    def clustered(clusters: Clusters) -> xr.Dataset:
        return cluster_cube(
            experiment.cube,
            method,
            preprocess=experiment.preprocess,
            clusters=clusters,
            fit_pixels=sizes.fit_pixels if method in SLOW else None,
            seed=seed,
        )

    result = clustered(experiment.clusters)
    write(result, home / f"{method}.nc")
    fit = float(result.attrs["seconds_fit"])
    rest = float(result.attrs["seconds_transform"]) + float(result.attrs["seconds_cluster"])
    true_k = clustered(_true_k(experiment))["label"].values
    description = f"{method}, fitted on the image"
    label = result["label"].values
    return _row(experiment, method, description, seed, label, true_k, (fit, fit + rest))


def _noise(experiment: Experiment, home: Path, sizes: Sizes, seed: int) -> None:
    """Run the noise study with the network of the paper and write its result."""
    path = home / "noise.nc"
    if path.exists():
        return
    sweep = noise_sweep(
        experiment.cube,
        load(home / f"{experiment.variants[0].name}.safetensors"),
        experiment.truth,
        levels=sizes.levels,
        seed=seed,
    )
    data = xr.Dataset(
        {
            "label": (("level", "y", "x"), sweep.label),
            "k": (("level",), sweep.k),
            "weighted_accuracy": (("level",), sweep.column("weighted_accuracy")),
            "f1": (("level",), sweep.column("f1")),
            "ari": (("level",), sweep.column("ari")),
        },
        coords={"level": sweep.psnr},
    )
    with atomic(path) as temporary, hdf5_sink(temporary) as sink:
        data.to_netcdf(sink, engine="h5netcdf")


def mean_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the mean and the standard deviation over the seeds for every experiment and method.

    For times the median instead of the mean: the machine may have been busy with other work.
    """
    means = []
    keys = list(dict.fromkeys((row.experiment, row.method) for row in rows))
    for experiment, method in keys:
        runs = [row for row in rows if (row.experiment, row.method) == (experiment, method)]
        mean: dict[str, Any] = {"experiment": experiment, "method": method, "words": runs[0].words}
        for name in COLUMNS:
            values = np.array([getattr(row, name) for row in runs], dtype=float)
            mean[name] = float(np.median(values) if name.endswith("_seconds") else values.mean())
            mean[f"{name}_sd"] = float(values.std())
        mean["ks"] = [row.k for row in runs]
        means.append(mean)
    return means
