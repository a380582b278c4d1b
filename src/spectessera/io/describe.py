"""What is in a cube, in words and numbers; the cube is read block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.text import per_cent
from spectessera.channels import BAD
from spectessera.cube import Spectra, blocks, check_cube, read_block, spectral_axis
from spectessera.preprocess.sanity import sanity_warnings
from spectessera.preprocess.steps import QUALITY, screen
from spectessera.result import PixelSize, pixel_size
from spectessera.result.places import LENGTHS

# A negative smallest value with a larger share of all values probably marks missing values.
MARK_SHARE = 1e-3
# Attributes that are shown: how everything was found, and what was assumed.
KEPT = (
    "unit", "scale_note", "axis_note", "crs",
    *(f"{name}_from" for name in ("axes", "axis", "variance", "mask")),
    "reading_notes",
)  # fmt: skip
SAMPLED = 512  # pixels whose spectra are looked at for mistakes of the whole cube
TIMES = ("live_time", "real_time", "dead_time")


def describe_cube(cube: xr.DataArray) -> dict[str, Any]:
    """Return size, type, axis, range of values and quality of a cube.

    Parameters
    ----------
    cube : DataArray (y, x, channel)

    Returns
    -------
    dict
        Plain values; ``spectra`` counts the spectra with each flag of
        :func:`spectessera.preprocess.steps.screen`.
    """
    cube = check_cube(cube)
    axis = spectral_axis(cube)
    height, width, channels = cube.shape
    description: dict[str, Any] = {
        "pixels": f"{height} x {width} (y, x)",
        "channels": channels,
        "dtype": str(cube.dtype),
        "mebibytes": float(f"{cube.nbytes / 2**20:.3g}"),
        "axis": axis.label(),
        "axis_range": [float(axis.values[0]), float(axis.values[-1])],
        "axis_windows": len(axis.segments()),
        "variance": "variance" in cube.coords,
        "sky_coordinates": "wcs" in cube.attrs,
        "reference_labels": "reference" in cube.coords,
    }
    if size := _pixel_size(cube):
        description["pixel_size"] = size
    if axis.medium:
        description["medium"] = axis.medium
    description |= {name: cube.attrs[name] for name in KEPT if name in cube.attrs}
    if axis.kind == "channel" and "axis_note" not in cube.attrs:
        description["axis_hint"] = (
            "the file gives no spectral axis; give its first and last value with energy=, "
            "wavelength= or axis="
        )
    description |= _coordinates(cube) | _quality(cube)
    if "reading_notes" in description:  # which is a warning of every result of the cube
        found = description["warnings"]
        description["warnings"] = "what was assumed" + ("" if found == "none" else f"; {found}")
    return description


def _pixel_size(cube: xr.DataArray) -> str:
    """Return the height and width of a pixel, of positions or of the sky; "" if not known."""
    size = pixel_size(cube)
    if size is not None:
        largest, unit = max(size.y, size.x), size.unit
        if not 0.1 <= largest < 1000:  # as in the figures
            length = largest * size.metres
            unit = next((each for each in ("m", "mm", "µm") if length >= LENGTHS[each]), "nm")
            share = size.metres / LENGTHS[unit]
            size = PixelSize(share * size.y, share * size.x, unit)
        return f"{size.y:.4g} x {size.x:.4g} {unit} (y, x)"
    if not cube.attrs.get("wcs"):
        return ""
    from astropy.io import fits
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    wcs = WCS(fits.Header.fromstring(str(cube.attrs["wcs"]), sep="\n"))
    wide, high = 3600 * proj_plane_pixel_scales(wcs)  # of degrees
    return f"{high:.4g} x {wide:.4g} arcsec (y, x)"


def _coordinates(cube: xr.DataArray) -> dict[str, Any]:
    """Return the number of bad channels, and the range of the times of measurement."""
    description: dict[str, Any] = {}
    if BAD in cube.coords:
        description["bad_channels"] = int(np.count_nonzero(cube.coords[BAD].values))
    for name in TIMES:
        if name in cube.coords:
            times = np.asarray(cube.coords[name].values, dtype=np.float64)
            finite = times[np.isfinite(times)]
            unit = str(cube.coords[name].attrs.get("units", ""))
            if finite.size:
                description[name] = f"{finite.min():g} to {finite.max():g} {unit}".strip()
    return description


def _hint(low: float, share: float) -> dict[str, str]:
    """Return a hint where the smallest value, which has a share of all, may mark missing ones."""
    if low >= 0 or share <= MARK_SHARE:
        return {}
    words = (
        f"{per_cent(share)} of all values are the smallest one, {low:g}; if it marks missing "
        f"values, give missing={low:g} (--missing {low:g})"
    )
    return {"hint": words}


def _rows(spectra: Spectra, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return values and variances of some spectra."""
    variance = None if spectra.variance is None else spectra.variance[rows]
    return spectra.values[rows], variance


def _sanity(samples: list[tuple[np.ndarray, np.ndarray | None]]) -> str:
    """Return what values and variances (n, channel) of some pixels, in parts, make doubtful."""
    values = np.concatenate([each for each, _ in samples])
    parts = [each for _, each in samples if each is not None]
    found = sanity_warnings(values, np.concatenate(parts) if parts else None)
    return "; ".join(each.text for each in found)


def _quality(cube: xr.DataArray) -> dict[str, Any]:
    """Return the range of values and the number of spectra with each flag of quality."""
    low, high, lowest = np.inf, -np.inf, 0
    counts = dict.fromkeys(QUALITY, 0)
    count = not_finite = negative = 0
    saturation = cube.attrs.get("saturation")
    # Every so many pixels, wherever the blocks are; an odd number, to be in all columns.
    step = max(1, cube.sizes["y"] * cube.sizes["x"] // SAMPLED) | 1
    samples: list[tuple[np.ndarray, np.ndarray | None]] = []
    for block in blocks(cube):
        spectra = read_block(cube, block)
        count += len(spectra.values)
        finite = spectra.values[np.isfinite(spectra.values)]
        not_finite += spectra.values.size - finite.size
        negative += int((finite < 0).sum())
        if finite.size:
            if finite.min() < low:
                low, lowest = float(finite.min()), 0
            lowest += int((finite == low).sum())
            high = max(high, float(finite.max()))
        quality = screen(
            spectra.values, saturation=None if saturation is None else float(saturation)
        ).quality
        for name, bit in QUALITY.items():
            counts[name] += int((quality & bit > 0).sum())
        samples.append(_rows(spectra, (quality == 0) & (spectra.pixel % step == 0)))
    counts["masked"] = cube.sizes["y"] * cube.sizes["x"] - count
    values = max(1, count * cube.sizes["channel"])
    return _hint(low, lowest / values) | {
        "values": [low, high] if low <= high else None,
        "not_finite_share": not_finite / values,
        "negative_share": negative / values,
        "warnings": _sanity(samples) or "none",
        "spectra": {name: n for name, n in counts.items() if n} or "all good",
    }
