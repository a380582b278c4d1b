"""What a reader returns, the checks that all readers share, and how writers store lazy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectessera.axis import parse_unit
from spectessera.scale import USABLE

if TYPE_CHECKING:
    import xarray as xr

CREATOR = "spectessera"  # in the files of this package
DEFAULT = "img"  # name of the cube in the files of LABEC, of ganX and of this package

Waiting = list[tuple[Any, Any]]
"""Lazy arrays, each with the place in a file in which it is stored."""


@dataclass(frozen=True)
class Request:
    """What a user says about a file, beside its path.

    Parameters
    ----------
    key : str or int, optional
        Which array of the file.
    chunks : dict, int or "auto", optional
        Leave the data in the file and return a dask array.
    axes : str, optional
        The order of the stored axes, such as "cyx".
    shape : tuple of int, optional
        Rows and columns of the image, for files with one spectrum for each point.
    detectors : "sum" or int, optional
        Which of several detectors, or their sum.
    variance, error, ivar, mask : str, optional
        Names of arrays in the file: the variance, the standard deviation, the inverse of the
        variance, and what is not to be used.
    outside : bool
        Follow links to files outside the folder of this one.
    isolate : bool
        Read the file in a process of its own.
    """

    key: str | int | None = None
    chunks: Any = None
    axes: str | None = None
    shape: tuple[int, int] | None = None
    detectors: str | int | None = None
    variance: str | None = None
    error: str | None = None
    ivar: str | None = None
    mask: str | None = None
    outside: bool = False
    isolate: bool = False


@dataclass
class StoredCube:
    """A cube as a reader finds it in a file; ``read`` makes a DataArray of it.

    Parameters
    ----------
    values : numpy or dask array (y, x, channel)
    axis : dict, optional
        Arguments of :class:`~spectessera.axis.Axis`; None for plain channels.
    axis_error : str
        Why the file's own axis cannot be used; "" if it can, or if there is none.
    variance : array (y, x, channel), optional
    mask : array (y, x) of bool, optional
    coords : dict
        Name -> (dims, values, attributes).
    attrs : dict
    origin : dict of str
        How "axes", "axis", "variance" and "mask" were found: a short phrase for each.
    notes : list of str
        What was assumed, one sentence for each assumption.
    """

    values: Any
    axis: dict[str, Any] | None = None
    axis_error: str = ""
    variance: Any = None
    mask: Any = None
    coords: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def check_stored(
    path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], kinds: str = "biuf"
) -> None:
    """Raise ValueError unless a stored array is not empty and holds real numbers.

    ``kinds`` are the kinds of dtype that are allowed instead.
    """
    if dtype.hasobject and dtype.kind != "T":  # the variable-length strings of NumPy 2 are safe
        raise ValueError(
            f"{path}: {name!r} holds Python objects, which are never read because they can run "
            "code; save it as an array of numbers"
        )
    if dtype.kind not in kinds:
        raise ValueError(f"{path}: {name!r} must hold real numbers; it has dtype {dtype}")
    if any(size < 1 for size in shape):
        raise ValueError(f"{path}: {name!r} is empty (shape {shape})")


def check_three_axes(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a stored array has three axes."""
    if len(shape) != 3:
        raise ValueError(
            f"{path}: a cube needs 3 axes (y, x, channel); {name!r} has {len(shape)} (shape "
            f"{shape})"
        )


def check_companion_shape(
    path: Path, name: str, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Raise ValueError unless an array that belongs to the cube has the shape for it."""
    if tuple(shape) != tuple(expected):
        raise ValueError(
            f"{path}: {name!r} has shape {tuple(shape)}; with this cube it must be "
            f"{tuple(expected)}"
        )


def listing(shapes: Mapping[str, Any], most: int = 20) -> str:
    """Return names with shapes, for an error."""
    lines = [f"{name} {shape}" for name, shape in list(shapes.items())[:most]]
    more = [f"and {len(shapes) - most} more"] if len(shapes) > most else []
    return ", ".join(lines + more) or "nothing"


def by_name_or_number(
    path: Path, parts: Mapping[str, Any], key: str | int, what: str, shapes: Mapping[str, Any]
) -> Any:
    """Return the part of a file that a user means by its name, or else by its number from 0.

    Raises
    ------
    ValueError
        If there is none; ``what`` is the word for a part, and ``shapes`` are listed.
    """
    text = str(key)
    if text in parts:
        return parts[text]
    if text.isdecimal() and int(text) < len(parts):
        return list(parts.values())[int(text)]
    raise ValueError(f"{path} has no {what} {text!r}; there is: {listing(shapes)}")


def axis_of_file(
    values: Any, unit: Any, *, name: str = "axis", kind: str = "", medium: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arguments of an Axis and attributes to keep, from what a file says.

    An unknown unit must not stop anyone: the values then become plain channels, and the attribute
    ``axis_note`` says what the file has.
    """
    text = "" if unit is None else str(unit).strip()
    try:
        known = parse_unit(text)
    except ValueError:
        return {"values": values}, {"axis_note": f"the file gives {name!r} in {text!r}"}
    if known or kind == "channel" or name == "channel":
        return {"values": values, "unit": known, "kind": kind, "medium": medium}, {}
    note = {} if unit is not None else {"axis_note": f"the file gives no unit for {name!r}"}
    return {"values": values}, note


def with_missing(values: Any, missing: Any, dtype: Any = None) -> Any:
    """Return the values (numpy or dask) as floats with NaN where ``missing`` is true."""
    dtype = np.dtype(dtype or (values.dtype if values.dtype.kind == "f" else np.float32))
    if not hasattr(values, "dask"):
        return _with_missing(values, missing, dtype)
    import dask.array as da
    from dask.base import tokenize

    if not hasattr(missing, "dask"):
        missing = da.from_array(np.broadcast_to(missing, values.shape), chunks=values.chunks)
    # the name says of which array in a file these are the values: spectessera.scale reads a few
    name = f"{USABLE}{tokenize(missing.name, dtype)}-{values.name}"
    missing = missing.rechunk(values.chunks)
    # not map_blocks, which puts a hash behind the name before dask 2025.9
    return da.blockwise(
        _with_missing, "yxc", values, "yxc", missing, "yxc", dtype, None, dtype=dtype, name=name
    )


def _with_missing(values: np.ndarray, missing: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """Return a copy of the values as floats with NaN where ``missing`` is true."""
    out = values.astype(dtype)
    out[np.asarray(missing)] = np.nan
    return out


def text_in(raw: bytes) -> str:
    """Return the text of a file, UTF-8 or else Latin-1, without the ends of lines of Windows."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def native(array: np.ndarray) -> np.ndarray:
    """Return the array C-contiguous, in the byte order of this machine."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def store(waiting: Waiting, *, lock: bool) -> None:
    """Compute lazy arrays together, so that what they share is computed once, and write them.

    With ``lock``, one block is written at a time.
    """
    import dask.array as da

    if waiting:
        da.store([one for one, _ in waiting], [place for _, place in waiting], lock=lock)


def stored_attribute(value: Any) -> str | int | float | None:
    """Return an attribute as it is stored in files: a bool as 0 or 1."""
    plain = plain_attribute(value)
    return int(plain) if isinstance(plain, bool) else plain


def drop_encodings(thing: xr.Dataset | xr.DataArray) -> None:
    """Forget how variables were stored in their file; their values are not read.

    The methods of xarray of this name read all values before version 2025.12.
    """
    variables = thing.variables if hasattr(thing, "data_vars") else thing.coords.variables
    for owner in (thing, *variables.values()):
        owner.encoding = {}


def plain_attribute(value: Any) -> str | int | float | None:
    """Return an attribute as a string or a number, or None if it is neither."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(()).item()
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (str, int, float)) else None
