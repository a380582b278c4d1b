"""Cubes larger than memory: time against the necessary work, memory, Dask workers, equal labels.

Every run is a separate process (`big_cubes_jobs`). The scan is a synthetic page with realistic
X-ray fluorescence spectra; larger cubes repeat it.
"""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .big_cubes_jobs import BLOCK, plain_seconds, run
from .silhouettes import listed

SIDE = 512
REPEATS = 3
AIM = 1.3  # the largest ratio of the time to that of the necessary work


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


# --- sections ------------------------------------------------------------------------------------


def over_necessary(folder: Path) -> list[str]:
    """Compare the time of a segmentation with that of its necessary work."""
    scan = str(folder / "scan.h5")
    necessary, whole = [], []
    for _ in range(REPEATS):
        necessary.append(run("necessary", cube=scan))
        whole.append(run("segment", cube=scan))
    sums = [sum(one.values()) for one in necessary]
    totals = [one["seconds"] for one in whole]
    ratio = statistics.median(totals) / statistics.median(sums)
    parts = ", ".join(
        f"{name} {statistics.median(one[name] for one in necessary):.2f}" for name in necessary[0]
    )
    ends = ", ".join(
        f"{name} {statistics.median(one['steps'][name] for one in whole):.1f}"
        for name in whole[0]["steps"]
    )
    return [
        f"A scan of {SIDE} x {SIDE} x 1024, float32, HDF5 with gzip, shipped model maxrf, from the",
        f"file to the result; medians of {REPEATS}. Needed: two readings, two preprocessings, the",
        "matrix products of encoder and decoder, one after the other with two threads.",
        "",
        f"- needed, s: {listed(sums)}: {parts}",
        f"- segmentation, s: {listed(totals)}; steps end at: {ends}",
        f"- ratio {ratio:.2f} (aim: {AIM}); peak above the imports "
        f"{max(one['peak'] for one in whole):.0f} MiB; k = {whole[0]['k']}",
    ]


def growth(folder: Path) -> list[str]:
    """Measure time and memory for larger images."""
    lines = [
        "Zarr of uint16 in chunks of 64 x 128 whole spectra, result written to a store:",
        "",
        "| pixels | GiB | seconds | peak, MiB | k |",
        "|---|---|---|---|---|",
    ]
    for times in (1, 2, 4):
        source, out = folder / f"{times}.zarr", folder / f"{times}-out.zarr"
        make_store(folder / "scan.h5", source, times)
        report = run("segment", cube=str(source), store=str(out))
        shutil.rmtree(source)
        shutil.rmtree(out)
        side = SIDE * times
        lines.append(
            f"| {side} x {side} | {side**2 * 2048 / 2**30:.1f} | {report['seconds']:.1f} | "
            f"{report['peak']:.0f} | {report['k']} |"
        )
    return lines


def dimensions(folder: Path) -> list[str]:
    """Measure time and memory for other numbers of channels and of k."""
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
        "compression; k is 2 to 16, or 2 to the given number:",
        "",
        "| channels | seconds | peak, MiB | choice of k (part of the time), s |",
        "|---|---|---|---|",
    ]
    for channels, (spectra, centres) in sorted(cubes.items()):
        path = folder / f"{channels}.h5"
        with h5py.File(path, "w") as file:
            file["img"], file["energy"] = spectra, centres
            file["energy"].attrs["units"] = "keV"
        for k_max in (16,) if channels != len(axis) else (16, 4, 8, 32):
            report = run("segment", cube=str(path), k_max=k_max)
            name = f"{channels}" if k_max == 16 else f"{channels}, k to {k_max}"
            chosen = report["steps"]["cluster"] - report["steps"]["encode"]
            cells = (name, f"{report['seconds']:.1f}", f"{report['peak']:.0f}", f"{chosen:.1f}")
            lines.append("| " + " | ".join(cells) + " |")
        path.unlink()
    return lines


def identical(folder: Path) -> list[str]:
    """Compare the labels for other chunks, threads, readings and workers."""
    import spectessera as spt

    small = folder / "small.h5"
    spt.write(spt.read(folder / "scan.h5", chunks="auto")[:160, :160], small)
    methods = {
        "whole, two threads": {"chunks": None},
        "whole, one thread": {"chunks": None, "threads": 1},
        "chunks of 50 x 60, two threads": {"chunks": {"y": 50, "x": 60}},
        "chunks of 50 x 60, one thread": {"chunks": {"y": 50, "x": 60}, "threads": 1},
        "latents in a file": {"chunks": "auto", "memory": 0},
        "one reading": {"chunks": "auto", "means": False},
        "to a store": {"chunks": {"y": 64, "x": 64}, "store": str(folder / "same.zarr")},
    }
    found = {
        name: run("segment", cube=str(small), **options)["labels"]
        for name, options in methods.items()
    }
    found["two Dask workers"] = run("cluster", cube=str(small))["labels"]
    found["two Dask workers, one killed"] = run("cluster", cube=str(small), kill=True)["labels"]
    first = found["whole, two threads"]
    lines = [
        "Labels of 160 x 160 pixels of the scan, compared with the first row:",
        "",
        "| method | labels |",
        "|---|---|",
    ]
    return lines + [
        f"| {name} | {'the same' if labels == first else 'DIFFERENT'} |"
        for name, labels in found.items()
    ]


def workers(folder: Path) -> list[str]:
    """Compare two Dask workers with two processes without Dask."""
    store = folder / "1.zarr"
    make_store(folder / "scan.h5", store, 1)
    plain: list[float] = []
    reports: dict[str, list[dict]] = {"--scheduler": [], "LocalCluster": []}
    for _ in range(REPEATS):
        plain.append(plain_seconds(str(store)))
        for method, runs in reports.items():
            runs.append(run("dask", cube=str(store), by=method))
    shutil.rmtree(store)
    lines = [
        "Reading and encoding all blocks of the scan (Zarr) by two processes of one thread each:",
        "",
        f"- two processes without Dask, s: {listed(plain)}",
    ]
    names = ("of `--scheduler local:2`", "with Dask's default settings")
    for name, runs in zip(names, reports.values(), strict=True):
        seconds = [one["seconds"] for one in runs]
        ratio = statistics.median(plain) / statistics.median(seconds)
        lines += [
            f"- two workers {name}, s: {listed(seconds)}: {ratio:.2f} of the speed; blocks "
            f"encoded: {runs[0]['encoded']} of {runs[0]['blocks']}"
        ]
    return lines


def precision(folder: Path) -> list[str]:
    """Compare the labels in float32 with those of the same network and centers in float64."""
    import copy

    import torch

    import spectessera as spt
    from spectessera.cube import blocks, read_block
    from spectessera.preprocess.intake import inputs_in_parts

    cube = spt.read(folder / "scan.h5", chunks="auto")
    model = spt.load("maxrf")
    intake, exact = model.intake(cube), copy.deepcopy(model.model_).double()
    rule = model.rule_
    other, n, margin = 0, 0, 0.0
    spectra = (read_block(cube, block) for block in blocks(cube))
    for part in (part for each in spectra for part in inputs_in_parts(each, intake)):
        latent = model.codec.encode(part.inputs)
        with torch.no_grad():
            wide = exact.encode(torch.from_numpy(part.inputs).double())[0].numpy()
        moved = (wide - rule.mean) @ rule.matrix.astype(np.float64)
        if rule.metric.endswith("sphere"):
            moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        distance = np.square(moved[:, None] - rule.centers.astype(np.float64)).sum(2)
        differ = rule.label(latent) != distance.argmin(1)
        nearest = np.sort(distance[differ], axis=1)[:, :2]
        other, n = other + int(differ.sum()), n + len(differ)
        if differ.any():
            margin = max(margin, float(((nearest[:, 1] - nearest[:, 0]) / nearest.sum(1)).max()))
    return [
        f"float32 against float64 (network, metric and distances) over the {n:,} pixels of the",
        f"scan and the trained clusters of maxrf: {other} labels differ ({100 * other / n:.4f} %)"
        + (f", within a relative margin of {margin:.1e} of the border." if other else "."),
    ]


SECTIONS = (over_necessary, identical, workers, precision)
GROWING = (growth, dimensions)


def main(names: tuple[str, ...] = (), usual: tuple[Callable, ...] = SECTIONS) -> list[str]:
    """Measure and return lines of the page: the usual sections, or those with these names."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scan(folder / "scan.h5")
        wanted = [each for each in (*SECTIONS, *GROWING) if each.__name__ in names]
        for section in wanted or usual:
            lines += [*section(folder), ""]
    return lines[:-1]


def growing() -> list[str]:
    """Measure larger images, and other numbers of channels and of k."""
    return main(usual=GROWING)


if __name__ == "__main__":
    print("\n".join(main(tuple(sys.argv[1:]))))
