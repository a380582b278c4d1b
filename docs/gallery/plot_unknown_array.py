"""
An array from anywhere
======================

Numbers without a file format: a NumPy array with the channel first, its energies, a dead column.
Give ``make_cube`` the axes in the order (y, x, channel) and the energies, and mask what is dead.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectessera as spt

rng = np.random.default_rng(0)
channel_first = rng.poisson(2.0, (120, 40, 56))  # (channel, y, x)
channel_first[30:36, :20, :30] += rng.poisson(9, (6, 20, 30))
channel_first[80:86, 15:, 25:] += rng.poisson(9, (6, 25, 31))
channel_first[:, :, 50] = 0  # a dead column
dead = np.zeros((40, 56), bool)
dead[:, 50] = True

cube = spt.make_cube(np.moveaxis(channel_first, 0, -1), energy=(0.5, 12.4), mask=dead)
segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=3, seed=0)).fit(cube)
result = spt.segment(cube, segmenter)

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.6), width_ratios=(1, 1.6), layout="constrained"
)
spt.plots.labels(result, ax=left)
spt.plots.spectra(result, ax=right)
plt.show()
