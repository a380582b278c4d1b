"""Tables of numbers in text files: their separators, the names of the columns, the numbers."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._common import text_in

MAX_BYTES = 2**32  # a larger table takes minutes to read, and several times its size in memory
MAX_HEADER_LINES = 1000
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)
_COMMENT = ("#", "%", "//")


class Table(NamedTuple):
    """A table as it is in a file.

    Attributes
    ----------
    names : list of str
        What the columns are called; "" where they have no name.
    numbers : array (row, column), float64
    before : list of str
        The lines before the table that are not the names.
    first_row : bool
        Whether the names are the first row of numbers: a guess.
    """

    names: list[str]
    numbers: np.ndarray
    before: list[str]
    first_row: bool = False


def is_text(start: bytes) -> bool:
    """Whether these first bytes of a file are text with numbers."""
    if b"\0" in start or not re.search(rb"\d", start):
        return False
    return not any(byte < 32 and byte not in b"\t\n\r\f" for byte in start)


def read_table(path: Path) -> Table:
    """Read the table of a text file.

    Commas, semicolons, tabs and blanks separate columns; a decimal comma is understood where
    commas do not separate.

    Raises
    ------
    ValueError
        If the file is too large, or holds no table of numbers.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path} has {size:.3g} bytes, too many for a table of text; write it as HDF5 or NPY"
        )
    text = text_in(path.read_bytes())
    first, separator, comma = _layout(path, text)
    lines = text.split("\n", first)
    before, rest = lines[:first], lines[first]
    with reading(path, "a table of numbers"):
        numbers = np.loadtxt(
            io.StringIO(rest.replace(",", ".") if comma else rest),
            dtype=np.float64,
            delimiter=separator,
            comments="#",  # more of them would be looked for line by line in Python
            ndmin=2,
        )
    names, before = _names(before, numbers.shape[1], separator, comma)
    if not any(names) and _rises_alone(numbers):
        return Table([repr(float(one)) for one in numbers[0]], numbers[1:], before, first_row=True)
    return Table(names, numbers, before)


def _fields(line: str, separator: str | None) -> list[str]:
    """Return the fields of a line; an empty last one is left out."""
    fields = [one.strip().strip('"') for one in line.strip(" ").split(separator)]
    return fields[:-1] if len(fields) > 1 and not fields[-1] else fields


def _is_number(text: str, comma: bool = False) -> bool:
    """Whether a field is a number."""
    return bool(_NUMBER.fullmatch(text.replace(",", ".", 1) if comma else text))


def _layout(path: Path, text: str) -> tuple[int, str | None, bool]:
    """Return the line where the table begins, its separator, and whether it has decimal commas.

    The separator is None for any number of blanks.
    """
    lines = text[: 2**24].split("\n", MAX_HEADER_LINES)[:MAX_HEADER_LINES]
    for n, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith(_COMMENT):
            continue
        for separator in next((one for one in ("\t", ";") if one in line), (",", None)):
            for comma in (False, True) if separator != "," else (False,):
                fields = _fields(line, separator)
                if len(fields) > 1 and all(_is_number(one, comma) for one in fields):
                    return n, separator, comma
    raise ValueError(
        f"{path} holds no table of numbers: none of its first lines (at most "
        f"{MAX_HEADER_LINES:,}) is a row of numbers"
    )


def _names(
    before: list[str], columns: int, separator: str | None, comma: bool
) -> tuple[list[str], list[str]]:
    """Return the names of the columns, and the other lines before the table."""
    for n in range(len(before) - 1, -1, -1):
        if not before[n].strip():
            continue
        fields = [one.strip().strip('"').lstrip("#%").strip() for one in before[n].split(separator)]
        fields = fields[:-1] if len(fields) == columns + 1 and not fields[-1] else fields
        filled = [one for one in fields if one]
        fields = filled if len(fields) > columns == len(filled) else fields  # tabs were doubled
        if len(fields) == columns:
            if comma:
                fields = [
                    one.replace(",", ".") if _is_number(one, comma) else one for one in fields
                ]
            return fields, before[:n] + before[n + 1 :]
        break
    return [""] * columns, before


def _rises_alone(numbers: np.ndarray) -> bool:
    """Whether the first row alone rises or falls throughout: it is an axis then."""
    if len(numbers) < 3 or numbers.shape[1] < 4:
        return False
    steps = np.diff(numbers[:4], axis=1)
    runs = np.asarray((steps > 0).all(axis=1) | (steps < 0).all(axis=1))
    return bool(runs[0] and not runs[1:].any())
