"""Compression of HDF5 datasets that needs hdf5plugin: bitshuffle, blosc, zstd and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MAX_DEPTH = 4  # virtual datasets of virtual datasets
# Numbers that the HDF Group has given to filters -> names that people know.
NAMES = {
    307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp",
    32015: "zstd", 32017: "sz", 32018: "fcidecomp", 32023: "sperr", 32024: "sz3", 32026: "blosc2",
}  # fmt: skip


def require(dataset: Any) -> None:
    """Make the filters of a dataset available, in this process.

    The package hdf5plugin is imported only if a filter is missing. It has to be imported in every
    process that reads, so this is called before every part that is read. Of a virtual dataset, the
    first source that exists is looked at.

    Parameters
    ----------
    dataset : h5py.Dataset

    Raises
    ------
    ImportError
        If a filter is missing that hdf5plugin has, and that package is not installed.
    ValueError
        If a filter is not known to hdf5plugin either.
    """
    missing = _missing(dataset)
    if not missing:
        return
    what = f"{dataset.file.filename}: {dataset.name!r} is compressed with {', '.join(missing)}"
    try:
        import hdf5plugin  # noqa: F401 - its import makes the filters known to h5py
    except ImportError as error:
        raise ImportError(
            f'{what}, which needs the package hdf5plugin: pip install "spectessera[hdf5plugin]"'
        ) from error
    if _missing(dataset):
        raise ValueError(
            f"{what}, which no installed package can read; write it with gzip, such as with "
            "h5repack -f GZIP=4"
        )


def _missing(dataset: Any, depth: int = 0) -> list[str]:
    """Return the names of the filters of a dataset that are not available."""
    import h5py

    for source in dataset.virtual_sources() if dataset.is_virtual and depth < MAX_DEPTH else ():
        own = source.file_name == "."
        path = Path(dataset.file.filename).parent / source.file_name
        if not own and not path.is_file():
            continue
        with h5py.File(dataset.file.filename if own else path, "r") as file:
            node = file.get(source.dset_name)
            if isinstance(node, h5py.Dataset):
                return _missing(node, depth + 1)
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(n) for n in range(plist.get_nfilters())]
    return [
        f"{NAMES.get(code, name.decode('utf-8', 'replace') or 'an unknown filter')} ({code})"
        for code, _, _, name in filters
        if not h5py.h5z.filter_avail(code)
    ]
