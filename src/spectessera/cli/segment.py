"""`spectessera segment`: the map of a cube."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.files import encodable
from spectessera._util.imports import uncollected

from .anymaps import Maps, kind_of, maps_of
from .checkpoint import checkpoint_at, remove_completed
from .console import arguments, command, errors, print_json, progress, repeating
from .flags import AsJson, FileOptions, Quiet, with_flag_groups
from .libraries import LibraryFile, LibraryUnit, opened_library
from .modeloptions import ModelOptions, chosen_for, frame_for, trained_model
from .neighbours import check_neighbours, fit_on, neighbours_of
from .options import Fields, base_settings, configurations, with_settings
from .scheduler import LARGE, Scheduler, use_scheduler
from .summary import picture_of, print_summary
from .together import CubeFiles, Scans, TogetherOptions

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.inference import Neighbours
    from spectessera.preprocess.frame import Frame
    from spectessera.resultfolder import Origin, Staging
    from spectessera.segmenter import SpectralSegmenter


FEWEST = 2  # clusters that can be asked for


def _check_clusters(text: str) -> str:
    """Return the clusters that are asked for; raise an error of usage if it is none of these."""
    if text not in ("cube", "trained") and not (text.isdecimal() and int(text) >= FEWEST):
        raise typer.BadParameter(
            f"takes cube, trained or a number of clusters from {FEWEST} on; got {text!r}; a range "
            "is --fit --k-min 3 --k-max 5"
        )
    return text


Out = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write the results to.")]
ClustersOption = Annotated[
    str,
    typer.Option(
        metavar="[cube|trained|NUMBER]",
        callback=_check_clusters,
        help="cube: cluster this cube anew; trained: the clusters of the trained model; or a "
        "number of clusters.",
    ),
]


@dataclass(frozen=True)
class ResultOptions:
    """What is written besides the label map.

    Parameters
    ----------
    also : list of str, optional
        Cubes and maps of :func:`spectessera.segment` that are written too.
    report : bool
        Write a report.
    anode : str, optional
        Of the X-ray tube.
    library : Path, optional
        Spectra to name clusters by.
    library_unit : str, optional
        Of the axis of the library.
    neighbours : str
        "auto", or the weight of a neighbour.
    maps : bool
        Write abundances of the clusters, and maps of the elements or of the emission lines.
    zarr : bool
        Write a Zarr store in place of a NetCDF file.
    overwrite : bool
        Replace earlier results.
    """

    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[latent|decoded|silhouette|alone]",
            rich_help_panel="More results",
            help="Also write a cube: latent or decoded; or a map: silhouette, or alone (the "
            "clusters without neighbours). May be given several times.",
        ),
    ] = None
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html, one file to share.")
    ] = False
    anode: Annotated[
        str | None,
        typer.Option(
            metavar="ELEMENT",
            help="Anode of the X-ray tube (Rh, Mo, W, ...), to name its lines.",
        ),
    ] = None
    library: LibraryFile = None
    library_unit: LibraryUnit = None
    neighbours: Annotated[
        str,
        typer.Option(
            metavar="[auto|0|WEIGHT]",
            callback=check_neighbours,
            help="How far the spectra of neighbouring pixels are used: auto, as far as a part of "
            "the measurement shows that it helps; 0, not at all; or the weight of a neighbour, up "
            "to 1.",
        ),
    ] = "auto"
    maps: Annotated[
        bool,
        typer.Option(
            "--maps",
            help="Also write how much of each cluster is in every pixel (abundances.nc), and maps "
            "of elements (X-ray cubes of counts) or of emission lines (wavelengths): maps.nc, and "
            "an image of each in the folder element-maps or line-maps.",
        ),
    ] = False
    zarr: Annotated[
        bool,
        typer.Option(
            "--zarr",
            help="Write result.zarr, block by block, in place of result.nc.",
            rich_help_panel=LARGE,
        ),
    ] = False
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are already in the folder.")
    ] = False

    def kept(self, around: Neighbours) -> tuple[str, ...]:
        """Return the cubes and maps that are written; a report shows what neighbours changed."""
        shown = ("alone",) if self.report and around.window > 1 else ()
        return tuple(dict.fromkeys((*(self.also or ()), *shown)))


# Over 40 lines: the steps of a run in their order, each of which is a function of its own.
@command
@with_settings
@with_flag_groups
def segment_command(
    files: CubeFiles,
    out: Out,
    settings: Fields,
    source: ModelOptions,
    *,
    clusters: ClustersOption = "cube",
    results: ResultOptions,
    together: TogetherOptions,
    reading: FileOptions,
    where: Scheduler = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Segment a cube with a trained model, or with one trained on the cube itself.

    Without --model and --fit, the model is chosen for the cube. Without --fit, of all settings
    only those of the clusters and the seed can be changed.
    """
    with uncollected():
        from spectessera.inference import segment as segment_cube
        from spectessera.preprocess.spikes import despiked
        from spectessera.resultfolder import MODEL, RESULT_STORE, Origin, write_files

    scans = Scans(files, together)
    trained = trained_model(settings, source, clusters)
    configs = configurations(settings, source.config, base_settings(trained, None))
    seed, number = configs["training"].seed, int(clusters) if clusters.isdecimal() else clusters
    stored, read = results.zarr or where is not None, _inputs(scans, source, reading, results)
    with (
        _folder(out, source, results, read, stored=stored, together=together.together) as staging,
        closing(Origin(read)) as origin,  # its checksums are computed during the work
    ):
        library = opened_library(results.library, results.library_unit)
        state = checkpoint_at(source.checkpoint, out / MODEL, read.values())
        with use_scheduler(where), progress(quiet or as_json) as bar:
            frame = None
            cube, kind = _cube(scans.read(reading, seed, bar), results)
            if source.auto:
                source, trained, configs, frame = chosen_for(
                    cube, results.neighbours, settings, bar
                )
                origin.add(_models(source))
            segmenter = _segmenter(source, trained, configs)
            cube = despiked(cube, segmenter.config("preprocess"))
            if not source.fit:
                frame = frame_for(cube, segmenter, settings, frame, bar)
            around = neighbours_of(cube, results.neighbours, segmenter, trained, frame)
            if source.fit:
                fit_on(cube, around, segmenter, trained, state, bar)
                _save(segmenter, source.checkpoint, staging, origin)
            kept = _kept(results, around, frame, staging.path / RESULT_STORE if stored else None)
            result = segment_cube(cube, segmenter, number, seed=seed, progress=bar, **kept)
            made = maps_of(cube, result, kind, bar) if results.maps else Maps(None, None)
            how = _how(source, results, stored, made) | {"library": library}
        run = scans.said() | _run(source, results, seed, number)
        summary = write_files(result, segmenter, staging.path, run, cubes=scans.cubes, **how)
        silent = quiet or as_json or repeating.get()
        drawn = [] if silent else picture_of(result)  # before a store moves
        staging.commit(_facts(origin, {"seed": seed}, quiet or as_json))
    if as_json:
        print_json(summary)
    elif not silent:
        print_summary(summary, drawn, out)


def _kept(
    results: ResultOptions, around: Neighbours, frame: Frame | None, store: Path | None
) -> dict[str, Any]:
    """Return what decides which maps are made, and where they are kept."""
    return {
        "keep": results.kept(around), "neighbours": around, "redshift": frame, "store": store,
    }  # fmt: skip


def _how(source: ModelOptions, results: ResultOptions, stored: bool, made: Maps) -> dict[str, Any]:
    """Return what decides which files are written, and how."""
    how = {"fitted": source.fit, "with_report": results.report, "stored": stored}
    return {**how, "maps": made.suitable, "mixtures": made.mixtures}


def _inputs(
    scans: Scans, source: ModelOptions, reading: FileOptions, results: ResultOptions
) -> dict[str, Path]:
    """Return all files that are read, by what they are for."""
    beside = scans.beside(reading)
    inputs = scans.inputs() | _models(source)
    if results.library is not None:
        inputs["library"] = results.library
    if source.config is not None:
        inputs["config"] = source.config
    return inputs | {f"beside-{n}": each for n, each in enumerate(beside, start=1)}


def _models(source: ModelOptions) -> dict[str, Path]:
    """Return the files of the trained models, which are inputs too."""
    from spectessera.network.modelfile import model_path

    models = {"model": None if source.auto else source.model, "start": source.start}
    return {name: model_path(each) for name, each in models.items() if each}


def _folder(
    out: Path, source: ModelOptions, results: ResultOptions, inputs: dict[str, Path],
    *, stored: bool, together: bool,
) -> AbstractContextManager[Staging]:  # fmt: skip
    """Return the staging folder of the results; raise if they cannot be written."""
    from spectessera.resultfolder import Plan, names_of, result_folder

    _check_extras(results)
    names = names_of(
        fitted=source.fit or source.auto, with_report=results.report, stored=stored,
        with_maps=results.maps, with_scans=together,
    )  # fmt: skip
    read = [*inputs.values(), *([source.checkpoint] if source.checkpoint else [])]
    return result_folder(out, Plan(names, tuple(read), results.overwrite))


def _cube(cube: xr.DataArray, results: ResultOptions) -> tuple[xr.DataArray, str]:
    """Return the cube, and which maps suit its axis."""
    cube.attrs.pop("model_choice", None)  # that of an earlier run
    if results.anode is not None:
        cube.attrs["anode"] = results.anode
    return cube, kind_of(cube) if results.maps else ""


def _save(
    segmenter: SpectralSegmenter,
    checkpoint: Path | None,
    staging: Staging,
    origin: Origin,
) -> None:
    """Save the model of a training; after Ctrl-C where it replaces nothing, and end with 130."""
    from spectessera.resultfolder import MODEL

    segmenter.save(staging.path / MODEL)
    remove_completed(checkpoint, segmenter)
    if not segmenter.history_.interrupted:
        return
    if repeating.get():
        raise KeyboardInterrupt
    target = staging.target
    place = target / MODEL
    if staging.older.replaced:  # these stay: the new model is not that of the older results
        place = target.with_name(f"{target.name}-interrupted-{staging.id}.safetensors")
        os.rename(staging.path / MODEL, place)
    else:
        origin.close()  # after Ctrl-C, nobody waits for checksums
        seed = segmenter.config("training").seed
        staging.commit(_facts(origin, {"seed": seed, "interrupted": True}, quiet=True))
    errors.print(
        f"training was stopped by Ctrl-C; the best weights so far are in {place}: "
        "use them with --model",
    )
    raise typer.Exit(130)


def _facts(origin: Origin, others: dict[str, Any], quiet: bool) -> dict[str, Any]:
    """Return what the manifest says of the origin, when the checksums of all inputs are there."""
    with progress(quiet) as bar:
        return origin.facts(arguments.get(), others, bar)


def _check_extras(results: ResultOptions) -> None:
    """Raise, before any work, if a report cannot be written or lines cannot be named."""
    if results.anode is not None:
        from spectessera.naming.xray.elements import XraySettings

        XraySettings(anode=results.anode)
    if results.report:
        from spectessera.htmlreport.page import check_bokeh

        check_bokeh()


def _segmenter(
    source: ModelOptions, trained: SpectralSegmenter | None, configs: dict[str, Any]
) -> SpectralSegmenter:
    """Return the trained model with the clusters asked for, or a new one that is to be trained."""
    from spectessera.segmenter import SpectralSegmenter

    if source.fit or trained is None:
        return SpectralSegmenter(**configs)
    return trained.set_params(clusters=configs["clusters"])


def _run(
    source: ModelOptions, results: ResultOptions, seed: int, clusters: str | int
) -> dict[str, Any]:
    """Return what was asked for, to be written into the summary and the settings of the run."""
    return {
        "model": source.model,
        "start": source.start,
        "seed": seed,
        "clusters": clusters,
        "anode": results.anode,
        "neighbours": results.neighbours,
        "library": None if results.library is None else encodable(str(results.library)),
    }
