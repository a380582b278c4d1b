"""Turn a three-colour image into a cube of nebulae and draw its BPT diagram.

Red becomes HII regions, green planetary nebulae, blue shocks, everything else background noise. The
diagram is measured on the cube: the flux of a line is summed over a window around it.

    python examples/plot_nebula.py [FIGURE]
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectessera.colours import MASKED, colours
from spectessera.studies.experiments import sky
from spectessera.synth import nebular_cube
from spectessera.synth.nebulae.bpt import kauffmann, kewley_nii

FIGURE = Path(__file__).parent.parent / "docs" / "images" / "nebula.png"
SHAPE = (72, 96)
SNR = 60.0
HALF_WIDTH = 6.0  # angstrom
LINES = {"Hb": 4861.33, "OIII": 5006.84, "Ha": 6562.82, "NII": 6583.45}
NAMES = ("HII regions", "planetary nebulae", "shocks", "background noise")
# Colours of the package's palette: vermillion, green, blue, and the grey of masked pixels.
COLOURS = np.concatenate([colours(3)[[1, 2, 0]], MASKED[None]])


def flux(values: np.ndarray, wavelength: np.ndarray, name: str) -> np.ndarray:
    """Return the flux of a line (y, x); the windows of H alpha and [NII] meet between them."""
    low, high = LINES[name] - HALF_WIDTH, LINES[name] + HALF_WIDTH
    between = (LINES["Ha"] + LINES["NII"]) / 2
    low, high = (low, min(high, between)) if name == "Ha" else (low, high)
    low = max(low, between) if name == "NII" else low
    return values[:, :, (wavelength >= low) & (wavelength <= high)].sum(axis=2)


def main(target: Path = FIGURE) -> None:
    """Compute the cube and draw it."""
    image = sky(4, SHAPE)
    cube, truth = nebular_cube(image, snr=SNR, seed=0)
    wavelength = cube.wavelength.values
    lines = {name: flux(cube.values, wavelength, name) for name in LINES}
    label = truth.label.values
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12)
    grid = figure.add_gridspec(2, 3, height_ratios=(1.35, 1), width_ratios=(1, 1.1, 1.2))
    seed, halpha = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    seed.imshow(image)
    seed.set_title("image")
    drawn = halpha.imshow(lines["Ha"], cmap="cividis", vmin=0)
    figure.colorbar(drawn, ax=halpha, shrink=0.6)
    halpha.set_title(r"flux of H$\alpha$ in the cube")
    for axes in (seed, halpha):
        axes.set(xlabel="x (pixel)", ylabel="y (pixel)")
    draw_bpt(figure.add_subplot(grid[0, 2]), lines, label)
    draw_spectra(figure.add_subplot(grid[1, :]), cube, label, lines["Ha"])
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=75)
    print(f"figure: {target}")


def draw_bpt(axes: Axes, lines: dict[str, np.ndarray], label: np.ndarray) -> None:
    """Draw the pixels of each class in the diagram of [NII] and [OIII]."""
    positive = np.min([lines[name] for name in LINES], axis=0) > 0
    x = np.log10(np.where(positive, lines["NII"] / lines["Ha"], 1))
    y = np.log10(np.where(positive, lines["OIII"] / lines["Hb"], 1))
    for number, name in enumerate(NAMES[:3], start=1):
        inside = positive & (label == number)
        colour = COLOURS[number - 1] / 255
        axes.plot(x[inside], y[inside], ".", ms=3, color=colour, alpha=0.6, label=name)
    for curve, end, style in ((kauffmann, 0.0, "--"), (kewley_nii, 0.4, "-")):
        ratio = np.linspace(-2.2, end, 200)
        axes.plot(ratio, curve(ratio), style, color="0.1", lw=1.2, label=curve_name(style))
    axes.set(xlim=(-2.2, 2.9), ylim=(-1.4, 1.9))
    axes.set(xlabel=r"log [NII] 6583 / H$\alpha$", ylabel=r"log [OIII] 5007 / H$\beta$")
    axes.legend(frameon=False, fontsize=8, loc="lower right", markerscale=3)


def draw_spectra(axes: Axes, cube: xr.DataArray, label: np.ndarray, halpha: np.ndarray) -> None:
    """Draw the mean spectrum of each class relative to the mean flux of H alpha."""
    for number, name in enumerate(NAMES, start=1):
        mean = cube.values[label == number].mean(axis=0)
        colour = COLOURS[number - 1] / 255 * (1 if number < 4 else 0.6)
        axes.plot(cube.wavelength.values, mean / halpha[label <= 3].mean(), lw=0.9, color=colour)
        axes.plot([], [], color=colour, label=name)
    axes.set(xlabel=r"wavelength ($\mathrm{\AA}$, air)", xlim=(4750, 7000))
    axes.set_ylabel(r"mean spectrum / flux of H$\alpha$")
    axes.legend(frameon=False, loc="upper center", fontsize=9)


def curve_name(style: str) -> str:
    """Return the authors of the curve of a line style."""
    return "Kauffmann et al. 2003" if style == "--" else "Kewley et al. 2001"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", type=Path, nargs="?", default=FIGURE)
    main(parser.parse_args().figure)
