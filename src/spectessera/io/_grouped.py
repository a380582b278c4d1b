"""Make a cube of the arrays of a file that has many: HDF5, NetCDF and Zarr alike."""

from __future__ import annotations

import numpy as np

from spectessera.conventions.dims import (
    CHANNEL,
    GIVEN,
    POSITION,
    Axes,
    Dim,
    Evidence,
    find_axes,
    role_of,
)

from ._alongside import Frame, frame_of
from ._axesdoubt import doubts_of_axes
from ._beside import (
    IMAGES,
    add_beside,
    add_positions,
    beside_of,
    drop_of_detectors,
    user_attributes,
)
from ._candidates import choose, described, detector_axis, spectral_arrays
from ._choice import AxisValues, Choice
from ._common import Request, StoredCube
from ._geography import add_grid_mapping
from ._lazy import LazyArray, load
from ._marks import add_marks
from ._packing import unpacked
from ._spectral import add_axis, in_attributes, lengths_of, scale_of_dim
from ._tree import Entry, Tree
from ._views import placed, summed, transposed


def cube_of_tree(tree: Tree, request: Request) -> StoredCube:
    """Return the cube of a file, with all that belongs to it.

    Raises
    ------
    ValueError
        If there is none, it is not clear which array is meant, or the file contradicts itself.
    """
    choice = choose(tree, request)
    entry = choice.entry
    sources, notes = zip(*[tree.prepare(each) for each in choice.entries], strict=True)
    choice.notes += [note for note in notes if note]
    beside = beside_of(tree, choice, request)
    spectral = spectral_arrays(tree, entry)
    dims, scales = _dims(tree, choice)
    source, dims, scales, listed = _as_three_axes(
        tree, choice, request, list(sources), dims, scales, spectral
    )
    as_points = listed is not None
    if request.detectors is not None:
        drop_of_detectors(choice, beside, 2 if as_points else source.ndim)
    evidence = Evidence(
        source.shape,
        dims,
        _lengths(tree, entry, spectral, source.shape),
        {n: e.shape for n, e in beside.items() if n in IMAGES and len(e.shape) == 2},
        choice.layout if not as_points else (0, 1, 2),
        choice.program or "points",
    )
    given = None if as_points else request.axes
    axes = find_axes(described(tree.path, entry), evidence, given)
    stored = source.shape
    source = transposed(source, axes.order, dict.fromkeys(axes.drop, 0))
    cube = StoredCube(load(unpacked(source, entry.attrs), request.chunks))
    if not tree.own:
        cube.origin["axes"] = choice.place_source if as_points else _how(axes, stored)
    cube.notes += [*choice.notes, *([axes.note] if axes.note else [])]
    cube.attrs |= user_attributes(entry.attrs)
    channel = axes.order[2]
    add_axis(cube, tree, choice, scales[channel], dims[channel], spectral)
    frame = listed or frame_of(stored, dims, axes.order)
    place = choice.place if as_points else None
    add_beside(cube, tree, beside, choice.entries, frame, place, request)
    add_positions(cube, tree, beside, scales, axes)
    add_grid_mapping(cube, tree, entry)
    add_marks(cube, tree, entry)
    return _with_doubts(cube, axes, dims)


def _with_doubts(cube: StoredCube, axes: Axes, dims: list[Dim]) -> StoredCube:
    """Return a cube with a note where no name supports its axes and the data are against them."""
    named = cube.axis is not None or any(dim.name for dim in dims)
    if not named and (axes.how == POSITION or axes.how.startswith(GIVEN)):
        letters = "".join("yxc"[axes.order.index(n)] for n in sorted(axes.order))
        cube.notes += doubts_of_axes(cube.values, letters)
    return cube


def _how(axes: Axes, stored: tuple[int, ...]) -> str:
    """Return how the axes were found, and the stored shape if their order is another one."""
    moved = "" if axes.order == (0, 1, 2) else f"; stored as {' x '.join(map(str, stored))}"
    return f"{axes.how}{moved}"


def _lengths(
    tree: Tree, entry: Entry, spectral: dict[str, Entry], shape: tuple[int, ...]
) -> dict[str, int]:
    """Return the numbers of channels that spectral arrays and attributes have values for."""
    listed = in_attributes(tree, entry)
    return {one.source: len(one.values) for one in listed.values()
            if len(one.values) in shape} | lengths_of(spectral, shape)  # fmt: skip


def channel_axis(tree: Tree, entry: Entry, request: Request) -> int:
    """Return the stored axis of an array that most likely is the spectrum."""
    if len(entry.shape) != 3:
        return len(entry.shape) - 1
    dims = [dim for dim, _ in tree.dims_of(entry)]
    lengths = _lengths(tree, entry, spectral_arrays(tree, entry), entry.shape)
    evidence = Evidence(entry.shape, dims, lengths)
    return find_axes(described(tree.path, entry), evidence, request.axes).order[2]


def _dims(tree: Tree, choice: Choice) -> tuple[list[Dim], list[AxisValues | None]]:
    """Return names and values along every stored axis, of the layout or else of the tree."""
    pairs = tree.dims_of(choice.entry)
    dims, scales = [dim for dim, _ in pairs], [scale_of_dim(tree, dim, name) for dim, name in pairs]
    for number, dim in enumerate(choice.dims or ()):
        dims[number] = dim if dim.name else dims[number]
    for number, scale in enumerate(choice.scales):
        scales[number] = scale if scale is not None else scales[number]
    return dims, scales


def _as_three_axes(
    tree: Tree,
    choice: Choice,
    request: Request,
    sources: list[LazyArray],
    dims: list[Dim],
    scales: list[AxisValues | None],
    spectral: dict[str, Entry],
) -> tuple[LazyArray, list[Dim], list[AxisValues | None], Frame | None]:
    """Return the array with detectors chosen or added and points put on the image.

    The last element are the axes of a list of points, None where the file has an image.
    """
    source = summed(sources)
    axis = detector_axis(tree, choice, request.detectors)
    if axis is not None:
        source = _along_detectors(tree, choice, source, axis, request.detectors)
        dims = [dim for n, dim in enumerate(dims) if n != axis]
        scales = [scale for n, scale in enumerate(scales) if n != axis]
    elif request.detectors is not None and len(choice.entries) == 1 and source.ndim < 4:
        _check_single(tree, choice, request.detectors)
    if source.ndim == 2:
        shape = source.shape
        source, channel = _image_of_points(tree, choice, request, source, dims, spectral)
        listed = frame_of(shape, dims, (1 - channel, channel))
        return source, [Dim(), Dim(), dims[channel]], [None, None, scales[channel]], listed
    if request.shape is not None:
        _check_image(tree, choice, request, source.shape)
    return source, dims, scales, None


def _check_single(tree: Tree, choice: Choice, detectors: str | int) -> None:
    """Raise if a detector beyond the only one is asked for."""
    if isinstance(detectors, int) and detectors > 0 and not choice.is_detector:
        raise ValueError(
            f"{described(tree.path, choice.entry)} comes from one detector, number 0; there is no "
            f"detector {detectors}"
        )


def _along_detectors(
    tree: Tree, choice: Choice, source: LazyArray, axis: int, wanted: str | int | None
) -> LazyArray:
    """Return one of the detectors along an axis, or their sum."""
    what, count = described(tree.path, choice.entry), source.shape[axis]
    rest = [n for n in range(source.ndim) if n != axis]
    if wanted is None and count > 1:
        raise ValueError(
            f'{what} has {count} detectors along axis {axis}: give detectors="sum" (--detectors '
            "sum) or the number of one, from 0"
        )
    if isinstance(wanted, int) and wanted >= count:
        raise ValueError(f"{what} has {count} detectors; there is no detector {wanted}")
    numbers = [wanted] if isinstance(wanted, int) else range(count)
    choice.notes += [f"the sum of {count} detectors"] if len(numbers) > 1 else []
    return summed([transposed(source, rest, {axis: number}) for number in numbers])


def _image_of_points(
    tree: Tree,
    choice: Choice,
    request: Request,
    source: LazyArray,
    dims: list[Dim],
    spectral: dict[str, Entry],
) -> tuple[LazyArray, int]:
    """Return spectra (point, channel) as a cube, and the stored axis of the channel."""
    what = described(tree.path, choice.entry)
    lengths = {int(np.prod(each.shape)) for each in spectral.values()}
    points = None if request.shape is None else request.shape[0] * request.shape[1]
    named = [n for n, dim in enumerate(dims) if dim.name and role_of(dim) == CHANNEL]
    fitting = [n for n in (0, 1) if source.shape[n] in lengths]
    channel = named[0] if len(named) == 1 else fitting[0] if len(fitting) == 1 else 1
    if (
        points is not None
        and source.shape[1 - channel] != points
        and source.shape[channel] == points
    ):
        channel = 1 - channel
    letters = _point_letters(what, request)
    channel = channel if letters is None else int(letters[0] != "c")
    count = source.shape[1 - channel]
    if request.shape is not None:
        if points != count:
            raise ValueError(
                f"{what} has {count} points of {source.shape[channel]} channels; shape (--shape) "
                f"{request.shape[0]} x {request.shape[1]} has {points}"
            )
        choice.place = _rows_and_columns(request.shape, letters)
        choice.place_source = "the argument shape"
    if choice.place is None:
        raise ValueError(
            f"{what} has 2 axes (shape {source.shape}); a cube has 3 (y, x, channel): "
            + ("choose another array with key= (--key), or, " if len(tree.entries) > 1 else "")
            + f"if it holds one spectrum for each of {count} points, give the rows and columns of "
            "their image with shape= (--shape ROWS,COLUMNS)"
        )
    return placed(transposed(source, (1 - channel, channel)), choice.place), channel


def _point_letters(what: str, request: Request) -> str | None:
    """Return the order of axes that a user gives for a list of points, checked."""
    letters = request.axes
    if letters is not None and (request.shape is None or letters[1] == "c"):
        raise ValueError(
            f"{what} holds one spectrum for each point: axes (--axes) {letters} has no meaning "
            "without shape (--shape NY,NX), and c is its first or last letter"
        )
    return letters


def _rows_and_columns(shape: tuple[int, int], letters: str | None) -> np.ndarray:
    """Return the number of the point at every pixel (y, x): row by row, or column by column."""
    rows, columns = shape
    numbers = np.arange(rows * columns)
    by_column = letters is not None and letters.index("x") < letters.index("y")
    return numbers.reshape(columns, rows).T if by_column else numbers.reshape(rows, columns)


def _check_image(tree: Tree, choice: Choice, request: Request, shape: tuple[int, ...]) -> None:
    """Raise if the user's image does not fit a cube that has one already."""
    sizes = [size for size in shape if size != 1]
    wanted = list(request.shape or ())
    if not any(sizes[:n] + sizes[n + 1 :] == wanted for n in range(len(sizes))):
        raise ValueError(
            f"{described(tree.path, choice.entry)} has shape {shape}, an image already; shape "
            f"(--shape) {wanted[0]},{wanted[1]} does not fit it: leave it out"
        )
