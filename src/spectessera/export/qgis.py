"""Colours and names of clusters for QGIS and GDAL: styles, and raster attribute tables."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from .contents import Contents

# Columns of a raster attribute table: name, type (0 integer, 2 text) and use, as GDAL numbers them.
_COLUMNS = (
    ("Value", 0, 5), ("Pixels", 0, 1), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7),
    ("Blue", 0, 8), ("Alpha", 0, 9),
)  # fmt: skip
_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def write_style(contents: Contents, path: Path) -> None:
    """Write a style of QGIS (.qml) for the label map; label 0 is not in it: transparent."""
    root = ElementTree.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        ElementTree.SubElement(root, "pipe"), "rasterrenderer", type="paletted", band="1",
        alphaBand="-1", opacity="1", nodataColor="",
    )  # fmt: skip
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for each in contents.clusters:
        ElementTree.SubElement(
            palette, "paletteEntry", value=str(each.number), color=each.hex, alpha="255",
            label=each.title,
        )  # fmt: skip
    path.write_text(_HEAD + _text(root), encoding="utf-8")


def write_attributes(contents: Contents, path: Path) -> None:
    """Write the table of the clusters as GDAL keeps it beside an image (.aux.xml)."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    ElementTree.SubElement(band, "Description").text = "cluster"
    names = ElementTree.SubElement(band, "CategoryNames")
    for name in contents.names():
        ElementTree.SubElement(names, "Category").text = name
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for number, (name, kind, use) in enumerate(_COLUMNS):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(number))
        for tag, value in (("Name", name), ("Type", kind), ("Usage", use)):
            ElementTree.SubElement(column, tag).text = str(value)
    for number, each in enumerate(contents.clusters):
        row = ElementTree.SubElement(table, "Row", index=str(number))
        for value in (each.number, each.pixels, each.title, *each.rgb, 255):
            ElementTree.SubElement(row, "F").text = str(value)
    path.write_text(_text(root), encoding="utf-8")


def style_of_polygons(contents: Contents) -> str:
    """Return a style of QGIS for polygons, by their column ``cluster``."""
    root = ElementTree.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr="cluster", symbollevels="0"
    )
    categories = ElementTree.SubElement(renderer, "categories")
    symbols = ElementTree.SubElement(renderer, "symbols")
    for n, each in enumerate(contents.clusters):
        ElementTree.SubElement(
            categories, "category", value=str(each.number), label=each.title, symbol=str(n),
            type="long", render="true",
        )  # fmt: skip
        symbol = ElementTree.SubElement(symbols, "symbol", type="fill", name=str(n), alpha="1")
        layer = ElementTree.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
        options = ElementTree.SubElement(layer, "Option", type="Map")
        for name, value in (("color", "{},{},{},255".format(*each.rgb)),
                            ("outline_style", "no"), ("style", "solid")):  # fmt: skip
            ElementTree.SubElement(options, "Option", name=name, type="QString", value=value)
    return _HEAD + _text(root)


def _text(root: ElementTree.Element) -> str:
    """Return a tree as text, one element a line."""
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode") + "\n"
