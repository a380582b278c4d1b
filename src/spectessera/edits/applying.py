"""Apply the acts of people to a result, one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.text import shown
from spectessera.result import (
    check_structure,
    cluster_names,
    given_colours,
    require,
    stored_edits,
    with_given,
)

from .acts import Act, Mask, Merge, Recolour, Rename, Split, as_line, as_table, of_table

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter


class Sources(NamedTuple):
    """What acts are applied with.

    Attributes
    ----------
    cube : DataArray, optional
    segmenter : SpectralSegmenter, optional
    means : bool
        Whether all spectra are computed.
    progress : callable, optional
    """

    cube: xr.DataArray | None
    segmenter: SpectralSegmenter | None
    means: bool
    progress: Callable[[str, int, int], None] | None


def apply_edits(
    result: xr.Dataset,
    edits: Sequence[Act],
    cube: xr.DataArray | None = None,
    segmenter: SpectralSegmenter | None = None,
    *,
    means: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> xr.Dataset:
    """Return a result with the changes of a person; the given one is not changed.

    The same acts give the same bits, at once or one after the other: to undo the last one, apply
    all others to the result of the run.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline, or with earlier acts applied; clusters have
        the numbers 1 to K.
    edits : sequence of Act
        The numbers of clusters in each are those after the acts before it.
    cube : DataArray (y, x, channel), optional
        The cube that was segmented: for Split, and for Mask where some pixels of a cluster stay.
    segmenter : SpectralSegmenter, optional
        The one of the run, for the same acts.
    means : bool
        False: Mask needs no cube; the spectra of a cluster that lost pixels are NaN.
    progress : callable, optional
        As of :func:`spectessera.segment`, where the cube is read.

    Returns
    -------
    Dataset
        Numbers, sizes, names, colours and spectra are those of the new clusters. ``confidence`` is
        that of the run: of merged clusters a lower bound; of parts of a split one its product with
        the confidence among these parts; NaN where pixels are masked. ``center`` of a merged
        cluster is the mean of the centers by their pixels; its ``decoded_mean`` is not known: NaN.
        Scores for k, ``structure`` and the
        like stay those of the run; the map ``silhouette`` is left out after Merge and Split,
        ``label_alone`` after Split. The attribute ``edits`` lists what was done.

    Raises
    ------
    TypeError, ValueError
        If an act names a cluster that is not there, or needs a cube; the message says which.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> from spectessera.edits import Merge, Rename
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> result = spt.segment(cube, segmenter, 3)
    >>> edited = apply_edits(result, [Merge((1, 3)), Rename(1, "robe")])
    >>> int(edited["size"][0]) == int(result["size"][0] + result["size"][2])
    True
    """
    require(check_structure(result), "size", "cluster", purpose="edits")
    numbers = result["cluster"].values
    if not np.array_equal(numbers, np.arange(1, len(numbers) + 1)):
        raise ValueError(
            f"edits need clusters 1 to K; this result has {shown(numbers.tolist(), 60)}"
        )
    sources = Sources(cube, segmenter, means, progress)
    done = stored_edits(result)
    for act in edits:
        try:
            result, words = _applied(result, act, sources)
        except ValueError as error:
            line = shown(as_line(act), 100)
            raise ValueError(f"edit {len(done) + 1}, {line}: {error}") from error
        done.append({"edit": as_table(act), "words": words})
    if not edits:
        return result
    return result.assign_attrs(edits=json.dumps(done, ensure_ascii=False))


def edits_of(result: xr.Dataset) -> tuple[Act, ...]:
    """Return the acts that were applied to a result, in their order.

    Raises
    ------
    ValueError
        If its attribute ``edits`` holds no acts.
    """
    try:
        return tuple(of_table(each["edit"]) for each in stored_edits(result))
    except (TypeError, ValueError) as error:
        raise ValueError(f"'edits' of a result: {error}") from error


def needs_cube(act: Act) -> bool:
    """Return whether an act reads the cube (a mask does only where some pixels of a cluster stay).

    Examples
    --------
    >>> needs_cube(Merge((1, 2))), needs_cube(Split(1))
    (False, True)
    """
    return isinstance(act, (Split, Mask))


def _applied(result: xr.Dataset, act: Act, how: Sources) -> tuple[xr.Dataset, str]:
    """Return a result with one act, and what it did in words."""
    _check_there(act, result.sizes["cluster"])
    match act:
        case Merge(clusters):
            from .merging import merge

            return merge(result, clusters)
        case Split():
            from .splitting import split

            if how.cube is None or how.segmenter is None:
                raise ValueError("a split reads the cube: give cube and segmenter of the run")
            return split(result, act, how.cube, how.segmenter, how.progress)
        case Rename(cluster, name):
            return _named(result, cluster, name)
        case Recolour(cluster, colour):
            return _coloured(result, cluster, colour)
        case Mask(region):
            from .masking import mask

            return mask(result, region, how.cube, how.segmenter, how.progress, means=how.means)
    raise TypeError(f"not an edit: {type(act).__name__}")


def _check_there(act: Act, count: int) -> None:
    """Raise ValueError unless the clusters of an act are there."""
    table = as_table(act)
    named: list[int] = table.get("clusters") or [table.get("cluster", 1)]
    wrong = [each for each in named if each > count]
    if wrong:
        raise ValueError(
            f"there is no cluster {wrong[0]}; before this act the clusters are 1 to {count}"
        )


def _named(result: xr.Dataset, cluster: int, name: str) -> tuple[xr.Dataset, str]:
    names: dict[int, Any] = cluster_names(result)
    names.pop(cluster, None)
    if not name:
        return with_given(result, names, given_colours(result)), f"Cluster {cluster}: name removed."
    names[cluster] = name
    words = f"Cluster {cluster} is named \u201c{name}\u201d."
    return with_given(result, names, given_colours(result)), words


def _coloured(result: xr.Dataset, cluster: int, colour: str) -> tuple[xr.Dataset, str]:
    shades = given_colours(result)
    shades.pop(cluster, None)
    names = cluster_names(result)
    if not colour:
        return with_given(result, names, shades), f"Cluster {cluster} has its first colour again."
    shades[cluster] = colour
    return with_given(result, names, shades), f"Cluster {cluster} has the colour {colour}."
