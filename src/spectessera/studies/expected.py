"""The time that the trainings of an experiment need on this machine, measured by a few steps."""

from __future__ import annotations

import time

import torch

from spectessera.kmeans import Clusters
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.batches import Batch
from spectessera.network.settings import batch_clusters, weights_at
from spectessera.network.training import loss_terms

from .experiments import Experiment, NetworkVariant

CHANNELS = 1024
STEPS = 4  # of which the first is not timed
VALIDATING = 1 / 3  # of the time of a training step: no gradient


def seconds_per_spectrum(variant: NetworkVariant, clusters: Clusters) -> float:
    """Return the time of a training step of a network, divided by the spectra of a batch."""
    training = variant.training
    generator = torch.Generator().manual_seed(0)
    model = Autoencoder(variant.network, CHANNELS, "sigmoid", generator=generator)
    batch = Batch(torch.rand(training.batch_size, CHANNELS, generator=generator))
    of_batch = batch_clusters(clusters, training)
    weights = weights_at(training, None)
    optimiser = torch.optim.Adam(model.parameters())
    with torch.random.fork_rng(devices=[]):
        for step in range(STEPS):
            if step == 1:
                start = time.perf_counter()
            optimiser.zero_grad()
            terms = loss_terms(model, batch, of_batch, training, weights, generator)
            terms["total"].backward()
            optimiser.step()
    return (time.perf_counter() - start) / ((STEPS - 1) * training.batch_size)


def expected_time(experiment: Experiment, left: dict[str, int]) -> str:
    """Return the time of the trainings that are left, in words.

    Parameters
    ----------
    experiment : Experiment
        One of the runs; the others are as large.
    left : dict
        Number of trainings of each network that are not finished.
    """
    pixels = sum(cube.sizes["y"] * cube.sizes["x"] for cube in experiment.train)
    spectra, seconds = 0.0, 0.0
    for variant in experiment.variants:
        training = variant.training
        spectra = min(training.max_spectra, training.fraction * pixels)
        if left[variant.name]:
            step = seconds_per_spectrum(variant, variant.clusters or experiment.clusters)
            share = 1 - training.test - (1 - VALIDATING) * training.validation
            epochs = training.epochs or 1  # the experiments set them
            seconds += left[variant.name] * share * spectra * epochs * step
    count = sum(left.values())
    if count == 0:
        return "All trainings are finished."
    text = f"{seconds / 3600:.1f} hours" if seconds > 3600 else f"{max(1, round(seconds / 60))} min"
    trainings = "1 training" if count == 1 else f"{count} trainings"
    return (
        f"{trainings} of {round(spectra):,} spectra and all epochs would take about {text} on this "
        "machine; they end sooner if the loss stops falling. Segmentation and baselines come on "
        "top. A run that is stopped continues."
    )
