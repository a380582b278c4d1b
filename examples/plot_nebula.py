"""A three-colour picture turned into a cube of nebulae, and its BPT diagram.

Red becomes HII regions, green planetary nebulae, blue shocks, everything else noise alone. The
diagram is measured from the cube: fluxes of lines summed over a window around each.

    python examples/plot_nebula.py [FIGURE]
"""

import argparse
from pathlib import Path

import numpy as np
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
NAMES = ("HII regions", "planetary nebulae", "shocks", "noise alone")
# Of the palette of the package: vermillion, green, blue, and the grey of masked pixels.
PAINT = np.concatenate([colours(3)[[1, 2, 0]], MASKED[None]])


def flux(values: np.ndarray, wavelength: np.ndarray, name: str) -> np.ndarray:
    """Return the flux of a line (y, x); H alpha and [NII] share the border between them."""
    low, high = LINES[name] - HALF_WIDTH, LINES[name] + HALF_WIDTH
    between = (LINES["Ha"] + LINES["NII"]) / 2
    low, high = (low, min(high, between)) if name == "Ha" else (low, high)
    low = max(low, between) if name == "NII" else low
    return values[:, :, (wavelength >= low) & (wavelength <= high)].sum(axis=2)


def main(target: Path = FIGURE) -> None:
    """Make the cube and draw it."""
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
    seed.set_title("picture")
    drawn = halpha.imshow(lines["Ha"], cmap="cividis", vmin=0)
    figure.colorbar(drawn, ax=halpha, shrink=0.6)
    halpha.set_title(r"flux of H$\alpha$ in the cube")
    for axes in (seed, halpha):
        axes.set(xlabel="x (pixel)", ylabel="y (pixel)")
    bpt = figure.add_subplot(grid[0, 2])
    seen = np.min([lines[name] for name in LINES], axis=0) > 0
    x = np.log10(np.where(seen, lines["NII"] / lines["Ha"], 1))
    y = np.log10(np.where(seen, lines["OIII"] / lines["Hb"], 1))
    for number, name in enumerate(NAMES[:3], start=1):
        mine = seen & (label == number)
        colour = PAINT[number - 1] / 255
        bpt.plot(x[mine], y[mine], ".", ms=3, color=colour, alpha=0.6, label=name)
    for curve, end, style in ((kauffmann, 0.0, "--"), (kewley_nii, 0.4, "-")):
        ratio = np.linspace(-2.2, end, 200)
        bpt.plot(ratio, curve(ratio), style, color="0.1", lw=1.2, label=curve_name(style))
    bpt.set(xlim=(-2.2, 2.9), ylim=(-1.4, 1.9))
    bpt.set(xlabel=r"log [NII] 6583 / H$\alpha$", ylabel=r"log [OIII] 5007 / H$\beta$")
    bpt.legend(frameon=False, fontsize=8, loc="lower right", markerscale=3)
    spectra = figure.add_subplot(grid[1, :])
    for number, name in enumerate(NAMES, start=1):
        mean = cube.values[label == number].mean(axis=0)
        colour = PAINT[number - 1] / 255 * (1 if number < 4 else 0.6)
        spectra.plot(wavelength, mean / lines["Ha"][label <= 3].mean(), lw=0.9, color=colour)
        spectra.plot([], [], color=colour, label=name)
    spectra.set(xlabel=r"wavelength ($\mathrm{\AA}$, air)", xlim=(4750, 7000))
    spectra.set_ylabel(r"mean spectrum / flux of H$\alpha$")
    spectra.legend(frameon=False, loc="upper center", fontsize=9)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=75)
    print(f"figure in {target}")


def curve_name(style: str) -> str:
    """Return who drew the curve."""
    return "Kauffmann et al. 2003" if style == "--" else "Kewley et al. 2001"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", type=Path, nargs="?", default=FIGURE)
    main(parser.parse_args().figure)
