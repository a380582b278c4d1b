"""Search over settings: many trainings, the best of which is told, kept so that it can go on.

As in arXiv 2401.17695, over a grid; or with the tree of Parzen estimators of optuna (Akiba et al.
2019). Every finished trial is one line of a journal, optuna's own storage: text, no pickle.
Samplers are not stored there. They need not be: the draw of a trial depends on the seed, its
number and the trials before it alone, so that a search that was interrupted goes on as if nothing
had happened.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_choice, check_number
from spectessera.cube import blocks, read_block, spectral_axis
from spectessera.evaluate import compare
from spectessera.network.settings import Training
from spectessera.preprocess.training_spectra import as_cubes, common_axis
from spectessera.resultfolder import check_folder
from spectessera.segmenter.estimator import SpectralSegmenter

from .journal import JOURNAL, Journal, import_optuna, open_journal
from .space import Range, Space, as_space
from .trials import BEST, FIGURE, OBJECTIVES, TABLE, Study, Trial, write_figure, write_tables

__all__ = ["JOURNAL", "OBJECTIVES", "SAMPLERS", "Study", "Trial", "search_settings"]

SAMPLERS = ("grid", "tpe")
# A grid of more combinations than this is a slip of the pen.
MOST_COMBINATIONS = 100_000
TPE_TRIALS = 50
# What a training raises over its data or its settings, and memory; anything else is a fault.
FAILURES = (ValueError, RuntimeError, ArithmeticError, MemoryError)

SearchProgress = Callable[[str, int, int, str], None]


class _Task(NamedTuple):
    """What is the same for all trials of a search."""

    space: Space
    cubes: list[xr.DataArray]
    objective: str
    sampler: str
    seed: int
    tell: SearchProgress


def search_settings(
    cubes: Any,
    space: Space | dict[str, Any] | str | Path,
    out: str | Path,
    *,
    objective: str = "validation",
    sampler: str = "grid",
    trials: int | None = None,
    seed: int = 0,
    progress: SearchProgress | None = None,
) -> Study:
    """Train a segmenter for many settings and find the best.

    Parameters
    ----------
    cubes : DataArray (y, x, channel), or sequence of them
        On one spectral axis; every trial is trained on all of them.
    space : Space, mapping, str or Path
        See :func:`spectessera.studies.space.as_space`.
    out : str or Path
        Folder of the study: ``study.csv``, ``best.toml``, ``search.png``, and the journal. If a
        search of this space on these cubes is there already, it goes on.
    objective : "validation", "silhouette", "ari" or "f1"
        Smallest total validation loss at the final weights; largest silhouette of the cubes'
        latents with the k of the best; largest adjusted Rand index or macro F1 of the clusters
        of each cube against its coordinate ``reference``. Means over the cubes.
    sampler : "grid" or "tpe"
        All combinations in an order drawn from the seed; or the tree of Parzen estimators, which
        also takes ranges.
    trials : int, optional
        In all, those of earlier calls counted; by default the whole grid, or 50.
    seed : int
        Of the order or the draws. That of the trainings is a setting.
    progress : callable, optional
        Called with the name of a step, the parts done, the parts in all and a note.

    Returns
    -------
    Study
        After Ctrl-C too, with ``interrupted``: the trial at work then is tried again next time.

    Raises
    ------
    ImportError
        If optuna is not installed.
    ValueError, TypeError
        If the space or a cube is refused, the folder holds another search, or all trials failed.
    OSError
        If the folder cannot be written to.
    """
    import_optuna()  # complain before any work
    check_choice("objective", objective, tuple(OBJECTIVES))
    check_choice("sampler", sampler, SAMPLERS)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    checked = as_space(space)
    total = _total(checked, sampler, trials)
    found = _check_cubes(cubes, objective)
    task = _Task(checked, found, objective, sampler, seed, progress or _silent)
    folder = Path(out)
    _check_place(folder)
    identity = {
        "space": _digest(checked.to_dict()),
        "cubes": _digest([_cube_identity(cube) for cube in found]),
        "objective": objective,
        "sampler": sampler,
        "seed": seed,
    }
    with open_journal(folder, identity, checked, maximise=OBJECTIVES[objective]) as journal:
        study = _run(journal, task, total, folder)
    if study.best is None and not study.interrupted:
        raise ValueError(
            f"all {len(study.trials)} trials failed, see {folder / TABLE}; the first: "
            f"{study.trials[0].error}"
        )
    return study


# --- checks ------------------------------------------------------------------------------------


def _silent(_step: str, _done: int, _total: int, _note: str) -> None:
    """Tell nobody."""


def _total(space: Space, sampler: str, trials: int | None) -> int:
    """Return the number of trials."""
    if trials is not None:
        check_number("trials", trials, low=1, integer=True)
    if sampler == "tpe":
        return trials or TPE_TRIALS
    size = space.size()
    if size is None:
        ranges = [name for name, each in space.varied.items() if isinstance(each, Range)]
        raise ValueError(
            f"a grid has no ranges; {', '.join(ranges)} has one: give a list, or sampler='tpe'"
        )
    if size > MOST_COMBINATIONS:
        raise ValueError(
            f"this grid has {size} combinations, more than {MOST_COMBINATIONS}: take fewer "
            "choices, or sampler='tpe'"
        )
    return min(size, trials or size)


def _check_cubes(cubes: Any, objective: str) -> list[xr.DataArray]:
    """Return the cubes as a list; of one axis and with references if the objective needs them."""
    found = as_cubes(cubes)
    if found is None:
        raise TypeError("a search is on a cube or a sequence of cubes, see spectessera.make_cube")
    common_axis(found)
    for number, cube in enumerate(found, start=1):
        if objective in ("ari", "f1") and not (_reference(cube) > 0).any():
            raise ValueError(
                f"the objective {objective!r} needs true labels, but cube {number} has no "
                'coordinate "reference" (y, x) with any above 0'
            )
    return found


def _reference(cube: xr.DataArray) -> np.ndarray:
    """Return the true labels (y * x,); 0 = none."""
    if "reference" not in cube.coords:
        return np.zeros(cube.sizes["y"] * cube.sizes["x"], dtype=np.int64)
    return np.asarray(cube.coords["reference"].transpose("y", "x").values).ravel()


def _check_place(folder: Path) -> None:
    """Raise before any work if the files cannot be written, or would replace other ones."""
    check_folder(folder, overwrite=True)
    there = [name for name in (TABLE, BEST, FIGURE) if (folder / name).exists()]
    if there and not (folder / JOURNAL).exists():
        raise FileExistsError(
            f"{folder} holds {there[0]}, but no search that could go on; give another folder"
        )


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _cube_identity(cube: xr.DataArray) -> dict[str, Any]:
    """Return what tells a cube from others, whatever its chunks."""
    pixels = cube.sizes["y"] * cube.sizes["x"]
    rows = np.zeros((pixels, 16), dtype=np.uint8)  # masked ones stay 0
    for block in blocks(cube):
        spectra = read_block(cube, block)
        for number, pixel in enumerate(spectra.pixel):
            digest = hashlib.blake2b(spectra.values[number].tobytes(), digest_size=16)
            if spectra.variance is not None:
                digest.update(spectra.variance[number].tobytes())
            rows[pixel] = np.frombuffer(digest.digest(), dtype=np.uint8)
    return {
        "shape": list(cube.shape),
        "axis": spectral_axis(cube).to_dict(),
        "saturation": str(cube.attrs.get("saturation")),
        "pixels": hashlib.sha256(rows.tobytes()).hexdigest(),
        "reference": hashlib.sha256(_reference(cube).astype(np.int64).tobytes()).hexdigest(),
    }


# --- the trials --------------------------------------------------------------------------------


def _run(journal: Journal, task: _Task, total: int, folder: Path) -> Study:
    """Try what has not been tried yet; the files are up to date after every trial."""
    study = Study(task.objective, task.space, tuple(journal.trials()), folder)
    start = sum(trial.state != "interrupted" for trial in study.trials)
    for number in range(start, total):
        task.tell("search", number, total, _so_far(study))
        done = study.trials[:number]
        trial = _attempt(task, number, _draw(journal, task, number, done), done)
        journal.keep(trial)
        study = replace(study, trials=(*done, trial), interrupted=trial.state == "interrupted")
        write_tables(study)
        if study.interrupted:
            break
    else:
        task.tell("search", total, total, _so_far(study))
    write_tables(study)
    write_figure(study)
    return study


def _so_far(study: Study) -> str:
    return "" if study.best is None else f"best {study.best.objective:.4g}"


def _draw(journal: Journal, task: _Task, number: int, done: tuple[Trial, ...]) -> dict[str, Any]:
    """Return the values of a trial: they follow from seed, number and the trials before."""
    if task.sampler == "tpe":
        seed = np.random.SeedSequence([task.seed, number]).generate_state(1)[0]
        return journal.draw(done, seed=int(seed))
    size = task.space.size()
    assert size is not None  # _total has seen to it
    order = np.random.default_rng(task.seed).permutation(size)
    return task.space.combination(int(order[number]))


def _attempt(task: _Task, number: int, values: dict[str, Any], done: tuple[Trial, ...]) -> Trial:
    """Train and judge one combination; a failure is an answer too."""
    for before in done:
        if before.values == values:  # it would end the same
            return replace(before, number=number, seconds=0.0)
    settings = task.space.fixed.get("training", {})
    trial = Trial(
        number, "complete", values, seed=values.get("training.seed", settings.get("seed", 0))
    )
    started = time.perf_counter()
    try:
        found = _measure(task, values)
        trial = replace(trial, **found)
    except FAILURES as error:
        text = " ".join(str(error).split()) or type(error).__name__
        trial = replace(trial, state="failed", error=text)
    except KeyboardInterrupt:
        trial = replace(trial, state="interrupted")
    return replace(trial, seconds=time.perf_counter() - started)


def _measure(task: _Task, values: dict[str, Any]) -> dict[str, Any]:
    """Train a segmenter and return what it is judged by."""

    def epoch(done: int, total: int, row: dict[str, Any]) -> None:
        task.tell("train", done, total, f"loss {row['validation_total']:.4g}")

    segmenter = SpectralSegmenter(**task.space.configs(values)).fit(task.cubes, progress=epoch)
    history = segmenter.history_
    if history.interrupted:
        raise KeyboardInterrupt
    training: Training = segmenter.config("training")
    kept = history.rows[history.best_epoch]
    silhouettes, ks, scores = [], [], []
    for cube in task.cubes:
        latent = segmenter.transform(cube)
        usable = np.isfinite(latent).all(axis=1)
        found = segmenter.cluster(latent[usable], seed=training.seed)
        silhouettes.append(float(found.curves.score.max()))
        ks.append(len(found.centers))
        if task.objective in ("ari", "f1"):
            label = np.zeros(len(latent), dtype=np.int64)
            label[usable] = found.labels + 1
            scores.append(float(getattr(compare(label, _reference(cube)), task.objective)))
    silhouette = float(np.mean(silhouettes))
    objective = {
        "validation": kept["validation_total"],
        "silhouette": silhouette,
    }.get(task.objective, float(np.mean(scores)) if scores else np.nan)
    if not np.isfinite(objective):
        raise ValueError(f"the objective is not finite ({objective})")
    return {
        "objective": objective,
        "reconstruction": kept["validation_reconstruction"],
        "silhouette": silhouette,
        "k": tuple(ks),
    }
