"""Files that are given beside that of a cube: its mask and its noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MASKS = (".npy", ".fits", ".fit", ".fts", ".fits.gz")  # of files that hold a mask
# What a name with such an ending means is a file, whether it exists or not.
SUFFIXES = (*MASKS, ".h5", ".hdf5", ".nc", ".hdr", ".zarr")


def is_file(text: str) -> bool:
    """Whether the text of a flag is the path of a file, and not the name of an array in one."""
    path = Path(text)
    return text.lower().endswith(SUFFIXES) or bool(path.suffix and path.is_file())


def mask_file(path: Path) -> np.ndarray:
    """Read a mask (y, x): True where the file is not 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no mask.
    """
    from spectessera.io.labels import read_labels

    if not path.name.lower().endswith(MASKS):
        raise ValueError(
            f"--mask takes the name of an array in the file of the cube, or a mask (y, x) in a "
            f"file of its own ({', '.join(MASKS)}); got {str(path)!r}"
        )
    try:
        return read_labels(path) != 0
    except ValueError as error:
        raise ValueError(f"no mask (--mask): {error}") from error


def noise_file(path: Path, axes: str | None, *, isolate: bool) -> Any:
    """Return the noise (y, x, channel), or (channel,), in a file; it stays there.

    Parameters
    ----------
    path : Path
    axes : str, optional
        The order of the axes of the cube, which those of the noise have too.
    isolate : bool
        Read it in a process of its own.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds none.
    """
    import numpy as np

    from spectessera._util.reading import check_regular, reading
    from spectessera.io import read

    check_regular(path)
    if path.suffix.lower() == ".npy" and path.exists():
        with reading(path, "NumPy"):
            stored = np.load(path, allow_pickle=False, mmap_mode="r")
        if stored.ndim == 1:
            return np.array(stored)
    return read(path, axes=axes, chunks="auto", isolate=isolate).data
