"""Draw the simulated nebulae in the diagnostic planes of Baldwin, Phillips & Terlevich (BPT).

    python examples/plot_bpt.py [NB_HII_grid.fits.gz]

Draws models of the four classes with the curves of Kauffmann et al. 2003 and Kewley et al. 2001,
and prints the share of models on each side of the curves. With the grid of MAPPINGS 5.1 from
NebulaBayes (https://github.com/ADThomas-astro/NebulaBayes), its HII regions are drawn too.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from scipy.ndimage import gaussian_filter

from spectessera.colours import colours
from spectessera.synth.nebulae.bpt import (
    Ratios,
    bpt_ratios,
    kauffmann,
    kewley_nii,
    kewley_oi,
    kewley_sii,
)
from spectessera.synth.nebulae.nebula import CLASSES, draw_models
from spectessera.synth.nebulae.table import load_models

NAMES = {
    "hii": "HII regions",
    "pn": "planetary nebulae",
    "shock": "shocks",
    "dig": "diffuse ionised gas",
}
# Colours of the package's palette: vermillion, green, blue, pink.
COLOURS = dict(zip(CLASSES, colours(5)[[1, 2, 0, 4]] / 255, strict=True))
PLANES = {
    "nii": (r"log [NII] 6583 / H$\alpha$", (-2.25, 0.75)),
    "sii": (r"log [SII] 6716, 6731 / H$\alpha$", (-2.6, 0.75)),
    "oi": (r"log [OI] 6300 / H$\alpha$", (-4.1, 0.25)),
}
HEIGHT = (-1.35, 1.85)
MODELS = 20_000  # per class, for shares and outlines
POINTS = 700  # drawn per class
USUAL_PRESSURE = 7.0  # log P/k (K cm-3): models of the grid at higher pressure are not drawn


def main() -> None:
    """Draw the models, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", type=Path, nargs="?", help="NB_HII_grid.fits.gz of NebulaBayes")
    parser.add_argument("--out", type=Path, default=Path("docs/images/bpt.png"))
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    ratios = {
        kind: bpt_ratios(draw_models(kind, MODELS, generator=generator).flux) for kind in CLASSES
    }
    grid = None if options.grid is None else mappings(options.grid)
    print_shares(ratios)
    save(make_figure(ratios, grid), options.out)
    print(f"figure: {options.out}")


def mappings(path: Path) -> Ratios:
    """Return the ratios of the grid, without models of extreme pressure."""
    grid = load_models(path, kind="hii", others="keep", missing="zero")
    return bpt_ratios(grid.flux[grid.parameters["log P/k"] <= USUAL_PRESSURE])


def print_shares(ratios: dict[str, Ratios]) -> None:
    """Print the share of each class, in per cent, on each side of the curves."""
    sides = {
        "below Kauffmann": lambda r: r.oiii < kauffmann(r.nii),
        "below Kewley [NII]": lambda r: r.oiii < kewley_nii(r.nii),
        "above Kewley [SII]": lambda r: r.oiii > kewley_sii(r.sii),
        "above Kewley [OI]": lambda r: r.oiii > kewley_oi(r.oi),
        "[SII]/Ha > 0.4": lambda r: 10**r.sii > 0.4,
        "log [OIII]/Hb > 0.5": lambda r: r.oiii > 0.5,
    }
    print("per cent of models".ljust(22) + "".join(kind.rjust(8) for kind in ratios))
    for name, side in sides.items():
        shares = (f"{100 * side(each).mean():8.1f}" for each in ratios.values())
        print(name.ljust(22) + "".join(shares))


def make_figure(ratios: dict[str, Ratios], grid: Ratios | None) -> Figure:
    """Draw the three planes side by side."""
    figure = Figure(figsize=(12.5, 5.2), layout="constrained")
    planes = figure.subplots(1, 3, sharey=True)
    for axes, (name, (title, span)) in zip(planes, PLANES.items(), strict=True):
        if grid is not None:
            axes.plot(getattr(grid, name), grid.oiii, "o", ms=3, mew=0.5, mec="0.45", mfc="none")
        draw_points(axes, ratios, name)
        for kind, each in ratios.items():
            draw_outline(axes, getattr(each, name), each.oiii, span, COLOURS[kind])
        axes.set(xlim=span, ylim=HEIGHT, xlabel=title)
        axes.tick_params(direction="in", top=True, right=True)
    planes[0].set_ylabel(r"log [OIII] 5007 / H$\beta$")
    draw_curve(planes[0], kauffmann, (-2.25, 0.0), "--")
    draw_curve(planes[0], kewley_nii, (-2.25, 0.4), "-")
    draw_curve(planes[1], kewley_sii, (-2.6, 0.3), "-")
    draw_curve(planes[2], kewley_oi, (-4.1, -0.6), "-")
    draw_legend(figure, grid is not None)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG file of 64 colours: a third of the size of one with all colours."""
    with io.BytesIO() as stream:
        figure.savefig(stream, format="png", dpi=100)
        Image.open(stream).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(
            path, optimize=True
        )


def draw_points(axes: Axes, ratios: dict[str, Ratios], name: str) -> None:
    """Draw models of all classes in random order, so that no class covers another."""
    x = np.concatenate([getattr(each, name)[:POINTS] for each in ratios.values()])
    y = np.concatenate([each.oiii[:POINTS] for each in ratios.values()])
    colour = np.repeat([COLOURS[kind] for kind in ratios], POINTS, axis=0)
    order = np.random.default_rng(0).permutation(len(x))
    axes.scatter(x[order], y[order], s=3, c=colour[order], alpha=0.45, lw=0)


def draw_outline(
    axes: Axes, x: np.ndarray, y: np.ndarray, span: tuple[float, float], colour: np.ndarray
) -> None:
    """Draw the contour around the densest region with 90 % of the models."""
    counts, edges_x, edges_y = np.histogram2d(x, y, bins=150, range=[span, HEIGHT])
    density = gaussian_filter(counts, 3)
    descending = np.sort(density.ravel())[::-1]
    level = descending[np.searchsorted(np.cumsum(descending), 0.9 * len(x))]
    middle_x, middle_y = (edges[:-1] + np.diff(edges) / 2 for edges in (edges_x, edges_y))
    axes.contour(middle_x, middle_y, density.T, levels=[level], colors=[colour], linewidths=1.8)


def draw_curve(
    axes: Axes, function: Callable[[np.ndarray], np.ndarray], span: tuple[float, float], style: str
) -> None:
    """Draw a curve that separates classes of gas."""
    x = np.linspace(*span, 300)
    axes.plot(x, function(x), style, color="0.1", lw=1.3)


def draw_legend(figure: Figure, with_grid: bool) -> None:
    """Draw the legend below the planes."""
    handles = [Line2D([], [], color=COLOURS[kind], lw=1.8, label=NAMES[kind]) for kind in CLASSES]
    handles.append(Line2D([], [], color="0.1", ls="-", lw=1.3, label="Kewley et al. 2001"))
    handles.append(Line2D([], [], color="0.1", ls="--", lw=1.3, label="Kauffmann et al. 2003"))
    if with_grid:
        label = "MAPPINGS 5.1 HII grid"
        handles.append(
            Line2D([], [], ls="", marker="o", ms=4, mew=0.7, mec="0.45", mfc="none", label=label)
        )
    handles.append(Line2D([], [], ls="", label="outlines contain 90 % of a class"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)


if __name__ == "__main__":
    main()
