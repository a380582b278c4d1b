"""The figure of maps of emission lines."""

import numpy as np
import xarray as xr

import spectessera as spt


def test_every_map_has_a_panel_with_what_is_known_of_its_pixels():
    image = np.arange(6.0).reshape(2, 3)
    quality = np.array([[0, 1, 2], [4, 3, 32]], np.uint8)
    maps = xr.Dataset(
        {
            "flux": (("line", "y", "x"), [image, image], {"units": "counts angstrom"}),
            "flux_error": (("line", "y", "x"), np.full((2, 2, 3), 0.5)),
            "velocity": (("y", "x"), np.where(quality & 34, np.nan, image)),
            "dispersion": (("y", "x"), image),
            "gas_class": (
                ("y", "x"), np.array([[0, 1, 2], [2, 2, 2]]),
                {"legend": '{"1": "HII region", "2": "undecided"}'},
            ),
            "quality": (("y", "x"), quality),
        },
        coords={"line": ["Ha 6563", "[NII] 6583"]},
    )  # fmt: skip
    figure = spt.plots.lines(maps)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "Ha 6563", "[NII] 6583", "velocity", "dispersion", "class of the gas", "fitted"
    ]  # fmt: skip
    texts = [
        text.get_text()
        for axes in figure.axes
        if axes.get_legend()
        for text in axes.get_legend().get_texts()
    ]
    assert texts == [
        "HII region", "undecided", "no H alpha", "alone (2)", "pooled (1)", "too faint (2)"
    ]  # fmt: skip


def test_the_lines_that_are_not_drawn_are_named():
    names = [f"line {n}" for n in range(8)]
    flux = np.arange(8.0)[:, None, None] * np.ones((1, 2, 3))
    maps = xr.Dataset(
        {
            "flux": (("line", "y", "x"), flux),
            "flux_error": (("line", "y", "x"), np.full((8, 2, 3), 0.5)),
            "velocity": (("y", "x"), np.ones((2, 3))),
            "dispersion": (("y", "x"), np.ones((2, 3))),
            "gas_class": (("y", "x"), np.ones((2, 3), int), {"legend": '{"1": "HII region"}'}),
            "quality": (("y", "x"), np.zeros((2, 3), np.uint8)),
        },
        coords={"line": names},
    )
    said = spt.plots.lines(maps).get_supxlabel()
    assert said == "not drawn: line 0 (0 pixels), line 1 (0 pixels)"
    assert spt.plots.lines(maps.isel(line=slice(2, 8))).get_supxlabel() == ""
