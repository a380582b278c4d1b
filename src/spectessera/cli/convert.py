"""`spectessera convert`: a cube in another format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectessera._util.files import alone
from spectessera._util.inputs import refuse_input

from .console import Bar, command, counted, output, print_json, progress
from .flags import AsJson, CubeFile, FileOptions, Overwrite, Quiet, with_flag_groups

if TYPE_CHECKING:
    import xarray as xr


@command
@with_flag_groups
def convert_command(
    file: CubeFile,
    out: Annotated[
        Path,
        typer.Argument(help="The file to write: its suffix is .zarr, .h5, .nc, .fits or .hspy."),
    ],
    reading: FileOptions,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a cube in another format: Zarr, HDF5, NetCDF, FITS or HyperSpy.

    Values, spectral axis, noise, mask and all else that is known of the cube are kept, as far as
    the format has a place for them. The cube is converted block by block: it may be larger than
    the memory.
    """
    from spectessera.io import check_destination, left_out, write

    refuse_input(out, file, *reading.files())
    check_destination(out, overwrite=overwrite)
    cube = reading.open(file)
    with (
        alone(out),
        progress(quiet or as_json) as bar,
        _in_blocks(cube, file, out, reading, bar) as blocks,
        counted(bar),
    ):
        write(blocks, out, overwrite=overwrite)
    facts = {
        "file": str(file), "out": str(out), "shape": list(cube.shape), "dtype": str(cube.dtype),
        "left_out": left_out(cube, out),
    }  # fmt: skip
    if as_json:
        print_json(facts)
    elif not quiet:
        size = " x ".join(str(each) for each in cube.shape)
        output.print(f"{size} (y, x, channel) in {out}")
        if missing := left_out(cube, out):
            output.print(f"no place in this format for: {', '.join(missing)}")


@contextmanager
def _in_blocks(
    cube: xr.DataArray, file: Path, out: Path, reading: FileOptions, bar: Bar
) -> Iterator[xr.DataArray]:
    """Give the cube so that every piece of its file is read once."""
    from spectessera.io.unpacking import channels_at_a_time, unpacked

    folder = out.resolve().parent
    channels = channels_at_a_time(cube, folder)
    if not channels:
        yield cube
        return
    by_images = reading.open(file, {"y": -1, "x": -1, "channel": channels})
    with unpacked(by_images, folder, bar) as blocks:
        yield blocks
