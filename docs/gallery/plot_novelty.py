"""
Spectra that the model has never seen
=====================================

A model that ships was trained on simulated pigments. Where a spectrum is unlike all of them, its
label means little. Here one corner of a page has a line at 15.8 keV (zirconium), which no pigment
of the training has.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectessera as spt

page = spt.synth.miniature(seed=6, shape=(56, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=400, seed=6, realism=realism)

energy = cube.energy.values
line = np.exp(-(((energy - 15.77) / 0.08) ** 2))
extra = np.random.default_rng(0).poisson(300 * line / line.sum(), (16, 16, len(energy)))
values = cube.values.astype(int)
values[36:52, 36:52] += extra
strange = spt.make_cube(values, energy=energy)
result = spt.segment(strange, spt.load("maxrf"))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
spt.plots.labels(result, ax=left)
drawn = right.imshow(result.novelty, cmap="magma", vmin=0, vmax=1)
figure.colorbar(drawn, ax=right, shrink=0.8)
right.set_title("novelty")
plt.show()
