"""
You know better: merge, name, colour
====================================

Corrections are lines that are applied to a result. The result itself never changes, so each of
them can be taken back.
"""

import matplotlib.pyplot as plt

import spectessera as spt
from spectessera.edits import Merge, Recolour, Rename

page = spt.synth.miniature(seed=4, shape=(56, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=200, seed=4, realism=realism)
result = spt.segment(cube, spt.load("maxrf"))
acts = [Merge((1, 2)), Rename(1, "ground"), Recolour(1, "#d8c8a0"), Recolour(2, "#7a1f2b")]
edited = spt.edits.apply_edits(result, acts)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
spt.plots.labels(result, ax=left)
left.set_title(f"as computed: {result.sizes['cluster']} clusters")
spt.plots.labels(edited, ax=right)
right.set_title(f"as corrected: {edited.sizes['cluster']} clusters")
plt.show()
