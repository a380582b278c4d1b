"""Which array of a file is the cube."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from spectessera.conventions.dims import CHANNEL, DETECTOR, role_of

from ._channels import names_axis
from ._choice import Choice
from ._common import DEFAULT, Request, check_stored, listing
from ._layouts import layouts
from ._tree import Entry, Tree, text_of

# Words in the names of arrays that belong to a cube and are none themselves.
NOISE_WORDS = {
    "ivar": ("ivar", "inverse_variance"),
    "variance": ("var", "variance", "stat"),
    "error": ("err", "error", "errors", "sigma", "std", "stddev", "unc", "uncert", "uncertainty",
              "uncertainties"),
}  # fmt: skip
MARK_WORDS = (
    "mask", "masks", "dq", "flag", "flags", "badpix", "bad_pixel", "bad_pixels", "quality",
)  # fmt: skip
OTHER_WORDS = ("noise", "weight", "weights", "preview", "thumbnail", "rgb")


def word_in(words: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of names that have one of these words."""
    return re.compile(rf"(^|[_\W])({'|'.join(words)})([_\W]|$)", re.IGNORECASE)


NOT_A_CUBE = word_in((*sum(NOISE_WORDS.values(), ()), *MARK_WORDS, *OTHER_WORDS))
COLOURS = (3, 4)


def choose(tree: Tree, request: Request) -> Choice:
    """Return the arrays of a file that are the cube.

    Parameters
    ----------
    tree : Tree
    request : Request
        With ``key``, ``shape`` and ``detectors``.

    Raises
    ------
    ValueError
        If there is no such array, none that can be a cube, or more than one.
    """
    if request.key is not None:
        entry = _by_key(tree, str(request.key))
        return next(layouts(tree, entry), Choice([entry]))
    first = tree.entries.get(DEFAULT)
    if first is not None and len(first.shape) == 3 and first.has_numbers:
        return next(layouts(tree, first), Choice([first]))
    known = _usable(tree, layouts(tree, None), request)
    if known:
        return _one(tree, known, request)
    return _one(tree, [Choice([entry]) for entry in _cubes(tree, request)], request)


def _by_key(tree: Tree, key: str) -> Entry:
    """Return the array that a user chose."""
    name = key.strip("/")
    entry = tree.get(name)
    if entry is None:
        if name in tree.broken:
            raise ValueError(f"{tree.path}: {key!r} is {tree.broken[name]}")
        a_group = name in tree.groups()
        what = f"has a group, not the {tree.word}" if a_group else f"has no {tree.word}"
        raise ValueError(f"{tree.path} {what} {key!r}; there is: {_table(tree.entries.values())}")
    check_stored(tree.path, name, entry.shape, entry.array.dtype)
    return entry


def _table(entries: Iterable[Entry]) -> str:
    """Return names with shapes, for an error."""
    return listing({entry.name: entry.shape for entry in entries})


def _usable(tree: Tree, choices: Iterable[Choice], request: Request) -> list[Choice]:
    """Return the choices that can be a cube, each array once; those that need nothing first."""
    first: dict[str, Choice] = {}
    for choice in choices:
        if choice.entry.has_numbers and not _is_preview(choice.entry):
            first.setdefault(choice.entry.name, choice)
    cubes = [each for each in first.values() if _axes_longer_than_one(each.entry) >= 3
             or len(each.entry.shape) == 3 or each.place is not None
             or (len(each.entry.shape) == 2 and request.shape)]  # fmt: skip
    spectra = _without_frames(tree, [each.entry for each in cubes], request)
    return [each for each in cubes if each.entry in spectra]


def _axes_longer_than_one(entry: Entry) -> int:
    """Return the number of axes longer than 1."""
    return sum(size != 1 for size in entry.shape)


def _is_preview(entry: Entry) -> bool:
    """Whether an array is a colour picture."""
    subclass = text_of(entry.attrs.get("IMAGE_SUBCLASS"))
    if subclass in ("IMAGE_TRUECOLOR", "IMAGE_INDEXED"):
        return True
    sizes = [size for size in entry.shape if size != 1]
    ends = bool(sizes) and (sizes[-1] in COLOURS or sizes[0] in COLOURS)
    return entry.array.dtype.itemsize == 1 and len(sizes) == 3 and ends


def _is_frames(tree: Tree, entry: Entry) -> bool:
    """Whether an array holds pictures of an area detector, one a frame."""
    if len(entry.shape) != 3:
        return False
    if "image_nr_low" in entry.attrs:  # a data file of DECTRIS, without its master file
        return True
    dims = tree.dims_of(entry)
    if any(role_of(dim) == CHANNEL for dim, _ in dims):
        return False
    for group in tree.groups():
        attrs = tree.group_attributes(group)
        if attrs.get("NX_class") == "NXdetector" and {each.base for each in tree.inside(group)} >= {
            "x_pixel_size",
            "y_pixel_size",
        }:
            return True
    return False


def _without_frames(tree: Tree, entries: list[Entry], request: Request) -> list[Entry]:
    """Return arrays without those of an area detector, which may not be all there is."""
    if request.axes is not None:  # the user says that one axis is a spectrum
        return entries
    spectra = [entry for entry in entries if not _is_frames(tree, entry)]
    if entries and not spectra:
        raise ValueError(
            f"{tree.path}: {entries[0].name!r} (shape {entries[0].shape}) holds frames of an area "
            "detector, not spectra; if one of its axes is a spectrum after all, give their order, "
            "such as axes='cyx' (--axes cyx)"
        )
    return spectra


def _cubes(tree: Tree, request: Request) -> list[Entry]:
    """Return the arrays that may be a cube, those with the strongest claim only."""
    numeric = [entry for entry in tree.entries.values()
               if entry.array.dtype.kind in "iuf" and 0 not in entry.shape]  # fmt: skip
    cubes = [e for e in numeric if _axes_longer_than_one(e) >= 3 or len(e.shape) == 3]
    if request.shape is not None:
        points = request.shape[0] * request.shape[1]
        flat = [e for e in numeric if len(e.shape) == 2 and points in e.shape]
        # a table of positions or another image may have as many rows by chance
        likely = [e for e in cubes if not (_is_preview(e) or _is_companion(e) or _is_flat(e))]
        largest = max((e.array.size for e in likely), default=0)
        cubes = [e for e in flat if e.array.size >= largest] or cubes
    for unlikely in (_is_preview, _is_companion, _is_flat):
        cubes = [entry for entry in cubes if not unlikely(entry)] or cubes
    cubes = _without_frames(tree, cubes, request)
    if not cubes:
        raise ValueError(_nothing(tree, numeric, request))
    if len(cubes) > 1:
        cubes = _without_ancillary(cubes)
        spectral = [entry for entry in cubes if _has_spectrum(tree, entry)]
        cubes = spectral or cubes
    return cubes


def _without_ancillary(cubes: list[Entry]) -> list[Entry]:
    """Return arrays without those that others name as their ``ancillary_variables`` (CF)."""
    named = {
        f"{entry.group}/{name}".strip("/")
        for entry in cubes
        for name in str(entry.attrs.get("ancillary_variables") or "").split()
    }
    return [entry for entry in cubes if entry.name not in named] or cubes


def _is_companion(entry: Entry) -> bool:
    """Whether the name is that of an array which belongs to a cube."""
    return NOT_A_CUBE.search(entry.base) is not None


def _is_flat(entry: Entry) -> bool:
    """Whether fewer than three axes are longer than 1: an image, or one spectrum."""
    return _axes_longer_than_one(entry) < 3


def _has_spectrum(tree: Tree, entry: Entry) -> bool:
    """Whether the file names one of the axes as the spectrum."""
    return any(role_of(dim) == CHANNEL for dim, _ in tree.dims_of(entry))


def _nothing(tree: Tree, numeric: list[Entry], request: Request) -> str:
    """Return the error about a file without a cube."""
    for entry in tree.entries.values() if not numeric else ():
        if len(entry.shape) == 3:
            check_stored(tree.path, entry.name, entry.shape, entry.array.dtype)
    hint = ""
    flat = [e for e in numeric if len(e.shape) == 2 and min(e.shape) > 1]
    if flat and request.shape is not None:
        hint = (
            f"; none of two axes has the {request.shape[0]} x {request.shape[1]} points of shape "
            "(--shape)"
        )
    elif flat:
        flat.sort(key=lambda each: -each.array.size)
        hint = (
            f"; {flat[0].name!r} may hold one spectrum for each point: give the rows and columns "
            "of the image with shape= (--shape ROWS,COLUMNS)"
        )
    broken = "".join(f"; {name} is {why}" for name, why in list(tree.broken.items())[:3])
    return (
        f"{tree.path} has no {tree.word} of 3 axes (y, x, channel); there is: "
        f"{_table(tree.entries.values())}{hint}{broken}"
    )


def _one(tree: Tree, choices: list[Choice], request: Request) -> Choice:
    """Return one of several choices, or detectors together, or raise the error that lists them."""
    if len(choices) == 1:
        return choices[0]
    total = [each for each in choices if re.search(r"sum|total", each.entry.name, re.IGNORECASE)]
    same = len({each.entry.shape for each in choices}) == 1
    if len(total) == 1 and same and request.detectors in (None, "sum"):
        rest = [each.entry.name for each in choices if each is not total[0]]
        total[0].notes.append(
            f"{total[0].entry.name} is taken, the sum of {', '.join(rest)} (--detectors, --key)"
        )
        return total[0]
    single = [each for each in choices if each not in total]
    if same and request.detectors is not None:
        return _detectors(tree, single, request.detectors)
    table = _table(each.entry for each in choices)
    add = (
        '; they have one shape: detectors="sum" (--detectors sum) adds them, and a number from 0 '
        "takes one"
        if same
        else ""
    )
    raise ValueError(
        f"{tree.path} has several {tree.word}s of 3 axes: {table}; choose one with key= "
        f"(--key){add}"
    )


def _detectors(tree: Tree, choices: list[Choice], wanted: str | int) -> Choice:
    """Return the sum of detectors, or one of them."""
    names = [each.entry.name for each in choices]
    if isinstance(wanted, int):
        if wanted >= len(choices):
            raise ValueError(
                f"{tree.path} has {len(choices)} detectors ({', '.join(names)}), counted from 0; "
                f"there is no detector {wanted}"
            )
        choices[wanted].is_detector = True
        return choices[wanted]
    first = choices[0]
    first.entries = [each.entry for each in choices]
    first.notes.append(f"the sum of {', '.join(names)}")
    return first


def detector_axis(tree: Tree, choice: Choice, wanted: str | int | None) -> int | None:
    """Return the stored axis of the detectors of an array of four axes, or None."""
    dims = choice.dims or [dim for dim, _ in tree.dims_of(choice.entry)]
    shape = choice.entry.shape
    named = [n for n, dim in enumerate(dims) if role_of(dim) == DETECTOR]
    if len(named) == 1 and len(shape) > 3:
        return named[0]
    if wanted is None or _axes_longer_than_one(choice.entry) != 4:
        return None
    # the user says that there are several: of axes without a name, the shortest
    free = [n for n, dim in enumerate(dims) if not role_of(dim) and shape[n] > 1]
    if not free:
        return None
    axis = min(free, key=lambda n: shape[n])
    choice.notes.append(f"axis {axis} (length {shape[axis]}) is taken as that of the detectors")
    return axis


def spectral_arrays(tree: Tree, entry: Entry) -> dict[str, Entry]:
    """Return the arrays of one axis that are named like a spectral axis, the nearest first."""
    near: list[tuple[tuple[int, int], Entry]] = []
    parts = entry.group.split("/") if entry.group else []
    for number, each in enumerate(tree.entries.values()):
        sizes = [size for size in each.shape if size != 1]
        if len(sizes) > 1 or not each.shape or not each.has_numbers or each is entry:
            continue
        if not _names_axis(each) or each.is_dimension_only:
            continue
        own = each.group.split("/") if each.group else []
        shared = 0
        while shared < min(len(parts), len(own)) and parts[shared] == own[shared]:
            shared += 1
        near.append(((len(parts) + len(own) - 2 * shared, number), each))
    near.sort(key=lambda pair: pair[0])
    return {each.name: each for _, each in near}


def _names_axis(entry: Entry) -> bool:
    """Whether the name says that it is a spectral axis; "axis" is that of this package."""
    if NOT_A_CUBE.search(entry.base):
        return False
    return entry.base == "axis" or names_axis(entry.base)


def described(path: Path, entry: Entry) -> str:
    """Return file and array, for an error."""
    return f"{path}: {entry.name or path.name!r}"
