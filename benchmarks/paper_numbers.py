"""Collect the numbers and the figures of docs/paper.md from the folders of finished runs."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from spectessera import SpectralSegmenter
from spectessera.cube import spectral_axis
from spectessera.evaluate import compare
from spectessera.io import read_result
from spectessera.segmenter.models import load
from spectessera.studies import published
from spectessera.studies.figures import write_figures
from spectessera.studies.reproduction import open_range
from spectessera.synth.cube import nebular_cube

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

SHOWN = {"astro": "astro-100-5", "heritage": "heritage-0.8"}  # in the figures


SCORES = (
    "f1", "weighted_f1", "tversky", "weighted_tversky", "accuracy", "weighted_accuracy", "ari",
)  # fmt: skip


def rounded(value: float) -> float:
    """Return a number with four digits."""
    return float(f"{value:.4g}")


def scores_of(label: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Return the scores of a label map against a reference."""
    found = compare(label, reference)
    return {name: rounded(getattr(found, name)) for name in SCORES}


def by_class(names, values: np.ndarray) -> dict[str, float]:
    """Return the scores of the classes by their names."""
    return dict(zip(names, np.round(values, 4).tolist(), strict=True))


def numbers(experiment, home: Path, network: str, seed: int) -> dict[str, object]:
    """Return what the page states about one network."""
    segmenter = load(home / f"{network}.safetensors")
    result = read_result(home / f"{network}.nc")
    label, shape = result["label"].values, experiment.truth.shape
    scores = compare(label, experiment.truth, names=experiment.classes)
    history = segmenter.history_
    latent = result["latent_cube"].values.reshape(-1, result.sizes["latent"])
    assert np.isfinite(latent).all()  # nothing is masked in these images
    open_k = segmenter.cluster(latent, open_range(experiment.clusters), seed=seed)
    true_k = len(scores.classes)
    given = replace(experiment.clusters, k_min=true_k, k_max=true_k)
    four = segmenter.cluster(latent, given, seed=seed)
    return {
        "experiment": experiment.name,
        "network": network,
        "seed": seed,
        "epochs": len(history.rows),
        "best_epoch": history.best_epoch,
        "seconds_per_epoch": rounded(history.seconds / len(history.rows)),
        "rows": [
            {
                name: rounded(each[name])
                for name in ("reconstruction", "validation_reconstruction", "validation_total")
            }
            for each in history.rows
        ],
        "k": int(label.max()),
        "k_open": len(open_k.centers),
        "scores_open": [rounded(each) for each in open_k.curves.score],
        "truth": scores_of(label, experiment.truth),
        "colours": scores_of(label, experiment.colours),
        "true_k": scores_of(four.labels.reshape(shape) + 1, experiment.truth),
        "class_f1": by_class(scores.names, scores.class_f1),
        "class_tversky": by_class(scores.names, scores.class_tversky),
        "umap": baseline(experiment, home, "umap"),
        "degraded": degradation(home) if network == "paper" else None,
        **(of_nebulae(experiment, segmenter, result, seed) if experiment.background else {}),
        **({} if experiment.background else {"oracle": oracle(experiment, home.name, seed)}),
    }


def degradation(home: Path) -> dict[str, list]:
    """Return k and scores on cubes with added noise."""
    with xr.open_dataset(home / "noise.nc", engine="h5netcdf") as noise:
        found = {name: noise[name].values.tolist() for name in ("k", "weighted_accuracy", "f1")}
        return found | {"level": [str(each) for each in noise["level"].values]}


def baseline(experiment, home: Path, name: str) -> dict[str, float] | None:
    """Return the number of clusters and the scores of a baseline; None if it was not run."""
    if not (home / f"{name}.nc").exists():
        return None
    label = read_result(home / f"{name}.nc")["label"].values
    return {"k": int(label.max()), **scores_of(label, experiment.truth)}


def of_nebulae(
    experiment, segmenter: SpectralSegmenter, result: xr.Dataset, seed: int
) -> dict[str, object]:
    """Return what is measured on an image of nebulae only.

    ``denoising`` is the squared error of the inputs over that of the decoded spectra, both against
    the spectra without noise in the unit of the inputs; ``dark`` are the scores of the same network
    on the same image with zeros in the background.
    """
    snr = float(experiment.name.split("-")[1])
    _, truth = nebular_cube(
        experiment.picture, snr, 2000 + seed, axis=spectral_axis(experiment.cube)
    )
    nebulae = experiment.truth != experiment.background
    recipe = segmenter.config("preprocess")
    inputs = recipe.apply(experiment.cube.values[nebulae], segmenter.axis_)
    expected = published.flux(truth["expectation"].values[nebulae])
    clean = np.log1p(expected) / inputs.scale[:, None]
    decoded = result["decoded_cube"].values[nebulae]
    errors = [np.square(each - clean).mean() for each in (inputs.values, decoded)]
    dark = experiment.cube.copy(data=np.where(nebulae[..., None], experiment.cube.values, 0))
    flat = dark.values.reshape(-1, dark.shape[-1])
    latent = segmenter.codec.encode(recipe.apply(flat, segmenter.axis_).values)
    found = segmenter.cluster(latent, experiment.clusters, seed=seed)
    return {
        "denoising": rounded(errors[0] / errors[1]),
        "dark": {
            "k": len(found.centers),
            "k_open": len(
                segmenter.cluster(latent, open_range(experiment.clusters), seed=seed).centers
            ),
            **scores_of(found.labels.reshape(experiment.truth.shape) + 1, experiment.truth),
        },
    }


def oracle(experiment, name: str, seed: int) -> float:
    """Return the macro F1 of the most likely class of each pixel, given all true mean spectra.

    A nearly ideal classifier: what it lacks to 1 is the overlap of the counts.
    """
    _, truth = published.held_out_cube(experiment.picture, float(name.split("-")[1]), seed)
    label = truth["label"].values
    expected = np.stack([truth["expectation"].values[label == k][0] for k in np.unique(label)])
    expected = expected / expected.sum(axis=1, keepdims=True)
    likelihood = experiment.cube.values @ np.log(np.maximum(expected, 1e-12)).T
    return rounded(compare(likelihood.argmax(axis=-1) + 1, label).f1)


def place(found: dict) -> tuple[str, str, int]:
    """Return what identifies the numbers of a network: experiment, network, seed."""
    return found["experiment"], found["network"], found["seed"]


def collect(folder: Path) -> None:
    """Write the numbers of all runs of a folder, and the figures of seed 0.

    Raises
    ------
    ValueError
        If the folder holds a run at another scale.
    """
    settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    name = settings["experiment"]
    if settings["scale"] != "published":
        raise ValueError(f"{folder} holds a run at the scale {settings['scale']}, not published")
    known = json.loads(NUMBERS.read_text(encoding="utf-8")) if NUMBERS.exists() else []
    for home in sorted(folder.glob("seed-*/*")):
        if not (home / "noise.nc").exists():
            continue  # not finished
        seed = int(home.parent.name.removeprefix("seed-"))
        values = [float(each) for each in home.name.split("-")[1:]]
        if name == "astro":
            values[1] /= 100  # share of noise
        experiment = getattr(published, name)(seed, published.PUBLISHED, *values)
        for network in (each.name for each in experiment.variants):
            if not (home / f"{network}.nc").exists():
                continue
            found = numbers(experiment, home, network, seed)
            key = (home.name, network, seed)
            known = [each for each in known if place(each) != key] + [found]
            print(f"{key}: k = {found['k']}, F1 {found['truth']['f1']}, {found['epochs']} epochs")
        if seed == 0 and home.name == SHOWN[name]:
            with tempfile.TemporaryDirectory() as target:
                write_figures(experiment, home, Path(target))
                for number, figure in FIGURES[name].items():
                    image = DOCS / "images" / f"paper-{number}.png"
                    shutil.copy(Path(target) / f"{figure}.png", image)
        known.sort(key=place)
        NUMBERS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
