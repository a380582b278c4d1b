"""Which files of a folder belong to one image, by the numbers in their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._common import Request, listing

# The names of ESRF beamlines: scan_xia01_0001_0000_0017.edf is detector 1, row 17; xiast holds
# statistics and xiaS0 the sum of all detectors.
_XIA = re.compile(r"_xia(st|s?\d+)_", re.IGNORECASE)
MAX_NAMED = 8


class Series(NamedTuple):
    """The files of one image.

    Attributes
    ----------
    files : tuple of tuple of str
        Of every detector, in the order of rows or points.
    name : str
    image : tuple (ny, nx), optional
        If the names of single spectra count rows and columns.
    spectra : bool
        Whether the names say that the files hold spectra.
    notes : tuple of str
        What was left out or added up.
    """

    files: tuple[tuple[str, ...], ...]
    name: str
    image: tuple[int, int] | None = None
    spectra: bool = False
    notes: tuple[str, ...] = ()


class _Group(NamedTuple):
    """Files whose names differ in numbers only."""

    numbers: np.ndarray  # (file, number)
    names: list[str]


def chosen_series(folder: Path, names: list[str], request: Request) -> Series:
    """Return the series to read from the EDF files of a folder.

    Raises
    ------
    ValueError
        If there are several and none is chosen, or files are missing.
    """
    by_series: dict[str, dict[str, list[str]]] = {}
    for name in names:
        match = _XIA.search(name)
        detector = match[1].lower() if match else ""
        plain = _XIA.sub("_xia_", name) if match else name
        pattern = re.sub(r"\d+", "#", Path(plain).stem)
        by_series.setdefault(pattern, {}).setdefault(detector, []).append(name)
    counted = {pattern: sum(map(len, one.values())) for pattern, one in by_series.items()}
    chosen = _choose(folder, counted, request.key)
    detectors, notes = _detectors(folder, by_series[chosen], request.detectors)
    groups = [_ordered(files) for files in detectors]
    image = _check_complete(folder, groups[0])
    if any(len(group.names) != len(groups[0].names) for group in groups):
        raise ValueError(
            f"{folder}: the detectors have {', '.join(str(len(one.names)) for one in groups)} "
            "files; some are missing"
        )
    for group in groups[1:]:
        if not np.array_equal(group.numbers, groups[0].numbers):
            raise ValueError(
                f"{folder}: the numbers of {group.names[0]} and others are not those of "
                f"{groups[0].names[0]} and others; files are missing"
            )
    spectra = bool(_XIA.search(groups[0].names[0])) or "mca" in chosen.lower()
    return Series(tuple(tuple(one.names) for one in groups), chosen, image, spectra, notes)


def _choose(folder: Path, counted: dict[str, int], key: str | int | None) -> str:
    """Return the pattern of names to read."""
    if key is not None:
        fitting = [one for one in counted if str(key) == one or one.startswith(str(key))]
        if len(fitting) == 1:
            return fitting[0]
        raise ValueError(
            f"{folder} has {len(fitting)} series of EDF files named {key!r}; there is: "
            f"{listing({one: f'({n} files)' for one, n in counted.items()})}"
        )
    if len(counted) > 1:
        raise ValueError(
            f"{folder} has several series of EDF files: "
            f"{listing({one: f'({n} files)' for one, n in counted.items()})}; choose one with "
            "key= (how its names begin)"
        )
    return next(iter(counted))


def _detectors(
    folder: Path, files: dict[str, list[str]], wanted: str | int | None
) -> tuple[list[list[str]], tuple[str, ...]]:
    """Return the files of the detectors to add up, and notes."""
    single = {int(name): names for name, names in files.items() if name.isdigit()}
    left = sorted(f"xia{name}" for name in files if name and not name.isdigit())
    if not single:
        sums = [names for name, names in files.items() if name != "st"]
        if wanted not in (None, "sum") or len(sums) != 1:
            raise ValueError(f"{folder} has files of {left or 'no detectors'}; leave out detectors")
        return sums, ()
    notes = [f"files of {', '.join(left)} are not read"] if left else []
    if wanted is None or wanted == "sum":
        if len(single) > 1:
            notes.append(f"{len(single)} detectors are added up (xia{min(single):02d} and others)")
        return list(single.values()), tuple(notes)
    if not isinstance(wanted, int) or wanted not in single:
        raise ValueError(
            f"{folder} has no detector {wanted!r}; there is: {', '.join(map(str, sorted(single)))}"
        )
    return [single[wanted]], tuple(notes)


def _ordered(names: list[str]) -> _Group:
    """Return the names in the order of their numbers, and the numbers that differ."""
    numbers = np.array(
        [[int(n) for n in re.findall(r"\d{1,18}", _XIA.sub("_", Path(one).stem))] for one in names],
        dtype=np.int64,
    ).reshape(len(names), -1)
    order = np.lexsort(numbers.T[::-1]) if numbers.shape[1] else np.arange(len(names))
    differ = [column for column in numbers.T if len(np.unique(column)) > 1]
    varying = np.array(differ, dtype=np.int64).reshape(len(differ), len(names)).T[order]
    return _Group(varying, [names[n] for n in order])


def _check_complete(folder: Path, group: _Group) -> tuple[int, int] | None:
    """Return the shape of the image if two numbers count it; None if one number counts the files.

    Raises
    ------
    ValueError
        If numbers are missing, or more than two numbers differ.
    """
    numbers, names = group
    if len(names) == 1:
        return None
    values = [np.unique(column) for column in numbers.T]
    for one in values:
        steps = np.diff(one)
        if (steps != steps[0]).any():
            at = int(np.flatnonzero(steps != steps.min())[0])
            raise ValueError(
                f"{folder}: the numbers of {names[0]} and others jump from {one[at]} to "
                f"{one[at + 1]}; files are missing"
            )
    if len(values) == 1:
        return None
    if len(values) == 2 and len(values[0]) * len(values[1]) == len(names):
        return len(values[0]), len(values[1])
    raise ValueError(
        f"{folder}: {len(names)} files with {len(values)} numbers that differ "
        f"({', '.join(names[:MAX_NAMED])} ...) fill no image; give a folder of one measurement"
    )
