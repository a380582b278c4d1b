"""Where each scan is in the image of several."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.text import per_cent, shown

ATTRIBUTE = "scans"
GAP = 8  # masked rows or columns between two scans: no window of neighbours crosses them
MOST_SCANS = 1000
LONGEST_NAME = 64
# An image of scans that has more pixels than both is refused: so many times those of the scans,
# and so many in all.
MOST_EMPTY, LEAST_LARGE = 8, 4_000_000


class Place(NamedTuple):
    """A rectangle of the image of several scans.

    Attributes
    ----------
    name : str
    y, x : int
        Its first row and column.
    rows, columns : int
    """

    name: str
    y: int
    x: int
    rows: int
    columns: int

    @property
    def slices(self) -> dict[str, slice]:
        """The rows and columns, for ``isel``."""
        return {
            "y": slice(self.y, self.y + self.rows),
            "x": slice(self.x, self.x + self.columns),
        }


def scan_names(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """Return short, different names of scans, which are safe as names of folders.

    >>> scan_names(["day 1/left.h5", "day 2/left.h5", "right.zarr"])
    ('left', 'left-2', 'right')
    >>> scan_names(["2026.01.15.h5", "cube.fits.gz"])
    ('2026.01.15', 'cube')
    """
    found: list[str] = []
    for path in paths:
        name = re.sub(r"\.(gz|bz2)$", "", Path(path).name, flags=re.IGNORECASE)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name).stem)
        name = stem = stem.strip("._")[: LONGEST_NAME - len(f"-{MOST_SCANS}")] or "scan"
        number = 1
        while name.lower() in {each.lower() for each in found}:
            number += 1
            name = f"{stem}-{number}"
        found.append(name)
    return tuple(found)


def check_names(names: Sequence[str], number: int) -> None:
    """Raise if names of scans are not one for each, all different, and such as can be shown.

    Raises
    ------
    TypeError, ValueError
    """
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"the name of a scan is a str; got {name!r}")
        if not name.strip() or name != shown(name, LONGEST_NAME):
            raise ValueError(
                f"the name of a scan has 1 to {LONGEST_NAME} characters that can be printed; "
                f"got {shown(name, 2 * LONGEST_NAME)!r}"
            )
    if len(names) != number or len(set(names)) < len(names):
        raise ValueError(f"names are one for each cube, all different; got {list(names)}")


def layout(sizes: Sequence[tuple[int, int]], names: Sequence[str]) -> list[Place]:
    """Return the places of scans of (rows, columns): one below the other, or side by side.

    That is chosen which needs fewer pixels.
    """
    rows, columns = [each[0] for each in sizes], [each[1] for each in sizes]
    gaps = GAP * (len(sizes) - 1)
    below = (sum(rows) + gaps) * max(columns) <= max(rows) * (sum(columns) + gaps)
    places, at = [], 0
    for name, (height, width) in zip(names, sizes, strict=True):
        places.append(Place(name, at if below else 0, 0 if below else at, height, width))
        at += (height if below else width) + GAP
    return places


def check_area(places: Sequence[Place]) -> None:
    """Raise if the image of all scans would be mostly empty, and too large for that.

    Raises
    ------
    ValueError
    """
    rows = max(each.y + each.rows for each in places)
    columns = max(each.x + each.columns for each in places)
    used = sum(each.rows * each.columns for each in places)
    if rows * columns > max(MOST_EMPTY * used, LEAST_LARGE):
        raise ValueError(
            f"one image of all scans would have {rows} x {columns} pixels, of which they fill "
            f"{per_cent(used / (rows * columns), 1)}: a long scan and a tall one do not fit "
            "together; cut the long one into several, or segment them apart"
        )


def as_text(places: Sequence[Place]) -> str:
    """Return places as an attribute."""
    return json.dumps([each._asdict() for each in places])


def places_of(attrs: Mapping[str, Any]) -> list[Place]:
    """Return the places in the attributes of a cube or a result; empty if it is of one scan.

    Raises
    ------
    ValueError
        If the attribute is damaged: it may come from strangers.
    """
    if ATTRIBUTE not in attrs:
        return []
    try:
        rows = json.loads(attrs[ATTRIBUTE])
        if len(rows) > MOST_SCANS:
            raise ValueError(f"it has {len(rows)} scans, more than {MOST_SCANS}")
        return [_checked(row) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"the attribute {ATTRIBUTE!r} does not say where the scans are ({error}); drop it to "
            "use the image as it is"
        ) from error


def between(attrs: Mapping[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels (y, x) of an image are between scans, bool; none if it is of one."""
    places = places_of(attrs)
    outside = np.full(shape, bool(places))
    for each in places:
        outside[each.slices["y"], each.slices["x"]] = False
    return outside


def _checked(row: Any) -> Place:
    """Return a place; raise if it is none."""
    numbers = [row[name] for name in ("y", "x", "rows", "columns")]
    if any(type(each) is not int or each < 0 for each in numbers) or 0 in numbers[2:]:
        raise ValueError(f"sizes are whole numbers; got {numbers}")
    return Place(shown(str(row["name"]), LONGEST_NAME), *numbers)
