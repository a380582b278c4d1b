"""How often clusters of one pigment get its name: synthetic cubes, the shipped model.

python -m benchmarks.naming                      20 seeds; prints tables
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

from .drawn import all_pigments, pigments
from .pages import page as one_page

GAINS = (0.97, 0.985, 0.99, 0.995, 1.0, 1.005, 1.01, 1.015, 1.03)
PALETTES = ("choirbook", "gothic-book")
COUNTS, SIDE, FIRST_SEED = 400, 64, 2000
PURE = 0.95  # least share of the most frequent pigment in a pure cluster
LEAST_PIXELS = 10


class Named(NamedTuple):
    """A cluster of one pigment, and its first candidate."""

    truth: str
    offered: tuple[str, ...]  # pigments of the first candidate, the likeliest first
    group: tuple[str, ...]  # pigments that a template classifier cannot separate from the truth


def page(palette: str, seed: int) -> tuple[object, np.ndarray, tuple[str, ...]]:
    """Return a page with one pigment of varying thickness per pixel, and its pigments (y, x)."""
    cube, truth = one_page("load", seed, SIDE, palette, COUNTS)
    return cube, np.asarray(truth["weight"]).argmax(axis=2), load_palette(palette).pigments


def drawn(palette: str, seed: int) -> tuple[object, np.ndarray, tuple[str, ...]]:
    """Return 4,000 spectra of exact counts, all pigments equally frequent, as one column."""
    spectra = pigments(palette, "load", COUNTS, seed)
    return spectra.cube(), spectra.label[:, None] - 1, load_palette(palette).pigments


KINDS = {"page": page, "drawn": drawn}


@cache
def groups(log_counts: int) -> tuple[tuple[str, ...], ...]:
    """Return the inseparable groups; 100 times the decimal logarithm of the counts is given."""
    return inseparable("all", 10 ** (log_counts / 100))


def clusters(kind: str, palette: str, seed: int) -> Iterator[Named | None]:
    """Yield every cluster with its first candidate; None for a cluster of several pigments."""
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
        candidates = pigment_candidates(mean, int(size), axis)
        right = names[int(members.argmax())]
        at = groups(int(100 * np.log10(mean.sum() * size)))
        group = next(each for each in at if right in each)
        offered = tuple(candidates[0].name.split(" or ")) if candidates else ()
        yield Named(right, offered, group)


@cache
def _model() -> spt.SpectralSegmenter:
    return spt.load("maxrf")


def row(kind: str, palette: str, seeds: int) -> str:
    """Return the row of one kind of cube."""
    every = [each for s in range(seeds) for each in clusters(kind, palette, FIRST_SEED + s)]
    pure = [each for each in every if each is not None]
    for each in pure:
        if each.truth not in each.offered:
            print(f"{kind} {palette}: {each.truth} was named {' or '.join(each.offered)}")
    exact = np.mean([each.offered[:1] == (each.truth,) for each in pure])
    split = np.mean([bool(each.offered) and each.offered[0] in each.group for each in pure])
    offered = np.mean([each.truth in each.offered for each in pure])
    unnamed = sum(not each.offered for each in pure)
    sizes = [np.mean([len(each) for each in column]) for column in zip(*pure, strict=True)][1:]
    return (
        f"| {kind} | {palette} | {len(pure)} of {len(every)} | {unnamed} | {exact:.1%} | "
        f"{split:.1%} | {sizes[1]:.2f} | {offered:.1%} | {sizes[0]:.2f} |"
    )


def table(seeds: int) -> list[str]:
    """Return the lines of the table."""
    heads = (
        "cube", "palette", "pure clusters", "without a name", "likeliest is right",
        "or in its inseparable group", "mean size of these groups", "right is in first candidate",
        "pigments per first candidate",
    )  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += [row(kind, palette, seeds) for kind in KINDS for palette in PALETTES]
    return lines


def stretched() -> list[str]:
    """Return for how many of the 24 pigments the calibration is reported as wrong, by its error.

    Spectra at nominal thickness with fixed total counts; energies are multiplied by a factor.
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
            axis, reported = Axis(paint.axis.values * gain, "keV"), 0
            for rate in nominal:
                counts = generator.poisson(total * rate / rate.sum()).astype(float)
                naming = name_xray(counts, np.sqrt(np.maximum(counts, 1)), axis)
                reported += any(each.code == "W-NAME-CALIBRATION" for each in naming.warnings)
            cells.append(str(reported))
        lines.append(f"| {total:g} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    torch.set_num_threads(1)
    print("\n".join(table(parser.parse_args().seeds)))
    print("\nPigments (of 24) for which a wrong calibration is reported, by factor\n")
    print("\n".join(stretched()))


if __name__ == "__main__":
    main()
