"""The paper, end to end: data, training, segmentation, baselines, evaluation, noise study.

Every number that is found is written at once, so that a run that was stopped goes on where it was.
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
from spectessera._util.files import atomic
from spectessera._version import __version__
from spectessera.baselines.cluster import cluster_cube
from spectessera.evaluate import compare
from spectessera.inference.pipeline import segment
from spectessera.io import write
from spectessera.kmeans import Clusters
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.segmenter.models import load

from .degradation import noise_sweep
from .experiments import FULL, NAMES, QUICK, Experiment, Model, Sizes, variants
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
    """What one method reached on one image.

    Attributes
    ----------
    experiment, method, words : str
    seed : int
    k : int
        Clusters chosen.
    accuracy, weighted_accuracy, f1, tversky, ari : float
        Against the true labels, with the k that was chosen.
    ari_true_k : float
        With as many clusters as there are classes.
    ari_colours : float
        Against the clustered colours of the picture.
    background : float
        F1 of the class never seen in training; NaN where there is none.
    fit_seconds, segment_seconds : float
        Of the training; and of a new image, for methods that are fitted on it with the fit.
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
    """All rows of a reproduction, and the folder that holds its figures and tables."""

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
    """Run one of the experiments of arXiv 2401.17695 and write all of its figures and tables.

    Parameters
    ----------
    name : "astro" or "heritage"
    out : str or Path
        A folder; if a run of the same settings was stopped there, it goes on.
    quick : bool
        A small version, for a look.
    seeds : int
        Runs with as many seeds, 0, 1, ...; figures are those of seed 0.
    pictures : str or Path, optional
        A folder of pictures to train on in the heritage experiment, beside procedural pages.
    progress : callable, optional
        Called with the name of a step, the steps done and the steps in all.

    Returns
    -------
    Reproduction

    Raises
    ------
    ValueError
        If there is no such experiment, or the folder holds a run of other settings.
    """
    check_choice("experiment", name, NAMES)
    check_number("seeds", seeds, low=1, high=1000, integer=True)
    folder = Path(out)
    sizes = QUICK if quick else FULL
    _claim(folder, name, sizes, pictures)
    tell = progress or (lambda *_: None)
    made = [
        (seed, make)
        for seed in range(seeds)
        for make in variants(name, seed, sizes, None if pictures is None else Path(pictures))
    ]
    rows: list[Row] = []
    for number, (seed, make) in enumerate(made):
        experiment = make()
        home = folder / f"seed-{seed}" / experiment.name
        home.mkdir(parents=True, exist_ok=True)
        rows += _all_methods(experiment, home, sizes, seed, _part(tell, number, len(made)))
        if seed == 0:
            write_figures(experiment, home, folder / "figures" / experiment.name)
    write_tables(rows, mean_rows(rows), folder, name)
    return Reproduction(tuple(rows), folder)


def _part(tell: Progress, number: int, total: int) -> Progress:
    """Return a progress that counts the steps of all parts."""
    return lambda step, done, steps: tell(step, number * steps + done, total * steps)


def _claim(folder: Path, name: str, sizes: Sizes, pictures: Any) -> None:
    """Make the folder this run's, or raise if it is another's."""
    mine = json.loads(
        json.dumps(
            {
                "experiment": name,
                "sizes": {key: str(value) for key, value in asdict(sizes).items()},
                "pictures": None if pictures is None else str(pictures),
                "version": __version__,
            }
        )
    )
    told = folder / "run.json"
    if told.exists():
        try:
            there = json.loads(told.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{told} is damaged ({error}); give another folder") from error
        if there != mine:
            raise ValueError(f"{folder} holds a run of other settings; give another folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds other files; give an empty or a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(told, mine)


def _write_json(path: Path, told: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _all_methods(
    experiment: Experiment, home: Path, sizes: Sizes, seed: int, tell: Progress
) -> list[Row]:
    """Return the rows of all methods; those that are there already are read."""
    signed = bool((np.asarray(experiment.train[0][:1].values) < 0).any())
    baselines = [each for each in BASELINES if each != ("sqrt" if signed else "asinh")]
    steps = len(experiment.models) + len(baselines) + 1
    rows = []
    for done, model in enumerate(experiment.models):
        tell(f"{experiment.name}: {model.name}", done, steps)
        rows.append(_kept(home, model.name, partial(_ours, experiment, model, home, seed)))
    first = len(experiment.models)
    for done, method in enumerate(baselines, start=first):
        tell(f"{experiment.name}: {method}", done, steps)
        work = partial(_baseline, experiment, method, home, sizes, seed)
        rows.append(_kept(home, method, work))
    tell(f"{experiment.name}: noise", steps - 1, steps)
    _noise(experiment, home, sizes, seed)
    tell(f"{experiment.name}: done", steps, steps)
    return rows


def _kept(home: Path, name: str, work: Callable[[], Row]) -> Row:
    """Return the row of a method from its file, or do the work and write it."""
    path = home / f"{name}.json"
    if path.exists():
        return Row(**json.loads(path.read_text(encoding="utf-8")))
    row = work()
    _write_json(path, row._asdict())
    return row


def _row(
    experiment: Experiment,
    name: str,
    words: str,
    seed: int,
    label: np.ndarray,
    true_k: np.ndarray,
    seconds: tuple[float, float],
) -> Row:
    """Return the scores of a label map, and of one with as many clusters as classes."""
    found = compare(label, experiment.truth)
    background = np.flatnonzero(found.classes == experiment.background)
    return Row(
        experiment=experiment.name,
        method=name,
        words=words,
        seed=seed,
        k=found.clusters,
        accuracy=found.accuracy,
        weighted_accuracy=found.weighted_accuracy,
        f1=found.f1,
        tversky=found.tversky,
        ari=found.ari,
        ari_true_k=compare(true_k, experiment.truth).ari,
        ari_colours=compare(label, experiment.colours).ari,
        background=float(found.class_f1[background[0]]) if len(background) else float("nan"),
        fit_seconds=round(seconds[0], 2),
        segment_seconds=round(seconds[1], 2),
    )


def _classes(experiment: Experiment) -> Clusters:
    """Return clusters as many as classes."""
    many = len(np.unique(experiment.truth[experiment.truth > 0]))
    return Clusters(many, many, metric="euclidean")


def _ours(experiment: Experiment, model: Model, home: Path, seed: int) -> Row:
    """Train one network and segment the image with it."""
    path = home / f"{model.name}.safetensors"
    if path.exists():
        segmenter = load(path)
    else:
        segmenter = SpectralSegmenter(
            model.preprocess, model.network, experiment.clusters, model.training
        ).fit(experiment.train)
        if segmenter.history_.interrupted:
            raise KeyboardInterrupt
        segmenter.save(path)
    start = time.perf_counter()
    result = segment(experiment.cube, segmenter, seed=seed, keep=["latent", "decoded"])
    seconds = time.perf_counter() - start
    write(result, home / f"{model.name}.nc")
    latent = result["latent_cube"].values.reshape(-1, result.sizes["latent"])
    usable = np.isfinite(latent).all(axis=1)
    again = np.zeros(len(latent), dtype=np.int32)
    again[usable] = segmenter.cluster(latent[usable], _classes(experiment), seed=seed).labels + 1
    label = result["label"].values
    times = segmenter.history_.seconds, seconds
    return _row(experiment, model.name, model.words, seed, label, again.reshape(label.shape), times)


def _baseline(experiment: Experiment, method: str, home: Path, sizes: Sizes, seed: int) -> Row:
    """Embed and cluster the image with a baseline, which is fitted on the image itself."""

    def found(clusters: Clusters) -> xr.Dataset:
        return cluster_cube(
            experiment.cube,
            method,
            preprocess=experiment.preprocess,
            clusters=clusters,
            fit_pixels=sizes.fit_pixels if method in SLOW else None,
            seed=seed,
        )

    result = found(experiment.clusters)
    write(result, home / f"{method}.nc")
    fit = float(result.attrs["seconds_fit"])
    rest = float(result.attrs["seconds_transform"]) + float(result.attrs["seconds_cluster"])
    again = found(_classes(experiment))["label"].values
    words = f"{method}, fitted on the image"
    label = result["label"].values
    return _row(experiment, method, words, seed, label, again, (fit, fit + rest))


def _noise(experiment: Experiment, home: Path, sizes: Sizes, seed: int) -> None:
    """Run the noise study with the network of the paper, and keep it."""
    path = home / "noise.nc"
    if path.exists():
        return
    found = noise_sweep(
        experiment.cube,
        load(home / f"{experiment.models[0].name}.safetensors"),
        experiment.truth,
        levels=sizes.levels,
        seed=seed,
    )
    data = xr.Dataset(
        {
            "label": (("level", "y", "x"), found.label),
            "k": (("level",), found.k),
            "weighted_accuracy": (("level",), found.column("weighted_accuracy")),
            "f1": (("level",), found.column("f1")),
            "ari": (("level",), found.column("ari")),
        },
        coords={"level": found.psnr},
    )
    with atomic(path) as temporary:
        data.to_netcdf(temporary, engine="h5netcdf")


def mean_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the mean and the standard deviation over the seeds for every experiment and method.

    Of times the median: something else may have run on the machine.
    """
    found = []
    keys = list(dict.fromkeys((row.experiment, row.method) for row in rows))
    for experiment, method in keys:
        mine = [row for row in rows if (row.experiment, row.method) == (experiment, method)]
        told: dict[str, Any] = {"experiment": experiment, "method": method, "words": mine[0].words}
        for name in COLUMNS:
            values = np.array([getattr(row, name) for row in mine], dtype=float)
            told[name] = float(np.median(values) if name.endswith("_seconds") else values.mean())
            told[f"{name}_sd"] = float(values.std())
        told["ks"] = [row.k for row in mine]
        found.append(told)
    return found
