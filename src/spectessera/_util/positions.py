"""Where the pixels of an image are: the coordinates of its rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def positions_of(like: xr.DataArray | xr.Dataset) -> dict[str, xr.DataArray]:
    """Return those of the coordinates ``y`` and ``x`` that an image or a cube has, by name."""
    return {name: like.coords[name] for name in ("y", "x") if name in like.coords}
