"""Read cubes from HDF5 files (and NetCDF 4, which is HDF5 inside).

Layouts of known programs are recognised (``_layouts``); of any other file, the dataset ``img``
(y, x, channel) of LABEC and ganX files is read, or the only one of three axes, or the one that
``key`` names. Names, units and lengths say which axis is the spectrum (``conventions.dims``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spectessera._util.reading import reading

from ._common import Request, StoredCube
from ._grouped import cube_of_tree
from ._hdf5_holes import without_holes
from ._hdf5_sources import check_sources, refuse_external, stored_bytes
from ._hdf5_tree import hdf5_tree
from ._limits import check_chunk, check_declared
from ._unfolding import check_stored_chunks

__all__ = ["check_size", "check_sources", "read_hdf5"]


def read_hdf5(path: Path, request: Request) -> StoredCube:
    """Read a cube from an HDF5 file.

    Parameters
    ----------
    path : Path
    request : Request
        What the user says about the file; ``key`` is the path of a dataset, such as
        ``"/entry/data"``.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them. Values whose chunks were never written, or
        whose source file is missing, are NaN.

    Raises
    ------
    ValueError
        If the file is broken, there is no such dataset, it is not clear which one is meant, or the
        file contradicts itself.
    """
    with hdf5_tree(path, outside=request.outside) as tree:

        def prepared(entry: Any) -> Any:
            node = tree.nodes[entry.name]
            refuse_external(path, node)
            check_size(path, node, lazy=request.chunks is not None)
            return without_holes(path, node, entry.array, outside=request.outside)

        tree.prepare = prepared
        cube = cube_of_tree(tree, request)
    if not tree.own:  # a cube that this package wrote is read unchanged
        cube.attrs.setdefault("source", path.name)
    return cube


def check_size(path: Path, dataset: Any, *, lazy: bool) -> None:
    """Raise ValueError, before memory is allocated, if a dataset cannot be in this file."""
    stored = stored_bytes(path, dataset)
    what = f"{path}: {dataset.name!r}"
    check_declared(what, dataset.shape, dataset.dtype, stored, lazy=lazy)
    if dataset.chunks:
        check_chunk(what, dataset.chunks, dataset.dtype, stored)
        with reading(path, "HDF5"):
            check_stored_chunks(path, dataset)
