"""Messages between the process that reads a file and the one that asked for it.

A message is the length of a header, the header as JSON, and the bytes of arrays. Nothing in it is
executed, unlike in a pickle; sizes are checked before memory is allocated.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

MOST_HEADER = 2**26  # bytes
KINDS = "biufSU"  # of the arrays
_LENGTH = struct.Struct(">Q")


class LazyPart:
    """Where an array stands in a message that stays with the sender, and is read in blocks."""

    def __init__(self, number: int, dtype: str, shape: list[int], chunks: list[list[int]]) -> None:
        self.number = number
        self.dtype = np.dtype(dtype)
        self.shape = tuple(int(n) for n in shape)
        self.chunks = tuple(tuple(int(n) for n in sizes) for sizes in chunks)
        counts = tuple(sum(sizes) for sizes in self.chunks)
        sound = counts == self.shape and min(min(sizes) for sizes in self.chunks) > 0
        if len(self.shape) != 3 or not sound or self.dtype.kind not in KINDS:
            raise ValueError(f"an array of shape {self.shape} ({dtype}) in chunks of {counts}")


def pack(value: Any, arrays: list[np.ndarray], lazy: list[Any]) -> Any:
    """Return a value as JSON has it; its arrays are added to the two lists.

    Raises
    ------
    TypeError
        If it is not made of texts, numbers, lists, tables and arrays of numbers or texts.
    """
    if isinstance(value, (str, int, float, type(None))) and not isinstance(value, np.generic):
        return value
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [pack(one, arrays, lazy) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[str(name), pack(one, arrays, lazy)] for name, one in value.items()]}
    if hasattr(value, "dask"):
        lazy.append(value)
        place = [len(lazy) - 1, value.dtype.str, list(value.shape), list(map(list, value.chunks))]
        return {"lazy": place}
    array = np.asarray(value)
    if array.dtype.kind not in KINDS:
        raise TypeError(f"a {type(value).__name__} of {array.dtype} cannot be sent")
    arrays.append(array)
    return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}


def unpack(value: Any, arrays: list[np.ndarray], lazy: Callable[[LazyPart], Any]) -> Any:
    """Return what :func:`pack` packed; ``lazy`` makes an array of one that stayed behind."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "list":
        return [unpack(one, arrays, lazy) for one in inner]
    if kind == "tuple":
        return tuple(unpack(one, arrays, lazy) for one in inner)
    if kind == "dict":
        return {str(name): unpack(one, arrays, lazy) for name, one in inner}
    if kind == "lazy":
        return lazy(LazyPart(*inner))
    return arrays[inner] if kind == "array" else arrays[inner][()]


def send(write: Callable[[Any], Any], body: Any, arrays: list[np.ndarray]) -> None:
    """Write a message."""
    listed = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = json.dumps({"body": body, "arrays": listed}).encode("ascii")
    write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        if array.nbytes:
            write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def receive(read: Callable[[int], bytes | bytearray], most: int) -> tuple[Any, list[np.ndarray]]:
    """Read a message.

    Parameters
    ----------
    read : function
        Returns so many bytes.
    most : int
        Bytes that its arrays may have.

    Raises
    ------
    ValueError
        If it is no message, or larger than that.
    """
    (length,) = _LENGTH.unpack(read(_LENGTH.size))
    if length > MOST_HEADER:
        raise ValueError(f"a header of {length} bytes; {MOST_HEADER} are the most")
    header = json.loads(bytes(read(length)))
    arrays = []
    for text, shape in header["arrays"]:
        dtype = np.dtype(text)
        size = math.prod(int(n) for n in shape) * dtype.itemsize
        if dtype.kind not in KINDS or min(shape, default=0) < 0 or size > most:
            raise ValueError(f"an array of {dtype} of shape {shape}")
        most -= size
        arrays.append(np.frombuffer(read(size), dtype).reshape(shape))
    return header["body"], arrays
