"""The latents of a cube as a cube of a few channels, and the way back to spectra."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import DIMS, blocks, check_cube, to_spectra, with_axis
from spectessera.network.codec import ENCODE_ROWS
from spectessera.preprocess.intake import inputs_in_parts
from spectessera.preprocess.spikes import despiked
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.variance import with_usable_variance

from .blockwork import Task
from .corridor import BlockProgress, Corridor, context_of
from .passes import BlockContext
from .resultmaps import ResultMaps

MODEL = "latent_of_model"  # attribute of a latent cube: the fingerprint of its model


def encode_cube(
    cube: xr.DataArray, segmenter: SpectralSegmenter, *, progress: BlockProgress | None = None
) -> tuple[xr.DataArray, dict[str, Any]]:
    """Return the latent cube, and how much smaller and how exact it is.

    A chunked cube is encoded block by block, on the workers of a ``distributed.Client`` where one
    is active; only the latents are in memory as a whole.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    segmenter : SpectralSegmenter
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    latent : DataArray (y, x, channel)
        One plain channel per latent dimension; NaN where a pixel is masked or unusable.
    facts : dict
        ``channels`` and ``latent``, the numbers of channels and of latent dimensions;
        ``bytes_cube``, ``bytes_latent``, ``bytes_model`` (the weights, which decoding needs);
        ``ratio`` of the cube to the latents and ``ratio_with_model`` to latents and weights;
        ``relative_error``: root mean square of input minus decoded over that of the input, of all
        usable pixels, in network-input units.

    Raises
    ------
    ValueError
        If the axis is of another kind than that of the training, or covers too little of it.
    """
    cube = with_usable_variance(check_cube(cube), compute=True)
    cube = despiked(cube, segmenter.config("preprocess"))
    size = segmenter.cluster_centers_.shape[1]
    maps = ResultMaps(cube)
    corridor = Corridor(cube, context_of(cube, segmenter), maps, progress=progress)
    maps.add("latent_cube", size)
    missed = power = 0.0
    tasks = (Task(block) for block in blocks(cube))
    for (block, *_), compressed in corridor.run("encode", compress_block, tasks):
        maps.put("latent_cube", block, compressed.usable, compressed.latent)
        missed += compressed.missed
        power += compressed.power
    names = ("source", "wcs", "object")
    attrs = {name: cube.attrs[name] for name in names if name in cube.attrs}
    attrs[MODEL] = segmenter.fingerprint()
    latent = xr.DataArray(maps.array("latent_cube"), dims=DIMS, attrs=attrs)
    latent = with_axis(latent, Axis(np.arange(size)))
    weights = sum(each.nbytes for each in segmenter.weights().values())
    facts = {
        "channels": cube.sizes["channel"],
        "latent": size,
        "bytes_cube": int(cube.nbytes),
        "bytes_latent": int(latent.nbytes),
        "bytes_model": int(weights),
        "ratio": cube.nbytes / latent.nbytes,
        "ratio_with_model": cube.nbytes / (latent.nbytes + weights),
        "relative_error": float(np.sqrt(missed / power)) if power > 0 else 0.0,
    }
    return latent, facts


class CompressedBlock(NamedTuple):
    """One block as latents; of m usable pixels.

    Attributes
    ----------
    usable : array (y * x,), bool
    latent : array (m, latent)
    missed, power : float
        Sums of squares over all channels of these pixels: of the network inputs minus the decoded
        ones, and of the inputs.
    """

    usable: np.ndarray
    latent: np.ndarray
    missed: float
    power: float


def compress_block(context: BlockContext, part: xr.DataArray) -> CompressedBlock:
    """Read, screen, preprocess, encode and decode one block (y, x, channel) in memory."""
    assert context.decoder is not None
    usable = np.zeros(part.sizes["y"] * part.sizes["x"], bool)
    latents, missed, power = [], 0.0, 0.0
    for read in inputs_in_parts(to_spectra(part), context.intake):
        usable[read.pixel] = read.usable
        latent = context.encoder.encode(read.inputs)
        latents.append(latent)
        left = read.inputs - context.decoder.decode(latent)
        missed += float(np.square(left, dtype=np.float64).sum())
        power += float(np.square(read.inputs, dtype=np.float64).sum())
    return CompressedBlock(usable, np.concatenate(latents), missed, power)


def decode_cube(latent: xr.DataArray, segmenter: SpectralSegmenter) -> xr.DataArray:
    """Return the spectra of a latent cube, in network-input units on the input axis.

    Parameters
    ----------
    latent : DataArray (y, x, channel)
        Of :func:`encode_cube`; pixels with NaN stay NaN. If it is chunked, the spectra are chunked
        too, and decoded when they are computed.
    segmenter : SpectralSegmenter

    Raises
    ------
    ValueError
        If it does not have as many channels as the model has latent dimensions, or was encoded
        by another model.
    """
    latent = check_cube(latent)
    size = segmenter.cluster_centers_.shape[1]
    if latent.sizes["channel"] != size:
        raise ValueError(
            f"latent cubes of this model have {size} channels; this one has "
            f"{latent.sizes['channel']}"
        )
    made_by = latent.attrs.get(MODEL)
    if made_by is not None and made_by != segmenter.fingerprint():
        raise ValueError(
            "the latent cube was encoded by another model, whose latents have another meaning; "
            "decode it with that model"
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
    return with_axis(xr.DataArray(spectra, dims=DIMS, attrs=attrs), axis)


def _decode_block(latent: np.ndarray, segmenter: SpectralSegmenter, channels: int) -> np.ndarray:
    """Decode latents (y, x, latent) a few rows at a time, with one copy of the spectra."""
    points = np.ascontiguousarray(latent, dtype=np.float32).reshape(-1, latent.shape[2])
    usable = np.flatnonzero(np.isfinite(points).all(axis=1))
    spectra = np.full((len(points), channels), np.nan, np.float32)
    for start in range(0, len(usable), ENCODE_ROWS):
        rows = usable[start : start + ENCODE_ROWS]
        spectra[rows] = segmenter.inverse_transform(points[rows])
    return spectra.reshape(*latent.shape[:2], channels)
