"""The text header of an ENVI file: its fields, and how it says that the data are stored."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading

from ._common import check_stored, text_in
from ._numbers import Numbers, order_of

LENGTHS = {"y": "lines", "x": "samples", "c": "bands"}
ORDERS = {"bsq": "cyx", "bil": "ycx", "bip": "yxc"}
MAX_HEADER_BYTES = 2**20
MAX_LINES = 20_000
PACKAGE = 'reading ENVI files needs the package spectral: pip install "spectessera[envi]"'
# Fields that may not have two values in one header.
ONCE = {
    "lines", "samples", "bands", "data type", "interleave", "byte order", "header offset",
    "wavelength", "wavelength units", "bbl", "data ignore value",
}  # fmt: skip
# In a value of these fields a semicolon is no remark.
TEXTS = {"description", "band names", "map info", "coordinate system string", "sensor type"}
BYTE_ORDERS = {
    "little": 0, "little endian": 0, "little-endian": 0, "intel": 0, "lsf": 0, "host (intel)": 0,
    "big": 1, "big endian": 1, "big-endian": 1, "ieee": 1, "msf": 1, "network (ieee)": 1,
}  # fmt: skip


def is_header(start: bytes) -> bool:
    """Whether these are the first bytes of an ENVI header; remarks may come first."""
    lines = start.removeprefix(b"\xef\xbb\xbf").lstrip().splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith(b";")), b"")
    return first.lstrip().startswith(b"ENVI")


def parse(header: Path) -> dict[str, Any]:
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
    lines = text_in(header.read_bytes()).lstrip().split("\n")
    if len(lines) > MAX_LINES:
        raise ValueError(f"{header} has {len(lines)} lines, too many for an ENVI header")
    while lines and not lines[0].lstrip().startswith("ENVI"):
        lines.pop(0)  # remarks
    with reading(header, "an ENVI header", SpyException):
        found: dict[str, Any] = {}
        for name, value in fields(lines[1:]):
            if name in ONCE and found.get(name, value) != value:
                raise ValueError(f"{name!r} has two values: {found[name]!r} and {value!r}")
            found[name] = value
        envi.check_compatibility({"byte order": "0", **found})
    return found


def fields(lines: list[str]) -> Iterator[tuple[str, str | list[str]]]:
    """Yield names and values: a text, or the list of texts between braces.

    Remarks begin with a semicolon, on a line of their own or after a value.

    Raises
    ------
    ValueError
        If a brace is never closed.
    """
    rest = (line for line in lines if not line.lstrip().startswith(";"))
    for line in rest:
        name, equal, value = (part.strip() for part in line.partition("="))
        name = name.lower()
        if not equal:
            continue
        plain = name not in TEXTS
        value = _without_remark(value) if plain else value
        if not value.startswith("{"):
            yield name, value
            continue
        parts = [value]
        while not parts[-1].endswith("}"):
            more = next(rest, None)
            if more is None:
                raise ValueError(f"the brace of {name!r} is not closed")
            parts.append(_without_remark(more) if plain else more.strip())
        value = "\n".join(parts)
        if name == "description":
            yield name, value.strip("{}").strip()
        else:
            yield name, [word.strip() for word in value[1:-1].split(",")]


def _without_remark(text: str) -> str:
    """Return a value without the remark after it."""
    return text.partition(";")[0].strip()


def layout_of(
    header: Path, found: dict[str, Any], notes: list[str], axes: str | None = None
) -> Numbers:
    """Return how the numbers are stored, from the fields of a header.

    Parameters
    ----------
    header : Path
    found : dict
        Of :func:`parse`.
    notes : list of str
        What is assumed is appended.
    axes : str, optional
        The order of the stored axes, in place of the one in the header.

    Raises
    ------
    ValueError
        If a field makes no sense, or the file is not an image of plain numbers.
    """
    from spectral.io.envi import envi_to_dtype

    lengths = {letter: whole_number(header, found, name, 1) for letter, name in LENGTHS.items()}
    kind = str(found.get("file type", "")).lower()
    if "library" in kind or "classification" in kind:
        raise ValueError(f"{header} is an {found['file type']}, not an image of spectra")
    if whole_number(header, found, "file compression", 0, 0):
        raise ValueError(f"{header}: the data are compressed; save them without compression")
    letter = envi_to_dtype.get(str(found["data type"]).strip())
    if letter is None:
        raise ValueError(f"{header}: data type {found['data type']!r} is not known")
    interleave = str(found["interleave"]).strip().lower()
    if interleave not in ORDERS:
        raise ValueError(f"{header}: interleave must be bsq, bil or bip; got {interleave!r}")
    dtype = np.dtype(letter).newbyteorder("<>"[byte_order(header, found)])
    if "byte order" not in found and dtype.itemsize > 1:
        notes.append("the header gives no byte order: 0 (little-endian) is assumed")
    letters = axes or ORDERS[interleave]
    stored = tuple(lengths[one] for one in letters)
    check_stored(header, header.name, stored, dtype)
    offset = whole_number(header, found, "header offset", 0, 0)
    return Numbers(dtype.str, offset, stored, order_of(letters))


def as_image(header: Path, numbers: Numbers, shape: tuple[int, int] | None) -> Numbers:
    """Return the numbers as an image that was stored as one row or column of spectra.

    Raises
    ------
    ValueError
        If the file holds an image of another shape.
    """
    lines, samples, bands = numbers.shape
    if shape is None or shape == (lines, samples):
        return numbers
    if min(lines, samples) > 1 or lines * samples != math.prod(shape):
        raise ValueError(
            f"{header} describes an image of {lines} x {samples} pixels; shape {shape} (--shape) "
            "is for one row of as many spectra"
        )
    if numbers.order[2] < numbers.order[0 if lines > 1 else 1]:  # channels before pixels
        return numbers._replace(stored=(bands, *shape), order=(1, 2, 0))
    return numbers._replace(stored=(*shape, bands), order=(0, 1, 2))


def byte_order(header: Path, found: dict[str, Any]) -> int:
    """Return 0 for little-endian numbers, 1 for big-endian ones."""
    word = str(found.get("byte order", "0")).strip().lower()
    order = BYTE_ORDERS.get(word)
    order = whole_number(header, found, "byte order", 0, 0) if order is None else order
    if order not in (0, 1):
        raise ValueError(f"{header}: byte order must be 0 or 1; got {order}")
    return order


def whole_number(
    header: Path, found: dict[str, Any], name: str, low: int, default: int | None = None
) -> int:
    """Return a field that must be a whole number, at least ``low``."""
    text = found.get(name, default)
    if isinstance(text, str) and re.fullmatch(r"-?\d+\.0*", text.strip()):
        text = text.partition(".")[0]
    try:
        number = int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{header}: {name} must be a whole number; got {text!r}") from error
    if number < low:
        raise ValueError(f"{header}: {name} must be at least {low}; got {number}")
    return number


def numbers_in(value: Any) -> np.ndarray | None:
    """Return the numbers of a field (n,), float64, or None if it is absent or empty.

    Raises
    ------
    ValueError
        If they are not numbers.
    """
    texts = value if isinstance(value, list) else [] if value is None else [value]
    words = [word for text in texts for word in str(text).split()]
    return np.array([float(word) for word in words]) if words else None
