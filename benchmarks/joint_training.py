"""Joint training in the balanced form, against reconstruction alone.

python -m benchmarks.joint_training run 5    # adds the missing rows to the CSV file

The first half of the training is reconstruction alone; then k is chosen on the latents, by
stability, and the gradient of the cluster term is a fixed share of that of the reconstruction.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from spectessera import Clusters, Network, Schedule, Training
from spectessera.kmeans.points import cluster_points
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.codec import Codec
from spectessera.network.training import train

from ._sweep import Sweep
from .line_spectra import line_spectra

SPECTRA, CHANNELS = 6000, 256
EPOCHS, WARM_UP = 30, 15
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


SWEEPS = {
    f"{groups} groups, S/N {snr}": {
        "reconstruction": Case(groups, snr),
        "balanced, 0.1": Case(groups, snr, 0.1),
        "balanced, 0.5": Case(groups, snr, 0.5),
    }
    for groups in (4, 8)
    for snr in (10, 30, 100)
}


def measure(case: Case, seed: int) -> dict[str, float]:
    """Train and return the numbers of the columns."""
    made = line_spectra(
        SPECTRA, groups=case.groups, channels=CHANNELS, sigma=1 / case.snr, shared=0.8, mix=0.45,
        seed=seed,
    )  # fmt: skip
    spectra = made.noisy.astype(np.float32)
    generator = torch.Generator().manual_seed(seed)
    model = Autoencoder(Network(latent=3), CHANNELS, "identity", generator=generator)
    training = Training(
        epochs=EPOCHS,
        batch_size=256,
        learning_rate=1e-3,
        gamma=Schedule(0.0, case.ratio, WARM_UP, WARM_UP),
        total="balanced",
        test=0.0,
        seed=seed,
    )
    train(model, torch.from_numpy(spectra), STABILITY, training)
    codec = Codec(model)
    latent = codec.encode(spectra)
    by_silhouette = replace(STABILITY, criterion="silhouette")
    given = Clusters(case.groups, case.groups, metric="euclidean")
    found = [cluster_points(latent, x, seed=seed) for x in (STABILITY, by_silhouette, given)]
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
