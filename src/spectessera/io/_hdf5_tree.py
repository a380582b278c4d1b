"""All datasets of an HDF5 file, through soft links and through links to other files."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading
from spectessera.conventions.dims import Dim

from ._common import CREATOR, native
from ._hdf5_sources import check_sources, inside_folder, linked_file, refuse_external
from ._lazy import LazyArray
from ._limits import check_chunk
from ._tree import NO_VALUES, Entry, Tree, plain_words, text_of, unit_in
from ._unfolding import check_chunks
from .filters import require

MAX_NODES = 200_000
MAX_DEPTH = 64
MAX_ATTRIBUTE = 2**20  # values


@contextmanager
def hdf5_tree(
    path: Path, *, outside: bool = False, without: tuple[str, ...] = ()
) -> Iterator[Tree]:
    """Open an HDF5 file and give its tree; the file is closed at the end.

    Parameters
    ----------
    path : Path
    outside : bool
        Follow links to files that are not below the folder of this one.
    without : tuple of str
        Groups of the file that are left out, with all below them.

    Raises
    ------
    ValueError
        If the file is broken, or links to a file outside its folder.
    """
    import h5py

    with ExitStack() as files:
        with reading(path, "HDF5"):
            file = files.enter_context(h5py.File(path, "r"))
            walk = _Walk(path, files, outside, without)
            walk.group(file, "", "", 0)
            walk.links()
            attrs = plain_words(attributes_of(file))
        yield Tree(
            path,
            "dataset",
            walk.entries,
            lambda name: _group_attributes(walk, name),
            lambda entry: _dims(walk, entry),
            walk.aliases,
            walk.broken,
            walk.nodes,
            own=attrs.get("creator") == CREATOR,
        )


class _Walk:
    """The way through a file: what was found, and the links that are left for the end."""

    def __init__(
        self, path: Path, files: ExitStack, outside: bool, without: tuple[str, ...]
    ) -> None:
        self.path, self.files, self.outside, self.without = path, files, outside, without
        self.entries: dict[str, Entry] = {}
        self.nodes: dict[str, Any] = {}
        self.group_nodes: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}
        self.broken: dict[str, str] = {}
        self._names: dict[tuple[Any, ...], str] = {}  # identity of an object -> its first path
        self._waiting: deque[tuple[Any, str, str, Any, str, int]] = deque()
        self._count = 0

    @cached_property
    def addresses(self) -> dict[tuple[int, int], str]:
        """Paths of the datasets by what identifies them."""
        return {identity[1:]: name for identity, name in self._names.items() if name in self.nodes}

    def group(self, group: Any, prefix: str, other: str, depth: int) -> None:
        """Take in a group and all below it. ``other`` is the file it lies in, "" for this one."""
        import h5py

        self.group_nodes[prefix] = group
        if self._known(group, prefix, other) or depth > MAX_DEPTH:
            return
        for name in group:
            path = f"{prefix}/{name}".strip("/")
            if path in self.without:
                continue
            self._count += 1
            if self._count > MAX_NODES:
                raise ValueError(f"it has more than {MAX_NODES} datasets and groups")
            if group.id.links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD:
                self.node(group[name], path, other, depth + 1)
            else:
                link = group.get(name, getlink=True)
                self._waiting.append((group, name, path, link, other, depth + 1))

    def node(self, node: Any, path: str, other: str, depth: int) -> None:
        """Take in a dataset or a group."""
        import h5py

        if isinstance(node, h5py.Group):
            self.group(node, path, other, depth)
        elif isinstance(node, h5py.Dataset) and not self._known(node, path, other):
            self.nodes[path] = node
            self.entries[path] = Entry(
                path,
                _lazy(self.path, node, other),
                lambda: attributes_of(node),
                lambda: check_sources(self.path, node, outside=self.outside),
            )

    def links(self) -> None:
        """Follow soft links and links to other files, which come after everything else."""
        import h5py

        while self._waiting:
            group, name, path, link, other, depth = self._waiting.popleft()
            try:
                if isinstance(link, h5py.ExternalLink):
                    file, other = self._open(link.filename, other)
                    self.node(file[link.path], path, other, depth)
                else:
                    self.node(group[name], path, other, depth)
            except KeyError:
                self.broken[path] = f"a link to {getattr(link, 'path', '?')!r}, which is not there"
            except (OSError, RuntimeError) as error:
                self.broken[path] = str(error)

    def _known(self, node: Any, path: str, other: str) -> bool:
        """Whether an object was met before, under another path, which then is its name."""
        import h5py

        info = h5py.h5o.get_info(node.id)
        identity = (other, info.fileno, info.addr)
        first = self._names.setdefault(identity, path)
        if first == path:
            return False
        self.aliases[path] = first
        return True

    def _open(self, filename: str, other: str) -> tuple[Any, str]:
        """Open the file of a link. Raise OSError if it may not be followed."""
        import h5py

        beside = Path(other) if other else self.path
        target = linked_file(beside, filename)
        if target is None:
            raise OSError(f"a link to the file {filename}, which is not there")
        if not self.outside and not inside_folder(target, self.path):
            raise OSError(
                f"a link to {target}, outside the folder of the file; copy it there, or allow it "
                "with outside=True (--outside)"
            )
        return self.files.enter_context(h5py.File(target, "r")), str(target)


def _group_attributes(walk: _Walk, name: str) -> dict[str, Any]:
    """Return the attributes of a group as texts, numbers and lists of them."""
    node = walk.group_nodes.get(walk.aliases.get(name, name))
    if node is None:
        return {}
    with reading(walk.path, "HDF5"):
        return plain_words(attributes_of(node))


def _dims(walk: _Walk, entry: Entry) -> list[tuple[Dim, str]]:
    """Return the axes of a dataset: labels, and dimension scales with their names and units."""
    import h5py

    node, by_address = walk.nodes[entry.name], walk.addresses
    labels = _labels(entry.attrs.get("DIMENSION_LABELS"), entry.array.ndim)
    out = []
    for number in range(entry.array.ndim):
        name, scale, attrs = labels[number], "", dict[str, Any]()
        with reading(walk.path, "HDF5"):
            scales = _scales(node, number)
        for each in scales[:1]:
            if not isinstance(each, h5py.Dataset):
                continue
            attrs = plain_words(attributes_of(each))
            own, path = str(attrs.get("NAME") or ""), by_address.get(_address(each), "")
            no_values = own.startswith(NO_VALUES)
            scale = "" if no_values else path
            name = (name or ("" if no_values else own) or path or each.name or "").rpartition("/")[
                2
            ]
        out.append((Dim(name, unit_in(attrs) or "", attrs), scale))
    return out


def has_sound_scales(node: Any) -> bool:
    """Whether the attributes of a dataset about dimension scales have the types of the standard.

    The library of dimension scales does not check it, and crashes on other types.
    """
    import h5py

    attrs = node.attrs
    for name in ("CLASS", "NAME"):
        stored = attrs.get_id(name) if name in attrs else None
        if stored is not None and (stored.shape or h5py.check_string_dtype(stored.dtype) is None):
            return False
    if "DIMENSION_LIST" not in attrs:
        return True
    stored = attrs.get_id("DIMENSION_LIST")
    listed = h5py.check_vlen_dtype(stored.dtype)
    is_reference = listed is not None and h5py.check_ref_dtype(listed) is h5py.Reference
    return bool(is_reference and stored.shape == (node.ndim,))


def _scales(node: Any, number: int) -> list[Any]:
    """Return the dimension scales of an axis of a dataset, without the library that has them."""
    if "DIMENSION_LIST" not in node.attrs or not has_sound_scales(node):
        return []
    return [node.file[reference] for reference in node.attrs["DIMENSION_LIST"][number]]


def attributes_of(node: Any) -> dict[str, Any]:
    """Return the attributes of a dataset or a group, without those that claim too many values."""
    attrs = node.attrs
    sizes = {name: math.prod(attrs.get_id(name).shape or ()) for name in attrs}
    return {name: attrs[name] for name, size in sizes.items() if size <= MAX_ATTRIBUTE}


def _labels(value: Any, count: int) -> list[str]:
    """Return the labels of the axes, of which HDF5 keeps a list."""
    listed = value if isinstance(value, list) else [value]
    if len(listed) != count:
        return [""] * count
    return [text_of(each) for each in listed]


def _address(dataset: Any) -> tuple[int, int]:
    """Return what identifies a dataset in its file."""
    import h5py

    info = h5py.h5o.get_info(dataset.id)
    return info.fileno, info.addr


def _lazy(path: Path, dataset: Any, other: str) -> LazyArray:
    """Return a dataset as a lazy array."""
    dtype = dataset.dtype.newbyteorder("=")
    key = (dataset.name, other)
    return LazyArray(path, key, dataset.shape or (), dtype, fetch, dataset.chunks)


def fetch(path: Path, key: tuple[str, str], index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a dataset."""
    import h5py

    name, other = key
    with reading(path, "HDF5"), h5py.File(other or path, "r") as file:
        dataset = file[name]
        refuse_external(path, dataset)
        if dataset.chunks:
            size = Path(dataset.file.filename).stat().st_size
            check_chunk(f"{path}: {name!r}", dataset.chunks, dataset.dtype, size)
        require(dataset)
        check_chunks(path, dataset, index)
        return native(np.asarray(dataset[index]))
