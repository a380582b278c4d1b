"""Reading a cube for the network: block by block, screened and preprocessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .axis import Axis
from .cube import Block, blocks, check_cube, read_block, spectral_axis
from .preprocess import QUALITY, UNUSABLE, Preprocess, screen


class BlockInputs(NamedTuple):
    """One block of a cube, preprocessed.

    Attributes
    ----------
    pixel : array (n,), int64
        Position of every unmasked pixel in the flattened image.
    quality : array (n,), uint8
    usable : array (n,), bool
    values : array (m, channel), float32
        Measured spectra of the usable pixels.
    variance : array (m, channel), float32, or None
    inputs : array (m, input channel), float32
    """

    pixel: np.ndarray
    quality: np.ndarray
    usable: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray


def read_inputs(
    cube: xr.DataArray, block: Block, preprocess: Preprocess, axis: Axis
) -> BlockInputs:
    """Read, screen and preprocess one block; assumes a checked cube."""
    spectra = read_block(cube, block)
    saturation = cube.attrs.get("saturation")
    values, quality = screen(
        spectra.values,
        max_missing=preprocess.max_missing,
        saturation=None if saturation is None else float(saturation),
    )
    usable = quality & UNUSABLE == 0
    variance = spectra.variance
    if not usable.all():
        values = values[usable]
        variance = None if variance is None else variance[usable]
    made = preprocess.apply(values, axis)
    quality[usable] |= np.where(made.clipped, QUALITY["negative_clipped"], 0).astype(np.uint8)
    return BlockInputs(spectra.pixel, quality, usable, values, variance, made.values)


def axis_range(axis: Axis) -> str:
    """Return an axis in words, such as "energy 1 to 20 keV"."""
    return f"{axis.kind} {axis.values[0]:g} to {axis.values[-1]:g} {axis.unit}".strip()


def as_cubes(X: Any) -> list[xr.DataArray] | None:
    """Return a list of cubes, or None where X is an array."""
    if isinstance(X, xr.DataArray):
        return [check_cube(X)]
    if isinstance(X, Sequence) and X and all(isinstance(each, xr.DataArray) for each in X):
        return [check_cube(each) for each in X]
    return None


def common_axis(cubes: list[xr.DataArray]) -> Axis:
    """Return the spectral axis of cubes.

    Raises
    ------
    ValueError
        If it is not the same for all.
    """
    axes = [spectral_axis(cube) for cube in cubes]
    for position, axis in enumerate(axes):
        if not axes[0].matches(axis):
            raise ValueError(
                "cubes that are trained on together need one spectral axis; cube "
                f"{position + 1} has {axis_range(axis)}, the first {axis_range(axes[0])}"
            )
    return axes[0]


def draw_rows(n: int, max_spectra: int, seed: int) -> np.ndarray:
    """Return the rows (m,) to train on, in order: all, or a seeded sample."""
    if n <= max_spectra:
        return np.arange(n)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(n, max_spectra, replace=False))


def collect(
    cubes: list[xr.DataArray], preprocess: Preprocess, max_spectra: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (m, input channel) and where they come from, in the flattened cubes.

    The pixels are drawn before anything is read, so chunks cannot change the draw.
    """
    starts = np.cumsum([0] + [cube.sizes["y"] * cube.sizes["x"] for cube in cubes])
    drawn = np.zeros(starts[-1], dtype=bool)
    drawn[draw_rows(int(starts[-1]), max_spectra, seed)] = True
    inputs, rows = [], []
    for cube, start in zip(cubes, starts[:-1], strict=True):
        axis = spectral_axis(cube)
        for block in blocks(cube):
            read = read_inputs(cube, block, preprocess, axis)
            pixel = read.pixel[read.usable] + start
            wanted = drawn[pixel]
            inputs.append(read.inputs[wanted])
            rows.append(pixel[wanted])
    # Rows in the order of the image, whatever the order of the chunks.
    position = np.concatenate(rows)
    order = np.argsort(position)
    return np.concatenate(inputs)[order], position[order]
