"""Networks from scratch whose encoder is trained, and those that keep principal components.

    python -m benchmarks.fixed_encoder run [--tables FOLDER] [--sets WORDS]   append what is missing
    python -m benchmarks.fixed_encoder                                        only print the tables

The same spectra, the same metric, at the true number of clusters and at the one that evidence
chooses. The times are those of one process that may not be alone on the machine: of one row only
the ratio counts. TABLES holds the line grids of MAPPINGS and CLOUDY.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.evaluate import compare
from spectessera.segmenter.defaults import DEFAULTS

from . import quality
from ._rows import append, rows_of
from .evidence import known_noise

ROWS = Path(__file__).parent / "fixed_encoder.csv"
FIELDS = ("set", "seed", "encoder", "metric", "ari", "chosen_k", "chosen_ari", "seconds")
SEEDS = (3200, 3201)
ENCODERS = {"trained": True, "principal components": False}
# These have no variance that is known, and are judged without.
UNKNOWN = ("raman", "reflectance")
# Not measured: maps, which need neighbours, and a real cube that defaults treat in another way.
LEFT_OUT = ("grains", "Indian Pines")


def measure(name: str, drawn: quality.Drawn, seed: int, encoder: str) -> dict[str, object]:
    """Train once, and segment with the true k and with a free one."""
    cube = drawn.cube() if name.startswith(UNKNOWN) else known_noise(drawn)
    training = replace(DEFAULTS["training"], seed=seed, train_encoder=ENCODERS[encoder])
    start = time.process_time()
    segmenter = SpectralSegmenter(training=training).fit(cube)
    free = spt.segment(cube, segmenter, seed=seed, means=False, neighbours=0)
    seconds = time.process_time() - start
    given = spt.segment(cube, segmenter, drawn.k, seed=seed, means=False, neighbours=0)
    scores = {
        word: round(float(compare(result["label"].values.ravel(), drawn.label).ari), 4)
        for word, result in (("ari", given), ("chosen_ari", free))
    }
    return scores | {
        "set": name,
        "seed": seed,
        "encoder": encoder,
        "metric": segmenter.config("clusters").metric,
        "chosen_k": int(free["label"].max()),
        "seconds": round(seconds, 1),
    }


def run(tables: Path | None, words: list[str]) -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["set"], row["seed"], row["encoder"]) for row in rows_of(ROWS)}
    sets = quality.sets_of(None, tables)
    for seed in SEEDS:
        for name, draw in sets.items():
            wanted = not words or any(word in name for word in words)
            if not wanted or any(word in name for word in LEFT_OUT):
                continue
            missing = [word for word in ENCODERS if (name, str(seed), word) not in done]
            drawn = draw(seed) if missing else None
            for word in missing:
                append(ROWS, FIELDS, measure(name, drawn, seed, word))


def table() -> str:
    """Return the means over the seeds, a line for each set, and the mean of all lines."""
    rows = rows_of(ROWS)
    lines, every = [], []
    for name in dict.fromkeys(row["set"] for row in rows):
        means = [
            np.mean([float(r[field]) for r in rows if r["set"] == name and r["encoder"] == encoder])
            for field in ("ari", "chosen_ari", "seconds")
            for encoder in ENCODERS
        ]
        every.append(means)
        ks = [
            ", ".join(r["chosen_k"] for r in rows if r["set"] == name and r["encoder"] == encoder)
            for encoder in ENCODERS
        ]
        lines.append(_line(name, means, ks))
    head = ["set", "ARI, trained", "ARI, components", "k", "k", "ARI at k", "ARI at k",
            "time of components"]  # fmt: skip
    lines.append(_line("mean", np.mean(every, axis=0), ["", ""]))
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines])


def _line(name: str, means: list[float] | np.ndarray, ks: list[str]) -> str:
    scores = [f"{value:.3f}" for value in means[:4]]
    cells = [name, *scores[:2], *ks, *scores[2:], f"{means[5] / means[4]:.2f}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", nargs="?", choices=("run",))
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    given = parser.parse_args()
    if given.action == "run":
        run(given.tables, given.sets)
    print(table())
