"""What the mean spectra of the clusters and a few pixels say before all pixels are fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.axis import Axis
from spectessera.cube import bare
from spectessera.naming.candidates import Naming
from spectessera.naming.names import mean_errors, name_clusters, preprocess_redshift
from spectessera.optical.linetable import EMISSION
from spectessera.optical.redshift import fit_redshift
from spectessera.result import per_cluster
from spectessera.scale import places
from spectessera.variance import has_variance, known_variance

from ._gasmaps import DIAGNOSTIC
from ._kinematics import fit_kinematics
from ._lineplan import FALSE_ALARM, Setup, keep, make_setup, measured_noise, resolution_of
from .families import NothingToMap

SAMPLED = 49  # spectra that the noise is measured in


def common_redshift(result: xr.Dataset, axis: Axis, given: float | None) -> float:
    """Return the given redshift, that of the preprocessing, or that of the mean spectra."""
    if given is not None:
        check_number("redshift", given, low=-0.9, high=20.0)
        return float(given)
    known = preprocess_redshift(result)
    if known is not None:
        return known
    means, errors = per_cluster(result, "mean_spectrum"), mean_errors(result)
    usable = np.isfinite(means).any(axis=1) & np.isfinite(errors).any(axis=1)
    found = fit_redshift(means[usable], errors[usable], axis) if usable.any() else None
    if found is None:
        raise NothingToMap(
            "no redshift was found: the mean spectra of the clusters have too few lines; give one "
            "(redshift=0.03)"
        )
    return found.z


def setup_at(
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
        raise NothingToMap(
            f"none of the lines {', '.join(names)} is on the axis at redshift {redshift:g}; "
            "give other names or another redshift"
        )
    return setup


def redshift_of_sum(result: xr.Dataset, setup: Setup) -> float:
    """Return the redshift of the sum of all spectra, that of a setup if it has no lines.

    That of the clusters depends on where they are in a galaxy that rotates.
    """
    size = result["size"].values.astype(np.float64)
    means, errors = per_cluster(result, "mean_spectrum"), mean_errors(result)
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


def wanted_lines(
    result: xr.Dataset, redshift: float, given: Sequence[str] | None
) -> tuple[str, ...]:
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


def resolution_given(cube: xr.DataArray, axis: Axis, given: Any) -> np.ndarray | None:
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


def noise_of_cube(cube: xr.DataArray, labels: np.ndarray, setup: Setup) -> np.ndarray:
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
    values, variance = np.asarray(picked.values, dtype=np.float64), None
    if has_variance(cube):
        given = np.asarray(picked.coords["variance"].transpose("n", "channel").values)
        variance = known_variance(given, values)
    return measured_noise(setup, values, variance)


def starts_of(result: xr.Dataset, setup: Setup) -> np.ndarray:
    """Return velocity and squared dispersion (k, 2) of every cluster; NaN where none is seen."""
    means, errors = per_cluster(result, "mean_spectrum"), mean_errors(result)
    starts = np.full((int(result["cluster"].values.max(initial=0)), 2), np.nan)
    noise = setup._replace(noise=np.ones(len(setup.axis)))
    found = fit_kinematics(setup.plan, keep(noise, means, errors**2))
    rows = np.flatnonzero(found.gain >= setup.least_gain)
    numbers = result["cluster"].values[rows] - 1
    starts[numbers] = np.stack([found.velocity[rows], found.square[rows]], axis=1)
    return starts
