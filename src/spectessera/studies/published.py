"""The experiments of arXiv 2401.17695 at the settings that its authors released.

What the released notebook, code and training log state is used as it is. Everything else is a
:class:`Choice` with a name, in one table for each experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import make_cube
from spectessera.kmeans import Clusters
from spectessera.network.autoencoder import Network
from spectessera.network.losses import Schedule
from spectessera.network.settings import Training
from spectessera.preprocess.recipe import Preprocess
from spectessera.synth.cube import cube_from_rgb, nebular_cube
from spectessera.synth.nebulae.lines import nebular_axis
from spectessera.synth.nebulae.nebula import NebularBlock, nebular_spectra
from spectessera.synth.paint.pages import miniature
from spectessera.synth.paint.rgb import few_colours
from spectessera.synth.paint.tiles import lazy_values
from spectessera.synth.stream import Stream

from .experiments import HELD_OUT, PAGES, Experiment, NetworkVariant, Sizes, pigment_names, sky

OF_COLOURS = Clusters(3, 5, criterion="silhouette")  # of the picture that is segmented
TRAINED, VALIDATED = 161_001, 46_001  # spectra, of the released training log
PUBLISHED = Sizes(TRAINED + VALIDATED, (96, 128), 100)


class Choice(NamedTuple):
    """A setting that the paper and its released code leave open.

    Attributes
    ----------
    value : object
        What is used here.
    why : str
    varies : str
        What changes with it.
    """

    value: Any
    why: str
    varies: str


ASTRO = {
    "snr": Choice(
        (100.0, 30.0),
        "the published mean square error falls to 1.3e-4 of a maximum of 1, so the noise is about "
        "1 % of the peak or less; 30 shows what more noise does",
        "k and the scores, see the sweep of the signal-to-noise ratio",
    ),
    "channels": Choice(
        1024,
        "the width of the network; spectra are made with this number of channels from 4750 to 9350 "
        "angstrom instead of being rebinned",
        "nothing but the time; a range that ends at 7310 angstrom is part of the sweep",
    ),
    "unit": Choice(
        1.0,
        "log(1 + x), as in the released code, depends on the unit of the flux, which is not "
        "stated. Here the flux of H beta before reddening is 1: the mean square error is then "
        "1.4e-4, as in the published log (1.3e-4); in a tenth of this unit it is 8e-4",
        "k and the scores, see the sweep of the input",
    ),
    "background": Choice(
        "noise",
        "the paper has noise in the background; the released notebook reads a cube without noise, "
        "and names one with noise in a comment",
        "without noise the background is one point, see the sweep of the background",
    ),
    "init": Choice(
        "kaiming",
        "as in the paper; the released code draws from a normal distribution of width "
        "1/sqrt(outputs)",
        "see the sweep of the start",
    ),
    "restarts": Choice(10, "the released code starts k-means once", "nothing but chance"),
    "image": Choice(PUBLISHED.image, "clouds of the three colours on black", "the standard error"),
}
HERITAGE = {
    "pages": Choice(
        (96, 72),
        "all pixels of 16 procedural pages of this size, 110,592 spectra, or of the pictures of "
        "the user; the paper has 17 paintings of unknown size",
        "the variety of the training spectra",
    ),
    "held out": Choice(
        4,
        "colours of the page that is segmented: the first one that is not used for training and "
        "in which k-means finds this number, as in the paper",
        "the number of groups to be found",
    ),
    "threshold": Choice(
        (0.2, 0.8),
        "0.2 as in the paper: nearly all pigments are in every colour. With 0.8, a colour has one "
        "to four pigments",
        "whether the groups can be told apart by their counts at all",
    ),
    "beta": Choice(
        Schedule(0.0, 1.0, 10, 30),
        "the paper has a rising schedule; these are the epochs that are the defaults of the "
        "released trainer",
        "the latent is nearer to a normal distribution if it is larger, see the sweep",
    ),
    "gamma": Choice(
        0.002,
        "that of the astronomical network",
        "nothing but the selected epoch, since the term has no gradient",
    ),
    "stabilise": Choice(
        "log", "log(1 + x) divided by the maximum, as in the released code", "weak lines count more"
    ),
    "patience": Choice(
        25, "that of the astronomical network; the trainer has a default of 10", "the time"
    ),
    "latent": Choice(3, "that of the astronomical network", "the details that are decoded"),
    "k": Choice(
        (3, 5),
        "the range of the segmentation of the astronomical cube, for the picture as well",
        "see the column of k from 2",
    ),
}


def streamed_cube(stream: Stream[NebularBlock]) -> xr.DataArray:
    """Return the spectra of a stream as a lazy cube (n, 1, channel), made block by block."""
    values = lazy_values(
        (stream.n, 1),
        np.float32,
        len(stream.axis),
        lambda number: _flux(stream.block(number).spectra),
        "auto",
    )
    return make_cube(values, axis=stream.axis)


def _flux(spectra: np.ndarray) -> np.ndarray:
    """Return fluxes in the unit of the choice; negative ones become 0, as in the released code."""
    return np.maximum(spectra, 0) * np.float32(ASTRO["unit"].value)


def _training(seed: int, sizes: Sizes) -> Training:
    """Return the released settings of the training of the astronomical network."""
    return Training(
        epochs=sizes.epochs,
        batch_size=512,
        learning_rate=1e-3,
        gamma=0.002,
        cluster_gradient=False,
        total="sum",
        lloyd_iter=10,
        validation=VALIDATED / (TRAINED + VALIDATED),
        test=0.0,
        plateau=5,
        factor=0.1,
        patience=25,
        max_spectra=sizes.spectra,
        seed=seed,
    )


def astro(seed: int, sizes: Sizes, snr: float) -> Experiment:
    """Return the astronomical experiment at the published settings, see :data:`ASTRO`.

    Parameters
    ----------
    seed : int
    sizes : Sizes
    snr : float
        Peak of H alpha over the noise, in a channel of the network.
    """
    channels = ASTRO["channels"].value
    step = 4600.0 / channels
    axis = nebular_axis(4750.0 + step / 2, 9350.0, step)
    train = streamed_cube(nebular_spectra(sizes.spectra, snr, seed=1000 + seed, axis=axis))
    picture = sky(seed, sizes.image)
    cube, truth = nebular_cube(picture, snr=snr, seed=2000 + seed, axis=axis)
    cube = cube.copy(data=_flux(cube.values))
    colours = few_colours(picture, Clusters(2, 10, criterion="silhouette"), seed=seed)
    variants = _astro_variants(seed, sizes)
    return Experiment(
        name=f"astro-{snr:g}",
        description=f"nebulae, S/N {snr:g}, background of noise not in the training data",
        train=[train],
        cube=cube,
        picture=picture,
        colours=colours.colour + 1,
        colour_rgb=colours.rgb,
        truth=truth["label"].values,
        classes=tuple(str(each) for each in truth["class"].values),
        background=4,
        preprocess=variants[0].preprocess,
        clusters=_segmentation((3, 5)),
        variants=variants,
    )


def _segmentation(k: tuple[int, int]) -> Clusters:
    """Return how an image is segmented: 15 Lloyd iterations, k by the silhouette."""
    return Clusters(
        k[0],
        k[1],
        restarts=ASTRO["restarts"].value,
        max_iter=15,
        metric="euclidean",
        criterion="silhouette",
    )


def _released(
    description: str,
    preprocess: Preprocess,
    network: Network,
    training: Training,
    clusters: Clusters,
) -> tuple[NetworkVariant, ...]:
    """Return a network trained as released, and with one change of the cluster term each."""
    return (
        NetworkVariant(
            "paper",
            f"{description}, cluster term without gradient",
            preprocess,
            network,
            training,
            clusters,
        ),
        NetworkVariant(
            "selected",
            "the same, epoch and learning rate chosen without the cluster term",
            preprocess,
            network,
            replace(training, gamma=0.0),
            clusters,
        ),
        NetworkVariant(
            "joint",
            "the same, the cluster term with its gradient",
            preprocess,
            network,
            replace(training, cluster_gradient=True),
            clusters,
        ),
    )


def _astro_variants(seed: int, sizes: Sizes) -> tuple[NetworkVariant, ...]:
    """Return the networks of the astronomical experiment; the first is the released one."""
    network = Network(
        latent=3,
        encoder=(512, 256, 32),
        decoder=(128, 256),
        block="snn",
        dropout=0.1,
        init=ASTRO["init"].value,
        encoding_activation="tanh",
        output="sigmoid",
    )
    preprocess = Preprocess(stabilise="log")
    training = _training(seed, sizes)
    of_batch = Clusters(2, 3, metric="euclidean", criterion="silhouette")
    return (
        *_released("as released: gamma = 0.002", preprocess, network, training, of_batch),
        NetworkVariant(
            "best",
            "ours: L2-normalised, no dropout, reconstruction only",
            Preprocess(normalise="l2"),
            replace(network, init="auto", dropout=0.0, encoding_activation=None, output="auto"),
            replace(training, gamma=0.0),
        ),
    )


def held_out(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the first page, (y, x, 3), that is not for training and has the chosen colours.

    Their number is found twice, as for the pigments of the cube and as for the reference.
    """
    wanted = HERITAGE["held out"].value
    for number in range(HELD_OUT, 100):
        page = miniature(100 * seed + number, shape)
        seeds = (4000 + seed, seed + 1)
        if all(len(few_colours(page, OF_COLOURS, seed=each).rgb) == wanted for each in seeds):
            return page
    raise ValueError(f"no page of seed {seed} and shape {shape} has {wanted} colours")


def held_out_cube(
    picture: np.ndarray, threshold: float, seed: int
) -> tuple[xr.DataArray, xr.Dataset]:
    """Return the scan of the page that is not for training, and its truth."""
    return cube_from_rgb(
        picture, counts=400, threshold=threshold, clusters=OF_COLOURS, seed=4000 + seed
    )


def heritage(
    seed: int, sizes: Sizes, threshold: float, pictures: tuple[np.ndarray, ...] = ()
) -> Experiment:
    """Return the heritage experiment at the published settings, see :data:`HERITAGE`.

    Parameters
    ----------
    seed : int
    sizes : Sizes
    threshold : float
        Least similarity of a pigment to a colour; 0.2 in the paper.
    pictures : tuple of array (y, x, 3)
        Paintings; each replaces one of the procedural pages. More of them are all used.
    """
    shape = HERITAGE["pages"].value
    pages = [miniature(100 * seed + n, shape) for n in range(PAGES - len(pictures))]
    train = [
        cube_from_rgb(
            page, counts=400, threshold=threshold, seed=3000 + 10_000 * seed + n, chunks="auto"
        )[0]
        for n, page in enumerate((*pictures, *pages))
    ]
    picture = held_out(seed, (sizes.image[1], sizes.image[0]))
    cube, truth = held_out_cube(picture, threshold, seed)
    colours = few_colours(picture, OF_COLOURS, seed=seed + 1)
    variants = _heritage_variants(seed, sizes)
    return Experiment(
        name=f"heritage-{threshold:g}",
        description=f"pages as XRF scans, 400 counts, threshold {threshold:g}, one page held out",
        train=train,
        cube=cube,
        picture=picture,
        colours=colours.colour + 1,
        colour_rgb=colours.rgb,
        truth=truth["label"].values,
        classes=pigment_names(truth),
        background=0,
        preprocess=variants[0].preprocess,
        clusters=_segmentation(HERITAGE["k"].value),
        variants=variants,
    )


def _heritage_variants(seed: int, sizes: Sizes) -> tuple[NetworkVariant, ...]:
    """Return the networks of the heritage experiment; the first is that of the paper."""
    training = replace(
        _training(seed, sizes),
        beta=HERITAGE["beta"].value,
        gamma=HERITAGE["gamma"].value,
        patience=HERITAGE["patience"].value,
        max_spectra=10_000_000,
    )
    network = Network(
        latent=HERITAGE["latent"].value,
        encoder=(512, 256, 128, 32),
        decoder=(64, 128, 256, 512),
        block="snn",
        dropout=0.1,
        init="kaiming",
        variational=True,
        encoding_activation="tanh",
        output="sigmoid",
    )
    preprocess = Preprocess(stabilise=HERITAGE["stabilise"].value)
    k_min, k_max = HERITAGE["k"].value
    of_batch = Clusters(k_min, k_max, metric="euclidean", criterion="silhouette")
    return (
        *_released(
            "paper: variational, MMD, both schedules", preprocess, network, training, of_batch
        ),
        NetworkVariant(
            "best",
            "ours: square root, L2, latent 8, reconstruction only",
            Preprocess(stabilise="sqrt", normalise="l2"),
            Network(latent=8, depth=4),
            replace(training, beta=0.0, gamma=0.0),
        ),
    )


def makers(
    name: str, seed: int, sizes: Sizes, pictures: tuple[np.ndarray, ...] = ()
) -> tuple[Callable[[], Experiment], ...]:
    """Return functions that make the variants of an experiment when they are called.

    Parameters
    ----------
    name : "astro" or "heritage"
    seed : int
    sizes : Sizes
    pictures : tuple of array (y, x, 3)
        For the training of the heritage experiment.
    """
    if name == "astro":
        return tuple(partial(astro, seed, sizes, snr) for snr in ASTRO["snr"].value)
    return tuple(
        partial(heritage, seed, sizes, threshold, pictures)
        for threshold in HERITAGE["threshold"].value
    )
