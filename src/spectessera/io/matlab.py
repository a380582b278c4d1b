"""Read cubes from MATLAB files (``.mat``), of version 5 and of version 7.3.

MATLAB counts rows first, so a cube is (y, x, channel) there too, and an image that is unfolded to
a matrix goes down its columns.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from spectessera.conventions.dims import Axes, Evidence, find_axes, plain_name
from spectessera.conventions.units import guessed_unit

from ._channels import bad_channels_of, mark_bad, marks_channels, names_axis
from ._common import Request, StoredCube, axis_of_file, check_companion_shape, listing
from ._lazy import LazyArray, as_dask, load
from ._mat5 import Mat5
from ._matfile import Mat73, Variable
from ._noise import FORMS, variance_of
from ._numbers import check_image, check_points, check_request
from ._views import as_image, transposed

MAGIC_73 = b"MATLAB 7.3 MAT-file"
MAGIC_5 = b"MATLAB 5.0 MAT-file"
ALLOWED = ("key", "axes", "shape", *FORMS, "mask")
# Words in the name of an image of class numbers, and of an image of what is left out.
REFERENCES = {"gt", "groundtruth", "truth", "label", "labels", "reference", "classes"}
MASKS = {"mask", "badpixel", "badpixels", "invalid"}
SIZES = (("nrow", "ncol"), ("nrows", "ncols"), ("rows", "cols"), ("rows", "columns"),
         ("height", "width"), ("lines", "samples"), ("ny", "nx"))  # fmt: skip
MAX_LABEL = 10_000


def is_matlab(start: bytes) -> bool:
    """Whether these are the first bytes of a MATLAB file of version 5 or 7.3."""
    return start.startswith((MAGIC_5, MAGIC_73))


def read_matlab(path: Path, request: Request) -> StoredCube:
    """Read a cube from a MATLAB file.

    Structs, cells and objects are never built; in files of version 7.3 the fields of a struct are
    found under ``struct/field``. Compressed variables of version 5 cannot be read in parts: with
    ``chunks``, all of the cube is in memory.

    Parameters
    ----------
    path : Path
    request : Request
        ``shape`` makes an image of a matrix of spectra, whose pixels run down the columns.

    Returns
    -------
    StoredCube
        Values (y, x, channel), with the spectral axis, labels and mask that lie beside.

    Raises
    ------
    ValueError
        If the file is broken, or it is not clear which variable is meant.
    """
    check_request(path, request, ALLOWED, "has variables, but no list of detectors")
    with path.open("rb") as stream:
        is_hdf5 = stream.read(len(MAGIC_73)) == MAGIC_73
    file = Mat73(path, outside=request.outside) if is_hdf5 else Mat5(path)
    variable = _pick(path, file.variables, request)
    notes: list[str] = []
    spectral = {
        name: one.sizes[0]
        for name, one in file.variables.items()
        if one.is_numeric and len(one.sizes) == 1 and names_axis(name)
    }
    order, image, how = _layout(path, file, variable, spectral, request, notes)
    source = _source(file, variable.name, order, image)
    check_image(path, request, (source.shape[0], source.shape[1]))
    values = _loaded(path, source, variable.name, request.chunks)
    cube = StoredCube(values, attrs={"source": path.name}, origin={"axes": how}, notes=notes)
    _add_axis(cube, file, spectral)
    _add_marks(cube, file)
    _add_images(cube, path, file, request)
    for form in FORMS:
        name = getattr(request, form)
        if name is not None:
            noise = _named(path, file.variables, name)
            check_companion_shape(path, name, noise.shape, variable.shape)
            part = _loaded(path, _source(file, name, order, image), name, request.chunks)
            cube.variance = variance_of(cube, part, form)
            cube.origin["variance"] = f"{name} ({form})"
    return cube


# --- the cube -------------------------------------------------------------------------------------


def _named(path: Path, variables: dict[str, Variable], name: Any) -> Variable:
    """Return a variable of numbers."""
    one = variables.get(str(name))
    if one is None:
        raise ValueError(f"{path} has no variable {name!r}; there is: {_all(variables)}")
    if not one.is_numeric:
        raise ValueError(
            f"{path}: {name!r} is not an array of numbers but {one.kind} {one.shape}; save it as "
            "an array"
        )
    return one


def _all(variables: dict[str, Variable]) -> str:
    """Return all variables, for an error."""
    return listing({one.name: f"{one.shape} {one.kind}" for one in variables.values()})


def _pick(path: Path, variables: dict[str, Variable], request: Request) -> Variable:
    """Return the variable to read: that of three axes, or else the only matrix of spectra."""
    if request.key is not None:
        return _named(path, variables, request.key)
    companions = {getattr(request, name) for name in (*FORMS, "mask")}
    numeric = [one for one in variables.values() if one.is_numeric and one.name not in companions]
    cubes = [one for one in numeric if len(one.sizes) >= 3]
    previews = [one for one in cubes if one.kind == "uint8" and one.sizes[-1] in (3, 4)]
    if len(cubes) > len(previews):
        cubes = [one for one in cubes if one not in previews]
    if not cubes:
        labels = REFERENCES | MASKS
        cubes = [one for one in numeric if len(one.sizes) == 2 and not labels & _words(one.name)]
    if len(cubes) == 1:
        return cubes[0]
    if cubes:
        found = {one.name: one.shape for one in cubes}
        raise ValueError(
            f"{path} has several arrays that may be the cube: {listing(found)}; choose one with "
            "key="
        )
    raise ValueError(
        f"{path} has no array of numbers with three axes (y, x, channel); there is: "
        f"{_all(variables)}"
    )


def _words(name: str) -> set[str]:
    """Return the words of a name, and the words together."""
    words = plain_name(name).split()
    return {*words, "".join(words)}


def _layout(
    path: Path,
    file: Mat5 | Mat73,
    one: Variable,
    spectral: dict[str, int],
    request: Request,
    notes: list[str],
) -> tuple[Axes, tuple[int, int] | None, str]:
    """Return the order of the axes, the image of a matrix of spectra, and how they were found."""
    if len(one.sizes) > 2:
        axes = find_axes(
            f"{path}: {one.name}", Evidence(one.shape, spectral=spectral), request.axes
        )
        notes += [axes.note] if axes.note else []
        return axes, None, axes.how
    if len(one.sizes) < 2 or len(one.shape) > 2:
        raise ValueError(f"{path}: {one.name!r} of shape {one.shape} holds no image of spectra")
    if request.axes is not None:
        raise ValueError(f"{path}: {one.name!r} is a matrix of spectra; leave out axes")
    stated, names = _stated_image(file)
    image = request.shape or stated
    fitting = [n for n, size in enumerate(one.shape) if size in spectral.values()]
    channel = fitting[0] if len(fitting) == 1 else 1
    if image is not None:
        points = [n for n, size in enumerate(one.shape) if size == math.prod(image)]
        channel = 1 - points[0] if len(points) == 1 else channel
    if request.shape is not None or image is None or one.shape[1 - channel] != math.prod(image):
        image = check_points(path, request, one.shape[1 - channel])
        names = "shape="
    notes.append(f"the pixels of {one.name} are taken to run down the columns of the image")
    return Axes((1 - channel, 1 - channel, channel), (), "", ""), image, names


def _stated_image(file: Mat5 | Mat73) -> tuple[tuple[int, int] | None, str]:
    """Return the shape of the image that two single numbers give, and their names."""
    single = {
        plain_name(name).replace(" ", ""): name
        for name, one in file.variables.items()
        if one.is_numeric and not one.sizes
    }
    for pair in SIZES:
        if all(name in single for name in pair):
            numbers = [float(file.array(single[name]).item()) for name in pair]
            if all(one.is_integer() and one > 0 for one in numbers):
                names = f"{single[pair[0]]} and {single[pair[1]]}"
                return (int(numbers[0]), int(numbers[1])), names
    return None, ""


def _source(
    file: Mat5 | Mat73, name: str, axes: Axes, image: tuple[int, int] | None
) -> LazyArray | np.ndarray:
    """Return a variable as an array (y, x, channel)."""
    values = file.source(name)
    if isinstance(values, LazyArray):
        if image is None:
            return transposed(values, axes.order, dict.fromkeys(axes.drop, 0))
        spectra = transposed(values, axes.order[1:])
        return transposed(as_image(spectra, image[::-1]), (1, 0, 2))
    if image is not None:
        return values.transpose(axes.order[1:]).reshape(*image[::-1], -1).transpose(1, 0, 2)
    left = [n for n in range(values.ndim) if n not in axes.drop]
    return values.squeeze(axes.drop).transpose([left.index(n) for n in axes.order])


def _loaded(path: Path, source: LazyArray | np.ndarray, name: str, chunks: Any) -> Any:
    """Return an array in memory, or a dask array if ``chunks`` are given."""
    if isinstance(source, LazyArray):
        return load(source, chunks)
    values = np.ascontiguousarray(source)
    return values if chunks is None else as_dask(values, chunks, path, name)


# --- what belongs to it ---------------------------------------------------------------------------


def _add_axis(cube: StoredCube, file: Mat5 | Mat73, spectral: dict[str, int]) -> None:
    """Add the spectral axis, if one array beside the cube has its length."""
    fitting = [name for name, length in spectral.items() if length == cube.values.shape[2]]
    for name in fitting:
        values = np.asarray(file.array(name), dtype=np.float64).ravel()
        unit, kind, note = guessed_unit(name, values)
        if not unit and len(fitting) > 1 and name != fitting[-1]:
            continue  # numbers of bands beside their wavelengths
        cube.axis, attrs = axis_of_file(values, unit or None, name=name, kind=kind)
        cube.attrs |= attrs
        cube.origin["axis"] = name
        cube.notes += [note] if note else []
        return


def _add_marks(cube: StoredCube, file: Mat5 | Mat73) -> None:
    """Mark channels that the file calls bad."""
    for name, one in file.variables.items():
        if one.is_numeric and one.sizes == cube.values.shape[2:] and marks_channels(name):
            marks = bad_channels_of(name, file.array(name).ravel())
            if marks is not None and marks.bad.any():
                mark_bad(cube, marks.bad)
                cube.notes += [marks.note] if marks.note else []
                return


def _add_images(cube: StoredCube, path: Path, file: Mat5 | Mat73, request: Request) -> None:
    """Add the mask and the labels that lie beside the cube."""
    image = tuple(cube.values.shape[:2])
    if request.mask is not None:
        mask = _named(path, file.variables, request.mask)
        check_companion_shape(path, mask.name, mask.shape, image)
        cube.mask = file.array(mask.name).astype(bool)
        cube.origin["mask"] = mask.name
    for name, one in file.variables.items():
        if not one.is_numeric or one.shape != image:
            continue
        if cube.mask is None and MASKS & _words(name):
            cube.mask = file.array(name).astype(bool)
            cube.origin["mask"] = name
            cube.notes.append(f"pixels where {name} is not 0 are left out")
        elif "reference" not in cube.coords and REFERENCES & _words(name):
            labels = np.ascontiguousarray(file.array(name))
            whole = np.isfinite(labels).all() and (labels == np.floor(labels)).all()
            if whole and labels.min() >= 0 and labels.max() <= MAX_LABEL:
                cube.coords["reference"] = (("y", "x"), labels.astype(np.int32), {})
