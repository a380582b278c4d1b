"""Dropout that costs little: four elements share a random number of 64 bits.

An element takes 16 bits, so the probability of dropout is rounded to a multiple of 2^-16. The
elements are changed in place, in parts that stay in the cache of a core. The random numbers of a
seed are those of PyTorch's generator itself, whatever the processor (design page 23).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_VALUES, _LOWEST = 2**16, -(2**15)  # of an int16
# Elements of a part: with their noise, half a MiB. A multiple of four.
_PART = 2**16
# The value of SELU far below 0, at which alpha dropout puts an element (Klambauer et al. 2017).
SATURATED = -1.7580993408473766


def noisy_parts(points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the elements of a contiguous tensor in parts (m,), each with its noise (m,).

    The noise, of the same type, is whole numbers from -2^15 to 2^15 - 1 from the global generator.
    It is overwritten when the next part is requested.
    """
    flat = points.view(-1)
    words = torch.empty(-(-min(_PART, len(flat)) // 4), dtype=torch.int64, device=flat.device)
    noise = torch.empty(4 * len(words), dtype=flat.dtype, device=flat.device)
    for part in flat.split(_PART):
        drawn = words[: -(-len(part) // 4)].random_(-(2**63), None)
        yield part, noise[: len(part)].copy_(drawn.view(torch.int16)[: len(part)])


class _Drop:
    """What a probability of dropout means.

    Attributes
    ----------
    p : float
        The probability, rounded.
    least : float
        An element whose noise is below is dropped.
    """

    def __init__(self, p: float) -> None:
        dropped = round(p * _VALUES)
        self.p = dropped / _VALUES
        self.least = _LOWEST + dropped - 0.5


def _keep_above_(points: Tensor, other: Tensor, least: float) -> None:
    """Put 0 where ``other`` is not above ``least``: the fastest of PyTorch's masks."""
    torch.ops.aten.threshold_backward.grad_input(points, other, least, grad_input=points)


class _DroppedRelu(torch.autograd.Function):
    """ReLU and dropout, in place; what is above 0 after them has a gradient."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, p: float) -> Tensor:
        drop = _Drop(p)
        ctx.factor = 1 / (1 - drop.p)
        for part, noise in noisy_parts(points):
            _keep_above_(part, noise, drop.least)
            part.relu_().mul_(ctx.factor)
        ctx.mark_dirty(points)
        ctx.save_for_backward(points)
        return points

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (points,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, points, 0.0).mul_(ctx.factor), None


class _AlphaDropped(torch.autograd.Function):
    """Alpha dropout of an output of SELU, in place: a x + b, and x = SATURATED where dropped.

    That is the lowest value of SELU, with a slope of 0: a gradient belongs to what is above it.
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor, p: float) -> Tensor:
        drop = _Drop(p)
        ctx.factor = ((1 - drop.p) * (1 + drop.p * SATURATED**2)) ** -0.5
        ctx.lowest = ctx.factor * SATURATED * (1 - drop.p)  # mean 0 and variance 1 are kept
        for part, noise in noisy_parts(points):
            part.sub_(SATURATED)
            _keep_above_(part, noise, drop.least)
            part.mul_(ctx.factor).add_(ctx.lowest)
        ctx.mark_dirty(points)
        ctx.save_for_backward(points)
        return points

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (points,) = ctx.saved_tensors
        kept = torch.ops.aten.threshold_backward(grad, points, ctx.lowest)
        return kept.mul_(ctx.factor), None


class Dropout(nn.Dropout):
    """As ``torch.nn.Dropout``."""

    def forward(self, points: Tensor) -> Tensor:
        """Return the points, some of them dropped in training."""
        if not self.training:
            return points
        drop, factors = _Drop(self.p), torch.empty_like(points)
        for part, noise in noisy_parts(factors):
            torch.gt(noise, drop.least, out=part)
        return points * factors.mul_(1 / (1 - drop.p))


class DroppedRelu(nn.Dropout):
    """``torch.nn.ReLU`` and ``torch.nn.Dropout`` in one; in training, in place."""

    def forward(self, points: Tensor) -> Tensor:
        """Return the positive points, some of them dropped in training."""
        return _apply(_DroppedRelu, points, self.p) if self.training else points.relu()


class AlphaDropout(nn.AlphaDropout):
    """As ``torch.nn.AlphaDropout``, for outputs of SELU; in training, in place."""

    def forward(self, points: Tensor) -> Tensor:
        """Return the points, some of them dropped in training."""
        return _apply(_AlphaDropped, points, self.p) if self.training else points


def _apply(function: type[torch.autograd.Function], points: Tensor, p: float) -> Tensor:
    return function.apply(points, p)
