"""Line maps of rotating galaxies with known truth, of noise, and of a measured cube.

    python -m benchmarks.line_maps run          append what is not measured yet
    python -m benchmarks.line_maps file CUBE    append the comparison with direct fits by astropy
    python -m benchmarks.line_maps              only write the tables into benchmarks/line_maps.md

CUBE is a file of integral-field spectroscopy with H alpha, [NII] and a variance; it is not part of
the repository (in the table: muse_a478_full.fits.gz, MUSE, Abell 478, of the test data of mpdaf).
The constants were settled with the seeds 1 to 3; the seeds here are others.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import spectessera as spt
from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.cube import spectral_axis
from spectessera.synth.nebulae.galaxy import observed_redshift, rotating_galaxy
from spectessera.synth.nebulae.lines import nebular_axis

from ._rows import append, as_table, rows_of

HERE = Path(__file__).parent
ROWS, NOISE, FILES = (HERE / f"line_maps{end}.csv" for end in ("", "_noise", "_files"))
HEAD, PAGE = HERE / "line_maps_head.md", HERE / "line_maps.md"
REDSHIFTS = (0.0, 0.03, 0.3)
SEEDS = range(700, 703)
SHAPE = (36, 40)
IMAGE = HERE.parent / "docs" / "images" / "lines-abell478.png"
BRIGHTNESS = {"bright": 30.0, "faint": 10.0}
LINES = ("Hb 4861", "[OIII] 5007", "Ha 6563", "[NII] 6583", "[SII] 6716")
DIRECT = 20  # pixels that are fitted by astropy


def width_of(pulls: Any) -> float:
    """Return half of the range of the middle 68.3 % of pulls: 1 if errors are right."""
    low, high = np.percentile(pulls, (15.87, 84.13))
    return float((high - low) / 2)


def measure_galaxy(name: str, redshift: float, seed: int, speed: float = 250.0) -> None:
    """Append the pulls of one galaxy."""
    cube, truth = rotating_galaxy(
        SHAPE, redshift=redshift, speed=speed, brightness=BRIGHTNESS[name], seed=seed
    )
    result = spt.baselines.linear(cube, spt.Clusters(4, 4), seed=seed)
    start = time.process_time()
    maps = spt.maps.lines(cube, result)
    seconds = time.process_time() - start
    expected = observed_redshift(redshift, truth["velocity"].values)
    found = observed_redshift(maps.attrs["redshift"], maps["velocity"].values)
    alone, pooled = maps["quality"].values & 3 == 0, maps["quality"].values & 3 == 1
    error = (1 + redshift) * maps["velocity_error"].values / SPEED_OF_LIGHT
    pull = (found - expected) / error
    spread = (maps["dispersion"].values - truth["dispersion"].values) / (
        maps["dispersion_error"].values
    )
    own = [line for line in LINES if line in maps["line"].values]
    flux_pull = (maps["flux"] - truth["flux"]).sel(line=own) / maps["flux_error"].sel(line=own)
    row = {
        "galaxy": name, "speed": f"{speed:g}", "redshift": f"{redshift:g}", "seed": seed,
        "found redshift - true": f"{maps.attrs['redshift'] - redshift:.1e}",
        "largest error of z, alone": f"{np.abs(found - expected)[alone].max():.1e}",
        "alone": int(alone.sum()), "pooled": int(pooled.sum()),
        "too faint": maps.attrs["pixels_too_faint"],
        "velocity, alone": f"{width_of(pull[alone]):.2f}",
        "beyond 4 errors, alone": int((np.abs(pull[alone]) > 4).sum()),
        "velocity, pooled": f"{width_of(pull[pooled]):.2f}" if pooled.sum() > 20 else "",
        "beyond 4 errors, pooled": int((np.abs(pull[pooled]) > 4).sum()),
        "dispersion, alone": f"{width_of(spread[alone]):.2f}",
        "flux, alone": f"{width_of(flux_pull.values[:, alone]):.2f}",
        "flux, pooled": f"{width_of(flux_pull.values[:, pooled]):.2f}" if pooled.sum() > 20 else "",
        "ms per pixel": f"{1e3 * seconds / alone.size:.1f}",
    }  # fmt: skip
    append(ROWS, list(row), row)


def result_of(cube: xr.DataArray, label: np.ndarray) -> xr.Dataset:
    """Return the parts of a result that maps need, for given labels from 1."""
    numbers = np.arange(1, label.max() + 1)
    rows = [cube.values[label == number].astype(float) for number in numbers]
    dims = ("cluster", "channel")
    result = xr.Dataset(
        {
            "label": (("y", "x"), label),
            "mean_spectrum": (dims, np.array([each.mean(axis=0) for each in rows])),
            "std_spectrum": (dims, np.array([each.std(axis=0) for each in rows])),
            "size": ("cluster", np.array([len(each) for each in rows])),
        },
        coords={"cluster": numbers, "wavelength": cube.coords["wavelength"]},
    )
    return result.assign_attrs(confidence_noise="variance")


def measure_noise(seed: int) -> None:
    """Append how many pixels of pure noise, beside one bright group, are said to have lines."""
    generator = np.random.default_rng(seed)
    cube, _ = rotating_galaxy((12, 64), redshift=0.03, brightness=30.0, seed=seed)
    values = np.concatenate(
        [cube.values, 1.0 + generator.standard_normal((48, 64, cube.sizes["channel"]))]
    ).astype(np.float32)
    variance = np.concatenate([cube.coords["variance"].values, np.ones((48, 64, values.shape[2]))])
    whole = spt.make_cube(
        values, axis=nebular_axis(), variance=variance, attrs={"instrument": "MUSE"}
    )
    label = np.ones(values.shape[:2], int)
    label[:12] = 2
    result = result_of(whole, label)
    for neighbours in (0, 3):
        maps = spt.maps.lines(whole, result, neighbours=neighbours)
        quality = maps["quality"].values[16:]  # beyond the reach of the galaxy
        row = {
            "seed": seed, "neighbours": neighbours, "pixels of noise": quality.size,
            "fitted alone": int((quality & 3 == 0).sum()),
            "pooled": int((quality & 3 == 1).sum()),
        }  # fmt: skip
        append(NOISE, list(row), row)


def measure_file(path: Path, seed: int = 0) -> None:
    """Append the comparison of H alpha with direct fits; draw the maps for the documentation."""
    cube = spt.read(path)
    result = spt.baselines.linear(cube, spt.Clusters(3, 3), seed=seed)
    maps = spt.maps.lines(cube, result)
    alone = maps["quality"].values & 3 == 0
    flux, error = (maps[name].sel(line="Ha 6563").values for name in ("flux", "flux_error"))
    y, x = np.nonzero(alone)
    chosen = np.random.default_rng(seed).choice(len(y), DIRECT, replace=False)
    direct = np.array([direct_flux(cube, maps, y[at], x[at]) for at in chosen])
    pull = (flux[y[chosen], x[chosen]] - direct) / error[y[chosen], x[chosen]]
    ratio = flux[y[chosen], x[chosen]] / direct
    velocity = maps["velocity"].values
    scatter, noise = smoothness(velocity, maps["velocity_error"].values, alone)
    row = {
        "file": path.name, "pixels alone": int(alone.sum()),
        "pooled": maps.attrs["pixels_pooled"], "too faint": maps.attrs["pixels_too_faint"],
        "redshift": f"{maps.attrs['redshift']:.5f}",
        "H alpha - direct fit, errors (largest)": f"{np.abs(pull).max():.2f}",
        "H alpha / direct fit (median)": f"{np.median(ratio):.3f}",
        "velocities, km/s (2 to 98 %)": "{:.0f} to {:.0f}".format(
            *np.percentile(velocity[alone], (2, 98))
        ),
        "velocity - median of neighbours, km/s (median)": f"{scatter:.1f}",
        "error of the velocity, km/s (median)": f"{noise:.1f}",
    }  # fmt: skip
    append(FILES, list(row), row)
    spt.plots.lines(maps).savefig(IMAGE, dpi=70)


def direct_flux(cube: xr.DataArray, maps: xr.Dataset, y: int, x: int) -> float:
    """Return the flux of H alpha by a fit of astropy to one spectrum.

    Three Gaussians of free fluxes, one width, and positions that move together, on a straight line.
    """
    from astropy.modeling import fitting, models

    axis = spectral_axis(cube)
    spectrum = cube.isel(y=y, x=x)
    values = spectrum.values.astype(float)
    variance = spectrum.coords["variance"].values.astype(float)
    factor = 1 + maps.attrs["redshift"]
    place = 6562.82 * factor
    near = (np.abs(axis.values - place) < 75.0) & np.isfinite(values) & (variance > 0)
    wave = axis.values[near]
    offsets = [0.0, (6583.45 - 6562.82) * factor, (6548.05 - 6562.82) * factor]
    level = float(np.median(values[near]))
    model = models.Linear1D(0.0, level)
    for offset in offsets:
        model += models.Gaussian1D(values[near].max() - level, place + offset, 2.0)
    model.slope_0.value = 0.0
    for at, offset in enumerate(offsets[1:], start=2):
        tied = getattr(model, f"mean_{at}")
        tied.tied = lambda own, offset=offset: own.mean_1 + offset
        getattr(model, f"stddev_{at}").tied = lambda own: own.stddev_1
    model.stddev_1.bounds = (0.8, 12.0)
    fitter = fitting.TRFLSQFitter()
    fitted = fitter(model, wave, values[near], weights=1 / np.sqrt(variance[near]), maxiter=2000)
    height, width = float(fitted.amplitude_1.value), float(fitted.stddev_1.value)
    return float(height * width * np.sqrt(2 * np.pi))


def smoothness(velocity: np.ndarray, error: np.ndarray, use: np.ndarray) -> tuple[float, float]:
    """Return medians of the difference to the median of the eight neighbours, and of the error."""
    values = np.where(use, velocity, np.nan)
    padded = np.pad(values, 1, constant_values=np.nan)
    around = [
        padded[1 + dy : 1 + dy + values.shape[0], 1 + dx : 1 + dx + values.shape[1]]
        for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx
    ]  # fmt: skip
    stack = np.array(around)
    enough = use & (np.isfinite(stack).sum(axis=0) >= 5)
    middle = np.nanmedian(stack[:, enough], axis=0)
    return float(np.median(np.abs(values[enough] - middle))), float(np.median(error[enough]))


def run() -> None:
    """Measure what is not measured yet."""
    done = {(row["galaxy"], row["redshift"], row["seed"]) for row in rows_of(ROWS)}
    for name in BRIGHTNESS:
        for redshift in REDSHIFTS:
            for seed in SEEDS:
                if (name, f"{redshift:g}", str(seed)) not in done:
                    measure_galaxy(name, redshift, seed)
    if not any(row["speed"] == "500" for row in rows_of(ROWS)):
        measure_galaxy("bright", 0.03, SEEDS[-1] + 1, speed=500.0)
    done_noise = {row["seed"] for row in rows_of(NOISE)}
    for seed in SEEDS:
        if str(seed) not in done_noise:
            measure_noise(seed)


def write() -> None:
    """Write the page from the rows."""
    text = HEAD.read_text(encoding="utf-8")
    for mark, path in (("GALAXIES", ROWS), ("NOISE", NOISE), ("FILES", FILES)):
        text = text.replace(f"<!-- {mark} -->", as_table(path) if path.exists() else "")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run()
    elif sys.argv[1:2] == ["file"]:
        measure_file(Path(sys.argv[2]))
    write()
