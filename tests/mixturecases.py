"""Cubes of known mixtures, for the tests of abundances."""

from typing import NamedTuple

import numpy as np
import xarray as xr

import spectessera as spt

SHAPE = (26, 33)
CHANNELS = 90
NOISES = ("counts", "variance", "residual")


class Mixed(NamedTuple):
    """A cube, its result, the true shares (end, y, x) and the true end spectra (end, channel)."""

    cube: xr.DataArray
    result: xr.Dataset
    share: np.ndarray
    ends: np.ndarray


def spectra(count: int) -> np.ndarray:
    """Return spectra (count, channel) that overlap, of mean 1."""
    place = np.linspace(0, 1, CHANNELS)
    centre = (np.arange(count) + 0.7) / (count + 0.4)
    ends = 0.15 + np.exp(-0.5 * ((place - centre[:, None]) / 0.12) ** 2)
    return ends / ends.mean(axis=1, keepdims=True)


def mixed(noise: str, *, count: int = 3, seed: int = 0, level: float = 8.0) -> Mixed:
    """Mix spectra in smooth shares: pure at places, half and half at others.

    ``level``: counts in a channel; the standard deviation of other noise is its root over itself.
    """
    generator = np.random.default_rng(seed)
    share = generator.dirichlet(np.full(count, 0.3), SHAPE)
    share[: SHAPE[0] // 3] = np.eye(count)[generator.integers(0, count, (SHAPE[0] // 3, SHAPE[1]))]
    ends = spectra(count)
    expected = level * (share @ ends) * generator.uniform(0.8, 1.2, (*SHAPE, 1))
    label = xr.Dataset({"label": (("y", "x"), (share.argmax(axis=2) + 1).astype(np.int32))})
    moved = np.moveaxis(share, 2, 0)
    if noise == "counts":
        cube = spt.make_cube(generator.poisson(expected).astype(np.uint16), energy=(1.0, 20.0))
        return Mixed(cube, label, moved, ends)
    values = (expected + np.sqrt(level) * generator.normal(size=expected.shape)).astype(np.float32)
    variance = np.full(values.shape, level) if noise == "variance" else None
    axis = {"axis": np.linspace(200.0, 1800.0, CHANNELS), "unit": "1/cm"}
    return Mixed(spt.make_cube(values, variance=variance, **axis), label, moved, ends)
