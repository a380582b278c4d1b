"""Cubes whose noise is not known: the default settings, and the number of clusters by neighbours.

    python -m benchmarks.unknown_noise run [FOLDER]   append what is not measured yet
    python -m benchmarks.unknown_noise                only write the page unknown_noise.md

FOLDER holds the labelled cubes jasper_ridge.npz and indian_pines.npz and the map of a uniform film
xrf_aps_axo_11x11.npz, in any folder below it; without it they are left out. The rules were settled
on Jasper Ridge and on synthetic maps with the seeds 100 to 102; the seeds here are others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.result import number_chosen
from spectessera.segmenter.defaults import DEFAULTS

from . import engines
from ._rows import append, rows_of
from .evidence import ari

HERE = Path(__file__).parent
ROWS, PAGE, HEAD = (HERE / f"unknown_noise{ending}" for ending in (".csv", ".md", "_head.md"))
FIELDS = ("table", "set", "seed", "variant", "criterion", "k", "ari", "best_k", "best_ari",
          "structure")  # fmt: skip
SEEDS = range(500, 502)
NOISE_SEEDS = range(500, 508)
TRAININGS = range(2)
SIDE, GRAIN = 48, 8
FORMER = {
    "stabilise": "sqrt", "metric": "half-whitened-sphere", "train_encoder": True, "restarts": 10
}  # fmt: skip
# The former default, every change alone, and all of them: the default.
VARIANTS: dict[str, dict[str, Any]] = {
    "former": FORMER,
    "no root": FORMER | {"stabilise": None},
    "no sphere": FORMER | {"metric": "half-whitened"},
    "encoder not trained": FORMER | {"train_encoder": False},
    "30 seedings": FORMER | {"restarts": 30},
    "default": {},
}


# --- sets ----------------------------------------------------------------------------------------


def scene(materials: int, seed: int, *, shuffled: bool = False) -> tuple[Any, np.ndarray]:
    """Return a map of reflectances whose noise is not known, and its classes (y, x)."""
    generator = np.random.default_rng([seed, 8])
    where = engines.regions(materials, SIDE, GRAIN, generator) + 1
    if shuffled:
        where = generator.permutation(where)
    drawn = engines.reflectance(seed, SIDE * SIDE, materials=materials, where=where)
    cube = spt.make_cube(drawn.spectra.reshape(SIDE, SIDE, -1), axis=drawn.axis)
    return cube, drawn.label.reshape(SIDE, SIDE)


def shuffled_groups(seed: int) -> tuple[Any, np.ndarray]:
    """Return six Gaussian groups whose pixels are anywhere."""
    drawn = engines.gauss(seed, SIDE * SIDE, 8.0)
    return spt.make_cube(drawn.spectra.reshape(SIDE, SIDE, -1)), drawn.label.reshape(SIDE, SIDE)


def noise(kind: str, seed: int) -> tuple[Any, np.ndarray]:
    """Return a map of pixels that differ by noise only, and "bright" ones by their brightness."""
    drawn = engines.noise("gauss" if kind == "bright" else kind, seed, 32 * 32)
    spectra = drawn.spectra.reshape(32, 32, -1)
    unseen = {"noise": "residual"} if kind == "bright" else {}
    if kind == "bright":  # counts, of which it is said that their noise is not known
        generator = np.random.default_rng([seed, 7])
        mean = np.maximum(drawn.spectra.mean(axis=0), 0)
        spectra = generator.poisson(generator.uniform(0.5, 1.5, (32, 32, 1)) * 20 * mean)
    return spt.make_cube(spectra.astype(np.float32), attrs=unseen), np.ones((32, 32), int)


def stored(folder: Path, name: str, **attrs: str) -> tuple[Any, np.ndarray | None]:
    """Return a cube of a file, and its classes (y, x), 0 = none, if it has any."""
    path = next(folder.rglob(name))
    with np.load(path, allow_pickle=False) as arrays:
        label = arrays["labels"].astype(np.int64) if "labels" in arrays else None
    return spt.read(path).assign_attrs(attrs), label


def sets_of(folder: Path | None) -> Iterator[tuple[str, str, Any, range, int]]:
    """Yield table, name, what draws a set for a seed, its seeds, and the largest k."""
    if folder is not None:
        for name, k in (("jasper_ridge", 12), ("indian_pines", 20)):
            draw = partial(_ignored, partial(stored, folder, f"{name}.npz"))
            yield "settings", name, draw, TRAININGS, k
            yield "k", name, draw, range(1), k
        for ending, attrs in (("", {}), (", noise not known", {"noise": "residual"})):
            film = partial(_ignored, partial(stored, folder, "xrf_aps_axo_11x11.npz", **attrs))
            yield "k", f"uniform film{ending}", film, range(1), 15
    yield "settings", "reflectance, 6", partial(scene, 6), SEEDS, 6
    for materials in range(4, 11):
        yield "k", f"reflectance, {materials}", partial(scene, materials), SEEDS, 14
    yield "k", "reflectance, 6, shuffled", partial(scene, 6, shuffled=True), SEEDS, 12
    yield "k", "Gaussian groups, 6, shuffled", shuffled_groups, SEEDS, 12
    for kind in ("gauss", "correlated", "bright"):
        yield "k", f"noise, {kind}", partial(noise, kind), NOISE_SEEDS, 6


def _ignored(read: Any, seed: int) -> Any:  # noqa: ARG001 (a real cube is the same for every seed)
    return read()


# --- measurements --------------------------------------------------------------------------------


def segmenter_of(changes: dict[str, Any], seed: int) -> SpectralSegmenter:
    """Return a new segmenter with the default settings and some changes."""
    owners = {"stabilise": "preprocess", "metric": "clusters", "restarts": "clusters"}
    configs = DEFAULTS | {"training": replace(DEFAULTS["training"], seed=seed)}
    for name, value in changes.items():
        owner = owners.get(name, "training")
        configs[owner] = replace(configs[owner], **{name: value})
    return SpectralSegmenter(**configs)


def measure_settings(name: str, cube: Any, label: np.ndarray, seed: int) -> Iterator[dict]:
    """Segment a cube with every variant of the settings, for the true k."""
    known = label > 0
    k = len(np.unique(label[known]))
    for variant, changes in VARIANTS.items():
        segmenter = segmenter_of(changes, seed).fit(cube)
        found = spt.segment(cube, segmenter, k, seed=seed, means=False)["label"].values
        yield {
            "table": "settings", "set": name, "seed": seed, "variant": variant, "k": k,
            "ari": ari(found[known], label[known]),
        }  # fmt: skip


def measure_k(
    name: str, cube: Any, label: np.ndarray | None, seed: int, k_max: int
) -> Iterator[dict]:
    """Choose k by stability and by evidence, and try every k."""
    segmenter = segmenter_of({}, 0 if seed < 100 else seed).fit(cube)
    base = replace(segmenter.config("clusters"), k_min=2, k_max=k_max)
    best: dict[str, Any] = {}
    known = np.zeros(cube.shape[:2], bool) if label is None else label > 0
    if label is not None and label.max() > 1:
        latent = segmenter.transform(cube)
        tried = [
            segmenter.cluster(latent, replace(base, k_min=k, k_max=k), seed=seed).labels + 1
            for k in range(2, k_max + 1)
        ]
        scores = [ari(each.reshape(label.shape)[known], label[known]) for each in tried]
        best = {"best_k": 2 + int(np.argmax(scores)), "best_ari": max(scores)}
    for criterion in ("stability", "evidence"):
        segmenter.set_params(clusters=replace(base, criterion=criterion))
        result = spt.segment(cube, segmenter, seed=seed, means=False)
        row = {
            "table": "k", "set": name, "seed": seed, "variant": criterion,
            "criterion": result.attrs["criterion"], "k": number_chosen(result),
            "structure": round(result.attrs.get("structure", np.nan), 1),
        }  # fmt: skip
        if best:
            row["ari"] = ari(result["label"].values[known], label[known])
        yield row | best


def run(folder: Path | None) -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["table"], row["set"], int(row["seed"])) for row in rows_of(ROWS)}
    tasks = [
        (turn, table, name, draw, seed, k_max)
        for table, name, draw, seeds, k_max in sets_of(folder)
        for turn, seed in enumerate(seeds)
    ]
    for _, table, name, draw, seed, k_max in sorted(tasks, key=lambda task: task[0]):
        if (table, name, seed) in done:
            continue
        cube, label = draw(seed)
        if table == "settings":
            rows = list(measure_settings(name, cube, label, seed))
        else:
            rows = list(measure_k(name, cube, label, seed, k_max))
        for row in rows:  # all or none
            append(ROWS, FIELDS, row)


# --- the page ------------------------------------------------------------------------------------


def settings_table(rows: list[dict[str, str]]) -> list[str]:
    """Return the table of the settings."""
    rows = [row for row in rows if row["table"] == "settings"]
    names = list(dict.fromkeys(row["set"] for row in rows))
    lines = [f"| settings | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for variant in VARIANTS:
        cells = []
        for name in names:
            found = [
                float(row["ari"]) for row in rows if (row["set"], row["variant"]) == (name, variant)
            ]
            spread = f" ({min(found):.3f} to {max(found):.3f})"
            cells.append(f"{np.mean(found):.3f}{spread}")
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return lines


def k_table(rows: list[dict[str, str]]) -> list[str]:
    """Return the table of the numbers of clusters."""
    rows = [row for row in rows if row["table"] == "k"]
    lines = [
        "| set | k by stability | regret | k by default | chosen by | regret | best k | best ARI |",
        "|---|---|---|---|---|---|---|---|",
    ]
    mixtures: dict[str, list[float]] = {"stability": [], "evidence": []}
    for name in dict.fromkeys(row["set"] for row in rows):
        cells = {}
        for variant in mixtures:
            some = [row for row in rows if (row["set"], row["variant"]) == (name, variant)]
            ks = ", ".join(row["k"] for row in some)
            if name.startswith("noise"):
                ks = f"1 in {sum(row['k'] == '1' for row in some)} of {len(some)}"
            lost = [float(r["best_ari"]) - float(r["ari"]) for r in some if r["best_ari"]]
            if name.startswith("reflectance") and "shuffled" not in name:
                mixtures[variant] += lost
            cells[variant] = ks, f"{np.mean(lost):.3f}" if lost else ""
        by = ", ".join(dict.fromkeys(row["criterion"] for row in some))
        best = ", ".join(row["best_k"] for row in some) if lost else ""
        score = f"{np.mean([float(row['best_ari']) for row in some]):.3f}" if lost else ""
        (old, before), (new, after) = cells.values()
        lines.append(f"| {name} | {old} | {before} | {new} | {by} | {after} | {best} | {score} |")
    old, new = (f"{np.mean(each):.3f} ({np.max(each):.3f})" for each in mixtures.values())
    return [*lines, f"| reflectances, not shuffled: mean (worst) | | {old} | | | {new} | | |"]


def write_page() -> None:
    """Write the page from all rows."""
    rows = rows_of(ROWS)
    text = HEAD.read_text(encoding="utf-8")
    text = text.replace("<SETTINGS>", "\n".join(settings_table(rows)))
    text = text.replace("<K>", "\n".join(k_table(rows)))
    written = "Written by `python -m benchmarks.unknown_noise`.\n"
    PAGE.write_text(f"{text.rstrip()}\n\n{written}", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    write_page()
