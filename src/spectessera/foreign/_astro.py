"""Cubes of astronomical packages: NDData and NDCube, Spectrum of specutils, SpectralCube.

Where each axis of an array points is read from its world coordinates (the interface of APE 14,
which all of them have). Arrays count axes the other way round: the last one is the first of the
world coordinates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import Axis
from spectessera.conventions.dims import Axes, Evidence, find_axes

from ._parts import (
    Parts,
    arranged,
    as_array,
    check_axes,
    in_known_unit,
    known_unit,
    plain_number,
    usual_axis,
)

SPECTRAL = ("em.", "spect.", "custom:spect")  # physical types of spectral axes
LONGITUDE, LATITUDE = (".ra", ".lon", ":lon"), (".dec", ".lat", ":lat")
FORMS = ("std", "var", "ivar")
UNIT_POWERS = {"std": 1, "var": 2, "ivar": -2}
VELOCITIES = ("spect.dopplerVeloc", "spect.dopplerVeloc.opt", "spect.dopplerVeloc.radio")


class World(NamedTuple):
    """Which axes of an array the world coordinates name; None where they do not."""

    spectral: int | None
    y: int | None
    x: int | None


def world_of(wcs: Any, ndim: int) -> World:
    """Return which axes of an array are the spectrum, latitude (y) and longitude (x)."""
    low = _low_level(wcs)
    types = [str(each or "") for each in getattr(low, "world_axis_physical_types", None) or ()]
    if low is None or low.pixel_n_dim != ndim:
        return World(None, None, None)

    def place(matches: tuple[str, ...], *, start: bool = False) -> int | None:
        for world, name in enumerate(types):
            fits = name.startswith(matches) if start else name.endswith(matches)
            if fits:
                pixels = np.flatnonzero(low.axis_correlation_matrix[world])
                # coupled axes: by the standard, each has the number of its world coordinate
                return ndim - 1 - int(world if world in pixels else pixels[0])
        return None

    return World(place(SPECTRAL, start=True), place(LATITUDE), place(LONGITUDE))


def _low_level(wcs: Any) -> Any:
    """Return world coordinates with methods for plain numbers."""
    return None if wcs is None else getattr(wcs, "low_level_wcs", wcs)


def _decide(shape: tuple[int, ...], world: World, channel: int | None, what: str) -> Axes:
    """Return the order of the axes; where nothing is known, the stored one."""
    spectral = world.spectral if channel is None else channel
    check_axes(what, shape)
    if spectral is None or len(shape) != 3:
        return find_axes(what, Evidence(shape))
    first, second = (n for n in range(3) if n != spectral)
    if world.x == first and world.y == second:
        first, second = second, first
    return Axes((first, second, spectral), (), "", "")


def _axis_of_world(wcs: Any, shape: tuple[int, ...], axis: int) -> Axis | None:
    """Return the spectral axis by the world coordinates, at the first pixel of the image."""
    low = _low_level(wcs)
    (world,) = [
        n for n, name in enumerate(low.world_axis_physical_types) if str(name).startswith(SPECTRAL)
    ][:1]
    pixel = len(shape) - 1 - axis
    places = [np.zeros(shape[axis]) for _ in shape]
    places[pixel] = np.arange(shape[axis], dtype=np.float64)
    found = low.pixel_to_world_values(*places)
    values = np.asarray(found[world] if low.world_n_dim > 1 else found, dtype=np.float64)
    unit = known_unit(low.world_axis_units[world])
    return usual_axis(values, unit, medium=_medium(wcs)) if unit else None


def _medium(wcs: Any) -> str:
    """Return "air" or "vacuum" if the world coordinates say which wavelengths they have."""
    types = [str(each)[:4] for each in getattr(getattr(wcs, "wcs", None), "ctype", [])]
    return "air" if "AWAV" in types else "vacuum" if "WAVE" in types else ""


def _sky(wcs: Any, world: World, axes: Axes, ndim: int) -> str:
    """Return the header of the sky coordinates of the image (x, y), or ""."""
    if {world.x, world.y} != {axes.order[0], axes.order[1]} or not hasattr(wcs, "sub"):
        return ""
    x, y = (ndim - axis for axis in (axes.order[1], axes.order[0]))
    return str(wcs.sub([x, y]).to_header(relax=True).tostring(sep="\n"))


def of_nddata(thing: Any) -> Parts:
    """Take an NDData apart: NDCube, CCDData and others with data, wcs, uncertainty and mask."""
    world = world_of(thing.wcs, thing.data.ndim)
    axes = _decide(thing.data.shape, world, None, type(thing).__name__)
    parts = _parts(thing, thing.data, thing.unit, world, axes)
    if world.spectral is not None:
        parts.axis = _axis_of_world(thing.wcs, thing.data.shape, world.spectral)
    return parts


def of_spectrum(thing: Any) -> Parts:
    """Take a Spectrum of specutils apart: flux, and one spectral axis for all."""
    flux = thing.flux
    index = getattr(thing, "spectral_axis_index", None)
    channel = flux.ndim - 1 if index is None else int(index)  # the last one, before version 2
    world = world_of(thing.wcs, flux.ndim)
    axes = _decide(flux.shape, world, channel, type(thing).__name__)
    parts = _parts(thing, flux.value, flux.unit, world, axes)
    values, unit = in_known_unit(thing.spectral_axis)
    parts.axis = usual_axis(values, unit, medium=_medium(thing.wcs))
    if world.x is None:
        parts.notes.append("no sky coordinates: the axes of the flux are taken as y, then x")
    return parts


def of_spectral_cube(thing: Any) -> Parts:
    """Take a SpectralCube apart: always (channel, y, x), masked values are NaN."""
    axes = Axes((1, 2, 0), (), "", "")
    world = World(0, 1, 2)
    parts = Parts(arranged(np.asarray(plain_number(thing.filled_data[:])), axes))
    _take_unit(parts, thing.unit)
    values, unit = in_known_unit(thing.spectral_axis)
    parts.axis = usual_axis(values, unit, medium=_medium(thing.wcs))
    sky = _sky(thing.wcs, world, axes, 3)
    parts.attrs |= {"wcs": sky} if sky else {}
    return parts


def _parts(thing: Any, data: Any, unit: Any, world: World, axes: Axes) -> Parts:
    """Return the values with what NDData knows of them: unit, uncertainty, mask and sky."""
    data = as_array(data)
    parts = Parts(arranged(data, axes))
    parts.notes += [axes.note] if axes.note else []
    _take_unit(parts, unit)
    sky = _sky(thing.wcs, world, axes, data.ndim)
    parts.attrs |= {"wcs": sky} if sky else {}
    _take_uncertainty(parts, thing.uncertainty, unit, axes, data.shape)
    if thing.mask is not None:
        mask = as_array(thing.mask) != 0
        parts.take_missing(arranged(np.broadcast_to(mask, data.shape), axes))
    return parts


def _take_unit(parts: Parts, unit: Any) -> None:
    """Keep the unit of the values."""
    if unit is not None and str(unit):
        parts.attrs["unit"] = str(unit)


def _take_uncertainty(
    parts: Parts, uncertainty: Any, unit: Any, axes: Axes, shape: tuple[int, ...]
) -> None:
    """Keep the noise in the unit of the values; its kind is a word of astropy."""
    if uncertainty is None or uncertainty.array is None:
        return
    form = uncertainty.uncertainty_type
    if form not in FORMS:
        parts.notes.append(f"an uncertainty of type {form!r} is not used")
        return
    noise = as_array(uncertainty.array)
    own = getattr(uncertainty, "unit", None)
    if own is not None and unit is not None:
        noise = noise * own.to(unit ** UNIT_POWERS[form])
    parts.take_noise(arranged(np.broadcast_to(noise, shape), axes), form)
