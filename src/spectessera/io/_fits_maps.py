"""Write maps of pixels as FITS: an image extension for every map, each with the WCS of the cube.

A stack of maps, such as the fluxes of all lines, is written as one image for each of them, so that
programs for images of the sky open it by its name: FLUX_OIII_5007.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr

from ._fits_images import Image, write_images
from ._fits_writer import CARDS, ascii_text, packed, primary_hdu, sky_header

IMAGE = ("y", "x")
# Attributes and coordinates of maps that have a card, with what it says.
NUMBERS = {"redshift": ("REDSHIFT", "1+z = (1+REDSHIFT)(1+velocity/c)")}
OF_A_MAP = {
    "ion": ("ION", "ion of the line"),
    "rest_wavelength": ("RESTWAV", "wavelength of the line at rest"),
    "tied": ("TIED", "lines in a fixed ratio to this one"),
    "kind": ("KIND", "what the map is of"),
}


@packed
def write_maps_fits(maps: xr.Dataset, path: Path) -> None:
    """Write every variable that is an image, or a stack of images along one dimension, as images.

    What has no image, such as the net counts of clusters, is in NetCDF files only.
    """
    header = primary_hdu().header
    for name, (card, comment) in NUMBERS.items():
        if name in maps.attrs:
            header[card] = (float(maps.attrs[name]), comment)
    for name, card in CARDS.items():
        if name in maps.attrs and name != "unit":  # every map has a unit of its own
            header[card] = ascii_text(str(maps.attrs[name]))
    header["CONTENT"] = ascii_text(str(maps.attrs.get("content", "")))
    images = list(_images(maps))
    if not images:
        raise ValueError(f"FITS files hold maps (y, x); these have {list(maps.data_vars)}")
    write_images(path, header, images, [])


def _images(maps: xr.Dataset) -> Iterator[Image]:
    """Yield the images of all variables, by names that occur once."""
    used: set[str] = set()
    for name, variable in maps.data_vars.items():
        stack = [str(dim) for dim in variable.dims if dim not in IMAGE]
        if not set(IMAGE) <= set(variable.dims) or len(stack) > 1:
            continue
        for at in range(variable.sizes[stack[0]] if stack else 1):
            one = variable.isel({stack[0]: at}) if stack else variable
            word = f"{name} {one[stack[0]].values}" if stack and stack[0] in one.coords else name
            header = sky_header(maps.attrs.get("wcs"))
            header.extend(_cards(one, stack[0] if stack else None), update=True)
            yield Image(_unused(str(word), used), _plain(one.transpose(*IMAGE).variable), header)


def _plain(values: xr.Variable) -> xr.Variable:
    """Return numbers in a type of FITS that every program reads: floats of 32 bits, or integers."""
    if values.dtype.kind == "f" and values.dtype != np.float32:
        return values.astype(np.float32)
    return values


def _unused(text: str, used: set[str]) -> str:
    """Return a name of an extension: letters, digits and underscores, which every program takes.

    >>> _unused("flux [OIII] 5007", {"VELOCITY"})
    'FLUX_OIII_5007'
    >>> _unused("flux [OIII] 5007", {"FLUX_OIII_5007"})
    'FLUX_OIII_5007_2'
    """
    word = re.sub(r"[^A-Z0-9]+", "_", ascii_text(text).upper()).strip("_")[:60]
    number, name = 1, word
    while name in used:
        number += 1
        name = f"{word}_{number}"
    used.add(name)
    return name


def _cards(image: xr.DataArray, stack: str | None) -> Any:
    """Return the cards that say what an image is: unit, line or element, meaning of its numbers."""
    from astropy.io import fits

    header = fits.Header()
    if unit := str(image.attrs.get("units", "")):
        header["BUNIT"] = "" if unit == "1" else ascii_text(unit)
    if meaning := str(image.attrs.get("long_name", "")):
        for line in wrap(ascii_text(meaning), 72):  # what a card holds
            header.add_comment(line)
    if stack is not None and stack in image.coords:
        header[stack.upper()[:8]] = ascii_text(str(image[stack].values))
    for name, (card, comment) in OF_A_MAP.items():
        if stack is not None and name in image.coords and image[name].ndim == 0:
            value = image[name].values.item()
            header[card] = (ascii_text(value) if isinstance(value, str) else value, comment)
    header.update(_legend(image.attrs))
    return header


def _legend(attrs: dict[str, Any]) -> dict[str, str]:
    """Return what the numbers of a map, or its bits, stand for: LEGEND1, or FLAG1, FLAG2, FLAG4."""
    if "legend" in attrs:
        named = json.loads(attrs["legend"])
        return {f"LEGEND{value}": ascii_text(name) for value, name in named.items()}
    if "flag_masks" not in attrs:
        return {}
    masks, words = str(attrs["flag_masks"]).split(","), str(attrs["flag_meanings"]).split()
    return {f"FLAG{mask.strip()}": word for mask, word in zip(masks, words, strict=True)}
