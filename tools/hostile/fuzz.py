"""Open thousands of damaged files: each is read, or refused in words that name it.

The files are opened one after the other in a forked process, which is replaced when one of them
ends it. So a crash, a hang and the memory belong to one file.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import pickle
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .mutate import mutant
from .processes import import_what_is_used
from .seeds import Seed, seeds
from .targets import Refused, open_it

SECONDS = 10  # of one file; a longer time is a hang
ISOLATED = 30  # where another process is started, and given 10 seconds for its answer
MEMORY = 2**31  # bytes that one file may take
MOST = 50  # inputs of one failure that are recorded by number
BATCH = 1000  # files that one process opens
OUTCOMES = ("read", "refused", "unnamed", "traceback", "hang", "memory", "crash")


def workplace() -> str:
    """Return a folder for many small files, in memory if there is such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.mkdtemp(prefix="hostile-", dir=place)


# --- in the process that opens the files ----------------------------------------------------------


def peak(reset: bool = False) -> int:
    """Return the largest memory of this process in bytes since the last reset."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def verdict(error: BaseException, seed: Seed, path: Path) -> str:
    """Return what an exception is: a refusal that names the file, or not."""
    if isinstance(error, MemoryError):
        return "memory"
    names = {str(path.parent), *(Path(each).name for each in seed.files), seed.main}
    named = any(each in str(error) for each in names)
    if isinstance(error, (ValueError, OSError, ImportError)):
        return "refused" if named else "unnamed"
    return "refused" if named and isinstance(error, TypeError) else "traceback"


def place_of(error: BaseException) -> str:
    """Return the kind of an error and the last line of the package that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if "spectessera" in each.filename] or frames
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__} at {where}"


def try_one(format_name: str, seed: Seed, folder: Path, number: int, isolate: bool) -> Any:
    """Open a damaged file; returns the outcome, where, and what was said."""
    path = seed.lay(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_it(format_name, path, number, isolate)
    except Refused as error:
        return verdict(error, seed, path), "command", str(error)
    except Exception as error:
        return verdict(error, seed, path), place_of(error), str(error)
    except SystemExit as error:
        return "traceback", place_of(error), "the process was asked to end"
    return "read", "", ""


def serve(
    format_name: str, honest: Sequence[Seed], numbers: Sequence[int], pipe: int, home: str,
    isolate: bool,
) -> None:  # fmt: skip
    """Open one damaged file after the other; report each before and after."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(f"{home}/stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    faulthandler.enable()
    for number in numbers:
        os.write(pipe, f"made {number}\n".encode())
        seed = mutant(honest, number)
        folder = Path(home, f"{number}")
        folder.mkdir()
        os.write(pipe, f"open {number}\n".encode())
        peak(reset=True)
        faulthandler.dump_traceback_later(SECONDS - 2)
        began = time.process_time()
        outcome, where, said = try_one(format_name, seed, folder, number, isolate)
        seconds, memory = time.process_time() - began, peak()
        if memory - size > MEMORY:
            outcome = "memory"
        shutil.rmtree(folder, ignore_errors=True)
        row = [number, outcome, where, said[:400], round(seconds, 3), memory]
        os.write(pipe, f"done {json.dumps(row)}\n".encode())


# --- in the process that watches -----------------------------------------------------------------


class Patience:
    """Whether a process works on one file for too long, on a machine that may be busy.

    It hangs if it has used so many seconds of the processor for it, or has waited for as many.
    """

    def __init__(self, child: int, most: float) -> None:
        self.child, self.most = child, most
        self.start()

    def start(self) -> None:
        """Begin anew, for the next file."""
        self.began, self.waited = self._used()[0], 0.0

    def _used(self) -> tuple[float, bool]:
        """Return the seconds of the processor until now, and whether the process waits."""
        fields = Path(f"/proc/{self.child}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] == "S"

    def over(self, seconds: float) -> bool:
        """Return whether it hangs, after so many more seconds without a word."""
        used, waits = self._used()
        self.waited = self.waited + seconds if waits else 0.0
        return max(used - self.began, self.waited) >= self.most


def lines_of(pipe: int, child: int, most: float) -> Iterator[str]:
    """Yield what a process reports; "hang" if it works on one file for too long."""
    left, patience = b"", Patience(child, most)
    while True:
        if not select.select([pipe], [], [], 1)[0]:
            if patience.over(1):
                os.kill(child, signal.SIGKILL)
                yield "hang"
                return
            continue
        part = os.read(pipe, 65536)
        if not part:
            return
        patience.start()
        *lines, left = (left + part).split(b"\n")
        yield from (each.decode() for each in lines)


def watch(
    format_name: str, honest: Sequence[Seed], numbers: Sequence[int], home: str, isolate: bool
) -> Iterator[list[Any]]:
    """Yield a row for each number: number, outcome, where, what was said, seconds, memory."""
    waiting = list(numbers)
    while waiting:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                serve(format_name, honest, waiting[:BATCH], writer, home, isolate)
            except BaseException:
                traceback.print_exc()
                os._exit(3)
            os._exit(0)
        os.close(writer)
        doing, hung, done = ("", -1), False, 0
        for line in lines_of(reader, child, ISOLATED if isolate else SECONDS):
            word, _, rest = line.partition(" ")
            if word == "done":
                done += 1
                yield json.loads(rest)
            elif word == "hang":
                hung = True
            else:
                doing = (word, int(rest))
        os.close(reader)
        _, status = os.waitpid(child, 0)
        batch = waiting[:BATCH]
        waiting = waiting[done:] if done < len(batch) else waiting[BATCH:]
        if done < len(batch):
            waiting = waiting[1:]
            yield _ended(doing, hung, status, home)


def _ended(doing: tuple[str, int], hung: bool, status: int, home: str) -> list[Any]:
    """Return the row of a file that ended the process."""
    said = Path(home, "stderr").read_text(errors="replace")
    stack = said[max(said.rfind("Timeout ("), said.rfind("Fatal Python error")) :]
    where = next((each.strip() for each in stack.splitlines() if "spectessera" in each), "")
    where = re.sub(r'"\S*/src/', '"src/', where)  # the same on every machine
    shutil.rmtree(Path(home, f"{doing[1]}"), ignore_errors=True)
    if doing[0] == "made":  # the library ended while it made the file
        return [doing[1], "unmade", where, stack[-400:], 0.0, 0]
    if hung:
        return [doing[1], "hang", where, "", float(SECONDS), 0]
    signal_name = signal.Signals(status).name if os.WIFSIGNALED(status) else f"status {status}"
    return [doing[1], "crash", f"{signal_name} {where}", stack[-400:], 0.0, 0]


def honest_files(format_name: str) -> list[Seed]:
    """Return the honest files of a format, made in a process of its own, and import what they need.

    The threads that this starts are not in this process.
    """
    home = Path(tempfile.mkdtemp(prefix="hostile-"))

    def make() -> None:
        found = list(seeds(format_name, home))
        (home / "seeds").write_bytes(pickle.dumps(found))
        for number, seed in enumerate(found):
            for way in range(0, 15, 3):
                folder = home / f"{number}-{way}"
                folder.mkdir()
                with contextlib.suppress(ValueError):  # a checkpoint of other settings
                    open_it(format_name, seed.lay(folder), 100 + way)

    import_what_is_used(make)
    found = pickle.loads((home / "seeds").read_bytes())
    shutil.rmtree(home)
    return found


def fuzz(
    format_name: str, numbers: Sequence[int], found: Path | None = None, isolate: bool = False
) -> dict[str, Any]:
    """Open damaged files of a format; returns counts of the outcomes, and the failures.

    Parameters
    ----------
    format_name : str
        Of :data:`seeds.RECIPES`.
    numbers : sequence of int
        Which of the damaged files.
    found : Path, optional
        A folder for the files that failed, one of each kind.
    isolate : bool
        Open them in processes of their own, as ``isolate=True`` does.
    """
    honest, home = honest_files(format_name), workplace()
    counts: Counter[str] = Counter()
    failures: dict[str, dict[str, Any]] = {}
    slowest, largest, began = 0.0, 0, time.perf_counter()
    for row in watch(format_name, honest, numbers, home, isolate):
        number, outcome, where, said, seconds, memory = row
        counts[outcome] += 1
        slowest, largest = max(slowest, seconds), max(largest, memory)
        if outcome not in ("read", "refused"):
            kind = f"{outcome}: {where}"
            if kind not in failures:
                seed = honest[0] if outcome == "unmade" else mutant(honest, number)
                failures[kind] = {
                    "count": 0, "numbers": [], "damage": f"{seed.name}, {seed.damage}",
                    "said": said, "seconds": seconds, "memory": memory,
                }  # fmt: skip
                _keep(found, format_name, seed, number, kind, said)
            failures[kind]["count"] += 1
            failures[kind]["numbers"] += [number] if failures[kind]["count"] <= MOST else []
    shutil.rmtree(home, ignore_errors=True)
    return {
        "inputs": sum(counts[each] for each in OUTCOMES),
        **{each: counts[each] for each in OUTCOMES},
        "slowest": slowest, "largest": largest, "seconds": round(time.perf_counter() - began, 1),
        "failures": failures,
    }  # fmt: skip


def _keep(
    found: Path | None, format_name: str, seed: Seed, number: int, kind: str, said: str
) -> None:
    """Write a file that failed into the folder of what was found."""
    if found is None:
        return
    name = f"{format_name.replace(', ', '-').replace(' ', '-')}-{number}"
    place = found / name
    if not place.exists():
        place.mkdir(parents=True)
        seed.lay(place)
    (found / f"{name}.txt").write_text(f"{name}/{seed.main}: {kind}; {seed.damage}; {said}\n")
    print(f"{name}: {kind}; {seed.damage}; {said[:200]}", file=sys.stderr)
