"""The label map as a TIFF with a colour table, on its map where it has one."""

from __future__ import annotations

import warnings
from pathlib import Path

from .contents import Contents
from .georeference import import_rasterio, rasterio_crs
from .qgis import write_attributes, write_style


def write_geotiff(contents: Contents, path: Path) -> None:
    """Write labels as integers with colours; 0 is "no data", which leaves them integers.

    Raises
    ------
    ImportError
        If rasterio is not installed.
    ValueError
        If GDAL does not understand the coordinate system.
    """
    rasterio = import_rasterio()
    label, place = contents.label, contents.place
    where = {}
    if place is not None:
        where = {
            "transform": rasterio.Affine.from_gdal(*place.transform), "crs": rasterio_crs(place.crs)
        }  # fmt: skip
    with warnings.catch_warnings():
        # an image on no map is meant: nothing is missing
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", height=label.shape[0], width=label.shape[1], count=1,
            dtype=label.dtype, nodata=0, compress="deflate", **where,
        ) as file:  # fmt: skip
            colours = contents.table().tolist()
            file.write_colormap(1, {n: tuple(each) for n, each in enumerate(colours)})
            file.write(label, 1)  # after the colours: they change what kind of image it is
    write_attributes(contents, path.with_name(f"{path.name}.aux.xml"))
    write_style(contents, path.with_suffix(".qml"))
