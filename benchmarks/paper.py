"""Write docs/paper.md, the paper claim by claim, and docs/paper-middle.md.

spectessera reproduce astro --scale published --seeds 3 --out astro
python -m benchmarks.paper_sweeps run 3
python -m benchmarks.paper collect astro     # numbers to paper_published.json, figures to docs
python -m benchmarks.paper                   # docs/paper.md of these and of the sweeps

spectessera reproduce astro --seeds 3 --out middle-astro
spectessera reproduce heritage --seeds 3 --pictures examples/data --out middle-heritage
python -m benchmarks.paper middle middle-astro middle-heritage

A training that was stopped is collected with its best weights so far, and its epochs are stated.
"""

import datetime
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from spectessera import Clusters, SpectralSegmenter
from spectessera.cube import spectral_axis
from spectessera.evaluate import compare
from spectessera.io import read_result
from spectessera.network.modelfile import read_model
from spectessera.segmenter.models import load
from spectessera.studies import FULL, published, reproduction
from spectessera.studies.figures import write_figures
from spectessera.synth.cube import nebular_cube

from . import paper_sweeps
from ._timing import processor

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
NUMBERS = HERE / "paper_published.json"
# Of the paper, and the name of the figure that `spectessera reproduce` writes.
FIGURES = {
    "astro": {
        4: "03-segmentation",
        5: "04-integrated",
        6: "05-masks",
        7: "06-confusion",
        20: "09-degradation",
    },
    "heritage": {9: "03-segmentation", 11: "04-integrated", 13: "05-masks", 14: "06-confusion"},
}

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


# --- numbers of a run -----------------------------------------------------------------------------


def so_far(experiment, variant, checkpoint: Path) -> SpectralSegmenter:
    """Return a segmenter with the best weights of a training that was stopped."""
    arrays, state = read_model(checkpoint)
    small = replace(variant.training, epochs=1, max_spectra=2048, gamma=0.0, beta=0.0)
    segmenter = SpectralSegmenter(variant.preprocess, variant.network, variant.clusters, small).fit(
        experiment.train[0].isel(y=slice(2048))
    )
    best = {
        name.removeprefix("best."): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith("best.")
    }
    segmenter.model_.load_state_dict(best)
    segmenter.history_.rows = state["rows"]
    segmenter.history_.best_epoch = state["best"][1]
    segmenter.history_.seconds = state["seconds"]
    segmenter.training = variant.training
    return segmenter


def complete(experiment, home: Path, seed: int) -> Path:
    """Return a folder with the results of the network of the paper, trained or stopped."""
    variant = experiment.variants[0]
    if (home / "noise.nc").exists():
        return home
    scratch = Path(tempfile.mkdtemp())
    if (home / "paper.safetensors").exists():
        shutil.copy(home / "paper.safetensors", scratch)
    else:
        segmenter = so_far(experiment, variant, home / "paper.checkpoint")
        segmenter.save(scratch / "paper.safetensors")
    row = reproduction._network(experiment, variant, scratch, seed, lambda *_: None)
    reproduction._write_json(scratch / "paper.json", row._asdict())
    reproduction._noise(experiment, scratch, published.PUBLISHED, seed)
    return scratch


def numbers(experiment, home: Path, seed: int) -> dict[str, object]:
    """Return what the page states about one run."""
    row = json.loads((home / "paper.json").read_text(encoding="utf-8"))
    segmenter = load(home / "paper.safetensors")
    result = read_result(home / "paper.nc")
    scores = compare(result["label"].values, experiment.truth, names=experiment.classes)
    colours = compare(result["label"].values, experiment.colours)
    history = segmenter.history_
    latent = result["latent_cube"].values.reshape(-1, result.sizes["latent"])
    open_k = segmenter.cluster(
        latent, Clusters(2, 10, metric="euclidean", criterion="silhouette"), seed=seed
    )
    true_k = len(scores.classes)
    four = segmenter.cluster(latent, Clusters(true_k, true_k, metric="euclidean"), seed=seed)
    known_k = compare(four.labels.reshape(experiment.truth.shape) + 1, experiment.truth)
    with xr.open_dataset(home / "noise.nc", engine="h5netcdf") as noise:
        degraded = {name: noise[name].values.tolist() for name in ("k", "weighted_accuracy", "f1")}
        degraded["level"] = [str(each) for each in noise["level"].values]
    names = ("f1", "weighted_f1", "tversky", "weighted_tversky", "accuracy", "weighted_accuracy")
    return {
        "experiment": experiment.name,
        "seed": seed,
        "epochs": len(history.rows),
        "complete": len(history.rows) == segmenter.config("training").epochs
        or len(history.rows) - history.best_epoch > segmenter.config("training").patience,
        "best_epoch": history.best_epoch,
        "seconds_per_epoch": history.seconds / len(history.rows),
        "rows": [
            {
                name: float(f"{each[name]:.4g}")
                for name in ("reconstruction", "validation_reconstruction", "validation_total")
            }
            for each in history.rows
        ],
        "k": row["k"],
        "k_open": row["k_open"],
        "scores_open": [float(f"{each:.4g}") for each in open_k.curves.score],
        **{name: float(f"{getattr(scores, name):.4g}") for name in names},
        "ari": float(f"{scores.ari:.4g}"),
        "true_k": {name: float(f"{getattr(known_k, name):.4g}") for name in (*names, "ari")},
        "class_f1_true_k": np.round(known_k.class_f1, 4).tolist(),
        "colours": {name: float(f"{getattr(colours, name):.4g}") for name in (*names, "ari")},
        "classes": list(scores.names),
        "class_f1": np.round(scores.class_f1, 4).tolist(),
        "class_tversky": np.round(scores.class_tversky, 4).tolist(),
        "denoising": denoising(experiment, result, seed),
        "degraded": degraded,
    }


def denoising(experiment, result: xr.Dataset, seed: int) -> float | None:
    """Return the squared error of the inputs over that of the decoded spectra, of the nebulae.

    Both against the spectra without noise, in the unit of the inputs; None without a background.
    """
    if not experiment.background:
        return None
    snr = float(experiment.name.removeprefix("astro-"))
    _, truth = nebular_cube(
        experiment.picture, snr, 2000 + seed, axis=spectral_axis(experiment.cube)
    )
    nebulae = experiment.truth != experiment.background
    measured = experiment.cube.values[nebulae]
    largest = measured.max(axis=1, keepdims=True)
    clean = truth["expectation"].values[nebulae] / largest
    decoded = result["decoded_cube"].values[nebulae]
    errors = [np.square(each - clean).mean() for each in (measured / largest, decoded)]
    return float(f"{errors[0] / errors[1]:.4g}")


def collect(folder: Path) -> None:
    """Write the numbers of all finished or stopped runs of a folder, and the figures of seed 0."""
    settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    name = settings["experiment"]
    known = json.loads(NUMBERS.read_text(encoding="utf-8")) if NUMBERS.exists() else []
    for home in sorted(folder.glob("seed-*/*")):
        if not any((home / f"paper.{end}").exists() for end in ("safetensors", "checkpoint")):
            continue
        seed, value = int(home.parent.name.removeprefix("seed-")), float(home.name.split("-")[1])
        experiment = getattr(published, name)(seed, published.PUBLISHED, value)
        done = complete(experiment, home, seed)
        found = numbers(experiment, done, seed)
        known = [each for each in known if (each["experiment"], each["seed"]) != (home.name, seed)]
        known.append(found)
        first = {"astro": "astro-100", "heritage": "heritage-0.2"}[name]
        if seed == 0 and home.name == first:
            target = Path(tempfile.mkdtemp())
            write_figures(experiment, done, target)
            for number, figure in FIGURES[name].items():
                shutil.copy(target / f"{figure}.png", DOCS / "images" / f"paper-{number}.png")
        known.sort(key=lambda each: (each["experiment"], each["seed"]))
        NUMBERS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(f"{home}: k = {found['k']}, F1 {found['f1']}, {found['epochs']} epochs")


# --- the page ------------------------------------------------------------------------------------


def choices(table: dict[str, published.Choice]) -> list[str]:
    """Return the lines of a table of our choices."""
    lines = ["| choice | value | why | what it changes |", "|---|---|---|---|"]
    for name, choice in table.items():
        lines.append(f"| {name} | {choice.value} | {choice.why} | {choice.varies} |")
    return lines


def runs() -> list[str]:
    """Return the lines of the table of all runs at the published scale."""
    lines = [
        "| experiment | seed | epochs | best epoch | k of 3..5 | k from 2 | F1 | Tversky "
        "| weighted accuracy | ARI | ARI, colours | true k: F1 | Tversky | weighted accuracy | ARI "
        "| error of inputs / of decoded |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in json.loads(NUMBERS.read_text(encoding="utf-8")):
        epochs = f"{each['epochs']}" if each["complete"] else f"{each['epochs']} (stopped)"
        names = ("f1", "tversky", "weighted_accuracy", "ari")
        scores = " | ".join(f"{each[name]:.3f}" for name in names)
        known = " | ".join(f"{each['true_k'][name]:.3f}" for name in names)
        clean = "" if each["denoising"] is None else f"{each['denoising']:.1f}"
        lines.append(
            f"| {each['experiment']} | {each['seed']} | {epochs} | {each['best_epoch'] + 1} "
            f"| {each['k']} | {each['k_open']} | {scores} | {each['colours']['ari']:.3f} "
            f"| {known} | {clean} |"
        )
    return lines


def classes() -> list[str]:
    """Return the lines of the scores of every class, for seed 0."""
    lines = []
    for each in json.loads(NUMBERS.read_text(encoding="utf-8")):
        if each["seed"] == 0:
            lines += [
                "",
                f"| {each['experiment']}, seed 0 | " + " | ".join(each["classes"]) + " |",
                "|---|" + "---|" * len(each["classes"]),
            ]
            for name, word in (
                ("class_f1", "F1"),
                ("class_tversky", "Tversky index"),
                ("class_f1_true_k", "F1, true k"),
            ):
                cells = " | ".join(f"{value:.3f}" for value in each[name])
                lines.append(f"| {word} | {cells} |")
    return lines


def degraded() -> list[str]:
    """Return the lines of the noise study, for seed 0."""
    lines = []
    for each in json.loads(NUMBERS.read_text(encoding="utf-8")):
        if each["seed"] == 0:
            study = each["degraded"]
            lines += [
                "",
                f"| {each['experiment']}, PSNR (dB) | " + " | ".join(study["level"]) + " |",
                "|---|" + "---|" * len(study["level"]),
                "| k | " + " | ".join(str(k) for k in study["k"]) + " |",
            ]
            for name, word in (("weighted_accuracy", "weighted accuracy"), ("f1", "F1")):
                cells = " | ".join(f"{value:.3f}" for value in study[name])
                lines.append(f"| {word} | {cells} |")
    return lines


def silhouettes() -> list[str]:
    """Return the lines of the silhouette of every k."""
    lines = ["| silhouette of k = | " + " | ".join(str(k) for k in range(2, 11)) + " |"]
    lines.append("|---|" + "---|" * 9)
    for each in json.loads(NUMBERS.read_text(encoding="utf-8")):
        cells = " | ".join(f"{score:.3f}" for score in each["scores_open"])
        lines.append(f"| {each['experiment']}, seed {each['seed']} | {cells} |")
    return lines


def log() -> list[str]:
    """Return the published training log beside that of seed 0."""
    (first,) = (
        each
        for each in json.loads(NUMBERS.read_text(encoding="utf-8"))
        if (each["experiment"], each["seed"]) == ("astro-100", 0)
    )
    lines = ["| epoch | training error, paper | ours | validation total, paper | ours |"]
    lines.append("|---|---|---|---|---|")
    for epoch, (error, total) in PUBLISHED_LOG.items():
        if epoch < first["epochs"]:
            ours = first["rows"][epoch]
            lines.append(
                f"| {epoch + 1} | {error:.1e} | {ours['reconstruction']:.1e} | {total:.1e} "
                f"| {ours['validation_total']:.1e} |"
            )
    return lines


def speed() -> list[str]:
    """Return a sentence on the speed of the training of seed 0."""
    (first,) = (
        each
        for each in json.loads(NUMBERS.read_text(encoding="utf-8"))
        if (each["experiment"], each["seed"]) == ("astro-100", 0)
    )
    seconds = first["seconds_per_epoch"]
    return [
        f"An epoch of 161,001 spectra, with the validation on 46,001, takes {seconds:.0f} s on one "
        f"thread of a {processor()} that has other work to do, {161_001 / seconds:,.0f} spectra/s; "
        "the published log has 75 s and 20 s (1,700 spectra/s; 2,150 without validation) on a "
        "Tesla T4."
    ]


def claims() -> list[str]:
    """Return the lines of the claims of the paper and what the runs at S/N 100 say of them."""
    found = [
        each
        for each in json.loads(NUMBERS.read_text(encoding="utf-8"))
        if each["experiment"] == "astro-100"
    ]
    background = [each["class_f1"][each["classes"].index("background")] for each in found]
    first = found[0]
    right = sum(each["k"] == 4 for each in found)
    f4 = [f"{each['true_k']['f1']:.3f}" for each in found]
    study = first["degraded"]
    steady = [
        level
        for level, k, f1 in zip(study["level"], study["k"], study["f1"], strict=True)
        if k == 4 and f1 > 0.9
    ]

    def column(name: str, digits: int = 3) -> str:
        return ", ".join(f"{each[name]:.{digits}f}" for each in found)

    return [
        "| claim of the paper, astronomical experiment | found at S/N 100 |",
        "|---|---|",
        f"| The silhouette chooses four clusters (from 3 to 5). | In {right} of {len(found)} runs; "
        f"from 2 to 10 it chooses {column('k_open', 0)}. |",
        f"| Nearly all pixels are right. | Macro F1 {column('f1')}; with k = 4 {', '.join(f4)}. |",
        "| The background is a cluster of its own, though it is not in the training data. | F1 of "
        f"the background {', '.join(f'{each:.3f}' for each in background)}. |",
        "| The decoded spectra have less noise. | Their squared error is that of the measured ones "
        f"divided by {column('denoising', 1)} (nebulae, against "
        "the spectra without noise). |",
        "| The segmentation withstands added noise (appendix B). | PSNR with four clusters and F1 "
        f"above 0.9, without new training: {', '.join(steady) or 'none'} (table below). |",
        "| UMAP finds other groups (appendix A). | Compared at the middle size, "
        "[paper-middle.md](paper-middle.md). |",
        "| Table 1: properties of embeddings. | Measured in [table-1.md](table-1.md). |",
    ]


def page() -> None:
    """Write docs/paper.md."""
    text = (HERE / "paper_head.md").read_text(encoding="utf-8")
    parts = {
        "ASTRO": choices(published.ASTRO),
        "HERITAGE": choices(published.HERITAGE),
        "RUNS": runs(),
        "CLASSES": classes(),
        "DEGRADED": degraded(),
        "LOG": log(),
        "SWEEPS": paper_sweeps.table(),
        "SPEED": speed(),
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
