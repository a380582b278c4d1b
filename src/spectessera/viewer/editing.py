"""The corrections of a person in a viewer: acts that are applied, undone and done again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from spectessera.edits import (
    Act,
    Mask,
    apply_edits,
    needs_cube,
    save_edits,
)
from spectessera.result import stored_edits

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter

KEPT = 30  # results that are kept to be undone at once; older ones are made again

LoadSegmenter = Callable[[], "SpectralSegmenter | None"]


class Editing:
    """A result, what people have done to it, and what they have undone.

    Parameters
    ----------
    recorded : Dataset
        Of the run, without acts.
    acts : sequence of Act
        That were done before.
    current : Dataset
        The result with these.
    cube : DataArray (y, x, channel) or None
    load_segmenter : callable
        Returns the segmenter of the run; None where it is not known.
    folder : Path or None
        In which the acts are kept.
    """

    def __init__(
        self,
        recorded: xr.Dataset,
        acts: Sequence[Act],
        current: xr.Dataset,
        cube: xr.DataArray | None,
        load_segmenter: LoadSegmenter,
        folder: Path | None = None,
    ) -> None:
        self.acts: tuple[Act, ...] = tuple(acts)
        self.undone: list[Act] = []
        self.result = current
        self._recorded, self._cube = recorded, cube
        self._load = load_segmenter
        self._results = {(): recorded, self.acts: current}
        self._lock = threading.RLock()
        self.folder, self._saved = folder, self.acts

    def do(self, act: Act) -> None:
        """Apply one more act; what was undone before can no longer be done again."""
        with self._lock:
            self._go((*self.acts, act))
            self.undone = []

    def undo(self) -> None:
        """Take the last act back: the result is the same bits as before it."""
        with self._lock:
            if not self.acts:
                raise ValueError("there is nothing to undo")
            last = self.acts[-1]
            self._go(self.acts[:-1])
            self.undone.append(last)

    def redo(self) -> None:
        """Do the act again that was undone last."""
        with self._lock:
            if not self.undone:
                raise ValueError("there is nothing to do again")
            self._go((*self.acts, self.undone[-1]))
            self.undone.pop()

    def _go(self, acts: tuple[Act, ...]) -> None:
        """Make the result of these acts the one that is shown."""
        if acts not in self._results:
            known = max((each for each in self._results if acts[: len(each)] == each), key=len)
            rest = acts[len(known) :]
            result = self._results[known]
            for act in rest:
                result = self._applied(result, act)
            self._results[acts] = result
        self.acts, self.result = acts, self._results[acts]
        old = [each for each in self._results if each not in ((), acts)]
        for each in old[: max(0, len(old) - KEPT)]:
            del self._results[each]

    def _applied(self, result: xr.Dataset, act: Act) -> xr.Dataset:
        """Return a result with one more act; the model is loaded for those that use the cube."""
        if not needs_cube(act):
            return apply_edits(result, [act])
        segmenter = self._load()
        # In a folder, a mask is kept only with the spectra of what is left.
        means = self.folder is not None or segmenter is not None or not isinstance(act, Mask)
        return apply_edits(result, [act], self._cube, segmenter, means=means)

    def save(self) -> bool:
        """Keep the acts in the folder of the result, where there is one; whether it was needed."""
        with self._lock:
            acts, result = self.acts, self.result
        if self.folder is None or acts == self._saved:
            return False
        save_edits(self.folder, acts, edited=result, before=self._saved)
        self._saved = acts
        return True

    def words(self) -> str:
        """Return what was done last, in words."""
        done = stored_edits(self.result)
        return str(done[-1]["words"]) if done else ""
