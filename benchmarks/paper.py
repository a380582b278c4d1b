"""Write docs/paper.md, the paper claim by claim, and docs/paper-middle.md.

spectessera reproduce astro --scale published --seeds 3 --methods paper,umap --out astro
spectessera reproduce heritage --scale published --seeds 3 --methods paper,umap --out heritage
python -m benchmarks.paper_sweeps run 3
python -m benchmarks.paper_heritage run 3
python -m benchmarks.paper collect astro     # numbers to paper_published.json, figures to docs
python -m benchmarks.paper collect heritage
python -m benchmarks.paper                   # docs/paper.md of these and of the sweeps

spectessera reproduce astro --seeds 3 --out middle-astro
spectessera reproduce heritage --seeds 3 --pictures examples/data --out middle-heritage
python -m benchmarks.paper middle middle-astro middle-heritage
"""

import datetime
import json
import sys
from pathlib import Path

import numpy as np
import torch

from spectessera.studies import FULL, published

from . import paper_heritage, paper_sweeps
from ._timing import processor
from .paper_numbers import DOCS, HERE, NUMBERS, collect

# Of the released notebook: epoch from 0, error in training, total in validation.
PUBLISHED_LOG = {
    0: (9.028e-3, 5.90e-4),
    1: (4.40e-4, 8.12e-4),
    2: (4.37e-4, 7.48e-4),
    3: (4.35e-4, 6.58e-4),
    4: (4.19e-4, 4.88e-4),
    5: (3.25e-4, 4.77e-4),
    6: (2.89e-4, 4.63e-4),
    8: (2.02e-4, 4.93e-4),
    10: (1.46e-4, 5.12e-4),
    13: (1.26e-4, 5.42e-4),
}


def middle(folders: list[Path]) -> None:
    """Write docs/paper-middle.md from the folders of runs at the middle scale."""
    rows, columns = FULL.image
    lines = [(HERE / "paper_middle_head.md").read_text(encoding="utf-8")]
    lines.append(
        f"Measured on {datetime.date.today()}: {processor()}; {FULL.spectra:,} training spectra, "
        f"{FULL.epochs} epochs, images of {rows} x {columns} pixels, UMAP and t-SNE fitted on "
        f"{FULL.fit_pixels:,} pixels. Written by `python -m benchmarks.paper middle`."
    )
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        table = (folder / "scores.md").read_text(encoding="utf-8").splitlines()
        lines += ["", f"## {summary['experiment'].capitalize()}, {summary['seeds']} seeds"]
        lines += [line.replace("## ", "### ", 1) for line in table[3:]]
    _write(DOCS / "paper-middle.md", lines)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written to {path}")


def choices(table: dict[str, published.Choice]) -> list[str]:
    """Return the lines of a table of our choices."""
    lines = ["| choice | value | why | what it changes |", "|---|---|---|---|"]
    for name, choice in table.items():
        lines.append(f"| {name} | {choice.value} | {choice.why} | {choice.varies} |")
    return lines


def known_numbers(name: str = "", network: str = "paper") -> list[dict]:
    """Return the numbers of all runs whose experiment starts with a name."""
    found = json.loads(NUMBERS.read_text(encoding="utf-8"))
    return [x for x in found if x["experiment"].startswith(name) and x["network"] == network]


def number(found: dict, *path: str) -> float:
    """Return a number of a run; NaN if it was not measured."""
    for name in path:
        found = found.get(name)
        if found is None:
            return float("nan")
    return float(found)


def runs(name: str, columns: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the lines of the table of the runs of an experiment, and of their means.

    Parameters
    ----------
    name : str
        First part of the experiments' names.
    columns : dict
        Heading and place of each number. A first word "k" makes it an integer.
    """
    lines = ["| experiment | network | seed | epochs | best epoch | " + " | ".join(columns) + " |"]
    lines.append("|---|---|---|---|---|" + "---|" * len(columns))
    for experiment in dict.fromkeys(each["experiment"] for each in known_numbers(name)):
        for network in ("paper", "selected", "joint"):
            rows = known_numbers(experiment, network)
            if not rows:
                continue
            table = np.array([[number(each, *path) for path in columns.values()] for each in rows])
            for each, values in zip(rows, table, strict=True):
                cells = [cell(word, [value]) for word, value in zip(columns, values, strict=True)]
                first = f"| {experiment} | {network} | {each['seed']} | {each['epochs']}"
                lines.append(f"{first} | {each['best_epoch'] + 1} | " + " | ".join(cells) + " |")
            cells = [cell(word, values) for word, values in zip(columns, table.T, strict=True)]
            lines.append(f"| {experiment} | {network} | mean | | | " + " | ".join(cells) + " |")
    return lines


def cell(heading: str, values) -> str:
    """Return a number of clusters, or the mean of other numbers."""
    if np.isnan(values).any():
        return ""
    if heading.split(",")[-1].strip().startswith("k"):
        return ", ".join(f"{value:.0f}" for value in values) if len(values) == 1 else ""
    return f"{np.mean(values):.1f}" if heading.startswith("error") else f"{np.mean(values):.3f}"


def scores(*path: str) -> dict[str, tuple[str, ...]]:
    """Return columns of scores below a place."""
    words = {"f1": "F1", "tversky": "Tversky", "weighted_accuracy": "weighted acc.", "ari": "ARI"}
    return {word: (*path, name) for name, word in words.items()}


ASTRO_COLUMNS = {
    "k of 3..5": ("k",),
    "k of 2..10": ("k_open",),
    **scores("truth"),
    "true k: F1": ("true_k", "f1"),
    "no background, k of 3..5": ("dark", "k"),
    "no background, k of 2..10": ("dark", "k_open"),
    "no background: F1": ("dark", "f1"),
    "error of inputs / of decoded": ("denoising",),
    "UMAP, k": ("umap", "k"),
    "UMAP: F1": ("umap", "f1"),
}
HERITAGE_COLUMNS = {
    "k of 3..5": ("k",),
    "k of 2..10": ("k_open",),
    **scores("truth"),
    "colours: F1": ("colours", "f1"),
    "colours: Tversky": ("colours", "tversky"),
    "true k: F1": ("true_k", "f1"),
    "largest possible F1": ("oracle",),
    "UMAP, k": ("umap", "k"),
    "UMAP: F1": ("umap", "f1"),
}


def classes() -> list[str]:
    """Return the lines of the scores of every class, for seed 0."""
    lines = []
    for each in known_numbers():
        if each["seed"] == 0:
            lines += [
                "",
                f"| {each['experiment']}, seed 0 | " + " | ".join(each["classes"]) + " |",
                "|---|" + "---|" * len(each["classes"]),
            ]
            for name, word in (("class_f1", "F1"), ("class_tversky", "Tversky index")):
                lines.append(f"| {word} | " + " | ".join(f"{x:.3f}" for x in each[name]) + " |")
    return lines


def degraded() -> list[str]:
    """Return the lines of the noise study, for seed 0."""
    lines = []
    for each in known_numbers():
        if each["seed"] == 0:
            study = each["degraded"]
            lines += [
                "",
                f"| {each['experiment']}, PSNR (dB) | " + " | ".join(study["level"]) + " |",
                "|---|" + "---|" * len(study["level"]),
                "| k | " + " | ".join(str(k) for k in study["k"]) + " |",
            ]
            for name, word in (("weighted_accuracy", "weighted accuracy"), ("f1", "F1")):
                lines.append(f"| {word} | " + " | ".join(f"{x:.3f}" for x in study[name]) + " |")
    return lines


def silhouettes() -> list[str]:
    """Return the lines of the silhouette of every k."""
    lines = ["| silhouette of k = | " + " | ".join(str(k) for k in range(2, 11)) + " |"]
    lines.append("|---|" + "---|" * 9)
    for each in known_numbers():
        cells = " | ".join(f"{score:.3f}" for score in each["scores_open"])
        lines.append(f"| {each['experiment']}, seed {each['seed']} | {cells} |")
    return lines


def log() -> list[str]:
    """Return the published training log beside that of seed 0."""
    first = known_numbers("astro-100")[0]
    lines = ["| epoch | training error, paper | ours | validation total, paper | ours |"]
    lines.append("|---|---|---|---|---|")
    for epoch, (error, total) in PUBLISHED_LOG.items():
        ours = first["rows"][epoch]
        lines.append(
            f"| {epoch + 1} | {error:.1e} | {ours['reconstruction']:.1e} | {total:.1e} "
            f"| {ours['validation_total']:.1e} |"
        )
    return lines


def claims() -> list[str]:
    """Return the lines of the claims of the paper and what the runs at S/N 100 say of them."""
    both = [known_numbers("astro-100", network) for network in ("paper", "selected")]
    study = both[0][0]["degraded"]
    steady = [
        level
        for level, k, f1 in zip(study["level"], study["k"], study["f1"], strict=True)
        if k == 4 and f1 > 0.9
    ]

    def listed(*path: str, form: str = ".3f") -> list[str]:
        return [", ".join(f"{number(x, *path):{form}}" for x in found) for found in both]

    background = [
        ", ".join(f"{each['class_f1'][each['classes'].index('background')]:.3f}" for each in found)
        for found in both
    ]
    chosen = [
        f"{k}; from 2 to 10: {k_open}"
        for k, k_open in zip(listed("k", form=".0f"), listed("k_open", form=".0f"), strict=True)
    ]
    right = [
        f"macro F1 {f1}; weighted accuracy {weighted}"
        for f1, weighted in zip(
            listed("truth", "f1"), listed("truth", "weighted_accuracy"), strict=True
        )
    ]
    umap = f"k = {listed('umap', 'k', form='.0f')[0]}; F1 {listed('umap', 'f1')[0]}"
    added = f"four clusters and F1 above 0.9 at a PSNR of {', '.join(steady) or 'none'} (seed 0)"
    rows = {
        "The silhouette chooses four clusters (from 3 to 5).": chosen,
        "Nearly all pixels are right.": right,
        "The background is a cluster of its own, though not in the training data: its F1.": (
            background
        ),
        "The decoded spectra have less noise: error of the inputs over theirs.": listed(
            "denoising", form=".1f"
        ),
        "The segmentation withstands added noise (appendix B).": [added, ""],
        "UMAP finds other groups (appendix A).": [umap, ""],
        "Table 1: properties of embeddings.": ["measured in [table-1.md](table-1.md)", ""],
    }
    lines = ["| claim of the paper | found at S/N 100, as released | epoch by reconstruction |"]
    lines.append("|---|---|---|")
    return lines + [f"| {word} | " + " | ".join(cells) + " |" for word, cells in rows.items()]


def page() -> None:
    """Write docs/paper.md."""
    text = (HERE / "paper_head.md").read_text(encoding="utf-8")
    parts = {
        "ASTRO": choices(published.ASTRO),
        "HERITAGE": choices(published.HERITAGE),
        "ASTRO RUNS": runs("astro", ASTRO_COLUMNS),
        "HERITAGE RUNS": runs("heritage", HERITAGE_COLUMNS),
        "CLASSES": classes(),
        "DEGRADED": degraded(),
        "LOG": log(),
        "SWEEPS": paper_sweeps.SWEEP.table(),
        "HERITAGE SWEEPS": paper_heritage.SWEEP.table(),
        "CLAIMS": claims(),
        "SILHOUETTES": silhouettes(),
    }
    for name, lines in parts.items():
        text = text.replace(f"<{name}>", "\n".join(lines).strip())
    _write(DOCS / "paper.md", [text])


def main(words: list[str]) -> None:
    """Run the command."""
    torch.set_num_threads(1)
    if words[:1] == ["middle"]:
        middle([Path(each) for each in words[1:]])
    elif words[:1] == ["collect"]:
        for each in words[1:]:
            collect(Path(each))
    else:
        page()


if __name__ == "__main__":
    main(sys.argv[1:])
