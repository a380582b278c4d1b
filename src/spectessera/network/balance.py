"""The balanced form of joint training: the cluster term pulls with a share of the reconstruction.

A constant weight either merges clusters or does nothing, as the unit of the reconstruction and the
noise have it. Here the gradient of the cluster term with respect to the latent has a given share of
that of the reconstruction, in every batch, and all batches have the k that the latents have when
the term begins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from spectessera.kmeans import Clusters, choose_k

from .autoencoder import Autoencoder
from .settings import TermWeights, Training, batch_clusters

SPECTRA = 8192  # whose latents k is chosen on


def balanced_weight(ratio: float, base: Tensor, cluster: Tensor, latent: Tensor) -> Tensor:
    """Return the weight that gives the cluster term ``ratio`` times the gradient of the base.

    Both gradients are with respect to the latent (n, latent). The weight is a constant.
    """
    (pull,) = torch.autograd.grad(base, latent, retain_graph=True)
    (push,) = torch.autograd.grad(cluster, latent, retain_graph=True)
    return ratio * pull.norm() / push.norm().clamp(min=torch.finfo(push.dtype).tiny)


def clusters_of_epoch(
    rows: list[dict[str, Any]],
    model: Autoencoder,
    spectra: Tensor,
    clusters: Clusters,
    training: Training,
    weights: TermWeights,
) -> Clusters:
    """Return how the batches of an epoch are clustered.

    In the balanced form with the k of the last epoch, or, when the term begins, with the k that is
    chosen by the criterion of ``clusters`` on the latents of some spectra.
    """
    of_batch = batch_clusters(clusters, training)
    if training.total != "balanced" or weights.gamma == 0:
        return of_batch
    if rows and "k" in rows[-1]:
        k = rows[-1]["k"][-1]
    else:
        with torch.no_grad():
            model.eval()
            latent = model.encode(spectra[:SPECTRA])[0]
        generator = torch.Generator(latent.device).manual_seed(training.seed)
        k = choose_k(latent, clusters, generator=generator).k
    return replace(of_batch, k_min=k, k_max=k)
