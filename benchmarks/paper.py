"""Write docs/paper.md, the paper claim by claim, and docs/paper-middle.md.

spectessera reproduce astro --scale published --seeds 3 --methods paper,umap --out astro
spectessera reproduce heritage --scale published --seeds 3 --methods paper,umap --out heritage
python -m benchmarks.paper_sweeps run 3
python -m benchmarks.paper_heritage run 2
python -m benchmarks.joint_training run 5
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

from spectessera.studies import FULL
from spectessera.studies.choices import ASTRO, HERITAGE, Choice

from . import joint_training, paper_heritage, paper_sweeps
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


def choices(table: dict[str, Choice]) -> list[str]:
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
    columns = {
        word: path
        for word, path in columns.items()
        if not all(np.isnan(number(each, *path)) for each in known_numbers(name))
    }
    lines = ["| experiment | network | seed | epochs | best epoch | " + " | ".join(columns) + " |"]
    lines.append("|---|---|---|---|---|" + "---|" * len(columns))
    for experiment in dict.fromkeys(each["experiment"] for each in known_numbers(name)):
        for network in ("paper", "plain", "joint"):
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
    "nearly ideal: F1": ("oracle",),
    "UMAP, k": ("umap", "k"),
    "UMAP: F1": ("umap", "f1"),
}


def classes(name: str) -> list[str]:
    """Return the lines of the scores of every class, for seed 0."""
    lines = []
    for each in known_numbers(name):
        if each["seed"] == 0:
            lines += [
                "",
                f"| {each['experiment']}, seed 0 | " + " | ".join(each["class_f1"]) + " |",
                "|---|" + "---|" * len(each["class_f1"]),
            ]
            for name, word in (("class_f1", "F1"), ("class_tversky", "Tversky index")):
                lines.append(
                    f"| {word} | " + " | ".join(f"{x:.3f}" for x in each[name].values()) + " |"
                )
    return lines


def degraded(name: str) -> list[str]:
    """Return the lines of the noise study, for seed 0."""
    lines = []
    for each in known_numbers(name):
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


def silhouettes(name: str) -> list[str]:
    """Return the lines of the silhouette of every k."""
    lines = ["| silhouette of k = | " + " | ".join(str(k) for k in range(2, 11)) + " |"]
    lines.append("|---|" + "---|" * 9)
    for each in known_numbers(name):
        cells = " | ".join(f"{score:.3f}" for score in each["scores_open"])
        lines.append(f"| {each['experiment']}, seed {each['seed']} | {cells} |")
    return lines


def log() -> list[str]:
    """Return the published training log beside that of seed 0."""
    first = known_numbers("astro-100-0")[0]
    lines = ["| epoch | training error, paper | ours | validation total, paper | ours |"]
    lines.append("|---|---|---|---|---|")
    for epoch, (error, total) in PUBLISHED_LOG.items():
        if epoch >= first["epochs"]:
            break
        ours = first["rows"][epoch]
        lines.append(
            f"| {epoch + 1} | {error:.1e} | {ours['reconstruction']:.1e} | {total:.1e} "
            f"| {ours['validation_total']:.1e} |"
        )
    return lines


CLAIMS: dict[str, tuple[tuple[str, ...], str]] = {
    "The silhouette chooses four clusters: k from 3 to 5.": (("k",), ".0f"),
    "The same with k from 2 to 10.": (("k_open",), ".0f"),
    "Nearly all pixels are right: macro F1.": (("truth", "f1"), ".3f"),
    "The same with four clusters given.": (("true_k", "f1"), ".3f"),
    "The background is a cluster of its own, though not in the training data: its F1.": (
        ("class_f1", "background"),
        ".3f",
    ),
    "Without noise in the background: k from 3 to 5.": (("dark", "k"), ".0f"),
    "Without noise in the background: k from 2 to 10.": (("dark", "k_open"), ".0f"),
    "Macro F1 without noise in the background.": (("dark", "f1"), ".3f"),
    "The decoded spectra have less noise: error of the inputs over theirs.": (
        ("denoising",),
        ".1f",
    ),
    "UMAP finds other groups (appendix A): its k from 3 to 5.": (("umap", "k"), ".0f"),
    "Macro F1 of UMAP.": (("umap", "f1"), ".3f"),
}


def claims() -> list[str]:
    """Return the lines of the claims of the paper and what was found, seed by seed."""
    names = list(dict.fromkeys(each["experiment"] for each in known_numbers("astro")))
    lines = ["| claim of the paper | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for claim, (path, form) in CLAIMS.items():
        values = [[number(each, *path) for each in known_numbers(name)] for name in names]
        cells = [", ".join(f"{x:{form}}" for x in row if not np.isnan(x)) for row in values]
        if any(cells):
            lines.append(f"| {claim} | " + " | ".join(cells) + " |")
    return lines


def page() -> None:
    """Write docs/paper.md."""
    text = (HERE / "paper_head.md").read_text(encoding="utf-8")
    parts = {
        "ASTRO CHOICES": choices(ASTRO),
        "HERITAGE CHOICES": choices(HERITAGE),
        "CLAIMS": claims(),
        "ASTRO RUNS": runs("astro", ASTRO_COLUMNS),
        "ASTRO CLASSES": classes("astro"),
        "ASTRO SILHOUETTES": silhouettes("astro"),
        "ASTRO DEGRADED": degraded("astro"),
        "LOG": log(),
        "HERITAGE RUNS": runs("heritage", HERITAGE_COLUMNS),
        "HERITAGE CLASSES": classes("heritage"),
        "HERITAGE SILHOUETTES": silhouettes("heritage"),
        "HERITAGE DEGRADED": degraded("heritage"),
        "SWEEPS": paper_sweeps.SWEEP.table(),
        "HERITAGE SWEEPS": paper_heritage.SWEEP.table(),
        "JOINT": joint_training.SWEEP.table(),
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
