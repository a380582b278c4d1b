"""What the mean spectra of clusters show: families of lines, light of the instrument, calibration.

Assumes a checked result; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.signal import lfilter

from spectessera.axis import Axis
from spectessera.channels import good_channels
from spectessera.cube import spectral_axis
from spectessera.naming.candidates import Candidate
from spectessera.naming.names import LIKELY, mean_errors
from spectessera.naming.xray.components import (
    Component,
    beam_component,
    compton_component,
    family_components,
)
from spectessera.naming.xray.elements import Explained, explain, explained_by
from spectessera.naming.xray.families import (
    AIR,
    USUAL_ANODE,
    Family,
    Response,
    lines_at,
    table,
    with_escape,
)
from spectessera.naming.xray.fit import XraySettings, decompose
from spectessera.result import per_cluster

WHOLE = "all pixels"
ABSORBED = "Mz"
NEAR = 0.5  # full widths between lines, within which one may be taken for the other


class NothingToMap(ValueError):
    """The mean spectra have no lines, or not at energies that can be believed."""


class MeanSpectra(NamedTuple):
    """The mean spectra of all clusters at rising energies, and that of all pixels, float64.

    ``order``: positions (e,) of these channels among the good channels of the cube; ``counts`` and
    ``error`` (k, e); ``size`` (k,); ``usable`` (k,): it has a mean and an error; ``ends``: energies
    of the first and the last channel of the cube, good or not.
    """

    energy: np.ndarray
    order: np.ndarray
    counts: np.ndarray
    error: np.ndarray
    size: np.ndarray
    ends: tuple[float, float] | None = None

    @property
    def usable(self) -> np.ndarray:
        """Which clusters have a mean spectrum with an error."""
        fine = np.isfinite(self.counts).all(axis=1) & np.isfinite(self.error).all(axis=1)
        return fine & (self.size > 0) & (self.error > 0).any(axis=1)

    @property
    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean spectrum (e,) of all pixels, and its standard error."""
        some = self.usable
        share = (self.size * some / max(self.size[some].sum(), 1))[:, None]
        counts = np.where(some[:, None], self.counts, 0.0)
        error = np.where(some[:, None], self.error, 0.0)
        return (share * counts).sum(axis=0), np.sqrt(((share * error) ** 2).sum(axis=0))


class Tail(NamedTuple):
    """Counts of a line with incomplete charge: their share, and their mean loss of energy in keV.

    An exponential below the line: a part of all silicon detectors, which the naming of elements
    does not need, but without which 2 % of a strong line are taken for faint lines below it.
    """

    share: float
    length: float

    def of(self, columns: np.ndarray, energy: np.ndarray) -> np.ndarray:
        """Return columns (c, e) at equidistant energies with their tails."""
        if self.share == 0:
            return columns
        step = (energy[-1] - energy[0]) / (len(energy) - 1)
        kept = float(np.exp(-step / self.length))
        tails = lfilter([1 - kept], [1.0, -kept], columns[:, ::-1], axis=1)[:, ::-1]
        return (1 - self.share) * columns + self.share * tails


class Contents(NamedTuple):
    """What pixels are fitted with, at one calibration.

    ``families``: of elements; ``sources``: which clusters show each; ``tubes``, ``beam`` and
    ``sums``: scattered lines of tubes, energy of a scattered beam, and the component of sum peaks;
    ``window``: first and last energy of the fit; ``tail``: of every line.
    """

    response: Response
    families: tuple[Family, ...]
    sources: dict[str, str]
    tubes: tuple[str, ...]
    beam: float | None
    sums: Component | None
    window: tuple[float, float]
    tail: Tail = Tail(0.0, 1.0)

    def with_families(self, families: list[Family], source: str) -> Contents:
        """Return the contents with further families, and where these were found."""
        every = sorted([*self.families, *families], key=lambda each: each.main)
        sources = self.sources | {name_of(each): source for each in families}
        return self._replace(families=tuple(every), sources=sources)


def name_of(family: Family) -> str:
    """Return the name of a family of lines, such as "Fe K"."""
    return f"{family.symbol} {family.shell}"


def mean_spectra_of(result: xr.Dataset) -> MeanSpectra:
    """Return the mean spectra of a result at rising energies in keV.

    Raises
    ------
    ValueError
        If the axis is not one of energies with channels of equal width.
    """
    whole = spectral_axis(result["mean_spectrum"])
    result = good_channels(result)
    axis = spectral_axis(result["mean_spectrum"])
    if axis.kind != "energy":
        raise ValueError(
            f"element maps need an energy axis; that of this result is of kind {axis.kind} "
            f"({axis.unit or 'no unit'}): only X-ray cubes have element maps"
        )
    energy = axis.to("keV").values
    order = np.argsort(energy, kind="stable")
    return MeanSpectra(
        energy[order],
        order,
        per_cluster(result, "mean_spectrum")[:, order],
        mean_errors(result)[:, order],
        result["size"].values.astype(np.float64),
        (float(whole.to("keV").values[0]), float(whole.to("keV").values[-1])),
    )


def contents_of(means: MeanSpectra, numbers: list[int], anode: str | None) -> Contents:
    """Return what the mean spectra contain: of all pixels, and of the clusters with ``numbers``.

    Raises
    ------
    NothingToMap
        If there are no lines, or the calibration of the axis seems to be wrong.
    """
    settings = XraySettings(anode=anode)
    axis = Axis(means.energy, "keV")
    whole = decompose(*means.whole, axis, settings)
    if whole is None:
        raise NothingToMap(
            "the mean spectra have no lines, so there are no elements to map; is this a cube of "
            "X-ray spectra (XRF, EDS)?"
        )
    if whole.factor != 1.0:
        raise NothingToMap(
            f"the energies of this cube seem to be wrong by a factor of {whole.factor:.3f}: "
            f"elements cannot be mapped; {_calibrated(means, whole.factor)}"
        )
    first = whole.decomposition
    found = _Found()
    found.add(WHOLE, explained_by(whole, anode))
    for row in np.flatnonzero(means.usable):
        own = explain(means.counts[row], means.error[row], axis, settings)
        if own is not None and own.factor == 1.0:
            found.add(str(numbers[row]), own)
    components = [first.solver.components[i] for i in first.used]
    found.leave_out_rivals(first.response)
    beams = [float(each.name) for each in components if each.kind == "beam"]
    sums = [each for each in components if each.kind == "sum"]
    return Contents(
        first.response,
        found.ordered(),
        {name: _in_words(sources) for name, sources in found.sources.items()},
        tuple(sorted(found.tubes)),
        beams[0] if beams else None,
        sums[0] if sums else None,
        (float(first.data.energy[0]), float(first.data.energy[-1])),
    )


def _calibrated(means: MeanSpectra, factor: float) -> str:
    """Return what to give for the axis whose energies are to be multiplied by a factor."""
    first, last = (factor * each for each in means.ends or means.energy[[0, -1]])
    return (
        f"segment the cube again with --energy {first:.5g},{last:.5g}, the energies of its first "
        "and last channel times that factor"
    )


class _Found:
    """Families and tubes that several spectra show."""

    def __init__(self) -> None:
        self.families: dict[str, Family] = {}
        self.sources: dict[str, list[str]] = {}
        self.tubes: set[str] = set()

    def add(self, source: str, explained: Explained) -> None:
        """Add what one spectrum shows."""
        likely = likely_families(explained.candidates)
        self.tubes.update(explained.tubes)
        for family in explained.families:
            name = name_of(family)
            if name in likely:
                self.families[name] = family
                self.sources.setdefault(name, []).append(source)

    def leave_out_rivals(self, response: Response) -> None:
        """Remove families that no cluster shows, and whose line one of a cluster explains."""
        only = {name for name, sources in self.sources.items() if sources == [WHOLE]}
        others = [self.families[name].main for name in self.families if name not in only]
        for name in only:
            main = self.families[name].main
            if any(abs(main - other) < NEAR * response.width(main) for other in others):
                del self.families[name], self.sources[name]

    def ordered(self) -> tuple[Family, ...]:
        """Return the families by the energy of their main line."""
        return tuple(sorted(self.families.values(), key=lambda each: each.main))


def likely_families(candidates: tuple[Candidate, ...]) -> set[str]:
    """Return the families, such as "Fe K", of elements that are likely there, with a line detected.

    Those of the tube and of the air are included.
    """
    return {
        f"{each.name} {line.name.split()[1][0]}"
        for each in candidates
        if each.kind in ("element", "instrument") and each.score >= LIKELY
        for line in each.lines
        if line.peak is not None and line.name.startswith(f"{each.name} ")
    }


def _in_words(sources: list[str]) -> str:
    """Return where a family was found, such as "clusters 1, 3"."""
    numbers = [each for each in sources if each != WHOLE]
    if not numbers:
        return "the mean of all pixels"
    return f"cluster{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def of_instrument(family: Family, contents: Contents, anode: str | None) -> bool:
    """Return whether a family comes from the tube or the air, and not from the sample."""
    return family.symbol in {*contents.tubes, anode, USUAL_ANODE, table().symbols[AIR]}


def _with_absorbed_lines(component: Component, energy: np.ndarray, response: Response) -> Component:
    """Return a family with any share of its M zeta lines.

    They are half a keV below the others of the M shell, and absorbed twice as much.
    """
    family = component.family
    if family is None or ABSORBED not in family.group:
        return component
    member = [name == ABSORBED for name in family.group]
    lines = with_escape(family.energy[member], family.share[member])
    absorbed = lines_at(*lines, energy, response)
    columns = np.concatenate([component.columns, component.columns - absorbed])
    return component._replace(columns=np.maximum(columns, 0.0), factors=None)


def components_of(contents: Contents, energy: np.ndarray) -> list[Component]:
    """Return what is fitted, in order: the families first, then the light of the instrument."""
    response = contents.response
    components = family_components(list(contents.families), energy, response)
    components = [_with_absorbed_lines(each, energy, response) for each in components]
    tubes = [compton_component(anode, energy, response) for anode in contents.tubes]
    components += [each for each in tubes if each is not None]
    if contents.beam is not None:
        components.append(beam_component(contents.beam, energy, response))
    if contents.sums is not None:
        components.append(contents.sums)
    return with_tail(components, contents.tail, energy)


def with_tail(components: list[Component], tail: Tail, energy: np.ndarray) -> list[Component]:
    """Return components whose lines have tails."""
    return [each._replace(columns=tail.of(each.columns, energy)) for each in components]
