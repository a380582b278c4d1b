"""The lines of ionised gas and stars in a spectrum, by name, at a known redshift.

The redshift is fitted in :mod:`~spectessera.optical.redshift`, the lines in
:mod:`~spectessera.naming.optical.fluxes`; the class of the gas is derived in
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
from spectessera.optical.linefits import PreparedSpectra, check_spectra, on_axis, prepare
from spectessera.optical.linetable import SKY, rest_vacuum
from spectessera.optical.redshift import PATTERNS, SIGNIFICANT, Redshift, medium_warnings
from spectessera.warning import ResultWarning, make_warning

from .fluxes import BlindPeak, LineFluxes, blind_peaks, gas_shape, identified_lines, measure

# Without the lines of sunlight: hydrogen lines at rest would always coincide with the sky.
_AIRGLOW = tuple(line for line in SKY if line.ion in {"[OI]", "Na", "OH"})
_SKY_PLACES = rest_vacuum(_AIRGLOW)


@dataclass(frozen=True)
class FittedLine:
    """A line of the table with its flux, detected or not.

    Attributes
    ----------
    name, ion : str
        Such as "[NII] 6583", or "[OII] 3726+3729" if the two lines are not resolved.
    kind : str
        "gas", "stars" or "sky".
    position : float
        Expected position, in the unit of the axis.
    flux, error : float
        Sum over the channels, in the unit of the spectrum; negative in absorption.
    peak : Peak or None
        None unless the line is detected at its position with five standard errors.
    note : str
        Such as "in absorption".
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
        """Flux divided by its standard error."""
        return self.flux / self.error


@dataclass(frozen=True)
class LineFit:
    """All fitted lines of a spectrum.

    Attributes
    ----------
    lines : tuple of FittedLine
        Those on the axis, by wavelength; lines of the sky are at redshift 0.
    unexplained : tuple of Peak
        Peaks that no line explains.
    redshift, redshift_error : float or None
        Of the gas in this spectrum; the error is None if no line was bright enough for a fit.
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

    The fitted redshift differs by at most 500 km/s from the given one. Fluxes are not corrected
    for reddening or for stellar absorption under the Balmer lines.

    Parameters
    ----------
    spectrum : array (channel,)
        With its continuum, in any unit. NaN: not measured.
    error : array (channel,)
        Standard error; 0 or NaN: not measured. It is raised to the observed scatter.
    axis : Axis
        Wavelengths; in air if the medium is unknown.
    redshift : float, Redshift or None
        None if it is unknown: then only residuals of the night sky get a name.

    Returns
    -------
    LineFit
        Without lines if there are fewer than 30 channels.

    Raises
    ------
    ValueError, TypeError
        If shapes differ, the axis is not of wavelengths, or the redshift is not a number from -0.9
        to 20.
    """
    spectra, errors = check_spectra(np.asarray(spectrum)[None], np.asarray(error)[None], axis)
    z = redshift.z if isinstance(redshift, Redshift) else redshift
    if z is not None:
        check_number("redshift", z, low=-0.9, high=20.0)
    data = prepare(spectra, errors, axis)
    if data is None or not data.weight.any():
        return LineFit(warnings=(make_warning("W-NAME-CHANNELS"),))
    warnings = redshift.warnings if isinstance(redshift, Redshift) else medium_warnings(axis)
    return _fit(data, axis, z, warnings + _ambiguity(redshift))


def name_emission(
    spectrum: Any, error: Any, axis: Axis, *, redshift: float | Redshift | None
) -> Naming:
    """Name the lines of one spectrum.

    Parameters
    ----------
    spectrum, error, axis, redshift
        As for :func:`fit_lines`.

    Returns
    -------
    Naming
        Candidates of kind "line", one per ion, and of kind "instrument" for residuals of the night
        sky. Their score is s / (s + 5), where s is the significance of the strongest line.

    Raises
    ------
    ValueError, TypeError
        As for :func:`fit_lines`.
    """
    return naming_of(fit_lines(spectrum, error, axis, redshift=redshift))


def naming_of(fit: LineFit) -> Naming:
    """Return the naming of fitted lines: candidates with their lines and peaks.

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
    data: PreparedSpectra, axis: Axis, z: float | None, warnings: tuple[ResultWarning, ...]
) -> LineFit:
    """Fit the lines of the only spectrum and identify them; assumes checked input."""
    shape, fitted = gas_shape(data, 0.0 if z is None else z)
    fluxes = measure(data, shape, z)
    identified = identified_lines(fluxes)
    _drop_lone_doublet_lines(fluxes, identified)
    _drop_lines_at_sky(fluxes, identified)
    blind = blind_peaks(data, fluxes, identified)
    if z is not None and _misfit(fluxes, identified, blind):
        warnings += (make_warning("W-NAME-REDSHIFT-MISFIT", {"redshift": z}),)
        identified &= np.array([blend.kind == "sky" for blend in fluxes.blends])
        blind, fitted = blind_peaks(data, fluxes, identified), False
    lines = list(_lines(fluxes, identified, axis))
    blind = _assign_to_sky(fluxes, lines, blind, axis)
    peaks = tuple(_blind_peak(axis, each) for each in blind)
    own = None if z is None else (float(shape.redshift) if fitted else float(z))
    return LineFit(tuple(lines), peaks, own, shape.error if fitted else None, warnings)


def _assign_to_sky(
    fluxes: LineFluxes, lines: list[FittedLine], blind: list[BlindPeak], axis: Axis
) -> list[BlindPeak]:
    """Assign peaks at the positions of sky lines to these, in place; return the other peaks.

    Residuals of bright sky lines are not Gaussian, so the fit may miss them.
    """
    rest = []
    for each in blind:
        far = [
            abs(each.center - place) if one.kind == "sky" and not one.peak else np.inf
            for one, place in zip(lines, fluxes.center, strict=True)
        ]
        at = int(np.argmin(far)) if far else 0
        if far and far[at] < FWHM * float(fluxes.sigma[at]):
            peak = _blind_peak(axis, each)
            lines[at] = replace(
                lines[at], peak=peak, flux=peak.area, error=abs(peak.area) / peak.significance,
                note="of the sky, not of the object",
            )  # fmt: skip
        else:
            rest.append(each)
    return rest


def _drop_lone_doublet_lines(fluxes: LineFluxes, identified: np.ndarray) -> None:
    """Drop the fainter line of a doublet, in place, if the brighter one is missing."""
    place = {blend.name: at for at, blend in enumerate(fluxes.blends) if blend.kind == "gas"}
    for ratios, *others in PATTERNS:
        if others or len(ratios) != 2:
            continue  # only doublets of one upper level have a fixed ratio
        (strong, one), (faint, two) = sorted(ratios.items(), key=lambda each: -each[1])
        if strong not in place or faint not in place:
            continue
        expected = one / two * fluxes.flux[place[faint]]
        spread = np.hypot(fluxes.error[place[strong]], one / two * fluxes.error[place[faint]])
        # Half of the expected flux: bright lines have errors beyond the noise.
        missing = fluxes.flux[place[strong]] < 0.5 * expected - 3 * spread
        identified[place[faint]] &= not missing


def _at_sky(center: float, sigma: float) -> np.ndarray:
    """Return a mask (sky line,) of the lines of the night sky that a line coincides with."""
    return np.abs(_SKY_PLACES - center) < FWHM * sigma


def _drop_lines_at_sky(fluxes: LineFluxes, identified: np.ndarray) -> None:
    """Drop the lines of the gas, in place, if all of them coincide with lines of the night sky."""
    gas = identified & np.array([blend.kind == "gas" for blend in fluxes.blends], dtype=bool)
    places = zip(fluxes.center.tolist(), fluxes.sigma.tolist(), strict=True)
    if gas.any() and all(
        _at_sky(*place).any() for place, yes in zip(places, gas, strict=True) if yes
    ):
        identified &= ~gas


def _misfit(fluxes: LineFluxes, identified: np.ndarray, blind: list[BlindPeak]) -> bool:
    """Return whether unidentified emission is more significant than identified emission."""
    gas = np.array([blend.kind == "gas" for blend in fluxes.blends], dtype=bool)
    named = np.maximum(fluxes.significance[identified & gas], 0.0)
    other = np.array([max(0.0, each.significance) for each in blind])
    return bool((other**2).sum() > (named**2).sum() and other.max() > named.max(initial=0.0))


def _lines(fluxes: LineFluxes, identified: np.ndarray, axis: Axis) -> Iterable[FittedLine]:
    """Return the lines in the unit of the axis, with their peaks."""
    for at, blend in enumerate(fluxes.blends):
        center, sigma = float(fluxes.center[at]), float(fluxes.sigma[at])
        flux, error = float(fluxes.flux[at]), float(fluxes.error[at])
        peak = None
        if identified[at]:
            own = center + float(fluxes.shift[at])
            strength = float(fluxes.significance[at])
            peak = _peak(axis, own, float(fluxes.shift_error[at]), sigma, flux, strength)
        near = _at_sky(center, sigma)
        note = ""
        if blend.kind != "sky" and near.any():
            note = f"coincides with {_AIRGLOW[int(near.argmax())].name} of the night sky"
        elif blend.kind == "stars" or (blend.kind == "gas" and flux < 0 and peak):
            note = "in absorption"
        elif blend.kind == "sky" and peak:  # of the same names as those of the object
            note = "of the sky, not of the object"
        position = float(on_axis(np.array(center), axis))
        yield FittedLine(blend.name, blend.ion, blend.kind, position, flux, error, peak, note)


def _peak(
    axis: Axis, center: float, error: float, sigma: float, flux: float, strength: float
) -> Peak:
    """Return a peak in the unit of the axis; only its position depends on the medium."""
    unit = float(axis.values[0] / axis.to("angstrom").values[0])
    place = float(on_axis(np.array(center), axis))
    return Peak(place, float(error * unit), float(FWHM * sigma * unit), flux, abs(strength))


def _blind_peak(axis: Axis, each: BlindPeak) -> Peak:
    return _peak(axis, each.center, each.error, each.sigma, each.flux, each.significance)


def _candidate(ion: str, kind: str, lines: list[FittedLine], redshift: float | None) -> Candidate:
    """Return the candidate of one ion, with detected lines and with missing strong ones."""
    own = [one for one in lines if one.peak or _expected(one)]
    detected = ", ".join(
        f"{one.name} ({abs(one.significance):.0f} sigma)" for one in own if one.peak
    )
    best = max(abs(one.significance) for one in own if one.peak)
    named = tuple(
        Line(
            one.name,
            one.position,
            one.peak,
            one.note or ("" if one.peak else f"not detected ({one.significance:.1f} sigma)"),
        )
        for one in own
    )
    score = best / (best + SIGNIFICANT)
    if kind == "sky":
        return Candidate("night sky", "instrument", score, named, f"sky residuals: {detected}")
    evidence = f"{detected} {'in absorption ' if kind == 'stars' else ''}at z = {redshift:.4f}"
    return Candidate(f"{ion} (stars)" if kind == "stars" else ion, "line", score, named, evidence)


def _expected(line: FittedLine) -> bool:
    """Return whether a line is so strong that it is listed even if it is not detected."""
    return line.kind == "gas" and any(line.name in pattern[0] for pattern in PATTERNS)
