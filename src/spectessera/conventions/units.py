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
FULL_RANGE_KEV = 1.0  # the spectra of X-rays and of electrons go beyond
MANY_CHANNELS = 64  # a measured spectrum has; fewer may be a window of it


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


def doubt_of_axis(name: str, numbers: np.ndarray, usual_unit: str) -> str:
    """Return why numbers that a user gives without a unit may not be meant so; "" if they fit.

    Parameters
    ----------
    name : "energy", "wavelength" or "axis"
        What they are given as.
    numbers : array (channel,)
    usual_unit : str
        The unit in which they are taken.
    """
    likely = guessed_unit(name, numbers)[0]
    low, high, count = float(numbers.min()), float(numbers.max()), len(numbers)
    if likely and likely != usual_unit:
        return (
            f"{name} from {low:g} to {high:g} is taken as {usual_unit}, since no unit is given; "
            f'if it is in {likely}, give unit="{likely}" (--unit {likely}), and otherwise '
            f'unit="{usual_unit}", which ends this warning'
        )
    if name != "energy" or count < MANY_CHANNELS or high >= FULL_RANGE_KEV:
        return ""
    ends = [(offset, offset + gain * (count - 1)) for gain, offset in ((low, high), (high, low))]
    better = [each for each in ends if FULL_RANGE_KEV <= each[1] <= LARGEST_KEV]
    meant = (
        f"if they are the gain and the offset, give energy=({better[0][0]:g}, {better[0][1]:g})"
        if better
        else "give the energies of the first and of the last channel"
    )
    return (
        f"energy from {low:g} to {high:g} keV in {count} channels is no range of X-rays: {meant}; "
        f'if it is right, unit="{usual_unit}" ends this warning'
    )
