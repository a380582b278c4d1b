"""Numbers of files that are packed, or mark missing values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

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
