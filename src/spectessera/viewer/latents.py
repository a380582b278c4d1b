"""A sample of pixels with their latents, for the scatter plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import make_cube, with_axis
from spectessera.resultfolder import MODEL, as_table, read_manifest

from .opening import Opened
from .spectra import PixelSpectra

MOST_POINTS = 4000
FEWEST_PIECES = 8
_MOST_BYTES = 2**28  # that are unpacked for the sample
_SEED = 0


@dataclass(frozen=True)
class Latents:
    """Latents of some pixels.

    Attributes
    ----------
    values : array (n, latent), float32
    y, x : array (n,), int64
    """

    values: np.ndarray
    y: np.ndarray
    x: np.ndarray


def latents_of(opened: Opened, label: np.ndarray, pixels: PixelSpectra | None) -> Latents:
    """Return the latents of a random sample of the pixels that have a label.

    Parameters
    ----------
    opened : Opened
    label : array (y, x)
    pixels : PixelSpectra or None
        Of the cube.

    Raises
    ------
    ValueError
        If the result has no latents and they cannot be computed, because the model or the cube is
        missing.
    """
    result = opened.result
    if result is not None and "latent_cube" in result:
        stored = result["latent_cube"].transpose("y", "x", "latent")
        y, x = _sample(label, MOST_POINTS)
        values = stored.values[y, x].astype(np.float32)
    else:
        model = None if opened.folder is None else model_of(opened.folder)
        if model is None or pixels is None or opened.cube is None:
            raise ValueError(
                "the latents need the model and the cube of the result, or a result that was "
                "written with its latents (segment --also latent)"
            )
        y, x = _sample(_near(label, pixels), MOST_POINTS)
        values = _encoded(model, opened.cube, pixels, y, x)
    known = np.isfinite(values).all(axis=1)
    return Latents(values[known], y[known], x[known])


def _near(label: np.ndarray, pixels: PixelSpectra) -> np.ndarray:
    """Return labels (y, x), 0 except in so few pieces of a file that they are soon unpacked."""
    rows, columns, _ = pixels.stored.piece
    y, x = np.ogrid[: label.shape[0], : label.shape[1]]
    piece = (y // rows) * -(-label.shape[1] // columns) + x // columns
    used = np.unique(piece[label > 0])
    most = max(FEWEST_PIECES, int(_MOST_BYTES // max(1, pixels.stored.spectrum_bytes())))
    if len(used) <= most:
        return label
    chosen = np.random.default_rng(_SEED).choice(used, most, replace=False)
    return np.where(np.isin(piece, chosen), label, 0)


def _sample(label: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of at most so many pixels with a label."""
    places = np.flatnonzero(label.ravel() > 0)
    if len(places) > most:
        places = np.sort(np.random.default_rng(_SEED).choice(places, most, replace=False))
    y, x = np.unravel_index(places, label.shape)
    return y, x


def model_of(folder: Path) -> Path | None:
    """Return the model of a result: trained for it, or one that its manifest names."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    if MODEL in manifest.names and (folder / MODEL).is_file():
        return folder / MODEL
    path = as_table(as_table(manifest.facts.get("inputs")).get("model")).get("path")
    return Path(path) if isinstance(path, str) and Path(path).is_file() else None


def _encoded(
    model: Path, cube: xr.DataArray, pixels: PixelSpectra, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Return the latents (n, latent) of pixels of a cube."""
    from spectessera.cube import spectral_axis
    from spectessera.segmenter import load

    spectra = np.stack([pixels.read(*place) for place in zip(y.tolist(), x.tolist(), strict=True)])
    row = _row(spectra, spectral_axis(cube), cube)
    return load(str(model)).transform(row)


def _row(spectra: np.ndarray, axis: Axis, like: xr.DataArray) -> xr.DataArray:
    """Return spectra (n, channel) as a cube of one row, with what is known of the whole one."""
    made = with_axis(make_cube(spectra[None]), axis)
    if "bad_channel" in like.coords:
        made = made.assign_coords(bad_channel=("channel", like.coords["bad_channel"].values))
    made.attrs = dict(like.attrs)
    return made
