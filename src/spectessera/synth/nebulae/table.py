"""Reader of a grid of nebular models: a table of models x lines, CSV or FITS."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.check import check_choice
from spectessera._util.reading import reading, reading_safely
from spectessera.io.fitsfile import fits_parts

from .lines import emissivities, line_labels, line_wavelengths

MOST_BYTES = 2**28  # of a table, uncompressed
MOST_RATIO = 1e4  # largest flux relative to H beta; no nebula has such bright lines
NEAR = 1.5  # angstrom between the wavelength in the name of a column and that of a line
CLASS = "class"
ALIASES = {
    "halpha": "Ha 6563", "h_alpha": "Ha 6563", "ha": "Ha 6563",
    "hbeta": "Hb 4861", "h_beta": "Hb 4861", "hb": "Hb 4861",
}  # fmt: skip

# Lines from the same upper level, which have a fixed ratio.
PARTNERS = {
    "[OIII] 4959": "[OIII] 5007",
    "[NII] 6548": "[NII] 6583",
    "[OI] 6364": "[OI] 6300",
    "[ArIII] 7751": "[ArIII] 7136",
    "[OII] 7319": "[OII] 7330",
    "[OII] 7320": "[OII] 7331",
    "[NeIII] 3967": "[NeIII] 3869",
    "[SIII] 9531": "[SIII] 9069",
}
# Lines of hydrogen that follow from H beta (case B, 10,000 K, 100 cm-3).
HYDROGEN = (
    "Ha 6563", "Pa12 8750", "Pa11 8863", "Pa10 9015", "Pa9 9229", "H9 3835", "H8 3889", "Hep 3970",
    "Hd 4102", "Hg 4340", "Pa8 9546",
)  # fmt: skip


class ModelTable(NamedTuple):
    """A grid of models.

    Attributes
    ----------
    flux : array (n, line), float32
        Relative to H beta; lines of :func:`~spectessera.synth.nebulae.lines.line_labels`.
    kind : array (n,) of str
        Class of each model.
    parameters : dict of array (n,)
        Numerical columns that are not lines.
    filled : tuple of str
        Lines without a column that follow from others (same upper level, or hydrogen).
    absent : tuple of str
        Lines without a column, with flux 0.
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

    A column is a line if its name is a wavelength in air ("5006.84"), the name of the line
    ("[OIII] 5007"), or the ion with the approximate wavelength ("OIII5007", "Halpha"). A column
    "class" contains the class of each model. Fluxes are divided by H beta. A line without a column
    is computed if it follows from another one, otherwise it is 0.

    Parameters
    ----------
    path : str or Path
        ``.csv`` (names in the first line, ``#`` begins a comment) or ``.fits``, ``.fits.gz`` (the
        first binary table).
    kind : str, optional
        Class of all models, for tables without a column "class": "hii", or another name.
    others : "refuse" or "keep"
        Columns that are not lines: refused, or numbers are kept as parameters (strings are left
        out).
    missing : "refuse" or "zero"
        Empty or NaN fluxes: refused, or 0; some grids omit the flux of very faint lines.

    Returns
    -------
    ModelTable

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as such a table; the message says what is wrong, and where.
    """
    path = Path(path)
    check_choice("others", others, ("refuse", "keep"))
    check_choice("missing", missing, ("refuse", "zero"))
    columns = _columns(path)
    kinds = _kinds(path, columns, kind)
    lines: dict[str, str] = {}  # label -> column
    unknown = []
    for name in columns:
        label = line_of(name)
        if label in lines:
            raise ValueError(f"{path}: columns {lines[label]!r} and {name!r} are both {label}")
        if label is not None:
            lines[label] = name
        elif _word(name) != CLASS:
            unknown.append(name)
    if unknown and others == "refuse":
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise ValueError(
            f"{path}: unknown columns {', '.join(map(repr, unknown[:10]))}{more}; keep them as "
            f'parameters with others="keep". Known lines are {", ".join(line_labels())}'
        )
    if "Hb 4861" not in lines:
        raise ValueError(
            f"{path} has no column for H beta (4861.33); add one, of 1 if fluxes are relative to it"
        )
    fluxes = {label: _fluxes(path, name, columns[name], missing) for label, name in lines.items()}
    parameters = {name: columns[name] for name in unknown if columns[name].dtype.kind == "f"}
    return _assemble(path, fluxes, kinds, parameters)


def line_of(name: str) -> str | None:
    """Return the label of the line that a column name stands for, or None.

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
    """Return a name in lower case, without brackets and spaces."""
    return re.sub(r"[\s\[\]]", "", name).lower()


def _columns(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a file by name: float64, or strings."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if suffix not in (".csv", ".fits", ".fit") or (packed and suffix == ".csv"):
        raise ValueError(f"{path}: a table of models has the suffix .csv, .fits or .fits.gz")
    _check_size(path, packed)
    columns = _read_csv(path) if suffix == ".csv" else _read_fits(path)
    if not columns or not len(next(iter(columns.values()))):
        raise ValueError(f"{path} has no models: {len(columns)} columns, no rows")
    return columns


def _check_size(path: Path, packed: bool) -> None:
    """Refuse a file that is too large before it is read."""
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
        raise ValueError(f"{path}: column {twice[0]!r} occurs twice")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ValueError(
                f"{path}: model {number} has {len(row)} cells, but the header has {len(names)}"
            )
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {name: _numbers(column) for name, column in zip(names, cells, strict=True)}


def _numbers(cells: Any) -> np.ndarray:
    """Return a column as float64, empty cells as NaN; as strings if a cell is not a number."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=str)


def _read_fits(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of the first binary table of a FITS file with one value per row."""
    from astropy.io import fits

    columns = {}
    with reading_safely(path, "FITS"), fits_parts(path) as (hdus, _):
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        data: Any = tables[0].data if tables else None
        for name in data.names if tables else ():
            values = np.asarray(data[name])
            if values.ndim == 1 and values.dtype.kind in "biuf":
                columns[name] = values.astype(np.float64)
            elif values.ndim == 1 and values.dtype.kind in "SU":
                columns[name] = np.char.strip(values.astype(str))
    if not tables:
        raise ValueError(f"{path} has no binary table")
    return columns


def _kinds(path: Path, columns: Mapping[str, np.ndarray], kind: str | None) -> np.ndarray:
    """Return the class of every model."""
    names = [name for name in columns if _word(name) == CLASS]
    if names and kind is not None:
        raise ValueError(f'{path} has a column "class"; leave out kind={kind!r}')
    if not names and not kind:
        raise ValueError(
            f'{path} has no column "class"; give the class of its models, such as kind="hii"'
        )
    if not names:
        return np.full(len(next(iter(columns.values()))), kind)
    values = columns[names[0]]
    if values.dtype.kind != "U" or not (np.char.str_len(values) > 0).all():
        raise ValueError(f'{path}: the column "class" must contain a name for every model')
    return values


def _fluxes(path: Path, name: str, values: np.ndarray, missing: str) -> np.ndarray:
    """Return the fluxes of a line, checked."""
    if values.dtype.kind != "f":
        bad = next(cell for cell in values.tolist() if not _is_number(cell))
        raise ValueError(f"{path}: column {name!r} must contain numbers; got {bad!r}")
    if missing == "zero":
        values = np.where(np.isnan(values), 0.0, values)
    for wrong, state, advice in (
        (np.isnan(values), "empty or NaN", 'give missing="zero" if this means a faint line'),
        (~np.isfinite(values), "not finite", "correct it or leave the model out"),
        (values < 0, "negative", "logarithms must be converted to fluxes first"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise ValueError(f"{path}: column {name!r} is {state} in model {row}; {advice}")
    return values


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _assemble(
    path: Path,
    fluxes: dict[str, np.ndarray],
    kinds: np.ndarray,
    parameters: dict[str, np.ndarray],
) -> ModelTable:
    """Return the table, with the lines in the order of the labels and relative to H beta."""
    labels = line_labels()
    beta = fluxes["Hb 4861"]
    if not (beta > 0).all():
        bad = int(np.argmin(beta > 0))
        raise ValueError(f"{path}: H beta must be above 0; it is {beta[bad]:g} in model {bad + 1}")
    usual = dict(zip(labels, emissivities([1e4], [100.0])[0].tolist(), strict=True))
    given = set(fluxes)
    for label in labels:
        other = "Hb 4861" if label in HYDROGEN else PARTNERS.get(label)
        back = next((one for one, two in PARTNERS.items() if two == label), None)
        source = next((each for each in (other, back) if each in given), None)
        if label not in given and source is not None:
            fluxes[label] = fluxes[source] * usual[label] / usual[source]
    none = np.zeros_like(beta)
    with np.errstate(over="ignore"):  # lines that are too bright are reported below
        flux = np.stack([fluxes.get(label, none) for label in labels], axis=1) / beta[:, None]
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
        tuple(label for label in labels if label in fluxes and label not in given),
        tuple(label for label in labels if label not in fluxes),
    )
