"""Calibration of the confidence: synthetic scenes measured again, labelled by the same rule.

    python -m benchmarks.calibration                 all cases; writes calibration.md and the figure
    python -m benchmarks.calibration --seeds 2310    other seeds; also --page-seeds
    python -m benchmarks.calibration --hard          only what is hard; writes nothing

A scene is measured once and segmented. Then new noise is drawn several times around the same
expectation, and every pixel is labelled by the centers of the first segmentation. The confidence is
calibrated if it equals the share of repeated measurements with the same label. The constants of the
calibration were settled with the seeds 2100 to 2103; those shown are others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.evaluate import match_labels
from spectessera.result import number_chosen
from spectessera.synth import miniature, nebular_cube

from ._timing import measured
from .pages import PAGES
from .pages import page as one_page

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "calibration.md", HERE.parent / "docs" / "images" / "reliability.png"
SIDE, REPEATS, BINS = 48, 5, 10
SEEDS, PAGE_SEEDS = (2300, 2301, 2302), (2300,)
COUNTS, PALETTES = (400, 10_000), ("choirbook", "gothic-book")
MANY = 16  # clusters: more than the pigments of any page
HIGH, LOW, LIMIT = 0.9, 0.6, 0.05  # of the confidence; of its calibration error

# A new measurement of a scene, by its number.
Redraw = Callable[[int], xr.DataArray]


class Calibrated(NamedTuple):
    """Pixels (n,) of one segmentation: their confidence, and how it compares with the truth.

    ``same`` is the share of the repeated measurements with the same label, ``right`` whether the
    cluster is the one matched to the pixel's class; ``many``: k was given, not chosen.
    """

    case: str
    palette: str
    counts: str
    many: bool
    k: int
    confidence: np.ndarray
    same: np.ndarray
    right: np.ndarray


class Bins(NamedTuple):
    """Means over the pixels in bins of confidence of equal width; NaN for empty bins."""

    share: np.ndarray
    confidence: np.ndarray
    same: np.ndarray
    right: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: mean difference between confidence and frequency."""
        return float(np.nansum(self.share * np.abs(self.confidence - self.same)))


def binned(confidence: np.ndarray, same: np.ndarray, right: np.ndarray) -> Bins:
    """Return the means in bins of confidence."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, each, BINS) for each in (confidence, same, right)]
    means = [np.where(count > 0, each / np.maximum(count, 1), np.nan) for each in sums]
    return Bins(count / count.sum(), *means)


def by_chance(confidence: np.ndarray) -> float:
    """Return the error of a perfect confidence (n,), if repeats of a pixel are all alike."""
    generator = np.random.default_rng(0)
    drawn = [generator.uniform(size=len(confidence)) < confidence for _ in range(20)]
    return float(np.mean([binned(confidence, same, same).error for same in drawn]))


# --- scenes ------------------------------------------------------------------------------------


def page(
    palette: str, kind: str, counts: int, seed: int
) -> tuple[xr.DataArray, np.ndarray, Redraw]:
    """Return a page, its pigments (y, x) and a function that measures it again.

    The total counts of a pixel are Poisson and are distributed over the channels like its
    spectrum; this is equivalent to independent Poisson counts in every channel, which the new
    measurements have.
    """
    cube, truth = one_page(kind, seed, SIDE, palette, counts)
    expected = truth["expectation"].values

    def redraw(repeat: int) -> xr.DataArray:
        values = np.random.default_rng([seed, counts, repeat]).poisson(expected)
        return cube.copy(data=values.astype(cube.dtype))

    return cube, truth["label"].values, redraw


def nebulae(
    low: float, high: float, seed: int, *, correlated: bool = False
) -> tuple[xr.DataArray, np.ndarray, Redraw]:
    """Return a cube of three kinds of nebulae and pure noise, with known variance.

    ``correlated``: the noise is averaged over three channels, rows and columns.
    """
    brightness = miniature(seed, (SIDE, SIDE)).astype(int).sum(axis=2)
    kind = np.digitize(brightness, np.quantile(brightness, (0.25, 0.5, 0.75)))
    colours = np.concatenate([255 * np.eye(3, dtype=np.uint8), np.zeros((1, 3), np.uint8)])
    cube, truth = nebular_cube(colours[kind], (low, high), seed)
    expected, sigma = truth["expectation"].values, truth["sigma"].values[:, :, None]

    def redraw(repeat: int) -> xr.DataArray:
        generator = np.random.default_rng([seed, repeat])
        noise = generator.standard_normal(expected.shape, dtype=np.float32)
        for axis in range(3 if correlated else 0):
            noise = uniform_filter1d(noise, 3, axis=axis, mode="wrap") * np.float32(np.sqrt(3))
        return cube.copy(data=expected + sigma * noise)

    return redraw(-1 % 2**32), truth["label"].values, redraw


def gaussian_groups(seed: int) -> tuple[xr.DataArray, np.ndarray, Redraw]:
    """Return six overlapping Gaussian groups in random order, with known variance."""
    generator = np.random.default_rng([seed, 5])
    label = generator.integers(1, 7, size=(SIDE, SIDE))
    means = 3 * np.linalg.qr(generator.standard_normal((100, 6)))[0].T
    sigma = np.exp(generator.normal(0, 0.2, 100)).astype(np.float32)
    expected = (10 + means[label - 1] * sigma).astype(np.float32)

    def redraw(repeat: int) -> xr.DataArray:
        noise = np.random.default_rng([seed, repeat]).standard_normal(expected.shape, np.float32)
        variance = np.broadcast_to(np.square(sigma), expected.shape)
        return spt.make_cube(expected + sigma * noise, variance=variance.copy())

    return redraw(-1 % 2**32), label, redraw


# --- measuring ---------------------------------------------------------------------------------


def calibrate(
    model: SpectralSegmenter,
    scene: tuple[xr.DataArray, np.ndarray, Redraw],
    case: tuple[str, str, str],
    numbers: tuple[int | None, ...] = (None, MANY),
) -> Iterator[Calibrated]:
    """Segment a scene, with the chosen k and with given ones, and measure it again."""
    cube, truth, redraw = scene
    repeats = [model.transform(redraw(repeat)) for repeat in range(REPEATS)]
    for k in numbers:
        # Evidence needs the spectra to choose k, so the clusters are then made with that k.
        chosen = spt.segment(cube, model, neighbours=0, means=False) if k is None else None
        size = k if chosen is None else max(2, number_chosen(chosen))
        result = spt.segment(cube, model, size, seed=0, keep=["latent"], neighbours=0)
        settings = replace(model.config("clusters"), k_min=size, k_max=size)
        if chosen is not None and chosen["label"].equals(result["label"]):
            result["confidence"] = chosen["confidence"]  # that of k chosen by evidence
        label, confidence = (result[name].values.ravel() for name in ("label", "confidence"))
        # A pixel without any counts has no label, in one of the measurements or the other.
        seen = label > 0
        label, confidence = label[seen], confidence[seen].astype(np.float64)
        latent = result["latent_cube"].values.reshape(truth.size, -1)[seen]
        found = model.cluster(latent, settings, seed=0)
        if not np.array_equal(found.labels + 1, label):
            raise RuntimeError("labels of the rule differ from those of the segmentation")
        same = np.stack([found.rule.label(each[seen]) == found.labels for each in repeats])
        measured_again = np.stack([np.isfinite(each[seen]).all(axis=1) for each in repeats])
        same = (same & measured_again).sum(axis=0) / np.maximum(measured_again.sum(axis=0), 1)
        matched = match_labels(label, truth.ravel()[seen])
        cluster_of = np.zeros(truth.max() + 1, dtype=np.int64)
        cluster_of[matched.classes] = matched.cluster_of
        right = cluster_of[truth.ravel()[seen]] == label
        yield Calibrated(*case, bool(k), len(found.centers), confidence, same, right)


def hard(seeds: list[int]) -> Iterator[Calibrated]:
    """Measure sparse pages, an autoencoder trained on a page itself, and nebulae."""
    model = spt.load("maxrf")
    for kind in ("load", "mix"):
        for seed in seeds:
            scene = page("choirbook", kind, 10, seed)
            yield from calibrate(model, scene, (f"{kind}, sparse", "choirbook", "10"), (None, 8))
    for seed in seeds:
        scene = page("choirbook", "load", 400, seed)
        own = SpectralSegmenter().fit(scene[0])
        yield from calibrate(own, scene, ("load, trained on the page", "choirbook", "400"))
    for seed in seeds:
        scene = gaussian_groups(seed)
        own = SpectralSegmenter().fit(scene[0])
        yield from calibrate(own, scene, ("Gaussian groups", "-", "variance"), (None, 6))
    model = spt.load("nebulae")
    for name, correlated in (("nebulae", False), ("nebulae, correlated noise", True)):
        for low, high in ((10, 30), (5, 10)):
            for seed in seeds:
                scene = nebulae(low, high, seed, correlated=correlated)
                yield from calibrate(model, scene, (name, "-", f"S/N {low}-{high}"), (None, 8))


def pages(seeds: list[int]) -> Iterator[Calibrated]:
    """Measure every page with the network that ships for such pages."""
    model = spt.load("maxrf")
    for counts in COUNTS:
        for kind in PAGES:
            for palette in PALETTES:
                for seed in seeds:
                    scene = page(palette, kind, counts, seed)
                    yield from calibrate(model, scene, (kind, palette, f"{counts:,}"))


# --- the page and the figure -------------------------------------------------------------------


def mean(values: np.ndarray, rows: np.ndarray) -> str:
    """Return the mean of the selected pixels as text."""
    return f"{values[rows].mean():.3f}" if rows.any() else "-"


def table(results: list[Calibrated]) -> list[str]:
    """Return one row per case, over all of its pages; the error also for the worst page."""
    heads = (
        "scene", "palette", "counts", "k", "confidence", "same label", "ECE", "worst page",
        f"pixels <= {HIGH}", f"same label > {HIGH}", f"same label < {LOW}",
        "right", f"right > {HIGH}", f"right < {LOW}",
    )  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for case in dict.fromkeys(each[:3] for each in results):
        pages = [each for each in results if each[:3] == case]
        confidence, same, right = (np.concatenate(c) for c in zip(*(m[5:] for m in pages)))  # noqa: B905
        errors = [binned(*each[5:]).error for each in pages]
        high, low, every = confidence > HIGH, confidence < LOW, confidence >= 0
        accuracy = [mean(right, rows) for rows in (every, high, low)]
        cells = [
            *case,
            ", ".join(str(each.k) for each in pages),
            f"{confidence.mean():.3f}",
            f"{same.mean():.3f}",
            f"{binned(confidence, same, right).error:.3f}",
            f"{max(errors):.3f}",
            f"{1 - high.mean():.1%}",
            mean(same, high),
            mean(same, low),
            *(["-"] * 3 if case[0] == "mix" else accuracy),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def draw(results: list[Calibrated]) -> Figure:
    """Draw frequency against confidence: kinds of pages in columns, counts and k in rows."""
    figure = Figure(figsize=(9, 12.4), layout="constrained")
    grid = figure.add_gridspec(8, 3, height_ratios=(3, 0.8) * 4)
    for row, (many, counts) in enumerate((m, c) for m in (False, True) for c in COUNTS):
        for column, kind in enumerate(PAGES):
            pages = [
                each
                for each in results
                if (each.case, each.counts, each.many) == (kind, f"{counts:,}", many)
            ]
            pooled = [np.concatenate(each) for each in zip(*(m[5:] for m in pages), strict=True)]
            upper = figure.add_subplot(grid[2 * row, column])
            lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
            _draw_case(upper, lower, binned(*pooled), accuracy=kind != "mix")
            choice = f"{MANY} clusters" if many else "k chosen"
            upper.set_title(f"{kind}, {counts:,} counts, {choice}", size=10)
            if column == 0:
                upper.set_ylabel("share of pixels")
                lower.set_ylabel("in bin")
            else:
                upper.tick_params(labelleft=False)
                lower.tick_params(labelleft=False)
            upper.tick_params(labelbottom=False)
            if row == 3:
                lower.set_xlabel("confidence")
            else:
                lower.tick_params(labelbottom=False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _draw_case(upper: Axes, lower: Axes, bins: Bins, accuracy: bool) -> None:
    """Draw a reliability diagram above a histogram; bins with few pixels have small dots."""
    upper.plot([0, 1], [0, 1], color="0.7", lw=1, zorder=0, label="perfect calibration")
    styles = [(bins.same, "#0072b2", "o", "-", "same label when measured again")]
    if accuracy:
        styles.append((bins.right, "#d55e00", "s", "--", "right pigment"))
    for values, color, mark, dash, name in styles:
        filled = bins.share > 0
        upper.plot(bins.confidence[filled], values[filled], dash, color=color, lw=1)
        for some, size in ((bins.share >= 0.002, 5.5), (filled & (bins.share < 0.002), 2.5)):
            label = name if size > 3 else None
            upper.plot(bins.confidence[some], values[some], mark, color=color, ms=size, label=label)
    upper.set(xlim=(0, 1.02), ylim=(-0.02, 1.04))
    upper.text(0.04, 0.9, f"ECE {bins.error:.3f}", size=9, transform=upper.transAxes)
    middles = (np.arange(BINS) + 0.5) / BINS
    lower.bar(middles, bins.share, width=0.9 / BINS, color="0.55")
    lower.set(yscale="log", ylim=(1e-4, 2), yticks=(1e-3, 1))
    lower.minorticks_off()


def lines_of(results: list[Calibrated], seeds: list[int], page_seeds: list[int]) -> list[str]:
    """Return the lines of the page."""
    chosen, many = ([each for each in results if each.many == kind] for kind in (False, True))
    pages = [each for each in chosen if each.case in PAGES]
    worst = max(binned(*each[5:]).error for each in pages)
    within = sum(binned(*each[5:]).error <= LIMIT for each in pages)
    errors = [binned(*each[5:]).error for each in results]
    chance = [by_chance(each.confidence) for each in results]
    return [
        f"Scenes of {SIDE} x {SIDE} pixels, seeds {', '.join(map(str, seeds))} (pages of 400 and "
        f"10,000 counts by the shipped network: {', '.join(map(str, page_seeds))}), segmented once "
        f"and measured again {REPEATS} times: new noise around the same expectation, labels by the "
        "centers of the first segmentation. *same label*: share of the repeated measurements with "
        "the same label. *ECE*: expected calibration error of the confidence for this share, "
        f"{BINS} equal bins of confidence, all pages of a row together, and for the worst page "
        "alone. *right*: share of pixels whose cluster is the one matched to their pigment "
        "(clusters without a match are wrong). *pure*: one thickness, one pigment per pixel; "
        "*load*: thickness from 0.25 to 3; *mix*: also up to 40 % of a second pigment and 3 % "
        "background.",
        "",
        f"Pages with the chosen k: ECE at most {LIMIT} in {within} of {len(pages)}; the worst page "
        f"has {worst:.3f}. All scenes of this page: at most {LIMIT} in "
        f"{sum(error <= LIMIT for error in errors)} of {len(errors)}, at most {max(errors):.3f}. A "
        "perfect confidence would have an error of "
        f"{min(chance):.3f} to {max(chance):.3f} by chance.",
        "",
        "### k chosen",
        "",
        *table(chosen),
        "",
        f"### k given ({MANY}, more than there are groups; nebulae and sparse pages: 8; Gaussian "
        "groups: the 6 that there are)",
        "",
        *table(many),
    ]


def main() -> None:
    """Measure, print and write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--page-seeds", nargs="*", type=int, default=list(PAGE_SEEDS))
    parser.add_argument("--hard", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    plan = [hard(arguments.seeds), *([] if arguments.hard else [pages(arguments.page_seeds)])]
    for each in chain.from_iterable(plan):
        results.append(each)
        print(*each[:5], f"ECE {binned(*each[5:]).error:.4f}", flush=True)
    if arguments.hard:
        return
    lines = lines_of(results, arguments.seeds, arguments.page_seeds)
    text = "\n".join(measured("Calibration of the confidence", lines))
    PAGE.write_text(text.replace("## ", "# ", 1) + "\n", encoding="utf-8")
    draw(results).savefig(FIGURE, dpi=110)
    print(text)


if __name__ == "__main__":
    main()
