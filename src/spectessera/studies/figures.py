"""All figures of the paper for one variant of an experiment, from what its run left in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spectessera._util.files import atomic
from spectessera.evaluate import compare, match_labels
from spectessera.io import read_result
from spectessera.plots import autoencoder as networkplots
from spectessera.plots import paper as paperplots
from spectessera.plots import reference as scoreplots
from spectessera.plots import result as plots
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.segmenter.models import load

from .experiments import Experiment

DPI = 100


def write_figures(experiment: Experiment, home: Path, target: Path) -> list[Path]:
    """Draw and write all figures; numbers in brackets are those of arXiv 2401.17695.

    Parameters
    ----------
    experiment : Experiment
    home : Path
        Where the results of its methods are.
    target : Path
        The folder of the figures; it is made.

    Returns
    -------
    list of Path
    """
    model = experiment.models[0]
    segmenter = load(home / f"{model.name}.safetensors")
    result = read_result(home / f"{model.name}.nc")
    drawn = _of_model(experiment, segmenter, result)
    drawn |= _of_labels(experiment, result["label"].values, "")
    umap = home / "umap.nc"
    if umap.exists():
        drawn |= _of_labels(experiment, read_result(umap)["label"].values, "-umap")
    with xr.open_dataset(home / "noise.nc", engine="h5netcdf") as opened:
        noise = opened.load()
    drawn["09-degradation"] = lambda: _degradation(result["label"].values, noise)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in sorted(drawn):
        path = target / f"{name}.png"
        with atomic(path) as temporary:
            drawn[name]().savefig(temporary, format="png", dpi=DPI)
        written.append(path)
    return written


def _of_model(
    experiment: Experiment, segmenter: SpectralSegmenter, result: xr.Dataset
) -> dict[str, Callable[[], Figure]]:
    """Return the figures that show one network and its result: 1-5 (1, 3/8, 4/9, 5/11, 10)."""
    network = segmenter.config("network")
    channels = len(segmenter.input_axis_)
    label = result["label"].values
    latent = result["latent_cube"].values
    weights = {
        name.removesuffix(".weight"): each
        for name, each in segmenter.weights().items()
        if name.endswith(".weight")
    }
    history = segmenter.history_
    found: dict[str, Callable[[], Figure]] = {
        "01-network": lambda: networkplots.network(
            channels,
            network.encoder_widths(channels),
            network.latent,
            network.decoder_widths(channels),
            block=network.block,
            dropout=network.dropout,
            variational=network.variational,
            latent_activation=network.latent_activation,
            linear_path=network.linear_path,
            output=segmenter.model_.output,
        ),
        "02-seed": lambda: paperplots.seed_image(
            experiment.picture, experiment.colours, experiment.colour_rgb
        ),
        "03-segmentation": lambda: paperplots.segmentation(result, experiment.cube),
        "04-integrated": lambda: plots.integrated(result),
        "07-means": lambda: paperplots.means(result),
        "10-scores": lambda: plots.scores(result),
        "11-history": lambda: plots.history(history.rows, history.best_epoch),
        "12-latent": lambda: networkplots.latent_grid(
            latent, label, generator=np.random.default_rng(0)
        ),
        "14-weights": lambda: networkplots.weights(weights, segmenter.input_axis_),
    }
    if latent.shape[2] >= 3:
        found["13-latent-3d"] = lambda: networkplots.latent_3d(
            latent, label, generator=np.random.default_rng(0)
        )
    return found


def _of_labels(
    experiment: Experiment, label: np.ndarray, suffix: str
) -> dict[str, Callable[[], Figure]]:
    """Return the figures that show a label map beside the truth: 6/13, 7/14, 12."""
    scores = compare(label, experiment.truth, names=experiment.classes)
    return {
        f"05-masks{suffix}": lambda: scoreplots.class_masks(label, experiment.truth, scores),
        f"06-confusion{suffix}": lambda: scoreplots.confusion(scores),
        f"08-masked-rgb{suffix}": lambda: paperplots.masked_rgb(
            experiment.picture, label, int(label.max())
        ),
    }


def _degradation(label: np.ndarray, noise: xr.Dataset) -> Figure:
    """Return the noise study (19/20); clusters have the numbers, and colours, of the result."""
    maps = np.stack([_renumbered(each, label) for each in noise["label"].values])
    scores = {
        "weighted accuracy": noise["weighted_accuracy"].values[None],
        "F1": noise["f1"].values[None],
    }
    return scoreplots.degradation(maps, noise["level"].values.tolist(), scores, int(maps.max()))


def _renumbered(label: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Give clusters the numbers of those that they are matched to; others come after these."""
    matched = match_labels(label, like)
    number = np.zeros(int(label.max()) + 1, dtype=np.int64)
    for cluster, reference in zip(matched.cluster_of, matched.classes, strict=True):
        if cluster:
            number[cluster] = reference
    following = int(like.max())
    for cluster in range(1, len(number)):
        if number[cluster] == 0:
            following += 1
            number[cluster] = following
    return number[label]
