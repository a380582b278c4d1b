"""Joint training with a balanced cluster term, against reconstruction alone.

python -m benchmarks.joint_training run 5    # adds the missing rows to the CSV file

Gamma by a rule: the gradient of the cluster term with respect to the latent is a fixed share of
that of the reconstruction, in every batch. The first half of the training is reconstruction alone;
then k is chosen on the latents (by stability), and the batches of the second half have that k. The
rule is not part of the package; this script puts it in place of the loss.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from unittest import mock

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from spectessera import Clusters, Network, Training
from spectessera.kmeans import choose_k
from spectessera.kmeans.points import cluster_points
from spectessera.network import training as loop
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.codec import Codec
from spectessera.network.losses import cluster_term

from ._sweep import Sweep
from .line_spectra import line_spectra

SPECTRA, CHANNELS = 6000, 256
EPOCHS, WARM_UP = 30, 15
SILHOUETTE = Clusters(2, 10, metric="euclidean", criterion="silhouette")
STABILITY = Clusters(2, 10, metric="euclidean")
COLUMNS = ("k", "ari", "k_silhouette", "ari_silhouette", "ari_true_k", "error")
SHOWN = {
    "k": "k by stability",
    "ari": "ARI",
    "k_silhouette": "k by silhouette",
    "ari_silhouette": "ARI",
    "ari_true_k": "ARI, true k",
    "error": "error",
}


@dataclass(frozen=True)
class Case:
    """One data set and one way of training."""

    groups: int = 4
    snr: int = 10
    ratio: float = 0.0  # of the gradients; 0 = reconstruction alone
    k: str = "stability"  # of the batches: chosen once after the warm-up, or in each of them


def _cases(groups: int, snr: int) -> dict[str, Case]:
    case = Case(groups, snr)
    return {
        "reconstruction": case,
        "ratio 0.1": replace(case, ratio=0.1),
        "ratio 0.5": replace(case, ratio=0.5),
        "ratio 0.3, k of 2..10 in every batch": replace(case, ratio=0.3, k="silhouette"),
    }


SWEEPS = {
    f"{groups} groups, S/N {snr}": _cases(groups, snr) for groups in (4, 8) for snr in (10, 30, 100)
}


def balanced(ratio: float, model, batch, clusters, training, _weights, generator):
    """Return the terms of the loss of a batch, the cluster term scaled by the gradients."""
    output, latent, _ = model(batch.spectra)
    base = loop.reconstruction(output, batch, training.loss, model.output)
    choice = choose_k(latent, clusters, generator=generator)
    cluster = cluster_term(choice.score)
    (pull,) = torch.autograd.grad(base, latent, retain_graph=True)
    (push,) = torch.autograd.grad(cluster, latent, retain_graph=True)
    gamma = ratio * pull.norm() / push.norm().clamp_min(1e-12)
    terms = {"reconstruction": base, "cluster": cluster, "silhouette": choice.score}
    return {"total": base + gamma * cluster, **terms, "k": torch.tensor(choice.k)}


@contextmanager
def balance(ratio: float):
    """Balance the terms in training; validation, without gradients, is as ever."""
    plain = loop.loss_terms

    def terms(model, *others):
        return (partial(balanced, ratio) if model.training else plain)(model, *others)

    with mock.patch.object(loop, "loss_terms", terms):
        yield


def trained(case: Case, spectra: np.ndarray, seed: int) -> Codec:
    """Return a network after warm-up and second half."""
    generator = torch.Generator().manual_seed(seed)
    model = Autoencoder(Network(latent=3), CHANNELS, "identity", generator=generator)
    rows, codec = torch.from_numpy(spectra), Codec(model)
    settings = Training(
        epochs=WARM_UP, batch_size=256, learning_rate=1e-3, gamma=0.0, validation=0.1, test=0.0,
        seed=seed,
    )  # fmt: skip
    loop.train(model, rows, SILHOUETTE, settings)
    again = partial(
        loop.train,
        model,
        rows,
        training=replace(settings, epochs=EPOCHS - WARM_UP, seed=seed + 100),
        trained=True,
    )
    if case.ratio == 0:
        again(SILHOUETTE)
        return codec
    of_batch = SILHOUETTE
    if case.k == "stability":
        k = len(cluster_points(codec.encode(spectra), STABILITY, seed=seed).centers)
        of_batch = replace(SILHOUETTE, k_min=k, k_max=k)
    with balance(case.ratio):
        again(of_batch)
    return codec


def measure(case: Case, seed: int) -> dict[str, float]:
    """Train and return the numbers of the columns."""
    made = line_spectra(
        SPECTRA, groups=case.groups, channels=CHANNELS, sigma=1 / case.snr, shared=0.8, mix=0.45,
        seed=seed,
    )  # fmt: skip
    spectra = made.noisy.astype(np.float32)
    codec = trained(case, spectra, seed)
    latent = codec.encode(spectra)
    by_true_k = Clusters(case.groups, case.groups, metric="euclidean")
    found = [cluster_points(latent, x, seed=seed) for x in (STABILITY, SILHOUETTE, by_true_k)]
    aris = [adjusted_rand_score(made.group, each.labels) for each in found]
    trivial = np.square(made.noisy.mean(axis=0) - made.truth).mean()
    return {
        "k": len(found[0].centers),
        "ari": aris[0],
        "k_silhouette": len(found[1].centers),
        "ari_silhouette": aris[1],
        "ari_true_k": aris[2],
        "error": np.square(codec.decode(latent) - made.truth).mean() / trivial,
    }


SWEEP = Sweep("joint_training", Case(), SWEEPS, COLUMNS, SHOWN, measure)

if __name__ == "__main__":
    SWEEP.main()
