"""The metric in which points are clustered: their own, whitened, or on the unit sphere.

k-means assumes that clusters are balls of one size. Whitening (unit covariance over all points)
gives every direction of the latent space the same weight; half-whitening is half of that step on a
logarithmic scale. On the unit sphere the length of a point has no influence.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Power of the eigenvalues of the covariance with which each metric multiplies.
_POWER = {
    "half-whitened": -0.25,
    "whitened": -0.5,
    "half-whitened-sphere": -0.25,
    "whitened-sphere": -0.5,
}
# A direction with less than this share of the largest variance is rounding, or an unused dimension.
_NO_VARIANCE = 1e-7
# With more dimensions than this the covariance is one matrix product, else many of a few points.
_MANY_DIMENSIONS = 64
_ROWS = 65_536
_FEW_POINTS = 128
# Points are moved in blocks of exactly this size, padded with zeros, so that the result for a point
# does not depend on the others (docs/design/0004-fixed-blocks.md). So are their dimensions, to a
# multiple of this number: with 5, 10 and a few others, the sums of a row depend on where it is.
_BLOCK, _WIDTH = 2048, 8


class Metric(NamedTuple):
    """A map of points into the space in which Euclidean distances are taken.

    Attributes
    ----------
    name : str
        One of :data:`spectessera.kmeans.settings.METRICS`.
    mean : tensor (d,)
    matrix : tensor (d, d)
        Symmetric; the identity for "euclidean".
    """

    name: str
    mean: Tensor
    matrix: Tensor

    def move(self, points: Tensor) -> Tensor:
        """Return the points (n, d) in the space of the metric, (n, d).

        Differentiable with respect to the points; mean and matrix are constants of the gradient.
        Without a gradient, the result for a point depends on no other point.
        """
        if self.name == "euclidean":
            return points
        if points.requires_grad:
            moved = (points - self.mean) @ self.matrix
        else:
            moved, d = torch.empty_like(points), points.shape[1]
            missing = -d % _WIDTH
            matrix = torch.nn.functional.pad(self.matrix, (0, missing, 0, missing))
            block = points.new_zeros(_BLOCK, d + missing)
            for part, target in zip(points.split(_BLOCK), moved.split(_BLOCK), strict=True):
                block[: len(part), :d] = part - self.mean
                block[len(part) :] = 0
                target.copy_((block @ matrix)[: len(part), :d])
        if not self.name.endswith("sphere"):
            return moved
        length = moved.square().sum(1, keepdim=True).sqrt()
        return moved / torch.where(length > 0, length, 1.0)


def fit_metric(points: Tensor, name: str) -> Metric:
    """Return the metric whose statistics are those of points (n, d); assumes checked input.

    The covariance is summed in float64. Directions without variance have no weight in any metric:
    division by almost 0 would amplify their rounding errors above everything else.

    Parameters
    ----------
    points : tensor (n, d)
    name : str
        One of :data:`spectessera.kmeans.settings.METRICS`; "auto" is "euclidean".
    """
    points = points.detach()
    d = points.shape[1]
    if name in ("auto", "euclidean"):
        return Metric("euclidean", points.new_zeros(d), torch.eye(d).to(points))
    mean = points.mean(0, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(_covariance(points, mean))
    varying = values > _NO_VARIANCE * values[-1].clamp(min=0)
    scale = torch.where(varying, values.clamp(min=torch.finfo(values.dtype).tiny), 1.0)
    scale = torch.where(varying, scale ** _POWER[name], 0.0)
    matrix = (vectors * scale) @ vectors.T
    return Metric(name, mean.to(points.dtype), matrix.to(points.dtype))


def _covariance(points: Tensor, mean: Tensor) -> Tensor:
    """Return the covariance (d, d), float64.

    With few dimensions it is the sum of many small products, each computed by one thread, so that
    it is the same for any number of threads. One product of all points does not guarantee that.
    """
    n, d = points.shape
    total = torch.zeros(d, d, dtype=torch.float64, device=points.device)
    for part in points.split(_ROWS):
        apart = part.double() - mean
        if d > _MANY_DIMENSIONS:
            total += apart.T @ apart
            continue
        missing = -len(part) % _FEW_POINTS
        few = torch.nn.functional.pad(apart, (0, 0, 0, missing)).view(-1, _FEW_POINTS, d)
        for product in torch.bmm(few.mT, few):  # one by one: torch.sum would use several threads
            total += product
    return total / n
