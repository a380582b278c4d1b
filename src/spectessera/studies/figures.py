"""All figures of the paper for one variant of an experiment, from the files of its run."""

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
    """Draw the figures of arXiv 2401.17695 for one variant of an experiment and write them.

    Parameters
    ----------
    experiment : Experiment
    home : Path
        Folder with the results of its methods.
    target : Path
        The folder of the figures; created if needed.

    Returns
    -------
    list of Path
        Of the written figures.
    """
    variant = experiment.variants[0]
    segmenter = load(home / f"{variant.name}.safetensors")
    result = read_result(home / f"{variant.name}.nc")
    figures = _network_figures(experiment, segmenter, result)
    figures |= _label_figures(experiment, result["label"].values, "")
    umap = home / "umap.nc"
    if umap.exists():
        figures |= _label_figures(experiment, read_result(umap)["label"].values, "-umap")
    with xr.open_dataset(home / "noise.nc", engine="h5netcdf") as opened:
        noise = opened.load()
    figures["09-degradation"] = lambda: _degradation(result["label"].values, noise)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in sorted(figures):
        path = target / f"{name}.png"
        with atomic(path) as temporary:
            figures[name]().savefig(temporary, format="png", dpi=DPI)
        written.append(path)
    return written


def _network_figures(
    experiment: Experiment, segmenter: SpectralSegmenter, result: xr.Dataset
) -> dict[str, Callable[[], Figure]]:
    """Return functions that draw a network and its result: figures 1, 3-5 and 8-11 of the paper."""
    label = result["label"].values
    latent = result["latent_cube"].values
    weights = {
        name.removesuffix(".weight"): each
        for name, each in segmenter.weights().items()
        if name.endswith(".weight")
    }
    history = segmenter.history_
    figures: dict[str, Callable[[], Figure]] = {
        "01-network": lambda: _architecture(segmenter),
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
        figures["13-latent-3d"] = lambda: networkplots.latent_3d(
            latent, label, generator=np.random.default_rng(0)
        )
    return figures


def _architecture(segmenter: SpectralSegmenter) -> Figure:
    """Return a drawing of the layers of a network."""
    network = segmenter.config("network")
    channels = len(segmenter.input_axis_)
    return networkplots.network(
        channels,
        network.encoder_widths(channels),
        network.latent,
        network.decoder_widths(channels),
        block=network.block,
        dropout=network.dropout,
        variational=network.variational,
        encoding_activation=network.encoding_activation,
        latent_activation=network.latent_activation,
        linear_path=network.linear_path,
        output=segmenter.model_.output,
    )


def _label_figures(
    experiment: Experiment, label: np.ndarray, suffix: str
) -> dict[str, Callable[[], Figure]]:
    """Return functions that draw a label map and the truth: figures 6, 7 and 12-14 of the paper."""
    scores = compare(label, experiment.truth, names=experiment.classes)
    return {
        f"05-masks{suffix}": lambda: scoreplots.class_masks(label, experiment.truth, scores),
        f"06-confusion{suffix}": lambda: scoreplots.confusion(scores),
        f"08-masked-rgb{suffix}": lambda: paperplots.masked_rgb(
            experiment.picture, label, int(label.max())
        ),
    }


def _degradation(label: np.ndarray, noise: xr.Dataset) -> Figure:
    """Draw the noise study (figures 19, 20); numbers and colours are those of the result."""
    maps = np.stack([_renumbered(each, label) for each in noise["label"].values])
    scores = {
        "weighted accuracy": noise["weighted_accuracy"].values[None],
        "F1": noise["f1"].values[None],
    }
    return scoreplots.degradation(maps, noise["level"].values.tolist(), scores, int(maps.max()))


def _renumbered(label: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Give clusters the numbers of the matched reference clusters; the others follow."""
    matched = match_labels(label, reference)
    number = np.zeros(int(label.max()) + 1, dtype=np.int64)
    for cluster, target in zip(matched.cluster_of, matched.classes, strict=True):
        if cluster:
            number[cluster] = target
    following = int(reference.max())
    for cluster in range(1, len(number)):
        if number[cluster] == 0:
            following += 1
            number[cluster] = following
    return number[label]
