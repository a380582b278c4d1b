"""Maps of few counts, every pixel alone and with its neighbours, for the true number of clusters.

    python -m benchmarks.neighbours run          append what is not measured yet
    python -m benchmarks.neighbours file FILE    measure a map from elsewhere
    python -m benchmarks.neighbours repeats      measure how often repeated measurements agree
    python -m benchmarks.neighbours              only write the tables into docs/neighbours.md

The constants of the choice (spectessera.inference.neighbour_choice) were settled on pages with the
seeds 1 and 11; the seeds here are others. Both sides of a row are measured in one run.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import xarray as xr
from scipy.optimize import linear_sum_assignment

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.colours import colours
from spectessera.inference import (
    Neighbours,
    averaged_spectra,
    choose_neighbours,
    intake_before_training,
)
from spectessera.result import number_chosen
from spectessera.segmenter.defaults import DEFAULTS

from . import engines
from ._rows import append, rows_of
from .pages import page

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "neighbours.csv", HERE.parent / "docs" / "neighbours.md"
FILES, REPEATS = HERE / "neighbours_files.csv", HERE / "neighbours_repeats.csv"
HEAD, FIGURE = HERE / "neighbours_head.md", HERE.parent / "docs" / "images" / "grains.png"
FIELDS = ("set", "counts", "seed", "alone", "auto", "reach", "measurements",
          "seconds_alone", "seconds_auto")  # fmt: skip
SEEDS = (21, 22, 23, 24, 25)
COUNTS = (10, 30, 100, 400)
SIDES = {"fine": 48, "coarse": 128}
EPOCHS = 20


def ari(result: object, truth: np.ndarray) -> float:
    """Return the adjusted Rand index of a label map."""
    return float(spt.compare(result["label"].values.ravel(), truth.ravel()).ari)


def both(cube: object, truth: np.ndarray, models: tuple, chosen: object) -> dict[str, object]:
    """Segment a cube without and with neighbours, each by its model, and return a row."""
    k, row = len(np.unique(truth[truth > 0])), {}
    for name, model, neighbours in zip(("alone", "auto"), models, (0, chosen), strict=True):
        start = time.process_time()
        result = spt.segment(cube, model, k, neighbours=neighbours)
        row[f"seconds_{name}"] = round(time.process_time() - start, 1)
        row[name] = round(ari(result, truth), 4)
    row["reach"] = result.attrs["neighbours"]
    times = result["measurements"].mean() if "measurements" in result else 1.0
    return row | {"measurements": round(float(times), 1)}


def a_page(kind: str, size: str, counts: int, seed: int) -> dict[str, object]:
    """Measure a page with the shipped model."""
    cube, truth = page(kind, seed, side=SIDES[size], counts=counts)
    model = spt.load("maxrf")
    chosen = choose_neighbours(cube, model.intake(cube))
    return both(cube, truth["label"].values, (model, model), chosen)


def grains(size: int, counts: int, seed: int) -> dict[str, object]:
    """Measure a map of grains with networks that are trained on it, alone and with neighbours."""
    drawn, shape = engines.grains(counts, size, seed)
    values = drawn.spectra.reshape(*shape, -1).astype(np.uint16)
    cube = spt.make_cube(values, axis=drawn.axis)
    training = replace(DEFAULTS["training"], epochs=EPOCHS, seed=seed)
    intake = intake_before_training(cube, DEFAULTS["preprocess"])
    chosen = choose_neighbours(cube, intake)
    spectra = cube if chosen.window == 1 else averaged_spectra(cube, chosen, intake)
    models = tuple(SpectralSegmenter(training=training).fit(each) for each in (cube, spectra))
    return both(cube, drawn.label.reshape(shape), models, chosen)


def jobs() -> Iterator[tuple]:
    """Yield what is measured: name, counts, seed, function and its arguments."""
    for seed in SEEDS:
        for counts in COUNTS:
            for size in SIDES:
                for kind in ("mix", "load"):
                    yield f"{kind}, {size}", counts, seed, a_page, (kind, size, counts, seed)
        for size in (12, 24):
            yield f"grains of {size} pixels", 5, seed, grains, (size, 5, seed)


def run() -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["set"], row["counts"], row["seed"]) for row in rows_of(ROWS)}
    for name, counts, seed, function, arguments in jobs():
        if (name, str(counts), str(seed)) in done:
            continue
        row = {"set": name, "counts": counts, "seed": seed} | function(*arguments)
        append(ROWS, FIELDS, row)


def agreement(label: np.ndarray) -> tuple[float, float]:
    """Return the share of neighbouring pixels with one label, and that of any two pixels."""
    pairs = (label[1:] == label[:-1]).ravel(), (label[:, 1:] == label[:, :-1]).ravel()
    share = np.bincount(label.ravel()) / label.size
    return float(np.concatenate(pairs).mean()), float(np.square(share).sum())


def around(values: np.ndarray) -> np.ndarray:
    """Return the sums (y, x, channel) of the up to eight neighbours of every pixel."""
    rows, columns = values.shape[:2]
    wide = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    window = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return sum(wide[y : y + rows, x : x + columns] for y, x in window)


def predicted(cube: xr.DataArray, k: int, metric: str) -> float:
    """Return what neighbours predict of all counts of a pixel, which they are independent of.

    Clusters of the sums of the eight neighbours, by a network that is trained on these; their mean
    spectra p_l are those of the sums too. With p that of all, the mean over the pixels of
    sum_c v_c log(0.99 p_lc / p_c + 0.01).
    """
    values = cube.transpose("y", "x", "channel").values.astype(np.float64)
    sums = around(values)
    others = cube.copy(data=sums.astype(np.float32))
    model = SpectralSegmenter(training=replace(DEFAULTS["training"], epochs=EPOCHS)).fit(others)
    model.set_params(clusters__metric=metric)
    label = spt.segment(others, model, k, neighbours=0, means=False)["label"].values
    overall, gain = values.sum(axis=(0, 1)), 0.0
    seen = overall > 0
    share = overall[seen] / overall.sum()
    for each in np.unique(label):
        mean = sums[label == each].sum(axis=0)
        ratio = mean[seen] / mean.sum() / share
        gain += float(values[label == each].sum(axis=0)[seen] @ np.log(0.99 * ratio + 0.01))
    return gain / label.size


def of_file(path: Path) -> None:
    """Segment a file with networks that are trained on it, alone and with neighbours.

    The maps of each metric with neighbours are drawn.
    """
    torch.set_num_threads(1)
    cube = spt.read(path)
    training = replace(DEFAULTS["training"], epochs=EPOCHS)
    intake = intake_before_training(cube, DEFAULTS["preprocess"])
    chosen = choose_neighbours(cube, intake)
    spectra = cube if chosen.window == 1 else averaged_spectra(cube, chosen, intake)
    found, maps = [], {}
    for neighbours, trained_on in ((Neighbours(), cube), (chosen, spectra)):
        model = SpectralSegmenter(training=training).fit(trained_on)
        own = model.config("clusters").metric
        for metric in dict.fromkeys((own, "whitened-sphere")):
            model.set_params(clusters__metric=metric)
            result = spt.segment(cube, model, neighbours=neighbours)
            alike, chance = agreement(result["label"].values)
            kind = "alone" if neighbours.window == 1 else "with neighbours"
            maps[f"{kind}, {metric}"] = result["label"].values
            gains = result.get("gain")
            found.append({
                "file": path.name, "reach": neighbours.window // 2, "metric": metric,
                "k": number_chosen(result),
                "gain": "" if gains is None else round(float(gains.max()), 3),
                "predicted": round(predicted(cube, number_chosen(result), metric), 3),
                "alike": round(alike, 3), "chance": round(chance, 3),
                "confidence": round(float(result["confidence"].mean()), 3),
            })  # fmt: skip
            print(found[-1], flush=True)
    draw(maps)
    _write(FILES, [*(row for row in rows_of(FILES) if row["file"] != path.name), *found])


def draw(maps: dict[str, np.ndarray]) -> None:
    """Draw label maps side by side."""
    figure, axes = plt.subplots(1, len(maps), figsize=(3 * len(maps), 2.6), layout="constrained")
    for ax, (name, label) in zip(np.ravel(axes), maps.items(), strict=True):
        ax.imshow(colours(int(label.max()))[label - 1], interpolation="nearest")
        ax.set_title(f"{name}: {label.max()} clusters", fontsize=8)
        ax.set_axis_off()
    figure.savefig(FIGURE, dpi=100)


def repeats() -> None:
    """Segment two independent halves of the counts of pages, and compare labels with confidence."""
    torch.set_num_threads(1)
    model, found = spt.load("maxrf"), []
    for kind, size, counts in (
        ("mix", "coarse", 10), ("load", "coarse", 10), ("mix", "fine", 30), ("load", "fine", 10),
    ):  # fmt: skip
        cube, truth = page(kind, 31, side=SIDES[size], counts=2 * counts)
        k = len(np.unique(truth["label"].values[truth["label"].values > 0]))
        half = np.random.default_rng(0).binomial(cube.values.astype(int), 0.5)
        both_halves = half, cube.values.astype(int) - half
        for neighbours in (0, "auto"):
            results = [
                spt.segment(cube.copy(data=each.astype(np.uint16)), model, k, neighbours=neighbours)
                for each in both_halves
            ]
            same, sure = same_labels(results, k)
            place = np.minimum((10 * sure).astype(int), 9)
            error = sum(
                abs(same[place == each].mean() - sure[place == each].mean())
                * (place == each).mean()
                for each in np.unique(place)
            )
            found.append({
                "map": f"{kind}, {size}", "counts": counts, "neighbours": neighbours,
                "confidence": round(float(sure.mean()), 3), "agree": round(float(same.mean()), 3),
                "error": round(float(error), 3),
            })  # fmt: skip
            print(found[-1], flush=True)
    _write(REPEATS, found)


def same_labels(results: list, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for every labelled pixel whether two results agree, and the confidence of the first.

    Clusters are matched one to one.
    """
    first, second = (each["label"].values.ravel() for each in results)
    labelled = (first > 0) & (second > 0)
    counts = np.zeros((k, k))
    np.add.at(counts, (first[labelled] - 1, second[labelled] - 1), 1)
    rows_, columns = linear_sum_assignment(-counts)
    names = np.zeros(k + 1, int)
    names[columns + 1] = rows_ + 1
    sure = results[0]["confidence"].values.ravel()[labelled]
    return names[second[labelled]] == first[labelled], sure


def _write(path: Path, rows_: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows_[0])
        writer.writeheader()
        writer.writerows(rows_)


def table_of_repeats() -> list[str]:
    """Return the table of repeated measurements."""
    lines = [
        "| page | counts | neighbours | mean confidence | same label in a repeated measurement "
        "| expected calibration error |",
        "|---|---|---|---|---|---|",
    ]
    return lines + [f"| {' | '.join(row.values())} |" for row in rows_of(REPEATS)]


def table_of_files() -> list[str]:
    """Return the table of maps from elsewhere."""
    lines = [
        "| file | neighbours up to | metric | k | largest gain | from neighbours alone "
        "| neighbours agree | by chance | mean confidence |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    names = ("file", "reach", "metric", "k", "gain", "predicted", "alike", "chance", "confidence")
    return lines + [f"| {' | '.join(row[each] for each in names)} |" for row in rows_of(FILES)]


def table() -> list[str]:
    """Return the table, one row for each set and number of counts."""
    lines = [
        "| map | counts | draws | ARI alone | ARI with neighbours | smallest and largest "
        "difference | neighbours used | as measurements | time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    found: dict[tuple[str, int], list[dict[str, str]]] = {}
    for row in rows_of(ROWS):
        found.setdefault((row["set"], int(row["counts"])), []).append(row)
    for (name, counts), some in sorted(found.items()):
        alone, auto, times, old, new = (
            np.array([float(row[each]) for row in some])
            for each in ("alone", "auto", "measurements", "seconds_alone", "seconds_auto")
        )
        used = sum(row["reach"] != "0" for row in some)
        apart = auto - alone
        lines.append(
            f"| {name} | {counts} | {len(some)} | {alone.mean():.3f} | {auto.mean():.3f} "
            f"| {apart.min():+.3f}, {apart.max():+.3f} | {used} of {len(some)} "
            f"| {times.mean():.1f} | {new.sum() / old.sum():.2f} |"
        )
    return lines


def main() -> None:
    """Measure, or write the page."""
    if sys.argv[1:2] == ["run"]:
        run()
    elif sys.argv[1:2] == ["file"]:
        of_file(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["repeats"]:
        repeats()
    text = HEAD.read_text(encoding="utf-8")
    tables = {"TABLE": table, "FILES": table_of_files, "REPEATS": table_of_repeats}
    for word, make in tables.items():
        text = text.replace(word, "\n".join(make()))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
