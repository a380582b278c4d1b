"""The linear maps that a new network starts from: to principal components, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

# Side of the squares in which a covariance is computed, and how many inputs are added at a time:
# float64 copies of all of them would be twice as large as they.
_SQUARE, _ROWS = 256, 8192


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
    values, vectors = _largest(_covariance(inputs), min(latent, inputs.shape[1]))
    # The sign of an eigenvector is arbitrary: its largest element is made positive.
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    usable = values > 1e-10 * values[0]
    positive = values.clamp(min=1e-300)
    size = positive if whiten else positive.mean().expand_as(positive)
    scale = torch.where(usable, size.rsqrt(), 0.0)
    axes = inputs.new_zeros(latent, inputs.shape[1])
    axes[: len(values)] = (vectors * torch.sign(largest) * scale).T.to(inputs.dtype)
    return axes


def _covariance(inputs: Tensor) -> Tensor:
    """Return the covariance (channel, channel), float64, of centred inputs (n, channel).

    The part below the diagonal is copied: it would take as long again.
    """
    size = inputs.shape[1]
    squares = [slice(first, first + _SQUARE) for first in range(0, size, _SQUARE)]
    product = inputs.new_zeros(size, size, dtype=torch.float64)
    for part in inputs.split(_ROWS):
        values = part.double()
        for rows in squares:
            product[rows, rows.start :] += values[:, rows].T @ values[:, rows.start :]
    for rows in squares:
        product[rows.stop :, rows] = product[rows, rows.stop :].T
    return product / max(1, len(inputs) - 1)


def _largest(symmetric: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalues (count,), descending, and their vectors (channel, count).

    Not all of them: of 2048 channels, that takes three times as long.
    """
    from scipy.linalg import eigh

    size = len(symmetric)
    found = eigh(
        symmetric.numpy(force=True),
        subset_by_index=(size - count, size - 1),
        check_finite=False,
    )
    values, vectors = (
        torch.from_numpy(np.ascontiguousarray(each)).to(symmetric.device) for each in found
    )
    return values.flip(0), vectors.flip(1)


@torch.no_grad()
def decode_linearly(layers: Sequence[nn.Linear], axes: Tensor) -> None:
    """Set linear layers with ReLU between them to the linear map back from principal components.

    A component and its negative are two units of every hidden layer, which ReLU leaves as they are
    or sets to 0; the last layer takes their difference. Of the other units the last layer takes
    nothing at first; their weights stay as they were drawn.

    Parameters
    ----------
    layers : sequence of Linear
        Every hidden one at least 2 latent wide.
    axes : tensor (latent, channel)
        Of :func:`principal_axes`.

    Examples
    --------
    >>> axes = torch.tensor([[0.5, 0.0, 0.0], [0.0, 2.0, 0.0]])
    >>> layers = [nn.Linear(2, 8), nn.Linear(8, 3)]
    >>> decode_linearly(layers, axes)
    >>> latent = torch.tensor([[1.0, -2.0]])
    >>> (layers[1](layers[0](latent).relu()) - layers[1].bias).detach().round(decimals=4)
    tensor([[ 2., -1.,  0.]])
    """
    *hidden, last = layers
    latent = len(axes)
    back = torch.linalg.pinv(axes.double()).to(axes.dtype)  # (channel, latent)
    unit = torch.eye(latent, dtype=axes.dtype, device=axes.device)
    pairs = torch.cat([unit, -unit])  # (2 latent, latent)
    last.weight.zero_()
    if not hidden:
        last.weight.copy_(back)
        return
    for layer in hidden:
        layer.weight[: len(pairs)] = 0
        layer.weight[: len(pairs), : pairs.shape[1]] = pairs
        layer.bias[: len(pairs)] = 0
        pairs = torch.eye(2 * latent, dtype=axes.dtype, device=axes.device)
    last.weight[:, :latent] = back
    last.weight[:, latent : 2 * latent] = -back
