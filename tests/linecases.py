"""Cubes with lines of known velocities, and results with given labels."""

import numpy as np
import xarray as xr

import spectessera as spt
from spectessera.synth.nebulae.galaxy import rotating_galaxy
from spectessera.synth.nebulae.lines import nebular_axis

RED = nebular_axis(6400.0, 6900.0)  # H alpha, [NII] and [SII] at redshift 0
WIDE = nebular_axis(4750.0, 6850.0)


def result_of(cube: xr.DataArray, label: np.ndarray) -> xr.Dataset:
    """Return the parts of a result that maps of lines need, for given labels."""
    numbers = np.arange(1, label.max() + 1)
    rows = [np.asarray(cube.values)[label == number].astype(float) for number in numbers]
    dims = ("cluster", "channel")
    return xr.Dataset(
        {
            "label": (("y", "x"), label),
            "mean_spectrum": (dims, np.array([np.nanmean(each, axis=0) for each in rows])),
            "std_spectrum": (dims, np.array([np.nanstd(each, axis=0) for each in rows])),
            "size": ("cluster", np.array([len(each) for each in rows])),
        },
        coords={"cluster": numbers, "wavelength": cube.coords["wavelength"]},
    )


def galaxy(shape=(9, 11), *, seed, axis=RED, brightness=60.0, **options):
    """Return cube, truth and a result with the brighter and the fainter half as clusters."""
    cube, truth = rotating_galaxy(shape, seed=seed, axis=axis, brightness=brightness, **options)
    flux = truth.flux.sel(line="Ha 6563").values
    label = np.where(flux > np.median(flux), 1, 2)
    return cube, truth, result_of(cube, label)


def single(values: np.ndarray, axis=RED, **options) -> xr.DataArray:
    """Return a cube of one row of spectra (x, channel)."""
    return spt.make_cube(values[None].astype(np.float32), axis=axis, **options)
