"""What a spectrum of ionised gas and stars has: its lines by name, at a redshift that is known.

How the redshift is found: :mod:`~spectessera.naming.optical.redshift`. How lines are fitted:
:mod:`~spectessera.naming.optical.fluxes`. What kind of nebula it is:
:mod:`~spectessera.naming.optical.gasclass`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spectessera._util.check import check_number
from spectessera._util.constants import FWHM
from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.warning import ResultWarning, make_warning

from .fluxes import Blind, Measured, blind_peaks, gas_shape, in_place, measure
from .linefits import Prepared, check_spectra, on_axis, prepare
from .linetable import SKY, rest_vacuum
from .redshift import PATTERNS, SIGNIFICANT, Redshift, medium_warnings

# Sunlight is left out: hydrogen of a nebula at rest would always be suspected.
_AIRGLOW = tuple(line for line in SKY if line.ion in {"[OI]", "Na", "OH"})
_SKY_PLACES = rest_vacuum(_AIRGLOW)


@dataclass(frozen=True)
class FittedLine:
    """A line of the table with its flux, whether it is seen or not.

    Attributes
    ----------
    name, ion : str
        Such as "[OII] 3726+3729" where the two are not parted.
    kind : str
        "gas", "stars" or "sky".
    position : float
        Where it is expected, in the unit of the axis.
    flux, error : float
        Summed over channels, in the unit of the spectrum; negative in absorption.
    peak : Peak or None
        None unless it is seen where it ought to be, with five standard errors.
    note : str
    """

    name: str
    ion: str
    kind: str
    position: float
    flux: float
    error: float
    peak: Peak | None
    note: str = ""

    @property
    def significance(self) -> float:
        """Flux over its standard error."""
        return self.flux / self.error


@dataclass(frozen=True)
class LineFit:
    """All lines of a spectrum.

    Attributes
    ----------
    lines : tuple of FittedLine
        Those that are on the axis, by wavelength; the sky's are at redshift 0.
    unexplained : tuple of Peak
    redshift, redshift_error : float or None
        Of the gas in this spectrum; the error is None where no line was bright enough to tell.
    warnings : tuple of ResultWarning
    """

    lines: tuple[FittedLine, ...] = ()
    unexplained: tuple[Peak, ...] = ()
    redshift: float | None = None
    redshift_error: float | None = None
    warnings: tuple[ResultWarning, ...] = ()

    def line(self, name: str) -> FittedLine | None:
        """Return a line of the gas by its name; None if it is not on the axis."""
        return next((one for one in self.lines if one.name == name and one.kind == "gas"), None)


def fit_lines(
    spectrum: Any, error: Any, axis: Axis, *, redshift: float | Redshift | None
) -> LineFit:
    """Measure all lines of the table in one spectrum.

    The redshift may differ by 500 km/s from the one that is told. Fluxes are not corrected for
    reddening or for the absorption of stars under the Balmer lines.

    Parameters
    ----------
    spectrum : array (channel,)
        With its continuum, in any unit. NaN is no measurement.
    error : array (channel,)
        Standard error; 0 or NaN is no measurement. Raised to the scatter that is seen.
    axis : Axis
        Wavelengths; taken for those in air if it does not say.
    redshift : float, Redshift or None
        None if it is not known: then only what the night sky leaves gets a name.

    Returns
    -------
    LineFit
        Without lines if there are fewer than 30 channels.

    Raises
    ------
    ValueError, TypeError
        If shapes do not agree, the axis is not of wavelengths, or the redshift is no number above
        -0.9.
    """
    spectra, errors = check_spectra(np.asarray(spectrum)[None], np.asarray(error)[None], axis)
    z = redshift.z if isinstance(redshift, Redshift) else redshift
    if z is not None:
        check_number("redshift", z, low=-0.9, high=20.0)
    ready = prepare(spectra, errors, axis)
    if ready is None or not ready.weight.any():
        return LineFit(warnings=(make_warning("W-NAME-CHANNELS"),))
    warnings = redshift.warnings if isinstance(redshift, Redshift) else medium_warnings(axis)
    return _fit(ready, axis, z, warnings + _ambiguity(redshift))


def name_emission(
    spectrum: Any, error: Any, axis: Axis, *, redshift: float | Redshift | None
) -> Naming:
    """Name the lines of one spectrum.

    Parameters
    ----------
    spectrum, error, axis, redshift
        As :func:`fit_lines` takes them.

    Returns
    -------
    Naming
        Candidates of kind "line", one per ion, and of kind "instrument" for what the night sky
        leaves. Their score is s / (s + 5) with s the significance of the best line.

    Raises
    ------
    ValueError, TypeError
        As :func:`fit_lines` does.
    """
    return naming_of(fit_lines(spectrum, error, axis, redshift=redshift))


def naming_of(fit: LineFit) -> Naming:
    """Return the names that fitted lines give: every one with its peak.

    Parameters
    ----------
    fit : LineFit

    Returns
    -------
    Naming
    """
    groups: dict[tuple[str, str], list[FittedLine]] = {}
    for one in fit.lines:
        kind = "stars" if one.peak and one.peak.area < 0 and one.kind == "gas" else one.kind
        groups.setdefault((one.ion if kind != "sky" else "", kind), []).append(one)
    candidates = [
        _candidate(ion, kind, own, fit.redshift)
        for (ion, kind), own in groups.items()
        if any(one.peak for one in own)
    ]
    candidates.sort(key=lambda each: (each.kind != "line", -each.score, each.name))
    peaks = [one.peak for one in fit.lines if one.peak] + list(fit.unexplained)
    peaks.sort(key=lambda peak: peak.position)
    return Naming(
        tuple(peaks),
        tuple(candidates),
        fit.unexplained,
        fit.warnings,
        fit.redshift,
        fit.redshift_error,
    )


def _ambiguity(redshift: float | Redshift | None) -> tuple[ResultWarning, ...]:
    if redshift is None:
        return (make_warning("W-NAME-REDSHIFT-UNKNOWN"),)
    if isinstance(redshift, Redshift) and redshift.ambiguous:
        return (make_warning("W-NAME-REDSHIFT-AMBIGUOUS", {"rival": redshift.runner_up}),)
    return ()


def _fit(
    ready: Prepared, axis: Axis, z: float | None, warnings: tuple[ResultWarning, ...]
) -> LineFit:
    """Fit the lines of the only spectrum and tell those that are seen; assumes checked input."""
    shape, told = gas_shape(ready, 0.0 if z is None else z)
    found = measure(ready, shape, z)
    claimed = in_place(found)
    _drop_halves(found, claimed)
    _drop_sky_alone(found, claimed)
    blind = blind_peaks(ready, found, claimed)
    if z is not None and _misfit(found, claimed, blind):
        warnings += (make_warning("W-NAME-REDSHIFT-MISFIT", {"redshift": z}),)
        claimed &= np.array([entry.kind == "sky" for entry in found.entries])
        blind, told = blind_peaks(ready, found, claimed), False
    lines = list(_lines(found, claimed, axis))
    blind = _sky_left(found, lines, blind, axis)
    peaks = tuple(_blind_peak(axis, each) for each in blind)
    own = None if z is None else (float(shape.redshift) if told else float(z))
    return LineFit(tuple(lines), peaks, own, shape.error if told else None, warnings)


def _sky_left(
    found: Measured, lines: list[FittedLine], blind: list[Blind], axis: Axis
) -> list[Blind]:
    """Give lines of the sky, in place, the peaks at their places; return the other peaks.

    What is left of a bright line of the sky is no Gaussian.
    """
    rest = []
    for each in blind:
        far = [
            abs(each.center - place) if one.kind == "sky" and not one.peak else np.inf
            for one, place in zip(lines, found.center, strict=True)
        ]
        at = int(np.argmin(far)) if far else 0
        if far and far[at] < FWHM * float(found.sigma[at]):
            peak = _blind_peak(axis, each)
            lines[at] = replace(
                lines[at], peak=peak, flux=peak.area, error=abs(peak.area) / peak.significance
            )
        else:
            rest.append(each)
    return rest


def _drop_halves(found: Measured, claimed: np.ndarray) -> None:
    """Take back the fainter line of a doublet, in place, whose brighter one is not there."""
    place = {entry.name: at for at, entry in enumerate(found.entries) if entry.kind == "gas"}
    for ratios, *others in PATTERNS:
        if others or len(ratios) != 2:
            continue  # only a doublet of one upper level has one ratio
        (strong, one), (faint, two) = sorted(ratios.items(), key=lambda each: -each[1])
        if strong not in place or faint not in place:
            continue
        wanted = one / two * found.flux[place[faint]]
        spread = np.hypot(found.error[place[strong]], one / two * found.error[place[faint]])
        # Half of it: the errors of bright lines are not all that there is.
        lacks = found.flux[place[strong]] < 0.5 * wanted - 3 * spread
        claimed[place[faint]] &= not lacks


def _at_sky(center: float, sigma: float) -> np.ndarray:
    """Return at which lines of the night sky (sky line,), bool, a line is."""
    return np.abs(_SKY_PLACES - center) < FWHM * sigma


def _drop_sky_alone(found: Measured, claimed: np.ndarray) -> None:
    """Take lines back, in place, if all that are seen are where the night sky shines too."""
    gas = claimed & np.array([entry.kind == "gas" for entry in found.entries], dtype=bool)
    places = zip(found.center.tolist(), found.sigma.tolist(), strict=True)
    if gas.any() and all(
        _at_sky(*place).any() for place, yes in zip(places, gas, strict=True) if yes
    ):
        claimed &= ~gas


def _misfit(found: Measured, claimed: np.ndarray, blind: list[Blind]) -> bool:
    """Tell whether the emission that has no name outweighs the one that has."""
    gas = np.array([entry.kind == "gas" for entry in found.entries], dtype=bool)
    named = np.maximum(found.significance[claimed & gas], 0.0)
    nameless = np.array([max(0.0, each.significance) for each in blind])
    return bool((nameless**2).sum() > (named**2).sum() and nameless.max() > named.max(initial=0.0))


def _lines(found: Measured, claimed: np.ndarray, axis: Axis) -> Iterable[FittedLine]:
    """Return the lines in the unit of the axis, with their peaks."""
    for at, entry in enumerate(found.entries):
        center, sigma = float(found.center[at]), float(found.sigma[at])
        flux, error = float(found.flux[at]), float(found.error[at])
        peak = None
        if claimed[at]:
            own = center + float(found.shift[at])
            strength = float(found.significance[at])
            peak = _peak(axis, own, float(found.shift_error[at]), sigma, flux, strength)
        near = _at_sky(center, sigma)
        note = ""
        if entry.kind != "sky" and near.any():
            note = f"at the night sky's {_AIRGLOW[int(near.argmax())].name}"
        elif entry.kind == "stars" or (entry.kind == "gas" and flux < 0 and peak):
            note = "in absorption"
        position = float(on_axis(np.array(center), axis))
        yield FittedLine(entry.name, entry.ion, entry.kind, position, flux, error, peak, note)


def _peak(
    axis: Axis, center: float, error: float, sigma: float, flux: float, strength: float
) -> Peak:
    """Return a peak in the unit of the axis; vacuum and air differ in place, not in width."""
    unit = float(axis.values[0] / axis.to("angstrom").values[0])
    place = float(on_axis(np.array(center), axis))
    return Peak(place, float(error * unit), float(FWHM * sigma * unit), flux, abs(strength))


def _blind_peak(axis: Axis, each: Blind) -> Peak:
    return _peak(axis, each.center, each.error, each.sigma, each.flux, each.significance)


def _candidate(ion: str, kind: str, lines: list[FittedLine], redshift: float | None) -> Candidate:
    """Return what one ion has of lines, those that are missing told."""
    own = [one for one in lines if one.peak or _expected(one)]
    told = ", ".join(f"{one.name} ({abs(one.significance):.0f} sigma)" for one in own if one.peak)
    best = max(abs(one.significance) for one in own if one.peak)
    named = tuple(
        Line(
            one.name,
            one.position,
            one.peak,
            one.note or ("" if one.peak else f"not seen ({one.significance:.1f} sigma)"),
        )
        for one in own
    )
    score = best / (best + SIGNIFICANT)
    if kind == "sky":
        return Candidate("night sky", "instrument", score, named, f"left of the sky: {told}")
    words = f"{told} {'in absorption ' if kind == 'stars' else ''}at z = {redshift:.4f}"
    return Candidate(f"{ion} (stars)" if kind == "stars" else ion, "line", score, named, words)


def _expected(line: FittedLine) -> bool:
    """Tell whether a line is so usual that it is told of where it is not seen."""
    return line.kind == "gas" and any(line.name in pattern[0] for pattern in PATTERNS)
