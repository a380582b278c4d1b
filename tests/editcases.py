"""A small cube whose truth is known, segmented, for tests of edits."""

import numpy as np

import spectessera as spt
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training

SHAPE = (18, 24)


def stripes() -> np.ndarray:
    """Return the truth (y, x): three stripes, the last of which has two halves."""
    truth = np.zeros(SHAPE, int)
    truth[:, 8:] = 1
    truth[:, 16:] = 2
    truth[9:, 16:] = 3
    return truth


def striped_counts(seed: int = 0) -> np.ndarray:
    """Return counts (y, x, channel) of four materials."""
    expected = 5 + 40 * np.eye(4).repeat(6, axis=1)
    return np.random.default_rng(seed).poisson(expected[stripes()]).astype(np.uint16)


def striped_cube(**coords):
    """Return the cube of :func:`striped_counts`."""
    return spt.make_cube(striped_counts(), energy=(1.0, 20.0), **coords)


def a_segmenter():
    """Return a segmenter that is trained on the cube."""
    return SpectralSegmenter(
        Preprocess(),
        Network(latent=3, encoder=(16,)),
        Clusters(2, 6, restarts=2, metric="euclidean"),
        Training(epochs=20, batch_size=64),
    ).fit(striped_cube())
