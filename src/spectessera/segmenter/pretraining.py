"""Settings to train models on simulated spectra, those of the models that ship with the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spectessera._util.check import check_choice
from spectessera.kmeans import Clusters
from spectessera.network.settings import Training
from spectessera.network.shape import Network
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
        # Areas of a page differ a lot in size; on the sphere large areas would be split.
        "clusters": Clusters(2, 16, metric="half-whitened"),
        "training": replace(STREAMED, composition=0.002),
    },
    "nebulae": {
        "preprocess": ROOTS,
        "network": Network(latent=16, encoder=(512, 256), block="normed", components=len(CLASSES)),
        "clusters": Clusters(2, 10, metric="half-whitened"),
        "training": replace(STREAMED, epochs=40, composition=0.002),
    },
    "nebulae-wide": {
        "preprocess": ROOTS,
        "network": Network(latent=16, encoder=(416, 256), block="normed", components=len(CLASSES)),
        "clusters": Clusters(2, 10, metric="half-whitened"),
        "training": replace(STREAMED, epochs=50, composition=0.002),
    },
}


def recipe(kind: str) -> dict[str, Any]:
    """Return the settings to train a model on simulated spectra.

    Parameters
    ----------
    kind : "xrf", "nebulae" or "nebulae-wide"

    Returns
    -------
    dict
        Arguments of :class:`spectessera.SpectralSegmenter`.

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
    """Return a simulation of spectra; the preparation of that of XRF takes a minute.

    Parameters
    ----------
    kind : "xrf", "nebulae" or "nebulae-wide"
    seed : int
    progress : callable, optional
        Called with the number of X-ray tubes that are prepared, and that of all.

    Raises
    ------
    ValueError
        If the kind is not known.
    ImportError
        If xraylib is not installed, which "xrf" needs.
    """
    check_choice("simulate", kind, tuple(PRETRAINING))
    if kind != "xrf":
        return NebularSimulation(seed=seed, wide=kind == "nebulae-wide")
    return XrfSimulation(seed=seed, progress=progress)
