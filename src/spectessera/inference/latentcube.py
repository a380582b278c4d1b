"""The latents of a cube as a cube of their own: a few numbers per pixel, and back to spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import blocks, check_cube, make_cube, with_axis
from spectessera.network.codec import ENCODE_ROWS
from spectessera.segmenter.estimator import SpectralSegmenter

BlockProgress = Callable[[str, int, int], None]
MODEL = "latent_of_model"  # the attribute of a latent cube that says which model made it


def encode_cube(
    cube: xr.DataArray, segmenter: SpectralSegmenter, *, progress: BlockProgress | None = None
) -> tuple[xr.DataArray, dict[str, Any]]:
    """Return the latent cube and how well it stands for the cube.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    segmenter : SpectralSegmenter
    progress : callable, optional
        Called with the name of the step, the blocks done and the blocks in all.

    Returns
    -------
    latent : DataArray (y, x, channel)
        One plain channel per latent dimension; NaN where a pixel is masked or unusable.
    told : dict
        ``channels``, ``latent``, ``bytes_cube``, ``bytes_latent``, ``bytes_model`` (the weights,
        without which nothing is decoded), ``ratio`` of the cube to the latents,
        ``ratio_with_model`` to latents and weights, and ``relative_error``: root mean square of
        input minus decoded over that of the input, of all usable pixels, in network-input units.

    Raises
    ------
    ValueError
        If the axis is not that of the training.
    """
    cube = check_cube(cube)
    height, width = cube.sizes["y"], cube.sizes["x"]
    size = segmenter.cluster_centers_.shape[1]
    latent = np.full((height * width, size), np.nan, np.float32)
    missed = power = 0.0
    total = sum(1 for _ in blocks(cube))
    for done, part in enumerate(segmenter.encode_blocks(cube), start=1):
        latent[part.pixel[part.usable]] = part.latent
        if len(part.latent):
            decoded = segmenter.inverse_transform(part.latent)
            missed += float(np.square(part.inputs - decoded, dtype=np.float64).sum())
            power += float(np.square(part.inputs, dtype=np.float64).sum())
        if progress is not None:
            progress("encode", done, total)
    names = ("source", "wcs", "object")
    attrs = {name: cube.attrs[name] for name in names if name in cube.attrs}
    attrs[MODEL] = segmenter.fingerprint()
    made = make_cube(latent.reshape(height, width, size), attrs=attrs)
    weights = sum(each.nbytes for each in segmenter.weights().values())
    told = {
        "channels": cube.sizes["channel"],
        "latent": size,
        "bytes_cube": int(cube.nbytes),
        "bytes_latent": int(latent.nbytes),
        "bytes_model": int(weights),
        "ratio": cube.nbytes / latent.nbytes,
        "ratio_with_model": cube.nbytes / (latent.nbytes + weights),
        "relative_error": float(np.sqrt(missed / power)) if power > 0 else 0.0,
    }
    return made, told


def decode_cube(latent: xr.DataArray, segmenter: SpectralSegmenter) -> xr.DataArray:
    """Return the spectra of a latent cube, in network-input units on the input axis.

    Parameters
    ----------
    latent : DataArray (y, x, channel)
        Of :func:`encode_cube`; pixels with NaN stay NaN. Of a chunked one the spectra are chunked
        too, and decoded when they are asked for.
    segmenter : SpectralSegmenter

    Raises
    ------
    ValueError
        If it has not as many channels as the model has latent dimensions, or was encoded by
        another model.
    """
    latent = check_cube(latent)
    size = segmenter.cluster_centers_.shape[1]
    if latent.sizes["channel"] != size:
        raise ValueError(
            f"a latent cube of this model has {size} channels; this has {latent.sizes['channel']}"
        )
    made_by = latent.attrs.get(MODEL)
    if made_by is not None and made_by != segmenter.fingerprint():
        raise ValueError(
            "the latent cube was encoded by another model, whose latents mean something else; "
            "decode it with that one"
        )
    axis: Axis = segmenter.input_axis_

    def decoded(part: np.ndarray) -> np.ndarray:
        return _decode_block(part, segmenter, len(axis))

    if latent.chunks is None:
        spectra = decoded(latent.values)
    else:
        whole = latent.data.rechunk({2: size})
        spectra = whole.map_blocks(
            decoded, dtype=np.float32, chunks=(*whole.chunks[:2], (len(axis),)), meta=whole._meta
        )
    attrs = {name: value for name, value in latent.attrs.items() if name != MODEL}
    return with_axis(make_cube(spectra, attrs=attrs), axis)


def _decode_block(latent: np.ndarray, segmenter: SpectralSegmenter, channels: int) -> np.ndarray:
    """Decode latents (y, x, latent) a few rows at a time: one copy of the spectra is held."""
    points = np.ascontiguousarray(latent, dtype=np.float32).reshape(-1, latent.shape[2])
    usable = np.flatnonzero(np.isfinite(points).all(axis=1))
    spectra = np.full((len(points), channels), np.nan, np.float32)
    for start in range(0, len(usable), ENCODE_ROWS):
        rows = usable[start : start + ENCODE_ROWS]
        spectra[rows] = segmenter.inverse_transform(points[rows])
    return spectra.reshape(*latent.shape[:2], channels)
