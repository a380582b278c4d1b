"""Where the size of a pixel is known, a report has scale bars, lengths and areas of that size."""

import json
import re

import numpy as np
import pytest

from reportcases import made_result

pytest.importorskip("bokeh", reason="a report needs bokeh")

from spectessera.htmlreport.facts import cards
from spectessera.htmlreport.lengths import areas, each_map_is, map_size
from spectessera.htmlreport.page import report

TIMES = " \u00d7 "


def sized(shape=(9, 14), y=0.25, x=0.5, unit="mm"):
    """Return a result whose pixels are 0.25 mm high and 0.5 mm wide."""
    result = made_result(shape)
    result["y"] = ("y", y * np.arange(shape[0]), {"units": unit})
    result["x"] = ("x", x * np.arange(shape[1]), {"units": unit})
    return result


def live(path):
    """Return the figures of a report, by the names of its maps: the glyphs of their bars."""
    source = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="report-data">(.*?)</script>', source).group(1))
    text = json.dumps(data["document"])
    return source, text.count('"scale-bar"'), set(re.findall(r'"text": "([^"]+ [nµm]?m)"', text))


def test_the_live_maps_have_the_bar_of_the_still_ones(tmp_path):
    """Two maps, each with a bar and its rim; 7 mm are wide, and 2 mm the longest round 30 %."""
    source, bars, words = live(report(sized(), tmp_path / "r.html"))
    assert bars == 4
    assert words == {"2 mm"}
    assert "2.25 x 7 mm; a pixel is 250 x 500 µm (height x width)".replace(" x ", TIMES) in source


def test_a_bar_is_as_long_as_it_says():
    from bokeh.plotting import figure

    from spectessera.htmlreport.lengths import add_scale_bars

    for upright, side in ((False, 7.96), (True, 0.04)):
        drawn = figure()
        add_scale_bars([drawn], sized(), upright=upright)
        columns, rows = (drawn.renderers[0].data_source.data[name] for name in ("x", "y"))
        assert columns[1] - columns[0] == pytest.approx(2.0 / 0.5)  # 2 mm in pixels
        assert rows == pytest.approx([side, side])
        assert columns[0] > -0.5
        assert columns[1] < 13.5


def test_without_a_size_there_is_neither_bar_nor_length(tmp_path):
    plain = made_result()
    source, bars, words = live(report(plain, tmp_path / "r.html"))
    assert bars == 0
    assert words == set()
    assert "Extent" not in source
    assert (map_size(plain), each_map_is(plain), areas(plain, [3])) == ("", "", [""])


def test_clusters_have_areas():
    result = sized()
    for card in cards(result, None, {}):
        assert card.area == f"{0.125 * card.size:.3g} mm²"
    assert areas(sized(unit="µm", y=10, x=10), [1, 10_000, 10**9]) == [
        "100 µm²",
        "1 mm²",
        "100000 mm²",
    ]


def test_small_maps_say_how_large_they_are():
    words = each_map_is(sized(unit="nm", y=11.8, x=11.8))
    expected = "Each map is 106.2 x 165.2 nm; a pixel is 11.8 x 11.8 nm (height x width)."
    assert words == expected.replace(" x ", TIMES)
