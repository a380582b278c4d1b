"""
Gas in a galaxy cluster
=======================

The centre of Abell 478, observed with MUSE (ESO public archive, test data of mpdaf): fluxes,
velocity and dispersion of every pixel, and the class of the gas where the lines allow one.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import spectessera as spt

cube = spt.read(Path("..") / ".." / "examples" / "data" / "abell478.fits.gz")
lines = spt.Preprocess(keep=((7060, 7340),), continuum="median", normalise=None)
segmenter = spt.SpectralSegmenter(lines, training=spt.Training(epochs=30, seed=0)).fit(cube)
result = spt.segment(cube, segmenter)
maps = spt.maps.lines(cube, result)

figure = plt.figure(figsize=(11, 9.5), layout="constrained")
spt.plots.lines(maps, figure=figure)
plt.show()
