"""The lines of edits.toml: every act comes back as it was, and nothing else gets in."""

import numpy as np
import pytest

from spectessera.edits import (
    Mask,
    Merge,
    Polygon,
    Recolour,
    Rectangle,
    Rename,
    Runs,
    Split,
    parse_edits,
    read_edits,
    write_edits,
)

ALL = (
    Merge((5, 2)),
    Split(3),
    Split(1, 4, 7),
    Rename(2, 'a "robe" <script>\u2028'),
    Rename(2, ""),
    Recolour(2, "#AA3366"),
    Mask(Rectangle(1, 3, 0, 9)),
    Mask(Polygon(((0, 0.5), (1e-7, 4), (2.25, 1)))),
    Mask(Runs(((0, 1, 3), (4, 0, 2)))),
)


def test_every_act_is_one_line_and_comes_back(tmp_path):
    path = tmp_path / "edits.toml"
    write_edits(ALL, path, "abc")
    assert read_edits(path, "abc") == ALL
    lines = [line for line in path.read_text().splitlines() if "act = " in line]
    assert len(lines) == len(ALL)
    assert lines[0].strip() == '{ act = "merge", clusters = [2, 5] },'
    assert ALL[5].colour == "#aa3366"


def test_tables_of_toml_and_the_names_of_earlier_versions_are_read():
    text = '[names]\n12 = "b"\n2 = " a "\n[[edit]]\nact = "merge"\nclusters = [2, 12]\n'
    assert parse_edits(text) == (Rename(2, "a"), Rename(12, "b"), Merge((2, 12)))


EDIT = "edit = [ {} ]".format
HOSTILE = {
    "edit = 3": "edit is a list",
    "edit = [3]": "edit 1: it is a table",
    "more = 1": "more is not known",
    'result = "other"': "belongs to another result, run other",
    EDIT('{ act = "melt" }'): "act is one of merge, split",
    EDIT("{ act = 3 }"): "act is one of",
    EDIT('{ act = "merge" }'): "merge has no clusters",
    EDIT('{ act = "merge", clusters = [2, 3], x = 1 }'): "unknown value x",
    EDIT('{ act = "merge", clusters = 2 }'): "two clusters or more",
    EDIT('{ act = "merge", clusters = [2] }'): "two clusters or more",
    EDIT('{ act = "merge", clusters = [2, 2] }'): "a cluster twice",
    EDIT('{ act = "merge", clusters = [2, 0] }'): "at least 1",
    EDIT('{ act = "merge", clusters = [2, 1000000000] }'): "at most 65535",
    EDIT('{ act = "merge", clusters = [2, 3.5] }'): "must be an integer",
    EDIT('{ act = "merge", clusters = [2, true] }'): "must be an integer",
    EDIT('{ act = "merge", clusters = [[1], [2]] }'): "must be an integer",
    EDIT('{ act = "split", cluster = 1, k = 1 }'): "at least 2",
    EDIT('{ act = "split", cluster = 1, k = 1000000000 }'): "at most 1000",
    EDIT('{ act = "split", cluster = 1, seed = -1 }'): "at least 0",
    EDIT('{ act = "rename", cluster = 1, name = 3 }'): "name of a cluster is text",
    EDIT('{ act = "rename", cluster = 1, name = "' + "a" * 201 + '" }'): "1 to 200 characters",
    EDIT('{ act = "recolour", cluster = 1, colour = "red" }'): "six digits",
    EDIT('{ act = "mask", rows = [0, 3] }'): "mask has rows",
    EDIT('{ act = "mask", rows = [3, 3], columns = [0, 2] }'): "y0 < y1",
    EDIT('{ act = "mask", rows = [0, 1e9], columns = [0, 2] }'): "must be an integer",
    EDIT('{ act = "mask", rows = [0, 1000000000], columns = [0, 2] }'): "at most 1000000",
    EDIT('{ act = "mask", polygon = [[0, 0], [1, 1]] }'): "3 to 10000 corners",
    EDIT('{ act = "mask", polygon = [[0, 0], [1, nan], [2, 2]] }'): "must be finite",
    EDIT('{ act = "mask", polygon = [[0, 0], [1, 1], [2]] }'): r"a corner of a polygon is \[y, x\]",
    EDIT('{ act = "mask", runs = [[0, 2, 2]] }'): "x0 < x1",
    EDIT('{ act = "mask", runs = [] }'): "1 to 100000 runs",
    "edit = " + "[" * 100_000: "nested too deeply|Invalid",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines_are_refused_with_what_is_wrong(text):
    with pytest.raises(ValueError, match=HOSTILE[text]) as refused:
        parse_edits(text, "mine")
    assert len(str(refused.value)) < 1000


def test_more_than_a_file_may_hold_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="at most 10000 acts"):
        write_edits([Merge((1, 2))] * 10_001, tmp_path / "e.toml")
    rows = tuple((y, 0, 1) for y in range(90_000))
    with pytest.raises(ValueError, match="1 MiB"):
        write_edits([Mask(Runs(rows))], tmp_path / "e.toml")
    assert not (tmp_path / "e.toml").exists()


def test_a_link_is_no_file_of_edits(tmp_path):
    (tmp_path / "a.toml").write_text("")
    (tmp_path / "e.toml").symlink_to(tmp_path / "a.toml")
    with pytest.raises(ValueError, match="is a link"):
        read_edits(tmp_path / "e.toml")


def test_pixels_of_a_polygon_are_those_whose_centres_are_inside():
    """Against the even-odd rule, pixel by pixel, for a star that crosses itself."""
    generator = np.random.default_rng(0)
    points = generator.uniform(-3, 20, (7, 2))
    found = Polygon(tuple(map(tuple, points.tolist()))).inside((15, 18))
    for y in range(15):
        for x in range(18):
            crossings = 0
            for (y0, x0), (y1, x1) in zip(points, np.roll(points, -1, axis=0), strict=True):
                if (y0 <= y) != (y1 <= y):
                    crossings += x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x
            assert found[y, x] == (crossings % 2 == 1)


def test_a_square_polygon_is_the_rectangle_and_runs_are_any_mask():
    square = Polygon(((1, 2), (1, 6), (4, 6), (4, 2))).inside((7, 9))
    np.testing.assert_array_equal(square, Rectangle(1, 4, 2, 6).inside((7, 9)))
    mask = np.random.default_rng(1).random((7, 9)) > 0.5
    np.testing.assert_array_equal(Runs.of(mask).inside((7, 9)), mask)
    assert Rectangle(5, 900, 0, 1).inside((7, 9)).sum() == 2  # what is beyond the image is no error
