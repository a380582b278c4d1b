"""Kill commands at random times, send signals, let two write one output."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .jobs import (
    INPUTS,
    JOBS,
    Job,
    checksum,
    clear,
    duration,
    leftovers,
    prepare,
    run,
    wrong_with,
)

EACH = 5  # kills after which the next run must work and clear what they have left


@contextmanager
def laboratory() -> Iterator[Path]:
    """Give a folder with inputs and outputs of all commands."""
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        prepare(place / "home")
        yield place / "home"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def kills(home: Path, total: int = 200) -> dict[str, Any]:
    """Kill every command at random times; returns counts for each, and what went wrong."""
    chance = random.Random(0)
    table: dict[str, Any] = {}
    for name, job in JOBS.items():
        counts: Counter[str] = Counter()
        failures: list[str] = []
        known = {each.name for each in home.iterdir()}
        given = {each: checksum(home / each) for each in INPUTS}
        seconds = duration(job, home)
        for number in range(max(1, job.share * total // 200)):
            before = checksum(home / job.output)
            if job.output == "found":  # a search that is complete has nothing to do
                clear(home, "found")
            while not killed(job, home, seconds, number % 2 == 1, chance):
                counts["ended before"] += 1
            counts["kills"] += 1
            wrong = "" if job.output == "found" else wrong_with(home, job)
            counts["mixed" if wrong else "old" if checksum(home / job.output) == before else "new"
                   ] += 1 if job.output != "found" else 0  # fmt: skip
            failures += [wrong] if wrong else []
            if number % EACH == EACH - 1 or wrong:
                failures += next_run(job, home, known)
        failures += next_run(job, home, known)
        failures += [f"{each} changed" for each in INPUTS if checksum(home / each) != given[each]]
        table[name] = {**counts, "seconds": round(seconds, 2), "failures": failures}
        print(name, table[name], file=sys.stderr)
    return table


def killed(job: Job, home: Path, seconds: float, late: bool, chance: random.Random) -> bool:
    """Run and kill at a random time, a late one from the first result on; False if it ended."""
    there = set(os.listdir(home))
    child = run(job, home)
    time.sleep(0 if late else chance.uniform(0, seconds))
    while late and not child.ended():
        if any(_written(home / each) for each in set(os.listdir(home)) - there):
            time.sleep(chance.uniform(0, seconds / 8))
            break
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    return child.end() == -signal.SIGKILL


def _written(path: Path) -> bool:
    """Return whether something new is, or holds, a part of an output."""
    if path.name.endswith(".lock"):
        return False
    folder = path / "folder"  # of a staging folder
    return not path.is_dir() or any((folder if folder.is_dir() else path).glob("[!.]*"))


def next_run(job: Job, home: Path, known: set[str]) -> list[str]:
    """Run the command again; returns what is wrong then."""
    process = run(job, home)
    if status := process.end():
        clear(home, job.output)
        duration(job, home)  # raises unless a new output can be made
        return [f"the next run ended with {status}: {process.said[-600:]}"]
    wrong = [f"after the next run: {text}"] if (text := wrong_with(home, job)) else []
    left = leftovers(home, known)
    for each in left:
        clear(home, each)
    return [*wrong, *([f"left behind: {left}"] if left else [])]


# --- signals and two writers ---------------------------------------------------------------------


def signals(home: Path, each: int = 4) -> dict[str, Any]:
    """Send signals at random times: one line at most, and outputs that are whole."""
    chance, table = random.Random(1), {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        counts, failures = Counter[str](), []
        for name, job in JOBS.items():
            known, seconds = set(os.listdir(home)), duration(job, home)
            for _ in range(each):
                if job.output == "found":
                    clear(home, "found")
                child = run(job, home)
                time.sleep(chance.uniform(0, seconds))
                os.kill(child.pid, number)
                status, text = child.end(), child.said
                counts["sent"] += 1
                counts[f"status {status}" if status >= 0 else signal.Signals(-status).name] += 1
                if "Traceback" in text and status != 0:
                    failures.append(f"{name}: {text[-600:]}")
                if job.output != "found" and (wrong := wrong_with(home, job)):
                    failures.append(f"{name}: {wrong}")
            failures += [f"{name}: {text}" for text in next_run(job, home, known)]
        table[number.name] = {**counts, "failures": failures}
        print(number.name, table[number.name], file=sys.stderr)
    return table


def two_writers(home: Path, each: int = 4) -> dict[str, Any]:
    """Start a command twice: one line of refusal or two whole outputs, one after the other."""
    chance, table = random.Random(2), {}
    for name, job in JOBS.items():
        counts, failures = Counter[str](), []
        known, seconds = set(os.listdir(home)), duration(job, home)
        for _ in range(each):
            if job.output == "found":
                clear(home, "found")
            children = [run(job, home)]
            time.sleep(chance.uniform(0, seconds / 2))
            children.append(run(job, home))
            statuses = sorted(child.end() for child in children)
            text = "".join(child.said for child in children)
            counts["pairs"] += 1
            counts["one refused" if statuses == [0, 2] else "both, in turn"] += 1
            if statuses not in ([0, 0], [0, 2]) or "Traceback" in text:
                failures.append(f"statuses {statuses}: {text[-600:]}")
            if wrong := wrong_with(home, job):
                failures.append(wrong)
        failures += [f"left behind: {left}" for left in [leftovers(home, known)] if left]
        table[name] = {**counts, "failures": failures}
        print(name, table[name], file=sys.stderr)
    return table
