"""The Dataset of maps of lines: names, units, meanings, legends."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.positions import positions_of
from spectessera.axis import Axis
from spectessera.naming.numbers import integrated_unit
from spectessera.optical.linefits import on_axis

from ._gasmaps import CLASSES, ratio_names
from ._lineblocks import INTERNAL, PER_LINE, PER_PIXEL, QUALITY, LineContext
from ._lineplan import FALSE_ALARM

MEANINGS = {
    "flux": "flux of the line: its integral over the wavelength, not corrected for reddening",
    "flux_error": "standard error of the flux",
    "equivalent_width": "flux over the continuum at the line, at rest; positive in emission",
    "equivalent_width_error": "standard error of the equivalent width",
    "velocity": "velocity of the gas: 1 + z = (1 + redshift) (1 + velocity / c)",
    "velocity_error": "standard error of the velocity; of pooled pixels, with how much velocities "
    "change over the pool",
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


def as_dataset(
    context: LineContext,
    cube: xr.DataArray,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    resolved: bool,
) -> xr.Dataset:
    units = _units(cube, context.setup.axis)
    variables: dict[str, Any] = {}
    for name, values in maps.items():
        if name in INTERNAL:
            continue
        attrs: dict[str, Any] = {"long_name": MEANINGS[name]}
        if name in units:
            attrs["units"] = units[name]
        if name in PER_PIXEL:
            variables[name] = (("y", "x"), values[0], attrs)
        else:
            dim = "line" if name in PER_LINE else "ratio"
            variables[name] = ((dim, "y", "x"), values, attrs)
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
    flux = axis.unit if unit == "1" else integrated_unit(unit, axis.unit)
    found = dict.fromkeys(("velocity", "velocity_error", "dispersion", "dispersion_error"), "km/s")
    found |= dict.fromkeys(("equivalent_width", "equivalent_width_error"), axis.unit)
    found |= dict.fromkeys(("signal_to_noise", "reduced_chi_squared", "pixels"), "1")
    found |= dict.fromkeys(("log_ratio", "log_ratio_error", "class_share"), "1")
    return found | (dict.fromkeys(("flux", "flux_error"), flux) if unit else {})


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
    return coords | positions_of(cube)


def _attributes(
    context: LineContext, cube: xr.DataArray, quality: np.ndarray, labels: np.ndarray
) -> dict[str, str | float | int]:
    setup = context.setup
    attrs = {name: cube.attrs[name] for name in ("source", "unit", "wcs", "object", "instrument")
             if name in cube.attrs}  # fmt: skip
    used = labels > 0
    pooled, faint = (quality & QUALITY[name] > 0 for name in ("pooled", "too_faint"))
    return attrs | {
        "content": "line maps",
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
