"""Read cubes from ENVI files: a text header (``.hdr``) and a file of plain numbers.

The header gives the size, the type and the order of the numbers. They must fit the size of the data
file, because a wrong header would give a scrambled image and no error.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ._common import Request, StoredCube, listing, with_missing
from ._envi_channels import add_channels
from ._envi_header import Layout, as_image, is_header, layout_of, numbers_in, parse
from ._lazy import load
from ._numbers import check_request, lazy_numbers

# Of the data file.
SUFFIXES = (
    "", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".bin", ".hyspex", ".rad", ".rfl", ".ref",
    ".cue", ".float",
)  # fmt: skip
ATTRIBUTES = {
    "description": "description",
    "sensor type": "instrument",
    "map info": "map_info",
    "coordinate system string": "coordinate_system",
}


def header_of(path: Path) -> Path | None:
    """Return the ENVI header beside a data file, or None."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    for header in (path.with_name(f"{path.name}{end}") for end in (".hdr", ".HDR")):
        if _has_header(header):
            return header
    for header in (path.with_suffix(".hdr"), path.with_suffix(".HDR")):
        if _has_header(header):
            return header
    return None


def _has_header(path: Path) -> bool:
    """Whether a file exists that begins like an ENVI header."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return is_header(stream.read(512))


def read_envi(path: Path, request: Request) -> StoredCube:
    """Read a cube from an ENVI header and the data file beside it.

    Parameters
    ----------
    path : Path
        The header, or the data file.
    request : Request
        What the user says about the file.

    Returns
    -------
    StoredCube
        Values (y, x, channel); NaN where they are the ``data ignore value``. Stored values are
        returned as they are, so that integers stay integers: the ``reflectance scale factor``
        becomes an attribute and is not applied (divide by it for reflectance); gains of the bands
        are not applied, and the attribute ``gain_note`` says so. No band is left out: bands with
        ``bbl`` 0 are True in the coordinate ``bad_channel (channel)``, and ``fwhm`` is a coordinate
        too. Bands of two spectrometers whose wavelengths overlap are put in their order.

    Raises
    ------
    ImportError
        If the package spectral is not installed.
    ValueError
        If the header is broken, or there is no data file of the size that it gives.
    """
    check_request(path, request, ("axes", "shape"), "holds one array without a name")
    header = header_of(path)
    data = None if header is None else path
    header = header or path
    found, notes = parse(header), list[str]()
    layout = layout_of(header, found, notes, request.axes)
    data = _data_file(header, layout) if data is None else data
    _check_size(header, data, layout, notes)
    layout = as_image(header, layout, request.shape)
    values = load(lazy_numbers(data, layout.numbers), request.chunks)
    attrs: dict[str, Any] = {"source": path.name} | _attributes(found)
    values = without_ignored(values, found.get("data ignore value"), attrs, notes)
    cube = StoredCube(values, attrs=attrs, notes=notes)
    cube.origin["axes"] = "the argument axes" if request.axes else f"interleave in {header.name}"
    add_channels(cube, header, found)
    return cube


def _attributes(found: dict[str, Any]) -> dict[str, str | float]:
    """Return attributes from a header: texts, and the factor that is not applied."""
    attrs: dict[str, str | float] = {}
    for field, name in ATTRIBUTES.items():
        value = found.get(field)
        text = ", ".join(value) if isinstance(value, list) else str(value or "")
        attrs |= {name: text} if text else {}
    with suppress(KeyError, TypeError, ValueError):
        attrs["reflectance_scale_factor"] = float(found["reflectance scale factor"])
    if found.get("data gain values") or found.get("data offset values"):
        attrs["gain_note"] = "the header has gains or offsets of the bands; they are not applied"
    return attrs


# --- the data -------------------------------------------------------------------------------------


def _data_file(header: Path, layout: Layout) -> Path:
    """Return the data file that belongs to a header.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    base = header.stem  # of scan.hdr, and of scan.img.hdr
    names = [base + suffix for suffix in SUFFIXES]
    beside = [
        one
        for one in sorted(header.parent.iterdir())
        if base in (one.name, one.stem) and one.is_file() and one != header
    ]
    candidates = [one for one in beside if one.name == base or one.suffix.lower() in SUFFIXES]
    if not candidates:  # a suffix of another program, with exactly the size of the image
        candidates = [one for one in beside if one.stat().st_size == layout.numbers.size]
    if len(candidates) > 1:
        fitting = [one for one in candidates if one.stat().st_size == layout.numbers.size]
        candidates = fitting or candidates
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        sizes = {one.name: one.stat().st_size for one in candidates}
        raise ValueError(
            f"{header}: several files may hold its data: {listing(sizes)}; give the data file "
            "instead of the header"
        )
    raise ValueError(
        f"{header} has no data file beside it; its name must be one of {', '.join(names)}"
    )


def _check_size(header: Path, data: Path, layout: Layout, notes: list[str]) -> None:
    """Raise ValueError unless the data file can hold what the header describes.

    What follows after the image is stated, unless another image would have just that size.
    """
    size, expected = data.stat().st_size, layout.numbers.size
    whole = expected - layout.offset
    if size > expected and (size - layout.offset) % whole:
        notes.append(
            f"{size - expected} bytes at the end of {data.name} belong to no band and are not read"
        )
    elif size != expected:
        what = "it is cut short" if size < expected else "it belongs to another image"
        raise ValueError(
            f"{data} has {size} bytes but {header.name} describes {expected} (shape "
            f"{layout.shape}, {np.dtype(layout.dtype)}, header offset {layout.offset}); {what}, or "
            "the header is wrong"
        )


def without_ignored(
    values: Any, ignored: Any, attrs: dict[str, Any], notes: list[str] | None = None
) -> Any:
    """Return the values with NaN in place of those to ignore, if their type has them.

    Parameters
    ----------
    values : numpy or dask array (y, x, channel)
    ignored : text, number, or list of texts
        The number to ignore, or one for each band; any other text is no number to ignore.
    attrs : dict
        Gets the ``saturation`` that the type of the values told.
    notes : list of str, optional
        What is assumed is appended.
    """
    try:
        numbers = numbers_in(ignored)
    except ValueError:
        return values
    if numbers is None:
        return values
    if len(numbers) not in (1, values.shape[2]):
        if notes is not None:
            count, bands = len(numbers), values.shape[2]
            notes.append(f"there are {count} values to ignore for {bands} bands: not used")
        return values
    numbers = numbers[:1] if (numbers == numbers[0]).all() else numbers
    dtype = values.dtype
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            fill = numbers.astype(dtype)
        possible = np.isfinite(fill)
    else:
        limits = np.iinfo(dtype)
        possible = (numbers == np.rint(numbers)) & (numbers >= limits.min) & (numbers <= limits.max)
        fill = np.where(possible, numbers, 0).astype(dtype)
    if not possible.any():
        return values
    if dtype in (np.uint8, np.uint16):  # float32 does not show where they saturate
        attrs["saturation"] = float(np.iinfo(dtype).max)
    return with_missing(values, (values == fill) & possible)
