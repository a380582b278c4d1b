"""Read a grid of nebular models of your own: a table of models x lines, CSV or FITS."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_choice
from spectessera._util.reading import reading
from spectessera.io.fits import ignore_astropy_warnings

from .lines import emissivities, line_labels, line_wavelengths

MOST_BYTES = 2**28  # of a table, unpacked
MOST_RATIO = 1e4  # to H beta; no nebula has a line as bright as that
NEAR = 1.5  # angstrom between the wavelength in the name of a column and that of a line
CLASS = "class"
ALIASES = {
    "halpha": "Ha 6563", "h_alpha": "Ha 6563", "ha": "Ha 6563",
    "hbeta": "Hb 4861", "h_beta": "Hb 4861", "hb": "Hb 4861",
}  # fmt: skip

# Lines from the same upper level: one follows from the other, whatever the gas is like.
PARTNERS = {
    "[OIII] 4959": "[OIII] 5007",
    "[NII] 6548": "[NII] 6583",
    "[OI] 6364": "[OI] 6300",
    "[ArIII] 7751": "[ArIII] 7136",
    "[OII] 7319": "[OII] 7330",
    "[OII] 7320": "[OII] 7331",
}
# Lines of hydrogen follow H beta (case B, 10,000 K, 100 cm-3).
HYDROGEN = ("Ha 6563", "Pa12 8750", "Pa11 8863", "Pa10 9015", "Pa9 9229")


class ModelTable(NamedTuple):
    """A grid of models.

    Attributes
    ----------
    flux : array (n, line), float32
        Relative to H beta; lines as in :func:`~spectessera.synth.nebulae.lines.line_labels`.
    kind : array (n,) of str
        Class of each model.
    parameters : dict of array (n,)
        Columns of numbers that are not lines.
    filled : tuple of str
        Lines without a column that follow from others: from the same upper level, or of hydrogen.
    absent : tuple of str
        Lines without a column that are 0.
    """

    flux: np.ndarray
    kind: np.ndarray
    parameters: dict[str, np.ndarray]
    filled: tuple[str, ...]
    absent: tuple[str, ...]


def load_models(
    path: str | Path, *, kind: str | None = None, others: str = "refuse", missing: str = "refuse"
) -> ModelTable:
    """Read a table with one row per model and one column per line.

    A column is a line if its name is a wavelength in air ("5006.84"), our name of the line
    ("[OIII] 5007"), or the ion and about the wavelength ("OIII5007", "Halpha"). A column "class"
    tells what each model is. Fluxes are divided by H beta. A line without a column is filled in
    where it follows from another one, else it is 0.

    Parameters
    ----------
    path : str or Path
        ``.csv`` (names in the first line, ``#`` begins a comment) or ``.fits``, ``.fits.gz`` (the
        first binary table).
    kind : str, optional
        What all models are, for tables without a column "class": "hii", or a name of your own.
    others : "refuse" or "keep"
        What to do with columns that are no lines: numbers can be kept as parameters, words are
        left out.
    missing : "refuse" or "zero"
        What an empty or NaN flux means; some grids print no flux of a line that is too faint.

    Returns
    -------
    ModelTable

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as such a table: what is wrong, and where.
    """
    path = Path(path)
    check_choice("others", others, ("refuse", "keep"))
    check_choice("missing", missing, ("refuse", "zero"))
    columns = _columns(path)
    kinds = _kinds(path, columns, kind)
    lines: dict[str, str] = {}  # label -> column
    strangers = []
    for name in columns:
        label = line_of(name)
        if label in lines:
            raise ValueError(f"{path}: columns {lines[label]!r} and {name!r} are both {label}")
        if label is not None:
            lines[label] = name
        elif _word(name) != CLASS:
            strangers.append(name)
    if strangers and others == "refuse":
        more = f" and {len(strangers) - 10} more" if len(strangers) > 10 else ""
        raise ValueError(
            f"{path}: no lines known here are {', '.join(map(repr, strangers[:10]))}{more}; keep "
            f'them as parameters with others="keep". Lines are: {", ".join(line_labels())}'
        )
    if "Hb 4861" not in lines:
        raise ValueError(
            f"{path} has no column for H beta (4861.33); add one, of 1 if fluxes are relative to it"
        )
    fluxes = {label: _fluxes(path, name, columns[name], missing) for label, name in lines.items()}
    kept = {name: columns[name] for name in strangers if columns[name].dtype.kind == "f"}
    return _assemble(path, fluxes, kinds, kept)


def line_of(name: str) -> str | None:
    """Return the label of the line that the name of a column means, or None.

    Parameters
    ----------
    name : str
    """
    word = _word(name)
    for label in line_labels():
        if word == _word(label):
            return label
    if word in ALIASES:
        return ALIASES[word]
    parts = re.fullmatch(r"([a-z]*)(\d{4}(?:\.\d*)?)", word)
    if parts is None:
        return None
    own = np.array([_word(label.split()[0]) for label in line_labels()])
    if parts[1] == "hi":
        allowed = np.isin(line_labels(), ("Hb 4861", *HYDROGEN))
    else:
        allowed = np.array(own == parts[1]) | (parts[1] == "")
    distance = np.where(allowed, np.abs(line_wavelengths() - float(parts[2])), np.inf)
    nearest = int(np.argmin(distance))
    return line_labels()[nearest] if distance[nearest] <= NEAR else None


def _word(name: str) -> str:
    """Return a name in small letters, without brackets and blanks."""
    return re.sub(r"[\s\[\]]", "", name).lower()


def _columns(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a file by name: float64, or words."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if suffix not in (".csv", ".fits", ".fit") or (packed and suffix == ".csv"):
        raise ValueError(f"{path}: a table of models ends in .csv, .fits or .fits.gz")
    _check_size(path, packed)
    columns = _read_csv(path) if suffix == ".csv" else _read_fits(path)
    if not columns or not len(next(iter(columns.values()))):
        raise ValueError(f"{path} has no models: {len(columns)} columns and no rows")
    return columns


def _check_size(path: Path, packed: bool) -> None:
    """Refuse a file that is too large, before any of it is kept."""
    size = 0 if packed else path.stat().st_size
    if packed:
        with reading(path, "gzip"), gzip.open(path) as stream:
            while size <= MOST_BYTES and (part := stream.read(2**20)):
                size += len(part)
    if size > MOST_BYTES:
        raise ValueError(
            f"{path} has more than {MOST_BYTES / 2**20:.0f} MiB; take a sample of its models"
        )


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a CSV file."""
    with reading(path, "CSV", csv.Error), path.open(newline="", encoding="utf-8-sig") as stream:
        lines = (line for line in stream if line.strip() and not line.startswith("#"))
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    if not rows:
        return {}
    names, *rows = rows
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: column {twice[0]!r} comes twice")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ValueError(
                f"{path}: model {number} has {len(row)} cells, the heading has {len(names)}"
            )
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {name: _numbers(column) for name, column in zip(names, cells, strict=True)}


def _numbers(cells: Any) -> np.ndarray:
    """Return a column as float64, empty cells as NaN; as words where one is no number."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=str)


def _read_fits(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of the first binary table of a FITS file that hold one value a row."""
    from astropy.io import fits

    found = {}
    with (
        reading(path, "FITS", fits.VerifyError),
        ignore_astropy_warnings(),
        fits.open(path, memmap=False) as hdus,
    ):
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        data: Any = tables[0].data if tables else None
        for name in data.names if tables else ():
            values = np.asarray(data[name])
            if values.ndim == 1 and values.dtype.kind in "biuf":
                found[name] = values.astype(np.float64)
            elif values.ndim == 1 and values.dtype.kind in "SU":
                found[name] = np.char.strip(values.astype(str))
    if not tables:
        raise ValueError(f"{path} has no binary table")
    return found


def _kinds(path: Path, columns: Mapping[str, np.ndarray], kind: str | None) -> np.ndarray:
    """Return the class of every model."""
    names = [name for name in columns if _word(name) == CLASS]
    if names and kind is not None:
        raise ValueError(f'{path} has a column "class"; leave out kind={kind!r}')
    if not names and not kind:
        raise ValueError(
            f'{path} has no column "class"; say what all of its models are, such as kind="hii"'
        )
    if not names:
        return np.full(len(next(iter(columns.values()))), kind)
    values = columns[names[0]]
    if values.dtype.kind != "U" or not (np.char.str_len(values) > 0).all():
        raise ValueError(f'{path}: the column "class" must have a word for every model')
    return values


def _fluxes(path: Path, name: str, values: np.ndarray, missing: str) -> np.ndarray:
    """Return the fluxes of a line, checked."""
    if values.dtype.kind != "f":
        bad = next(cell for cell in values.tolist() if not _is_number(cell))
        raise ValueError(f"{path}: column {name!r} must hold numbers; got {bad!r}")
    if missing == "zero":
        values = np.where(np.isnan(values), 0.0, values)
    for wrong, word, help_ in (
        (np.isnan(values), "empty or NaN", 'give missing="zero" if that means a faint line'),
        (~np.isfinite(values), "not finite", "mend it or leave the model out"),
        (values < 0, "negative", "a table of logarithms must be turned into fluxes first"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise ValueError(f"{path}: column {name!r} is {word} in model {row}; {help_}")
    return values


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _assemble(
    path: Path,
    found: dict[str, np.ndarray],
    kinds: np.ndarray,
    parameters: dict[str, np.ndarray],
) -> ModelTable:
    """Return the table, its lines in our order and relative to H beta."""
    labels = line_labels()
    beta = found["Hb 4861"]
    if not (beta > 0).all():
        bad = int(np.argmin(beta > 0))
        raise ValueError(f"{path}: H beta must be above 0; it is {beta[bad]:g} in model {bad + 1}")
    usual = dict(zip(labels, emissivities([1e4], [100.0])[0].tolist(), strict=True))
    told = set(found)
    for label in labels:
        other = "Hb 4861" if label in HYDROGEN else PARTNERS.get(label)
        back = next((one for one, two in PARTNERS.items() if two == label), None)
        source = next((each for each in (other, back) if each in told), None)
        if label not in told and source is not None:
            found[label] = found[source] * usual[label] / usual[source]
    none = np.zeros_like(beta)
    with np.errstate(over="ignore"):  # too bright a line is told below
        flux = np.stack([found.get(label, none) for label in labels], axis=1) / beta[:, None]
    row, line = divmod(int(np.argmax(flux)), len(labels))
    if not flux[row, line] <= MOST_RATIO:
        raise ValueError(
            f"{path}: {labels[line]} is {flux[row, line]:g} times as bright as H beta in model "
            f"{row + 1}; are these fluxes?"
        )
    return ModelTable(
        flux.astype(np.float32),
        kinds,
        parameters,
        tuple(label for label in labels if label in found and label not in told),
        tuple(label for label in labels if label not in found),
    )
