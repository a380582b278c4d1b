"""Maps of few counts, every pixel alone and with its neighbours, for the true number of clusters.

    python -m benchmarks.neighbours run          append what is not measured yet
    python -m benchmarks.neighbours file FILE    measure a map from elsewhere
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

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.inference import (
    Neighbours,
    averaged_spectra,
    choose_neighbours,
    intake_before_training,
)
from spectessera.segmenter.defaults import DEFAULTS

from . import engines
from .pages import page

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "neighbours.csv", HERE.parent / "docs" / "neighbours.md"
FILES = HERE / "neighbours_files.csv"
HEAD = HERE / "neighbours_head.md"
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


def rows() -> list[dict[str, str]]:
    """Return all rows that were measured."""
    return _rows_of(ROWS)


def _rows_of(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run() -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["set"], row["counts"], row["seed"]) for row in rows()}
    for name, counts, seed, function, arguments in jobs():
        if (name, str(counts), str(seed)) in done:
            continue
        row = {"set": name, "counts": counts, "seed": seed} | function(*arguments)
        new = not ROWS.exists()
        with ROWS.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print(row, flush=True)


def agreement(label: np.ndarray) -> tuple[float, float]:
    """Return the share of neighbouring pixels with one label, and that of any two pixels."""
    pairs = (label[1:] == label[:-1]).ravel(), (label[:, 1:] == label[:, :-1]).ravel()
    share = np.bincount(label.ravel()) / label.size
    return float(np.concatenate(pairs).mean()), float(np.square(share).sum())


def of_file(path: Path) -> None:
    """Segment a file with networks that are trained on it, alone and with neighbours."""
    torch.set_num_threads(1)
    cube = spt.read(path)
    training = replace(DEFAULTS["training"], epochs=EPOCHS)
    intake = intake_before_training(cube, DEFAULTS["preprocess"])
    chosen = choose_neighbours(cube, intake)
    spectra = cube if chosen.window == 1 else averaged_spectra(cube, chosen, intake)
    found = []
    for neighbours, trained_on in ((Neighbours(), cube), (chosen, spectra)):
        model = SpectralSegmenter(training=training).fit(trained_on)
        own = model.config("clusters").metric
        for metric in dict.fromkeys((own, "half-whitened")):
            model.set_params(clusters__metric=metric)
            result = spt.segment(cube, model, neighbours=neighbours)
            alike, chance = agreement(result["label"].values)
            gains = result.get("gain")
            found.append({
                "file": path.name, "reach": neighbours.window // 2, "metric": metric,
                "k": result.attrs["n_clusters"],
                "gain": "" if gains is None else round(float(gains.max()), 3),
                "alike": round(alike, 3), "chance": round(chance, 3),
                "confidence": round(float(result["confidence"].mean()), 3),
            })  # fmt: skip
            print(found[-1], flush=True)
    before = _rows_of(FILES)
    kept = [row for row in before if row["file"] != path.name]
    with FILES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, found[0])
        writer.writeheader()
        writer.writerows([*kept, *found])


def table_of_files() -> list[str]:
    """Return the table of maps from elsewhere."""
    lines = [
        "| file | neighbours up to | metric | k | largest gain | neighbours agree | by chance "
        "| mean confidence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = ("file", "reach", "metric", "k", "gain", "alike", "chance", "confidence")
    return lines + [f"| {' | '.join(row[each] for each in names)} |" for row in _rows_of(FILES)]


def table() -> list[str]:
    """Return the table, one row for each set and number of counts."""
    lines = [
        "| map | counts | draws | ARI alone | ARI with neighbours | smallest and largest "
        "difference | neighbours used | as measurements | time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    found: dict[tuple[str, int], list[dict[str, str]]] = {}
    for row in rows():
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
    head = HEAD.read_text(encoding="utf-8").replace("FILES", "\n".join(table_of_files()))
    PAGE.write_text(head.replace("TABLE", "\n".join(table())), encoding="utf-8")


if __name__ == "__main__":
    main()
