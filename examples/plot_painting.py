"""A painting turned into an X-ray fluorescence cube, and its element maps.

The colours of the painting choose pigments of a palette; every pixel gets a spectrum of counts as
a scanner would measure it. Its element maps are the counts around a line of each element.

    python examples/plot_painting.py [PICTURE] [FIGURE]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spectessera import Clusters
from spectessera.synth import Realism, cube_from_rgb, load_palette, read_image

HERE = Path(__file__).parent
PICTURE = HERE / "data" / "the_scream.png"
FIGURE = HERE.parent / "docs" / "images" / "painting.png"
# Element, its line, and the energy (keV) in the middle of the window that is summed.
LINES = (
    ("Ca", "K\u03b1", 3.69),
    ("Fe", "K\u03b1", 6.40),
    ("P", "K\u03b1", 2.01),
    ("K", "K\u03b1", 3.31),
    ("Hg", "L\u03b1", 9.99),
    ("Pb", "L\u03b2", 12.61),
)
HALF_WIDTH = 0.1  # keV


def main(picture: Path = PICTURE, target: Path = FIGURE) -> None:
    """Make the cube and draw it."""
    image = read_image(picture)
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
    energy = cube.energy.values
    figure = Figure(figsize=(11, 11.5), layout="constrained")
    grid = figure.add_gridspec(3, 4, height_ratios=(1, 1, 0.95))
    first = figure.add_subplot(grid[0, 0])
    first.imshow(image)
    first.set_title("painting")
    few = figure.add_subplot(grid[0, 1])
    few.imshow(truth.colour.values[truth.label.values - 1].astype(np.uint8))
    few.set_title(f"its {truth.sizes['cluster']} colours")
    places = [grid[0, 2], grid[0, 3], *(grid[1, column] for column in range(4))]
    for place, (element, line, middle) in zip(places, LINES, strict=True):
        window = np.abs(energy - middle) <= HALF_WIDTH
        counts = cube.values[:, :, window].sum(axis=2)
        axes = figure.add_subplot(place)
        drawn = axes.imshow(counts, cmap="cividis", vmax=np.percentile(counts, 99.5))
        figure.colorbar(drawn, ax=axes, shrink=0.75)
        axes.set_title(f"{element} {line}, {middle:g} keV (counts)", fontsize=10)
    for axes in figure.axes:
        if axes.images:
            axes.set_axis_off()
    spectra = figure.add_subplot(grid[2, :])
    for label in range(1, truth.sizes["cluster"] + 1):
        mine = truth.label.values == label
        mean = cube.values[mine].mean(axis=0)
        share = truth.weight.values[mine].mean(axis=0)
        top = np.argsort(-share)[:2]
        names = ", ".join(f"{truth.pigment.values[p]} {100 * share[p]:.0f} %" for p in top)
        spectra.plot(
            energy,
            np.maximum(mean, 1e-4),
            color=truth.colour.values[label - 1] / 255 * 0.85,
            lw=1.1,
            label=f"{label}: {names}",
        )
    spectra.set(yscale="log", xlabel="energy (keV)", ylabel="mean counts", xlim=(0.5, 25))
    spectra.set_ylim(1e-3, None)
    spectra.legend(frameon=False, fontsize=9, title="colour: its first pigments", ncols=2)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=60)
    print(f"figure in {target}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, nargs="?", default=PICTURE)
    parser.add_argument("figure", type=Path, nargs="?", default=FIGURE)
    given = parser.parse_args()
    main(given.picture, given.figure)
