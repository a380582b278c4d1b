"""Sets of spectra with known classes that the simulator of the package did not make.

    python -m benchmarks.engines                     print size, classes and counts of every set
    python -m benchmarks.engines --tables FOLDER     also the grids of nebular models
    python -m benchmarks.engines --fisx              also XRF by fisx (pip install fisx)

Rules that are settled on our own spectra are shown on these: XRF by fisx, line fluxes of MAPPINGS
and CLOUDY, spectra of Raman bands, reflectances, Gaussian groups, grains of minerals, and noise
without any classes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d

from spectessera.axis import Axis
from spectessera.synth.paint.pigments import PALETTES, PIGMENTS
from spectessera.synth.xrf.instrument import model_axis

from . import fisx_layers
from .drawn import SPECTRA, Drawn
from .nebular_grids import cloudy, mappings

LEAST = 0.55  # smallest share of the dominant component in mixtures
SPREAD = 0.6  # standard deviation of the logarithm of the mass of a layer
FWHM = np.sqrt(8 * np.log(2))


# --- XRF ---------------------------------------------------------------------------------------


def painted(
    palette: str, mode: str, counts: float, seed: int, n: int = SPECTRA, anode: str = "Rh"
) -> Drawn:
    """Draw XRF spectra by fisx.

    Parameters
    ----------
    palette : str
        A name in ``PALETTES`` or "all".
    mode : "load" or "mix"
        The mass of a layer is log-normal; "mix": a second pigment has up to 45 % of the counts.
    counts : float
        Mean of the Poisson counts of every spectrum.
    seed, n : int
    anode : "Rh" or "Ag"
    """
    if mode not in ("load", "mix"):
        raise ValueError(f'mode must be "load" or "mix"; got {mode!r}')
    generator = np.random.default_rng([seed, 1])
    names = tuple(PIGMENTS) if palette == "all" else PALETTES[palette]
    table = np.stack([fisx_layers.expectations(name, anode) for name in names])
    first = generator.integers(len(names), size=n)
    expected = _loaded(table, first, generator)
    if mode == "mix":
        second = (first + generator.integers(1, len(names), size=n)) % len(names)
        share = generator.uniform(LEAST, 1.0, size=(n, 1))
        expected = share * expected + (1 - share) * _loaded(table, second, generator)
    spectra = generator.poisson(counts * expected).astype(np.float32)
    return Drawn(spectra, first + 1, model_axis(), "maxrf")


def _loaded(table: np.ndarray, which: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return spectra (n, channel) of layers of random mass, each with the sum 1."""
    loads = np.array(fisx_layers.LOADS)
    mass = np.exp(SPREAD * generator.standard_normal(len(which)))
    place = np.interp(mass, loads, np.arange(len(loads)))
    low = np.minimum(place.astype(int), len(loads) - 2)
    part = (place - low)[:, None]
    spectra = (1 - part) * table[which, low] + part * table[which, low + 1]
    return spectra / spectra.sum(axis=1, keepdims=True)


# --- other spectra -------------------------------------------------------------------------------


def _mixed(
    pure: np.ndarray, n: int, generator: np.random.Generator, where: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return mixtures (n, channel) of two spectra and the dominant one (n,), from 1.

    ``where (n,)``: the dominant one, if it is given.
    """
    first = generator.integers(len(pure), size=n) if where is None else where - 1
    second = (first + generator.integers(1, len(pure), size=n)) % len(pure)
    share = generator.uniform(LEAST, 1.0, size=(n, 1))
    return share * pure[first] + (1 - share) * pure[second], first + 1


def raman(seed: int, n: int = SPECTRA, noise: float = 0.03) -> Drawn:
    """Draw mixtures of five phases with Lorentzian bands, on fluorescence of varying height."""
    generator = np.random.default_rng([seed, 3])
    shift = np.linspace(200, 1800, 600)  # cm-1
    pure = np.zeros((5, len(shift)))
    for spectrum in pure:
        for _ in range(generator.integers(6, 11)):
            half = generator.uniform(4, 12)
            height = np.exp(generator.normal(0, 0.8))
            spectrum += height / (1 + ((shift - generator.uniform(250, 1750)) / half) ** 2)
        spectrum /= spectrum.max()
    spectra, label = _mixed(pure, n, generator)
    spectra *= np.exp(generator.normal(0, 0.3, size=(n, 1)))
    place = np.linspace(0, 1, len(shift))
    middle = generator.normal(0.4, 0.05, size=(n, 1))
    height = np.exp(generator.normal(np.log(0.7), 0.7, size=(n, 1)))
    spectra += height * np.exp(-(((place - middle) / 0.6) ** 2))
    spectra += noise * generator.standard_normal(spectra.shape)
    return Drawn(spectra.astype(np.float32), label, Axis(shift, "cm-1"), None)


def reflectance(
    seed: int,
    n: int = SPECTRA,
    noise: float = 0.005,
    materials: int = 6,
    where: np.ndarray | None = None,
) -> Drawn:
    """Draw mixtures of smooth reflectances; illumination varies between 0.5 and 1.5.

    ``where (n,)``: the dominant material of each, from 1; by default drawn.
    """
    generator = np.random.default_rng([seed, 4])
    wavelength = np.linspace(0.4, 2.5, 200)  # um
    pure = np.zeros((materials, len(wavelength)))
    for spectrum in pure:
        base, rise = generator.uniform(0.1, 0.5), generator.uniform(-0.15, 0.4)
        edge, steep = generator.uniform(0.5, 1.4), generator.uniform(0.05, 0.4)
        spectrum += base + rise / (1 + np.exp(-(wavelength - edge) / steep))
        for _ in range(3):
            depth, width = generator.uniform(0.05, 0.4), generator.uniform(0.04, 0.15)
            centre = generator.uniform(0.6, 2.4)
            spectrum *= 1 - depth * np.exp(-(((wavelength - centre) / width) ** 2) / 2)
    pure = np.clip(pure, 0.02, 1.0)
    spectra, label = _mixed(pure, n, generator, where)
    spectra *= generator.uniform(0.5, 1.5, size=(n, 1))
    spectra += noise * generator.standard_normal(spectra.shape)
    return Drawn(spectra.astype(np.float32), label, Axis(wavelength, "um"), None)


def gauss(seed: int, n: int = SPECTRA, distance: float = 4.0) -> Drawn:
    """Draw six Gaussian groups in 100 channels of different, correlated noise.

    ``distance``: between the means of any two groups, in standard deviations (Mahalanobis).
    """
    generator = np.random.default_rng([seed, 5])
    label = generator.integers(1, 7, size=n)
    directions = np.linalg.qr(generator.standard_normal((100, 6)))[0].T  # (6, channel)
    white = generator.standard_normal((n, 100)) + distance / np.sqrt(2) * directions[label - 1]
    colour = np.diag(np.exp(generator.normal(0, 0.2, 100))) + 0.3 * np.eye(100, k=1)
    spectra = (10 + white @ colour).astype(np.float32)
    return Drawn(spectra, label, Axis(np.arange(100)), None)


# --- noise ---------------------------------------------------------------------------------------


def noise(kind: str, seed: int, n: int = SPECTRA, channels: int = 256) -> Drawn:
    """Draw spectra that differ by noise only: "poisson" (400 counts), "gauss" or "correlated"."""
    if kind not in ("poisson", "gauss", "correlated"):
        raise ValueError(f'kind is "poisson", "gauss" or "correlated"; got {kind!r}')
    generator = np.random.default_rng([seed, 6])
    place = np.linspace(0, 1, channels)
    mean = 0.3 * np.exp(-3 * place)
    for _ in range(6):
        centre, height = generator.uniform(0.05, 0.95), np.exp(generator.normal(0, 0.7))
        mean += height * np.exp(-(((place - centre) / 0.01) ** 2) / 2)
    if kind == "poisson":
        spectra = generator.poisson(400 * mean / mean.sum(), size=(n, channels))
    else:
        white = generator.standard_normal((n, channels))
        spectra = 20 * mean + (white if kind == "gauss" else uniform_filter1d(white, 3, axis=1))
    return Drawn(spectra.astype(np.float32), np.ones(n, int), Axis(np.arange(channels)), None)


# --- a map of grains -----------------------------------------------------------------------------

# Lines of minerals in an electron microscope: keV and relative counts.
MINERALS = {
    "quartz": ((0.525, 0.9), (1.74, 1.6)),
    "calcite": ((0.277, 0.15), (0.525, 0.6), (3.69, 1.0), (4.01, 0.13)),
    "pyrite": ((0.705, 0.3), (2.31, 1.8), (2.46, 0.1), (6.40, 0.5), (7.06, 0.07)),
    "albite": ((0.525, 0.8), (1.04, 0.45), (1.49, 0.5), (1.74, 1.1)),
}
BRIGHTNESS = (1.0, 0.9, 1.2, 1.0)  # counts per mineral, relative
SIDE = 96


def grains(counts: float, size: float, seed: int) -> tuple[Drawn, tuple[int, int]]:
    """Draw an EDS map of grains of four minerals.

    Parameters
    ----------
    counts : float
        Mean counts per pixel.
    size : float
        Diameter of a grain in pixels: the root of the mean area of a Voronoi cell.
    seed : int

    Returns
    -------
    drawn : Drawn
        The pixels in the order of the rows.
    shape : tuple of int
        Height and width.
    """
    generator = np.random.default_rng([seed, 7])
    label = regions(len(MINERALS), SIDE, size, generator)
    energy = np.linspace(0.1, 10.32, 512)
    expected = np.stack([_mineral(lines, energy) for lines in MINERALS.values()])
    expected = (expected * np.array(BRIGHTNESS)[:, None])[label]
    spectra = generator.poisson(counts * expected / expected.sum(axis=1).mean())
    return Drawn(spectra.astype(np.float32), label + 1, Axis(energy, "keV"), None), (SIDE, SIDE)


def regions(kinds: int, side: int, size: float, generator: np.random.Generator) -> np.ndarray:
    """Return the kind (side * side,), from 0, of every pixel of a square map of Voronoi cells.

    ``size``: the root of their mean area.
    """
    number = max(kinds, round((side / size) ** 2))
    centres = generator.uniform(0, side, size=(number, 2))
    kind = generator.permutation(np.arange(number) % kinds)
    pixels = np.stack(np.indices((side, side)), axis=-1).reshape(-1, 2) + 0.5
    return kind[((pixels[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)]


def _mineral(lines: tuple, energy: np.ndarray) -> np.ndarray:
    """Return lines of 130 eV at 5.9 keV on bremsstrahlung of 15 keV, (channel,), with sum 1."""
    continuum = (15 / energy - 1) * np.exp(-((0.9 / energy) ** 1.5))
    spectrum = 0.3 * continuum / continuum.sum()
    strength = sum(height for _, height in lines)
    for at, height in lines:
        sigma = np.sqrt(0.05**2 + 0.0024 * at) / FWHM
        shape = np.exp(-(((energy - at) / sigma) ** 2) / 2)
        spectrum += 0.7 * height / strength * shape / shape.sum()
    return spectrum


# --- all of them ---------------------------------------------------------------------------------

SETS: dict[str, Callable[[int], Drawn]] = {
    "raman": raman,
    "reflectance": reflectance,
    "gauss": gauss,
    **{f"noise, {kind}": partial(noise, kind) for kind in ("poisson", "gauss", "correlated")},
}
FISX: dict[str, Callable[[int], Drawn]] = {
    f"fisx, {kinds} {mode}, {counts}": partial(painted, palette, mode, counts)
    for kinds, palette in ((8, "choirbook"), (12, "gothic-book"), (24, "all"))
    for mode in ("load", "mix")
    for counts in (400, 1000)
}
FISX["fisx, 8 mix, 400, Ag tube"] = partial(painted, "choirbook", "mix", 400, anode="Ag")
# Folder of the tables, seed.
TABLES: dict[str, Callable[[Path, int], Drawn]] = {
    "MAPPINGS, S/N 10-30": lambda folder, seed: mappings(folder, 10, 30, seed),
    "CLOUDY, S/N 10-30": lambda folder, seed: cloudy(folder, 10, 30, seed),
}
MAPS: dict[str, Callable[[int], tuple[Drawn, tuple[int, int]]]] = {
    f"grains of {size}, {counts}": partial(grains, counts, size)
    for size in (6, 12, 24)
    for counts in (2, 10, 50)
}


def describe(name: str, draw: Callable[[int], Drawn], seed: int = 0) -> str:
    """Return one line of size, classes, mean of the sums, and seconds; equal seeds are checked."""
    start = time.perf_counter()
    drawn = draw(seed)
    seconds = time.perf_counter() - start
    assert np.array_equal(drawn.spectra, draw(seed).spectra), name
    assert np.isfinite(drawn.spectra).all(), name
    assert drawn.spectra.shape == (len(drawn.label), len(drawn.axis)), name
    assert drawn.label.min() == 1, name
    sizes = np.bincount(drawn.label)[1:]
    return (
        f"{name}: {drawn.spectra.shape}, {drawn.k} classes of {sizes.min()} to {sizes.max()}, "
        f"mean sum {drawn.spectra.sum(axis=1).mean():.1f}, {seconds:.1f} s"
    )


def main() -> None:
    """Draw every set once and describe it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, help="folder of the grids of nebular models")
    parser.add_argument("--fisx", action="store_true", help="also XRF by fisx")
    arguments = parser.parse_args()
    sets = dict(SETS)
    sets |= {name: lambda seed, draw=draw: draw(seed)[0] for name, draw in MAPS.items()}
    if arguments.tables is not None:
        sets |= {name: partial(draw, arguments.tables) for name, draw in TABLES.items()}
    if arguments.fisx:
        sets |= FISX
    for name, draw in sets.items():
        print(describe(name, draw))


if __name__ == "__main__":
    main()
