"""Full disks: a limit of the system on the size of files, and writes that fail."""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .jobs import INPUTS, JOBS, Job, checksum, clear, leftovers, run, wrong_with


class FullDisk:
    """Lets all writes of this process into a folder fail from the n-th on, as a full disk does."""

    def __init__(self, folder: Path, first: int, report: Path | None = None) -> None:
        self.folder, self.left, self.report = str(folder), first, report
        self.count = 0
        self.open, self.pwrite, self.write = io.open, os.pwrite, os.write

    def install(self) -> None:
        """Take the place of the functions that write."""
        io.open = builtins.open = self._open  # type: ignore[assignment]
        os.pwrite = partial(self._counted, self.pwrite)  # type: ignore[assignment]

    def _counted(self, function: Callable[..., int], *arguments: Any) -> int:
        self.count += 1
        if self.report is not None:
            with self.open(self.report, "w") as file:
                file.write(str(self.count))
        if self.count > self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*arguments)

    def _open(
        self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any
    ) -> Any:
        """Open a file; one that is written there is a :class:`Counted` one."""
        writes = set(mode) & set("wax+")
        if not writes or isinstance(file, int):
            return self.open(file, mode, buffering, *rest, **more)
        path = os.path.abspath(os.fspath(file))
        if not str(path).startswith(self.folder):
            return self.open(file, mode, buffering, *rest, **more)
        raw = Counted(file, mode.replace("b", "").replace("t", ""))
        raw.disk = self
        if buffering == 0:
            return raw
        stream: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return stream if "b" in mode else io.TextIOWrapper(stream, *rest, **more)


class Counted(io.FileIO):
    """A file whose writes are counted."""

    disk: FullDisk

    def write(self, data: Any) -> int:  # type: ignore[override]
        """Write, unless the disk is full."""
        return self.disk._counted(super().write, data)


def limit(size: int) -> None:
    """Let no file of this process become larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def disks(home: Path, total: int = 100) -> dict[str, Any]:
    """Let the disk be full at many places; returns counts for each command, and what went wrong."""
    chance, table = random.Random(3), {}
    for name, job in JOBS.items():
        counts, failures = Counter[str](), []
        known = {*os.listdir(home), "state.safetensors"}  # a checkpoint is there to stay
        given = {each: checksum(home / each) for each in INPUTS}
        report = home.parent / "writes"
        _fresh(job, home)
        run(job, home, FullDisk(home, 10**9, report).install).end()
        writes = int(report.read_text())
        for number in range(max(2, -(-total // len(JOBS)))):
            _fresh(job, home)
            before = _state(job, home)
            first = chance.randrange(writes)
            size = int(10 ** chance.uniform(0, 4.3))
            fake = number % 2 == 0
            act = FullDisk(home, first).install if fake else partial(limit, size)
            process = run(job, home, act)
            status = process.end()
            words = f"write {first + 1} of {writes}" if fake else f"{size} bytes"
            counts["writes"] += status != 0
            counts["large enough"] += status == 0
            failures += [
                f"{words}: {each}"
                for each in _wrong(job, home, status, process.said, before, known)
            ]
        failures += [f"{each} changed" for each in INPUTS if checksum(home / each) != given[each]]
        table[name] = {**counts, "failures": failures}
        print(name, table[name], file=sys.stderr)
    return table


def _fresh(job: Job, home: Path) -> None:
    """Remove a complete search, which would have nothing to do."""
    if job.output == "found":
        clear(home, "found")


def _state(job: Job, home: Path) -> str:
    return "" if job.output == "found" else checksum(home / job.output)


def _wrong(job: Job, home: Path, status: int, said: str, before: str, known: set[str]) -> list[str]:
    """Return what is wrong after a run on a full disk."""
    wrong = []
    if status not in (0, 2):
        wrong.append(f"status {status}: {said[-600:]}")
    elif status == 2 and ("Traceback" in said or len(said.strip().splitlines()) > 1):
        wrong.append(f"more than a line: {said[-600:]}")
    elif status == 2 and not any(word in said for word in ("disk is full", "ulimit -f")):
        wrong.append(f"other words: {said[-600:]}")
    if job.output != "found":
        if status and _state(job, home) != before:
            wrong.append("the older output is not as it was")
        wrong += [text for text in [wrong_with(home, job)] if text]
    left = leftovers(home, known)
    for each in left:
        clear(home, each)
    return [*wrong, *([f"left behind: {left}"] if left else [])]
