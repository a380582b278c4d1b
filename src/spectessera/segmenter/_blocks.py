"""From the blocks of a cube to latents."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera._util.threads import prefetch
from spectessera.cube import Block, blocks, read_block
from spectessera.network.codec import Codec
from spectessera.preprocess.intake import Intake, inputs_in_parts
from spectessera.preprocess.spikes import despiked


def encode_pixels(cube: xr.DataArray, intake: Intake, codec: Codec, size: int) -> np.ndarray:
    """Return the latents (y * x, size), float32, of all pixels of a checked cube.

    Masked and unusable pixels are NaN. Some blocks are read ahead.
    """

    def encode(block: Block) -> list[tuple[np.ndarray, np.ndarray]]:
        parts = inputs_in_parts(read_block(cube, block), intake)
        return [(part.pixel[part.usable], codec.encode(part.inputs)) for part in parts]

    cube = despiked(cube, intake.preprocess)
    latent = np.full((cube.sizes["y"] * cube.sizes["x"], size), np.nan, np.float32)
    for parts in prefetch(encode, blocks(cube)):
        for pixel, points in parts:
            latent[pixel] = points
    return latent
