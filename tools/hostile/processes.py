"""Processes that may end in any way, forked from one that has imported everything."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TRACEBACK = 70  # status after an exception


@dataclass
class Process:
    """A forked process; what it prints goes into a pipe, which no full disk concerns."""

    pid: int
    reader: int
    said: str = field(default="")

    def end(self) -> int:
        """Wait for the end and read what was printed; returns the status, negative for a signal."""
        parts = []
        while part := os.read(self.reader, 65536):
            parts.append(part)
        os.close(self.reader)
        self.said = b"".join(parts).decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def ended(self) -> bool:
        """Return whether it has ended."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None


def start(work: Callable[[], Any]) -> Process:
    """Run a function in a process of its own; what it returns is the status."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        return Process(pid, reader)
    status = TRACEBACK
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
        faulthandler.disable()  # that of pytest would print where this process ends
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        os.close(reader)
        sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        status = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def must(work: Callable[[], Any]) -> str:
    """Run a function in a process of its own and return what it prints; raise if it fails."""
    process = start(work)
    if status := process.end():
        raise RuntimeError(f"status {status}: {process.said[-2000:]}")
    return process.said


def import_what_is_used(work: Callable[[], Any]) -> None:
    """Import all modules that a function needs, without calling it here.

    It may start threads, which a fork does not survive.
    """

    def names() -> None:
        known = set(sys.modules)
        with contextlib.redirect_stdout(sys.stderr):
            work()
        print("\nmodules", json.dumps([each for each in sys.modules if each not in known]))

    for name in json.loads(must(names).rpartition("\nmodules")[2]):
        with contextlib.suppress(Exception):  # some are no modules of their own
            importlib.import_module(name)
