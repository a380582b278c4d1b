"""Maps of emission lines: flux, velocity, dispersion, equivalent width, ratios, class of the gas.

What the mean spectra of the clusters show says where to look: their redshift, the lines that are in
them, and the velocity and dispersion that a pixel of a cluster starts from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.axis import Axis
from spectessera.channels import bad_channels
from spectessera.cube import Block, bare, blocks, check_cube, mask_of, spectral_axis
from spectessera.inference.blockwork import Shared, Task, process_blocks
from spectessera.inference.neighbours import around, inside
from spectessera.naming.candidates import Naming
from spectessera.naming.names import (
    is_optical,
    mean_errors,
    name_clusters,
    preprocess_redshift,
)
from spectessera.naming.optical.linefits import on_axis
from spectessera.naming.optical.linetable import EMISSION
from spectessera.naming.optical.redshift import fit_redshift
from spectessera.result import require
from spectessera.scale import has_variance, places

from ._gasmaps import CLASSES, DIAGNOSTIC, ratio_names
from ._kinematics import fit_kinematics
from ._lineblocks import PER_LINE, PER_PIXEL, PER_RATIO, PROMISED, QUALITY, LineContext, fit_block
from ._lineplan import Setup, keep, make_setup, measured_noise, resolution_of
from .stream import Progress

FALSE_ALARM = 1e-4  # of a pixel without lines
SPEED = 700.0  # km/s
NEIGHBOURS = 3
SAMPLED = 49  # spectra that the noise is measured in
TALL = 8  # blocks of a cube in memory are so many times as high as what is read around them
# Standard errors by which the spectra of pooled pixels must confirm the kinematics of their pools.
CONFIRMED = 3.0

MEANINGS = {
    "flux": "flux of the line: its integral over the wavelength, not corrected for reddening",
    "flux_error": "standard error of the flux",
    "equivalent_width": "flux over the continuum at the line, at rest; positive in emission",
    "equivalent_width_error": "standard error of the equivalent width",
    "velocity": "velocity of the gas: 1 + z = (1 + redshift) (1 + velocity / c)",
    "velocity_error": "standard error of the velocity",
    "dispersion": "standard deviation of the velocities of the gas",
    "dispersion_error": "standard error of the dispersion; of unresolved lines, how far it may be "
    "above 0",
    "signal_to_noise": "square root of the decrease of chi squared by the lines of the pixel",
    "reduced_chi_squared": "chi squared per degree of freedom of the fit",
    "pixels": "number of pixels that the velocity and the dispersion are from; 0: those of the "
    "cluster",
    "quality": "bits; 0: the pixel was fitted alone",
    "gas_class": "class of the gas from line ratios; 0: H alpha is not detected",
    "class_share": "share of draws of the fluxes within their errors that are in the class",
    "log_ratio": "decimal logarithm of the ratio of the fluxes; NaN if one is below 3 errors",
    "log_ratio_error": "standard error of the logarithm",
}


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
        If the axis is not of optical wavelengths, the result is of another image, no redshift is
        found, or an argument is out of range.

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
    cube = check_cube(cube)
    require(result, "label", "mean_spectrum", "std_spectrum", "size", purpose="maps of lines")
    check_number("largest_velocity", largest_velocity, low=50.0, high=3000.0)
    check_number("neighbours", neighbours, low=0, high=20, integer=True)
    axis = _optical_axis(cube)
    labels = _labels(cube, result)
    systemic = _redshift(result, axis, redshift)
    chosen = _names(result, systemic, names)
    known = _resolution(cube, axis, resolution)
    bad = bad_channels(cube)
    good = np.ones(len(axis), dtype=bool) if bad is None else ~bad

    def setup_at(at: float) -> Setup:
        return _setup(axis, good, chosen, at, float(largest_velocity), known)

    setup = setup_at(systemic)
    if redshift is None:
        setup = setup_at(_redshift_of_sum(result, setup))
    setup = setup._replace(noise=_noise(cube, labels, setup))
    context = LineContext(setup, _starts(result, setup), int(neighbours))
    maps = _run(context, cube, labels, progress)
    return _dataset(context, cube, maps, labels, known is not None)


# --- what is known before the pixels are fitted -------------------------------------------------


def _optical_axis(cube: xr.DataArray) -> Axis:
    axis = spectral_axis(cube)
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
    return np.where(mask_of(cube), 0, labels)


def _redshift(result: xr.Dataset, axis: Axis, given: float | None) -> float:
    """Return the given redshift, that of the preprocessing, or that of the mean spectra."""
    if given is not None:
        check_number("redshift", given, low=-0.9, high=20.0)
        return float(given)
    known = preprocess_redshift(result)
    if known is not None:
        return known
    means, errors = result["mean_spectrum"].values.astype(np.float64), mean_errors(result)
    usable = np.isfinite(means).any(axis=1) & np.isfinite(errors).any(axis=1)
    found = fit_redshift(means[usable], errors[usable], axis) if usable.any() else None
    if found is None:
        raise ValueError(
            "no redshift was found: the mean spectra of the clusters have too few lines; give one "
            "(redshift=0.03)"
        )
    return found.z


def _setup(
    axis: Axis,
    good: np.ndarray,
    names: tuple[str, ...],
    redshift: float,
    reach: float,
    resolution: np.ndarray | None,
) -> Setup:
    setup = make_setup(
        axis, good, names, redshift, reach=reach, resolution=resolution, false_alarm=FALSE_ALARM
    )
    if not setup.plan.columns:
        raise ValueError(
            f"none of the lines {', '.join(names)} is on the axis at redshift {redshift:g}; "
            "give other names or another redshift"
        )
    return setup


def _redshift_of_sum(result: xr.Dataset, setup: Setup) -> float:
    """Return the redshift of the sum of all spectra, that of a setup if it has no lines.

    That of the clusters depends on where they are in a galaxy that rotates.
    """
    size = result["size"].values.astype(np.float64)
    means, errors = result["mean_spectrum"].values.astype(np.float64), mean_errors(result)
    usable = (size > 0) & np.isfinite(errors).any(axis=1)
    if not usable.any():
        return setup.plan.redshift
    share = (size / size[usable].sum())[usable, None]
    mean = (share * means[usable]).sum(axis=0)[None]
    variance = (share**2 * errors[usable] ** 2).sum(axis=0)[None]
    found = fit_kinematics(setup.plan, keep(setup, mean, variance))
    if found.gain[0] < setup.least_gain:
        return setup.plan.redshift
    return (1 + setup.plan.redshift) * (1 + float(found.velocity[0]) / SPEED_OF_LIGHT) - 1


def _names(result: xr.Dataset, redshift: float, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the lines to fit, by wavelength."""
    table = [line.name for line in EMISSION]
    if given is None:
        namings = name_clusters(result, redshift=redshift)
        wanted = {*DIAGNOSTIC, *(name for each in namings for name in _emitted(each))}
        return tuple(name for name in table if name in wanted)
    unknown = [name for name in given if name not in table]
    if unknown or not given:
        raise ValueError(f"there is no line {unknown}; there are {', '.join(table)}")
    return tuple(name for name in table if name in set(given))


def _emitted(naming: Naming) -> Iterator[str]:
    """Yield the lines that are seen in emission; those that are not resolved each by itself."""
    for candidate in naming.of_kind("line"):
        for line in candidate.lines:
            if line.peak is not None and line.peak.area > 0:
                first, *others = line.name.split("+")
                yield first
                yield from (f"{first.split()[0]} {other}" for other in others)


def _resolution(cube: xr.DataArray, axis: Axis, given: Any) -> np.ndarray | None:
    """Return the full width at half maximum (channel,) in angstrom; None: not known."""
    if given is None:
        return resolution_of(str(cube.attrs.get("instrument", "")), axis)
    widths = np.asarray(given, dtype=np.float64)
    if widths.shape not in ((), (len(axis),)) or not (np.isfinite(widths) & (widths > 0)).all():
        raise ValueError(
            f"resolution is a width above 0, or one for each of the {len(axis)} channels, in "
            f"{axis.unit}; got {given!r}"
        )
    unit = float(axis.to("angstrom").values[0] / axis.values[0])
    return np.broadcast_to(widths * unit, len(axis))


def _noise(cube: xr.DataArray, labels: np.ndarray, setup: Setup) -> np.ndarray:
    """Return the noise over that of the cube (channel,), from spectra all over the image."""
    pixel = np.flatnonzero(labels)
    if not len(pixel):
        return np.ones(len(setup.axis))
    at = pixel[(np.arange(SAMPLED) * len(pixel)) // SAMPLED] if len(pixel) > SAMPLED else pixel
    # Rows and columns that do not follow a pattern of the image, such as its columns.
    spread = [y * cube.sizes["x"] + x for y, x in places(labels.shape, 4 * SAMPLED)]
    usable = [place for place in spread if labels.flat[place]][:SAMPLED]
    rows, columns = np.divmod(usable if len(usable) >= SAMPLED // 2 else at, cube.sizes["x"])
    picked = bare(cube).isel(y=xr.DataArray(rows, dims="n"), x=xr.DataArray(columns, dims="n"))
    picked = picked.transpose("n", "channel").compute()
    variance = None
    if has_variance(cube):
        variance = np.asarray(picked.coords["variance"].transpose("n", "channel").values)
    return measured_noise(setup, np.asarray(picked.values, dtype=np.float64), variance)


def _starts(result: xr.Dataset, setup: Setup) -> np.ndarray:
    """Return velocity and squared dispersion (k, 2) of every cluster; NaN where none is seen."""
    means, errors = result["mean_spectrum"].values.astype(np.float64), mean_errors(result)
    starts = np.full((int(result["cluster"].values.max(initial=0)), 2), np.nan)
    noise = setup._replace(noise=np.ones(len(setup.axis)))
    found = fit_kinematics(setup.plan, keep(noise, means, errors**2))
    rows = np.flatnonzero(found.gain >= setup.least_gain)
    numbers = result["cluster"].values[rows] - 1
    starts[numbers] = np.stack([found.velocity[rows], found.square[rows]], axis=1)
    return starts


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
    _withdraw(context, maps, labels)
    return maps


def _withdraw(context: LineContext, maps: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Mark pools as too faint, in place, in clusters whose pixels do not confirm them.

    At the kinematics of its neighbours, which are found without it, a pixel of noise has a gain of
    a half for every line, with a variance of 5/4. What exceeds that is significant in the sum of
    the pooled pixels of a cluster, or at least half of what their pools promise.
    """
    quality = maps["quality"][0]
    bits = np.nan_to_num(quality).astype(int)
    pooled = bits & 3 == QUALITY["pooled"]
    number = len(context.names)
    for label in range(1, len(context.starts) + 1):
        own = pooled & (labels == label)
        count = int(own.sum())
        if not count:
            continue
        gain, promised = (
            float(each[own].astype(np.float64).sum())
            for each in (np.square(maps["signal_to_noise"][0]), maps[PROMISED][0])
        )
        excess = gain - 0.5 * number * count
        if excess < min(CONFIRMED * np.sqrt(1.25 * number * count), 0.5 * promised):
            quality[own] += QUALITY["too_faint"]
            for name in ("velocity", "velocity_error", "dispersion", "dispersion_error"):
                maps[name][0][own] = np.nan


# --- the Dataset -------------------------------------------------------------------------------


def _dataset(
    context: LineContext,
    cube: xr.DataArray,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    resolved: bool,
) -> xr.Dataset:
    units = _units(cube, context.setup.axis)
    variables: dict[str, Any] = {}
    for name, values in maps.items():
        if name == PROMISED:
            continue
        attrs: dict[str, Any] = {"long_name": MEANINGS[name]}
        if name in units:
            attrs["units"] = units[name]
        if name in PER_PIXEL:
            variables[name] = (("y", "x"), values[0], attrs)
        else:
            dim = "line" if name in PER_LINE else "ratio"
            variables[name] = ((dim, "y", "x"), values, attrs)
    assert set(PER_RATIO) <= set(variables)
    data = xr.Dataset(variables, coords=_coords(context, cube))
    data["gas_class"] = data["gas_class"].fillna(0).astype(np.uint8)
    data["gas_class"].attrs |= _flags({name: at for at, name in enumerate(CLASSES, start=1)})
    quality = data["quality"].fillna(QUALITY["not_used"]).astype(np.uint8)
    data["quality"] = quality.assign_attrs(
        long_name=MEANINGS["quality"],
        flag_masks=", ".join(map(str, QUALITY.values())),
        flag_meanings=" ".join(QUALITY),
    )
    data["pixels"] = data["pixels"].fillna(0).astype(np.int32)
    if not resolved:
        data["dispersion"].attrs["long_name"] += "; with the width of the instrument"
    data.attrs = _attributes(context, cube, quality.values, labels)
    return data


def _flags(numbers: dict[str, int]) -> dict[str, str]:
    """Return the legend of a map of numbers, as the CF conventions do; names without spaces."""
    words = [re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_") for name in numbers]
    return {
        "flag_values": ", ".join(str(each) for each in numbers.values()),
        "flag_meanings": " ".join(words),
        "legend": json.dumps({str(value): name for name, value in numbers.items()}),
    }


def _units(cube: xr.DataArray, axis: Axis) -> dict[str, str]:
    unit = str(cube.attrs.get("unit", ""))
    flux = _times(unit, axis.unit) if unit else ""
    found = dict.fromkeys(("velocity", "velocity_error", "dispersion", "dispersion_error"), "km/s")
    found |= dict.fromkeys(("equivalent_width", "equivalent_width_error"), axis.unit)
    found |= dict.fromkeys(("signal_to_noise", "reduced_chi_squared", "pixels"), "1")
    found |= dict.fromkeys(("log_ratio", "log_ratio_error", "class_share"), "1")
    return found | (dict.fromkeys(("flux", "flux_error"), flux) if flux else {})


def _times(unit: str, axis_unit: str) -> str:
    """Return the unit of an integral over the wavelength.

    >>> _times("1e-20 erg/s/cm2/Angstrom", "angstrom")
    '1e-20 erg/s/cm2'
    """
    spellings = {"angstrom": r"(angstroms?|AA|Å|A)", "nm": "nm", "um": "um"}.get(axis_unit)
    if spellings:
        for pattern in (rf"\s*/\s*{spellings}$", rf"[\s.*]*\b{spellings}(\^|\*\*)?\(?-1\)?$"):
            shorter = re.sub(pattern, "", unit, flags=re.IGNORECASE)
            if shorter != unit and shorter:
                return shorter
    return f"{unit} {axis_unit}"


def _coords(context: LineContext, cube: xr.DataArray) -> dict[str, Any]:
    axis, columns = context.setup.axis, context.setup.plan.columns
    rest = on_axis(np.array([each.rest[0] for each in columns]), axis)
    attrs = {"units": axis.unit, "medium": axis.medium or "air"}
    coords: dict[str, Any] = {
        "line": np.array(context.names, dtype=str),
        "ion": ("line", np.array([each.ion for each in columns], dtype=str)),
        "rest_wavelength": ("line", rest, attrs),
        "tied": ("line", np.array([each.tied for each in columns], dtype=str)),
        "ratio": np.array(ratio_names(context.names), dtype=str),
    }
    return coords | {name: cube.coords[name] for name in ("y", "x") if name in cube.coords}


def _attributes(
    context: LineContext, cube: xr.DataArray, quality: np.ndarray, labels: np.ndarray
) -> dict[str, str | float | int]:
    setup = context.setup
    attrs = {name: cube.attrs[name] for name in ("source", "unit", "wcs", "object", "instrument")
             if name in cube.attrs}  # fmt: skip
    used = labels > 0
    pooled, faint = (quality & QUALITY[name] > 0 for name in ("pooled", "too_faint"))
    return attrs | {
        "redshift": setup.plan.redshift,
        "largest_velocity": setup.plan.reach,
        "least_signal_to_noise": float(np.sqrt(setup.least_gain)),
        "false_alarm": FALSE_ALARM,
        "neighbours": context.reach,
        "measured_noise": float(np.median(setup.noise)),
        "pixels_alone": int((used & ~pooled & ~faint & (quality != QUALITY["not_used"])).sum()),
        "pixels_pooled": int((pooled & ~faint).sum()),
        "pixels_too_faint": int(faint.sum()),
    }
