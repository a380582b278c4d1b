"""
Labels beside their confidence
==============================

A label map alone looks equally sure everywhere. Confidence is the probability that a new
measurement of the same pixel gets the same label. Here a page of a manuscript is scanned with 60
counts a pixel.
"""

import matplotlib.pyplot as plt

import spectessera as spt

page = spt.synth.miniature(seed=2, shape=(64, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=60, seed=2, realism=realism)
result = spt.segment(cube, spt.load("maxrf"))

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
left.imshow(page)
left.set_title("the page")
spt.plots.labels(result, ax=middle)
spt.plots.confidence(result, ax=right)
plt.show()
