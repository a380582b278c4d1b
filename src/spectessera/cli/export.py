"""`spectessera export`: a result for other programs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectessera._util.inputs import refuse_input

from .console import command, output, print_json
from .flags import AsJson, Overwrite, Quiet

if TYPE_CHECKING:
    import xarray as xr

Result = Annotated[
    Path, typer.Argument(help="A folder that segment wrote, or the result.nc or result.zarr in it.")
]
To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="FORMAT",
        help="csv (mean spectra, clusters), geotiff and tiff (label map; for QGIS, ImageJ), gpkg "
        "(polygons), envi, "
        "imagej (regions), npy, npz, hspy (HyperSpy), fits, svg, pdf or png (all figures). May be "
        "given several times; by default that of the suffix of --out.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="A folder, which may be new; or, for one format, a file with its suffix."),
]


@command
def export_command(
    result: Result,
    out: Out,
    to: To = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a result for other programs: QGIS, ImageJ, ENVI, HyperSpy, DS9, tables, figures.

    All files of a call are written, or none. Names and colours of clusters are those that people
    have given; where there are none, names are suggested from the mean spectra. Images of elements
    and lines, as floats, are in the folder that segment --maps writes.
    """
    from spectessera.export import export_result
    from spectessera.io import read_result, result_in

    source = result_in(result)
    refuse_input(out, source)
    _refuse_own(out)
    maps, abundances = _maps(source) if result != source else (None, None)
    opened = read_result(source)
    files = export_result(
        opened, out, to or None, overwrite=overwrite, maps=maps, abundances=abundances
    )
    if as_json:
        print_json({"result": str(source), "files": [str(each) for each in files]})
    elif not quiet:
        for each in files:
            output.print(str(each))


def _refuse_own(out: Path) -> None:
    """Raise FileExistsError if it is a folder of a result, or something that a run wrote there."""
    from spectessera.resultfolder import MANIFEST, read_manifest

    where = out.resolve()
    for folder in (where, *where.parents):
        manifest = None
        with suppress(ValueError):  # manifest.json of another program: no folder of a result
            manifest = read_manifest(folder)
        if manifest is None:
            continue
        inside = where.relative_to(folder).parts
        if not inside:
            raise FileExistsError(f"{out} is the folder of a result; give another --out")
        if inside[0] in (MANIFEST, *manifest.names):
            raise FileExistsError(f"{out} belongs to the result in {folder}; give another --out")


def _maps(source: Path) -> tuple[xr.Dataset | None, xr.Dataset | None]:
    """Return the maps of elements or lines, and of mixtures, beside a result; None without them.

    Mixtures are of the clusters of the run: they do not belong to a result that people have edited.
    """
    from spectessera.io import EDITED
    from spectessera.resultfolder import maps_in, read_manifest

    maps, abundances = maps_in(source.parent, read_manifest(source.parent))
    return maps, None if source.name == EDITED else abundances
