"""The settings of models that are trained on simulated spectra; those that ship were made so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spectessera._util.check import check_choice
from spectessera.kmeans import Clusters
from spectessera.network.autoencoder import Network
from spectessera.network.settings import Training
from spectessera.preprocess.recipe import Preprocess
from spectessera.synth.nebulae.nebula import CLASSES
from spectessera.synth.pairs import KNOWN, NebularSimulation, Simulation, XrfSimulation

ROOTS = Preprocess(stabilise="sqrt", normalise="l2")
STREAMED = Training(
    epochs=60, batch_size=512, learning_rate=2e-3, decay="cosine", gamma=0.0, loss="multinomial",
)  # fmt: skip
PRETRAINING: dict[str, dict[str, Any]] = {
    "xrf": {
        "preprocess": ROOTS,
        "network": Network(latent=24, encoder=(512, 256), block="normed", components=len(KNOWN)),
        # On a page areas differ a lot; on the sphere large ones would be cut.
        "clusters": Clusters(2, 16, metric="half-whitened"),
        "training": replace(STREAMED, composition=0.002),
    },
    "nebulae": {
        "preprocess": ROOTS,
        "network": Network(latent=16, encoder=(512, 256), block="normed", components=len(CLASSES)),
        "clusters": Clusters(2, 10, metric="half-whitened"),
        "training": replace(STREAMED, epochs=40, composition=0.002),
    },
}


def recipe(kind: str) -> dict[str, Any]:
    """Return the settings that a model of simulated spectra is trained with, by name.

    Parameters
    ----------
    kind : "xrf" or "nebulae"

    Returns
    -------
    dict
        Arguments of :class:`SpectralSegmenter`.

    Raises
    ------
    ValueError
        If the kind is not known.
    """
    check_choice("simulate", kind, tuple(PRETRAINING))
    return dict(PRETRAINING[kind])


def simulation(
    kind: str, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Simulation:
    """Return the source of simulated spectra of a kind; that of XRF takes a minute to set up.

    Parameters
    ----------
    kind : "xrf" or "nebulae"
    seed : int
    progress : callable, optional
        Called with the tubes done and the tubes in all.

    Raises
    ------
    ValueError
        If the kind is not known.
    ImportError
        If xraylib is needed and not installed.
    """
    check_choice("simulate", kind, tuple(PRETRAINING))
    if kind == "nebulae":
        return NebularSimulation(seed=seed)
    return XrfSimulation(seed=seed, progress=progress)
