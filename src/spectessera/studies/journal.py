"""The journal of a search: optuna's own storage, one line of JSON per trial, and its sampler.

No pickle: optuna's journal of a file holds JSON alone, and no samplers. They need not be kept: a
new one is made for every draw, seeded by the number of the trial, and told of the trials before.
A trial is written when it is done, as one line, so that a search that is killed at any moment
goes on from the last whole trial. (optuna's own grid sampler is not used: it counts a trial that
was interrupted as done.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .space import Options, Space, encode
from .trials import Trial

JOURNAL = "journal.jsonl"
NAME = "search"  # of the study in it


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
        # Lists and tables are JSON text to optuna; this is the way back.
        self.plain = {
            name: {encode(value): value for value in each.values}
            for name, each in space.varied.items()
            if isinstance(each, Options)
        }

    def _distributions(self) -> dict[str, Any]:
        """Return the varied fields in the words of optuna."""
        kinds = self.optuna.distributions
        found: dict[str, Any] = {}
        for name, each in self.space.varied.items():
            if isinstance(each, Options):
                choices = [encode(value) for value in each.values]
                found[name] = kinds.CategoricalDistribution(choices)
            elif each.integer:
                found[name] = kinds.IntDistribution(
                    each.low, each.high, log=each.log, step=each.step or 1
                )
            else:
                found[name] = kinds.FloatDistribution(
                    each.low, each.high, log=each.log, step=each.step
                )
        return found

    def _values(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return plain values of optuna's parameters, in the order of the space."""
        return {
            name: self.plain[name][params[name]] if name in self.plain else params[name]
            for name in self.space.varied
        }

    def _frozen(self, trial: Trial, otherwise: Any, told: dict[str, Any]) -> Any:
        """Return a trial in the words of optuna; its state, if not complete, is ``otherwise``."""
        made = self.optuna.trial
        return made.create_trial(
            state=made.TrialState.COMPLETE if trial.state == "complete" else otherwise,
            value=trial.objective,
            params={name: encode(value) for name, value in trial.values.items()},
            distributions=self.distributions,
            user_attrs=told,
        )

    def keep(self, trial: Trial) -> None:
        """Write a trial: one line, whole or not at all."""
        told = {n: each for n, each in vars(trial).items() if n not in ("values", "objective")}
        state = self.optuna.trial.TrialState.FAIL
        self.study.add_trial(self._frozen(trial, state, {"trial": told}))

    def trials(self) -> list[Trial]:
        """Return the trials by number; an interrupted one only until it was tried again."""
        found: dict[int, Trial] = {}
        for each in self.study.get_trials(deepcopy=False):
            told = each.user_attrs["trial"]
            trial = Trial(
                values=self._values(each.params),
                objective=each.value,
                **told | {"k": tuple(told["k"])},
            )
            found[trial.number] = trial
        return [found[number] for number in sorted(found)]

    def draw(self, done: Sequence[Trial], *, seed: int) -> dict[str, Any]:
        """Return the values that the tree of Parzen estimators would try after some trials."""
        memory = self.optuna.create_study(
            sampler=self.optuna.samplers.TPESampler(seed=seed),
            direction="maximize" if self.maximise else "minimize",
        )
        # To the sampler a pruned trial is a bad one; a failed one it would forget.
        state = self.optuna.trial.TrialState.PRUNED
        memory.add_trials(self._frozen(trial, state, {}) for trial in done)
        return self._values(memory.ask(self.distributions).params)


@contextmanager
def open_journal(
    folder: Path, identity: dict[str, Any], space: Space, *, maximise: bool
) -> Iterator[Journal]:
    """Open the journal of a search in a folder, a new one or one to go on with.

    optuna logs to standard error by itself; as long as the journal is open it does not.

    Parameters
    ----------
    folder : Path
        Made if need be.
    identity : dict
        Plain values that tell this search from others.
    space : Space
    maximise : bool

    Yields
    ------
    Journal

    Raises
    ------
    ValueError
        If the journal is that of another search, or cannot be read.
    BlockingIOError
        If another process is at work on it.
    """
    optuna = import_optuna()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOURNAL
    with _alone(path):
        _mend(path)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            yield _load(path, identity, space, maximise)
        finally:
            optuna.logging.set_verbosity(verbosity)


class _Unlocked:
    """No lock of optuna's, which a killed process would leave behind: see :func:`_alone`."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


@contextmanager
def _alone(journal: Path) -> Iterator[None]:
    """Keep other processes from the same search; the system ends this with the process."""
    with open(journal, "ab") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    f"another process is at work on the search in {journal.parent}"
                ) from error
        yield


def _mend(journal: Path) -> None:
    """Take away the last line if a killed process did not write it to its end."""
    text = journal.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        os.truncate(journal, whole)


def _load(path: Path, identity: dict[str, Any], space: Space, maximise: bool) -> Journal:
    """Return the journal of a file, if it is that of this search."""
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
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"{path} is damaged, or no journal of a search ({error!r})") from error
    if before is None and not trials:
        study.set_user_attr("identity", identity)
    elif before != identity:
        before = before if isinstance(before, dict) else {}
        other = [name for name, each in identity.items() if before.get(name) != each]
        raise ValueError(
            f"{path.parent} holds a search with another {', another '.join(other)}; give another "
            "folder"
        )
    return Journal(study, space, maximise)
