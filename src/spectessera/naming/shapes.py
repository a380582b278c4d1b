"""What the shape of a spectrum says: bands, edges, and which spectra of a library it is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.result import per_cluster

from .bands import find_bands
from .candidates import Band, Naming
from .edges import find_edges
from .library import candidate_of, match_library, on_axis

# Median over the largest value of a mean spectrum, from which on it is a continuum.
CONTINUOUS = 0.1
WORDS = {"band": "bands", "absorption": "absorption bands", "edge": "edges"}
MOST_IN_WORDS = 6


def with_shapes(
    named: Sequence[Naming],
    result: xr.Dataset,
    errors: np.ndarray,
    library: xr.Dataset | None,
    *,
    optical: bool,
) -> list[Naming]:
    """Return namings with the bands or edges of their spectra, and the library spectra that fit.

    Parameters
    ----------
    named : sequence of Naming
        Of the clusters of the result, by their lines.
    result : Dataset
        Without bad channels.
    errors : array (cluster, channel)
        Standard errors of the mean spectra.
    library : Dataset or None
        Of :func:`spectessera.read_library`.
    optical : bool
        Whether the axis resolves lines of gas, which are named instead of bands.

    Raises
    ------
    ValueError
        If no spectrum of the library covers half of the channels.
    """
    axis, found = spectral_axis(result["mean_spectrum"]), list(named)
    means = per_cluster(result, "mean_spectrum")
    usable = (result["size"].values > 0) & np.isfinite(means).all(axis=1)
    kind = kind_of_bands(axis, means[usable], optical=optical)
    fitting = None if library is None else on_axis(library, axis)
    for place in np.flatnonzero(usable).tolist():
        bands = _bands(means[place], errors[place], axis, kind)
        found[place] = replace(found[place], bands=bands)
        if fitting is not None:
            matches = match_library(means[place], errors[place], fitting)
            best = candidate_of(matches)
            listed = (*([] if best is None else [best]), *found[place].candidates)
            found[place] = replace(found[place], candidates=listed, library=matches)
    return found


def kind_of_bands(axis: Axis, means: np.ndarray, *, optical: bool = False) -> str:
    """Return what spectra have: "edge", "band", "absorption", or "" for none of these.

    Energy losses have edges; wavenumbers have maxima. Wavelengths have minima if the mean spectra
    (cluster, channel) are continua without negative values, as reflectances are, else maxima; none
    where lines of gas are resolved. Energies, and channels without an axis, have none.

    Examples
    --------
    >>> import numpy as np
    >>> kind_of_bands(Axis(np.linspace(400, 2400, 50), "nm"), np.full((2, 50), 0.3))
    'absorption'
    """
    if axis.kind in ("energy_loss", "wavenumber"):
        return "edge" if axis.kind == "energy_loss" else "band"
    if axis.kind != "wavelength" or optical or not len(means):
        return ""
    continuous = np.median(means, axis=1) >= CONTINUOUS * means.max(axis=1)
    return "absorption" if means.min() >= 0 and continuous.mean() > 0.5 else "band"


def bands_in_words(naming: Naming, unit: str) -> str:
    """Return the most significant bands or edges of a spectrum in words; "" without any.

    Examples
    --------
    >>> bands_in_words(Naming(bands=(Band("edge", 532.0, 1.0, None, 5.0, 9.0, ("O K",)),)), "eV")
    'edges at 532 (O K) eV'
    """
    if not naming.bands:
        return ""
    strongest = sorted(naming.bands, key=lambda each: -each.significance)[:MOST_IN_WORDS]
    shown = [each for each in naming.bands if each in strongest]
    places = ", ".join(
        f"{each.position:.5g}" + (f" ({', '.join(each.elements)})" if each.elements else "")
        for each in shown
    )
    more = len(naming.bands) - len(shown)
    others = f" and {more} weaker one{'s' if more > 1 else ''}" if more else ""
    return f"{WORDS[naming.bands[0].kind]} at {places} {unit}".rstrip() + others


def _bands(mean: np.ndarray, error: np.ndarray, axis: Axis, kind: str) -> tuple[Band, ...]:
    if not kind:
        return ()
    return (
        find_edges(mean, error, axis)
        if kind == "edge"
        else find_bands(mean, error, axis, kind=kind)
    )
