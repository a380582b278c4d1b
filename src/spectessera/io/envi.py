"""Read cubes from ENVI files: a text header (``.hdr``) and a file of plain numbers.

The header gives the size, the type and the order of the numbers. They must fit the size of the data
file exactly, because a wrong header would give a scrambled image and no error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._common import Request, StoredCube, axis_of_file, check_stored, listing, native, with_missing
from ._lazy import LazyArray, load

SUFFIXES = ("", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".bin", ".hyspex")  # of the data
ORDERS = {"bsq": (1, 2, 0), "bil": (0, 2, 1), "bip": (0, 1, 2)}  # stored axis of y, x and channel
UNITS = {"wavenumber": "cm-1", "millimeters": "mm", "meters": "m"}  # beside those of Axis
ATTRIBUTES = {
    "description": "description",
    "sensor type": "instrument",
    "map info": "map_info",
    "coordinate system string": "coordinate_system",
    "bbl": "bbl",
}
MAX_HEADER_BYTES = 2**20
MAX_LINES = 20_000
PACKAGE = "reading ENVI files needs the package spectral: pip install 'spectessera[envi]'"


class _Layout(NamedTuple):
    """How the data file stores the numbers: shape, type, offset and order."""

    shape: tuple[int, int, int]  # (y, x, channel)
    dtype: str  # with its byte order
    offset: int
    interleave: str


def is_header(start: bytes) -> bool:
    """Whether these are the first bytes of an ENVI header."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"ENVI")


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
        are not applied, and the attribute ``gain_note`` says so. No band is left out: the list of
        bad bands is the attribute ``bbl``.

    Raises
    ------
    ImportError
        If the package spectral is not installed.
    ValueError
        If the header is broken, or there is no data file of the size that it gives.
    """
    key, chunks = request.key, request.chunks
    if key is not None:
        raise ValueError(f"{path} holds one array without a name; leave out key={key!r}")
    header = header_of(path)
    data = None if header is None else path
    header = header or path
    fields = _parse(header)
    layout = _layout(header, fields)
    data = _data_file(header, layout) if data is None else data
    _check_size(header, data, layout)
    dtype = np.dtype(layout.dtype).newbyteorder("=")
    values = load(LazyArray(data, layout, layout.shape, dtype, _fetch, locked=False), chunks)
    attrs: dict[str, Any] = {"source": path.name}
    values = without_ignored(values, fields.get("data ignore value"), attrs)
    axis, note, axis_error = _axis(fields, layout.shape[2])
    attrs |= note | _attributes(fields)
    return StoredCube(values, axis=axis, axis_error=axis_error, attrs=attrs)


# --- the header -----------------------------------------------------------------------------------


def _parse(header: Path) -> dict[str, Any]:
    """Return the fields of a header: texts, and lists of texts.

    The package spectral can read headers too, but it decodes them with the encoding of the system,
    which fails on the µm of another system, and its time grows with the square of long lists.
    """
    try:
        from spectral.io import envi
        from spectral.utilities.errors import SpyException
    except ImportError as error:
        raise ImportError(PACKAGE) from error
    size = header.stat().st_size
    if size > MAX_HEADER_BYTES:
        raise ValueError(f"{header} has {size} bytes, too many for an ENVI header")
    raw = header.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.lstrip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise ValueError(f"{header} has {len(lines)} lines, too many for an ENVI header")
    with reading(header, "an ENVI header", SpyException):
        fields = dict(_fields(lines[1:]))  # the first line is ENVI
        envi.check_compatibility(fields)
    return fields


def _fields(lines: list[str]) -> Iterator[tuple[str, str | list[str]]]:
    """Yield names and values: a text, or the list of texts between braces.

    Raises
    ------
    ValueError
        If a brace is never closed.
    """
    rest = (line for line in lines if not line.startswith(";"))  # a comment
    for line in rest:
        name, equal, value = (part.strip() for part in line.partition("="))
        name = name.lower()
        if not equal:
            continue
        if not value.startswith("{"):
            yield name, value
            continue
        parts = [value]
        while not parts[-1].endswith("}"):
            more = next(rest, None)
            if more is None:
                raise ValueError(f"the brace of {name!r} is not closed")
            parts.append(more.strip())
        value = "\n".join(parts)
        if name == "description":
            yield name, value.strip("{}").strip()
        else:
            yield name, [word.strip() for word in value[1:-1].split(",")]


def _layout(header: Path, fields: dict[str, Any]) -> _Layout:
    """Return how the numbers are stored, from the fields of a header.

    Raises
    ------
    ValueError
        If a field makes no sense, or the file is not an image of plain numbers.
    """
    from spectral.io.envi import envi_to_dtype

    shape = tuple(_integer(header, fields, name, 1) for name in ("lines", "samples", "bands"))
    kind = str(fields.get("file type", "")).lower()
    if "library" in kind or "classification" in kind:
        raise ValueError(f"{header} is an {fields['file type']}, not an image of spectra")
    if _integer(header, fields, "file compression", 0, 0):
        raise ValueError(f"{header}: the data are compressed; save them without compression")
    letter = envi_to_dtype.get(str(fields["data type"]).strip())
    if letter is None:
        raise ValueError(f"{header}: data type {fields['data type']!r} is not known")
    interleave = str(fields["interleave"]).strip().lower()
    if interleave not in ORDERS:
        raise ValueError(f"{header}: interleave must be bsq, bil or bip; got {interleave!r}")
    order = _integer(header, fields, "byte order", 0)
    if order not in (0, 1):
        raise ValueError(f"{header}: byte order must be 0 or 1; got {order}")
    dtype = np.dtype(letter).newbyteorder("<>"[order])
    check_stored(header, header.name, shape, dtype)
    offset = _integer(header, fields, "header offset", 0, 0)
    return _Layout(shape, dtype.str, offset, interleave)  # type: ignore[arg-type]


def _integer(
    header: Path, fields: dict[str, Any], name: str, low: int, default: int | None = None
) -> int:
    """Return a field that must be a whole number, at least ``low``."""
    text = fields.get(name, default)
    try:
        number = int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{header}: {name} must be a whole number; got {text!r}") from error
    if number < low:
        raise ValueError(f"{header}: {name} must be at least {low}; got {number}")
    return number


def _axis(
    fields: dict[str, Any], channels: int
) -> tuple[dict[str, Any] | None, dict[str, str], str]:
    """Return the spectral axis, a note to keep, and why the axis cannot be used ("" if it can)."""
    texts = fields.get("wavelength")
    if not texts:
        return None, {}, ""
    texts = [texts] if isinstance(texts, str) else texts
    try:
        values = np.array([float(one) for one in texts if one])
    except ValueError:
        return None, {}, "the header has wavelengths that are not numbers"
    if len(values) != channels:
        return None, {}, f"the header has {len(values)} wavelengths for {channels} bands"
    unit = fields.get("wavelength units")
    unit = None if unit is None else UNITS.get(str(unit).strip().lower(), unit)
    return *axis_of_file(values, unit, name="wavelength"), ""


def _attributes(fields: dict[str, Any]) -> dict[str, str | float]:
    """Return attributes from a header: texts, and the factor that is not applied."""
    attrs: dict[str, str | float] = {}
    for field, name in ATTRIBUTES.items():
        value = fields.get(field)
        text = ", ".join(value) if isinstance(value, list) else str(value or "")
        attrs |= {name: text} if text else {}
    with suppress(KeyError, TypeError, ValueError):
        attrs["reflectance_scale_factor"] = float(fields["reflectance scale factor"])
    if fields.get("data gain values") or fields.get("data offset values"):
        attrs["gain_note"] = "the header has gains or offsets of the bands; they are not applied"
    return attrs


# --- the data -------------------------------------------------------------------------------------


def _data_file(header: Path, layout: _Layout) -> Path:
    """Return the data file that belongs to a header.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    base = header.stem  # of scan.hdr, and of scan.img.hdr
    names = [base + suffix for suffix in SUFFIXES]
    candidates = [
        one
        for one in sorted(header.parent.iterdir())
        if one.name == base or (one.stem == base and one.suffix.lower() in SUFFIXES)
    ]
    candidates = [one for one in candidates if one.is_file()]
    if len(candidates) > 1:
        fitting = [one for one in candidates if one.stat().st_size == _size(layout)]
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


def _size(layout: _Layout) -> int:
    """Return the number of bytes that a data file must have."""
    return layout.offset + math.prod(layout.shape) * np.dtype(layout.dtype).itemsize


def _check_size(header: Path, data: Path, layout: _Layout) -> None:
    """Raise ValueError unless the data file has the size that the header gives."""
    size, expected = data.stat().st_size, _size(layout)
    if size != expected:
        what = "it is cut short" if size < expected else "it belongs to another image"
        raise ValueError(
            f"{data} has {size} bytes but {header.name} describes {expected} (shape "
            f"{layout.shape}, {np.dtype(layout.dtype)}, header offset {layout.offset}); {what}, or "
            "the header is wrong"
        )


def _fetch(path: Path, layout: _Layout, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a data file."""
    order = ORDERS[layout.interleave]
    stored = tuple(layout.shape[order.index(axis)] for axis in range(3))
    with reading(path, "ENVI data"):
        numbers = np.memmap(path, layout.dtype, "r", layout.offset, stored)
        part = native(numbers.transpose(order)[index])
        return np.array(part, copy=np.may_share_memory(part, numbers))  # closes the map


def without_ignored(values: Any, text: Any, attrs: dict[str, Any]) -> Any:
    """Return the values with NaN in place of the ``data ignore value``, if their type has it."""
    try:
        number = float(text)
    except (TypeError, ValueError):
        return values
    dtype = values.dtype
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            number = float(dtype.type(number))
        return with_missing(values, values == number) if math.isfinite(number) else values
    limits = np.iinfo(dtype)
    if not number.is_integer() or not limits.min <= number <= limits.max:
        return values
    if dtype in (np.uint8, np.uint16):  # float32 does not show where they saturate
        attrs["saturation"] = float(limits.max)
    return with_missing(values, values == int(number))
