"""Networks from scratch: the encoder trained or kept at principal components, and the metric.

    python -m benchmarks.fixed_encoder run [--tables FOLDER] [--sets WORDS]   append what is missing
    python -m benchmarks.fixed_encoder         only write the table into the page of the design

The same spectra, at the true number of clusters and at the one that evidence chooses. *By noise*:
the metric by the share of noise in the spectra; *half-whitened*: of counts, the default. The times
are those of one process that was not alone on the machine: only their ratios count. The folder of
TABLES holds the line grids of MAPPINGS and CLOUDY.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter
from spectessera.axis import Axis
from spectessera.evaluate import compare
from spectessera.segmenter.defaults import DEFAULTS, choose_settings

from . import quality
from ._rows import append, rows_of, write_between
from .drawn import SPECTRA
from .evidence import known_noise

ROWS = Path(__file__).parent / "fixed_encoder.csv"
FIELDS = ("set", "seed", "encoder", "metric", "ari", "chosen_k", "chosen_ari", "seconds")
SEEDS = (3200, 3201)
TRAINED, BY_NOISE, HALF = "trained", "components, by noise", "components, half-whitened"
ENCODERS = (TRAINED, BY_NOISE, HALF)
PAGE = Path(__file__).parent.parent / "docs" / "design" / "0019-fixed-encoder.md"
BEGIN, END = "<!-- encoders: begin -->\n", "<!-- encoders: end -->"
# These have no variance that is known, and are judged without.
UNKNOWN = ("raman", "reflectance")
# Counts of spectra of three groups of unequal size.
UNEQUAL = (200, 1000)
# Not measured: maps, which need neighbours, and a real cube that defaults treat in another way.
LEFT_OUT = ("grains", "Indian Pines")


def unequal(counts: int, seed: int) -> quality.Drawn:
    """Draw counts of three spectra of two or three lines, of 85, 10 and 5 % of the pixels."""
    generator = np.random.default_rng(seed)
    energy = np.linspace(0.5, 20, 400)
    expected = np.stack([
        _lines(energy, (4, 9), (1, 0.1)), _lines(energy, (4, 9), (1, 0.6)),
        _lines(energy, (4, 9, 13), (1, 0.1, 0.6)),
    ])  # fmt: skip
    label = 1 + np.searchsorted((0.85, 0.95), generator.uniform(size=SPECTRA))
    spectra = generator.poisson(counts * expected[label - 1]).astype(np.float32)
    return quality.Drawn(spectra, label, Axis(energy, "keV"), "maxrf")


def _lines(energy: np.ndarray, places: tuple, heights: tuple) -> np.ndarray:
    """Return a spectrum of lines on a flat background, with a sum of 1."""
    lines = sum(
        h * np.exp(-0.5 * ((energy - p) / 0.1) ** 2) for p, h in zip(places, heights, strict=True)
    )
    return (lines + 0.02) / (lines + 0.02).sum()


def by_noise(drawn: quality.Drawn) -> str:
    """Return the metric by the share of noise in the spectra."""
    configs = DEFAULTS | {"training": replace(DEFAULTS["training"], train_encoder=True)}
    chosen = choose_settings(drawn.spectra, configs, noise="variance")
    return str(chosen["clusters"]["metric"])


def measure(name: str, drawn: quality.Drawn, seed: int, encoder: str) -> dict[str, object]:
    """Train once, and segment with the true k and with a free one."""
    cube = drawn.cube() if name.startswith(UNKNOWN) else known_noise(drawn)
    training = replace(DEFAULTS["training"], seed=seed, train_encoder=encoder == TRAINED)
    clusters = Clusters(metric=HALF.split(", ")[1] if encoder == HALF else by_noise(drawn))
    start = time.process_time()
    segmenter = SpectralSegmenter(clusters=clusters, training=training).fit(cube)
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
    sets = {f"unequal groups, {n}": partial(unequal, n) for n in UNEQUAL}
    sets |= quality.sets_of(None, tables)
    for seed in SEEDS:
        for name, draw in sets.items():
            wanted = not words or any(word in name for word in words)
            if not wanted or any(word in name for word in LEFT_OUT):
                continue
            drawn = draw(seed)
            for word in ENCODERS:
                counted = drawn.model == "maxrf"
                if (name, str(seed), word) in done or (word == HALF and not counted):
                    continue
                append(ROWS, FIELDS, measure(name, drawn, seed, word))


def table() -> str:
    """Return the means over the seeds, a line for each set, and those over the sets."""
    rows = rows_of(ROWS)
    head = ["set", "metric by noise", *(f"ARI: {word}" for word in ENCODERS),
            *(f"at the chosen k: {word}" for word in ENCODERS), "chosen k"]  # fmt: skip
    lines, every = [], []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = {word: [r for r in rows if (r["set"], r["encoder"]) == (name, word)]
               for word in ENCODERS}  # fmt: skip
        means = [
            np.mean([float(r[field]) for r in own[word]]) if own[word] else np.nan
            for field in ("ari", "chosen_ari")
            for word in ENCODERS
        ]
        every.append(means)
        ks = "; ".join(", ".join(r["chosen_k"] for r in own[word]) for word in ENCODERS)
        lines.append([name, own[TRAINED][0]["metric"], *map(_score, means), ks.rstrip("; ")])
    counted = np.isfinite(every).all(axis=1)
    for word, chosen in (("mean, counts", counted), ("mean, others", ~counted)):
        lines.append([word, "", *map(_score, np.mean(np.array(every)[chosen], axis=0)), ""])
    table = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(line) + " |\n" for line in table)


def _score(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def write() -> None:
    """Write the table into the page."""
    write_between(PAGE, BEGIN, END, table())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", nargs="?", choices=("run",))
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    given = parser.parse_args()
    if given.action == "run":
        run(given.tables, given.sets)
    write()
