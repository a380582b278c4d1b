"""How large the file of a report is: results of many pixels, clusters, channels and elements.

    python -m benchmarks.report_size

All numbers are drawn at random, as noise cannot be compressed: real results give smaller files.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

import spectessera as spt
from spectessera.axis import Axis
from spectessera.cube import with_axis
from spectessera.naming.candidates import Naming
from spectessera.preprocess.steps import QUALITY

# Side of the map, clusters, channels, maps of elements.
CASES = ((256, 6, 1024, 8), (512, 12, 1024, 20), (1024, 20, 2048, 30), (2048, 12, 4096, 30),
         (2048, 60, 4096, 60), (512, 200, 1024, 0))  # fmt: skip


def made(side: int, clusters: int, channels: int) -> xr.Dataset:
    """Return a result with maps of labels, labels without neighbours, confidence and novelty."""
    draw = np.random.default_rng(side + clusters)
    label = draw.integers(1, clusters + 1, (side, side)).astype(np.int32)
    maps = {name: (("y", "x"), draw.uniform(0.5, 1, (side, side)).astype(np.float32))
            for name in ("confidence", "novelty")}  # fmt: skip
    mean = draw.poisson(40, (clusters, channels)).astype(np.float32)
    result = xr.Dataset(
        maps
        | {
            "label": (("y", "x"), label),
            "label_alone": (("y", "x"), label),
            "quality": (("y", "x"), np.zeros((side, side), np.uint8)),
            "mean_spectrum": (("cluster", "channel"), mean),
            "std_spectrum": (("cluster", "channel"), np.sqrt(mean)),
            "size": (("cluster",), np.bincount(label.ravel(), minlength=clusters + 1)[1:]),
        },
        coords={"cluster": np.arange(1, clusters + 1)},
        attrs={"n_clusters": clusters, "criterion": "given", "provenance": "{}"},
    )
    axis = Axis(np.linspace(1.0, 40.0, channels), unit="keV")
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], axis)
    result["quality"].attrs = {
        "flag_masks": ", ".join(str(bit) for bit in QUALITY.values()),
        "flag_meanings": " ".join(QUALITY),
    }
    return result


def elements(side: int, clusters: int, number: int) -> xr.Dataset | None:
    """Return maps of net counts of so many elements."""
    if not number:
        return None
    draw = np.random.default_rng(number)
    counts = draw.uniform(0, 50, (number, clusters))
    return xr.Dataset(
        {
            "net_counts": (("element", "y", "x"),
                           draw.uniform(0, 50, (number, side, side)).astype(np.float32)),
            "kind": (("element",), np.full(number, "element")),
            "cluster_net_counts": (("element", "cluster"), counts),
            "cluster_net_counts_error": (("element", "cluster"), np.ones_like(counts)),
        },
        coords={"element": [f"E{n}" for n in range(number)],
                "cluster": np.arange(1, clusters + 1)},
    )  # fmt: skip


def main() -> None:
    """Print a row for each case."""
    print("| pixels | clusters | channels | maps of elements | MB | seconds |")
    print("|---|---|---|---|---|---|")
    for side, clusters, channels, number in CASES:
        result = made(side, clusters, channels)
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            path = spt.report(
                result, Path(folder) / "report.html", namings=[Naming() for _ in range(clusters)],
                maps=elements(side, clusters, number),
            )  # fmt: skip
            size = path.stat().st_size / 1e6
        seconds = time.perf_counter() - begun
        row = (f"{side} x {side}", clusters, channels, number, f"{size:.1f}", f"{seconds:.0f}")
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
