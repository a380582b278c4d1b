"""Does the choice of k distinguish clusters split by noise from clusters that truly differ?

Synthetic scenes with known truth: pages on which all pixels of an area have the same expected
spectrum, pages with paint of uneven thickness and mixtures, nebulae with known variance. The k
chosen by stability alone is the largest k with an excess: the comparison with noise starts there.
By default evidence chooses, and that of the same scenes is in the last columns.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from sklearn.metrics import adjusted_rand_score

import spectessera as spt
from spectessera.result import SPLIT_BELOW, number_chosen
from spectessera.synth import cube_from_rgb, miniature

from .calibration import nebulae
from .pages import page

FIXED, SEEDS = range(8), range(3)


def scenes() -> list[tuple[str, str, xr.DataArray, np.ndarray]]:
    """Return name, model, cube and true labels (y, x) of every scene."""
    rows = []
    for seed in FIXED:
        cube, truth = cube_from_rgb(miniature(seed, (64, 64)), counts=1000, seed=0)
        rows.append((f"fixed counts, page {seed}", "maxrf", cube, truth["label"].values))
    for kind in ("pure", "load", "mix"):
        for seed in SEEDS:
            cube, truth = page(kind, seed, 96)
            rows.append((f"{kind}, page {seed}", "maxrf", cube, truth["label"].values))
    for low, high in ((5, 10), (10, 30), (30, 100)):
        for seed in (1, 2):
            cube, truth, _ = nebulae(low, high, seed)
            rows.append((f"nebulae, S/N {low} to {high}, scene {seed}", "nebulae", cube, truth))
    return rows


def ari(truth: np.ndarray, result: xr.Dataset) -> float:
    """Return the adjusted Rand index over the pixels that have both a true label and a label."""
    label = result["label"].values
    labelled = (truth > 0) & (label > 0)
    return float(adjusted_rand_score(truth[labelled], label[labelled]))


def main() -> list[str]:
    """Measure and return lines of the page."""
    lines = [
        "Excess: distance of the two most similar clusters, divided by that of the parts into",
        f"which noise alone would be split; below {SPLIT_BELOW} a k is left out. The table shows",
        "the k chosen by stability alone, with its ARI against the truth, the k chosen by",
        "stability and excess, and that by evidence, the default. A dash: no k is stable, the",
        "silhouette chooses.",
        "",
        "| scene | true k | stable k | its excess | ARI | chosen k | its excess | ARI "
        "| by evidence | ARI |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rejected, accepted = [], []
    for name, model, cube, truth in scenes():
        segmenter = spt.load(model)
        default = spt.segment(cube, segmenter)
        by_evidence = f"{number_chosen(default)} | {ari(truth, default):.3f}"
        settings = replace(segmenter.config("clusters"), criterion="stability")
        result = spt.segment(cube, segmenter.set_params(clusters=settings))
        excess = result["excess"].to_series().dropna()
        k, true = number_chosen(result), len(np.unique(truth[truth > 0]))
        score = f"{ari(truth, result):.3f}"
        if not len(excess):
            cells = (name, true, "-", "-", "-", k, "-", score, by_evidence)
            lines.append("| " + " | ".join(map(str, cells)) + " |")
            continue
        first = int(excess.index.max())
        rejected += excess[excess < SPLIT_BELOW].tolist()
        accepted += excess[excess >= SPLIT_BELOW].tolist()
        stable = score
        if first != k:
            stable = f"{ari(truth, spt.segment(cube, segmenter, first)):.3f}"
        of_k = f"{excess[k]:.2f}" if k in excess.index else "-"
        cells = (name, true, first, f"{excess[first]:.2f}", stable, k, of_k, score, by_evidence)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [
        *lines,
        "",
        f"A k was left out {len(rejected)} times, with an excess of {min(rejected):.2f} to "
        f"{max(rejected):.2f}; the others have {min(accepted):.2f} and more.",
    ]


if __name__ == "__main__":
    print("\n".join(main()))
