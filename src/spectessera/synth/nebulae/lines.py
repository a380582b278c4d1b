"""Emission lines between 3700 and 9600 angstrom: emissivities, extinction, profiles.

The emissivities were computed with PyNeb by ``tools/make_emissivities.py``; the version, the atomic
data and the interpolation error are in ``about_emissivities()``. PyNeb itself is not needed. All
wavelengths are in air.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.special import erf

from spectessera._util.check import check_ndim, check_number, check_same_shape
from spectessera._util.constants import FWHM, SPEED_OF_LIGHT
from spectessera._util.files import package_data
from spectessera.axis import Axis, channel_bounds

R_V = 3.1
REACH = 6.0  # standard deviations on either side of a line that are computed: all but 2e-9
MOST_WIDTH = 3000.0  # km/s


class _Table(NamedTuple):
    """The stored table; ``log_emissivity`` is (T, ne, line)."""

    log_t: np.ndarray
    log_ne: np.ndarray
    wavelength: np.ndarray
    ion: tuple[str, ...]
    label: tuple[str, ...]
    log_emissivity: np.ndarray
    about: str


@cache
def _table() -> _Table:
    path = package_data("nebular_emissivities.npz")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
        table = _Table(
            data["log_t"],
            data["log_ne"],
            data["wavelength"],
            tuple(data["ion"].tolist()),
            tuple(data["label"].tolist()),
            np.ascontiguousarray(np.moveaxis(data["log_emissivity"], 0, -1)),
            str(data["about"][0]),
        )
    for array in (table.log_t, table.log_ne, table.wavelength, table.log_emissivity):
        array.setflags(write=False)
    return table


def line_labels() -> tuple[str, ...]:
    """Return the names of the lines, such as "[OIII] 5007", in the order of wavelength."""
    return _table().label


def line_wavelengths() -> np.ndarray:
    """Return the wavelengths of the lines in air, (line,) angstrom."""
    return _table().wavelength


def line_ions() -> tuple[str, ...]:
    """Return the ion of each line, such as "O++"; the flux scales with its abundance."""
    return _table().ion


def about_emissivities() -> dict[str, Any]:
    """Return the origin of the table of emissivities: versions, atomic data, errors."""
    about: dict[str, Any] = json.loads(_table().about)
    return about


def emissivities(temperature: Any, density: Any) -> np.ndarray:
    """Return the emissivity of every line relative to that of H beta, per ion and electron.

    Bilinear interpolation of the logarithm in log T and log ne; beyond the table (4000-29900 K,
    3-3e5 cm-3) the value at its edge is used.

    Parameters
    ----------
    temperature, density : array (n,)
        Of the electrons, in K and cm-3.

    Returns
    -------
    array (n, line), float32

    Raises
    ------
    ValueError
        If the shapes differ, or a value is not above 0.
    """
    t, ne = np.atleast_1d(temperature), np.atleast_1d(density)
    check_ndim("temperature", t, 1, "(n,)")
    check_same_shape("density", ne.shape, t.shape, "temperature")
    if not (np.isfinite(t) & np.isfinite(ne) & (t > 0) & (ne > 0)).all():
        raise ValueError("temperatures (K) and densities (cm-3) must be finite and above 0")
    table = _table()
    i, u = _place(table.log_t, np.log10(t))
    j, v = _place(table.log_ne, np.log10(ne))
    log = table.log_emissivity
    low = (1 - v) * log[i, j] + v * log[i, j + 1]  # (n, line)
    high = (1 - v) * log[i + 1, j] + v * log[i + 1, j + 1]
    return 10 ** ((1 - u) * low + u * high)


def _place(nodes: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the node below each value (n,), and the fraction of the step to the next, (n, 1)."""
    x = np.clip(x, nodes[0], nodes[-1])
    before = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    part = (x - nodes[before]) / (nodes[before + 1] - nodes[before])
    return before, part[:, None].astype(np.float32)


def nebular_axis(first: float = 4750.0, last: float = 9350.0, step: float = 1.25) -> Axis:
    """Return the spectral axis of the instrument MUSE: air wavelengths in angstrom.

    Parameters
    ----------
    first, last : float
        Centre of the first channel, and upper limit of the last centre.
    step : float

    Returns
    -------
    Axis
        3681 channels by default.

    Raises
    ------
    ValueError
        If there are no channels, or more than a million.
    """
    for name, value in (("first", first), ("last", last), ("step", step)):
        check_number(f"{name} wavelength" if name != "step" else name, value, low=0, open_low=True)
    if not 0 <= (last - first) / step <= 1e6:
        raise ValueError(
            f"wavelengths from {first:g} to {last:g} in steps of {step:g} angstrom are not an axis"
        )
    count = int((last - first) / step + 1e-9) + 1
    return Axis(first + step * np.arange(count), "angstrom", medium="air")


def line_spread(wavelength: Any) -> np.ndarray:
    """Return the full width at half maximum of the line spread function of MUSE, in angstrom.

    Measured in the mosaic of Bacon et al. 2017, A&A 608, A1.

    Parameters
    ----------
    wavelength : array
        In angstrom.

    Returns
    -------
    array
    """
    wavelength = np.asarray(wavelength, dtype=np.float64)
    return 5.866e-8 * wavelength**2 - 9.187e-4 * wavelength + 6.040


def extinction(wavelength: Any) -> np.ndarray:
    """Return the extinction in magnitudes for E(B-V) = 1 and R_V = 3.1.

    Cardelli, Clayton & Mathis 1989, ApJ 345, 245, eqs. 2 and 3.

    Parameters
    ----------
    wavelength : array
        In angstrom, from 3030 to 33300.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        If a wavelength is outside that range.
    """
    x = 1e4 / np.asarray(wavelength, dtype=np.float64)  # 1/um
    if not ((x >= 0.3) & (x <= 3.3)).all():
        raise ValueError("the extinction curve is known from 3030 to 33300 angstrom")
    y = x - 1.82
    a = np.polyval([0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0], y)
    b = np.polyval([-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0], y)
    infrared = x < 1.1
    a, b = np.where(infrared, 0.574 * x**1.61, a), np.where(infrared, -0.527 * x**1.61, b)
    return R_V * a + b


def paint_lines(
    flux: np.ndarray,
    axis: Axis,
    *,
    velocity: Any = 0.0,
    width: Any = 0.0,
    wavelength: np.ndarray | None = None,
) -> np.ndarray:
    """Return spectra of emission lines: Gaussians, integrated over each channel.

    The variance of a line is (FWHM of MUSE / 2.355)^2 + (wavelength * width / c)^2. The flux is
    conserved, except outside of the axis.

    Parameters
    ----------
    flux : array (n, line)
        In any unit; the sum over the channels has the same unit.
    axis : Axis
        Wavelengths in air.
    velocity : array (n,) or float
        Recession velocity, km/s.
    width : array (n,) or float
        Velocity dispersion (standard deviation), km/s, at most 3000.
    wavelength : array (line,), optional
        Of the lines, in angstrom; by default those of :func:`line_wavelengths`.

    Returns
    -------
    array (n, channel), float32

    Raises
    ------
    ValueError
        If shapes differ, the axis is not of wavelengths in air, or a value is not finite or out
        of range.
    """
    flux = np.asarray(flux)
    check_ndim("flux", flux, 2, "(n, line)")
    lines = line_wavelengths() if wavelength is None else np.asarray(wavelength, dtype=np.float64)
    check_same_shape("flux", flux.shape[1:], lines.shape, "the list of lines")
    rows = flux.shape[:1]
    speed, spread = np.broadcast_to(velocity, rows), np.broadcast_to(width, rows)
    if not (np.isfinite(flux).all() and np.isfinite(lines).all() and (lines > 0).all()):
        raise ValueError("fluxes and wavelengths must be finite, and wavelengths above 0")
    if not ((np.abs(speed) < SPEED_OF_LIGHT) & (spread >= 0) & (spread <= MOST_WIDTH)).all():
        raise ValueError(
            f"velocities must be below that of light, widths from 0 to {MOST_WIDTH:g} km/s"
        )
    out = np.zeros((len(flux), len(axis)), dtype=np.float32)
    if out.size == 0:
        return out
    for part, edges in channel_edges(axis):
        for one, line in zip(flux.T, lines, strict=True):
            center = line * (1 + speed / SPEED_OF_LIGHT)  # (n,)
            sigma = np.hypot(line_spread(center) / FWHM, center * spread / SPEED_OF_LIGHT)
            _paint_line(out[:, part], edges, one, center, sigma)
    return out


def _paint_line(
    out: np.ndarray, edges: np.ndarray, flux: np.ndarray, center: np.ndarray, sigma: np.ndarray
) -> None:
    """Add one line to spectra, in place; the edges of the channels rise or fall."""
    far = REACH * sigma.max()
    ends = np.array([center.min() - far, center.max() + far])
    rising = edges[-1] > edges[0]
    first, stop = np.searchsorted(edges if rising else -edges, ends if rising else -ends[::-1])
    first, stop = max(0, first - 1), min(len(edges), stop + 1)
    if stop - first < 2:
        return
    scaled = (edges[first:stop] - center[:, None]) / (np.sqrt(2) * sigma[:, None])
    below = erf(scaled.astype(np.float32))  # (n, edge)
    half = (0.5 if rising else -0.5) * flux[:, None].astype(np.float32)
    out[:, first : stop - 1] += half * np.diff(below, axis=1)


def channel_edges(axis: Axis) -> list[tuple[slice, np.ndarray]]:
    """Return the windows of an axis of air wavelengths and the edges of their channels.

    Parameters
    ----------
    axis : Axis

    Returns
    -------
    list of (slice, array (channel + 1,))
        Edges in angstrom, half-way between channels, in the direction of the axis.

    Raises
    ------
    ValueError
        If the axis is not of wavelengths, is in vacuum, or has a window with only one channel.
    """
    if axis.kind != "wavelength":
        raise ValueError(
            f"emission lines need an axis of wavelengths; got kind {axis.kind}; see nebular_axis()"
        )
    if axis.medium == "vacuum":
        raise ValueError("the emission lines have wavelengths in air, but the axis is in vacuum")
    values = axis.to("angstrom").values
    windows = []
    for part in axis.segments():
        own = values[part]
        if len(own) < 2:
            raise ValueError(
                f"the window at {own[0]:g} angstrom has only one channel, so its width is unknown"
            )
        windows.append((part, channel_bounds(own)))
    return windows
