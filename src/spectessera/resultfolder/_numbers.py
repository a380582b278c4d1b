"""Numbers of a summary: JSON has no NaN."""

from __future__ import annotations

import numpy as np


def finite(value: float | None) -> float | None:
    """Return a finite number, which JSON can hold, or None."""
    return float(value) if value is not None and np.isfinite(value) else None
