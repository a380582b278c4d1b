"""Table 1 of the paper, measured: what embeddings of spectra can do and what they cost.

`python -m benchmarks.table_one` writes docs/table-1.md. Two processes, one per set of spectra, run
side by side with one thread each.
"""

import datetime
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training
from spectessera.baselines.cluster import Embedding, embed
from spectessera.segmenter.estimator import cluster_points
from spectessera.synth import nebular_spectra, xrf_spectra

PAGE = Path(__file__).parents[1] / "docs" / "table-1.md"
FITTED, MORE, NEW, CHANNELS = 2_500, 12_000, 10_000, 512
EPOCHS = {FITTED: 300, MORE: 80}  # of about as many steps
FEW = 100  # spectra of UMAP's round trip, which takes seconds for each dozen of them
PAIRED = 500  # spectra whose distances from each other are compared
NEIGHBOURS = 10
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Heading of a column, and whether a large or a small number is the better one.
COLUMNS = (
    ("fit, s", min),
    ("10,000 new, s", min),
    ("round trip", min),
    ("distances, inputs", max),
    ("distances, noise-free", max),
    ("trustworthiness", max),
    ("purity", max),
    ("ARI", max),
    ("repeated", min),
)


class Spectra(NamedTuple):
    """Network inputs of spectra with their truth, in the unit of the inputs."""

    inputs: np.ndarray  # (n, channel)
    truth: np.ndarray  # (n, channel), without noise
    label: np.ndarray  # (n,)


def xrf() -> Spectra:
    """Return mixtures of eight pigments, 400 counts each."""
    stream = xrf_spectra(MORE + NEW, "choirbook", "mix", 400)
    made = stream.collect()
    apply = Preprocess(rebin_to=CHANNELS, normalise="total").apply
    values, truth = (
        apply(each.astype(np.float32), stream.axis).values
        for each in (made.spectra, made.expectation)
    )
    return Spectra(values, truth, made.label)


def nebulae() -> Spectra:
    """Return HII regions, planetary nebulae and shocks, S/N 10 to 100."""
    stream = nebular_spectra(MORE + NEW, (10, 100))
    made = stream.collect()
    found = Preprocess(rebin_to=CHANNELS).apply(made.spectra, stream.axis)
    truth = Preprocess(rebin_to=CHANNELS, normalise=None).apply(made.expectation, stream.axis)
    return Spectra(found.values, truth.values / found.scale[:, None], made.label)


# What is told of a set, its maker, and the last step of our decoder.
SETS: dict[str, tuple[str, Callable[[], Spectra], str]] = {
    "X-ray fluorescence": (
        "400 counts, mixtures of up to two of eight pigments in layers of several thicknesses;",
        xrf,
        "softmax",
    ),
    "Nebulae": (
        "HII regions, planetary nebulae and shocks, S/N 10 to 100 (H alpha over the noise);",
        nebulae,
        "identity",
    ),
}
ROWS = {"raw": "raw", "pca": "PCA", "nmf": "NMF", "umap": "UMAP", "tsne": "t-SNE"}
OURS = {"ours, reconstruction only": 0.0, "ours, joint": 0.01}  # gamma


def ours(inputs: np.ndarray, gamma: float, output: str) -> Embedding:
    """Train the autoencoder; the clustering after it is not timed, as for the others."""
    ends = []
    start = time.process_time()
    segmenter = SpectralSegmenter(
        Preprocess(normalise=None),
        Network(latent=3, output=output),
        training=Training(epochs=EPOCHS[len(inputs)], gamma=gamma),
    ).fit(inputs, progress=lambda *_: ends.append(time.process_time()))
    return Embedding(
        segmenter.transform(inputs),
        ends[-1] - start,
        segmenter.transform,
        segmenter.inverse_transform,
    )


def baseline(inputs: np.ndarray, method: str) -> Embedding:
    """Fit another method, timed like ours: other processes do not count."""
    start = time.process_time()
    found = embed(inputs, method)
    return found._replace(seconds=time.process_time() - start)


def round_trip(found: Embedding, points: np.ndarray, truth: np.ndarray, count: int) -> float:
    """Return the root mean square error over that of the noise-free spectra themselves."""
    assert found.inverse is not None
    back, truth = found.inverse(points[:count]), truth[:count]
    return float(np.sqrt(np.square(back - truth).mean() / np.square(truth).mean()))


def measure(made: Spectra, fit: Callable[[], Embedding], count: int) -> list[float]:
    """Return the numbers of one row, NaN where a method cannot do what a column asks for."""
    found, again = (each._replace(points=each.points[:FITTED]) for each in (fit(), fit()))
    fitted, new = (Spectra(*(array[part] for array in made)) for part in PARTS)
    seconds = error = np.nan
    if found.transform is not None:
        start = time.process_time()
        placed = found.transform(new.inputs)
        seconds = time.process_time() - start
        if found.inverse is not None:
            error = round_trip(found, placed, new.truth, count)
    chosen = np.random.default_rng(0).choice(FITTED, PAIRED, replace=False)
    apart = pdist(found.points[chosen])
    kept = [
        float(spearmanr(apart, pdist(each[chosen])).statistic)
        for each in (fitted.inputs, fitted.truth)
    ]
    search = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(found.points)
    nearest = search.kneighbors(return_distance=False)
    k = len(np.unique(fitted.label))
    labels = cluster_points(found.points, Clusters(k, k)).labels
    return [
        found.seconds,
        seconds,
        error,
        *kept,
        float(trustworthiness(fitted.inputs, found.points, n_neighbors=NEIGHBOURS)),
        float((fitted.label[nearest] == fitted.label[:, None]).mean()),
        float(adjusted_rand_score(fitted.label, labels)),
        float(np.abs(found.points - again.points).max()),
    ]


PARTS = (slice(0, FITTED), slice(MORE, MORE + NEW))


class Measured(NamedTuple):
    """All rows of one set, what was refused, and what UMAP took to compile, in seconds."""

    rows: dict[str, list[float]]
    refused: dict[str, str]
    compiled: float


def measure_set(name: str) -> Measured:
    """Measure all methods on one set, in a process of its own."""
    _, maker, output = SETS[name]
    made = maker()
    inputs = made.inputs[:FITTED]
    start = time.process_time()
    warm = embed(inputs[:300], "umap")
    assert warm.transform is not None
    assert warm.inverse is not None
    warm.inverse(warm.transform(inputs[300:310])[:2])
    compiled = time.process_time() - start
    rows, refused = {}, {}
    for method, title in ROWS.items():
        count = FEW if method == "umap" else NEW
        try:
            rows[title] = measure(made, partial(baseline, inputs, method), count)
        except ValueError as error:
            if method != "nmf":
                raise
            rows[title] = [np.nan] * len(COLUMNS)
            refused[title] = str(error).partition(";")[0]
    for title, gamma in OURS.items():
        rows[title] = measure(made, partial(ours, inputs, gamma, output), NEW)
    more = made.inputs[:MORE]
    rows[f"PCA of {MORE:,}"] = measure(made, partial(baseline, more, "pca"), NEW)
    for title, gamma in OURS.items():
        rows[f"{title}, of {MORE:,}"] = measure(made, partial(ours, more, gamma, output), NEW)
    return Measured(rows, refused, compiled)


def cell(value: float, column: int) -> str:
    """Return a number as text."""
    if np.isnan(value):
        return "none"
    if column == len(COLUMNS) - 1:
        return f"{value:.1g}"
    return f"{value:.3f}" if column > 1 or value < 0.1 else f"{value:.1f}"


def table(measured: Measured) -> list[str]:
    """Return the lines of a table, the best of every column in bold.

    The raw spectra are the measure, no competitor; nor is it better to repeat oneself than to be
    one of many who do.
    """
    lines = [
        "| method | " + " | ".join(name for name, _ in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    competing = [row for title, row in measured.rows.items() if title != ROWS["raw"]]
    best = []
    for column, ((_, better), values) in enumerate(
        zip(COLUMNS, zip(*competing, strict=True), strict=True)
    ):
        best.append(cell(better(value for value in values if not np.isnan(value)), column))
    for title, row in measured.rows.items():
        texts = [cell(value, column) for column, value in enumerate(row)]
        if title != ROWS["raw"]:
            pairs = zip(texts[:-1], best[:-1], strict=True)
            texts[:-1] = [f"**{text}**" if text == top else text for text, top in pairs]
        lines.append(f"| {title} | " + " | ".join(texts) + " |")
    for title, why in measured.refused.items():
        lines += ["", f"{title}: {why}."]
    return lines


def main() -> list[str]:
    """Measure and return lines of tables."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)  # the new processes read them when they start
    try:
        with ProcessPoolExecutor(len(SETS), mp_context=get_context("spawn")) as pool:
            found = dict(zip(SETS, pool.map(measure_set, SETS), strict=True))
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
    return page(found)


def page(found: dict[str, Measured]) -> list[str]:
    """Return what the tables mean, and the tables of all sets."""
    compiled = max(each.compiled for each in found.values())
    lines = [
        f"Every method is fitted to {FITTED:,} spectra of {CHANNELS} channels (the last rows: to",
        f"{MORE:,}, the former among them) and makes points of 3 dimensions of them (raw:",
        f"{CHANNELS}); another {NEW:,} spectra are new to it. Seconds are those of one thread that",
        "has its processor for itself. A number in bold is the best of its column, the raw spectra",
        "left aside; `none`: the method cannot do it.",
        "",
        "- **fit**: seconds of the fit. Ours: the autoencoder with its defaults, at most",
        f"  {EPOCHS[FITTED]} epochs (the last rows: {EPOCHS[MORE]}). UMAP also compiles its code",
        f"  once per process, {compiled:.0f} s more.",
        f"- **10,000 new**: seconds to place {NEW:,} spectra that it was not fitted to.",
        "- **round trip**: new spectra to points and back, root mean square error against the",
        "  noise-free spectra, over the root mean square of those. Of the raw spectra this is",
        f"  their noise. Of UMAP, of {FEW} spectra only: its way back is slow.",
        f"- **distances**: rank correlation (Spearman) of the distances between {PAIRED} points",
        "  with those between their inputs, and between the same spectra without noise.",
        f"- **trustworthiness**: of {NEIGHBOURS} neighbours, as scikit-learn defines it: 1 where",
        "  no point has neighbours that are not near to it among the inputs.",
        f"- **purity**: share of the {NEIGHBOURS} nearest points that have the same true label.",
        "- **ARI**: adjusted Rand index of k-means, with the true number of clusters, against the",
        "  true labels.",
        "- **repeated**: largest difference between the points of two fits with the same seed.",
    ]
    for name, measured in found.items():
        lines += ["", f"## {name}", "", SETS[name][0]]
        labels = "eight pigments" if name == "X-ray fluorescence" else "three classes"
        lines += [f"the true label is the larger share of {labels}.", "", *table(measured)]
    return lines


def write() -> None:
    """Measure and write the page of the docs."""
    lines = main()
    packages = ("scikit-learn", "umap-learn", "torch", "numpy")
    told = ", ".join(f"{name} {version(name)}" for name in packages)
    head = [
        "# Table 1, measured",
        "",
        "Table 1 of the paper (arXiv 2401.17695) compares embeddings by their properties. Here",
        "every cell is a number that `python -m benchmarks.table_one` measured to write this page.",
        "",
        f"Written on {datetime.date.today()}: {platform.machine()}, Python "
        f"{platform.python_version()}, {told}.",
        "",
    ]
    text = "\n".join([*head, *lines]).rstrip() + "\n"
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    write()
