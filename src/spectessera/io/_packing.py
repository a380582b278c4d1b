"""Numbers of files that are packed, or mark missing values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spectessera.scale import keep_saturation

from ._common import with_missing
from ._lazy import LazyArray

# Attributes with the number that marks missing values, in lower case and without underscores.
MISSING = {
    "fillvalue", "missingvalue", "dataignorevalue", "nodata", "nodatavalue", "ignorevalue",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class _Packed:
    """A stored array, the numbers that mark missing values, and how it is scaled, if it is."""

    source: LazyArray
    missing: tuple[float, ...]
    scaling: tuple[float, float] | None

    def __repr__(self) -> str:
        return f"{self.source.key!r} {self.missing!r} {self.scaling!r}"

    def unpack(self, values: np.ndarray) -> np.ndarray:
        """Return stored values as they are meant."""
        if self.missing:
            marked = [values == number for number in self.missing]
            values = with_missing(values, np.logical_or.reduce(marked))
        if self.scaling is None:
            return values
        factor, start = self.scaling
        return (values * factor + start).astype(np.float32)


def unpacked(source: LazyArray, attrs: dict[str, Any]) -> LazyArray:
    """Return an array as its attributes say: scaled, and NaN where values are missing.

    ``scale_factor`` and ``add_offset`` of NetCDF are applied. Other factors, such as the
    ``Scale_Factor`` of NEON, are not: programs multiply by them or divide.
    """
    fills = [_number(value) for name, value in attrs.items()
             if re.sub(r"[\s_]", "", name.lower()) in MISSING]  # fmt: skip
    missing = tuple(fill for fill in fills if fill is not None and fill == fill)
    scale, offset = (attrs.get(name) for name in ("scale_factor", "add_offset"))
    scaling = None
    if isinstance(scale, (int, float)) or isinstance(offset, (int, float)):
        scaling = (
            float(scale) if isinstance(scale, (int, float)) else 1.0,
            float(offset) if isinstance(offset, (int, float)) else 0.0,
        )
    if not missing and scaling is None:
        return source
    packed = _Packed(source, missing, scaling)
    dtype = packed.unpack(np.zeros(1, source.dtype)).dtype
    return replace(source, key=packed, dtype=dtype, fetch=_fetch)


def _fetch(path: Path, packed: _Packed, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part and unpack it."""
    return packed.unpack(packed.source.fetch(path, packed.source.key, index))


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
