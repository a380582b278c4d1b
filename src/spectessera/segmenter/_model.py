"""A trained model, independent of the estimator; this is what a file holds."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from spectessera.axis import Axis
from spectessera.kmeans.rule import Rule
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.checkpoint import History
from spectessera.preprocess.frame import Expects
from spectessera.result import KCurves

from .novelty import Reference


class TrainedModel(NamedTuple):
    """A trained network and the clusters of its training.

    Attributes
    ----------
    configs : dict
        A ``Preprocess``, a ``Network`` ... by the names of
        :data:`spectessera.segmenter.defaults.CONFIGS`; none of their settings is open.
    axis : Axis
        Of the spectra, before preprocessing.
    components : tuple of str
        Whose shares a linear head of the network predicts.
    network : Autoencoder
    history : History
    centers : array (k, latent), float32
    curves : KCurves
    rule : Rule
    reference : Reference
    expects : Expects
        What spectra it was trained on.
    """

    configs: dict[str, Any]
    axis: Axis
    components: tuple[str, ...]
    network: Autoencoder
    history: History
    centers: np.ndarray
    curves: KCurves
    rule: Rule
    reference: Reference
    expects: Expects = Expects()


def weights_of(network: Autoencoder) -> dict[str, np.ndarray]:
    """Return the weights, biases and buffers of a network by their names."""
    return {name: each.numpy(force=True) for name, each in network.state_dict().items()}


def fingerprint_of(weights: dict[str, np.ndarray]) -> str:
    """Return a fingerprint of the weights of a network; equal networks have equal ones."""
    digest = hashlib.sha256()
    for name, each in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(each.tobytes())
    return digest.hexdigest()[:32]
