"""Check whether a change of the code changes results: compute all cases and compare hashes.

    python -m benchmarks.identity                 compare with identity.json
    python -m benchmarks.identity --write         write identity.json
    python -m benchmarks.identity --data FOLDER   also the cubes of that folder
    python -m benchmarks.identity --only page     compare only cases whose name contains it

The exit status is 1 if a value differs. The cases, in identity_cases.py, use only the public
interface and the command line. A hash depends on all bits of an array: a record can be reproduced
only on the same kind of machine, with the same versions of the libraries and one thread. Machine
and versions are in the head of the record.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from threadpoolctl import threadpool_info, threadpool_limits

import spectessera as spt

from .identity_cases import CASES, WITH_DATA, Values

DESCRIPTION = __doc__.splitlines()[0]
RECORD = Path(__file__).with_name("identity.json")
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "xarray", "dask", "distributed")

Run = Callable[[Path], Values]


def head() -> Values:
    """Return machine and versions, on which the last bits of a result depend."""
    libraries = {each.get("architecture") for each in threadpool_info()} - {None}
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{torch.backends.cpu.get_cpu_capability()}, {', '.join(sorted(libraries))}",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def cases(data: Path | None) -> dict[str, Run | None]:
    """Return all cases; None for those without data."""
    found: dict[str, Run | None] = dict(CASES)
    for name, (file, run) in WITH_DATA.items():
        path = next(iter(sorted(data.rglob(file))), None) if data else None
        found[name] = partial(run, path) if path else None
    return found


def computed(run: Run) -> Values:
    """Return the record of a case, as read back from JSON."""
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(json.dumps(run(Path(folder)), sort_keys=True))


def differences(before: Values, now: Values) -> list[str]:
    """Return a line for every value that differs."""
    lines = []
    for name in sorted(before.keys() | now.keys()):
        was, is_ = (json.dumps(each.get(name, "missing")) for each in (before, now))
        if was != is_:
            lines.append(f"    {name}\n        was {was}\n        is  {is_}")
    return lines


def compare_case(run: Run, before: Values | None) -> tuple[str, list[str]]:
    """Compute a case; return a one-line result, and a line for every difference."""
    if before is None:
        return "differs: not in the record", []
    try:
        now = computed(run)
    except Exception:  # go on with the other cases
        return "differs: it failed", traceback.format_exc().splitlines()
    lines = differences(before, now)
    if not lines:
        return f"same ({len(now)} values)", []
    return f"differs in {len(lines)} of {len(before.keys() | now.keys())} values", lines


def compare_all(chosen: dict[str, Run | None]) -> int:
    """Compare all cases with the record; return the number of those that differ."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    here, differing = head(), 0
    for line in differences(record["head"], here):
        print(f"machine or version differs from the record:\n{line}")
    if lost := record["cases"].keys() - cases(None).keys():
        raise ValueError(f"cases of the record that no longer exist: {', '.join(sorted(lost))}")
    for name, run in chosen.items():
        start = time.perf_counter()
        if run is None:
            print(f"{name}: skipped, no data", flush=True)
            continue
        outcome, lines = compare_case(run, record["cases"].get(name))
        differing += outcome.startswith("differs")
        print(
            f"{name}: {outcome}, {time.perf_counter() - start:.0f} s", *lines, sep="\n", flush=True
        )
    return differing


def write_all(chosen: dict[str, Run | None]) -> None:
    """Compute all cases and write the record."""
    here, found = head(), {}
    for name, run in chosen.items():
        if run is None:
            print(f"{name}: skipped, no data", flush=True)
            continue
        found[name] = computed(run)
        print(f"{name}: {len(found[name])} values", flush=True)
    text = json.dumps({"head": here, "cases": found}, indent=1)
    RECORD.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    """Write the record, or compare with it; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.identity", description=DESCRIPTION)
    parser.add_argument("--write", action="store_true", help="write the record")
    parser.add_argument("--data", type=Path, help="a folder with the cubes of further cases")
    parser.add_argument("--only", default="", help="compare only cases whose name contains it")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write writes all cases and cannot be combined with --only")
    chosen = {name: run for name, run in cases(options.data).items() if options.only in name}
    if not chosen:
        parser.error(f"no case contains {options.only!r}; cases are {', '.join(cases(None))}")
    os.environ["OMP_NUM_THREADS"] = "1"  # of the commands
    torch.set_num_threads(1)
    print(f"package: {Path(spt.__file__).parent}")
    with threadpool_limits(1):
        if options.write:
            write_all(chosen)
            return 0
        return int(compare_all(chosen) > 0)


if __name__ == "__main__":
    sys.exit(main())
