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
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

TITLE = "What a viewer reads"
CHANNELS, CHUNK = 4096, 32  # chunks of 8 MiB, as this package writes them
PLANES = (512, 512, 2048)  # of the file that is stored channel by channel
PIXELS, WINDOWS = 200, 20
STARTED = time.perf_counter()  # of a job; numpy is the only large import before


def largest() -> float:
    """Return the largest memory of this process so far, in MiB."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def now() -> tuple[float, float]:
    """Return the seconds of the clock, and of the processor for this process."""
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    """Return how many of both have gone by."""
    clock, processor = now()
    return clock - start[0], processor - start[1]


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

    start = now()
    overview = open_overview(read(cube, chunks="auto"), cache)
    return {"seconds": since(start), "peak": largest(), "bytes": overview.nbytes,
            "bins": len(overview.edges) - 1}  # fmt: skip


def again(cube: str, cache: str) -> dict:
    """Open the cube and its overview, look at windows and at pixels."""
    from spectessera import read
    from spectessera.viewer.levels import Levels
    from spectessera.viewer.overview import open_overview
    from spectessera.viewer.spectra import PixelSpectra

    values = read(cube, chunks="auto")
    overview = open_overview(values, cache)
    height, width = overview.total.shape
    Levels(overview.total).view(0, height, 0, width, 900, 900)
    opened = since((STARTED, 0.0))
    rng, channels = np.random.default_rng(2), values.sizes["channel"]

    def one_window() -> None:
        low, high = np.sort(rng.choice(channels + 1, 2, replace=False)).tolist()
        Levels(overview.window(low, high).map).view(0, height, 0, width, 900, 900)

    spectra = PixelSpectra(values)
    at = iter(rng.integers(0, (height, width), (PIXELS, 2)).tolist())
    pixels = 2 if spectra.slow else PIXELS
    windows = milliseconds(one_window, WINDOWS)
    found: dict = {"opened": opened, "windows": windows, "peak of windows": largest()}
    found["pixels"] = milliseconds(lambda: spectra.read(*next(at)), pixels)
    way = iter(walk(height, width))
    found["near"] = milliseconds(lambda: spectra.read(*next(way)), pixels)
    found["bins"] = milliseconds(lambda: overview.pixel(*rng.integers(0, height, 2).tolist()), 20)
    start = now()
    overview.exact_window(values, 1001, 1100)
    return {**found, "exact": since(start), "peak": largest()}


def walk(height: int, width: int) -> list[list[int]]:
    """Return pixels on a way like that of a mouse: steps of up to 8 pixels."""
    steps = np.random.default_rng(3).integers(-8, 9, (PIXELS, 2)).cumsum(axis=0)
    middle = np.array([height // 2, width // 2])
    return ((middle + steps) % (height, width)).tolist()


def hyperspy(cube: str, cache: str) -> dict:
    """Do the same with a lazy signal of HyperSpy, which keeps nothing."""
    del cache
    import dask.array as da
    import hyperspy.api as hs

    signal = hs.signals.Signal1D(da.from_zarr(cube, component="img")).as_lazy()
    total = signal.sum(axis=-1)
    total.compute(show_progressbar=False)
    found = {"opened": since((STARTED, 0.0))}
    width, height = signal.axes_manager.navigation_shape
    rng = np.random.default_rng(2)

    def pixel(y: int, x: int) -> None:
        np.asarray(signal.inav[x, y].data)

    at = iter(rng.integers(0, (height, width), (PIXELS, 2)).tolist())
    found["pixels"] = milliseconds(lambda: pixel(*next(at)), PIXELS)
    way = iter(walk(height, width))
    found["near"] = milliseconds(lambda: pixel(*next(way)), PIXELS)
    start = now()
    window = signal.isig[1001:1100].sum(axis=-1)
    window.compute(show_progressbar=False)
    return {**found, "exact": since(start), "peak": largest(),
            "version": hs.__version__}  # fmt: skip


def server(cube: str, cache: str) -> dict:
    """Look at the cube in a browser: hover, windows, a region; return what the server needed."""
    import spectessera as spt
    from spectessera import read

    start = time.perf_counter()
    viewer = spt.view(read(cube, chunks="auto"), cache=cache, browser=False)
    driver = browser()
    try:
        driver.get(viewer.address)
        wait(driver, "document.documentElement.dataset.ready === 'yes'")
        opened = time.perf_counter() - start
        height, width = viewer.state.shape
        driver.execute_script("page.answered = []")
        for y, x in walk(height, width):
            ask(driver, "hover", {"y": y, "x": x, "left": "total"})
            time.sleep(0.05)
        wait(driver, IDLE)
        hover = np.percentile(driver.execute_script("return page.answered"), (50, 95)).tolist()
        for low in np.linspace(0, 30, WINDOWS):
            ask(driver, "window", {"low": float(low), "high": float(low) + 5})
            wait(driver, IDLE)
        ask(driver, "exact-window", {"low": 5.0, "high": 5.9})
        wait(driver, IDLE)
        top, left = height // 3, width // 3  # a triangle
        corners = [[left, top], [left + 300, top + 20], [left + 100, top + 300]]
        ask(driver, "region", {"corners": corners})
        wait(driver, IDLE)
        refused = driver.execute_script("return document.querySelector('#status.error') != null")
        return {"opened": opened, "hover": hover, "peak": largest(), "refused": refused}
    finally:
        driver.quit()
        viewer.close()


IDLE = "[...lanes.values()].every((each) => each.waiting === 0)"


def browser():
    """Start Chromium without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("chromium-browser")
    for each in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(each)
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_script_timeout(600)
    return driver


def ask(driver, act: str, what: dict) -> None:
    """Send a request, as the page does."""
    driver.execute_script("ask(arguments[0], arguments[1])", act, what)


def wait(driver, condition: str, seconds: float = 600) -> None:
    """Wait until something is true in the page."""
    until = time.monotonic() + seconds
    while not driver.execute_script(f"return {condition}"):
        if time.monotonic() > until:
            raise TimeoutError(condition)
        time.sleep(0.05)


def milliseconds(function, times: int) -> list[float]:
    """Return the median and the 95th percentile of the milliseconds of a function."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return [1000 * float(each) for each in np.percentile(seconds, (50, 95))]


JOBS = {each.__name__: each for each in (first, again, hyperspy, server)}


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


def pair(numbers: list[float]) -> str:
    """Return two numbers as a cell."""
    return " / ".join(f"{each:.0f}" if each >= 100 else f"{each:.2g}" for each in numbers)


def column(made: dict | None, seen: dict) -> dict[str, str]:
    """Return the cells of a column, by the names of their rows."""
    cells = {}
    if made is not None:
        cells |= {
            "overview, made once, s": pair(made["seconds"]),
            "largest memory while it is made, MiB": f"{made['peak']:.0f}",
            "its size, MB; bins": f"{made['bytes'] / 1e6:.0f}; {made['bins']}",
            "map of a window of bins, 900 x 900, ms": pair(seen["windows"]),
            "spectrum of a pixel by bins, ms": pair(seen["bins"]),
        }
    return {
        "opened, with imports and first map, s": pair(seen["opened"]),
        **cells,
        "spectrum of a pixel anywhere, ms": pair(seen["pixels"]),
        "of a pixel near the last one, ms": pair(seen["near"]),
        "exact map of 99 channels, s": pair(seen["exact"]),
        "largest memory, MiB": f"{seen['peak']:.0f}",
    }


def table(columns: dict[str, dict[str, str]]) -> list[str]:
    """Return the lines of a table."""
    rows = list(dict.fromkeys(row for cells in columns.values() for row in cells))
    rows.sort(key=lambda row: row == "largest memory, MiB")  # the last one
    return [
        f"| | {' | '.join(columns)} |",
        f"|{'---|' * (1 + len(columns))}",
        *(
            f"| {row} | {' | '.join(cells.get(row, '') for cells in columns.values())} |"
            for row in rows
        ),
    ]


def main(folder: Path, gibibytes: float = 8.0, place: Path | None = None) -> list[str]:
    """Make the files, measure, and return the lines of the section."""
    store, planes, cache = (folder / name for name in ("cube.zarr", "planes.h5", "cache"))
    if not store.exists():
        make_store(store, gibibytes)
    if not planes.exists():
        make_planes(planes)
    load = os.getloadavg()[0]
    columns = {}
    for name, path in (("Zarr", store), ("HDF5 in planes", planes)):
        shutil.rmtree(cache, ignore_errors=True)
        made = run("first", path, cache)
        columns[name] = column(made, run("again", path, cache))
        if path == store:
            page = run("server", path, cache)
    lines = [
        f"Zarr: {gibibytes:g} GiB of uint16 in chunks of 32 x 32 x 4096. HDF5 in planes: 512 x 512 "
        "x 2048 uint16 (1 GiB), gzip, each piece one channel of all pixels. Seconds are of the "
        "clock / of the processor, milliseconds median / 95 %. "
        f"{os.cpu_count()} processors with a load of {load:.1f} at the start; files from the "
        "cache of the system.",
        "",
    ]
    try:
        other = run("hyperspy", store, cache, place)
    except subprocess.CalledProcessError:
        lines += ["HyperSpy was not installed.", ""]
    else:
        columns[f"HyperSpy {other['version']}, lazy, the same Zarr"] = column(None, other)
    return [
        *lines,
        *table(columns),
        "",
        "HyperSpy keeps no overview: its first map is made each time.",
        "",
        f"In a browser (headless Chromium), the Zarr: page ready after {page['opened']:.1f} s; "
        f"{PIXELS} moves of the mouse, 20 a second, answered within {pair(page['hover'])} ms; "
        f"after {WINDOWS} windows, an exact one and a region of 40,000 pixels, the largest memory "
        f"of the server is {page['peak']:.0f} MiB"
        + (" (a request was refused)." if page["refused"] else "."),
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
        size = "" if arguments.gibibytes == 8 else f"-{arguments.gibibytes:g}"
        page = Path(__file__).parent / f"viewer{size}.md"
        page.write_text("\n".join(measured(TITLE, lines)) + "\n", encoding="utf-8")
        print(page.read_text(encoding="utf-8"))
