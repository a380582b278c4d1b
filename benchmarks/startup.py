"""How long commands take from a cold start, each as a whole process.

    python -m benchmarks.startup [--old CHECKOUT] [--rounds 5]

With ``--old``, the package of an earlier checkout is measured in alternation with this one. The
table is written into RESULTS.md.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import spectessera
from spectessera import write
from spectessera.synth import cube_from_rgb, miniature

TITLE = "Cold starts of the command line"
ROUNDS = 3
SIDE = 64  # pixels of the cube
NOW = Path(spectessera.__file__).parents[1]
TYPER = """
import typer
app = typer.Typer(add_completion=False)
app.command()(lambda: None)
app.command("second")(lambda: None)
app()
"""


class Job(NamedTuple):
    """A process: its name in the table, the arguments of Python, and the goal in seconds."""

    name: str
    arguments: tuple[str, ...]
    goal: str = ""


class Cost(NamedTuple):
    """Seconds that a process takes: on the clock, and of the processor (user and system)."""

    wall: float
    cpu: float


def jobs(folder: Path) -> tuple[list[Job], list[Job]]:
    """Return the processes without this package, and its commands."""
    cube, _ = cube_from_rgb(miniature(1, (SIDE, SIDE)), counts=400)
    for name in ("cube.h5", "cube.fits"):
        write(cube, folder / name)
    cli = ("-m", "spectessera.cli")
    segment = ("segment", "cube.h5", "--model", "maxrf", "--out", "result", "--overwrite", "-q")
    floor = [
        Job("Python", ("-c", "pass")),
        Job("a typer program with two empty commands, `--help`", ("-c", TYPER, "--help")),
        Job("`import xarray, astropy.io.fits`", ("-c", "import xarray, astropy.io.fits")),
        Job("`import torch`", ("-c", "import torch")),
    ]
    commands = [
        Job("`--help`", (*cli, "--help"), "0.35"),
        Job("`info cube.h5`", (*cli, "info", "cube.h5"), "1.2"),
        Job("`info cube.fits`", (*cli, "info", "cube.fits"), "1.2"),
        Job("`segment cube.h5 --model maxrf`", (*cli, *segment), "3.5"),
    ]
    return floor, commands


def run(job: Job, source: Path, folder: Path) -> Cost:
    """Run a process to its end and return what it took."""
    environment = os.environ | {"PYTHONPATH": str(source)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *job.arguments],
        cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(wall, cpu)


def median(costs: list[Cost]) -> str:
    """Return the cells of a table: the medians of both times."""
    wall = statistics.median(each.wall for each in costs)
    cpu = statistics.median(each.cpu for each in costs)
    return f"{wall:.2f} | {cpu:.2f}"


def main(old: Path | None = None, rounds: int = ROUNDS) -> list[str]:
    """Measure all processes and return the lines of the table."""
    load = os.getloadavg()[0]
    sources = {"now": NOW} | ({} if old is None else {"before": old / "src"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor, commands = jobs(folder)
        keys = [(job, "now") for job in floor]
        keys += [(job, side) for job in commands for side in sources]
        costs: dict[tuple[Job, str], list[Cost]] = {key: [] for key in keys}
        for number in range(rounds + 1):
            for job, side in keys:
                cost = run(job, sources[side], folder)
                if number:  # the first round compiles the modules and fills the caches
                    costs[job, side].append(cost)
    lines = [
        f"Whole processes, the median of {rounds}, in seconds: on the clock, and of the processor "
        f"(user and system). A cube of {SIDE} x {SIDE} pixels and 1024 channels. {os.cpu_count()} "
        f"processors with a load of {load:.1f} at the start; with a load above their number, only "
        "the seconds of the processor can be compared.",
        "",
        "| process | before, clock | processor | now, clock | processor | goal, clock |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {job.name} |  |  | {median(costs[job, 'now'])} |  |" for job in floor]
    for job in commands:
        before = median(costs[job, "before"]) if "before" in sources else " | "
        lines.append(f"| {job.name} | {before} | {median(costs[job, 'now'])} | {job.goal} |")
    return lines


if __name__ == "__main__":
    from .__main__ import write_sections

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="a checkout of an earlier state")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    write_sections({TITLE: main(arguments.old, arguments.rounds)})
