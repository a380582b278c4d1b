"""
How much of each material is in a pixel
=======================================

A label says which material is the main one of a pixel; abundances say how much of each is in it.
The lower panel shows the spectra of which every pixel is a sum.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

import spectessera as spt

rng = np.random.default_rng(1)
axis = np.linspace(400, 1000, 80)
bands = [np.exp(-(((axis - at) / 60) ** 2)) for at in (480, 640, 800)]
ends = np.stack([0.1 + 0.5 * band for band in bands])
fields = np.stack([gaussian_filter(rng.normal(size=(48, 60)), 5) for _ in ends], axis=-1)
shares = np.exp(fields * 100)
shares = shares / shares.sum(axis=-1, keepdims=True)
noise = 0.004
values = shares @ ends + rng.normal(0, noise, (48, 60, 80))
cube = spt.make_cube(values, wavelength=axis, unit="nm", variance=np.full(values.shape, noise**2))
segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=5, seed=0)).fit(cube)
result = spt.segment(cube, segmenter, 3)
maps = spt.maps.abundances(cube, result)

figure = plt.figure(figsize=(10, 8), layout="constrained")
spt.plots.abundances(maps, figure=figure)
plt.show()
