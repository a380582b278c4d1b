"""Compute src/spectessera/data/xray_lines.npz: energies and relative intensities of X-ray lines.

    python tools/make_xray_lines.py

Needs xraylib (the extra "synth"). The same version of xraylib gives the same numbers. Intensities
are those under excitation by photons at 1.5 times the energy of the edge L1 or M1. Under electrons,
or under layers of paint, they differ by tens of per cent, which the fit allows for.
"""

import re

import numpy as np

from spectessera._util.files import atomic
from spectessera.naming.xray.families import TABLE
from spectessera.synth.xrf.detector import escaping
from spectessera.synth.xrf.xraydata import symbol, xraylib

HEAVIEST = 92
LIGHTEST = 5
FAINTEST = 0.0003  # share of its family
SOFTEST = 0.1  # keV
OVERVOLTAGE = 1.5
NAME = re.compile(r"(K|L[123]|M[1-5])([LMNOP][1-7]{1,2}|(?<=K)[OP])_LINE")
# Groups of lines that a silicon detector hardly resolves, in Siegbahn notation.
GROUPS = ("Ka", "Kb", "La", "Ll", "Lb", "Lg", "Ma", "Mb", "Mg", "Mz")


def group(shell: str, filler: str) -> str:
    """Return the group of a line, such as "La" of L3-M5."""
    if shell == "K":
        return "Ka" if filler[0] == "L" else "Kb"
    if shell[0] == "L":
        if shell == "L3":
            return {"M5": "La", "M4": "La", "M1": "Ll"}.get(filler, "Lb")
        if shell == "L2":
            return {"M1": "Ll"}.get(filler, "Lb" if filler[0] == "M" else "Lg")
        return "Lb" if filler[0] == "M" else "Lg"
    if shell in ("M5", "M4"):
        if filler in ("N6", "N7", "O2", "O3"):
            return "Ma" if shell == "M5" else "Mb"
        return "Mz"
    return "Mg"


def number(function, *arguments) -> float:
    """Call a function of xraylib; return 0 if it has no such line."""
    try:
        return float(function(*arguments))
    except ValueError:
        return 0.0


def element_lines(z: int) -> list[tuple]:
    """Return the lines of an element: z, group, energy, share of its family, edge of the family."""
    library = xraylib()
    codes = {name: getattr(library, name) for name in dir(library) if NAME.fullmatch(name)}
    edges = {"K": "K_SHELL", "L": "L1_SHELL", "M": "M1_SHELL"}
    lowest = {"K": "K_SHELL", "L": "L3_SHELL", "M": "M5_SHELL"}
    rows = []
    for family in "KLM":
        source = OVERVOLTAGE * number(library.EdgeEnergy, z, getattr(library, edges[family]))
        edge = number(library.EdgeEnergy, z, getattr(library, lowest[family]))
        found = []
        for name, code in sorted(codes.items()):
            shell, filler = NAME.fullmatch(name).groups()
            energy = number(library.LineEnergy, z, code)
            if shell[0] != family or energy < SOFTEST:
                continue
            if family == "K":
                strength = number(library.RadRate, z, code)
            else:
                strength = number(library.CS_FluorLine_Kissel_Cascade, z, code, source)
            if strength > 0:
                found.append((GROUPS.index(group(shell, filler)), energy, strength))
        total = sum(each[2] for each in found)
        rows += [(z, g, e, s / total, edge) for g, e, s in found if s > FAINTEST * total]
    return rows


def main() -> None:
    """Compute and write the table."""
    rows = [row for z in range(LIGHTEST, HEAVIEST + 1) for row in element_lines(z)]
    z, code, energy, share, edge = map(np.array, zip(*rows, strict=True))
    grid = np.linspace(1.9, 60.0, 150)
    with atomic(TABLE) as temporary:
        np.savez_compressed(
            temporary,
            z=z.astype(np.int16),
            group=code.astype(np.int16),
            energy=energy.astype(np.float32),
            share=share.astype(np.float32),
            edge=edge.astype(np.float32),
            groups=np.array(GROUPS),
            symbols=np.array(["", *(symbol(n) for n in range(1, HEAVIEST + 1))]),
            escape_energy=grid,
            escape_share=escaping(grid),
            settings=np.array(f"xraylib {xraylib().__version__}"),
        )
    print(f"{TABLE}: {len(z)} lines, {TABLE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
