"""Which published setting decides the number of groups: one setting changed at a time.

python -m benchmarks.paper_sweeps run 3    # seeds 0, 1, 2; adds the missing rows to the CSV file
python -m benchmarks.paper_sweeps          # the table, and small multiples in docs/images

The base is the astronomical experiment at the released settings (spectessera.studies.published),
made smaller: 512 channels, so that the rule of the widths gives 512-256-128-32-3-64-128-512; 20,480
spectra; batches of 256; 1,584 steps, as many as in 5 epochs of the published training; and without
the cluster term, whose gradient the released code does not have either. The image has noise in its
background; the columns "no background" are of the same network and image with zeros there.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from spectessera import Clusters, Network, Training
from spectessera.evaluate import compare
from spectessera.kmeans.points import cluster_points
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.codec import Codec
from spectessera.network.training import train
from spectessera.studies.experiments import sky
from spectessera.synth.cube import nebular_cube
from spectessera.synth.nebulae.lines import nebular_axis
from spectessera.synth.nebulae.nebula import draw_models, nebular_spectra
from spectessera.synth.nebulae.table import ModelTable

from ._sweep import Sweep

CLASSES = ("hii", "pn", "shock")
IMAGE, BACKGROUND, CHANNELS, BATCH = (72, 96), 4, 512, 256


@dataclass(frozen=True)
class Case:
    """The settings of one run; the defaults are the base."""

    gamma: float = 0.0
    gradient: bool = True  # of the cluster term
    total: str = "sum"
    encoding: str | None = "tanh"
    dropout: float = 0.1
    active: bool = False  # dropout while the image is encoded
    snr: float = 100.0
    log: bool = True
    unit: float = 1.0  # flux of H beta, which log(1 + x) depends on
    normalise: str = "max"
    negative: bool = False  # kept instead of set to 0
    output: str = "sigmoid"
    start: str = "kaiming"
    linear: bool = False
    background: float = 0.0  # share of noise in the training
    models: int = 0  # per class; 0 = every spectrum has its own
    k: tuple[int, int] = (2, 3)
    spectra: int = 20_480
    epochs: int = 22
    last: float = 9350.0  # angstrom


BASE = Case()
# Setting: label and case; the first one is the base.
SWEEPS: dict[str, dict[str, Case]] = {
    "cluster term": {
        "none": BASE,
        "gamma 0.002": replace(BASE, gamma=0.002),
        "gamma 0.002 without gradient, as released": replace(BASE, gamma=0.002, gradient=False),
        "gamma 0.0002": replace(BASE, gamma=0.0002),
        "gamma 0.002, k = 3..5": replace(BASE, gamma=0.002, k=(3, 5)),
        "normalised form, gamma 0.1": replace(BASE, gamma=0.1, total="normalised"),
    },
    "encoding layer": {
        "tanh, as released": BASE,
        "SELU and dropout": replace(BASE, encoding=None),
    },
    "input": {
        "log(1 + x), maximum, as released": BASE,
        "maximum": replace(BASE, log=False),
        "L2": replace(BASE, log=False, normalise="l2"),
        "log(1 + x), L2": replace(BASE, normalise="l2"),
    },
    "flux of H beta in log(1 + x)": {
        "1": BASE,
        "0.1": replace(BASE, unit=0.1),
        "10": replace(BASE, unit=10.0),
        "100": replace(BASE, unit=100.0),
    },
    "noise in the training": {
        "none": BASE,
        "5 % of the spectra": replace(BASE, background=0.05),
        "5 %, S/N 30": replace(BASE, background=0.05, snr=30.0),
        "5 %, gamma 0.002 with gradient": replace(BASE, background=0.05, gamma=0.002),
        "5 %, maximum without log": replace(BASE, background=0.05, log=False),
        "5 %, SELU encoding": replace(BASE, background=0.05, encoding=None),
    },
    "models per class": {
        "one per spectrum": BASE,
        "3": replace(BASE, models=3),
    },
    "S/N": {
        "100": BASE,
        "30": replace(BASE, snr=30.0),
        "10": replace(BASE, snr=10.0),
    },
    "dropout": {
        "0.1, as released": BASE,
        "0": replace(BASE, dropout=0.0),
        "0.1, also while the image is encoded": replace(BASE, active=True),
        "0, and SELU encoding": replace(BASE, dropout=0.0, encoding=None),
    },
    "output": {
        "sigmoid, negative values 0": BASE,
        "identity, negative values kept": replace(BASE, output="identity", negative=True),
    },
    "start": {
        "centred, He": BASE,
        "centred, LeCun": replace(BASE, start="auto"),
        "as released": replace(BASE, start="released"),
        "linear path": replace(BASE, linear=True),
    },
    "wavelengths": {
        "to 9350 angstrom": BASE,
        "to 7310 angstrom": replace(BASE, last=7310.0),
    },
    "training": {
        "20,480 spectra, 22 epochs": BASE,
        "5,120 spectra, 88 epochs": replace(BASE, spectra=5_120, epochs=88),
        "20,480 spectra, 7 epochs": replace(BASE, epochs=7),
    },
}
COLUMNS = (
    "k",  # chosen from 3 to 5
    "k_open",  # chosen from 2 to 8
    "f1",
    "weighted_accuracy",
    "ari",
    "f1_four",  # with four clusters
    "ari_four",
    "k_dark",  # chosen from 3 to 5, without noise in the background
    "f1_dark",
    "f1_nebulae",
    "ari_nebulae",  # three clusters of the pixels that are not background
    "error",  # mean square, of the validation spectra
    "trained_error",  # in the last epoch, with dropout
    "variance",  # of the inputs
    "best_epoch",
    "spectra_per_second",
)
SHOWN = {
    "k": "k of 3..5",
    "k_open": "k of 2..8",
    "f1": "F1",
    "ari": "ARI",
    "f1_four": "k = 4: F1",
    "ari_four": "ARI",
    "f1_nebulae": "nebulae: F1",
    "k_dark": "no background: k of 3..5",
    "f1_dark": "F1",
    "error": "error",
}


class ReleasedStart(Autoencoder):
    """Starts as the released code: inputs as they are, weights of width 1/sqrt(outputs)."""

    def start_from(self, spectra: torch.Tensor) -> None:  # noqa: ARG002
        """Draw the weights again, and leave inputs and outputs as they are."""
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, torch.nn.Linear):
                    layer.weight.normal_(0, layer.out_features**-0.5)


def axis_of(case: Case):
    """Return the wavelengths of the channels."""
    step = (case.last - 4750.0) / CHANNELS
    return nebular_axis(4750.0 + step / 2, case.last, step)


def few_models(count: int, seed: int) -> ModelTable | None:
    """Return a table of ``count`` models of each class; None for 0."""
    if count == 0:
        return None
    generator = np.random.default_rng([61, seed])
    flux = [draw_models(kind, count, generator=generator).flux for kind in CLASSES]
    return ModelTable(np.concatenate(flux), np.repeat(CLASSES, count), {}, (), ())


def inputs(spectra: np.ndarray, case: Case) -> np.ndarray:
    """Return network inputs (n, channel); spectra without signal are 0."""
    values = spectra if case.negative else np.maximum(spectra, 0)
    if case.log:
        values = np.sign(values) * np.log1p(case.unit * np.abs(values))
    by_maximum = case.normalise == "max"
    size = values.max(axis=1) if by_maximum else np.sqrt(np.square(values).sum(axis=1))
    return (values / np.where(size > 0, size, 1)[:, None]).astype(np.float32)


def data(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs to train on, inputs of the pixels of an image, and their classes."""
    axis, table = axis_of(case), few_models(case.models, seed)
    stream = nebular_spectra(
        case.spectra, case.snr, seed=1000 + seed, axis=axis, table=table, background=case.background
    )
    picture = sky(seed, IMAGE)
    cube, truth = nebular_cube(picture, case.snr, 2000 + seed, axis=axis, table=table)
    label = truth["label"].values.ravel()
    pixels = cube.values.reshape(len(label), -1)
    return inputs(stream.collect().spectra, case), inputs(pixels, case), label


def trained(case: Case, seed: int, spectra: np.ndarray):
    """Return the trained network and its history."""
    network = Network(
        latent=3,
        encoder=(CHANNELS // 2, CHANNELS // 4, 32),
        decoder=(CHANNELS // 8, CHANNELS // 4),
        block="snn",
        dropout=case.dropout,
        init="kaiming" if case.start == "released" else case.start,
        encoding_activation=case.encoding,
        linear_path=case.linear,
    )
    training = Training(
        epochs=case.epochs,
        batch_size=BATCH,
        gamma=case.gamma,
        cluster_gradient=case.gradient,
        total=case.total,
        validation=0.1,
        test=0.0,
        plateau=5,
        factor=0.1,
        patience=25,
        seed=seed,
    )
    kind = ReleasedStart if case.start == "released" else Autoencoder
    generator = torch.Generator().manual_seed(seed)
    model = kind(network, CHANNELS, case.output, generator=generator)
    clusters = Clusters(*case.k, metric="euclidean", criterion="silhouette")
    return model, train(model, torch.from_numpy(spectra), clusters, training)


def encoded(model: Autoencoder, pixels: np.ndarray, case: Case, seed: int) -> np.ndarray:
    """Return the latents of pixels."""
    if not case.active:
        return Codec(model).encode(pixels)
    model.train()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        return model.encode(torch.from_numpy(pixels))[0].numpy()


def measure(case: Case, seed: int) -> dict[str, float]:
    """Train, segment the image and return the numbers of the columns."""
    spectra, pixels, label = data(case, seed)
    start = time.perf_counter()
    model, history = trained(case, seed, spectra)
    seconds = time.perf_counter() - start
    latent = encoded(model, pixels, case, seed)

    def clustered(low: int, high: int, points: np.ndarray = latent):
        settings = Clusters(low, high, metric="euclidean", criterion="silhouette", max_iter=15)
        return cluster_points(points, settings, seed=seed)

    found = clustered(3, 5)
    scores = compare(found.labels + 1, label)
    nebulae = label != BACKGROUND
    dark = encoded(model, np.where(nebulae[:, None], pixels, 0), case, seed)
    found_dark = clustered(3, 5, dark)
    four = compare(clustered(4, 4).labels + 1, label)
    three = compare(clustered(3, 3, latent[nebulae]).labels + 1, label[nebulae])
    best = history.rows[history.best_epoch]
    return {
        "k": len(found.centers),
        "k_open": len(clustered(2, 8).centers),
        "f1": scores.f1,
        "weighted_accuracy": scores.weighted_accuracy,
        "ari": scores.ari,
        "f1_four": four.f1,
        "ari_four": four.ari,
        "k_dark": len(found_dark.centers),
        "f1_dark": compare(found_dark.labels + 1, label).f1,
        "f1_nebulae": three.f1,
        "ari_nebulae": three.ari,
        "error": best["validation_reconstruction"],
        "trained_error": history.rows[-1]["reconstruction"],
        "variance": float(spectra.var(axis=0).mean()),
        "best_epoch": history.best_epoch,
        "spectra_per_second": case.spectra * len(history.rows) / seconds,
    }


SWEEP = Sweep("paper_sweeps", BASE, SWEEPS, COLUMNS, SHOWN, measure)

if __name__ == "__main__":
    SWEEP.main()
