"""What evidence costs: `segment --model maxrf` as it is, and by stability, without neighbours.

    python -m benchmarks.evidence_cost [--old CHECKOUT] [--rounds N]
        measure, write evidence_cost.md and docs/evidence.md

Each measurement is a whole process of one thread; all sides alternate. The seconds are those of
the processor, which other processes change less than those on the clock. With ``--old``, the
package of an earlier checkout is measured, too, as it is by default.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import xarray as xr

from ._timing import processor
from .evidence import COST, page
from .startup import NOW, Cost, Job, run

SIDES = {
    "without": ("--criterion", "stability", "--neighbours", "0"),
    "with": ("--criterion", "evidence", "--neighbours", "auto"),
}
CLI = ("-m", "spectessera.cli")
# Seed, rows and columns, counts per pixel, rounds.
PAGES = ((1, 256, 400, 3), (3, 256, 50, 3), (2, 512, 400, 3))


def make_scan(folder: Path, seed: int, side: int, counts: int) -> str:
    """Write a synthetic scan and return the name of its file."""
    name = f"page-{seed}"
    size = ("--seed", str(seed), "--size", f"{side},{side}", "--out", f"{name}.png")
    run(Job("page", (*CLI, "synth", "page", *size)), NOW, folder)
    cube = (f"{name}.png", "--counts", str(counts), "--out", f"{name}.h5")
    run(Job("cube", (*CLI, "synth", "cube", *cube)), NOW, folder)
    return f"{name}.h5"


def segmented(scan: str, side: str) -> Job:
    """Return the process that segments a scan."""
    how = ("--model", "maxrf", *SIDES[side], "--out", side)
    return Job(side, (*CLI, "segment", scan, *how, "--overwrite", "--quiet"))


def both_sides(without: list[Cost], with_: list[Cost]) -> str:
    """Return the cells of a scan: medians and both ratios, with the lowest and the highest."""
    seconds = [[each.cpu for each in costs] for costs in (without, with_)]
    cells = [f"{statistics.median(each):.1f}" for each in seconds]
    pairs = list(zip(*seconds, strict=True))
    for ratios in ([b / a for a, b in pairs], [a / b for a, b in pairs]):
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
    return " | ".join(cells)


def main(old: Path | None, most: int) -> str:
    """Measure and return the table."""
    os.environ["OMP_NUM_THREADS"] = "1"
    lines = [
        "`spectessera segment --model maxrf` of synthetic scans of 1,024 channels, whole processes "
        "of one thread, all sides in alternation: with evidence and neighbours (the default), and "
        "without (`--criterion stability --neighbours 0`). Seconds of the processor, the median, "
        "and the ratios of pairs of runs (lowest to highest)"
        + ("; *before*: the default of an earlier version. " if old else ". ")
        + f"{processor()}, a load of {os.getloadavg()[0]:.1f} at the start.",
        "",
        "| scan | neighbours | runs | without, s | with, s | with / without | without / with |"
        + (" before, s |" if old else ""),
        "|---|---|---|---|---|---|---|" + ("---|" if old else ""),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, side, counts, rounds in PAGES:
            rounds = min(rounds, most)
            scan = make_scan(folder, seed, side, counts)
            costs: dict[str, list[Cost]] = {each: [] for each in SIDES}
            before: list[Cost] = []
            for _ in range(rounds):
                for each in SIDES:
                    costs[each].append(run(segmented(scan, each), NOW, folder))
                if old:
                    before.append(run(segmented(scan, "with"), old / "src", folder))
            reach = xr.open_dataset(folder / "with" / "result.nc").attrs["neighbours"]
            title = f"page {seed}, {side} x {side}, {counts} counts a pixel"
            lines.append(f"| {title} | {reach} | {rounds} | {both_sides(*costs.values())} |")
            if old:
                lines[-1] += f" {statistics.median(each.cpu for each in before):.1f} |"
            print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.evidence_cost")
    parser.add_argument("--old", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--rounds", type=int, default=3, help="most runs of each scan")
    options = parser.parse_args()
    COST.write_text(main(options.old, options.rounds) + "\n", encoding="utf-8")
    page()
