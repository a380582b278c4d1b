"""Whether a wider randomisation of the simulated spectra makes a better `maxrf`.

    python -m benchmarks.randomisation bank NAME BANK        its spectra; needs xraylib
    python -m benchmarks.randomisation train NAME BANK FILE  train a model on them
    python -m benchmarks.randomisation tuning NAME FILE ...  compare models, seeds for tuning
    python -m benchmarks.randomisation run NAME FILE ...     the same, seeds that are shown
    python -m benchmarks.randomisation                       write the table in docs/models.md

NAME is one of ``VARIATIONS``; BANK is a file that ends with .npz.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera._util.constants import ELECTRON
from spectessera.network.modelfile import model_path
from spectessera.result import number_chosen
from spectessera.segmenter.pretraining import recipe
from spectessera.synth import pairs
from spectessera.synth.paint.pigments import PIGMENTS, Pigment
from spectessera.synth.pairs import KNOWN
from spectessera.synth.xrf import fluorescence as physics
from spectessera.synth.xrf.fluorescence import Layer
from spectessera.synth.xrf.instrument import draw_instrument, measure, model_axis
from spectessera.synth.xrf.tube import Tube

from . import engines
from ._rows import append, rows_of, write_between
from .drawn import SETS as SETS_OF_OURS
from .drawn import Drawn
from .quality import WIDEST, scored

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "randomisation.csv", HERE.parent / "docs" / "models.md"
BEGIN, END = "<!-- randomisation: begin -->\n", "<!-- randomisation: end -->"
BARE = "parchment"
ALUMINIUM = (("Al", 0.027),)  # 0.1 mm
TUBES = (
    Tube("Rh", 40), Tube("Rh", 50), Tube("Rh", 30, incidence=90.0, takeoff=45.0), Tube("Mo", 45),
    Tube("W", 40), Tube("Ag", 40), Tube("Ag", 50, window=250.0), Tube("Cr", 30), Tube("Cu", 40),
    Tube("Rh", 45, ALUMINIUM),
)  # fmt: skip
USUAL = 0.25  # share of the groups that have the first tube
UPPER = (0.05, 1.0)  # of a paint above another one
SUPPORT = (8.0, 40.0)  # mg/cm2
PURE = 0.35  # share of the spectra with one pigment
MOST_SHELF, MOST_TAIL, TAIL_LENGTH = 0.02, 0.03, (0.1, 0.6)  # shares; keV


@dataclass(frozen=True)
class Variation:
    """What varies more than in the training of `maxrf`.

    Parameters
    ----------
    thickness : tuple of float
        Of a paint, relative to the nominal one, log-uniform.
    own : bool
        Whether each of two paints has a thickness of its own.
    most : float
        Largest share of a second paint.
    ground : float
        Share of the samples with a ground of chalk or lead white under the paint.
    scatter : float
        Standard deviation of the logarithm of the scattered light.
    single, layered : int
        Samples of a pigment under a tube: alone, and above another paint.
    covered : float
        Share of the spectra with two paints above each other.
    epochs : int
        Of the training; that of `maxrf` has 60.
    """

    thickness: tuple[float, float]
    own: bool = True
    most: float = 0.5
    ground: float = 0.25
    scatter: float = 0.35
    single: int = 10
    layered: int = 4
    covered: float = 0.0
    epochs: int = 60


VARIATIONS = {
    "wide": Variation((0.08, 4.0)),
    "layers": Variation((0.08, 4.0), covered=0.15),
    "instruments": Variation((0.2, 3.2), False, 0.4, 0.0, 0.2, 16, 0, epochs=40),
}


class Bank(NamedTuple):
    """Spectra of random samples under all tubes.

    ``fluorescence``, ``scatter`` (tube, sample, channel): expected counts; ``upper``, ``lower``
    (sample,): pigments; ``share`` (sample,): of the counts, that of the lower one (0: none).
    """

    fluorescence: np.ndarray
    scatter: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    share: np.ndarray


def painted(pigment: Pigment, factor: float, generator: np.random.Generator) -> Layer:
    """Return a layer of paint with a random binder."""
    if not pigment.binder:
        return Layer(pigment.mixture, pigment.thickness * factor)
    binder = generator.uniform(0.1, 0.4)
    chalk, salt, sulphate = generator.uniform(0, (0.03, 0.012, 0.01))
    medium = ((1 - chalk - salt - sulphate, "C6H10O5"), (chalk, "CaCO3"), (salt, "KCl"),
              (sulphate, "K2SO4"))  # fmt: skip
    mixture = [(share * (1 - binder), formula) for share, formula in pigment.mixture]
    mixture += [(share * binder, formula) for share, formula in medium]
    return Layer(tuple(mixture), pigment.thickness * factor)


def support(factor: float, generator: np.random.Generator) -> Layer:
    """Return parchment of random minor components."""
    chalk, salt, sulphate, sulphur, iron, quartz = generator.uniform(
        (0.04, 0.0, 0.0, 0.0, 0.0003, 0.0), (0.12, 0.01, 0.008, 0.006, 0.002, 0.006)
    )
    rest = 1 - chalk - salt - sulphate - sulphur - iron - quartz
    mixture = ((rest, "C102H149N31O38"), (chalk, "CaCO3"), (salt, "KCl"), (sulphate, "K2SO4"),
               (sulphur, "S"), (iron, "Fe2O3"), (quartz, "SiO2"))  # fmt: skip
    return Layer(mixture, factor)


def below(ground: float, generator: np.random.Generator) -> tuple[Layer, ...]:
    """Return a ground, or none, on parchment."""
    sheet = support(float(log_uniform(SUPPORT, generator)), generator)
    if generator.random() > ground:
        return (sheet,)
    name = ("chalk", "lead white")[int(generator.integers(2))]
    return (painted(PIGMENTS[name], float(log_uniform((0.2, 2.0), generator)), generator), sheet)


def log_uniform(bounds: tuple[float, float], generator: np.random.Generator) -> float:
    """Draw one number."""
    return float(np.exp(generator.uniform(*np.log(bounds))))


def samples(
    names: tuple[str, ...], variation: Variation, generator: np.random.Generator
) -> list[tuple]:
    """Return samples: layers, the same without the lower paint, upper and lower pigment."""
    found = []
    for number, name in enumerate(names):
        for step in range(variation.single):
            low, high = np.log(variation.thickness)
            factor = np.exp(low + (step + generator.random()) / variation.single * (high - low))
            layers = (painted(KNOWN[name], factor, generator), *below(variation.ground, generator))
            if name == BARE:
                layers = (support(PIGMENTS[BARE].thickness * factor, generator),)
            found.append((layers, None, number, number))
        for _ in range(variation.layered if name != BARE else 0):
            lower = int(generator.integers(1, len(names)))
            under = painted(KNOWN[names[lower]], log_uniform((0.3, 3.0), generator), generator)
            top, sheet = (
                painted(KNOWN[name], log_uniform(UPPER, generator), generator),
                below(variation.ground, generator),
            )
            found.append(((top, under, *sheet), (top, *sheet), number, lower))
    return found


def parts(stacks: list, tube: Tube) -> tuple[np.ndarray, np.ndarray]:
    """Return fluorescence and scattered light (sample, channel) by the physics of the package."""
    beam = physics._check_beam(tube)
    known = [physics._check_layers(layers, beam) for layers in stacks]
    sharp = [physics._fluorescence(stack, beam) for stack in known]
    shifted = beam.energy / (1 + beam.energy / ELECTRON)
    elastic = [physics._scattered(s, beam, s.inwards, physics.rayleigh) for s in known]
    back = [[physics._slanted(mixture, shifted) for mixture in s.mixture] for s in known]
    inelastic = [
        physics._scattered(s, beam, way, physics.compton)
        for s, way in zip(known, back, strict=True)
    ]
    wide = physics._doppler(beam.energy, shifted)
    return (
        physics._counted(pairs.SHARP, *physics._merged(sharp)),
        physics._counted(pairs.SHARP, beam.energy, np.stack(elastic))
        + physics._counted(pairs.SHARP, shifted, np.stack(inelastic), wide),
    )


def make_bank(variation: Variation, path: Path) -> None:
    """Compute the spectra of all samples and write them."""
    generator = np.random.default_rng([53, 0])
    made = samples(tuple(KNOWN), variation, generator)
    layered = [i for i, each in enumerate(made) if each[1] is not None]
    light, scatter, shares = [], [], None
    for tube in TUBES:
        print(tube, flush=True)
        one, two = parts([each[0] for each in made], tube)
        light.append(one.astype(np.float32))
        scatter.append(two.astype(np.float32))
        if shares is None:
            shares = np.zeros(len(made))
            if layered:
                bare, _ = parts([made[i][1] for i in layered], tube)
                common = np.minimum(one[layered], bare).sum(axis=1)
                shares[layered] = 1 - common / one[layered].sum(axis=1)
    np.savez(
        path, fluorescence=np.stack(light), scatter=np.stack(scatter),
        upper=np.array([each[2] for each in made]), lower=np.array([each[3] for each in made]),
        share=shares,
    )  # fmt: skip


class Wide(pairs.XrfSimulation):
    """Pairs of random samples.

    Two paints have a thickness each, there are more tubes, supports and grounds, the scattered
    light varies, and charge is lost; with ``covered``, paints lie above each other too.
    """

    def __init__(self, bank: Path, variation: Variation) -> None:
        super().__init__(tubes=TUBES[:1])
        with np.load(bank, allow_pickle=False) as stored:
            self.bank = Bank(*(stored[name] for name in Bank._fields))
        self.variation = variation
        alone = self.bank.share == 0
        self.single = [np.flatnonzero(alone & (self.bank.upper == i)) for i in range(len(KNOWN))]
        self.layered = np.flatnonzero(~alone)

    def pairs(self, number: int, m: int, *, twins: bool = False) -> pairs.Pairs:
        """Return m pairs, without twins."""
        assert not twins
        generator = np.random.default_rng([52, number, self.seed])
        made = [
            self._group(min(pairs.GROUP, m - start), generator)
            for start in range(0, m, pairs.GROUP)
        ]
        measured, weight = (np.concatenate(each) for each in zip(*made, strict=True))
        target = (weight @ self._canonical).astype(np.float32)
        return pairs.Pairs(measured, target, weight.astype(np.float32))

    def _group(self, m: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return counts (m, channel) and shares (m, pigment) of spectra of one instrument."""
        kinds, bank = len(self.components), self.bank
        tube = 0 if generator.random() < USUAL else int(generator.integers(len(TUBES)))
        first = generator.integers(kinds, size=m)
        second = (first + generator.integers(1, kinds, size=m)) % kinds
        part = np.where(
            generator.random(m) < PURE, 0.0, generator.uniform(0, self.variation.most, m)
        )
        place = generator.random(m)
        sample = np.stack([self._single(first, place), np.zeros(m, int)])
        sample[1] = self._single(second, generator.random(m) if self.variation.own else place)
        if len(self.layered):
            covered = generator.random(m) < self.variation.covered
            sample[0] = np.where(covered, generator.choice(self.layered, size=m), sample[0])
            part[covered] = 0.0
        scatter = np.exp(self.variation.scatter * generator.standard_normal())
        spectra = bank.fluorescence[tube, sample] + scatter * bank.scatter[tube, sample]
        spectra /= spectra.sum(axis=2, keepdims=True)
        expected = (1 - part)[:, None] * spectra[0] + part[:, None] * spectra[1]
        counts = incomplete(measure(expected, draw_instrument(generator), generator), generator)
        total = pairs._log_uniform(pairs.COUNTS, m, generator)
        drawn = generator.poisson(counts * (total / counts.sum(axis=1))[:, None])
        drawn[:, drawn.shape[1] // 8] += drawn.sum(axis=1) == 0
        weight, rows = np.zeros((m, kinds)), np.arange(m)
        np.add.at(weight, (rows, bank.upper[sample[0]]), (1 - part) * (1 - bank.share[sample[0]]))
        np.add.at(weight, (rows, bank.lower[sample[0]]), (1 - part) * bank.share[sample[0]])
        np.add.at(weight, (rows, second), part)
        return drawn.astype(np.float32), weight

    def _single(self, which: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Return a sample (m,) of each pigment, from the thinnest (place 0) to the thickest."""
        found = zip(which, place, strict=True)
        return np.array([self.single[i][int(p * len(self.single[i]))] for i, p in found])


def incomplete(counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return counts (m, channel) of a detector that does not collect all charge.

    A tail below every line, and a shelf down to the lowest energy.
    """
    energy = model_axis().values
    step = energy[1] - energy[0]
    shelf = np.cumsum((counts / energy)[:, ::-1], axis=1)[:, ::-1] * step
    length = generator.uniform(*TAIL_LENGTH)
    kernel = np.exp(-np.arange(len(energy)) * step / length)
    kernel /= kernel.sum()
    size = 2 * len(energy)
    tail = np.fft.irfft(
        np.fft.rfft(counts, size, axis=1) * np.conj(np.fft.rfft(kernel, size)), size, axis=1
    )[:, : len(energy)]
    down, flat = MOST_TAIL * generator.random(), MOST_SHELF * generator.random()
    return (1 - down - flat) * counts + down * np.maximum(tail, 0) + flat * shelf


OWN = ("8 load, 400", "8 mix, 400", "8 mix, 1000", "12 load, 400", "12 mix, 400", "24 load, 1000")
SETS = {name: SETS_OF_OURS[name] for name in OWN}
SETS |= {f"fisx, {name}": engines.FISX[f"fisx, {name}"] for name in OWN}
SETS["fisx, 8 load, 400, Ag tube"] = partial(engines.painted, "choirbook", "load", 400, anode="Ag")
SETS["fisx, 8 mix, 400, Ag tube"] = engines.FISX["fisx, 8 mix, 400, Ag tube"]
SETS["fisx, 12 mix, 400, Ag tube"] = partial(engines.painted, "gothic-book", "mix", 400, anode="Ag")
TUNING = {"ours": (800, 801), "fisx": (810, 811)}
SHOWN = {"ours": (830, 831, 832, 833, 834), "fisx": (820, 821, 822, 823, 824)}
FIELDS = ("set", "seed", "model", "ari", "k", "ari_chosen")


def train(name: str, bank: Path, path: Path) -> None:
    """Train a model like `maxrf` on another simulation."""
    start = time.process_time()
    settings = recipe("xrf")
    settings["training"] = replace(settings["training"], epochs=VARIATIONS[name].epochs)
    segmenter = SpectralSegmenter(**settings)
    segmenter.pretrain(
        Wide(bank, VARIATIONS[name]),
        progress=lambda done, _, row: print(done, f"{row['validation_total']:.6f}", flush=True),
    )
    segmenter.save(path, half=True)
    print(f"{time.process_time() - start:.0f} s")


def compared(model: SpectralSegmenter, drawn: Drawn, seed: int) -> dict[str, object]:
    """Return the scores of a model at the true number of clusters, and at the one it chooses."""
    base = recipe("xrf")["clusters"]
    true = replace(base, k_min=drawn.k, k_max=drawn.k)
    label = model.cluster(model.transform(drawn.spectra), true, seed=seed).labels
    model.set_params(clusters=replace(base, k_max=WIDEST[drawn.k], criterion="evidence"))
    result = spt.segment(drawn.cube(), model, seed=seed, neighbours=0, means=False)
    chosen = result["label"].values.ravel() - 1
    return {
        "ari": f"{scored(drawn, label)['ari']:.4f}",
        "k": number_chosen(result),
        "ari_chosen": f"{scored(drawn, chosen)['ari']:.4f}",
    }


def run(path: Path, seeds: dict[str, tuple[int, ...]], models: dict[str, Path]) -> None:
    """Measure what is not measured yet."""
    done = {(row["set"], row["seed"], row["model"]) for row in rows_of(path)}
    loaded = {name: SpectralSegmenter.load(file) for name, file in models.items()}
    for place in range(len(seeds["ours"])):
        for name, draw in SETS.items():
            seed = seeds["fisx" if name.startswith("fisx") else "ours"][place]
            drawn = draw(seed)
            for word, model in loaded.items():
                if (name, str(seed), word) not in done:
                    row = {"set": name, "seed": seed, "model": word}
                    append(path, FIELDS, row | compared(model, drawn, seed))


def table(rows: list[dict[str, str]]) -> str:
    """Return means over the seeds: models beside each other, and means of the sets of all."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    heads = [f"{word}, {m}" for word in ("true k", "chosen k") for m in models] + ["chosen"]
    lines = ["| set | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    means: dict[bool, list[list[float]]] = {True: [], False: []}
    for name in dict.fromkeys(row["set"] for row in rows):
        mine = {m: [r for r in rows if r["set"] == name and r["model"] == m] for m in models}
        cells = [
            float(np.mean([float(r[score]) for r in mine[m]])) if mine[m] else np.nan
            for score in ("ari", "ari_chosen")
            for m in models
        ]
        if np.isfinite(cells).all():
            means[name.startswith("fisx")].append(cells)
        chosen = "; ".join(", ".join(r["k"] for r in mine[m]) or "-" for m in models)
        lines.append(f"| {name} | {_shown(cells)} | {chosen} |")
    for others, rest in means.items():
        if rest:
            word = "fisx" if others else "our simulator"
            text = f"mean of {len(rest)} sets of {word}, of all models"
            lines.append(f"| {text} | {_shown(np.mean(rest, axis=0))} | |")
    return "\n".join(lines) + "\n"


def _shown(cells: Sequence[float] | np.ndarray) -> str:
    return " | ".join("-" if np.isnan(each) else f"{each:.3f}" for each in cells)


def page() -> None:
    """Write the table into the page, between two marks."""
    write_between(PAGE, BEGIN, END, table(rows_of(ROWS)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    word, *given = sys.argv[1:] or ["page"]
    if word == "bank":
        make_bank(VARIATIONS[given[0]], Path(given[1]))
    elif word == "train":
        train(given[0], Path(given[1]), Path(given[2]))
    elif word == "page":
        page()
    else:
        files = dict(zip(given[::2], map(Path, given[1::2]), strict=True))
        shipped = {"maxrf": model_path("maxrf")}
        if word == "run":
            run(ROWS, SHOWN, shipped | files)
        else:
            run(Path("tuning.csv"), TUNING, shipped | files)
