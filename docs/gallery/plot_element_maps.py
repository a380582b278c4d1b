"""
Maps of elements
================

Net counts of the lines of each element in every pixel, above the background. Lines are those that
the mean spectra of the clusters show; nobody gives a list of elements.
"""

import matplotlib.pyplot as plt

import spectessera as spt

page = spt.synth.miniature(seed=2, shape=(64, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=400, seed=2, realism=realism)
result = spt.segment(cube, spt.load("maxrf"))
maps = spt.maps.elements(cube, result)

strong = maps.net_counts.mean(("y", "x"))
elements = maps.kind == "element"
best = strong.where(elements, 0).argsort()[-6:].values
figure = plt.figure(figsize=(10, 7), layout="constrained")
spt.plots.elements(maps.isel(element=sorted(best)), figure=figure)
plt.show()
