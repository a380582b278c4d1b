"""The interface to xraylib: formulas, cross sections and X-ray lines as numbers and numpy arrays.

Energies are in keV, cross sections in cm2/g. The scalar functions of xraylib raise if there is no
value (a line without its shell, an energy below the edge); here the value is 0. The numpy functions
of xraylib are not used: they return 0 for any error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_number

Mixture = tuple[tuple[float, str], ...]  # mass fractions and formulas

HEAVIEST = 98  # californium, the last element with attenuation in xraylib
LONGEST_FORMULA = 200
SOFTEST = 0.3  # keV; softer lines do not pass any window
KNOWN_SECTIONS = 4096  # cross sections that are kept: about 16 kB each for a tube
# Shells that X-rays of 1 to 60 keV ionise, with tabulated lines.
SHELLS = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
# Macros of xraylib for single transitions, and for pairs without separate values (L3O45 is L3O4 and
# L3O5). Groups (KA, KB, LA, LB) have other names, so they are not counted in addition.
_LINE = re.compile(r"(?:K|L[123]|M[1-5])(?:[LMNOPQ][1-7]{1,2})_LINE|K[OP]_LINE")


class Lines(NamedTuple):
    """The lines of one element.

    Attributes
    ----------
    name : tuple of str
        Shell of the vacancy, then that of the electron that fills it: "L3M5" is L alpha 1.
    energy : array (n,), float64
    shell : array (n,), int
        Index in :data:`SHELLS`.
    share : array (n,), float64
        Share of the photons of its shell; the shares sum to 1, except for omitted lines.
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
        If it is not such a formula, or contains an element beyond californium.
    """
    expected = 'a formula has element symbols, numbers and brackets, such as "Cu3(CO3)2(OH)2"'
    if not isinstance(formula, str):
        raise TypeError(f"a formula is a string; got {formula!r}; {expected}")
    if not re.fullmatch(r"[A-Za-z0-9().]+", formula) or len(formula) > LONGEST_FORMULA:
        short = formula if len(formula) <= 60 else f"{formula[:60]}..."
        raise ValueError(
            f"{short!r} is not a formula: {expected}; write water as (H2O), without dots, charges "
            "or spaces"
        )
    try:
        parsed = xraylib().CompoundParser(formula)
    except ValueError as error:
        reason = str(error).removeprefix("Invalid chemical formula: ")
        raise ValueError(f"{formula!r} is not a formula ({reason}): {expected}") from error
    heavy = [z for z in parsed["Elements"] if z > HEAVIEST]
    if heavy:
        raise ValueError(
            f"{formula!r} contains element {heavy[0]}; cross sections are known up to californium "
            f"({HEAVIEST})"
        )
    return tuple(zip(parsed["Elements"], parsed["massFractions"], strict=True))


def check_mixture(name: str, given: object) -> Mixture:
    """Return a mixture as a tuple of (mass fraction, formula); formulas are not parsed.

    Raises
    ------
    TypeError, ValueError
        If it is not such a list, a fraction is not above 0, or they do not sum to 1 within 1 %.
    """
    expected = (
        f'{name} is a list of (mass fraction, formula), such as [(1.0, "HgS")]; got {given!r}'
    )
    if not isinstance(given, (tuple, list)) or not given:
        raise TypeError(expected)
    for each in given:
        if not isinstance(each, (tuple, list)) or len(each) != 2 or not isinstance(each[1], str):
            raise TypeError(expected)
        check_number(f"the mass fraction of {each[1]} in {name}", each[0], low=0.0, open_low=True)
    total = sum(float(fraction) for fraction, _ in given)
    if abs(total - 1) > 0.01:
        raise ValueError(
            f"the mass fractions of {name} must sum to 1 (within 1 %); they sum to {total:g}"
        )
    return tuple((float(fraction), formula) for fraction, formula in given)


def elements(mixture: Iterable[tuple[float, str]]) -> dict[int, float]:
    """Return the mass fraction of every element of a mixture of (mass fraction, formula)."""
    fractions: dict[int, float] = {}
    for fraction, formula in mixture:
        for z, share in composition(formula):
            fractions[z] = fractions.get(z, 0.0) + fraction * share
    return fractions


def symbol(z: int) -> str:
    """Return the symbol of an element."""
    return str(xraylib().AtomicNumberToSymbol(z))


def attenuation(mixture: dict[int, float], energy: np.ndarray) -> np.ndarray:
    """Return the mass attenuation coefficient (n,) of a mixture of elements.

    The one of two tables of xraylib that is closer to XCOM: within 2 %, except for up to 30 % above
    the M edges of Au, Hg and Pb and up to 14 % for Cr at 6 to 9 keV.
    """
    return _sum(mixture, "CS_Total", energy)


def photoabsorption(mixture: dict[int, float], energy: np.ndarray) -> np.ndarray:
    """Return the photoelectric mass absorption coefficient (n,) of a mixture of elements."""
    return _sum(mixture, "CS_Photo", energy)


def rayleigh(mixture: dict[int, float], energy: np.ndarray, angle: float) -> np.ndarray:
    """Return the elastic cross section (n,) per steradian at a scattering angle in radians."""
    return _sum(mixture, "DCS_Rayl", energy, angle)


def compton(mixture: dict[int, float], energy: np.ndarray, angle: float) -> np.ndarray:
    """Return the inelastic cross section (n,) per steradian at a scattering angle in radians."""
    return _sum(mixture, "DCS_Compt", energy, angle)


def _sum(mixture: dict[int, float], function: str, energy: np.ndarray, *angle: float) -> np.ndarray:
    values = np.asarray(energy, dtype=np.float64).tobytes()
    total = np.zeros(len(energy))
    for z, fraction in mixture.items():
        total += fraction * _cross_section(function, z, values, *angle)
    return total


@lru_cache(maxsize=KNOWN_SECTIONS)
def _cross_section(function: str, z: int, energy: bytes, *angle: float) -> np.ndarray:
    """Return a cross section (n,) of an element; ``energy`` is that of an array of float64.

    Samples under one tube have the same energies, and xraylib takes one energy at a time.
    """
    cross = getattr(xraylib(), function)
    section = np.array([cross(z, each, *angle) for each in np.frombuffer(energy).tolist()])
    section.setflags(write=False)
    return section


@cache
def element_lines(z: int) -> Lines:
    """Return the K, L and M lines of an element above 0.3 keV."""
    library = xraylib()
    lines = []
    for code, name in _codes().items():
        energy, share = _or_zero(library.LineEnergy, z, code), _or_zero(library.RadRate, z, code)
        if energy > SOFTEST and share > 0:
            shell = 0 if name[0] == "K" else SHELLS.index(name[:2])
            lines.append((name, energy, shell, share))
    names, energies, shells, shares = zip(*lines, strict=True) if lines else ((), (), (), ())
    return Lines(
        tuple(names),
        np.array(energies, dtype=np.float64),
        np.array(shells, dtype=np.int64),
        np.array(shares, dtype=np.float64),
    )


@cache
def _codes() -> dict[int, str]:
    """Return code -> name of every line, named by shells (KL3, not KA1)."""
    library = xraylib()
    named = [name for name in sorted(dir(library)) if _LINE.fullmatch(name)]
    return {getattr(library, name): name.removesuffix("_LINE") for name in named}


def shell_fluorescence(z: int, shell: int, energy: np.ndarray) -> np.ndarray:
    """Return the cross section (n,) of the emission from a shell, at excitation energies (n,).

    Vacancies arise by photoionisation, by radiative and Auger decay of inner shells, and by
    Coster-Kronig transitions ("full cascade" of xraylib, partial cross sections of Kissel).
    """
    return _emission(z, shell, np.asarray(energy, dtype=np.float64).tobytes())


@lru_cache(maxsize=KNOWN_SECTIONS)
def _emission(z: int, shell: int, energy: bytes) -> np.ndarray:
    """Return :func:`shell_fluorescence`, read-only; ``energy`` as in :func:`_cross_section`."""
    library, values = xraylib(), np.frombuffer(energy)
    known = element_lines(z)
    member = np.flatnonzero(known.shell == shell)
    total = np.zeros(len(values))
    edge = _or_zero(library.EdgeEnergy, z, getattr(library, f"{SHELLS[shell]}_SHELL"))
    if member.size and edge > 0:
        strongest = member[np.argmax(known.share[member])]  # the ratios of the lines are constant
        code = getattr(library, f"{known.name[strongest]}_LINE")
        for index in np.flatnonzero(values > edge):
            value = float(values[index])
            total[index] = _or_zero(library.CS_FluorLine_Kissel_Cascade, z, code, value)
        total /= known.share[strongest]
    total.setflags(write=False)
    return total


def _or_zero(function: Any, *arguments: Any) -> float:
    """Call a function of xraylib; return 0 if there is no such line, shell or edge."""
    try:
        return float(function(*arguments))
    except ValueError:
        return 0.0
