"""The journal of a search: optuna's journal storage, one line of JSON per trial.

optuna's journal file contains JSON only: no pickle, and no sampler. The sampler need not be stored:
a new one is made for every draw, seeded by the number of the trial and given the earlier trials.
A trial is written as one line when it has finished, so a search that is killed at any time resumes
after the last complete line. (optuna's grid sampler is not used: it counts an interrupted trial as
finished.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spectessera._util.locks import flock
from spectessera._util.writing import writing

from .space import Options, Space, encode
from .trials import Trial

JOURNAL = "journal.jsonl"
NAME = "search"  # of the study in the journal


def import_optuna() -> Any:
    """Return optuna.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import optuna.storages.journal
    except ImportError as error:
        raise ImportError(
            'a search needs optuna, which is not installed: pip install "spectessera[search]"'
        ) from error
    return optuna


class Journal:
    """The trials of one search on disk.

    Parameters
    ----------
    study : optuna.Study
    space : Space
    maximise : bool
    """

    def __init__(self, study: Any, space: Space, maximise: bool) -> None:
        self.study = study
        self.space = space
        self.maximise = maximise
        self.optuna = import_optuna()
        self.distributions = self._distributions()
        # Lists and tables are JSON text to optuna; this maps the text back to the value.
        self.decoded = {
            name: {encode(value): value for value in each.values}
            for name, each in space.varied.items()
            if isinstance(each, Options)
        }

    def _distributions(self) -> dict[str, Any]:
        """Return the varied fields as distributions of optuna."""
        kinds = self.optuna.distributions
        distributions: dict[str, Any] = {}
        for name, each in self.space.varied.items():
            if isinstance(each, Options):
                choices = [encode(value) for value in each.values]
                distributions[name] = kinds.CategoricalDistribution(choices)
            elif each.integer:
                distributions[name] = kinds.IntDistribution(
                    each.low, each.high, log=each.log, step=each.step or 1
                )
            else:
                distributions[name] = kinds.FloatDistribution(
                    each.low, each.high, log=each.log, step=each.step
                )
        return distributions

    def _values(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the plain values of optuna's parameters, in the order of the space."""
        return {
            name: self.decoded[name][params[name]] if name in self.decoded else params[name]
            for name in self.space.varied
        }

    def _frozen(self, trial: Trial, otherwise: Any, attributes: dict[str, Any]) -> Any:
        """Return a trial of optuna; its state, if not complete, is ``otherwise``."""
        module = self.optuna.trial
        return module.create_trial(
            state=module.TrialState.COMPLETE if trial.state == "complete" else otherwise,
            value=trial.objective,
            params={name: encode(value) for name, value in trial.values.items()},
            distributions=self.distributions,
            user_attrs=attributes,
        )

    def append(self, trial: Trial) -> None:
        """Write a trial as one line."""
        rest = {n: each for n, each in vars(trial).items() if n not in ("values", "objective")}
        state = self.optuna.trial.TrialState.FAIL
        self.study.add_trial(self._frozen(trial, state, {"trial": rest}))

    def trials(self) -> list[Trial]:
        """Return the trials by number; an interrupted trial is replaced by its repetition."""
        trials: dict[int, Trial] = {}
        for each in self.study.get_trials(deepcopy=False):
            stored = each.user_attrs["trial"]
            trial = Trial(
                values=self._values(each.params),
                objective=each.value,
                **stored | {"k": tuple(stored["k"])},
            )
            trials[trial.number] = trial
        return [trials[number] for number in sorted(trials)]

    def draw(self, earlier: Sequence[Trial], *, seed: int) -> dict[str, Any]:
        """Return the values that the tree-structured Parzen estimator draws next."""
        study = self.optuna.create_study(
            sampler=self.optuna.samplers.TPESampler(seed=seed),
            direction="maximize" if self.maximise else "minimize",
        )
        # For the sampler a pruned trial is a bad one; it would ignore a failed one.
        state = self.optuna.trial.TrialState.PRUNED
        study.add_trials(self._frozen(trial, state, {}) for trial in earlier)
        return self._values(study.ask(self.distributions).params)


@contextmanager
def open_journal(
    folder: Path, identity: dict[str, Any], space: Space, *, maximise: bool
) -> Iterator[Journal]:
    """Open the journal of a search in a folder, a new one or an existing one.

    While the journal is open, the log messages of optuna are switched off.

    Parameters
    ----------
    folder : Path
        Created if needed.
    identity : dict
        Plain values that identify the search.
    space : Space
    maximise : bool

    Yields
    ------
    Journal

    Raises
    ------
    ValueError
        If the journal belongs to another search, or cannot be read.
    BlockingIOError
        If another process uses it.
    """
    optuna = import_optuna()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOURNAL
    with writing(path), _locked(path):
        _drop_partial_line(path)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            yield _load(path, identity, space, maximise)
        finally:
            optuna.logging.set_verbosity(verbosity)


class _Unlocked:
    """No lock of optuna, which a killed process would leave behind: see :func:`_locked`."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


@contextmanager
def _locked(journal: Path) -> Iterator[None]:
    """Lock a search against other processes; the system releases the lock with the process."""
    with open(journal, "ab") as file:
        try:
            flock(file.fileno())
        except BlockingIOError as error:
            raise BlockingIOError(
                f"another process is running the search in {journal.parent}"
            ) from error
        yield


def _drop_partial_line(journal: Path) -> None:
    """Remove the last line if a killed process wrote only part of it."""
    text = journal.read_bytes()
    complete = text.rfind(b"\n") + 1
    if complete < len(text):
        os.truncate(journal, complete)


def _load(path: Path, identity: dict[str, Any], space: Space, maximise: bool) -> Journal:
    """Return the journal of a file; raise if it belongs to another search."""
    optuna = import_optuna()
    backend = optuna.storages.journal.JournalFileBackend(str(path), lock_obj=_Unlocked())
    try:
        storage = optuna.storages.JournalStorage(backend)
        if NAME in optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=NAME, storage=storage)
        else:
            direction = "maximize" if maximise else "minimize"
            study = optuna.create_study(study_name=NAME, storage=storage, direction=direction)
        before, trials = study.user_attrs.get("identity"), study.get_trials(deepcopy=False)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        raise ValueError(f"{path} is damaged or not a journal of a search ({error!r})") from error
    if before is None and not trials:
        study.set_user_attr("identity", identity)
    elif before != identity:
        before = before if isinstance(before, dict) else {}
        other = [name for name, each in identity.items() if before.get(name) != each]
        raise ValueError(
            f"{path.parent} holds a search that differs in: {', '.join(other)}; give another folder"
        )
    return Journal(study, space, maximise)
