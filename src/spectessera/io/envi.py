"""Read cubes from ENVI files: a header of plain text (``.hdr``) and a file of bare numbers.

The header tells size, type and order of the numbers, which must fit the size of the data file to
the byte: a header that is wrong shows a scrambled image, not an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._common import Lazy, Parts, blank, check_stored, listing, load, native, telling, told_axis

SUFFIXES = ("", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".bin", ".hyspex")  # of the data
ORDERS = {"bsq": (1, 2, 0), "bil": (0, 2, 1), "bip": (0, 1, 2)}  # stored axis of y, x and channel
UNITS = {"wavenumber": "cm-1", "millimeters": "mm", "meters": "m"}  # beside those that are known
KEPT = {
    "description": "description",
    "sensor type": "instrument",
    "map info": "map_info",
    "coordinate system string": "coordinate_system",
    "bbl": "bbl",
}
LONGEST = 2**20  # bytes of a header
MOST_LINES = 20_000
PACKAGE = "reading ENVI files needs the package spectral: pip install 'spectessera[envi]'"


class _Layout(NamedTuple):
    """Where the numbers are in the data file: shape, offset and stored order."""

    shape: tuple[int, int, int]  # (y, x, channel)
    dtype: str  # with its byte order
    offset: int
    interleave: str


def is_header(start: bytes) -> bool:
    """Tell an ENVI header by its first bytes."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"ENVI")


def header_of(path: Path) -> Path | None:
    """Return the ENVI header beside a file of data, or None."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    for header in (path.with_name(f"{path.name}{end}") for end in (".hdr", ".HDR")):
        if _begins(header):
            return header
    for header in (path.with_suffix(".hdr"), path.with_suffix(".HDR")):
        if _begins(header):
            return header
    return None


def _begins(path: Path) -> bool:
    """Tell whether there is an ENVI header."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return is_header(stream.read(512))


def read_envi(path: Path, key: str | None = None, chunks: Any = None) -> Parts:
    """Read a cube from an ENVI header and the file of data beside it.

    Parameters
    ----------
    path : Path
        The header, or the file of data.
    key : None
        There is one array, so there is nothing to choose.
    chunks : dict, int or "auto", optional
        Leave the data in the file and give a dask array. "auto" makes blocks of whole rows of at
        most 16 MiB.

    Returns
    -------
    Parts
        Values (y, x, channel); NaN where they are the ``data ignore value``. What is stored is
        taken as it is: the ``reflectance scale factor`` and the gains of the bands become
        attributes and are not applied, so that integers stay integers (divide by the factor for
        reflectance). No band is left out: the list of bad bands is the attribute ``bbl``.

    Raises
    ------
    ImportError
        If the package spectral is not installed.
    ValueError
        If the header is broken, or there is no file of data of the size that it tells.
    """
    if key is not None:
        raise ValueError(f"{path} holds one array without a name; leave out key={key!r}")
    header = header_of(path)
    data = None if header is None else path
    header = header or path
    told = _parse(header)
    layout = _layout(header, told)
    data = _data_file(header, layout) if data is None else data
    _check_size(header, data, layout)
    dtype = np.dtype(layout.dtype).newbyteorder("=")
    values = load(Lazy(data, layout, layout.shape, dtype, _fetch, locked=False), chunks)
    attrs: dict[str, Any] = {"source": path.name}
    values = _ignore(values, told.get("data ignore value"), attrs)
    axis, note, trouble = _axis(told, layout.shape[2])
    attrs |= note | _attributes(told)
    return Parts(values, axis=axis, axis_trouble=trouble, attrs=attrs)


# --- the header -----------------------------------------------------------------------------------


def _parse(header: Path) -> dict[str, Any]:
    """Return the fields of a header: texts, and lists of texts.

    The package spectral would read it too, but decodes files as the system does, which fails on
    the µm of another system, and takes the square of the time for long lists.
    """
    try:
        from spectral.io import envi
        from spectral.utilities.errors import SpyException
    except ImportError as error:
        raise ImportError(PACKAGE) from error
    size = header.stat().st_size
    if size > LONGEST:
        raise ValueError(f"{header} has {size} bytes, too many for an ENVI header")
    raw = header.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.lstrip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MOST_LINES:
        raise ValueError(f"{header} has {len(lines)} lines, too many for an ENVI header")
    with telling(header, "an ENVI header", SpyException):
        found = dict(_fields(lines[1:]))  # the first says ENVI
        envi.check_compatibility(found)
    return found


def _fields(lines: list[str]) -> Iterator[tuple[str, str | list[str]]]:
    """Yield names and values: words, or the list of words between braces.

    Raises
    ------
    ValueError
        If a brace is never closed.
    """
    rest = (line for line in lines if not line.startswith(";"))  # a remark
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


def _layout(header: Path, told: dict[str, Any]) -> _Layout:
    """Return where the numbers are, from the fields of a header.

    Raises
    ------
    ValueError
        If a field makes no sense, or the file is not an image of plain numbers.
    """
    from spectral.io.envi import envi_to_dtype

    shape = tuple(_whole(header, told, name, 1) for name in ("lines", "samples", "bands"))
    kind = str(told.get("file type", "")).lower()
    if "library" in kind or "classification" in kind:
        raise ValueError(f"{header} is an {told['file type']}, not an image of spectra")
    if _whole(header, told, "file compression", 0, 0):
        raise ValueError(f"{header}: the data are compressed; save them without compression")
    letter = envi_to_dtype.get(str(told["data type"]).strip())
    if letter is None:
        raise ValueError(f"{header}: data type {told['data type']!r} is not known")
    interleave = str(told["interleave"]).strip().lower()
    if interleave not in ORDERS:
        raise ValueError(f"{header}: interleave must be bsq, bil or bip; got {interleave!r}")
    order = _whole(header, told, "byte order", 0)
    if order not in (0, 1):
        raise ValueError(f"{header}: byte order must be 0 or 1; got {order}")
    dtype = np.dtype(letter).newbyteorder("<>"[order])
    check_stored(header, header.name, shape, dtype)
    offset = _whole(header, told, "header offset", 0, 0)
    return _Layout(shape, dtype.str, offset, interleave)  # type: ignore[arg-type]


def _whole(
    header: Path, told: dict[str, Any], name: str, low: int, default: int | None = None
) -> int:
    """Return a field that must be a whole number, at least ``low``."""
    text = told.get(name, default)
    try:
        number = int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{header}: {name} must be a whole number; got {text!r}") from error
    if number < low:
        raise ValueError(f"{header}: {name} must be at least {low}; got {number}")
    return number


def _axis(told: dict[str, Any], channels: int) -> tuple[dict[str, Any] | None, dict[str, str], str]:
    """Return the spectral axis, a note to keep, and what is wrong with it if anything is."""
    texts = told.get("wavelength")
    if not texts:
        return None, {}, ""
    texts = [texts] if isinstance(texts, str) else texts
    try:
        values = np.array([float(one) for one in texts if one])
    except ValueError:
        return None, {}, "the header has wavelengths that are not numbers"
    if len(values) != channels:
        return None, {}, f"the header has {len(values)} wavelengths for {channels} bands"
    unit = told.get("wavelength units")
    unit = None if unit is None else UNITS.get(str(unit).strip().lower(), unit)
    return *told_axis(values, unit, name="wavelength"), ""


def _attributes(told: dict[str, Any]) -> dict[str, str | float]:
    """Return what to keep of a header: texts, and the factors that are not applied."""
    attrs: dict[str, str | float] = {}
    for field, name in KEPT.items():
        value = told.get(field)
        text = ", ".join(value) if isinstance(value, list) else str(value or "")
        attrs |= {name: text} if text else {}
    with suppress(KeyError, TypeError, ValueError):
        attrs["reflectance_scale_factor"] = float(told["reflectance scale factor"])
    if told.get("data gain values") or told.get("data offset values"):
        attrs["gain_note"] = "the header tells gains or offsets of the bands; they are not applied"
    return attrs


# --- the data -------------------------------------------------------------------------------------


def _data_file(header: Path, layout: _Layout) -> Path:
    """Return the file of data that goes with a header.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    base = header.stem  # of scan.hdr, and of scan.img.hdr too
    wanted = [base + suffix for suffix in SUFFIXES]
    found = [
        one
        for one in sorted(header.parent.iterdir())
        if one.name == base or (one.stem == base and one.suffix.lower() in SUFFIXES)
    ]
    found = [one for one in found if one.is_file()]
    if len(found) > 1:
        found = [one for one in found if one.stat().st_size == _size(layout)] or found
    if len(found) == 1:
        return found[0]
    if found:
        sizes = {one.name: one.stat().st_size for one in found}
        raise ValueError(
            f"{header}: several files may hold its data: {listing(sizes)}; give the one that is "
            "meant in place of the header"
        )
    raise ValueError(
        f"{header} has no file of data beside it; it must be called one of {', '.join(wanted)}"
    )


def _size(layout: _Layout) -> int:
    """Return the bytes that a file of data must have."""
    return layout.offset + math.prod(layout.shape) * np.dtype(layout.dtype).itemsize


def _check_size(header: Path, data: Path, layout: _Layout) -> None:
    """Raise ValueError unless the file of data has the size that the header tells."""
    size, wanted = data.stat().st_size, _size(layout)
    if size != wanted:
        what = "it is cut short" if size < wanted else "it is of another image"
        raise ValueError(
            f"{data} has {size} bytes but {header.name} tells of {wanted} (shape {layout.shape}, "
            f"{np.dtype(layout.dtype)}, header offset {layout.offset}); {what}, or the header is "
            "wrong"
        )


def _fetch(path: Path, layout: _Layout, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a file of data."""
    order = ORDERS[layout.interleave]
    stored = tuple(layout.shape[order.index(axis)] for axis in range(3))
    with telling(path, "ENVI data"):
        numbers = np.memmap(path, layout.dtype, "r", layout.offset, stored)
        part = native(numbers.transpose(order)[index])
        return np.array(part, copy=np.may_share_memory(part, numbers))  # closes the map


def _ignore(values: Any, text: Any, attrs: dict[str, Any]) -> Any:
    """Return the values with NaN in place of the ``data ignore value``, if they can have it."""
    try:
        number = float(text)
    except (TypeError, ValueError):
        return values
    dtype = values.dtype
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            number = float(dtype.type(number))
        return blank(values, values == number) if math.isfinite(number) else values
    limits = np.iinfo(dtype)
    if not number.is_integer() or not limits.min <= number <= limits.max:
        return values
    if dtype in (np.uint8, np.uint16):  # floats no longer tell where they saturate
        attrs["saturation"] = float(limits.max)
    return blank(values, values == int(number))
