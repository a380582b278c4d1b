"""`spectessera synth palettes`: pigments, their colours and their spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.inputs import refuse_input

from .console import command, output, print_json
from .flags import AsJson, Overwrite

if TYPE_CHECKING:
    from rich.table import Table

    from spectessera.synth import Palette

PaletteOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help="Name of a palette (see `synth palettes`), or a TOML or JSON file.",
    ),
]


@command
def show_palettes(
    palette: Annotated[
        str | None, typer.Argument(help="One palette only: its name, or a TOML or JSON file.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also draw the spectra of that palette (.png, .pdf or .svg)."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show the pigments of all palettes, or of one, with their colours."""
    from spectessera.synth.paint.palettes import load_palette
    from spectessera.synth.paint.pigments import PALETTES

    palettes = [load_palette(name) for name in ([palette] if palette else PALETTES)]
    if out is not None:
        refuse_input(out, palette)
        _draw(palettes, out, overwrite)
    if as_json:
        print_json({each.name: _rows(each) for each in palettes})
        return
    for each in palettes:
        output.print(_table(each))
        output.print()


def _rows(palette: Palette) -> list[dict[str, Any]]:
    """Return pigment, formula, thickness, colour, count rate and source of every pigment."""
    rows = []
    columns = (palette.pigments, palette.rgb, palette.rate, palette.recipes)
    for name, rgb, rate, recipe in zip(*columns, strict=True):
        mixture = () if recipe is None else recipe.mixture
        parts = [formula if share == 1 else f"{share:g} {formula}" for share, formula in mixture]
        rows.append(
            {
                "pigment": name,
                "formula": " + ".join(parts),
                "thickness": None if recipe is None else recipe.thickness,
                "rgb": [int(each) for each in rgb],
                "rate": round(float(rate), 4),
                "source": "" if recipe is None else recipe.source,
            }
        )
    return rows


def _table(palette: Palette) -> Table:
    """Return the pigments of a palette as a table with swatches of their colours."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=palette.name, title_justify="left", box=None, pad_edge=False)
    for column in ("", "pigment", "formula", "mg/cm2", "count rate"):
        table.add_column(column)
    for row in _rows(palette):
        red, green, blue = row["rgb"]
        swatch = Text("    ", f"on rgb({red},{green},{blue})")
        layer = "" if row["thickness"] is None else f"{row['thickness']:g}"
        table.add_row(swatch, row["pigment"], row["formula"], layer, f"{row['rate']:.2f}")
    return table


def _draw(palettes: list[Palette], out: Path, overwrite: bool) -> None:
    """Write the figure of one palette."""
    from spectessera._util.files import atomic
    from spectessera.plots import result as plots

    if len(palettes) != 1:
        raise ValueError("--out draws one palette: name it, as in `synth palettes choirbook`")
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--out is a .png, .pdf or .svg file; got {out.name}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another name, or --overwrite")
    (palette,) = palettes
    figure = plots.spectra_of_palette(palette.pigments, palette.rgb, palette.template, palette.axis)
    with atomic(out) as temporary:
        figure.savefig(temporary, format=out.suffix[1:].lower(), dpi=150)
