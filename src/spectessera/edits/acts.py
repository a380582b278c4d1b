"""What a person can change: each act is one line of edits.toml.

The numbers of clusters in an act are those before that act.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from spectessera._util.check import check_number
from spectessera._util.text import shown
from spectessera.result import MAX_CLUSTERS, clean_colour, clean_name

from .regions import Polygon, Rectangle, Region, Runs

MOST_K = 1000  # parts of a cluster


@dataclass(frozen=True)
class Merge:
    """Two or more clusters become one, which has the lowest of their numbers.

    The numbers above those that are gone move down, so that clusters are 1 to K again; every
    cluster keeps its name and its colour.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two, one is there twice, or one is no number of a cluster.

    Examples
    --------
    >>> Merge((5, 2)).clusters
    (2, 5)
    """

    clusters: tuple[int, ...]

    def __post_init__(self) -> None:
        given: Any = self.clusters
        if not isinstance(given, (list, tuple)) or not 2 <= len(given) <= MAX_CLUSTERS:
            raise ValueError(
                f"merge takes two clusters or more; got {shown(self.clusters, 60)}: see --merge 2,5"
            )
        for each in self.clusters:
            check_cluster(each)
        if len(set(self.clusters)) < len(self.clusters):
            raise ValueError(f"merge has a cluster twice: {shown(self.clusters, 60)}")
        object.__setattr__(self, "clusters", tuple(sorted(int(each) for each in self.clusters)))


@dataclass(frozen=True)
class Split:
    """One cluster is clustered again.

    The largest part keeps its number, name and colour; the others come after the last cluster,
    but before rare groups, from the largest to the smallest.

    Parameters
    ----------
    cluster : int
    k : int, optional
        Number of parts, 2 to 1000; by default evidence chooses it, and the answer may be one.
    seed : int
    """

    cluster: int
    k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_cluster(self.cluster)
        if self.k is not None:
            check_number("k of split", self.k, low=2, high=MOST_K, integer=True)
        check_number("seed of split", self.seed, low=0, high=2**63 - 1, integer=True)


@dataclass(frozen=True)
class Rename:
    """A cluster gets a name of up to 200 characters; "" takes a given one away."""

    cluster: int
    name: str

    def __post_init__(self) -> None:
        check_cluster(self.cluster)
        _check_text("name", self.name)
        object.__setattr__(self, "name", clean_name(self.name) if self.name else "")


@dataclass(frozen=True)
class Recolour:
    """A cluster gets a colour, "#rrggbb"; "" takes a given one away."""

    cluster: int
    colour: str

    def __post_init__(self) -> None:
        check_cluster(self.cluster)
        _check_text("colour", self.colour)
        object.__setattr__(self, "colour", clean_colour(self.colour) if self.colour else "")


@dataclass(frozen=True)
class Mask:
    """The pixels of a region get label 0: they belong to no cluster.

    No number changes, not even where a cluster is left without pixels.
    """

    region: Region

    def __post_init__(self) -> None:
        if not isinstance(self.region, (Rectangle, Polygon, Runs)):
            raise TypeError(
                f"a region is a Rectangle, a Polygon or Runs; got {type(self.region).__name__}"
            )


Act = Merge | Split | Rename | Recolour | Mask


def check_cluster(value: Any) -> None:
    """Raise TypeError or ValueError unless a value can be the number of a cluster."""
    check_number("the number of a cluster", value, low=1, high=MAX_CLUSTERS, integer=True)


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} of a cluster is text; got {type(value).__name__}")


def as_table(act: Act) -> dict[str, Any]:
    """Return an act as the plain values of its line.

    Examples
    --------
    >>> as_table(Split(3))
    {'act': 'split', 'cluster': 3, 'seed': 0}
    """
    match act:
        case Merge(clusters):
            return {"act": "merge", "clusters": list(clusters)}
        case Split(cluster, k, seed):
            given = {} if k is None else {"k": k}
            return {"act": "split", "cluster": cluster, **given, "seed": seed}
        case Rename(cluster, name):
            return {"act": "rename", "cluster": cluster, "name": name}
        case Recolour(cluster, colour):
            return {"act": "recolour", "cluster": cluster, "colour": colour}
        case Mask(Rectangle(y0, y1, x0, x1)):
            return {"act": "mask", "rows": [y0, y1], "columns": [x0, x1]}
        case Mask(Polygon(points)):
            return {"act": "mask", "polygon": [list(each) for each in points]}
        case Mask(Runs(runs)):
            return {"act": "mask", "runs": [list(each) for each in runs]}
    raise TypeError(f"not an edit: {type(act).__name__}; it is one of {', '.join(FIELDS)}")


# The values of the line of each act; those in the second set may be left out.
FIELDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "merge": (frozenset({"clusters"}), frozenset()),
    "split": (frozenset({"cluster"}), frozenset({"k", "seed"})),
    "rename": (frozenset({"cluster", "name"}), frozenset()),
    "recolour": (frozenset({"cluster", "colour"}), frozenset()),
    "mask": (frozenset(), frozenset({"rows", "columns", "polygon", "runs"})),
}


def of_table(table: Any) -> Act:
    """Return the act of the plain values of a line.

    Raises
    ------
    TypeError, ValueError
        If it is none: an unknown act, an unknown or missing value, or one that makes no sense.

    Examples
    --------
    >>> of_table({"act": "merge", "clusters": [2, 5]})
    Merge(clusters=(2, 5))
    """
    if not isinstance(table, dict):
        raise ValueError(f'it is a table such as {{ act = "merge", clusters = [2, 5] }}; got '
                         f"{shown(table, 60)}")  # fmt: skip
    values = dict(table)
    word = values.pop("act", None)
    if not isinstance(word, str) or word not in FIELDS:
        raise ValueError(f"act is one of {', '.join(FIELDS)}; got {shown(repr(word), 60)}")
    needed, optional = FIELDS[word]
    strange = sorted(set(values) - needed - optional)
    missing = sorted(needed - set(values))
    if strange or missing:
        what = (
            f"has no {missing[0]}" if missing else f"has an unknown value {shown(strange[0], 60)}"
        )
        raise ValueError(f"{word} {what}; it takes {', '.join(sorted(needed | optional))}")
    if word == "merge":
        return Merge(values["clusters"])
    if word == "mask":
        return Mask(_region(values))
    return {"split": Split, "rename": Rename, "recolour": Recolour}[word](**values)


def _region(values: dict[str, Any]) -> Region:
    """Return the region of a mask."""
    match sorted(values):
        case ["columns", "rows"]:
            rows, columns = (_pair(values[name], name) for name in ("rows", "columns"))
            return Rectangle(*rows, *columns)
        case ["polygon"]:
            return Polygon(_listed(values["polygon"], "polygon"))
        case ["runs"]:
            return Runs(_listed(values["runs"], "runs"))
    raise ValueError(
        "mask has rows = [y0, y1] and columns = [x0, x1], or polygon = [[y, x], ...], or "
        "runs = [[y, x0, x1], ...]"
    )


def _pair(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{name} of mask are two integers, first and end; got {shown(value, 60)}")
    return value


def _listed(value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{name} of mask is a list; got {shown(value, 60)}")
    return tuple(value)


def as_line(act: Act) -> str:
    """Return an act as its line in edits.toml, a table of TOML.

    Examples
    --------
    >>> as_line(Rename(2, "robe"))
    '{ act = "rename", cluster = 2, name = "robe" }'
    """
    # Texts and numbers of JSON are such of TOML too; control characters are not in names.
    pairs = (f"{name} = {json.dumps(value, ensure_ascii=False)}"
             for name, value in as_table(act).items())  # fmt: skip
    return f"{{ {', '.join(pairs)} }}"
