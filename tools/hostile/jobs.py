"""Commands that write, in processes that may be ended, and whether what they wrote is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .processes import Process, import_what_is_used, must, start

INPUTS = ("scan.h5", "space.toml", "model.safetensors")
FIT = ("--epochs=2", "--batch-size=64", "--encoder=8", "--latent=2", "--k-min=2", "--k-max=3",
       "--restarts=1")  # fmt: skip
SEGMENT = ("segment", "scan.h5", "--out", "out", "--overwrite", "--quiet")


@dataclass(frozen=True)
class Job:
    """A command, run in the folder of :func:`prepare`.

    Parameters
    ----------
    arguments : tuple of str
    output : str
        What it writes: a file or a folder.
    share : int
        Of 200 kills.
    """

    arguments: tuple[str, ...]
    output: str
    share: int


JOBS = {
    "segment": Job((*SEGMENT, "--model", "model.safetensors"), "out", 30),
    "segment --zarr": Job((*SEGMENT, "--model", "model.safetensors", "--zarr"), "out", 30),
    "segment --fit": Job((*SEGMENT, "--fit", *FIT), "out", 30),
    "segment --report": Job((*SEGMENT, "--model", "model.safetensors", "--report"), "out", 25),
    "report": Job(("report", "out", "--overwrite"), "out", 15),
    "train": Job(
        ("train", "scan.h5", "--out", "new.safetensors", "--overwrite", "--quiet",
         "--checkpoint", "state.safetensors", *FIT), "new.safetensors", 20),
    "search": Job(
        ("search", "scan.h5", "--space", "space.toml", "--out", "found", "--quiet"), "found", 15),
    "synth": Job(
        ("synth", "spectra", "--out", "made.h5", "--kind", "nebulae", "-n", "300", "--overwrite",
         "--quiet"), "made.h5", 10),
    "convert .nc": Job(("convert", "scan.h5", "copy.nc", "--overwrite", "--quiet"), "copy.nc", 10),
    "convert .zarr": Job(
        ("convert", "scan.h5", "copy.zarr", "--overwrite", "--quiet"), "copy.zarr", 10),
    "convert .fits": Job(
        ("convert", "scan.h5", "copy.fits", "--overwrite", "--quiet"), "copy.fits", 5),
}  # fmt: skip


def run(job: Job, home: Path, before: Callable[[], None] = lambda: None) -> Process:
    """Start a command in its folder."""
    return start(lambda: _command(job, home, before))


def _command(job: Job, home: Path, before: Callable[[], None] = lambda: None) -> int:
    """Run a command in this process; returns its status."""
    from spectessera.cli.app import app
    from spectessera.resultfolder import contents

    os.chdir(home)
    contents._draw = lambda *_: None  # figures take most of the time of a run
    before()
    try:
        status = app(list(job.arguments), standalone_mode=False)
    except KeyboardInterrupt:  # before the command itself: as its main function
        status = 130
    return status if isinstance(status, int) else 0


def prepare(home: Path) -> None:
    """Write the inputs, and a first output of every command."""

    def work() -> None:
        import numpy as np

        import spectessera as spt

        counts = np.random.default_rng(0).poisson(3, (12, 14, 96)).astype(np.uint16)
        counts[:, :5, 10:14] += 40
        spt.write(spt.make_cube(counts, energy=(0.5, 38.0)), home / "scan.h5")
        (home / "space.toml").write_text(
            "[training]\nepochs = 1\nbatch_size = 64\n[network]\nencoder = [8]\nlatent = [2, 3]\n"
            "[clusters]\nk_min = 2\nk_max = 3\nrestarts = 1\n"
        )

    home.mkdir()
    import_what_is_used(work)
    train = Job((*JOBS["train"].arguments[:3], "model.safetensors", "--quiet", *FIT), "", 0)
    for job in (train, *JOBS.values()):
        import_what_is_used(lambda job=job: _command(job, home))
    for job in JOBS.values():
        import_what_is_used(lambda job=job: _check(home / job.output))


def duration(job: Job, home: Path) -> float:
    """Run a command to its end; returns the seconds."""
    began = time.perf_counter()
    must(lambda: _command(job, home))
    return time.perf_counter() - began


def checksum(path: Path) -> str:
    """Return a checksum of a file, or of all files of a folder with their names."""
    digest = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if each.is_file():
            digest.update(each.name.encode() + each.read_bytes())
    return digest.hexdigest()


def wrong_with(home: Path, job: Job) -> str:
    """Return what is wrong with an output, in words; "" if it is whole."""
    process = start(lambda: _check(home / job.output))
    status = process.end()
    return process.said[-600:] if status else ""


def _check(path: Path) -> None:
    """Raise unless an output is whole."""
    import spectessera as spt
    from spectessera.resultfolder import verify

    if path.name == "out":
        verdict = verify(path)
        if not verdict.sound:
            raise ValueError(f"changed {verdict.changed}, missing {verdict.missing}")
        spt.read_result(path)
    elif path.suffix == ".safetensors":
        spt.load(path)
    elif path.suffix:
        spt.read(path)
    else:  # a search
        best = (path / "best.toml").read_text()
        rows = (path / "study.csv").read_text().splitlines()
        if "[network]" not in best or len(rows) != 3:
            raise ValueError(f"{len(rows)} lines in study.csv")


def leftovers(home: Path, known: set[str]) -> list[str]:
    """Return the names of what should not be in the folder."""
    return sorted(
        each.name for each in home.iterdir()
        if each.name not in known and not each.name.endswith(".lock")
    )  # fmt: skip


def clear(home: Path, output: str) -> None:
    """Remove an output, so that the next run makes it anew."""
    path = home / output
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
