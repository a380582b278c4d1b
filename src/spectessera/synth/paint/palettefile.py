"""Readers of palette files: of this package (TOML or JSON), and of ganX."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.documents import parse_toml
from spectessera._util.reading import check_regular, reading_safely
from spectessera.axis import Axis, channel_bounds
from spectessera.io.hdf5 import check_size, check_sources

LARGEST = 1 << 20  # bytes of a palette file
MOST_PIGMENTS = 256
MOST_CHANNELS = 65536
KEYS = ("name", "pigments", "own")
OWN_KEYS = ("name", "mixture", "thickness", "rgb", "binder", "source")
NEEDED = ("name", "mixture", "thickness", "rgb")


class PaletteText(NamedTuple):
    """Contents of a palette file: names of pigments, and tables of the user's own pigments."""

    path: Path
    name: str
    pigments: tuple[str, ...]
    own: tuple[dict[str, Any], ...]


class GanxPalette(NamedTuple):
    """Contents of a palette file of ganX, with its spectra.

    Attributes
    ----------
    pigments : tuple of str
    rgb : array (p, 3), uint8
    axis : Axis
        Axis of the first spectrum, in keV.
    spectra : array (p, 1, channel), float64
    """

    pigments: tuple[str, ...]
    rgb: np.ndarray
    axis: Axis
    spectra: np.ndarray


def check_rgb(name: str, given: object) -> np.ndarray:
    """Return a colour as uint8 (3,).

    Raises
    ------
    ValueError
        If it is not three integers from 0 to 255.
    """
    try:
        rgb = np.asarray(given)
        fits = rgb.shape == (3,) and rgb.dtype.kind in "iuf" and bool((rgb == np.round(rgb)).all())
    except ValueError:  # lists of different lengths
        fits = False
    if not fits or rgb.min() < 0 or rgb.max() > 255:
        raise ValueError(
            f"the colour of {name!r} must be three integers from 0 to 255, such as "
            f"[227, 66, 52]; got {given!r:.120}"
        )
    return rgb.astype(np.uint8)


def read_text(path: Path) -> Mapping[str, Any]:
    """Return the table in a TOML or JSON file; the suffix decides between the two.

    Raises
    ------
    ValueError
        If it is neither, too large, or not a table.
    """
    suffix = path.suffix.lower()
    if suffix not in (".json", ".toml"):
        raise ValueError(f"a palette file has the suffix .toml or .json; got {path}")
    check_regular(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path} has {size} bytes; a palette file has at most {LARGEST}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if suffix == ".toml":
            return parse_toml(text)
        document = json.loads(text, object_pairs_hook=_table)
    except (ValueError, RecursionError) as error:  # includes UnicodeDecodeError
        raise ValueError(f"{path} is not a {suffix[1:].upper()} file: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(
            f"{path} contains a {type(document).__name__}; a palette is a table: of ganX, "
            '{"azurite": {"xrf": "azurite.h5", "RGB": [40, 82, 150]}}, or {"pigments": [...]}'
        )
    return document


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON table; raise if a name occurs twice, which json accepts."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{', '.join(twice)} occurs twice")
    return table


def is_ganx(document: Mapping[str, Any]) -> bool:
    """Return whether it is a palette of ganX: every entry is a table with ``xrf`` or ``RGB``."""
    return bool(document) and all(
        isinstance(entry, Mapping) and ("xrf" in entry or "RGB" in entry)
        for entry in document.values()
    )


# --- palettes of this package ------------------------------------------------------------------


def read_palette_text(path: Path, document: Mapping[str, Any]) -> PaletteText:
    """Return the contents of a palette file; the tables of ``own`` have known keys only.

    Raises
    ------
    ValueError
        If a key is missing or unknown, or a value has another type.
    """
    _check_keys(f"{path}", document, KEYS)
    pigments, own = document.get("pigments", []), document.get("own", [])
    if not isinstance(pigments, list) or not all(isinstance(name, str) for name in pigments):
        raise ValueError(
            f'{path}: pigments is a list of names, such as ["parchment", "vermilion"]; got '
            f"{pigments!r:.120}; other pigments are tables in the list own"
        )
    if not isinstance(own, list) or not all(isinstance(table, dict) for table in own):
        raise ValueError(f"{path}: own is a list of tables (TOML: [[own]]); got {own!r:.120}")
    number = len(pigments) + len(own)
    if not 1 <= number <= MOST_PIGMENTS:
        raise ValueError(
            f"{path}: a palette has 1 to {MOST_PIGMENTS} pigments in the lists pigments and own; "
            f"got {number}"
        )
    for count, table in enumerate(own, start=1):
        where = f"{path}: pigment {count} of own"
        _check_keys(where, table, OWN_KEYS)
        missing = [key for key in NEEDED if key not in table]
        if missing:
            raise ValueError(f"{where} lacks {', '.join(missing)}; it needs {', '.join(NEEDED)}")
    name = document.get("name", path.stem)
    if not isinstance(name, str) or not 1 <= len(name) <= 100:
        raise ValueError(f"{path}: name is a string of 1 to 100 characters; got {name!r:.120}")
    return PaletteText(path, name, tuple(pigments), tuple(own))


def _check_keys(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ValueError(
            f"{where}: unknown key {', '.join(unknown)!s:.120}; known keys are {', '.join(known)}"
        )


# --- ganX --------------------------------------------------------------------------------------


def read_ganx(path: Path, document: Mapping[str, Any]) -> GanxPalette:
    """Return the palette of a ganX file with its spectra.

    Raises
    ------
    FileNotFoundError
        If the file of a spectrum does not exist.
    ValueError
        If an entry or a spectrum is not valid.
    """
    if len(document) > MOST_PIGMENTS:
        raise ValueError(f"{path} has {len(document)} pigments; at most {MOST_PIGMENTS} are read")
    colours, spectra = [], []
    axis: np.ndarray | None = None
    for name, entry in document.items():
        where = f"{path}: {name!r:.120}"
        if not isinstance(entry.get("xrf"), str):
            raise ValueError(f'{where} needs "xrf", the path of an HDF5 file with x and y')
        if "RGB" not in entry:
            raise ValueError(f'{where} needs "RGB", a colour such as [227, 66, 52]')
        colours.append(check_rgb(name, entry["RGB"]))
        x, y = _read_spectrum(where, path.parent / entry["xrf"])
        axis = x if axis is None else axis
        spectra.append(y if np.array_equal(x, axis) else resample(x, y, axis))
    assert axis is not None  # is_ganx: there is an entry
    return GanxPalette(
        tuple(document), np.array(colours), Axis(axis, "keV"), np.stack(spectra)[:, None]
    )


def _read_spectrum(where: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return x (channel,) and y (channel,) of a file, checked."""
    import h5py

    if not path.is_file():
        raise FileNotFoundError(
            f"{where}: there is no file {path}; xrf is an absolute path, or relative to the folder "
            "of the palette"
        )
    try:
        with reading_safely(path, "HDF5"), h5py.File(path, "r") as file:
            x, y = (_read_numbers(where, path, file, name) for name in ("x", "y"))
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from error
    if x.shape != y.shape or x.size < 2:
        raise ValueError(
            f"{where}: x and y of {path} have one value per channel, at least two channels; got "
            f"{x.size} and {y.size}"
        )
    if not (np.isfinite(x).all() and (np.diff(x) > 0).all()):
        raise ValueError(f"{where}: x of {path} must be finite and ascending, energies in keV")
    if not (np.isfinite(y).all() and (y >= 0).all() and y.any()):
        raise ValueError(f"{where}: y of {path} must be finite, 0 or more, and not all 0")
    return x, y


def _read_numbers(where: str, path: Path, file: Any, name: str) -> np.ndarray:
    """Return a dataset (n,) as float64; its shape and size are checked before it is read."""
    import h5py

    stored = file.get(name)
    if not isinstance(stored, h5py.Dataset):
        raise ValueError(
            f"{where}: {path} has no dataset {name!r}; ganX has x (keV) and y (counts) there"
        )
    if len(stored.shape or ()) != 1 or stored.dtype.kind not in "iuf":
        raise ValueError(
            f"{where}: {name} of {path} must be a list of numbers; got shape {stored.shape} of "
            f"{stored.dtype}"
        )
    if stored.shape[0] > MOST_CHANNELS:
        raise ValueError(
            f"{where}: {name} of {path} has {stored.shape[0]} channels; at most {MOST_CHANNELS} "
            "are read"
        )
    check_sources(path, stored, outside=False)
    check_size(path, stored, lazy=False)
    return np.asarray(stored[()], dtype=np.float64)


def resample(x: np.ndarray, y: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return counts on another axis; channels extend half-way to their neighbours.

    The counts of a channel are distributed uniformly over it, so counts are conserved, except those
    outside of the new axis.

    Parameters
    ----------
    x, y : array (n,)
        Centre of every channel, ascending, and its counts.
    onto : array (m,)
        Centre of every new channel, ascending.

    Returns
    -------
    array (m,), float64
    """
    total = np.concatenate([[0.0], np.cumsum(y)])
    return np.diff(np.interp(channel_bounds(onto), channel_bounds(x), total))
