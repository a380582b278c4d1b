"""What a viewer was given, opened: a result, the cube that it is of, and maps beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera._util.text import shown
from spectessera.cube import check_cube
from spectessera.edits import Act, edited_result, open_edits
from spectessera.htmlreport import text as words
from spectessera.io import read, read_result, result_in
from spectessera.result import check_result
from spectessera.resultfolder import EDITS, RESULTS, as_table, read_manifest, suitable_in

LONGEST = 120  # letters of a title


@dataclass(frozen=True)
class Opened:
    """What is shown.

    Attributes
    ----------
    result : Dataset or None
        With dimensions (y, x).
    cube : DataArray (y, x, channel) or None
    folder : Path or None
        Of the result, if it was opened from one.
    maps : Dataset or None
        Of elements or lines.
    title : str
    file : Path or None
        Of the cube, if it was opened from one.
    recorded : Dataset or None
        The result of the run, where people have changed it since.
    acts : tuple of Act
        What they have changed.
    """

    result: xr.Dataset | None
    cube: xr.DataArray | None
    folder: Path | None = None
    maps: xr.Dataset | None = None
    title: str = ""
    file: Path | None = None
    recorded: xr.Dataset | None = None
    acts: tuple[Act, ...] = ()


def opened(source: Any, cube: Any = None) -> Opened:
    """Return what a viewer shows.

    Parameters
    ----------
    source : Dataset, DataArray, str or Path
        A result or a cube, the folder of a result, or a file of either.
    cube : DataArray, str or Path, optional
        Of the result; by default the one that the manifest of its folder names.

    Raises
    ------
    TypeError
        If it is none of these.
    FileNotFoundError
        If there is no such file, or the cube of the result is no longer where it was.
    ValueError
        If the cube and the result have other sizes.
    """
    if isinstance(source, xr.Dataset):
        given, file = _cube_of(cube)
        return _checked(source, given, None, None, file)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if is_result(path):
            return _from_result(path, cube)
    if cube is not None:
        raise ValueError("a cube was given twice: cube= (--cube) belongs to a result")
    given, file = _cube_of(source)
    assert given is not None
    return Opened(None, given, title=_title(given, file), file=file)


def is_result(path: Path) -> bool:
    """Return whether a path is a result: its file or store, or a folder with one."""
    return result_in(path) != path or path.name in RESULTS


def _from_result(path: Path, cube: Any) -> Opened:
    """Return the result of a path."""
    folder = path if result_in(path) != path else None
    if folder is None or read_manifest(folder) is None:
        given, file = _cube_of(cube)
        return _checked(read_result(path), given, None, None, file)
    edits = open_edits(folder)
    if edits.edits != edits.applied:
        raise ValueError(
            f"{folder / EDITS} was changed by hand; apply it first: spectessera edit {folder}"
        )
    given, file = _cube_of(recorded_cube(folder) if cube is None else cube)
    result = edited_result(edits, edits.applied)
    shown = _checked(result, given, folder, suitable_in(folder, edits.manifest), file)
    return replace(shown, recorded=_turned(edits.recorded), acts=edits.applied)


def recorded_cube(folder: Path) -> Path | None:
    """Return where the cube of a result is; None if that is not known.

    Raises
    ------
    FileNotFoundError
        If it is no longer there.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    inputs = as_table(manifest.facts.get("inputs"))
    if "cube-2" in inputs:  # several scans that were joined
        return None
    path = as_table(inputs.get("cube")).get("path")
    if not isinstance(path, str):
        return None
    if not Path(path).exists():
        raise FileNotFoundError(
            f"the cube of {folder} is no longer at {path}; say where it is: cube= (--cube FILE)"
        )
    return Path(path)


def _cube_of(cube: Any) -> tuple[xr.DataArray | None, Path | None]:
    """Return a cube whose values stay in their file, and that file."""
    if cube is None:
        return None, None
    if isinstance(cube, (str, Path)):
        return check_cube(read(cube, chunks="auto")), Path(cube)
    return check_cube(cube), None


def _checked(
    result: xr.Dataset, cube: xr.DataArray | None, folder: Path | None, maps: xr.Dataset | None,
    file: Path | None,
) -> Opened:  # fmt: skip
    """Return a result after a look at it, and whether the cube fits."""
    check_result(result)
    result = _turned(result)
    if cube is not None:
        shape, wanted = cube.shape[:2], result["label"].shape
        if shape != wanted:
            raise ValueError(
                f"the result has {wanted[0]} x {wanted[1]} pixels (rows x columns) but the cube "
                f"has {shape[0]} x {shape[1]}; give the cube that it was made from (--cube)"
            )
        channels = result.sizes.get("channel", cube.shape[2])
        if channels != cube.shape[2]:
            raise ValueError(
                f"the result has {channels} channels but the cube has {cube.shape[2]}; give the "
                "cube that it was made from (--cube)"
            )
    return Opened(result, cube, folder, maps, shown(words.heading(result), LONGEST), file)


def _turned(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose maps are (y, x)."""
    return result.transpose("y", "x", "cluster", ..., missing_dims="ignore")


def _title(cube: xr.DataArray, file: Path | None) -> str:
    """Return the title of a cube."""
    name = file.name if file is not None else str(cube.attrs.get("source", "a cube"))
    return shown(Path(name).name, LONGEST)
