"""Read cubes from ripple files: a text header (``.rpl``) and a file of plain numbers (``.raw``).

Lispix defined the format; DigitalMicrograph, EDAX, Bruker, INCA and HyperSpy export it, with keys
of their own for the calibration.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading
from spectessera.conventions.units import kind_of_signal

from ._common import Request, StoredCube, axis_of_file, check_stored
from ._lazy import load
from ._numbers import (
    Numbers,
    check_image,
    check_request,
    integer_of,
    lazy_numbers,
    number_of,
    order_of,
)

MAX_HEADER_BYTES = 2**20
LENGTHS = {"y": "height", "x": "width", "c": "depth"}
RECORD_BY = {"vector": "yxc", "image": "cyx"}
LETTERS = {"signed": "i", "unsigned": "u", "float": "f"}
SIZES = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
BYTE_ORDERS = {"little-endian": "<", "big-endian": ">", "dont-care": "<"}
# What other programs write about the measurement -> attribute. Times are in seconds, angles in
# degrees, the energy of the beam in keV, as HyperSpy writes them.
ATTRIBUTES = {
    "title": "title", "date": "date", "time": "time", "signal": "signal",
    "live-time": "live_time", "beam-energy": "beam_energy", "tilt-stage": "tilt_stage",
    "detector-peak-width-ev": "detector_peak_width_ev", "elevation-angle": "elevation_angle",
    "azimuth-angle": "azimuth_angle", "collection-angle": "collection_angle",
    "convergence-angle": "convergence_angle",
}  # fmt: skip
# INCA writes (MLX::WIDTH : 256), all others a tab between key and value.
_LINE = re.compile(r"\(?\s*(?:mlx::)?([a-z][\w-]*)\s*[\t :=,]\s*(.*?)\s*\)?\s*$", re.IGNORECASE)


def ripple_header(path: Path) -> Path | None:
    """Return the ripple header of a file: itself, or that beside a data file; None if none."""
    if path.suffix.lower() == ".rpl":
        return path
    if path.suffix.lower() != ".raw":
        return None
    found = (path.with_suffix(suffix) for suffix in (".rpl", ".RPL", ".Rpl"))
    return next((one for one in found if one.is_file()), None)


def read_ripple(path: Path, request: Request) -> StoredCube:
    """Read a cube from a ripple header and the data file beside it.

    Parameters
    ----------
    path : Path
        The header (``.rpl``) or the data file (``.raw``).
    request : Request
        ``chunks`` leave the data in the file; ``axes`` replaces the header's ``record-by``.

    Returns
    -------
    StoredCube
        Values (y, x, channel), stored counts as they are.

    Raises
    ------
    ValueError
        If the header is broken, or there is no data file of the size that it gives.
    """
    check_request(path, request, ("axes", "shape"), "holds one array without a name")
    header = ripple_header(path) or path
    fields = _parse(header)
    notes: list[str] = []
    numbers, axes_from = _numbers(header, fields, request, notes)
    data = _data_file(header) if header == path else path
    size = data.stat().st_size
    if size != numbers.size:
        what = "it is cut short" if size < numbers.size else "it belongs to another image"
        raise ValueError(
            f"{data} has {size} bytes but {header.name} describes {numbers.size} (stored shape "
            f"{numbers.stored}, {np.dtype(numbers.dtype)}, offset {numbers.offset}); {what}, or "
            "the header is wrong"
        )
    check_image(header, request, numbers.shape[:2])
    axis, attrs = _axis(header, fields, numbers.shape[2])
    attrs |= {"source": path.name} | _attributes(fields)
    coords = _positions(header, fields, numbers.shape)
    origin = {"axes": axes_from} | ({"axis": f"the calibration in {header.name}"} if axis else {})
    return StoredCube(
        load(lazy_numbers(data, numbers), request.chunks),
        axis=axis,
        coords=coords,
        attrs=attrs,
        origin=origin,
        notes=notes,
    )


def _parse(header: Path) -> dict[str, str]:
    """Return the fields of a header by their names in lower case.

    Raises
    ------
    ValueError
        If it is too long for a header, gives a field twice with two values, or has no fields.
    """
    size = header.stat().st_size
    if size > MAX_HEADER_BYTES:
        raise ValueError(f"{header} has {size} bytes, too many for a ripple header")
    with reading(header, "a ripple header"):
        text = header.read_bytes().decode("latin-1")
    fields: dict[str, str] = {}
    for line in text.removeprefix("\xef\xbb\xbf").splitlines():
        match = _LINE.match(line.partition(";")[0].strip())  # a comment begins with ;
        if not match:
            continue
        name, value = match[1].lower(), re.sub("mlx::", "", match[2], flags=re.IGNORECASE).strip()
        if fields.setdefault(name, value) != value:
            raise ValueError(f"{header} gives {name} twice: {fields[name]!r} and {value!r}")
    if "width" not in fields:
        raise ValueError(f"{header} is no ripple header: it does not give the width of the image")
    return fields


def _choice(header: Path, fields: dict[str, str], name: str, known: Any) -> str:
    """Return a field that must be one of the known words."""
    word = fields.get(name, "").lower()
    if word not in known:
        raise ValueError(f"{header}: {name} must be one of {', '.join(known)}; got {word!r}")
    return word


def _numbers(
    header: Path, fields: dict[str, str], request: Request, notes: list[str]
) -> tuple[Numbers, str]:
    """Return how the data file stores the numbers, and how the order was found."""
    lengths = {letter: integer_of(header, fields, name, 1) for letter, name in LENGTHS.items()}
    if lengths["c"] == 1:
        raise ValueError(f"{header} describes an image (depth 1), not a spectrum in every pixel")
    record_by = _choice(header, fields, "record-by", (*RECORD_BY, "dont-care"))
    letters = request.axes or RECORD_BY.get(record_by)
    if letters is None:
        raise ValueError(
            f"{header}: record-by is dont-care, so the order of the numbers is not known; give "
            "axes='yxc' or axes='cyx'"
        )
    letter = LETTERS[_choice(header, fields, "data-type", LETTERS)]
    itemsize = integer_of(header, fields, "data-length", 1)
    if itemsize not in SIZES[letter]:
        raise ValueError(f"{header}: there are no numbers {letter!r} of data-length {itemsize}")
    byte_order = _choice(header, fields, "byte-order", BYTE_ORDERS)
    if byte_order == "dont-care" and itemsize > 1:
        notes.append("the header gives no byte order: little-endian is taken")
    dtype = np.dtype(f"{BYTE_ORDERS[byte_order]}{letter}{itemsize}")
    stored = tuple(lengths[one] for one in letters)
    check_stored(header, header.name, stored, dtype)
    offset = integer_of(header, fields, "offset", 0, 0)
    found = f"record-by {record_by}" if request.axes is None else f"axes={request.axes}"
    return Numbers(dtype.str, offset, stored, order_of(letters)), found


def _data_file(header: Path) -> Path:
    """Return the data file beside a header."""
    names = [header.stem + suffix for suffix in (".raw", ".RAW", ".Raw")]
    for name in names:
        if header.with_name(name).is_file():
            return header.with_name(name)
    raise ValueError(f"{header} has no data file beside it; its name must be {names[0]}")


def _axis(
    header: Path, fields: dict[str, str], channels: int
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the spectral axis, and attributes to keep.

    HyperSpy rounds ``ev-per-chan`` to a whole number, so ``depth-scale`` counts if both are given.
    """
    unit = fields.get("depth-units")
    if "depth-scale" in fields:
        scale = number_of(header, fields, "depth-scale")
    elif "ev-per-chan" in fields:
        scale, unit = number_of(header, fields, "ev-per-chan"), "eV"
    else:
        return None, {}
    if scale == 0:
        return None, {"axis_note": f"{header.name} gives channels of width 0"}
    first = number_of(header, fields, "depth-origin", 0)
    kind = kind_of_signal(fields.get("depth-name", ""), fields.get("signal", ""))
    return axis_of_file(first + scale * np.arange(channels), unit, name="depth", kind=kind)


def _attributes(fields: dict[str, str]) -> dict[str, str | float]:
    """Return what the header says about the measurement: numbers where it can be read as one."""
    attrs: dict[str, str | float] = {}
    for field, name in ATTRIBUTES.items():
        text = fields.get(field, "")
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text, re.IGNORECASE):
            attrs[name] = float(text)
        elif text:
            attrs[name] = text
    return attrs


def _positions(
    header: Path, fields: dict[str, str], shape: tuple[int, ...]
) -> dict[str, tuple[Any, ...]]:
    """Return the positions of rows and columns, where the header gives their scale."""
    coords: dict[str, tuple[Any, ...]] = {}
    for dim, name, length in (("y", "height", shape[0]), ("x", "width", shape[1])):
        scale = number_of(header, fields, f"{name}-scale", 0)
        if scale:
            first = number_of(header, fields, f"{name}-origin", 0)
            unit = fields.get(f"{name}-units", "")
            attrs = {"units": unit} if unit else {}
            coords[dim] = ((dim,), first + scale * np.arange(length), attrs)
    return coords
