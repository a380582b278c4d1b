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
