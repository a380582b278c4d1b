"""Fit an X-ray spectrum by non-negative components, and prune those that are not needed.

Everything here assumes checked input: rising energies in keV, finite counts.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from .components import Component, XrayFit, XraySpectrum
from .families import COMMON, USUAL_ANODE, Family, Response, lines_at, table

BACKGROUND_SHARE = 0.4  # fixed share of the clipped background; the fit adds to it
# The least decrease of chi2 that justifies a family of a common element: its penalty.
PENALTY = 25.0
UNCOMMON = 0.3  # the penalty of a family of an uncommon element is divided by this
SUPPORTED = 3.0  # and divided by this if a harder shell of the element is in use
EXCITED = 0.75  # edges below this share of the excitation give lines that can be seen
# Usual deviations of calibration and noise of the detector, which limit their refinement.
PRIOR = {"gain": 0.004, "offset": 0.010, "noise": 0.03}


class Solver:
    """Non-negative least squares for any subset of a list of components.

    All columns are reduced once, by Cholesky decomposition: the cost of a fit of some of them does
    not depend on the number of channels.
    """

    def __init__(self, data: XraySpectrum, components: list[Component]) -> None:
        self.data, self.components = data, components
        blocks = [component.columns.T for component in components]
        whole = np.concatenate([data.corrections, *blocks], axis=1) if blocks else data.corrections
        weighted = whole / data.noise[:, None]
        self._size = np.linalg.norm(weighted, axis=0)
        self._size[self._size == 0] = 1.0
        target = (data.counts - BACKGROUND_SHARE * data.background) / data.noise
        scaled = weighted / self._size
        # The ridge is far below counting noise; without it, Cholesky fails for similar columns.
        gram = scaled.T @ scaled + 1e-9 * np.eye(scaled.shape[1])
        self._small = cholesky(gram)
        turned = solve_triangular(self._small, scaled.T @ target, trans="T")
        self._target = turned
        self._rest = max(float(target @ target - turned @ turned), 0.0)
        lengths = [len(component.columns) for component in components]
        ends = data.corrections.shape[1] + np.cumsum([0, *lengths])
        self._ends = ends
        self._of = [np.arange(a, b) for a, b in pairwise(ends)]
        self._whole = whole
        self._solved: dict[tuple[int, ...], tuple[float, np.ndarray]] = {}

    def solve(self, used: list[int]) -> tuple[float, np.ndarray]:
        """Return chi2 and the coefficients (column,) of the background and the used components.

        Each subset is solved once; the coefficients must not be changed.
        """
        key = tuple(used)
        if key not in self._solved:
            self._solved[key] = self._solve(used)
        return self._solved[key]

    def _solve(self, used: list[int]) -> tuple[float, np.ndarray]:
        always = np.arange(self.data.corrections.shape[1])
        index = np.concatenate([always, *(self._of[i] for i in used)]).astype(int)
        value, length = nnls(self._small[:, index], self._target, maxiter=30 * len(index))
        full = np.zeros(len(self._size))
        full[index] = value / self._size[index]
        full.setflags(write=False)
        return float(length**2) + self._rest, full

    def fit(self, used: list[int]) -> XrayFit:
        """Return the complete fit of the used components."""
        chi2, value = self.solve(used)
        model = self._whole @ value + BACKGROUND_SHARE * self.data.background
        weights = [value[self._of[i]] for i in used]
        return XrayFit(chi2, model, [self.components[i] for i in used], weights)

    def active(self, used: list[int]) -> list[int]:
        """Return the used components whose coefficients are not all 0."""
        _, value = self.solve(used)
        return [i for i in used if value[self._of[i]].any()]

    def increase(self, used: list[int], without: list[int]) -> float:
        """Return the increase of chi2 without some of the used components."""
        return self.solve([i for i in used if i not in without])[0] - self.solve(used)[0]

    def approximate_increases(self, used: list[int]) -> np.ndarray:
        """Return the approximate increase of chi2 without each of the used components (u,).

        As if the positive coefficients were unconstrained: one inverse instead of a fit for each.
        """
        _, value = self.solve(used)
        index = np.flatnonzero(value)
        small = self._small[:, index]
        inverse = np.linalg.pinv(small.T @ small, rcond=1e-9, hermitian=True)
        scaled = value[index] * self._size[index]
        increases = np.zeros(len(used))
        for place, component in enumerate(used):
            own = slice(*np.searchsorted(index, self._ends[component : component + 2]))
            if own.stop > own.start:
                increases[place] = scaled[own] @ _inverse(inverse[own, own]) @ scaled[own]
        return increases


def _inverse(block: np.ndarray) -> np.ndarray:
    """Return the pseudo-inverse of a matrix, faster if that is a number."""
    if block.shape == (1, 1):
        return 1 / block if block[0, 0] else block
    return np.linalg.pinv(block)


def prune(solver: Solver, used: list[int], excitation: float) -> list[int]:
    """Return the subset of components with a minimal sum of chi2 and penalties.

    Backward elimination: in every round the components whose removal lowers the sum most are
    dropped. Finally every component with a large penalty may be replaced by a dropped one with a
    smaller penalty. ``excitation`` is the highest excitation energy in keV.
    """
    tried = used
    used = solver.active(used)
    while used:
        gain = penalties(solver.components, used, excitation) - solver.approximate_increases(used)
        order = [used[i] for i in np.argsort(-gain, kind="stable") if gain[i] > 0]
        order = order[: max(1, len(used) // 5)]
        if not order:
            break
        base = penalised_chi2(solver, used, excitation)
        while order:
            left = [i for i in used if i not in order]
            limit = base - (0 if len(order) == 1 else 1)
            if penalised_chi2(solver, left, excitation) < limit:
                break
            order = order[: len(order) // 2]
        if not order:
            break
        used = left
    return _swapped(solver, tried, used, excitation)


def _swapped(solver: Solver, tried: list[int], used: list[int], excitation: float) -> list[int]:
    """Replace components with a large penalty by others with a line at the same energy."""
    for index in list(used):
        component, shells = solver.components[index], _shells(solver.components, used)
        family = component.family
        if family is None or _penalty(component, shells, excitation) <= PENALTY:
            continue
        base = penalised_chi2(solver, used, excitation)
        rest = [i for i in used if i != index]
        for other in tried:
            theirs = solver.components[other].family
            if other in used or theirs is None or abs(theirs.main / family.main - 1) > 0.05:
                continue
            if penalised_chi2(solver, [*rest, other], excitation) < base:
                used = sorted([*rest, other])
                break
    return used


def penalised_chi2(solver: Solver, used: list[int], excitation: float) -> float:
    """Return chi2 plus the penalties of the used components."""
    return solver.solve(used)[0] + float(penalties(solver.components, used, excitation).sum())


def penalties(components: list[Component], used: list[int], excitation: float) -> np.ndarray:
    """Return the penalty of each of the used components (u,)."""
    shells = _shells(components, used)
    return np.array([_penalty(components[index], shells, excitation) for index in used])


def _shells(components: list[Component], used: list[int]) -> set[tuple[str, str]]:
    """Return the elements and shells of the used components."""
    every = [components[index] for index in used]
    return {(each.name, each.family.shell) for each in every if each.family is not None}


def _penalty(component: Component, shells: set[tuple[str, str]], excitation: float) -> float:
    """Return the least decrease of chi2 that justifies a component: more for unlikely ones.

    ``shells`` are the elements and shells in use.
    """
    if component.kind == "sum":
        return PENALTY / 1.5  # some sum peaks are always there
    if component.family is None:
        return PENALTY
    harder = "KLM"[: "KLM".index(component.family.shell)]
    if any((component.name, shell) in shells for shell in harder):
        return PENALTY / SUPPORTED
    # Rhodium is uncommon in samples, but common in tubes.
    common = component.family.z in COMMON or component.name == USUAL_ANODE
    least = PENALTY if common else PENALTY / UNCOMMON
    return least / UNCOMMON if harder_shell_excited(component.family, excitation) else least


@cache
def _edges() -> dict[tuple[int, str], float]:
    return {(each.z, each.shell): each.edge for each in table().families}


def harder_shell_excited(family: Family, excitation: float) -> bool:
    """Return whether a harder shell of the element is excited: its lines should be seen first."""
    harder = "KLM"[: "KLM".index(family.shell)]
    return any(_edges().get((family.z, shell), np.inf) < EXCITED * excitation for shell in harder)


def refine(data: XraySpectrum, fit: XrayFit, response: Response) -> Response:
    """Return the response with gain, offset and noise updated by one Gauss-Newton step."""
    energy, photons = [np.zeros(0)], [np.zeros(0)]
    for index, component in enumerate(fit.components):
        if component.family is not None and fit.weights[index].any():
            energy.append(component.family.energy)
            photons.append(component.family.share * float(fit.counts(index).sum()))
    lines, strength = np.concatenate(energy), np.concatenate(photons)
    if lines.size == 0:
        return response
    base = lines_at(lines, strength, data.energy, response)
    names, moves = list(PRIOR), [1e-4, 5e-4, 1e-3]
    slopes = []
    for name, move in zip(names, moves, strict=True):
        changed = response._replace(**{name: getattr(response, name) + move})
        slopes.append((lines_at(lines, strength, data.energy, changed) - base) / move)
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


def misfit(data: XraySpectrum, fit: XrayFit, places: list[slice]) -> float:
    """Return the mean share of the strong peaks that is not fitted, beyond noise; usually 0.05.

    A mean over the peaks, each over its channels, so that one bright element that fits by chance
    does not dominate.
    """
    if not places:
        return 0.0
    wrong = np.abs(data.counts - fit.model) - 0.8 * data.error
    above = data.counts - data.background
    shares = [wrong[near].sum() / max(above[near].sum(), 1e-300) for near in places]
    return float(np.mean(np.clip(shares, 0.0, 1.0)))


def last_energy(data: XraySpectrum) -> float:
    """Return the highest energy in keV with significant counts: the excitation is not below."""
    wide = np.convolve(data.counts, np.ones(15), mode="same")
    noise = np.sqrt(np.convolve(data.error**2, np.ones(15), mode="same"))
    significant = np.flatnonzero((wide > 5 * noise) & (wide > 1e-6 * data.counts.sum()))
    return float(data.energy[significant[-1]]) if significant.size else float(data.energy[-1])
