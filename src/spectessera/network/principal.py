"""The linear map that the encoder of a new network starts from."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_axes(inputs: Tensor, latent: int, *, whiten: bool) -> Tensor:
    """Return the map (latent, channel) to principal components; float64 inside.

    Dimensions beyond the rank of the inputs are zero.

    Parameters
    ----------
    inputs : tensor (n, channel)
        Centred.
    latent : int
    whiten : bool
        Whether every component has unit variance; if not, the mean of their variances is 1.

    Examples
    --------
    >>> inputs = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> (inputs @ principal_axes(inputs, 2, whiten=True).T).var(0)
    tensor([1.0000, 1.0000])
    >>> (inputs @ principal_axes(inputs, 2, whiten=False).T).var(0)
    tensor([1.8000, 0.2000])
    """
    double = inputs.double()
    covariance = double.T @ double / max(1, len(double) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    count = min(latent, len(values))
    values, vectors = values[-count:].flip(0), vectors[:, -count:].flip(1)
    # The sign of an eigenvector is arbitrary: its largest element is made positive.
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    usable = values > 1e-10 * values[0]
    positive = values.clamp(min=1e-300)
    size = positive if whiten else positive.mean().expand_as(positive)
    scale = torch.where(usable, size.rsqrt(), 0.0)
    axes = inputs.new_zeros(latent, inputs.shape[1])
    axes[:count] = (vectors * torch.sign(largest) * scale).T.to(inputs.dtype)
    return axes
