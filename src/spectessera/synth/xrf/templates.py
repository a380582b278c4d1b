"""The shipped spectra of the built-in pigments, computed with xraylib."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from spectessera._util.files import package_data
from spectessera.axis import Axis

TEMPLATES = package_data("xrf_templates.npz")


class ShippedSpectra(NamedTuple):
    """Expected spectra by pigment and thickness.

    Attributes
    ----------
    pigments : tuple of str
    axis : Axis
    factors : array (f,)
        Relative thickness of the paint layer.
    spectra : array (p, f, channel), float64
        Expected counts per unit of exposure.
    settings : str
        JSON: tube, detector and version of xraylib.
    """

    pigments: tuple[str, ...]
    axis: Axis
    factors: np.ndarray
    spectra: np.ndarray
    settings: str


@cache
def shipped() -> ShippedSpectra:
    """Return the spectra that ship with the package."""
    with np.load(TEMPLATES, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    spectra, factors = arrays["spectra"].astype(np.float64), arrays["factors"]
    for array in (spectra, factors):
        array.setflags(write=False)
    return ShippedSpectra(
        tuple(arrays["pigments"].tolist()),
        Axis(arrays["energy"], "keV"),
        factors,
        spectra,
        str(arrays["settings"]),
    )
