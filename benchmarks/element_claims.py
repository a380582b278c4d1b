"""Elements that are named and not there, and rare elements that are there and not named.

    python -m benchmarks.element_claims                   needs xraylib and fisx; prints tables
    python -m benchmarks.element_claims --engine ours     the spectra that rules were settled on

Samples of common elements: every other element named is a false claim. Samples of a common compound
with 3 or 30 % of a rare element: is it named?
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spectessera.naming.candidates import Candidate
from spectessera.naming.names import LIKELY
from spectessera.naming.xray.elements import XraySettings, name_xray

from .element_spectra import ENGINES, SCANS, Measured, Sample, instrument, measure

DECADES = (3, 5, 7)  # decimal logarithms of the counts
RARE_COUNTS = 3e5
FIRST_SEED = 6101
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
        "Fe2O3:.3 Al2Si2O5(OH)4:.4 CaCO3:.3", "Co3O4:.1 SiO2:.7 K2O:.2", "PbCO3:.5 CaCO3:.5",
        "ZnO:.6 BaSO4:.4", "SnS2", "SrSO4", "Fe:.85 Cr:.13 Mn:.02", "NaAlSi3O8:.6 SiO2:.4",
        "Cu4As6O16C4H6", "CdS:.6 BaSO4:.4",
    ),
}  # fmt: skip
RARE = (
    "Ga", "Ge", "Se", "Br", "Rb", "Y", "Nb", "Mo", "Pd", "In", "Te", "I", "Cs", "La", "Ce", "Nd",
    "Gd", "Yb", "Hf", "Ta", "W", "Re", "Pt", "Tl", "Bi", "Th", "U",
)  # fmt: skip
SHARES = (0.03, 0.3)
MATRIX = {"ours": "SiO2", "fisx": "CaSO4"}


class Case(NamedTuple):
    """A measured sample: its name, counts, and the rare element in it or ""."""

    name: str
    counts: float
    rare: str
    share: float
    spectrum: Measured


def cases(engine: str, scan: str, seed: int) -> Iterator[Case]:
    """Yield all samples of an engine, in one kind of scan."""
    for number, words in enumerate(COMMON[engine]):
        generator = np.random.default_rng([seed, SCANS.index(scan), number])
        by = instrument(engine, scan, generator)
        mass = float(np.exp(generator.uniform(np.log(0.5), np.log(20.0))))
        sample = sample_of(words, round(mass, 1))
        for decade in DECADES:
            spectrum = measure(sample, by, 10.0**decade, generator)
            yield Case(words, 10.0**decade, "", 0.0, spectrum)
    for number, symbol in enumerate(RARE):
        generator = np.random.default_rng([seed, SCANS.index(scan), 1000 + number])
        by = instrument(engine, scan, generator)
        for share in SHARES:
            sample = sample_of(f"{MATRIX[engine]}:{1 - share} {symbol}:{share}")
            spectrum = measure(sample, by, RARE_COUNTS, generator)
            yield Case(sample.name, RARE_COUNTS, symbol, share, spectrum)


def sample_of(words: str, mass: float = 8.0) -> Sample:
    """Return a sample from formulas with shares, such as "Cu:.9 Sn:.1"."""
    parts = [each.partition(":") for each in words.split()]
    mixture = tuple((float(share or 1), formula) for formula, _, share in parts)
    return Sample(words, mixture, mass)


def named(spectrum: Measured) -> tuple[Candidate, ...]:
    """Return the elements that are listed for a spectrum."""
    error = np.sqrt(np.maximum(spectrum.counts, 1.0))
    settings = XraySettings(anode=spectrum.anode)
    return name_xray(spectrum.counts, error, spectrum.axis, settings).of_kind("element")


class Tally:
    """Counts over the cases of one kind of scan."""

    def __init__(self) -> None:
        self.spectra = self.present = 0
        self.named: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()
        self.rare = {share: [0, 0] for share in SHARES}  # named, of all

    def add(self, case: Case, candidates: tuple[Candidate, ...]) -> None:
        """Count the candidates of one case."""
        likely = {each.name for each in candidates if each.score >= LIKELY}
        if case.rare:
            self.rare[case.share][0] += case.rare in likely
            self.rare[case.share][1] += 1
            return
        self.spectra += 1
        true = case.spectrum.elements
        self.present += len(likely & true)
        self.named.update(likely - true)
        self.listed.update({each.name for each in candidates} - true)

    def row(self, scan: str) -> str:
        """Return a row of the table."""
        found = " | ".join(f"{one} of {total}" for one, total in self.rare.values())
        wrong, listed = (100 * each.total() / self.spectra for each in (self.named, self.listed))
        which = ", ".join(f"{name} {count}" for name, count in self.named.most_common(8))
        return (
            f"| {scan} | {self.spectra} | {wrong:.1f} | {listed:.1f} | {which} | "
            f"{self.present / self.spectra:.2f} | {found} |"
        )


HEADS = (
    "scan", "spectra", "false names per 100", "false in lists per 100", "which are named",
    "true names per spectrum", *(f"rare, {share:.0%}: named" for share in SHARES),
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="fisx")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    print("| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|")
    for scan in SCANS:
        tally = Tally()
        for seed in range(FIRST_SEED, FIRST_SEED + given.seeds):
            for case in cases(given.engine, scan, seed):
                candidates = named(case.spectrum)
                tally.add(case, candidates)
                for each in candidates if given.verbose else ():
                    if each.name not in case.spectrum.elements:
                        print(f"{case.name}, {case.counts:g}: {each.score:.2f} {each.evidence}")
        print(tally.row(scan), flush=True)


if __name__ == "__main__":
    main()
