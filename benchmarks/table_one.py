"""Table 1 of the paper, measured: quality and cost of embeddings of spectra.

`python -m benchmarks.table_one` writes docs/table-1.md. Two processes, one per set of spectra, run
in parallel with one thread each.
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
from spectessera.kmeans.points import cluster_points
from spectessera.synth import nebular_spectra, xrf_spectra

PAGE = Path(__file__).parents[1] / "docs" / "table-1.md"
FITTED, MORE, NEW, CHANNELS = 2_500, 12_000, 10_000, 512
EPOCHS = {FITTED: 300, MORE: 80}  # about the same number of steps
FEW = 100  # spectra of UMAP's round trip, which takes seconds per dozen
PAIRED = 500  # spectra whose distances from each other are compared
NEIGHBOURS = 10
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Heading of every column, and the function that returns its best value.
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
    """Network inputs of spectra, and the truth in the unit of the inputs."""

    inputs: np.ndarray  # (n, channel)
    truth: np.ndarray  # (n, channel), without noise
    label: np.ndarray  # (n,)


def xrf() -> Spectra:
    """Return mixtures of eight pigments, 400 counts each."""
    stream = xrf_spectra(MORE + NEW, "choirbook", "mix", 400)
    block = stream.collect()
    apply = Preprocess(rebin_to=CHANNELS, normalise="total").apply
    values, truth = (
        apply(each.astype(np.float32), stream.axis).values
        for each in (block.spectra, block.expectation)
    )
    return Spectra(values, truth, block.label)


def nebulae() -> Spectra:
    """Return HII regions, planetary nebulae and shocks, S/N 10 to 100."""
    stream = nebular_spectra(MORE + NEW, (10, 100))
    block = stream.collect()
    inputs = Preprocess(rebin_to=CHANNELS).apply(block.spectra, stream.axis)
    truth = Preprocess(rebin_to=CHANNELS, normalise=None).apply(block.expectation, stream.axis)
    return Spectra(inputs.values, truth.values / inputs.scale[:, None], block.label)


# Of every set: description, function that makes it, output layer of our decoder.
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
    """Train the autoencoder; the time excludes the clustering, as for the other methods."""
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
    """Fit another method; like ours, it is timed in seconds of this process."""
    start = time.process_time()
    embedding = embed(inputs, method)
    return embedding._replace(seconds=time.process_time() - start)


def round_trip(embedding: Embedding, points: np.ndarray, truth: np.ndarray, count: int) -> float:
    """Return the root mean square error divided by the root mean square of the truth."""
    assert embedding.inverse is not None
    back, truth = embedding.inverse(points[:count]), truth[:count]
    return float(np.sqrt(np.square(back - truth).mean() / np.square(truth).mean()))


def measure(spectra: Spectra, fit: Callable[[], Embedding], count: int) -> list[float]:
    """Return the numbers of one row, NaN where a method cannot do what a column asks for."""
    first, second = (each._replace(points=each.points[:FITTED]) for each in (fit(), fit()))
    fitted, new = (Spectra(*(array[part] for array in spectra)) for part in PARTS)
    seconds = error = np.nan
    if first.transform is not None:
        start = time.process_time()
        points = first.transform(new.inputs)
        seconds = time.process_time() - start
        if first.inverse is not None:
            error = round_trip(first, points, new.truth, count)
    chosen = np.random.default_rng(0).choice(FITTED, PAIRED, replace=False)
    distances = pdist(first.points[chosen])
    preserved = [
        float(spearmanr(distances, pdist(each[chosen])).statistic)
        for each in (fitted.inputs, fitted.truth)
    ]
    search = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(first.points)
    nearest = search.kneighbors(return_distance=False)
    k = len(np.unique(fitted.label))
    labels = cluster_points(first.points, Clusters(k, k)).labels
    return [
        first.seconds,
        seconds,
        error,
        *preserved,
        float(trustworthiness(fitted.inputs, first.points, n_neighbors=NEIGHBOURS)),
        float((fitted.label[nearest] == fitted.label[:, None]).mean()),
        float(adjusted_rand_score(fitted.label, labels)),
        float(np.abs(first.points - second.points).max()),
    ]


PARTS = (slice(0, FITTED), slice(MORE, MORE + NEW))


class Measurements(NamedTuple):
    """All rows of one set, reasons of failed methods, and seconds of UMAP's compilation."""

    rows: dict[str, list[float]]
    failures: dict[str, str]
    compilation: float


def measure_set(name: str) -> Measurements:
    """Measure all methods on one set, in a separate process."""
    _, make, output = SETS[name]
    spectra = make()
    inputs = spectra.inputs[:FITTED]
    start = time.process_time()
    warm = embed(inputs[:300], "umap")
    assert warm.transform is not None
    assert warm.inverse is not None
    warm.inverse(warm.transform(inputs[300:310])[:2])
    compilation = time.process_time() - start
    rows, failures = {}, {}
    for method, title in ROWS.items():
        count = FEW if method == "umap" else NEW
        try:
            rows[title] = measure(spectra, partial(baseline, inputs, method), count)
        except ValueError as error:
            if method != "nmf":
                raise
            rows[title] = [np.nan] * len(COLUMNS)
            failures[title] = str(error).partition(";")[0]
    for title, gamma in OURS.items():
        rows[title] = measure(spectra, partial(ours, inputs, gamma, output), NEW)
    more = spectra.inputs[:MORE]
    rows[f"PCA of {MORE:,}"] = measure(spectra, partial(baseline, more, "pca"), NEW)
    for title, gamma in OURS.items():
        rows[f"{title}, of {MORE:,}"] = measure(spectra, partial(ours, more, gamma, output), NEW)
    return Measurements(rows, failures, compilation)


def cell(value: float, column: int) -> str:
    """Return a number as text."""
    if np.isnan(value):
        return "none"
    if column == len(COLUMNS) - 1:
        return f"{value:.1g}"
    return f"{value:.3f}" if column > 1 or value < 0.1 else f"{value:.1f}"


def table(measurements: Measurements) -> list[str]:
    """Return the lines of a table, the best of every column in bold.

    The row of the raw spectra has no bold number, as it is the reference; nor has the column of
    repeated fits, in which most methods are equal.
    """
    lines = [
        "| method | " + " | ".join(name for name, _ in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    competing = [row for title, row in measurements.rows.items() if title != ROWS["raw"]]
    best = []
    for column, ((_, better), values) in enumerate(
        zip(COLUMNS, zip(*competing, strict=True), strict=True)
    ):
        best.append(cell(better(value for value in values if not np.isnan(value)), column))
    for title, row in measurements.rows.items():
        texts = [cell(value, column) for column, value in enumerate(row)]
        if title != ROWS["raw"]:
            pairs = zip(texts[:-1], best[:-1], strict=True)
            texts[:-1] = [f"**{text}**" if text == top else text for text, top in pairs]
        lines.append(f"| {title} | " + " | ".join(texts) + " |")
    for title, reason in measurements.failures.items():
        lines += ["", f"{title}: {reason}."]
    return lines


def main() -> list[str]:
    """Measure and return the lines of the page."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)  # read by the new processes at their start
    try:
        with ProcessPoolExecutor(len(SETS), mp_context=get_context("spawn")) as pool:
            measurements = dict(zip(SETS, pool.map(measure_set, SETS), strict=True))
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
    return page(measurements)


def page(measurements: dict[str, Measurements]) -> list[str]:
    """Return the explanation of the columns, and the tables of all sets."""
    compilation = max(each.compilation for each in measurements.values())
    lines = [
        f"Every method is fitted to {FITTED:,} spectra of {CHANNELS} channels (last rows: to",
        f"{MORE:,} spectra, which include these) and maps them to points of 3 dimensions (raw:",
        f"{CHANNELS}). Another {NEW:,} spectra are not used in the fit. Times are for one thread",
        "on a core of its own. Bold: the best number of a column, without the raw spectra;",
        "`none`: not possible with this method.",
        "",
        "- **fit**: seconds of the fit. Ours: the autoencoder with its defaults, at most",
        f"  {EPOCHS[FITTED]} epochs (last rows: {EPOCHS[MORE]}). UMAP also compiles its code once",
        f"  per process, which takes another {compilation:.0f} s.",
        f"- **10,000 new**: seconds to embed {NEW:,} spectra that are not used in the fit.",
        "- **round trip**: new spectra are mapped to points and back; root mean square error",
        "  against the noise-free spectra, divided by the root mean square of these. For the raw",
        f"  spectra this is their noise. For UMAP only {FEW} spectra are used, because its inverse",
        "  is slow.",
        f"- **distances**: rank correlation (Spearman) of the distances between {PAIRED} points",
        "  with those between their inputs, and between the same spectra without noise.",
        f"- **trustworthiness**: with {NEIGHBOURS} neighbours, as defined by scikit-learn; 1 if",
        "  all neighbours of every point are also its neighbours among the inputs.",
        f"- **purity**: share of the {NEIGHBOURS} nearest points that have the same true label.",
        "- **ARI**: adjusted Rand index of k-means, with the true number of clusters, against the",
        "  true labels.",
        "- **repeated**: largest difference between the points of two fits with the same seed.",
    ]
    for name, measured in measurements.items():
        lines += ["", f"## {name}", "", SETS[name][0]]
        labels = "eight pigments" if name == "X-ray fluorescence" else "three classes"
        lines += [f"the true label is the larger share of {labels}.", "", *table(measured)]
    return lines


def write() -> None:
    """Measure and write the page of the documentation."""
    lines = main()
    packages = ("scikit-learn", "umap-learn", "torch", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    head = [
        "# Table 1, measured",
        "",
        "Table 1 of the paper (arXiv 2401.17695) compares embeddings by their properties. On this",
        "page every cell is a number, measured by `python -m benchmarks.table_one`.",
        "",
        f"Written on {datetime.date.today()}: {platform.machine()}, Python "
        f"{platform.python_version()}, {versions}.",
        "",
    ]
    text = "\n".join([*head, *lines]).rstrip() + "\n"
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    write()
