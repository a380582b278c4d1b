"""The content of a report as plain numbers and words: one card for every cluster of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from spectessera._util.text import shown
from spectessera.axis import Axis
from spectessera.channels import Windows, bad_channels, bad_windows, good_channels, zero_peak
from spectessera.colours import as_hex
from spectessera.cube import spectral_axis
from spectessera.naming.candidates import Line, Naming, detected_lines, significance_of
from spectessera.naming.names import title_of
from spectessera.result import cluster_colours, per_cluster

from .lengths import areas

MOST_DIFFERENCES = 5
LONGEST_NAME = 200  # characters of a name by people
# Differences below this share of the largest are left out.
SMALL = 0.2
WINDOW = 0.015  # of the channels; within it only the largest difference is listed


@dataclass(frozen=True)
class Difference:
    """A channel in which two clusters differ.

    Attributes
    ----------
    position : float
        In the unit of the axis.
    here, there : float
        Mean of the cluster and of the other one.
    effect : float
        Their difference over the pooled standard deviation of pixels.
    line : str
        The line that is there, or "".
    """

    position: float
    here: float
    there: float
    effect: float
    line: str


@dataclass(frozen=True)
class Card:
    """All that a report says of one cluster.

    Attributes
    ----------
    cluster : int
    name : str
        The user's name, else that of the best candidates, else "".
    given : bool
        Whether the name is the user's.
    size : int
        Pixels.
    share : float
        Of the pixels that have a cluster.
    confidence : float or None
        Mean over its pixels; None where there is none.
    mean, deviation : array (channel,)
        NaN where a channel is marked as bad.
    naming : Naming or None
    nearest : int or None
        The cluster whose mean spectrum is most like this one's.
    differences : tuple of Difference
        From that cluster, the largest first.
    bad : tuple of (low, high)
        Windows of the axis with channels that are marked as bad.
    colour : str
        "#rrggbb".
    zero : tuple of (low, high)
        The window of the zero peak of the detector, which is no difference; empty without one.
    area : str
        Of its pixels, with a unit; "" where the size of a pixel is not known.
    """

    cluster: int
    name: str
    given: bool
    size: int
    share: float
    confidence: float | None
    mean: np.ndarray
    deviation: np.ndarray
    naming: Naming | None
    nearest: int | None
    differences: tuple[Difference, ...]
    bad: Windows = ()
    colour: str = "#000000"
    zero: Windows = ()
    area: str = ""

    def lines(self) -> list[Line]:
        """Return the detected lines of all candidates, each once, the most significant first."""
        return [] if self.naming is None else detected_lines([self.naming])


def checked_names(
    result: xr.Dataset, namings: Sequence[Naming] | None, names: Mapping[int, str]
) -> dict[int, str]:
    """Return names by people as one line each; raise if they, or namings, fit no clusters."""
    known = [int(each) for each in result["cluster"].values]
    if namings is not None and len(namings) != len(known):
        raise ValueError(
            f"namings has {len(namings)} entries but the result has {len(known)} clusters; give "
            "one Naming per cluster, in their order"
        )
    strange = [each for each in names if each not in known]
    if strange:
        raise ValueError(
            f"names has a name for cluster {strange[0]}; the clusters are {known[0]} to {known[-1]}"
        )
    return {int(n): shown(" ".join(str(name).split()), LONGEST_NAME) for n, name in names.items()}


def cards(
    result: xr.Dataset, namings: Sequence[Naming] | None, names: Mapping[int, str]
) -> list[Card]:
    """Return a card for every cluster of a checked result, in its order.

    Everything but the drawn spectra is about the channels that are not marked as bad.
    """
    made = _cards(good_channels(result), namings, names)
    spaces = areas(result, [card.size for card in made])
    made = [replace(card, area=area) for card, area in zip(made, spaces, strict=True)]
    bad = bad_channels(result)
    if bad is None:
        return made
    windows = bad_windows(spectral_axis(result["mean_spectrum"]), bad)

    def whole(values: np.ndarray) -> np.ndarray:
        spectrum = np.full(len(bad), np.nan)
        spectrum[~bad] = values
        return spectrum

    return [
        replace(card, mean=whole(card.mean), deviation=whole(card.deviation), bad=windows)
        for card in made
    ]


def _cards(
    result: xr.Dataset, namings: Sequence[Naming] | None, names: Mapping[int, str]
) -> list[Card]:
    axis = spectral_axis(result["mean_spectrum"])
    label, confidence = result["label"].values, result["confidence"].values
    mean = per_cluster(result, "mean_spectrum")
    deviation = per_cluster(result, "std_spectrum")
    numbers = [int(each) for each in result["cluster"].values]
    sizes = [int(each) for each in result["size"].values]
    listed = [None] * len(numbers) if namings is None else list(namings)
    held = zero_peak(axis, mean)
    spread = deviation if held is None else np.where(held, 0.0, deviation)  # 0: no difference
    nearest = most_similar(mean, spread, np.array(sizes) > 0)
    total, shades = max(1, sum(sizes)), cluster_colours(result)
    made = []
    for place, (cluster, size) in enumerate(zip(numbers, sizes, strict=True)):
        other, naming = nearest[place], listed[place]
        values = confidence[label == cluster]
        values = values[np.isfinite(values)]
        known = listed[place], None if other is None else listed[other]
        made.append(
            Card(
                cluster=cluster,
                name=names.get(cluster) or ("" if naming is None else title_of(naming)),
                given=bool(names.get(cluster)),
                size=size,
                share=size / total,
                confidence=float(values.mean()) if values.size else None,
                mean=mean[place],
                deviation=deviation[place],
                naming=naming,
                nearest=None if other is None else numbers[other],
                differences=()
                if other is None
                else differences(mean[[place, other]], spread[[place, other]], axis, known),
                zero=bad_windows(axis, held),
                colour=as_hex(shades[cluster - 1]),
            )
        )
    return made


def _effects(mean: np.ndarray, deviation: np.ndarray, place: int) -> np.ndarray:
    """Return differences of one cluster from all, over the pooled deviation, (k, channel)."""
    pooled = np.sqrt((deviation[place] ** 2 + deviation**2) / 2)
    gap = mean[place] - mean
    good = (pooled > 0) & np.isfinite(gap) & np.isfinite(pooled)
    return np.divide(gap, pooled, out=np.zeros_like(gap), where=good)


def most_similar(mean: np.ndarray, deviation: np.ndarray, filled: np.ndarray) -> list[int | None]:
    """Return the place of the most similar cluster for every cluster, (k, channel) -> k.

    Empty clusters have no most similar cluster and are not one.
    """
    found: list[int | None] = []
    for place in range(len(mean)):
        others = filled.copy()
        others[place] = False
        if not filled[place] or not others.any():
            found.append(None)
            continue
        far = np.sqrt(np.square(_effects(mean, deviation, place)).mean(axis=1))
        found.append(int(np.argmin(np.where(others, far, np.inf))))
    return found


def differences(
    mean: np.ndarray, deviation: np.ndarray, axis: Axis, namings: Sequence[Naming | None]
) -> tuple[Difference, ...]:
    """Return where the first of two clusters (2, channel) differs most from the second."""
    effect = _effects(mean, deviation, 0)[1]
    size = np.abs(effect)
    half = max(2, round(WINDOW * len(size)))
    padded = np.pad(size, half, constant_values=-1.0)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).max(axis=1)
    peaks = np.flatnonzero((size >= around) & (size > SMALL * size.max(initial=0.0)) & (size > 0))
    best = peaks[np.argsort(-size[peaks], kind="stable")][:MOST_DIFFERENCES]
    return tuple(
        Difference(
            float(axis.values[at]),
            float(mean[0, at]),
            float(mean[1, at]),
            float(effect[at]),
            _line_at(float(axis.values[at]), namings),
        )
        for at in best
    )


def _line_at(position: float, namings: Sequence[Naming | None]) -> str:
    """Return the name of the most significant line whose peak covers a position."""
    near = [
        line
        for naming in namings
        if naming is not None
        for candidate in naming.candidates
        for line in candidate.lines
        if line.peak is not None and abs(line.peak.position - position) <= line.peak.width / 2
    ]
    return max(near, key=significance_of).name if near else ""
