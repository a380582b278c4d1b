"""Name the elements in an X-ray spectrum by their lines, with the evidence.

A spectrum (XRF or EDS, of a silicon detector) is fitted at once by families of lines that cannot
be negative, on a clipped background; families that the fit can spare are dropped, the less likely
first. What is left and has peaks is named; what else could be meant is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera._util.constants import FWHM, PAIR
from spectessera.axis import Axis
from spectessera.naming.candidates import Line, Naming, Peak
from spectessera.naming.peaks import check_spectrum, find_peaks
from spectessera.warning import make_warning

from . import fit as fits
from .evidence import candidates_of
from .families import ANODES, HARD_ANODES, Response
from .study import Study, cost

FEWEST_CHANNELS = 32
# A misfit of the strong peaks beyond this makes the calibration suspect; if a factor makes it less
# than half of that, and less than STRETCHED, the calibration is said to be off.
SUSPECT = 0.2
STRETCHED = 0.35
HARD = 5.0  # keV; the L lines of the anodes with K lines in sight are softer
FURTHEST = 0.06
GAINS = tuple(round(0.94 + 0.01 * step, 2) for step in range(13))


@dataclass(frozen=True)
class XraySettings:
    """What is known of the instrument; what is None is found out or left open.

    Parameters
    ----------
    anode : str or None
        "Cr", "Cu", "Mo", "Rh", "Pd", "Ag" or "W": the lines of the tube are no elements of the
        sample then. By default an anode is recognised by Compton scattering of its K lines.
    excitation : float or None
        Voltage of the tube in kV, or energy of the electrons in keV: nothing above is excited.
    beam : float or None
        Energy of a monochromatic beam in keV, whose scattered light is not of the sample.
    noise : float or None
        Electronic noise of the detector, full width at half maximum in keV.
    lowest : float
        Channels below this energy in keV are left out: they hold the zero peak of the electronics.

    Raises
    ------
    TypeError, ValueError
        If the anode is unknown or a number is out of range.
    """

    anode: str | None = None
    excitation: float | None = None
    beam: float | None = None
    noise: float | None = None
    lowest: float = 0.15

    def __post_init__(self) -> None:
        if self.anode is not None:
            check_choice("anode", self.anode, ANODES)
        for name, high in (("excitation", 1000.0), ("beam", 200.0), ("noise", 1.0)):
            value = getattr(self, name)
            if value is not None:
                check_number(name, value, low=0.0, high=high, open_low=True)
        check_number("lowest", self.lowest, low=0.0)


def name_xray(
    spectrum: np.ndarray,
    error: np.ndarray,
    axis: Axis,
    settings: XraySettings | None = None,
) -> Naming:
    """Name the elements whose lines a spectrum has.

    Parameters
    ----------
    spectrum : array (channel,)
        Such as the mean over the pixels of a cluster, in counts or proportional to them.
    error : array (channel,)
        Its standard error.
    axis : Axis
        An axis of energy in any unit, rising or falling.
    settings : XraySettings or None
        None is its defaults.

    Returns
    -------
    Naming
        Positions are in the unit of the axis. Candidates are of kind "element" and "instrument"
        (tube lines, scattered light, argon of the air, escape and sum peaks). It is empty where
        nothing is found; where the calibration seems to be off there is a note and no element.

    Raises
    ------
    TypeError, ValueError
        If the axis is none of energy, shapes disagree, values are not finite or an error is
        negative.
    """
    settings = settings or XraySettings()
    given = _prepare(spectrum, error, axis, settings)
    if given is None:
        return Naming()
    at, counts, noise = given
    start = _first_response(at, counts, noise, settings)
    peaks = find_peaks(counts, noise, Axis(at, "keV"), width=start.width)
    if not peaks:
        return Naming()
    highest = settings.excitation or np.inf
    places = _strong(at, peaks, start)
    data, response, worst = _calibrated(given, start, places, highest)
    factor = 1.0
    if worst <= SUSPECT:
        study = _study(data, response, peaks, settings)
    else:
        study = _settled(given, start, peaks, settings)
        # Uncommon elements explain as well what common ones cannot, or they do not.
        if tried := _stretched(data, response, places, worst, highest):
            other = _study(data, tried, peaks, settings)
            if 2 * _excess(other) < _excess(study):
                study, factor = other, 1 / tried.gain
    naming = Naming(peaks, *candidates_of(study, settings.anode))
    if factor != 1.0:
        naming = _suspect(naming, factor)
    return _in_unit(naming, axis)


def line_width(noise: float = 0.08, fano: float = 0.115) -> Response:
    """Return a silicon detector, whose method ``width`` tells the width of lines in keV.

    Parameters
    ----------
    noise : float
        Electronic noise, full width at half maximum in keV.
    fano : float
        Fano factor.
    """
    return Response(noise, fano)


# --- the workers assume checked input ----------------------------------------------------------


class _Given(NamedTuple):
    at: np.ndarray
    counts: np.ndarray
    noise: np.ndarray


def _prepare(
    spectrum: np.ndarray, error: np.ndarray, axis: Axis, settings: XraySettings
) -> _Given | None:
    """Check what is given; return it in keV, rising, or None where there is nothing to be named."""
    values, deviation = check_spectrum(spectrum, error, axis)
    if axis.kind != "energy":
        raise ValueError(
            f"X-ray lines are named on an axis of energy; this one is of {axis.kind} "
            f"({axis.unit or 'no unit'}): calibrate it first"
        )
    energy = axis.to("keV").values
    order = np.argsort(energy, kind="stable")
    order = order[energy[order] >= settings.lowest]
    at, counts, noise = energy[order], values[order], deviation[order]
    if len(at) < FEWEST_CHANNELS or not (noise > 0).any() or not (counts > 0).any():
        return None
    # A scan may tell keV where there is nothing at all: a few channels either side are enough.
    some = np.flatnonzero(counts > 0)
    inside = slice(max(0, some[0] - 5), some[-1] + 6)
    at, counts, noise = at[inside], counts[inside], noise[inside]
    if len(at) < FEWEST_CHANNELS or not (noise > 0).any():
        return None
    even = np.linspace(at[0], at[-1], len(at))
    if not np.allclose(even, at, atol=0.05 * (even[1] - even[0])):
        counts, noise = np.interp(even, at, counts), np.interp(even, at, noise)
    return _Given(even, counts, noise)


def _first_response(
    at: np.ndarray, counts: np.ndarray, noise: np.ndarray, settings: XraySettings
) -> Response:
    """Return the detector as the widths of the strongest peaks tell it."""
    if settings.noise is not None:
        return Response(noise=settings.noise)
    usual = Response()
    peaks = find_peaks(counts, noise, Axis(at, "keV"), width=usual.width)
    strong = sorted(peaks, key=lambda peak: -peak.area)[:8]
    left = [
        peak.width**2 - FWHM**2 * usual.fano * PAIR * peak.position
        for peak in strong
        if peak.significance > 15
    ]
    if not left:
        return usual
    # Not the mean: peaks that are two lines are too wide.
    narrow = float(np.percentile(left, 30))
    return Response(noise=float(np.clip(np.sqrt(max(narrow, 0.0)), 0.03, 0.3)))


def _calibrated(
    given: _Given, response: Response, places: list[slice], highest: float
) -> tuple[fits.Data, Response, float]:
    """Return what is fitted, the response refined by common elements, and how bad the fit is."""
    at, counts, noise = given
    data = fits.prepare(at, counts, noise, response)
    response, worst = _refined(data, response, places, highest, rounds=2)
    return fits.prepare(at, counts, noise, response), response, worst


def _refined(
    data: fits.Data, response: Response, places: list[slice], highest: float, rounds: int
) -> tuple[Response, float]:
    for last in range(rounds + 1):
        fit = _common_fit(data, response, highest)
        if last < rounds:
            response = fits.refine(data, fit, response)
    return response, fits.misfit(data, fit, places)


def _common_fit(data: fits.Data, response: Response, highest: float) -> fits.Fit:
    """Return a fit by all common elements and tubes."""
    found = fits.families(data, response, highest=highest, common_only=True)
    units = fits.units_of(found, data.at, response)
    tubes = {each.symbol for each in found if each.shell == "K"} & set(HARD_ANODES)
    scattered = [fits.compton_unit(anode, data.at, response) for anode in sorted(tubes)]
    units += [unit for unit in scattered if unit is not None]
    return fits.Solver(data, units).fit(list(range(len(units))))


def _strong(at: np.ndarray, peaks: tuple[Peak, ...], response: Response) -> list[slice]:
    """Return the channels of the strong peaks, at most twelve of them."""
    ranked = sorted(peaks, key=lambda peak: -peak.significance)[:12]
    found = []
    for peak in ranked:
        if peak.significance > 12:
            half = float(response.width(peak.position)) * 0.6
            low, high = np.searchsorted(at, [peak.position - half, peak.position + half])
            found.append(slice(int(low), int(high)))
    return found


def _stretched(
    data: fits.Data, response: Response, places: list[slice], worst: float, highest: float
) -> Response | None:
    """Return the response by which common elements fit far better, None if there is none."""
    scanned = []
    for gain in GAINS:
        if abs(gain - 1) > 0.005:
            tried = response._replace(gain=gain, offset=0.0)
            tried, bad = _refined(data, tried, places, highest, rounds=1)
            scanned.append((bad, tried.gain, tried))
    bad, gain, tried = min(scanned)
    tried, bad = _refined(data, tried, places, highest, rounds=2)
    if bad < worst / 2 and bad < STRETCHED and abs(tried.gain - 1) < FURTHEST:
        return tried
    return None


def _study(
    data: fits.Data, response: Response, peaks: tuple[Peak, ...], settings: XraySettings
) -> Study:
    """Fit all families and drop what can be spared; then again with sum peaks."""
    highest = settings.excitation or np.inf
    beam = settings.beam or (None if settings.anode else _beam(data, response, peaks))
    reached = min(highest, beam or np.inf, fits.reach(data))
    found = fits.families(data, response, highest=highest)
    units = fits.units_of(found, data.at, response)
    units += _instrument(data, response, units, settings, beam)
    solver = fits.Solver(data, units)
    use = fits.spare(solver, list(range(len(units))), reached)
    use = _one_anode(solver, use, settings.anode, reached)
    sums = fits.sum_unit(solver.fit(use), data.at, response)
    if sums is None:
        return Study(data, response, peaks, solver, use, (), reached)
    unit, pairs = sums
    solver = fits.Solver(data, [*units, unit])
    use = fits.spare(solver, [*use, len(units)], reached)
    return Study(data, response, peaks, solver, use, tuple(pairs), reached)


def _excess(study: Study) -> float:
    """Return the cost of a fit beyond that of noise alone, which every channel adds 1 to."""
    return max(cost(study) - len(study.data.at), float(np.sqrt(2 * len(study.data.at))))


def _settled(
    given: _Given, response: Response, peaks: tuple[Peak, ...], settings: XraySettings
) -> Study:
    """Fit all families with the response refined by all of them, not by the common ones."""
    for _ in range(2):
        data = fits.prepare(*given, response)
        study = _study(data, response, peaks, settings)
        response = fits.refine(data, study.solver.fit(study.use), response)
    return _study(fits.prepare(*given, response), response, peaks, settings)


def _instrument(
    data: fits.Data,
    response: Response,
    units: list[fits.Unit],
    settings: XraySettings,
    beam: float | None,
) -> list[fits.Unit]:
    """Return what tubes and beams may have scattered into the spectrum."""
    seen = {unit.name for unit in units if unit.family is not None and unit.family.shell == "K"}
    tried = [settings.anode] if settings.anode else [a for a in HARD_ANODES if a in seen]
    made = [fits.compton_unit(anode, data.at, response) for anode in tried]
    found = [unit for unit in made if unit is not None]
    if beam is not None:
        found.append(fits.beam_unit(beam, data.at, response))
    return found


def _beam(data: fits.Data, response: Response, peaks: tuple[Peak, ...]) -> float | None:
    """Return the energy of a monochromatic beam, if the spectrum ends with a strong peak."""
    total = data.counts.sum()
    strong = [peak for peak in peaks if peak.area > 0.02 * total]
    if not strong:
        return None
    last = strong[-1]
    beyond = data.at > last.position + 2 * response.width(last.position)
    if data.counts[beyond].sum() > 0.01 * total:
        return None
    return float((last.position - response.offset) / response.gain)


def _one_anode(solver: fits.Solver, use: list[int], anode: str | None, reached: float) -> list[int]:
    """Keep the one tube whose Compton scattering is missed most, and none that has no K lines.

    Scattered L lines alone are no sign of a tube: their shift is less than their width.
    """
    fit, hard = solver.fit(use), solver.data.at > HARD
    tubes, seen = [], []
    for place, index in enumerate(use):
        if solver.units[index].kind == "compton":
            counts = fit.counts(place)
            tubes.append(index)
            seen += [index] if 2 * counts[hard].sum() > counts.sum() else []
    if not tubes or anode is not None or (len(tubes) == 1 and seen):
        return use
    best = max(seen, key=lambda i: solver.lost(use, [i]), default=None)
    # All elements come back: some may have given way to a tube that is none.
    elements = [i for i, unit in enumerate(solver.units) if unit.kind != "compton" or i == best]
    return fits.spare(solver, elements, reached)


def _suspect(naming: Naming, factor: float) -> Naming:
    """Take back all elements: with a wrong calibration every name is chance."""
    would = [each.name for each in naming.of_kind("element") if each.score > 0.5][:6]
    elements = f" (with that factor: {', '.join(would)})" if would else ""
    warning = make_warning("W-NAME-CALIBRATION", {"factor": factor, "candidates": elements})
    return replace(naming, candidates=(), unexplained=naming.peaks, warnings=(warning,))


def _in_unit(naming: Naming, axis: Axis) -> Naming:
    """Return positions in the unit of the axis, in its order."""
    factor = 1.0 / float(Axis(np.ones(1), axis.unit).to("keV").values[0])
    falling = bool(axis.values[0] > axis.values[-1])

    def peak(one: Peak) -> Peak:
        return replace(
            one,
            position=float(one.position * factor),
            error=one.error * factor,
            width=one.width * factor,
        )

    def line(one: Line) -> Line:
        told = peak(one.peak) if one.peak else None
        return replace(one, position=one.position * factor, peak=told)

    def ordered(some: tuple[Peak, ...]) -> tuple[Peak, ...]:
        return tuple(peak(one) for one in (some[::-1] if falling else some))

    told = [replace(one, lines=tuple(map(line, one.lines))) for one in naming.candidates]
    return replace(
        naming,
        peaks=ordered(naming.peaks),
        candidates=tuple(told),
        unexplained=ordered(naming.unexplained),
    )
