"""Encode and decode with a trained network: all that a worker of a cluster carries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .autoencoder import Autoencoder
from .shape import Network

# Spectra are encoded in zero-padded blocks of exactly this many rows: a matrix product of one
# shape gives the same bits for a row wherever it stands and however the cube is cut.
ENCODE_ROWS = 2048


class Codec:
    """The encoder and the decoder of a network, between numpy arrays.

    It computes where the weights of the network are.

    Parameters
    ----------
    model : Autoencoder
    """

    def __init__(self, model: Autoencoder) -> None:
        self.model = model

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return latents (n, latent), float32; assumes checked inputs (n, input channel)."""
        return self._in_blocks(lambda block: self.model.encode(block)[0], inputs)

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Return spectra (n, input channel), float32; assumes checked latents (n, latent)."""
        return self._in_blocks(self.model.decode, latent)

    @torch.no_grad()
    def _in_blocks(
        self, function: Callable[[torch.Tensor], torch.Tensor], rows: np.ndarray
    ) -> np.ndarray:
        """Apply a row-wise function in zero-padded blocks of ``ENCODE_ROWS`` rows."""
        self.model.eval()
        parts = []
        device = next(self.model.parameters()).device
        block = torch.zeros(ENCODE_ROWS, rows.shape[1], device=device)
        for start in range(0, max(1, len(rows)), ENCODE_ROWS):
            part = rows[start : start + ENCODE_ROWS]
            block[: len(part)] = torch.from_numpy(part)
            block[len(part) :] = 0
            parts.append(function(block)[: len(part)].numpy(force=True))
        return np.concatenate(parts)


def principal_codec(inputs: np.ndarray, latent: int) -> Codec:
    """Return the encoder of a new network that is not trained: principal components.

    Its decoder is not trained.

    Parameters
    ----------
    inputs : array (n, input channel), float32
    latent : int
    """
    network = Network(latent=latent, depth=0, linear_path=True)
    model = Autoencoder(network, inputs.shape[1], "identity", generator=torch.Generator())
    model.start_from(torch.from_numpy(inputs), whiten=False)
    return Codec(model)
