"""The two experiments of arXiv 2401.17695: data for every seed, and settings of the networks.

The data of the paper are not available; these are made with :mod:`spectessera.synth`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import make_cube
from spectessera.kmeans import Clusters
from spectessera.network.schedule import Schedule
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.preprocess.recipe import Preprocess
from spectessera.synth.cube import cube_from_rgb, nebular_cube
from spectessera.synth.nebulae.nebula import nebular_spectra
from spectessera.synth.paint.pages import miniature
from spectessera.synth.paint.rgb import few_colours

NAMES = ("astro", "heritage")
HELD_OUT = 17  # number of the page that is not used for training
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
PAGES = 16  # training pages; pictures of the user replace some of them


@dataclass(frozen=True)
class Sizes:
    """Size of an experiment.

    Parameters
    ----------
    spectra : int
        Number of training spectra.
    image : (int, int)
        Pixels of the segmented image, (y, x).
    epochs : int
    levels : tuple of float
        PSNR of the noise study, dB.
    fit_pixels : int
        Number of pixels on which UMAP and t-SNE are fitted.
    """

    spectra: int = 12_288
    image: tuple[int, int] = (72, 96)
    epochs: int = 30
    levels: tuple[float, ...] = (np.inf, 40.0, 35.0, 30.0, 25.0, 20.0, 15.0, 10.0)
    fit_pixels: int = 3000


QUICK = Sizes(3072, (40, 56), 10, (np.inf, 30.0, 20.0, 10.0), 1000)
FULL = Sizes()


class NetworkVariant(NamedTuple):
    """Settings of one network, with a name and a short description.

    ``clusters`` is the range of k in the batches of its training; None = as for the image.
    """

    name: str
    description: str
    preprocess: Preprocess
    network: Network
    training: Training
    clusters: Clusters | None = None


class Experiment(NamedTuple):
    """Data and settings of one experiment.

    Attributes
    ----------
    name : str
        Of the experiment and its variant; can be used as a file name.
    description : str
    train : list of DataArray
        Cubes for training.
    cube : DataArray (y, x, channel)
        The image to be segmented; not used for training.
    picture : array (y, x, 3), uint8
        The image from which the cube was made.
    colours : array (y, x), int64
        The clustered colours of the picture, 1..K.
    colour_rgb : array (K, 3)
    truth : array (y, x), int32
        True labels, 1..K.
    classes : tuple of str
        Their names.
    background : int
        The class that is not in the training data; 0 = none.
    preprocess : Preprocess
        Of the baselines.
    clusters : Clusters
        The range of k of all methods.
    variants : tuple of NetworkVariant
    floor : float or None
        Smallest value of the cubes, also after noise was added; None = as they are.
    """

    name: str
    description: str
    train: list[xr.DataArray]
    cube: xr.DataArray
    picture: np.ndarray
    colours: np.ndarray
    colour_rgb: np.ndarray
    truth: np.ndarray
    classes: tuple[str, ...]
    background: int
    preprocess: Preprocess
    clusters: Clusters
    variants: tuple[NetworkVariant, ...]
    floor: float | None = None


def sky(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Draw clouds of pure red, green and blue on black, (y, x, 3) uint8."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng([50, seed])
    scale = min(shape) / 10
    fields = [gaussian_filter(generator.standard_normal(shape), scale, mode="wrap") for _ in "rgb"]
    stack = np.stack([field / field.std() for field in fields], axis=2)
    image = np.zeros((*shape, 3), np.uint8)
    rows, columns = np.nonzero(stack.max(axis=2) > 0.5)
    image[rows, columns, stack.argmax(axis=2)[rows, columns]] = 255
    return image


def astro(seed: int, sizes: Sizes) -> Experiment:
    """Return the astronomical experiment: nebulae, on a background not in the training data.

    Section 3 of the paper: an autoencoder of self-normalising blocks, 1024-512-256-32-3 and
    3-128-256-1024, without cluster term.
    """
    stream = nebular_spectra(sizes.spectra, (10.0, 100.0), seed=1000 + seed)
    block = stream.collect()
    train = make_cube(block.spectra[:, None, :], axis=stream.axis)
    picture = sky(seed, sizes.image)
    cube, truth = nebular_cube(picture, snr=(10.0, 100.0), seed=2000 + seed)
    colours = few_colours(picture, Clusters(2, 10, criterion="silhouette"), seed=seed)
    variants = _astro_variants(seed, sizes.epochs)
    return Experiment(
        name="astro",
        description="nebulae, S/N 10-100, background of noise not in the training data",
        train=[train],
        cube=cube,
        picture=picture,
        colours=colours.colour + 1,
        colour_rgb=colours.rgb,
        truth=truth["label"].values,
        classes=tuple(str(each) for each in truth["class"].values),
        background=4,
        preprocess=variants[0].preprocess,
        clusters=Clusters(2, 10, metric="euclidean", criterion="silhouette"),
        variants=variants,
    )


def _astro_variants(seed: int, epochs: int) -> tuple[NetworkVariant, ...]:
    """Return the networks of the astronomical experiment; the first is that of the paper."""
    network = Network(
        latent=3, encoder=(512, 256, 32), decoder=(128, 256), block="snn", init="kaiming"
    )
    paper = Preprocess(rebin_to=1024)
    training = Training(epochs=epochs, batch_size=512, gamma=0.0, seed=seed)
    return (
        NetworkVariant(
            "paper",
            "paper: SNN, latent 3, maximum-normalised, reconstruction only",
            paper,
            network,
            training,
        ),
        NetworkVariant(
            "joint",
            "the same, trained jointly (gamma = 0.1)",
            paper,
            network,
            replace(training, gamma=0.1),
        ),
        NetworkVariant(
            "best",
            "ours: the same, but L2-normalised",
            Preprocess(rebin_to=1024, normalise="l2"),
            replace(network, init="auto"),
            training,
        ),
    )


def heritage(
    seed: int, sizes: Sizes, threshold: float, pictures: tuple[np.ndarray, ...] = ()
) -> Experiment:
    """Return the heritage experiment: pages as XRF scans, one of them held out.

    Section 3 of the paper: a variational network with maximum mean discrepancy, 4 + 1 encoder and
    4 decoder layers, schedules of beta and gamma; spectra of 17 images, one of them held out.

    Parameters
    ----------
    seed : int
    sizes : Sizes
    threshold : float
        Least similarity of a pigment to a colour: 0.2 in the paper; the default of
        :func:`spectessera.synth.cube_from_rgb` is 0.8.
    pictures : tuple of array (y, x, 3)
        Paintings; each replaces one of the 16 procedural training pages.
    """
    shape = (sizes.image[1], sizes.image[0])  # pages are upright
    pages = [miniature(100 * seed + n, shape) for n in range(PAGES - len(pictures))]
    train = []
    for number, page in enumerate((*pictures, *pages)):
        scan, _ = cube_from_rgb(
            page, counts=400, threshold=threshold, seed=3000 + 100 * seed + number, chunks="auto"
        )
        train.append(scan)
    picture = miniature(100 * seed + HELD_OUT, shape)
    cube, truth = cube_from_rgb(picture, counts=400, threshold=threshold, seed=4000 + seed)
    colours = few_colours(picture, Clusters(2, 10, criterion="silhouette"), seed=seed + 1)
    fraction = sizes.spectra / sum(each.sizes["y"] * each.sizes["x"] for each in train)
    variants = _heritage_variants(seed, sizes.epochs, min(1.0, fraction))
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
        clusters=Clusters(2, 10, metric="euclidean", criterion="silhouette"),
        variants=variants,
    )


def _heritage_variants(seed: int, epochs: int, fraction: float) -> tuple[NetworkVariant, ...]:
    """Return the networks of the heritage experiment; the first is that of the paper."""
    training = Training(epochs=epochs, batch_size=512, gamma=0.0, fraction=fraction, seed=seed)
    end = max(1, epochs // 2)
    joint = replace(
        training, beta=Schedule(0.0, 1.0, 0, end), gamma=Schedule(0.0, 0.1, end // 3, end)
    )
    return (
        NetworkVariant(
            "paper",
            "paper: variational, MMD, latent 3, joint",
            Preprocess(),
            Network(latent=3, depth=4, variational=True),
            joint,
        ),
        NetworkVariant(
            "reconstruction",
            "MLP of the same size, latent 3, reconstruction only",
            Preprocess(),
            Network(latent=3, depth=4),
            training,
        ),
        NetworkVariant(
            "best",
            "ours: square root, L2, latent 8, reconstruction only",
            Preprocess(stabilise="sqrt", normalise="l2"),
            Network(latent=8, depth=4),
            training,
        ),
    )


def pigment_names(truth: xr.Dataset) -> tuple[str, ...]:
    """Return a name for every colour: its number and its main pigment."""
    label, weight = truth["label"].values, truth["weight"].values
    names = []
    for number in range(1, int(label.max()) + 1):
        first = weight[label == number].mean(axis=0).argmax()
        names.append(f"{number} {truth['pigment'].values[first]}")
    return tuple(names)


def makers(
    name: str, seed: int, sizes: Sizes, folder: Path | None = None
) -> tuple[Callable[[], Experiment], ...]:
    """Return functions that make the variants of an experiment when they are called.

    Parameters
    ----------
    name : "astro" or "heritage"
    seed : int
    sizes : Sizes
    folder : Path, optional
        Of pictures (PNG, JPEG) for the training of the heritage experiment.
    """
    if name == "astro":
        return (partial(astro, seed, sizes),)
    pictures = tuple(read_pictures(folder, PAGES)) if folder is not None else ()
    return tuple(partial(heritage, seed, sizes, threshold, pictures) for threshold in (0.2, 0.8))


def read_pictures(folder: Path, most: int | None = None) -> list[np.ndarray]:
    """Read the pictures of a folder, the first ``most`` of them."""
    from spectessera.synth.paint.rgb import read_image

    return [read_image(path) for path in picture_files(folder)[:most]]


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder (PNG, JPEG, TIFF) by name.

    Raises
    ------
    ValueError
        If there are none.
    """
    paths = sorted(each for each in folder.iterdir() if each.suffix.lower() in PICTURES)
    if not paths:
        raise ValueError(f"{folder} contains no picture ({', '.join(PICTURES)})")
    return paths
