"""From a file to labels, compared with scikit-learn and HyperSpy on the same file in one run.

    python -m benchmarks.peers_from_disk                       all sizes and packages
    python -m benchmarks.peers_from_disk --hyperspy ENV/bin/python --sides 64 128

HyperSpy may be installed in a separate environment, with scikit-learn and h5py
(``hyperspy[learning]``): its interpreter is that of ``--hyperspy``, else of HYPERSPY_PYTHON, else
the current one. Each run is a separate process, because the peak of memory is that of a process and
imports must not be shared. All have the same number of threads, the same limits of time and memory,
and choose from up to 16 clusters. Only `by_spectessera` may import this package: HyperSpy's process
runs this file, too.

HyperSpy is used in the way that suits counts: decomposition with normalised Poissonian noise,
k-means of the significant loadings at unit length. It computes the silhouettes of all pixels, in
time that grows with their square, and returns the local maxima over k, of which the highest is
used here. Its metrics "gap", the default, and "elbow" hold the distances of all pairs of pixels at
once: 8 n^2 and 4 n^2 bytes, 32 and 16 GiB for 256 x 256.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .whole_cube import peak

CHANNELS = 512
PAGE = 64  # side of the page; it is repeated, so larger cubes differ in their size alone
COMPONENTS, MOST = 24, 16
HEAD = (
    "pixels", "package", "seconds", "peak, MiB", "imports, s", "imports, MiB", "k (true)", "ARI",
)  # fmt: skip
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "DASK_NUM_WORKERS",
)


class Settings(NamedTuple):
    """What is measured, and the limits of a run."""

    sides: tuple[int, ...] = (64, 128, 256)
    repeats: int = 3
    threads: int = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    seconds: float = 600  # limit of a process, including imports
    memory: float = 16  # GiB, limit of the address space of a process
    hyperspy: str = os.environ.get("HYPERSPY_PYTHON") or sys.executable


def by_spectessera(path: str) -> np.ndarray:
    """Segment the cube with the shipped model for X-ray fluorescence."""
    import spectessera as spt

    result = spt.segment(spt.read(path, chunks="auto"), spt.load("maxrf"), seed=0)
    return result.label.values


def by_scikit_learn(path: str) -> np.ndarray:
    """Cluster principal components of square roots, with the k of the best silhouette."""
    import h5py
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import silhouette_score
    from sklearn.preprocessing import normalize

    with h5py.File(path, "r") as file:
        spectra = file["img"][...]
    shape = spectra.shape[:2]
    spectra = spectra.reshape(-1, spectra.shape[-1])
    spectra = normalize(np.sqrt(spectra, out=spectra), copy=False)
    latent = PCA(COMPONENTS, svd_solver="covariance_eigh").fit_transform(spectra)
    best, labels = -np.inf, np.zeros(len(latent), dtype=int)
    for k in range(2, MOST + 1):
        found = KMeans(k, n_init=10, random_state=0).fit_predict(latent)
        score = silhouette_score(latent, found, sample_size=10_000, random_state=0)
        if score > best:
            best, labels = score, found
    return labels.reshape(shape)


def by_hyperspy(path: str) -> np.ndarray:
    """Decompose and cluster the cube with the methods of a HyperSpy signal."""
    import h5py
    import hyperspy.api as hs  # type: ignore[import-not-found]

    with h5py.File(path, "r") as file:
        cube = hs.signals.Signal1D(file["img"][...])
    cube.decomposition(
        normalize_poissonian_noise=True,
        output_dimension=COMPONENTS,
        print_info=False,
        random_state=0,
    )
    given: dict[str, Any] = {"preprocessing": "norm", "random_state": 0}
    peaks = cube.estimate_number_of_clusters(
        "decomposition", max_clusters=MOST, metric="silhouette", show_progressbar=False, **given
    )
    learnt = cube.learning_results
    scores = dict(zip(learnt.cluster_metric_index, learnt.cluster_metric_data, strict=True))
    k = max(peaks or scores, key=lambda k: scores[int(k)])
    cube.cluster_analysis("decomposition", n_clusters=int(k), **given)
    return cube.get_cluster_labels(merged=True).data


class Package(NamedTuple):
    """How a package computes labels, and what is imported before the measurement.

    Attributes
    ----------
    labels : function of a path
    modules : tuple of str
        Required imports.
    late : tuple of str
        Modules that are otherwise imported during the work; missing ones are ignored.
    packages : tuple of str
        Packages whose versions are reported.
    """

    labels: Callable[[str], np.ndarray]
    modules: tuple[str, ...]
    late: tuple[str, ...]
    packages: tuple[str, ...]


SKLEARN = tuple(
    f"sklearn.{name}" for name in ("cluster", "decomposition", "metrics", "preprocessing")
)
PACKAGES = {
    "spectessera": Package(
        by_spectessera,
        (
            "spectessera.inference.pipeline",
            "spectessera.segmenter.estimator",
            "spectessera.io",
            "h5py",
            "dask.array",
        ),
        ("torch._dynamo", "distributed", "sklearn.metrics"),
        ("spectessera", "torch", "dask"),
    ),
    "scikit-learn": Package(by_scikit_learn, ("h5py", *SKLEARN), (), ("scikit-learn", "numpy")),
    "HyperSpy": Package(
        by_hyperspy,
        ("h5py", "hyperspy.api", *SKLEARN),
        (
            "dask.array",
            "hyperspy._signals.signal1d",
            "hyperspy._signals.signal2d",
            "hyperspy.learn._svd_pca",
            "tqdm.auto",
        ),
        ("hyperspy", "scikit-learn", "numpy"),
    ),
}


def child(text: str) -> None:
    """Compute labels in this process, save them and print time and memory as JSON."""
    import resource

    job = json.loads(text)
    most = int(job["memory"] * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    package = PACKAGES[job["package"]]
    start = time.perf_counter()
    try:
        for name in package.modules:
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(json.dumps({"failed": f"not installed: {error.name}"}))
        return
    for name in package.late:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    imported, before = time.perf_counter() - start, peak()
    start = time.perf_counter()
    labels = package.labels(job["cube"])
    found = {"seconds": time.perf_counter() - start, "peak": peak() - before}
    np.save(job["labels"], labels)
    versions = [f"{name} {version(name)}" for name in package.packages]
    found |= {"imports": imported, "base": before, "python": platform.python_version()}
    print(json.dumps(found | {"versions": versions}))


def failure(done: subprocess.CompletedProcess[str], memory: float) -> str:
    """Return the reason why a process failed, for a cell of a table."""
    text = done.stderr.lower()
    if any(word in text for word in ("memoryerror", "allocat", "bad_alloc")):
        return f"out of memory ({memory:g} GiB)"
    if done.returncode == -signal.SIGKILL:
        return "killed by the system, usually out of memory"
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return "failed: " + last[:120].replace("|", "/")


def run(name: str, cube: Path, settings: Settings) -> dict[str, Any]:
    """Compute labels with one package in a separate process; return its report or its failure."""
    python = settings.hyperspy if name == "HyperSpy" else sys.executable
    labels = cube.with_suffix(".npy")
    job = {"package": name, "cube": str(cube), "labels": str(labels), "memory": settings.memory}
    environment = os.environ | dict.fromkeys(THREADS, str(settings.threads))
    if python != sys.executable:  # paths of this interpreter do not fit another one
        environment = {k: v for k, v in environment.items() if not k.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [python, "-m", "benchmarks.peers_from_disk", "child", json.dumps(job)],
            capture_output=True,
            text=True,
            check=False,
            timeout=settings.seconds,
            env=environment,
            cwd=Path(__file__).parents[1],
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped after {settings.seconds:g} s"}
    except OSError:
        return {"failed": f"not installed: no interpreter {Path(python).name}"}
    if done.returncode:
        return {"failed": failure(done, settings.memory)}
    report = json.loads(done.stdout.splitlines()[-1])
    return report if "failed" in report else report | {"labels": np.load(labels)}


def repeated(name: str, cube: Path, settings: Settings) -> dict[str, Any]:
    """Run several times; return median times, maximum memory and the last labels."""
    runs: list[dict[str, Any]] = []
    for _ in range(settings.repeats):
        runs.append(run(name, cube, settings))
        if "failed" in runs[-1]:
            return runs[-1]
    times = {each: statistics.median(one[each] for one in runs) for each in ("seconds", "imports")}
    memory = {each: max(one[each] for one in runs) for each in ("peak", "base")}
    return runs[-1] | times | memory


def make_file(path: Path, side: int) -> np.ndarray:
    """Write a synthetic page of X-ray fluorescence spectra; return the true labels (y, x)."""
    import h5py

    import spectessera as spt

    page = spt.synth.miniature(2, (PAGE, PAGE))
    times = -(-side // PAGE)
    image = np.tile(page, (times, times, 1))[:side, :side]
    cube, truth = spt.synth.cube_from_rgb(image, counts=1000, seed=0)
    values = cube.values.reshape(side, side, CHANNELS, -1).sum(axis=-1, dtype=np.float32)
    energy = cube.coords["energy"].values.reshape(CHANNELS, -1).mean(axis=-1)
    block = (min(side, 16), min(side, 16), CHANNELS)
    with h5py.File(path, "w") as file:
        file.create_dataset("img", data=values, chunks=block, compression="gzip")
        file.create_dataset("energy", data=energy).attrs["units"] = "keV"
    return truth["label"].values


def row(side: int, name: str, found: dict[str, Any], truth: np.ndarray) -> str:
    """Return a row of the table."""
    from sklearn.metrics import adjusted_rand_score

    cells = [f"{side} x {side}", name]
    if "failed" in found:
        cells += [found["failed"], *[""] * (len(HEAD) - 3)]
    else:
        labels = found["labels"]
        agreement = adjusted_rand_score(truth.ravel(), labels.ravel())
        cells += [f"{found['seconds']:.2f}", f"{found['peak']:.0f}", f"{found['imports']:.1f}"]
        cells += [f"{found['base']:.0f}", f"{len(np.unique(labels))} ({len(np.unique(truth))})"]
        cells += [f"{agreement:.3f}"]
    return f"| {' | '.join(cells)} |"


def rows(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Measure every package at every size until it fails; return rows, and versions by package."""
    lines: list[str] = []
    versions: dict[str, str] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in settings.sides:
            cube = Path(folder) / f"{side}.h5"
            truth = make_file(cube, side)
            for name in PACKAGES:
                if name in failed:
                    found = {"failed": f"not run ({failed[name]})"}
                else:
                    found = repeated(name, cube, settings)
                if "failed" in found:
                    failed.setdefault(name, f"at {side} x {side} {found['failed']}")
                else:
                    versions[name] = f"{', '.join(found['versions'])}, Python {found['python']}"
                lines.append(row(side, name, found, truth))
                print(lines[-1], file=sys.stderr, flush=True)
            cube.unlink()
    return lines, versions


def main(settings: Settings | None = None) -> list[str]:
    """Measure and return the lines of the section."""
    settings = settings or Settings()
    lines, versions = rows(settings)
    return [
        f"A synthetic page of {PAGE} x {PAGE} pixels, repeated to the required size: {CHANNELS}",
        "channels, 1,000 counts per pixel, float32 in an HDF5 file compressed by gzip. From this",
        f"file to labels, with the number of clusters chosen from 2 to {MOST}. Each run is a",
        f"separate process (threads: {settings.threads}; limits: {settings.seconds:g} s including",
        f"imports, {settings.memory:g} GiB of address space); medians of {settings.repeats} runs,",
        "the largest peak. The peak is above the imports, whose time and memory are listed",
        "separately. The file has just been written, so there is almost no waiting for the",
        "disk. ARI: the adjusted Rand index of labels and truth.",
        "",
        f"- scikit-learn: square roots of unit length, PCA ({COMPONENTS}), k-means with 10 starts,",
        "  silhouettes of 10,000 pixels.",
        f"- HyperSpy: SVD ({COMPONENTS}) with Poissonian noise normalised, k-means with one start",
        "  (the default) on the loadings that it finds significant, silhouettes of all pixels.",
        "",
        f"| {' | '.join(HEAD)} |",
        "|" + "---|" * len(HEAD),
        *lines,
        "",
        *(f"- {name}: {each}." for name, each in versions.items()),
    ]


def arguments() -> Settings:
    """Return the settings of the command line."""
    usual = Settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sides", type=int, nargs="+", default=usual.sides, help="pixels")
    parser.add_argument("--repeats", type=int, default=usual.repeats)
    parser.add_argument("--threads", type=int, default=usual.threads)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="limit of a run")
    parser.add_argument("--memory", type=float, default=usual.memory, help="limit of a run, GiB")
    parser.add_argument("--hyperspy", default=usual.hyperspy, help="interpreter with HyperSpy")
    given = parser.parse_args()
    return Settings(**vars(given) | {"sides": tuple(given.sides)})


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2])
    else:
        print("\n".join(main(arguments())))
