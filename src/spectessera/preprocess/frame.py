"""What spectra a model was trained on, and what is done with those of a cube to be like them.

A model of emission lines is trained on wavelengths at rest without a continuum. The redshift of a
cube and its continuum are found by :func:`spectessera.segmenter.frame.frame_of`; here is what they
are and what they do to an axis and to spectra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectessera._util.check import check_choice, check_number
from spectessera.axis import LEAST_COVERED, Axis, air_wavelengths, channel_edges
from spectessera.optical.linefits import running_median
from spectessera.optical.linetable import vacuum_wavelengths

MEASURED, REST = "measured", "rest"
ANY, SUBTRACTED = "any", "subtracted"
CONTINUUM = 180.0  # angstrom at rest, window of the running median
# Values so many times their scatter above the running median are left out of it.
_LINE_LIKE = 4.0
_LEAST_CHANNELS = 15
_UNEVEN = 1e-3  # largest difference between channels that are taken to be equally wide


@dataclass(frozen=True)
class Expects:
    """What spectra a model was trained on, beside their axis; it is in the file of the model.

    Parameters
    ----------
    frame : "measured" or "rest"
        "rest": at the wavelengths of the source at rest, so that a cube needs its redshift.
    continuum : "any" or "subtracted"
        "subtracted": lines alone.
    fastest : float
        Largest velocity of a spectrum in the training, in km/s.
    least : float
        Smallest share of the axis that a cube must cover. Below a third the training was on parts
        of the axis, and the rest of it is not compared with what the model decodes.

    Examples
    --------
    >>> Expects(), Expects("rest", "subtracted", least=0.2).parts
    (Expects(frame='measured', continuum='any', fastest=0.0, least=0.3333333333333333), True)
    """

    frame: str = MEASURED
    continuum: str = ANY
    fastest: float = 0.0
    least: float = LEAST_COVERED

    def __post_init__(self) -> None:
        check_choice("frame", self.frame, (MEASURED, REST))
        check_choice("continuum", self.continuum, (ANY, SUBTRACTED))
        check_number("fastest", self.fastest, low=0.0)
        check_number("least", self.least, low=0.0, high=1.0, open_low=True)

    @property
    def parts(self) -> bool:
        """Whether the training was on parts of the axis."""
        return self.least < LEAST_COVERED


class Frame(NamedTuple):
    """What is done with the spectra of a cube before they are resampled for a model.

    Attributes
    ----------
    redshift : float
        By which wavelengths are brought to rest.
    continuum : bool
        Whether a running median is subtracted.
    words : str
        What was done, and how it was found, in one sentence; "" where nothing is done.
    given : bool
        Whether the redshift was given, and not found.
    warning : str
        Code of a warning; "" for none.
    fastest : float
        Largest velocity around the redshift, in km/s, where it was found.
    """

    redshift: float = 0.0
    continuum: bool = False
    words: str = ""
    given: bool = False
    warning: str = ""
    fastest: float = 0.0


def at_rest(axis: Axis, redshift: float, medium: str) -> Axis:
    """Return wavelengths at rest, in angstrom, in a medium ("air" or "vacuum").

    The redshift is one of wavelengths in vacuum; a medium that is not known is air.

    Examples
    --------
    >>> axis = Axis([676.16], "nm", medium="vacuum")
    >>> at_rest(axis, 0.03, "air").values.round(2).tolist()
    [6562.85]
    """
    values = axis.to("angstrom").values
    if redshift == 0 and medium == (axis.medium or "air"):
        return Axis(values, "angstrom", axis.kind, medium)
    vacuum = values if axis.medium == "vacuum" else vacuum_wavelengths(values)
    vacuum = vacuum / (1 + redshift)
    rest = vacuum if medium == "vacuum" else air_wavelengths(vacuum)
    return Axis(rest, "angstrom", axis.kind, medium)


def per_channel(axis: Axis, unit: str) -> np.ndarray | None:
    """Return factors (channel,) that make values per channel of flux densities; None: all are 1.

    Densities are per wavelength, or per frequency if their unit is a jansky. Factors are relative
    to the middle channel.

    Parameters
    ----------
    axis : Axis
        Of wavelengths.
    unit : str
        Of the values.

    Examples
    --------
    >>> per_channel(Axis([5000.0, 5001.0, 5003.0], "angstrom"), "erg/s/cm2/A").round(2).tolist()
    [0.67, 1.0, 1.33]
    """
    low, high = channel_edges(axis)
    factor = high - low
    if "jy" in unit.lower():
        factor = factor / axis.values**2
    factor = factor / factor[len(factor) // 2]
    return None if np.abs(factor - 1).max() < _UNEVEN else factor


def without_continuum(values: np.ndarray, runs: list[slice], width: int) -> np.ndarray:
    """Return spectra (n, channel) less a running median, in runs of channels; others are as before.

    A second median leaves out what is far above or below the first: lines. At the ends of a run the
    spectrum is continued by point reflection.

    Parameters
    ----------
    values : array (n, channel), float32
    runs : list of slice
        Channels without a gap between them.
    width : int
        Of the median, in channels.
    """
    left = values.copy()
    for run in runs:
        size = min(width, (run.stop - run.start) // 2) // 2 * 2 + 1
        if run.stop - run.start < _LEAST_CHANNELS:
            continue
        for row in left[:, run]:  # a view: the spectrum itself is changed
            row -= _continuum(row, size)
    return left


def _continuum(row: np.ndarray, size: int) -> np.ndarray:
    """Return the continuum (channel,) of a spectrum."""
    first = running_median(row, size)
    off = np.abs(row - first)
    kept = off <= _LINE_LIKE * 1.4826 * np.median(off)
    if kept.all() or kept.sum() < len(row) // 2:
        return first
    at = np.arange(len(row))
    return running_median(np.interp(at, at[kept], row[kept]).astype(row.dtype), size)


# Of models of spectra as they are measured.
AS_MEASURED, UNCHANGED = Expects(), Frame()
