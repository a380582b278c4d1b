"""Does the choice of k tell noise that is cut in two from a true difference?

Made-up scenes whose truth is known: pages on which every pixel of an area has the same expected
spectrum, pages with paint of uneven thickness and mixtures, nebulae with known variance. The k of
stability alone is the largest that was compared with noise: the comparison begins there.
"""

import numpy as np
import xarray as xr
from sklearn.metrics import adjusted_rand_score

import spectessera as spt
from spectessera.result import SPLIT_BELOW
from spectessera.synth import cube_from_rgb, miniature

from .pages import page

FIXED, SEEDS = range(8), range(3)


def scenes() -> list[tuple[str, str, xr.DataArray, np.ndarray]]:
    """Return name, model, cube and true labels."""
    from .calibration import nebulae  # that imports the list of all benchmarks

    found = []
    for seed in FIXED:
        cube, truth = cube_from_rgb(miniature(seed, (64, 64)), counts=1000, seed=0)
        found.append((f"fixed counts, page {seed}", "maxrf", cube, truth["label"].values))
    for kind in ("pure", "load", "mix"):
        for seed in SEEDS:
            cube, truth = page(kind, seed, 96)
            found.append((f"{kind}, page {seed}", "maxrf", cube, truth["label"].values))
    for low, high in ((5, 10), (10, 30), (30, 100)):
        for seed in (1, 2):
            cube, truth, _ = nebulae(low, high, seed)
            found.append((f"nebulae, S/N {low} to {high}, scene {seed}", "nebulae", cube, truth))
    return found


def ari(truth: np.ndarray, result: xr.Dataset) -> float:
    """Return the adjusted Rand index over the pixels that have both."""
    label = result["label"].values
    both = (truth > 0) & (label > 0)
    return float(adjusted_rand_score(truth[both], label[both]))


def main() -> list[str]:
    """Measure and return lines of the page."""
    lines = [
        "Excess: distance of the two clusters that are most alike over that of the parts into",
        f"which noise alone would be cut; below {SPLIT_BELOW} a k is left out. The k of stability",
        "alone, and its ARI with the truth, beside the k that is chosen; a dash: no k is stable,",
        "the silhouette chooses.",
        "",
        "| scene | true k | stable k | its excess | ARI | chosen k | its excess | ARI |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cut, whole = [], []
    for name, model, cube, truth in scenes():
        segmenter = spt.load(model)
        result = spt.segment(cube, segmenter)
        excess = result["excess"].to_series().dropna()
        k, true = result.attrs["n_clusters"], len(np.unique(truth[truth > 0]))
        mine = f"{ari(truth, result):.3f}"
        if not len(excess):
            lines.append(f"| {name} | {true} | - | - | - | {k} | - | {mine} |")
            continue
        first = int(excess.index.max())
        cut += excess[excess < SPLIT_BELOW].tolist()
        whole += excess[excess >= SPLIT_BELOW].tolist()
        blind = mine if first == k else f"{ari(truth, spt.segment(cube, segmenter, first)):.3f}"
        of_k = f"{excess[k]:.2f}" if k in excess.index else "-"
        lines.append(
            f"| {name} | {true} | {first} | {excess[first]:.2f} | {blind} | {k} | {of_k} | {mine} |"
        )
    return [
        *lines,
        "",
        f"{len(cut)} times a k was left out, with an excess of {min(cut):.2f} to {max(cut):.2f};",
        f"the others have {min(whole):.2f} and more.",
    ]


if __name__ == "__main__":
    print("\n".join(main()))
