"""The fit of an X-ray spectrum by families of lines, with the calibration that it gives.

A spectrum (XRF, EDS) is decomposed by non-negative least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera._util.constants import FWHM, PAIR
from spectessera.axis import Axis
from spectessera.naming.candidates import Peak
from spectessera.naming.peaks import check_spectrum, find_peaks

from .components import (
    Component,
    XrayFit,
    XraySpectrum,
    beam_component,
    compton_component,
    detectable_families,
    family_components,
    prepare,
    sum_component,
)
from .decomposition import Decomposition
from .families import ANODES, HARD_ANODES, Response
from .solver import Solver, last_energy, misfit, prune, refine

FEWEST_CHANNELS = 32
# A misfit of the strong peaks above SUSPECT makes the calibration suspect. It is reported as wrong
# if a factor reduces the misfit to less than half, and below STRETCHED.
SUSPECT = 0.2
STRETCHED = 0.35
HARD = 5.0  # keV; L lines of the anodes with K lines in range are below
FURTHEST = 0.06
GAINS = tuple(round(0.94 + 0.01 * step, 2) for step in range(13))


@dataclass(frozen=True)
class XraySettings:
    """What is known of the instrument; None: estimated from the spectrum, or not used.

    Parameters
    ----------
    anode : str or None
        "Cr", "Cu", "Mo", "Rh", "Pd", "Ag" or "W": the lines of this element are then attributed
        to the tube. By default the anode is recognised by Compton scattering of its K lines.
    excitation : float or None
        Voltage of the tube in kV, or energy of the electrons in keV: higher edges are not excited.
    beam : float or None
        Energy of a monochromatic beam in keV, whose scattered light belongs to the instrument.
    noise : float or None
        Electronic noise of the detector, full width at half maximum in keV.
    lowest : float
        Channels below this energy in keV are left out: they contain the zero peak of the
        electronics.

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


class Decomposed(NamedTuple):
    """The decomposition of a spectrum.

    ``factor`` is that by which the energies of the axis seem to be wrong, 1 where they are right.
    """

    decomposition: Decomposition
    factor: float


class Counts(NamedTuple):
    """Counts and their errors at rising, equidistant energies in keV, all (channel,)."""

    energy: np.ndarray
    values: np.ndarray
    error: np.ndarray


def prepared_counts(
    spectrum: np.ndarray, error: np.ndarray, axis: Axis, settings: XraySettings
) -> Counts | None:
    """Check the arguments; return the counts, None if there are too few channels with counts."""
    values, deviation = check_spectrum(spectrum, error, axis)
    if axis.kind != "energy":
        raise ValueError(
            f"X-ray lines are named on an energy axis; this one is of kind {axis.kind} "
            f"({axis.unit or 'no unit'}): calibrate it first"
        )
    energy = axis.to("keV").values
    order = np.argsort(energy, kind="stable")
    order = order[energy[order] >= settings.lowest]
    at, counts, noise = energy[order], values[order], deviation[order]
    if len(at) < FEWEST_CHANNELS or not (noise > 0).any() or not (counts > 0).any():
        return None
    # The axis may extend far beyond the counts: a few channels on either side are enough.
    some = np.flatnonzero(counts > 0)
    inside = slice(max(0, some[0] - 5), some[-1] + 6)
    at, counts, noise = at[inside], counts[inside], noise[inside]
    if len(at) < FEWEST_CHANNELS or not (noise > 0).any():
        return None
    even = np.linspace(at[0], at[-1], len(at))
    if not np.allclose(even, at, atol=0.05 * (even[1] - even[0])):
        counts, noise = np.interp(even, at, counts), np.interp(even, at, noise)
    return Counts(even, counts, noise)


def decompose(
    spectrum: np.ndarray, error: np.ndarray, axis: Axis, settings: XraySettings
) -> Decomposed | None:
    """Return the decomposition of a spectrum; None if there are no peaks.

    Parameters and errors are those of :func:`spectessera.naming.xray.elements.name_xray`.
    """
    counts = prepared_counts(spectrum, error, axis, settings)
    return None if counts is None else decompose_counts(counts, settings)


def decompose_counts(counts: Counts, settings: XraySettings) -> Decomposed | None:
    """Return the decomposition of a spectrum that is prepared; None if there are no peaks."""
    start = _first_response(counts, settings)
    peaks = find_peaks(counts.values, counts.error, Axis(counts.energy, "keV"), width=start.width)
    if not peaks:
        return None
    highest = settings.excitation or np.inf
    places = _strong(counts.energy, peaks, start)
    data, response, worst = _calibrated(counts, start, places, highest)
    if worst <= SUSPECT:
        return Decomposed(_decompose(data, response, peaks, settings), 1.0)
    decomposition = _decompose_refined(counts, start, peaks, settings)
    # Accept a factor only if uncommon elements do not explain the spectrum as well.
    if stretched := _stretched(data, response, places, worst, highest):
        other = _decompose(data, stretched, peaks, settings)
        if 2 * _cost_beyond_noise(other) < _cost_beyond_noise(decomposition):
            return Decomposed(other, 1 / stretched.gain)
    return Decomposed(decomposition, 1.0)


# --- the workers assume checked input ----------------------------------------------------------


def _first_response(counts: Counts, settings: XraySettings) -> Response:
    """Return the detector, its noise estimated from the widths of the strongest peaks."""
    if settings.noise is not None:
        return Response(noise=settings.noise)
    usual = Response()
    peaks = find_peaks(counts.values, counts.error, Axis(counts.energy, "keV"), width=usual.width)
    strong = sorted(peaks, key=lambda peak: -peak.area)[:8]
    squares = [
        peak.width**2 - FWHM**2 * usual.fano * PAIR * peak.position
        for peak in strong
        if peak.significance > 15
    ]
    if not squares:
        return usual
    # A low percentile, not the mean: blended peaks are too wide.
    narrow = float(np.percentile(squares, 30))
    return Response(noise=float(np.clip(np.sqrt(max(narrow, 0.0)), 0.03, 0.3)))


def _calibrated(
    counts: Counts, response: Response, places: list[slice], highest: float
) -> tuple[XraySpectrum, Response, float]:
    """Return the prepared spectrum, the response refined by common elements, and its misfit."""
    data = prepare(*counts, response)
    response, worst = _refined(data, response, places, highest, rounds=2)
    return prepare(*counts, response), response, worst


def _refined(
    data: XraySpectrum, response: Response, places: list[slice], highest: float, rounds: int
) -> tuple[Response, float]:
    for last in range(rounds + 1):
        fit = _common_fit(data, response, highest)
        if last < rounds:
            response = refine(data, fit, response)
    return response, misfit(data, fit, places)


def _common_fit(data: XraySpectrum, response: Response, highest: float) -> XrayFit:
    """Return a fit by all common elements and tubes."""
    families = detectable_families(data, response, highest=highest, common_only=True)
    components = family_components(families, data.energy, response)
    tubes = {each.symbol for each in families if each.shell == "K"} & set(HARD_ANODES)
    scattered = [compton_component(anode, data.energy, response) for anode in sorted(tubes)]
    components += [each for each in scattered if each is not None]
    return Solver(data, components).fit(list(range(len(components))))


def _strong(energy: np.ndarray, peaks: tuple[Peak, ...], response: Response) -> list[slice]:
    """Return the channels of the strong peaks, at most twelve of them."""
    ranked = sorted(peaks, key=lambda peak: -peak.significance)[:12]
    places = []
    for peak in ranked:
        if peak.significance > 12:
            half = float(response.width(peak.position)) * 0.6
            low, high = np.searchsorted(energy, [peak.position - half, peak.position + half])
            places.append(slice(int(low), int(high)))
    return places


def _stretched(
    data: XraySpectrum, response: Response, places: list[slice], worst: float, highest: float
) -> Response | None:
    """Return a response with which common elements fit far better, None if there is none."""
    scanned = []
    for gain in GAINS:
        if abs(gain - 1) > 0.005:
            trial = response._replace(gain=gain, offset=0.0)
            trial, wrong = _refined(data, trial, places, highest, rounds=1)
            scanned.append((wrong, trial.gain, trial))
    wrong, gain, trial = min(scanned)
    trial, wrong = _refined(data, trial, places, highest, rounds=2)
    if wrong < worst / 2 and wrong < STRETCHED and abs(trial.gain - 1) < FURTHEST:
        return trial
    return None


def _decompose(
    data: XraySpectrum, response: Response, peaks: tuple[Peak, ...], settings: XraySettings
) -> Decomposition:
    """Fit all families and prune them; then again with sum peaks."""
    highest = settings.excitation or np.inf
    beam = settings.beam or (None if settings.anode else _beam(data, response, peaks))
    excitation = min(highest, beam or np.inf, last_energy(data))
    families = detectable_families(data, response, highest=highest)
    components = family_components(families, data.energy, response)
    components += _instrument(data, response, components, settings, beam)
    solver = Solver(data, components)
    used = prune(solver, list(range(len(components))), excitation)
    used = _with_one_anode(solver, used, settings.anode, excitation)
    sums = sum_component(solver.fit(used), data.energy, response)
    if sums is None:
        return Decomposition(data, response, peaks, solver, used, (), excitation)
    component, pairs = sums
    solver = Solver(data, [*components, component])
    used = prune(solver, [*used, len(components)], excitation)
    return Decomposition(data, response, peaks, solver, used, tuple(pairs), excitation)


def _cost_beyond_noise(decomposition: Decomposition) -> float:
    """Return the cost minus that of noise alone, which is 1 per channel."""
    channels = len(decomposition.data.energy)
    return max(decomposition.cost - channels, float(np.sqrt(2 * channels)))


def _decompose_refined(
    counts: Counts, response: Response, peaks: tuple[Peak, ...], settings: XraySettings
) -> Decomposition:
    """Decompose with the response refined by all families, not only by common ones."""
    for _ in range(2):
        data = prepare(*counts, response)
        decomposition = _decompose(data, response, peaks, settings)
        response = refine(data, decomposition.solver.fit(decomposition.used), response)
    return _decompose(prepare(*counts, response), response, peaks, settings)


def _instrument(
    data: XraySpectrum,
    response: Response,
    components: list[Component],
    settings: XraySettings,
    beam: float | None,
) -> list[Component]:
    """Return the light of tubes and beams that may be scattered into the spectrum."""
    with_k_lines = {each.name for each in components if each.family and each.family.shell == "K"}
    anodes = [settings.anode] if settings.anode else [a for a in HARD_ANODES if a in with_k_lines]
    tubes = [compton_component(anode, data.energy, response) for anode in anodes]
    scattered = [each for each in tubes if each is not None]
    if beam is not None:
        scattered.append(beam_component(beam, data.energy, response))
    return scattered


def _beam(data: XraySpectrum, response: Response, peaks: tuple[Peak, ...]) -> float | None:
    """Return the energy of a monochromatic beam, if the spectrum ends with a strong peak."""
    total = data.counts.sum()
    strong = [peak for peak in peaks if peak.area > 0.02 * total]
    if not strong:
        return None
    last = strong[-1]
    beyond = data.energy > last.position + 2 * response.width(last.position)
    if data.counts[beyond].sum() > 0.01 * total:
        return None
    return float((last.position - response.offset) / response.gain)


def _with_one_anode(
    solver: Solver, used: list[int], anode: str | None, excitation: float
) -> list[int]:
    """Keep only the tube whose Compton scattering lowers chi2 most, and none without K lines.

    Scattered L lines alone do not indicate a tube: their shift is less than their width.
    """
    fit, hard = solver.fit(used), solver.data.energy > HARD
    tubes, with_k_lines = [], []
    for place, index in enumerate(used):
        if solver.components[index].kind == "compton":
            counts = fit.counts(place)
            tubes.append(index)
            with_k_lines += [index] if 2 * counts[hard].sum() > counts.sum() else []
    if not tubes or anode is not None or (len(tubes) == 1 and with_k_lines):
        return used
    best = max(with_k_lines, key=lambda i: solver.increase(used, [i]), default=None)
    # All elements are tried again: a wrong tube may have replaced some of them.
    again = [i for i, each in enumerate(solver.components) if each.kind != "compton" or i == best]
    return prune(solver, again, excitation)
