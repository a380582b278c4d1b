"""How fast cubes are read, compared with the library of each format alone, and in what memory.

    python -m benchmarks.reading [--mebibytes 64] [--rounds 5]

Both sides read the same file in turns, from the cache of the system: what is measured is the work
of the program, not the disk. The pass over a file in blocks runs in a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spectessera import make_cube, read, write
from spectessera.cube import blocks, load_block

TITLE = "Reading files"
MEBIBYTES = 64
ROUNDS = 3
CHANNELS = 512
LARGE = 10  # times: the file that is read in blocks
PASS = """
import re, sys
from pathlib import Path
from spectessera import read
from spectessera.cube import blocks, load_block
def largest():  # of this process alone; ru_maxrss begins with that of its parent
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
before = largest()
cube = read(sys.argv[1], chunks="auto")
for block in blocks(cube):
    load_block(cube, block).values.sum()
print(largest() - before)
"""


def make_files(folder: Path, mebibytes: int) -> dict[str, Path]:
    """Write the same counts in every format and return the files."""
    side = int(np.sqrt(mebibytes * 2**20 / 2 / CHANNELS))
    counts = np.random.default_rng(0).poisson(3, (side, side + 1, CHANNELS)).astype(np.uint16)
    cube = make_cube(counts, energy=(0.1, 20.0))
    files = {suffix: folder / f"cube{suffix}" for suffix in (".h5", ".nc", ".zarr", ".fits")}
    for path in files.values():
        write(cube, path)
    files |= {".npy": folder / "cube.npy", ".hdr": folder / "cube.img"}
    np.save(files[".npy"], counts)
    counts.tofile(files[".hdr"])
    (folder / "cube.img.hdr").write_text(
        f"ENVI\nsamples = {side + 1}\nlines = {side}\nbands = {CHANNELS}\ndata type = 12\n"
        "interleave = bip\nbyte order = 0\nheader offset = 0\n"
    )
    files["images.h5"] = _images(folder / "images.h5", counts)
    return files


def _images(path: Path, counts: np.ndarray) -> Path:
    """Write channel by channel, each a compressed image."""
    import h5py

    with h5py.File(path, "w") as file:
        stored = file.create_dataset(
            "data", data=counts.transpose(2, 0, 1), chunks=(1, *counts.shape[:2]),
            compression="gzip", compression_opts=1,
        )  # fmt: skip
        stored.dims[0].label = "energy"
    return path


def of_hdf5(name: str) -> Callable[[Path], np.ndarray]:
    """Return a function that reads a dataset with h5py."""
    import h5py

    def library(path: Path) -> np.ndarray:
        with h5py.File(path) as file:
            return file[name][()]

    return library


def of_images(path: Path) -> np.ndarray:
    """Read images with h5py and put the channels last, as every user of the file has to."""
    return np.ascontiguousarray(of_hdf5("data")(path).transpose(1, 2, 0))


def of_zarr(path: Path) -> np.ndarray:
    """Read an array with zarr."""
    import zarr

    return np.asarray(zarr.open_array(path / "img", mode="r")[...])


def of_fits(path: Path) -> np.ndarray:
    """Read an image with astropy and put the channels last."""
    from astropy.io import fits

    with fits.open(path) as file:
        return np.ascontiguousarray(np.moveaxis(file["DATA"].data, 0, 2))


def of_npy(path: Path) -> np.ndarray:
    """Read an array with numpy."""
    return np.array(np.load(path, mmap_mode="r"))


def of_raw(path: Path) -> np.ndarray:
    """Read the data of an ENVI file with numpy."""
    return np.array(np.memmap(path, "<u2", "r"))


LIBRARIES: dict[str, tuple[str, Callable[[Path], np.ndarray]]] = {
    ".h5": ("h5py", of_hdf5("img")),
    ".nc": ("h5py", of_hdf5("img")),
    ".zarr": ("zarr", of_zarr),
    ".fits": ("astropy", of_fits),
    ".npy": ("numpy memmap", of_npy),
    ".hdr": ("numpy memmap", of_raw),
    "images.h5": ("h5py", of_images),
}


def in_blocks(path: Path) -> int:
    """Read a cube block by block and return its number of values."""
    cube = read(path, chunks="auto")
    return sum(load_block(cube, block).values.size for block in blocks(cube))


def seconds(function: Callable[[Path], object], path: Path) -> float:
    """Return how long a function takes with a file."""
    start = time.perf_counter()
    function(path)
    return time.perf_counter() - start


def compare(path: Path, library: Callable[[Path], np.ndarray], rounds: int) -> list[float]:
    """Return the median seconds of the library, of read, and of a pass in blocks, in turns."""
    sides = (library, lambda each: read(each).values, in_blocks)
    times: list[list[float]] = [[], [], []]
    for number in range(rounds + 1):
        for which, side in enumerate(sides):
            taken = seconds(side, path)
            if number:  # the first round fills the caches
                times[which].append(taken)
    return [statistics.median(each) for each in times]


def isolation(path: Path, rounds: int) -> str:
    """Return what it costs to read a file in a process of its own, in words."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for isolate, taken in times.items():
            taken.append(seconds(lambda each, own=isolate: read(each, isolate=own), path))
    without, own = (statistics.median(each) for each in times.values())
    size = read(path, chunks="auto").nbytes / 2**20
    return (
        f"In a process of its own (`isolate=True`), {path.name} of {size:.0f} MiB takes "
        f"{own:.1f} s, without {without:.1f} s."
    )


def peak(path: Path) -> float:
    """Return by how many MiB a pass in blocks raises the memory of a process."""
    done = subprocess.run(
        [sys.executable, "-c", PASS, str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout) / 1024


def main(mebibytes: int = MEBIBYTES, rounds: int = ROUNDS) -> list[str]:
    """Measure all formats and return the lines of the table."""
    lines = [
        f"A cube of {mebibytes} MiB of uint16, {CHANNELS} channels, from the cache of the system: "
        f"MB/s of the values, the median of {rounds} rounds in turns. The share is that of `read` "
        f"in the speed of the library. Memory: what a pass in blocks over a file of "
        f"{mebibytes * LARGE} MiB adds to a process.",
        "",
        "| file | library | MB/s | `read`, MB/s | share | in blocks, MB/s | memory, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "large").mkdir()
        large = make_files(folder / "large", mebibytes * LARGE)
        small = make_files(folder, mebibytes)
        for suffix, path in small.items():
            library, function = LIBRARIES[suffix]
            size = function(path).nbytes / 1e6
            rates = [size / taken for taken in compare(path, function, rounds)]
            lines.append(
                f"| {path.name} | {library} | {rates[0]:.0f} | {rates[1]:.0f} | "
                f"{rates[1] / rates[0]:.2f} | {rates[2]:.0f} | {peak(large[suffix]):.0f} |"
            )
        lines += ["", *(isolation(each[".h5"], rounds) for each in (small, large))]
    return lines


if __name__ == "__main__":
    from .__main__ import write_sections

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=MEBIBYTES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    write_sections({TITLE: main(arguments.mebibytes, arguments.rounds)})
