"""Quality of the maps: every method on new synthetic draws and on labelled real cubes.

    python -m benchmarks.quality                     all methods and sets, five seeds
    python -m benchmarks.quality --only nebulae      sets whose name contains a word
    python -m benchmarks.quality --folder FOLDER     also jasper_ridge.npz of that folder
    python -m benchmarks.quality --further pages     measure one further section again
    python -m benchmarks.quality --page              only write the page

Every row (a set, a seed, a method) is appended to quality.csv when it is measured, and existing
rows are not measured again; QUALITY.md is written from all rows. No method uses labels. The seeds
of the draws were used neither for training nor for the choice of settings.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training
from spectessera.axis import Axis
from spectessera.baselines.cluster import embed
from spectessera.baselines.mixture import mixtures
from spectessera.evaluate import compare
from spectessera.kmeans.points import cluster_points
from spectessera.synth import load_palette, nebular_spectra, xrf_spectra
from spectessera.synth.paint.palettes import Palette, assemble
from spectessera.synth.paint.pigments import PIGMENTS

from ._timing import measured

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "quality.csv", HERE / "QUALITY.md"
SEEDS = (3000, 3001, 3002, 3003, 3004)
SPECTRA = 4000
FIELDS = ("set", "seed", "method", "ari", "f1", "tversky", "seconds", "k", "chosen")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Spectra (n, channel), their classes (n,), 0 = none, their axis and the shipped model."""

    spectra: np.ndarray
    label: np.ndarray
    axis: Axis
    model: str | None

    @property
    def k(self) -> int:
        """Number of classes."""
        return len(np.unique(self.label[self.label > 0]))

    def cube(self) -> object:
        """Return the spectra as a cube of one column."""
        counted = self.model == "maxrf"
        values = self.spectra.astype(np.uint16) if counted else self.spectra
        return spt.make_cube(values[:, None, :], axis=self.axis)


# --- sets ------------------------------------------------------------------------------------


@cache
def all_pigments() -> Palette:
    """Return the palette of all 24 pigments."""
    return assemble("all", list(PIGMENTS.values()))


def pigments(palette: str, mode: str, counts: int, seed: int) -> Drawn:
    """Draw XRF spectra, their 1024 channels summed in pairs."""
    paint = all_pigments() if palette == "all" else load_palette(palette)
    block = xrf_spectra(SPECTRA, paint, mode, counts, seed=seed).collect()
    spectra = block.spectra.reshape(SPECTRA, 512, 2).sum(axis=2).astype(np.float32)
    axis = Axis(paint.axis.values.reshape(512, 2).mean(axis=1), "keV")
    return Drawn(spectra, block.label, axis, "maxrf")


def nebulae(low: float, high: float, background: float, seed: int) -> Drawn:
    """Draw nebular spectra; spectra of pure noise are a separate class."""
    axis = Axis(np.linspace(4750, 9350, 1024), "angstrom", medium="air")
    stream = nebular_spectra(SPECTRA, (low, high), background=background, seed=seed, axis=axis)
    block = stream.collect()
    return Drawn(block.spectra, block.label + (background > 0), axis, "nebulae")


def indian_pines(seed: int) -> Drawn:  # noqa: ARG001 (a real cube is the same for every seed)
    """Return the AVIRIS cube that ships with the package tensorly."""
    from tensorly.datasets import load_indian_pines

    bunch = load_indian_pines()
    values = np.asarray(bunch.tensor, dtype=np.float32)
    label = np.asarray(bunch.ticks[0], dtype=np.int64).reshape(-1)
    return Drawn(values.reshape(len(label), -1), label, Axis(np.arange(values.shape[2])), None)


def jasper_ridge(folder: Path, seed: int) -> Drawn:  # noqa: ARG001
    """Return the AVIRIS cube of a file with ``cube`` and ``labels``."""
    with np.load(folder / "jasper_ridge.npz", allow_pickle=False) as stored:
        values, label = stored["cube"].astype(np.float32), stored["labels"].reshape(-1)
    spectra = values.reshape(len(label), -1)
    return Drawn(spectra, label.astype(np.int64), Axis(np.arange(spectra.shape[1])), None)


SETS: dict[str, Callable[[int], Drawn]] = {
    "8 load, 400": partial(pigments, "choirbook", "load", 400),
    "8 mix, 400": partial(pigments, "choirbook", "mix", 400),
    "8 mix, 1000": partial(pigments, "choirbook", "mix", 1000),
    "12 load, 400": partial(pigments, "gothic-book", "load", 400),
    "12 load, 1000": partial(pigments, "gothic-book", "load", 1000),
    "12 mix, 400": partial(pigments, "gothic-book", "mix", 400),
    "24 load, 1000": partial(pigments, "all", "load", 1000),
    "nebulae, S/N 5-10": partial(nebulae, 5, 10, 0.0),
    "nebulae, S/N 10-30": partial(nebulae, 10, 30, 0.0),
    "nebulae, S/N 30-100": partial(nebulae, 30, 100, 0.0),
    "nebulae, S/N 10-30, a quarter noise": partial(nebulae, 10, 30, 0.25),
    "Indian Pines": indian_pines,
}
# Further sections: the module that measures each, and its title.
FURTHER = {
    "ceiling": "Upper limit: a network trained with labels",
    "pages": "Whole pages",
    "options": "Effect of each deep option",
}
DRAWN = tuple(name for name in SETS if name != "Indian Pines")
WIDEST = {24: 28, 16: 20, 12: 16, 8: 12}


# --- methods -----------------------------------------------------------------------------------

# A method: spectra, range of k, seed -> labels (n,) from 0, chosen k.
Method = Callable[[Drawn, Clusters, int], tuple[np.ndarray, int]]


def _embedded(
    method: str, dimensions: int, normalise: str | None, drawn: Drawn, ks: Clusters, seed: int
) -> tuple[np.ndarray, int]:
    inputs = Preprocess(normalise=normalise).apply(drawn.spectra, drawn.axis).values
    if method == "sqrt-pca":
        inputs, method = np.sqrt(np.maximum(inputs, 0)), "pca"
    points = embed(inputs, method, dimensions=dimensions, seed=seed).points
    found = cluster_points(points, replace(ks, metric="euclidean"), seed=seed)
    return found.labels, len(found.centers)


def _mixture(drawn: Drawn, ks: Clusters, seed: int) -> tuple[np.ndarray, int]:
    """Cluster principal components of square roots by Gaussian mixtures; k by the silhouette."""
    roots = Preprocess(stabilise="sqrt", normalise="l2").apply(drawn.spectra, drawn.axis).values
    points = embed(roots, "gmm", dimensions=10, seed=seed).points
    found = mixtures(points, ks, seed=seed)
    return found.labels, len(found.centers)


def _trained(settings: dict, drawn: Drawn, ks: Clusters, seed: int) -> tuple[np.ndarray, int]:
    training = replace(settings.get("training", _default("training")), seed=seed)
    arguments = {"clusters": ks, **settings, "training": training}
    if "metric" in settings:
        arguments["clusters"] = replace(ks, metric=arguments.pop("metric"))
    segmenter = SpectralSegmenter(**arguments).fit(drawn.spectra)
    return segmenter.labels_, segmenter.n_clusters_


@lru_cache(maxsize=1)
def _scratch(drawn: Drawn, seed: int) -> SpectralSegmenter:
    training = replace(_default("training"), seed=seed)
    return SpectralSegmenter(training=training).fit(drawn.spectra)


def _from_scratch(drawn: Drawn, ks: Clusters, seed: int) -> tuple[np.ndarray, int]:
    """Train once per draw: without a cluster term the training does not depend on k."""
    segmenter = _scratch(drawn, seed)
    clusters = replace(segmenter.config("clusters"), k_min=ks.k_min, k_max=ks.k_max)
    found = segmenter.cluster(segmenter.transform(drawn.spectra), clusters, seed=seed)
    return found.labels, len(found.centers)


def _default(name: str) -> Training:
    from spectessera.segmenter.defaults import DEFAULTS

    return DEFAULTS[name]


def _pretrained(
    metric: str | None, drawn: Drawn, ks: Clusters, seed: int
) -> tuple[np.ndarray, int]:
    assert drawn.model is not None
    model = _shipped(drawn.model)
    clusters = replace(model.config("clusters"), k_min=ks.k_min, k_max=ks.k_max)
    if metric is not None:
        clusters = replace(clusters, metric=metric)
    found = model.cluster(model.transform(drawn.spectra), clusters, seed=seed)
    return found.labels, len(found.centers)


def _fine_tuned(drawn: Drawn, ks: Clusters, seed: int) -> tuple[np.ndarray, int]:
    from spectessera.segmenter.defaults import fine_tuning

    assert drawn.model is not None
    model = _shipped(drawn.model)
    clusters = replace(model.config("clusters"), k_min=ks.k_min, k_max=ks.k_max)
    training = replace(fine_tuning(model.config("training").loss), seed=seed)
    segmenter = SpectralSegmenter(clusters=clusters, training=training)
    segmenter.fit(drawn.cube(), start=model)
    return segmenter.labels_, segmenter.n_clusters_


@cache
def _shipped(name: str) -> SpectralSegmenter:
    return spt.load(name)


PAPER = {
    "preprocess": Preprocess(),
    "network": Network(latent=3),
    "training": Training(epochs=40, gamma=0.1),
    "metric": "euclidean",
}
METHODS: dict[str, Method] = {
    "k-means, maximum": partial(_embedded, "raw", 1, "max"),
    "k-means, L2": partial(_embedded, "raw", 1, "l2"),
    "maximum, PCA 3": partial(_embedded, "pca", 3, "max"),
    "root, PCA 10": partial(_embedded, "sqrt-pca", 10, None),
    "linear": partial(_embedded, "linear", 10, None),
    "mixture on root, PCA 10": _mixture,
    "UMAP": partial(_embedded, "umap", 3, "l2"),
    "paper's autoencoder": partial(_trained, PAPER),
    "ours, from scratch": _from_scratch,
    "ours, pretrained": partial(_pretrained, None),
    "ours, pretrained, on the sphere": partial(_pretrained, "whitened-sphere"),
    "ours, fine-tuned": _fine_tuned,
}
SIMULATED = ("ours, pretrained", "ours, pretrained, on the sphere", "ours, fine-tuned")
SLOW = ("UMAP",)  # for tens of thousands of pixels
CHOOSING = ("linear", "ours, from scratch", "ours, pretrained")


# --- measuring ---------------------------------------------------------------------------------


def scored(drawn: Drawn, label: np.ndarray) -> dict[str, float]:
    """Return the scores of labels from 0; unlabelled spectra are left out."""
    scores = compare(label + 1, drawn.label)
    return {"ari": scores.ari, "f1": scores.f1, "tversky": scores.tversky}


def measure(name: str, drawn: Drawn, seed: int, method: str) -> dict[str, object]:
    """Run one method with the true k; methods that choose k also run with a range of k."""
    start = time.perf_counter()
    label, _ = METHODS[method](drawn, Clusters(drawn.k, drawn.k), seed)
    seconds = time.perf_counter() - start
    chosen: int | str = ""
    if method in CHOOSING:
        free = Clusters(2, WIDEST.get(drawn.k, 10))
        _, chosen = METHODS[method](drawn, free, seed)
    row = {"set": name, "seed": seed, "method": method, "seconds": seconds, "k": drawn.k}
    return row | scored(drawn, label) | {"chosen": chosen}


def rows() -> list[dict[str, str]]:
    """Return the measured rows."""
    if not ROWS.exists():
        return []
    with ROWS.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(sets: dict[str, Callable[[int], Drawn]], words: list[str], methods: list[str]) -> None:
    """Measure the missing rows."""
    done = {(row["set"], row["seed"], row["method"]) for row in rows()}
    for name, draw in sets.items():
        if words and not any(word in name for word in words):
            continue
        for seed in SEEDS:
            drawn = None
            for method in METHODS:
                if (name, str(seed), method) in done or (methods and method not in methods):
                    continue
                drawn = drawn or draw(seed)
                if drawn.model is None and method in SIMULATED:
                    continue
                if method in SLOW and len(drawn.spectra) > 5000:
                    continue
                append(measure(name, drawn, seed, method))


def append(row: dict[str, object]) -> None:
    """Append a row to the file."""
    new = not ROWS.exists()
    with ROWS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{v:.4f}" if isinstance(v, float) else v for key, v in row.items()})
    print(", ".join(str(row[key]) for key in ("set", "seed", "method")), f"{row['ari']:.3f}")


# --- the page ----------------------------------------------------------------------------------


def table(every: list[dict[str, str]], field: str, digits: int = 3) -> list[str]:
    """Return a table of means over the seeds: sets as rows, methods as columns."""
    sets = list(dict.fromkeys(row["set"] for row in every))
    methods = [m for m in METHODS if any(r["method"] == m and r[field] for r in every)]
    lines = ["| set | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for name in sets:
        cells = []
        for method in methods:
            mine = [
                float(r[field])
                for r in every
                if r["set"] == name and r["method"] == method and r[field]
            ]
            cells.append(f"{np.mean(mine):.{digits}f}" if mine else "-")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def choice(every: list[dict[str, str]]) -> list[str]:
    """Return how often the chosen k is right, and right within one."""
    heads = ("method", "right", "within 1", "of draws", "chosen (true), by set")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for method in CHOOSING:
        own = [r for r in every if r["method"] == method and r["chosen"] and r["set"] in DRAWN]
        if not own:
            continue
        difference = np.array([int(r["chosen"]) - int(r["k"]) for r in own])
        sets = dict.fromkeys(r["set"] for r in own)
        by_set = "; ".join(
            f"{name}: {', '.join(r['chosen'] for r in own if r['set'] == name)} "
            f"({next(r['k'] for r in own if r['set'] == name)})"
            for name in sets
        )
        lines.append(
            f"| {method} | {np.mean(difference == 0):.0%} | {np.mean(abs(difference) <= 1):.0%} | "
            f"{len(own)} | {by_set} |"
        )
    return lines


def write_page() -> None:
    """Write QUALITY.md: quality_head.md, tables of all rows, further sections, quality_tail.md."""
    every = rows()
    parts = [(HERE / "quality_head.md").read_text(encoding="utf-8").rstrip(), ""]
    for title, field in (("Adjusted Rand index", "ari"), ("F1, macro", "f1"),
                         ("Tversky index, macro", "tversky")):  # fmt: skip
        parts += [*measured(f"{title}, true k", table(every, field)), ""]
    parts += ["## Seconds, on one thread", "", *table(every, "seconds", 1), ""]
    parts += ["## The k chosen in the latents alone, by stability", "", *choice(every), ""]
    for name in ("peers", "left_out", *FURTHER, "tail"):
        further = HERE / f"quality_{name}.md"
        if further.exists():
            parts += [further.read_text(encoding="utf-8").rstrip(), ""]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def run_further(names: list[str]) -> None:
    """Measure further sections of the page and write each to a file."""
    from importlib import import_module

    for name in names:
        lines = import_module(f"benchmarks.{name}").main()
        text = "\n".join(measured(FURTHER[name], lines)) + "\n"
        (HERE / f"quality_{name}.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="words in the names of sets")
    parser.add_argument("--methods", nargs="*", default=[], help="full names of methods")
    parser.add_argument("--folder", type=Path, help="folder of jasper_ridge.npz")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument(
        "--further", nargs="*", default=None, help="sections: ceiling, pages, options"
    )
    arguments = parser.parse_args()
    if arguments.further is not None:
        run_further(arguments.further or list(FURTHER))
        write_page()
        return
    torch.set_num_threads(1)
    sets = dict(SETS)
    if arguments.folder is not None:
        sets["Jasper Ridge"] = partial(jasper_ridge, arguments.folder)
    if not arguments.page:
        run(sets, arguments.only, arguments.methods)
        missing = [name for name in FURTHER if not (HERE / f"quality_{name}.md").exists()]
        run_further(missing if not arguments.methods else [])
    write_page()


if __name__ == "__main__":
    main()
