"""The nearest center of every point, and where Lloyd's iterations begin."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._silhouette import squared_distances, write_squares

# Elements of the largest temporary array (16 MiB in float32), for any number of points.
ELEMENTS = 4 * 1024 * 1024
# Coordinates of the points of a small batch.
_FEW = 2**15


def assign(points: Tensor, centers: Tensor) -> Tensor:
    """Return the index of the nearest center of every point, (n, d), (k, d) -> (n,).

    The first center wins a tie. Every row is computed on its own: the label does not depend on
    the other rows, on blocks or on threads.

    >>> import torch
    >>> assign(torch.tensor([[0.0], [9.0]]), torch.tensor([[8.0], [1.0]]))
    tensor([1, 0])
    """
    rows = max(1, ELEMENTS // len(centers))
    return torch.cat([squared_distances(part, centers).argmin(1) for part in points.split(rows)])


def _squares(a: Tensor, columns: Tensor) -> Tensor:
    """Return :func:`squared_distances` of points (m, d) from others, given as (d, n)."""
    if len(a) == 1 and columns.numel() <= _FEW:  # fewer calls: they take most of its time
        return (columns - a.T).square_().sum(0, keepdim=True)
    total = a.new_empty(len(a), columns.shape[1])
    return write_squares(a.T, columns, total, torch.empty_like(total))


def seed_centers(
    points: Tensor, k: int, *, restarts: int, seeding: str, generator: torch.Generator
) -> Tensor:
    """Return seeds (restarts, k, d); the first j of them are a seeding for j clusters.

    Parameters
    ----------
    points : tensor (n, d)
    k : int
    restarts : int
    seeding : "greedy", "k-means++" or "random"
        "greedy" draws 2 + log k candidates each time and takes the one that leaves the least
        inertia (Arthur & Vassilvitskii 2007, section 5).
    generator : torch.Generator
    """
    n = len(points)
    if seeding == "random":
        order = torch.stack(
            [
                torch.randperm(n, generator=generator, device=generator.device)[:k]
                for _ in range(restarts)
            ]
        )
        return points[order.to(points.device)]
    tries = 2 + int(math.log(k)) if seeding == "greedy" else 1
    draws = torch.rand(
        (k, restarts, tries), generator=generator, device=generator.device, dtype=torch.float64
    ).to(points.device)
    every = torch.arange(restarts, device=points.device)
    index = (draws[0, :, 0] * n).long().clamp_(max=n - 1)  # (restarts,)
    chosen, columns = [points[index]], points.T.contiguous()  # (d, n)
    nearest = _squares(chosen[0], columns)  # (restarts, n)
    for j in range(1, k):
        cumulated = nearest.cumsum(1, dtype=torch.float64)
        total = cumulated[:, -1:]
        if not (total > 0).all():  # all points coincide with a seed: draw any
            flat = torch.arange(1, n + 1, device=points.device, dtype=cumulated.dtype)
            cumulated = torch.where(total > 0, cumulated, flat.expand_as(cumulated))
            total = cumulated[:, -1:]
        target = draws[j] * total  # (restarts, tries)
        index = torch.searchsorted(cumulated, target, right=True).clamp_(max=n - 1)
        candidates = points[index.view(-1)]
        apart = _squares(candidates, columns).view(restarts, tries, n)
        if tries == 1:
            chosen.append(candidates)
            nearest = torch.minimum(apart[:, 0], nearest)
            continue
        apart = torch.minimum(apart, nearest[:, None])
        best = apart.sum(2, dtype=torch.float64).argmin(1)
        chosen.append(points[index[every, best]])
        nearest = apart[every, best]
    return torch.stack(chosen, 1)  # (restarts, k, d)
