"""Where the values of an HDF5 dataset really lie: other files, and which of them may be read."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spectessera._util.reading import FileRefused, reading

MAX_DEPTH = 16  # of virtual datasets that read from virtual datasets


def linked_file(beside: Path, filename: str) -> Path | None:
    """Return the regular file that a link in the file ``beside`` means, or None."""
    return next(iter(linked_files(beside, filename)), None)


def linked_files(beside: Path, filename: str) -> list[Path]:
    """Return the regular files that HDF5 may open for a name in the file ``beside``.

    It looks beside that file, and in the working folder; for a path that leads nowhere, there for
    the last part of it.
    """
    given = Path(filename)
    folders = (beside.parent, beside.resolve().parent, Path.cwd())
    places = [given] if given.is_absolute() else []
    places += [folder / (given.name if given.is_absolute() else given) for folder in folders]
    files = [place.resolve() for place in places if place.is_file()]
    return list(dict.fromkeys(files))


def stored_bytes(path: Path, dataset: Any) -> int:
    """Return the bytes of the file of a dataset, and of all files that a virtual one reads from."""
    own = Path(dataset.file.filename)
    files = {own}
    with reading(path, "HDF5"):
        for one in dataset.virtual_sources() if dataset.is_virtual else ():
            files |= {each for each in (linked_file(own, one.file_name),) if each}
    return sum(file.stat().st_size for file in files)


def inside_folder(target: Path, path: Path) -> bool:
    """Whether a file lies in the folder of ``path`` or below it."""
    return target.resolve().is_relative_to(path.resolve().parent)


def refuse_external(path: Path, dataset: Any) -> None:
    """Raise ValueError if the bytes of a dataset lie in any other file, which may be any file."""
    if dataset.external is not None:
        raise FileRefused(
            f"{path}: the values of {dataset.name!r} are raw bytes of other files, which are never "
            "read, because they may be any file; write them into this one"
        )


def check_sources(path: Path, dataset: Any, *, outside: bool) -> None:
    """Raise ValueError if the values of a dataset must not be read.

    They may be raw bytes of any file, come from outside the folder of ``path``, or from a virtual
    dataset that reads from itself.
    """
    refuse_external(path, dataset)
    if dataset.is_virtual:
        with reading(path, "HDF5"):
            missing_sources(path, dataset, outside=outside)


def missing_sources(path: Path, dataset: Any, *, outside: bool) -> list[Any]:
    """Return the sources of a virtual dataset that do not exist."""
    above = (_identity(dataset),)
    return [one for one in dataset.virtual_sources()
            if not _has_source(path, dataset, one, above, outside)]  # fmt: skip


def _identity(dataset: Any) -> tuple[Path, int]:
    """Return what identifies a dataset, whatever its path and that of its file."""
    import h5py

    return Path(dataset.file.filename).resolve(), h5py.h5o.get_info(dataset.id).addr


def _has_source(
    path: Path, dataset: Any, one: Any, above: tuple[tuple[Path, int], ...], outside: bool
) -> bool:
    """Whether a source of a virtual dataset exists.

    ``above`` are the virtual datasets that lead to it: HDF5 crashes on one that reads from itself.
    """
    import h5py

    if "%" in one.file_name or "%" in one.dset_name:
        raise FileRefused(
            f"{path}: {dataset.name!r} reads from files or datasets whose names are a pattern "
            f"({one.file_name!r}, {one.dset_name!r}), which is not supported; give each its name"
        )
    own = Path(dataset.file.filename).resolve()
    targets = [own] if one.file_name == "." else linked_files(own, one.file_name)
    for target in targets:
        if not outside and not inside_folder(target, path):
            raise FileRefused(
                f"{path}: {dataset.name!r} reads from {target}, outside the folder of the file; "
                "copy it there, or allow it with outside=True (--outside)"
            )
        with ExitStack() as files:
            same = os.path.samefile(target, own)
            opened = dataset.file if same else files.enter_context(h5py.File(target, "r"))
            node = opened.get(one.dset_name)
            if not isinstance(node, h5py.Dataset):
                continue
            refuse_external(path, node)
            known = _identity(node)
            if any(os.path.samefile(known[0], file) and known[1] == at for file, at in above):
                raise FileRefused(f"{path}: {dataset.name!r} reads from itself; it is damaged")
            if len(above) > MAX_DEPTH:
                raise FileRefused(f"{path}: virtual datasets read from one another without end")
            for each in node.virtual_sources() if node.is_virtual else ():
                _has_source(path, node, each, (*above, known), outside)
            return True
    return False
