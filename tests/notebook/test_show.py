"""What a notebook shows: the truth, all text escaped, and nothing is read from a file."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import spectessera as spt
from reportcases import HOSTILE, made_result
from spectessera.colours import MASKED, colours


class Tags(HTMLParser):
    """The tags of a page, which must balance, and its text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words = [], set(), []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("img",):
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def html_of(value):
    return spt.show(value)._repr_html_()


def image_in(html):
    source = re.search(r'src="data:image/png;base64,([^"]+)"', html)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))


def test_a_result_shows_its_map_its_clusters_and_its_warnings():
    result = made_result()
    html = html_of(result)
    table = np.concatenate([MASKED[None], colours(3)])
    np.testing.assert_array_equal(image_in(html), table[result["label"].values])
    page = Tags(html)
    for number, size in zip((1, 2, 3), result["size"].values, strict=True):
        assert re.search(rf"\b{number} {size} {100 * size / 125:.1f} %", page.text)
    assert "The number of clusters was chosen" in page.text
    warned = result.assign_attrs(not_finite_share=0.5, seed_agreement=0.2)
    assert "Warnings" in Tags(html_of(warned)).text
    assert repr(spt.show(result)).startswith("result of 3 clusters, 9 x 14 pixels (y, x)")


def test_names_and_colours_of_people_are_shown():
    attrs = {"cluster_names": '{"2": "robe"}', "cluster_colours": '{"2": "#010203"}'}
    html = html_of(made_result(attrs=attrs))
    assert "robe" in Tags(html).text
    assert "#010203" in html
    assert [1, 2, 3] in image_in(html).reshape(-1, 3).tolist()


@pytest.mark.parametrize("what", ["result", "cube"])
def test_all_text_is_escaped(what):
    attrs = {"source": HOSTILE, "object": HOSTILE, "unit": HOSTILE, "instrument": HOSTILE}
    if what == "result":
        value = made_result(attrs=attrs)
    else:
        value = spt.make_cube(np.ones((3, 4, 5)), energy=(1.0, 5.0)).assign_attrs(attrs)
    page = Tags(html_of(value))
    assert "script" not in page.tags
    assert "<script>alert(1)" in page.text
    assert "http" not in re.sub(r"data:image[^\"]*", "", html_of(value))


def test_a_cube_in_memory_has_an_image_and_a_lazy_one_is_not_read():
    counts = np.zeros((4, 5, 6))
    counts[1, 2, 0] = counts[1, 3, 3] = counts[2, 2, 5] = 9
    cube = spt.make_cube(counts, energy=(1.0, 6.0))
    html = html_of(cube)
    drawn = image_in(html)
    assert drawn[1, 2].tolist() == [255, 0, 0]
    assert drawn[1, 3].tolist() == [0, 255, 0]
    assert drawn[2, 2].tolist() == [0, 0, 255]
    assert drawn[0, 0].tolist() == [0, 0, 0]
    assert "<polyline" in html

    def fail(_):
        raise AssertionError("the cube was read")

    lazy = xr.map_blocks(lambda block: block.map(fail), cube.to_dataset(name="a").chunk(),
                         template=cube.to_dataset(name="a").chunk())["a"]  # fmt: skip
    page = Tags(html_of(cube.copy(data=lazy.data)))
    assert "not read yet" in page.text
    assert "img" not in page.tags
    assert repr(spt.show(cube)) == (
        "cube of 4 x 5 pixels (y, x), 6 channels, energy 1 to 6 keV, float64"
    )


def test_a_segmenter_shows_the_settings_that_are_not_the_defaults():
    page = Tags(html_of(spt.SpectralSegmenter(network=spt.Network(latent=4, depth=2))))
    assert "not trained" in page.text
    assert "network.latent 4" in page.text
    assert "network.depth" not in page.text
    assert "All settings are the defaults" in Tags(html_of(spt.SpectralSegmenter())).text


@pytest.mark.parametrize("value", [3, xr.Dataset({"a": 1}), xr.DataArray(np.ones((2, 3)))])
def test_what_is_none_of_these_is_refused(value):
    with pytest.raises(TypeError, match="show takes a cube"):
        spt.show(value)


class Formatter(dict):
    """As that of IPython: what makes HTML of a type, or of one that is not loaded."""

    def for_type(self, kind, function):
        self[kind] = function

    def for_type_by_name(self, module, name, function):
        self[f"{module}.{name}"] = function

    def lookup_by_type(self, kind):
        return self[kind]


def shell_of(html, png):
    shell = type("Shell", (), {})()
    formatters = {"text/html": html, "image/png": png}
    shell.display_formatter = type("Display", (), {"formatters": formatters})()
    return shell


def test_the_extension_shows_ours_and_leaves_others():
    html = Formatter()
    shell = shell_of(html, Formatter())
    spt.load_ipython_extension(shell)
    assert 'class="spectessera"' in html[xr.Dataset](made_result())
    other = xr.Dataset({"a": ("x", [1, 2])})
    assert 'class="spectessera"' not in html[xr.Dataset](other)
    assert "xarray" in html[xr.Dataset](other)
    assert "spectessera.segmenter.estimator.SpectralSegmenter" in html
    spt.unload_ipython_extension(shell)
    assert html == {}


def test_figures_are_pictures_where_pyplot_was_never_imported():
    png = Formatter()
    shell = shell_of(Formatter(), png)
    spt.load_ipython_extension(shell)
    picture = png["matplotlib.figure.Figure"](spt.plots.labels(made_result()))
    assert picture.startswith(b"\x89PNG")
    spt.unload_ipython_extension(shell)
    assert png == {}


def test_the_pictures_of_pyplot_are_left_to_it():
    png = Formatter({"matplotlib.figure.Figure": repr})
    shell = shell_of(Formatter(), png)
    spt.load_ipython_extension(shell)
    spt.unload_ipython_extension(shell)
    assert png == {"matplotlib.figure.Figure": repr}


def test_the_image_and_the_spectrum_of_a_cube_are_without_the_zero_peak():
    """The same as those of a cube without it; a few noise counts more change no colour."""
    energy = np.linspace(-0.5, 9.5, 101)
    lines = sum(40 * np.exp(-0.5 * ((energy - at) / 0.1) ** 2) for at in (2, 4, 7))
    counts = np.ones((4, 5, 1)) * lines
    counts[1] *= 2
    zero = 5000 * np.exp(-0.5 * (energy / 0.03) ** 2) * np.arange(1, 6)[:, None]
    pages = [html_of(spt.make_cube(each, energy=(-0.5, 9.5))) for each in (counts, counts + zero)]
    np.testing.assert_array_equal(image_in(pages[0]), image_in(pages[1]))
    assert ["without the zero peak" in page for page in pages] == [False, True]
