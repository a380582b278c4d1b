"""A model is one safetensors file: arrays, and everything else as one JSON string of metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from spectessera._util.files import atomic, package_data
from spectessera._util.reading import check_regular

FORMAT = 2
KEY = "spectessera"
MAX_TENSORS = 10_000
# Models that ship with the package; described in docs/models.md.
MODELS = ("maxrf", "nebulae", "nebulae-wide")


def model_path(name: str | Path) -> Path:
    """Return the file of a model, given by its path or by the name of a model that ships.

    Raises
    ------
    FileNotFoundError
        If there is no such file and no model of that name.
    """
    if isinstance(name, str) and name in MODELS:
        return package_data(f"models/{name}.safetensors")
    path = Path(name)
    if not path.exists() and not path.suffix:
        raise FileNotFoundError(
            f"there is no model {path}: give a file, or one of the models that ship with the "
            f"package: {', '.join(MODELS)}"
        )
    return path


def write_model(
    path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> None:
    """Write arrays and metadata to one file; after an error there is no file, or the old one.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written to.
    """
    text = json.dumps({"format": FORMAT, **metadata})
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    content = save(arrays, {KEY: text})  # save_file does not say why a file cannot be written
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def read_model(
    path: str | Path, *, unmeasured: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`write_model` wrote; nothing in the file is executed.

    Parameters
    ----------
    path : str or Path
    unmeasured : str, optional
        Beginning of the names of arrays in which NaN says "not measured"; in all others every
        value is finite.

    Returns
    -------
    dict of arrays, dict of metadata

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If it is not a model of this package, has another format or holds values that are not
        finite.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no model file {path}")
    check_regular(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a model is one .safetensors file")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(KEY)
            if text is None:
                raise ValueError(f"{path} holds tensors, but not those of a spectessera model")
            names = list(file.keys())
            if len(names) > MAX_TENSORS:
                raise ValueError(f"{path} holds {len(names)} tensors, more than a model can have")
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    except (AttributeError, TypeError) as error:  # such as bfloat16, which numpy lacks
        raise ValueError(
            f"{path} holds numbers of a type that models do not use: {error}"
        ) from error
    try:
        metadata = json.loads(text)
        number = metadata["format"]
    except (json.JSONDecodeError, RecursionError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: the description of the model cannot be read") from error
    if number != FORMAT:
        raise ValueError(
            f"{path} has model format {number!r}, but this version of spectessera reads format "
            f"{FORMAT}: update the package, or save the model again"
        )
    _refuse_not_finite(path, tensors, unmeasured)
    return tensors, metadata


def _refuse_not_finite(path: Path, tensors: dict[str, np.ndarray], unmeasured: str | None) -> None:
    """Raise an error for a value that float32 cannot hold; NaN may say "not measured"."""
    for name, array in tensors.items():
        if array.dtype.kind != "f":
            continue
        fine = np.abs(array) <= np.finfo(np.float32).max
        if unmeasured is not None and name.startswith(unmeasured):
            fine |= np.isnan(array)
        if not fine.all():
            raise ValueError(f"{path}: {name} holds values that are not finite")
