"""`spectessera synth`: synthetic cubes, spectra and pages on the command line."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.files import alone, atomic
from spectessera._util.inputs import refuse_input

from .console import command, counted, output, print_json, progress
from .flags import AsJson, Overwrite, Quiet, numbers, with_flag_groups
from .palettes import PaletteOption, show_palettes

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.synth.paint.scene import Realism
    from spectessera.synth.stream import Stream

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make synthetic cubes and spectra, with their truth.",
)

Out = Annotated[
    Path, typer.Option(metavar="FILE", help="The file to write (.h5): cube, axis and truth.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all random draws.")]
Picture = Annotated[Path, typer.Argument(help="A picture, such as a PNG or JPEG file.")]
_realistic = functools.partial(typer.Option, rich_help_panel="With --realistic")


@dataclass(frozen=True)
class RealismOptions:
    """What a scanner and a painter add to the algorithm of ganX.

    Parameters
    ----------
    realistic : bool
        Add it; the other fields change its defaults.
    thickness : str, optional
        Two numbers separated by a comma.
    mixture, background, dead, hot : float, optional
        As in :class:`spectessera.synth.paint.scene.Realism`.
    """

    realistic: Annotated[
        bool,
        typer.Option(
            "--realistic",
            help="Poisson counts, layers of varying thickness, mixtures of pigments, background.",
        ),
    ] = False
    thickness: Annotated[
        str | None,
        _realistic(
            metavar="LEAST,MOST",
            help="Range of the thickness of the layers, in units of the nominal thickness.",
        ),
    ] = None
    mixture: Annotated[float | None, _realistic(help="Largest share of a second pigment.")] = None
    background: Annotated[
        float | None, _realistic(help="Share of the counts in the background.")
    ] = None
    dead: Annotated[float | None, _realistic(help="Share of the pixels without counts.")] = None
    hot: Annotated[
        float | None, _realistic(help="Share of the pixels with ten times the counts.")
    ] = None

    def realism(self) -> Realism | None:
        """Return the settings that the flags stand for, or None without ``realistic``.

        Raises
        ------
        ValueError, TypeError
            If a flag would have no effect, or its value is refused.
        """
        from spectessera.synth.paint.scene import Realism

        given = {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        given = {name: value for name, value in given.items() if value is not None}
        if given and not self.realistic:
            raise ValueError(f"--{', --'.join(given)} would have no effect without --realistic")
        if "thickness" in given:
            given["thickness"] = numbers("--thickness", given["thickness"], 2)
        return Realism(**given) if self.realistic else None


Counts = Annotated[float, typer.Option(help="Counts of every pixel; with --realistic, their mean.")]
Threshold = Annotated[
    float, typer.Option(help="Least similarity of a pigment to a colour, 0 to 1.")
]
Distance = Annotated[
    str, typer.Option(metavar="[ciede2000|cie94]", help="Distance between colours.")
]
Mode = Annotated[
    str,
    typer.Option(
        metavar="[pure|load|mix]",
        help="XRF: pure, layers of nominal thickness; load, of varying thickness; mix, of varying "
        "thickness with a second pigment.",
    ),
]


Kind = Annotated[str, typer.Option(metavar="[xrf|nebulae]", help="What the spectra are of.")]
RangeOfCounts = Annotated[
    str,
    typer.Option(
        metavar="NUMBER|LOW,HIGH",
        help="XRF: counts of every spectrum. A number, or a range such as 200,3000.",
    ),
]
Snr = Annotated[
    str,
    typer.Option(
        metavar="NUMBER|LOW,HIGH",
        help="Nebulae: the peak of H alpha over the noise. A number, or a range: 10,100.",
    ),
]


@app.command("cube")
@command
@with_flag_groups
def make_cube_file(
    image: Picture,
    out: Out,
    options: RealismOptions,
    palette: PaletteOption = "choirbook",
    counts: Counts = 400,
    threshold: Threshold = 0.8,
    distance: Distance = "ciede2000",
    k_min: Annotated[int, typer.Option(help="Smallest number of colours to try.")] = 3,
    k_max: Annotated[int, typer.Option(help="Largest number of colours to try.")] = 10,
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

    realism = options.realism()
    if realism is None and not float(counts).is_integer():
        raise ValueError(f"--counts must be a whole number; got {counts:g}")
    _check_destination(out, overwrite, image, palette)
    cube, truth = cube_from_rgb(
        read_image(image),
        palette,
        counts=int(counts) if realism is None else counts,
        threshold=threshold,
        seed=seed,
        clusters=Clusters(k_min=k_min, k_max=k_max, criterion="silhouette"),
        distance=distance,
        realism=realism,
        chunks="auto",
    )
    summary = _write(cube, truth, out, overwrite=overwrite, quiet=quiet or as_json)
    _print_summary(summary | {"pigments": _pigment_shares(truth)}, as_json, quiet)


def _pigment_shares(truth: xr.Dataset) -> dict[str, float]:
    """Return the share of every pigment in the whole image, without those that are not in it."""
    shares = truth["weight"].values.mean(axis=(0, 1))
    pigments = truth["pigment"].values
    return {
        str(name): round(float(share), 4)
        for name, share in zip(pigments, shares, strict=True)
        if share > 0
    }


@app.command("nebula")
@command
def make_nebula_file(
    image: Picture,
    out: Out,
    snr: Snr = "30",
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

    _check_destination(out, overwrite, image)
    cube, truth = nebular_cube(
        read_image(image), snr=_one_or_two("--snr", snr), seed=seed, chunks="auto"
    )
    summary = _write(cube, truth, out, overwrite=overwrite, quiet=quiet or as_json)
    _print_summary(summary, as_json, quiet)


@app.command("spectra")
@command
def make_spectra_file(
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The file to write (.h5), a cube one pixel wide.")
    ],
    kind: Kind = "xrf",
    n: Annotated[int, typer.Option("-n", min=1, help="Number of spectra.")] = 10_000,
    palette: PaletteOption = "choirbook",
    mode: Mode = "load",
    counts: RangeOfCounts = "400",
    snr: Snr = "10,100",
    expectation: Annotated[
        bool, typer.Option("--expectation", help="Also write the noise-free spectra.")
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a training set of single spectra.

    They are made block by block, so any number of them needs the memory of one block.
    """
    from spectessera.synth.files import write_stream

    _check_destination(out, overwrite, palette)
    stream = _stream(kind, n, palette, mode, counts, snr, seed)
    with alone(out), progress(quiet or as_json) as bar:
        write_stream(
            stream,
            out,
            expectation=expectation,
            overwrite=overwrite,
            progress=lambda done, total: bar("write", done, total),
        )
    summary = {"file": str(out), "spectra": n, "channels": len(stream.axis), "seed": seed}
    _print_summary(summary, as_json, quiet)


def _stream(
    kind: str, n: int, palette: str, mode: str, counts: str, snr: str, seed: int
) -> Stream[Any]:
    """Return the spectra that the flags of `synth spectra` stand for."""
    from spectessera.synth.nebulae.nebula import nebular_spectra
    from spectessera.synth.paint.spectra import xrf_spectra

    if kind == "xrf":
        return xrf_spectra(n, palette, mode, _whole_numbers("--counts", counts), seed=seed)
    if kind == "nebulae":
        if (palette, mode, counts) != ("choirbook", "load", "400"):
            raise ValueError("--palette, --mode and --counts are for xrf; nebulae have --snr")
        return nebular_spectra(n, _one_or_two("--snr", snr), seed=seed)
    raise ValueError(f"--kind is xrf or nebulae; got {kind!r}")


@app.command("page")
@command
def make_page(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture to write (.png).")],
    palette: PaletteOption = "choirbook",
    size: Annotated[
        str, typer.Option(metavar="HEIGHT,WIDTH", help="Size of the page in pixels.")
    ] = "256,192",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Draw a page of a manuscript in the colours of a palette, a picture for `synth cube`."""
    from PIL import Image

    from spectessera.synth.paint.pages import miniature

    if out.suffix.lower() != ".png":
        raise ValueError(f"--out is a .png file; got {out.name}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another name, or --overwrite")
    refuse_input(out, palette)
    sides = numbers("--size", size, 2)
    if not all(side.is_integer() for side in sides):
        raise ValueError(f"--size takes whole numbers of pixels; got {size!r}")
    height, width = (int(side) for side in sides)
    page = miniature(seed, (height, width), palette)
    with alone(out), atomic(out) as temporary:
        Image.fromarray(page).save(temporary, format="PNG")
    if not quiet:
        output.print(f"page written to {out}")


app.command("palettes")(show_palettes)


def _check_destination(out: Path, overwrite: bool, *inputs: str | Path) -> None:
    """Raise, before any work, if the file cannot be written, or is one of the inputs."""
    from spectessera.io import check_destination

    if out.suffix.lower() not in (".h5", ".hdf5"):
        raise ValueError(f"--out is a .h5 file, which holds cube and truth; got {out.name}")
    check_destination(out, overwrite=overwrite)
    refuse_input(out, *inputs)


def _write(
    cube: xr.DataArray, truth: xr.Dataset, out: Path, *, overwrite: bool, quiet: bool
) -> dict[str, Any]:
    """Write cube and truth block by block, and return what was written."""
    from spectessera.io import write_synthetic

    with alone(out), progress(quiet) as bar, counted(bar):
        write_synthetic(cube, truth, out, overwrite=overwrite)
    return {
        "file": str(out),
        "pixels": f"{cube.sizes['y']} x {cube.sizes['x']} (y, x)",
        "channels": cube.sizes["channel"],
        "labels": int(truth["label"].max()),
    }


def _one_or_two(flag: str, text: str) -> float | tuple[float, float]:
    """Return a number, or the two ends of a range."""
    if "," not in text:
        return numbers(flag, text, 1)[0]
    low, high = numbers(flag, text, 2)
    return low, high


def _whole_numbers(flag: str, text: str) -> int | tuple[int, int]:
    """Return a whole number, or the two ends of a range."""
    ends = _one_or_two(flag, text)
    pair = ends if isinstance(ends, tuple) else (ends, ends)
    if not all(each.is_integer() for each in pair):  # not of nan and inf either
        raise ValueError(f"{flag} takes whole numbers; got {text!r}")
    return (int(pair[0]), int(pair[1])) if isinstance(ends, tuple) else int(ends)


def _print_summary(summary: dict[str, Any], as_json: bool, quiet: bool) -> None:
    """Print what was made."""
    from rich.table import Table
    from rich.text import Text

    if as_json:
        print_json(summary)
    elif not quiet:
        table = Table(show_header=False, box=None)
        for name, value in summary.items():
            table.add_row(Text(name, "bold"), str(value))
        output.print(table)
