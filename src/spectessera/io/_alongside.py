"""Which axes of an array beside a cube are those of the cube.

An array beside a cube may have its axes in another order, or only some of them: a mask of pixels, a
noise that is the same for all pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spectessera.conventions.dims import CHANNEL, COLUMN, POINT, ROW, Dim, role_of


class Frame(NamedTuple):
    """The axes of a cube: (y, x, channel), or (point, channel) where spectra lie in a list.

    Attributes
    ----------
    shape : tuple of int
    dims : tuple of Dim
        Their names in the file.
    stored : tuple of int
        The axes in the order of the file: (2, 0, 1) is channel, y, x.
    """

    shape: tuple[int, ...]
    dims: tuple[Dim, ...]
    stored: tuple[int, ...]


class Fit(NamedTuple):
    """How an array lies along a cube.

    Attributes
    ----------
    order : tuple of int or None
        Its axis for each axis of the cube; None where it has none: one value for all.
    drop : tuple of int
        Its other axes, of length 1.
    """

    order: tuple[int | None, ...]
    drop: tuple[int, ...]

    @property
    def along(self) -> tuple[int, ...]:
        """The axes of the cube that it has."""
        return tuple(n for n, axis in enumerate(self.order) if axis is not None)


def frame_of(shape: Sequence[int], dims: Sequence[Dim], order: Sequence[int]) -> Frame:
    """Return the axes of a cube, or of its list of points, for what lies beside it.

    Parameters
    ----------
    shape : sequence of int
        Of the stored array.
    dims : sequence of Dim
        Its axes.
    order : sequence of int
        Which of them are y, x and channel, or point and channel.
    """
    stored = tuple(sorted(range(len(order)), key=lambda n: order[n]))
    return Frame(tuple(shape[n] for n in order), tuple(dims[n] for n in order), stored)


def fit_to(shape: Sequence[int], dims: Sequence[Dim], frame: Frame) -> Fit | None:
    """Return how an array lies along a cube, or None if it does not fit.

    Its names decide; without them its shape does, first in the order in which the cube is stored,
    then in the usual one. Axes of length 1 do not count.
    """
    long = [n for n, size in enumerate(shape) if size != 1]
    for labels, wanted in _labels(dims, frame):
        found = [labels[n] for n in long]
        if found and all(found) and len(set(found)) == len(found) and set(found) <= set(wanted):
            places = [wanted.index(label) for label in found]
            fit = _fit(shape, long, places, frame)
            if fit is not None:
                return fit
    fits = (_fit(shape, long, places, frame) for places in _sequences(frame))
    return next((fit for fit in fits if fit is not None), None)


def _labels(dims: Sequence[Dim], frame: Frame) -> Iterator[tuple[list[str], list[str]]]:
    """Yield labels of the axes of the array and of the cube: their names, then what these mean."""
    yield [dim.name for dim in dims], [dim.name for dim in frame.dims]
    meanings = [ROW, COLUMN, CHANNEL] if len(frame.shape) == 3 else [POINT, CHANNEL]
    yield [role_of(dim) for dim in dims], meanings


def _sequences(frame: Frame) -> Iterator[list[int]]:
    """Yield axes of the cube that an array without names may have, the most likely first."""
    usual = list(range(len(frame.shape)))
    for order in (list(frame.stored), usual):
        yield order
    channel = usual[-1]
    for order in (list(frame.stored), usual):  # the image, or the points
        yield [n for n in order if n != channel]
    yield [channel]


def _fit(
    shape: Sequence[int], long: Sequence[int], places: Sequence[int], frame: Frame
) -> Fit | None:
    """Return the fit if the axes longer than 1 have the lengths of these axes of the cube."""
    wanted = [place for place in places if frame.shape[place] != 1]
    if [shape[n] for n in long] != [frame.shape[place] for place in wanted]:
        return None
    axis_of = dict(zip(wanted, long, strict=True))
    order = tuple(axis_of.get(place) for place in range(len(frame.shape)))
    return Fit(order, tuple(n for n in range(len(shape)) if n not in long))
