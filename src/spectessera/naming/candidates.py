"""What is said of a spectrum: its peaks, the lines that they are, and what has those lines.

Plain words and numbers, all positions in the unit of the spectral axis. The matching is done in
:mod:`spectessera.naming.xray.elements` and :mod:`spectessera.naming.optical.lines`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from spectessera.warning import ResultWarning


@dataclass(frozen=True)
class Peak:
    """A peak of a spectrum above its background.

    Attributes
    ----------
    position, error : float
        Of its centre, with the standard error.
    width : float
        Full width at half maximum.
    area : float
        Above the background, summed over channels, in the unit of the spectrum. Negative in
        absorption.
    significance : float
        Area over its standard error.
    """

    position: float
    error: float
    width: float
    area: float
    significance: float


@dataclass(frozen=True)
class Line:
    """A line that is found, or that should be there and is not.

    Attributes
    ----------
    name : str
        Such as "Pb La" or "[NII] 6583".
    position : float
        Where it is expected in this spectrum.
    peak : Peak or None
        The peak that it is seen as; None where there is none.
    note : str
        What else is to be said, such as "also S Ka".
    """

    name: str
    position: float
    peak: Peak | None
    note: str = ""


@dataclass(frozen=True)
class Candidate:
    """Something that a spectrum may be of, with its evidence.

    Attributes
    ----------
    name : str
        Such as "Hg", "vermilion", "azurite or malachite", "HII region".
    kind : str
        "element", "pigment", "line", "class" or "instrument" (tube lines, scatter, sum peaks).
    score : float
        From 0 to 1, by which candidates of a kind are ranked.
    lines : tuple of Line
        Without lines that are found there is no candidate.
    words : str
        The evidence in a sentence.
    """

    name: str
    kind: str
    score: float
    lines: tuple[Line, ...]
    words: str


@dataclass(frozen=True)
class Naming:
    """All that is said of one spectrum.

    Attributes
    ----------
    peaks : tuple of Peak
        In the order of the axis.
    candidates : tuple of Candidate
        Of every kind the best first.
    unexplained : tuple of Peak
        Peaks that no candidate has.
    warnings : tuple of ResultWarning
        Such as that the calibration seems to be wrong; without numbers of clusters.
    redshift, redshift_error : float or None
    """

    peaks: tuple[Peak, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    unexplained: tuple[Peak, ...] = ()
    warnings: tuple[ResultWarning, ...] = ()
    redshift: float | None = None
    redshift_error: float | None = None

    def of_kind(self, *kinds: str) -> tuple[Candidate, ...]:
        """Return the candidates of these kinds, the best first."""
        return tuple(each for each in self.candidates if each.kind in kinds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, for JSON."""
        return asdict(self)
