"""The naming of a spectrum: its peaks, their lines, and candidates that have these lines.

Strings and numbers; all positions are in the unit of the spectral axis. Lines are matched in
:mod:`spectessera.naming.xray.elements` and :mod:`spectessera.naming.optical.lines`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from spectessera.warning import ResultWarning


@dataclass(frozen=True)
class Peak:
    """A peak of a spectrum above its background.

    Attributes
    ----------
    position, error : float
        Of its centre, and the standard error of the position.
    width : float
        Full width at half maximum.
    area : float
        Sum over the channels above the background, in the unit of the spectrum. Negative in
        absorption.
    significance : float
        Area divided by its standard error.
    """

    position: float
    error: float
    width: float
    area: float
    significance: float


HIDDEN = "hidden by"  # begins the note of a line that lies under a peak


@dataclass(frozen=True)
class Line:
    """A line that is detected, or that is expected and not detected.

    Attributes
    ----------
    name : str
        Such as "Pb La" or "[NII] 6583".
    position : float
        Expected position in this spectrum.
    peak : Peak or None
        The peak of the line; None if it is not detected.
    note : str
        Further information, such as "also S Ka".
    """

    name: str
    position: float
    peak: Peak | None
    note: str = ""


@dataclass(frozen=True)
class Candidate:
    """A possible origin of a spectrum, with its evidence.

    Attributes
    ----------
    name : str
        Such as "Hg", "vermilion", "azurite or malachite", "HII region".
    kind : str
        "element", "pigment", "line", "class", "instrument" (tube lines, scatter, sum peaks) or
        "library".
    score : float
        From 0 to 1; ranks the candidates of one kind.
    lines : tuple of Line
        Detected lines, at least one for most kinds, and expected lines that are missing. None of
        a library.
    evidence : str
        The evidence in a sentence.
    """

    name: str
    kind: str
    score: float
    lines: tuple[Line, ...]
    evidence: str


@dataclass(frozen=True)
class Band:
    """A band of a spectrum, or an edge of a spectrum of energy loss.

    Attributes
    ----------
    kind : str
        "band" (a maximum), "absorption" (a minimum) or "edge" (an onset).
    position, error : float
        Of its centre, or of the onset, and the standard error; in the unit of the axis.
    width : float or None
        Full width at half maximum; None of an edge.
    height : float
        Above the background, in the unit of the spectrum; negative in absorption. Of an edge the
        mean of what follows it.
    significance : float
        In standard errors.
    elements : tuple of str
        Edges of elements that are there, such as "Cu L3", the nearest first.
    """

    kind: str
    position: float
    error: float
    width: float | None
    height: float
    significance: float
    elements: tuple[str, ...] = ()


@dataclass(frozen=True)
class LibraryMatch:
    """How well one spectrum of a library fits that of a cluster.

    Attributes
    ----------
    name : str
    angle : float
        Radians, between the spectrum and the fitted one, without the part that is noise.
    chi_square : float
        For each channel, by the error of the mean spectrum alone.
    worse : float
        By how much the likelihood is worse than that of the best, as standard deviations: the root
        of the difference of chi-square. Infinite if it does not fit at all.
    fits : bool
        Whether it fits within the error and the tolerance.
    """

    name: str
    angle: float
    chi_square: float
    worse: float
    fits: bool


@dataclass(frozen=True)
class Naming:
    """The naming of one spectrum.

    Attributes
    ----------
    peaks : tuple of Peak
        In the order of the axis.
    candidates : tuple of Candidate
        The best of every kind first.
    unexplained : tuple of Peak
        Peaks that no candidate explains.
    warnings : tuple of ResultWarning
        Such as that the calibration seems to be wrong; without numbers of clusters.
    redshift, redshift_error : float or None
        Of optical spectra, if it is known.
    bands : tuple of Band
        Bands or edges, where the axis has such, in its order.
    library : tuple of LibraryMatch
        The best spectra of a library, if one was given; the first is the best.
    """

    peaks: tuple[Peak, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    unexplained: tuple[Peak, ...] = ()
    warnings: tuple[ResultWarning, ...] = ()
    redshift: float | None = None
    redshift_error: float | None = None
    bands: tuple[Band, ...] = ()
    library: tuple[LibraryMatch, ...] = ()

    def of_kind(self, *kinds: str) -> tuple[Candidate, ...]:
        """Return the candidates of these kinds, the best first."""
        return tuple(each for each in self.candidates if each.kind in kinds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, for JSON."""
        return asdict(self)


def detected_lines(namings: Iterable[Naming]) -> list[Line]:
    """Return the detected lines of all candidates, each once, the most significant first."""
    found: dict[tuple[str, float], Line] = {}
    for naming in namings:
        for candidate in naming.candidates:
            for line in candidate.lines:
                if line.peak is not None:
                    found.setdefault((line.name, line.peak.position), line)
    return sorted(found.values(), key=significance_of, reverse=True)


def is_hidden(line: Line) -> bool:
    """Return whether a line that is not detected lies under a peak, so that it is not missing."""
    return line.peak is None and line.note.startswith(HIDDEN)


def significance_of(line: Line) -> float:
    """Return in how many standard errors a line is seen."""
    return abs(line.peak.significance) if line.peak else 0.0


def places_of_lines(namings: Iterable[Naming]) -> dict[str, float]:
    """Return where the detected lines are, by their names, the most significant first.

    That of a line in several spectra is its place in the one that shows it best.
    """
    found: dict[str, float] = {}
    for line in detected_lines(namings):
        if line.peak is not None:
            found.setdefault(line.name, line.peak.position)
    return found
