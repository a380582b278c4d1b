"""The table of the bands or edges of all clusters in the folder of a result."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from spectessera.cube import spectral_axis
from spectessera.naming.candidates import Naming

from .manifest import BANDS

HEAD = (
    "cluster", "kind", "position", "error", "width", "unit", "height", "significance", "elements"
)  # fmt: skip


def write_bands(result: xr.Dataset, namings: Sequence[Naming], folder: Path) -> None:
    """Write bands.csv, one row for each band or edge, unless there are none.

    Parameters
    ----------
    result : Dataset
    namings : sequence of Naming
        Of its clusters, in their order.
    folder : Path
    """
    if not any(each.bands for each in namings):
        return
    unit = spectral_axis(result["mean_spectrum"]).unit
    with (folder / BANDS).open("w", newline="", encoding="utf-8") as file_object:
        writer = csv.writer(file_object)
        writer.writerow(HEAD)
        for cluster, naming in zip(result["cluster"].values.tolist(), namings, strict=True):
            for band in naming.bands:
                width = "" if band.width is None else f"{band.width:.4g}"
                writer.writerow(
                    [
                        cluster, band.kind, f"{band.position:.7g}", f"{band.error:.3g}", width,
                        unit, f"{band.height:.4g}", f"{band.significance:.4g}",
                        "; ".join(band.elements),
                    ]
                )  # fmt: skip
