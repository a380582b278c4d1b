"""Energies of the absorption edges of elements, for spectra of electron energy loss.

Binding energies (eV) of the K, L3 and M5 shells as in xraylib 4.3 (Schoonjans et al. 2011,
Spectrochim. Acta B 66, 776; BSD licence), those from 50 to 3000 eV. Edges are shifted by chemical
bonds by a few eV, and those of the M5 shell of heavy elements rise slowly: their maximum is tens of
eV above the threshold.
"""

from __future__ import annotations

# Shell -> element -> energy (eV).
EDGES: dict[str, dict[str, float]] = {
    "K": {
        "Li": 54.8, "Be": 112.1, "B": 188, "C": 283.8, "N": 401.6, "O": 532, "F": 685.4,
        "Ne": 870.1, "Na": 1072.1, "Mg": 1305, "Al": 1559.6, "Si": 1838.9, "P": 2145.5, "S": 2472,
        "Cl": 2822.4,
    },
    "L3": {
        "Al": 72.7, "Si": 98.9, "P": 135.3, "S": 164.2, "Cl": 200, "Ar": 248.6, "K": 293.6,
        "Ca": 346.4, "Sc": 402.2, "Ti": 455.5, "V": 512.9, "Cr": 574.5, "Mn": 640.3, "Fe": 708.1,
        "Co": 778.6, "Ni": 854.7, "Cu": 931.1, "Zn": 1019.7, "Ga": 1115.4, "Ge": 1216.7,
        "As": 1323.1, "Se": 1435.8, "Br": 1549.9, "Kr": 1674.9, "Rb": 1804.4, "Sr": 1939.6,
        "Y": 2080, "Zr": 2222.3, "Nb": 2370.5, "Mo": 2520.2, "Tc": 2676.9, "Ru": 2837.9,
    },
    "M5": {
        "Kr": 93.8, "Rb": 110.3, "Sr": 133.1, "Y": 157.4, "Zr": 180, "Nb": 204.6, "Mo": 227,
        "Tc": 252.9, "Ru": 279.4, "Rh": 307, "Pd": 334.7, "Ag": 366.7, "Cd": 403.7, "In": 443.1,
        "Sn": 484.8, "Sb": 527.5, "Te": 572.1, "I": 619.4, "Xe": 676.7, "Cs": 725.5, "Ba": 780.7,
        "La": 831.7, "Ce": 883.3, "Pr": 931, "Nd": 977.7, "Pm": 1026.9, "Sm": 1080.2, "Eu": 1130.9,
        "Gd": 1185.2, "Tb": 1241.2, "Dy": 1294.9, "Ho": 1351.4, "Er": 1409.3, "Tm": 1467.7,
        "Yb": 1527.8, "Lu": 1588.5, "Hf": 1661.7, "Ta": 1735.1, "W": 1809.2, "Re": 1882.9,
        "Os": 1960.1, "Ir": 2040.4, "Pt": 2121.1, "Au": 2205.7, "Hg": 2294.9, "Tl": 2389.3,
        "Pb": 2484, "Bi": 2579.6,
    },
}  # fmt: skip
