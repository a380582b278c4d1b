"""Synthetic emission-line spectra with their truth, for measurements."""

from typing import NamedTuple

import numpy as np


class LineSpectra(NamedTuple):
    """Noisy spectra and their noise-free versions (n, channel), and their groups (n,)."""

    noisy: np.ndarray
    truth: np.ndarray
    group: np.ndarray


def prototypes(groups: int, channels: int, *, shared: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return line spectra (groups, channels) with peak 1.

    Parameters
    ----------
    groups, channels : int
    shared : float
        Share of the lines that all groups have at the same position, with different strengths:
        the larger, the more the groups overlap.
    seed : int
    """
    generator = np.random.default_rng([seed, 7])
    x = np.arange(channels)
    width = max(1.0, channels / 256)
    places = generator.uniform(0.05, 0.95, 6) * channels
    lines = np.zeros((groups, channels))
    for row in lines:
        for place in places:
            other = generator.uniform(0.05, 0.95) * channels
            center = place if generator.uniform() < shared else other
            row += generator.uniform(0.2, 1) * np.exp(-0.5 * ((x - center) / width) ** 2)
    return lines / lines.max(axis=1, keepdims=True)


def line_spectra(
    n: int,
    *,
    groups: int = 4,
    channels: int = 1024,
    sigma: float = 0.05,
    snr: tuple[float, float] | None = None,
    shared: float = 0.0,
    mix: float = 0.0,
    seed: int = 0,
) -> LineSpectra:
    """Draw spectra: a prototype, up to ``mix`` of another one, noise; divided by their maximum.

    The standard deviation of the noise is ``sigma``; with ``snr`` it is the peak of every
    spectrum divided by a number drawn log-uniformly from that range. ``truth`` is divided by
    the same number as the noisy spectrum.
    """
    generator = np.random.default_rng(seed)
    lines = prototypes(groups, channels, shared=shared, seed=seed)
    group = generator.integers(groups, size=n)
    share = generator.uniform(0, mix, size=(n, 1)) if mix else np.zeros((n, 1))
    truth = (1 - share) * lines[group] + share * lines[generator.integers(groups, size=n)]
    spread = np.full((n, 1), sigma)
    if snr is not None:
        ratio = np.exp(generator.uniform(np.log(snr[0]), np.log(snr[1]), size=(n, 1)))
        spread = truth.max(axis=1, keepdims=True) / ratio
    noisy = truth + spread * generator.standard_normal((n, channels))
    peak = noisy.max(axis=1, keepdims=True)
    return LineSpectra((noisy / peak).astype(np.float32), (truth / peak).astype(np.float32), group)
