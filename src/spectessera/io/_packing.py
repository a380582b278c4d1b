"""Numbers of files that are packed, or mark missing values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from spectessera.scale import keep_saturation

from ._common import with_missing

# Attributes with the number that marks missing values, in lower case and without underscores.
MISSING = {
    "fillvalue", "missingvalue", "dataignorevalue", "nodata", "nodatavalue", "ignorevalue",
}  # fmt: skip


def unpack(values: Any, attrs: dict[str, Any]) -> Any:
    """Return values (numpy or dask) as the attributes of their array say: scaled, missing as NaN.

    ``scale_factor`` and ``add_offset`` of NetCDF are applied. Other factors, such as the
    ``Scale_Factor`` of NEON, are not: programs multiply by them or divide.
    """
    missing: Any = False
    for name, value in attrs.items():
        fill = _number(value) if re.sub(r"[\s_]", "", name.lower()) in MISSING else None
        if fill is not None and fill == fill:
            missing = missing | (values == fill)
    if missing is not False:
        values = with_missing(values, missing)
    scale, offset = (attrs.get(name) for name in ("scale_factor", "add_offset"))
    if isinstance(scale, (int, float)) or isinstance(offset, (int, float)):
        factor = float(scale) if isinstance(scale, (int, float)) else 1.0
        start = float(offset) if isinstance(offset, (int, float)) else 0.0
        return (values * factor + start).astype(np.float32)
    return values


def _number(value: Any) -> float | None:
    """Return an attribute as a number, also one that is written as text; None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, str) else value if value * 0 == 0 else None
    except (TypeError, ValueError):
        return None


def without_ignored(
    values: Any, numbers: np.ndarray | None, attrs: dict[str, Any], notes: list[str]
) -> Any:
    """Return the values with NaN in place of those to ignore, if their type has them.

    Parameters
    ----------
    values : numpy or dask array (y, x, channel)
    numbers : array (1,) or (channel,), optional
        The number to ignore, or one for each band.
    attrs : dict
        Gets the ``saturation`` of the type of the values.
    notes : list of str
        What is assumed is appended.
    """
    if numbers is None:
        return values
    if len(numbers) not in (1, values.shape[2]):
        count, bands = len(numbers), values.shape[2]
        notes.append(f"there are {count} values to ignore for {bands} bands: not used")
        return values
    numbers = numbers[:1] if (numbers == numbers[0]).all() else numbers
    dtype = values.dtype
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            fill = numbers.astype(dtype)
        possible = np.isfinite(fill)
    else:
        limits = np.iinfo(dtype)
        possible = (numbers == np.rint(numbers)) & (numbers >= limits.min) & (numbers <= limits.max)
        fill = np.where(possible, numbers, 0).astype(dtype)
    if not possible.any():
        return values
    keep_saturation(dtype, attrs)
    return with_missing(values, (values == fill) & possible)
