"""Maps of bands: the sum of the channels between two positions, of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.positions import positions_of
from spectessera.axis import Axis
from spectessera.channels import used_channels
from spectessera.cube import Spectra, check_cube, mask_of, noise_of, spectral_axis, to_spectra

from .stream import Progress, map_pixels

EDGE = 0.1  # of the channels of a band, at either end: their means are the ends of its line
FEWEST = 4  # channels of a band with a line below it
CONTENT = "band maps"
MEANING = {
    False: "Sums of the channels of a band.",
    True: "Sums of the channels of a band above the straight line through its ends, which are "
    "means of a tenth of its channels each.",
}


class _Sums(NamedTuple):
    """The weight of every channel in every band (band, good channel), and the known noise."""

    weights: np.ndarray
    noise: str


def bands(
    cube: xr.DataArray,
    ranges: Sequence[tuple[float, float]],
    *,
    baseline: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the sum of a cube over bands of its spectral axis, for every pixel.

    For a band of a Raman spectrum, an edge of energy loss, or a line that no other map has.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked; read once, block by block.
    ranges : sequence of (float, float)
        First and last position of each band, in the unit of the axis; both are included.
    baseline : bool
        Subtract the straight line through the ends of the band (means of a tenth of its channels
        each), so that fluorescence or a background does not count.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    Dataset
        ``band_sum (band, y, x)``, float32, NaN where a pixel is masked or cannot be used; with
        ``band_sum_error`` where the noise is known (a variance, or counts). Coordinates ``low``
        and ``high (band)`` are the ranges. Bad channels are left out.

    Raises
    ------
    TypeError, ValueError
        If it is no cube, or a band holds no channel that can be used, with ``baseline`` fewer than
        four.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.ones((2, 3, 11)), axis=(0.0, 10.0), unit="cm-1")
    >>> maps = bands(cube, [(2.0, 5.0)])
    >>> maps["band"].item(), maps["band_sum"].values[0, 0].tolist()
    ('2 to 5 cm-1', [4.0, 4.0, 4.0])
    """
    cube = check_cube(cube)
    axis = spectral_axis(cube)
    weights = np.array([_weights(cube, axis, *each, baseline=baseline) for each in _sorted(ranges)])
    some = to_spectra(cube.isel(y=[0, cube.sizes["y"] // 2])).values
    sums = _Sums(weights, noise_of(cube, some[np.isfinite(some).all(axis=1)]))
    known = sums.noise != "residual"
    maps = map_pixels(
        _sum_pixels, sums, cube, (~mask_of(cube)).astype(np.int32), len(weights) * (1 + known),
        step="bands", progress=progress,
    )  # fmt: skip
    return _dataset(cube, axis, _sorted(ranges), maps, baseline=baseline)


def _sorted(ranges: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return bands with their lower ends first, checked."""
    found = []
    for each in ranges:
        low, high = sorted(float(value) for value in each)
        if not np.isfinite([low, high]).all() or low == high:
            raise ValueError(f"a band is two different positions, as in 1000, 1050; got {each}")
        found.append((low, high))
    if not found:
        raise ValueError("give at least one band, as in [(1000, 1050)]")
    return list(dict.fromkeys(found))


def _weights(
    cube: xr.DataArray, axis: Axis, low: float, high: float, *, baseline: bool
) -> np.ndarray:
    """Return the weight of every good channel in the sum of a band."""
    used = used_channels(cube)
    places = axis.values if used is None else axis.values[used]
    inside = np.flatnonzero((places >= low) & (places <= high))
    least = FEWEST if baseline else 1
    if len(inside) < least:
        first, last = places.min(), places.max()
        raise ValueError(
            f"the band {low:g} to {high:g} holds {len(inside)} channels of the axis, which goes "
            f"from {first:g} to {last:g} {axis.unit}".rstrip()
            + f"; it needs {least}" * baseline
        )
    weights = np.zeros(len(places))
    weights[inside] = 1.0
    if baseline:
        count = max(1, round(EDGE * len(inside)))
        ends = inside[:count], inside[-count:]
        one, two = (places[each].mean() for each in ends)
        share = ((places[inside] - one) / (two - one)).sum()
        weights[ends[0]] -= (len(inside) - share) / count
        weights[ends[1]] -= share / count
    return weights


def _sum_pixels(sums: _Sums, spectra: Spectra, _labels: np.ndarray) -> np.ndarray:
    """Return the sums (n, band), followed by their errors where the noise is known."""
    # Row by row, so that the sum of a pixel does not depend on the others.
    found = [(spectra.values * each).sum(axis=1) for each in sums.weights]
    if sums.noise != "residual":
        noise = spectra.values if spectra.variance is None else spectra.variance
        squares = [np.maximum(noise * each**2, 0.0).sum(axis=1) for each in sums.weights]
        found += [np.sqrt(each) for each in squares]
    return np.stack(found, axis=1)


def _dataset(
    cube: xr.DataArray,
    axis: Axis,
    ranges: list[tuple[float, float]],
    maps: np.ndarray,
    *,
    baseline: bool,
) -> xr.Dataset:
    """Return the maps with their names and what they mean."""
    count, dims = len(ranges), ("band", "y", "x")
    unit = str(cube.attrs.get("unit", ""))
    units = {"units": unit} if unit else {}
    words = "sum of the band" + " above its baseline" * baseline
    data = {"band_sum": (dims, maps[:count], units | {"long_name": words})}
    if len(maps) > count:
        data["band_sum_error"] = (dims, maps[count:], units)
    names = [f"{low:.10g} to {high:.10g} {axis.unit}".strip() for low, high in ranges]
    of_axis = {"units": axis.unit} if axis.unit else {}
    lows, highs = zip(*ranges, strict=True)
    coords: dict[str, Any] = {"band": names, "low": ("band", list(lows), of_axis)}
    coords |= {"high": ("band", list(highs), of_axis)}
    coords |= positions_of(cube)
    attrs = {"content": CONTENT, "meaning": MEANING[baseline], "baseline": int(baseline)}
    attrs |= {name: cube.attrs[name] for name in ("source", "unit", "wcs") if name in cube.attrs}
    return xr.Dataset(data, coords=coords, attrs=attrs)
