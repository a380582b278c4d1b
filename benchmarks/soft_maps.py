"""Abundances on painted pages of mixed pigments with their truth, compared with other methods.

    python -m benchmarks.soft_maps                 the tables, into docs/maps-soft.md
    python -m benchmarks.soft_maps --tuning        the pages that settings were chosen on

Every pixel has a main pigment and up to 40 % of another one (by area). The truth is the share of
the expected counts that comes from each pigment. All methods are given the number of pigments that
are the main one of a pixel; ours also the labels of `spectessera.segment` for that number.
NMF is that of scikit-learn. VCA with FCLS is written here (Nascimento & Bioucas-Dias 2005, IEEE
Trans. Geosci. Remote Sens. 43, 898; Heinz & Chang 2001, same 39, 529): pysptools 0.15 has no VCA,
and its N-FINDR fails with the NumPy of today.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

import spectessera as spt
from spectessera.cube import make_cube
from spectessera.maps.nonnegative import non_negative
from spectessera.synth import load_palette, miniature
from spectessera.synth.paint.scene import Scene
from spectessera.synth.paint.tiles import make_values

from ._rows import write_between
from .pages import PAGES

SIDE = 96
TUNING = tuple(
    (palette, seed, even)
    for palette, seeds in (("choirbook", (1, 2, 3)), ("gothic-book", (1,)),
                           ("renaissance-panel", (1,)))
    for seed in seeds
    for even in (True, False)
)  # fmt: skip
SHOWN = tuple(
    (palette, seed, even)
    for palette, seeds in (("choirbook", (11, 12, 13)), ("gothic-book", (11,)),
                           ("renaissance-panel", (11,)))
    for seed in seeds
    for even in (True, False)
)  # fmt: skip
COUNTS = 400
PURE = 0.01  # largest share of a second pigment in a pixel that is pure
BEGIN, END = "<!-- begin measured -->\n", "<!-- end measured -->\n"
PLACE = Path(__file__).parents[1] / "docs" / "maps-soft.md"


class Page(NamedTuple):
    """A cube, the shares (y, x, pigment) of the expected counts, and the main pigments."""

    cube: xr.DataArray
    share: np.ndarray
    main: np.ndarray


def page(palette: str, seed: int, *, even: bool, mixture: float = 0.4, side: int = SIDE) -> Page:
    """Paint a page of mixtures; ``even``: of nominal thickness, else 0.25 to 3 times that."""
    paint = load_palette(palette)
    picture = miniature(seed, (side, side), palette=paint).astype(int)
    index = np.square(picture[:, :, None] - paint.rgb.astype(int)).sum(axis=3).argmin(axis=2)
    thickness = (1.0, 1.0) if even else (0.25, 3.0)
    realism = replace(PAGES["mix"], mixture=mixture, thickness=thickness)
    scene = Scene(paint, index, np.eye(len(paint.rgb)), float(COUNTS), realism, seed)
    values = make_values(scene.shape, scene.dtype, len(paint.axis), scene.tile, None, None)
    cube = make_cube(values, axis=paint.axis, attrs={"noise": "counts", "unit": "counts"})
    rates = scene.rates(np.arange(index.size))[:, :-1]  # without the background
    rates = rates.reshape(index.size, len(paint.pigments), -1).sum(axis=2)
    share = rates / rates.sum(axis=1, keepdims=True)
    return Page(cube, share.reshape(*index.shape, -1), np.unique(index))


def matched(found: np.ndarray, truth: np.ndarray) -> tuple[float, list[tuple[int, int]]]:
    """Return the mean absolute error of abundances (n, e) for shares (n, k), and the pairs.

    Of all k pigments; one that has no abundance has the abundance 0.
    """
    cost = np.abs(found[:, :, None] - truth[:, None]).mean(axis=0)
    missed = truth.mean(axis=0)
    rows, columns = linear_sum_assignment(cost - missed)
    total = cost[rows, columns].sum() + np.delete(missed, columns).sum()
    return float(total / truth.shape[1]), list(zip(rows.tolist(), columns.tolist(), strict=True))


# --- methods: counts (n, channel) and k, to shares of counts (n, k) ----------------------------


def nmf(counts: np.ndarray, k: int, loss: str) -> np.ndarray:
    """Factorise with scikit-learn."""
    from sklearn.decomposition import NMF

    solver = "cd" if loss == "frobenius" else "mu"
    model = NMF(k, init="nndsvda", beta_loss=loss, solver=solver, max_iter=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        amount = model.fit_transform(counts) * model.components_.sum(axis=1)
    return amount / np.maximum(amount.sum(axis=1, keepdims=True), 1e-12)


def vca(counts: np.ndarray, k: int) -> np.ndarray:
    """Unmix with vertex component analysis and fully constrained least squares."""
    spectra = _of_sum_one(counts)
    return fcls(spectra, spectra[vertices(spectra, k, np.random.default_rng(0))])


def vertices(spectra: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    """Return the rows (k,) of the purest spectra (n, channel)."""
    middle = spectra.mean(axis=0)
    _, _, axes = np.linalg.svd((spectra - middle)[::4], full_matrices=False)
    points = (spectra - middle) @ axes[: k - 1].T
    size = np.linalg.norm(points, axis=1).max()
    points = np.column_stack([points, np.full(len(points), size)])  # (n, k)
    chosen = np.zeros((k, k))
    chosen[-1, 0] = 1
    found = []
    for number in range(k):
        direction = generator.normal(size=k)
        direction -= chosen @ np.linalg.pinv(chosen) @ direction
        along = np.abs(points @ (direction / np.linalg.norm(direction)))
        found.append(int(along.argmax()))
        chosen[:, number] = points[found[-1]]
    return np.array(found)


def fcls(spectra: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return abundances (n, k), none negative, of sum 1: a further channel of large weight."""
    weight = 100 * np.abs(ends).max()
    grown = np.column_stack([ends, np.full(len(ends), weight)])
    values = np.column_stack([spectra, np.full(len(spectra), weight)])
    normal = grown @ grown.T
    covariance = np.linalg.inv(normal + 1e-10 * np.trace(normal) * np.eye(len(ends)))
    amount = non_negative((values @ (grown.T @ covariance)).astype(np.float32), covariance).values
    return amount / np.maximum(amount.sum(axis=1, keepdims=True), 1e-12)


def _of_sum_one(counts: np.ndarray) -> np.ndarray:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)


METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "NMF": lambda counts, k: nmf(counts, k, "frobenius"),
    "NMF, Poisson": lambda counts, k: nmf(counts, k, "kullback-leibler"),
    "VCA, FCLS": vca,
}


class Row(NamedTuple):
    """What was measured on one page."""

    name: str
    k: int
    ends: int
    error: dict[str, float]
    seconds: dict[str, float]
    width: float
    mixed: float
    called: float
    false: float


def measure(palette: str, seed: int, even: bool, *, peers: bool = True) -> Row:
    """Measure all methods on one page."""
    made = page(palette, seed, even=even)
    truth = made.share.reshape(-1, made.share.shape[2])
    pigments = truth[:, made.main]
    k = len(made.main)
    result = spt.segment(made.cube, spt.load("maxrf"), k)
    label = result["label"].values.ravel()
    start = time.perf_counter()
    maps = spt.maps.abundances(made.cube, result)
    seconds = {"ours": time.perf_counter() - start}
    found, error = (
        maps[name].values.reshape(maps.sizes["cluster"], -1).T
        for name in ("abundance", "abundance_error")
    )
    ours, pairs = matched(found, pigments)
    errors = {"labels alone": matched(np.eye(k)[label - 1], pigments)[0], "ours": ours}
    counts = made.cube.values.reshape(len(truth), -1).astype(np.float32)
    for name, method in METHODS.items() if peers else ():
        start = time.perf_counter()
        errors[name] = matched(method(counts, k), pigments)[0]
        seconds[name] = time.perf_counter() - start
    rows, columns = map(list, zip(*pairs, strict=True))
    pull = (found[:, rows] - pigments[:, columns]) / error[:, rows]
    pull = pull[found[:, rows] > 0]
    second = np.sort(truth, axis=1)[:, -2]
    called = maps["components"].values.ravel() > 1
    width = float(np.median(np.abs(pull - np.median(pull)))) * 1.4826
    name = f"{palette}, {'even' if even else 'uneven'}, seed {seed}"
    pure = called[second < PURE]
    false = float(pure.mean()) if len(pure) else np.nan
    return Row(
        name, k, len(rows), errors, seconds, width, float((second > 0.2).mean()),
        float(called[second > 0.2].mean()), false,
    )  # fmt: skip


def lines_of(rows: list[Row]) -> list[str]:
    """Return the table of all pages."""
    names = list(rows[0].error)
    lines = [
        f"| page | k | end spectra | {' | '.join(names)} | width of pulls | called mixtures, of "
        "pixels with more than 20 % of a second pigment | of pure pixels |",
        f"|{'---|' * (len(names) + 6)}",
    ]
    for row in rows:
        cells = " | ".join(f"{row.error[name]:.3f}" for name in names)
        lines.append(
            f"| {row.name} | {row.k} | {row.ends} | {cells} | {row.width:.2f} | "
            f"{100 * row.called:.0f} % | {100 * row.false:.0f} % |"
        )
    means = [float(np.mean([row.error[name] for row in rows])) for name in names]
    worst = [float(np.max([row.error[name] for row in rows])) for name in names]
    cells = (" | ".join(f"{value:.3f}" for value in values) for values in (means, worst))
    lines += [f"| {word} | | | {each} | | | |" for word, each in zip(("mean", "worst"), cells,
                                                                    strict=True)]  # fmt: skip
    best = [name for name in names if name not in ("labels alone", "ours")]
    if best:
        least = [min(row.error[name] for name in best) for row in rows]
        won = sum(row.error["ours"] < value for row, value in zip(rows, least, strict=True))
        took = ", ".join(
            f"{name} {np.median([row.seconds[name] for row in rows]):.1f}"
            for name in rows[0].seconds
        )
        lines += [
            "",
            f"On {won} of {len(rows)} pages ours has a smaller error than the best of the others. "
            f"Seconds a page, medians, one thread, without the clusters: {took}.",
        ]
    return lines


def main() -> None:
    """Print the table; that of the shown pages is written into the docs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tuning", action="store_true", help="the pages of the settings")
    tuning = parser.parse_args().tuning
    rows = []
    for palette, seed, even in TUNING if tuning else SHOWN:
        rows.append(measure(palette, seed, even))
        print(rows[-1], flush=True)
    table = "\n".join(lines_of(rows)) + "\n"
    print(table)
    if not tuning:
        write_between(PLACE, BEGIN, END, table)


if __name__ == "__main__":
    main()
