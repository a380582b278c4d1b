"""Read cubes from EDF files (ESRF, PyMca): one file per row or per point, or one file of all.

An EDF file is a text header in braces and plain numbers, once or several times. The spectra of an
image usually fill a folder of such files, whose names count the rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._common import Request, StoredCube, axis_of_file, check_stored, native
from ._edfnames import Series, chosen_series
from ._lazy import LazyArray, load
from ._numbers import (
    check_image,
    check_points,
    check_request,
    integer_of,
    number_of,
    off_map,
    order_of,
)
from ._views import summed

SUFFIX = ".edf"
MAX_HEADER_BYTES = 2**20
# The types of EDF in lower case; a "long" has 4 bytes, as on the machines that it was made for.
TYPES = {
    "signedbyte": "i1", "signed8": "i1", "unsignedbyte": "u1", "unsigned8": "u1",
    "signedshort": "i2", "signed16": "i2", "unsignedshort": "u2", "unsigned16": "u2",
    "signedinteger": "i4", "signedlong": "i4", "signed32": "i4",
    "unsignedinteger": "u4", "unsignedlong": "u4", "unsigned32": "u4",
    "signed64": "i8", "unsigned64": "u8",
    "floatvalue": "f4", "float": "f4", "float32": "f4", "real": "f4", "floatieee32": "f4",
    "doublevalue": "f8", "double": "f8", "float64": "f8", "floatieee64": "f8",
}  # fmt: skip
BYTE_ORDERS = {"lowbytefirst": "<", "highbytefirst": ">"}
CALIBRATION = ("mca a", "mca b", "mca c")
KEV_BELOW = 0.5  # a channel is narrower than this in keV, and wider in eV


class Frame(NamedTuple):
    """Where one block of an EDF file is: file, offset, type, and stored shape (d3, d2, d1)."""

    name: str
    offset: int
    dtype: str
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class _Stack:
    """Frames of one detector, and how they make a cube.

    ``stored`` is the shape of the stack before it is brought into the order ``order``.
    ``listed`` marks spectra in a list, row by row: a frame need not be a row of the image then.
    """

    frames: tuple[Frame, ...]
    stored: tuple[int, int, int]
    order: tuple[int, int, int]
    listed: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (y, x, channel) of the cube."""
        y, x, channel = (self.stored[axis] for axis in self.order)
        return y, x, channel


def edf_files(folder: Path) -> list[str]:
    """Return the names of the EDF files of a folder, sorted."""
    return sorted(one.name for one in folder.iterdir() if one.suffix.lower() == SUFFIX)


def is_edf(start: bytes) -> bool:
    """Whether these first bytes of a file are those of an EDF header."""
    text = start.lstrip().lower()
    return text.startswith(b"{") and (b"headerid" in text or b"byteorder" in text)


def read_edf(path: Path, request: Request) -> StoredCube:
    """Read a cube from a folder of EDF files, or from one EDF file.

    Parameters
    ----------
    path : Path
        A folder, of which the files of one measurement are read in the order of the numbers in
        their names; or a file.
    request : Request
        ``key`` is the name of a measurement in a folder of several. ``detectors`` chooses one of
        the detectors of ESRF names (``..._xia01_...``), which are added up otherwise. ``shape``
        places single spectra in an image; ``axes`` is the order of (file, Dim_2, Dim_1).

    Returns
    -------
    StoredCube
        Values (y, x, channel). With ``chunks``, they stay in the files.

    Raises
    ------
    ValueError
        If a file is broken or unlike the others, or rows are missing.
    """
    if path.is_dir():
        allowed = ("key", "axes", "shape", "detectors")
        check_request(path, request, allowed, "holds EDF files without such an array")
        series = chosen_series(path, edf_files(path), request)
        folder = path
    else:
        check_request(path, request, ("axes", "shape"), "holds one array without a name")
        series, folder = Series(((path.name,),), path.name), path.parent
    return _read_series(path, folder, series, request)


def _read_series(path: Path, folder: Path, series: Series, request: Request) -> StoredCube:
    """Read the files of one measurement."""
    headers: list[dict[str, str]] = []
    frames = tuple(
        tuple(frame for name in names for frame in _frames(folder / name, headers))
        for names in series.files
    )
    _check_alike(path, frames)
    dtype = _type(frames[0][0], len(frames))
    notes = list(series.notes)
    stack, axes_from = _stack(path, frames[0], series, headers[0], request, notes)
    check_image(path, request, stack.shape[:2])
    source = summed(
        [
            LazyArray(folder, replace(stack, frames=one), stack.shape, dtype, _fetch, locked=False)
            for one in frames
        ]
    )
    axis, attrs, axis_error = _axis(headers, stack.shape[2], notes)
    return StoredCube(
        load(source, request.chunks),
        axis=axis,
        axis_error=axis_error,
        attrs=attrs | {"source": path.name} | _attributes(headers[0]),
        origin={"axes": axes_from} | ({"axis": "MCA a, b, c of the EDF headers"} if axis else {}),
        notes=notes,
    )


# --- headers --------------------------------------------------------------------------------------


def _frames(file: Path, headers: list[dict[str, str]]) -> list[Frame]:
    """Return where the blocks of a file are; adds their headers to ``headers``."""
    size, offset = file.stat().st_size, 0
    frames: list[Frame] = []
    with reading(file, "EDF"), file.open("rb") as stream:
        while offset < size:
            header, start = _header(stream, offset)
            if not header:  # nothing but padding follows
                break
            frame, end = _frame(file, header, start)
            if start + math.prod(frame.shape) * np.dtype(frame.dtype).itemsize > size:
                raise ValueError(
                    f"block {len(frames)} should hold {frame.shape} numbers of "
                    f"{np.dtype(frame.dtype)}, more than the {max(0, size - start)} bytes left"
                )
            frames.append(frame)
            headers.append(header)
            offset = end
        if not frames:
            raise ValueError("it has no header in braces")
    return frames


def _header(stream: Any, offset: int) -> tuple[dict[str, str], int]:
    """Return the header that begins at an offset, and where its numbers begin."""
    stream.seek(offset)
    text = stream.read(4096)
    if not text.strip(b"\0 \r\n\t"):
        return {}, offset
    if not text.lstrip().startswith(b"{"):
        raise ValueError(f"there is no header in braces at byte {offset}")
    while (end := re.search(rb"\}\r?\n", text)) is None:
        more = stream.read(4096)
        if not more or len(text) > MAX_HEADER_BYTES:
            raise ValueError(f"the brace of the header at byte {offset} is not closed")
        text += more
    header: dict[str, str] = {}
    for line in text[: end.start()].decode("latin-1").lstrip(" \r\n\t{").split("\n"):
        name, equal, value = line.partition("=")
        if equal:
            header[name.strip().lower()] = value.strip().removesuffix(";").strip()
    return header, offset + end.end()


def _frame(file: Path, header: dict[str, str], start: int) -> tuple[Frame, int]:
    """Return where the numbers of a header are, and where the next header begins."""
    compression = header.get("compression", "none").lower()
    if compression not in ("", "none", "nocompression"):
        raise ValueError(f"its numbers are compressed ({compression}); save them uncompressed")
    kind = TYPES.get(header.get("datatype", "").lower().replace(" ", ""))
    if kind is None:
        raise ValueError(f"DataType {header.get('datatype')!r} is not known")
    order = BYTE_ORDERS.get(header.get("byteorder", "lowbytefirst").lower())
    if order is None:
        raise ValueError(f"ByteOrder {header.get('byteorder')!r} is not known")
    dims = [integer_of(file, header, f"dim_{n}", 1, None if n == 1 else 1) for n in (3, 2, 1)]
    shape = (dims[0], dims[1], dims[2])
    dtype = np.dtype(order + kind)
    check_stored(file, file.name, shape, dtype)
    length = math.prod(shape) * dtype.itemsize
    binary = header.get("edf_binarysize", header.get("size", "0"))
    stated = int(binary) if binary.isdigit() else 0
    return Frame(file.name, start, dtype.str, shape), start + max(length, stated)


def _check_alike(path: Path, frames: Sequence[Sequence[Frame]]) -> None:
    """Raise ValueError unless all frames have one shape and type, and all detectors as many."""
    first = frames[0][0]
    for frame in (frame for one in frames for frame in one):
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise ValueError(
                f"{path}: {frame.name} holds {frame.shape[1:]} numbers of "
                f"{np.dtype(frame.dtype)}, {first.name} {first.shape[1:]} of "
                f"{np.dtype(first.dtype)}; files of one image must be alike"
            )
    counts = {len(one) for one in frames}
    if len(counts) > 1:
        raise ValueError(f"{path}: the detectors have {sorted(counts)} blocks; rows are missing")


# --- the image ------------------------------------------------------------------------------------


def _stack(
    path: Path,
    frames: tuple[Frame, ...],
    series: Series,
    header: dict[str, str],
    request: Request,
    notes: list[str],
) -> tuple[_Stack, str]:
    """Return how the frames make a cube, and how the order of the axes was found."""
    depth, rows, channels = frames[0].shape
    sizes = [size for size in (len(frames), depth, rows) if size > 1]
    if len(sizes) > 2:
        raise ValueError(f"{path}: {len(frames)} blocks of three axes each are no cube")
    if len(sizes) < 2:
        points = math.prod(sizes)
        image, found = _places(path, series, points, request)
        return _Stack(frames, (*image, channels), (0, 1, 2), listed=True), found
    letters = request.axes or "yxc"
    if request.axes is not None:
        found = f"axes={request.axes}"
    elif series.spectra or any(name.startswith("mca") for name in header):
        found = "spectra along Dim_1 (MCA in a header or a name)"
    else:
        found = "position"
        notes.append(
            "nothing says that these are spectra: Dim_1 is taken as the spectrum (axes='cyx' if "
            "every file or block is an image)"
        )
    return _Stack(frames, (sizes[0], sizes[1], channels), order_of(letters)), found


def _places(
    path: Path, series: Series, points: int, request: Request
) -> tuple[tuple[int, int], str]:
    """Return the image that single spectra fill, and how it was found."""
    if request.axes is not None:
        raise ValueError(f"{path} holds a list of {points} spectra; leave out axes={request.axes}")
    files = len(series.files[0])
    image = series.image or (files, points // files)
    if min(image) > 1 and math.prod(image) == points:
        return image, "numbers in the names of the files" if series.image else "files and blocks"
    return check_points(path, request, points), "shape="


def _type(frame: Frame, detectors: int) -> np.dtype[Any]:
    """Return the type of the sum of all detectors: counts must not overflow."""
    dtype = np.dtype(frame.dtype).newbyteorder("=")
    if detectors == 1 or dtype.kind == "f":
        return dtype
    return np.dtype(np.uint32 if dtype.kind == "u" and dtype.itemsize <= 2 else np.int64)


def _fetch(folder: Path, stack: _Stack, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of the stack of one detector."""
    if stack.listed:
        image = stack.shape[:2]
        numbers = np.arange(math.prod(image)).reshape(image)[index[:2]]
        part = _points(folder, stack.frames, numbers.ravel(), index[2])
        return native(part.reshape(*numbers.shape, part.shape[-1]))
    where = [slice(None)] * 3
    for axis, one in zip(stack.order, index, strict=True):
        where[axis] = one
    if len(stack.frames) == 1:
        part = _block(folder, stack.frames[0]).reshape(stack.stored)[tuple(where)]
    else:
        part = np.array([_block(folder, one).reshape(stack.stored[1:])[where[1], where[2]]
                         for one in stack.frames[where[0]]])  # fmt: skip
    return off_map(part.transpose(stack.order))


def _points(
    folder: Path, frames: Sequence[Frame], numbers: np.ndarray, channels: slice
) -> np.ndarray:
    """Read single spectra (point, channel), numbered through all frames."""
    each = math.prod(frames[0].shape[:2])
    rows = []
    for number in np.unique(numbers // each):
        spectra = _block(folder, frames[number]).reshape(each, -1)
        rows.append(spectra[numbers[numbers // each == number] % each, channels])
    return np.concatenate(rows)


def _block(folder: Path, frame: Frame) -> np.ndarray:
    """Return the numbers of one frame (d3, d2, d1), still in its file."""
    file = folder / frame.name
    with reading(file, "EDF"):
        return np.memmap(file, frame.dtype, "r", frame.offset, frame.shape)


# --- what the headers say -------------------------------------------------------------------------


def _axis(
    headers: list[dict[str, str]], channels: int, notes: list[str]
) -> tuple[dict[str, Any] | None, dict[str, Any], str]:
    """Return the spectral axis, attributes to keep, and why the axis cannot be used."""
    stated = {tuple(header.get(name, "") for name in CALIBRATION) for header in headers}
    if len(stated) > 1:
        return None, {}, "the headers have several calibrations (MCA a, b, c)"
    header = headers[0]
    if "mca b" not in header:
        return None, {}, ""
    try:
        a, b, c = (number_of("the header", header, each, 0) for each in CALIBRATION)
        first = number_of("the header", header, "mca start ch", 0)
    except ValueError as error:
        return None, {}, str(error)
    if (a, b, c) == (0, 1, 0):  # as it is written where nothing was calibrated
        return None, {}, ""
    channel = first + np.arange(channels)
    unit = "keV" if abs(b) < KEV_BELOW else "eV"
    notes.append(f"the calibration has no unit: {b:g} a channel is taken as {unit}")
    return *axis_of_file(a + b * channel + c * channel**2, unit, name="MCA a, b, c"), ""


def _attributes(header: dict[str, str]) -> dict[str, str]:
    """Return what a header says about the measurement."""
    return {name: header[name] for name in ("title", "date") if header.get(name)}
