"""All maps of a cube that the commands write: those that suit its axis, and those of mixtures."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)


class Maps(NamedTuple):
    """Maps; None where there are none.

    Attributes
    ----------
    suitable : Dataset or None
        Of elements or lines.
    mixtures : Dataset or None
        Of abundances, with the tree of clusters.
    """

    suitable: xr.Dataset | None
    mixtures: xr.Dataset | None


def kind_of(cube: xr.DataArray) -> str:
    """Return "elements", "lines", or "" where a cube has neither; it says why."""
    from spectessera.maps import check_suitable

    try:
        return check_suitable(cube)
    except ValueError as error:
        log.warning("no maps of elements or lines, only of mixtures of clusters: %s", error)
        return ""


def at_places_of(cube: xr.DataArray, result: xr.Dataset) -> xr.DataArray:
    """Return a cube whose pixels are where those of its result are."""
    if any(cube.sizes[name] != result.sizes[name] for name in ("y", "x")):
        return cube  # not its result: a check of them says so
    from spectessera._util.positions import positions_of

    return cube.assign_coords(positions_of(result))


def maps_of(
    cube: xr.DataArray,
    result: xr.Dataset,
    kind: str,
    bar: Any,
    *,
    anode: str | None = None,
    single_pixels: bool = True,
    redshift: float | None = None,
) -> Maps:
    """Return the maps of a cube; where the spectra allow none, it says so.

    ``kind`` is what :func:`kind_of` returned, ``anode`` and ``single_pixels`` are for elements,
    ``redshift`` is for lines.
    """
    from spectessera.maps import NothingToMap, abundances, suitable

    found = mixtures = None
    how: dict[str, Any] = {"anode": anode, "single_pixels": single_pixels, "redshift": redshift}
    try:
        found = suitable(cube, result, **how, progress=bar) if kind else None
    except NothingToMap as error:  # the result is complete without them
        log.warning("no maps: %s", error)
    try:
        mixtures = abundances(cube, result, progress=bar)
    except NothingToMap as error:
        log.warning("no maps of mixtures: %s", error)
    if "edits" in result.attrs:  # by which it is known of which clusters they are
        own = {"edits": result.attrs["edits"]}
        found, mixtures = (
            None if each is None else each.assign_attrs(own) for each in (found, mixtures)
        )
    return Maps(found, mixtures)
