"""`spectessera encode` and `decode`: a cube as latents, and latents as spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spectessera._util.files import alone
from spectessera._util.inputs import refuse_input
from spectessera._util.text import counted, per_cent

from .console import command, output, print_json, progress
from .flags import MODEL, AsJson, CubeFile, FileOptions, Overwrite, Quiet, with_flag_groups


@command
@with_flag_groups
def encode_command(
    file: CubeFile,
    model: Annotated[
        str,
        typer.Option(
            metavar=MODEL,
            help="A trained model: one that ships with the package, or a file (.safetensors).",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The latent cube to write (.nc, .h5 or .zarr).")
    ],
    reading: FileOptions,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compress a cube to its latents.

    Prints the compression ratio and the error of the decoded spectra.
    """
    from spectessera.inference.latentcube import encode_cube
    from spectessera.io import check_destination, write
    from spectessera.segmenter import load

    check_destination(out, overwrite=overwrite)
    refuse_input(out, file, model, *reading.files())
    segmenter = load(model)
    cube = reading.open(file)
    with alone(out):
        with progress(quiet or as_json) as bar:
            latent, scores = encode_cube(cube, segmenter, progress=bar)
        write(latent, out, overwrite=overwrite)
    summary = {"file": str(file), "out": str(out), **scores}
    if as_json:
        print_json(summary)
    elif not quiet:
        output.print(
            f"{counted(summary['channels'], 'channel')} to {counted(summary['latent'], 'latent')}: "
            f"{summary['ratio']:.1f} times smaller "
            f"({summary['ratio_with_model']:.1f} including the weights of the model)"
        )
        error = per_cent(summary["relative_error"], 2)
        output.print(f"error {error} (root mean square, in network-input units)")
        output.print(f"latent cube in {out}")


@command
def decode_command(
    file: Annotated[Path, typer.Argument(help="A latent cube that encode wrote.")],
    model: Annotated[
        str,
        typer.Option(metavar=MODEL, help="The model that encoded it."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The cube to write (.nc, .h5 or .zarr).")
    ],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Decode a latent cube to spectra in network-input units."""
    from spectessera.inference.latentcube import decode_cube
    from spectessera.io import check_destination, read, write
    from spectessera.segmenter import load

    check_destination(out, overwrite=overwrite)
    refuse_input(out, file, model)
    decoded = decode_cube(read(file, chunks="auto"), load(model))
    with alone(out):
        write(decoded, out, overwrite=overwrite)
    if not quiet:
        output.print(f"decoded cube in {out}")
