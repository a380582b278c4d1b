"""Legends and bars that leave the maps their room."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.scans.places import Place, as_text


@pytest.fixture
def result():
    """A result of two clusters."""
    counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    counts[:, :4, 10] += 60
    cube = spt.make_cube(counts, energy=(1.0, 20.0))
    found = spt.baselines.linear(cube, spt.Clusters(2, 2), seed=0)
    return found.assign(confidence=(("y", "x"), np.ones((8, 9))))


def _width_of_map(figure):
    figure.draw_without_rendering()
    return figure.axes[0].get_tightbbox().width / figure.bbox.width


def test_long_names_do_not_take_the_room_of_the_map(result):
    long = {n: "lead white, azurite, malachite, vermilion or a mixture" for n in (1, 2)}
    short, named = spt.plots.clusters(result), spt.plots.clusters(result, long)
    assert _width_of_map(named) > 0.9 * _width_of_map(short)
    texts = [each.get_text() for each in named.legends[0].get_texts()]
    assert all("lead white, azurite, malachite, vermilion or a mixture" in each for each in texts)


def test_scans_in_one_image_have_their_names(result):
    places = [Place("left $1$", 0, 0, 8, 4), Place("right", 0, 4, 8, 5)]
    drawn = spt.plots.labels(result.assign_attrs(scans=as_text(places))).axes[0].texts
    assert [each.get_position() for each in drawn] == [(0, 0), (4, 0)]
    assert [each.get_text() for each in drawn] == [r"left \$1\$", "right"]
    assert not spt.plots.labels(result).axes[0].texts


def test_the_bars_of_abundances_and_of_components_are_apart():
    maps = xr.Dataset(
        {
            "abundance": (("cluster", "y", "x"), np.full((6, 12, 9), 0.5)),
            "components": (("y", "x"), np.full((12, 9), 2)),
            "end_spectrum": (("cluster", "channel"), np.ones((6, 5))),
        },
        coords={"cluster": np.arange(1, 7)},
    )
    figure = spt.plots.abundances(maps)
    figure.draw_without_rendering()
    bars = [each for each in figure.axes if each.get_label() == "<colorbar>"]
    one, other = (each.get_tightbbox() for each in bars)
    assert not one.overlaps(other)


def test_masked_pixels_have_an_entry_in_the_legend(result):
    label = result["label"].copy()
    label[:2, :3] = 0
    masked = result.assign(label=label)
    for figure in (spt.plots.clusters(masked), spt.plots.labels(masked)):
        legend = figure.legends[0] if figure.legends else figure.axes[0].get_legend()
        assert legend.get_texts()[-1].get_text() == "masked"
    shown = spt.plots.labels(result).axes[0].get_legend().get_texts()
    assert not any("masked" in each.get_text() for each in shown)
