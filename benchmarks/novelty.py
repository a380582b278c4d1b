"""Share of pixels with high novelty, for a kind in the training data and for one that is not.

    python -m benchmarks.novelty

Nebulae (HII regions, planetary nebulae, shocks), and a quarter of the spectra with pure noise, like
the background of an astronomical cube: with the shipped model, and with one trained on other draws
of nebulae alone. A pixel is flagged if its novelty is above 0.95.
"""

from __future__ import annotations

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.segmenter.novelty import NOVEL

from .drawn import Drawn, nebulae

RANGES = ((5, 10), (10, 30), (30, 100))
SEEDS = (4000, 4001, 4002)


def flagged(drawn: Drawn, model: SpectralSegmenter) -> tuple[float, float, float]:
    """Return the flagged shares of nebulae and of noise, and of noise at 5 % false alarms."""
    result = spt.segment(drawn.cube(), model)
    novelty = result["novelty"].values.ravel()
    noise = drawn.label == 1
    usual = novelty > np.quantile(novelty[~noise], 0.95)
    shares = (novelty[~noise] > NOVEL, novelty[noise] > NOVEL, usual[noise])
    return tuple(float(each.mean()) for each in shares)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(
        "| S/N | model | nebulae flagged | noise flagged | noise at 5 % false alarms |\n"
        "|---|---|---|---|---|"
    )
    for low, high in RANGES:
        shares: dict[str, list[tuple[float, float, float]]] = {}
        for seed in SEEDS:
            drawn = nebulae(low, high, 0.25, seed)
            clean = nebulae(low, high, 0.0, seed + 100)
            models = {
                "shipped": spt.load("nebulae"),
                "trained on nebulae alone": SpectralSegmenter().fit(clean.cube()),
            }
            for name, model in models.items():
                shares.setdefault(name, []).append(flagged(drawn, model))
        for name, rows in shares.items():
            cells = " | ".join(f"{share:.3f}" for share in np.mean(rows, axis=0))
            print(f"| {low}-{high} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
