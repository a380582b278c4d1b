"""Checks of results, for functions that are given one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .ranges import check_attributes, check_values
from .schema import COORDINATES, MAX_CLUSTERS, VARIABLES, Variable

_PART = 2**22  # labels that are counted at once
_KINDS = {"i": "integers", "u": "integers", "f": "numbers of a float type", "b": "booleans"}


def check_structure(result: xr.Dataset) -> xr.Dataset:
    """Return a result with the names, dimensions and types that a result has; reads no values.

    Variables that are not in the schema may have any dimensions. Only ``label`` must be there:
    older versions and other programs may lack the others.

    Raises
    ------
    TypeError
        If it is not a Dataset.
    ValueError
        If there is no ``label``; if a variable of the schema has other dimensions or another kind
        of numbers; or if an attribute of the schema has another type or is out of its range.
    """
    if not isinstance(result, xr.Dataset):
        raise TypeError(f"a result is an xarray.Dataset; got {type(result).__name__}")
    if "label" not in result.data_vars:
        names = ", ".join(map(str, result.data_vars)) or "nothing"
        raise ValueError(f"a result has a variable 'label' (y, x); this has: {names}")
    _check_count(result)
    for known in (*VARIABLES.values(), *COORDINATES.values()):
        if known.name in result.variables:
            _check_variable(result.variables[known.name], known)
    check_attributes(result)
    return result


def _check_count(result: xr.Dataset) -> None:
    """Raise ValueError if a result claims more clusters than there can be."""
    count = result.attrs.get("n_clusters", 0)
    whole = isinstance(count, (int, np.integer)) and 0 <= count <= MAX_CLUSTERS
    if isinstance(count, np.generic):
        count = count.item()
    if not whole or result.sizes.get("cluster", 0) > MAX_CLUSTERS:
        raise ValueError(f"a result has up to {MAX_CLUSTERS} clusters; 'n_clusters' is {count!r}")


def _check_variable(given: xr.Variable, known: Variable) -> None:
    words = _KINDS[np.dtype(known.dtype).kind]
    if set(given.dims) != set(known.dims) or words != _KINDS.get(given.dtype.kind):
        note = ", 0 = masked" if known.name == "label" else ""
        raise ValueError(
            f"{known.name!r} of a result must be ({', '.join(known.dims)}) of {words}{note}; got "
            f"({', '.join(map(str, given.dims))}) of {given.dtype}"
        )


def check_result(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose structure, labels, clusters and sizes fit together.

    A label map that dask computes block by block is not computed for this: only the structure is
    checked then.

    Parameters
    ----------
    result : Dataset

    Returns
    -------
    Dataset
        The same.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_structure`; if a value of the schema is out of its range; if a label is
        negative; if the numbers of the clusters are not
        ascending from 1 on, or a label is not among them; or if a cluster has more pixels in the
        label map than its ``size``. (Fewer are no error: the map may be a part of an image.)
    """
    check_structure(result)
    computed = result["label"].chunks is None
    label = result["label"].values.ravel() if computed else np.empty(0, int)
    if int(label.min(initial=0)) < 0:
        raise ValueError(
            f"labels of a result are 0 (masked) or 1..K; got {label.min()}; add 1 to labels that "
            "count from 0, with -1 for masked pixels"
        )
    check_values(result)
    if not computed:
        return result
    if "cluster" not in result.coords:
        return result
    clusters = result["cluster"].values.astype(np.int64)
    if (np.diff(clusters) <= 0).any() or (clusters < 1).any() or (clusters > MAX_CLUSTERS).any():
        raise ValueError(
            f"clusters have ascending numbers from 1 on; got {_some(clusters)} "
            f"({MAX_CLUSTERS} is the largest)"
        )
    counts = _pixels_of(clusters, label)
    if "size" in result:
        sizes = result["size"].values
        wrong = np.flatnonzero(counts > sizes)
        if len(wrong):
            at = wrong[0]
            raise ValueError(
                f"'size' of cluster {clusters[at]} is {sizes[at]}, but {counts[at]} pixels have "
                "its label; compute the sizes again from the label map"
            )
    return result


def _some(numbers: np.ndarray) -> str:
    """Return the first numbers of a list, for an error."""
    more = ", ..." if len(numbers) > 20 else ""
    return f"[{', '.join(map(str, numbers[:20].tolist()))}{more}]"


def _pixels_of(clusters: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the number of pixels (k,) of each cluster, from labels (n,) that are not negative."""
    counts = np.zeros(len(clusters) + 1, np.int64)
    numbers = np.append(clusters, 0)  # the last one is for labels beyond all clusters
    for first in range(0, len(label), _PART):
        part = label[first : first + _PART].astype(np.int64)
        part = part[part > 0]
        place = np.searchsorted(clusters, part)
        unknown = part[numbers[place] != part]
        if len(unknown):
            raise ValueError(
                f"the label map has cluster {unknown[0]}, but the coordinate 'cluster' has only "
                f"{_some(clusters)}; set the labels of removed clusters to 0"
            )
        counts += np.bincount(place, minlength=len(counts))
    return counts[:-1]


def require(result: xr.Dataset, *names: str, purpose: str) -> None:
    """Raise a ValueError if variables of the schema are missing that something needs.

    Parameters
    ----------
    result : Dataset
    names : str
        In :data:`spectessera.result.VARIABLES`, or coordinates.
    purpose : str
        What needs them, such as "a report".
    """
    _check_count(result)
    missing = [name for name in names if name not in result]
    if not missing:
        return
    hint = ""
    if all(name in VARIABLES and VARIABLES[name].segment == "means" for name in missing):
        hint = ", because it was made with means=False; segment again with means=True"
    raise ValueError(
        f"{purpose} needs {', '.join(names)}; this result has no {', '.join(missing)}{hint}"
    )
