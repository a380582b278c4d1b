"""The section of a report about maps of emission lines: small maps that enlarge, and a table."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from .elementmaps import LARGEST, reduced, thumbnail
from .lengths import each_map_is
from .text import DASH, count, number, safe, table, with_error

DETECTED = 3.0  # standard errors, of a flux in a pixel
INNER = (2.0, 98.0)  # per cent of the pixels that the scale of the velocities spans
BRIGHT = 99.0  # per cent of the pixels within the scale of a flux


def line_section(maps: xr.Dataset, most: int = LARGEST) -> str:
    """Return the section of the report of a result.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.lines`, for the same result.
    most : int
        Points of the longer side of a small map.
    """
    upright = "wcs" in maps.attrs
    unit = str(maps["flux"].attrs.get("units", ""))
    fluxes = maps["flux"].transpose("line", "y", "x").values
    drawn = [_velocities(maps, upright, most)]
    for name, image in zip(maps["line"].values.tolist(), fluxes, strict=True):
        drawn.append(
            thumbnail(image, name, _brightest(image), upright=upright, most=most, unit=unit)
        )
    words = (
        f"Redshift {number(float(maps.attrs['redshift']), 6)}. Of the pixels, "
        f"{count(int(maps.attrs['pixels_alone']))} were fitted alone, "
        f"{count(int(maps.attrs['pixels_pooled']))} with the velocity of their neighbours, and "
        f"{count(int(maps.attrs['pixels_too_faint']))} are too faint for a velocity."
    )
    fluxes_in = f"Fluxes are in {safe(unit)}; they" if unit else "Fluxes"
    return (
        f"<p>{words}</p>"
        '<p class="note">Velocity and dispersion in km/s, where they are known, and the flux of '
        "each line in every pixel. Click on a map to enlarge it. "
        f"{each_map_is(maps)} {reduced(maps, most)}</p>"
        f'<div class="elements">{"".join(drawn)}</div>{_table(maps)}{_classes(maps)}'
        f"<details><summary>What the numbers mean</summary><p>{fluxes_in} are integrals over the "
        "wavelength, not corrected for reddening or for the absorption of stars below the Balmer "
        "lines. Velocity 0 is the redshift above. Pixels fitted with the velocity of their "
        "neighbours have fluxes of their own.</p></details>"
    )


def _brightest(image: np.ndarray) -> float:
    """Return the flux at the end of the scale."""
    finite = image[np.isfinite(image)]
    high = float(np.percentile(finite, BRIGHT)) if finite.size else 1.0
    return high if high > 0 else 1.0


def _velocities(maps: xr.Dataset, upright: bool, most: int) -> str:
    """Return the maps of velocity, on a symmetric scale, and of dispersion."""
    shown = []
    velocity, dispersion = (
        maps[name].transpose("y", "x").values for name in ("velocity", "dispersion")
    )
    known = velocity[np.isfinite(velocity)]
    if known.size:
        high = max(float(np.abs(np.percentile(known, INNER)).max()), 1.0)
        shown.append(
            thumbnail(
                velocity,
                "velocity",
                high,
                low=-high,
                upright=upright,
                scale="RdBu_r",
                most=most,
                unit="km/s",
            )
        )
    if np.isfinite(dispersion).any():
        shown.append(
            thumbnail(
                dispersion,
                "dispersion",
                _brightest(dispersion),
                upright=upright,
                most=most,
                unit="km/s",
            )
        )
    return "".join(shown)


def _table(maps: xr.Dataset) -> str:
    """Return where each line is detected, and its sum over all pixels."""
    rows = []
    for at, name in enumerate(maps["line"].values.tolist()):
        flux, error = (maps[each].isel(line=at).values for each in ("flux", "flux_error"))
        measured = np.isfinite(flux) & np.isfinite(error)
        seen = measured & (flux > DETECTED * error)
        total = with_error(
            float(flux[measured].sum()), float(np.sqrt((error[measured] ** 2).sum()))
        )
        rows.append([safe(name), count(int(seen.sum())), total if measured.any() else DASH])
    heads = ["line", f"pixels above {DETECTED:.0f} errors", "sum of all pixels"]
    return table("Lines", heads, rows, numeric=(1, 2))


def _classes(maps: xr.Dataset) -> str:
    """Return how many pixels are in each class of gas."""
    try:
        legend = json.loads(str(maps["gas_class"].attrs["legend"]))
        names = {int(value): str(name) for value, name in legend.items()}
    except (KeyError, ValueError, AttributeError, RecursionError):
        return ""  # of another program
    number_of = maps["gas_class"].values
    rows = [[safe(name), count(int((number_of == value).sum()))] for value, name in names.items()]
    rows = [row for row in rows if row[1] != "0"]
    return table("Class of the gas", ["class", "pixels"], rows, numeric=(1,)) if rows else ""
