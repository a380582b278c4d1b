"""Every figure draws into axes, or into a part of a figure, that the user gives."""

import inspect

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import spectessera as spt
from reportcases import made_result
from spectessera.axis import Axis

STEPS = xr.Dataset(
    {"first": ("merge", [1, 1]), "second": ("merge", [3, 2]),
     "cost": ("merge", [0.5, 20.0]), "cost_error": ("merge", [0.1, 0.4])}
)  # fmt: skip
ROWS = [{"epoch": n, "total": 1 / (n + 1), "validation_total": 1 / (n + 1)} for n in range(3)]


def integrated():
    names = ("input", "decoded", "latent")
    image = ("y", "x"), np.arange(126.0).reshape(9, 14)
    return made_result().assign({f"integrated_{name}": image for name in names})


def test_completing_plots_lists_figures_only():
    assert dir(spt.plots) == sorted(spt.plots.__all__)
    assert all(callable(getattr(spt.plots, name)) for name in dir(spt.plots))


@pytest.mark.parametrize("name", spt.plots.__all__)
def test_every_figure_takes_axes_or_a_part_of_a_figure(name):
    """Of one panel: ``ax``; of several: ``figure``."""
    given = inspect.signature(getattr(spt.plots, name)).parameters
    assert ("ax" in given) != ("figure" in given)
    chosen = given["ax" if "ax" in given else "figure"]
    assert (chosen.default, chosen.kind) == (None, inspect.Parameter.KEYWORD_ONLY)


@pytest.mark.parametrize(
    ("name", "what"),
    [("labels", made_result), ("confidence", made_result), ("spectra", made_result),
     ("tree", lambda: STEPS)],
)  # fmt: skip
def test_axes_that_are_given_are_drawn_into(name, what):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert getattr(spt.plots, name)(what(), ax=right) is figure
    assert right.has_data()
    assert not left.has_data()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("clusters", lambda: [made_result()]),
        ("integrated", lambda: [integrated()]),
        ("scores", lambda: [made_result()]),
        ("history", lambda: [ROWS]),
        ("spectra_of_palette", lambda: [["a"], np.ones((1, 3)), np.ones((1, 5)) / 5,
                                        Axis(np.arange(5.0) + 1)]),
    ],
)  # fmt: skip
def test_a_part_of_a_figure_is_drawn_into(name, what):
    figure = Figure(layout="constrained")
    left, right = figure.subfigures(1, 2)
    assert getattr(spt.plots, name)(*what(), figure=right) is right
    assert right.axes
    assert not left.axes
    figure.canvas.draw()


# --- axes of maps -------------------------------------------------------------------------------


def axes_of_a_map(**sizes):
    """Return the axes of a map of 9 x 14 pixels whose coordinates have these steps, in mm."""
    result = made_result()
    for name, step in sizes.items():
        values = 7.0 + step * np.arange(result.sizes[name])
        result = result.assign_coords({name: (name, values, {"units": "mm"})})
    figure = spt.plots.labels(result)
    figure.draw_without_rendering()
    return figure.axes[0]


def labelled(axis):
    """Return which number is written at which position in pixels."""
    ticks = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
    low, high = sorted(axis.get_view_interval())
    return {float(at): float(text.get_text()) for at, text in ticks if low <= at <= high}


def test_axes_of_a_map_whose_pixels_have_a_size_are_lengths_from_the_first_pixel():
    axes = axes_of_a_map(y=-0.5, x=0.25)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (mm)", "y (mm)")
    for axis, step in ((axes.xaxis, 0.25), (axes.yaxis, 0.5)):
        shown = labelled(axis)
        assert len(shown) >= 2
        for at, length in shown.items():
            assert length == pytest.approx(at * step)
    assert axes.images[0].get_extent() == [-0.5, 13.5, 8.5, -0.5]  # positions stay pixels


@pytest.mark.parametrize(
    ("step", "label"), [(1e-4, "x (µm)"), (1e-6, "x (nm)"), (500.0, "x (m)"), (1e-9, "x (nm)")]
)
def test_lengths_are_in_the_unit_in_which_they_are_short(step, label):
    assert axes_of_a_map(y=step, x=step).get_xlabel() == label


@pytest.mark.parametrize("sizes", [{}, {"x": 0.25}])
def test_axes_of_a_map_whose_pixels_have_no_size_count_pixels(sizes):
    axes = axes_of_a_map(**sizes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (pixel)", "y (pixel)")
    for at, number in labelled(axes.xaxis).items():
        assert at == number == int(number)


# --- legends, and room for everything -----------------------------------------------------------


def test_a_map_of_clusters_has_a_legend_of_its_own_but_not_in_given_axes():
    result = made_result().assign_attrs(cluster_names='{"2": "robe"}')
    (axes,) = spt.plots.labels(result).axes
    texts = [each.get_text() for each in axes.get_legend().get_texts()]
    assert texts[1].startswith("2: robe, ")
    assert texts[3:] == ["masked"]  # one pixel of this result
    given = Figure().add_subplot()
    spt.plots.labels(result, ax=given)
    assert given.get_legend() is None
    spt.plots.labels(result, ax=given, legend=True)
    assert given.get_legend() is not None
    assert spt.plots.labels(result, legend=False).axes[0].get_legend() is None


def abundances():
    shares = np.random.default_rng(0).dirichlet(np.ones(3), (9, 14)).transpose(2, 0, 1)
    data = {"abundance": (("cluster", "y", "x"), shares),
            "components": (("y", "x"), np.full((9, 14), 3)),
            "end_spectrum": (("cluster", "channel"), np.ones((3, 5)))}  # fmt: skip
    return xr.Dataset(data, coords={"cluster": [1, 2, 3]})


@pytest.mark.parametrize(
    ("name", "what"),
    [("abundances", abundances), ("clusters", made_result), ("integrated", integrated)],
)
def test_in_an_empty_figure_without_a_layout_nothing_lies_over_something_else(name, what):
    """Such as ``plt.figure()``."""
    figure = Figure(figsize=(9, 7))
    getattr(spt.plots, name)(what(), figure=figure)
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]  # bars and maps
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            high = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert min(wide, high) <= 0, f"{one} lies over {other}"


def test_the_layout_of_a_figure_that_is_in_use_stays():
    figure = Figure()
    figure.add_subplot(2, 1, 1)
    spt.plots.clusters(made_result(), figure=figure)
    assert figure.get_layout_engine() is None


def test_long_names_do_not_make_the_maps_small():
    """They are below the spectra, not beside the maps."""
    result = made_result()
    names = dict.fromkeys((1, 2, 3), "verdigris or azurite or malachite in oil")
    sizes = []
    for figure in (spt.plots.clusters(result), spt.plots.clusters(result, names)):
        figure.draw_without_rendering()
        sizes.append([axes.get_window_extent().size for axes in figure.axes[:2]])
    np.testing.assert_allclose(sizes[1], sizes[0], rtol=0.15)
