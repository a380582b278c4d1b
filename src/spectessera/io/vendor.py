"""Read cubes from the files of instrument vendors, through the package rosettasciio.

That package is under the GPL-3. It is an extra of its own (``vendor``), and is imported only when
such a file is opened.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import reading
from spectessera.conventions.dims import CHANNEL, Dim, Evidence, find_axes, role_of
from spectessera.conventions.units import kind_of_signal

from ._common import (
    Request,
    StoredCube,
    axis_of_file,
    by_name_or_number,
    check_stored,
    listing,
    plain_attribute,
)
from ._lazy import as_dask, block_sizes, chunk_sizes
from ._numbers import check_image, check_points, check_request

# Suffix -> module of rosettasciio. Its readers that load pickled objects (PantaRhei, NumPy) or that
# this package has itself (ripple, HyperSpy, TIFF, NetCDF) are left out.
MODULES = {
    ".bcf": "bruker", ".spx": "bruker", ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph",
    ".emd": "emd", ".de5": "emd", ".ser": "tia", ".emi": "tia", ".wdf": "renishaw",
    ".spd": "edax", ".spc": "edax", ".lsd": "edax", ".asw": "jeol", ".pts": "jeol", ".eds": "jeol",
    ".elid": "phenom", ".tvf": "trivista", ".xml": "jobinyvon", ".sur": "digitalsurf",
    ".pro": "digitalsurf", ".msa": "msa", ".emsa": "msa", ".blo": "blockfile", ".unf": "semper",
}  # fmt: skip
VELOX = {"Data", "Presentation"}  # groups of an .emd file of Velox; those of Berkeley have others
# Nothing is left out: all detectors, all channels, counts above 255.
OPTIONS: dict[str, dict[str, Any]] = {
    "bruker": {"index": "all", "cutoff_at_kV": None, "downsample": 1},
    "jeol": {"SI_dtype": np.uint16, "cutoff_at_kV": None, "downsample": 1},
    "emd": {"sum_EDS_detectors": True, "sum_frames": True, "rebin_energy": 1},
}
# Types that are chosen so that the largest count fits: their largest number is no saturation.
LARGER = {np.dtype(np.uint8): np.uint16, np.dtype(np.uint16): np.uint32}
COUNTS = ("bruker", "jeol", "emd")
# Fields of the metadata -> attribute; units as HyperSpy has them (keV, s, degrees).
FIELDS = ("beam_energy", "live_time", "real_time", "elevation_angle", "azimuth_angle", "tilt_stage",
          "title", "date", "time", "signal_type", "microscope", "laser_wavelength")  # fmt: skip
MAX_DEPTH = 8
BCF_HEAD = 0x14C  # bytes of the header of a .bcf file
BCF_PIECES = (0x128, 0x148)  # where it gives the length of its pieces, and their number
BCF_START = 0x118  # where the first piece begins


class _Dataset(NamedTuple):
    """One of the datasets of a file, as rosettasciio gives it."""

    title: str
    data: Any
    axes: list[dict[str, Any]]
    metadata: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as stored."""
        return tuple(int(size) for size in self.data.shape)

    @property
    def signal(self) -> list[int]:
        """Axes of the signal: not called navigation, or else named like a spectrum."""
        signal = [n for n, axis in enumerate(self.axes) if not axis.get("navigate")]
        if len(signal) < len(self.axes):
            return signal
        return [n for n, dim in enumerate(self.dims) if role_of(dim) == CHANNEL] or signal

    @property
    def dims(self) -> list[Dim]:
        """Names and units of the axes."""
        return [Dim(str(axis.get("name") or ""), _unit(axis)) for axis in self.axes]

    @property
    def is_cube(self) -> bool:
        """Whether it is a spectrum in every pixel: three axes, one of them that of the signal."""
        long = [n for n, size in enumerate(self.shape) if size > 1]
        return self.data.dtype.kind in "iufb" and len(long) == 3 and len(self.signal) < 3


def is_velox(path: Path) -> bool:
    """Whether an HDF5 file is one of Velox, whose streams only rosettasciio unpacks."""
    if path.suffix.lower() != ".emd":
        return False
    import h5py

    with reading(path, "HDF5"), h5py.File(path, "r") as file:
        return {*file} >= VELOX


def read_vendor(path: Path, request: Request) -> StoredCube:
    """Read a cube from a file of an instrument vendor.

    Parameters
    ----------
    path : Path
    request : Request
        ``key`` is the title or the number of one of several spectrum images; ``detectors`` adds up
        those that have the same shape and axis, or chooses one. With ``chunks``, the values stay in
        the file if rosettasciio can read it in parts; Bruker's cannot.

    Returns
    -------
    StoredCube
        Values (y, x, channel), with axis, positions and the settings of the instrument.

    Raises
    ------
    ImportError
        If the package rosettasciio is not installed.
    ValueError
        If the file is broken, holds no spectrum image, or several.
    """
    allowed = ("key", "axes", "shape", "detectors")
    check_request(path, request, allowed, "is read by rosettasciio, without such an array")
    module = MODULES[path.suffix.lower()]
    notes: list[str] = []
    datasets = _datasets(path, module, request.chunks is not None, notes)
    one = _pick(path, datasets, request)
    check_stored(path, one.title, one.shape, one.data.dtype)
    if len([size for size in one.shape if size > 1]) == 2:
        values, order, how = _from_points(path, one, request)
    else:
        values, order, how = _from_cube(path, one, request, notes)
    check_image(path, request, (values.shape[0], values.shape[1]))
    values = _loaded(path, values, one.title, module, request.chunks)
    cube = StoredCube(values, notes=notes, origin={"axes": how})
    cube.attrs = {"source": path.name} | _attributes(one.metadata)
    _add_axes(cube, one, order)
    return cube


def _datasets(path: Path, module: str, lazy: bool, notes: list[str]) -> dict[str, _Dataset]:
    """Return all datasets of a file by their titles."""
    try:
        reader = import_module(f"rsciio.{module}").file_reader
    except ImportError as error:
        raise ImportError(
            f"{path}: reading {path.suffix} files needs the package rosettasciio (GPL-3): "
            'pip install "spectessera[vendor]"'
        ) from error
    if path.suffix.lower() == ".bcf":
        _check_bcf(path)
    # its readers of many formats raise many kinds of errors on damaged files
    with (
        reading(path, f"a {path.suffix} file", Exception),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        found = reader(str(path), lazy=lazy, **OPTIONS.get(module, {}))
    notes += [
        f"rosettasciio says: {one.message}" for one in said if issubclass(one.category, UserWarning)
    ]
    datasets: dict[str, _Dataset] = {}
    for number, one in enumerate(found):
        title = _find(one.get("metadata") or {}, "title") or f"dataset {number}"
        name = str(title) if str(title) not in datasets else f"{title} ({number})"
        axes = [dict(axis) for axis in one.get("axes") or []]
        datasets[name] = _Dataset(name, one["data"], axes, one.get("metadata") or {})
    return datasets


def _check_bcf(path: Path) -> None:
    """Raise ValueError if a file of Bruker is shorter than its header says.

    The compiled code that unpacks it would read beyond its end, which ends the whole process.
    """
    with path.open("rb") as stream:
        head = stream.read(BCF_HEAD)
    if not head.startswith(b"AAMVHFSS") or len(head) < BCF_HEAD:
        raise ValueError(f"{path} is not a .bcf file, or is damaged: it begins with {head[:8]!r}")
    (length,), (count,) = (struct.unpack_from("<I", head, at) for at in BCF_PIECES)
    if path.stat().st_size < BCF_START + length * count:
        raise ValueError(
            f"{path} should have {BCF_START + length * count} bytes; it has {path.stat().st_size} "
            "and is cut short"
        )


def _pick(path: Path, datasets: dict[str, _Dataset], request: Request) -> _Dataset:
    """Return the dataset to read."""
    shapes = {name: one.shape for name, one in datasets.items()}
    if request.key is not None:
        return by_name_or_number(path, datasets, request.key, "dataset", shapes)
    cubes = [one for one in datasets.values() if one.is_cube]
    if not cubes and request.shape is not None:
        cubes = [one for one in datasets.values() if len(one.signal) == 1 and len(one.shape) == 2]
    if request.detectors is not None:
        return _detector(path, cubes, request.detectors)
    if len(cubes) == 1:
        return cubes[0]
    if cubes:
        table = listing({one.title: one.shape for one in cubes})
        alike = _alike(cubes) and "; if they are detectors, detectors='sum' adds them up"
        raise ValueError(
            f"{path} has several spectrum images: {table}; choose one with key={alike or ''}"
        )
    raise ValueError(
        f"{path} holds no spectrum in every pixel of an image; there is: {listing(shapes)}"
    )


def _alike(cubes: list[_Dataset]) -> bool:
    """Whether all datasets have the shape and the axes of the first one."""
    first = [(_unit(axis), axis.get("scale"), axis.get("offset")) for axis in cubes[0].axes]
    return all(
        one.shape == cubes[0].shape
        and first == [(_unit(axis), axis.get("scale"), axis.get("offset")) for axis in one.axes]
        for one in cubes
    )


def _detector(path: Path, cubes: list[_Dataset], wanted: str | int) -> _Dataset:
    """Return the sum of several detectors, or one of them."""
    titles = {one.title: one.shape for one in cubes}
    if not cubes or not _alike(cubes):
        raise ValueError(
            f"{path} has no detectors of one shape and axis; there is: {listing(titles)}"
        )
    if isinstance(wanted, int):
        if wanted >= len(cubes):
            raise ValueError(f"{path} has no detector {wanted}; there is: {listing(titles)}")
        return cubes[wanted]
    total = cubes[0].data
    for one in cubes[1:]:
        total = total.astype(LARGER.get(total.dtype, total.dtype)) + one.data
    return cubes[0]._replace(data=total)


def _from_cube(
    path: Path, one: _Dataset, request: Request, notes: list[str]
) -> tuple[Any, tuple[int, ...], str]:
    """Return the values (y, x, channel), their stored axes, and how these were found."""
    layout = None
    if len(one.shape) == 3 and len(one.signal) == 1:
        (channel,) = one.signal
        y, x = (n for n in range(3) if n != channel)
        layout = (y, x, channel)
    program = "rosettasciio (navigation axes)"
    evidence = Evidence(one.shape, one.dims, layout=layout, program=program)
    axes = find_axes(f"{path}: {one.title}", evidence, request.axes)
    notes += [axes.note] if axes.note else []
    values = one.data[tuple(0 if n in axes.drop else slice(None) for n in range(len(one.shape)))]
    left = [n for n in range(len(one.shape)) if n not in axes.drop]
    return values.transpose([left.index(n) for n in axes.order]), axes.order, axes.how


def _from_points(path: Path, one: _Dataset, request: Request) -> tuple[Any, tuple[int, ...], str]:
    """Return spectra of a line as an image of the shape that the user gives."""
    if len(one.signal) != 1 or request.axes is not None:
        raise ValueError(f"{path}: {one.title!r} has shape {one.shape}, which is no spectrum image")
    (channel,) = one.signal
    spectra = np.asarray(one.data).squeeze()
    spectra = spectra if one.shape[channel] == spectra.shape[1] else spectra.T
    image = check_points(path, request, spectra.shape[0])
    return spectra.reshape(*image, -1), (-1, -1, channel), "shape="


def _loaded(path: Path, values: Any, title: str, module: str, chunks: Any) -> Any:
    """Return the values in memory, or as a dask array of the chunks that the user wants."""
    larger = LARGER.get(values.dtype) if module in COUNTS else None
    lazy = hasattr(values, "dask")
    if lazy and chunks is not None and values.npartitions > 1:
        if chunks == "auto":
            pieces = values.chunksize[:2]
            chunks = block_sizes(values.shape, max(4, values.dtype.itemsize), pieces)
        values = values.rechunk(dict(enumerate(chunk_sizes(chunks))))
        return values.astype(larger) if larger else values
    with reading(path, f"a {path.suffix} file", Exception):
        values = np.ascontiguousarray(values, dtype=larger or values.dtype.newbyteorder("="))
    return values if chunks is None else as_dask(values, chunks, path, title)


# --- axes and metadata ----------------------------------------------------------------------------


def _unit(axis: Mapping[str, Any]) -> str:
    """Return the unit of an axis as text; "" if it has none."""
    unit = axis.get("units")
    return unit.strip() if isinstance(unit, str) and not unit.startswith("<") else ""


def _places(axis: Mapping[str, Any], length: int) -> np.ndarray | None:
    """Return the values along an axis, or None if it only counts."""
    if axis.get("axis") is not None:
        values = np.asarray(axis["axis"], dtype=np.float64).ravel()
        return values if len(values) == length else None
    scale, offset = (plain_attribute(axis.get(name)) for name in ("scale", "offset"))
    if not isinstance(scale, (int, float)) or not scale:
        return None
    start = offset if isinstance(offset, (int, float)) else 0.0
    if not _unit(axis) and scale == 1 and not start:
        return None
    return start + scale * np.arange(length)


def _add_axes(cube: StoredCube, one: _Dataset, order: tuple[int, ...]) -> None:
    """Add the spectral axis and the positions of rows and columns."""
    for dim, number, length in zip("yx", order, cube.values.shape[:2], strict=False):
        axis = one.axes[number] if 0 <= number < len(one.axes) else {}
        places = _places(axis, length)
        if places is not None and _unit(axis):
            cube.coords[dim] = ((dim,), places, {"units": _unit(axis)})
    axis = one.axes[order[2]] if order[2] < len(one.axes) else {}
    values = _places(axis, cube.values.shape[2])
    if values is None:
        return
    name = str(axis.get("name") or "signal axis")
    kind = kind_of_signal(name, str(cube.attrs.get("signal_type", "")))
    cube.axis, note = axis_of_file(values, _unit(axis) or None, name=name, kind=kind)
    cube.attrs |= note
    cube.origin["axis"] = f"axis {name} (rosettasciio)"


def _attributes(metadata: Any) -> dict[str, str | int | float]:
    """Return the settings of the instrument that are plain numbers or texts."""
    found = {name: _find(metadata, name) for name in FIELDS}
    return {name: value for name, value in found.items() if value not in (None, "")}


def _find(metadata: Any, name: str, depth: int = 0) -> str | int | float | None:
    """Return the first plain value of this name in nested metadata."""
    if not isinstance(metadata, Mapping) or depth > MAX_DEPTH:
        return None
    if name in metadata:
        return plain_attribute(metadata[name])
    below = (_find(each, name, depth + 1) for each in metadata.values())
    return next((each for each in below if each is not None), None)
