"""The number of clusters chosen by stability and by evidence, on the same latents.

    python -m benchmarks.evidence run [FOLDER]   append what is not measured yet
    python -m benchmarks.evidence                only write the tables into docs/evidence.md

FOLDER holds the tables of MAPPINGS and CLOUDY; without it, and without the package fisx, the sets
that need them are left out. The regret is the adjusted Rand index of the best k of all minus that
of the chosen one. Rules were settled on sets of our own simulator with seeds 100 to 102
(benchmarks/quality.py); the seeds here are others.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.axis import Axis
from spectessera.evaluate import compare
from spectessera.network.modelfile import model_path
from spectessera.result import number_chosen
from spectessera.segmenter.defaults import DEFAULTS

from . import engines, quality
from ._rows import append, as_table, rows_of

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "evidence.csv", HERE.parent / "docs" / "evidence.md"
HEAD, COST = HERE / "evidence_head.md", HERE / "evidence_cost.md"
FIELDS = ("set", "model", "seed", "old_k", "old_ari", "new_k", "new_ari", "best_k", "best_ari",
          "structure")  # fmt: skip
SEEDS = range(500, 503)
NOISE_SEEDS = range(500, 520)


def ari(label: np.ndarray, truth: np.ndarray) -> float:
    """Return the adjusted Rand index of labels, rounded."""
    return round(float(compare(label, truth).ari), 4)


def known_noise(drawn: quality.Drawn) -> object:
    """Return a cube whose noise is known: counts, or variances of 1."""
    values = drawn.spectra[:, None, :]
    if drawn.model == "maxrf":
        return drawn.cube()
    return spt.make_cube(values, axis=drawn.axis, variance=np.ones_like(values))


def measure(name: str, drawn: quality.Drawn, model: str | None, seed: int, k_max: int) -> dict:
    """Segment one set with both criteria, and with every k."""
    cube = known_noise(drawn)
    if model is None:
        training = replace(DEFAULTS["training"], seed=seed)
        segmenter = SpectralSegmenter(training=training).fit(cube)
    else:
        segmenter = SpectralSegmenter.load(model_path(model))
    base = replace(segmenter.config("clusters"), k_min=2, k_max=k_max)
    row = {"set": name, "model": model or "scratch", "seed": seed}
    for word, criterion in (("old", "stability"), ("new", "evidence")):
        segmenter.set_params(clusters=replace(base, criterion=criterion))
        result = spt.segment(cube, segmenter, seed=seed, means=False)
        label = result["label"].values.ravel()
        row |= {f"{word}_k": number_chosen(result), f"{word}_ari": ari(label, drawn.label)}
    row["structure"] = round(result.attrs["structure"], 1)
    if len(np.unique(drawn.label)) > 1:
        latent = segmenter.transform(cube)
        tried = [
            ari(
                segmenter.cluster(latent, replace(base, k_min=k, k_max=k), seed=seed).labels + 1,
                drawn.label,
            )
            for k in range(2, k_max + 1)
        ]
        row |= {"best_k": 2 + int(np.argmax(tried)), "best_ari": max(tried)}
    return row


def noise_of_counts(seed: int) -> quality.Drawn:
    """Return Poisson noise as counts."""
    drawn = engines.noise("poisson", seed)
    return replace(drawn, axis=Axis(np.linspace(1, 20, 256), "keV"), model="maxrf")


def plan(folder: Path | None) -> list[tuple]:
    """Return what is measured: name, function of the seed, model, seeds, largest k."""
    jobs = [
        ("noise, Poisson", noise_of_counts, None, NOISE_SEEDS, 6),
        ("noise, Gaussian", lambda seed: engines.noise("gauss", seed), None, NOISE_SEEDS, 6),
        ("Gaussian groups", engines.SETS["gauss"], None, SEEDS, 10),
    ]
    jobs += [
        (name, quality.SETS[name], "maxrf", SEEDS, k_max)
        for name, k_max in (("8 mix, 400", 12), ("12 load, 400", 16))
    ]
    try:
        import fisx  # noqa: F401 (whether it is there)
    except ImportError:
        print("without the package fisx, its sets are left out")
    else:
        for name in ("fisx, 8 load, 400", "fisx, 8 mix, 400", "fisx, 12 mix, 400"):
            k_max = 16 if "12" in name else 12
            jobs += [(name, engines.FISX[name], model, SEEDS, k_max) for model in ("maxrf", None)]
    if folder is not None:
        for name, make in engines.TABLES.items():
            drawn = lambda seed, make=make: make(folder, seed)  # noqa: E731
            jobs += [(name, drawn, model, SEEDS, 8) for model in ("nebulae", None)]
    return jobs


def run(folder: Path | None) -> None:
    """Measure what is not measured yet."""
    torch.set_num_threads(1)
    done = {(row["set"], row["model"], row["seed"]) for row in rows_of(ROWS)}
    for name, make, model, seeds, k_max in plan(folder):
        for seed in seeds:
            if (name, model or "scratch", str(seed)) in done:
                continue
            row = measure(name, make(seed), model, seed, k_max)
            append(ROWS, FIELDS, row)


def table() -> str:
    """Return the table of all sets with groups, and of noise."""
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows_of(ROWS):
        found.setdefault((row["set"], row["model"]), []).append(row)
    lines = [
        "| set | network | k by stability | regret | k by evidence | regret | best k | best ARI |",
        "|---|---|---|---|---|---|---|---|",
    ]
    regrets = []
    for (name, model), group in found.items():
        old, new = (", ".join(row[f"{word}_k"] for row in group) for word in ("old", "new"))
        if not group[0]["best_ari"]:
            old, new = (
                f"1 in {sum(row[f'{word}_k'] == '1' for row in group)} of {len(group)}"
                for word in ("old", "new")
            )
            lines.append(f"| {name} | {model} | {old} | | {new} | | 1 | |")
            continue
        best = np.array([float(row["best_ari"]) for row in group])
        apart = [best - [float(row[f"{word}_ari"]) for row in group] for word in ("old", "new")]
        regrets.append(apart)
        ks = ", ".join(row["best_k"] for row in group)
        lines.append(
            f"| {name} | {model} | {old} | {apart[0].mean():.3f} | {new} | {apart[1].mean():.3f} "
            f"| {ks} | {best.mean():.3f} |"
        )
    old, new = (np.concatenate([each[i] for each in regrets]) for i in (0, 1))
    lines.append(
        f"| all, mean (worst) | | | {old.mean():.3f} ({old.max():.3f}) | | {new.mean():.3f} "
        f"({new.max():.3f}) | | |"
    )
    return "\n".join(lines)


def page() -> None:
    """Write the page from its head and all rows."""
    head, cost = (path.read_text(encoding="utf-8") for path in (HEAD, COST))
    seal = "\nWritten by `python -m benchmarks.evidence`.\n"
    repeated = as_table(HERE / "repeatability.csv").rstrip()
    text = head.replace("<TABLE>", table()).replace("<COST>", cost.rstrip())
    faint = as_table(HERE / "faint_groups.csv").rstrip()
    text = text.replace("<REPEATED>", repeated).replace("<FAINT>", faint)
    PAGE.write_text(text + seal, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    page()
