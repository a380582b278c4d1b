"""Numbers of a mean spectrum with errors: net counts, fluxes, ratios, reddening, density."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from spectessera.axis import Axis, channel_edges
from spectessera.synth.nebulae.lines import extinction

from .candidates import Candidate, Line, Naming, Peak

ALPHA, BETA = "Ha 6563", "Hb 4861"
# Case B of hydrogen at 1e4 K and 100 cm-3 (Storey & Hummer 1995, MNRAS 272, 41).
BALMER_DECREMENT = 2.863
# Decimal logarithms of ratios: the lines above, and that below.
LOG_RATIOS: dict[str, tuple[tuple[str, ...], str]] = {
    "log [OIII]/Hb": (("[OIII] 5007",), BETA),
    "log [NII]/Ha": (("[NII] 6583",), ALPHA),
    "log [SII]/Ha": (("[SII] 6716", "[SII] 6731"), ALPHA),
    "log [OI]/Ha": (("[OI] 6300",), ALPHA),
}
SULPHUR = ("[SII] 6716", "[SII] 6731")
# Of [SII] 6716 / 6731, between which it says something about the density.
DENSE_BELOW, THIN_ABOVE = 0.50, 1.38
# What each kind of number is, and how far it is quantitative.
MEANINGS = {
    "net counts": "counts of the line in a mean pixel of the cluster, above the background; the "
    "same line may be compared between clusters of one cube; it is no concentration",
    "ratio of counts": "net counts of the lines of an element over those of the element with the "
    "most; not a ratio of concentrations: lines differ in excitation, absorption and detection",
    "flux": "flux of the line in a mean pixel, its integral over the wavelength; not corrected "
    "for reddening or for the absorption of stars below the Balmer lines; the error is that of the "
    "mean of pixels that differ in brightness, times how far the residuals of the fit exceed "
    "theirs",
    "relative flux": "flux over that of H beta, H beta = 100, corrected with the reddening of the "
    "cluster",
    "log ratio": "decimal logarithm of a ratio of fluxes at similar wavelengths, not corrected for "
    "reddening",
    "reddening": "E(B-V) from H alpha / H beta, for gas of 1e4 K without self-absorption "
    "(case B, ratio 2.863) and the mean extinction curve of the Galaxy (Cardelli et al. 1989, "
    "R_V = 3.1); absorption by stars below H beta makes it too large",
    "density": "electrons per cm3 from [SII] 6716 / 6731 at 1e4 K (Proxauf et al. 2014); the error "
    "is that of the ratio alone",
}


class Quantity(NamedTuple):
    """A number of a mean spectrum.

    Attributes
    ----------
    name : str
        Such as "Fe Ka" or "log [NII]/Ha".
    kind : str
        Of :data:`MEANINGS`, which say how far it is quantitative.
    value, error : float
        With its standard error, without systematic errors.
    unit : str
    note : str
        Such as "also S Ka", "lower limit".
    """

    name: str
    kind: str
    value: float
    error: float
    unit: str = ""
    note: str = ""


class _Flux(NamedTuple):
    """A measured line: its sum over the channels, or its integral, and the standard error."""

    value: float
    error: float


def quantities_of(naming: Naming, axis: Axis, unit: str = "") -> list[Quantity]:
    """Return the numbers of one mean spectrum, from the lines that were detected in it.

    Parameters
    ----------
    naming : Naming
    axis : Axis
        Of the spectrum: energies or wavelengths; the list is empty for any other.
    unit : str
        Of the spectrum.

    Returns
    -------
    list of Quantity

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.axis import Axis
    >>> from spectessera.naming.candidates import Candidate, Line, Naming, Peak
    >>> from spectessera.naming.numbers import quantities_of
    >>> peak = Peak(6.4, 0.01, 0.15, 200.0, 20.0)
    >>> iron = Candidate("Fe", "element", 1.0, (Line("Fe Ka", 6.4, peak),), "")
    >>> axis = Axis(np.linspace(1, 20, 100), unit="keV", kind="energy")
    >>> [(each.name, each.value, each.error) for each in quantities_of(Naming((), (iron,)), axis)]
    [('Fe Ka', 200.0, 10.0)]
    """
    if axis.kind == "energy":
        return [*_net_counts(naming, unit), *_ratios_of_counts(naming)]
    if axis.kind == "wavelength":
        return list(_optical(naming, axis, unit))
    return []


# --- X-rays ------------------------------------------------------------------------------------


def _measured(line: Line) -> _Flux | None:
    """Return the area of a detected line; None if it is not detected, or is in absorption."""
    if line.peak is None or not line.peak.significance > 0 or line.peak.area <= 0:
        return None
    return _Flux(line.peak.area, line.peak.area / line.peak.significance)


def _net_counts(naming: Naming, unit: str) -> Iterator[Quantity]:
    """Yield the net counts of every peak of an element or of the instrument."""
    for candidate in naming.of_kind("element", "instrument"):
        for lines in _by_peak(candidate).values():
            own = _measured(lines[0])
            if own is not None:
                others = [f"with {each.name}" for each in lines[1:]]
                note = "; ".join(filter(None, [lines[0].note, *others]))
                yield Quantity(lines[0].name, "net counts", *own, unit or "counts", note)


def _by_peak(candidate: Candidate) -> dict[Peak, list[Line]]:
    """Return the detected lines of a candidate by their peaks: some lines are not resolved."""
    found: dict[Peak, list[Line]] = {}
    for line in candidate.lines:
        if line.peak is not None:
            found.setdefault(line.peak, []).append(line)
    return found


def _ratios_of_counts(naming: Naming) -> Iterator[Quantity]:
    """Yield the counts of every element over those of the element with the most.

    Peaks that may be of several elements count only where an element has no others.
    """
    sums: dict[str, _Flux] = {}
    notes: dict[str, str] = {}
    for candidate in naming.of_kind("element"):
        lines = [each[0] for each in _by_peak(candidate).values()]
        alone = [each for each in lines if not each.note] or lines
        own = [each for each in map(_measured, alone) if each is not None]
        if own:
            error = float(np.sqrt(sum(each.error**2 for each in own)))
            sums[candidate.name] = _Flux(sum(each.value for each in own), error)
            notes[candidate.name] = "" if not alone[0].note else f"all lines: {alone[0].note}"
    if len(sums) < 2:
        return
    most = max(sums, key=lambda name: sums[name].value)
    for name, own_sum in sums.items():
        if name != most:
            value, error = _quotient(own_sum, sums[most])
            yield Quantity(f"{name} / {most}", "ratio of counts", value, error, "1", notes[name])


def _quotient(above: _Flux, below: _Flux) -> tuple[float, float]:
    """Return a ratio and its standard error."""
    value = above.value / below.value
    return value, float(value * np.hypot(above.error / above.value, below.error / below.value))


# --- nebulae -----------------------------------------------------------------------------------


def _optical(naming: Naming, axis: Axis, unit: str) -> Iterator[Quantity]:
    """Yield fluxes, ratios, reddening and density."""
    low, high = channel_edges(axis)
    step = high - low
    fluxes: dict[str, _Flux] = {}
    notes: dict[str, str] = {}
    for candidate in naming.of_kind("line"):
        for line in candidate.lines:
            own = _measured(line)
            if own is not None:
                width = float(step[np.abs(axis.values - line.position).argmin()])
                fluxes[line.name] = _Flux(own.value * width, own.error * width)
                notes[line.name] = line.note
    flux_unit = integrated_unit(unit, axis.unit) if unit else ""
    for name, own in fluxes.items():
        yield Quantity(name, "flux", *own, flux_unit, notes[name])
    yield from _log_ratios(fluxes)
    yield from _reddening(fluxes)
    yield from _density(fluxes)


def _log_ratios(fluxes: Mapping[str, _Flux]) -> Iterator[Quantity]:
    """Yield the decimal logarithms of ratios of lines that are all detected."""
    for name, (above, below) in LOG_RATIOS.items():
        top = _sum(fluxes, above)
        if top is not None and below in fluxes:
            value, error = _quotient(top, fluxes[below])
            spread = error / value / np.log(10)
            yield Quantity(name, "log ratio", float(np.log10(value)), float(spread), "dex")


def _sum(fluxes: Mapping[str, _Flux], names: Sequence[str]) -> _Flux | None:
    """Return the sum of lines, or of their unresolved blend; None if one is missing."""
    blend = "+".join([names[0], *(each.split()[-1] for each in names[1:])])
    if blend in fluxes:
        return fluxes[blend]
    if not all(each in fluxes for each in names):
        return None
    own = [fluxes[each] for each in names]
    return _Flux(sum(e.value for e in own), float(np.sqrt(sum(e.error**2 for e in own))))


def _reddening(fluxes: Mapping[str, _Flux]) -> Iterator[Quantity]:
    """Yield E(B-V), and fluxes over that of H beta that are corrected with it."""
    if not {ALPHA, BETA} <= set(fluxes):
        return
    curve = {name: _extinction_at(name) for name in fluxes}
    slope = 2.5 / (curve[BETA] - curve[ALPHA])
    value, error = _quotient(fluxes[ALPHA], fluxes[BETA])
    reddening = slope * np.log10(value / BALMER_DECREMENT)
    spread = abs(slope) * error / value / np.log(10)
    below = reddening < 0
    note = "negative: no reddening is seen, and fluxes are not corrected" if below else ""
    yield Quantity("E(B-V)", "reddening", float(reddening), float(spread), "mag", note)
    used = max(reddening, 0.0)
    for name, own in fluxes.items():
        if name == BETA:
            continue
        power = 0.4 * (curve[name] - curve[BETA])
        ratio, _ = _quotient(own, fluxes[BETA])
        # In logarithms: the line itself, H alpha and H beta, which E(B-V) depends on.
        weights = {name: 1.0, ALPHA: 0.0, BETA: -1.0} if name != ALPHA else {ALPHA: 1.0, BETA: -1.0}
        if not below:
            weights[ALPHA] += power * slope
            weights[BETA] -= power * slope
        scatter = np.sqrt(sum((w * fluxes[n].error / fluxes[n].value) ** 2
                              for n, w in weights.items()))  # fmt: skip
        corrected = 100 * ratio * 10 ** (power * used)
        yield Quantity(
            f"{name} / Hb", "relative flux", float(corrected), float(corrected * scatter), "Hb=100"
        )


def _extinction_at(name: str) -> float:
    """Return the extinction for E(B-V) = 1 at the wavelength in the name of a line or a blend."""
    places = [float(each) for each in name.split()[-1].split("+")]
    return float(extinction(np.array(places)).mean())


def _density(fluxes: Mapping[str, _Flux]) -> Iterator[Quantity]:
    """Yield the ratio of the [SII] lines and the density of electrons.

    Proxauf, Öttl & Kimeswenger 2014, A&A 561, A10, eq. 3.
    """
    if not set(SULPHUR) <= set(fluxes):
        return
    value, error = _quotient(fluxes[SULPHUR[0]], fluxes[SULPHUR[1]])
    yield Quantity("log [SII] 6716/6731", "log ratio", float(np.log10(value)),
                   float(error / value / np.log(10)), "dex")  # fmt: skip
    low, high = value - error, value + error
    if high < DENSE_BELOW or low > THIN_ABOVE:
        limit = DENSE_BELOW if high < DENSE_BELOW else THIN_ABOVE
        word = "lower limit" if high < DENSE_BELOW else "upper limit"
        yield Quantity("n_e", "density", electron_density(limit), float("nan"), "cm-3", word)
        return
    if low < DENSE_BELOW or high > THIN_ABOVE:
        return  # the ratio is not known well enough
    spread = 0.5 * (electron_density(low) - electron_density(high))
    yield Quantity("n_e", "density", electron_density(value), spread, "cm-3")


def electron_density(ratio: float) -> float:
    """Return electrons per cm3 from [SII] 6716 / 6731, at 1e4 K.

    >>> round(electron_density(1.0))
    449
    """
    power = (
        0.0543 * np.tan(-3.0553 * ratio + 2.8506)
        + 6.98 - 10.6905 * ratio + 9.9186 * ratio**2 - 3.5442 * ratio**3
    )  # fmt: skip
    return float(10**power)


def integrated_unit(unit: str, axis_unit: str) -> str:
    """Return the unit of an integral over the wavelength.

    >>> integrated_unit("1e-20 erg/s/cm2/Angstrom", "angstrom")
    '1e-20 erg/s/cm2'
    """
    spellings = {"angstrom": r"(angstroms?|AA|Å|A)", "nm": "nm", "um": "um"}.get(axis_unit)
    if spellings:
        for pattern in (rf"\s*/\s*{spellings}$", rf"[\s.*]*\b{spellings}(\^|\*\*)?\(?-1\)?$"):
            shorter = re.sub(pattern, "", unit, flags=re.IGNORECASE)
            if shorter != unit and shorter:
                return shorter
    return f"{unit} {axis_unit}"
