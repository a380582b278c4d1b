"""Speed and memory of making synthetic cubes and spectra."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from spectessera.synth import cube_from_rgb, load_palette, miniature, nebular_spectra, xrf_spectra
from spectessera.synth.paint.counts import Templates

from .whole_cube import peak

COUNTS, SPECTRA, ROUNDS = 400, 32_768, 5
SIDE = 512


def rates() -> list[tuple[str, list[float]]]:
    """Return spectra per second of every method, one number per round; methods alternate."""
    palette = load_palette("choirbook")
    templates = Templates(palette.template)
    weight = np.random.default_rng(0).dirichlet(np.ones(len(palette.pigments)), SPECTRA)
    parts = np.array_split(np.arange(SPECTRA), 8)

    def ours(number: int) -> None:
        rows = parts[number]
        total = np.full(len(rows), COUNTS)
        templates.draw(weight[rows], total, np.random.default_rng(number))

    def numpys(number: int) -> None:
        rows = parts[number]
        mean = weight[rows] @ templates.spectra
        mean /= mean.sum(axis=1, keepdims=True)
        np.random.default_rng(number).multinomial(COUNTS, mean)

    def pooled(work: object) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, range(8)))

    methods = [
        ("ours, photon by photon", lambda: pooled(ours)),
        ("numpy's multinomial, channel by channel", lambda: pooled(numpys)),
        ('`xrf_spectra(..., "mix")`, with its truth', lambda: blocks(xrf_spectra)),
        ("`nebular_spectra`, 3,681 channels, with its truth", lambda: blocks(nebular_spectra)),
    ]

    def blocks(function: object) -> None:
        arguments = ("choirbook", "mix", COUNTS) if function is xrf_spectra else ()
        stream = function(SPECTRA, *arguments)
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(lambda number: len(stream.block(number)), range(len(stream))):
                pass

    found: list[tuple[str, list[float]]] = [(name, []) for name, _ in methods]
    for _ in range(ROUNDS):
        for (_, times), (_, method) in zip(found, methods, strict=True):
            start = time.perf_counter()
            method()
            times.append(SPECTRA / (time.perf_counter() - start))
    return found


def work(path: str) -> None:
    """Make and write a cube in this process; print times and memory as JSON."""
    from spectessera.io import write_synthetic

    image = miniature(1, (SIDE, SIDE))
    cube_from_rgb(image[:64, :64], counts=COUNTS)  # late imports
    before = peak()
    start = time.perf_counter()
    cube, truth = cube_from_rgb(image, counts=COUNTS)
    made = time.perf_counter() - start
    in_memory = peak() - before
    start = time.perf_counter()
    write_synthetic(cube, truth, path)
    written = time.perf_counter() - start
    told = {"made": made, "written": written, "memory": in_memory, "size": cube.nbytes / 2**20}
    print(json.dumps(told | {"file": Path(path).stat().st_size / 2**20}))


def in_blocks(path: str) -> None:
    """Make and write a lazy cube in this process; print time and memory as JSON."""
    from spectessera.io import write_synthetic

    image = miniature(1, (SIDE, SIDE))
    cube, truth = cube_from_rgb(image[:64, :64], counts=COUNTS, chunks="auto")
    write_synthetic(cube, truth, path)
    before = peak()
    start = time.perf_counter()
    cube, truth = cube_from_rgb(image, counts=COUNTS, chunks="auto")
    write_synthetic(cube, truth, path)
    told = {"both": time.perf_counter() - start, "memory": peak() - before}
    print(json.dumps(told))


def run(job: str, path: Path) -> dict[str, float]:
    """Run a job in a separate process and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.synthetic", job, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(done.stdout)


def main() -> list[str]:
    """Measure and return lines of tables."""
    lines = [
        f"{SPECTRA} spectra of {COUNTS} counts, 1,024 channels, mixtures of 8 pigments; 2 threads;",
        f"median of {ROUNDS} rounds, alternating (aim: 30,000 per second; the published generator:",
        "1,300, measured separately).",
        "",
        "| method | spectra per second |",
        "|---|---|",
    ]
    lines += [f"| {name} | {statistics.median(found):,.0f} |" for name, found in rates()]
    with tempfile.TemporaryDirectory() as folder:
        whole = run("work", Path(folder) / "cube.h5")
        lazy = run("in_blocks", Path(folder) / "lazy.h5")
    lines += [
        "",
        f"A cube of {SIDE} x {SIDE} x 1,024 from a page (uint16, {whole['size']:.0f} MiB):",
        f"made in memory in {whole['made']:.1f} s (aim: 15) with {whole['memory']:.0f} MiB above",
        f"the imports; written as HDF5 (gzip, {whole['file']:.0f} MiB) in",
        f"{whole['written']:.1f} s.",
        f"Made and written block by block: {lazy['both']:.1f} s with {lazy['memory']:.0f} MiB.",
    ]
    return lines


if __name__ == "__main__":
    if len(sys.argv) > 2:
        {"work": work, "in_blocks": in_blocks}[sys.argv[1]](sys.argv[2])
    else:
        print("\n".join(main()))
