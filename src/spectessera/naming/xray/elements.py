"""Name the elements in an X-ray spectrum by their lines, with the evidence.

A spectrum (XRF, EDS) is decomposed into families of lines by non-negative least squares.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.warning import make_warning

from .evidence import judge
from .families import Family, Response
from .fit import Counts, Decomposed, XraySettings, decompose_counts, prepared_counts

__all__ = ["XraySettings", "line_width", "name_xray"]

REMEMBERED = 64  # spectra: names and maps of the same clusters are not computed twice


class Explained(NamedTuple):
    """What explains a spectrum; energies are in keV.

    ``factor``: that by which the energies of the axis seem to be wrong, 1 where they are right;
    ``tubes``: those whose light is scattered inelastically; ``families``: those of the fit.
    """

    factor: float
    peaks: tuple[Peak, ...]
    candidates: tuple[Candidate, ...]
    unexplained: tuple[Peak, ...]
    tubes: tuple[str, ...]
    families: tuple[Family, ...]


def explain(
    spectrum: np.ndarray, error: np.ndarray, axis: Axis, settings: XraySettings
) -> Explained | None:
    """Return what explains a spectrum; None if there are no peaks.

    Parameters and errors are those of :func:`name_xray`.
    """
    counts = prepared_counts(spectrum, error, axis, settings)
    if counts is None:
        return None
    return _explain_bytes(*(each.astype(np.float64).tobytes() for each in counts), settings)


def forget_explained() -> None:
    """Forget what explains the spectra so far, so that the time it takes can be measured."""
    _explain_bytes.cache_clear()


def explained_by(found: Decomposed, anode: str | None) -> Explained:
    """Return what a decomposition is evidence for."""
    judged = judge(found.decomposition, anode)
    components = judged.fitted.fit.components
    return Explained(
        found.factor,
        found.decomposition.peaks,
        judged.candidates,
        judged.unexplained,
        tuple(each.name for each in components if each.kind == "compton"),
        tuple(each.family for each in components if each.family is not None),
    )


def name_xray(
    spectrum: np.ndarray,
    error: np.ndarray,
    axis: Axis,
    settings: XraySettings | None = None,
) -> Naming:
    """Name the elements whose lines a spectrum contains.

    Parameters
    ----------
    spectrum : array (channel,)
        Counts or values proportional to counts, such as the mean over the pixels of a cluster.
    error : array (channel,)
        Its standard error.
    axis : Axis
        An energy axis in any unit, rising or falling.
    settings : XraySettings or None
        By default those of ``XraySettings()``.

    Returns
    -------
    Naming
        Positions are in the unit of the axis. Candidates are of kind "element" and "instrument"
        (tube lines, scattered light, argon of the air, escape and sum peaks). Empty if there are
        no peaks. If the calibration seems to be wrong there is a warning and no candidate.

    Raises
    ------
    TypeError, ValueError
        If the axis is not of energy, shapes differ, values are not finite or an error is negative.
    """
    settings = settings or XraySettings()
    found = explain(spectrum, error, axis, settings)
    if found is None:
        return Naming()
    naming = Naming(found.peaks, found.candidates, found.unexplained)
    if found.factor != 1.0:
        naming = _without_candidates(naming, found.factor)
    return _in_unit(naming, axis)


def line_width(noise: float = 0.08, fano: float = 0.115) -> Response:
    """Return a silicon detector, whose method ``width`` returns the width of lines in keV.

    Parameters
    ----------
    noise : float
        Electronic noise, full width at half maximum in keV.
    fano : float
        Fano factor.
    """
    return Response(noise, fano)


# --- the workers assume checked input ----------------------------------------------------------


@lru_cache(maxsize=REMEMBERED)
def _explain_bytes(
    energy: bytes, values: bytes, error: bytes, settings: XraySettings
) -> Explained | None:
    """Return what explains a prepared spectrum, given by the bytes of its float64 arrays."""
    counts = Counts(*(np.frombuffer(each) for each in (energy, values, error)))
    found = decompose_counts(counts, settings)
    return None if found is None else explained_by(found, settings.anode)


def _without_candidates(naming: Naming, factor: float) -> Naming:
    """Remove all candidates: with a wrong calibration every match is by chance."""
    likely = [each.name for each in naming.of_kind("element") if each.score > 0.5][:6]
    elements = f" (with that factor: {', '.join(likely)})" if likely else ""
    warning = make_warning("W-NAME-CALIBRATION", {"factor": factor, "candidates": elements})
    return replace(naming, candidates=(), unexplained=naming.peaks, warnings=(warning,))


def _in_unit(naming: Naming, axis: Axis) -> Naming:
    """Return the naming with positions in the unit and the order of the axis."""
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
        converted = peak(one.peak) if one.peak else None
        return replace(one, position=one.position * factor, peak=converted)

    def ordered(some: tuple[Peak, ...]) -> tuple[Peak, ...]:
        return tuple(peak(one) for one in (some[::-1] if falling else some))

    return replace(
        naming,
        peaks=ordered(naming.peaks),
        candidates=tuple(
            replace(one, lines=tuple(map(line, one.lines))) for one in naming.candidates
        ),
        unexplained=ordered(naming.unexplained),
    )
