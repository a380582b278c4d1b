"""Spectra of HII regions from the line fluxes of two photoionisation codes.

The tables are NB_HII_grid.fits.gz (MAPPINGS) and hcm_C17_POPSTAR_1myr.dat (CLOUDY, by the
authors of HII-CHI-mistry); neither is part of this repository.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from spectessera.axis import Axis

from .drawn import SPECTRA, Drawn

FWHM = np.sqrt(8 * np.log(2))
# Column of a table -> lines in air (angstrom) with their share of the column; the doublets of
# [OIII] and [NII] have a fixed ratio, those of [SII] and [OII] that of a thin gas.
MAPPINGS_LINES = {
    "Hbeta": ((4861.33, 1.0),), "OIII5007": ((5006.84, 1.0), (4958.91, 0.335)),
    "NII5755": ((5754.64, 1.0),), "HeI5876": ((5875.67, 1.0),), "OI6300": ((6300.30, 1.0),),
    "SIII6312": ((6312.10, 1.0),), "OI6364": ((6363.78, 1.0),), "Halpha": ((6562.80, 1.0),),
    "NII6583": ((6583.45, 1.0), (6548.05, 0.328)), "HeI6678": ((6678.15, 1.0),),
    "SII6716": ((6716.44, 1.0),), "SII6731": ((6730.82, 1.0),), "HeI7065": ((7065.25, 1.0),),
    "OII7320": ((7319.99, 1.0),), "OII7330_31": ((7330.73, 1.0),), "SIII9069": ((9068.60, 1.0),),
}  # fmt: skip
CLOUDY_LINES = {
    "OIII_5007": ((5006.84, 1.0), (4958.91, 0.335)), "NII_5755": ((5754.64, 1.0),),
    "SIII_6312": ((6312.10, 1.0),), "NII_6584": ((6583.45, 1.0), (6548.05, 0.328)),
    "SII_6717,31": ((6716.44, 0.58), (6730.82, 0.42)),
    "OII_7325": ((7319.99, 0.55), (7330.73, 0.45)), "SIII_9069": ((9068.60, 1.0),),
}  # fmt: skip
HYDROGEN = ((4861.33, 1.0), (6562.80, 2.86))  # not in the table of CLOUDY
# Classes: ranges of the three parameters of a table.
MAPPINGS_CLASSES = (  # log U, log P/k, 12 + log O/H
    ((-2.5, -2.0), (4.2, 6.6), (7.6, 8.1)),
    ((-3.25, -3.0), (4.2, 6.6), (8.3, 8.65)),
    ((-4.0, -3.75), (4.2, 6.6), (8.6, 8.8)),
    ((-2.5, -2.0), (4.2, 6.6), (9.1, 9.4)),
)
CLOUDY_CLASSES = (  # 12 + log O/H, log N/O, log U
    ((7.7, 8.1), (-1.5, -1.2), (-2.25, -1.5)),
    ((8.1, 8.3), (-1.3, -1.0), (-3.25, -3.0)),
    ((8.8, 9.0), (-0.4, -0.2), (-2.75, -2.25)),
    ((8.4, 8.6), (-0.9, -0.75), (-4.0, -3.75)),
)
RESOLUTION, VELOCITY = 2.6, 30.0  # angstrom, full width at half maximum; km/s
LIGHT = 299792.458  # km/s


class Grid(NamedTuple):
    """Models: parameters (m, 3), fluxes (m, line) relative to H beta, wavelengths (line,)."""

    parameters: np.ndarray
    flux: np.ndarray
    wavelength: np.ndarray


@cache
def mappings_grid(folder: Path) -> Grid:
    """Read NB_HII_grid.fits.gz; lines that a model lacks have flux 0."""
    from astropy.io import fits

    with fits.open(folder / "NB_HII_grid.fits.gz") as parts:
        table = parts[1].data
        parameters = np.stack([table[n] for n in ("log U", "log P/k", "12 + log O/H")], axis=1)
        columns = {name: np.nan_to_num(np.asarray(table[name])) for name in MAPPINGS_LINES}
    return Grid(parameters.astype(np.float64), *_lines(columns, MAPPINGS_LINES))


@cache
def cloudy_grid(folder: Path) -> Grid:
    """Read hcm_C17_POPSTAR_1myr.dat; the fluxes of hydrogen are those of case B."""
    path = folder / "hcm_C17_POPSTAR_1myr.dat"
    rows = [row for row in path.read_text(encoding="utf-8").splitlines() if row[:1] != "#"]
    names, table = rows[0].split(), np.array([row.split() for row in rows[1:]], dtype=np.float64)
    columns = {name: table[:, names.index(name)] for name in CLOUDY_LINES}
    flux, wavelength = _lines(columns, CLOUDY_LINES)
    extra, ratio = np.array(HYDROGEN).T
    flux = np.concatenate([flux, np.tile(ratio, (len(flux), 1))], axis=1)
    return Grid(table[:, :3], flux, np.concatenate([wavelength, extra]))


def _lines(columns: dict[str, np.ndarray], known: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes (m, line) and wavelengths (line,) of the columns of a table."""
    pairs = [(columns[name] * share, at) for name, lines in known.items() for at, share in lines]
    return np.stack([flux for flux, _ in pairs], axis=1), np.array([at for _, at in pairs])


def nebulae(
    grid: Grid,
    classes: tuple,
    snr: tuple[float, float],
    seed: int,
    n: int = SPECTRA,
) -> Drawn:
    """Draw nebular spectra: models of each box of a grid, in white noise of variance 1.

    ``snr``: range of the brightest channel without noise, log-uniform.
    """
    generator = np.random.default_rng([seed, 2])
    label = generator.integers(1, len(classes) + 1, size=n)
    model = np.zeros(n, dtype=int)
    for number, box in enumerate(classes, start=1):
        low, high = np.array(box).T
        member = np.flatnonzero(
            ((grid.parameters >= low - 1e-4) & (grid.parameters <= high + 1e-4)).all(axis=1)
        )
        model[label == number] = generator.choice(member, size=(label == number).sum())
    axis = Axis(np.linspace(4750, 9350, 1024), "angstrom", medium="air")
    shift = 1 + generator.normal(0, VELOCITY / LIGHT, size=n)
    spectra = _profiles(grid.flux[model], grid.wavelength, shift, axis.values)
    spectra *= np.exp(generator.uniform(*np.log(snr), size=(n, 1)))
    spectra += generator.standard_normal(spectra.shape)
    return Drawn(spectra.astype(np.float32), label, axis, "nebulae")


def _profiles(
    flux: np.ndarray, wavelength: np.ndarray, shift: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    """Return Gaussian lines averaged over the channels, (n, channel), with maximum 1."""
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    edges = np.append(axis - step / 2, axis[-1] + step / 2)
    sigma = RESOLUTION / FWHM
    spectra = np.zeros((len(flux), len(axis)))
    for amount, at in zip(flux.T, wavelength, strict=True):
        near = np.flatnonzero(abs(axis - at) < 25)
        around = edges[near[0] : near[-1] + 2]
        below = ndtr((around - (at * shift)[:, None]) / sigma)
        spectra[:, near] += amount[:, None] * np.diff(below, axis=1)
    return spectra / spectra.max(axis=1, keepdims=True)


def mappings(folder: Path, low: float, high: float, seed: int, n: int = SPECTRA) -> Drawn:
    """Draw HII regions of MAPPINGS: four ranges of ionisation and abundance."""
    return nebulae(mappings_grid(Path(folder)), MAPPINGS_CLASSES, (low, high), seed, n)


def cloudy(folder: Path, low: float, high: float, seed: int, n: int = SPECTRA) -> Drawn:
    """Draw HII regions of CLOUDY: four ranges of abundances and ionisation."""
    return nebulae(cloudy_grid(Path(folder)), CLOUDY_CLASSES, (low, high), seed, n)
