"""The components that an X-ray spectrum is fitted with, and the spectrum prepared for the fit.

A component is a family of lines of one element, or something of the instrument: inelastically
scattered tube lines, a scattered beam, sum peaks. Everything here assumes checked input: rising
energies in keV, finite counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera._util.constants import FWHM
from spectessera.naming.background import clipped_background, smooth

from .families import (
    COMMON,
    EXCLUDED,
    HARD_ANODES,
    SOFTEST,
    Family,
    Response,
    beam_shapes,
    columns,
    lines_at,
    scatter,
    table,
)

# Peaks are not exactly Gaussian, and tabulated intensities have errors: relative uncertainty of a
# fit, as a share of the counts.
LINE_ERROR = 0.02
KNOTS = 12.0  # distance of the knots of the background corrections, in full widths
DETECTABLE = 3.0  # standard errors above background, from which a family is tried


class XraySpectrum(NamedTuple):
    """A spectrum prepared for the fit.

    ``energy``, ``counts``, ``error`` of the counts, ``noise``: the same with the uncertainty of the
    model, ``background``: all (channel,). ``corrections`` (channel, h) to the background.
    """

    energy: np.ndarray
    counts: np.ndarray
    error: np.ndarray
    noise: np.ndarray
    background: np.ndarray
    corrections: np.ndarray


class Component(NamedTuple):
    """A family of an element, or something of the instrument, that is fitted as a whole.

    ``kind`` is "element", "compton", "beam" or "sum"; ``columns`` are (c, channel);
    ``factors`` (c, 3), of a family, are those of its parts.
    """

    kind: str
    name: str
    family: Family | None
    columns: np.ndarray
    factors: np.ndarray | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, name and shell, which identify a component."""
        return (self.kind, self.name, self.family.shell if self.family else "")


class XrayFit(NamedTuple):
    """A fit: ``chi2``, the model (channel,), and the coefficients (c,) of every component."""

    chi2: float
    model: np.ndarray
    components: list[Component]
    weights: list[np.ndarray]

    def counts(self, index: int) -> np.ndarray:
        """Return the counts (channel,) of one component in the model."""
        return self.weights[index] @ self.components[index].columns


def prepare(
    energy: np.ndarray,
    counts: np.ndarray,
    error: np.ndarray,
    response: Response,
    lines: np.ndarray | float = 0.0,
    widths: float = 1.0,
) -> XraySpectrum:
    """Return the spectrum with its background and with realistic errors.

    ``lines`` (channel,): counts of lines that are known; the background is that of the others. It
    has no structures narrower than about three times ``widths`` full widths.
    """
    step = (energy[-1] - energy[0]) / (len(energy) - 1)
    width = np.maximum(response.width(energy) / step, 1.0)
    under = np.maximum(clipped_background(counts - lines, widths * width), 0.0)
    variance = smooth(error**2, width / 2)
    positive = (error > 0) & (counts > 0)
    # One photon, in the unit of the spectrum: no channel is known more precisely, empty or not.
    photon = float(np.median(error[positive] ** 2 / counts[positive])) if positive.any() else 0.0
    variance = np.maximum(variance, 0.5 * photon**2)
    wide = np.maximum(smooth(counts, width), 0.0)
    noise = np.sqrt(variance + (LINE_ERROR * wide) ** 2)
    depth = np.cumsum(1 / width)
    depth = depth - depth[0]
    knots = max(2, int(np.ceil(depth[-1] / KNOTS)) + 1)
    place = depth / depth[-1] * (knots - 1)
    hats = np.maximum(1 - np.abs(place[:, None] - np.arange(knots)), 0)
    corrections = hats * (under + 0.3 * np.sqrt(variance))[:, None]
    return XraySpectrum(energy, counts, np.sqrt(variance), noise, under, corrections)


def peak_significance(data: XraySpectrum, response: Response) -> np.ndarray:
    """Return the significance (channel,) of a peak centred at each channel."""
    step = (data.energy[-1] - data.energy[0]) / (len(data.energy) - 1)
    width = np.maximum(response.width(data.energy) / step, 1.0)
    above = smooth(data.counts - data.background, width)
    # A Gaussian of standard deviation s averages over 2 sqrt(pi) s independent channels.
    independent = 2 * np.sqrt(np.pi) * width / FWHM
    variance = smooth(data.error**2, width) / independent + (LINE_ERROR * data.background) ** 2
    return above / np.sqrt(variance)


def detectable_families(
    data: XraySpectrum, response: Response, *, highest: float, common_only: bool = False
) -> list[Family]:
    """Return the families whose strongest line is on the axis and rises above the background.

    ``highest`` is the largest edge energy that can be excited, in keV.
    """
    significance = peak_significance(data, response)
    low, high = data.energy[0], data.energy[-1]
    detectable = []
    for family in table().families:
        if family.z in EXCLUDED or family.edge > highest:
            continue
        if common_only and family.z not in COMMON and family.symbol not in HARD_ANODES:
            continue
        if family.main < SOFTEST[family.shell] or family.groups[0][0] in ("Mz", "Mg"):
            continue
        energy = float(response.observed(family.main))
        half = float(response.width(energy)) / 2
        if not low + half < energy < high - half:
            continue
        near = slice(*np.searchsorted(data.energy, [energy - half, energy + half]))
        if significance[near].size and significance[near].max() > DETECTABLE:
            detectable.append(family)
    return detectable


def family_components(
    families: list[Family], energy: np.ndarray, response: Response
) -> list[Component]:
    """Return families as components of a fit."""
    components = []
    for family in families:
        shapes, factors = columns(family, energy, response)
        components.append(Component("element", family.symbol, family, shapes, factors))
    return components


def compton_component(anode: str, energy: np.ndarray, response: Response) -> Component | None:
    """Return the inelastically scattered lines of a tube; None if none is on the axis."""
    _, inelastic = scatter(anode, energy, response)
    return Component("compton", anode, None, inelastic) if len(inelastic) else None


def beam_component(beam: float, energy: np.ndarray, response: Response) -> Component:
    """Return the scattered light of a monochromatic beam; its energy in keV."""
    return Component("beam", f"{beam:.2f}", None, beam_shapes(beam, energy, response))


def sum_component(
    fit: XrayFit, energy: np.ndarray, response: Response
) -> tuple[Component, list[tuple[str, float, float]]] | None:
    """Return the sum peaks of the strongest lines, and (names, energy, weight) of each pair.

    Their relative heights follow from those of the lines; one common factor is free.
    """
    lines: list[tuple[float, str, float]] = []
    for component, weight in zip(fit.components, fit.weights, strict=True):
        if component.family is None or not weight.any():
            continue
        total = float((weight @ component.columns).sum())
        for name, line_energy, share in component.family.groups[:2]:
            lines.append((total * share, f"{component.name} {name}", line_energy))
    lines = sorted(lines, reverse=True)[:8]
    pairs = []
    for i, (one, first, low) in enumerate(lines):
        for j, (two, second, high) in enumerate(lines[: i + 1]):
            if low + high < energy[-1]:
                strength = one * two * (1 if i == j else 2)
                pairs.append((f"{second} + {first}", low + high, strength))
    if not pairs:
        return None
    sums = np.array([each[1] for each in pairs])
    photons = np.array([each[2] for each in pairs])
    shape = lines_at(sums, photons / photons.sum(), energy, response)
    if not shape.any():
        return None
    return Component("sum", "sum peaks", None, shape[None, :]), pairs
