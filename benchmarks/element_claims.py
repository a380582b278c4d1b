"""Elements that are named and not there, and rare elements that are there and not named.

    python -m benchmarks.element_claims                   needs xraylib and fisx; prints tables
    python -m benchmarks.element_claims --engine ours     the set that rules were settled on

Samples of common elements: every other element named is a false claim. Samples with 0.3, 3 or 30 %
of a rare element: is it named?
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spectessera.naming.candidates import Naming
from spectessera.naming.names import LIKELY
from spectessera.naming.xray.elements import XraySettings, name_xray

from .element_spectra import SCANS, Measured, Sample, measure

DECADES = (3, 4, 5, 6, 7)  # decimal logarithms of the counts
# Compounds and mixtures of common elements, by engine: rules are settled on those of "ours".
COMMON = {
    "ours": (
        "Al", "Al2O3", "Al2Si2O5(OH)4", "SiO2", "Si", "KAlSi3O8", "NaAlSi3O8", "Ca5(PO4)3F",
        "CaSO4(H2O)2", "NaCl", "FeS2", "PbS", "HgS", "(PbCO3)2Pb(OH)2", "Pb3O4", "As2S3", "TiO2",
        "BaSO4", "MnO2", "Fe2O3", "CoAl2O4", "Cu", "NiO", "ZnO", "Ag", "Au", "SnO2", "PbCrO4",
        "SrCO3", "ZrSiO4", "CdS", "Cr2O3", "Fe:.7 Cr:.18 Ni:.1 Mn:.02", "Cu:.65 Zn:.35",
        "Cu:.88 Sn:.1 Pb:.02", "SiO2:.72 Na2O:.14 CaO:.1 MgO:.04", "Au:.75 Ag:.15 Cu:.1",
        "Fe2O3:.35 Al2Si2O5(OH)4:.4 SiO2:.25", "BaSO4:.7 ZnS:.3", "CaCO3:.6 SiO2:.4",
    ),
    "fisx": (
        "KAl3Si3O12H2", "Mg2SiO4", "CaAl2Si2O8", "CaMg(CO3)2", "Mg3Si4O12H2", "KCl", "Fe3P2O16H16",
        "ZnS", "CuFeS2", "FeAsS", "As4S4", "PbO", "Pb2SnO4", "Pb2Sb2O7", "FeTiO3", "Fe3O4",
        "MgAl2O4", "Cu2CO3(OH)2", "CaCO3", "MnCO3", "Ni:.6 Cr:.22 Fe:.18", "Al:.94 Cu:.04 Mg:.02",
        "Pb:.4 Sn:.6", "Sn:.9 Sb:.07 Cu:.03", "Ag:.93 Cu:.07", "HgS:.5 PbCO3:.5", "Au:.9 Ag:.1",
        "SiO2:.5 K2O:.2 CaO:.2 P2O5:.1", "TiO2:.6 BaSO4:.2 CaCO3:.2", "CaSO4:.5 CaCO3:.5",
        "FeO(OH):.3 Al2Si2O5(OH)4:.4 CaCO3:.3", "Co3O4:.1 SiO2:.7 K2O:.2", "PbCO3:.5 CaCO3:.5",
        "ZnO:.6 BaSO4:.4", "SnS2", "SrSO4", "Fe:.85 Cr:.13 Mn:.02", "NaAlSi3O8:.6 SiO2:.4",
        "Cu4As6O16C4H6", "CdS:.6 BaSO4:.4",
    ),
}  # fmt: skip
RARE = (
    "Ga", "Ge", "Se", "Br", "Rb", "Y", "Nb", "Mo", "Pd", "In", "Te", "I", "Cs", "La", "Ce", "Nd",
    "Gd", "Yb", "Hf", "Ta", "W", "Re", "Pt", "Tl", "Bi", "Th", "U",
)  # fmt: skip
SHARES = (0.003, 0.03, 0.3)
MATRICES = {"ours": ("SiO2", "CaCO3"), "fisx": ("NaAlSi3O8", "CaSO4")}


class Tally(NamedTuple):
    """Spectra, those with a false claim, false claims by element; in names and in lists."""

    spectra: int
    wrong: int
    named: Counter[str]
    listed: Counter[str]


def sample_of(words: str, mass: float = 8.0) -> Sample:
    """Return a sample from formulas with shares, such as "Cu:.9 Sn:.1"."""
    parts = [each.partition(":") for each in words.split()]
    mixture = tuple((float(share or 1), formula) for formula, _, share in parts)
    return Sample(words, mixture, mass)


def named_of(spectrum: Measured) -> Naming:
    """Return the naming of a spectrum."""
    error = np.sqrt(np.maximum(spectrum.counts, 1.0))
    settings = XraySettings(anode=spectrum.anode)
    return name_xray(spectrum.counts, error, spectrum.axis, settings)


def common(engine: str, scan: str, seed: int) -> Iterator[tuple[Sample, int, Measured]]:
    """Yield spectra of every sample of common elements in every decade of the counts."""
    for number, words in enumerate(COMMON[engine]):
        for decade in DECADES:
            generator = np.random.default_rng([seed, SCANS.index(scan), number, decade])
            mass = float(np.exp(generator.uniform(np.log(0.5), np.log(20.0))))
            sample = sample_of(words, round(mass, 1))
            counts = 10 ** (decade + generator.uniform(-0.3, 0.3))
            yield sample, decade, measure(sample, engine, scan, counts, generator)


def claims(engine: str, scan: str, seeds: list[int], verbose: bool) -> Tally:
    """Count the claims of elements that are not there."""
    spectra, wrong = 0, 0
    named: Counter[str] = Counter()
    listed: Counter[str] = Counter()
    for seed in seeds:
        for sample, decade, spectrum in common(engine, scan, seed):
            false = [
                each
                for each in named_of(spectrum).of_kind("element")
                if each.name not in spectrum.elements
            ]
            spectra, wrong = spectra + 1, wrong + any(each.score >= LIKELY for each in false)
            listed.update(each.name for each in false)
            named.update(each.name for each in false if each.score >= LIKELY)
            for each in false if verbose else ():
                print(f"{scan}; {sample.name}; 1e{decade}; {each.score:.2f} {each.evidence}")
    return Tally(spectra, wrong, named, listed)


def found(engine: str, scan: str, seeds: list[int], verbose: bool) -> dict[float, tuple[int, int]]:
    """Return how many rare elements are named and listed, of all, by their share."""
    result = {}
    for share in SHARES:
        named, listed = 0, 0
        for seed in seeds:
            for number, symbol in enumerate(RARE):
                for words in MATRICES[engine]:
                    sample = sample_of(f"{words}:{1 - share} {symbol}:{share}")
                    generator = np.random.default_rng([seed, number, SCANS.index(scan)])
                    spectrum = measure(sample, engine, scan, 3e5, generator)
                    scores = {e.name: e.score for e in named_of(spectrum).of_kind("element")}
                    named += scores.get(symbol, 0) >= LIKELY
                    listed += symbol in scores
                    if verbose and scores.get(symbol, 0) < LIKELY:
                        print(f"{scan}; {sample.name}: missed, {scores.get(symbol, 0):.2f}", scores)
        result[share] = named, listed
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("ours", "fisx"), default="fisx")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--scans", nargs="*", default=SCANS)
    given = parser.parse_args()
    seeds = list(range(given.first, given.first + given.seeds))
    total = len(RARE) * len(MATRICES[given.engine]) * len(seeds)
    for scan in given.scans:
        tally = claims(given.engine, scan, seeds, given.verbose)
        print(
            f"{given.engine} {scan}: {tally.spectra} spectra, with false names {tally.wrong}; "
            f"named {sum(tally.named.values())}, listed {sum(tally.listed.values())}"
        )
        print("  ", tally.named.most_common(30))
        print("  listed", tally.listed.most_common(40))
        for share, (named, listed) in found(given.engine, scan, seeds, given.verbose).items():
            print(f"   {share:g}: named {named}, listed {listed} of {total}")


if __name__ == "__main__":
    main()
