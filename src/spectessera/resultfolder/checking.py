"""Whether a result folder is as its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ._moves import staging_folders
from .manifest import EDITS, MANIFEST, NAMES, Manifest, differences, read_manifest, top_of
from .staging import finish_killed_runs, locked_folder


class Verdict(NamedTuple):
    """What :func:`verify` has found.

    Attributes
    ----------
    manifest : Manifest
    changed, missing : list of str
        Files of the package that are not as recorded, or not there.
    foreign : list of str
        Files and folders of the user, which are not wrong.
    in_the_way : list of str
        Those of them that have a name of the package, or lie in one of its stores.
    leftovers : list of Path
        Staging folders of runs that were killed, or that go on.
    busy : bool
        Whether a run is writing into the folder now.
    """

    manifest: Manifest
    changed: list[str]
    missing: list[str]
    foreign: list[str]
    in_the_way: list[str]
    leftovers: list[Path]
    busy: bool

    @property
    def sound(self) -> bool:
        """Whether all files of the package are as recorded."""
        return not (self.changed or self.missing or self.in_the_way)


def verify(folder: str | Path) -> Verdict:
    """Compare the files of a result folder with its manifest.

    If a run was killed while it moved its files into the folder, the moves are finished first.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If it is no folder, or has no manifest.
    ValueError
        If the manifest cannot be read.
    """
    target = Path(folder).resolve()
    if not target.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder of results")
    leftovers, busy = _leftovers(target)
    manifest = read_manifest(target)
    if manifest is None:
        raise FileNotFoundError(
            f"{folder} has no {MANIFEST}: it is no folder of results, or was written by an earlier "
            "version, and cannot be checked"
        )
    changed, missing, foreign = differences(target, manifest.files)
    ours = {*NAMES} - {EDITS}  # which the user may write
    in_the_way = [name for name in foreign if top_of(name) in ours]
    foreign = [name for name in foreign if top_of(name) not in ours]
    return Verdict(manifest, changed, missing, foreign, in_the_way, leftovers, busy)


def _leftovers(target: Path) -> tuple[list[Path], bool]:
    """Return what killed runs have left, and whether a run goes on."""
    try:
        with locked_folder(target):
            return finish_killed_runs(target, moves_only=True), False
    except BlockingIOError:
        return staging_folders(target), True
    except OSError:  # the folder can only be read
        return staging_folders(target), False
