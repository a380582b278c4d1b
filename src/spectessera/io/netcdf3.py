"""Read cubes from NetCDF files of the classic formats, which are not HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import reading
from spectessera.conventions.dims import Dim

from ._common import Request, StoredCube, native
from ._grouped import cube_of_tree
from ._lazy import LazyArray
from ._tree import Entry, Tree, named_dims, plain_words


def read_netcdf3(path: Path, request: Request) -> StoredCube:
    """Read a cube from a NetCDF file of format 3 (classic, or with 64-bit offsets).

    Parameters
    ----------
    path : Path
    request : Request
        What the user says about the file; ``key`` is the name of a variable.

    Returns
    -------
    StoredCube
        Values (y, x, channel) and what belongs to them.

    Raises
    ------
    ValueError
        If the file is broken, there is no such variable, or it is not clear which one is meant.
    """
    from scipy.io import netcdf_file

    with reading(path, "NetCDF"), netcdf_file(path, "r", mmap=True) as file:
        attrs = plain_words(file._attributes)
        dims = {str(n): tuple(map(str, v.dimensions)) for n, v in file.variables.items()}
        variables = {str(n): _entry(path, str(n), v) for n, v in file.variables.items()}

    def dims_of(entry: Entry) -> list[tuple[Dim, str]]:
        return named_dims(
            "", dims[entry.name], lambda name: variables[name].attrs if name in variables else None
        )

    tree = Tree(path, "variable", variables, lambda name: {} if name else attrs, dims_of)
    cube = cube_of_tree(tree, request)
    cube.attrs.setdefault("source", path.name)
    return cube


def _entry(path: Path, name: str, variable: Any) -> Entry:
    """Return a variable, whose values stay in the file."""
    attrs = dict(variable._attributes)
    dtype = np.dtype(variable.data.dtype).newbyteorder("=")
    source = LazyArray(path, name, tuple(variable.data.shape), dtype, _fetch)
    return Entry(name, source, lambda: attrs)


def _fetch(path: Path, name: str, index: tuple[slice, ...]) -> np.ndarray:
    """Read one part of a variable."""
    from scipy.io import netcdf_file

    with reading(path, "NetCDF"), netcdf_file(path, "r", mmap=True) as file:
        return native(np.array(file.variables[name].data[index]))  # a copy: the map is closed
