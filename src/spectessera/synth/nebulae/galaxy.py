"""A rotating disk of ionised gas as an integral-field spectrograph sees it, with its truth.

For tests of velocities and fluxes: two kinds of gas (HII regions in the disk, an active nucleus), a
smooth stellar continuum, lines of the width of MUSE and of the gas, and Gaussian noise.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera._util.check import check_number
from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.axis import Axis, air_wavelengths
from spectessera.cube import make_cube

from .lines import line_labels, line_wavelengths, nebular_axis, paint_lines

# Fluxes over that of H beta, reddened a little; doublets as in theory.
DISK = {
    "Hb 4861": 1.0, "[OIII] 5007": 1.2, "[OIII] 4959": 1.2 / 2.98, "[OI] 6300": 0.08,
    "[OI] 6364": 0.08 / 3.13, "[NII] 6548": 1.1 / 3.05, "Ha 6563": 3.2, "[NII] 6583": 1.1,
    "[SII] 6716": 0.5, "[SII] 6731": 0.38,
}  # fmt: skip
NUCLEUS = DISK | {
    "[OIII] 5007": 8.0, "[OIII] 4959": 8.0 / 2.98, "[OI] 6300": 0.5, "[OI] 6364": 0.5 / 3.13,
    "[NII] 6548": 3.6 / 3.05, "[NII] 6583": 3.6, "[SII] 6716": 1.1, "[SII] 6731": 0.9,
}  # fmt: skip
CONTINUUM = 4.0  # at the centre, in units of the noise


def rotating_galaxy(
    shape: tuple[int, int] = (30, 36),
    *,
    redshift: float = 0.0,
    speed: float = 250.0,
    brightness: float = 30.0,
    dispersion: tuple[float, float] = (35.0, 90.0),
    axis: Axis | None = None,
    stars: float = CONTINUUM,
    seed: int,
) -> tuple[xr.DataArray, xr.Dataset]:
    """Return a cube of a rotating galaxy and its truth.

    Parameters
    ----------
    shape : tuple of int
        Size of the image (y, x).
    redshift : float
        Of the centre.
    speed : float
        Velocity along the line of sight at the ends of the major axis, km/s.
    brightness : float
        Peak of H alpha at the centre in units of the noise.
    dispersion : tuple of float
        Of the gas, km/s, at the edge and at the centre.
    axis : Axis, optional
        Of wavelengths in air; by default that of MUSE.
    stars : float
        Stellar continuum at the centre, in units of the noise.
    seed : int
        Of the noise.

    Returns
    -------
    cube : DataArray (y, x, channel), float32
        With its variance and ``instrument="MUSE"``.
    truth : Dataset
        ``flux (line, y, x)``, integrals over the wavelength; ``velocity``, ``dispersion`` (y, x),
        km/s; ``nucleus (y, x)``, the share of the gas of the nucleus in H beta; and the attribute
        ``redshift``.

    Raises
    ------
    ValueError
        If the redshift is below 0 or above 0.42, at which H alpha leaves the axis of MUSE.

    Examples
    --------
    >>> from spectessera.synth.nebulae.galaxy import rotating_galaxy
    >>> cube, truth = rotating_galaxy((8, 9), redshift=0.03, seed=0)
    >>> dict(cube.sizes), bool(abs(truth.velocity).max() < 250)
    ({'y': 8, 'x': 9, 'channel': 3681}, True)
    """
    check_number("redshift", redshift, low=0.0, high=0.42)
    axis = nebular_axis() if axis is None else axis
    velocity, radius = disk(shape, speed)
    wide = dispersion[0] + (dispersion[1] - dispersion[0]) * np.exp(-radius / 0.3)
    core = np.exp(-((radius / 0.2) ** 2))  # share of the gas of the nucleus
    names = tuple(name for name in line_labels() if name in DISK)
    flux = _fluxes(names, radius, core, brightness)  # (y, x, line)
    rest = dict(zip(line_labels(), line_wavelengths(), strict=True))
    lines = paint_lines(
        flux.reshape(-1, len(names)) / float(np.median(np.diff(axis.values))),
        axis,
        velocity=velocity.ravel(),
        width=wide.ravel(),
        wavelength=observed_air(np.array([rest[name] for name in names]), redshift),
    )
    cube = _with_noise(lines.reshape(*shape, -1), radius, stars, axis, seed)
    image = ("y", "x")
    truth = xr.Dataset(
        {
            "flux": (("line", *image), np.moveaxis(flux, 2, 0)),
            "velocity": (image, velocity),
            "dispersion": (image, wide),
            "nucleus": (image, core),
        },
        coords={"line": list(names)},
        attrs={"redshift": redshift},
    )
    return cube, truth


def _fluxes(
    names: tuple[str, ...], radius: np.ndarray, core: np.ndarray, brightness: float
) -> np.ndarray:
    """Return the fluxes (y, x, line) of a disk and its nucleus."""
    ratios = np.array([[kind[name] for name in names] for kind in (DISK, NUCLEUS)])
    mixed = core[..., None] * ratios[1] + (1 - core[..., None]) * ratios[0]
    # The peak of H alpha with the width of the line at the centre, about 3 angstrom in all.
    beta = brightness * 3.0 * np.exp(-radius / 0.35) / DISK["Ha 6563"]
    return np.asarray(beta[..., None] * mixed)


def _with_noise(
    lines: np.ndarray, radius: np.ndarray, stars: float, axis: Axis, seed: int
) -> xr.DataArray:
    """Return a cube of lines (y, x, channel) with a stellar continuum and noise."""
    wave = axis.to("angstrom").values
    light = stars * np.exp(-radius / 0.5)[..., None] * (wave / 7000.0) ** 0.7
    sigma = (wave / 7000.0) ** 0.3  # rises to the red
    noise = np.random.default_rng(seed).standard_normal(lines.shape)
    values = (lines + light + sigma * noise).astype(np.float32)
    variance = np.broadcast_to((sigma**2).astype(np.float32), values.shape).copy()
    return make_cube(
        values, axis=axis, variance=variance, attrs={"instrument": "MUSE", "unit": "1"}
    )


def disk(shape: tuple[int, int], speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Return velocity and radius (y, x) of an inclined disk; the radius is 1 at its edge."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    major, minor = 0.9 * x + 0.44 * y, (0.9 * y - 0.44 * x) / 0.7
    radius = np.hypot(major, minor)
    angle = np.where(radius > 0, major / np.where(radius > 0, radius, 1.0), 0.0)
    return speed * np.tanh(radius / 0.25) * angle, radius


def observed_air(air: np.ndarray, redshift: float) -> np.ndarray:
    """Return observed wavelengths in air of lines at rest in air: the redshift is one of vacuum."""
    vacuum = air.copy()
    for _ in range(4):
        vacuum += air - air_wavelengths(vacuum)
    return air_wavelengths(vacuum * (1 + redshift))


def observed_redshift(redshift: float, velocity: np.ndarray) -> np.ndarray:
    """Return the redshift of gas with a velocity in a galaxy with a redshift."""
    return (1 + redshift) * (1 + velocity / SPEED_OF_LIGHT) - 1
