"""The figure of abundances says which clusters have no map, and what its scales are."""

import numpy as np
import xarray as xr

import spectessera as spt


def made(**attrs):
    data = {
        "abundance": (("cluster", "y", "x"), np.full((2, 3, 4), 0.5)),
        "components": (("y", "x"), np.full((3, 4), 2)),
        "end_spectrum": (("cluster", "channel"), np.ones((2, 5))),
    }
    return xr.Dataset(data, coords={"cluster": [1, 3]}, attrs=attrs)


def titles(maps):
    """Return the titles of all panels."""
    return [axes.get_title() for axes in spt.plots.abundances(maps).axes if axes.get_title()]


def test_clusters_without_an_end_spectrum_are_named():
    assert titles(made())[-1] == "end spectra"
    found = titles(made(mixed_clusters='{"2": {"1": 0.95}, "4": {}}'))
    assert found[:2] == ["cluster 1", "cluster 3"]
    assert found[-1] == "end spectra (none of its own: cluster 2, 4)"
