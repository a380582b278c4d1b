"""The terms of the loss and how training weights them (arXiv 2401.17695, eqs. 1-6)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spectessera._util.check import check_choice
from spectessera.kmeans import half_tiles

from .schedule import TOTALS

# Weight of the cross-entropy of shares beside their squared error.
LOGITS = 0.1
# Least expectation under a logarithm: the loss of a count that was not expected stays finite.
SMALLEST = 1e-12


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error over all elements (eq. 1)."""
    return torch.nn.functional.mse_loss(output, target)


def weighted_squares(output: Tensor, target: Tensor, variance: Tensor) -> Tensor:
    """Return the mean of squared errors over their variances (chi^2 per element).

    An element whose variance is not positive has no weight.
    """
    weight = torch.where(variance > 0, 1 / variance.clamp(min=torch.finfo(variance.dtype).tiny), 0)
    return ((output - target).square() * weight).mean()


def poisson(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean Poisson negative log-likelihood of counts, above that of a perfect fit.

    output - target - target log(output / target), half the deviance, with expectations ``output``
    > 0. It is never negative: multiplied by a factor that grows with the cluster term
    (:func:`total_loss`), a negative loss would favour bad clusters.
    """
    perfect = torch.xlogy(target, target) - target
    return (output - target * torch.log(output.clamp(min=SMALLEST)) + perfect).mean()


def multinomial_of_roots(output: Tensor, target: Tensor) -> Tensor:
    """Return :func:`multinomial` of the squares of output and target.

    The square root of counts, over its root sum of squares, is the root of each channel's share.
    """
    share = target.square()
    return -2 * (share * torch.log(output.clamp(min=SMALLEST))).mean()


def multinomial(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean multinomial negative log-likelihood of counts, without its constant.

    -target log(output), with probabilities ``output`` that sum to 1.
    """
    return -(target * torch.log(output.clamp(min=SMALLEST))).mean()


def composition_error(predicted: Tensor, shares: Tensor) -> Tensor:
    """Return the error of a linear head that predicts shares (n, component) of known components.

    ``predicted`` (n, 2 component) holds shares, which enter by half their squared error, and
    logits, which enter by a tenth of their cross-entropy. The squared error makes the latent linear
    in the shares: a mixture of two components lies on the line between them, as the distances of
    k-means need it. The cross-entropy separates components that differ only a little.
    """
    linear, logits = predicted.chunk(2, dim=1)
    squares = 0.5 * (linear - shares).square().sum(1).mean()
    return squares + LOGITS * nn.functional.cross_entropy(logits, shares)


def contrast(latent: Tensor, twin: Tensor, temperature: float = 0.2) -> Tensor:
    """Return the InfoNCE loss (van den Oord et al. 2018) of latents (n, latent) and their twins.

    Each latent is to be nearest in direction to its own twin among all, and vice versa.
    """
    one, other = (nn.functional.normalize(each, dim=1) for each in (latent, twin))
    scores = one @ other.T / temperature
    truth = torch.arange(len(scores), device=scores.device)
    cross_entropy = nn.functional.cross_entropy
    return (cross_entropy(scores, truth) + cross_entropy(scores.T, truth)) / 2


class _Discrepancy(torch.autograd.Function):
    """The squared discrepancy c^T K c of signed points, with its closed-form gradient.

    Value and gradient come from one pass over half of the symmetric kernel matrix K, in tiles:
    with c = 1/n for the points of one sample and -1/m for those of the other, the gradient with
    respect to x is 2 c (K (c x) - (K c) x).
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor, sign: Tensor) -> Tensor:
        # Rows, not columns: with so few, a product of contiguous ones is four times as fast.
        wide = torch.cat([points.T, points.new_ones(1, len(points))]) * sign.T  # (d + 1, n)
        moved = torch.zeros_like(wide)  # K (c x), K c
        for rows, columns, mirrored, squares, _ in half_tiles(points):
            kernel = squares.mul_(-0.5).exp_()
            moved[:, rows].addmm_(wide[:, columns], kernel.T)
            if mirrored:
                moved[:, columns].addmm_(wide[:, rows], kernel)
        slope = 2 * sign * (moved[:-1] - moved[-1:] * points.T).T
        ctx.save_for_backward(slope)
        # Nearly equal terms cancel here; rounding may leave a negative remainder.
        return (sign.T * moved[-1:]).sum(dtype=torch.float64).clamp(min=0).to(points.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None


def maximum_mean_discrepancy(sample: Tensor, other: Tensor, bandwidth: float) -> Tensor:
    """Return the squared maximum mean discrepancy of two samples (n, d), (m, d).

    mean k(p, p) + mean k(z, z) - 2 mean k(p, z) with the kernel exp(-|x - y|^2 / (2 s^2)) of
    bandwidth s (Gretton et al. 2008; InfoVAE of Zhao et al. 2018). The terms of each point with
    itself are included, so it is never negative.
    """
    both = torch.cat([sample, other]) / bandwidth
    sign = both.new_full((len(both), 1), -1 / len(other))
    sign[: len(sample)] = 1 / len(sample)
    return _Discrepancy.apply(both, sign)  # type: ignore[no-untyped-call]


def cluster_term(silhouette: Tensor) -> Tensor:
    """Return L_s = (1 - silhouette) / 2, in [0, 1] (eq. 3)."""
    return (1 - silhouette) / 2


def total_loss(base: Tensor, cluster: Tensor, gamma: float | Tensor, form: str) -> Tensor:
    """Combine terms: base (1 + gamma L_s)/(1 + gamma) ("normalised"), else base + gamma L_s.

    Eqs. 4-6. The normalised form does not depend on the unit of the spectra.
    """
    check_choice("total", form, TOTALS)
    if form != "normalised":
        return base + gamma * cluster
    return base * (1 + gamma * cluster) / (1 + gamma)
