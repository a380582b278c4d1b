"""Which setting of the heritage experiment decides the groups: one setting changed at a time.

python -m benchmarks.paper_heritage run 2    # seeds 0 and 1; adds the missing rows to the CSV file

The base is the heritage experiment at the published scale (spectessera.studies.published) with
threshold 0.8, made smaller: 20,480 of the spectra of its 16 pages, 22 epochs, batches of 256,
without the cluster term, whose gradient the released code does not have either.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from spectessera import Clusters, Network, Preprocess, Training
from spectessera.cube import spectral_axis
from spectessera.evaluate import compare
from spectessera.kmeans.points import cluster_points
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.codec import Codec
from spectessera.network.schedule import Schedule
from spectessera.network.training import train
from spectessera.studies.experiments import PAGES
from spectessera.studies.published import OF_COLOURS, held_out
from spectessera.synth.cube import cube_from_rgb
from spectessera.synth.paint.pages import miniature

from ._sweep import Sweep

IMAGE, SPECTRA = (128, 96), 20_480
COLUMNS = ("k", "k_open", "f1", "tversky", "ari", "f1_four", "ari_four", "error", "best_epoch")
SHOWN = {
    "k": "k of 3..5",
    "k_open": "k of 2..10",
    "f1": "F1",
    "tversky": "Tversky",
    "ari": "ARI",
    "f1_four": "k = 4: F1",
    "ari_four": "ARI",
    "error": "error",
}


@dataclass(frozen=True)
class Case:
    """The settings of one run; the defaults are the base."""

    threshold: float = 0.8
    counts: int = 400
    beta: float = 1.0  # at the end of its schedule
    variational: bool = True
    gamma: float = 0.0
    dropout: float = 0.1
    encoding: str | None = "tanh"
    latent: int = 3
    stabilise: str | None = "log"
    normalise: str = "max"


BASE = Case()
SWEEPS: dict[str, dict[str, Case]] = {
    "threshold": {
        "0.8": BASE,
        "0.5": replace(BASE, threshold=0.5),
        "0.2, as in the paper": replace(BASE, threshold=0.2),
        "0.2, 4,000 counts": replace(BASE, threshold=0.2, counts=4000),
        "0.2, 4,000 counts, no discrepancy": replace(BASE, threshold=0.2, counts=4000, beta=0.0),
    },
    "discrepancy (beta at the end)": {
        "1": BASE,
        "0.01": replace(BASE, beta=0.01),
        "0": replace(BASE, beta=0.0),
        "0, not variational": replace(BASE, beta=0.0, variational=False),
    },
    "cluster term with gradient": {
        "none": BASE,
        "gamma 0.002": replace(BASE, gamma=0.002),
    },
    "dropout": {
        "0.1": BASE,
        "0": replace(BASE, dropout=0.0),
    },
    "encoding layer": {
        "tanh": BASE,
        "SELU and dropout": replace(BASE, encoding=None),
    },
    "latent": {
        "3": BASE,
        "8": replace(BASE, latent=8),
    },
    "input": {
        "log(1 + x), maximum": BASE,
        "maximum": replace(BASE, stabilise=None),
        "square root, L2": replace(BASE, stabilise="sqrt", normalise="l2"),
    },
}


def data(case: Case, seed: int):
    """Return inputs to train on, inputs of the pixels of the held-out page, and their classes."""
    recipe = Preprocess(stabilise=case.stabilise, normalise=case.normalise)
    generator = np.random.default_rng([62, seed])
    parts = []
    for number in range(PAGES):
        scan, _ = cube_from_rgb(
            miniature(100 * seed + number, (96, 72)),
            counts=case.counts, threshold=case.threshold, seed=3000 + 10_000 * seed + number,
        )  # fmt: skip
        pixels = scan.values.reshape(-1, scan.shape[-1])
        parts.append(pixels[generator.choice(len(pixels), SPECTRA // PAGES, replace=False)])
    cube, truth = cube_from_rgb(
        held_out(seed, IMAGE),
        counts=case.counts, threshold=case.threshold, clusters=OF_COLOURS, seed=4000 + seed,
    )  # fmt: skip
    axis = spectral_axis(cube)
    pixels = cube.values.reshape(-1, cube.shape[-1])
    spectra = np.concatenate(parts)[generator.permutation(SPECTRA)]
    both = (recipe.apply(each, axis).values for each in (spectra, pixels))
    return *both, truth["label"].values.ravel()


def trained(case: Case, spectra: np.ndarray, seed: int):
    """Return the trained network and its history."""
    network = Network(
        latent=case.latent,
        encoder=(512, 256, 128, 32),
        decoder=(64, 128, 256, 512),
        block="snn",
        dropout=case.dropout,
        init="kaiming",
        variational=case.variational,
        encoding_activation=case.encoding,
    )
    training = Training(
        epochs=22,
        batch_size=256,
        learning_rate=1e-3,
        gamma=case.gamma,
        beta=Schedule(0.0, case.beta, 4, 12) if case.beta else 0.0,
        total="sum",
        validation=0.1,
        test=0.0,
        plateau=5,
        factor=0.1,
        patience=25,
        seed=seed,
    )
    generator = torch.Generator().manual_seed(seed)
    model = Autoencoder(network, spectra.shape[1], "sigmoid", generator=generator)
    of_batch = Clusters(3, 5, metric="euclidean", criterion="silhouette")
    return model, train(model, torch.from_numpy(spectra), of_batch, training)


def measure(case: Case, seed: int) -> dict[str, float]:
    """Train, segment the page and return the numbers of the columns."""
    spectra, pixels, label = data(case, seed)
    model, history = trained(case, spectra, seed)
    latent = Codec(model).encode(pixels)

    def clustered(low: int, high: int):
        settings = Clusters(low, high, metric="euclidean", criterion="silhouette", max_iter=15)
        return cluster_points(latent, settings, seed=seed)

    found = clustered(3, 5)
    scores = compare(found.labels + 1, label)
    four = compare(clustered(4, 4).labels + 1, label)
    return {
        "k": len(found.centers),
        "k_open": len(clustered(2, 10).centers),
        "f1": scores.f1,
        "tversky": scores.tversky,
        "ari": scores.ari,
        "f1_four": four.f1,
        "ari_four": four.ari,
        "error": history.rows[history.best_epoch]["validation_reconstruction"],
        "best_epoch": history.best_epoch,
    }


SWEEP = Sweep("paper_heritage", BASE, SWEEPS, COLUMNS, SHOWN, measure)

if __name__ == "__main__":
    SWEEP.main()
