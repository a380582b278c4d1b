"""Whether other seeds of a training, and two threads, end in the same clusters.

    python -m benchmarks.repeatability run [FOLDER]   append what is not measured yet
    python -m benchmarks.repeatability                only print it (docs/evidence.md has it)

The same spectra, a network trained on them with other seeds in one thread, and with the first seed
in two threads (sums of matrix products then have another order); and the first network with other
seeds of k-means, which also draw the pixels that it is chosen by. k is chosen by evidence. FOLDER
holds the tables of MAPPINGS and CLOUDY.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.evaluate import compare
from spectessera.segmenter.defaults import DEFAULTS

from . import engines, quality
from ._rows import append, as_table, rows_of
from .evidence import known_noise

HERE = Path(__file__).parent
ROWS = HERE / "repeatability.csv"
FIELDS = ("set", "k", "k, two threads", "ARI of two trainings, median", "least",
          "ARI of one and two threads", "k of other seeds of k-means",
          "ARI of two, median")  # fmt: skip
SEEDS, DATA = range(10), 720


def jobs(folder: Path | None) -> dict:
    """Return what draws the spectra of every set, by its name."""
    found = {name: quality.SETS[name] for name in ("8 mix, 400", "12 load, 400")}
    found["Gaussian groups"] = engines.SETS["gauss"]
    try:
        import fisx  # noqa: F401 (whether it is there)
    except ImportError:
        print("without the package fisx, its sets are left out")
    else:
        names = ("fisx, 8 load, 400", "fisx, 8 mix, 400", "fisx, 12 mix, 400")
        found |= {name: engines.FISX[name] for name in names}
    for name, make in engines.TABLES.items() if folder is not None else ():
        found[name] = lambda seed, make=make: make(folder, seed)
    return found | {
        name: quality.SETS[name] for name in ("nebulae, S/N 5-10", "nebulae, S/N 10-30")
    }


def trained(cube: object, seed: int, threads: int) -> SpectralSegmenter:
    """Return a network that was trained on the cube."""
    torch.set_num_threads(threads)
    return SpectralSegmenter(training=replace(DEFAULTS["training"], seed=seed)).fit(cube)


def labels_of(cube: object, segmenter: SpectralSegmenter, seed: int = 0) -> np.ndarray:
    """Return the labels of a segmentation with one seed of k-means and of the draws of pixels."""
    result = spt.segment(cube, segmenter, means=False, neighbours=0, seed=seed)
    return result["label"].values.ravel()


def alike(labels: list[np.ndarray]) -> list[float]:
    """Return the adjusted Rand index of every two labellings."""
    return [float(compare(a, b).ari) for a, b in combinations(labels, 2)]


def run(folder: Path | None) -> None:
    """Measure the sets that are not measured yet."""
    done = {row["set"] for row in rows_of(ROWS)}
    for name, make in jobs(folder).items():
        if name in done:
            continue
        cube = known_noise(make(DATA))
        models = [trained(cube, seed, 1) for seed in SEEDS]
        one = [labels_of(cube, model) for model in models]
        draws = [labels_of(cube, models[0], seed) for seed in SEEDS]
        two = labels_of(cube, trained(cube, SEEDS[0], 2))
        row = {
            "set": name,
            "k": ", ".join(str(each.max()) for each in one),
            "k, two threads": two.max(),
            "ARI of two trainings, median": f"{np.median(alike(one)):.3f}",
            "least": f"{min(alike(one)):.3f}",
            "ARI of one and two threads": f"{float(compare(one[0], two).ari):.3f}",
            "k of other seeds of k-means": ", ".join(str(each.max()) for each in draws),
            "ARI of two, median": f"{np.median(alike(draws)):.3f}",
        }
        append(ROWS, FIELDS, row)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    print(as_table(ROWS))
