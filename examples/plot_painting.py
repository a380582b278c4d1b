"""Turn a painting into an X-ray fluorescence cube and draw its element maps.

Every pixel gets pigments of a palette with a similar colour, and a spectrum of counts as measured
by a scanner. An element map shows the counts in a window around a line of the element.

    python examples/plot_painting.py [IMAGE] [FIGURE]
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectessera import Clusters
from spectessera.synth import Realism, cube_from_rgb, load_palette, read_image

HERE = Path(__file__).parent
IMAGE = HERE / "data" / "the_scream.png"
FIGURE = HERE.parent / "docs" / "images" / "painting.png"
# Element, its line, and the energy (keV) at the centre of the summed window.
LINES = (
    ("Ca", "K\u03b1", 3.69),
    ("Fe", "K\u03b1", 6.40),
    ("P", "K\u03b1", 2.01),
    ("K", "K\u03b1", 3.31),
    ("Hg", "L\u03b1", 9.99),
    ("Pb", "L\u03b2", 12.61),
)
HALF_WIDTH = 0.1  # keV


def main(path: Path = IMAGE, target: Path = FIGURE) -> None:
    """Compute the cube and draw it."""
    image = read_image(path)
    palette = load_palette("baroque-canvas")
    cube, truth = cube_from_rgb(
        image,
        palette,
        counts=1000,
        threshold=0.8,
        clusters=Clusters(k_min=5, k_max=10),
        realism=Realism(scale=6.0),
        seed=0,
    )
    figure = Figure(figsize=(11, 11.5), layout="constrained")
    grid = figure.add_gridspec(3, 4, height_ratios=(1, 1, 0.95))
    first = figure.add_subplot(grid[0, 0])
    first.imshow(image)
    first.set_title("painting")
    few = figure.add_subplot(grid[0, 1])
    few.imshow(truth.colour.values[truth.label.values - 1].astype(np.uint8))
    few.set_title(f"its {truth.sizes['cluster']} colours")
    places = [grid[0, 2], grid[0, 3], *(grid[1, column] for column in range(4))]
    draw_maps([figure.add_subplot(place) for place in places], cube)
    for axes in figure.axes:
        if axes.images:
            axes.set_axis_off()
    draw_spectra(figure.add_subplot(grid[2, :]), cube, truth)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=60)
    print(f"figure: {target}")


def draw_maps(panels: list[Axes], cube: xr.DataArray) -> None:
    """Draw the counts around the line of each element."""
    for axes, (element, line, centre) in zip(panels, LINES, strict=True):
        window = np.abs(cube.energy.values - centre) <= HALF_WIDTH
        counts = cube.values[:, :, window].sum(axis=2)
        drawn = axes.imshow(counts, cmap="cividis", vmax=np.percentile(counts, 99.5))
        axes.figure.colorbar(drawn, ax=axes, shrink=0.75)
        axes.set_title(f"{element} {line}, {centre:g} keV (counts)", fontsize=10)


def draw_spectra(axes: Axes, cube: xr.DataArray, truth: xr.Dataset) -> None:
    """Draw the mean spectrum of each colour, with its two main pigments in the legend."""
    for label in range(1, truth.sizes["cluster"] + 1):
        inside = truth.label.values == label
        mean = cube.values[inside].mean(axis=0)
        share = truth.weight.values[inside].mean(axis=0)
        top = np.argsort(-share)[:2]
        names = ", ".join(f"{truth.pigment.values[p]} {100 * share[p]:.0f} %" for p in top)
        axes.plot(
            cube.energy.values,
            np.maximum(mean, 1e-4),
            color=truth.colour.values[label - 1] / 255 * 0.85,
            lw=1.1,
            label=f"{label}: {names}",
        )
    axes.set(yscale="log", xlabel="energy (keV)", ylabel="mean counts", xlim=(0.5, 25))
    axes.set_ylim(1e-3, None)
    axes.legend(frameon=False, fontsize=9, title="colour: main pigments", ncols=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path, nargs="?", default=IMAGE)
    parser.add_argument("figure", type=Path, nargs="?", default=FIGURE)
    given = parser.parse_args()
    main(given.image, given.figure)
