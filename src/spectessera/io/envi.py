"""Read cubes from ENVI files: a text header (``.hdr``) and a file of plain numbers.

The header gives the size, the type and the order of the numbers. They must fit the size of the data
file, because a wrong header would give a scrambled image and no error.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ._common import Request, StoredCube, listing
from ._envi_channels import add_channels
from ._envi_header import as_image, is_header, layout_of, numbers_in, parse
from ._geography import envi_words
from ._lazy import load
from ._numbers import Numbers, check_request, lazy_numbers
from ._packing import without_ignored

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
    numbers = layout_of(header, found, notes, request.axes)
    data = _data_file(header, numbers.size) if data is None else data
    _check_size(header, data, numbers, notes)
    numbers = as_image(header, numbers, request.shape)
    values = load(lazy_numbers(data, numbers), request.chunks)
    attrs: dict[str, Any] = {"source": path.name} | _attributes(found)
    ignored = None
    with suppress(ValueError):  # any other text is no number to ignore
        ignored = numbers_in(found.get("data ignore value"))
    values = without_ignored(values, ignored, attrs, notes)
    cube = StoredCube(values, attrs=attrs, notes=notes)
    coords, placed = envi_words(found, values.shape[:2])
    cube.coords |= coords
    attrs |= placed
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


def _data_file(header: Path, size: int) -> Path:
    """Return the data file that belongs to a header, of ``size`` bytes if the header is right.

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
        candidates = [one for one in beside if one.stat().st_size == size]
    if len(candidates) > 1:
        fitting = [one for one in candidates if one.stat().st_size == size]
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


def _check_size(header: Path, data: Path, numbers: Numbers, notes: list[str]) -> None:
    """Raise ValueError unless the data file can hold what the header describes.

    What follows after the image is stated, unless another image would have just that size.
    """
    size, expected = data.stat().st_size, numbers.size
    whole = expected - numbers.offset
    if size > expected and (size - numbers.offset) % whole:
        notes.append(
            f"{size - expected} bytes at the end of {data.name} belong to no band and are not read"
        )
    elif size != expected:
        what = "it is cut short" if size < expected else "it belongs to another image"
        raise ValueError(
            f"{data} has {size} bytes but {header.name} describes {expected} (shape "
            f"{numbers.shape}, {np.dtype(numbers.dtype)}, header offset {numbers.offset}); "
            f"{what}, or the header is wrong"
        )
