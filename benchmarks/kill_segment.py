"""Kill `segment --overwrite` at random times and see that the folder is all old or all new.

Half of the kills come at any time of the run, half in its last part, from the first file in the
staging folder on. Every run is a process of its own, forked from one that has loaded the package.

    python benchmarks/kill_segment.py --kills 100
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import spectessera as spt
from spectessera.cli.app import app
from spectessera.resultfolder import contents, verify


def start(cube: Path, out: Path, *flags: str) -> int:
    """Start a run in a process of its own and return its number."""
    child = os.fork()
    if child == 0:
        arguments = ["segment", str(cube), "--model", "maxrf", "--out", str(out), "--quiet"]
        try:
            app([*arguments, *flags], standalone_mode=False)
        finally:
            os._exit(0)
    return child


def killed(cube: Path, out: Path, duration: float, late: bool, *flags: str) -> None:
    """Run and kill at a random time."""
    child = start(cube, out, *flags)
    if late:
        while not list(out.parent.glob(f".{out.name}.*/folder/*")):
            time.sleep(0.001)
        time.sleep(random.uniform(0, duration / 3))
    else:
        time.sleep(random.uniform(0, 1.1 * duration))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    kills = parser.parse_args().kills
    random.seed(0)
    contents._draw = lambda *_: None  # figures take most of the time of a run
    home = Path(tempfile.mkdtemp())
    cube, out = home / "scan.h5", home / "result"
    counts = np.random.default_rng(0).poisson(3, (12, 14, 128)).astype(np.uint16)
    counts[:, :5, 30:34] += 40
    spt.write(spt.make_cube(counts, energy=(0.5, 38.0)), cube)
    began = time.perf_counter()
    os.waitpid(start(cube, out), 0)
    duration = time.perf_counter() - began
    (out / "notes.txt").write_text("mine")
    outcomes: collections.Counter[str] = collections.Counter()
    for number in range(kills):
        before = verify(out).manifest.id
        stored = ("--zarr",) if random.random() < 0.5 else ()
        killed(cube, out, duration, bool(number % 2), "--overwrite", *stored)
        verdict = verify(out)
        same = verdict.manifest.id == before
        mixed = not verdict.sound or (out / "notes.txt").read_text() != "mine"
        outcomes["mixed" if mixed else "old" if same else "new"] += 1
        outcomes["left behind"] += bool(verdict.leftovers)
        print(number + 1, dict(outcomes), file=sys.stderr)
    os.waitpid(start(cube, out, "--overwrite"), 0)
    left = sorted(each.name for each in home.iterdir())
    print(json.dumps({"kills": kills, "seconds of a run": round(duration, 2), **outcomes}))
    print(f"after the next run: {', '.join(left)}")
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
