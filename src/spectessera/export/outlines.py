"""The outlines of clusters: polygons with holes along the borders of their pixels.

A directed edge of unit length has one pixel at its right hand: it belongs to the outline of that
pixel's cluster if the pixel at its left hand is of another one. Followed so that it turns right
wherever it can, an outline stays with pixels that share a side; where it comes to a corner a second
time, it is cut in two, so that every ring is simple. Rings around pixels run clockwise as an image
is seen, with y downwards, those around holes the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Directions: right, down, left, up, as steps in y and x.
_STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])


class Polygon(NamedTuple):
    """One region of a cluster: pixels that share sides.

    The rings are corners (n, 2) as x and y in pixels from the upper left corner of the image; the
    last corner is the first one.
    """

    cluster: int
    outer: np.ndarray
    holes: list[np.ndarray]


def outlines(label: np.ndarray) -> list[Polygon]:
    """Return the regions of all clusters, in the order of the clusters, then of their first pixels.

    Parameters
    ----------
    label : array (y, x) of integers
        0 = masked: has no outline.

    Examples
    --------
    >>> import numpy as np
    >>> (square,) = outlines(np.array([[0, 2], [0, 2]]))
    >>> square.cluster, square.outer.tolist()
    (2, [[1, 0], [2, 0], [2, 2], [1, 2], [1, 0]])
    """
    regions = regions_of(label)
    found: dict[int, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for region, ring in _rings(regions):
        outer, holes = found.setdefault(region, ([], []))
        (outer if _is_clockwise(ring) else holes).append(ring)
    first = _first_pixels(regions)
    polygons = [
        Polygon(int(label.flat[first[region]]), outer[0], holes)
        for region, (outer, holes) in sorted(found.items())
    ]
    return sorted(polygons, key=lambda each: each.cluster)


def regions_of(label: np.ndarray) -> np.ndarray:
    """Return numbers 1, 2, ... of regions (y, x): pixels of one cluster that share sides."""
    from scipy import sparse

    n = np.arange(label.size).reshape(label.shape)
    same_x = (label[:, 1:] == label[:, :-1]) & (label[:, 1:] > 0)
    same_y = (label[1:] == label[:-1]) & (label[1:] > 0)
    start = np.concatenate([n[:, :-1][same_x], n[:-1][same_y]])
    end = np.concatenate([n[:, 1:][same_x], n[1:][same_y]])
    graph = sparse.coo_array(
        (np.ones(len(start), np.int8), (start, end)), shape=(label.size, label.size)
    )
    count, region = sparse.csgraph.connected_components(graph, directed=False)
    region = region.reshape(label.shape) + 1
    used = np.zeros(count + 1, np.int64)
    used[np.unique(region[label > 0])] = 1
    numbers = np.cumsum(used) * used
    return numbers[region]


def _first_pixels(regions: np.ndarray) -> np.ndarray:
    """Return the first pixel of every region; that of region 0 means nothing."""
    numbers, first = np.unique(regions, return_index=True)
    found = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
    found[numbers] = first
    return found


def _rings(regions: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield every simple ring with the region at its right hand."""
    start, region, following = _corners(regions)
    done = np.zeros(len(start), bool)
    for first in range(len(start)):
        if done[first]:
            continue
        path: list[int] = []
        at = first
        while not done[at]:
            done[at] = True
            path.append(at)
            at = int(following[at])
        for ring in _simple([tuple(each) for each in start[path].tolist()]):
            yield int(region[first]), np.array([*ring, ring[0]])


def _simple(path: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Yield the parts of a closed path that come to no corner twice."""
    if len(set(path)) == len(path):
        yield path
        return
    stack: list[tuple[int, ...]] = []
    places: dict[tuple[int, ...], int] = {}
    for corner in path:
        if corner in places:
            loop = stack[places[corner] :]
            yield loop
            for each in loop[1:]:
                del places[each]
            del stack[places[corner] + 1 :]
            continue
        places[corner] = len(stack)
        stack.append(corner)
    yield stack


def _corners(regions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the straight parts of all outlines: start (n, 2) as x and y, region, and the next.

    The pixel at the right hand of an edge from corner (y, x) is (y, x) to the right, (y, x - 1)
    down, (y - 1, x - 1) to the left and (y - 1, x) up.
    """
    padded = np.pad(regions, 1)  # corner (y, x) is between padded (y, x) and (y + 1, x + 1)
    up_left, up_right = padded[:-1, :-1], padded[:-1, 1:]
    down_left, down_right = padded[1:, :-1], padded[1:, 1:]
    right_hand = np.stack([down_right, down_left, up_left, up_right])
    left_hand = np.stack([up_right, down_right, down_left, up_left])
    edge = (right_hand > 0) & (right_hand != left_hand)  # (4, height + 1, width + 1)
    # along every line in its direction, so that a straight part is a run of neighbours
    listed = [_in_direction(edge[way], way) for way in range(4)]
    way = np.repeat(np.arange(4), [len(each) for each in listed])
    places = np.concatenate(listed)  # (edges, 2) y, x
    number = np.full(edge.shape, -1, np.int64)
    number[way, places[:, 0], places[:, 1]] = np.arange(len(way))
    ends = places + _STEPS[way]
    region = right_hand[way, places[:, 0], places[:, 1]]
    right, straight, left = (number[(way + turn) % 4, ends[:, 0], ends[:, 1]] for turn in (1, 0, 3))
    # at a corner of two regions, the edge at the right hand or straight on may be of the other one
    own = [np.where(each >= 0, region[each] == region, False) for each in (right, straight)]
    turns = own[0] | ~own[1]
    following = np.where(own[0], right, np.where(own[1], straight, left))
    last = _next_true(turns)
    begins = np.zeros(len(way), bool)
    begins[following[turns]] = True
    kept = np.flatnonzero(begins)
    renumbered = np.cumsum(begins) - 1
    return places[kept][:, ::-1], region[kept], renumbered[following[last[kept]]]


def _in_direction(edge: np.ndarray, way: int) -> np.ndarray:
    """Return the edges (n, 2) of one direction as y and x, line by line, each in its direction."""
    image = edge if way in (0, 2) else edge.T
    image = image if way in (0, 1) else image[:, ::-1]
    line, place = np.nonzero(image)
    place = place if way in (0, 1) else image.shape[1] - 1 - place
    return np.stack((line, place) if way in (0, 2) else (place, line), axis=1)


def _next_true(marks: np.ndarray) -> np.ndarray:
    """Return for every place the first one, not before it, that is marked."""
    n = np.arange(len(marks))
    return np.minimum.accumulate(np.where(marks, n, len(marks))[::-1])[::-1]


def _is_clockwise(ring: np.ndarray) -> bool:
    """Whether a closed ring of x and y, with y downwards, runs clockwise."""
    x, y = ring.T.astype(np.float64)
    return bool((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0)
