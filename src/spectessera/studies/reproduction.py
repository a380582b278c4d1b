"""The paper, end to end: data, training, segmentation, baselines, evaluation, noise study.

The scores of every method are written at once, so that a stopped run can be resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_choice, check_number
from spectessera._util.files import atomic
from spectessera._util.writing import hdf5_sink
from spectessera._version import __version__
from spectessera.baselines.cluster import cluster_cube
from spectessera.inference.pipeline import segment
from spectessera.io import write
from spectessera.kmeans import Clusters
from spectessera.network.checkpoint import Checkpoint
from spectessera.network.training import Progress as TrainingProgress
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.segmenter.models import load

from . import published
from .degradation import noise_sweep
from .expected import expected_time
from .experiments import (
    FULL,
    NAMES,
    QUICK,
    Experiment,
    NetworkVariant,
    Sizes,
    makers,
    picture_files,
    read_pictures,
)
from .figures import write_figures
from .published import PUBLISHED
from .rows import Row, mean_rows, row_of
from .runfolder import check_same, claim, read_or_run
from .tables import write_tables

BASELINES = ("raw", "sqrt", "asinh", "pca", "umap", "tsne", "gmm")
SCALES = ("quick", "middle", "published")
SLOW = ("umap", "tsne")  # fitted on a sample of the pixels
Progress = Callable[[str, int, int], None]


class Reproduction(NamedTuple):
    """All rows of a reproduction, and the folder with its figures and tables."""

    rows: tuple[Row, ...]
    folder: Path


def reproduce(
    name: str,
    out: str | Path,
    *,
    scale: str = "middle",
    seeds: int = 1,
    pictures: str | Path | None = None,
    methods: Sequence[str] | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> Reproduction:
    """Run one of the experiments of arXiv 2401.17695 and write all its figures and tables.

    Parameters
    ----------
    name : "astro" or "heritage"
    out : str or Path
        A folder; a run with the same settings that was stopped there is resumed.
    scale : "quick", "middle" or "published"
        "quick": to see whether everything runs; "middle": 12,288 training spectra; "published": the
        sizes and settings that the authors released (:mod:`spectessera.studies.published`), for
        hours.
    seeds : int
        Number of runs; their seeds are 0, 1, ... Figures show seed 0.
    pictures : str or Path, optional
        A folder of pictures that replace some training pages of the heritage experiment. At the
        published scale all of them are used; of more than 207,002 pixels, that many are drawn. The
        pictures must fit in memory, their spectra need not.
    methods : sequence of str, optional
        Names of networks ("paper", "joint", "best", ...) and baselines to run; by default all. The
        network of the paper is always run. Others can be added by a later run in the same folder.
    progress : callable, optional
        Called with the name of a step, the number of finished steps and of all steps.
    announce : callable, optional
        Called once with the expected time of all trainings, in words.

    Returns
    -------
    Reproduction

    Raises
    ------
    ValueError
        If there is no such experiment or scale, or the folder holds a run with other settings.
    FileExistsError
        If the folder holds other files.
    """
    check_choice("experiment", name, NAMES)
    check_number("seeds", seeds, low=1, high=1000, integer=True)
    folder = Path(out)
    check_choice("scale", scale, SCALES)
    sizes = {"quick": QUICK, "middle": FULL, "published": PUBLISHED}[scale]
    runs = _runs(name, scale, sizes, seeds, None if pictures is None else Path(pictures))
    first = runs[0][1]()
    wanted = _chosen(first, methods)  # what is wrong is said before the folder is made
    claim(folder, _settings(name, scale, sizes, pictures))
    if announce is not None:
        announce(_expected(wanted, len(runs), folder))
    report = progress or (lambda *_: None)
    rows: list[Row] = []
    for number, (seed, make) in enumerate(runs):
        experiment = first if number == 0 else make()
        home = folder / f"seed-{seed}" / experiment.name
        home.mkdir(parents=True, exist_ok=True)
        kept = _with_finished(methods, home)
        experiment = _chosen(experiment, kept)
        check_same(experiment, home)
        part = _part_of(report, number, len(runs))
        rows += _all_methods(experiment, home, sizes, seed, kept, part)
        if seed == 0:
            write_figures(experiment, home, folder / "figures" / experiment.name)
    write_tables(rows, mean_rows(rows), folder, name)
    return Reproduction(tuple(rows), folder)


def _settings(name: str, scale: str, sizes: Sizes, pictures: Any) -> dict[str, Any]:
    """Return what identifies a run."""
    return {
        "experiment": name,
        "scale": scale,
        "sizes": {key: str(value) for key, value in asdict(sizes).items()},
        "pictures": None
        if pictures is None
        else [[each.name, each.stat().st_size] for each in picture_files(Path(pictures))],
        "version": __version__,
    }


def _runs(
    name: str, scale: str, sizes: Sizes, seeds: int, pictures: Path | None
) -> list[tuple[int, Callable[[], Experiment]]]:
    """Return the seed of every run, and a function that makes its experiment."""
    if scale == "published":
        images = () if pictures is None else tuple(read_pictures(pictures))
        made = [(seed, published.makers(name, seed, sizes, images)) for seed in range(seeds)]
    else:
        made = [(seed, makers(name, seed, sizes, pictures)) for seed in range(seeds)]
    return [(seed, make) for seed, several in made for make in several]


def _part_of(progress: Progress, number: int, total: int) -> Progress:
    """Return a progress function for one run of several that counts the steps of all runs."""
    return lambda step, done, steps: progress(step, number * steps + done, total * steps)


def _expected(first: Experiment, runs: int, folder: Path) -> str:
    """Return the time of the trainings that are not finished, in words."""
    left = {
        each.name: max(0, runs - len(list(folder.glob(f"seed-*/*/{each.name}.safetensors"))))
        for each in first.variants
    }
    return expected_time(first, left)


def _baselines_of(experiment: Experiment) -> list[str]:
    """Return the baselines that suit the spectra: square roots need non-negative ones."""
    signed = bool((np.asarray(experiment.train[0][:1].values) < 0).any())
    return [each for each in BASELINES if each != ("sqrt" if signed else "asinh")]


def _chosen(experiment: Experiment, methods: Sequence[str] | None) -> Experiment:
    """Return an experiment with the first of its networks and those that are named.

    Raises
    ------
    ValueError
        If a name is neither a network nor a baseline of the experiment.
    """
    if methods is None:
        return experiment
    first, *others = experiment.variants
    names = [each.name for each in experiment.variants]
    for method in methods:
        check_choice("method", method, (*names, *_baselines_of(experiment)))
    kept = tuple(each for each in others if each.name in methods)
    return experiment._replace(variants=(first, *kept))


def _with_finished(methods: Sequence[str] | None, home: Path) -> list[str] | None:
    """Return the named methods and those that an earlier run finished; None = all."""
    if methods is None:
        return None
    return [*methods, *(each.stem for each in home.glob("*.json") if each.stem != "settings")]


def _all_methods(
    experiment: Experiment,
    home: Path,
    sizes: Sizes,
    seed: int,
    methods: Sequence[str] | None,
    progress: Progress,
) -> list[Row]:
    """Return the rows of all methods; rows that exist as files are read."""
    baselines = _baselines_of(experiment)
    if methods is not None:
        baselines = [each for each in baselines if each in methods]
    steps = len(experiment.variants) + len(baselines) + 1
    rows = []
    for done, variant in enumerate(experiment.variants):
        progress(f"{experiment.name}: {variant.name}", done, steps)
        epochs = _epochs_of(progress, f"{experiment.name}: {variant.name}", done, steps)
        work = partial(_network, experiment, variant, home, seed, epochs)
        rows.append(read_or_run(home, variant.name, work))
    first = len(experiment.variants)
    for done, method in enumerate(baselines, start=first):
        progress(f"{experiment.name}: {method}", done, steps)
        work = partial(_baseline, experiment, method, home, sizes, seed)
        rows.append(read_or_run(home, method, work))
    progress(f"{experiment.name}: noise", steps - 1, steps)
    _noise(experiment, home, sizes, seed)
    progress(f"{experiment.name}: done", steps, steps)
    return rows


def _epochs_of(progress: Progress, name: str, done: int, steps: int) -> TrainingProgress:
    """Return a progress function of a training that states its epoch in the name of the step."""
    return lambda epoch, epochs, row: progress(
        f"{name}: epoch {epoch} of {epochs}, loss {row['validation_total']:.3g}", done, steps
    )


def _true_k(experiment: Experiment) -> Clusters:
    """Return settings with as many clusters as there are classes."""
    k = len(np.unique(experiment.truth[experiment.truth > 0]))
    return replace(experiment.clusters, k_min=k, k_max=k)


def _trained(
    experiment: Experiment, variant: NetworkVariant, home: Path, progress: TrainingProgress
) -> SpectralSegmenter:
    """Train one network, or read it; a training that was stopped continues."""
    path = home / f"{variant.name}.safetensors"
    if path.exists():
        return load(path)
    checkpoint = Checkpoint(home / f"{variant.name}.checkpoint", seconds=60.0)
    segmenter = SpectralSegmenter(
        variant.preprocess,
        variant.network,
        variant.clusters or experiment.clusters,
        variant.training,
    ).fit(experiment.train, checkpoint=checkpoint, progress=progress)
    if segmenter.history_.interrupted:
        raise KeyboardInterrupt
    segmenter.save(path)
    checkpoint.path.unlink(missing_ok=True)
    return segmenter


def _network(
    experiment: Experiment,
    variant: NetworkVariant,
    home: Path,
    seed: int,
    progress: TrainingProgress,
) -> Row:
    """Train one network and segment the image with it."""
    segmenter = _trained(experiment, variant, home, progress)
    segmenter.set_params(clusters=experiment.clusters)
    start = time.perf_counter()
    result = segment(
        experiment.cube, segmenter, seed=seed, keep=["latent", "decoded"], neighbours=0
    )
    seconds = time.perf_counter() - start
    write(result, home / f"{variant.name}.nc")
    latent = result["latent_cube"].values.reshape(-1, result.sizes["latent"])
    usable = np.isfinite(latent).all(axis=1)
    true_k = np.zeros(len(latent), dtype=np.int32)
    true_k[usable] = segmenter.cluster(latent[usable], _true_k(experiment), seed=seed).labels + 1
    label = result["label"].values
    openly = segmenter.cluster(latent[usable], open_range(experiment.clusters), seed=seed)
    return row_of(
        experiment,
        variant.name,
        variant.description,
        seed,
        label,
        true_k.reshape(label.shape),
        len(openly.centers),
        (segmenter.history_.seconds, seconds),
    )


def open_range(clusters: Clusters) -> Clusters:
    """Return the same settings with a range of k from 2 to 10."""
    return replace(clusters, k_min=2, k_max=10)


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
    wide = open_range(experiment.clusters)
    openly = (result if wide == experiment.clusters else clustered(wide)).attrs["n_clusters"]
    description = f"{method}, fitted on the image"
    label = result["label"].values
    times = (fit, fit + rest)
    return row_of(experiment, method, description, seed, label, true_k, int(openly), times)


def _noise(experiment: Experiment, home: Path, sizes: Sizes, seed: int) -> None:
    """Run the noise study with the network of the paper and write its result."""
    path = home / "noise.nc"
    if path.exists():
        return
    segmenter = load(home / f"{experiment.variants[0].name}.safetensors")
    segmenter.set_params(clusters=experiment.clusters)
    sweep = noise_sweep(
        experiment.cube,
        segmenter,
        experiment.truth,
        levels=sizes.levels,
        seed=seed,
        floor=experiment.floor,
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
