"""Write cubes and label maps as FITS."""

from __future__ import annotations

import gzip
import shutil
import unicodedata
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr

from spectessera._version import __version__
from spectessera.axis import Axis, even_steps
from spectessera.colours import as_hex
from spectessera.cube import DIMS, spectral_axis
from spectessera.result import VARIABLES, cluster_colours, cluster_names

from ._common import CREATOR
from ._fits_coordinates import coordinate_extensions
from ._fits_images import Image, write_images
from ._wcs import FITS_UNIT

CTYPE = {
    "energy": "ENER",
    "energy_loss": "ENER",
    "wavelength": "WAVE",
    "wavenumber": "WAVN",
    "frequency": "FREQ",
    "velocity": "VELO",
    "channel": "CHANNEL",
}
TABLE, COLUMN = "WCS-TAB", "COORDS"  # where the values of an axis of uneven steps are
CARDS = {"unit": "BUNIT", "object": "OBJECT", "instrument": "INSTRUME", "telescope": "TELESCOP"}


def packed(writer: Callable[[Any, Path], None]) -> Callable[[Any, Path], None]:
    """Return a writer of FITS files that packs those whose name ends with .gz."""

    @wraps(writer)
    def write(thing: Any, path: Path) -> None:
        if not path.name.lower().endswith(".gz"):
            writer(thing, path)
            return
        with TemporaryDirectory(dir=path.parent, prefix=".spectessera-") as folder:
            plain = Path(folder) / "plain.fits"
            writer(thing, plain)
            with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as stream:
                shutil.copyfileobj(source, stream, 2**20)

    return write


@packed
def write_cube_fits(cube: xr.DataArray, path: Path) -> None:
    """Write a cube as FITS: DATA, STAT (the variance) and MASK, and the axis if it is uneven.

    A lazy cube is written block by block.
    """
    axis = spectral_axis(cube)
    header = sky_header(cube.attrs.get("wcs"))
    header.update(_spectral_cards(axis))
    for name, card in CARDS.items():
        if name in cube.attrs:
            text = str(cube.attrs[name]).encode("ascii", "replace").decode()
            header[card] = "".join(each if each.isprintable() else " " for each in text)
    images = [Image("DATA", cube.variable, header)]
    if "variance" in cube.coords:
        images.append(Image("STAT", cube.coords["variance"].variable.transpose(*DIMS), header))
    if "mask" in cube.coords:
        mask = cube.coords["mask"].variable.transpose("y", "x").astype(np.uint8)
        images.append(Image("MASK", mask, sky_header(cube.attrs.get("wcs"))))
    tables = [] if even_steps(axis.values) else [_table(axis)]
    tables += coordinate_extensions(cube)
    write_images(path, primary_hdu().header, images, tables)


@packed
def write_result_fits(result: xr.Dataset, path: Path) -> None:
    """Write the maps that have a FITS extension in the schema, and a table of the clusters."""
    images = []
    for each in [each for each in VARIABLES.values() if each.fits and each.name in result]:
        header, dtype = sky_header(result.attrs.get("wcs")), each.dtype
        values = result[each.name].transpose(*each.dims).values
        if each.name == "label":
            largest = int(values.max(initial=0))
            clusters = result.sizes.get("cluster", largest)
            header["NCLUSTER"] = (clusters, "labels are 1 to this; 0 = masked")
            dtype = "int16" if largest <= np.iinfo(np.int16).max else dtype
        images.append(Image(each.fits, xr.Variable(each.dims, values.astype(dtype)), header))
    tables = [_clusters(result)] if result.sizes.get("cluster", 0) else []
    write_images(path, primary_hdu().header, images, tables)


def _clusters(result: xr.Dataset) -> Any:
    """Return the table CLUSTERS: number, name by people, colour and pixels of every cluster."""
    from astropy.io import fits

    numbers, names = result["cluster"].values.astype(np.int32), cluster_names(result)
    texts = [ascii_text(names.get(each, "")) for each in numbers.tolist()]
    rgb = cluster_colours(result)[numbers - 1]
    columns = [
        fits.Column("CLUSTER", "J", array=numbers),
        fits.Column("NAME", f"{max(map(len, [*texts, ' ']))}A", array=texts),
        fits.Column("COLOUR", "7A", array=[as_hex(each) for each in rgb]),
    ]
    for place, name in enumerate(("RED", "GREEN", "BLUE")):
        columns.append(fits.Column(name, "B", array=rgb[:, place]))
    if "size" in result:
        columns.append(fits.Column("PIXELS", "K", array=result["size"].values))
    return fits.BinTableHDU.from_columns(columns, name="CLUSTERS")


def ascii_text(text: str) -> str:
    r"""Return a text in the characters that FITS has: accents go, others become escapes.

    Line breaks and the like become spaces: a card has one line.

    >>> ascii_text("né μ")
    'ne \\u03bc'
    """
    split = unicodedata.normalize("NFKD", "".join(c if c.isprintable() else " " for c in text))
    bare = "".join(each for each in split if not unicodedata.combining(each))
    return bare.encode("ascii", "backslashreplace").decode("ascii")


def primary_hdu() -> Any:
    """Return the first part of a FITS file, which names the program that wrote it."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU()
    hdu.header["CREATOR"] = f"{CREATOR} {__version__}"
    return hdu


def sky_header(wcs: Any) -> Any:
    """Return a FITS header with the WCS of the image, which is an attribute of text."""
    from astropy.io import fits

    if not wcs:
        return fits.Header()
    return fits.Header.fromstring(str(wcs), sep="\n")


def _spectral_cards(axis: Axis) -> dict[str, Any]:
    """Return the cards of the third axis; the values of uneven steps are in a table."""
    air = axis.kind == "wavelength" and axis.medium == "air"
    cards: dict[str, Any] = {
        "WCSAXES": 3,
        "CTYPE3": "AWAV" if air else CTYPE[axis.kind],
        "CUNIT3": FITS_UNIT.get(axis.unit, axis.unit),
        "CRPIX3": 1.0,
        "AXISKIND": (axis.kind, "kind of the spectral axis"),
        "MEDIUM": (axis.medium or "unknown", "of the wavelengths: air or vacuum"),
    }
    even = even_steps(axis.values)
    if even is not None:
        return cards | {"CRVAL3": even[0], "CDELT3": even[1]}
    cards["CTYPE3"] = f"{cards['CTYPE3'][:4]}-TAB"
    lookup = {"PS3_0": TABLE, "PS3_1": COLUMN, "PV3_1": 1, "PV3_2": 1, "PV3_3": 1}
    return cards | {"CRVAL3": 1.0, "CDELT3": 1.0} | lookup


def _table(axis: Axis) -> Any:
    """Return the table of an axis of uneven steps: one row, which holds all values."""
    from astropy.io import fits

    column = fits.Column(
        COLUMN, f"{len(axis)}D", unit=FITS_UNIT.get(axis.unit, axis.unit) or None,
        dim=f"(1,{len(axis)})", array=axis.values.reshape(1, len(axis), 1),
    )  # fmt: skip
    return fits.BinTableHDU.from_columns([column], name=TABLE)
