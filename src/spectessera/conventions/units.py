"""The unit of a spectral axis that a file gives without one: a guess, which is always stated."""

from __future__ import annotations

import numpy as np

from .dims import plain_name

ENERGIES = {"energy", "energies", "energyvector", "energyaxis", "ener"}
LOSSES = {"energyloss", "eloss"}
WAVELENGTHS = {
    "wave", "waves", "wavelength", "wavelengths", "wavelen", "wl", "wvl", "lam", "lambda",
    "lambdas", "awav", "radiationwavelength", "centerwavelength", "bandcenter", "bandcenters",
}  # fmt: skip
SHIFTS = {"ramanshift", "wavenumber", "wavenumbers"}
# A unit in the name itself, such as wavelength_nm.
SUFFIXES = {"nm": "nm", "um": "um", "angstrom": "angstrom", "kev": "keV", "ev": "eV", "cm": "cm-1"}
LARGEST_KEV = 200.0  # no X-ray tube or electron microscope goes beyond
SMALLEST_ANGSTROM = 2600.0  # spectra in nm begin below: at 350 to 1000
SMALLEST_NM = 100.0


def guessed_unit(name: str, values: np.ndarray) -> tuple[str, str, str]:
    """Return the unit and the kind that an axis most likely has, and the sentence that states it.

    Parameters
    ----------
    name : str
        Of the axis, such as "wavelength".
    values : array (channel,)

    Returns
    -------
    tuple of str
        Unit, kind ("" for that of the unit) and note; three empty texts if the name is of no axis
        whose unit can be guessed.
    """
    plain = plain_name(name)
    last = plain.split()[-1:] or [""]
    joined = "".join(plain.split())
    unit = SUFFIXES.get(last[0], "") if len(plain.split()) > 1 else ""
    kind = ""
    finite = np.abs(np.asarray(values, dtype=np.float64))
    finite = finite[np.isfinite(finite)]
    if unit or not finite.size:
        return (
            (unit, "", f"the unit of {name!r} is taken from its name: {unit}")
            if unit
            else ("", "", "")
        )
    low, high = float(finite.min()), float(finite.max())
    if joined in LOSSES:
        unit, kind = "eV", "energy_loss"
    elif joined in ENERGIES:
        unit = "keV" if high <= LARGEST_KEV else "eV"
    elif joined in SHIFTS:
        unit = "cm-1"
    elif joined in WAVELENGTHS:
        unit = "angstrom" if low >= SMALLEST_ANGSTROM else "nm" if low >= SMALLEST_NM else "um"
    else:
        return "", "", ""
    return unit, kind, f"{name!r} has no unit: from {low:g} to {high:g}, taken as {unit} (--unit)"


def kind_of_signal(*names: str) -> str:
    """Return "energy_loss" if names of an axis or a signal say so, or "" for the kind of the unit.

    Programs for electron microscopes write such names beside a unit of energies.
    """
    words = " ".join(names).lower()
    return "energy_loss" if "loss" in words or "eels" in words else ""
