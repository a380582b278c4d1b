"""Read libraries of spectra: ENVI libraries, tables of text, folders of spectra."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.reading import FileRefused, check_regular, reading_safely
from spectessera._util.text import shown
from spectessera.axis import Axis, parse_unit
from spectessera.conventions.units import guessed_unit
from spectessera.scale import LARGEST

from ._envi_channels import NO_UNIT, UNITS
from ._envi_header import byte_order, is_header, numbers_in, parse, whole_number
from ._texttable import read_table
from .text import SUFFIXES, says_raman, stated_unit

# Of a library, all together; a spectrum of 2,000 channels has about 40 kB as text.
MAX_BYTES = 2**30
MOST_FILES, MOST_SPECTRA, MOST_CHANNELS = 20_000, 100_000, 1_000_000
FEWEST_CHANNELS = 3
LONGEST_NAME = 100
_ENVI_DATA = ("", ".sli", ".slb", ".lib", ".esl", ".img", ".dat")


class Spectrum(NamedTuple):
    """One spectrum of a library: its name, positions and values (channel,)."""

    name: str
    position: np.ndarray
    values: np.ndarray


class _Read(NamedTuple):
    """What a file holds; ``unit`` is "" where it is not known."""

    spectra: list[Spectrum]
    unit: str
    kind: str
    notes: list[str]


def read_library(path: str | Path, *, unit: str | None = None) -> xr.Dataset:
    r"""Read a library of spectra, to name clusters by (:func:`spectessera.naming.name_clusters`).

    Parameters
    ----------
    path : str or Path
        An ENVI spectral library (``.sli`` or ``.hdr``); a table of text whose first column is the
        axis, with one spectrum in each further column; or a folder of such tables, of any axes.
    unit : str, optional
        Of the axis, such as "um" or "cm-1", where the file does not give it or is wrong.

    Returns
    -------
    Dataset
        ``spectrum (name, channel)`` and ``position (name, channel)``, each spectrum on its own
        channels, NaN after its last one and where it is not known. The attributes ``unit`` ("" if
        it is not known: then that of the cube is assumed), ``axis_kind``, ``source`` and
        ``reading_notes``.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it is too large, damaged, or holds no spectra.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spectessera as spt
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ochres.csv"
    ...     lines = ["wavelength (nm),red,yellow", "400,0.1,0.2", "500,0.1,0.3", "600,0.4,0.5"]
    ...     _ = path.write_text("\n".join(lines))
    ...     library = spt.read_library(path)
    >>> library["name"].values.tolist(), library.attrs["unit"]
    (['red', 'yellow'], 'nm')
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no library {path}")
    check_regular(path)
    known = None if unit is None else parse_unit(unit)
    read = _folder(path) if path.is_dir() else _file(path)
    read = read if known is None else read._replace(unit=known, kind="")
    return _dataset(path, read)


def _file(path: Path) -> _Read:
    """Return the spectra of one file."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FileRefused(f"{path} has {size:.3g} bytes, too many for a library of spectra")
    with reading_safely(path, "a library of spectra"):
        header = _header(path)
        return _table(path) if header is None else _envi(path, header)


def _folder(path: Path) -> _Read:
    """Return the spectra of all tables in a folder; files that hold none are noted."""
    files = [each for each in sorted(path.iterdir()) if each.suffix.lower() in SUFFIXES]
    if len(files) > MOST_FILES:
        raise FileRefused(f"{path} has {len(files)} files, more than the {MOST_FILES} of a library")
    spectra: list[Spectrum] = []
    units: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    size = 0
    for each in files:
        check_regular(each)
        size += each.stat().st_size
        if size > MAX_BYTES:
            raise FileRefused(f"the files of {path} have more than {MAX_BYTES:.3g} bytes together")
        try:
            read = _file(each)
        except FileRefused:
            raise
        except ValueError as error:  # such as a read-me file: said, not read
            notes.append(f"not read: {shown(error, 200)}")
            continue
        spectra += read.spectra
        units[read.unit, read.kind] = each.name
    if len(units) > 1:
        said = ", ".join(f"{unit or 'no unit'} ({shown(n, 60)})" for (unit, _), n in units.items())
        raise ValueError(
            f"the files of {path} have different units: {said}; give one for all (--library-unit)"
        )
    unit, kind = next(iter(units), ("", ""))
    return _Read(spectra, unit, kind, notes)


def _dataset(path: Path, read: _Read) -> xr.Dataset:
    """Return spectra as one Dataset, after all checks."""
    notes, spectra = list(read.notes), []
    for each in read.spectra:
        good = np.isfinite(each.position) & (np.abs(each.position) <= LARGEST)
        values = np.where(np.abs(each.values) <= LARGEST, each.values, np.nan)[good]
        if np.isfinite(values).sum() < FEWEST_CHANNELS:
            notes.append(f"left out, as it has fewer than 3 values: {shown(each.name, 60)}")
            continue
        spectra.append(each._replace(position=each.position[good], values=values))
    if not spectra:
        why = f" ({'; '.join(notes[:3])})" if notes else ""
        raise ValueError(
            f"{path} holds no spectra{why}; a library is an ENVI file (.sli), a table with the "
            "axis in its first column and a spectrum in each other one, or a folder of such tables"
        )
    channels = max(len(each.position) for each in spectra)
    if len(spectra) > MOST_SPECTRA or channels * len(spectra) > MAX_BYTES // 8:
        raise FileRefused(
            f"{path} has {len(spectra)} spectra of up to {channels} channels, too many for a "
            "library; leave out some"
        )
    position, values = np.full((2, len(spectra), channels), np.nan)
    for row, each in enumerate(spectra):
        position[row, : len(each.position)] = each.position
        values[row, : len(each.values)] = each.values
    if read.unit:
        Axis(np.ones(1), read.unit, read.kind)  # refuses a kind that is not of the unit
    names = _distinct([each.name for each in spectra])
    return xr.Dataset(
        {"spectrum": (("name", "channel"), values), "position": (("name", "channel"), position)},
        coords={"name": names},
        attrs={
            "unit": read.unit, "axis_kind": read.kind, "source": shown(path.name),
            "reading_notes": "; ".join(notes[:20]),
        },
    )  # fmt: skip


def _distinct(names: list[str]) -> list[str]:
    """Return names as one line each, all of which can be seen, no two of them equal."""
    found: dict[str, int] = {}  # how many have had this name
    for number, name in enumerate(names, start=1):
        text = shown(" ".join(name.split()), LONGEST_NAME) or f"spectrum {number}"
        one = text
        while one in found:
            found[text] += 1
            one = f"{text} ({found[text]})"
        found[one] = 1
    return list(found)


# --- tables ---------------------------------------------------------------------------------------


def _table(path: Path) -> _Read:
    """Return the spectra of a table: the axis in its first column, a spectrum in each other one."""
    table = read_table(path)
    if table.first_row or table.numbers.shape[1] < 2:
        raise ValueError(
            f"{path} has one spectrum a row; a library has the axis in its first column and a "
            "spectrum in each other one: transpose it"
        )
    name, notes = table.names[0], list[str]()
    unit, kind = stated_unit(name) or "", ""
    if not unit and says_raman(" ".join([name, *table.before])):
        unit = "cm-1"
        notes.append(f"{path.name} names Raman or cm-1: its axis is taken in cm-1")
    elif not unit:
        unit, kind, note = guessed_unit(name, table.numbers[:, 0])
        notes += [note] if note else []
    if unit:
        unit = parse_unit(unit)
    columns = range(1, table.numbers.shape[1])
    alone = len(columns) == 1
    spectra = [
        Spectrum(
            path.stem if alone else table.names[n] or f"{path.stem} {n}",
            table.numbers[:, 0],
            table.numbers[:, n],
        )
        for n in columns
    ]
    return _Read(spectra, unit, kind, notes)


# --- ENVI -----------------------------------------------------------------------------------------


def _header(path: Path) -> Path | None:
    """Return the ENVI header of a file, or None."""
    beside = [path, path.with_name(f"{path.name}.hdr"), path.with_suffix(".hdr")]
    for one in beside:
        if one.suffix.lower() == ".hdr" and one.is_file():
            check_regular(one)
            with one.open("rb") as stream:
                if is_header(stream.read(512)):
                    return one
    if path.suffix.lower() == ".sli":
        raise ValueError(f"{path} has no header beside it ({path.stem}.hdr)")
    return None


def _envi(path: Path, header: Path) -> _Read:
    """Return the spectra of an ENVI library: lines are spectra, samples their channels."""
    found = parse(header)
    if "library" not in str(found.get("file type", "")).lower():
        raise ValueError(
            f"{header} is {shown(found.get('file type', 'no file type'), 60)}, not an ENVI "
            "Spectral Library"
        )
    position, values = _numbers(path, header, found)
    count = len(values)
    unit, notes = _unit(found, position)
    names = found.get("spectra names")
    names = names if isinstance(names, list) and len(names) == count else [""] * count
    spectra = [
        Spectrum(name or f"spectrum {n}", position, row)
        for n, (name, row) in enumerate(zip(names, values, strict=True), start=1)
    ]
    return _Read(spectra, unit, "", notes)


def _numbers(path: Path, header: Path, found: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the wavelengths (channel,) and the spectra (name, channel) of a library."""
    from spectral.io.envi import envi_to_dtype

    count, channels, bands = (
        whole_number(header, found, name, 1) for name in ("lines", "samples", "bands")
    )
    letter = envi_to_dtype.get(str(found["data type"]).strip())
    if bands != 1 or letter is None or letter.startswith("c"):
        raise ValueError(f"{header}: a library has one band of real numbers")
    if count > MOST_SPECTRA or channels > MOST_CHANNELS:
        raise FileRefused(f"{header}: {count} spectra of {channels} channels are too many")
    dtype = np.dtype(letter).newbyteorder("<>"[byte_order(header, found)])
    offset = whole_number(header, found, "header offset", 0, 0)
    data = path if path != header else _data_of(header)
    expected = offset + count * channels * dtype.itemsize
    if data.stat().st_size < expected:
        raise ValueError(
            f"{data} has {data.stat().st_size} bytes but {header.name} describes {expected}: "
            "it is cut short, or the header is wrong"
        )
    position = numbers_in(found.get("wavelength"))
    if position is None or len(position) != channels:
        got = 0 if position is None else len(position)
        raise ValueError(f"{header} has {got} wavelengths for {channels} channels")
    values = np.fromfile(data, dtype, count * channels, offset=offset).astype(np.float64)
    values = values.reshape(count, channels)
    ignored = _number(found.get("data ignore value"))
    values = values if ignored is None else np.where(values == ignored, np.nan, values)
    factor = _number(found.get("reflectance scale factor"))
    if factor is not None and np.isfinite(factor) and factor > 0:
        values = values / factor
    return position, values


def _data_of(header: Path) -> Path:
    """Return the data file of a header."""
    base = header.with_suffix("")
    for end in _ENVI_DATA:
        one = base.with_name(base.name + end)
        if one.is_file():
            check_regular(one)
            return one
    raise ValueError(f"{header} has no data file beside it, such as {base.name}.sli")


def _number(field: Any) -> float | None:
    """Return the number of a field, None if it has none."""
    text = str(field if field is not None else "").strip()
    return float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text, re.I) else None


def _unit(found: dict[str, Any], position: np.ndarray) -> tuple[str, list[str]]:
    """Return the unit of the wavelengths, and what was assumed of it."""
    given = str(found.get("wavelength units") or "").strip()
    if given.lower() in NO_UNIT:
        known = position[np.isfinite(position) & (position > 0)]
        unit, _, note = guessed_unit("wavelength", known)
        return unit, [note] if note else []
    return parse_unit(UNITS.get(given.lower(), given)), []
