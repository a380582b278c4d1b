"""Names and colours by people: what is given comes back, and nothing else gets in."""

import json

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from matplotlib.colors import to_hex
from PIL import Image

import spectessera as spt
from reportcases import made_result
from spectessera.colours import colours
from spectessera.result import (
    check_result,
    check_structure,
    clean_name,
    cluster_colours,
    cluster_names,
    given_colours,
    with_given,
)


def a_result(**attrs):
    """Return a result of three clusters on 2 x 3 pixels."""
    label = xr.DataArray(np.array([[1, 2, 0], [3, 3, 1]], np.int32), dims=("y", "x"))
    return xr.Dataset(
        {"label": label, "size": ("cluster", [2, 1, 2])},
        coords={"cluster": [1, 2, 3]},
        attrs={"n_clusters": 3, **attrs},
    )


def test_without_people_there_are_no_names_and_the_fixed_colours():
    assert cluster_names(a_result()) == given_colours(a_result()) == {}
    np.testing.assert_array_equal(cluster_colours(a_result()), colours(3))


def test_given_names_and_colours_are_part_of_the_result_and_of_its_files(tmp_path):
    result = with_given(a_result(), {3: "  the\nrobe ", 1: "Grünspan"}, {2: "#AA3366"})
    assert result.attrs["cluster_names"] == '{"1": "Grünspan", "3": "the robe"}'
    assert cluster_colours(result)[1].tolist() == [0xAA, 0x33, 0x66]
    np.testing.assert_array_equal(cluster_colours(result)[[0, 2]], colours(3)[[0, 2]])
    spt.write(result, tmp_path / "r.nc")
    again = spt.read_result(tmp_path / "r.nc")
    assert list(cluster_names(again).items()) == [(1, "Grünspan"), (3, "the robe")]
    assert given_colours(again) == {2: "#aa3366"}


def test_the_result_itself_is_not_changed_and_names_can_be_taken_away():
    first = with_given(a_result(), {1: "a"}, {})
    assert "cluster_names" not in with_given(first, {}, {}).attrs
    assert cluster_names(first) == {1: "a"}


def test_a_number_beyond_those_of_the_clusters_is_refused():
    with pytest.raises(ValueError, match="'cluster_names' of a result has cluster 4"):
        with_given(a_result(), {4: "a"}, {})
    with pytest.raises(ValueError, match="'cluster_colours' of a result has cluster 9"):
        check_result(a_result(cluster_colours='{"9": "#000000"}'))


def test_marks_of_a_page_stay_text_and_what_is_not_seen_is_an_escape():
    given = with_given(a_result(), {1: "<script>alert(1)</script>", 2: "a\x1b[1m\u202e"}, {})
    assert cluster_names(given) == {1: "<script>alert(1)</script>", 2: r"a\x1b[1m\u202e"}
    hostile = a_result(cluster_names=json.dumps({"2": "a\x1b[1m"}))
    assert cluster_names(check_result(hostile)) == {2: r"a\x1b[1m"}


@pytest.mark.parametrize("attribute", ["cluster_names", "cluster_colours"])
@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", '"a"', '{"1": 2}', '{"1": {"1": "a"}}', '{"0": "#000000"}', '{"-1": "a"}',
        '{"01": "#000000"}', '{" 1": "#000000"}', '{"٣": "#000000"}', '{"1e3": "#000000"}',
        '{"70000": "#000000"}', '{"' + "9" * 5000 + '": "#000000"}', "[" * 100_000,
        '{"1": ""}', '{"1": "' + "a" * 201 + '"}', "{" * 1000, "\x1b[31m", 7, 1.5,
    ],
)  # fmt: skip
def test_hostile_attributes_are_refused_with_their_name(attribute, text):
    with pytest.raises(ValueError, match=f"'{attribute}'") as refused:
        check_structure(a_result(**{attribute: text}))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 3000


@pytest.mark.parametrize(
    "text",
    [
        "{}", "[1]", '[{"edit": 1, "words": "a"}]', '[{"edit": {}, "words": 1}]', "[[]]", 3,
        '[{"edit": {}}]', '[{"edit": {}, "words": "a", "more": 1}]', "[" * 100_000, "\x1b[31m",
    ],
)  # fmt: skip
def test_hostile_lists_of_changes_are_refused(text):
    with pytest.raises(ValueError, match="'edits'") as refused:
        check_structure(a_result(edits=text))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 3000


@pytest.mark.parametrize(
    "colour", ["red", "#fff", "#12345g", "#1234567", "#aabbcc;}", "url(x)", "#aabbcc\n"]
)
def test_a_colour_that_is_none_is_refused(colour):
    with pytest.raises(ValueError, match="six digits"):
        with_given(a_result(), {}, {1: colour})


def test_a_number_of_clusters_that_cannot_be_takes_no_memory():
    with pytest.raises(ValueError, match="up to 65535"):
        cluster_colours(xr.Dataset(coords={"cluster": [1, 10**9]}))


def test_a_name_is_one_line_of_some_length():
    assert clean_name(" a\n\x1b[1m\u202e ") == r"a \x1b[1m\u202e"
    for wrong in ("", " \n", "a" * 201):
        with pytest.raises(ValueError, match="1 to 200 characters"):
            clean_name(wrong)
    with pytest.raises(ValueError, match="got 9000"):
        clean_name("a" * 9000)


def test_pictures_figures_and_the_report_show_given_names_and_colours(tmp_path, monkeypatch):
    """The second cluster is #123456 and "robe" wherever it is drawn or listed."""
    monkeypatch.setattr("spectessera.htmlreport.stills.uri", lambda _: "data:,")
    result = with_given(made_result(), {2: "robe <b>"}, {2: "#123456"})
    rgb = (0x12, 0x34, 0x56)
    spt.write(result, tmp_path / "labels.png")
    picture = np.asarray(Image.open(tmp_path / "labels.png"))
    step = picture.shape[0] // 9
    found = (picture[::step, ::step] == rgb).all(axis=-1)
    np.testing.assert_array_equal(found, result["label"].values == 2)
    (legend,) = spt.plots.clusters(result).legends
    assert legend.get_texts()[1].get_text().startswith("2: robe <b>, ")
    assert to_hex(legend.get_patches()[1].get_facecolor()) == "#123456"
    page = spt.report(result, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "2: robe &lt;b&gt;" in page
    assert 'style="background:#123456"' in page
    assert "robe <b>" not in page


def test_the_lines_of_spectra_and_the_map_have_the_given_colour():
    result = with_given(made_result(), {}, {2: "#123456"})
    figure = spt.plots.clusters(result)
    lines = [line.get_color() for axes in figure.axes for line in axes.lines]
    assert [to_hex(each) for each in lines] == ["#0072b2", "#123456", "#009e73"]
    (image,) = figure.axes[0].images
    assert to_hex(image.cmap(image.norm(2))) == "#123456"


def test_label_files_have_a_table_of_names_and_colours(tmp_path):
    result = with_given(a_result(), {3: "Grünspan"}, {2: "#123456"})
    spt.write(result, tmp_path / "labels.fits")
    with fits.open(tmp_path / "labels.fits") as file:
        table = file["CLUSTERS"].data
        assert table["CLUSTER"].tolist() == [1, 2, 3]
        assert table["NAME"].tolist() == ["", "", "Grunspan"]
        assert table["COLOUR"].tolist() == ["#0072b2", "#123456", "#009e73"]
        assert table["PIXELS"].tolist() == [2, 1, 2]
