"""Search over settings: one training per combination, the best is reported; can be resumed.

Over a grid, as in arXiv 2401.17695, or with the tree-structured Parzen estimator of optuna (Akiba
et al. 2019). Every finished trial is one line of a journal, optuna's journal storage: text, no
pickle. The sampler is not stored, as the draw of a trial depends only on the seed, its number and
the earlier trials: an interrupted search ends like an uninterrupted one.
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
from spectessera.resultfolder import check_place
from spectessera.segmenter.estimator import SpectralSegmenter

from .journal import JOURNAL, Journal, import_optuna, open_journal
from .space import Range, Space, as_space
from .trials import BEST, FIGURE, OBJECTIVES, TABLE, Study, Trial, write_figure, write_tables

__all__ = ["JOURNAL", "OBJECTIVES", "OUTPUTS", "SAMPLERS", "Study", "Trial", "search_settings"]

SAMPLERS = ("grid", "tpe")
OUTPUTS = (TABLE, BEST, FIGURE, JOURNAL)  # in the folder of a search
# A grid with more combinations than this is probably a mistake.
MOST_COMBINATIONS = 100_000
TPE_TRIALS = 50
# Errors of a training due to its data, settings or memory; others are faults of the program.
FAILURES = (ValueError, RuntimeError, ArithmeticError, MemoryError)

SearchProgress = Callable[[str, int, int, str], None]


class _Task(NamedTuple):
    """The arguments that all trials of a search share."""

    space: Space
    cubes: list[xr.DataArray]
    objective: str
    sampler: str
    seed: int
    progress: SearchProgress


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
        With equal spectral axes; every trial is trained on all of them.
    space : Space, mapping, str or Path
        See :func:`spectessera.studies.space.as_space`.
    out : str or Path
        Folder of the study: ``study.csv``, ``best.toml``, ``search.png`` and the journal. An
        existing search of this space on these cubes is resumed.
    objective : "validation", "silhouette", "ari" or "f1"
        Smallest total validation loss at the final weights of its terms; largest silhouette of
        the latents of each cube, over all k; largest adjusted Rand index or macro F1 of the
        clusters of each cube against its coordinate ``reference``. Means over the cubes.
    sampler : "grid" or "tpe"
        All combinations in random order; or the tree-structured Parzen estimator, which also
        accepts ranges.
    trials : int, optional
        Total number, including those of earlier calls; by default the whole grid, or 50.
    seed : int
        Of the order or the draws. The seed of the trainings is a setting.
    progress : callable, optional
        Called with the name of a step, the number of finished parts and of all parts, and a note.

    Returns
    -------
    Study
        Also after Ctrl-C, with ``interrupted``; the next call repeats the trial that was running.

    Raises
    ------
    ImportError
        If optuna is not installed.
    ValueError, TypeError
        If the space or a cube is not valid, the folder holds another search, or all trials failed.
    OSError
        If the folder cannot be written to.
    """
    import_optuna()  # raises before any work
    check_choice("objective", objective, tuple(OBJECTIVES))
    check_choice("sampler", sampler, SAMPLERS)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    checked = as_space(space)
    total = _total(checked, sampler, trials)
    checked_cubes = _check_cubes(cubes, objective)
    task = _Task(checked, checked_cubes, objective, sampler, seed, progress or _silent)
    folder = Path(out)
    _check_output(folder)
    identity = {
        "space": _digest(checked.to_dict()),
        "cubes": _digest([_cube_identity(cube) for cube in checked_cubes]),
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
    """Ignore the progress."""


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
            f"a grid has no ranges, but {', '.join(ranges)} has one: give a list, or sampler='tpe'"
        )
    if size > MOST_COMBINATIONS:
        raise ValueError(
            f"this grid has {size} combinations, more than {MOST_COMBINATIONS}: take fewer "
            "choices, or sampler='tpe'"
        )
    return min(size, trials or size)


def _check_cubes(cubes: Any, objective: str) -> list[xr.DataArray]:
    """Return the cubes as a list; check their axes and, if the objective needs them, references."""
    checked = as_cubes(cubes)
    if checked is None:
        raise TypeError(
            "a search needs a cube or a sequence of cubes, see spectessera.make_cube; got "
            f"{type(cubes).__name__}"
        )
    common_axis(checked)
    for number, cube in enumerate(checked, start=1):
        if objective in ("ari", "f1") and not (_reference(cube) > 0).any():
            raise ValueError(
                f"the objective {objective!r} needs true labels, but cube {number} has no "
                'coordinate "reference" (y, x) with a label above 0'
            )
    return checked


def _reference(cube: xr.DataArray) -> np.ndarray:
    """Return the true labels (y * x,); 0 = none."""
    if "reference" not in cube.coords:
        return np.zeros(cube.sizes["y"] * cube.sizes["x"], dtype=np.int64)
    return np.asarray(cube.coords["reference"].transpose("y", "x").values).ravel()


def _check_output(folder: Path) -> None:
    """Raise before any work if the files cannot be written, or would replace other files."""
    check_place(folder)
    existing = [name for name in (TABLE, BEST, FIGURE) if (folder / name).exists()]
    if existing and not (folder / JOURNAL).exists():
        raise FileExistsError(
            f"{folder} holds {existing[0]}, but no search to resume; give another folder"
        )


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _cube_identity(cube: xr.DataArray) -> dict[str, Any]:
    """Return values that identify a cube, independent of its chunks."""
    pixels = cube.sizes["y"] * cube.sizes["x"]
    rows = np.zeros((pixels, 16), dtype=np.uint8)  # 0 for masked pixels
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
    """Run the missing trials; the files are up to date after every trial."""
    study = Study(task.objective, task.space, tuple(journal.trials()), folder)
    start = sum(trial.state != "interrupted" for trial in study.trials)
    for number in range(start, total):
        task.progress("search", number, total, _best_so_far(study))
        earlier = study.trials[:number]
        trial = _run_trial(task, number, _draw(journal, task, number, earlier), earlier)
        journal.append(trial)
        study = replace(study, trials=(*earlier, trial), interrupted=trial.state == "interrupted")
        write_tables(study)
        if study.interrupted:
            break
    else:
        task.progress("search", total, total, _best_so_far(study))
    write_tables(study)
    write_figure(study)
    return study


def _best_so_far(study: Study) -> str:
    return "" if study.best is None else f"best {study.best.objective:.4g}"


def _draw(journal: Journal, task: _Task, number: int, earlier: tuple[Trial, ...]) -> dict[str, Any]:
    """Return the values of a trial, which follow from seed, number and the earlier trials."""
    if task.sampler == "tpe":
        seed = np.random.SeedSequence([task.seed, number]).generate_state(1)[0]
        return journal.draw(earlier, seed=int(seed))
    size = task.space.size()
    assert size is not None  # checked in _total
    order = np.random.default_rng(task.seed).permutation(size)
    return task.space.combination(int(order[number]))


def _run_trial(
    task: _Task, number: int, values: dict[str, Any], earlier: tuple[Trial, ...]
) -> Trial:
    """Train and score one combination; a failure is recorded in the trial."""
    for other in earlier:
        if other.values == values:  # with the same seed the result is the same
            return replace(other, number=number, seconds=0.0)
    settings = task.space.fixed.get("training", {})
    trial = Trial(
        number, "complete", values, seed=values.get("training.seed", settings.get("seed", 0))
    )
    started = time.perf_counter()
    try:
        trial = replace(trial, **_scores(task, values))
    except FAILURES as error:
        text = " ".join(str(error).split()) or type(error).__name__
        trial = replace(trial, state="failed", error=text)
    except KeyboardInterrupt:
        trial = replace(trial, state="interrupted")
    return replace(trial, seconds=time.perf_counter() - started)


def _scores(task: _Task, values: dict[str, Any]) -> dict[str, Any]:
    """Train a segmenter and return its objective, losses, silhouette and k."""

    def epoch(done: int, total: int, row: dict[str, Any]) -> None:
        task.progress("train", done, total, f"loss {row['validation_total']:.4g}")

    segmenter = SpectralSegmenter(**task.space.configs(values)).fit(task.cubes, progress=epoch)
    history = segmenter.history_
    if history.interrupted:
        raise KeyboardInterrupt
    training: Training = segmenter.config("training")
    best = history.best()
    silhouettes, ks, scores = [], [], []
    for cube in task.cubes:
        latent = segmenter.transform(cube)
        usable = np.isfinite(latent).all(axis=1)
        clustering = segmenter.cluster(latent[usable], seed=training.seed)
        silhouettes.append(float(clustering.curves.score.max()))
        ks.append(len(clustering.centers))
        if task.objective in ("ari", "f1"):
            label = np.zeros(len(latent), dtype=np.int64)
            label[usable] = clustering.labels + 1
            scores.append(float(getattr(compare(label, _reference(cube)), task.objective)))
    silhouette = float(np.mean(silhouettes))
    objective = {
        "validation": best["total"],
        "silhouette": silhouette,
    }.get(task.objective, float(np.mean(scores)) if scores else np.nan)
    if not np.isfinite(objective):
        raise ValueError(f"the objective is not finite ({objective})")
    return {
        "objective": objective,
        "reconstruction": best["reconstruction"],
        "silhouette": silhouette,
        "k": tuple(ks),
    }
