"""A cube of four stripes and quick settings, for the tests of the segmenter."""

import numpy as np

from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube

QUICK = Training(epochs=40, batch_size=128, learning_rate=3e-3)


def quick(**changes):
    settings = {
        "preprocess": Preprocess(normalise=None),
        "network": Network(latent=2, encoder=(24, 12)),
        "clusters": Clusters(2, 5, restarts=3),
        "training": QUICK,
    }
    return SpectralSegmenter(**(settings | changes))


def four_line_cube(height=12, width=17, channels=40, seed=0, **kwargs):
    """A cube of four vertical stripes, a line in each; and the stripe of each pixel."""
    generator = np.random.default_rng(seed)
    truth = np.broadcast_to(np.arange(width) * 4 // width, (height, width))
    x = np.arange(channels)
    lines = np.exp(-0.5 * ((x - np.array([6, 15, 24, 33])[:, None]) / 1.5) ** 2)
    values = lines[truth] + 0.05 * generator.standard_normal((height, width, channels))
    cube = make_cube(values.astype(np.float32), energy=(1.0, 20.0), **kwargs)
    return cube, truth


def same_partition(a, b):
    pairs = {(int(x), int(y)) for x, y in zip(np.ravel(a), np.ravel(b), strict=True)}
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})
