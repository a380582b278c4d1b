"""Maps of elements on painted pages with a truth, compared with PyMca.

    python -m benchmarks.element_maps                 the tables; PyMca5 is used if it is installed
    python -m benchmarks.element_maps --tuning        the pages that settings were chosen on

The pages have expected net counts of every family in every pixel. PyMca (FastXRFLinearFit: SNIP
background of width 30, weights of the sum spectrum, negative peaks fitted again) is given the true
calibration and resolution, and the families of our maps.
"""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import spectessera as spt
from spectessera.maps.elements import elements

from .element_pages import Page, instrument, page

TUNING = (("choirbook", 400, 900), ("renaissance-panel", 1000, 901), ("miniature", 200, 902))
SHOWN = (
    ("choirbook", 400, 910), ("gothic-book", 400, 911), ("miniature", 1000, 912),
    ("icon", 200, 913), ("renaissance-panel", 400, 914), ("baroque-canvas", 1000, 915),
    ("drawing", 400, 916),
)  # fmt: skip
STRONG = 3.0  # standard errors of the truth from which pulls are stated
FAINT = 0.3  # least standard deviation of the truth, in errors, of a family that is compared


class Row(NamedTuple):
    """One family: correlations with the truth, and median and width of the pulls."""

    element: str
    mean: float
    ours: float
    theirs: float
    bias: float
    pull: float
    width: float


def segmented(cube: xr.DataArray) -> xr.Dataset:
    """Return the result of the shipped model, as the command line makes it."""
    return spt.segment(cube, spt.load("maxrf"), seed=0)


def pymca_maps(cube: xr.DataArray, families: list[str]) -> tuple[dict[str, np.ndarray], float]:
    """Return the maps (y, x) that PyMca makes, and the seconds that its fit takes."""
    from PyMca5.PyMcaPhysics.xrf import ClassMcaTheory, FastXRFLinearFit

    theory = ClassMcaTheory.McaTheory()
    theory.setConfiguration(_configuration(theory.getStartingConfiguration(), families))
    fit = FastXRFLinearFit.FastXRFLinearFit(mcafit=theory)
    configuration = theory.getConfiguration()
    values = cube.values.astype(np.float32)
    channels = np.arange(cube.sizes["channel"])
    start = time.perf_counter()
    found = fit.fitMultipleSpectra(
        x=channels, y=values, weight=1, refit=True, configuration=configuration
    )
    seconds = time.perf_counter() - start
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
        strong = truth > STRONG * error
        pulls = ((found - truth) / error)[strong]
        low, middle, high = np.quantile(pulls, [0.159, 0.5, 0.841]) if strong.sum() > 99 else [
            np.nan, np.nan, np.nan]  # fmt: skip
        rows.append(Row(
            name, float(truth.mean()), _correlation(found, truth),
            np.nan if other is None else _correlation(other, truth),
            float(found[strong].sum() / truth[strong].sum() - 1) if strong.any() else np.nan,
            middle, (high - low) / 2,
        ))  # fmt: skip
    return rows


def _correlation(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(found.ravel(), truth.ravel())[0, 1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--side", type=int, default=256)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    for palette, counts, seed in TUNING if given.tuning else SHOWN:
        shown = page((given.side, given.side), palette, counts, seed)
        result = segmented(shown.cube)
        start = time.perf_counter()
        maps = elements(shown.cube, result)
        seconds = time.perf_counter() - start
        names = [n for n in maps["element"].values.tolist() if len(n.split()[-1]) == 1]
        try:
            theirs, slow = pymca_maps(shown.cube, names)
        except ImportError:
            theirs, slow = None, np.nan
        pixels = given.side**2
        rows = compared(shown, maps, theirs)
        print(
            f"\n{palette}, {counts} counts, seed {seed}: {result.sizes['cluster']} clusters, "
            f"{len(names)} families; spectra a second: ours {pixels / seconds:.0f}, PyMca "
            f"{pixels / slow:.0f}; mean correlation {np.mean([r.ours for r in rows]):.4f}, PyMca "
            f"{np.mean([r.theirs for r in rows]):.4f}; least difference "
            f"{min(r.ours - r.theirs for r in rows):.4f}"
        )
        for row in rows:
            print(f"| {row.element} | {row.mean:.2f} | {row.ours:.4f} | {row.theirs:.4f} | "
                  f"{100 * row.bias:.1f} % | {row.pull:.2f} | {row.width:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
