"""The picture of the map in a terminal: which cluster each of its points shows, and when."""

import io

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from spectessera.cli import picture
from spectessera.colours import MASKED, colours


def a_result(label, **attrs):
    label = np.asarray(label)
    array = xr.DataArray(label.astype(np.int32), dims=("y", "x"))
    return xr.Dataset({"label": array}, attrs={"n_clusters": int(label.max()), **attrs})


def console(**settings):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=settings.pop("encoding", "utf-8"))
    return Console(**{"force_terminal": True, "color_system": "truecolor", "file": stream,
                      "width": 40, "height": 30} | settings)  # fmt: skip


def test_a_point_is_the_cluster_of_most_of_its_pixels():
    label = np.ones((30, 60), int)
    label[:, 30:] = 2
    label[::3, ::3] = 3  # one pixel in nine
    shown = picture.points(a_result(label), 20, 10)
    assert shown.tolist() == [[1] * 10 + [2] * 10] * 10


def test_a_small_map_is_enlarged_and_a_long_one_keeps_its_shape():
    assert picture.points(a_result([[1, 2, 2]]), 72, 48).tolist() == [[1] * 4 + [2] * 8] * 4
    assert picture.points(a_result(np.ones((100, 1000), int)), 50, 40).shape == (5, 50)
    assert picture.points(a_result(np.ones((1, 4000), int)), 50, 40).shape == (1, 50)


def test_the_first_row_is_at_the_bottom_as_on_the_sky():
    up = picture.points(a_result([[1], [2]], wcs="of the sky"), 1, 2)
    assert up.tolist() == [[2], [1]]


def test_colours_of_people_and_of_no_cluster(monkeypatch):
    monkeypatch.setattr(picture, "output", console())
    result = a_result([[0, 1], [2, 2]], cluster_colours='{"2": "#010203"}')
    first, last = picture.picture(result)[0], picture.picture(result)[-1]
    assert str(first.spans[0].style).startswith(f"rgb({','.join(map(str, MASKED))}) on")
    assert str(first.spans[1].style).startswith(f"rgb({','.join(map(str, colours(1)[0]))}) on")
    assert str(last.spans[0].style) == "rgb(1,2,3) on rgb(1,2,3)"
    assert len(picture.picture(result)) == 4  # 2 pixels of 4 points, 2 points a line


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, True),
        ({"color_system": "256"}, True),
        ({"color_system": "standard"}, False),
        ({"color_system": None}, False),
        ({"no_color": True}, False),
        ({"force_terminal": False}, False),
        ({"encoding": "latin-1"}, False),
    ],
)
def test_only_a_terminal_with_colours_shows_it(monkeypatch, settings, shown):
    monkeypatch.setattr(picture, "output", console(**settings))
    assert picture.can_show() is shown
