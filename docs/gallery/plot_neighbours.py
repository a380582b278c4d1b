"""
Eight counts a pixel
====================

A pixel with eight counts cannot be told from its neighbour. Averages of like neighbours can. How
far they are used is decided by how well they predict the pixel's own counts; borders stay sharp.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectessera as spt

rng = np.random.default_rng(0)
rows, columns = np.indices((56, 72))
seeds = rng.uniform((0, 0), (56, 72), (30, 2))
squares = (rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2
truth = squares.argmin(axis=-1) % 4 + 1
energy = np.linspace(1, 10, 90)
shapes = [1 + 12 * np.exp(-(((energy - line) / 0.2) ** 2)) for line in (2.3, 4.1, 6.4, 8.0)]
shapes = np.stack([shape / shape.sum() for shape in shapes])
cube = spt.make_cube(rng.poisson(8 * shapes[truth - 1]), energy=energy)

segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=3, seed=0)).fit(cube)
alone = spt.segment(cube, segmenter, 4, neighbours=0)
together = spt.segment(cube, segmenter, 4)

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
axes[0].imshow(truth, cmap="viridis")
axes[0].set_title("truth")
for place, result, title in zip(axes[1:], (alone, together), ("alone", "neighbours"), strict=True):
    spt.plots.labels(result, ax=place)
    score = spt.compare(result.label, truth).ari
    place.set_title(f"{title}: adjusted Rand index {score:.2f}")
plt.show()
