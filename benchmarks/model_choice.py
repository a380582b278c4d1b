"""What the gain says of three models of the same spectra, and what the truth says.

    python -m benchmarks.model_choice run [FOLDER]   append what is not measured yet
    python -m benchmarks.model_choice                only write the table into docs/models.md

FOLDER holds the tables of MAPPINGS and CLOUDY; without it, and without the package fisx, the sets
that need them are left out. The gain is the largest with 4, 8 or 12 clusters, as `segment` compares
it; the adjusted Rand index is that at the true number of clusters. Nothing was tuned on these sets:
the nine tenths are those of the number of clusters (docs/evidence.md).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import Clusters, SpectralSegmenter
from spectessera.inference import Neighbours, choose_model
from spectessera.inference.evidence import halves_as_inputs
from spectessera.network.modelfile import model_path
from spectessera.segmenter.defaults import DEFAULTS

from . import engines, quality
from ._rows import append, rows_of, write_between
from .evidence import ari, known_noise

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "model_choice.csv", HERE.parent / "docs" / "models.md"
FIELDS = ("set", "seed", "model", "gain", "ari", "chosen")
SEEDS = (710, 711)
BEGIN, END = "<!-- gains: begin -->\n", "<!-- gains: end -->"
OWN = ("8 mix, 400", "12 load, 400")
FISX = ("fisx, 8 load, 400", "fisx, 8 mix, 400", "fisx, 8 mix, 1000", "fisx, 12 mix, 400",
        "fisx, 24 load, 1000")  # fmt: skip


def measure(name: str, drawn: quality.Drawn, shipped: str, seed: int) -> list[dict]:
    """Return the rows of one set: the shipped model, the linear map, and a training."""
    cube = known_noise(drawn)
    k = len(np.unique(drawn.label))
    choice = choose_model(cube, neighbours=0, seed=seed)
    linear = spt.baselines.linear(cube, Clusters(k, k), seed=seed)["label"].values.ravel()
    training = replace(DEFAULTS["training"], seed=seed, train_encoder=True)
    new = SpectralSegmenter(training=training).fit(cube)
    halves = halves_as_inputs(cube, new.intake(cube), Neighbours(), seed)
    held_out = halves.encoded_by(new.codec, seed)
    gain = held_out.best_gain((4, 8, 12), new.config("clusters")).mean
    rows = {"linear": (choice.gains["linear"], linear), "scratch": (gain, _labels(new, cube, k))}
    rows[shipped] = (
        choice.gains[shipped],
        _labels(SpectralSegmenter.load(model_path(shipped)), cube, k),
    )
    return [
        {"set": name, "seed": seed, "model": model, "gain": f"{gain:.3f}",
         "ari": ari(label, drawn.label), "chosen": choice.name or "trained"}
        for model, (gain, label) in rows.items()
    ]  # fmt: skip


def _labels(segmenter: SpectralSegmenter, cube: object, k: int) -> np.ndarray:
    """Return the labels of k clusters."""
    settings = replace(segmenter.config("clusters"), k_min=k, k_max=k)
    return segmenter.cluster(segmenter.transform(cube), settings).labels + 1


def run(folder: Path | None) -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["set"], row["seed"]) for row in rows_of(ROWS)}
    jobs = [(name, quality.SETS[name], "maxrf") for name in OWN]
    try:
        import fisx  # noqa: F401 (whether it is there)
    except ImportError:
        print("without the package fisx, its sets are left out")
    else:
        jobs += [(name, engines.FISX[name], "maxrf") for name in FISX]
    for name, make in engines.TABLES.items() if folder is not None else ():
        jobs.append((name, lambda seed, make=make: make(folder, seed), "nebulae"))
    for seed in SEEDS:
        for name, make, shipped in jobs:
            if (name, str(seed)) not in done:
                for row in measure(name, make(seed), shipped, seed):
                    append(ROWS, FIELDS, row)


def table() -> str:
    """Return the table of means over the seeds."""
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    for row in rows_of(ROWS):
        model = row["model"] if row["model"] in ("linear", "scratch") else "shipped"
        found.setdefault(row["set"], {}).setdefault(model, []).append(row)
    order = ("shipped", "linear", "scratch")
    lines = [
        "| set | gain: shipped | linear | trained | ARI: shipped | linear | trained | chosen |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, models in found.items():
        means = {
            field: [np.mean([float(row[field]) for row in models[model]]) for model in order]
            for field in ("gain", "ari")
        }
        gains = " | ".join(f"{each:.4g}" for each in means["gain"])
        scores = " | ".join(f"{each:.3f}" for each in means["ari"])
        chosen = ", ".join(sorted({row["chosen"] for row in models["shipped"]}))
        lines.append(f"| {name} | {gains} | {scores} | {chosen} |")
    return "\n".join(lines) + "\n"


def page() -> None:
    """Write the table into the page, between two marks."""
    write_between(PAGE, BEGIN, END, table())


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    page()
