"""One page in two scans of different instruments: common clusters against the whole page.

    python -m benchmarks.scans run      append what is not measured yet to benchmarks/scans.csv
    python -m benchmarks.scans          write the table into docs/scans.md

The right half of a page is measured by another instrument: other channels (3 % more, shifted by
half a channel), a resolution 25 % worse, and more absorption of low energies.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

import spectessera as spt
from spectessera.cube import spectral_axis
from spectessera.evaluate import adjusted_rand_index
from spectessera.synth import Realism, miniature

from ._rows import append, rows_of, write_between

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "scans.csv", HERE.parent / "docs" / "scans.md"
FIELDS = ("page", "seed", "model", "scans", "clusters", "ari", "ari_left", "ari_right", "k_true")
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"
PAGES = {"choirbook": (940, 941), "gothic-book": (942,), "drawing": (944,)}
SHAPE = (96, 128)
COUNTS = 400


def two_scans(palette: str, seed: int) -> tuple[xr.DataArray, list[xr.DataArray], np.ndarray]:
    """Return a page, its two halves as different instruments measure them, and its colours."""
    picture = miniature(seed=seed, shape=SHAPE)
    cube, truth = spt.synth.cube_from_rgb(
        picture, palette, counts=COUNTS, seed=seed, realism=Realism()
    )
    half = SHAPE[1] // 2
    energy = spectral_axis(cube).values
    step = energy[1] - energy[0]
    other = np.arange(energy[0] + 0.5 * step, energy[-1], step / 1.03)
    expected = truth["expectation"].values[:, half:]
    width = 0.75 * 0.06 / step  # channels: with it a line of 0.145 keV (FWHM) gets 0.18 keV
    expected = gaussian_filter1d(expected, width, axis=2, mode="constant")
    dense = np.apply_along_axis(lambda row: np.interp(other, energy, row), 2, expected) / 1.03
    dense *= np.exp(-((3.0 / np.maximum(other, 1)) ** 2))
    drawn = np.random.default_rng([seed, 1]).poisson(np.maximum(dense, 0)).astype(np.uint16)
    right = spt.make_cube(drawn, energy=(other[0], other[-1]))
    return cube, [cube.isel(x=slice(half)), right], truth["label"].values


def labels_of(cube: xr.DataArray, model: str, seed: int) -> tuple[xr.Dataset, int]:
    """Return the result of a cube, with a shipped model or one trained on it."""
    if model == "trained":
        segmenter = spt.SpectralSegmenter(training=spt.Training(seed=seed)).fit(cube)
    else:
        segmenter = spt.load(model)
    result = spt.segment(cube, segmenter, seed=seed, neighbours=0)
    return result, int(result.attrs["n_clusters"])


def measure(palette: str, seed: int, model: str) -> None:
    """Append the rows of one page: whole, in two scans, and these with equal responses."""
    whole, halves, truth = two_scans(palette, seed)
    half, k_true = SHAPE[1] // 2, len(np.unique(truth))
    for name in ("one scan", "two scans", "two scans, responses matched"):
        if name == "one scan":
            result, k = labels_of(whole, model, seed)
            label = result["label"].values
        else:
            joined = spt.join_scans(halves, response="matched" in name, seed=seed)
            result, k = labels_of(joined, model, seed)
            label = np.hstack([each["label"].values for each in spt.split_scans(result).values()])
        scores = [
            adjusted_rand_index(truth[:, part].ravel(), label[:, part].ravel())
            for part in (slice(None), slice(half), slice(half, None))
        ]
        shown = [f"{each:.4f}" for each in scores]
        row = dict(zip(FIELDS, (palette, seed, model, name, k, *shown, k_true), strict=True))
        append(ROWS, FIELDS, row)


def table() -> str:
    """Return the means over all pages."""
    rows = rows_of(ROWS)
    lines = ["| model | scans | pages | ARI, all pixels | left | right | clusters, less colours |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for model in dict.fromkeys(row["model"] for row in rows):
        for name in dict.fromkeys(row["scans"] for row in rows):
            some = [row for row in rows if row["model"] == model and row["scans"] == name]
            cells = [np.mean([float(row[n]) for row in some])
                     for n in ("ari", "ari_left", "ari_right")]  # fmt: skip
            more = np.mean([int(row["clusters"]) - int(row["k_true"]) for row in some])
            shown = " | ".join(f"{each:.3f}" for each in cells)
            lines.append(f"| {model} | {name} | {len(some)} | {shown} | {more:+.1f} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Measure, or write the table."""
    if arguments == ["run"]:
        done = {(row["page"], row["seed"], row["model"]) for row in rows_of(ROWS)}
        for palette, seeds in PAGES.items():
            for seed in seeds:
                for model in ("maxrf", "trained"):
                    if (palette, str(seed), model) not in done:
                        measure(palette, seed, model)
    write_between(PAGE, BEGIN, END, table())


if __name__ == "__main__":
    main(sys.argv[1:])
