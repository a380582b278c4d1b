"""A cube and a result of known truth for the tests of the viewer."""

from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

import spectessera as spt
from reportcases import HOSTILE, made_result
from spectessera.resultfolder import Plan, result_folder

SHAPE, CHANNELS = (12, 20), 120


def made_case() -> tuple[xr.Dataset, xr.DataArray]:
    """Return a result and its cube: three stripes of counts, a masked corner, a hostile name."""
    label = np.repeat([1, 2, 3], [6, 7, 7])[None].repeat(SHAPE[0], axis=0).astype(np.int32)
    label[4:8, 9:16] = 1
    label[0, 0] = 0
    confidence = np.linspace(0.5, 1.0, label.size).reshape(SHAPE).astype(np.float32)
    confidence[0, 0] = np.nan
    result = made_result(SHAPE, channels=CHANNELS, label=label, confidence=confidence)
    result.attrs |= {"confidence_noise": "counts", "object": HOSTILE}
    latent = np.stack([label + 0.1 * np.arange(SHAPE[1]) / SHAPE[1], -label, label**2], axis=-1)
    latent = np.where((label == 0)[..., None], np.nan, latent).astype(np.float32)
    result["latent_cube"] = (("y", "x", "latent"), latent)
    expected = np.concatenate([np.zeros((1, CHANNELS)), result["mean_spectrum"].values])
    counts = np.random.default_rng(4).poisson(expected[label]).astype(np.float32)
    cube = spt.make_cube(counts, energy=(1.0, 20.0))
    return result, cube


def made_folder(folder: Path) -> Path:
    """Return a folder as segment writes it, of the result, and its cube beside it."""
    result, values = made_case()
    place = folder / "run"
    spt.write(values, folder / "cube.zarr")
    files = ("result.nc", "labels.png")
    with result_folder(place, Plan(files)) as staging:
        for name in files:
            spt.write(result, staging.path / name)
        cube = str(folder / "cube.zarr")
        facts = {"command": ["segment", cube, "--out", str(place)], "directory": str(folder)}
        staging.commit({"inputs": {"cube": {"path": cube}}, **facts})
    Image.fromarray(made_photograph()).save(folder / "photo.png")
    return place


def made_photograph() -> np.ndarray:
    """Return a picture of the map, (y, x, 3) uint8: each pixel is 6 x 6 of a colour of its own."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    colours = np.stack([20 * y, 12 * x, 255 - 20 * y], axis=-1).astype(np.uint8)
    return colours.repeat(6, axis=0).repeat(6, axis=1)
