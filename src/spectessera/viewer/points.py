"""Files of pairs of points by which a photograph is aligned to a map: CSV, TOML or JSON.

Four columns or names: ``image_x``, ``image_y``, ``map_x``, ``map_y``. Positions are counted from
the corner of the first pixel, whose centre is (0.5, 0.5).
"""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.files import atomic_text
from spectessera._util.reading import check_regular

COLUMNS = ("image_x", "image_y", "map_x", "map_y")
MOST_BYTES, MOST_PAIRS = 10**6, 10_000


class PointPairs(NamedTuple):
    """Places that are seen in an image and in a map.

    Attributes
    ----------
    image, map : array (pair, 2), float64
        Positions (x, y).
    """

    image: np.ndarray
    map: np.ndarray


def read_points(path: str | Path) -> PointPairs:
    r"""Read pairs of points.

    - CSV: a first line ``image_x,image_y,map_x,map_y`` in any order, or no names and that order;
      commas, semicolons or tabs.
    - JSON and TOML: ``points``, a list of tables with these names or of lists of four numbers; in
      JSON also the list alone.

    Parameters
    ----------
    path : str or Path
        Ends with .csv, .txt, .tsv, .json or .toml.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another kind, too long, or some number is missing or not finite; the message
        names the pair.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "points.csv")
    ...     _ = path.write_text("image_x,image_y,map_x,map_y\n10,20,1,2\n30,20,3,2\n")
    ...     read_points(path).map.tolist()
    [[1.0, 2.0], [3.0, 2.0]]
    """
    path = Path(path)
    check_regular(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of points {path}")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES} bytes; it is no file of points")
    readers = {".json": _json, ".toml": _toml}
    suffix = path.suffix.lower()
    if suffix not in (*readers, ".csv", ".txt", ".tsv"):
        raise ValueError(f"{path}: points are read from .csv, .txt, .tsv, .json and .toml")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = readers.get(suffix, _csv)(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as points: {error}") from error
    if len(rows) > MOST_PAIRS:
        raise ValueError(f"{path} has more than {MOST_PAIRS} pairs; it is no file of points")
    numbers = [_numbers(path, place, row) for place, row in enumerate(rows, start=1)]
    table = np.array(numbers, np.float64).reshape(-1, 4)
    return PointPairs(table[:, :2], table[:, 2:])


def write_points(path: str | Path, points: PointPairs) -> None:
    """Write pairs of points; :func:`read_points` gives the same numbers.

    Parameters
    ----------
    path : str or Path
        Ends with .csv, .json or .toml.
    points : PointPairs

    Raises
    ------
    ValueError
        If the name ends otherwise.

    Examples
    --------
    >>> import tempfile
    >>> points = PointPairs(np.array([[10.0, 20.5]]), np.array([[1.0, 2.25]]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_points(f"{folder}/points.csv", points)
    ...     print(Path(folder, "points.csv").read_text())
    image_x,image_y,map_x,map_y
    10.0,20.5,1.0,2.25
    <BLANKLINE>
    """
    suffix = Path(path).suffix.lower()
    rows = np.column_stack([np.asarray(each, np.float64) for each in points]).tolist()
    if suffix == ".csv":
        lines = [",".join(COLUMNS), *(",".join(map(repr, row)) for row in rows)]
        text = "\n".join(lines) + "\n"
    elif suffix == ".json":
        tables = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        text = json.dumps({"points": tables}, indent=1) + "\n"
    elif suffix == ".toml":
        blocks = [
            "\n".join(
                [
                    "[[points]]",
                    *(f"{name} = {number!r}" for name, number in zip(COLUMNS, row, strict=True)),
                ]
            )
            for row in rows
        ]
        text = "\n\n".join(blocks or ["points = []"]) + "\n"
    else:
        raise ValueError(f"{path}: points are written to .csv, .json and .toml")
    atomic_text(path, text)


def _csv(text: str) -> list[Any]:
    """Return the rows of a table as lists in the order of the columns."""
    given = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    first = next((line for line in given if line.strip()), "")
    delimiter = next((mark for mark in "\t;," if mark in first), ",")
    lines = [
        [cell.strip() for cell in row]
        for row in csv.reader(given, delimiter=delimiter)
        if any(cell.strip() for cell in row)
    ]
    if not lines:
        return []
    names = [name.lower() for name in lines[0]]
    if any(name in names for name in COLUMNS):
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise ValueError(f"the column {missing[0]} is missing; it has {', '.join(names)}")
        places = [names.index(name) for name in COLUMNS]
        return [[row[at] if at < len(row) else "" for at in places] for row in lines[1:]]
    return list(lines)


def _json(text: str) -> list[Any]:
    found = json.loads(text)
    return _listed(found["points"] if isinstance(found, dict) and "points" in found else found)


def _toml(text: str) -> list[Any]:
    found = tomllib.loads(text)
    if "points" not in found:
        raise ValueError("it has no list named points")
    return _listed(found["points"])


def _listed(found: Any) -> list[Any]:
    """Return the rows of a list of lists or of tables."""
    if not isinstance(found, list):
        raise ValueError("points must be a list")
    return [[row.get(name, "") for name in COLUMNS] if isinstance(row, dict) else row
            for row in found]  # fmt: skip


def _numbers(path: Path, place: int, row: Any) -> list[float]:
    """Return the four numbers of a pair."""
    what = f"{path}: pair {place} needs {', '.join(COLUMNS)}"
    if not isinstance(row, list) or len(row) != len(COLUMNS):
        raise ValueError(f"{what}; got {row!r}")
    numbers = []
    for name, cell in zip(COLUMNS, row, strict=True):
        try:
            number = float("nan") if isinstance(cell, bool) else float(cell)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if not np.isfinite(number):
            raise ValueError(f"{what}; its {name} is {cell!r}, which is no finite number")
        numbers.append(number)
    return numbers
