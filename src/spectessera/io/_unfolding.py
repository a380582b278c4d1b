"""What one compressed chunk unfolds to, found before a library unpacks it.

A codec continues as long as there is memory, and compares the size only afterwards.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from pathlib import Path
from typing import Any

from spectessera._util.reading import FileRefused

DEFLATE, CHECKSUM = 1, 3  # numbers of filters of HDF5
HARMLESS = 2**29  # bytes that any chunk may unfold to
MOST_RATIO = 1032  # of deflate
HEAD = 18  # bytes with the header of a frame
MAX_CHUNKS = 300_000  # that are looked at one by one


def check_file(file: Path, size: int, limit: int) -> None:
    """Raise ValueError if a file of one chunk, of this size, unfolds to more than its chunk.

    The headers of Zstandard and Blosc say it. Gzip and zlib do not: those are unpacked as far as
    the limit, if they may reach beyond.
    """
    with file.open("rb") as stream:
        raw = stream.read(HEAD)
        declared = _declared(raw, size) or 0
        if raw[:1] in (b"\x1f", b"\x78") and size * MOST_RATIO > HARMLESS:
            beyond = _inflates_beyond(raw + stream.read(), limit)
        else:
            beyond = declared > max(limit, HARMLESS)
    if beyond:
        raise FileRefused(f"{file} unfolds to more than its chunk of {limit} bytes; it is damaged")


def _inflates_beyond(raw: bytes, limit: int) -> bool:
    """Whether a stream of deflate is longer when unpacked."""
    stream = zlib.decompressobj(47)  # gzip or zlib
    try:
        return len(stream.decompress(raw, limit + 1)) > limit
    except zlib.error:  # the library that reads it says so
        return False


def _declared(raw: bytes, size: int) -> int | None:
    """Return what the header of a frame of ``size`` bytes unfolds to; None where it is not said."""
    if raw[:4] == b"\x28\xb5\x2f\xfd" and len(raw) > 4:
        flags = raw[4]
        single, at = flags >> 5 & 1, 5
        at += (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
        width = (single, 2, 4, 8)[flags >> 6]
        number = int.from_bytes(raw[at : at + width], "little")
        return number + 256 * (width == 2) if width else None
    if len(raw) >= 16 and raw[0] in (1, 2):
        whole, _, packed = struct.unpack_from("<III", raw, 4)
        return whole if packed == size else None
    return None


def check_chunks(path: Path, dataset: Any, index: tuple[slice, ...]) -> None:
    """Raise ValueError if chunks of a part of an HDF5 dataset unfold to more than they should.

    Assumes that :func:`check_stored_chunks` was called when the file was opened: chunks that are
    too small for harm are not looked at.
    """
    limit = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    if _most_stored(limit) * MOST_RATIO <= HARMLESS or not _is_deflated(dataset):
        return
    grid = [
        range(one.indices(n)[0] // piece * piece, one.indices(n)[1], piece)
        for one, n, piece in zip(index, dataset.shape, dataset.chunks, strict=True)
    ]
    for place in itertools.product(*grid):
        try:
            _, raw = dataset.id.read_direct_chunk(place)
        except (OSError, RuntimeError):  # it was never written
            continue
        if len(raw) * MOST_RATIO > HARMLESS and _inflates_beyond(raw, limit):
            raise FileRefused(
                f"{path}: the chunk of {dataset.name!r} at {place} unfolds to more than its "
                f"{limit} bytes; the file is damaged"
            )


def check_stored_chunks(path: Path, dataset: Any) -> None:
    """Raise ValueError if chunks of an HDF5 dataset are stored in more bytes than they have."""
    limit = math.prod(dataset.chunks) * dataset.dtype.itemsize
    small = dataset.id.get_storage_size() <= _most_stored(limit)
    if small or dataset.id.get_num_chunks() > MAX_CHUNKS:
        return
    largest = 0

    def look(chunk: Any) -> None:
        nonlocal largest
        largest = max(largest, chunk.size)

    dataset.id.chunk_iter(look)
    if largest > _most_stored(limit):
        raise FileRefused(
            f"{path}: {dataset.name!r} has a chunk stored in {largest} bytes, and a chunk has "
            f"{limit}; the file is damaged"
        )


def _most_stored(limit: int) -> int:
    """Return the bytes in which a chunk of so many is stored at most: no codec adds more."""
    return limit + limit // 8 + 2**16


def _is_deflated(dataset: Any) -> bool:
    """Whether deflate is the last filter of a dataset, but for checksums."""
    plist = dataset.id.get_create_plist()
    codes = [plist.get_filter(n)[0] for n in range(plist.get_nfilters())]
    return [code for code in codes if code != CHECKSUM][-1:] == [DEFLATE]
