"""Polygons of the clusters as a GeoPackage, which is a database of SQLite (OGC 12-128r18).

One row for every cluster: its regions as one multipolygon, its name, colour, pixels, share,
confidence and area. The style of QGIS is in the table ``layer_styles``, which QGIS reads.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from .contents import Contents
from .georeference import Georeference, rasterio_crs
from .outlines import Polygon, outlines
from .qgis import style_of_polygons

LAYER = "clusters"
_APPLICATION, _VERSION = 0x47504B47, 10300  # "GPKG", 1.3
_OWN_SRS = 100_000  # of a coordinate system without an EPSG code
_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,'
    'AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
    'AUTHORITY["EPSG","4326"]]'
)
_TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT
  (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
  srs_id INTEGER, CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES
  gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE
  (table_name), CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE clusters (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom MULTIPOLYGON,
  cluster INTEGER, name TEXT, named_by TEXT, colour TEXT, pixels INTEGER, share REAL,
  confidence REAL, area REAL);
CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT,
  f_table_schema TEXT, f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, styleQML TEXT,
  styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT, ui TEXT, update_time DATETIME
  DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')));
"""


def write_geopackage(contents: Contents, path: Path) -> None:
    """Write the outlines of the clusters, on the map.

    Raises
    ------
    ImportError
        If rasterio is not installed, and there is a coordinate system.
    ValueError
        If it is not known where the result is on a map, or GDAL does not understand the system.
    """
    place = contents.place
    if place is None:
        raise ValueError(
            "polygons need a result that is on a map: the cube has no coordinates of rows and "
            "columns with a unit, and no coordinate system (ENVI map info, GeoTIFF, NetCDF grid "
            "mapping); --to imagej writes outlines in pixels"
        )
    system = _system(place.crs)
    regions: dict[int, list[list[np.ndarray]]] = {}
    for polygon in outlines(contents.label):
        regions.setdefault(polygon.cluster, []).append(_on_map(polygon, place))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_VERSION}")
        database.executescript("BEGIN;" + _TABLES)
        _describe(database, system, regions)
        for each in contents.clusters:
            parts = regions.get(each.number, [])
            database.execute(
                f"INSERT INTO {LAYER} (geom, cluster, name, named_by, colour, pixels, share, "
                "confidence, area) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (_geometry(parts, system[1]) if parts else None, each.number, each.name,
                 each.named_by, each.hex, each.pixels, each.share, each.confidence,
                 each.pixels * place.area),
            )  # fmt: skip
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description) "
            "VALUES ('', '', ?, 'geom', 'clusters', ?, '', 1, 'colours of the clusters')",
            (LAYER, style_of_polygons(contents)),
        )
        database.execute("COMMIT")


def _system(crs: str) -> tuple[str, int, str, int, str]:
    """Return name, number, organisation, its number and WKT of a coordinate system."""
    if not crs:
        return ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined")
    found = rasterio_crs(crs)
    wkt = found.to_wkt(version="WKT1_GDAL")
    name = wkt.split('"')[1] if '"' in wkt else "custom"
    code = found.to_epsg()
    if code is None:
        return (name, _OWN_SRS, "NONE", _OWN_SRS, wkt)
    return (name, code, "EPSG", code, wkt)


def _describe(
    database: sqlite3.Connection, system: tuple[Any, ...], regions: dict[int, list[Any]]
) -> None:
    """Write the coordinate systems, and what the layer is."""
    systems = {
        -1: ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined"),
        0: ("Undefined geographic SRS", 0, "NONE", 0, "undefined"),
        4326: ("WGS 84 geodetic", 4326, "EPSG", 4326, _WGS84),
        system[1]: system,
    }
    database.executemany(
        "INSERT INTO gpkg_spatial_ref_sys (srs_name, srs_id, organization, "
        "organization_coordsys_id, definition) VALUES (?, ?, ?, ?, ?)",
        systems.values(),
    )
    outer = [rings[0] for parts in regions.values() for rings in parts]
    ends = [None] * 4
    if outer:
        corners = np.concatenate(outer)
        ends = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, min_x, min_y, "
        "max_x, max_y, srs_id) VALUES (?, 'features', ?, 'clusters of spectra', ?, ?, ?, ?, ?)",
        (LAYER, LAYER, *ends, system[1]),
    )
    database.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'MULTIPOLYGON', ?, 0, 0)",
        (LAYER, system[1]),
    )


def _on_map(polygon: Polygon, place: Georeference) -> list[np.ndarray]:
    """Return the rings of a polygon on the map: the outer one first, counterclockwise."""
    way = -1 if place.reverses else 1
    return [place.points(ring)[::way] for ring in (polygon.outer, *polygon.holes)]


def _geometry(parts: Sequence[Sequence[np.ndarray]], srs: int) -> bytes:
    """Return a multipolygon as a GeoPackage stores it: a head with its bounds, then WKB."""
    corners = np.concatenate([rings[0] for rings in parts])
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    head = b"GP" + struct.pack("<BBi4d", 0, 0b011, srs, x0, x1, y0, y1)
    body = [struct.pack("<BII", 1, 6, len(parts))]
    for rings in parts:
        body.append(struct.pack("<BII", 1, 3, len(rings)))
        for ring in rings:
            body.append(struct.pack("<I", len(ring)))
            body.append(np.ascontiguousarray(ring, "<f8").tobytes())
    return head + b"".join(body)
