"""A fit of an X-ray spectrum with all that was tried, and elements that contradict themselves.

Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spectessera.naming.candidates import Peak

from . import fit as fits
from .families import Response, table

LEAST_ABOVE = 0.01  # a higher shell that is excited shines at least so much of a lower one


class Study(NamedTuple):
    """A fit with all that was tried: ``use`` are the units of the solver that are needed.

    ``sums`` are names, energy and weight of sum peaks; ``reached`` the highest excitation in keV.
    """

    data: fits.Data
    response: Response
    peaks: tuple[Peak, ...]
    solver: fits.Solver
    use: list[int]
    sums: tuple[tuple[str, float, float], ...]
    reached: float


def cost(study: Study) -> float:
    """Return how bad a fit is: chi2, and a price for every unit that it needs."""
    prices = fits.prices(study.solver.units, study.use, study.reached)
    return study.solver.solve(study.use)[0] + float(prices.sum())


def without_contradictions(study: Study) -> Study:
    """Drop elements whose higher shell should shine and does not, and fit again."""
    for _ in range(3):
        fit = study.solver.fit(study.use)
        bad = {
            study.use[i]
            for i, unit in enumerate(fit.units)
            if unit.family is not None and missing(study, unit, float(fit.counts(i).sum()))
        }
        if not bad:
            break
        # All that was tried comes back, but for what is contradicted: rivals get their chance.
        names = {study.solver.units[i].key for i in bad}
        again = [
            i
            for i, unit in enumerate(study.solver.units)
            if unit.key not in names and (unit.kind == "element" or i in study.use)
        ]
        units = [study.solver.units[i] for i in again]
        solver = fits.Solver(study.data, units)
        use = fits.spare(solver, list(range(len(units))), study.reached)
        study = study._replace(solver=solver, use=use)
    return study


def missing(study: Study, unit: fits.Unit, area: float) -> str:
    """Return the line of a higher shell that should be there with an area and is not, or ""."""
    assert unit.family is not None
    if unit.family.shell == "K":
        return ""
    data, response = study.data, study.response
    higher = "KLM"[: "KLM".index(unit.family.shell)]
    for family in table().families:
        if family.z != unit.family.z or family.shell not in higher:
            continue
        if family.edge > fits.EXCITED * study.reached or family.main > data.at[-1]:
            continue
        if any(other.family == family for other in study.solver.units):
            continue  # something is there
        half = float(response.width(family.main)) / 2
        near = np.abs(data.at - response.seen(family.main)) < half
        above = (data.counts - data.under)[near].sum()
        most = max(float(above), 0.0) + 3 * float(np.sqrt((data.error[near] ** 2).sum()))
        if most < LEAST_ABOVE * area:
            name, energy, _ = family.groups[0]
            return f"{unit.name} {name} {energy:.2f}"
    return ""
