"""From the blocks of a cube to latents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.threads import prefetch
from spectessera.cube import Block, blocks
from spectessera.network.codec import Codec
from spectessera.preprocess.intake import Intake, read_inputs


class EncodedBlock(NamedTuple):
    """As :class:`spectessera.preprocess.intake.BlockInputs`, with ``latent (m, latent)``."""

    pixel: np.ndarray
    quality: np.ndarray
    usable: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray
    latent: np.ndarray


def encode_blocks(cube: xr.DataArray, intake: Intake, codec: Codec) -> Iterator[EncodedBlock]:
    """Read, screen, preprocess and encode a cube block by block."""

    def encode(block: Block) -> EncodedBlock:
        read = read_inputs(cube, block, intake)
        return EncodedBlock(*read, codec.encode(read.inputs))

    return prefetch(encode, blocks(cube))
