"""The experiments of arXiv 2401.17695 at the settings that its authors released.

What the released notebook, code and training log state is used as it is. Everything else is a
choice with a name, in :mod:`spectessera.studies.choices`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from spectessera.cube import make_cube
from spectessera.kmeans import Clusters
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.preprocess.recipe import Preprocess
from spectessera.synth.cube import cube_from_rgb, nebular_cube
from spectessera.synth.nebulae.lines import nebular_axis
from spectessera.synth.nebulae.nebula import NebularBlock, nebular_spectra
from spectessera.synth.paint.pages import miniature
from spectessera.synth.paint.rgb import few_colours
from spectessera.synth.paint.tiles import lazy_values
from spectessera.synth.stream import Stream

from .choices import ASTRO, HERITAGE
from .experiments import HELD_OUT, PAGES, Experiment, NetworkVariant, Sizes, pigment_names, sky

OF_COLOURS = Clusters(3, 5, criterion="silhouette")  # of the picture that is segmented
TRAINED, VALIDATED = 161_001, 46_001  # spectra, of the released training log
PUBLISHED = Sizes(TRAINED + VALIDATED, ASTRO["image"].value, 100)


def streamed_cube(stream: Stream[NebularBlock]) -> xr.DataArray:
    """Return the spectra of a stream as a lazy cube (n, 1, channel), made block by block."""
    values = lazy_values(
        (stream.n, 1),
        np.float32,
        len(stream.axis),
        lambda number: flux(stream.block(number).spectra),
        "auto",
    )
    return make_cube(values, axis=stream.axis)


def flux(spectra: np.ndarray) -> np.ndarray:
    """Return fluxes in the unit of the choice; negative ones are 0, as in the released code."""
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


def astro(seed: int, sizes: Sizes, snr: float, background: float) -> Experiment:
    """Return the astronomical experiment at the published settings.

    Parameters
    ----------
    seed : int
    sizes : Sizes
    snr : float
        Peak of H alpha over the noise, in a channel of the network.
    background : float
        Share of spectra of noise alone in the training.
    """
    channels = ASTRO["channels"].value
    step = 4600.0 / channels
    axis = nebular_axis(4750.0 + step / 2, 9350.0, step)
    stream = nebular_spectra(sizes.spectra, snr, seed=1000 + seed, axis=axis, background=background)
    picture = sky(seed, sizes.image)
    cube, truth = nebular_cube(picture, snr=snr, seed=2000 + seed, axis=axis)
    cube = cube.copy(data=flux(cube.values))
    colours = few_colours(picture, Clusters(2, 10, criterion="silhouette"), seed=seed)
    variants = _astro_variants(seed, sizes)
    return Experiment(
        name=f"astro-{snr:g}-{100 * background:g}",
        description=f"nebulae, S/N {snr:g}, {background:.0%} of the training spectra are noise",
        train=[streamed_cube(stream)],
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
        floor=0.0,
    )


def _segmentation(k: tuple[int, int]) -> Clusters:
    """Return how an image is segmented: 15 Lloyd iterations, k by the silhouette of all pixels."""
    return Clusters(
        k[0],
        k[1],
        restarts=ASTRO["restarts"].value,
        seeding="k-means++",
        max_iter=15,
        silhouette="exact",
        metric="euclidean",
        criterion="silhouette",
    )


def _released(
    description: str,
    preprocess: Preprocess,
    network: Network,
    training: Training,
    clusters: Clusters,
) -> tuple[NetworkVariant, NetworkVariant]:
    """Return a network trained as released, and the same with the gradient of the cluster term."""
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
        max_spectra=HERITAGE["spectra"].value,
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
    words = "paper: variational, discrepancy of rising weight"
    paper, joint = _released(words, preprocess, network, training, of_batch)
    plain = "the same as paper, without the discrepancy"
    return (
        paper,
        joint,
        paper._replace(name="plain", description=plain, training=replace(training, beta=0.0)),
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
        return tuple(partial(astro, seed, sizes, *run) for run in ASTRO["runs"].value)
    return tuple(
        partial(heritage, seed, sizes, threshold, pictures)
        for threshold in HERITAGE["threshold"].value
    )
