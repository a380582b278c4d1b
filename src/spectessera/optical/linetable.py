"""The lines of ionised gas, of stars and of the night sky between 3700 and 9600 angstrom.

Wavelengths are in air, from the NIST Atomic Spectra Database, version 5, and from the atomic data
of PyNeb (Luridiana, Morisset & Shaw 2015, A&A 573, A42), which agree within 0.05 angstrom except
for [SIII] 9531. Heads of molecular bands (TiO) are left out: they are edges, and a Gaussian would
be displaced from them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.axis import air_wavelengths

# Below this the formula of the refractive index of air is not valid; wavelengths are in vacuum.
LEAST_AIR = 2000.0  # angstrom


class OpticalLine(NamedTuple):
    """A line of the table.

    Attributes
    ----------
    name : str
        Such as "[NII] 6583".
    ion : str
        In astronomical notation: "[NII]" forbidden, "HeI" permitted; of stars "Mg", "Ca" ...
    air : float
        Wavelength at rest, in air, angstrom.
    """

    name: str
    ion: str
    air: float


def _lines(text: str) -> tuple[OpticalLine, ...]:
    """Read lines "name | wavelength in air"; the ion is the first word of the name."""
    lines = []
    for row in text.strip().splitlines():
        name, _, air = (part.strip() for part in row.partition("|"))
        ion = name.split()[0]
        ion = "H" if ion[:2] in {"Ha", "Hb", "Hg", "Hd", "Pa", "H8"} or ion == "Hep" else ion
        lines.append(OpticalLine(name, ion, float(air)))
    return tuple(lines)


EMISSION = _lines("""
[OII] 3726 | 3726.03
[OII] 3729 | 3728.82
[NeIII] 3869 | 3868.76
H8 3889 | 3889.05
[NeIII] 3967 | 3967.47
[SII] 4069 | 4068.60
[SII] 4076 | 4076.35
Hd 4102 | 4101.73
Hg 4340 | 4340.47
[OIII] 4363 | 4363.21
HeI 4471 | 4471.48
[FeIII] 4658 | 4658.05
HeII 4686 | 4685.71
[ArIV] 4711 | 4711.37
[ArIV] 4740 | 4740.17
Hb 4861 | 4861.33
[OIII] 4959 | 4958.91
[OIII] 5007 | 5006.84
[FeII] 5159 | 5158.79
[NI] 5198 | 5197.90
[NI] 5200 | 5200.26
[FeIII] 5270 | 5270.40
HeII 5411 | 5411.52
[ClIII] 5518 | 5517.71
[ClIII] 5538 | 5537.87
[NII] 5755 | 5754.64
HeI 5876 | 5875.64
[OI] 6300 | 6300.30
[SIII] 6312 | 6312.10
[OI] 6364 | 6363.78
[NII] 6548 | 6548.05
Ha 6563 | 6562.82
[NII] 6583 | 6583.45
HeI 6678 | 6678.15
[SII] 6716 | 6716.44
[SII] 6731 | 6730.82
HeI 7065 | 7065.25
[ArIII] 7136 | 7135.79
[FeII] 7155 | 7155.17
[CaII] 7291 | 7291.47
[OII] 7320 | 7319.60
[OII] 7330 | 7330.20
[NiII] 7378 | 7377.83
[ArIII] 7751 | 7751.11
[FeII] 8617 | 8616.95
Pa12 8750 | 8750.47
Pa11 8863 | 8862.78
Pa10 9015 | 9014.91
[SIII] 9069 | 9068.62
Pa9 9229 | 9229.01
[SIII] 9531 | 9530.62
Pa8 9546 | 9545.97
""")

# Absorption lines of stars; the Balmer lines, which gas has too, are in the list above.
STELLAR = _lines("""
Ca K 3934 | 3933.66
Ca H 3968 | 3968.47
Mg b 5167 | 5167.32
Mg b 5173 | 5172.68
Mg b 5184 | 5183.60
Fe 5270 | 5269.54
Fe 5335 | 5335.20
Na D 5890 | 5889.95
Na D 5896 | 5895.92
Ca 8498 | 8498.02
Ca 8542 | 8542.09
Ca 8662 | 8662.14
""")

# Lines of the Earth's atmosphere, at rest: their residuals after sky subtraction do not belong to
# the object. Oxygen, sodium and the strongest lines of OH (Hanuschik 2003, A&A 407, 1157), and the
# strongest absorption lines of scattered sunlight (twilight, moon).
SKY = _lines("""
Hb 4861 | 4861.33
Mg 5167 | 5167.32
Mg 5173 | 5172.68
Mg 5184 | 5183.60
[OI] 5577 | 5577.34
Na 5890 | 5889.95
Na 5896 | 5895.92
[OI] 6300 | 6300.30
[OI] 6364 | 6363.78
OH 6864 | 6863.96
OH 6923 | 6923.22
OH 7276 | 7276.41
OH 7316 | 7316.28
OH 7329 | 7329.15
OH 7341 | 7340.89
OH 7751 | 7750.64
OH 7794 | 7794.11
OH 7822 | 7821.50
OH 7914 | 7913.71
OH 7965 | 7964.65
OH 7993 | 7993.33
OH 8345 | 8344.60
OH 8399 | 8399.17
OH 8415 | 8415.23
OH 8430 | 8430.17
OH 8452 | 8452.25
OH 8465 | 8465.36
OH 8493 | 8493.39
OH 8505 | 8504.63
OH 8778 | 8778.33
OH 8791 | 8791.19
OH 8827 | 8827.10
OH 8886 | 8885.85
OH 8903 | 8903.11
OH 8920 | 8919.64
OH 8943 | 8943.40
OH 8958 | 8958.08
OH 8988 | 8988.37
OH 9038 | 9037.95
OH 9049 | 9049.23
OH 9338 | 9337.85
OH 9376 | 9375.96
""")

# The fit of the redshift excludes only these: the others are rarely the brightest.
STRONG_SKY = ("[OI] 5577", "Na 5890", "Na 5896", "[OI] 6300", "[OI] 6364")


def vacuum_wavelengths(air: np.ndarray) -> np.ndarray:
    """Convert wavelengths in air to wavelengths in vacuum, both in angstrom.

    The inverse of :func:`~spectessera.axis.air_wavelengths`, within 1e-6 angstrom. Below 2000
    angstrom wavelengths are returned unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> vacuum_wavelengths(np.array([6562.82])).round(2).tolist()
    [6564.63]
    """
    air = np.asarray(air, dtype=np.float64)
    safe = np.maximum(air, LEAST_AIR)
    vacuum = safe.copy()
    for _ in range(4):  # fixed-point iteration
        vacuum += safe - air_wavelengths(vacuum)
    return np.where(air < LEAST_AIR, air, vacuum)


def rest_vacuum(lines: tuple[OpticalLine, ...]) -> np.ndarray:
    """Return the vacuum wavelengths (line,) in angstrom of lines of the table."""
    return vacuum_wavelengths(np.array([line.air for line in lines]))
