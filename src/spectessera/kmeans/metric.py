"""The metric in which points are clustered: their own, whitened, or on the unit sphere.

k-means takes clusters to be balls of one size. Whitening (unit covariance over all points) gives
every direction of the latent space the same say; half-whitening takes half of that step on a
logarithmic scale. On the unit sphere the length of a point says nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

METRICS = ("euclidean", "half-whitened", "whitened", "half-whitened-sphere", "whitened-sphere")
# Power of the eigenvalues of the covariance that each metric multiplies with.
_POWER = {
    "half-whitened": -0.25,
    "whitened": -0.5,
    "half-whitened-sphere": -0.25,
    "whitened-sphere": -0.5,
}
# A direction with less than this share of the largest variance is rounding, or a dead dimension.
_NOTHING = 1e-7
# Above so many dimensions the covariance is one matrix product, else many of so few points.
_MANY = 64
_ROWS = 65_536
_FEW = 128
# Points are moved in blocks of exactly so many, filled up with zeros: see the segmenter.
_BLOCK = 2048


class Metric(NamedTuple):
    """A map of points into the space in which Euclidean distances are taken.

    Attributes
    ----------
    name : str
        One of :data:`METRICS`.
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
        Without a gradient, each point's answer depends on no other point.
        """
        if self.name == "euclidean":
            return points
        if points.requires_grad:
            moved = (points - self.mean) @ self.matrix
        else:
            moved = torch.empty_like(points)
            block = points.new_zeros(_BLOCK, points.shape[1])
            for part, target in zip(points.split(_BLOCK), moved.split(_BLOCK), strict=True):
                torch.sub(part, self.mean, out=block[: len(part)])
                block[len(part) :] = 0
                target.copy_((block @ self.matrix)[: len(part)])
        if not self.name.endswith("sphere"):
            return moved
        length = moved.square().sum(1, keepdim=True).sqrt()
        return moved / torch.where(length > 0, length, 1.0)


def fit_metric(points: Tensor, name: str) -> Metric:
    """Return the metric whose statistics are those of points (n, d); assumes checked input.

    The covariance is summed in float64. Directions without variance have no say, whatever the
    metric: dividing by next to nothing would make rounding the loudest of all.

    Parameters
    ----------
    points : tensor (n, d)
    name : str
        One of :data:`METRICS`; "auto" is "euclidean".
    """
    points = points.detach()
    d = points.shape[1]
    if name in ("auto", "euclidean"):
        return Metric("euclidean", points.new_zeros(d), torch.eye(d).to(points))
    mean = points.mean(0, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(_covariance(points, mean))
    kept = values > _NOTHING * values[-1].clamp(min=0)
    scale = torch.where(kept, values.clamp(min=torch.finfo(values.dtype).tiny), 1.0)
    scale = torch.where(kept, scale ** _POWER[name], 0.0)
    matrix = (vectors * scale) @ vectors.T
    return Metric(name, mean.to(points.dtype), matrix.to(points.dtype))


def _covariance(points: Tensor, mean: Tensor) -> Tensor:
    """Return the covariance (d, d), float64.

    Of few dimensions, it is added up of many small products, each the work of one thread: the same
    for any number of threads, which one product of all points would not promise.
    """
    n, d = points.shape
    total = torch.zeros(d, d, dtype=torch.float64, device=points.device)
    for part in points.split(_ROWS):
        apart = part.double() - mean
        if d > _MANY:
            total += apart.T @ apart
            continue
        missing = -len(part) % _FEW
        few = torch.nn.functional.pad(apart, (0, 0, 0, missing)).view(-1, _FEW, d)
        for product in torch.bmm(few.mT, few):  # one by one: a sum would share them out to threads
            total += product
    return total / n
