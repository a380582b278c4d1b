"""
The parts of a report
=====================

What a report shows, by the numbers of the page that says how to read it: the map and the
confidence (2), the mean spectra of the clusters with their names (3), and the gain against the
number of clusters (7).
"""

import matplotlib.pyplot as plt

import spectessera as spt
from spectessera.naming.names import name_clusters, title_of

page = spt.synth.miniature(seed=4, shape=(56, 56), palette="choirbook")
realism = spt.synth.Realism(scale=8.0)
cube, truth = spt.synth.cube_from_rgb(page, "choirbook", counts=200, seed=4, realism=realism)
result = spt.segment(cube, spt.load("maxrf"))
names = {n: title_of(each) for n, each in enumerate(name_clusters(result), start=1)}

figure = plt.figure(figsize=(11, 11.5), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=(1.7, 1))
spt.plots.clusters(result, {n: name for n, name in names.items() if name}, figure=upper)
for axes, number in zip(upper.axes, ("2", "2", None, "3"), strict=False):
    if number is not None:
        axes.set_title(f"{number}. {axes.get_title()}", loc="left")
        axes.set_title("")
(gain,) = lower.subplots(1, 1, squeeze=False)[0]
gain.errorbar(result.k, result.gain, yerr=2 * result.gain_error, color="0.2", marker="o", capsize=3)
gain.axvline(int(result.attrs["n_clusters"]), color="0.6", ls="--", lw=1)
gain.set(xlabel="number of clusters", ylabel="gain per pixel")
gain.set_title("7. gain; the dashed line is the number that was chosen", loc="left")
plt.show()
