"""Where the values of an HDF5 dataset really lie: other files, and which of them may be read."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spectessera._util.reading import FileRefused, reading

MAX_DEPTH = 16  # of virtual datasets that read from virtual datasets


def linked_file(beside: Path, filename: str) -> Path | None:
    """Return the regular file that a link in the file ``beside`` means, or None."""
    for candidate in (Path(filename), beside.resolve().parent / filename):
        if candidate.is_absolute() and candidate.is_file():
            return candidate.resolve()
    return None


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
    above = ((Path(dataset.file.filename).resolve(), dataset.name),)
    return [one for one in dataset.virtual_sources()
            if not _has_source(path, dataset.file, one, above, outside)]  # fmt: skip


def _has_source(
    path: Path, file: Any, one: Any, above: tuple[tuple[Path, str], ...], outside: bool
) -> bool:
    """Whether a source of a virtual dataset exists.

    ``above`` are the virtual datasets that lead to it: HDF5 crashes on one that reads from itself.
    """
    import h5py

    own = above[-1][0]
    target = own if one.file_name == "." else linked_file(own, one.file_name)
    if target is None:
        return False
    target = target.resolve()
    if not outside and not inside_folder(target, path):
        raise FileRefused(
            f"{path}: {above[0][1]!r} reads from {target}, outside the folder of the file; copy it "
            "there, or allow it with outside=True (--outside)"
        )
    name = f"/{one.dset_name.strip('/')}"
    if (target, name) in above or len(above) > MAX_DEPTH:
        raise FileRefused(f"{path}: {above[0][1]!r} reads from itself; the file is damaged")
    with ExitStack() as files:
        opened = file if target == own else files.enter_context(h5py.File(target, "r"))
        node = opened.get(name)
        if not isinstance(node, h5py.Dataset):
            return False
        refuse_external(path, node)
        for each in node.virtual_sources() if node.is_virtual else ():
            _has_source(path, opened, each, (*above, (target, node.name)), outside)
    return True
