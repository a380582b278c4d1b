"""The door to xraylib: formulas, cross sections and X-ray lines as numbers and numpy arrays.

Energies are in keV, cross sections in cm2/g. Where xraylib has no number (a line below its shell,
an energy below its edge) its scalar functions raise; here that is a 0. Its numpy functions are
not used: they give 0 for any mistake as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_number

Mixture = tuple[tuple[float, str], ...]  # mass fractions and formulas

HEAVIEST = 98  # xraylib has attenuation up to californium
LONGEST_FORMULA = 200
SOFTEST = 0.3  # keV; softer lines do not pass any window
# Shells that are emptied by X-rays of 1 to 60 keV and whose filling is told line by line.
SHELLS = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
# xraylib's macros of single transitions, and of pairs it does not part (L3O45 is L3O4 and L3O5).
# Those of groups (KA, KB, LA, LB) have other names and are never added to their members.
_LINE = re.compile(r"(?:K|L[123]|M[1-5])(?:[LMNOPQ][1-7]{1,2})_LINE|K[OP]_LINE")


class Lines(NamedTuple):
    """The lines of one element.

    Attributes
    ----------
    name : tuple of str
        Shell of the vacancy, then of the electron that fills it: "L3M5" is Siegbahn's L alpha 1.
    energy : array (n,), float64
    shell : array (n,), int
        Position in :data:`SHELLS`.
    share : array (n,), float64
        Of the photons of its shell; they sum to 1 but for the lines left out.
    """

    name: tuple[str, ...]
    energy: np.ndarray
    shell: np.ndarray
    share: np.ndarray


def xraylib() -> Any:
    """Return the module xraylib.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import xraylib as module
    except ImportError as error:
        raise ImportError(
            "X-ray spectra are computed with xraylib, which is not installed: "
            'pip install "spectessera[synth]"; the built-in palettes need no xraylib'
        ) from error
    return module


@cache
def composition(formula: str) -> tuple[tuple[int, float], ...]:
    """Return the atomic numbers of a compound and their mass fractions.

    Parameters
    ----------
    formula : str
        Symbols, numbers and brackets: ``"(PbCO3)2Pb(OH)2"``, ``"Fe0.95O"``.

    Raises
    ------
    TypeError, ValueError
        If it is no such formula, or has an element beyond californium.
    """
    wanted = 'element symbols, numbers and brackets are understood, such as "Cu3(CO3)2(OH)2"'
    if not isinstance(formula, str):
        raise TypeError(f"a formula is a string; got {formula!r}; {wanted}")
    if not re.fullmatch(r"[A-Za-z0-9().]+", formula) or len(formula) > LONGEST_FORMULA:
        short = formula if len(formula) <= 60 else f"{formula[:60]}..."
        raise ValueError(
            f"{short!r} is no formula: {wanted}; write water as (H2O), no dots, charges or spaces"
        )
    try:
        parsed = xraylib().CompoundParser(formula)
    except ValueError as error:
        reason = str(error).removeprefix("Invalid chemical formula: ")
        raise ValueError(f"{formula!r} is no formula ({reason}): {wanted}") from error
    heavy = [z for z in parsed["Elements"] if z > HEAVIEST]
    if heavy:
        raise ValueError(
            f"{formula!r} has the element {heavy[0]}; cross sections are known up to californium "
            f"({HEAVIEST})"
        )
    return tuple(zip(parsed["Elements"], parsed["massFractions"], strict=True))


def check_mixture(name: str, given: object) -> Mixture:
    """Return a mixture as a tuple of (mass fraction, formula); formulas are not parsed.

    Raises
    ------
    TypeError, ValueError
        If it is no such list, a fraction is not above 0, or they do not sum to 1 within 1 %.
    """
    words = f'{name} is a list of (mass fraction, formula), such as [(1.0, "HgS")]; got {given!r}'
    if not isinstance(given, (tuple, list)) or not given:
        raise TypeError(words)
    for each in given:
        if not isinstance(each, (tuple, list)) or len(each) != 2 or not isinstance(each[1], str):
            raise TypeError(words)
        check_number(f"the mass fraction of {each[1]} in {name}", each[0], low=0.0, open_low=True)
    total = sum(float(fraction) for fraction, _ in given)
    if abs(total - 1) > 0.01:
        raise ValueError(
            f"the mass fractions of {name} must sum to 1 (within 1 %); they sum to {total:g}"
        )
    return tuple((float(fraction), formula) for fraction, formula in given)


def elements(mixture: Iterable[tuple[float, str]]) -> dict[int, float]:
    """Return the mass fraction of every element of a mixture of (mass fraction, formula)."""
    found: dict[int, float] = {}
    for fraction, formula in mixture:
        for z, share in composition(formula):
            found[z] = found.get(z, 0.0) + fraction * share
    return found


def symbol(z: int) -> str:
    """Return the symbol of an element."""
    return str(xraylib().AtomicNumberToSymbol(z))


def attenuation(mixture: dict[int, float], energy: np.ndarray) -> np.ndarray:
    """Return the mass attenuation coefficient (n,) of a mixture of elements.

    Of the two tables of xraylib this is the one closer to XCOM: within 2 %, but for up to 30 %
    above the M edges of Au, Hg and Pb and up to 14 % for Cr at 6 to 9 keV.
    """
    total = xraylib().CS_Total
    return _sum(mixture, total, energy)


def photoabsorption(mixture: dict[int, float], energy: np.ndarray) -> np.ndarray:
    """Return the photoelectric mass absorption coefficient (n,) of a mixture of elements."""
    photo = xraylib().CS_Photo
    return _sum(mixture, photo, energy)


def rayleigh(mixture: dict[int, float], energy: np.ndarray, angle: float) -> np.ndarray:
    """Return the elastic cross section (n,) per steradian at a scattering angle in radians."""
    elastic = xraylib().DCS_Rayl
    return _sum(mixture, lambda z, e: elastic(z, e, angle), energy)


def compton(mixture: dict[int, float], energy: np.ndarray, angle: float) -> np.ndarray:
    """Return the inelastic cross section (n,) per steradian at a scattering angle in radians."""
    inelastic = xraylib().DCS_Compt
    return _sum(mixture, lambda z, e: inelastic(z, e, angle), energy)


def _sum(
    mixture: dict[int, float], cross_section: Callable[[int, float], float], energy: np.ndarray
) -> np.ndarray:
    values = energy.tolist()
    found = np.zeros(len(values))
    for z, fraction in mixture.items():
        found += fraction * np.array([cross_section(z, value) for value in values])
    return found


@cache
def element_lines(z: int) -> Lines:
    """Return the K, L and M lines of an element above 0.3 keV."""
    library = xraylib()
    found = []
    for code, name in _codes().items():
        energy, share = _or_zero(library.LineEnergy, z, code), _or_zero(library.RadRate, z, code)
        if energy > SOFTEST and share > 0:
            shell = 0 if name[0] == "K" else SHELLS.index(name[:2])
            found.append((name, energy, shell, share))
    names, energies, shells, shares = zip(*found, strict=True) if found else ((), (), (), ())
    return Lines(
        tuple(names),
        np.array(energies, dtype=np.float64),
        np.array(shells, dtype=np.int64),
        np.array(shares, dtype=np.float64),
    )


@cache
def _codes() -> dict[int, str]:
    """Return code -> name of every line; of two names of one line (KL3, KA1) the one in shells."""
    library = xraylib()
    named = [name for name in sorted(dir(library)) if _LINE.fullmatch(name)]
    return {getattr(library, name): name.removesuffix("_LINE") for name in named}


def shell_fluorescence(z: int, shell: int, energy: np.ndarray) -> np.ndarray:
    """Return the cross section (n,) for photons from a shell, at excitation energies (n,).

    Vacancies come from photoionisation, from inner shells by radiative and Auger decay, and by
    Coster-Kronig transitions ("full cascade" of xraylib, on the partial cross sections of Kissel).
    """
    library = xraylib()
    known = element_lines(z)
    member = np.flatnonzero(known.shell == shell)
    found = np.zeros(len(energy))
    edge = _or_zero(library.EdgeEnergy, z, getattr(library, f"{SHELLS[shell]}_SHELL"))
    if member.size == 0 or edge <= 0:
        return found
    strongest = member[np.argmax(known.share[member])]  # all lines of a shell rise alike
    code = getattr(library, f"{known.name[strongest]}_LINE")
    for index in np.flatnonzero(energy > edge):
        value = float(energy[index])
        found[index] = _or_zero(library.CS_FluorLine_Kissel_Cascade, z, code, value)
    return found / known.share[strongest]


def _or_zero(function: Any, *arguments: Any) -> float:
    """Call a function of xraylib; 0 where it says that there is no such line, shell or edge."""
    try:
        return float(function(*arguments))
    except ValueError:
        return 0.0
