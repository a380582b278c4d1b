"""The shipped models of nebulae on cubes at any redshift, with stars, rotation, and of any range.

    python -m benchmarks.any_redshift run [FOLDER]   append what is not measured yet
    python -m benchmarks.any_redshift                only write the tables into docs/models.md

FOLDER holds the tables of MAPPINGS and CLOUDY, whose sets are left out without it. Two scenes:
the galaxy of
synth/nebulae/galaxy.py, whose nucleus and disk are separated where H alpha is brighter than a
third of its peak; and regions of four kinds of gas in the same rotation, with S/N 8 to 40 of the
brightest line and the same stars. Settings were chosen with the seeds 1 to 9; the seeds here are
others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from sklearn.metrics import adjusted_rand_score

import spectessera as spt
from spectessera import Clusters
from spectessera.axis import Axis, air_wavelengths
from spectessera.optical.linetable import vacuum_wavelengths
from spectessera.preprocess.frame import Frame
from spectessera.segmenter._blocks import encode_pixels
from spectessera.synth.nebulae.galaxy import CONTINUUM, disk, rotating_galaxy
from spectessera.synth.nebulae.lines import (
    extinction,
    line_wavelengths,
    nebular_axis,
    paint_lines,
)
from spectessera.synth.nebulae.nebula import CLASSES, draw_models

from . import engines, quality
from ._rows import append, rows_of, write_between
from .drawn import Drawn
from .evidence import known_noise

HERE = Path(__file__).parent
ROWS, RANGE_ROWS, SETS, FILES = (
    HERE / f"any_redshift{end}.csv" for end in ("", "_ranges", "_sets", "_files")
)
PAGE = HERE.parent / "docs" / "models.md"
BEGIN, END = "<!-- any redshift: begin -->\n", "<!-- any redshift: end -->"
MODELS = ("nebulae-wide", "nebulae")
SEEDS, SET_SEEDS = (730, 731, 732), (710, 711)
SHAPE = (28, 32)
# Redshift, velocity in km/s, whether there are stars.
CASES = ((0.0, 0.0, False), (0.0, 250.0, True), (0.03, 250.0, True), (0.3, 250.0, True))
# Instruments: first and last wavelength at rest and number of channels.
RANGES = {
    "3600-9900": (3600.0, 9900.0), "4750-7000": (4750.0, 7000.0), "3600-5600": (3600.0, 5600.0),
    "6000-7200": (6000.0, 7200.0), "4700-5300": (4700.0, 5300.0), "6500-9500": (6500.0, 9500.0),
}  # fmt: skip


def regions(
    redshift: float, speed: float, stars: bool, seed: int, axis: Axis | None = None, unit: str = "1"
) -> tuple[xr.DataArray, np.ndarray]:
    """Return a cube of four kinds of gas in a rotating galaxy, and its labels (y, x)."""
    generator = np.random.default_rng([seed, 77])
    axis = nebular_axis() if axis is None else axis
    velocity, radius = disk(SHAPE, speed)
    y, x = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    middles = generator.uniform(0, 1, (12, 2)) * SHAPE
    away = (y[..., None] - middles[:, 0]) ** 2 + (x[..., None] - middles[:, 1]) ** 2
    kind = (np.arange(12) % len(CLASSES))[np.argmin(away, axis=-1)]
    flux = np.zeros((*SHAPE, len(line_wavelengths())))
    for number, name in enumerate(CLASSES):
        here = kind == number
        flux[here] = draw_models(name, int(here.sum()), generator=generator).flux
    dust = generator.uniform(0, 0.4, SHAPE)[..., None]
    flux = (flux * 10 ** (-0.4 * dust * extinction(line_wavelengths()))).reshape(kind.size, -1)
    wave = axis.to("angstrom").values
    place = vacuum_wavelengths(line_wavelengths()) * (1 + redshift)
    lines = paint_lines(
        flux, Axis(wave, "angstrom", medium="air"), velocity=velocity.ravel(),
        width=generator.uniform(20, 80, kind.size),
        wavelength=place if axis.medium == "vacuum" else air_wavelengths(place),
    )  # fmt: skip
    lines = lines / np.gradient(wave)
    if "Jy" in unit:  # per frequency
        lines = lines * (wave / 7000) ** 2
    lines *= np.exp(generator.uniform(*np.log((8, 40)), (kind.size, 1))) / lines.max(1)[:, None]
    noise = (wave / np.median(wave)) ** 0.3
    light = CONTINUUM * np.exp(-radius / 0.5)[..., None] * (wave / np.median(wave)) ** 0.7
    values = lines.reshape(*SHAPE, -1) + (light if stars else 0)
    values = (values + noise * generator.standard_normal(values.shape)).astype(np.float32)
    variance = np.broadcast_to((noise**2).astype(np.float32), values.shape).copy()
    cube = spt.make_cube(values, axis=axis, variance=variance, attrs={"unit": unit})
    return cube, kind + 1


def galaxy(
    redshift: float, speed: float, stars: bool, seed: int
) -> tuple[xr.DataArray, np.ndarray]:
    """Return the galaxy with faint pixels masked, and the labels of nucleus and disk (y, x)."""
    light = CONTINUUM if stars else 0.0
    cube, truth = rotating_galaxy(
        SHAPE, redshift=redshift, speed=speed, brightness=60.0, stars=light, seed=seed
    )
    alpha = truth["flux"].sel(line="Ha 6563").values
    faint = alpha < alpha.max() / 3
    label = np.where(truth["nucleus"].values > 0.3, 1, 2)
    return cube.assign_coords(mask=(("y", "x"), faint)), np.where(faint, 0, label)


SCENES = {"galaxy": galaxy, "regions": regions}


def score(labels: np.ndarray, truth: np.ndarray) -> float:
    """Return the adjusted Rand index of the pixels that have a label."""
    used = truth.ravel() > 0
    return float(adjusted_rand_score(truth.ravel()[used], labels.ravel()[used]))


def labels_of(
    cube: xr.DataArray, segmenter: spt.SpectralSegmenter, k: int, frame: Frame
) -> np.ndarray:
    """Return the labels (y * x,) of k clusters, from 1; 0 where a pixel is masked."""
    settings = replace(segmenter.config("clusters"), k_min=k, k_max=k)
    size = segmenter.cluster_centers_.shape[1]
    intake = segmenter.intake(cube, frame=frame, warn=False)
    latent = encode_pixels(cube, intake, segmenter.codec, size)
    usable = np.isfinite(latent).all(axis=1)
    labels = np.zeros(len(latent), dtype=int)
    labels[usable] = segmenter.cluster(latent[usable], settings).labels + 1
    return labels


def measure(scene: str, case: tuple[float, float, bool], seed: int) -> dict:
    """Return the row of one cube, at the true number of clusters."""
    redshift, speed, stars = case
    cube, truth = SCENES[scene](redshift, speed, stars, seed)
    frame, k = spt.load(MODELS[0]).frame(cube), len(np.unique(truth[truth > 0]))
    row = {"scene": scene, "seed": seed, "redshift": redshift, "speed": speed}
    row |= {"stars": int(stars), "error": f"{frame.redshift - redshift:.2e}"}
    row["continuum"] = int(frame.continuum)
    for name in MODELS:
        row[name] = f"{score(labels_of(cube, spt.load(name), k, frame), truth):.4f}"
    return row


def measure_range(name: str, seed: int) -> dict:
    """Return the row of a cube of a part of the range: models and own principal components."""
    first, last = RANGES[name]
    axis = Axis(np.arange(first, last, 1.25), "angstrom", medium="air")
    cube, truth = regions(0.0, 0.0, False, seed, axis)
    k, row = len(CLASSES), {"range": name, "seed": seed}
    for model in MODELS:
        try:
            row[model] = f"{score(labels_of(cube, spt.load(model), k, Frame()), truth):.4f}"
        except ValueError:  # it covers too little of the range of the model
            row[model] = "refused"
    own = spt.baselines.linear(cube, Clusters(k, k), seed=seed)["label"].values
    return row | {"linear": f"{score(own, truth):.4f}"}


def measure_set(name: str, drawn: Drawn, seed: int) -> dict:
    """Return the row of spectra at rest on the axis of the narrower model."""
    cube, k = known_noise(drawn), len(np.unique(drawn.label))
    row = {"set": name, "seed": seed}
    for model in MODELS:
        row[model] = f"{score(labels_of(cube, spt.load(model), k, Frame()), drawn.label):.4f}"
    return row


# --- files -------------------------------------------------------------------------------------


def write_file(kind: str, path: Path, seed: int) -> np.ndarray:
    """Write a cube in the layout of an instrument; return the labels (y, x)."""
    from astropy.io import fits

    header = fits.Header()
    for number, (name, value, step, unit) in enumerate(
        (("RA---TAN", 150.0, -1e-4, "deg"), ("DEC--TAN", 2.0, 1e-4, "deg")), start=1
    ):
        header[f"CTYPE{number}"], header[f"CRVAL{number}"] = name, value
        header[f"CDELT{number}"], header[f"CRPIX{number}"] = step, 1.0
        header[f"CUNIT{number}"] = unit
    axis, redshift, unit = {
        "manga": (Axis(np.geomspace(3621.6, 10353.8, 4563), "angstrom", medium="vacuum"),
                  0.04, "1E-17 erg/s/cm^2/Ang/spaxel"),
        "kcwi": (Axis(np.arange(3500.0, 5600.0, 1.0), "angstrom", medium="vacuum"), 0.01,
                 "FLAM16"),
        "nirspec": (Axis(np.arange(1.66, 3.05, 0.000396), "um", medium="vacuum"), 2.2, "MJy/sr"),
    }[kind]  # fmt: skip
    cube, label = regions(redshift, 250.0, True, seed, axis, unit)
    values, error = (
        np.moveaxis(each, 2, 0) for each in (cube.values, np.sqrt(cube["variance"].values))
    )
    header["CTYPE3"] = {"manga": "WAVE-LOG", "kcwi": "WAVE", "nirspec": "WAVE"}[kind]
    header["CRVAL3"], header["CRPIX3"], header["CUNIT3"] = axis.values[0], 1.0, {
        "um": "um", "angstrom": "Angstrom"}[axis.unit]  # fmt: skip
    step = axis.values[1] - axis.values[0]
    header["CDELT3"] = axis.values[0] * np.log(axis.values[1] / axis.values[0]) if kind == (
        "manga") else step  # fmt: skip
    header["BUNIT"] = unit
    first = fits.PrimaryHDU()
    image, none = fits.ImageHDU, np.zeros(values.shape, "i4")
    if kind == "manga":
        parts = [first, image(values, header, "FLUX"), image(error**-2, header, "IVAR"),
                 image(none, header, "MASK"), image(axis.values, name="WAVE")]  # fmt: skip
    elif kind == "nirspec":
        first = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "JWST", "INSTRUME": "NIRSPEC"}))
        parts = [first, image(values, header, "SCI"), image(error, header, "ERR"),
                 image(none.astype("u4"), header, "DQ")]  # fmt: skip
    else:
        header["INSTRUME"] = "KCWI"
        first = fits.PrimaryHDU(values, header)
        parts = [first, image(error, header, "UNCERT"), image(none.astype("u1"), header, "FLAGS")]
    fits.HDUList(parts).writeto(path, overwrite=True)
    return label


def measure_file(kind: str, seed: int) -> dict:
    """Return the row of one file that the command segments without any flag but the report."""
    import json

    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / f"{kind}.fits", Path(folder) / "out"
        label = write_file(kind, path, seed)
        words = [sys.executable, "-m", "spectessera.cli", "segment", str(path), "--report",
                 "--out", str(out), "--json"]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        summary = json.loads(done.stdout)
        result = spt.io.read_result(out / "result.nc")
    names = sorted({row["name"] or "-" for row in summary["clusters"]})
    return {
        "file": kind, "seed": seed, "chosen": result.attrs["model_choice"].partition(":")[0],
        "k": result.attrs["n_clusters"], "ari": f"{score(result['label'].values, label):.4f}",
        "frame": result.attrs.get("frame", ""), "names": "; ".join(names),
    }  # fmt: skip


def run(folder: Path | None) -> None:
    """Append what is not measured yet; ``folder`` holds the tables of MAPPINGS and CLOUDY."""
    sets = {name: draw for name, draw in quality.SETS.items() if name.startswith("nebulae")}
    for name, draw in engines.TABLES.items() if folder is not None else ():
        sets[name] = partial(draw, folder)
    done = {(row["set"], row["seed"]) for row in rows_of(SETS)}
    for seed in SET_SEEDS:
        for name, draw in sets.items():
            if (name, str(seed)) not in done:
                row = measure_set(name, draw(seed), seed)
                append(SETS, tuple(row), row)
    done = {(row["scene"], row["redshift"], row["speed"], row["seed"]) for row in rows_of(ROWS)}
    for seed in SEEDS:
        for scene in SCENES:
            for case in CASES:
                if (scene, str(case[0]), str(case[1]), str(seed)) not in done:
                    row = measure(scene, case, seed)
                    append(ROWS, tuple(row), row)
    done = {(row["range"], row["seed"]) for row in rows_of(RANGE_ROWS)}
    for seed in SEEDS:
        for name in RANGES:
            if (name, str(seed)) not in done:
                row = measure_range(name, seed)
                append(RANGE_ROWS, tuple(row), row)
    done = {row["file"] for row in rows_of(FILES)}
    for kind in ("manga", "kcwi", "nirspec"):
        if kind not in done:
            row = measure_file(kind, SEEDS[0])
            append(FILES, tuple(row), row)


def _mean(rows: list[dict[str, str]], name: str) -> str:
    """Return the mean of a column; what it says where it holds no numbers."""
    values = [row[name] for row in rows]
    return values[0] if values[0] == "refused" else f"{np.mean([*map(float, values)]):.3f}"


def table() -> str:
    """Return the tables: means over the seeds."""
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows_of(ROWS):
        groups.setdefault((row["scene"], row["redshift"], row["speed"]), []).append(row)
    models = " | ".join(f"ARI, {name}" for name in MODELS)
    lines = [f"| scene | redshift | velocity, km/s | {models} | largest error of the redshift |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for key, rows in groups.items():
        error = max(abs(float(row["error"])) for row in rows)
        found = " | ".join(_mean(rows, name) for name in MODELS)
        lines.append(f"| {' | '.join(key)} | {found} | {error:.1e} |")
    ranges: dict[str, list[dict[str, str]]] = {}
    for row in rows_of(RANGE_ROWS):
        ranges.setdefault(row["range"], []).append(row)
    lines += ["", f"| range, angstrom at rest | {models} | own principal components |",
              "|---|---|---|---|"]  # fmt: skip
    for name, rows in ranges.items():
        found = " | ".join(_mean(rows, each) for each in (*MODELS, "linear"))
        lines.append(f"| {name} | {found} |")
    sets: dict[str, list[dict[str, str]]] = {}
    for row in rows_of(SETS):
        sets.setdefault(row["set"], []).append(row)
    lines += ["", f"| set at rest, of 4750 to 9350 angstrom | {models} |", "|---|---|---|"]
    for name, rows in sets.items():
        lines.append(f"| {name} | {' | '.join(_mean(rows, each) for each in MODELS)} |")
    if FILES.exists():
        lines += ["", "| file | chosen | k | ARI | names |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['file']} | {row['chosen']} | {row['k']} | {float(row['ari']):.3f} | "
        f"{row['names']} |"
        for row in rows_of(FILES)
    ]
    return "\n".join(lines) + "\n"


def page() -> None:
    """Write the tables into the page, between two marks."""
    write_between(PAGE, BEGIN, END, table())


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    page()
