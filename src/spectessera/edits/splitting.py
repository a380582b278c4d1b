"""One cluster is clustered again: the corridor of segment through its pixels alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from spectessera._util.text import counted
from spectessera.result import cluster_names, provenance

from .acts import Split
from .tables import OWN, counted_again, rare_number, travelled, with_rows
from .words import cluster_in_words, listed, renumbered

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter

FEWEST = 3  # pixels that can be clustered again
_JUDGED = ("evidence", "equal")  # criteria that say whether there are groups at all


def split(
    result: xr.Dataset,
    act: Split,
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[xr.Dataset, str]:
    """Return a result in which one cluster is several, and that in words."""
    label = result["label"].transpose("y", "x").values
    members = label == act.cluster
    _check_enough(act, int(members.sum()))
    if not act.k and members.sum() < FEWEST:
        whole = cluster_in_words(result, act.cluster)
        return result, f"Cluster {whole} stays one: its pixels are too few to be clustered again."
    parts = _clustered(result, act, members, cube, segmenter, progress)
    number = parts.sizes["cluster"]
    whole = cluster_in_words(result, act.cluster)
    if number < 2 or not (act.k or parts.attrs["criterion"] in _JUDGED):
        return result, f"Cluster {whole} was clustered again and stays one: {_why_one(parts)}."
    count, rare = result.sizes["cluster"], rare_number(result)
    last = count - rare
    sources = [*range(1, last + 1), *[act.cluster] * (number - 1), *range(last + 1, count + 1)]
    numbers = {old: old + (number - 1 if old > last else 0) for old in range(1, count + 1)}
    of_part = [numbers[act.cluster], *range(last + 1, last + number)]
    rows = {new: _row(result, parts, place) for place, new in enumerate(of_part)}
    new = with_rows(_maps(result, parts, members, of_part, numbers), sources, rows)
    rare -= 1 if act.cluster > last and rare == 1 else 0
    new = travelled(counted_again(new, result, rare), result, numbers, cluster_names(result))
    how = f"into {act.k} parts as given" if act.k else "by evidence"
    into = [cluster_in_words(new, each) for each in of_part]
    words = f"Cluster {whole} is split {how} (seed {act.seed}): clusters {listed(into)}."
    return new, words + renumbered({o: n for o, n in numbers.items() if o != act.cluster})


def _check_enough(act: Split, pixels: int) -> None:
    """Raise ValueError if a cluster cannot be divided into as many parts as given."""
    if act.k and pixels <= act.k:
        raise ValueError(
            f"cluster {act.cluster} has {counted(pixels, 'pixel')}; a split into {act.k} parts "
            f"needs at least {act.k + 1}"
        )


def _why_one(parts: xr.Dataset) -> str:
    """Return why a cluster is not divided.

    Where evidence is silent, other criteria would divide noise: a cluster is chosen by the noise of
    its pixels, too, so that these are more alike than repeated measurements of them.
    """
    if parts.attrs["criterion"] in _JUDGED:
        return "its spectra differ by no more than the noise"
    return (
        "there is no evidence for more (few pixels, spectra more alike than repeated measurements, "
        "or noise that is not known)"
    )


def _clustered(
    result: xr.Dataset,
    act: Split,
    members: np.ndarray,
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    progress: Callable[[str, int, int], None] | None,
) -> xr.Dataset:
    """Return the result of segment for the pixels of one cluster."""
    from spectessera.inference import segment
    from spectessera.inference.again import as_in_run

    seen = as_in_run(result, cube, segmenter)
    alone = seen.cube.assign_coords(mask=(("y", "x"), ~members))
    own = copy.copy(segmenter).set_params(clusters=_settings(result, segmenter))
    try:
        found = segment(
            alone, own, act.k or "cube", seed=act.seed, neighbours=seen.neighbours,
            redshift=seen.frame, progress=progress,
        )  # fmt: skip
    except ValueError as error:
        pixels = counted(int(members.sum()), "pixel")
        raise ValueError(f"cluster {act.cluster} ({pixels}) cannot be split: {error}") from error
    return found


def _settings(result: xr.Dataset, segmenter: SpectralSegmenter) -> Any:
    """Return how clusters of the run were found; k is chosen by evidence."""
    from spectessera.kmeans import Clusters

    settings = segmenter.config("clusters")
    stored = provenance(result).get("settings")
    of_run = stored.get("clusters") if isinstance(stored, dict) else None
    if isinstance(of_run, dict):
        try:
            settings = Clusters(**of_run)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the settings of the clusters in the result: {error}") from error
    wide = replace(settings, k_min=2, k_max=max(settings.k_max, Clusters().k_max))
    return replace(wide, criterion="evidence")


def _row(result: xr.Dataset, parts: xr.Dataset, place: int) -> dict[str, Any]:
    """Return the values of one part, by their names in a result."""
    return {
        name: parts[name].transpose("cluster", ...).values[place]
        for name in OWN
        if name in result and name in parts and name != "rare"
    }


def _maps(
    result: xr.Dataset,
    parts: xr.Dataset,
    members: np.ndarray,
    of_part: list[int],
    numbers: dict[int, int],
) -> xr.Dataset:
    """Return the maps of a result with the labels and the confidence of the parts."""
    old = result["label"].transpose("y", "x").variable
    lut = np.array([0, *numbers.values()], old.dtype)
    label = lut[old.values]
    inner = parts["label"].transpose("y", "x").values[members]
    if (inner == 0).any():
        raise ValueError(
            f"{int((inner == 0).sum())} pixels of the cluster are not usable in this cube; give "
            "the cube and the model of the run"
        )
    label[members] = np.array([0, *of_part], old.dtype)[inner]
    maps = {"label": old.copy(data=label)}
    if "confidence" in result:
        sure = result["confidence"].transpose("y", "x").variable
        values = np.array(sure.values)
        values[members] *= parts["confidence"].transpose("y", "x").values[members]
        maps["confidence"] = sure.copy(data=values)
    return result.assign(maps).drop_vars("label_alone", errors="ignore")
