"""Does the confidence come true: synthetic scenes measured again, labelled by the same rule.

    python -m benchmarks.calibration                 all cases; writes calibration.md and the figure
    python -m benchmarks.calibration --seeds 2100    pages of other seeds

A scene is measured once and segmented. Then its noise is drawn anew, several times, around the
very same expectation, and every pixel is labelled by the centers of the first segmentation. The
confidence is calibrated if labels repeat as often as it says.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import spectessera as spt
from spectessera import SpectralSegmenter
from spectessera.evaluate import match_labels
from spectessera.synth import miniature, nebular_cube

from .__main__ import measured
from .pages import PAGES
from .pages import page as one_page

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "calibration.md", HERE.parent / "docs" / "images" / "reliability.png"
SIDE, REPEATS, BINS, SEEDS = 96, 5, 10, (2100, 2101)
COUNTS, PALETTES = (400, 10_000), ("choirbook", "gothic-book")
MANY = 16  # clusters: more than the pigments of any page
SURE, UNSURE, LIMIT = 0.9, 0.6, 0.05

# The noise of a scene drawn anew, by the number of the repeat.
Redraw = Callable[[int], xr.DataArray]


class Judged(NamedTuple):
    """Pixels (n,) of one segmentation: what was said of them, and what came true.

    ``same`` is the share of the repeats with the same label, ``right`` whether the cluster is the
    one matched to the pixel's class.
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
    """Pixels by their confidence, in bins of equal width; empty ones have NaN."""

    share: np.ndarray
    confidence: np.ndarray
    same: np.ndarray
    right: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: how far confidence and frequency are apart on average."""
        return float(np.nansum(self.share * np.abs(self.confidence - self.same)))


def binned(confidence: np.ndarray, same: np.ndarray, right: np.ndarray) -> Bins:
    """Return means by confidence."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, each, BINS) for each in (confidence, same, right)]
    means = [np.where(count > 0, each / np.maximum(count, 1), np.nan) for each in sums]
    return Bins(count / count.sum(), *means)


# --- scenes ------------------------------------------------------------------------------------


def page(
    palette: str, kind: str, counts: int, seed: int
) -> tuple[xr.DataArray, np.ndarray, Redraw]:
    """Return a page, its pigments (y, x) and how it is measured again.

    A pixel's counts are Poisson in all and spread over the channels as its spectrum is; that is
    the same as independent Poisson counts of every channel, which the repeats are.
    """
    cube, truth = one_page(kind, seed, SIDE, palette, counts)
    expected = truth["expectation"].values

    def again(repeat: int) -> xr.DataArray:
        drawn = np.random.default_rng([seed, counts, repeat]).poisson(expected)
        return cube.copy(data=drawn.astype(cube.dtype))

    return cube, truth["label"].values, again


def nebulae(low: float, high: float, seed: int) -> tuple[xr.DataArray, np.ndarray, Redraw]:
    """Return a cube of three kinds of nebulae and noise, of known variance."""
    brightness = miniature(seed, (SIDE, SIDE)).astype(int).sum(axis=2)
    kind = np.digitize(brightness, np.quantile(brightness, (0.25, 0.5, 0.75)))
    colours = np.concatenate([255 * np.eye(3, dtype=np.uint8), np.zeros((1, 3), np.uint8)])
    cube, truth = nebular_cube(colours[kind], (low, high), seed)
    expected, sigma = truth["expectation"].values, truth["sigma"].values[:, :, None]

    def again(repeat: int) -> xr.DataArray:
        generator = np.random.default_rng([seed, repeat])
        noise = generator.standard_normal(expected.shape, dtype=np.float32)
        return cube.copy(data=expected + sigma * noise)

    return cube, truth["label"].values, again


# --- measuring ---------------------------------------------------------------------------------


def judge(
    model: SpectralSegmenter,
    scene: tuple[xr.DataArray, np.ndarray, Redraw],
    case: tuple[str, str, str],
    numbers: tuple[int | None, ...] = (None, MANY),
) -> Iterator[Judged]:
    """Segment a scene, with the k that is chosen and with others, and measure it again."""
    cube, truth, redraw = scene
    repeats = [model.transform(redraw(repeat)) for repeat in range(REPEATS)]
    for k in numbers:
        result = spt.segment(cube, model, k or "cube", seed=0, keep=["latent"])
        settings = model.config("clusters")
        if k:
            settings = replace(settings, k_min=k, k_max=k)
        latent = result["latent_cube"].values.reshape(truth.size, -1)
        found = model.cluster(latent, settings, seed=0)
        label = result["label"].values.ravel()
        if not np.array_equal(found.labels + 1, label):
            raise RuntimeError("the rule is not that of the segmentation: its labels differ")
        same = np.mean([found.rule.label(each) == found.labels for each in repeats], axis=0)
        matched = match_labels(label, truth.ravel())
        cluster_of = np.zeros(truth.max() + 1, dtype=np.int64)
        cluster_of[matched.classes] = matched.cluster_of
        right = cluster_of[truth.ravel()] == label
        confidence = result["confidence"].values.ravel().astype(np.float64)
        yield Judged(*case, bool(k), len(found.centers), confidence, same, right)


def measure(seeds: list[int]) -> Iterator[Judged]:
    """Judge every page, an autoencoder trained on a page itself, and nebulae."""
    model = spt.load("maxrf")
    for kind in PAGES:
        for counts in COUNTS:
            for palette in PALETTES:
                for seed in seeds:
                    scene = page(palette, kind, counts, seed)
                    yield from judge(model, scene, (kind, palette, f"{counts:,}"))
    scene = page("choirbook", "load", 400, seeds[0])
    own = SpectralSegmenter().fit(scene[0])
    yield from judge(own, scene, ("load, trained on the page", "choirbook", "400"))
    model = spt.load("nebulae")
    for low, high in ((10, 30), (5, 10)):
        for seed in seeds:
            scene = nebulae(low, high, seed)
            yield from judge(model, scene, ("nebulae", "-", f"S/N {low}-{high}"), (None, 8))


# --- the page and the figure -------------------------------------------------------------------


def mean(values: np.ndarray, rows: np.ndarray) -> str:
    """Return the mean of some rows in words."""
    return f"{values[rows].mean():.3f}" if rows.any() else "-"


def table(found: list[Judged]) -> list[str]:
    """Return a row of every case, its pages taken together; the error also of the worst page."""
    heads = (
        "scene", "palette", "counts", "k", "confidence", "same label", "ECE", "worst page",
        f"pixels <= {SURE}", f"same label > {SURE}", f"same label < {UNSURE}",
        "right", f"right > {SURE}", f"right < {UNSURE}",
    )  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for case in dict.fromkeys(each[:3] for each in found):
        mine = [each for each in found if each[:3] == case]
        confidence, same, right = (np.concatenate(c) for c in zip(*(m[5:] for m in mine)))  # noqa: B905
        errors = [binned(*each[5:]).error for each in mine]
        sure, unsure, every = confidence > SURE, confidence < UNSURE, confidence >= 0
        told = [mean(right, rows) for rows in (every, sure, unsure)]
        cells = [
            *case,
            ", ".join(str(each.k) for each in mine),
            f"{confidence.mean():.3f}",
            f"{same.mean():.3f}",
            f"{binned(confidence, same, right).error:.3f}",
            f"{max(errors):.3f}",
            f"{1 - sure.mean():.1%}",
            mean(same, sure),
            mean(same, unsure),
            *(["-"] * 3 if case[0] == "mix" else told),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def draw(found: list[Judged]) -> Figure:
    """Draw confidence against frequency: kinds of pages in columns, counts and k in rows."""
    figure = Figure(figsize=(9, 12.4), layout="constrained")
    grid = figure.add_gridspec(8, 3, height_ratios=(3, 0.8) * 4)
    for row, (many, counts) in enumerate((m, c) for m in (False, True) for c in COUNTS):
        for column, kind in enumerate(PAGES):
            mine = [
                each
                for each in found
                if (each.case, each.counts, each.many) == (kind, f"{counts:,}", many)
            ]
            pooled = [np.concatenate(each) for each in zip(*(m[5:] for m in mine), strict=True)]
            upper = figure.add_subplot(grid[2 * row, column])
            lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
            _draw_case(upper, lower, binned(*pooled), accuracy=kind != "mix")
            how = f"{MANY} clusters" if many else "k chosen"
            upper.set_title(f"{kind}, {counts:,} counts, {how}", size=10)
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
    keys, words = figure.axes[0].get_legend_handles_labels()
    figure.legend(keys, words, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _draw_case(upper: Axes, lower: Axes, bins: Bins, accuracy: bool) -> None:
    """Draw one reliability diagram and the histogram below it; small dots are bins of few."""
    upper.plot([0, 1], [0, 1], color="0.7", lw=1, zorder=0, label="as often as it says")
    styles = [(bins.same, "#0072b2", "o", "-", "same label when measured again")]
    if accuracy:
        styles.append((bins.right, "#d55e00", "s", "--", "right pigment"))
    for values, shade, mark, dash, word in styles:
        there = bins.share > 0
        upper.plot(bins.confidence[there], values[there], dash, color=shade, lw=1)
        for some, size in ((bins.share >= 0.002, 5.5), (there & (bins.share < 0.002), 2.5)):
            label = word if size > 3 else None
            upper.plot(bins.confidence[some], values[some], mark, color=shade, ms=size, label=label)
    upper.set(xlim=(0, 1.02), ylim=(-0.02, 1.04))
    upper.text(0.04, 0.9, f"ECE {bins.error:.3f}", size=9, transform=upper.transAxes)
    middles = (np.arange(BINS) + 0.5) / BINS
    lower.bar(middles, bins.share, width=0.9 / BINS, color="0.55")
    lower.set(yscale="log", ylim=(1e-4, 2), yticks=(1e-3, 1))
    lower.minorticks_off()


def lines_of(found: list[Judged], seeds: list[int]) -> list[str]:
    """Return the lines of the page."""
    few, many = ([each for each in found if each.many == kind] for kind in (False, True))
    asked = [each for each in few if each.case in PAGES]
    worst = max(binned(*each[5:]).error for each in asked)
    within = sum(binned(*each[5:]).error <= LIMIT for each in asked)
    return [
        f"Scenes of {SIDE} x {SIDE} pixels, seeds {', '.join(map(str, seeds))}, segmented once and "
        f"measured again {REPEATS} times: noise drawn anew around the same expectation, labels by "
        "the centers of the first segmentation. *same label*: share of the repeats with the same "
        f"label. *ECE*: expected calibration error against that, {BINS} equal bins of confidence, "
        "all pages of a row taken together, and of the worst page alone. *right*: share of pixels "
        "whose cluster is the one matched to their pigment (clusters matched to none are wrong). "
        "*pure*: one thickness, one pigment a pixel; *load*: thickness from 0.25 to 3; *mix*: also "
        "up to 40 % of a second pigment and 3 % background.",
        "",
        f"Pages with the k that is chosen: ECE at most {LIMIT} in {within} of {len(asked)}; the "
        f"worst page has {worst:.3f}.",
        "",
        "### k chosen",
        "",
        *table(few),
        "",
        f"### More clusters than there is to find ({MANY}; nebulae: 8)",
        "",
        *table(many),
    ]


def main() -> None:
    """Measure, print and write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    told = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for each in measure(told.seeds):
        found.append(each)
        print(*each[:5], f"ECE {binned(*each[5:]).error:.4f}", flush=True)
    lines = lines_of(found, told.seeds)
    text = "\n".join(measured("Calibration of the confidence", lines))
    PAGE.write_text(text.replace("## ", "# ", 1) + "\n", encoding="utf-8")
    draw(found).savefig(FIGURE, dpi=110)
    print(text)


if __name__ == "__main__":
    main()
