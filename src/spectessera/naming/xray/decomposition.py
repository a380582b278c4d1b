"""The decomposition of an X-ray spectrum, and elements that it contradicts.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.naming.candidates import Peak

from .components import Component, XraySpectrum
from .families import Response, table
from .solver import EXCITED, Solver, penalised_chi2, prune

LEAST_ABOVE = 0.01  # least share of the counts of a shell that an excited harder shell has


class Decomposition(NamedTuple):
    """A fit with the components that are needed (``used``) out of all that the solver has tried.

    ``sums`` are names, energy and weight of pairs of lines that add to a sum peak; ``excitation``
    is the highest excitation energy in keV.
    """

    data: XraySpectrum
    response: Response
    peaks: tuple[Peak, ...]
    solver: Solver
    used: list[int]
    sums: tuple[tuple[str, float, float], ...]
    excitation: float

    @property
    def cost(self) -> float:
        """Sum of chi2 and the penalties of the used components."""
        return penalised_chi2(self.solver, self.used, self.excitation)


def without_contradictions(decomposition: Decomposition) -> Decomposition:
    """Remove elements that lack the expected lines of a harder shell, and fit again."""
    for _ in range(3):
        fit = decomposition.solver.fit(decomposition.used)
        contradicted = {
            decomposition.used[i]
            for i, component in enumerate(fit.components)
            if component.family is not None
            and missing_line(decomposition, component, float(fit.counts(i).sum()))
        }
        if not contradicted:
            break
        names = {decomposition.solver.components[i].key for i in contradicted}
        decomposition = without(decomposition, names)
    return decomposition


def without(decomposition: Decomposition, keys: set[tuple[str, str, str]]) -> Decomposition:
    """Return the decomposition without some components; all others are tried again.

    Rivals of the removed components may replace them.
    """
    components = [
        component
        for i, component in enumerate(decomposition.solver.components)
        if component.key not in keys and (component.kind == "element" or i in decomposition.used)
    ]
    solver = Solver(decomposition.data, components)
    used = prune(solver, list(range(len(components))), decomposition.excitation)
    return decomposition._replace(solver=solver, used=used)


def missing_line(decomposition: Decomposition, component: Component, area: float) -> str:
    """Return the missing main line of a harder shell, or "".

    ``area`` are the counts of the component; a harder shell that is excited has at least a share
    of :data:`LEAST_ABOVE` of them.
    """
    assert component.family is not None
    if component.family.shell == "K":
        return ""
    data, response = decomposition.data, decomposition.response
    harder = "KLM"[: "KLM".index(component.family.shell)]
    for family in table().families:
        if family.z != component.family.z or family.shell not in harder:
            continue
        if family.edge > EXCITED * decomposition.excitation or family.main > data.energy[-1]:
            continue
        if any(other.family == family for other in decomposition.solver.components):
            continue  # the line is detected
        half = float(response.width(family.main)) / 2
        near = np.abs(data.energy - response.observed(family.main)) < half
        above = (data.counts - data.background)[near].sum()
        most = max(float(above), 0.0) + 3 * float(np.sqrt((data.error[near] ** 2).sum()))
        if most < LEAST_ABOVE * area:
            name, energy, _ = family.groups[0]
            return f"{component.name} {name} {energy:.2f}"
    return ""
