"""The redshift and the continuum of a cube, for models of spectra at rest without a continuum.

They are found in the spectra of pixels at fixed places, so they do not depend on the chunks of the
cube.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.check import check_choice, check_number
from spectessera._util.constants import MAD_TO_SIGMA, SPEED_OF_LIGHT
from spectessera.axis import Axis
from spectessera.channels import bad_channels
from spectessera.cube import mask_of, spectral_axis
from spectessera.optical.linefits import (
    PreparedSpectra,
    line_kernel,
    matched_filter,
    prepare,
    significance,
)
from spectessera.optical.ranges import is_optical
from spectessera.optical.redshift import (
    Redshift,
    fit_redshift,
    shape_near,
    without_sky,
)
from spectessera.preprocess.frame import MEASURED, SUBTRACTED, Expects, Frame
from spectessera.scale import LARGEST, places
from spectessera.variance import has_variance, known_variance, spectra_at, stored_as

# Pixels that are looked at; more of them where these have no lines.
LOOKED_AT = (256, 2048)
# The redshift is looked for in means of so many of them, those with the strongest lines, and of
# all; the first mean that has one decides.
STRONGEST = (64, 16, 4)
SINGLE = 24  # of the strongest spectra show how fast the gas moves
NONE_FOUND, TOO_FAST = "W-MODEL-NO-REDSHIFT", "W-MODEL-FAST"
STILL = 1e-4  # a redshift below it is taken for 0: wavelengths are at rest within a channel
# A continuum is subtracted if it is this share of the noise of a pixel or more, in a mean.
PRESENT = 0.25
_BEST = 5  # channels whose significance says how strong the lines of a spectrum are
_MOST_SIGNIFICANT = 30.0  # a brighter line says no more: the rest are counted too


class _Sampled(NamedTuple):
    """Some spectra of a cube, (n, channel) each; NaN where nothing is measured."""

    values: np.ndarray
    errors: np.ndarray


def frame_of(
    cube: xr.DataArray,
    expects: Expects,
    *,
    redshift: float | None = None,
    continuum: str | None = None,
) -> Frame:
    """Return what is done with the spectra of a cube for a model, found where it is not given.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Checked.
    expects : Expects
    redshift : float, optional
        By default that of the lines in all and in the brightest of some spectra, from -0.01 up to
        :func:`spectessera.optical.ranges.highest_redshift`.
        Where none is found wavelengths are taken to be at rest, with a warning.
    continuum : "median" or "none", optional
        Whether a running median over 180 angstrom is subtracted; by default where there is one.

    Raises
    ------
    ValueError
        If a redshift or a continuum is given for a model that takes spectra as they are.
    """
    _check_given(expects, redshift, continuum)
    axis = spectral_axis(cube)
    if expects.frame == MEASURED or axis.kind != "wavelength":  # the intake refuses other kinds
        return Frame()
    if redshift is not None:
        subtract, why = _continuum(_sampled(cube, LOOKED_AT[0]), axis, expects, continuum)
        return _put(float(redshift), "given", subtract, why, given=True)
    if not is_optical(axis):
        words = "not looked for, as no lines are resolved on this axis; it counts as at rest"
        return _put(0.0, words, continuum == "median", "given", warning=NONE_FOUND)
    for most in LOOKED_AT:
        sampled = _sampled(cube, most)
        found = _redshift(sampled, axis)
        if found is not None:
            break
    subtract, why = _continuum(sampled, axis, expects, continuum)
    if found is None:
        words = f"not found in {len(sampled.values)} spectra, so wavelengths count as at rest"
        return _put(0.0, words, subtract, why, warning=NONE_FOUND)
    frame = _put(*found.used(), subtract, why, warning=found.warning())
    return for_model(frame._replace(fastest=found.fastest), expects)


def for_model(frame: Frame, expects: Expects) -> Frame:
    """Return what was found for one model of lines at rest, for another one."""
    if frame.warning not in ("", TOO_FAST):
        return frame
    return frame._replace(warning=TOO_FAST if frame.fastest > expects.fastest else "")


def _check_given(expects: Expects, redshift: float | None, continuum: str | None) -> None:
    """Raise ValueError if what is given is out of range, or of no use to the model."""
    if redshift is not None:
        check_number("redshift", redshift, low=-0.9, high=20.0)
    if continuum is not None:
        check_choice("continuum", continuum, ("median", "none"))
    if expects.frame == MEASURED and (redshift is not None or continuum is not None):
        name = "redshift" if redshift is not None else "continuum"
        raise ValueError(
            f"{name} is for models of lines at rest, such as nebulae; this model was trained on "
            "spectra as they are measured: leave it out"
        )


class _Found(NamedTuple):
    """A redshift, the number of spectra in whose mean it was found, and velocities around it."""

    redshift: Redshift
    spectra: int
    fastest: float

    def used(self) -> tuple[float, str]:
        """Return the redshift that is used, and how it was found, in words."""
        words = f"found by {len(self.redshift.lines)} lines in the mean of {self.spectra} spectra"
        words += f", whose velocities reach {self.fastest:.0f} km/s" if self.fastest > 0 else ""
        if abs(self.redshift.z) < STILL:
            return 0.0, f"{words}; below {STILL:g} it is taken for 0"
        return self.redshift.z, words

    def warning(self) -> str:
        """Return the code of a reason to doubt it; "" for none."""
        return "W-MODEL-REDSHIFT" if self.redshift.ambiguous else ""


def _put(
    redshift: float,
    how: str,
    subtract: bool,
    why: str,
    *,
    given: bool = False,
    warning: str = "",
) -> Frame:
    """Return a frame with its sentence."""
    done = "a running median is subtracted as continuum" if subtract else "no continuum is"
    done += "" if subtract else " subtracted"
    words = f"redshift {redshift:.5g} ({how}); {done} ({why})"
    return Frame(redshift, subtract, words, given, warning)


# --- spectra -----------------------------------------------------------------------------------


def _sampled(cube: xr.DataArray, most: int) -> _Sampled:
    """Return the spectra of up to so many pixels at fixed places that are not masked."""
    masked, bad = mask_of(cube), bad_channels(cube)
    pixels = [at for at in places((cube.sizes["y"], cube.sizes["x"]), most) if not masked[at]]
    given = _at(cube.data, pixels)
    values = np.where(np.abs(given) <= LARGEST, given, np.nan)
    errors = _scatter(values)
    if has_variance(cube):
        known = known_variance(_at(stored_as(cube.coords["variance"]), pixels), values)
        errors = np.sqrt(np.where(known > 0, known, np.nan).astype(np.float64))
    if bad is not None:
        values[:, bad] = np.nan
    measured = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    some = (measured & (values != 0)).any(axis=1)
    return _Sampled(
        np.where(measured, values, np.nan)[some], np.where(measured, errors, np.nan)[some]
    )


def _at(array: Any, pixels: list[tuple[int, int]]) -> np.ndarray:
    """Return spectra (n, channel), float64, in the order of the pixels."""
    found = dict(spectra_at(array, pixels))
    if not pixels:
        return np.zeros((0, array.shape[2]))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([np.asarray(found[each], dtype=np.float64) for each in pixels])


def _scatter(values: np.ndarray) -> np.ndarray:
    """Return the noise of spectra from differences of neighbouring channels, in all channels."""
    differences = np.abs(np.diff(values, axis=1))
    size = np.zeros(len(values))
    known = np.isfinite(differences).any(axis=1)
    if known.any():
        size[known] = MAD_TO_SIGMA / np.sqrt(2) * np.nanmedian(differences[known], axis=1)
    return np.broadcast_to(size[:, None], values.shape).copy()


def _mean(sampled: _Sampled, rows: np.ndarray) -> _Sampled:
    """Return the mean (1, channel) of some spectra; a channel that half of them have counts."""
    values, errors = sampled.values[rows], sampled.errors[rows]
    count = np.isfinite(values).sum(axis=0)
    enough = count * 2 >= len(rows)
    size = np.where(enough, np.maximum(count, 1), np.nan)
    mean = np.nansum(values, axis=0) / size
    error = np.sqrt(np.nansum(errors**2, axis=0)) / size
    return _Sampled(mean[None], error[None])


# --- the redshift ------------------------------------------------------------------------------


def _redshift(sampled: _Sampled, axis: Axis) -> _Found | None:
    """Return the redshift of some spectra; None if no mean of them has lines enough."""
    data = prepare(sampled.values, sampled.errors, axis) if len(sampled.values) else None
    if data is None:
        return None
    order = _by_strength(without_sky(data))
    for most in (len(order), *STRONGEST):
        if most > len(order):
            continue
        rows = np.sort(order[:most])
        mean = _mean(sampled, rows)
        found = fit_redshift(mean.values, mean.errors, axis)
        if found is not None:
            return _Found(found, len(rows), _velocities(data, order[:SINGLE], found.z))
    return None


def _by_strength(data: PreparedSpectra) -> np.ndarray:
    """Return the order (n,) of spectra by the strength of their lines, the strongest first."""
    kernel = line_kernel(data, data.wave, data.narrow)
    rank = significance(*matched_filter(kernel, data.flux, data.weight))
    best = np.partition(rank, -_BEST, axis=1)[:, -_BEST:]
    return np.argsort(-np.minimum(best, _MOST_SIGNIFICANT).sum(axis=1), kind="stable")


def _velocities(data: PreparedSpectra, rows: np.ndarray, z: float) -> float:
    """Return the largest velocity, in km/s, of single spectra that have lines near a redshift."""
    found = [shape_near(data, int(row), z, most=1000.0) for row in rows]
    speeds = [
        abs(each.redshift - z) / (1 + z) * SPEED_OF_LIGHT
        for each in found
        if each is not None and each.error * SPEED_OF_LIGHT < 100
    ]
    return float(np.quantile(speeds, 0.9)) if speeds else 0.0


# --- the continuum -----------------------------------------------------------------------------


def _continuum(
    sampled: _Sampled, axis: Axis, expects: Expects, given: str | None
) -> tuple[bool, str]:
    """Return whether a continuum is subtracted, and why."""
    if expects.continuum != SUBTRACTED or not len(sampled.values):
        return given == "median", "given" if given else "none is expected"
    if given is not None:
        return given == "median", "given"
    level = np.nan_to_num(np.abs(np.nanmedian(sampled.values / sampled.errors, axis=1)))
    order = np.argsort(-level, kind="stable")
    share = 0.0
    for rows in (order, order[:16]):
        mean = _mean(sampled, np.sort(rows))
        data = prepare(mean.values, mean.errors, axis)
        if data is None:
            continue
        order_of = np.argsort(axis.values)
        used = data.weight[0] > 0
        noise = np.nanmedian(sampled.errors[rows], axis=0)[order_of]
        under = mean.values[0][order_of] - data.flux[0]
        if used.any():
            share = max(share, float(np.sqrt(np.mean((under[used] / noise[used]) ** 2))))
    return share >= PRESENT, f"it is {share:.2g} of the noise of a pixel"
