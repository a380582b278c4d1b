"""Where lines of gas can be: wavelengths and redshifts of instruments."""

from __future__ import annotations

import numpy as np

from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.axis import Axis

OPTICAL = (3000.0, 53_000.0)  # angstrom, from the near ultraviolet to the end of NIRSpec
COARSEST = 600.0  # km/s, widest channel that resolves lines: reflectances have wider ones
HIGHEST = 1.5  # redshift that is tried on axes that end before the infrared
INFRARED = 12_500.0  # angstrom
LONGEST_LINE = 5008.24  # angstrom in vacuum, the [OIII] line that may be the last on the axis


def is_optical(axis: Axis) -> bool:
    """Return whether an axis is of wavelengths at which lines of gas can be and are resolved."""
    if axis.kind != "wavelength" or len(axis) < 2:
        return False
    values = axis.to("angstrom").values
    if not OPTICAL[0] <= values.min() <= values.max() <= OPTICAL[1]:
        return False
    channel = SPEED_OF_LIGHT * np.median(np.abs(np.diff(np.log(values))))
    return bool(channel <= COARSEST)


def highest_redshift(axis: Axis) -> float:
    """Return the highest redshift that is tried: 1.5, and more for instruments of the infrared.

    For these, that at which [OIII] 5007 leaves the axis.

    Examples
    --------
    >>> highest_redshift(Axis([4750.0, 9350.0], "angstrom"))
    1.5
    """
    last = float(axis.to("angstrom").values.max())
    return HIGHEST if last < INFRARED else max(HIGHEST, last / LONGEST_LINE - 1)
