"""What a file may declare: checked before memory is allocated and before anything is unpacked.

A declared size is compared with the size of the file, because a small file that promises a large
array is damaged or made to fill the memory, and with the memory that there is. ``docs/formats.md``
gives the reasons for the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spectessera._util.memory import available_bytes
from spectessera._util.reading import FileRefused

# So much is read whatever the size of the file.
SMALL_BYTES = 2**28
# Bytes of an array for each byte of its file. Deflate reaches 1032.
MAX_COMPRESSION = 1100
# The same where chunks that were never written take no space, and blocks are read one by one.
MAX_SPARSE = 2**16
# The same for files that are unpacked as a whole into memory: gzip, NPZ, compressed MATLAB.
MAX_PACKED = 100
# Bytes of one chunk, and of one chunk for each byte of the file if that is more.
CHUNK_BYTES, MAX_CHUNK_RATIO = 2**29, 16


def nbytes_of(shape: Sequence[int], dtype: np.dtype) -> int:
    """Return the bytes of an array; its numbers become float32 at least."""
    return math.prod(int(n) for n in shape) * max(4, dtype.itemsize)


def check_declared(
    what: str, shape: Sequence[int], dtype: np.dtype, stored: int, *, lazy: bool
) -> None:
    """Raise ValueError, before memory is allocated, if a compressed array is too large.

    Parameters
    ----------
    what : str
        File and array.
    shape, dtype
        As the file declares them.
    stored : int
        Bytes of the file, or of all files of a store.
    lazy : bool
        Whether the array is read block by block.
    """
    size = nbytes_of(shape, dtype)
    ratio = MAX_SPARSE if lazy else MAX_COMPRESSION
    if size > max(SMALL_BYTES, stored * ratio):
        hint = "" if lazy else "; if it is mostly empty, give chunks="
        raise FileRefused(
            f"{what} claims {size:.3g} bytes (shape {tuple(shape)}), more than a file of "
            f"{stored} bytes can hold{hint}"
        )
    if not lazy:
        check_memory(what, size)


def check_memory(what: str, size: int) -> None:
    """Raise ValueError if so many bytes are not available."""
    free = available_bytes()
    if size > free:
        raise FileRefused(
            f"{what} needs {size:.3g} bytes of memory, and {free:.3g} are available; give "
            'chunks="auto" to read it in parts'
        )


def check_packed(what: str, size: int, stored: int, remedy: str) -> None:
    """Raise ValueError if what is unpacked as a whole is too large for its file.

    ``size`` are the bytes that it unfolds to, ``stored`` those in the file.
    """
    if size > max(SMALL_BYTES, stored * MAX_PACKED):
        raise FileRefused(
            f"{what} unfolds to {size:.3g} bytes or more, from {stored}: more than {MAX_PACKED} "
            f"times as many, which is refused above {SMALL_BYTES // 2**20} MiB; {remedy}"
        )
    free = available_bytes()
    if size > free:
        raise FileRefused(
            f"{what} unfolds to {size:.3g} bytes, and {free:.3g} are available; {remedy}"
        )


def check_chunk(what: str, shape: Sequence[int], dtype: np.dtype, stored: int) -> None:
    """Raise ValueError if one chunk is too large to be unpacked at once."""
    size = math.prod(int(n) for n in shape) * dtype.itemsize
    if size > max(CHUNK_BYTES, stored * MAX_CHUNK_RATIO):
        raise FileRefused(
            f"{what} claims chunks of {size:.3g} bytes (shape {tuple(shape)}); one chunk may have "
            f"{CHUNK_BYTES // 2**20} MiB, or {MAX_CHUNK_RATIO} times the {stored} bytes of the file"
        )
