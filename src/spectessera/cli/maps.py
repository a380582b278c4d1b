"""`spectessera maps`: elements or emission lines, and shares of clusters, in every pixel."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.documents import read_json
from spectessera._util.text import counted

from .anymaps import Maps, at_places_of, kind_of, maps_of
from .bandmaps import BandOptions, map_bands
from .console import arguments, command, output, print_json, progress
from .flags import AsJson, CubeFile, FileOptions, Overwrite, Quiet, with_flag_groups
from .scheduler import Scheduler, use_scheduler

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from spectessera.resultfolder import Staging

SUMMARY = "summary.json"
MOST_BYTES = 2**26  # of a summary
Rows = dict[str, Any]  # "elements" or "lines", "mixtures", "tree": as in the summary
METHOD = "pca"  # of the clusters where no result is given

Result = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="The folder that segment wrote for this cube, or the result.nc or result.zarr in it. "
        "By default, pixels are clustered by their principal components.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="The folder to write the maps to; by default that of the result."
    ),
]
Anode = Annotated[
    str | None,
    typer.Option(
        metavar="ELEMENT",
        help="Anode of the X-ray tube (Rh, Mo, W, ...): its lines are not the sample's.",
    ),
]
Redshift = Annotated[
    float | None,
    typer.Option(
        help="Redshift of the emission lines; by default that of the result, else found from them."
    ),
]
SinglePixels = Annotated[
    bool,
    typer.Option(
        "--single-pixels/--no-single-pixels",
        help="Also look for elements that no cluster shows but single pixels do.",
    ),
]


@command
@with_flag_groups
def maps_command(
    file: CubeFile,
    reading: FileOptions,
    bands: BandOptions,
    result: Result = None,
    out: Out = None,
    anode: Anode = None,
    single_pixels: SinglePixels = True,
    redshift: Redshift = None,
    overwrite: Overwrite = False,
    where: Scheduler = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Map the elements of an X-ray cube, or the emission lines of a cube along wavelengths.

    Net counts of elements, or fluxes and velocities of lines, in every pixel, with errors. The mean
    spectra of the clusters show the lines; with these, every pixel is fitted. Writes maps.nc,
    maps.png, and a folder of images and a table. Of every cube, how much of each cluster is in a
    pixel: abundances.nc, abundances.png, tree.png and a folder. With --band the sums of bands
    instead, of any cube: the folder band-maps.
    """
    from spectessera.io import result_in

    source = None if result is None else result_in(result)
    folder = _folder(source, out)
    how: dict[str, Any] = {"overwrite": overwrite, "where": where}
    how |= {"as_json": as_json, "quiet": quiet}
    if ranges := bands.ranges({"--anode": anode, "--redshift": redshift}):
        map_bands(file, reading, ranges, bands.baseline, source, folder, **how)
        return
    lines = {"anode": anode, "single_pixels": single_pixels, "redshift": redshift}
    _map_all(file, reading, source, folder, lines, **how)


def _map_all(
    file: Path,
    reading: FileOptions,
    source: Path | None,
    folder: Path,
    lines: dict[str, Any],
    *,
    overwrite: bool,
    where: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write all maps that suit a cube; ``lines`` are the flags about elements and lines."""
    from spectessera.maps import NothingToMap
    from spectessera.resultfolder import Origin, Plan, result_folder, write_all_maps

    inputs = {"cube": file} | ({} if source is None else {"result": source})
    inputs |= {f"beside-{n}": each for n, each in enumerate(reading.files(), start=1)}
    names = _names(folder, source, overwrite)
    plan = Plan(names, tuple(inputs.values()), overwrite=True, add=True)
    with result_folder(folder, plan) as staging, closing(Origin(inputs)) as origin:
        cube = reading.open(file)
        kind = kind_of(cube)
        if kind != "elements" and lines["anode"] is not None:
            raise ValueError("--anode: only X-ray cubes have lines of a tube; leave it out")
        if kind != "lines" and lines["redshift"] is not None:
            raise ValueError("--redshift: only cubes along wavelengths have lines that it moves")
        with use_scheduler(where), progress(quiet or as_json) as bar:
            sized = reading.pixel_size is not None
            made = maps_of(*_with_clusters(cube, source, bar, sized=sized), kind, bar, **lines)
        if made.suitable is None and made.mixtures is None:
            raise NothingToMap("there are no maps to write; the lines above say why")
        rows = write_all_maps(made.suitable, made.mixtures, staging.path)
        _write_summary(folder, staging, rows)
        staging.commit(_facts(staging, origin, quiet or as_json))
    _print(rows, made, folder, as_json, quiet)


def _folder(source: Path | None, out: Path | None) -> Path:
    """Return the folder to write to."""
    from spectessera.resultfolder import MANIFEST

    if out is not None:
        return out
    if source is None:
        raise ValueError("give --result, the folder of a segmentation, or --out, a new folder")
    if not (source.parent / MANIFEST).exists():
        if source.is_dir():
            raise ValueError(f"{source} is no folder that segment wrote: it has no {MANIFEST}")
        raise ValueError(
            f"{source.parent} has no {MANIFEST}, so nothing is added to it; give --out, a folder "
            "for the maps"
        )
    return source.parent


def _names(folder: Path, source: Path | None, overwrite: bool) -> tuple[str, ...]:
    """Return the names that are written; raise if they are there, or belong to another result."""
    from spectessera.resultfolder import ABUNDANCES, MAPS, RESULTS, read_manifest

    manifest = read_manifest(folder) if folder.is_dir() else None
    own = () if manifest is None else manifest.names
    if any(name in RESULTS for name in own) and (
        source is None or source.parent.resolve() != folder.resolve()
    ):
        raise FileExistsError(
            f"{folder} holds another result: give that with --result, or another --out"
        )
    all_maps = (*MAPS, *ABUNDANCES)
    there = [name for name in all_maps if os.path.lexists(folder / name)]
    if there and not overwrite:
        raise FileExistsError(f"{folder} holds {there[0]} already; give --overwrite")
    return (*all_maps, *((SUMMARY,) if SUMMARY in own and (folder / SUMMARY).exists() else ()))


def _with_clusters(
    cube: xr.DataArray, source: Path | None, bar: Any, *, sized: bool
) -> tuple[xr.DataArray, xr.Dataset]:
    """Return the cube and the clusters whose mean spectra are used.

    The pixels are where the result has them, unless their size is given.
    """
    if source is None:
        from spectessera.baselines import cluster_cube

        return cube, cluster_cube(cube, METHOD, progress=bar)
    from spectessera.io import read_result

    result = read_result(source)
    return cube if sized else at_places_of(cube, result), result


def _write_summary(folder: Path, staging: Staging, rows: Rows) -> None:
    """Write the summary of the result with its elements or lines, if there is one."""
    from spectessera.resultfolder import with_maps

    if SUMMARY not in staging.plan.names:
        return
    summary = read_json(folder / SUMMARY, MOST_BYTES)
    if not isinstance(summary, dict):
        raise ValueError(f"{folder / SUMMARY} is not a summary of spectessera")
    text = json.dumps(with_maps(summary, rows), indent=2, allow_nan=False) + "\n"
    (staging.path / SUMMARY).write_text(text, encoding="utf-8")


def _facts(staging: Staging, origin: Any, quiet: bool) -> dict[str, Any]:
    """Return what the manifest says: of the result, and of the maps that were added to it."""
    with progress(quiet) as bar:
        facts: dict[str, Any] = origin.facts(arguments.get(), {}, bar)
    older = staging.older.manifest
    return facts if older is None else {**older.facts, "maps": facts}


def _print(rows: Rows, made: Maps, folder: Path, as_json: bool, quiet: bool) -> None:
    """Print which elements or lines there are, what is mixed, and where the maps are."""
    from spectessera.htmlreport.mixtures import in_words

    attrs = {} if made.suitable is None else made.suitable.attrs
    if as_json:
        print_json({"out": str(folder), **rows, **attrs})
    elif not quiet:
        if made.suitable is not None:
            output.print(_table(rows["elements"]) if "elements" in rows else _lines(rows["lines"]))
        for name in ("found", "unexplained"):
            if words := attrs.get(f"{name}_in_single_pixels"):
                output.print(f"{name} in single pixels: {words}")
        if made.mixtures is not None:
            output.print(in_words(made.mixtures))
        output.print(f"maps in {folder}")


def _lines(rows: list[dict[str, Any]]) -> Table:
    """Return the emission lines as a table."""
    from rich.table import Table

    table = Table(title=counted(len(rows), "line"), box=None)
    for heading in ("line", "rest, angstrom", "pixels", "median flux there"):
        table.add_column(heading, justify="left" if heading == "line" else "right")
    for row in rows:
        flux = "-" if row["flux"] is None else f"{row['flux']:.4g}"
        table.add_row(row["line"], f"{row['rest_wavelength']:.1f}", str(row["pixels"]), flux)
    return table


def _table(rows: list[dict[str, Any]]) -> Table:
    """Return the elements as a table."""
    from rich.table import Table

    table = Table(title=counted(len(rows), "map"), box=None)
    for heading in ("lines", "most in cluster", "net counts", "found in"):
        table.add_column(heading, justify="right" if heading == "net counts" else "left")
    for row in rows:
        counts = [-1.0 if each is None else each for each in row["net_counts"]]
        best = max(range(len(counts)), key=counts.__getitem__)
        error = row["net_counts_error"][best] or 0.0
        what = row["found_in"] if row["kind"] == "element" else "instrument"
        table.add_row(row["element"], str(best + 1), f"{counts[best]:.2f} ± {error:.2f}", what)
    return table
