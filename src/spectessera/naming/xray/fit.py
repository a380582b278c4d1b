"""Fit an X-ray spectrum by families of lines that cannot be negative, and drop what it can spare.

Everything here assumes checked input: energies in keV that rise, finite counts.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from spectessera._util.constants import FWHM
from spectessera.naming.peaks import _clipped, _smooth

from .families import (
    COMMON,
    HARD_ANODES,
    NEVER,
    SOFTEST,
    TUBE,
    Family,
    Response,
    beam_shapes,
    columns,
    lines_at,
    scatter,
    table,
)

# A peak is no Gaussian, and tabulated intensities are off: to this share of what is counted there
# no fit is to be believed.
SHAPE = 0.02
BASE = 0.4  # share of the clipped background that is always there; the fit adds to it
KNOTS = 12.0  # distance of the knots of the background, in full widths
KEEP = 25.0  # a family makes chi2 better by this, or goes
RARE = 0.3  # what an uncommon element makes better counts so much
EXCITED = 0.75  # an edge below this share of the excitation gives lines that can be seen
SUPPORTED = 3.0  # and what a second family of an element makes better, so much
# How far the calibration and the noise of the detector may be refined without further ado.
PRIOR = {"gain": 0.004, "offset": 0.010, "noise": 0.03}


class Data(NamedTuple):
    """What is fitted: all (channel,), but ``slow`` (channel, h), the corrections to ``under``."""

    at: np.ndarray
    counts: np.ndarray
    error: np.ndarray
    noise: np.ndarray
    under: np.ndarray
    slow: np.ndarray


class Unit(NamedTuple):
    """What is kept or dropped as one: a family of an element, or something of the instrument.

    ``kind`` is "element", "compton", "beam" or "sum"; ``columns`` are (c, channel);
    ``factors`` (c, 3) of a family are those of its parts.
    """

    kind: str
    name: str
    family: Family | None
    columns: np.ndarray
    factors: np.ndarray | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from other units."""
        return (self.kind, self.name, self.family.shell if self.family else "")


class Fit(NamedTuple):
    """A fit: ``chi2``, the model (channel,) and the coefficients of every unit."""

    chi2: float
    model: np.ndarray
    units: list[Unit]
    weights: list[np.ndarray]

    def counts(self, index: int) -> np.ndarray:
        """Return what one unit adds to the model (channel,)."""
        return self.weights[index] @ self.units[index].columns


def prepare(at: np.ndarray, counts: np.ndarray, error: np.ndarray, response: Response) -> Data:
    """Return the spectrum with its background and with errors that are no wishful thinking."""
    step = (at[-1] - at[0]) / (len(at) - 1)
    width = np.maximum(response.width(at) / step, 1.0)
    smooth = _smooth(counts, width / 2)
    under = np.maximum(_clipped(smooth, width), 0.0)
    variance = _smooth(error**2, width / 2)
    positive = (error > 0) & (counts > 0)
    # One photon, in the unit of the spectrum: below it no channel is known, counted or not.
    photon = float(np.median(error[positive] ** 2 / counts[positive])) if positive.any() else 0.0
    variance = np.maximum(variance, 0.5 * photon**2)
    wide = np.maximum(_smooth(counts, width), 0.0)
    noise = np.sqrt(variance + (SHAPE * wide) ** 2)
    depth = np.cumsum(1 / width)
    depth = depth - depth[0]
    many = max(2, int(np.ceil(depth[-1] / KNOTS)) + 1)
    place = depth / depth[-1] * (many - 1)
    hats = np.maximum(1 - np.abs(place[:, None] - np.arange(many)), 0)
    slow = hats * (under + 0.3 * np.sqrt(variance))[:, None]
    return Data(at, counts, np.sqrt(variance), noise, under, slow)


def excess(data: Data, response: Response) -> np.ndarray:
    """Return how many standard errors (channel,) a peak centred there would have."""
    step = (data.at[-1] - data.at[0]) / (len(data.at) - 1)
    width = np.maximum(response.width(data.at) / step, 1.0)
    above = _smooth(data.counts - data.under, width)
    # A Gaussian of standard deviation s averages over 2 sqrt(pi) s independent channels.
    independent = 2 * np.sqrt(np.pi) * width / FWHM
    variance = _smooth(data.error**2, width) / independent + (SHAPE * data.under) ** 2
    return above / np.sqrt(variance)


def families(
    data: Data, response: Response, *, highest: float, common_only: bool = False
) -> list[Family]:
    """Return the families whose strongest line is inside and has something above background."""
    rank = excess(data, response)
    low, high = data.at[0], data.at[-1]
    found = []
    for family in table().families:
        if family.z in NEVER or family.edge > highest:
            continue
        if common_only and family.z not in COMMON and family.symbol not in HARD_ANODES:
            continue
        if family.main < SOFTEST[family.shell] or family.groups[0][0] in ("Mz", "Mg"):
            continue
        energy = float(response.seen(family.main))
        half = float(response.width(energy)) / 2
        if not low + half < energy < high - half:
            continue
        near = slice(*np.searchsorted(data.at, [energy - half, energy + half]))
        if rank[near].size and rank[near].max() > 3:
            found.append(family)
    return found


def units_of(found: list[Family], at: np.ndarray, response: Response) -> list[Unit]:
    """Return families as units of a fit."""
    made = []
    for family in found:
        shapes, factors = columns(family, at, response)
        made.append(Unit("element", family.symbol, family, shapes, factors))
    return made


def compton_unit(anode: str, at: np.ndarray, response: Response) -> Unit | None:
    """Return the inelastically scattered lines of a tube."""
    _, inelastic = scatter(anode, at, response)
    return Unit("compton", anode, None, inelastic) if len(inelastic) else None


def beam_unit(energy: float, at: np.ndarray, response: Response) -> Unit:
    """Return the scattered light of a beam of one energy."""
    return Unit("beam", f"{energy:.2f}", None, beam_shapes(energy, at, response))


def sum_unit(
    fit: Fit, at: np.ndarray, response: Response
) -> tuple[Unit, list[tuple[str, float, float]]] | None:
    """Return the sums of two photons of the strongest lines, and (names, energy, weight) of each.

    Their relative heights follow from those of the lines, but for one factor.
    """
    lines: list[tuple[float, str, float]] = []
    for unit, weight in zip(fit.units, fit.weights, strict=True):
        if unit.family is None or not weight.any():
            continue
        total = float((weight @ unit.columns).sum())
        for name, energy, share in unit.family.groups[:2]:
            lines.append((total * share, f"{unit.name} {name}", energy))
    lines = sorted(lines, reverse=True)[:8]
    pairs = []
    for i, (one, first, low) in enumerate(lines):
        for j, (two, second, high) in enumerate(lines[: i + 1]):
            if low + high < at[-1]:
                strength = one * two * (1 if i == j else 2)
                pairs.append((f"{second} + {first}", low + high, strength))
    if not pairs:
        return None
    sums = np.array([each[1] for each in pairs])
    photons = np.array([each[2] for each in pairs])
    shape = lines_at(sums, photons / photons.sum(), at, response)
    if not shape.any():
        return None
    return Unit("sum", "sum peaks", None, shape[None, :]), pairs


class Solver:
    """Least squares without negative numbers, for any part of a set of units.

    All columns are reduced once, by Cholesky's factor: a fit of some of them costs no channels.
    """

    def __init__(self, data: Data, units: list[Unit]) -> None:
        self.data, self.units = data, units
        blocks = [unit.columns.T for unit in units]
        whole = np.concatenate([data.slow, *blocks], axis=1) if blocks else data.slow
        weighted = whole / data.noise[:, None]
        self._size = np.linalg.norm(weighted, axis=0)
        self._size[self._size == 0] = 1.0
        target = (data.counts - BASE * data.under) / data.noise
        scaled = weighted / self._size
        # The ridge is far below counting noise; without it, columns that are alike stop Cholesky.
        gram = scaled.T @ scaled + 1e-9 * np.eye(scaled.shape[1])
        self._small = cholesky(gram)
        turned = solve_triangular(self._small, scaled.T @ target, trans="T")
        self._target = turned
        self._rest = max(float(target @ target - turned @ turned), 0.0)
        ends = data.slow.shape[1] + np.cumsum([0, *(len(unit.columns) for unit in units)])
        self._of = [np.arange(a, b) for a, b in pairwise(ends)]
        self._whole = whole

    def solve(self, use: list[int]) -> tuple[float, np.ndarray]:
        """Return chi2 and the coefficients (column,) of the background and the units in use."""
        always = np.arange(self.data.slow.shape[1])
        index = np.concatenate([always, *(self._of[i] for i in use)]).astype(int)
        value, length = nnls(self._small[:, index], self._target, maxiter=30 * len(index))
        full = np.zeros(len(self._size))
        full[index] = value / self._size[index]
        return float(length**2) + self._rest, full

    def fit(self, use: list[int]) -> Fit:
        """Return the whole fit of the units in use."""
        chi2, value = self.solve(use)
        model = self._whole @ value + BASE * self.data.under
        return Fit(chi2, model, [self.units[i] for i in use], [value[self._of[i]] for i in use])

    def active(self, use: list[int]) -> list[int]:
        """Return those in use whose coefficients are not all 0."""
        _, value = self.solve(use)
        return [i for i in use if value[self._of[i]].any()]

    def lost(self, use: list[int], without: list[int]) -> float:
        """Return how much worse chi2 is without some of those in use."""
        return self.solve([i for i in use if i not in without])[0] - self.solve(use)[0]

    def roughly_lost(self, use: list[int]) -> np.ndarray:
        """Return about how much worse chi2 is without each of those in use (u,).

        As if the coefficients above 0 were free: one inverse in place of a fit for each.
        """
        _, value = self.solve(use)
        index = np.flatnonzero(value)
        small = self._small[:, index]
        inverse = np.linalg.pinv(small.T @ small, rcond=1e-9, hermitian=True)
        scaled = value[index] * self._size[index]
        found = np.zeros(len(use))
        for place, unit in enumerate(use):
            mine = np.flatnonzero(np.isin(index, self._of[unit]))
            if mine.size:
                block = inverse[np.ix_(mine, mine)]
                found[place] = scaled[mine] @ np.linalg.pinv(block) @ scaled[mine]
        return found


def spare(solver: Solver, use: list[int], reached: float) -> list[int]:
    """Drop what the fit can spare: make chi2 + the prices of all units as small as may be.

    One after the other goes what saves most. At last every unit that is dear may be replaced by a
    cheaper one that was dropped.
    """
    tried = use
    use = solver.active(use)
    while use:
        saved = prices(solver.units, use, reached) - solver.roughly_lost(use)
        order = [use[i] for i in np.argsort(-saved, kind="stable") if saved[i] > 0]
        order = order[: max(1, len(use) // 5)]
        if not order:
            break
        base = _cost(solver, use, reached)
        while order:
            left = [i for i in use if i not in order]
            if _cost(solver, left, reached) < base - (0 if len(order) == 1 else 1):
                break
            order = order[: len(order) // 2]
        if not order:
            break
        use = left
    return _swapped(solver, tried, use, reached)


def _swapped(solver: Solver, tried: list[int], use: list[int], reached: float) -> list[int]:
    for index in list(use):
        family = solver.units[index].family
        if family is None or price(solver.units, use, index, reached) <= KEEP:
            continue
        base = _cost(solver, use, reached)
        rest = [i for i in use if i != index]
        for other in tried:
            theirs = solver.units[other].family
            if other in use or theirs is None or abs(theirs.main / family.main - 1) > 0.05:
                continue
            if _cost(solver, [*rest, other], reached) < base:
                use, base = sorted([*rest, other]), _cost(solver, [*rest, other], reached)
                break
    return use


def _cost(solver: Solver, use: list[int], reached: float) -> float:
    return solver.solve(use)[0] + float(prices(solver.units, use, reached).sum())


def prices(units: list[Unit], use: list[int], reached: float) -> np.ndarray:
    """Return what each unit in use must make better, at least (u,)."""
    return np.array([price(units, use, index, reached) for index in use])


def price(units: list[Unit], use: list[int], index: int, reached: float) -> float:
    """Return by how much a unit must make chi2 better: more for what is rarely met.

    ``reached`` is the highest energy in keV that is excited.
    """
    unit = units[index]
    if unit.kind == "sum":
        return KEEP / 1.5  # there are always some
    if unit.family is None:
        return KEEP
    higher = "KLM"[: "KLM".index(unit.family.shell)]
    if any(
        units[i].name == unit.name and other.shell in higher
        for i in use
        if (other := units[i].family) is not None
    ):
        return KEEP / SUPPORTED
    usual = unit.family.z in COMMON or unit.name == TUBE  # rare in samples, but not in tubes
    found = KEEP if usual else KEEP / RARE
    return found / RARE if higher_excited(unit.family, reached) else found


@cache
def _edges() -> dict[tuple[int, str], float]:
    return {(each.z, each.shell): each.edge for each in table().families}


def higher_excited(family: Family, reached: float) -> bool:
    """Tell whether a harder shell of the element is excited: it should be the first to be seen."""
    higher = "KLM"[: "KLM".index(family.shell)]
    return any(_edges().get((family.z, shell), np.inf) < EXCITED * reached for shell in higher)


def refine(data: Data, fit: Fit, response: Response) -> Response:
    """Return the response with gain, offset and noise changed by one step of Gauss and Newton."""
    energy, photons = [np.zeros(0)], [np.zeros(0)]
    for index, unit in enumerate(fit.units):
        if unit.family is not None and fit.weights[index].any():
            energy.append(unit.family.energy)
            photons.append(unit.family.share * float(fit.counts(index).sum()))
    lines, strength = np.concatenate(energy), np.concatenate(photons)
    if lines.size == 0:
        return response
    base = lines_at(lines, strength, data.at, response)
    names, moves = list(PRIOR), [1e-4, 5e-4, 1e-3]
    slopes = []
    for name, move in zip(names, moves, strict=True):
        changed = response._replace(**{name: getattr(response, name) + move})
        slopes.append((lines_at(lines, strength, data.at, changed) - base) / move)
    weighted = np.array(slopes).T / data.noise[:, None]
    prior = np.diag([1 / limit**2 for limit in PRIOR.values()])
    away = np.array([1.0 - response.gain, -response.offset, 0.0])
    right = weighted.T @ ((data.counts - fit.model) / data.noise) + prior @ away
    change = np.linalg.solve(weighted.T @ weighted + prior, right)
    gain, offset, noise = (
        float(np.clip(each, -4 * limit, 4 * limit))
        for each, limit in zip(change, (0.002, 0.005, 0.01), strict=True)
    )
    return response._replace(
        gain=response.gain + gain,
        offset=response.offset + offset,
        noise=float(np.clip(response.noise + noise, 0.02, 0.4)),
    )


def misfit(data: Data, fit: Fit, places: list[slice]) -> float:
    """Return which share of the strong peaks is not fitted, counting noise taken off; about 0.05.

    A mean over the peaks, each told by its channels: one bright element that fits by chance must
    not outvote all others.
    """
    if not places:
        return 0.0
    wrong = np.abs(data.counts - fit.model) - 0.8 * data.error
    above = data.counts - data.under
    shares = [wrong[near].sum() / max(above[near].sum(), 1e-300) for near in places]
    return float(np.mean(np.clip(shares, 0.0, 1.0)))


def reach(data: Data) -> float:
    """Return the highest energy in keV that is counted at all: what excites is no lower."""
    wide = np.convolve(data.counts, np.ones(15), mode="same")
    noise = np.sqrt(np.convolve(data.error**2, np.ones(15), mode="same"))
    some = np.flatnonzero((wide > 5 * noise) & (wide > 1e-6 * data.counts.sum()))
    return float(data.at[some[-1]]) if some.size else float(data.at[-1])
