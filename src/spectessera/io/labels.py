"""Read label maps from results, from cubes with a reference, from FITS images and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import check_regular, reading, reading_safely
from spectessera.result import VARIABLES

from . import read, read_result, result_in
from ._hdf5_sources import check_sources
from ._limits import check_memory
from .fitsfile import fits_parts
from .hdf5 import check_size

MAX_PIXELS = 2**31


def read_labels(path: str | Path) -> np.ndarray:
    """Read a label map (y, x): 0 = masked or unlabelled, 1..K.

    Parameters
    ----------
    path : str or Path
        A result (.nc, .zarr, .h5, or the folder of ``spectessera segment``), a FITS image of labels
        (the extension LABEL, or the first image of integers), a NumPy array (.npy), or a cube
        with a reference: a synthetic one, or an .npz archive with ``labels``.

    Returns
    -------
    array (y, x), int64

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it holds no labels.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    check_regular(path)
    path = result_in(path)
    name = path.name.lower()
    if name.endswith((".fits", ".fit", ".fts", ".fits.gz")):
        labels = _of_fits(path)
    elif name.endswith(".npy"):
        labels = _of_npy(path)
    elif name.endswith((".h5", ".hdf5")):
        labels = _of_hdf5(path)
    elif name.endswith((".nc", ".zarr")):
        labels = _of_result(path)
    else:
        labels = _of_cube(path)
    return _checked(path, labels)


def _checked(path: Path, values: Any) -> np.ndarray:
    """Return labels (y, x) as integers, all 0 or more.

    Raises
    ------
    ValueError
        If they are not.
    """
    labels = np.asarray(values)
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"{path}: a label map is (y, x); got shape {labels.shape}")
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.round()).all():
        labels = labels.astype(np.int64)  # from programs without integers
    if labels.dtype.kind not in "biu" or int(labels.min()) < 0:
        raise ValueError(
            f"{path}: labels are integers, 0 = unlabelled and 1..K; got {labels.dtype}"
            + (f" from {labels.min()}" if labels.dtype.kind in "if" else "")
        )
    return labels.astype(np.int64)


def _of_result(path: Path) -> Any:
    try:
        return read_result(path)["label"].transpose("y", "x").values
    except ValueError as error:
        try:
            return _of_cube(path)
        except ValueError:
            raise error from None


def _of_cube(path: Path) -> Any:
    cube = read(path, chunks="auto")
    if "reference" not in cube.coords:
        raise ValueError(f"{path} is a cube without reference labels")
    return cube.coords["reference"].transpose("y", "x").values


def _of_hdf5(path: Path) -> Any:
    import h5py

    with reading(path, "HDF5"), h5py.File(path, "r") as file:
        dataset = file.get("label")
        if isinstance(dataset, h5py.Dataset) and dataset.ndim == 2 and dataset.size < MAX_PIXELS:
            check_sources(path, dataset, outside=False)
            check_size(path, dataset, lazy=False)
            return dataset[()]
    return _of_cube(path)


def _of_fits(path: Path) -> Any:
    with reading_safely(path, "FITS"), fits_parts(path) as (parts, _):
        images = [part for part in parts if getattr(part, "is_image", False)]
        named = [part for part in images if part.name == VARIABLES["label"].fits]
        flat = [part for part in images if part.header.get("NAXIS") == 2]
        for part in named or flat:
            pixels = part.header["NAXIS1"] * part.header["NAXIS2"]
            if pixels < MAX_PIXELS:
                check_memory(str(path), 8 * pixels)
                return np.asarray(part.data)
    raise ValueError(f"{path} holds no image of labels (y, x)")


def _of_npy(path: Path) -> Any:
    with reading(path, "NumPy"):
        return np.load(path, allow_pickle=False, mmap_mode="r")
