"""Files that hold one array of plain numbers, and what a user may say about such a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading

from ._common import Request
from ._lazy import LazyArray

LETTERS = "yxc"
# What a user can say about a file. Nothing that a format cannot use is dropped without a word.
ASKED = ("key", "axes", "shape", "detectors", "variance", "error", "ivar", "mask")


class Numbers(NamedTuple):
    """How a file stores a cube: type with its byte order, offset, stored shape, and order.

    ``order`` gives the stored axis of y, x and channel.
    """

    dtype: str
    offset: int
    stored: tuple[int, ...]
    order: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (y, x, channel) of the cube."""
        y, x, channel = (self.stored[axis] for axis in self.order)
        return y, x, channel

    @property
    def size(self) -> int:
        """Number of bytes of a file that ends with these numbers."""
        return self.offset + math.prod(self.stored) * np.dtype(self.dtype).itemsize


def lazy_numbers(path: Path, numbers: Numbers) -> LazyArray:
    """Return the numbers as a lazy array (y, x, channel); assumes that the file is long enough."""
    dtype = np.dtype(numbers.dtype).newbyteorder("=")
    return LazyArray(path, numbers, numbers.shape, dtype, _fetch, locked=False)


def _fetch(path: Path, numbers: Numbers, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a file of numbers."""
    with reading(path, "a file of numbers"):
        stored = np.memmap(path, numbers.dtype, "r", numbers.offset, numbers.stored)
        return off_map(stored.transpose(numbers.order)[index])


def off_map(part: np.ndarray) -> np.ndarray:
    """Return a copy of a part of a file that is mapped to memory, so that the map is closed."""
    return np.array(part, dtype=part.dtype.newbyteorder("="), order="C")


def check_request(path: Path, request: Request, allowed: tuple[str, ...], why: str) -> None:
    """Raise ValueError if a user asks for something that this format cannot give.

    Parameters
    ----------
    path : Path
    request : Request
    allowed : tuple of str
        What the format understands, of :data:`ASKED`.
    why : str
        What the file holds, for the message: "holds one array without a name".
    """
    for name in ASKED:
        value = getattr(request, name)
        if value is not None and name not in allowed:
            raise ValueError(f"{path} {why}; leave out {name}={value!r}")


def order_of(letters: str) -> tuple[int, int, int]:
    """Return the stored axis of y, x and channel."""
    y, x, channel = (letters.index(letter) for letter in LETTERS)
    return y, x, channel


def check_image(path: Path, request: Request, image: tuple[int, int]) -> None:
    """Raise ValueError if the user's ``shape`` is not that of the image in the file."""
    if request.shape is not None and tuple(request.shape) != tuple(image):
        raise ValueError(
            f"{path} holds an image of {image[0]} x {image[1]} pixels (y, x); leave out "
            f"shape={tuple(request.shape)}"
        )


def check_points(path: Path, request: Request, points: int) -> tuple[int, int]:
    """Return the shape (ny, nx) of an image of so many points, given by the user.

    Raises
    ------
    ValueError
        If it is not given, or is of another number of points.
    """
    shape = request.shape
    if shape is None:
        raise ValueError(
            f"{path} holds {points} spectra without their places in an image; give shape=(ny, nx) "
            f"with ny * nx = {points}"
        )
    if math.prod(shape) != points:
        raise ValueError(
            f"{path} holds {points} spectra, which do not fill an image of shape={tuple(shape)}; "
            f"ny * nx must be {points}"
        )
    return shape


def number_of(path: Path | str, fields: Mapping[str, Any], name: str, default: Any = None) -> float:
    """Return a field of a text header, named for errors, that must be a finite number."""
    text = fields.get(name, default)
    try:
        number = float(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {name} must be a number; got {text!r}") from error
    if not math.isfinite(number):
        raise ValueError(f"{path}: {name} must be a finite number; got {text!r}")
    return number


def integer_of(
    path: Path, fields: Mapping[str, Any], name: str, low: int, default: Any = None
) -> int:
    """Return a field of a text header that must be a whole number, at least ``low``."""
    if name not in fields and default is None:
        raise ValueError(f"{path} does not give {name}")
    number = number_of(path, fields, name, default)
    if not number.is_integer() or number < low:
        raise ValueError(f"{path}: {name} must be a whole number, at least {low}; got {number:g}")
    return int(number)
