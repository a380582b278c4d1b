"""
How many clusters?
==================

Clusters are made from one half of the photons, and asked to predict the other half. The gain
rises as long as clusters are real, and then is flat; the dashed line is the number that was
chosen. The two upper curves are the silhouette, and how well clusters come back from half of the
pixels.
"""

import matplotlib.pyplot as plt

import spectessera as spt

page = spt.synth.miniature(seed=4, shape=(56, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=200, seed=4, realism=realism)
result = spt.segment(cube, spt.load("maxrf"))

figure = plt.figure(figsize=(6, 7), layout="constrained")
spt.plots.scores(result, figure=figure)
plt.show()
