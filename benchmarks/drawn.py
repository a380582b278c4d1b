"""Spectra with known classes: drawn by the simulator of the package, and real cubes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

import spectessera as spt
from spectessera.axis import Axis
from spectessera.synth import load_palette, nebular_spectra, xrf_spectra
from spectessera.synth.paint.palettes import Palette, assemble
from spectessera.synth.paint.pigments import PIGMENTS

SPECTRA = 4000


@dataclass(frozen=True, eq=False)
class Drawn:
    """Spectra (n, channel) with their truth.

    ``label`` (n,): classes, 0 = none; ``model``: the shipped one for such spectra; ``shape``:
    height and width of a map of counts, whose rows follow each other.
    """

    spectra: np.ndarray
    label: np.ndarray
    axis: Axis
    model: str | None
    shape: tuple[int, int] | None = None

    @property
    def k(self) -> int:
        """Number of classes."""
        return len(np.unique(self.label[self.label > 0]))

    def cube(self) -> object:
        """Return the spectra as a cube, of one column if they are no map."""
        counted = self.model == "maxrf" or self.shape is not None
        values = self.spectra.astype(np.uint16) if counted else self.spectra
        shape = self.shape or (len(values), 1)
        return spt.make_cube(values.reshape(*shape, -1), axis=self.axis)


# --- sets ------------------------------------------------------------------------------------


@cache
def all_pigments() -> Palette:
    """Return the palette of all 24 pigments."""
    return assemble("all", list(PIGMENTS.values()))


def pigments(palette: str, mode: str, counts: int, seed: int) -> Drawn:
    """Draw XRF spectra, their 1024 channels summed in pairs."""
    paint = all_pigments() if palette == "all" else load_palette(palette)
    block = xrf_spectra(SPECTRA, paint, mode, counts, seed=seed).collect()
    spectra = block.spectra.reshape(SPECTRA, 512, 2).sum(axis=2).astype(np.float32)
    axis = Axis(paint.axis.values.reshape(512, 2).mean(axis=1), "keV")
    return Drawn(spectra, block.label, axis, "maxrf")


def nebulae(low: float, high: float, background: float, seed: int) -> Drawn:
    """Draw nebular spectra; spectra of pure noise are a separate class."""
    axis = Axis(np.linspace(4750, 9350, 1024), "angstrom", medium="air")
    stream = nebular_spectra(SPECTRA, (low, high), background=background, seed=seed, axis=axis)
    block = stream.collect()
    return Drawn(block.spectra, block.label + (background > 0), axis, "nebulae")


def indian_pines(seed: int) -> Drawn:  # noqa: ARG001 (a real cube is the same for every seed)
    """Return the AVIRIS cube that ships with the package tensorly."""
    from tensorly.datasets import load_indian_pines

    bunch = load_indian_pines()
    values = np.asarray(bunch.tensor, dtype=np.float32)
    label = np.asarray(bunch.ticks[0], dtype=np.int64).reshape(-1)
    return Drawn(values.reshape(len(label), -1), label, Axis(np.arange(values.shape[2])), None)


def jasper_ridge(folder: Path, seed: int) -> Drawn:  # noqa: ARG001
    """Return the AVIRIS cube of a file with ``cube`` and ``labels``."""
    with np.load(folder / "jasper_ridge.npz", allow_pickle=False) as stored:
        values, label = stored["cube"].astype(np.float32), stored["labels"].reshape(-1)
    spectra = values.reshape(len(label), -1)
    return Drawn(spectra, label.astype(np.int64), Axis(np.arange(spectra.shape[1])), None)


SETS: dict[str, Callable[[int], Drawn]] = {
    "8 load, 400": partial(pigments, "choirbook", "load", 400),
    "8 mix, 400": partial(pigments, "choirbook", "mix", 400),
    "8 mix, 1000": partial(pigments, "choirbook", "mix", 1000),
    "12 load, 400": partial(pigments, "gothic-book", "load", 400),
    "12 load, 1000": partial(pigments, "gothic-book", "load", 1000),
    "12 mix, 400": partial(pigments, "gothic-book", "mix", 400),
    "24 load, 1000": partial(pigments, "all", "load", 1000),
    "nebulae, S/N 5-10": partial(nebulae, 5, 10, 0.0),
    "nebulae, S/N 10-30": partial(nebulae, 10, 30, 0.0),
    "nebulae, S/N 30-100": partial(nebulae, 30, 100, 0.0),
    "nebulae, S/N 10-30, a quarter noise": partial(nebulae, 10, 30, 0.25),
    "Indian Pines": indian_pines,
}
