"""
Two scans of one object
=======================

The two halves of a page were scanned one after the other. Segmented together, a paint has the
same number and colour in both.
"""

import matplotlib.pyplot as plt

import spectessera as spt

page = spt.synth.miniature(seed=2, shape=(56, 72), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=300, seed=2, realism=realism)
left, right = cube[:, :36], cube[:, 36:]
joined = spt.join_scans([left, right], ["left", "right"])
result = spt.segment(joined, spt.load("maxrf"))
parts = spt.split_scans(result, [left, right])

figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
axes[0].imshow(page)
axes[0].set_title("the page")
for place, (name, part) in zip(axes[1:], parts.items(), strict=True):
    spt.plots.labels(part, ax=place)
    place.set_title(f"{name} scan")
plt.show()
