"""How often clusters of one pigment get its name: synthetic cubes, the model that ships.

python -m benchmarks.naming                      20 seeds, prints a table
python -m benchmarks.naming --seeds 2
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

import spectessera as spt
from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.naming.pigments.match import inseparable, pigment_candidates
from spectessera.naming.xray.elements import name_xray
from spectessera.synth import load_palette

from .pages import page as one_page
from .quality import all_pigments, pigments

GAINS = (0.97, 0.985, 0.99, 0.995, 1.0, 1.005, 1.01, 1.015, 1.03)
PALETTES = ("choirbook", "gothic-book")
COUNTS, SIDE, FIRST_SEED = 400, 64, 2000
PURE = 0.95  # share of the pixels of a cluster that are of one pigment
LEAST_PIXELS = 10


class Judged(NamedTuple):
    """A cluster that is of one pigment, and what was said of it."""

    truth: str
    offered: tuple[str, ...]  # names of the first candidate, the likeliest first
    group: tuple[str, ...]  # what a template classifier cannot split from the truth


def page(palette: str, seed: int) -> tuple[object, np.ndarray, tuple[str, ...]]:
    """Return a page, every pixel one pigment of varying thickness, and its pigments (y, x)."""
    cube, truth = one_page("load", seed, SIDE, palette, COUNTS)
    return cube, np.asarray(truth["weight"]).argmax(axis=2), load_palette(palette).pigments


def drawn(palette: str, seed: int) -> tuple[object, np.ndarray, tuple[str, ...]]:
    """Return 4,000 spectra of exact counts, all pigments equally frequent, as one column."""
    found = pigments(palette, "load", COUNTS, seed)
    return found.cube(), found.label[:, None] - 1, load_palette(palette).pigments


KINDS = {"page": page, "drawn": drawn}


@cache
def groups(decade: int) -> tuple[tuple[str, ...], ...]:
    """Return the groups at counts that are told by their logarithm, in hundredths."""
    return inseparable("all", 10 ** (decade / 100))


def clusters(kind: str, palette: str, seed: int) -> Iterator[Judged | None]:
    """Yield what is said of every cluster; None of one that is of several pigments."""
    cube, truth, names = KINDS[kind](palette, seed)
    result = spt.segment(cube, _model(), seed=seed)
    label, axis = np.asarray(result["label"]), spectral_axis(cube)
    for number, mean, size in zip(
        result["cluster"].values, result["mean_spectrum"].values, result["size"].values, strict=True
    ):
        members = np.bincount(truth[label == number], minlength=len(names))
        if members.max() < PURE * members.sum() or members.sum() < LEAST_PIXELS:
            yield None
            continue
        found = pigment_candidates(mean, int(size), axis)
        right = names[int(members.argmax())]
        at = groups(int(100 * np.log10(mean.sum() * size)))
        group = next(each for each in at if right in each)
        yield Judged(right, tuple(found[0].name.split(" or ")) if found else (), group)


@cache
def _model() -> spt.SpectralSegmenter:
    return spt.load("maxrf")


def row(kind: str, palette: str, seeds: int) -> str:
    """Return the row of one kind of cube."""
    every = [each for s in range(seeds) for each in clusters(kind, palette, FIRST_SEED + s)]
    pure = [each for each in every if each is not None]
    for each in pure:
        if each.truth not in each.offered:
            print(f"{kind} {palette}: {each.truth} was called {' or '.join(each.offered)}")
    exact = np.mean([each.offered[:1] == (each.truth,) for each in pure])
    split = np.mean([bool(each.offered) and each.offered[0] in each.group for each in pure])
    offered = np.mean([each.truth in each.offered for each in pure])
    silent = sum(not each.offered for each in pure)
    sizes = [np.mean([len(each) for each in column]) for column in zip(*pure, strict=True)][1:]
    return (
        f"| {kind} | {palette} | {len(pure)} of {len(every)} | {silent} | {exact:.1%} | "
        f"{split:.1%} | {sizes[1]:.2f} | {offered:.1%} | {sizes[0]:.2f} |"
    )


def table(seeds: int) -> list[str]:
    """Return the lines of the table."""
    heads = (
        "cube", "palette", "pure clusters", "silent", "likeliest is right",
        "or of its inseparable group", "size of those groups", "right is in the first candidate",
        "pigments in that",
    )  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += [row(kind, palette, seeds) for kind in KINDS for palette in PALETTES]
    return lines


def stretched() -> list[str]:
    """Return how many of the 24 pigments get told that the calibration is off, by how much it is.

    Spectra at the nominal thickness, of as many counts in all, with energies that were multiplied.
    """
    paint = all_pigments()
    nominal = paint.spectra[:, np.abs(paint.factors - 1).argmin()]
    generator = np.random.default_rng(FIRST_SEED)
    lines = [
        "| counts | " + " | ".join(f"{gain:g}" for gain in GAINS) + " |",
        "|---" * (len(GAINS) + 1) + "|",
    ]
    for total in (4e4, 1e6, 1e7):
        cells = []
        for gain in GAINS:
            axis, told = Axis(paint.axis.values * gain, "keV"), 0
            for rate in nominal:
                counts = generator.poisson(total * rate / rate.sum()).astype(float)
                naming = name_xray(counts, np.sqrt(np.maximum(counts, 1)), axis)
                told += any(each.code == "W-NAME-CALIBRATION" for each in naming.warnings)
            cells.append(str(told))
        lines.append(f"| {total:g} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    torch.set_num_threads(1)
    print("\n".join(table(parser.parse_args().seeds)))
    print("\nCalibration off by a factor: told so, of 24 pigments\n")
    print("\n".join(stretched()))


if __name__ == "__main__":
    main()
