"""Painted cubes whose expected net counts are known, for the tests of element maps."""

from typing import NamedTuple

import numpy as np
import xarray as xr

import spectessera as spt
from spectessera.cube import spectral_axis, with_axis
from spectessera.naming.xray.families import Response, columns, table

SHAPE = (34, 23)
RESPONSE = Response(noise=0.07, gain=1.0005, offset=0.004)
ENERGY = np.linspace(0.6, 16.0, 480)
# Counts of the families in the regions of the image, and in a few single pixels.
REGIONS = (
    {"Fe K": 60.0, "Ca K": 40.0},
    {"Cu K": 120.0, "Ca K": 10.0},
    {"Pb L": 150.0, "Fe K": 8.0},
)
FAMILIES = ("Ca K", "Fe K", "Cu K", "Pb L")


class Painted(NamedTuple):
    """A cube, its result and the truth (element, y, x)."""

    cube: xr.DataArray
    result: xr.Dataset
    truth: xr.DataArray


def shape_of(name: str) -> np.ndarray:
    """Return the counts (channel,) of a family with one count."""
    symbol, shell = name.split()
    (family,) = (f for f in table().families if (f.symbol, f.shell) == (symbol, shell))
    corners, factors = columns(family, ENERGY, RESPONSE)
    weights = np.linalg.lstsq(factors.T, np.ones(3), rcond=None)[0]
    shape = weights @ corners
    return shape / shape.sum()


def result_of(cube: xr.DataArray, label: np.ndarray) -> xr.Dataset:
    """Return the result of a segmentation that is known."""
    values, flat = cube.values.reshape(label.size, -1).astype(float), label.ravel()
    groups = [values[flat == each] for each in range(1, label.max() + 1)]
    data = {
        "label": (("y", "x"), label),
        "mean_spectrum": (("cluster", "channel"), np.array([g.mean(axis=0) for g in groups])),
        "std_spectrum": (("cluster", "channel"), np.array([g.std(axis=0) for g in groups])),
        "size": ("cluster", np.array([len(g) for g in groups])),
    }
    coords = {"cluster": np.arange(1, label.max() + 1)}
    attrs = {"confidence_noise": "counts", "n_clusters": int(label.max())}
    return with_axis(xr.Dataset(data, coords=coords, attrs=attrs), spectral_axis(cube))


def painted(seed: int = 0, single: dict[tuple[int, int], dict[str, float]] | None = None):
    """Paint three regions of varying thickness, and single pixels with something else."""
    generator = np.random.default_rng(seed)
    label = np.ones(SHAPE, np.int32)
    label[:, 12:], label[20:, :15] = 2, 3
    names = [*FAMILIES, *sorted({n for each in (single or {}).values() for n in each})]
    truth = np.zeros((len(names), *SHAPE))
    for i, name in enumerate(names):
        for number, region in enumerate(REGIONS, start=1):
            truth[i][label == number] = region.get(name, 0.0)
    truth *= generator.uniform(0.4, 1.6, SHAPE)
    for place, contents in (single or {}).items():
        for name, counts in contents.items():
            truth[names.index(name)][place] = counts
    background = 60 * np.exp(-ENERGY / 6) / np.exp(-ENERGY / 6).sum()
    expected = np.einsum("eyx,ec->yxc", truth, [shape_of(name) for name in names]) + background
    counts = generator.poisson(expected).astype(np.uint16)
    cube = spt.make_cube(counts, energy=ENERGY, attrs={"noise": "counts"})
    maps = xr.DataArray(truth, dims=("element", "y", "x"), coords={"element": names})
    return Painted(cube, result_of(cube, label), maps)
