"""What clusters of two pigments are named: mean spectra of mixed pixels, by two simulators.

    python -m benchmarks.mixture_names                    needs fisx (pip install fisx)
    python -m benchmarks.mixture_names --engine ours      templates of the package

"both": two pigments that are there are named; "one": only the one that has at least half of the
pixels; "minor": only another one; "wrong": one that is not there; "none": no pigment.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from spectessera.axis import Axis
from spectessera.naming.names import LIKELY
from spectessera.naming.pigments.match import pigment_candidates
from spectessera.naming.xray.elements import name_xray
from spectessera.synth.xrf.instrument import model_axis
from spectessera.synth.xrf.templates import shipped

from . import fisx_layers

FIRST_SEED = 300
COUNTS = 400.0  # of a pixel
SPREAD = 0.4  # standard deviation of the logarithm of the thickness of a cluster
BARE = "parchment"
ALIKE = (  # what X-ray fluorescence does not separate; the first three have no lines of their own
    {BARE, "indigo", "carbon black"}, {"lead white", "minium"}, {"red ochre", "yellow ochre"},
    {"realgar", "orpiment"}, {"azurite", "malachite", "verdigris"},
)  # fmt: skip
KINDS = {
    "one pigment": (1.0,), "one on a third of bare parchment": (0.67, None, 0.33),
    "two, 85 : 15": (0.85, 0.15), "two, 70 : 30": (0.7, 0.3), "two, 50 : 50": (0.5, 0.5),
    "two on a third of bare parchment": (0.34, 0.33, 0.33),
}  # fmt: skip
OUTCOMES = ("both", "one", "minor", "wrong", "none")


def expectation(engine: str, pigment: str, load: float) -> np.ndarray:
    """Return the spectrum (channel,) of a layer of relative mass ``load``, with the sum 1."""
    if engine == "fisx":
        loads, table = np.array(fisx_layers.LOADS), fisx_layers.expectations(pigment, "Rh")
    else:
        stored = shipped()
        loads, table = stored.factors, stored.spectra[stored.pigments.index(pigment)]
    at = int(np.clip(np.searchsorted(loads, load), 1, len(loads) - 1))
    part = (load - loads[at - 1]) / (loads[at] - loads[at - 1])
    spectrum = (1 - part) * table[at - 1] + part * table[at]
    return spectrum / spectrum.sum()


def axis_of(engine: str) -> Axis:
    """Return the energies of the spectra of a simulator."""
    return model_axis() if engine == "fisx" else shipped().axis


def shares_of(kind: str, generator: np.random.Generator) -> dict[str, float]:
    """Draw pigments, and return their shares of the pixels of a cluster."""
    able = [each for each in shipped().pigments if each not in ALIKE[0]]
    while True:
        names = [str(each) for each in generator.choice(able, 2, replace=False)]
        if not any(set(names) <= group for group in ALIKE):
            break
    pairs = zip([*names, BARE], KINDS[kind], strict=False)
    return {name: share for name, share in pairs if share is not None}


def outcome(engine: str, shares: dict[str, float], generator: np.random.Generator) -> str:
    """Draw a cluster, name it, and return what its name is worth."""
    pixels = int(10 ** generator.uniform(1, 3))
    loads = np.clip(np.exp(SPREAD * generator.standard_normal(len(shares))), 0.15, 3.5)
    expected = sum(
        share * expectation(engine, name, load)
        for (name, share), load in zip(shares.items(), loads, strict=True)
    )
    mean = generator.poisson(COUNTS * pixels * expected) / pixels
    error = np.sqrt(np.maximum(mean, 1 / pixels) / pixels)
    axis = axis_of(engine)
    naming = name_xray(mean, error, axis)
    named = [e for e in pigment_candidates(mean, pixels, axis, naming=naming) if e.score >= LIKELY]
    if not named:
        return "none"
    groups = [set(each.split(" or ")) for each in named[0].name.split(" with ")]
    there = [[name for name in shares if name in group] for group in groups]
    if not all(there):
        return "wrong"
    if len(groups) > 1:
        return "both"
    return "one" if max(shares[name] for name in there[0]) >= 0.5 else "minor"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("ours", "fisx"), default="fisx")
    parser.add_argument("--number", type=int, default=50)
    given = parser.parse_args()
    print(f"| cluster | {' | '.join(OUTCOMES)} |\n|---{'|---' * len(OUTCOMES)}|")
    for number, kind in enumerate(KINDS):
        tally: Counter[str] = Counter()
        for draw in range(given.number):
            generator = np.random.default_rng([FIRST_SEED, number, draw])
            tally[outcome(given.engine, shares_of(kind, generator), generator)] += 1
        cells = " | ".join(str(tally[each]) for each in OUTCOMES)
        print(f"| {kind} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
