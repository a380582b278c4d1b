"""Maps of elements on painted pages with a truth, compared with PyMca.

    python -m benchmarks.element_maps                 the tables; PyMca5 is used if it is installed
    python -m benchmarks.element_maps --cost          time and memory of a larger page
    python -m benchmarks.element_maps --single        elements of single pixels
    python -m benchmarks.element_maps --tuning        the pages that settings were chosen on
    python -m benchmarks.element_maps --ideal         faint families, fitted with their true shapes

The pages have expected net counts of every family in every pixel. PyMca (FastXRFLinearFit: SNIP
background of width 30, weights of the sum spectrum, negative peaks fitted again) is given the true
calibration and resolution, and the families of our maps.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

import spectessera as spt
from spectessera.cube import Spectra
from spectessera.maps.design import Design, design_of, pixel_fit
from spectessera.maps.elementmaps import PixelWork, elements, fit_pixels
from spectessera.maps.families import contents_of, mean_spectra_of
from spectessera.maps.stream import map_pixels, times_matrices
from spectessera.naming import name_clusters
from spectessera.naming.xray.elements import forget_explained
from spectessera.synth import load_palette

from .element_pages import Page, family_shapes, instrument, page

TUNING = (
    ("choirbook", 400, 900), ("renaissance-panel", 1000, 901), ("miniature", 200, 902),
    ("baroque-canvas", 1000, 904), ("drawing", 400, 905), ("gothic-book", 400, 906),
)  # fmt: skip
SHOWN = (
    ("choirbook", 400, 910), ("gothic-book", 400, 911), ("miniature", 1000, 912),
    ("icon", 200, 913), ("renaissance-panel", 400, 914), ("baroque-canvas", 1000, 915),
    ("drawing", 400, 916),
)  # fmt: skip
STRONG = 3.0  # standard errors of the truth from which pulls are stated
REPEATS = 5
FAINT = 0.3  # least standard deviation of the truth, in errors, of a family that is compared


class Row(NamedTuple):
    """One family on one page.

    ``mean`` truth; correlations of our maps and of PyMca's with the truth; ``bias`` of the sum of
    net counts; ``widths`` of the pulls in every region where it is strong, and their median
    ``pull``.
    """

    element: str
    mean: float
    ours: float
    theirs: float
    bias: float
    pull: float
    widths: tuple[float, ...]


def segmented(cube: xr.DataArray) -> xr.Dataset:
    """Return the result of the shipped model, as the command line makes it."""
    return spt.segment(cube, spt.load("maxrf"), seed=0)


def pymca_maps(cube: xr.DataArray, families: list[str]) -> tuple[dict[str, np.ndarray], float]:
    """Return the maps (y, x) that PyMca makes, and the seconds of the processor for its fit."""
    from PyMca5.PyMcaPhysics.xrf import ClassMcaTheory, FastXRFLinearFit

    theory = ClassMcaTheory.McaTheory()
    theory.setConfiguration(_configuration(theory.getStartingConfiguration(), families))
    fit = FastXRFLinearFit.FastXRFLinearFit(mcafit=theory)
    configuration = theory.getConfiguration()
    values = cube.values.astype(np.float32)
    channels = np.arange(cube.sizes["channel"])
    start = time.process_time()
    found = fit.fitMultipleSpectra(
        x=channels, y=values, weight=1, refit=True, configuration=configuration
    )
    seconds = time.process_time() - start
    names = found.labels("parameters")
    return dict(zip(names, found["parameters"], strict=True)), seconds


def _configuration(config: dict[str, Any], families: list[str]) -> dict[str, Any]:
    """Return the settings of PyMca: the true detector, and the lines of the tube."""
    _, detector = instrument()
    gain = (detector.last - detector.first) / (detector.channels - 1)
    truth = {"zero": detector.first, "gain": gain, "noise": detector.noise, "fano": detector.fano}
    for name, value in truth.items():
        config["detector"][name] = value
        config["detector"][f"fixed{name}"] = 1
    config["detector"] |= {"sum": 0.0, "fixedsum": 1, "deltasum": 0.0}
    config["fit"] |= {
        "stripflag": 1, "stripalgorithm": 1, "snipwidth": 30, "stripfilterwidth": 1,
        "linearfitflag": 1, "fitweight": 1, "escapeflag": 1, "sumflag": 0, "scatterflag": 1,
        "hypermetflag": 1, "continuum": 0, "xmin": 0, "xmax": detector.channels - 1, "use_limit": 1,
        "energy": [40.0, 20.2, 22.7], "energyweight": [1.0, 1e-4, 1e-4],
        "energyflag": [1, 1, 1], "energyscatter": [0, 1, 1],
    }  # fmt: skip
    peaks: dict[str, list[str]] = {}
    for family in families:
        symbol, shell = family.split()
        peaks.setdefault(symbol, []).append(shell)
    config["peaks"] = peaks
    config["attenuators"] = {"Matrix": [1, "Ca1C1O3", 2.7, 0.01, 45.0, 45.0]}
    return config


def compared(shown: Page, maps: xr.Dataset, theirs: dict[str, np.ndarray] | None) -> list[Row]:
    """Return a row for every family with a truth that varies."""
    rows = []
    for name in maps["element"].values.tolist():
        if name not in shown.truth["element"].values:
            continue
        truth = shown.truth.sel(element=name).values.astype(np.float64)
        found = maps["net_counts"].sel(element=name).values.astype(np.float64)
        error = maps["net_counts_error"].sel(element=name).values
        if truth.std() < FAINT * np.median(error):
            continue
        other = None if theirs is None else theirs.get(name, theirs.get(name.replace(" ", "_")))
        regions = [shown.colour == n for n in range(1, shown.colour.max() + 1)]
        strong = [r for r in regions if np.median(truth[r]) > STRONG * np.median(error[r])]
        ends = [np.quantile(((found - truth) / error)[r], (0.159, 0.5, 0.841)) for r in strong]
        inside = np.any(strong, axis=0) if strong else np.zeros(truth.shape, bool)
        rows.append(Row(
            name, float(truth.mean()), _correlation(found, truth),
            np.nan if other is None else _correlation(other, truth),
            float(found[inside].sum() / truth[inside].sum() - 1) if strong else np.nan,
            float(np.median([each[1] for each in ends])) if ends else np.nan,
            tuple((high - low) / 2 for low, _, high in ends),
        ))  # fmt: skip
    return rows


def _correlation(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(found.ravel(), truth.ravel())[0, 1])


HEADS = (
    "page", "clusters", "families", "correlation, ours", "PyMca", "higher by .002", "lower",
    "largest loss", "widths of pulls", "within .9-1.1", "s for mean spectra",
    "spectra a second of the processor, ours", "PyMca",
)  # fmt: skip


def page_row(palette: str, counts: float, seed: int, side: int) -> tuple[str, list[Row]]:
    """Return a line of the table of a page, and its rows."""
    shown = page((side, side), palette, counts, seed)
    result = segmented(shown.cube)
    maps = elements(shown.cube, result)
    forget_explained()
    start = time.process_time()
    design = _contents(result)
    first = time.process_time() - start
    work, labels = PixelWork(pixel_fit(design), None), result["label"].values
    start = time.process_time()
    map_pixels(fit_pixels, work, shown.cube, labels, 2 * len(design.names))
    seconds = time.process_time() - start
    names = [n for n in maps["element"].values.tolist() if len(n.split()[-1]) == 1]
    try:
        theirs, slow = pymca_maps(shown.cube, names)
    except ImportError:
        theirs, slow = None, np.nan
    rows = compared(shown, maps, theirs)
    better = np.array([row.ours - row.theirs for row in rows])
    widths = np.array([width for row in rows for width in row.widths])
    cells = (
        f"{palette}, {counts:g} counts, seed {seed}", result.sizes["cluster"], len(names),
        f"{np.mean([row.ours for row in rows]):.4f}",
        f"{np.mean([row.theirs for row in rows]):.4f}",
        int((better > 0.002).sum()), int((better < -0.002).sum()),
        f"{better.min():.4f} ({rows[int(better.argmin())].element})",
        f"{widths.min():.2f} to {widths.max():.2f}",
        f"{int(((widths > 0.9) & (widths < 1.1)).sum())} of {len(widths)}",
        f"{first:.1f}", f"{side**2 / seconds:.0f}", f"{side**2 / slow:.0f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |", rows


# --- what can be reached -----------------------------------------------------------------------

# Pages, and faint families whose correlation PyMca may have higher.
FAINTEST = ((2, "As L"), (4, "K K"), (5, "Bi L"), (6, "Cu K"))
SMOOTH = 4.0  # channels; standard deviation by which the true background is smoothed


def ideal_maps(shown: Page, result: xr.Dataset, palette: str) -> tuple[Design, np.ndarray]:
    """Return the design with the true shapes and background, and the terms (f, y, x) fitted."""
    design, shapes = _contents(result), family_shapes(load_palette(palette))
    label = result["label"].values
    known = [name for name in shown.truth["element"].values.tolist() if name in shapes]
    for row, own in enumerate(design.shapes):
        mine = label == row + 1
        rest = shown.cube.values[mine].mean(axis=0)
        for name in known:
            rest = rest - shapes[name] * shown.truth.sel(element=name).values[mine].mean()
        rest = np.maximum(gaussian_filter1d(rest, SMOOTH), 1e-6)[design.channel]
        own[:, -1] = rest / rest.sum()
        for place, name in enumerate(design.names):
            if name in known:
                inside = shapes[name][design.channel]
                own[:, place] = inside / inside.sum()
    work, terms = PixelWork(pixel_fit(design), None), len(design.names)
    return design, map_pixels(fit_pixels, work, shown.cube, label, 2 * terms)[:terms]


def ideal(side: int) -> Iterator[str]:
    """Yield lines about faint families that are fitted with their true shapes and background."""
    yield "| page | family | mean truth | ours | with the true shapes | PyMca | sum of PyMca |"
    yield "|---|---|---|---|---|---|---|"
    for number, name in FAINTEST:
        palette, counts, seed = SHOWN[number]
        shown = page((side, side), palette, counts, seed)
        result = segmented(shown.cube)
        maps = elements(shown.cube, result)
        names = [n for n in maps["element"].values.tolist() if len(n.split()[-1]) == 1]
        if name not in names:
            continue
        truth = shown.truth.sel(element=name).values.astype(np.float64)
        theirs, _ = pymca_maps(shown.cube, names)
        other = theirs.get(name, theirs.get(name.replace(" ", "_")))
        design, ideals = ideal_maps(shown, result, palette)
        best = ideals[design.names.index(name)]
        ours = maps["net_counts"].sel(element=name).values
        every = [_correlation(each, truth) for each in (ours, best, other)]
        share = f"{other.mean() / truth.mean():.2f} of the truth"
        numbers = [f"{each:.4f}" for each in every]
        cells = (f"{palette}, seed {seed}", name, f"{truth.mean():.2f}", *numbers, share)
        yield "| " + " | ".join(cells) + " |"


# --- single pixels -----------------------------------------------------------------------------

# Palette, a pigment that is not in it, its palette, and the family that shows it.
PLANTED = (
    ("choirbook", "orpiment", "gothic-book", "As K"), ("drawing", "vermilion", "icon", "Hg L"),
    ("icon", "smalt", "baroque-canvas", "Co K"),
)  # fmt: skip
PIXELS = ((20, 30), (70, 15))
FIRST_SEED = 920


def single_pixels(side: int = 96, counts: float = 400.0) -> list[str]:
    """Return lines about what is found where two pixels of a page have another pigment."""
    lines = ["| page | planted in two pixels | found | without them |", "|---|---|---|---|"]
    for number, (palette, pigment, other, family) in enumerate(PLANTED):
        seed = FIRST_SEED + number
        shown = page((side, side), palette, counts, seed)
        paint = load_palette(other)
        where = paint.pigments.index(pigment)
        found = []
        for places in (PIXELS, ()):
            values = shown.cube.values.copy()
            for place in places:
                generator = np.random.default_rng([seed, *place])
                values[place] = generator.poisson(counts * paint.template[where])
            cube = shown.cube.copy(data=values)
            maps = elements(cube, segmented(cube))
            found.append(str(maps.attrs["found_in_single_pixels"]) or "nothing")
        lines.append(f"| {palette}, seed {seed} | {pigment} ({family}) | {found[0]} | {found[1]} |")
    return lines


# --- time and memory ---------------------------------------------------------------------------


def only_read(_: None, spectra: Spectra, labels: np.ndarray) -> np.ndarray:
    """Read spectra and do nothing else."""
    del spectra
    return np.zeros((len(labels), 1), np.float32)


def only_multiply(matrices: np.ndarray, spectra: Spectra, labels: np.ndarray) -> np.ndarray:
    """Read spectra, and multiply each with the matrix of its label."""
    return times_matrices(spectra.values, labels, matrices)


def cost(side: int = 512) -> list[str]:
    """Return lines about the time and the memory of a page on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scan.zarr"
        shown = page((side, side), *TUNING[0])
        spt.write(shown.cube.chunk({"y": 64, "x": 512}), file)
        result = segmented(shown.cube)
        del shown
        cube = spt.read(file, chunks="auto")
        design = _contents(result)
        terms = len(design.names)
        matrices = np.ones((result.sizes["cluster"], cube.sizes["channel"], terms), np.float32)
        labels = result["label"].values
        work = PixelWork(pixel_fit(design), None)
        tries: dict[str, Callable[[], Any]] = {
            "reading": lambda: map_pixels(only_read, None, cube, labels, 1),
            "reading and products": lambda: map_pixels(
                only_multiply, matrices, cube, labels, terms
            ),
            "reading and fits of all pixels": lambda: map_pixels(
                fit_pixels, work, cube, labels, 2 * terms
            ),
            "lines of the mean spectra": lambda: _contents(result),
            "names of the clusters": lambda: name_clusters(result),
            "maps": lambda: elements(cube, result, single_pixels=False),
            "maps, with single pixels": lambda: elements(cube, result),
        }
        seconds = {name: [] for name in tries}
        for _ in range(REPEATS):
            for name, task in tries.items():
                forget_explained()
                start = time.perf_counter()
                task()
                seconds[name].append(time.perf_counter() - start)
        tracemalloc.start()
        elements(cube, result)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    lines = [f"| {name} | {np.median(each):.2f} |" for name, each in seconds.items()]
    size = side**2 * cube.sizes["channel"] * cube.dtype.itemsize
    return [
        f"| of a page of {side} x {side} x 1024 on the disk | seconds |", "|---|---|", *lines, "",
        f"Peak of the memory of Python and NumPy: {peak / 2**20:.0f} MiB, of which the maps are "
        f"{2 * terms * side**2 * 4 / 2**20:.0f} MiB (the cube: {size / 2**20:.0f} MiB).",
        f"Fits, by reading and products: {_ratio(seconds, 'reading and fits of all pixels'):.2f}; "
        f"maps: {_ratio(seconds, 'maps'):.2f}.",
    ]  # fmt: skip


def _ratio(seconds: dict[str, list[float]], name: str) -> float:
    """Return the median ratio of the times of a task to those of reading and products."""
    return float(np.median(np.divide(seconds[name], seconds["reading and products"])))


def _contents(result: xr.Dataset) -> Design:
    means = mean_spectra_of(result)
    return design_of(means, contents_of(means, result["cluster"].values.tolist(), None))[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--cost", action="store_true", help="time and memory only")
    parser.add_argument("--single", action="store_true", help="elements of single pixels only")
    parser.add_argument("--ideal", action="store_true", help="faint families, with true shapes")
    parser.add_argument("--side", type=int, default=256)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    if given.cost or given.single:
        print("\n".join(cost() if given.cost else single_pixels()))
        return
    if given.ideal:
        for line in ideal(given.side):
            print(line, flush=True)
        return
    print("| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|", flush=True)
    every = []
    for palette, counts, seed in TUNING if given.tuning else SHOWN:
        line, rows = page_row(palette, counts, seed, given.side)
        print(line, flush=True)
        every += [(f"{palette}, {seed}", row) for row in rows]
    print("\n| page | family | mean truth | correlation, ours | PyMca | bias | median pull |")
    print("|---" * 7 + "|")
    for name, row in every:
        print(f"| {name} | {row.element} | {row.mean:.2f} | {row.ours:.4f} | {row.theirs:.4f} | "
              f"{100 * row.bias:.1f} % | {row.pull:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
