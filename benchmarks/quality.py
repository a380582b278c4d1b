"""Quality of the maps: every method on new synthetic draws and on labelled real cubes.

    python -m benchmarks.quality                     all methods and sets, five seeds
    python -m benchmarks.quality --only nebulae      sets whose name contains a word
    python -m benchmarks.quality --seeds 2           the first two seeds only
    python -m benchmarks.quality --folder FOLDER     also jasper_ridge.npz of that folder
    python -m benchmarks.quality --tables FOLDER     also the grids of MAPPINGS and CLOUDY in it
    python -m benchmarks.quality --further pages     measure one further section again
    python -m benchmarks.quality --page              only write the page
    python -m benchmarks.quality --again             compare rows of the first seed with new ones

Every row (a set, a seed, a method) is appended to quality.csv when it is measured, and existing
rows are not measured again; QUALITY.md is written from all rows. No method uses labels. The seeds
of the draws were used neither for training nor for the choice of settings. Sets by fisx are left
out without that package.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training
from spectessera.baselines.cluster import embed
from spectessera.baselines.mixture import mixtures
from spectessera.evaluate import compare
from spectessera.inference import averaged_spectra, choose_neighbours, intake_before_training
from spectessera.kmeans.points import cluster_points
from spectessera.result import number_chosen
from spectessera.segmenter.defaults import DEFAULTS, fine_tuning

from . import engines
from ._timing import measured
from .drawn import SETS, Drawn, jasper_ridge

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "quality.csv", HERE / "QUALITY.md"
SEEDS = (3000, 3001, 3002, 3003, 3004)
FIELDS = ("set", "seed", "method", "ari", "f1", "tversky", "seconds", "k", "chosen")
# Further sections: the module that measures each, and its title.
FURTHER = {
    "ceiling": "Upper limit: a network trained with labels",
    "pages": "Whole pages",
    "options": "Effect of each deep option",
}
REAL = ("Indian Pines", "Jasper Ridge")
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
    training = replace(settings.get("training", DEFAULTS["training"]), seed=seed)
    arguments = {"clusters": ks, **settings, "training": training}
    if "metric" in settings:
        arguments["clusters"] = replace(ks, metric=arguments.pop("metric"))
    segmenter = SpectralSegmenter(**arguments).fit(drawn.spectra)
    return segmenter.labels_, segmenter.n_clusters_


@lru_cache(maxsize=1)
def _scratch(drawn: Drawn, seed: int) -> SpectralSegmenter:
    training = replace(DEFAULTS["training"], seed=seed)
    return SpectralSegmenter(training=training).fit(drawn.spectra)


def _from_scratch(drawn: Drawn, ks: Clusters, seed: int) -> tuple[np.ndarray, int]:
    """Train once per draw: without a cluster term the training does not depend on k."""
    segmenter = _scratch(drawn, seed)
    clusters = replace(segmenter.config("clusters"), k_min=ks.k_min, k_max=ks.k_max)
    found = segmenter.cluster(segmenter.transform(drawn.spectra), clusters, seed=seed)
    return found.labels, len(found.centers)


@lru_cache(maxsize=1)
def _scratch_averaged(drawn: Drawn, seed: int) -> tuple[object, object, SpectralSegmenter]:
    """Return a map, its neighbours, and a network trained on averaged spectra."""
    cube = drawn.cube()
    intake = intake_before_training(cube, DEFAULTS["preprocess"])
    chosen = choose_neighbours(cube, intake)
    spectra = cube if chosen.window == 1 else averaged_spectra(cube, chosen, intake)
    training = replace(DEFAULTS["training"], seed=seed)
    return cube, chosen, SpectralSegmenter(training=training).fit(spectra)


def _with_neighbours(drawn: Drawn, ks: Clusters, seed: int) -> tuple[np.ndarray, int]:
    """Label a map like `segment --fit`: every pixel with its neighbours; k by evidence."""
    cube, chosen, segmenter = _scratch_averaged(drawn, seed)
    segmenter.set_params(clusters__k_min=ks.k_min, clusters__k_max=ks.k_max)
    result = spt.segment(cube, segmenter, neighbours=chosen, seed=seed, means=False)
    return result["label"].values.ravel() - 1, number_chosen(result)


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
    "ours, with neighbours": _with_neighbours,
    "ours, pretrained": partial(_pretrained, None),
    "ours, pretrained, on the sphere": partial(_pretrained, "whitened-sphere"),
    "ours, fine-tuned": _fine_tuned,
}
SIMULATED = ("ours, pretrained", "ours, pretrained, on the sphere", "ours, fine-tuned")
SLOW = ("UMAP",)  # for tens of thousands of pixels
OF_MAPS = ("ours, with neighbours",)
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


def run(
    sets: dict[str, Callable[[int], Drawn]],
    words: list[str],
    methods: list[str],
    seeds: tuple[int, ...] = SEEDS,
) -> None:
    """Measure the missing rows, one seed after the other."""
    done = {(row["set"], row["seed"], row["method"]) for row in rows()}
    named = [name for name in sets if not words or any(word in name for word in words)]
    for seed in seeds:
        for name in named:
            drawn = None
            for method in METHODS:
                if (name, str(seed), method) in done or (methods and method not in methods):
                    continue
                drawn = drawn or sets[name](seed)
                if possible(method, drawn):
                    append(measure(name, drawn, seed, method))


def again(sets: dict[str, Callable[[int], Drawn]], words: list[str], methods: list[str]) -> None:
    """Measure rows of the first seed again, and print old and new scores; nothing is written."""
    for row in rows():
        name, method = row["set"], row["method"]
        wanted = name in sets and name in (words or sets) and method in methods
        if wanted and row["seed"] == str(SEEDS[0]):
            new = measure(name, sets[name](SEEDS[0]), SEEDS[0], method)
            print(f"{name}, {method}: ARI {row['ari']} then, {new['ari']:.4f} now; ", end="")
            print(f"k {row['chosen'] or '-'} then, {new['chosen'] or '-'} now", flush=True)


def possible(method: str, drawn: Drawn) -> bool:
    """Return whether a method can label a set: simulated, not too large, or a map."""
    if method in SIMULATED:
        return drawn.model is not None
    if method in OF_MAPS:
        return drawn.shape is not None
    return method not in SLOW or len(drawn.spectra) <= 5000


def sets_of(folder: Path | None, tables: Path | None) -> dict[str, Callable[[int], Drawn]]:
    """Return all sets, those that need a package or a folder if it is there."""
    sets = SETS | {name: draw for name, draw in engines.SETS.items() if "noise" not in name}
    sets |= {name: partial(_map, draw) for name, draw in engines.MAPS.items()}
    try:
        import fisx  # noqa: F401 (whether it is there)
    except ImportError:
        print("without the package fisx, its sets are left out")
    else:
        sets |= engines.FISX
    if tables is not None:
        sets |= {name: partial(draw, tables) for name, draw in engines.TABLES.items()}
    if folder is not None:
        sets["Jasper Ridge"] = partial(jasper_ridge, folder)
    return sets


def _map(draw: Callable[[int], tuple[Drawn, tuple[int, int]]], seed: int) -> Drawn:
    drawn, shape = draw(seed)
    return replace(drawn, shape=shape)


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
        own = [r for r in every if r["method"] == method and r["chosen"] and r["set"] not in REAL]
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
    parser.add_argument("--tables", type=Path, help="folder of the grids of nebular models")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="number of seeds")
    parser.add_argument("--again", action="store_true", help="compare with rows of the file")
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
    if not arguments.page:
        sets = sets_of(arguments.folder, arguments.tables)
        if arguments.again:
            again(sets, arguments.only, arguments.methods or list(METHODS))
            return
        run(sets, arguments.only, arguments.methods, SEEDS[: arguments.seeds])
        missing = [name for name in FURTHER if not (HERE / f"quality_{name}.md").exists()]
        run_further(missing if not arguments.methods else [])
    write_page()


if __name__ == "__main__":
    main()
