"""What the choice of k by evidence costs: `segment --model maxrf` with either criterion.

    python -m benchmarks.evidence_cost   measure, write evidence_cost.md and docs/evidence.md

Each measurement is a whole process of one thread; both criteria alternate. The seconds are those of
the processor, which other processes change less than those on the clock.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from ._timing import processor
from .evidence import COST, page
from .startup import NOW, Cost, Job, run

ROUNDS = 3
SIDE = 256
CRITERIA = ("stability", "evidence")
CLI = ("-m", "spectessera.cli")
PAGES = ((1, 400), (2, 400), (3, 50))  # seed, counts per pixel


def make_scan(folder: Path, seed: int, counts: int) -> str:
    """Write a synthetic scan and return the name of its file."""
    name = f"page-{seed}"
    size = ("--seed", str(seed), "--size", f"{SIDE},{SIDE}", "--out", f"{name}.png")
    run(Job("page", (*CLI, "synth", "page", *size)), NOW, folder)
    cube = (f"{name}.png", "--counts", str(counts), "--out", f"{name}.h5")
    run(Job("cube", (*CLI, "synth", "cube", *cube)), NOW, folder)
    return f"{name}.h5"


def segmented(scan: str, criterion: str) -> Job:
    """Return the process that segments a scan."""
    how = ("--model", "maxrf", "--criterion", criterion, "--out", f"by-{criterion}")
    return Job(criterion, (*CLI, "segment", scan, *how, "--overwrite", "--quiet"))


def both_sides(stability: list[Cost], evidence: list[Cost]) -> str:
    """Return the cells of a scan: medians and both ratios, with the lowest and the highest."""
    seconds = [[each.cpu for each in costs] for costs in (stability, evidence)]
    cells = [f"{statistics.median(each):.1f}" for each in seconds]
    pairs = list(zip(*seconds, strict=True))
    for ratios in ([b / a for a, b in pairs], [a / b for a, b in pairs]):
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
    return " | ".join(cells)


def main() -> str:
    """Measure and return the table."""
    os.environ["OMP_NUM_THREADS"] = "1"
    lines = [
        f"`spectessera segment --model maxrf` of synthetic scans of {SIDE} x {SIDE} pixels and "
        f"1024 channels, whole processes of one thread, {ROUNDS} of each criterion in alternation: "
        f"seconds of the processor, the median, and the ratios of neighbouring runs (lowest to "
        f"highest). {processor()}, a load of {os.getloadavg()[0]:.1f} at the start.",
        "",
        "| scan | stability, s | evidence, s | evidence / stability | stability / evidence |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, counts in PAGES:
            scan = make_scan(folder, seed, counts)
            costs: dict[str, list[Cost]] = {each: [] for each in CRITERIA}
            for _ in range(ROUNDS):
                for each in CRITERIA:
                    costs[each].append(run(segmented(scan, each), NOW, folder))
            cells = both_sides(*costs.values())
            lines.append(f"| page {seed}, {counts} counts a pixel | {cells} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    COST.write_text(main() + "\n", encoding="utf-8")
    page()
