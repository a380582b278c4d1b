"""A silicon drift detector: efficiency and response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from spectessera._util.check import check_number
from spectessera._util.constants import FWHM, PAIR, SILICON_KALPHA
from spectessera.axis import Axis

from .tube import check_absorbers, transmission
from .xraydata import photoabsorption, xraylib

SILICON = 14
SILICON_DENSITY = 2.33  # g/cm3
# 12.5 µm of beryllium and 1 cm of dry air at 20 °C, in g/cm2.
ENTRANCE = (("Be", 2.31e-3), ("N1.5616O0.4190Ar0.0093", 1.205e-3))


@dataclass(frozen=True)
class Detector:
    """A silicon detector and its channels.

    Parameters
    ----------
    noise : float
        Electronic noise in keV, full width at half maximum.
    fano : float
        Fano factor of silicon.
    entrance : tuple of (formula, g/cm2)
        Absorbers in front of the crystal: by default 12.5 µm of beryllium and 1 cm of air.
    crystal : float
        Thickness of the silicon in µm.
    tail : float
        Share of the counts with incomplete charge: an exponential tail below the peak.
    tail_length : float
        Mean energy loss of these counts, in keV.
    escape : bool
        Whether there are escape peaks of silicon fluorescence, 1.74 keV below each peak.
    first, last : float
        Centre of the first and of the last channel in keV.
    channels : int

    Raises
    ------
    TypeError, ValueError
        If a number is out of range or the entrance is not a list of (formula, g/cm2).
    """

    noise: float = 0.080
    fano: float = 0.115
    entrance: tuple[tuple[str, float], ...] = ENTRANCE
    crystal: float = 450.0
    tail: float = 0.02
    tail_length: float = 0.5
    escape: bool = True
    first: float = 0.5
    last: float = 38.5
    channels: int = 1024

    def __post_init__(self) -> None:
        check_number("noise", self.noise, low=0.0, high=10.0, open_low=True)
        check_number("fano", self.fano, low=0.0, high=1.0)
        check_number("crystal", self.crystal, low=0.0, open_low=True)
        check_number("tail", self.tail, low=0.0, high=1.0)
        check_number("tail_length", self.tail_length, low=1e-3)
        if not isinstance(self.escape, bool):
            raise TypeError(f"escape must be True or False; got {self.escape!r}")
        check_number("first", self.first)
        check_number("last", self.last, low=self.first, high=200.0, open_low=True)
        check_number("channels", self.channels, low=2, high=65536, integer=True)
        object.__setattr__(self, "entrance", check_absorbers("entrance", self.entrance))

    @property
    def axis(self) -> Axis:
        """Energy axis of the channels."""
        return Axis(np.linspace(self.first, self.last, self.channels), "keV")

    @property
    def edges(self) -> np.ndarray:
        """Edges (channel + 1,) of the channels in keV."""
        half = (self.last - self.first) / (self.channels - 1) / 2
        return np.linspace(self.first - half, self.last + half, self.channels + 1)


def width(detector: Detector, energy: np.ndarray) -> np.ndarray:
    """Return the full width at half maximum (n,) of a line in keV.

    Electronic noise and statistics of the charges: FWHM^2 = noise^2 + 8 ln 2 F eps E.
    """
    return np.sqrt(detector.noise**2 + FWHM**2 * detector.fano * PAIR * energy)


def efficiency(detector: Detector, energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) of photons that pass the entrance and are absorbed in the crystal."""
    thickness = detector.crystal * 1e-4 * SILICON_DENSITY
    depth = thickness * photoabsorption({SILICON: 1.0}, energy)
    return transmission(detector.entrance, energy) * -np.expm1(-depth)


def escaping(energy: np.ndarray) -> np.ndarray:
    """Return the share (n,) of absorbed photons whose silicon fluorescence escapes at the front.

    Reed & Ware 1972 (J. Phys. E 5, 582), for normal incidence.
    """
    library = xraylib()
    shell = library.K_SHELL
    jump = library.JumpFactor(SILICON, shell)
    share = library.FluorYield(SILICON, shell) * (1 - 1 / jump) / 2
    (out,) = photoabsorption({SILICON: 1.0}, np.array([SILICON_KALPHA]))
    ratio = out / photoabsorption({SILICON: 1.0}, energy)
    escape = share * (1 - ratio * np.log1p(1 / ratio))
    return np.where(energy > library.EdgeEnergy(SILICON, shell), escape, 0.0)


def response(
    detector: Detector, energy: np.ndarray, broadening: np.ndarray | float = 0.0
) -> np.ndarray:
    """Return the probability that an absorbed photon is counted in each channel.

    The probabilities of peak, tail and escape peak sum to 1, including those outside of the
    channels.

    Parameters
    ----------
    detector : Detector
    energy : array (n,)
        In keV.
    broadening : array (n,) or float
        Additional full width at half maximum, in keV.

    Returns
    -------
    array (n, channel), float64
    """
    energy = np.asarray(energy, dtype=np.float64)
    lost = escaping(energy) if detector.escape else np.zeros(len(energy))
    probability = (1 - lost)[:, None] * _peak(detector, energy, broadening)
    escaped = np.flatnonzero(lost)
    if escaped.size:
        wide = np.broadcast_to(broadening, energy.shape)[escaped]
        second = _peak(detector, energy[escaped] - SILICON_KALPHA, wide)
        probability[escaped] += lost[escaped, None] * second
    return probability


def _peak(detector: Detector, energy: np.ndarray, broadening: np.ndarray | float) -> np.ndarray:
    """Return a Gaussian with its tail, integrated over the channels, (n, channel).

    The tail is a Gaussian convolved with an exponential; its cumulative distribution is
    ndtr(u) + exp(d s + s^2 / 2) ndtr(-u - s) with u in standard deviations from the peak and s
    the standard deviation in tail lengths.
    """
    sigma = np.hypot(width(detector, np.maximum(energy, 0.0)), broadening)[:, None] / FWHM
    distance = (detector.edges[None, :] - energy[:, None]) / sigma  # (n, channel + 1)
    below = ndtr(distance)
    if detector.tail > 0:
        steep = sigma / detector.tail_length
        below += detector.tail * np.exp(
            distance * steep + steep**2 / 2 + log_ndtr(-distance - steep)
        )
    return np.diff(below, axis=1)
