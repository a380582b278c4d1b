"""Read a file in a process of its own, which a damaged file may end.

C libraries can crash on files that were made for it, and then end the process that uses them. Here
that is another process, which sends blocks of numbers; what happens to it becomes an error.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.memory import available_bytes
from spectessera._util.reading import FileRefused, check_regular, reading
from spectessera.cube import DIMS

from ._common import Request, StoredCube
from ._lazy import LazyArray, as_dask
from ._limits import check_memory, nbytes_of
from ._messages import LazyPart, receive, send, unpack

MODULE = "spectessera.io.isolated"
START = 60.0  # seconds in which the other process starts
PATIENCE = 10.0  # seconds without an answer, and one more for every
BYTES_PER_SECOND = 2**24  # of the file when it is opened, and of a block that is read
OPEN_FOLDER = 60.0  # seconds in which a folder of files is opened
MOST_CHILDREN = 8  # processes that wait for further questions
# Errors of the other process that are raised as they are; any other is a ValueError.
KINDS: dict[str, type[Exception]] = {
    each.__name__: each
    for each in (ImportError, FileNotFoundError, IsADirectoryError, PermissionError)
}


@dataclass(frozen=True)
class _Place:
    """Which array of a file is meant, and how the file is read."""

    request: str
    number: int
    shape: tuple[int, ...]
    itemsize: int


class _Child:
    """A process that reads one file."""

    def __init__(self, path: Path, request: str) -> None:
        self.path = path
        self.lock = threading.Lock()
        own = Path(__file__).parents[2]  # where this package lies
        folders = [str(own), *(each for each in sys.path if each)]
        self.process = subprocess.Popen(
            # -P: the working folder, which may hold files of strangers, is not imported from
            [sys.executable, "-P", "-m", MODULE, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"},
        )
        try:
            self._receive(START, "has not started", 0)
            self.cube, self.arrays = self.ask({"open": json.loads(request)}, self._time_to_open())
        except BaseException:
            self.close()
            raise

    def _time_to_open(self) -> float:
        if self.path.is_dir():
            return OPEN_FOLDER
        return PATIENCE + self.path.stat().st_size / BYTES_PER_SECOND

    def ask(self, question: dict[str, Any], patience: float) -> tuple[Any, list[np.ndarray]]:
        """Return the answer to a question and its arrays.

        Raises
        ------
        ValueError
            If the file is broken, or ended the process, or the answer takes too long.
        """
        with self.lock:
            try:
                send(self._write, question | {"patience": patience}, [])
            except (BrokenPipeError, ValueError):  # it has ended, or was closed
                self._ended()
            body, arrays = self._receive(patience, "has given no answer", available_bytes())
        if "error" in body:
            text, kinds = body["error"]
            known = [KINDS[name] for name in kinds if name in KINDS]
            raise (known or [FileRefused])[0](str(text))
        return body["answer"], arrays

    def _write(self, part: Any) -> None:
        assert self.process.stdin is not None
        view = memoryview(part)
        while view:
            view = view[self.process.stdin.write(view) :]

    def _receive(self, patience: float, what: str, most: int) -> tuple[Any, list[np.ndarray]]:
        """Return the next message; the patience is that for its first bytes, and between others."""
        assert self.process.stdout is not None
        handle = self.process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)

            def read(count: int) -> bytearray:
                buffer = bytearray(count)
                view = memoryview(buffer)
                while view:
                    if not selector.select(patience):
                        self.close()
                        raise FileRefused(
                            f"{self.path}: the process that reads it {what} within {patience:.0f} "
                            "s, and was ended; the file may be damaged"
                        )
                    count = os.readv(handle, [view])
                    if not count:
                        self._ended()
                    view = view[count:]
                return buffer

            with reading(self.path, "what its own process sends"):
                return receive(read, most)

    def _ended(self) -> None:
        """Raise the error about a process that has ended."""
        code = self.process.wait()
        self.close()
        reason = f"with status {code}"
        if code < 0:
            reason = f"by {signal.Signals(-code).name}"
        raise FileRefused(
            f"{self.path}: the process that reads it was ended {reason}; the file is damaged, or "
            "made to do harm"
        )

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


_children: OrderedDict[tuple[Any, ...], _Child] = OrderedDict()
_lock = threading.Lock()


def _key(path: Path, request: str) -> tuple[Any, ...]:
    """Return what identifies a process that reads a file."""
    return os.getpid(), path.resolve(), path.stat().st_mtime_ns, request


def _child(path: Path, request: str) -> _Child:
    """Return the process of this process that reads a file, a new one if there is none."""
    key = _key(path, request)
    with _lock:
        child = _children.pop(key, None)
        if child is not None and child.process.poll() is not None:
            child.close()
            child = None
        child = child or _Child(path, request)
        _children[key] = child
        while len(_children) > MOST_CHILDREN:
            oldest = _children.popitem(last=False)[1]
            with oldest.lock:
                oldest.close()
    return child


@atexit.register
def close_all() -> None:
    """End all processes that wait for further questions of this one."""
    with _lock:
        own = [key for key in _children if key[0] == os.getpid()]
        for key in own:
            _children.pop(key).close()


def isolated_cube(path: Path, request: Request) -> StoredCube:
    """Return the cube of a file that another process reads.

    Parameters
    ----------
    path : Path
    request : Request
        Without ``chunks``, all blocks are read at once.

    Raises
    ------
    ValueError
        If the file crashes or stops the process, or fills its memory. All else is raised as by
        :func:`~spectessera.io.read`.
    """
    if os.name == "nt":
        raise ValueError("isolate (--isolate) needs Linux or macOS")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    check_regular(path)
    chunks = "auto" if request.chunks is None else request.chunks
    words = json.dumps(asdict(request) | {"chunks": chunks, "isolate": False}, default=int)
    child = _child(path, words)

    def lazy(part: LazyPart) -> Any:
        place = _Place(words, part.number, part.shape, part.dtype.itemsize)
        source = LazyArray(path, place, part.shape, part.dtype, _fetch)
        if request.chunks is not None:
            return as_dask(source, dict(zip(DIMS, part.chunks, strict=True)), path, place)
        return _whole(source, part.chunks)

    with reading(path, "what its own process sends"):
        cube = StoredCube(**unpack(child.cube, child.arrays, lazy))
    if request.chunks is None:
        with _lock:
            _children.pop(_key(path, words), child).close()
    return cube


def _whole(source: LazyArray, chunks: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Return an array in memory, read block by block."""
    check_memory(str(source.path), nbytes_of(source.shape, source.dtype))
    out = np.empty(source.shape, source.dtype)
    ends = [np.cumsum(sizes).tolist() for sizes in chunks]
    parts = ([slice(end - size, end) for size, end in zip(sizes, places, strict=True)]
             for sizes, places in zip(chunks, ends, strict=True))  # fmt: skip
    for index in product(*parts):
        out[index] = source[index]
    return out


def _fetch(path: Path, place: _Place, index: tuple[slice, ...]) -> np.ndarray:
    """Read one block, in any process."""
    spans = [one.indices(size) for one, size in zip(index, place.shape, strict=True)]
    sizes = tuple(len(range(*span)) for span in spans)
    patience = PATIENCE + math.prod(sizes) * place.itemsize / BYTES_PER_SECOND
    _, arrays = _child(path, place.request).ask({"block": place.number, "index": spans}, patience)
    if [one.shape for one in arrays] != [sizes]:
        raise ValueError(f"the process that reads it sent other than a block of shape {sizes}")
    return arrays[0]
