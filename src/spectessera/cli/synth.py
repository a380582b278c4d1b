"""`spectessera synth`: synthetic cubes, spectra and pages on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from .console import command, output, progress
from .options import numbers

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make synthetic cubes and spectra, with their truth.",
)

Out = Annotated[Path, typer.Option(help="The file to write (.h5): cube, axis and truth.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")]
Overwrite = Annotated[bool, typer.Option(help="Replace an existing file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, and only that.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]
PaletteOption = Annotated[
    str, typer.Option(help="Name of a palette (see `synth palettes`), or a TOML or JSON file.")
]


@app.command("cube")
@command
def make_cube_file(
    image: Path,
    out: Out,
    palette: PaletteOption = "choirbook",
    counts: Annotated[float, typer.Option(help="Counts of every pixel.")] = 400,
    threshold: Annotated[
        float, typer.Option(help="Least similarity of a pigment to a colour, 0 to 1.")
    ] = 0.8,
    distance: Annotated[str, typer.Option(help="ciede2000 or cie94.")] = "ciede2000",
    k_min: Annotated[int, typer.Option(help="Fewest colours of the image.")] = 3,
    k_max: Annotated[int, typer.Option(help="Most colours of the image.")] = 10,
    realistic: Annotated[
        bool,
        typer.Option(
            "--realistic",
            help="Poisson counts, varying thickness, mixtures, background; the flags below.",
        ),
    ] = False,
    thickness: Annotated[
        str | None,
        typer.Option(metavar="LEAST,MOST", help="Of the layers, over the nominal thickness."),
    ] = None,
    mixture: Annotated[float | None, typer.Option(help="Most of a second pigment.")] = None,
    background: Annotated[float | None, typer.Option(help="Share of the counts.")] = None,
    dead: Annotated[float | None, typer.Option(help="Share of the pixels without counts.")] = None,
    hot: Annotated[float | None, typer.Option(help="Share of the pixels that overcount.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn a picture into an X-ray fluorescence cube.

    The colours of the picture choose the pigments of a palette (the algorithm of ganX).
    """
    from spectessera.kmeans import Clusters
    from spectessera.synth.cube import cube_from_rgb
    from spectessera.synth.paint.rgb import read_image
    from spectessera.synth.paint.scene import Realism

    given: dict[str, Any] = {
        "thickness": None if thickness is None else numbers("--thickness", thickness, 2),
        "mixture": mixture,
        "background": background,
        "dead": dead,
        "hot": hot,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if given and not realistic:
        raise ValueError(f"--{', --'.join(given)} would have no effect without --realistic")
    if not realistic and not float(counts).is_integer():
        raise ValueError(f"--counts must be a whole number; got {counts:g}")
    _check(out, overwrite)
    cube, truth = cube_from_rgb(
        read_image(image),
        palette,
        counts=counts if realistic else int(counts),
        threshold=threshold,
        seed=seed,
        clusters=Clusters(k_min=k_min, k_max=k_max, criterion="silhouette"),
        distance=distance,
        realism=Realism(**given) if realistic else None,
        chunks="auto",
    )
    told = _write(cube, truth, out, overwrite=overwrite, quiet=quiet or as_json)
    weight = truth["weight"].values
    told["pigments"] = {
        str(name): round(float(share), 4)
        for name, share in zip(truth["pigment"].values, weight.mean(axis=(0, 1)), strict=True)
        if share > 0
    }
    _tell(told, as_json, quiet)


@app.command("nebula")
@command
def make_nebula_file(
    image: Path,
    out: Out,
    snr: Annotated[str, typer.Option(help="Peak of H alpha over noise: 30, or 10,100.")] = "30",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn a picture of pure colours into a cube of nebulae.

    Red = HII region, green = planetary nebula, blue = shock, everything else = noise.
    """
    from spectessera.synth.cube import nebular_cube
    from spectessera.synth.paint.rgb import read_image

    _check(out, overwrite)
    cube, truth = nebular_cube(
        read_image(image), snr=_one_or_two("--snr", snr), seed=seed, chunks="auto"
    )
    told = _write(cube, truth, out, overwrite=overwrite, quiet=quiet or as_json)
    _tell(told, as_json, quiet)


@app.command("spectra")
@command
def make_spectra_file(
    out: Annotated[Path, typer.Option(help="The file to write (.h5), a cube of one column.")],
    kind: Annotated[str, typer.Option(help="xrf or nebulae.")] = "xrf",
    n: Annotated[int, typer.Option("-n", min=1, help="Number of spectra.")] = 10_000,
    palette: PaletteOption = "choirbook",
    mode: Annotated[str, typer.Option(help="Of xrf: pure, load or mix.")] = "load",
    counts: Annotated[str, typer.Option(help="Of xrf: 400, or 200,3000.")] = "400",
    snr: Annotated[str, typer.Option(help="Of nebulae: 30, or 10,100.")] = "10,100",
    expectation: Annotated[
        bool, typer.Option("--expectation", help="Also write the noise-free spectra.")
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a training set of single spectra; any number needs no more memory than one block."""
    from spectessera.synth.files import write_stream
    from spectessera.synth.nebulae.nebula import nebular_spectra
    from spectessera.synth.paint.spectra import xrf_spectra

    _check(out, overwrite)
    if kind == "xrf":
        wanted = np.asarray(_one_or_two("--counts", counts))
        if not np.isfinite(wanted).all() or (wanted != np.rint(wanted)).any():
            raise ValueError(f"--counts takes whole numbers; got {counts!r}")
        pair: Any = tuple(wanted.astype(int).tolist()) if wanted.ndim else int(wanted)
        stream: Any = xrf_spectra(n, palette, mode, pair, seed=seed)
    elif kind == "nebulae":
        if (palette, mode, counts) != ("choirbook", "load", "400"):
            raise ValueError("--palette, --mode and --counts are of xrf; nebulae have --snr")
        stream = nebular_spectra(n, _one_or_two("--snr", snr), seed=seed)
    else:
        raise ValueError(f"--kind is xrf or nebulae; got {kind!r}")
    with progress(quiet or as_json) as bar:
        write_stream(
            stream,
            out,
            expectation=expectation,
            overwrite=overwrite,
            progress=lambda done, total: bar("write", done, total),
        )
    told = {"file": str(out), "spectra": n, "channels": len(stream.axis), "seed": seed}
    _tell(told, as_json, quiet)


@app.command("page")
@command
def make_page(
    out: Annotated[Path, typer.Option(help="The picture to write (.png).")],
    palette: PaletteOption = "choirbook",
    size: Annotated[str, typer.Option(metavar="HEIGHT,WIDTH", help="In pixels.")] = "256,192",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Draw a page of a manuscript with the colours of a palette, as seed of a cube."""
    from PIL import Image

    from spectessera._util.files import atomic
    from spectessera.synth.paint.pages import miniature

    if out.suffix.lower() != ".png":
        raise ValueError(f"--out is a .png file; got {out.name}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another name, or --overwrite")
    sides = numbers("--size", size, 2)
    if not all(side.is_integer() for side in sides):
        raise ValueError(f"--size takes whole numbers of pixels; got {size!r}")
    height, width = (int(side) for side in sides)
    page = miniature(seed, (height, width), palette)
    with atomic(out) as temporary:
        Image.fromarray(page).save(temporary, format="PNG")
    if not quiet:
        output.print(f"page written to {out}", markup=False)


@app.command("palettes")
@command
def show_palettes(
    palette: Annotated[
        str | None, typer.Argument(help="One palette only: a name, or a TOML or JSON file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also draw the spectra of that palette (.png or .pdf).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show the pigments of all palettes, or of one, with their colours."""
    from spectessera.synth.paint.palettes import load_palette
    from spectessera.synth.paint.pigments import PALETTES

    found = [load_palette(name) for name in ([palette] if palette else PALETTES)]
    if out is not None:
        _draw(found, out, overwrite)
    if as_json:
        told = {each.name: _described(each) for each in found}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    for each in found:
        table = Table(title=escape(each.name), title_justify="left", box=None, pad_edge=False)
        for column in ("", "pigment", "formula", "mg/cm2", "count rate"):
            table.add_column(column)
        for row in _described(each):
            red, green, blue = row["rgb"]
            swatch = f"[on rgb({red},{green},{blue})]    [/]"
            layer = "" if row["thickness"] is None else f"{row['thickness']:g}"
            words = (escape(row[each]) for each in ("pigment", "formula"))
            table.add_row(swatch, *words, layer, f"{row['rate']:.2f}")
        output.print(table)
        output.print()


def _described(palette: Any) -> list[dict[str, Any]]:
    """Return what there is to tell of the pigments of a palette."""
    rows = []
    columns = (palette.pigments, palette.rgb, palette.rate, palette.recipes)
    for name, rgb, rate, known in zip(*columns, strict=True):
        mixture = () if known is None else known.mixture
        parts = [formula if share == 1 else f"{share:g} {formula}" for share, formula in mixture]
        rows.append(
            {
                "pigment": name,
                "formula": " + ".join(parts),
                "thickness": None if known is None else known.thickness,
                "rgb": [int(each) for each in rgb],
                "rate": round(float(rate), 4),
                "source": "" if known is None else known.source,
            }
        )
    return rows


def _draw(found: list[Any], out: Path, overwrite: bool) -> None:
    """Write the figure of one palette."""
    from spectessera._util.files import atomic
    from spectessera.plots import result as plots

    if len(found) != 1:
        raise ValueError("--out draws one palette: name it, as in `synth palettes choirbook`")
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--out is a .png, .pdf or .svg file; got {out.name}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another name, or --overwrite")
    (one,) = found
    figure = plots.spectra_of_palette(one.pigments, one.rgb, one.template, one.axis)
    with atomic(out) as temporary:
        figure.savefig(temporary, format=out.suffix[1:].lower(), dpi=150)


def _check(out: Path, overwrite: bool) -> None:
    """Raise before any work if the file cannot be written."""
    from spectessera.io import check_destination

    if out.suffix.lower() not in (".h5", ".hdf5"):
        raise ValueError(f"--out is a .h5 file, which holds cube and truth; got {out.name}")
    check_destination(out, overwrite=overwrite)


def _write(cube: Any, truth: Any, out: Path, *, overwrite: bool, quiet: bool) -> dict[str, Any]:
    """Write cube and truth block by block; returns what was written."""
    from dask.callbacks import Callback

    from spectessera.io import write_synthetic

    with progress(quiet) as bar:
        done = [0]

        def after(_key: Any, _result: Any, _dsk: Any, state: Any, _worker: Any) -> None:
            done[0] += 1
            waiting = sum(len(state[name]) for name in ("waiting", "ready", "running"))
            bar("write", done[0], done[0] + waiting)

        with Callback(posttask=after):
            write_synthetic(cube, truth, out, overwrite=overwrite)
    return {
        "file": str(out),
        "pixels": f"{cube.sizes['y']} x {cube.sizes['x']} (y, x)",
        "channels": cube.sizes["channel"],
        "labels": int(truth["label"].max()),
    }


def _one_or_two(flag: str, text: str) -> float | tuple[float, float]:
    """Return a number, or the two of a range."""
    if "," not in text:
        return numbers(flag, text, 1)[0]
    low, high = numbers(flag, text, 2)
    return low, high


def _tell(told: dict[str, Any], as_json: bool, quiet: bool) -> None:
    """Print what was made."""
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif not quiet:
        table = Table(show_header=False, box=None)
        for name, value in told.items():
            table.add_row(f"[bold]{name}[/]", escape(str(value)))
        output.print(table)
