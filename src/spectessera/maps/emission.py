"""Maps of emission lines: flux, velocity, dispersion, equivalent width, ratios, class of the gas.

What the mean spectra of the clusters show says where to look: their redshift, the lines that are in
them, and the velocity and dispersion that a pixel of a cluster starts from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera.axis import Axis
from spectessera.channels import bad_channels
from spectessera.cube import Block, blocks, check_cube, mask_of, spectral_axis
from spectessera.inference.blockwork import Shared, Task, process_blocks
from spectessera.inference.neighbours import around, inside
from spectessera.optical.ranges import is_optical
from spectessera.result import require
from spectessera.variance import with_usable_variance

from ._lineblocks import LineContext, fit_block
from ._linedataset import as_dataset
from ._lineplan import Setup
from ._linepools import add_gradients, withdraw_pools
from ._linestart import (
    common_redshift,
    noise_of_cube,
    redshift_of_sum,
    resolution_given,
    setup_at,
    starts_of,
    wanted_lines,
)
from .stream import Progress

SPEED = 700.0  # km/s
NEIGHBOURS = 3
TALL = 8  # blocks of a cube in memory are so many times as high as what is read around them


def lines(
    cube: xr.DataArray,
    result: xr.Dataset,
    *,
    names: Sequence[str] | None = None,
    redshift: float | None = None,
    resolution: Any = None,
    largest_velocity: float = SPEED,
    neighbours: int = NEIGHBOURS,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Measure the emission lines of every pixel of a cube.

    All lines of a pixel have one velocity and one dispersion. A pixel whose lines are too faint
    gets those of its neighbours in the same cluster, and its own fluxes at these.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Along wavelengths from 3000 to 11000 angstrom; in air if its axis does not say. Without a
        variance the noise is the scatter within each spectrum.
    result : Dataset
        Of :func:`spectessera.segment` or a baseline, of this cube: ``label (y, x)``, and the mean
        spectra of the clusters.
    names : sequence of str, optional
        Lines such as "[OIII] 5007". By default those that are in the mean spectrum of at least one
        cluster, and those of the diagnostic ratios. Lines that are not on the axis are left out,
        and the fainter line of a doublet is fitted with the stronger one.
    redshift : float, optional
        At which velocities are 0. By default that of the preprocessing, otherwise it is fitted to
        the mean spectra.
    resolution : float or array (channel,), optional
        Full width at half maximum of the instrument, in the unit of the axis. By default that of
        MUSE if the cube has ``instrument="MUSE"``; otherwise it is not known, and the dispersion
        is that of the observed lines.
    largest_velocity : float
        km/s, on either side of the redshift.
    neighbours : int
        Rows and columns up to which neighbours are used for faint pixels; 0: never.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    Dataset
        ``flux``, ``flux_error`` (line, y, x) in the unit of the cube times that of the axis;
        ``equivalent_width``, ``equivalent_width_error`` (line, y, x) in the unit of the axis;
        ``velocity``, ``velocity_error``, ``dispersion``, ``dispersion_error`` (y, x) in km/s;
        ``log_ratio``, ``log_ratio_error`` (ratio, y, x); ``gas_class (y, x)`` and ``class_share``;
        ``signal_to_noise``, ``reduced_chi_squared``, ``pixels`` and ``quality (y, x)``. Fluxes may
        be negative within their errors; those of pixels that are too faint are at the velocity of
        their cluster. NaN where a pixel has no label.

    Raises
    ------
    ValueError, TypeError
        If the axis is not of optical wavelengths, the result is of another image or lacks clusters,
        or an argument is out of range.
    NothingToMap
        A ValueError: no redshift is found, or none of the lines is on the axis.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> wave = np.arange(6400, 6800, 1.25)
    >>> line = 50 * np.exp(-0.5 * ((wave - 6562.82) / 1.5) ** 2)
    >>> noise = np.random.default_rng(0).normal(size=(6, 7, len(wave)))
    >>> cube = spt.make_cube(20 + line + noise, wavelength=wave, medium="air",
    ...                      variance=np.ones(noise.shape))
    >>> result = spt.baselines.linear(cube, spt.Clusters(2, 2), seed=0)
    >>> maps = spt.maps.lines(cube, result, names=["Ha 6563"], redshift=0.0)
    >>> maps.flux.sel(line="Ha 6563").shape
    (6, 7)
    >>> bool((abs(maps.velocity) < 20).all())
    True
    """
    cube = with_usable_variance(check_cube(cube), compute=True)
    require(result, "label", "mean_spectrum", "std_spectrum", "size", purpose="maps of lines")
    check_number("largest_velocity", largest_velocity, low=50.0, high=3000.0)
    check_number("neighbours", neighbours, low=0, high=20, integer=True)
    axis = check_lines(cube)
    labels = _labels(cube, result)
    systemic = common_redshift(result, axis, redshift)
    chosen = wanted_lines(result, systemic, names)
    known = resolution_given(cube, axis, resolution)
    bad = bad_channels(cube)
    good = np.ones(len(axis), dtype=bool) if bad is None else ~bad

    def setup_of(at: float) -> Setup:
        return setup_at(axis, good, chosen, at, float(largest_velocity), known)

    setup = setup_of(systemic)
    if redshift is None:
        setup = setup_of(redshift_of_sum(result, setup))
    setup = setup._replace(noise=noise_of_cube(cube, labels, setup))
    context = LineContext(setup, starts_of(result, setup), int(neighbours))
    maps = _run(context, cube, labels, progress)
    return as_dataset(context, cube, maps, labels, known is not None)


def check_lines(cube: xr.DataArray) -> Axis:
    """Return the axis of a cube of which maps of lines can be made.

    Parameters
    ----------
    cube : DataArray (y, x, channel)

    Raises
    ------
    TypeError, ValueError
        If it is no cube, or its axis is not of optical wavelengths that resolve lines.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.ones((2, 3, 401)), wavelength=(6400.0, 6900.0))
    >>> len(spt.maps.check_lines(cube))
    401
    """
    axis = spectral_axis(check_cube(cube))
    if not is_optical(axis):
        raise ValueError(
            "maps of lines need wavelengths between 3000 and 11000 angstrom in channels of at most "
            f"600 km/s; the axis of this cube is {axis.label()}"
        )
    return axis


def _labels(cube: xr.DataArray, result: xr.Dataset) -> np.ndarray:
    """Return the labels (y, x); 0 for pixels that are masked."""
    labels = np.asarray(result["label"].transpose("y", "x").values)
    size = cube.sizes["y"], cube.sizes["x"]
    if labels.shape != size:
        raise ValueError(
            f"the labels are those of an image of {labels.shape} (y, x) pixels; the cube has "
            f"{size}: give the cube that was segmented"
        )
    most, clusters = labels.max(initial=0), result["cluster"].values.max(initial=0)
    if most > clusters:
        raise ValueError(
            f"there are labels up to {most}, but mean spectra of clusters up to {clusters} only: "
            "give the result as it came from the segmentation"
        )
    return np.where(mask_of(cube), 0, labels)


# --- all blocks --------------------------------------------------------------------------------


def _run(
    context: LineContext, cube: xr.DataArray, labels: np.ndarray, progress: Progress | None
) -> dict[str, np.ndarray]:
    """Return the maps by their names, (map, y, x)."""
    count = sum(number for _, number in context.outputs)
    whole = np.full((count, *labels.shape), np.nan, np.float32)
    # High blocks: what is read around them is read and fitted again.
    high = TALL * max(1, context.reach) * cube.sizes["x"]
    parts = list(blocks(cube, high if cube.chunks is None else None))

    def tasks() -> Iterator[Task]:
        for block in parts:
            outer = around(block, context.reach, cube)
            own = Block(*inside(block, outer))
            yield Task(block, (labels[outer.y, outer.x], own), outer)

    work = process_blocks(fit_block, Shared(context), cube, tasks(), reach=context.reach)
    for done, ((block, *_), found) in enumerate(work, start=1):
        whole[:, block.y, block.x] = found
        if progress is not None:
            progress("lines", done, len(parts))
    maps, first = {}, 0
    for name, number in context.outputs:
        maps[name], first = whole[first : first + number], first + number
    withdraw_pools(maps, labels)
    add_gradients(maps)
    return maps
