"""The files of maps of emission lines: numbers, a figure, an image of each line, and a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera.io import write
from spectessera.plots.drawing import save_png
from spectessera.plots.linemaps import lines as figure_of

from .manifest import MAPS

NUMBERS, FIGURE, _, IMAGES = MAPS
TABLE = "lines.csv"
ON_THE_SKY = "lines.fits"
# Images besides those of the fluxes.
KINEMATICS = ("velocity", "dispersion")
DETECTED = 3.0  # standard errors


def write_line_maps(maps: xr.Dataset, folder: Path) -> list[dict[str, Any]]:
    """Write maps of lines into a new folder, and return what the summary says of them.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.lines`.
    folder : Path

    Returns
    -------
    list of dict
        For every line its name, ion, wavelength at rest, what is tied to it, in how many pixels it
        is detected with three standard errors, and its flux and equivalent width there (medians;
        None where there are none).
    """
    from PIL import Image

    write(maps, folder / NUMBERS)
    save_png(figure_of(maps), folder / FIGURE, dpi=110)
    images = folder / IMAGES
    images.mkdir()
    named = zip(maps["line"].values.tolist(), maps["flux"], strict=True)
    for name, image in [*named, *((name, maps[name]) for name in KINEMATICS)]:
        values = np.ascontiguousarray(image.transpose("y", "x").values, dtype=np.float32)
        file = "".join(each if each.isalnum() or each == "+" else "-" for each in name).strip("-")
        Image.fromarray(values).save(images / f"{file}.tif", format="TIFF")
    write(maps, images / ON_THE_SKY)
    rows = line_summary(maps)
    with (images / TABLE).open("w", newline="", encoding="utf-8") as file_object:
        writer = csv.DictWriter(file_object, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def line_summary(maps: xr.Dataset) -> list[dict[str, Any]]:
    """Return what is known of every line as plain values; see :func:`write_line_maps`."""
    rows = []
    for at, name in enumerate(maps["line"].values.tolist()):
        line = maps.isel(line=at)
        flux, error = (line[each].values for each in ("flux", "flux_error"))
        with np.errstate(invalid="ignore"):
            seen = flux > DETECTED * error
        rows.append(
            {
                "line": name,
                "ion": str(line["ion"].values),
                "rest_wavelength": float(line["rest_wavelength"].values),
                "tied": str(line["tied"].values),
                "pixels": int(seen.sum()),
                "flux": _median(flux[seen]),
                "equivalent_width": _median(line["equivalent_width"].values[seen]),
            }
        )
    return rows


def _median(values: np.ndarray) -> float | None:
    """Return the median of the finite values; None if there are none: JSON has no NaN."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None
