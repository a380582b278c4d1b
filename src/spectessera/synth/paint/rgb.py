"""The main colours of an RGB image, and the pigments with similar colours.

The image part of ganX (Bombini et al. 2023, arXiv 2304.14078): k-means on the colours of the
pixels, with the k of the best silhouette, and the similarity of a colour to every pigment of a
palette. One of the modules that call k-means, which works on tensors, with numpy arrays.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera._util.reading import FileRefused, check_regular
from spectessera.colours import to_lab
from spectessera.kmeans import Clusters

DISTANCES = ("ciede2000", "cie94")
SAMPLE = 4096  # pixels whose colours are clustered; the others get the nearest colour
WHITE = 255.0
MAX_PIXELS = 50_000_000  # of a picture: the cube of a larger one fits on no disk
_ROWS = 256  # that are converted at a time
# The similarity is (101 - distance) / 101, as in ganX.
FARTHEST = 101.0


class Colours(NamedTuple):
    """The main colours of an image.

    Attributes
    ----------
    colour : array (y, x), int64
        Index of the colour of every pixel, from 0, the most frequent one.
    rgb : array (colour, 3), float64
        Mean colour of the pixels of every colour, 0..255.
    """

    colour: np.ndarray
    rgb: np.ndarray


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as RGB (y, x, 3), uint8.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not an image, or has too many pixels.
    """
    from PIL import Image, ImageOps

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    check_regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked here
            opening = Image.open(path)
        with opening as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise FileRefused(
                    f"{path} has {opened.width} x {opened.height} pixels; {MAX_PIXELS} are the "
                    "most: scale it down"
                )
            deep = opened.mode.startswith(("I", "F"))
            wanted = "RGBA" if opened.has_transparency_data else "RGB"
            upright = ImageOps.exif_transpose(opened)
            values = np.asarray(upright if deep else upright.convert(wanted))
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} has too many pixels: {error}") from error
    except (PermissionError, FileRefused):
        raise
    except Exception as error:  # Pillow raises errors of many kinds for unreadable files
        raise ValueError(
            f"{path} cannot be read as an image ({error}); give a PNG, JPEG or TIFF file"
        ) from error
    if deep and values.dtype.kind == "i":  # Pillow reads some 16-bit images as 32-bit integers
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"{path} contains values beyond 16 bits; scale them to 0..65535")
        values = values.astype(np.uint16)
    return check_image(values)


def check_image(image: Any) -> np.ndarray:
    """Return an image as RGB (y, x, 3), uint8.

    Parameters
    ----------
    image : array (y, x), (y, x, 1), (y, x, 3) or (y, x, 4)
        Grey, RGB or RGB with alpha (composed over white); uint8, uint16 (0..65535), bool, or
        floats in 0..1.

    Raises
    ------
    ValueError, TypeError
        If shape, type or values are not valid.
    """
    values = np.asarray(image)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4) or 0 in values.shape:
        raise ValueError(
            f"an image has the shape (y, x), (y, x, 3) or (y, x, 4); got {np.asarray(image).shape}"
        )
    out = np.empty((*values.shape[:2], 3), np.uint8)
    for first in range(0, len(values), _ROWS):
        share = _share(values[first : first + _ROWS])
        if values.shape[2] in (2, 4):
            alpha = share[:, :, -1:]
            share = alpha * share[:, :, :-1] + (1 - alpha)
        out[first : first + _ROWS] = np.rint(WHITE * share)
    return out


def _share(values: np.ndarray) -> np.ndarray:
    """Return values in 0..1."""
    if values.dtype == np.bool_:
        return values.astype(np.float64)
    if values.dtype in (np.uint8, np.uint16):
        return values / float(np.iinfo(values.dtype).max)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ValueError(
                "an image of floats has values in 0..1; divide it by its largest possible value"
            )
        return values.astype(np.float64)
    raise TypeError(f"an image is uint8, uint16, bool or float; got dtype {values.dtype}")


def few_colours(image: Any, clusters: Clusters | None = None, *, seed: int = 0) -> Colours:
    """Cluster the colours of an image, with the k of the best silhouette.

    k-means runs on a sample of 4096 pixels; every pixel gets the nearest of its centers.

    Parameters
    ----------
    image : array (y, x, 3)
        As for :func:`check_image`.
    clusters : Clusters, optional
        The range of k; by default 3 to 10. An image with fewer colours keeps them.
    seed : int

    Returns
    -------
    Colours

    Raises
    ------
    ValueError, TypeError
        If it is not an image, or ``clusters`` is not a Clusters.
    """
    if clusters is not None and not isinstance(clusters, Clusters):
        raise TypeError(f"clusters must be a Clusters; got {clusters!r}")
    picture = check_image(image)
    height, width, _ = picture.shape
    flat = picture.reshape(-1, 3)
    settings = clusters or Clusters(k_min=3, k_max=10, criterion="silhouette")
    distinct = _distinct(flat, settings.k_min)
    if distinct is not None:
        centers = distinct.astype(np.float64)
    else:
        centers = _cluster(flat, settings, seed)
    index = np.concatenate(
        [
            np.square(part[:, None] - centers[None]).sum(axis=2).argmin(axis=1)
            for part in np.array_split(flat.astype(np.float64), 1 + len(flat) // 65536)
        ]
    )
    counts = np.bincount(index, minlength=len(centers))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    rank = np.zeros(len(centers), dtype=np.int64)
    rank[order] = np.arange(len(order))
    index = rank[index]
    sums = np.stack([np.bincount(index, weights=column) for column in flat.T], axis=1)
    mean = sums / np.bincount(index)[:, None]
    return Colours(index.reshape(height, width), mean)


def _distinct(flat: np.ndarray, most: int) -> np.ndarray | None:
    """Return the colours of an image with at most ``most`` of them, otherwise None."""
    code = flat.astype(np.int64) @ np.array([65536, 256, 1])
    codes = np.unique(code)
    if len(codes) > most:
        return None
    return np.stack([codes // 65536, codes // 256 % 256, codes % 256], axis=1)


def _cluster(flat: np.ndarray, settings: Clusters, seed: int) -> np.ndarray:
    """Return the centers (k, 3) of the colours of a sample of pixels."""
    import torch

    from spectessera.kmeans import choose_k

    generator = np.random.default_rng([10, seed])
    rows = flat
    if len(flat) > SAMPLE:
        rows = flat[np.sort(generator.choice(len(flat), SAMPLE, replace=False))]
    if len(rows) <= settings.k_min or len(np.unique(rows, axis=0)) <= settings.k_min:
        return np.unique(rows, axis=0).astype(np.float64)  # the sample has few colours
    choice = choose_k(
        torch.from_numpy(rows.astype(np.float32)),
        settings,
        generator=torch.Generator().manual_seed(seed),
    )
    return choice.centers.double().numpy()


def delta_e(lab: np.ndarray, other: np.ndarray, distance: str = "ciede2000") -> np.ndarray:
    """Return the difference between CIELAB colours.

    Parameters
    ----------
    lab, other : array (..., 3)
        Broadcast against each other. CIE94 is not symmetric: ``lab`` is the reference.
    distance : "ciede2000" or "cie94"
        CIEDE2000 as in Sharma, Wu & Dalal 2005 (Color Res. Appl. 30, 21); CIE94 with the
        constants for graphic arts.

    Returns
    -------
    array (...)

    Raises
    ------
    ValueError
        If the distance is unknown.
    """
    check_choice("distance", distance, DISTANCES)
    lab, other = np.broadcast_arrays(np.asarray(lab, float), np.asarray(other, float))
    return _ciede2000(lab, other) if distance == "ciede2000" else _cie94(lab, other)


def _cie94(lab: np.ndarray, other: np.ndarray) -> np.ndarray:
    chroma, other_chroma = (
        np.hypot(lab[..., 1], lab[..., 2]),
        np.hypot(other[..., 1], other[..., 2]),
    )
    step = lab - other
    d_chroma = chroma - other_chroma
    d_hue2 = np.maximum(step[..., 1] ** 2 + step[..., 2] ** 2 - d_chroma**2, 0)
    scaled = (d_chroma / (1 + 0.045 * chroma)) ** 2 + d_hue2 / (1 + 0.015 * chroma) ** 2
    return np.sqrt(step[..., 0] ** 2 + scaled)


def _ciede2000(lab: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sharma et al. 2005, eqs. 2-22."""
    mean_chroma = (np.hypot(lab[..., 1], lab[..., 2]) + np.hypot(other[..., 1], other[..., 2])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    chroma, hue = _polar(lab, stretch)
    other_chroma, other_hue = _polar(other, stretch)
    grey = chroma * other_chroma == 0
    turn = other_hue - hue
    turn = np.where(turn > 180, turn - 360, np.where(turn < -180, turn + 360, turn))
    d_hue = 2 * np.sqrt(chroma * other_chroma) * np.sin(np.radians(np.where(grey, 0, turn)) / 2)
    middle = (hue + other_hue) / 2
    around = np.where(hue + other_hue < 360, middle + 180, middle - 180)
    opposite = np.abs(hue - other_hue) > 180
    middle = np.where(grey, hue + other_hue, np.where(opposite, around, middle))
    weights = _ciede2000_weights((lab[..., 0] + other[..., 0]) / 2, middle)
    s_light, factor, rotation = weights
    mean = (chroma + other_chroma) / 2
    light = (other[..., 0] - lab[..., 0]) / s_light
    saturation = (other_chroma - chroma) / (1 + 0.045 * mean)
    tint = d_hue / (1 + 0.015 * mean * factor)
    twist = -rotation * 2 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    return np.sqrt(np.maximum(light**2 + saturation**2 + tint**2 + twist * saturation * tint, 0))


def _polar(lab: np.ndarray, stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return chroma and hue (degrees, 0..360) with the stretched a* axis."""
    a, b = stretch * lab[..., 1], lab[..., 2]
    return np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


def _ciede2000_weights(
    light: np.ndarray, hue: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return S_L, T and the sine of the rotation of mean lightness and hue."""
    s_light = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    angles = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    factor = 1 + sum(size * np.cos(np.radians(n * hue + shift)) for size, n, shift in angles)
    turn = 30 * np.exp(-(((hue - 275) / 25) ** 2))
    return s_light, factor, np.sin(np.radians(2 * turn))


def pigment_weights(
    rgb: np.ndarray, pigments: np.ndarray, threshold: float, distance: str = "ciede2000"
) -> np.ndarray:
    """Return the shares of the pigments in colours, as in ganX.

    The similarity of a colour to a pigment is (101 - difference) / 101. Pigments with a similarity
    of at least ``threshold`` are mixed in proportion to it; without any, the most similar pigment
    is used alone.

    Parameters
    ----------
    rgb : array (n, 3)
        Colours, 0..255.
    pigments : array (pigment, 3)
        Colours of the pigments, 0..255.
    threshold : float
        In [0, 1]. 0: all pigments (with a difference below 101); 1: only those of this colour.
    distance : "ciede2000" or "cie94"

    Returns
    -------
    array (n, pigment), float64
        Non-negative; every row sums to 1.

    Raises
    ------
    ValueError, TypeError
        If the threshold is not in [0, 1], or the distance is unknown.
    """
    check_number("threshold", threshold, low=0.0, high=1.0)
    difference = delta_e(to_lab(rgb)[:, None], to_lab(pigments)[None], distance)
    similarity = np.maximum(FARTHEST - difference, 0) / FARTHEST
    # Rounding in the colour space must not distinguish equal colours.
    weight = np.where(similarity >= threshold - 1e-9, similarity, 0.0)
    alone = weight.sum(axis=1) == 0
    weight[alone, similarity[alone].argmax(axis=1)] = 1.0
    return weight / weight.sum(axis=1, keepdims=True)
