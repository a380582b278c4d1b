"""Spectra per second in the training of the published astronomical network."""

import statistics
import time
from dataclasses import replace
from itertools import pairwise

import torch

from spectessera import SpectralSegmenter
from spectessera.studies.experiments import NetworkVariant, Sizes
from spectessera.studies.published import astro

TITLE = "Training the published network"
SPECTRA, EPOCHS = 51_200, 4
PUBLISHED = 161_001 / (75 + 20), 161_001 / 75  # of the released log: with validation, without


def rate(variant: NetworkVariant, train: list) -> float:
    """Return the trained spectra per second of an epoch, its validation included."""
    times = []
    training = replace(variant.training, epochs=EPOCHS)
    segmenter = SpectralSegmenter(variant.preprocess, variant.network, variant.clusters, training)
    segmenter.fit(train, progress=lambda *_: times.append(time.perf_counter()))
    seconds = statistics.median(b - a for a, b in pairwise(times))
    return SPECTRA * (1 - training.validation) / seconds


def main() -> list[str]:
    """Measure and return lines of a table."""
    experiment = astro(0, Sizes(SPECTRA, (32, 32), EPOCHS), 100.0, 0.0)
    variants = {each.name: each for each in experiment.variants}
    plain = variants["paper"]
    variants["none"] = plain._replace(training=replace(plain.training, gamma=0.0))
    lines = [
        "1024-512-256-32-3-128-256-1024, batches of 512, validation on 22 % of the spectra after",
        "every epoch, k from 2 to 3 in every batch: spectra/s, the median of three epochs. The",
        f"published log has {PUBLISHED[0]:,.0f} ({PUBLISHED[1]:,.0f} without the validation) on a",
        "Tesla T4.",
        "",
        "| cluster term | 1 thread | 2 threads |",
        "|---|---|---|",
    ]
    words = {"paper": "without gradient, as released", "joint": "with gradient", "none": "none"}
    before = torch.get_num_threads()
    rates: dict[str, list[float]] = {name: [] for name in words}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name in words:
            rates[name].append(rate(variants[name], experiment.train))
    torch.set_num_threads(before)
    for name, word in words.items():
        lines.append(f"| {word} | " + " | ".join(f"{each:,.0f}" for each in rates[name]) + " |")
    return lines


if __name__ == "__main__":
    from .__main__ import write_sections

    write_sections({TITLE: main()})
