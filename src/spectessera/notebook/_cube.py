"""A cube in a notebook: its size and axis and, where it is in memory, an image and a spectrum."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera._util.text import counted, shown
from spectessera.channels import outside, zero_peak
from spectessera.cube import DIMS, spectral_axis
from spectessera.htmlreport.text import safe
from spectessera.plots.drawing import origin

from ._page import beside, block, curve, picture, table

MOST_VALUES = 2**27  # of a cube in memory, of which an image is made
CAPTION = "Red, green, blue: three bands of channels with the same mean sum."
WITHOUT = "Image and spectrum are without the zero peak of the detector."
BRIGHT = 99.5  # per cent of the pixels are within the scale of the image


def cube_words(cube: xr.DataArray) -> str:
    """Return a cube in a few words."""
    axis = spectral_axis(cube)
    ends = f"{axis.values.min():.6g} to {axis.values.max():.6g} {axis.unit}".strip()
    return (
        f"cube of {cube.sizes['y']} x {cube.sizes['x']} pixels (y, x), "
        f"{counted(cube.sizes['channel'], 'channel')}, {axis.kind} {ends}, {cube.dtype}"
    )


def cube_html(cube: xr.DataArray) -> str:
    """Return a cube as HTML; values that are not in memory are not read."""
    facts = {
        "size": f"{cube.nbytes / 1e6:,.1f} MB" + ("" if cube.chunks is None else ", not read yet"),
        "unit": cube.attrs.get("unit"),
        "of": cube.attrs.get("object") or cube.attrs.get("source"),
        "also known": ", ".join(
            str(each) for each in cube.coords if each not in (*DIMS, *cube.dims, "energy")
        ),
    }
    rows = [[safe(name), safe(shown(text, 200))] for name, text in facts.items() if text]
    words = cube_words(cube)
    image, spectrum = _pictures(cube)
    return block(words[0].upper() + words[1:], beside(image, table(rows) + spectrum))


def _pictures(cube: xr.DataArray) -> tuple[str, str]:
    """Return an image of three bands, and the mean spectrum; "" for values not in memory."""
    if cube.chunks is not None or cube.size > MOST_VALUES or not _in_memory(cube):
        return "", ""
    values = cube.transpose(*DIMS).values
    known = np.maximum(np.isfinite(values).sum(axis=(0, 1)), 1)
    mean = np.nansum(values, axis=(0, 1), dtype=np.float64) / known
    held, caption = zero_peak(spectral_axis(cube), mean), CAPTION
    if held is not None:
        values, mean = outside(values, held), outside(mean, held)
        caption = f"{CAPTION} {WITHOUT}"
    rgb = np.stack([_shade(values[..., part]) for part in _bands(mean)], axis=-1)
    image = picture(rgb[::-1] if origin(cube) == "lower" else rgb, caption)
    return f"{image}<div>{caption}</div>", curve(mean)


def _bands(mean: np.ndarray) -> list[slice]:
    """Return three bands of channels that have the same sum in the mean spectrum, red first."""
    sums = np.cumsum(np.maximum(mean, 0))
    ends = np.searchsorted(sums, sums[-1] * np.array([1, 2]) / 3) + 1
    first = min(int(ends[0]), len(mean))
    second = min(max(int(ends[1]), first), len(mean))
    return [slice(0, first), slice(first, second), slice(second, None)]


def _shade(band: np.ndarray) -> np.ndarray:
    """Return the sums of a band (y, x, channel) as grey levels (y, x)."""
    sums = np.nansum(band, axis=2, dtype=np.float64)
    low, high = (float(each) for each in np.percentile(sums, (100 - BRIGHT, BRIGHT)))
    share = np.clip((sums - low) / ((high - low) or 1.0), 0, 1)
    return np.rint(255 * share).astype(np.uint8)


def _in_memory(cube: xr.DataArray) -> bool:
    """Whether the values are there already; a file that is opened without chunks is not read."""
    return isinstance(cube.variable._data, np.ndarray)
