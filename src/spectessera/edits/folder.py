"""The changes of people in the folder of a result: edits.toml, and all files that show them.

The result of the run stays as it is; ``edited.nc`` is derived from it by the lines of edits.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from spectessera.io import EDITED, RESULT_STORE, open_result, read_result, result_in
from spectessera.resultfolder import (
    EDITS,
    MANIFEST,
    Edited,
    Manifest,
    Plan,
    edited_files,
    read_manifest,
    result_folder,
    write_edited,
)

from .acts import Act, Recolour, Rename
from .applying import apply_edits, edits_of
from .document import edits_text, read_edits

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter


class Opened(NamedTuple):
    """A result folder with what people have changed in it.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    recorded : Dataset
        The result of the run.
    edits : tuple of Act
        Of its edits.toml.
    applied : tuple of Act
        That are in ``edited.nc``: fewer, more or others if edits.toml was changed by hand.
    """

    folder: Path
    manifest: Manifest
    recorded: xr.Dataset
    edits: tuple[Act, ...]
    applied: tuple[Act, ...]


def open_edits(folder: str | Path) -> Opened:
    """Open a result folder to change its result.

    Parameters
    ----------
    folder : str or Path
        Of ``spectessera segment``.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If it is no folder, or has no manifest.json or no result.
    ValueError
        If the manifest, the result or edits.toml cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(
            f"{folder} is not a folder; edits are kept in the folder that segment wrote"
        )
    manifest = read_manifest(folder)
    if manifest is None:
        raise FileNotFoundError(f"{folder} has no {MANIFEST}, so no edits are kept there")
    path = result_in(folder, recorded=True)
    if path == folder:
        raise FileNotFoundError(f"{folder} has no result: its training was stopped")
    recorded = open_result(path) if path.name == RESULT_STORE else read_result(path)
    edits, applied = folder / EDITS, tuple[Act, ...]()
    own = read_edits(edits, manifest.id) if edits.exists() or edits.is_symlink() else ()
    if _has_edited(folder, manifest):
        applied = edits_of(read_result(folder / EDITED))
    return Opened(folder, manifest, recorded, own, applied)


def _has_edited(folder: Path, manifest: Manifest) -> bool:
    return EDITED in manifest.names and (folder / EDITED).exists()


def edited_result(
    opened: Opened,
    acts: Sequence[Act],
    cube: xr.DataArray | None = None,
    segmenter: SpectralSegmenter | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> xr.Dataset:
    """Return the result of a folder with some acts; those that are in ``edited.nc`` are kept.

    Arguments and errors as of :func:`apply_edits`.
    """
    start, done = opened.recorded, opened.applied
    if done and tuple(acts[: len(done)]) == done:
        stored = read_result(opened.folder / EDITED)
        cubes = [name for name in ("latent_cube", "decoded_cube") if name in start]
        start = stored.assign({name: start[name] for name in cubes})
        acts = acts[len(done) :]
    return apply_edits(start, acts, cube, segmenter, progress=progress)


def acts_to_do(opened: Opened, acts: Sequence[Act]) -> tuple[Act, ...]:
    """Return the acts that have to be applied: all, or those after the ones in ``edited.nc``."""
    done = opened.applied
    return tuple(acts[len(done) :] if tuple(acts[: len(done)]) == done else acts)


def save_edits(
    folder: str | Path,
    acts: Sequence[Act],
    cube: xr.DataArray | None = None,
    segmenter: SpectralSegmenter | None = None,
    *,
    edited: xr.Dataset | None = None,
    library: xr.Dataset | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    before: Sequence[Act] | None = None,
    maps: tuple[xr.Dataset | None, xr.Dataset | None] | None = None,
) -> xr.Dataset:
    """Keep acts in the folder of a result, and write all files anew that show them.

    These are ``edits.toml``, ``edited.nc``, the summary, the tables and the figures of the
    clusters, the label files, and ``report.html`` where there is one. They are replaced together;
    after an error, Ctrl-C or a full disk the folder is as it was.

    Parameters
    ----------
    folder : str or Path
        Of ``spectessera segment``.
    acts : sequence of Act
        All of them; those that the folder has are replaced.
    cube, segmenter
        As of :func:`apply_edits`.
    edited : Dataset, optional
        What :func:`apply_edits` made of these acts and the result of the run, if it is known.
    library : Dataset, optional
        Of :func:`spectessera.read_library`, to name clusters by.
    progress : callable, optional
        As of :func:`apply_edits`.
    before : sequence of Act, optional
        The acts that the folder had when it was opened, some time ago.
    maps : tuple of Dataset or None, optional
        Maps of elements or lines, and of abundances, of the result with these acts: they take the
        place of those in the folder, which stay otherwise.

    Returns
    -------
    Dataset
        The result with the acts.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError
        As of :func:`open_edits` and :func:`apply_edits`.
    FileExistsError
        If a file that would be replaced is not as it was written.
    BlockingIOError
        If another program is writing into the folder, or has changed its acts since ``before``.
    """
    opened = open_edits(folder)
    acts = tuple(acts)
    if before is not None and opened.edits != tuple(before):
        raise BlockingIOError(
            f"{opened.folder / EDITS} was changed by another program since it was opened, and is "
            "left as it is; open the folder again and repeat what you have done since"
        )
    result = edited
    if result is None:
        result = edited_result(opened, acts, cube, segmenter, progress)
    elif edits_of(result) != acts:
        raise ValueError("edited is a result with other acts than those that are to be kept")
    _refuse_unknown(result)
    made = as_files(opened, acts, result, library)._replace(maps=maps)
    folder, manifest = opened.folder, opened.manifest
    plan = Plan(edited_files(made, folder, manifest), overwrite=True, add=True)
    with result_folder(folder, plan) as staging:
        refuse_changed(opened)
        write_edited(made, folder, staging.path, manifest)
        staging.commit(manifest.facts)
    return result


def _refuse_unknown(result: xr.Dataset) -> None:
    """Raise ValueError if mean spectra were left unknown: the folder would not be reproducible."""
    if "mean_spectrum" not in result:
        return
    means = result["mean_spectrum"].transpose("cluster", ...).values[result["size"].values > 0]
    if np.isnan(means).all(axis=1).any():
        raise ValueError(
            "the mean spectrum of a cluster of which pixels are masked is not known; to keep the "
            "mask, give the cube and the model of the run"
        )


def as_files(
    opened: Opened,
    acts: Sequence[Act],
    result: xr.Dataset,
    library: xr.Dataset | None = None,
    *,
    with_report: bool = True,
) -> Edited:
    """Return what is to be written for a result with some acts."""
    text = edits_text(acts, opened.manifest.id) if acts else ""
    anew = any(not isinstance(each, (Rename, Recolour)) for each in (*acts, *opened.applied))
    return Edited(result, text, anew, library, with_report)


def refuse_changed(opened: Opened) -> None:
    """Raise BlockingIOError if another program has changed the edits since they were opened."""
    path = opened.folder / EDITS
    now = read_edits(path, opened.manifest.id) if path.exists() else ()
    if now != opened.edits:
        raise BlockingIOError(f"{path} was changed by another program; try again")
