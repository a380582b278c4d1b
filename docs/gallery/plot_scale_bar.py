"""
Scale bar, and colours of your own
==================================

Where a cube has positions with a unit, maps have a scale bar. Here the steps are 0.5 mm. Colours
are given to clusters by their number. (For a file, ``spt.read(path, pixel_size="0.5 mm")`` or
``spectessera segment --pixel-size 0.5mm`` gives the positions.)
"""

import matplotlib.pyplot as plt
import numpy as np

import spectessera as spt
from spectessera.edits import Recolour

page = spt.synth.miniature(seed=9, shape=(56, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=300, seed=9, realism=realism)
position = 0.5 * np.arange(56)
cube = cube.assign_coords(y=("y", position, {"units": "mm"}), x=("x", position, {"units": "mm"}))
result = spt.segment(cube, spt.load("maxrf"))
colours = ["#e6d8b5", "#22335f", "#8c2f39", "#4f7942", "#c89b3c", "#5b4b8a", "#333333", "#b0b0b0"]
acts = [Recolour(int(number), colours[i % 8]) for i, number in enumerate(result.cluster.values)]
own = spt.edits.apply_edits(result, acts)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
spt.plots.labels(result, ax=left)
left.set_title("colours by default")
spt.plots.labels(own, ax=right)
right.set_title("your colours")
plt.show()
