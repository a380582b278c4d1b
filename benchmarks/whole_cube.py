"""Segmentation of a whole synthetic cube: peak memory, and equal labels for all chunkings.

Each measurement runs in a separate process, because the peak is that of a process.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE, CHANNELS = 256, 1024
CASES = (  # name, chunks, threads
    ("whole, 2 threads", None, 2),
    ("whole, 1 thread", None, 1),
    ("chunks of 100 x 60, 2 threads", {"y": 100, "x": 60}, 2),
    ("chunks of 100 x 60, 1 thread", {"y": 100, "x": 60}, 1),
)


def peak() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def work(job: str) -> None:
    """Segment a cube in this process and print labels, time and memory as JSON."""
    import torch

    import spectessera as spt
    import spectessera.inference.pipeline

    told = json.loads(job)
    torch.set_num_threads(told["threads"])
    before = peak()
    start = time.perf_counter()
    cube = spt.read(told["cube"], chunks=told["chunks"])
    if told["train"]:
        training = spt.Training(epochs=3, batch_size=512)
        segmenter = spt.SpectralSegmenter(training=training).fit(cube)
        segmenter.save(told["model"])
    else:
        segmenter = spt.load(told["model"])
    result = spt.segment(cube, segmenter, seed=0)
    labels = result.label.values
    print(
        json.dumps(
            {
                "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
                "k": int(labels.max()),
                "peak": peak() - before,
                "seconds": time.perf_counter() - start,
            }
        )
    )


def run(cube: Path, model: Path, chunks: dict | None, threads: int, *, train: bool) -> dict:
    """Segment a cube in a separate process and return what it printed."""
    job = {
        "cube": str(cube),
        "model": str(model),
        "chunks": chunks,
        "threads": threads,
        "train": train,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.whole_cube", json.dumps(job)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(done.stdout)


def make_file(path: Path) -> None:
    """Write a cube of six groups of line spectra in irregular regions."""
    import spectessera as spt

    from .line_spectra import line_spectra

    made = line_spectra(SIDE * SIDE, groups=6, channels=CHANNELS, snr=(10, 100), seed=1)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    field = np.sin(5 * y + 3 * x**2) + np.cos(7 * x - 2 * y)
    order = np.argsort(np.argsort(field.ravel(), kind="stable"), kind="stable")
    by_group = np.argsort(made.group, kind="stable")
    values = made.noisy[by_group][order].reshape(SIDE, SIDE, CHANNELS)
    spt.write(spt.make_cube(values, energy=(0.5, 38.5)), path)


def main() -> list[str]:
    """Measure and return lines of a table."""
    lines = [
        f"A cube of {SIDE} x {SIDE} x {CHANNELS} float32 ({SIDE * SIDE * CHANNELS * 4 / 2**20:.0f}",
        "MiB) in an HDF5 file, read and segmented in a separate process; memory is its peak",
        "above the imports (aim: 1,536 MiB); the first row also trains on the cube.",
        "",
        "| how | peak, MiB | seconds | k | labels |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        cube, model = Path(folder) / "cube.h5", Path(folder) / "model.safetensors"
        make_file(cube)
        trained = run(cube, model, None, 2, train=True)
        rows = [("whole, 2 threads, 3 epochs of training", trained)]
        rows += [(name, run(cube, model, *how, train=False)) for name, *how in CASES]
    first = rows[1][1]["labels"]
    for name, told in rows:
        same = "the same" if told["labels"] == first else "DIFFERENT"
        lines.append(
            f"| {name} | {told['peak']:.0f} | {told['seconds']:.1f} | {told['k']} | {same} |"
        )
    return lines


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1])
    else:
        print("\n".join(main()))
