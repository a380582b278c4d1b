"""What a viewer reads of a cube of 8 GiB: time and memory, beside HyperSpy.

    python -m benchmarks.viewer FOLDER [--gibibytes 8] [--hyperspy PLACE]

Writes a Zarr store into FOLDER (unless it is there), which must have room for it, and an HDF5 file
stored channel by channel. Every measurement is a process of its own. HyperSpy is measured in the
same run if it is installed, or where ``--hyperspy`` says. The files come from the cache of the
system where the memory holds them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

TITLE = "What a viewer reads"
CHANNELS, CHUNK = 4096, 32  # chunks of 8 MiB, as this package writes them
PLANES = (512, 512, 2048)  # of the file that is stored channel by channel
PIXELS, WINDOWS = 200, 20


def largest() -> float:
    """Return the largest memory of this process so far, in MiB."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def make_store(path: Path, gibibytes: float) -> None:
    """Write counts along an energy axis, uint16, in chunks of 32 x 32 whole spectra."""
    import zarr

    side = int(np.sqrt(gibibytes * 2**30 / 2 / CHANNELS)) // CHUNK * CHUNK
    rng, channels = np.random.default_rng(0), np.arange(CHANNELS)
    lines = rng.integers(200, 3500, (6, 4))
    shapes = np.exp(-0.5 * ((channels - lines[..., None]) / 25) ** 2).sum(axis=1)
    expected = 0.3 + 20 * shapes * rng.uniform(0.3, 1, (6, 1))
    size = (CHUNK, CHUNK, CHANNELS)
    blocks = [rng.poisson(np.broadcast_to(each, size)).astype(np.uint16) for each in expected]
    group = zarr.create_group(path)
    array = group.create_array("img", shape=(side, side, CHANNELS), chunks=size, dtype="u2")
    for y in range(0, side, CHUNK):
        for x in range(0, side, CHUNK):
            block = blocks[(y // CHUNK // 3 + x // CHUNK // 4) % 6]
            array[y : y + CHUNK, x : x + CHUNK] = np.roll(block, x + y, axis=(0, 1)[y // CHUNK % 2])
    group.create_array("energy", shape=(CHANNELS,), dtype="f8")[...] = np.linspace(0, 40, CHANNELS)
    group["energy"].attrs["units"] = "keV"


def make_planes(path: Path) -> None:
    """Write counts in HDF5, gzip, each piece one channel of all pixels."""
    import h5py

    rng = np.random.default_rng(1)
    planes = rng.poisson(2.0, (8, *PLANES[:2])).astype(np.uint16)
    with h5py.File(path, "w") as file:
        chunks = (*PLANES[:2], 1)
        stored = file.create_dataset("img", PLANES, "u2", chunks=chunks, compression=1)
        for channel in range(PLANES[2]):
            stored[..., channel] = planes[channel % 8]


# --- jobs ----------------------------------------------------------------------------------------


def first(cube: str, cache: str) -> dict:
    """Make the overview."""
    from spectessera import read
    from spectessera.viewer.overview import open_overview

    before, start = largest(), time.perf_counter()
    overview = open_overview(read(cube, chunks="auto"), cache)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "before": before, "peak": largest(), "bytes": overview.nbytes,
            "bins": len(overview.edges) - 1}  # fmt: skip


def again(cube: str, cache: str) -> dict:
    """Open the cube and its overview, look at windows and at pixels."""
    start = time.perf_counter()
    from spectessera import read
    from spectessera.viewer.levels import Levels
    from spectessera.viewer.overview import open_overview
    from spectessera.viewer.spectra import PixelSpectra

    values = read(cube, chunks="auto")
    overview = open_overview(values, cache)
    height, width = overview.total.shape
    Levels(overview.total).view(0, height, 0, width, 900, 900)
    opened = time.perf_counter() - start
    rng, channels = np.random.default_rng(2), values.sizes["channel"]

    def one_window() -> None:
        low, high = np.sort(rng.choice(channels + 1, 2, replace=False)).tolist()
        Levels(overview.window(low, high).map).view(0, height, 0, width, 900, 900)

    spectra = PixelSpectra(values)
    at = iter(rng.integers(0, (height, width), (PIXELS, 2)).tolist())
    pixels = 2 if spectra.slow else PIXELS
    windows = milliseconds(one_window, WINDOWS)
    found = {"opened": opened, "windows": windows, "peak of windows": largest()}
    found["pixels"] = milliseconds(lambda: spectra.read(*next(at)), pixels)
    way = iter(walk(height, width))
    found["near"] = milliseconds(lambda: spectra.read(*next(way)), pixels)
    found["bins"] = milliseconds(lambda: overview.pixel(*rng.integers(0, height, 2).tolist()), 20)
    start = time.perf_counter()
    overview.exact_window(values, 1001, 1100)
    return {**found, "exact": time.perf_counter() - start, "peak": largest()}


def walk(height: int, width: int) -> list[list[int]]:
    """Return pixels on a way like that of a mouse: steps of up to 8 pixels."""
    steps = np.random.default_rng(3).integers(-8, 9, (PIXELS, 2)).cumsum(axis=0)
    return ((steps + (height // 2, width // 2)) % (height, width)).tolist()


def hyperspy(cube: str, cache: str) -> dict:
    """Do the same with a lazy signal of HyperSpy, which keeps nothing."""
    del cache
    start = time.perf_counter()
    import dask.array as da
    import hyperspy.api as hs

    signal = hs.signals.Signal1D(da.from_zarr(cube, component="img")).as_lazy()
    opened = time.perf_counter() - start
    start = time.perf_counter()
    total = signal.sum(axis=-1)
    total.compute(show_progressbar=False)
    found = {"opened": opened, "total": time.perf_counter() - start}
    width, height = signal.axes_manager.navigation_shape
    rng = np.random.default_rng(2)

    def pixel(y: int, x: int) -> None:
        np.asarray(signal.inav[x, y].data)

    at = iter(rng.integers(0, (height, width), (PIXELS, 2)).tolist())
    found["pixels"] = milliseconds(lambda: pixel(*next(at)), PIXELS)
    way = iter(walk(height, width))
    found["near"] = milliseconds(lambda: pixel(*next(way)), PIXELS)
    start = time.perf_counter()
    window = signal.isig[1001:1100].sum(axis=-1)
    window.compute(show_progressbar=False)
    return {**found, "exact": time.perf_counter() - start, "peak": largest(),
            "version": hs.__version__}  # fmt: skip


def milliseconds(function, times: int) -> list[float]:
    """Return the median and the 95th percentile of the milliseconds of a function."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return [1000 * float(each) for each in np.percentile(seconds, (50, 95))]


JOBS = {each.__name__: each for each in (first, again, hyperspy)}


def run(name: str, cube: Path, cache: Path, place: Path | None = None) -> dict:
    """Run a job in a process of its own."""
    folder = Path(__file__).parents[1]
    paths = [str(folder / "src"), *([str(place)] if place else [])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.viewer", "--job", name, str(cube), str(cache)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


# --- the table -----------------------------------------------------------------------------------


def lines_of(name: str, made: dict, seen: dict) -> list[str]:
    """Return the lines of a table about one file."""
    p50, p95 = seen["pixels"]
    return [
        f"- {name}: overview of {made['bins']} bins, {made['bytes'] / 1e6:.0f} MB, made in "
        f"{made['seconds']:.1f} s with at most {made['peak']:.0f} MiB of memory "
        f"({made['before']:.0f} MiB before, of Python).",
        f"  Opened again, with all imports and the first map: {seen['opened']:.2f} s. "
        f"A map of any window of bins, at 900 x 900: {seen['windows'][0]:.0f} ms (95 %: "
        f"{seen['windows'][1]:.0f}). The spectrum of a pixel anywhere: {p50:.1f} ms (95 %: {p95:.1f}); "
        f"of one near the last: {seen['near'][0]:.1f} ms (95 %: {seen['near'][1]:.1f}); from the "
        f"bins alone {seen['bins'][0]:.1f} ms. The exact map of 99 channels: "
        f"{seen['exact']:.1f} s. Largest memory: {seen['peak of windows']:.0f} MiB before "
        f"pixels and that map, {seen['peak']:.0f} MiB in all.",
    ]


def main(folder: Path, gibibytes: float = 8.0, place: Path | None = None) -> list[str]:
    """Make the files, measure, and return the lines of the section."""
    store, planes, cache = (folder / name for name in ("cube.zarr", "planes.h5", "cache"))
    if not store.exists():
        make_store(store, gibibytes)
    if not planes.exists():
        make_planes(planes)
    found = []
    for name, path in (
        (f"Zarr, {gibibytes:g} GiB of uint16 in chunks of 32 x 32 x 4096", store),
        ("HDF5, 512 x 512 x 2048 uint16 (1 GiB), gzip, in pieces of one channel", planes),
    ):
        found += lines_of(name, run("first", path, cache), run("again", path, cache))
    try:
        other = run("hyperspy", store, cache, place)
    except subprocess.CalledProcessError:
        return [*found, "- HyperSpy is not installed."]
    p50, p95 = other["pixels"]
    return [
        *found,
        f"- HyperSpy {other['version']}, the same Zarr as a lazy signal: opened in "
        f"{other['opened']:.2f} s; the map of all channels, each time it is opened: "
        f"{other['total']:.1f} s; the spectrum of a pixel anywhere: {p50:.1f} ms (95 %: {p95:.1f}), "
        f"near the last {other['near'][0]:.1f} ms (95 %: {other['near'][1]:.1f}); a map of 99 channels: {other['exact']:.1f} s; largest memory {other['peak']:.0f} MiB.",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cache", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--gibibytes", type=float, default=8.0)
    parser.add_argument("--hyperspy", type=Path, help="a folder in which it is installed")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(JOBS[arguments.job](str(arguments.folder), arguments.cache)))
    else:
        from ._timing import measured

        arguments.folder.mkdir(parents=True, exist_ok=True)
        lines = main(arguments.folder, arguments.gibibytes, arguments.hyperspy)
        page = Path(__file__).parent / "viewer.md"
        page.write_text("\n".join(measured(TITLE, lines)) + "\n", encoding="utf-8")
        print(page.read_text(encoding="utf-8"))
