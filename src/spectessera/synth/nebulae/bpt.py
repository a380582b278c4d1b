"""Line ratios for the classification of ionised gas, and the curves between the classes.

The planes are those of Baldwin, Phillips & Terlevich 1981 and Veilleux & Osterbrock 1987. Every
curve returns log [OIII] 5007 / H beta as a function of the logarithm of a ratio to H alpha, and
minus infinity beyond its asymptote, so that every point there is above the curve.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_ndim, check_same_shape

from .lines import line_labels

HALPHA, HBETA = "Ha 6563", "Hb 4861"


class Ratios(NamedTuple):
    """Decimal logarithms of line ratios, minus infinity where a line is absent.

    Attributes
    ----------
    nii : array (n,)
        [NII] 6583 / H alpha.
    sii : array (n,)
        [SII] (6716 + 6731) / H alpha.
    oi : array (n,)
        [OI] 6300 / H alpha.
    oiii : array (n,)
        [OIII] 5007 / H beta.
    """

    nii: np.ndarray
    sii: np.ndarray
    oi: np.ndarray
    oiii: np.ndarray


def bpt_ratios(flux: Any, labels: tuple[str, ...] | None = None) -> Ratios:
    """Return the ratios of the diagnostic planes.

    Parameters
    ----------
    flux : array (n, line)
        Flux of each line, in any unit, without reddening.
    labels : tuple of str, optional
        Names of the lines; by default :func:`~spectessera.synth.nebulae.lines.line_labels`.

    Returns
    -------
    Ratios

    Raises
    ------
    ValueError
        If shapes differ, one of the seven lines is missing, or H alpha or H beta is not above 0.

    Examples
    --------
    >>> from spectessera.synth.nebulae.bpt import bpt_ratios, kauffmann
    >>> lines = ("Hb 4861", "[OIII] 5007", "[OI] 6300", "Ha 6563")
    >>> lines += ("[NII] 6583", "[SII] 6716", "[SII] 6731")
    >>> ratios = bpt_ratios([[1.0, 1.0, 0.1, 2.86, 0.6, 0.3, 0.2]], lines)
    >>> bool(ratios.oiii[0] < kauffmann(ratios.nii)[0])
    True
    """
    names = line_labels() if labels is None else tuple(labels)
    flux = np.asarray(flux, dtype=np.float64)
    check_ndim("flux", flux, 2, "(n, line)")
    check_same_shape("flux", flux.shape[1:], (len(names),), "the list of lines")

    def of(name: str) -> np.ndarray:
        if name not in names:
            raise ValueError(f"the ratios need {name}; got {', '.join(names)}")
        return flux[:, names.index(name)]

    alpha, beta = of(HALPHA), of(HBETA)
    if not ((alpha > 0).all() and (beta > 0).all()):
        raise ValueError("the fluxes of H alpha and H beta must be above 0")
    with np.errstate(divide="ignore"):
        return Ratios(
            np.log10(of("[NII] 6583") / alpha),
            np.log10((of("[SII] 6716") + of("[SII] 6731")) / alpha),
            np.log10(of("[OI] 6300") / alpha),
            np.log10(of("[OIII] 5007") / beta),
        )


def kauffmann(nii: Any) -> np.ndarray:
    """Return the upper limit of pure star formation (Kauffmann et al. 2003, MNRAS 346, 1055)."""
    return _hyperbola(nii, 0.61, 0.05, 1.30)


def kewley_nii(nii: Any) -> np.ndarray:
    """Return the limit of extreme star formation (Kewley et al. 2001, ApJ 556, 121)."""
    return _hyperbola(nii, 0.61, 0.47, 1.19)


def kewley_sii(sii: Any) -> np.ndarray:
    """Return the same limit in the plane of [SII] (Kewley et al. 2001)."""
    return _hyperbola(sii, 0.72, 0.32, 1.30)


def kewley_oi(oi: Any) -> np.ndarray:
    """Return the same limit in the plane of [OI] (Kewley et al. 2001)."""
    return _hyperbola(oi, 0.73, -0.59, 1.33)


def _hyperbola(x: Any, scale: float, asymptote: float, offset: float) -> np.ndarray:
    """Return scale / (x - asymptote) + offset below the asymptote, otherwise minus infinity."""
    left = np.asarray(x, dtype=np.float64) - asymptote
    return np.where(left < 0, scale / np.where(left < 0, left, -1.0) + offset, -np.inf)
