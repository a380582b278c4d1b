"""Layouts of known programs, recognised by their groups and arrays: one function each.

A function gets the tree of a file and, if the user has chosen one, an array of it. It returns all
cubes that it recognises; an array that it does not know is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from spectessera.conventions.dims import CHANNEL, Dim, role_of

from ._choice import AxisValues, Choice, polynomial
from ._scan import grid_of, grid_of_motors, shape_in_title
from ._tree import Entry, Tree, text_of, unit_in

TIMES = {
    "live_time": ("live_time", "livetime", "live_times", "livetimes", "elapsed_livetime",
                  "trigger_live_time", "preset_live_time"),
    "real_time": ("real_time", "realtime", "elapsed_time", "elapsed_realtime", "realtimes"),
    "dead_time": ("dead_time", "deadtime", "dead_times"),
}  # fmt: skip
PYXRF_STEP = 0.01  # keV a channel, of all files of PyXRF
HYPERSPY_NOISE = "metadata/Signal/Noise_properties/_sig_variance"
IN_METADATA = re.compile(r"(^|/)(original_)?metadata(/|$)")
NO_UNITS = ("", "_none_", "<undefined>", "undefined", "none", "t.b.d.")


def layouts(tree: Tree, entry: Entry | None) -> Iterator[Choice]:
    """Yield the cubes that known layouts make of a file, those of the most specific first."""
    for layout in LAYOUTS:
        for choice in layout(tree):
            if entry is None or entry in choice.entries:
                if entry is not None:
                    choice.entries = [entry]
                yield choice


def _times(tree: Tree, *groups: str) -> dict[str, Entry]:
    """Return the arrays of live, real and dead time of the first groups that have them."""
    times: dict[str, Entry] = {}
    for group in groups:
        for role, names in TIMES.items():
            entry = tree.named(group, *names)
            if entry is not None and entry.has_numbers and entry.array.ndim and role not in times:
                times[role] = entry
    return times


def _energy(entry: Entry | None, channels: int, unit: str = "keV") -> AxisValues | None:
    """Return an axis of energies that an array holds, if it has the length for it."""
    if entry is None or not entry.has_numbers or int(np.prod(entry.shape)) != channels:
        return None
    values = entry.values().ravel().astype(np.float64)
    return AxisValues(values, unit_in(entry.attrs) or unit, "energy", "energy", entry.name)


def _calibrated(entry: Entry | None, channels: int) -> AxisValues | None:
    """Return an axis of energies in keV that an array of two or three coefficients gives."""
    if entry is None or not entry.has_numbers:
        return None
    values = polynomial(entry.values(), channels)
    if values is None:
        return None
    return AxisValues(values, unit_in(entry.attrs) or "keV", "energy", "energy", entry.name)


def maps(tree: Tree) -> Iterator[Choice]:
    """XRF-Maps of the APS: channel first, in MAPS/Spectra or, of old files, in MAPS."""
    for group in ("MAPS/Spectra", "MAPS"):
        entry = tree.named(group, "mca_arr")
        if entry is None or entry.array.ndim != 3:
            continue
        channels = entry.shape[0]
        axis = _energy(tree.named(group, "Energy"), channels) or _calibrated(
            tree.named(group, "Energy_Calibration", "energy_calib"), channels
        )
        companions = _times(tree, group, "MAPS/Spectra")
        for role in ("x", "y"):
            position = tree.named("MAPS/Scan", f"{role}_axis") or tree.named("MAPS", f"{role}_axis")
            companions |= {role: position} if position is not None else {}
        yield Choice([entry], "XRF-Maps (APS)", (1, 2, 0), axis=axis, companions=companions)
        return


def pymca(tree: Tree) -> Iterator[Choice]:
    """PyMca: groups mca_0, mca_1 ... with data, channels, calibration and times."""
    by_parent: dict[str, list[Choice]] = {}
    for group in tree.groups():
        if not re.fullmatch(r"mca(_?\d+)?", group.rpartition("/")[2].lower()):
            continue
        entry = tree.named(group, "data", "counts", "spectrum")
        if entry is None or entry.array.ndim < 2 or not entry.has_numbers:
            continue
        channels = entry.shape[-1]
        axis = _calibrated(tree.named(group, "calibration"), channels)
        axis = axis or _energy(tree.named(group, "energy"), channels)
        companions = _times(tree, group)
        layout = (0, 1, 2) if entry.array.ndim == 3 else None
        choice = Choice([entry], "PyMca", layout, axis=axis, companions=companions)
        by_parent.setdefault(group.rpartition("/")[0], []).append(choice)
    for choices in by_parent.values():
        yield from choices


def pyxrf(tree: Tree) -> Iterator[Choice]:
    """PyXRF: xrfmap/detsum/counts is the sum of the detectors, 10 eV a channel."""
    total = tree.named("xrfmap/detsum", "counts")
    single = [tree.named(group, "counts") for group in tree.groups()
              if re.fullmatch(r"xrfmap/det\d+", group)]  # fmt: skip
    for entry in (total, *single):
        if entry is None or entry.array.ndim != 3:
            continue
        axis = AxisValues(
            PYXRF_STEP * np.arange(entry.shape[2]), "keV", "energy", "energy",
            "the layout of PyXRF (10 eV a channel)",
        )  # fmt: skip
        yield Choice([entry], "PyXRF", (0, 1, 2), axis=axis)


def crono(tree: Tree) -> Iterator[Choice]:
    """Bruker CRONO: one spectrum a row in XRF/Spectra, with the column and row of each pixel."""
    for group in tree.groups():
        entry = tree.named(group, "Spectra") if group.rpartition("/")[2].upper() == "XRF" else None
        if entry is None or entry.array.ndim not in (2, 3):
            continue
        axis = _energy(tree.named(group, "EnergyVector"), entry.shape[-1])
        choice = Choice([entry], "Bruker CRONO", axis=axis, companions=_times(tree, group))
        if entry.array.ndim == 2:
            places = [tree.named(group, f"{letter}ComputedMapsCoordinate") for letter in "YX"]
            if None not in places:
                y, x = (each.values().ravel() for each in places if each is not None)
                choice.place, choice.place_source = _place(y, x), "XComputedMapsCoordinate"
        else:
            choice.layout = (0, 1, 2)
        yield choice


def _place(y: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """Return the number of the point at every pixel, from whole numbers of rows and columns."""
    if y.shape != x.shape or not (np.isfinite(y).all() and np.isfinite(x).all()):
        return None
    rows, columns = np.rint(y - y.min()).astype(np.int64), np.rint(x - x.min()).astype(np.int64)
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    if height * width > 16 * len(y):  # no indices but positions
        return grid_of(y, x)
    place = np.full((height, width), -1, dtype=np.int64)
    place[rows, columns] = np.arange(len(y))
    return place if (place >= 0).sum() == len(y) else grid_of(y, x)


def bliss(tree: Tree) -> Iterator[Choice]:
    """BLISS scans of the ESRF: one spectrum a point; motors or the title give the image."""
    for group in tree.groups():
        if not re.fullmatch(r"\d+\.\d+", group):
            continue
        for entry in list(tree.entries.values()):
            inside = entry.name.startswith(f"{group}/instrument/")
            if not inside or entry.array.ndim != 2 or entry.base != "data":
                continue
            if entry.has_numbers and entry.shape[1] > 1:
                choice = Choice([entry], "BLISS (ESRF)", companions=_times(tree, entry.group))
                _scan_grid(tree, group, choice)
                yield choice


def _scan_grid(tree: Tree, group: str, choice: Choice) -> None:
    """Give the place of every point: by the positions of motors, else by the title of the scan."""
    points = choice.entry.shape[0]
    folders = [f"{group}/measurement", f"{group}/instrument/positioners", f"{group}/scan_data"]
    motors: dict[str, Entry] = {}
    for folder in folders:
        for each in tree.inside(folder):
            if each.shape == (points,) and each.has_numbers:
                motors.setdefault(each.name, each)
    names = {name: name.rpartition("/")[2] for name in motors}
    for alias, name in tree.aliases.items():  # measurement/sampy may be a link
        if name in names and alias.startswith(folders[0]):
            names[name] = alias.rpartition("/")[2]
    title = text_of(_scalar(tree, f"{group}/title"))
    in_title = [name for name, base in names.items() if re.search(rf"\b{re.escape(base)}\b", title)]
    chosen = in_title if len(in_title) >= 2 else list(names)
    result = grid_of_motors({names[name]: motors[name].values() for name in chosen})
    if result is not None:
        choice.place, y, x = result
        choice.place_source = f"the positions of {y} (y) and {x} (x)"
        return
    shape = shape_in_title(title)
    if shape is not None and points <= shape[0] * shape[1]:
        place = np.full(shape[0] * shape[1], -1, dtype=np.int64)
        place[:points] = np.arange(points)
        choice.place, choice.place_source = place.reshape(shape), f"the title of the scan ({title})"


def _scalar(tree: Tree, name: str) -> Any:
    """Return a text or a number that a file has as an array of one element."""
    entry = tree.get(name)
    if entry is None or int(np.prod(entry.shape)) != 1:
        return ""
    value = entry.array.fetch(
        entry.array.path, entry.array.key, tuple(slice(None) for _ in entry.shape)
    )
    return np.asarray(value).reshape(()).item()


def hyperspy(tree: Tree) -> Iterator[Choice]:
    """HyperSpy: a group for each axis, with navigate = False for that of the spectrum."""
    for group in tree.groups():
        entry = tree.named(group, "data")
        if entry is None or entry.array.ndim < 3 or not entry.has_numbers:
            continue
        if IN_METADATA.search(group):  # such as the variance, which is a signal of its own
            continue
        axes = [tree.group_attributes(f"{group}/axis-{n}") for n in range(entry.array.ndim)]
        if not any(axes):
            continue
        dims = [Dim(text_of(attrs.get("name")), _unit(attrs)) for attrs in axes]
        scales = [_uniform(tree, f"{group}/axis-{n}", attrs, entry.shape[n], dims[n])
                  for n, attrs in enumerate(axes)]  # fmt: skip
        choice = Choice([entry], "HyperSpy", dims=dims, scales=scales)
        noise = tree.named(f"{group}/{HYPERSPY_NOISE}", "data")
        if noise is not None and noise.has_numbers:
            choice.companions["variance"] = noise
        own = tree.named(group, "axis")
        if own is not None and "axis_kind" in own.attrs and own.has_numbers:
            kind = text_of(own.attrs["axis_kind"])
            choice.axis = AxisValues(own.values(), unit_in(own.attrs), kind, kind, own.name)
        signal = [n for n, attrs in enumerate(axes) if not attrs.get("navigate", n == 2)]
        named = [n for n, dim in enumerate(dims) if role_of(dim) == CHANNEL]
        if not named and len(signal) == 1:
            # what HyperSpy calls the signal axis is the spectrum, whatever its name
            choice.dims = [Dim("signal spectrum", d.unit) if n in signal else d
                           for n, d in enumerate(dims)]  # fmt: skip
        elif not named and len(signal) == 2 and entry.array.ndim == 3:
            (channel,) = (n for n in range(3) if n not in signal)
            choice.layout = (*signal, channel)
        yield choice


def _unit(attrs: dict[str, Any]) -> str:
    """Return the unit of an axis; what programs write for "none" is none."""
    unit = (unit_in(attrs) or "").strip()
    return "" if unit.lower() in NO_UNITS else unit


def _uniform(
    tree: Tree, group: str, attrs: dict[str, Any], length: int, dim: Dim
) -> AxisValues | None:
    """Return the values along an axis of HyperSpy: offset and scale, or an array."""
    kind = "energy_loss" if "loss" in dim.name.lower() else ""
    entry = tree.named(group, "axis")
    if entry is not None and entry.shape == (length,) and entry.has_numbers:
        values = entry.values().astype(np.float64)
        return AxisValues(values, dim.unit or None, dim.name, kind, entry.name)
    scale, offset = attrs.get("scale"), attrs.get("offset", 0.0)
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)):
        return None
    if (scale, offset, dim.unit) == (1, 0, ""):  # nobody has calibrated it: it only counts
        return None
    values = offset + scale * np.arange(length, dtype=np.float64)
    return AxisValues(values, dim.unit or None, dim.name, kind, f"{group} (scale and offset)")


def nxdata(tree: Tree) -> Iterator[Choice]:
    """NeXus: the signal of NXdata groups, that of the default group first."""
    groups = [g for g in tree.groups() if tree.group_attributes(g).get("NX_class") == "NXdata"]
    default = _default_group(tree)
    for group in sorted(groups, key=lambda g: g != default):
        attrs = tree.group_attributes(group)
        entry = tree.named(group, text_of(attrs.get("signal"))) if attrs.get("signal") else None
        if entry is None:  # before 2014 the array itself is marked
            marked = [e for e in tree.inside(group) if text_of(e.attrs.get("signal")) == "1"]
            entry = marked[0] if marked else None
        if entry is None or not entry.has_numbers or entry.array.ndim < 2:
            continue
        yield _nxdata(tree, group, entry, attrs)
        if group == default:
            return


def _default_group(tree: Tree) -> str:
    """Return the group that the attributes "default" lead to from the root; "" if none."""
    group = ""
    for _ in range(8):
        name = text_of(tree.group_attributes(group).get("default")).strip("/")
        if not name:
            break
        group = f"{group}/{name}".strip("/")
    return group


def _nxdata(tree: Tree, group: str, entry: Entry, attrs: dict[str, Any]) -> Choice:
    """Return the signal of an NXdata group with its axes."""
    names = _axes_attribute(attrs.get("axes"), entry.attrs.get("axes"))
    dims = [Dim()] * entry.array.ndim
    scales: list[AxisValues | None] = [None] * entry.array.ndim
    place: dict[int, str] = {}
    for number, name in enumerate(names):
        indices = attrs.get(f"{name}_indices", number if len(names) == entry.array.ndim else None)
        if name != "." and isinstance(indices, int) and 0 <= indices < entry.array.ndim:
            place.setdefault(indices, name)
    for number, name in place.items():
        along = tree.named(group, name)
        unit = "" if along is None else unit_in(along.attrs) or ""
        dims[number] = Dim(name, unit, {} if along is None else along.attrs)
        if along is not None and along.has_numbers and along.shape == (entry.shape[number],):
            values = along.values().astype(np.float64)
            scales[number] = AxisValues(values, unit or None, name, "", along.name)
    choice = Choice([entry], "NXdata", dims=dims, scales=scales)
    errors = text_of(entry.attrs.get("uncertainties"))
    noise = tree.named(group, *([errors] if errors else []), f"{entry.base}_errors", "errors")
    choice.companions |= {"error": noise} if noise is not None else {}
    choice.companions |= _times(tree, group)
    interpretation = text_of(entry.attrs.get("interpretation") or attrs.get("interpretation"))
    if interpretation == "spectrum" and entry.array.ndim == 3:
        choice.layout, choice.program = (0, 1, 2), "NXdata (interpretation = spectrum)"
    return choice


def _axes_attribute(modern: Any, old: Any) -> list[str]:
    """Return the names of the axes of NXdata, from the group or, in old files, from the array."""
    value = modern if modern is not None else old
    if value is None:
        return []
    texts = value if isinstance(value, list) else re.split(r"[:,]", str(value).strip("[] "))
    return [str(text).strip() for text in texts]


def berkeley(tree: Tree) -> Iterator[Choice]:
    """EMD of Berkeley (ncempy): data beside dim1, dim2, dim3 with names and units."""
    for group in tree.groups():
        if not tree.group_attributes(group).get("emd_group_type"):
            continue
        entry = tree.named(group, "data")
        if entry is None or entry.array.ndim != 3 or not entry.has_numbers:
            continue
        dims, scales = [], []
        for number in range(3):
            along = tree.named(group, f"dim{number + 1}")
            attrs = {} if along is None else along.attrs
            dim = Dim(text_of(attrs.get("name")), _unit(attrs).strip("[]_").replace("_", ""))
            fits = along is not None and along.shape == (entry.shape[number],)
            values = along.values().astype(np.float64) if fits and along is not None else None
            name = "" if along is None else along.name
            known = None if values is None else (values, dim.unit or None, dim.name, "", name)
            scales.append(None if known is None else AxisValues(*known))
            dims.append(dim)
        yield Choice([entry], "EMD (Berkeley)", dims=dims, scales=scales)


def delmic(tree: Tree) -> Iterator[Choice]:
    """Delmic instruments: ImageData/Image with the axes C, T, Z, Y, X."""
    for group in tree.groups():
        entry = tree.named(group, "Image") if group.endswith("ImageData") else None
        if entry is not None and entry.array.ndim == 5 and entry.shape[0] > 1:
            yield Choice([entry], "Delmic", dims=[Dim(letter) for letter in "CTZYX"])


def oxford(tree: Tree) -> Iterator[Choice]:
    """H5OINA of Oxford Instruments: one EDS spectrum a point; the header gives the image."""
    for group in tree.groups():
        entry = tree.named(group, "Spectrum") if group.endswith("EDS/Data") else None
        if entry is None or entry.array.ndim != 2:
            continue
        header = f"{group.rpartition('/')[0]}/Header"
        cells = [_number(tree, f"{header}/{name}") for name in ("Y Cells", "X Cells")]
        width = _number(tree, f"{header}/Channel Width")
        start = _number(tree, f"{header}/Start Channel")
        choice = Choice([entry], "H5OINA (Oxford Instruments)", companions=_times(tree, group))
        live = tree.named(group, "Live Time")
        choice.companions |= {"live_time": live} if live is not None else {}
        if width:
            values = (start or 0.0) + width * np.arange(entry.shape[1])
            choice.axis = AxisValues(
                values / 1e3, "keV", "energy", "energy", f"{header}/Channel Width"
            )
        if all(cells) and int(np.prod([int(c or 0) for c in cells])) == entry.shape[0]:
            rows, columns = (int(c or 0) for c in cells)
            choice.place = np.arange(entry.shape[0]).reshape(rows, columns)
            choice.place_source = f"{header} (Y Cells, X Cells)"
        yield choice


def _number(tree: Tree, name: str) -> float | None:
    """Return a number that a file has as an array of one element, or None."""
    value = _scalar(tree, name)
    return float(value) if isinstance(value, (int, float)) else None


LAYOUTS: tuple[Callable[[Tree], Iterator[Choice]], ...] = (
    maps, pymca, pyxrf, crono, bliss, hyperspy, berkeley, delmic, oxford, nxdata,
)  # fmt: skip
