"""`spectessera encode` and `decode`: a cube as latents, and back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .console import command, output, progress
from .flags import AsJson, AxisOption, Energy, Key, Missing, Quiet, Unit, Wavelength, open_cube


@command
def encode(
    file: Path,
    model: Annotated[
        str, typer.Option(help="A trained model: a file (.safetensors), or maxrf or nebulae.")
    ],
    out: Annotated[Path, typer.Option(help="The latent cube to write (.nc, .h5 or .zarr).")],
    key: Key = None,
    energy: Energy = None,
    wavelength: Wavelength = None,
    axis: AxisOption = None,
    unit: Unit = None,
    missing: Missing = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compress a cube to its latents; tells the ratio and the error."""
    from spectessera.inference.latentcube import encode_cube
    from spectessera.io import check_destination, write
    from spectessera.segmenter.estimator import load

    check_destination(out, overwrite=overwrite)
    segmenter = load(model)
    cube = open_cube(file, key, energy, wavelength, axis, unit, missing)
    with progress(quiet or as_json) as bar:
        latent, told = encode_cube(cube, segmenter, progress=bar)
    write(latent, out, overwrite=overwrite)
    told = {"file": str(file), "out": str(out), **told}
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif not quiet:
        output.print(
            f"{told['channels']} channels to {told['latent']} latents: {told['ratio']:.1f} times "
            f"smaller ({told['ratio_with_model']:.1f} with the weights of the model)"
        )
        output.print(f"error {100 * told['relative_error']:.2f} % (rms, network-input units)")
        output.print(f"latent cube in {out}", markup=False)


@command
def decode(
    file: Path,
    model: Annotated[str, typer.Option(help="The model that encoded it (file or name).")],
    out: Annotated[Path, typer.Option(help="The cube to write (.nc, .h5 or .zarr).")],
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    quiet: Quiet = False,
) -> None:
    """Decode a latent cube to spectra, in network-input units."""
    from spectessera.inference.latentcube import decode_cube
    from spectessera.io import check_destination, read, write
    from spectessera.segmenter.estimator import load

    check_destination(out, overwrite=overwrite)
    decoded = decode_cube(read(file, chunks="auto"), load(model))
    write(decoded, out, overwrite=overwrite)
    if not quiet:
        output.print(f"decoded cube in {out}", markup=False)
