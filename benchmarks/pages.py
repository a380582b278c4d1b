"""Whole pages with the shipped model and with every baseline; and the time of a page."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import spectessera as spt
from spectessera import Clusters, Preprocess
from spectessera.baselines.cluster import cluster_cube
from spectessera.result import number_chosen
from spectessera.synth import Realism, cube_from_rgb, load_palette, miniature

SIDE, COUNTS, SEEDS = 128, 400, (1, 2)
PAGES = {
    "pure": Realism(thickness=(1, 1), mixture=0.0, background=0.0),
    "load": Realism(thickness=(0.25, 3.0), mixture=0.0, background=0.0),
    "mix": Realism(thickness=(0.25, 3.0), mixture=0.4, background=0.03),
}
BASELINES = {
    "maximum, PCA 3": ("pca", 3, Preprocess()),
    "root, PCA 10": ("pca", 10, Preprocess(stabilise="sqrt")),
    "mixture on root, PCA 10": ("gmm", 10, Preprocess(stabilise="sqrt", normalise="l2")),
    "linear": ("linear", 10, Preprocess()),
}
OURS = ("ours, pretrained", "ours, pretrained, on the sphere")
# A choice of k by Gaussian mixtures takes minutes per page.
SLOW_TO_CHOOSE = ("mixture on root, PCA 10",)
ONCE = """
import sys, time
start = time.perf_counter()
import spectessera as spt
cube = spt.read(sys.argv[1]).load()
model = spt.load("maxrf")
loaded = time.perf_counter()
spt.segment(cube, model)
end = time.perf_counter()
print(loaded - start, end - loaded)
"""


def page(
    kind: str, seed: int, side: int = SIDE, palette: str = "choirbook", counts: int = COUNTS
) -> tuple[Any, Any]:
    """Return a page and its truth; every pixel has the colour of a pigment of the palette."""
    paint = load_palette(palette)
    picture = miniature(seed, (side, side), palette=paint).astype(int)
    distance = np.square(picture[:, :, None] - paint.rgb.astype(int)).sum(axis=3)
    nearest = distance.argmin(axis=2)
    few = len(np.unique(nearest))
    return cube_from_rgb(
        paint.rgb[nearest],
        paint,
        counts=counts,
        threshold=1.0,
        clusters=Clusters(few, few),
        realism=PAGES[kind],
        seed=seed,
    )


def scores(kind: str) -> list[str]:
    """Return the rows of one kind of page: agreement, Tversky index and ARI for both k."""
    results: dict[str, list[tuple[float, ...]]] = {}
    for seed in SEEDS:
        cube, truth = page(kind, seed)
        k = len(np.unique(truth["label"])) - int((truth["label"] == 0).any())
        models = {name: spt.load("maxrf") for name in OURS}
        models[OURS[1]].set_params(clusters__metric="whitened-sphere")
        for name in (*OURS, *BASELINES):
            row: list[float] = []
            for clusters in (k, "cube"):
                if name in SLOW_TO_CHOOSE and clusters == "cube":
                    row += [np.nan] * 4
                    continue
                if name in BASELINES:
                    method, dimensions, preprocess = BASELINES[name]
                    ks = Clusters(k, k) if clusters == k else Clusters(2, 16)
                    result = cluster_cube(
                        cube, method, preprocess=preprocess, dimensions=dimensions, clusters=ks
                    )
                else:
                    result = spt.segment(cube, models[name], clusters)
                against = spt.compare(result["label"], truth["label"])
                row += [against.agreement, against.tversky, float(against.ari)]
                row += [number_chosen(result) - k] if clusters == "cube" else []
            results.setdefault(name, []).append(tuple(row))
    lines = []
    for name, rows in results.items():
        mean = np.mean(rows, axis=0)
        difference = ", ".join("-" if np.isnan(row[6]) else f"{int(row[6]):+d}" for row in rows)
        cells = " | ".join("-" if np.isnan(value) else f"{value:.3f}" for value in mean[:6])
        lines.append(f"| {kind} | {name} | {cells} | {difference} |")
    return lines


def seconds() -> list[str]:
    """Time the segmentation of a page of 256 x 256, after loading and from a cold start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.h5"
        spt.write(page("load", 1, 256)[0], path)
        steps, whole = [], []
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", ONCE, str(path)], capture_output=True, text=True, check=True
            )
            steps.append(tuple(float(each) for each in done.stdout.split()))
            start = time.perf_counter()
            command = [sys.executable, "-m", "spectessera.cli", "segment", str(path)]
            out = Path(folder) / "out"
            subprocess.run(
                [*command, "--model", "maxrf", "--out", str(out), "-q", "--overwrite"], check=True
            )
            whole.append(time.perf_counter() - start)
    load, segment = np.median(steps, axis=0)
    return [
        "A page of 256 x 256 pixels and 1,024 channels, k chosen from 2 to 16, medians of 3: "
        f"{segment:.1f} s after cube and model are loaded (loading, including imports: "
        f"{load:.1f} s); the command `spectessera segment page.h5 --model maxrf`, from a cold "
        f"start to all files written, {np.median(whole):.1f} s."
    ]


def main() -> list[str]:
    """Return the lines of the section."""
    lines = [
        f"Pages of {SIDE} x {SIDE} pixels in the pigments of the palette choirbook, {COUNTS} "
        "counts on average (Poisson; pigments differ in their rate), thickness varying smoothly "
        "from 0.25 to 3 times the nominal one; *mix*: with up to 40 % of a second pigment and 3 % "
        "background. Means of two pages. Agreement: share of pixels whose cluster is the one "
        "matched to their pigment; k difference: chosen minus true.",
        "",
        "| page | method | agreement, true k | Tversky | ARI | agreement, k chosen | Tversky "
        "| ARI | k difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("load", "mix"):
        lines += scores(kind)
    return [*lines, "", *seconds()]


if __name__ == "__main__":
    print("\n".join(main()))
