"""Which axis of a stored array is the spectrum, and which are the rows and columns of the image.

Everything that a file says is used, in this order: the user's own words, the names of dimensions,
their units, arrays of one axis beside the cube whose length fits one axis only, images beside it,
the layout of a known program, and last of all the position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spectessera.axis import UNITS, parse_unit

# How axes were found: the user has said it; nothing says which axis is the spectrum.
GIVEN, POSITION = "the argument axes", "position"
CHANNEL, ROW, COLUMN, DETECTOR, POINT = "channel", "y", "x", "detector", "point"
# Names of dimensions and of the arrays along them, without digits, case and punctuation.
ROLES = {
    CHANNEL: {
        "c", "ch", "chan", "channel", "channels", "band", "bands", "bandnumber", "nbands", "wave",
        "waves", "wavelength", "wavelengths", "wavelen", "wl", "wvl", "lam", "lambda", "lambdas",
        "awav", "energy", "energies", "energyvector", "energyaxis", "energyloss", "eloss", "ener",
        "kev", "ev", "spectral", "spectralaxis", "spectralchannel", "spectrum", "spectra",
        "wavenumber", "wavenumbers", "wavn", "ramanshift", "shift", "freq", "frequency",
        "frequencies", "vel", "velocity", "vrad", "vopt", "velo", "mca", "mcachannel", "bin",
        "bins", "energybin", "energybins", "energychannel", "energychannels", "nchannels",
        "radiationwavelength", "radiationfrequency", "radiationwavenumber", "sensorbands",
    },
    ROW: {
        "y", "yc", "lat", "latitude", "row", "rows", "line", "lines", "nrows", "northing",
        "northings", "projectionycoordinate", "gridlatitude", "downtrack", "alongtrack",
        "scanline", "scanlines", "dec", "declination", "decl", "yaxis", "ypos", "yposition",
        "height", "ydim", "yrow", "nlines", "axisy", "posy", "sampley", "dimy", "ny",
    },
    COLUMN: {
        "x", "xc", "lon", "long", "longitude", "col", "cols", "column", "columns", "ncols",
        "sample", "samples", "easting", "eastings", "projectionxcoordinate", "gridlongitude",
        "crosstrack", "acrosstrack", "ra", "rightascension", "xaxis", "xpos", "xposition", "width",
        "xdim", "xcol", "nsamples", "axisx", "posx", "samplex", "dimx", "nx",
    },
    DETECTOR: {"det", "dets", "detector", "detectors", "element", "elements", "ndet"},
    POINT: {"point", "points", "pixel", "pixels", "scanpoint", "npoints", "npixels", "spectrumid"},
}  # fmt: skip
_ALL_NAMES = frozenset[str]().union(*ROLES.values())
# Attributes of the array along a dimension that say what it is, by the CF conventions.
CF_NAMES = ("standard_name", "long_name", "axis")
POSITION_UNITS = {"degrees_north": ROW, "degree_north": ROW, "degrees_n": ROW,
                  "degrees_east": COLUMN, "degree_east": COLUMN, "degrees_e": COLUMN}  # fmt: skip
LENGTHS = {"angstrom", "nm", "um"}  # wavelengths or positions
POSITIONS = {"m", "mm"}


# The stored axes of y, x and channel, and how they were found.
Decision = tuple[tuple[int, int, int], str]


class Dim(NamedTuple):
    """One axis of a stored array: its name, its unit, and attributes of the array along it."""

    name: str = ""
    unit: str = ""
    attrs: Mapping[str, Any] = {}


class Axes(NamedTuple):
    """Which stored axes are y, x and channel.

    Attributes
    ----------
    order : tuple of int
        Stored axis of y, x and channel.
    drop : tuple of int
        Stored axes of length 1 that are left out.
    how : str
        How they were found.
    note : str
        What was assumed; "" if the file says it.
    """

    order: tuple[int, int, int]
    drop: tuple[int, ...]
    how: str
    note: str


@dataclass
class Evidence:
    """What a file says about the axes of one array.

    Parameters
    ----------
    shape : tuple of int
    dims : sequence of Dim
        One for each axis, or none.
    spectral : mapping of str to int
        Arrays of one axis beside the cube with the name of a spectral axis, and their lengths.
    images : mapping of str to tuple of int
        Arrays of two axes beside it that belong to the image, and their shapes.
    layout : tuple of int, optional
        Stored axis of y, x and channel in files of a known program.
    program : str
        That program.
    """

    shape: tuple[int, ...]
    dims: Sequence[Dim] = ()
    spectral: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    layout: tuple[int, ...] | None = None
    program: str = ""


def role_of(dim: Dim) -> str:
    """Return what the name of a dimension, or the attributes of its array, say: a key of ROLES.

    The answer is "" if they say nothing.
    """
    units = dim.unit.strip().lower()
    if units in POSITION_UNITS:
        return POSITION_UNITS[units]
    for text in (dim.name, *(str(dim.attrs.get(each) or "") for each in CF_NAMES)):
        role = _role_of_name(text)
        if role:
            return role
    return ""


def plain_name(text: str) -> str:
    """Return the words of a name in lower case, without folders, digits, and units in brackets."""
    text = re.sub(r"[(\[].*$", "", text.rpartition("/")[2])
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()
    return " ".join(re.sub(r"[^a-z]+", " ", text).split())


def _role_of_name(text: str) -> str:
    """Return the role of a name such as "Wavelength (nm)" or "dim_y", or ""."""
    words = plain_name(text).split()
    joined = "".join(words)
    if len(words) > 1 and words[-1] in ("x", "y") and joined not in _ALL_NAMES:
        return COLUMN if words[-1] == "x" else ROW  # pixel_x, bin_y, detector_x
    candidates = [joined, *(words[:1] if len(words) > 1 else []), *words[-1:]]
    for each in candidates:
        for role, names in ROLES.items():
            if each in names:
                return role
    return ""


def spectral_name(name: str) -> bool:
    """Whether an array with this name holds the positions of channels."""
    return _role_of_name(name) == CHANNEL


def find_axes(what: str, evidence: Evidence, letters: str | None = None) -> Axes:
    """Decide which stored axes are y, x and channel.

    Parameters
    ----------
    what : str
        The array, for errors: file and name.
    evidence : Evidence
        What the file says.
    letters : str, optional
        What the user says: y, x and c in the order of the axes longer than 1.

    Raises
    ------
    ValueError
        If there are not three axes, or the file contradicts itself.
    """
    used, drop = _three_axes(what, evidence)
    if letters is not None:
        at = dict(zip(letters, used, strict=True))
        return Axes((at["y"], at["x"], at["c"]), drop, f"{GIVEN} ({letters})", "")
    for decide in (_by_names, _by_units, _by_lengths, _by_images, _by_layout):
        result = decide(what, evidence, used)
        if result is not None:
            order, how = result
            return Axes(order, drop, how, "")
    return _by_position(what, evidence, used, drop)


def _three_axes(what: str, evidence: Evidence) -> tuple[list[int], tuple[int, ...]]:
    """Return the three axes that are used, and those of length 1 that are not."""
    shape = evidence.shape
    used = list(range(len(shape)))
    roles = _roles(evidence)
    single = [n for n in used if shape[n] == 1]
    # a named axis of the image or of the spectrum stays, even if it has length 1
    for n in sorted(single, key=lambda n: (roles[n] in (CHANNEL, ROW, COLUMN), n)):
        if len(used) > 3:
            used.remove(n)
    if len(used) != 3:
        raise ValueError(
            f"{what} has shape {shape}; a cube has 3 axes longer than 1 (rows, columns and one "
            "spectral axis): choose another array with key= (--key)"
            + (
                "; if one axis is that of detectors, detectors= (--detectors sum) adds them"
                if len(used) == 4
                else ""
            )
        )
    return used, tuple(n for n in range(len(shape)) if n not in used)


def _roles(evidence: Evidence) -> list[str]:
    """Return what the names say of every axis."""
    dims = list(evidence.dims) or [Dim()] * len(evidence.shape)
    return [role_of(dim) for dim in dims]


def _with_channel(evidence: Evidence, used: list[int], channel: int) -> tuple[int, int, int]:
    """Return the order if the channel is known; names or the stored order give y and x."""
    first, second = (n for n in used if n != channel)
    roles = _roles(evidence)
    if (roles[first] == COLUMN and roles[second] != COLUMN) or (
        roles[second] == ROW and roles[first] != ROW
    ):
        first, second = second, first
    return first, second, channel


def _names(evidence: Evidence) -> str:
    """Return the names of all dimensions, for people."""
    return ", ".join(dim.name or "?" for dim in evidence.dims)


def _by_names(what: str, evidence: Evidence, used: list[int]) -> Decision | None:
    """Decide by the names of the dimensions."""
    roles = _roles(evidence)
    named = [n for n in used if roles[n] == CHANNEL]
    how = f"names of dimensions ({_names(evidence)})"
    if len(named) > 1:
        channel = _spectral_unit(evidence, named)
        if channel is None:
            raise ValueError(
                f"{what} has dimensions {_names(evidence)}: more than one is named like a "
                "spectrum; say which is the channel with axes=, such as cyx (--axes cyx)"
            )
        return _with_channel(evidence, used, channel), how
    if named:
        return _with_channel(evidence, used, named[0]), how
    rows = [n for n in used if roles[n] == ROW]
    columns = [n for n in used if roles[n] == COLUMN]
    if len(rows) == 1 and len(columns) == 1:
        (channel,) = (n for n in used if n not in (rows[0], columns[0]))
        return (rows[0], columns[0], channel), how
    return None


def _unit(dim: Dim) -> str:
    """Return the unit of an axis in the spelling of this package, or ""."""
    try:
        return parse_unit(dim.unit)
    except ValueError:
        return ""


def _spectral_unit(evidence: Evidence, used: list[int]) -> int | None:
    """Return the only axis in a unit of spectra, or else the only one in a unit of wavelengths."""
    if not evidence.dims:
        return None
    units = {n: _unit(evidence.dims[n]) for n in used}
    spectral = [n for n in used if units[n] and units[n] not in LENGTHS | POSITIONS]
    if not spectral:
        lengths = [n for n in used if units[n] in LENGTHS]
        # alone among other units: y and x in um beside an axis without a unit are positions
        spectral = lengths if all(evidence.dims[n].unit for n in used) else []
    spectral = [n for n in spectral if UNITS[units[n]][0] != CHANNEL]
    return spectral[0] if len(spectral) == 1 else None


def _by_units(_what: str, evidence: Evidence, used: list[int]) -> Decision | None:
    """Decide by the units of the axes."""
    channel = _spectral_unit(evidence, used)
    if channel is None:
        return None
    listed = ", ".join(dim.unit or "none" for dim in evidence.dims)
    return _with_channel(evidence, used, channel), f"units of the axes ({listed})"


def _by_lengths(what: str, evidence: Evidence, used: list[int]) -> Decision | None:
    """Decide by spectral arrays whose length is that of one axis only."""
    votes: dict[int, str] = {}
    for name, length in evidence.spectral.items():
        fitting = [n for n in used if evidence.shape[n] == length]
        if len(fitting) == 1:
            votes.setdefault(fitting[0], name)
    if len(votes) > 1:
        words = " and ".join(f"{name!r} along axis {n}" for n, name in votes.items())
        raise ValueError(
            f"{what} has shape {evidence.shape}, and beside it lie {words}: the file contradicts "
            "itself; say which axis is the channel with axes=, such as cyx (--axes cyx)"
        )
    for channel, name in votes.items():
        how = f"{name} has one value for each of axis {channel}"
        return _with_channel(evidence, used, channel), how
    return None


def _by_images(_what: str, evidence: Evidence, used: list[int]) -> Decision | None:
    """Decide by images beside the cube whose shape is that of two axes."""
    for name, shape in evidence.images.items():
        fitting = [n for n in used if tuple(evidence.shape[m] for m in used if m != n) == shape]
        if len(fitting) == 1:
            return _with_channel(evidence, used, fitting[0]), f"{name} has the shape of the image"
    return None


def _by_layout(_what: str, evidence: Evidence, _used: list[int]) -> Decision | None:
    """Decide by the layout of a known program."""
    if evidence.layout is None:
        return None
    y, x, channel = evidence.layout
    return (y, x, channel), f"layout of {evidence.program}"


def _by_position(what: str, evidence: Evidence, used: list[int], drop: tuple[int, ...]) -> Axes:
    """Take the last axis as the spectrum, or the first if only its length fits."""
    fitting = [n for n in used if evidence.shape[n] in evidence.spectral.values()]
    channel = used[2] if not fitting or used[2] in fitting else fitting[0]
    length = evidence.shape[channel]
    place = "last" if channel == used[2] else f"axis {channel}"
    array = what.rpartition(": ")[2]
    return Axes(
        _with_channel(evidence, used, channel),
        drop,
        POSITION,
        f"nothing names the axes of {array}: the {place} one (length {length}) is taken as the "
        "spectrum (--axes cyx and the like say otherwise)",
    )
