"""Elements that no cluster shows but single pixels do: lines far above what their fit explains.

The largest value of each channel over all pixels, a common way to look for them, grows with the
number of pixels by noise alone. Here, in every pixel, a line is tried at every place where a family
that is not in the fit has its main line. What is beyond chance, for so many pixels and places, is
verified by the spectrum of these pixels. Assumes checked input; energies are in keV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import gammainc

from spectessera._util.text import counted
from spectessera.axis import Axis
from spectessera.cube import Spectra, blocks, in_image, load_block, to_spectra
from spectessera.naming.xray.components import LINE_ERROR
from spectessera.naming.xray.elements import explain
from spectessera.naming.xray.families import EXCLUDED, SOFTEST, Family, lines_at, table
from spectessera.naming.xray.fit import XraySettings

from .design import Design, least_squares
from .families import NEAR, Contents, MeanSpectra, likely_families, name_of
from .stream import times_matrices

APART = 0.5  # full widths; families with main lines that are closer are tried as one
SEPARATE = 0.3  # least share of a line that the terms of the fit do not imitate
TRIED = 5.0  # standard errors from which the counts of a pixel are compared with chance
# Share of that from which a pixel is looked at closely, with the standard error of its own counts
# in place of that of its cluster.
CLOSELY = 0.7
FEWEST = 3.0  # counts of a line; fewer are never beyond chance
CHANCE = 0.01  # probability of a false alarm in a whole cube of Poisson counts
MOST_PIXELS = 16  # the spectrum of so many pixels verifies a place
WORTH = 3.0  # errors of the model; an excess must be larger


class Places(NamedTuple):
    """Where a line is tried in every pixel; workers get a copy.

    ``score`` (k, channel, h), float32: a spectrum times this is the counts of a line at each place
    beyond the fit, in units of ``unit`` (k, h), their standard error for one count of the cluster;
    ``spread`` (k, f, h): their variances, as in :class:`spectessera.maps.design.PixelFit`;
    ``wide`` (k, f, h): counts of every term that are near the place; ``window`` (channel, h), bool:
    the channels of the line; ``inside`` (k, f, h) and ``one`` (k, h): counts of every term, and of
    one count of the cluster, in there.
    """

    energy: np.ndarray
    score: np.ndarray
    unit: np.ndarray
    spread: np.ndarray
    wide: np.ndarray
    window: np.ndarray
    inside: np.ndarray
    one: np.ndarray


def places_of(design: Design, contents: Contents) -> Places | None:
    """Return the places of all families that are not in the fit; None if there are none."""
    middle = contents.response.observed(np.array([each.main for each in _others(contents)]))
    middle = np.sort(middle)
    width = contents.response.width(middle)
    inside = (middle > design.energy[0] + width) & (middle < design.energy[-1] - width)
    chosen: list[float] = []
    for energy, near in zip(middle[inside].tolist(), width[inside].tolist(), strict=True):
        if not chosen or energy - chosen[-1] > APART * near:
            chosen.append(energy)
    if not chosen:
        return None
    return _separate(_tried(design, contents, np.array(chosen)))


def _others(contents: Contents) -> list[Family]:
    """Return the families that may be there and are not in the fit."""
    inside = {name_of(each) for each in contents.families}
    highest = contents.beam or np.inf
    return [
        each for each in table().families
        if each.z not in EXCLUDED and name_of(each) not in inside
        and each.edge < highest and each.main >= SOFTEST[each.shell]
    ]  # fmt: skip


def _tried(design: Design, contents: Contents, middle: np.ndarray) -> tuple[Places, np.ndarray]:
    """Return all places, and the share (h,) of a line there that the fit does not imitate."""
    response, energy = contents.response, design.energy
    true = (middle - response.offset) / response.gain
    one = np.ones(1)
    lines = np.array([lines_at(np.array([each]), one, energy, response) for each in true]).T
    width = response.width(middle)
    away = np.abs(energy[:, None] - middle)
    window, near = away < width / 2, away < 1.5 * width
    clusters, _, terms = design.shapes.shape
    score = np.zeros((clusters, design.channels, len(middle)), np.float32)
    spread, wide, inside = np.zeros((3, clusters, terms, len(middle)), np.float32)
    unit, first = np.zeros((2, clusters, len(middle)), np.float32)
    share = np.ones(len(middle))
    for row, (shapes, expected) in enumerate(zip(design.shapes, design.expected, strict=True)):
        matrix, _ = least_squares(shapes, expected)
        weighted = lines / expected[:, None]
        left = weighted - (shapes / expected[:, None]) @ (matrix.T @ lines)
        information = (left * lines).sum(axis=0)
        share = np.minimum(share, information / (weighted * lines).sum(axis=0))
        left = left / np.maximum(information, 1e-300)
        spread[row] = shapes.T @ left**2
        unit[row] = np.sqrt(expected @ left**2 / expected.sum())
        score[row, design.channel] = left / np.maximum(unit[row], 1e-30)
        wide[row] = shapes.T @ near
        inside[row] = shapes.T @ window
        first[row] = expected @ window / expected.sum()
    channels = np.zeros((design.channels, len(middle)), bool)
    channels[design.channel] = window
    return Places(middle, score, unit, spread, wide, channels, inside, first), share


def _separate(tried: tuple[Places, np.ndarray]) -> Places | None:
    """Return the places where a line can be told from all terms of the fit."""
    places, share = tried
    good = np.flatnonzero(share > SEPARATE)
    return Places(*(each[..., good] for each in places)) if good.size else None


def search(places: Places, spectra: Spectra, labels: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Return how unlikely the most significant line of every pixel is, and at which place.

    Parameters
    ----------
    places : Places
    spectra : Spectra
    labels : array (n,), int
    terms : array (n, f), float32
        The amplitudes of the fits.

    Returns
    -------
    array (n, 2), float32
        The negative decimal logarithm of its probability by chance, and the number of the place.
        0 and 0 where no line is as strong as :data:`TRIED` standard errors.
    """
    excess = times_matrices(spectra.values, labels, places.score)
    found = np.zeros((len(labels), 2), np.float32)
    least = CLOSELY * TRIED * np.sqrt(np.maximum(spectra.values.sum(axis=1), 1.0))
    rows = np.flatnonzero(excess.max(axis=1) > least)
    counted = excess[rows] * places.unit[labels[rows] - 1]  # counts of a line at each place
    rows = rows[((excess[rows] > least[rows, None]) & (counted > FEWEST)).any(axis=1)]
    own, label = np.ascontiguousarray(terms[rows]), labels[rows] - 1
    model = np.maximum(LINE_ERROR * times_matrices(own, labels[rows], places.wide), 0.0)
    variance = np.maximum(times_matrices(own, labels[rows], places.spread), 0.0)
    variance += places.unit[label] ** 2 + (WORTH * model / TRIED) ** 2
    ratio = excess[rows] * places.unit[label] / np.sqrt(variance)
    place = ratio.argmax(axis=1)
    for at in np.flatnonzero(ratio.max(axis=1) > TRIED):
        beyond = WORTH * float(model[at, place[at]])
        one = own[at], int(label[at]), int(place[at]), beyond
        found[rows[at]] = _chance(places, spectra.values[rows[at]], *one), place[at]
    return found


def _chance(
    places: Places, values: np.ndarray, terms: np.ndarray, label: int, place: int, beyond: float
) -> float:
    """Return the negative decimal logarithm of the probability of the counts of a pixel.

    ``beyond``: counts by which the model may be wrong.
    """
    counts = np.rint(values[places.window[:, place]].sum())
    expected = max(float(terms @ places.inside[label, :, place]), 0.0)
    expected += float(places.one[label, place]) + beyond
    return -float(np.log10(max(float(gammainc(max(counts, 1.0), expected)), 1e-300)))


class Verified(NamedTuple):
    """Families that single pixels show beyond chance, and what else is beyond chance, in words."""

    families: list[Family]
    unexplained: str


def verified_families(
    cube: xr.DataArray,
    maps: np.ndarray,
    places: Places,
    means: MeanSpectra,
    contents: Contents,
    anode: str | None,
) -> Verified:
    """Return the families that the spectra of single pixels show beyond chance.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    maps : array (2, y, x)
        Of :func:`search`.
    places : Places
    means : MeanSpectra
    contents : Contents
    anode : str, optional
    """
    wanted = _beyond_chance(maps, places)
    known = {name_of(each): each for each in _others(contents)}
    added: dict[str, Family] = {}
    left = []
    for at, counts in _sums(cube, wanted).items():
        energy = float(places.energy[at])
        shown = _shown(counts[means.order], means.energy, anode)
        names = [n for n in shown if n in known and _explains(known[n], energy, contents)]
        added |= {name: known[name] for name in names}
        number = len(wanted[at])
        if not names:
            left.append((energy, f"{energy:.2f} keV ({counted(number, 'pixel')})"))
    others = [words for energy, words in left
              if not any(_explains(each, energy, contents) for each in added.values())]  # fmt: skip
    return Verified(list(added.values()), ", ".join(others))


def _beyond_chance(maps: np.ndarray, places: Places) -> dict[int, np.ndarray]:
    """Return the most significant pixels of every place that has any, ascending."""
    unlikely, place = maps[0].ravel(), maps[1].ravel()
    tests = max(int(np.isfinite(unlikely).sum()), 1) * len(places.energy)
    hot = np.flatnonzero(np.nan_to_num(unlikely) > np.log10(tests / CHANCE))
    wanted: dict[int, np.ndarray] = {}
    for at in np.unique(place[hot]).astype(int).tolist():
        own = hot[place[hot] == at]
        order = np.argsort(-unlikely[own], kind="stable")
        wanted[at] = np.sort(own[order[:MOST_PIXELS]])
    return wanted


def _sums(cube: xr.DataArray, wanted: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return the sum (channel,) of the spectra of the pixels at every place."""
    if not wanted:
        return {}
    every = np.unique(np.concatenate(list(wanted.values())))
    sums = {at: np.zeros(1) for at in wanted}
    for block in blocks(cube):
        rows, columns = np.divmod(every, cube.sizes["x"])
        inside = (rows >= block.y.start) & (rows < block.y.stop)
        inside &= (columns >= block.x.start) & (columns < block.x.stop)
        if not inside.any():
            continue
        spectra = to_spectra(load_block(cube, block))
        pixel = in_image(cube, block, spectra.pixel)
        for at, pixels in wanted.items():
            own = np.isin(pixel, pixels)
            sums[at] = sums[at] + np.nan_to_num(spectra.values[own].astype(np.float64)).sum(axis=0)
    return sums


def _shown(counts: np.ndarray, energy: np.ndarray, anode: str | None) -> set[str]:
    """Return the families that a spectrum (channel,) shows."""
    error = np.sqrt(np.maximum(counts, 1.0))
    found = explain(counts, error, Axis(energy, "keV"), XraySettings(anode=anode))
    if found is None or found.factor != 1.0:
        return set()
    return likely_families(found.candidates)


def _explains(family: Family, place: float, contents: Contents) -> bool:
    """Return whether a family has one of its main lines at a place."""
    response = contents.response
    lines = response.observed(np.array([group.energy for group in family.groups[:2]]))
    return bool((np.abs(lines - place) < NEAR * response.width(place)).any())
