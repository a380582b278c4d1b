"""Rare groups: ten pixels of another kind, planted in cubes whose noise is known.

    python -m benchmarks.rare run [FOLDER]   append what is not measured yet
    python -m benchmarks.rare cost           measure the time
    python -m benchmarks.rare                only write the table into docs/rare.md

FOLDER holds muse_a478_halpha.fits.gz and NB_HII_grid.fits.gz; without it, and without the package
fisx, the sets that need them are left out. Constants were settled on the sets of our own simulator
with seeds up to 104 (of MUSE, MAPPINGS and fisx too, a few cubes were seen); here they are others.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
import xarray as xr

import spectessera as spt
from spectessera.inference import pipeline
from spectessera.segmenter.defaults import DEFAULTS

from . import engines, quality
from ._rows import append, rows_of
from .evidence import known_noise, noise_of_counts
from .pages import page

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "rare.csv", HERE.parent / "docs" / "rare.md"
HEAD, COST = HERE / "rare_head.md", HERE / "rare_cost.md"
FIELDS = ("set", "model", "seed", "k", "rare", "planted", "found", "others", "significance")
PLANTED, SEEDS, FEW, BARE = 10, range(600, 620), range(600, 604), range(600, 602)
# All planted pixels but one in a cluster of their own, with at most one other.
MISSED, OTHERS = 1, 1
# A network from scratch is trained for so many epochs only: rare groups are found without it.
EPOCHS = 5


def planted(values: np.ndarray, spectrum: np.ndarray, seed: int) -> np.ndarray:
    """Add a spectrum to ten of some spectra (n, channel), in place; return which."""
    rare = np.zeros(len(values), bool)
    rare[np.random.default_rng([seed, 10]).choice(len(values), PLANTED, replace=False)] = True
    values[rare] += spectrum
    return rare


def lines(channels: int, strongest: float, whole: float, seed: int) -> np.ndarray:
    """Return a spectrum of equal lines of one channel, in units of the noise of a channel."""
    spectrum = np.zeros(channels)
    count = max(1, round((whole / strongest) ** 2))
    places = np.random.default_rng([seed, 11]).choice(channels, count, replace=False)
    spectrum[places] = whole / np.sqrt(count)
    return spectrum


def gaussian(
    rows: int, columns: int, strongest: float, whole: float, seed: int, groups: int = 5
) -> tuple[xr.DataArray, np.ndarray]:
    """Return groups of 200 channels in noise of variance 1, with ten rare pixels."""
    generator = np.random.default_rng([seed, 12])
    n = rows * columns
    means = generator.normal(size=(groups, 200)) * (groups > 1)
    values = means[generator.integers(0, groups, n)] * generator.uniform(0.5, 1.5, (n, 1))
    values += generator.standard_normal(values.shape)
    rare = planted(values, lines(200, strongest, whole, seed), seed)
    image = values.reshape(rows, columns, -1).astype(np.float32)
    return spt.make_cube(image, wavelength=(400.0, 900.0), variance=np.ones_like(image)), rare


def painted_page(kind: str, pigment: str, counts: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return a page with ten pixels of a pigment that is not on its palette."""
    cube, _ = page(kind, seed, counts=counts)
    names = list(quality.PIGMENTS)
    spectrum = quality.all_pigments().template[names.index(pigment)]
    generator = np.random.default_rng([seed, 13])
    values = cube.values.reshape(-1, cube.sizes["channel"]).copy()
    rare = planted(values, 0 * values[0], seed)
    values[rare] = generator.poisson(counts * spectrum / spectrum.sum(), (PLANTED, len(spectrum)))
    return cube.copy(data=values.reshape(cube.shape)), rare


def with_line(drawn: quality.Drawn, whole: float, seed: int) -> tuple[Any, np.ndarray]:
    """Return spectra in noise of variance 1, ten of which have a further line."""
    spectra = drawn.spectra.astype(np.float64)
    rare = planted(spectra, profile(spectra.shape[1], whole, seed), seed)
    return known_noise(replace(drawn, spectra=spectra.astype(np.float32))), rare


def profile(channels: int, whole: float, seed: int) -> np.ndarray:
    """Return a line with a full width at half maximum of three channels, at any place."""
    centre = np.random.default_rng([seed, 14]).uniform(0.1, 0.9) * channels
    line = np.exp(-4 * np.log(2) * np.square((np.arange(channels) - centre) / 3))
    return whole * line / np.linalg.norm(line)


def muse(folder: Path, whole: float, seed: int) -> tuple[Any, np.ndarray]:
    """Return a measured cube, ten pixels of which have a further line."""
    cube = spt.read(folder / "muse_a478_halpha.fits.gz").load()
    values = cube.values.reshape(-1, cube.sizes["channel"]).astype(np.float64)
    sigma = np.sqrt(np.nanmedian(cube.coords["variance"].values, axis=(0, 1)))
    rare = planted(values, sigma * profile(len(sigma), whole, seed), seed)
    return cube.copy(data=values.reshape(cube.shape).astype(np.float32)), rare


def fisx(pigment: str, seed: int) -> tuple[Any, np.ndarray]:
    """Return spectra by fisx with ten of a pigment that is not on the palette."""
    from . import fisx_layers

    drawn = engines.FISX["fisx, 8 load, 400"](seed)
    spectrum = fisx_layers.expectations(pigment, "Rh")[2]
    spectra = drawn.spectra.copy()
    rare = planted(spectra, 0 * spectra[0], seed)
    expected = 400 * spectrum / spectrum.sum()
    spectra[rare] = np.random.default_rng([seed, 15]).poisson(expected, (PLANTED, len(spectrum)))
    return known_noise(replace(drawn, spectra=spectra)), rare


def none(make: Callable[[int], Any]) -> Callable[[int], tuple[Any, np.ndarray]]:
    """Return a set without rare pixels."""

    def made(seed: int) -> tuple[Any, np.ndarray]:
        cube = make(seed)
        return cube, np.zeros(cube.sizes["y"] * cube.sizes["x"], bool)

    return made


class Planned(NamedTuple):
    """A set: its name, a function of the seed, the shipped model, and how many seeds it has."""

    name: str
    make: Callable[[int], tuple[Any, np.ndarray]]
    model: str | None
    seeds: range = FEW


def plan(folder: Path | None) -> list[Planned]:
    """Return what is measured."""
    painted, plain = painted_page, none
    jobs = [
        Planned("groups, 1,590, 60 and 60", lambda s: gaussian(30, 53, 60, 60, s), None, SEEDS),
        Planned("groups, 1,590, 20 and 60", lambda s: gaussian(30, 53, 20, 60, s), None, SEEDS),
        Planned("noise, 1,590, 20 and 60", lambda s: gaussian(30, 53, 20, 60, s, 1), None, SEEDS),
        Planned("groups, 10,000, 10 and 30", lambda s: gaussian(100, 100, 10, 30, s), None, SEEDS),
        Planned("load, mosaic gold", lambda s: painted("load", "mosaic gold", 400, s), "maxrf"),
        Planned("mix, smalt", lambda s: painted("mix", "smalt", 400, s), "maxrf"),
        Planned("load", plain(lambda s: page("load", s)[0]), "maxrf", BARE),
        Planned("mix", plain(lambda s: page("mix", s)[0]), "maxrf", BARE),
        Planned(
            "mix, 10,000 counts", plain(lambda s: page("mix", s, counts=10_000)[0]), "maxrf", BARE
        ),
        Planned("noise, Poisson", plain(lambda s: known_noise(noise_of_counts(s))), None, BARE),
        Planned(
            "noise, Gaussian", plain(lambda s: known_noise(engines.noise("gauss", s))), None, BARE
        ),
    ]
    try:
        import fisx as _  # noqa: F401 (whether it is there)
    except ImportError:
        print("without the package fisx, its sets are left out")
    else:
        bare = plain(lambda s: known_noise(engines.FISX["fisx, 8 load, 400"](s)))
        jobs += [
            Planned("fisx, 8 load, mosaic gold", lambda s: fisx("mosaic gold", s), "maxrf"),
            Planned("fisx, 8 load", bare, "maxrf", BARE),
        ]
    if folder is not None:
        nebulae = engines.TABLES["MAPPINGS, S/N 10-30"]
        bare = plain(lambda s: known_noise(nebulae(folder, s)))
        jobs += [
            Planned("MAPPINGS, 30", lambda s: with_line(nebulae(folder, s), 30, s), "nebulae"),
            Planned("MAPPINGS", bare, "nebulae", BARE),
            Planned("MUSE, 30", lambda s: muse(folder, 30, s), None),
            Planned("MUSE", plain(lambda s: muse(folder, 0, s)[0]), None, BARE),
        ]
    return jobs


def measure(name: str, cube: Any, rare: np.ndarray, model: str | None, seed: int) -> dict[str, Any]:
    """Segment one cube and compare its rare groups with the planted pixels."""
    if model is None:
        training = replace(DEFAULTS["training"], seed=seed, epochs=EPOCHS)
        segmenter = spt.SpectralSegmenter(training=training).fit(cube)
    else:
        segmenter = spt.load(model)
    result = spt.segment(cube, segmenter, seed=seed)
    label, count = result["label"].values.ravel(), int(result.attrs["n_clusters"])
    inside = np.bincount(label[rare], minlength=count + 1)
    best = int(inside[1:].argmax()) + 1 if rare.any() else 0
    others = int((label == best).sum() - inside[best]) if best else 0
    found = result["rare"].values[best - 1] if best and "rare" in result else np.nan
    return {
        "set": name, "model": model or "scratch", "seed": seed, "k": count,
        "rare": result.attrs.get("rare_clusters", ""), "planted": int(rare.sum()),
        "found": int(inside[best]) if best else 0, "others": others,
        "significance": round(float(found), 1),
    }  # fmt: skip


def run(folder: Path | None) -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["set"], row["seed"]) for row in rows_of(ROWS)}
    for name, make, model, seeds in plan(folder):
        for seed in seeds:
            if (name, str(seed)) not in done:
                append(ROWS, FIELDS, measure(name, *make(seed), model, seed))


def table() -> str:
    """Return the table of all sets."""
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows_of(ROWS):
        found.setdefault((row["set"], row["model"]), []).append(row)
    lines = [
        "| set | network | planted pixels found | in a cluster of their own | standard errors "
        "(smallest) | other rare groups |",
        "|---|---|---|---|---|---|",
    ]
    for (name, model), group in found.items():
        planted = sum(int(row["planted"]) for row in group)
        cells = ["", "", ""]
        if planted:
            own = [row for row in group if is_own(row)]
            errors = [float(row["significance"]) for row in own if row["significance"] != "nan"]
            mostly = [row for row in group if int(row["found"]) > int(row["others"])]
            inside = sum(int(row["found"]) for row in mostly)
            cells = [f"{inside} of {planted}", f"{len(own)} of {len(group)}"]
            cells.append(f"{min(errors):.0f}" if errors else "a cluster of k-means")
        more = sum(int(row["rare"] or 0) - (row["significance"] != "nan") for row in group)
        lines.append(f"| {name} | {model} | {' | '.join(cells)} | {more} in {len(group)} |")
    return "\n".join(lines)


def is_own(row: dict[str, str]) -> bool:
    """Return whether nearly all planted pixels are a cluster, nearly without others."""
    return int(row["planted"]) - int(row["found"]) <= MISSED and int(row["others"]) <= OTHERS


def cost() -> str:
    """Measure what rare groups cost, in seconds of the processor, and return a sentence."""
    torch.set_num_threads(1)
    spent = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.h5"
        spt.write(page("load", 1, 256)[0], path)
        model = spt.load("maxrf")
        spt.segment(spt.read(path), model)  # imports are not timed
        for name, found in (("without", lambda *_: None), ("with", pipeline.far_model)):
            with patch.object(pipeline, "far_model", found):
                start = time.process_time()
                spt.segment(spt.read(path), model)
                spent[name] = time.process_time() - start
    whole, more = spent["with"], spent["with"] - spent["without"]
    share = 100 * more / spent["without"]
    return (
        "Cost: segmenting a page of 256 x 256 pixels and 1,024 channels, from a file, with `maxrf` "
        f"takes {whole:.1f} seconds of the processor, {more:.1f} of them for rare groups: "
        f"{share:.1f} % more than without (one run, one thread)."
    )


def write_page() -> None:
    """Write the page from its head, all rows and the cost."""
    text = HEAD.read_text(encoding="utf-8").replace("<TABLE>", table())
    text = text.replace("<COST>", COST.read_text(encoding="utf-8").rstrip())
    PAGE.write_text(text + "\nWritten by `python -m benchmarks.rare`.\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    if sys.argv[1:2] == ["cost"]:
        COST.write_text(cost() + "\n", encoding="utf-8")
    write_page()
