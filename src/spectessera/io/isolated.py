"""The process that reads one file for another process: ``python -m spectessera.io.isolated PATH``.

It answers on standard output what it is asked on standard input. If a damaged file ends it, or
keeps it busy, or fills its memory, the process that asked lives on.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ._common import Request, StoredCube
from ._limits import MAX_PACKED
from ._messages import pack, receive, send

# What is imported before the file is opened, so that it does not count as time for reading.
LIBRARIES = ("dask.array", "h5py", "xarray")
BASE_BYTES = 3 * 2**29  # of memory, beside so many times the size of the file
MOST_QUESTION = 2**20  # bytes of the arrays of a question
GRACE = 5  # seconds after the patience of the other process has ended


def limit_memory(path: Path) -> None:
    """Set a limit to the memory of this process, and write no image of it if it is killed."""
    import resource

    from spectessera._util.memory import available_bytes

    size = path.stat().st_size if path.is_file() else 0
    more = min(BASE_BYTES + MAX_PACKED * size, available_bytes())
    status = Path("/proc/self/status")
    words = status.read_text(encoding="ascii", errors="replace").split() if status.exists() else []
    used = int(words[words.index("VmData:") + 1]) * 1024 if "VmData:" in words else 0
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = used + more if hard == resource.RLIM_INFINITY else min(used + more, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def opened(path: Path, request: dict[str, Any]) -> StoredCube:
    """Return the cube of a file, read in blocks."""
    from ._read import stored_cube

    words: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in request.items()
    }
    return stored_cube(path, Request(**words))


def answer(path: Path, question: Any, lazy: list[Any]) -> tuple[Any, list[np.ndarray]]:
    """Return the answer to a question: the cube without its large arrays, or a block of one."""
    if "open" in question:
        cube, arrays = opened(path, question["open"]), list[np.ndarray]()
        parts = {each.name: getattr(cube, each.name) for each in fields(cube)}
        return pack(parts, arrays, lazy), arrays
    index = tuple(slice(*one) for one in question["index"])
    block = lazy[question["block"]][index].compute(scheduler="synchronous")
    return None, [np.asarray(block)]


def serve(path: Path, read: Callable[[int], bytes], write: Callable[[Any], Any]) -> None:
    """Answer questions until there are no more; an error is an answer too."""
    lazy: list[Any] = []
    send(write, "ready", [])
    while True:
        try:
            question, _ = receive(read, MOST_QUESTION)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, question["patience"] + GRACE)  # ends this process
        try:
            body, arrays = answer(path, question, lazy)
        except Exception as error:  # whatever a library raises: the other process reports it
            kinds = [each.__name__ for each in type(error).__mro__]
            body, arrays = {"error": [str(error) or kinds[0], kinds]}, []
        else:
            body = {"answer": body}
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(write, body, arrays)


def exactly(handle: int, count: int) -> bytes:
    """Read so many bytes; EOFError at the end."""
    parts, left = [], count
    while left:
        part = os.read(handle, min(left, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def main() -> None:
    """Serve the file that the command line names."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    for name in LIBRARIES:
        import_module(name)
    path = Path(sys.argv[1])
    limit_memory(path)
    with os.fdopen(answers, "wb", buffering=0) as stream:

        def write(part: Any) -> None:
            view = memoryview(part)
            while view:
                view = view[stream.write(view) :]

        serve(path, lambda count: exactly(0, count), write)


if __name__ == "__main__":
    main()
