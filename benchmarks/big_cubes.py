"""Cubes larger than memory: time over what is needed, memory, a cluster of processes, same labels.

Every run is a process of its own, so that its peak is its own. The scan is a made-up page of
realistic X-ray fluorescence; larger ones are made of it side by side.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from .silhouettes import listed
from .whole_cube import peak

SIDE = 512
REPEATS = 5
BLOCK = {"y": 64, "x": 128}  # of stores: 16 MiB of uint16


def make_scan(path: Path) -> None:
    """Write the scan of a page, 512 x 512 x 1024, as float32 in HDF5 with gzip."""
    import h5py

    from spectessera.cube import spectral_axis
    from spectessera.synth import Realism, cube_from_rgb, miniature

    cube, _ = cube_from_rgb(miniature(3, (SIDE, SIDE)), counts=1000.0, realism=Realism())
    with h5py.File(path, "w") as file:
        shape = (*cube.shape[:2], cube.sizes["channel"])
        chunks = (16, 16, shape[2])
        file.create_dataset("img", shape, "f4", cube.values, compression="gzip", chunks=chunks)
        file.create_dataset("energy", data=spectral_axis(cube).values)
        file["energy"].attrs["units"] = "keV"


def make_store(scan: Path, path: Path, times: int) -> None:
    """Write the scan as uint16 in Zarr, repeated along both sides."""
    import h5py
    import zarr

    with h5py.File(scan) as file:
        values, axis = file["img"][...].astype(np.uint16), file["energy"][...]
    group = zarr.create_group(path)
    side, channels = SIDE * times, values.shape[2]
    chunks = (BLOCK["y"], BLOCK["x"], channels)
    array = group.create_array("img", shape=(side, side, channels), chunks=chunks, dtype="u2")
    for y in range(times):
        for x in range(times):
            array[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE] = values
    group.create_array("energy", shape=axis.shape, dtype="f8")[...] = axis
    group["energy"].attrs["units"] = "keV"


# --- one run in a process of its own ---------------------------------------------------------


def segment(told: dict) -> dict:
    """Segment a cube and tell what it took."""
    import torch

    import spectessera as spt
    import spectessera.inference.pipeline

    torch.set_num_threads(told.get("threads", 2))
    before, start = peak(), time.perf_counter()
    cube = spt.read(told["cube"], chunks=told.get("chunks", "auto"))
    options = {name: told[name] for name in ("store", "memory", "means") if name in told}
    steps: dict[str, float] = {}

    def tell(step: str, done: int, total: int) -> None:
        if done == total:
            steps[step] = time.perf_counter() - start

    model = spt.load("maxrf")
    if "k_max" in told:
        model.set_params(clusters__k_max=told["k_max"])
    result = spt.segment(cube, model, progress=tell, **options)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak": peak() - before,
        "steps": steps,
        "k": int(result.attrs["n_clusters"]),
        "labels": hashlib.sha256(result.label.values.tobytes()).hexdigest()[:16],
    }


def needs(told: dict) -> dict:
    """Time what cannot be spared: two readings, two preprocessings, the products of the network."""
    import spectessera as spt
    from spectessera.cube import blocks, load_block, to_spectra
    from spectessera.preprocess.steps import screen

    cube, model = spt.read(told["cube"], chunks="auto"), spt.load("maxrf")
    intake = model.intake(cube)
    seconds = {"read": 0.0, "preprocess": 0.0, "encode": 0.0, "decode": 0.0}

    def timed(name: str, function, *arguments):
        start = time.perf_counter()
        found = function(*arguments)
        seconds[name] += time.perf_counter() - start
        return found

    for again in (False, True):
        for block in blocks(cube):
            values = to_spectra(timed("read", load_block, cube, block)).values
            made = timed("preprocess", lambda v: intake.apply(screen(v).values).values, values)
            if again:
                latent = np.zeros((len(made), model.cluster_centers_.shape[1]), np.float32)
                timed("decode", model.codec.decode, latent)
            else:
                timed("encode", model.codec.encode, made)
    return seconds


def run(what: str, **told) -> dict:
    """Do one job in a process of its own and return what it told."""
    job = json.dumps({"what": what, **told})
    command = [sys.executable, "-m", "benchmarks.big_cubes", job]
    folder = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout.splitlines()[-1])


# --- sections ------------------------------------------------------------------------------------


def over_needs(folder: Path) -> list[str]:
    """Compare a segmentation with the sum of what it needs."""
    scan = str(folder / "scan.h5")
    spared, whole = [], []
    for _ in range(REPEATS):
        spared.append(run("needs", cube=scan))
        whole.append(run("segment", cube=scan))
    sums = [sum(one.values()) for one in spared]
    totals = [one["seconds"] for one in whole]
    ratio = statistics.median(totals) / statistics.median(sums)
    parts = ", ".join(
        f"{name} {statistics.median(one[name] for one in spared):.2f}" for name in spared[0]
    )
    ends = ", ".join(
        f"{name} {statistics.median(one['steps'][name] for one in whole):.1f}"
        for name in whole[0]["steps"]
    )
    return [
        f"A scan of {SIDE} x {SIDE} x 1024, float32, HDF5 with gzip, shipped model maxrf, from the",
        "file to the result; medians of 5. Needed: two readings, two preprocessings, the products",
        "of encoder and decoder, one after the other with two threads.",
        "",
        f"- needed, s: {listed(sums)}: {parts}",
        f"- segmentation, s: {listed(totals)}; steps end at: {ends}",
        f"- ratio {ratio:.2f}; peak above the imports {max(one['peak'] for one in whole):.0f} MiB; "
        f"k = {whole[0]['k']}",
    ]


def growth(folder: Path) -> list[str]:
    """Show time and memory for larger images."""
    lines = [
        "Zarr of uint16 in chunks of 64 x 128 whole spectra, result written to a store:",
        "",
        "| pixels | GiB | seconds | peak, MiB | k |",
        "|---|---|---|---|---|",
    ]
    for times in (1, 2, 4):
        source, out = folder / f"{times}.zarr", folder / f"{times}-out.zarr"
        make_store(folder / "scan.h5", source, times)
        told = run("segment", cube=str(source), store=str(out))
        shutil.rmtree(source)
        shutil.rmtree(out)
        side = SIDE * times
        lines.append(
            f"| {side} x {side} | {side**2 * 2048 / 2**30:.1f} | {told['seconds']:.1f} | "
            f"{told['peak']:.0f} | {told['k']} |"
        )
    return lines


def dimensions(folder: Path) -> list[str]:
    """Show time and memory for other numbers of channels and of k."""
    import h5py

    side = SIDE // 2
    with h5py.File(folder / "scan.h5") as file:
        values, axis = file["img"][:side, :side].astype(np.uint16), file["energy"][...]
    half = np.random.default_rng(0).binomial(values, 0.5).astype(np.uint16)
    step = (axis[1] - axis[0]) / 4
    fine = (
        np.stack([half, values - half], axis=3).reshape(side, side, -1),
        np.stack([axis - step, axis + step], axis=1).ravel(),
    )
    cubes = {2 * len(axis): fine, len(axis): (values, axis)}
    for channels in (len(axis) // 2, len(axis) // 4):
        spectra, centres = cubes[2 * channels]
        pairs = spectra.reshape(side, side, channels, 2).sum(axis=3, dtype=np.uint16)
        cubes[channels] = pairs, centres.reshape(-1, 2).mean(axis=1)
    lines = [
        f"{side} x {side} pixels of the scan, its channels summed or split, HDF5 without",
        "compression; k is 2 to 16, or 2 to the number told:",
        "",
        "| channels | seconds | peak, MiB | of it the choice of k, s |",
        "|---|---|---|---|",
    ]
    for channels, (spectra, centres) in sorted(cubes.items()):
        path = folder / f"{channels}.h5"
        with h5py.File(path, "w") as file:
            file["img"], file["energy"] = spectra, centres
            file["energy"].attrs["units"] = "keV"
        for k_max in (16,) if channels != len(axis) else (16, 4, 8, 32):
            told = run("segment", cube=str(path), k_max=k_max)
            name = f"{channels}" if k_max == 16 else f"{channels}, k to {k_max}"
            chosen = told["steps"]["cluster"] - told["steps"]["encode"]
            lines.append(f"| {name} | {told['seconds']:.1f} | {told['peak']:.0f} | {chosen:.1f} |")
        path.unlink()
    return lines


def identical(folder: Path) -> list[str]:
    """Show that the labels are the same however a cube is worked on."""
    import spectessera as spt

    small = folder / "small.h5"
    spt.write(spt.read(folder / "scan.h5", chunks="auto")[:160, :160], small)
    ways = {
        "whole, two threads": {"chunks": None},
        "whole, one thread": {"chunks": None, "threads": 1},
        "chunks of 50 x 60, two threads": {"chunks": {"y": 50, "x": 60}},
        "chunks of 50 x 60, one thread": {"chunks": {"y": 50, "x": 60}, "threads": 1},
        "latents in a file": {"chunks": "auto", "memory": 0},
        "one reading": {"chunks": "auto", "means": False},
        "to a store": {"chunks": {"y": 64, "x": 64}, "store": str(folder / "same.zarr")},
    }
    found = {name: run("segment", cube=str(small), **how)["labels"] for name, how in ways.items()}
    found["two workers of Dask"] = run("cluster", cube=str(small))["labels"]
    found["the same, one killed"] = run("cluster", cube=str(small), kill=True)["labels"]
    first = found["whole, two threads"]
    lines = ["Labels of 160 x 160 pixels of the scan:", "", "| how | labels |", "|---|---|"]
    return lines + [
        f"| {name} | {'the same' if labels == first else 'OTHERS'} |"
        for name, labels in found.items()
    ]


def cluster(told: dict) -> dict:
    """Segment on two workers, one of which may be killed in the middle."""
    from distributed import Client, LocalCluster

    import spectessera as spt
    import spectessera.inference.pipeline

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as workers, Client(workers):
        killed = []

        def tell(step: str, _done: int, _total: int) -> None:
            if told.get("kill") and step == "encode" and not killed:
                killed.append(next(iter(workers.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        cube = spt.read(told["cube"], chunks={"y": 32, "x": 64})
        result = spt.segment(cube, spt.load("maxrf"), progress=tell)
    return {"labels": hashlib.sha256(result.label.values.tobytes()).hexdigest()[:16]}


def bare(told: dict) -> dict:
    """Encode every second block, told to begin by a line of input."""
    import torch

    import spectessera as spt
    from spectessera.cube import blocks, load_block
    from spectessera.inference.passes import encode_block
    from spectessera.inference.pipeline import reader_of

    torch.set_num_threads(1)
    cube = spt.read(told["cube"], chunks=BLOCK)
    reader = reader_of(cube, spt.load("maxrf"))
    mine = list(blocks(cube))[told["first"] :: 2]
    encode_block(reader, load_block(cube, mine[0]))
    print("ready", flush=True)
    sys.stdin.readline()
    for block in mine:
        encode_block(reader, load_block(cube, block))
    return {}


def bare_seconds(scan: str) -> float:
    """Return how long two processes take for the blocks of the scan."""
    jobs = []
    for first in (0, 1):
        job = json.dumps({"what": "bare", "cube": scan, "first": first})
        command = [sys.executable, "-m", "benchmarks.big_cubes", job]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        folder = Path(__file__).parents[1]
        jobs.append(subprocess.Popen(command, cwd=folder, **pipes))
    for job in jobs:
        job.stdout.readline()
    start = time.perf_counter()
    for job in jobs:
        job.stdin.write("\n")
        job.stdin.flush()
    for job in jobs:
        job.wait()
    return time.perf_counter() - start


def dask_seconds(told: dict) -> dict:
    """Return how long two workers take for the same blocks, and how often blocks were encoded."""
    from distributed import Client, LocalCluster, get_task_stream

    import spectessera as spt
    from spectessera.cli.scheduler import scheduler
    from spectessera.cube import blocks
    from spectessera.inference.blockwork import Shared, Task, over_blocks
    from spectessera.inference.passes import encode_block
    from spectessera.inference.pipeline import reader_of

    cube = spt.read(told["cube"], chunks=BLOCK)
    reader = Shared(reader_of(cube, spt.load("maxrf")))
    tasks = [Task(block) for block in blocks(cube)]
    with contextlib.ExitStack() as opened:
        if told["by"] == "--scheduler":
            opened.enter_context(scheduler("local:2"))
            client = Client.current()
        else:
            options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
            workers = opened.enter_context(LocalCluster(**options))
            client = opened.enter_context(Client(workers))
        list(over_blocks(encode_block, reader, cube, tasks[:4]))  # imports, like the others
        with get_task_stream(client) as stream:
            start = time.perf_counter()
            for _ in over_blocks(encode_block, reader, cube, tasks):
                pass
            seconds = time.perf_counter() - start
        encoded = sum(each["key"].startswith("encode_block") for each in stream.data)
    return {"seconds": seconds, "encoded": encoded, "blocks": len(tasks)}


def workers(folder: Path) -> list[str]:
    """Compare two workers of Dask with two bare processes."""
    store = folder / "1.zarr"
    make_store(folder / "scan.h5", store, 1)
    plain: list[float] = []
    ways: dict[str, list[dict]] = {"--scheduler": [], "LocalCluster": []}
    for _ in range(REPEATS):
        plain.append(bare_seconds(str(store)))
        for way, runs in ways.items():
            runs.append(run("dask", cube=str(store), by=way))
    shutil.rmtree(store)
    lines = [
        "Reading and encoding all blocks of the scan (Zarr) by two processes of one thread each:",
        "",
        f"- two bare processes, s: {listed(plain)}",
    ]
    names = ("of `--scheduler local:2`", "as Dask starts them by default")
    for name, runs in zip(names, ways.values(), strict=True):
        mine = [one["seconds"] for one in runs]
        ratio = statistics.median(plain) / statistics.median(mine)
        lines += [
            f"- two workers {name}, s: {listed(mine)}: {ratio:.2f} of the speed; blocks encoded: "
            f"{runs[0]['encoded']} of {runs[0]['blocks']}"
        ]
    return lines


def precision(folder: Path) -> list[str]:
    """Compare the labels of float32 with those of the same network and centers in float64."""
    import copy

    import torch

    import spectessera as spt

    cube = spt.read(folder / "scan.h5", chunks="auto")
    model = spt.load("maxrf")
    intake, exact = model.intake(cube), copy.deepcopy(model.model_).double()
    rule = model.rule_
    other, n, margin = 0, 0, 0.0
    for part in model.encode_blocks(cube):
        inputs = intake.apply(part.values).values
        with torch.no_grad():
            wide = exact.encode(torch.from_numpy(inputs).double())[0].numpy()
        moved = (wide - rule.mean) @ rule.matrix.astype(np.float64)
        if rule.metric.endswith("sphere"):
            moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        apart = np.square(moved[:, None] - rule.centers.astype(np.float64)).sum(2)
        differ = rule.label(part.latent) != apart.argmin(1)
        nearest = np.sort(apart[differ], axis=1)[:, :2]
        other, n = other + int(differ.sum()), n + len(differ)
        if differ.any():
            margin = max(margin, float(((nearest[:, 1] - nearest[:, 0]) / nearest.sum(1)).max()))
    return [
        f"float32 against float64 (network, metric and distances) over the {n:,} pixels of the",
        f"scan and the trained clusters of maxrf: {other} labels differ ({100 * other / n:.4f} %)"
        + (f", within a relative margin of {margin:.1e} of the border." if other else "."),
    ]


SECTIONS = (over_needs, growth, dimensions, identical, workers, precision)


def main(names: tuple[str, ...] = ()) -> list[str]:
    """Measure and return lines of the page."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scan(folder / "scan.h5")
        for section in SECTIONS:
            if not names or section.__name__ in names:
                lines += [*section(folder), ""]
    return lines[:-1]


JOBS = {"segment": segment, "needs": needs, "cluster": cluster, "bare": bare, "dask": dask_seconds}

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        told = json.loads(sys.argv[1])
        print(json.dumps(JOBS[told["what"]](told)))
    else:
        print("\n".join(main(tuple(sys.argv[1:]))))
