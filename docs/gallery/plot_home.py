"""
The pictures of the home page
=============================

A painted page and what its paints may be, the velocity of the gas in a galaxy cluster, and grains
of few counts. The page and the grains are simulated; the galaxy cluster is Abell 478, observed with
MUSE (ESO public archive, test data of mpdaf).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import spectessera as spt
from spectessera.colours import as_hex, colours, paint
from spectessera.naming.names import name_clusters, title_of

SIZE = (5.2, 3.9)

# %%
# A page in the colours of its paints, and the clusters of its X-ray fluorescence with what they
# may be.

page = spt.synth.miniature(seed=5, shape=(96, 72), palette="gothic-book")
cube, truth = spt.synth.cube_from_rgb(page, "gothic-book", counts=1000, seed=5)
result = spt.segment(cube, spt.load("maxrf"))
names = {n: title_of(each) for n, each in enumerate(name_clusters(result), start=1)}

figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
left.imshow(page)
right.imshow(paint(result.label))
for axes in (left, right):
    axes.set_axis_off()
marks = [plt.Rectangle((0, 0), 1, 1, color=as_hex(shade)) for shade in colours(len(names))]
figure.legend(
    marks, [names[n] or f"cluster {n}" for n in names], loc="outside lower center", frameon=False
)
plt.show()

# %%
# The velocity of the gas, where it is known within 25 km/s.

cube = spt.read(Path("..") / ".." / "examples" / "data" / "abell478.fits.gz")
lines = {
    "preprocess__keep": ((7060, 7340),),
    "preprocess__continuum": "median",
    "preprocess__normalise": None,
    "preprocess__stabilise": None,
}
segmenter = spt.SpectralSegmenter().set_params(**lines).fit(cube)
maps = spt.maps.lines(cube, spt.segment(cube, segmenter))
velocity = maps.velocity.where(maps.velocity_error < 25)

figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
image = axes.imshow(velocity, origin="lower", cmap="RdBu_r", vmin=-200, vmax=200)
axes.set_axis_off()
figure.colorbar(image, ax=axes, label="velocity (km/s)")
plt.show()

# %%
# Eight counts a pixel: every pixel alone, and with the neighbours that are like it.

rng = np.random.default_rng(0)
rows, columns = np.indices((72, 72))
seeds = rng.uniform(0, 72, (30, 2))
squares = (rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2
grains = squares.argmin(axis=-1) % 4
energy = np.linspace(1, 10, 90)
shapes = [1 + 12 * np.exp(-(((energy - line) / 0.2) ** 2)) for line in (2.3, 4.1, 6.4, 8.0)]
shapes = np.stack([shape / shape.sum() for shape in shapes])
cube = spt.make_cube(rng.poisson(8 * shapes[grains]), energy=energy)
segmenter = spt.SpectralSegmenter().fit(cube)

figure, places = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
for axes, neighbours, title in zip(
    places, (0, "auto"), ("every pixel alone", "with its neighbours"), strict=True
):
    result = spt.segment(cube, segmenter, 4, neighbours=neighbours)
    axes.imshow(paint(result.label))
    axes.set_title(title)
    axes.set_axis_off()
plt.show()
