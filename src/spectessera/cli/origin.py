"""The cube and the model of a result again, as its manifest names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .anymaps import Maps, kind_of, maps_of
from .flags import FileOptions
from .rerun import parsed_call, recorded_call
from .together import Scans, TogetherOptions

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.resultfolder import Manifest
    from spectessera.segmenter import SpectralSegmenter


def cube_and_model(
    folder: Path, manifest: Manifest, moved: Mapping[str, str], progress: Any, *, outside: bool
) -> tuple[xr.DataArray, SpectralSegmenter]:
    """Return the cube of a result, which stays in its file, and the model of its run.

    Parameters
    ----------
    folder : Path
        Of the result.
    manifest : Manifest
    moved : mapping of str to str
        Where inputs are now, by their names in the manifest.
    progress : Bar
    outside : bool
        Whether a run that followed links to other files is repeated.

    Raises
    ------
    FileNotFoundError, ValueError
        If one of them is not there any more; the message says what to give.
    """
    cube = cube_of_run(folder, manifest, moved, progress, outside=outside)
    return cube, _model(folder, manifest, moved)


def cube_of_run(
    folder: Path, manifest: Manifest, moved: Mapping[str, str], progress: Any, *, outside: bool
) -> xr.DataArray:
    """Return the cube of a result, read as for the run; its values stay in their file.

    Arguments and errors as of :func:`cube_and_model`.
    """
    _, context = recorded_call(folder, manifest, moved, outside)
    flags = context.params
    reading = FileOptions(**{each.name: flags[each.name] for each in fields(FileOptions)})
    together = TogetherOptions(**{each.name: flags[each.name] for each in fields(TogetherOptions)})
    seed = manifest.facts.get("seed", 0)
    files = [Path(each) for each in flags["files"]]
    return Scans(files, together).read(reading, seed if isinstance(seed, int) else 0, progress)


def maps_again(
    manifest: Manifest, cube: xr.DataArray, segmenter: SpectralSegmenter, result: xr.Dataset,
    progress: Any,
) -> Maps:  # fmt: skip
    """Return the maps of the cube of a run for an edited result, with the flags they had before.

    Raises
    ------
    NothingToMap
        If there is none.
    ValueError
        If the call of ``maps`` in the manifest makes no sense.
    """
    from spectessera.maps import NothingToMap
    from spectessera.preprocess.spikes import despiked
    from spectessera.resultfolder import as_table

    how: dict[str, Any] = {}
    words = as_table(manifest.facts.get("maps")).get("command")
    if words is not None:  # by `maps`, which has added them to the result
        _, context = parsed_call("the maps cannot be made again: ", words, "maps")
        how = {name: context.params[name] for name in ("anode", "single_pixels", "redshift")}
    cube = despiked(cube, segmenter.config("preprocess"))
    made = maps_of(cube, result, kind_of(cube), progress, **how)
    if made.suitable is None and made.mixtures is None:
        raise NothingToMap("there are no maps of these clusters; leave out --maps")
    return made


def _model(folder: Path, manifest: Manifest, moved: Mapping[str, str]) -> SpectralSegmenter:
    """Return the model of a run."""
    from spectessera.resultfolder import MODEL, as_table
    from spectessera.segmenter import load

    if MODEL in manifest.names and (folder / MODEL).exists():
        return load(folder / MODEL)
    known = as_table(as_table(manifest.facts.get("inputs")).get("model")).get("path")
    path = moved.get("model", known)
    if path is None:
        raise FileNotFoundError(
            f"{folder} names no model: give --input model=FILE, the one of the run"
        )
    if not Path(str(path)).exists():
        raise FileNotFoundError(
            f"there is no file {path}; if it was moved, give --input model=PATH"
        )
    return load(str(path))
