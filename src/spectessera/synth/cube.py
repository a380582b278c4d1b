"""Synthetic cubes with their truth, made from an RGB image: pigments or nebulae.

The cube of a painting follows ganX (Bombini et al. 2023, arXiv 2304.14078): the colours of the
image determine the pigments, and the counts of every pixel are drawn from their mixture. With
:class:`Realism` it resembles a scan: Poisson counts, paint of varying thickness, mixtures,
background, dead and hot pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.axis import Axis
from spectessera.cube import make_cube
from spectessera.kmeans import Clusters

from .nebulae.nebula import NebularBlock, NebularPainter
from .nebulae.table import ModelTable
from .paint.palettes import Palette, load_palette
from .paint.rgb import check_image, few_colours, pigment_weights
from .paint.scene import Realism, Scene
from .paint.tiles import lazy_values, make_values, tile_pixels

PURE = 128  # in a pure colour one of red, green and blue is at least this, the others are below


def cube_from_rgb(
    image: Any,
    palette: Palette | str = "choirbook",
    counts: float = 400,
    threshold: float = 0.8,
    seed: int = 0,
    *,
    clusters: Clusters | None = None,
    distance: str = "ciede2000",
    realism: Realism | None = None,
    chunks: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[xr.DataArray, xr.Dataset]:
    """Make an X-ray fluorescence cube from an image, with its truth.

    The image is reduced to a few colours (k-means, the k of the best silhouette); the pigments
    similar to a colour are mixed in proportion to their similarity; counts are drawn from the
    mixture (ganX, arXiv 2304.14078).

    Parameters
    ----------
    image : array (y, x, 3), or as for :func:`spectessera.synth.paint.rgb.check_image`
    palette : Palette or str
        See :func:`load_palette`.
    counts : float
        Exact counts of every pixel (an integer); with ``realism``, the expected counts of a
        pigment with the mean count rate of the palette.
    threshold : float
        Least similarity of a pigment to a colour, in [0, 1]. With 0.2, the value of the paper,
        nearly all pigments are mixed; with 0.8, one or two.
    seed : int
    clusters : Clusters, optional
        The range of k for the colours; by default 3 to 10.
    distance : "ciede2000" or "cie94"
    realism : Realism, optional
        Effects of a real scan.
    chunks : optional
        None: the cube is in memory. "auto", a number or ``{"y": 64, "x": 64}``: it is lazy, and
        made block by block; its values do not depend on the chunks.
    progress : callable, optional
        Called with the number of finished tiles and of all tiles, if the cube is made in memory.

    Returns
    -------
    cube : DataArray (y, x, channel), uint16 (uint32 if needed)
        With its energy axis, and the true labels as coordinate ``reference``.
    truth : Dataset
        ``label (y, x)``: 1..K, the colour of the pixel, numbered by size. ``weight (y, x,
        pigment)``: shares of the pigments, with ``realism`` those of the area; ``template
        (pigment, channel)``: their spectra at nominal thickness, normalised to 1; ``total (y,
        x)``: expected total counts; ``expectation (y, x, channel)``: expected counts, lazy: total
        times weight @ template, or with ``realism`` including thickness, count rates and
        background; ``colour (cluster, rgb)``; with ``realism`` also ``thickness``, ``dead`` and
        ``hot (y, x)``.

    Raises
    ------
    ValueError, TypeError
        If the image, the palette or a number is not valid.

    Examples
    --------
    >>> import spectessera as spt
    >>> page = spt.synth.miniature(seed=0, shape=(40, 48))
    >>> cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=400, seed=0)
    >>> cube.sizes["channel"], bool((cube.sum("channel") == 400).all())
    (1024, True)
    """
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    check_number("counts", counts, low=1, high=1e9, integer=realism is None)
    if realism is not None and not isinstance(realism, Realism):
        raise TypeError(f"realism must be a Realism or None; got {realism!r}")
    paint = load_palette(palette) if isinstance(palette, str) else palette
    if not isinstance(paint, Palette):
        raise TypeError(f"palette must be a Palette or the name of one; got {paint!r}")
    colours = few_colours(image, clusters, seed=seed)
    weight = pigment_weights(colours.rgb, paint.rgb, threshold, distance)
    scene = Scene(paint, colours.colour, weight, float(counts), realism, seed)
    axis = paint.axis
    values = make_values(scene.shape, scene.dtype, len(axis), scene.tile, chunks, progress)
    attributes = {
        "source": f"synthetic XRF: palette {paint.name}, counts {counts:g}, "
        f"threshold {threshold:g}, {distance}, {realism}, seed {seed}",
        "noise": "counts",
        "unit": "counts",
    }
    label = (colours.colour + 1).astype(np.int32)
    cube = make_cube(values, axis=axis, attrs=attributes).assign_coords(
        reference=(("y", "x"), label)
    )
    return cube, _truth(scene, label, colours.rgb, axis, chunks)


def nebular_cube(
    image: Any,
    snr: float | tuple[float, float] = 30.0,
    seed: int = 0,
    *,
    classes: tuple[str, str, str] = ("hii", "pn", "shock"),
    axis: Axis | None = None,
    low_excitation: float = 0.0,
    table: ModelTable | None = None,
    chunks: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[xr.DataArray, xr.Dataset]:
    """Make a cube of emission-line spectra from an image of pure colours, with its truth.

    The mapping of arXiv 2401.17695: pure red = HII region, pure green = planetary nebula, pure
    blue = shock, everything else = a background of pure noise. Every pixel has its own model,
    drawn as in :func:`nebular_spectra`. A colour is pure if one of red, green and blue is at least
    128 and the others are below.

    Parameters
    ----------
    image : array (y, x, 3), or as for :func:`spectessera.synth.paint.rgb.check_image`
    snr : float or (low, high)
        Peak of H alpha divided by the standard deviation of the noise; log-uniform in a range.
        The background has the same noise.
    seed : int
    classes : three of "hii", "pn", "shock", "dig" and the classes of ``table``
        The classes of red, green and blue.
    axis : Axis, optional
        Air wavelengths; by default those of MUSE, 4750 to 9350 angstrom.
    low_excitation, table
        See :func:`nebular_spectra`.
    chunks : optional
        As for :func:`cube_from_rgb`.
    progress : callable, optional
        As for :func:`cube_from_rgb`.

    Returns
    -------
    cube : DataArray (y, x, channel), float32
        With its wavelengths, its ``variance`` and the true labels as coordinate ``reference``.
    truth : Dataset
        ``label (y, x)``: 1, 2, 3 for red, green, blue and 4 for the background;
        ``expectation (y, x, channel)``: noise-free spectra, lazy; ``sigma (y, x)``: standard
        deviation of the noise; the coordinate ``class (cluster)`` contains the names.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid.
    """
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    if len(classes) != 3:
        raise ValueError(f"red, green and blue stand for 3 classes; got {classes!r}")
    picture = check_image(image)
    bright = picture >= PURE
    kind = np.where(bright.sum(axis=2) == 1, bright.argmax(axis=2), -1)
    painter = NebularPainter(snr, classes, seed, axis, low_excitation, table)
    wavelengths = painter.axis
    spectra = _nebular_values(painter, kind, chunks, progress)
    label = np.where(kind < 0, 4, kind + 1).astype(np.int32)
    attributes = {"source": f"synthetic nebulae: {', '.join(classes)}, S/N {snr}, seed {seed}"}
    cube = make_cube(spectra.values, axis=wavelengths, variance=spectra.variance, attrs=attributes)
    truth = xr.Dataset(
        {
            "label": (("y", "x"), label),
            "sigma": (("y", "x"), spectra.sigma),
            "expectation": (("y", "x", "channel"), spectra.expectation),
        },
        coords={
            "cluster": np.arange(1, 5),
            "class": (("cluster",), [*classes, "background"]),
            wavelengths.kind: (("channel",), wavelengths.values, {"units": wavelengths.unit}),
        },
    )
    return cube.assign_coords(reference=(("y", "x"), label)), truth


class _NebularValues(NamedTuple):
    """``values``, ``variance`` and ``expectation (y, x, channel)``, ``sigma (y, x)``."""

    values: Any
    variance: Any
    expectation: Any
    sigma: Any


def _nebular_values(
    painter: NebularPainter,
    kind: np.ndarray,
    chunks: Any,
    progress: Callable[[int, int], None] | None,
) -> _NebularValues:
    """Make the spectra of a map of classes (y, x); -1 = pure noise."""
    flat, shape, channels = kind.ravel(), kind.shape, len(painter.axis)

    # Values, variance and sigma of one tile are computed shortly after one another.
    @lru_cache(maxsize=4)
    def tile(number: int) -> NebularBlock:
        return painter.paint(flat[tile_pixels(number, flat.size)], number)

    def spread(number: int) -> np.ndarray:
        block = tile(number)
        return np.broadcast_to(block.sigma[:, None] ** 2, block.spectra.shape)

    def lazily(part: Callable[[int], np.ndarray], width: int) -> Any:
        return lazy_values(shape, np.float32, width, part, "auto" if chunks is None else chunks)

    expectation = lazily(lambda number: tile(number).expectation, channels)
    if chunks is not None:
        values = lazily(lambda number: tile(number).spectra, channels)
        sigma = lazily(lambda number: tile(number).sigma[:, None], 1)
        return _NebularValues(values, lazily(spread, channels), expectation, sigma[:, :, 0])
    sigma = np.empty(flat.size, dtype=np.float32)

    def spectra(number: int) -> np.ndarray:
        block = tile(number)
        sigma[tile_pixels(number, flat.size)] = block.sigma
        return block.spectra

    values = make_values(shape, np.float32, channels, spectra, None, progress)
    sigma = sigma.reshape(shape)
    variance = np.broadcast_to(sigma[:, :, None] ** 2, values.shape)
    return _NebularValues(values, variance, expectation, sigma)


def _truth(scene: Scene, label: np.ndarray, rgb: np.ndarray, axis: Axis, chunks: Any) -> xr.Dataset:
    """Return the truth; variables as large as the cube are lazy."""
    shape = scene.shape
    truth_chunks = "auto" if chunks is None else chunks
    pigments = len(scene.palette.pigments)

    def shares(number: int) -> np.ndarray:
        return scene.pigment_shares(tile_pixels(number, scene.index.size)).astype(np.float32)

    image = ("y", "x")
    expectation = lazy_values(shape, np.float32, len(axis), scene.expected_tile, truth_chunks)
    data: dict[str, Any] = {
        "label": (image, label),
        "total": (image, scene.expected_totals().reshape(shape).astype(np.float32)),
        "weight": (
            (*image, "pigment"),
            lazy_values(shape, np.float32, pigments, shares, truth_chunks),
        ),
        "template": (("pigment", "channel"), scene.palette.template),
        "expectation": ((*image, "channel"), expectation),
        "colour": (("cluster", "rgb"), rgb),
    }
    if scene.realism is not None:
        data["thickness"] = (image, scene.thickness.reshape(shape))
        data["dead"] = (image, (scene.gain == 0).reshape(shape))
        data["hot"] = (image, (scene.gain > 1).reshape(shape))
    coords: dict[str, Any] = {
        "pigment": list(scene.palette.pigments),
        "cluster": np.arange(1, len(rgb) + 1),
        "rgb": ["red", "green", "blue"],
        axis.kind: (("channel",), axis.values, {"units": axis.unit}),
    }
    return xr.Dataset(data, coords=coords, attrs={"palette": scene.palette.name})
