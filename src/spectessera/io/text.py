"""Read cubes from tables in text files (``.csv``, ``.txt``, ``.dat``, ``.asc``, ``.tsv``).

A table may have one spectrum a row, with the axis in the names of the columns and with or without
columns x and y; one value a row (x, y, axis, value); or one spectrum a column after that of the
axis.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import parse_unit
from spectessera.conventions.dims import CHANNEL, COLUMN, ROW, Dim, plain_name, role_of
from spectessera.conventions.units import guessed_unit

from ._common import Request, StoredCube, axis_of_file
from ._lazy import as_dask
from ._numbers import check_points, check_request
from ._texttable import Table, read_table

SUFFIXES = (".csv", ".txt", ".dat", ".asc", ".tsv")
# "450.5", "450.5 nm", "R_450.5", "band 450.5 (nm)"; not "band 3".
_AXIS_NAME = re.compile(
    r"^[^\d.+-]*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)[\s_(\[]*([^\d\s)\]][^\s)\]]*)?[)\]]?$", re.I
)
_IN_BRACKETS = re.compile(r"[(\[/]\s*([^)\]]+?)\s*[)\]]?\s*$")
_RAMAN = re.compile(r"raman|1/cm|cm\^?-1|cm⁻¹", re.IGNORECASE)
FEWEST_PLACES = 0.5  # share of the places of an image that must have a spectrum


class _Spectra(NamedTuple):
    """Spectra of points, as a table gives them."""

    values: np.ndarray  # (point, channel)
    axis: np.ndarray | None  # (channel,)
    axis_name: str
    unit: str | None
    places: np.ndarray | None  # (point, 2): x and y
    place_units: tuple[str, str] = ("", "")


def read_text(path: Path, request: Request) -> StoredCube:
    """Read a cube from a table in a text file.

    All of it is in memory, also with ``chunks``. Rows may come in any order if they have
    positions; row 0 of the image has the smallest y.

    Parameters
    ----------
    path : Path
    request : Request
        ``shape`` places spectra without positions, row by row.

    Returns
    -------
    StoredCube
        Values (y, x, channel), float64 unless they are whole numbers.

    Raises
    ------
    ValueError
        If there is no table, or its positions do not fill an image.
    """
    check_request(path, request, ("shape",), "holds one table")
    table = read_table(path)
    notes = ["the first row alone rises or falls: it is taken as the axis"] * table.first_row
    spectra = _spectra(path, table, notes)
    if spectra.places is not None and request.shape is None:
        values, coords = _placed(path, spectra, notes)
        how = "positions x and y in the table"
    else:
        shape = check_points(path, request, len(spectra.values))
        values, coords, how = spectra.values.reshape(*shape, -1), {}, "shape="
    if request.chunks is not None:
        values = as_dask(values, request.chunks, path, "table")
    cube = StoredCube(values, coords=coords, notes=notes, origin={"axes": how})
    cube.attrs["source"] = path.name
    if spectra.axis is not None:
        _add_axis(cube, spectra, " ".join(table.before))
    return cube


# --- the kind of table ----------------------------------------------------------------------------


def _spectra(path: Path, table: Table, notes: list[str]) -> _Spectra:
    """Return the spectra of a table, whatever its layout."""
    roles = [_role(name) for name in table.names]
    axis, unit = _axis_of_names(table.names)
    named = [n for n, one in enumerate(axis) if np.isfinite(one)]
    if not named and CHANNEL in roles and ROW in roles and COLUMN in roles:
        return _of_long_table(path, table, roles)
    alone = plain_name(table.names[0]) not in map(plain_name, table.names[1:])  # not "band 1"
    if not named and roles[0] == CHANNEL and alone and not {ROW, COLUMN} & {*roles}:
        values = table.numbers[:, 1:].T
        name, stated = table.names[0], stated_unit(table.names[0])
        return _Spectra(np.ascontiguousarray(values), table.numbers[:, 0], name, stated, None)
    columns = named or [n for n, role in enumerate(roles) if role not in (ROW, COLUMN)]
    places = None
    if ROW in roles and COLUMN in roles:
        places = table.numbers[:, [roles.index(COLUMN), roles.index(ROW)]]
    elif named == list(range(2, len(table.names))) and not any(table.names[:2]):
        places = table.numbers[:, :2]
        notes.append("the first two columns have no name: they are taken as x and y")
    _state_unused(table, columns, places is not None, notes)
    if len(columns) < 2:
        raise ValueError(
            f"{path} has the columns {', '.join(table.names)[:200]}: there are no spectra in it"
        )
    units = tuple(_place_unit(table, roles, role) for role in (COLUMN, ROW))
    return _Spectra(
        _whole(table.numbers[:, columns]), axis[named] if named else None,
        "names of the columns", unit, places, (units[0], units[1]),
    )  # fmt: skip


def _role(name: str) -> str:
    """Return what a column is by its name: x, y, the axis, or ""."""
    return role_of(Dim(name)) if re.search("[a-zA-Z]", name) else ""


def _axis_of_names(names: list[str]) -> tuple[np.ndarray, str | None]:
    """Return the number in the name of every column, NaN where there is none, and their unit.

    Names that count, such as "band 1" and "band 2", are no axis.
    """
    matches = [_AXIS_NAME.match(name) for name in names]
    values = np.array([float(one[1]) if one else np.nan for one in matches])
    known = np.flatnonzero(np.isfinite(values))
    numbers = values[known]
    lettered = any(re.match("[a-zA-Z_]", names[n]) for n in known)
    steps = np.diff(numbers)
    counts = lettered and len(steps) and (steps == 1).all() and numbers[0] in (0, 1)
    if len(known) < 2 or counts or not ((steps > 0).all() or (steps < 0).all()):
        return np.full(len(names), np.nan), None
    units = {one[2] or "" for one in (matches[n] for n in known) if one}
    return values, units.pop() or None if len(units) == 1 else None


def _of_long_table(path: Path, table: Table, roles: list[str]) -> _Spectra:
    """Return the spectra of a table with one value a row: x, y, axis, value."""
    x, y, wave = (roles.index(one) for one in (COLUMN, ROW, CHANNEL))
    left = [n for n in range(len(roles)) if n not in (x, y, wave)]
    if len(left) != 1:
        raise ValueError(
            f"{path} has the columns {', '.join(table.names)[:200]}; beside x, y and the axis "
            "there must be one of values"
        )
    order = np.lexsort(table.numbers[:, [wave, x, y]].T)
    numbers = table.numbers[order]
    channels = len(np.unique(numbers[:, wave]))
    if len(numbers) % channels:
        raise ValueError(
            f"{path} has {len(numbers)} rows for {channels} values of {table.names[wave]!r}: not "
            "every spectrum has all of them"
        )
    by_point = numbers.reshape(-1, channels, numbers.shape[1])
    axis, places = by_point[0, :, wave], by_point[:, 0, [x, y]]
    if (by_point[..., wave] != axis).any() or (by_point[..., [x, y]] != places[:, None]).any():
        raise ValueError(
            f"{path}: spectra have other values of {table.names[wave]!r} than the first one; "
            "export them on one axis"
        )
    units = tuple(stated_unit(table.names[n]) or "" for n in (x, y))
    return _Spectra(
        _whole(by_point[..., left[0]]), axis, table.names[wave], stated_unit(table.names[wave]),
        places, (units[0], units[1]),
    )  # fmt: skip


def _whole(values: np.ndarray) -> np.ndarray:
    """Return counts as integers, all else as it is."""
    if (
        np.isfinite(values).all()
        and (values == np.rint(values)).all()
        and abs(values).max() < 2**31
    ):
        return np.ascontiguousarray(values, dtype=np.int32)
    return np.ascontiguousarray(values)


def _state_unused(table: Table, columns: list[int], placed: bool, notes: list[str]) -> None:
    """State the columns that are neither positions nor channels."""
    unused = [
        name or f"number {n + 1}"
        for n, name in enumerate(table.names)
        if n not in columns and _role(name) not in (ROW, COLUMN) and (name or not placed)
    ]
    if unused:
        notes.append(f"columns that are not read: {', '.join(unused[:10])}")


# --- places and axis ------------------------------------------------------------------------------


def _placed(
    path: Path, spectra: _Spectra, notes: list[str]
) -> tuple[np.ndarray, dict[str, tuple[Any, ...]]]:
    """Return the spectra as an image (y, x, channel), and the positions of rows and columns."""
    assert spectra.places is not None
    (x, column), (y, row) = (_steps(one) for one in spectra.places.T)
    count, points = len(x) * len(y), len(spectra.values)
    cells = row * len(x) + column
    if len(np.unique(cells)) < points or points < FEWEST_PLACES * count or points > count:
        raise ValueError(
            f"{path}: its {points} spectra have {len(x)} different x and {len(y)} different y, "
            "which is no image of rows and columns; put them on a grid first, or give "
            "shape=(ny, nx) if they follow each other row by row"
        )
    values = spectra.values
    if points < count:
        notes.append(f"{count - points} of {count} places of the image have no spectrum: NaN")
        values = values.astype(np.float64)
    image = np.full((count, values.shape[1]), np.nan if points < count else 0, values.dtype)
    image[cells] = values
    units = [{"units": one} if one else {} for one in spectra.place_units]
    coords = {"y": (("y",), y, units[1]), "x": (("x",), x, units[0])}
    return image.reshape(len(y), len(x), -1), coords


def _steps(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different positions along one axis, and the number of each point's.

    Positions that a stage reports jitter: those closer than a quarter of the widest step are one.
    """
    values, inverse = np.unique(places, return_inverse=True)
    gaps = np.diff(values)
    if not len(gaps):
        return values, inverse
    group = np.concatenate([[0], np.cumsum(gaps > 0.25 * gaps.max())])
    sums = np.bincount(group, values) / np.bincount(group)
    return sums, group[inverse]


def _add_axis(cube: StoredCube, spectra: _Spectra, before: str) -> None:
    """Add the spectral axis with its unit: stated, in the lines before the table, or guessed."""
    assert spectra.axis is not None
    unit, kind = spectra.unit, ""
    name = spectra.axis_name
    if unit is None and says_raman(f"{name} {before}"):
        unit = "cm-1"
        cube.notes.append("the text names Raman or cm-1: the axis is taken in cm-1")
    elif unit is None and plain_name(name) != "wave":  # of Renishaw: nm or cm-1
        unit, kind, note = guessed_unit(name, spectra.axis)
        unit = unit or None
        cube.notes += [note] if note else []
    cube.axis, attrs = axis_of_file(spectra.axis, unit, name=name, kind=kind)
    cube.attrs |= attrs
    cube.origin["axis"] = name


def says_raman(text: str) -> bool:
    """Whether a text names Raman spectra, or wavenumbers."""
    return bool(_RAMAN.search(text))


def stated_unit(name: str) -> str | None:
    """Return the unit in a name such as "Wavelength (nm)" or "shift / cm-1"."""
    match = _IN_BRACKETS.search(name)
    if match is None:
        return None
    try:
        return parse_unit(match[1]) or None
    except ValueError:
        return match[1]


def _place_unit(table: Table, roles: list[str], role: str) -> str:
    """Return the unit of the positions along x or y."""
    return stated_unit(table.names[roles.index(role)]) or "" if role in roles else ""
