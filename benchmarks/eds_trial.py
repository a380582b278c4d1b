"""EDS maps: what a shipped model of X-ray fluorescence, and a map's own components, make of them.

    python -m benchmarks.eds_trial train MODEL               train a model of EDS spectra
    python -m benchmarks.eds_trial run [--model MODEL]       append what is not measured yet
    python -m benchmarks.eds_trial file FILE [--model MODEL] measure a real map
    python -m benchmarks.eds_trial                           only write the tables into docs/eds.md

Maps are those of benchmarks.eds_spectra, 64 x 64 pixels, one draw of each set; the seed of the
draws was used for no decision (4100 was for trying the script). Every method clusters with the true
number of clusters, and with the number from 2 to four more than the true one that evidence chooses.
Nothing in the package was settled with these maps. A FILE needs rosettasciio.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.inference import (
    Neighbours,
    averaged_spectra,
    choose_model,
    choose_neighbours,
    intake_before_training,
)
from spectessera.result import number_chosen
from spectessera.segmenter.defaults import DEFAULTS

from . import eds_model, eds_spectra
from ._rows import append, rows_of, write_between
from .eds_spectra import EARTH, ORE, ROCK, WORKS, Map, Setting
from .evidence import ari

HERE = Path(__file__).parent
ROWS, FILES = HERE / "eds_trial.csv", HERE / "eds_trial_files.csv"
PAGE = HERE.parent / "docs" / "eds.md"
FIELDS = ("set", "counts", "seed", "method", "k", "true_k", "chosen_k", "number", "seconds",
          "choice")  # fmt: skip
FIELDS_OF_FILE = ("file", "method", "k", "gain", "error", "agree", "chance", "confidence",
                  "choice")  # fmt: skip
METHODS = ("ceiling", "own", "own, neighbours", "maxrf", "maxrf, neighbours",
           "maxrf, fine-tuned", "eds", "eds, neighbours")  # fmt: skip
EDS_EPOCHS = 12
SEED = 4200
# The encoder of `segment --fit` is not trained, so more epochs of its decoder change no label.
EPOCHS = 1
TEMPLATES = 1000  # noise-free pixels of another map, for the ceiling
COUNTS = (50, 200, 1000)
FINE_TUNED = (50, 200)  # where more could be gained; a training takes long
SETS: dict[str, tuple[dict[str, str], Setting]] = {
    "6 of a rock, 5 kV, windowless, to 10 keV": (ROCK, Setting(5, 10, window=False)),
    "6 of a rock, 15 kV, to 10 keV": (ROCK, Setting(15, 10)),
    "10 of an ore, 10 kV, to 20 keV": (ORE, Setting(10, 20)),
    "10 of an ore, 20 kV, to 20 keV": (ORE, Setting(20, 20)),
    "16 minerals, 15 kV, to 20 keV": (EARTH, Setting(15, 20)),
    "8 alloys and glasses, 30 kV, to 20 keV": (WORKS, Setting(30, 20)),
}
NONE = Neighbours()


class Fitted(NamedTuple):
    """A model with the neighbours that it is used with, and the seconds of its making."""

    segmenter: SpectralSegmenter
    neighbours: Neighbours
    seconds: float


def shipped(cube: xr.DataArray, name: str | Path, neighbours: str | float) -> Fitted | None:
    """Return a trained model, or None if it cannot read the axis."""
    start = time.perf_counter()
    segmenter = spt.load(name)
    try:
        intake = segmenter.intake(cube, warn=False)
    except ValueError:  # it covers too little of the axis: the table says so
        return None
    around = choose_neighbours(cube, intake, neighbours)
    return Fitted(segmenter, around, time.perf_counter() - start)


def fitted(cube: xr.DataArray, start: str | None, neighbours: str | float) -> Fitted | None:
    """Return a model that is trained on the map, as `segment --fit [--start]` does."""
    began = time.perf_counter()
    origin = None if start is None else shipped(cube, start, neighbours)
    if start is not None and origin is None:
        return None
    segmenter = SpectralSegmenter()
    if origin is None:
        segmenter.set_params(training=replace(DEFAULTS["training"], epochs=EPOCHS))
        intake = intake_before_training(cube, DEFAULTS["preprocess"])
        around = choose_neighbours(cube, intake, neighbours)
    else:
        intake, around = origin.segmenter.intake(cube, warn=False), origin.neighbours
    spectra = cube if around.window == 1 else averaged_spectra(cube, around, intake)
    segmenter.fit(spectra, start=origin.segmenter if origin else None)
    return Fitted(segmenter, around, time.perf_counter() - began)


def methods(cube: xr.DataArray, slow: bool) -> dict[str, object]:
    """Return the methods by their names; each makes a model, or None."""
    made = {
        "own, neighbours": lambda: fitted(cube, None, "auto"),
        "maxrf, neighbours": lambda: shipped(cube, "maxrf", "auto"),
        "own": lambda: fitted(cube, None, 0),
        "maxrf": lambda: shipped(cube, "maxrf", 0),
    }
    if slow:
        made["maxrf, fine-tuned"] = lambda: fitted(cube, "maxrf", 0)
    return made


def score(made: Fitted, cube: xr.DataArray, label: np.ndarray) -> dict[str, object]:
    """Return the scores of a model, at the true number of clusters and at the chosen one."""
    k = len(np.unique(label))
    made.segmenter.set_params(clusters__k_min=2, clusters__k_max=k + 4)
    start = time.perf_counter()
    how = {"neighbours": made.neighbours, "means": False, "keep": ["latent"]}
    free = spt.segment(cube, made.segmenter, **how)
    seconds = time.perf_counter() - start + made.seconds
    latent = free["latent_cube"].values.reshape(label.size, -1)
    settings = replace(made.segmenter.config("clusters"), k_min=k, k_max=k)
    given = made.segmenter.cluster(latent, settings).labels + 1
    return {
        "k": k, "true_k": ari(given, label),
        "chosen_k": ari(free["label"].values.ravel(), label),
        "number": number_chosen(free), "seconds": f"{seconds:.1f}",
    }  # fmt: skip


def ceiling(name: str, drawn: Map, seed: int) -> dict[str, object]:
    """Return the score of labels by the true physics: Bayes' rule with another map's expectations.

    The likelihood of a component is the mean of those of noise-free pixels with its label.
    """
    formulas, setting = SETS[name]
    other = eds_spectra.draw(formulas, setting, 1.0, seed + 50)
    some = np.random.default_rng(seed).permutation(len(other.expected))[:TEMPLATES]
    shares, label = other.expected[some], other.drawn.label[some]
    shares = np.log(shares / shares.sum(axis=1, keepdims=True) + 1e-12).astype(np.float32)
    likelihood = drawn.drawn.spectra @ shares.T  # (pixel, template)
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    by_label = likelihood @ np.eye(drawn.drawn.k, dtype=np.float32)[label - 1]
    return {"k": drawn.drawn.k, "true_k": ari(by_label.argmax(axis=1) + 1, drawn.drawn.label)}


def measure(
    name: str, counts: int, seed: int, extra: dict[str, Path], *, slow: bool = False
) -> None:
    """Append the rows of one map that are not there yet."""
    done = {(row["set"], row["counts"], row["seed"], row["method"]) for row in rows_of(ROWS)}
    key = {"set": name, "counts": counts, "seed": seed}
    formulas, setting = SETS[name]
    drawn = eds_spectra.draw(formulas, setting, counts, seed)
    cube, label = drawn.drawn.cube(), drawn.drawn.label

    def missing(method: str) -> bool:
        return (name, str(counts), str(seed), method) not in done

    if missing("ceiling"):
        append(ROWS, FIELDS, key | {"method": "ceiling"} | ceiling(name, drawn, seed))
    if missing("choice"):
        start = time.perf_counter()
        chosen = choose_model(cube).name or "own"
        seconds = f"{time.perf_counter() - start:.1f}"
        append(ROWS, FIELDS, key | {"method": "choice", "choice": chosen, "seconds": seconds})
    makers = methods(cube, slow)
    for each, path in extra.items():
        makers[each] = lambda path=path: shipped(cube, path, 0)
        makers[f"{each}, neighbours"] = lambda path=path: shipped(cube, path, "auto")
    for method, make in makers.items():
        if missing(method):
            made = make()
            scores = {"choice": "refused"} if made is None else score(made, cube, label)
            append(ROWS, FIELDS, key | {"method": method} | scores)


def run(seed: int, extra: dict[str, Path]) -> None:
    """Measure all sets; fine-tuning at the end, as it takes longest."""
    for slow in (False, True):
        for counts in FINE_TUNED if slow else COUNTS:
            for name in SETS:
                measure(name, counts, seed, extra, slow=slow)


# --- a real map --------------------------------------------------------------------------------


def agreement(label: np.ndarray) -> tuple[float, float]:
    """Return the share of neighbouring pixels (y, x) with one label, and of any two pixels."""
    same = [(label[1:] == label[:-1]).ravel(), (label[:, 1:] == label[:, :-1]).ravel()]
    share = np.bincount(label.ravel()) / label.size
    return float(np.concatenate(same).mean()), float((share**2).sum())


def measure_file(path: Path, trained: Path | None) -> None:
    """Append the rows of a real map."""
    cube = spt.read(path)
    makers = {
        f"{method}, {around}": (lambda make=make, around=around: make(around))
        for around in (0, "auto")
        for method, make in {
            "own": lambda around: fitted(cube, None, around),
            "maxrf": lambda around: shipped(cube, "maxrf", around),
            "maxrf, fine-tuned": lambda around: fitted(cube, "maxrf", around),
            **({"eds": lambda around: shipped(cube, trained, around)} if trained else {}),
        }.items()
    }
    choice = choose_model(cube).name or "own"
    done = {(row["file"], row["method"]) for row in rows_of(FILES)}
    for method, make in makers.items():
        made = None if (path.name, method) in done else make()
        if made is None:
            continue
        made.segmenter.set_params(clusters__k_min=2, clusters__k_max=10)
        result = spt.segment(cube, made.segmenter, neighbours=made.neighbours)
        agree, chance = agreement(result["label"].values)
        gain = result["gain"]
        row = {
            "file": path.name, "method": method, "k": number_chosen(result),
            "gain": f"{float(gain.max()):.3f}",
            "error": f"{float(result['gain_error'][int(gain.argmax())]):.3f}",
            "agree": f"{agree:.3f}", "chance": f"{chance:.3f}",
            "confidence": f"{float(result['confidence'].mean()):.3f}", "choice": choice,
        }  # fmt: skip
        append(FILES, FIELDS_OF_FILE, row)


# --- the page ----------------------------------------------------------------------------------


def _cell(row: dict[str, str] | None) -> str:
    """Return what a table says of one method: the scores at the true and at the chosen k."""
    if row is None:
        return ""
    if row["choice"] == "refused":
        return "refused"
    both = f"{float(row['true_k']):.3f}"
    return f"{both}, {float(row['chosen_k']):.3f} ({row['number']})" if row["chosen_k"] else both


def table() -> str:
    """Return the table of all sets."""
    found = {(row["set"], row["counts"], row["method"]): row for row in rows_of(ROWS)}
    lines = [
        "| set | counts | " + " | ".join(METHODS) + " | `segment` chooses |",
        "|---" * (len(METHODS) + 3) + "|",
    ]
    for counts in map(str, COUNTS):
        for name in SETS:
            if (name, counts, "own, neighbours") not in found:
                continue
            cells = [_cell(found.get((name, counts, method))) for method in METHODS]
            chosen = found[name, counts, "choice"]["choice"]
            lines.append(f"| {name} | {counts} | " + " | ".join(cells) + f" | {chosen} |")
    lines += _means(found, "own, neighbours", "eds, neighbours", COUNTS)
    lines += _means(found, "own", "eds", COUNTS)
    lines += _means(found, "own", "maxrf", COUNTS)
    lines += _means(found, "own", "maxrf, fine-tuned", FINE_TUNED)
    return "\n".join(lines) + "\n"


def _means(
    found: dict[tuple[str, str, str], dict[str, str]], one: str, other: str,
    counts: tuple[int, ...],
) -> list[str]:  # fmt: skip
    """Return a row for each number of counts: means over the sets that have both methods."""
    lines = []
    for number in map(str, counts):
        pairs = [
            [found.get((name, number, method), {}) for method in (one, other)] for name in SETS
        ]
        pairs = [pair for pair in pairs if all(row.get("true_k") for row in pair)]
        if len(pairs) < 2:
            continue
        values = np.array(
            [[[float(row["true_k"]), float(row["chosen_k"])] for row in pair] for pair in pairs]
        ).mean(axis=0)
        means = dict(zip((one, other), values, strict=True))
        cells = [
            f"{means[method][0]:.3f}, {means[method][1]:.3f}" if method in means else ""
            for method in METHODS
        ]
        title = f"mean of {len(pairs)} sets that both have"
        lines.append(f"| {title} | {number} | " + " | ".join(cells) + " | |")
    return lines


def table_of_files() -> str:
    """Return the table of real maps."""
    lines = [
        "| file | model, neighbours | k | largest gain | neighbours agree | by chance | "
        "mean confidence |",
        "|---" * 7 + "|",
    ]
    lines += [
        f"| {row['file']} | {row['method']} | {row['k']} | {row['gain']} ± {row['error']} | "
        f"{row['agree']} | {row['chance']} | {row['confidence']} |"
        for row in rows_of(FILES)
    ]
    return "\n".join(lines) + "\n"


def page() -> None:
    """Write the tables into the page, between marks."""
    for name, made in (("maps", table()), ("files", table_of_files())):
        write_between(PAGE, f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->", made)


def main() -> None:
    """Measure what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("run", "train", "file"))
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--model", type=Path, help="a model that `train` has written")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "run":
        run(arguments.seed, {"eds": arguments.model} if arguments.model else {})
    elif arguments.what == "train":
        eds_model.train(arguments.file, EDS_EPOCHS)
    elif arguments.what == "file":
        measure_file(arguments.file, arguments.model)
    page()


if __name__ == "__main__":
    main()
