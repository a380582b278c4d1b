"""
Which clusters are most alike?
==============================

In every step the two clusters are merged whose separation predicts least of a held-out part of
the measurement. Two of these four materials differ little, and are merged first.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

import spectessera as spt

rng = np.random.default_rng(1)
axis = np.linspace(400, 1000, 80)
bands = [np.exp(-(((axis - at) / 60) ** 2)) for at in (480, 620, 700, 900)]
ends = np.stack([0.1 + 0.5 * band for band in bands])
ends[2] = 0.8 * ends[1] + 0.2 * ends[2]  # two materials that are nearly alike
fields = np.stack([gaussian_filter(rng.normal(size=(48, 60)), 5) for _ in ends], axis=-1)
shares = np.exp(fields * 200)
shares = shares / shares.sum(axis=-1, keepdims=True)
noise = 0.004
values = shares @ ends + rng.normal(0, noise, (48, 60, 80))
cube = spt.make_cube(values, wavelength=axis, unit="nm", variance=np.full(values.shape, noise**2))
segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=5, seed=0)).fit(cube)
result = spt.segment(cube, segmenter, 4)
tree = spt.maps.tree(cube, result)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
spt.plots.labels(result, ax=left)
spt.plots.tree(tree, ax=right)
plt.show()
