"""
Noise is one cluster
====================

Most programs return as many clusters as they are asked for, also of noise. Here every pixel has
the same spectrum and Poisson noise. k-means cuts it in four pieces; the evidence says that there
is one cluster.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectessera as spt

rng = np.random.default_rng(0)
energy = np.linspace(1, 10, 90)
shape = 1 + 12 * np.exp(-(((energy - 6.4) / 0.2) ** 2))
cube = spt.make_cube(rng.poisson(60 * shape / shape.sum(), (48, 56, 90)), energy=energy)

segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=3, seed=0)).fit(cube)
forced = spt.segment(cube, segmenter, 4)
chosen = spt.segment(cube, segmenter)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
spt.plots.labels(forced, ax=left)
left.set_title("four clusters, as asked for")
spt.plots.labels(chosen, ax=right)
right.set_title(f"chosen by evidence: {chosen.attrs['n_clusters']}")
plt.show()
