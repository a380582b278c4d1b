"""
Clusters, confidence and mean spectra
=====================================

The figure that most people want first. The centre of Abell 478 again: two of the clusters have
the same lines at other velocities.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import spectessera as spt

cube = spt.read(Path("..") / ".." / "examples" / "data" / "abell478.fits.gz")
lines = spt.Preprocess(keep=((7060, 7340),), continuum="median", normalise=None)
segmenter = spt.SpectralSegmenter(lines, training=spt.Training(epochs=30, seed=0)).fit(cube)
result = spt.segment(cube, segmenter)

figure = plt.figure(figsize=(11, 8), layout="constrained")
spt.plots.clusters(result, figure=figure)
plt.show()
