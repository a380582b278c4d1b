"""
Labels and confidence
=====================

Two materials, few counts: the map, and the probability that a new measurement of a pixel gets the
same label.
"""

import numpy as np

import spectessera as spt

generator = np.random.default_rng(0)
rows, columns = np.indices((40, 56))
inside = np.hypot(rows - 20, columns - 28) < 14
channel = np.arange(64)
expected = np.where(inside[..., None], 1, 0) * 2 * np.exp(-((channel - 20) ** 2) / 18)
expected = expected + 0.5 * np.exp(-((channel - 44) ** 2) / 30) + 0.05
cube = spt.make_cube(generator.poisson(expected).astype(np.uint16), energy=(0.5, 20.0))

result = spt.segment(cube, spt.SpectralSegmenter().fit(cube), seed=0)
spt.plots.clusters(result)
