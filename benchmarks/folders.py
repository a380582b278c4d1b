"""What it costs that a result folder is written as a whole, with a manifest and checksums.

    python -m benchmarks.folders --old CHECKOUT [--rounds 5]

`segment` of a scan, as a whole process, with the package of an earlier checkout (before there were
manifests) and with this one in alternation. The table is written into RESULTS.md.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from spectessera import write
from spectessera.synth import cube_from_rgb, miniature

from .startup import NOW, ROUNDS, Cost, Job, median, run

TITLE = "The folder of a result"
BEFORE, AFTER = "before there were manifests", "now: staged, exchanged, with checksums"
COMMAND = ("-m", "spectessera.cli", "segment", "cube.fits", "--model", "maxrf", "-q")
SIDE = 512  # pixels of the scan, of 1024 channels


def main(old: Path | None = None, rounds: int = ROUNDS, side: int = SIDE) -> list[str]:
    """Measure the packages in alternation and return the lines of the table."""
    load = os.getloadavg()[0]
    sources = ({} if old is None else {BEFORE: old / "src"}) | {AFTER: NOW}
    costs: dict[str, list[Cost]] = {name: [] for name in sources}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cube, _ = cube_from_rgb(miniature(1, (side, side)), counts=400)
        write(cube, folder / "cube.fits")
        size = (folder / "cube.fits").stat().st_size / 2**20
        del cube
        for number in range(rounds + 1):
            for package, source in sources.items():
                out = f"{number}-{list(sources).index(package)}"
                cost = run(Job(package, (*COMMAND, "--out", out)), source, folder)
                if number:  # the first round compiles the modules and fills the caches
                    costs[package].append(cost)
    lines = [
        f"`segment --model maxrf` of {side} x {side} pixels and 1024 channels (a file of "
        f"{size:.0f} MiB), whole processes in alternation, the median of {rounds}, in seconds: on "
        f"the clock, and of the processor (user and system). {os.cpu_count()} processors with a "
        f"load of {load:.1f} at the start.",
        "",
        "| package | clock | processor |",
        "|---|---|---|",
        *(f"| {package} | {median(each)} |" for package, each in costs.items()),
    ]
    if old is not None:
        before, after = (statistics.median(e.cpu for e in each) for each in costs.values())
        lines += ["", f"Difference of the processor: {100 * (after / before - 1):+.1f} %."]
    return lines


if __name__ == "__main__":
    from .__main__ import write_sections

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="a checkout of an earlier state")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--side", type=int, default=SIDE)
    arguments = parser.parse_args()
    write_sections({TITLE: main(arguments.old, arguments.rounds, arguments.side)})
