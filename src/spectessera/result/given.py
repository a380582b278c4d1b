"""Names and colours that people have given to clusters: two attributes of a result.

Each is one JSON text, an object by the number of the cluster, with only what people have given:
``{"2": "robe"}`` and ``{"2": "#aa3366"}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.text import shown, visible
from spectessera.colours import colours

from .schema import MAX_CLUSTERS

NAMES, COLOURS, EDITS = "cluster_names", "cluster_colours", "edits"
_OF_CLUSTERS = ("merge", "split", "mask")  # acts
LONGEST_NAME = 200  # characters of a name
_MOST = 2**25  # characters of one of the texts
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


def cluster_names(result: xr.Dataset) -> dict[int, str]:
    """Return the names that people have given to clusters, by the numbers of the clusters.

    Parameters
    ----------
    result : Dataset

    Returns
    -------
    dict of int to str
        In ascending order; empty where nobody has given one. Each is one line of 1 to 200
        characters; characters that are not seen are escapes.

    Raises
    ------
    ValueError
        If the attribute ``cluster_names`` is not such a JSON text.

    Examples
    --------
    >>> import xarray as xr
    >>> cluster_names(xr.Dataset(attrs={"cluster_names": '{"2": "robe"}'}))
    {2: 'robe'}
    """
    return _read(result, NAMES, clean_name)


def cluster_colours(result: xr.Dataset) -> np.ndarray:
    """Return the colours of all clusters: the fixed ones, with those that people have given.

    Parameters
    ----------
    result : Dataset

    Returns
    -------
    array (largest number of a cluster, 3), uint8
        Red, green, blue; row 0 is cluster 1.

    Raises
    ------
    ValueError
        If the attribute ``cluster_colours`` is not a JSON text of colours such as "#aa3366".

    Examples
    --------
    >>> import xarray as xr
    >>> attrs = {"n_clusters": 2, "cluster_colours": '{"2": "#aa3366"}'}
    >>> cluster_colours(xr.Dataset(attrs=attrs)).tolist()
    [[0, 114, 178], [170, 51, 102]]
    """
    return palette(result, _largest(result))


def palette(thing: xr.Dataset | xr.DataArray, count: int) -> np.ndarray:
    """Return colours of clusters 1 to ``count`` or more, with those that people have given.

    Parameters
    ----------
    thing : Dataset or DataArray
        Its attribute ``cluster_colours`` is read.
    count : int

    Returns
    -------
    array (number, 3), uint8
        As many as ``count``, or as the largest number of a cluster with a given colour.

    Raises
    ------
    ValueError
        As :func:`cluster_colours`.
    """
    given = given_colours(thing)
    table = colours(max(count, *given, 0)).copy()
    for number, colour in given.items():
        table[number - 1] = list(bytes.fromhex(colour[1:]))
    return table


def given_colours(result: xr.Dataset | xr.DataArray) -> dict[int, str]:
    """Return the colours that people have given, as "#rrggbb"; errors: :func:`cluster_colours`."""
    return _read(result, COLOURS, clean_colour)


def with_given(
    result: xr.Dataset, names: Mapping[int, str], colours: Mapping[int, str]
) -> xr.Dataset:
    """Return a result with these names and colours of clusters in place of those it has.

    Parameters
    ----------
    result : Dataset
        It is not changed; the new one shares its arrays.
    names : mapping of int to str
    colours : mapping of int to str
        "#rrggbb".

    Raises
    ------
    ValueError
        If a cluster is not in the result, or a name or a colour is none.

    Examples
    --------
    >>> import xarray as xr
    >>> result = xr.Dataset(attrs={"n_clusters": 2})
    >>> with_given(result, {2: "robe"}, {}).attrs["cluster_names"]
    '{"2": "robe"}'
    """
    texts = {
        NAMES: {number: clean_name(name) for number, name in names.items()},
        COLOURS: {number: clean_colour(colour) for number, colour in colours.items()},
    }
    new = result.copy()
    for attribute, values in texts.items():
        new.attrs.pop(attribute, None)
        if values:
            sorted_by_number = {str(number): values[number] for number in sorted(values)}
            new.attrs[attribute] = json.dumps(sorted_by_number, ensure_ascii=False)
    check_given(new)
    return new


def check_given(result: xr.Dataset) -> None:
    """Raise ValueError unless names and colours are such, and of clusters of the result."""
    stored_edits(result)
    for attribute, values in ((NAMES, cluster_names(result)), (COLOURS, given_colours(result))):
        if values and max(values) > _largest(result):
            raise ValueError(
                f"{attribute!r} of a result has cluster {max(values)}; the clusters are 1 to "
                f"{_largest(result)}"
            )


def stored_edits(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return what people have changed in a result, in the order of their acts.

    Parameters
    ----------
    result : Dataset

    Returns
    -------
    list of dict
        ``edit``: the values of a line of edits.toml; ``words``: what it did, a sentence.

    Raises
    ------
    ValueError
        If the attribute ``edits`` is not such a list.

    Examples
    --------
    >>> import xarray as xr
    >>> stored_edits(xr.Dataset())
    []
    """
    try:
        stored = _json(result.attrs.get(EDITS, "[]"))
        sound = isinstance(stored, list) and all(map(_is_edit, stored))
        if not sound:
            raise ValueError(f"it must be a list of edits and their words; got {_start(stored)}")
    except ValueError as error:
        raise ValueError(f"{EDITS!r} of a result: {error}") from error
    return [{"edit": each["edit"], "words": shown(each["words"])} for each in stored]


def clusters_changed(result: xr.Dataset) -> bool:
    """Return whether people have changed clusters themselves: more than names and colours."""
    return any(each["edit"].get("act") in _OF_CLUSTERS for each in stored_edits(result))


def _is_edit(each: Any) -> bool:
    if not isinstance(each, dict) or set(each) != {"edit", "words"}:
        return False
    return isinstance(each["edit"], dict) and isinstance(each["words"], str)


def _start(stored: Any) -> str:
    return shown(repr(stored), 60)


def clean_name(name: str) -> str:
    r"""Return a name of a cluster as one line; characters that are not seen are escapes.

    Raises
    ------
    ValueError
        If it is empty or longer than 200 characters.

    Examples
    --------
    >>> clean_name(" the\nrobe ")
    'the robe'
    """
    line = visible(" ".join(name.split()))
    if not 0 < len(line) <= LONGEST_NAME:
        raise ValueError(
            f"a name of a cluster has 1 to {LONGEST_NAME} characters; got {len(line)}: "
            f"{line[:40]!r}"
        )
    return line


def clean_colour(colour: str) -> str:
    """Return a colour as "#rrggbb" in small letters.

    Raises
    ------
    ValueError
        If it is not written like this.

    Examples
    --------
    >>> clean_colour("#AA3366")
    '#aa3366'
    """
    if not _COLOUR.fullmatch(colour):
        raise ValueError(
            f"a colour of a cluster is # and six digits of 0-9 and a-f, such as #aa3366; got "
            f"{shown(colour, 40)!r}"
        )
    return colour.lower()


def _largest(result: xr.Dataset) -> int:
    """Return the largest number of a cluster."""
    largest = int(result.attrs.get("n_clusters", 0))
    if "cluster" in result.coords:
        largest = max(0, int(result["cluster"].values.max(initial=0)))
    if largest > MAX_CLUSTERS:
        raise ValueError(f"a result has up to {MAX_CLUSTERS} clusters; got number {largest}")
    return largest


def _read(
    result: xr.Dataset | xr.DataArray, attribute: str, clean: Callable[[str], str]
) -> dict[int, str]:
    """Return one of the attributes, by the numbers of the clusters."""
    text = result.attrs.get(attribute, "{}")
    try:
        stored = _parsed(text)
        return {number: clean(stored[str(number)]) for number in sorted(map(_number, stored))}
    except ValueError as error:
        raise ValueError(f"{attribute!r} of a result: {error}") from error


def _json(text: Any) -> Any:
    """Return what a JSON text holds."""
    if not isinstance(text, str) or len(text) > _MOST:
        raise ValueError(f"it must be a JSON text of at most {_MOST >> 20} MiB")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _parsed(text: Any) -> dict[str, str]:
    """Return a JSON object of texts."""
    stored = _json(text)
    if not isinstance(stored, dict) or not all(isinstance(each, str) for each in stored.values()):
        raise ValueError(f"it must be a JSON object of texts; got {_start(stored)}")
    return stored


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MAX_CLUSTERS:
        raise ValueError(f"{shown(text, 40)!r} is not the number of a cluster")
    return int(text)
