"""Streams of spectra written to a file block by block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.files import atomic
from spectessera._util.writing import hdf5_sink
from spectessera._version import __version__

from .stream import Stream

TILE_BYTES = 2**20


def write_stream(
    stream: Stream[Any],
    path: str | Path,
    *,
    expectation: bool = False,
    overwrite: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a stream to an HDF5 file that is read as a cube with one column (n, 1, channel).

    Blocks are made and written one after the other. The file contains ``img``, ``axis``, the labels
    as ``reference (n, 1)``, and the rest of the truth in the group ``truth``.

    Parameters
    ----------
    stream : Stream
        From :func:`xrf_spectra` or :func:`nebular_spectra`.
    path : str or Path
        A .h5 or .hdf5 file.
    expectation : bool
        Also write the noise-free spectra, ``truth/expectation (n, 1, channel)``.
    overwrite : bool
        False: raise if the file exists.
    progress : callable, optional
        Called with the number of finished blocks and of all blocks.

    Raises
    ------
    ValueError
        If the suffix is not valid, or there are no spectra.
    FileExistsError, OSError
        If the file exists and must not be replaced, or cannot be written.
    """
    import h5py

    path = Path(path)
    if path.suffix.lower() not in (".h5", ".hdf5"):
        raise ValueError(f"streams are written as .h5 or .hdf5; got {path.name!r}")
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists; give overwrite=True or another path")
    if stream.n == 0:
        raise ValueError("the stream has no spectra to write")
    with (
        atomic(path) as temporary,
        hdf5_sink(temporary) as sink,
        h5py.File(sink, "w") as file,
    ):
        file.attrs["creator"] = f"spectessera {__version__}"
        axis = file.create_dataset("axis", data=stream.axis.values)
        axis.attrs["units"] = stream.axis.unit
        if stream.axis.medium:
            axis.attrs["medium"] = stream.axis.medium
        file.attrs["source"] = stream.source
        kind, names = stream.names
        if names:
            file.create_dataset(f"truth/{kind}", data=list(names), dtype=h5py.string_dtype())
            file[f"truth/{kind}"].dims[0].label = kind
        for number, block in enumerate(stream):
            rows = slice(number * stream.size, number * stream.size + len(block.spectra))
            for name, values in _columns(block, expectation).items():
                if name not in file:
                    _create(file, name, values, stream.n, kind)
                file[name][rows] = values
            sink.check()
            if progress is not None:
                progress(number + 1, stream.block_count)


def _columns(block: Any, expectation: bool) -> dict[str, np.ndarray]:
    """Return the arrays of a block by their names in the file."""
    columns = {"img": block.spectra[:, None, :], "reference": block.label[:, None].astype(np.int32)}
    for name, values in block._asdict().items():
        if name == "expectation" and expectation:
            columns["truth/expectation"] = values[:, None, :]
        elif name not in ("spectra", "expectation"):
            columns[f"truth/{name}"] = values
    return columns


def _create(file: Any, name: str, values: np.ndarray, n: int, kind: str) -> None:
    """Create a dataset of n rows with the shape and type of a block's, and name its axes."""
    options: dict[str, Any] = {}
    if values.ndim == 3:
        rows = max(1, TILE_BYTES // (values.shape[2] * values.itemsize))
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        options["chunks"] = (min(n, rows), *values.shape[1:])
    dataset = file.create_dataset(name, (n, *values.shape[1:]), values.dtype, **options)
    axes = {1: ("y",), 2: ("y", kind if name.endswith("weight") else "x"), 3: ("y", "x", "channel")}
    for place, axis in enumerate(axes[values.ndim]):
        dataset.dims[place].label = axis
