"""What a reader hands back, and the checks and lazy arrays that all readers share."""

from __future__ import annotations

import math
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spectessera.axis import parse_unit
from spectessera.cube import DIMS

# What h5py, astropy, numpy, zipfile and gzip raise on files that are broken.
BROKEN: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, TypeError, KeyError, IndexError, OverflowError, RuntimeError,
    struct.error, zlib.error, zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip

# No compression in use packs better than this, so a header that declares more is wrong.
MOST_PACKED = 1100
SMALL = 2**30  # bytes; less than this is never refused for how well it is packed
BLOCK = 2**24  # bytes of a block of a lazy cube, at most, where the reader chooses it
MOST_BLOCKS = 10**7  # more would fill the memory with the mere plan of what to read


@dataclass
class Parts:
    """What a reader found in a file; ``read`` makes the cube of it.

    ``axis`` has the arguments of ``Axis``, or is None for plain channels. ``axis_trouble`` tells
    why the file's own axis cannot be used. ``coords`` maps a name to (dims, values, attrs).
    """

    values: Any
    axis: dict[str, Any] | None = None
    axis_trouble: str = ""
    variance: Any = None
    mask: Any = None
    coords: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lazy:
    """An array (y, x, channel) in a file, which is opened anew for every part that is read.

    Holds no open file, so that it can be sent to other processes. ``locked``: one part at a time,
    for libraries that are not safe in several threads.
    """

    path: Path
    key: Any
    shape: tuple[int, ...]
    dtype: np.dtype
    fetch: Callable[[Path, Any, tuple[slice, ...]], np.ndarray]
    chunks: tuple[int, ...] | None = None
    locked: bool = True

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read one part, told by slices and integers."""
        given = index if isinstance(index, tuple) else (index,)
        given = (*given, *[slice(None)] * (self.ndim - len(given)))
        single = [isinstance(one, (int, np.integer)) for one in given]
        wide = tuple(
            slice(int(one) % size, int(one) % size + 1) if alone else one
            for one, size, alone in zip(given, self.shape, single, strict=True)
        )
        part = self.fetch(self.path, self.key, wide)
        return part[tuple(0 if alone else slice(None) for alone in single)]


def load(source: Lazy, chunks: Any) -> Any:
    """Return the array in memory, or as a dask array if ``chunks`` are wanted."""
    if chunks is None:
        return source[:]
    return chunked(source, chunks, source.path, source.key)


def chunked(source: Lazy | np.ndarray, chunks: Any, path: Path, key: Any) -> Any:
    """Return a dask array over ``source``; the same file and key give the same names of tasks."""
    import dask.array as da
    from dask.base import tokenize
    from dask.utils import SerializableLock

    if isinstance(chunks, str) and chunks == "auto" and source.ndim == 3:
        stored = getattr(source, "chunks", None) or (1, source.shape[1])
        size = max(4, source.dtype.itemsize)  # they are worked on as float32
        chunks = whole_blocks(source.shape, size, stored[:2])
    sizes = _chunk_sizes(chunks)
    _check_blocks(path, source.shape, sizes)
    about = path.stat()
    full = str(path.resolve())
    token = tokenize(full, about.st_mtime_ns, about.st_size, str(key), sizes)
    if isinstance(source, Lazy):  # workers of a cluster are at home in other folders
        source = replace(source, path=Path(full))
    return da.from_array(
        source,
        chunks=sizes,
        name=f"{path.name}-{token}",
        lock=SerializableLock(full) if isinstance(source, Lazy) and source.locked else False,
        fancy=False,
        meta=np.empty((0, 0, 0), dtype=source.dtype),
    )


def _chunk_sizes(chunks: Any) -> tuple[Any, ...]:
    """Turn what a user may give into sizes along (y, x, channel); spectra stay whole."""
    if chunks == "auto" or (isinstance(chunks, int) and not isinstance(chunks, bool)):
        chunks = {"y": chunks, "x": chunks}
    if not isinstance(chunks, Mapping):
        raise TypeError(
            f'chunks must be like {{"y": 256, "x": 256}}, a number or "auto"; got {chunks!r}'
        )
    unknown = [name for name in chunks if name not in DIMS]
    if unknown:
        raise ValueError(f"chunks names {unknown[0]!r}, but a cube has {', '.join(DIMS)}")
    sizes = tuple(chunks.get(name, -1) for name in DIMS)
    return tuple(-1 if size is None else size for size in sizes)


def _check_blocks(path: Path, shape: tuple[int, ...], sizes: tuple[Any, ...]) -> None:
    """Raise ValueError if there would be too many blocks to keep account of."""
    told = [(n, size) for n, size in zip(shape, sizes, strict=True) if isinstance(size, int)]
    blocks = math.prod(-(-n // size) for n, size in told if size > 0)
    if blocks > MOST_BLOCKS:
        raise ValueError(
            f"{path}: shape {shape} in chunks of {sizes} makes {blocks:.3g} blocks; give larger "
            "chunks"
        )


def whole_blocks(shape: tuple[int, ...], itemsize: int, stored: tuple[int, ...]) -> dict[str, int]:
    """Return the sizes along y and x of blocks of at most 16 MiB that hold whole spectra.

    They are multiples of ``stored``, the sizes (y, x) that the file itself is cut into, so that
    nothing is read twice; a stored piece whose whole spectra are larger is cut by rows.
    """
    spectrum = max(1, shape[2] * itemsize)
    rows, columns = (max(1, min(size, n)) for size, n in zip(stored, shape[:2], strict=True))
    many = BLOCK // (rows * columns * spectrum)
    if not many:
        columns = max(1, min(columns, BLOCK // spectrum))
        return {"y": max(1, BLOCK // (columns * spectrum)), "x": columns}
    most_y, most_x = -(-shape[0] // rows), -(-shape[1] // columns)
    in_x = min(most_x, math.isqrt(many))
    in_y = min(most_y, many // in_x)
    in_x = min(most_x, many // in_y)
    return {"y": in_y * rows, "x": in_x * columns}


@contextmanager
def telling(path: Path, what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn a library's error about a broken file into one that names the file.

    An interruption stays one: astropy and gzip clean up after it, fail at that because they were
    interrupted, and the error of the cleaning hides it.
    """
    outside = sys.exception()  # what the caller is busy with is no interruption of the reading
    try:
        yield
    except (*BROKEN, *errors) as error:
        hidden = _interruption(error, outside)
        if hidden is not None:
            raise hidden from None
        words = str(error) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as {what}; it may be damaged or cut short: {words}"
        ) from error


def _interruption(error: BaseException, outside: BaseException | None) -> BaseException | None:
    """Return the interruption that an error hides, or None."""
    waiting, seen = [error], {id(None), id(outside)}
    while waiting:
        one = waiting.pop()
        if isinstance(one, (KeyboardInterrupt, SystemExit)):
            return one
        seen.add(id(one))
        causes = (one.__cause__, one.__context__)
        waiting += [each for each in causes if each is not None and id(each) not in seen]
    return None


def check_stored(
    path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype, kinds: str = "biuf"
) -> None:
    """Raise ValueError unless a stored array has real numbers."""
    if dtype.hasobject and dtype.kind != "T":  # the words of NumPy 2 are no such objects
        raise ValueError(
            f"{path}: {name!r} holds Python objects, which are never read because they can run "
            "code; save it as an array of numbers"
        )
    if dtype.kind not in kinds:
        raise ValueError(f"{path}: {name!r} must hold real numbers; it has dtype {dtype}")
    if any(size < 1 for size in shape):
        raise ValueError(f"{path}: {name!r} is empty (shape {shape})")


def check_three(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a stored array has three axes."""
    if len(shape) != 3:
        raise ValueError(
            f"{path}: a cube needs 3 axes (y, x, channel); {name!r} has {len(shape)} (shape "
            f"{shape})"
        )


def same_shape(path: Path, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise ValueError unless an array that goes with the cube fits it."""
    if tuple(shape) != tuple(wanted):
        raise ValueError(
            f"{path}: {name!r} has shape {tuple(shape)}; with this cube it must be {tuple(wanted)}"
        )


def choose(path: Path, found: Mapping[str, tuple[int, ...]], what: str = "array") -> str:
    """Return the only one of 3 axes; ``found`` maps the names of all numeric ones to shapes."""
    cubes = [name for name, shape in found.items() if len(shape) == 3]
    if len(cubes) == 1:
        return cubes[0]
    if cubes:
        table = listing({name: found[name] for name in cubes})
        raise ValueError(f"{path} has several {what}s of 3 axes: {table}; choose one with key=")
    raise ValueError(f"{path} has no {what} of 3 axes (y, x, channel); there is: {listing(found)}")


def listing(found: Mapping[str, Any], most: int = 20) -> str:
    """Return names with shapes, for an error."""
    lines = [f"{name} {shape}" for name, shape in list(found.items())[:most]]
    more = [f"and {len(found) - most} more"] if len(found) > most else []
    return ", ".join(lines + more) or "nothing"


def told_axis(
    values: Any, unit: Any, *, name: str = "axis", kind: str = "", medium: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arguments of an Axis and attributes to keep, from what a file says.

    A unit that is not known must not stop anyone: the values are kept as plain channels and
    ``axis_note`` tells what the file says.
    """
    text = "" if unit is None else str(unit).strip()
    try:
        known = parse_unit(text)
    except ValueError:
        return {"values": values}, {"axis_note": f"the file tells {name!r} in {text!r}"}
    if known or kind == "channel" or name == "channel":
        return {"values": values, "unit": known, "kind": kind, "medium": medium}, {}
    note = {} if unit is not None else {"axis_note": f"the file tells no unit for {name!r}"}
    return {"values": values}, note


def blank(values: Any, bad: Any, dtype: Any = None) -> Any:
    """Return the values as floats with NaN wherever ``bad``; numpy or dask alike."""
    dtype = np.dtype(dtype or (values.dtype if values.dtype.kind == "f" else np.float32))
    if hasattr(values, "dask"):
        import dask.array as da

        return da.where(bad, dtype.type(np.nan), values.astype(dtype))
    out = values.astype(dtype)
    out[np.asarray(bad)] = np.nan
    return out


def native(array: np.ndarray) -> np.ndarray:
    """Return the array C-contiguous, in the byte order of this machine."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def stored(value: Any) -> str | int | float:
    """Return an attribute as files take it: a truth as 0 or 1."""
    found = plain(value)
    return int(found) if isinstance(found, bool) else found  # type: ignore[return-value]


def plain(value: Any) -> str | int | float | None:
    """Return an attribute as a string or a number, or None if it is neither."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(()).item()
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (str, int, float)) else None
