"""The spectra of cubes that are trained on: how they are drawn, read and collected."""

import numpy as np

from spectessera import make_cube
from spectessera.preprocess.intake import intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.training_spectra import (
    collect,
    common_axis,
    draw_rows,
    read_drawn,
    some_spectra,
)

VALUES = np.random.default_rng(0).random((7, 11, 5)).astype(np.float32)


def drawn_of(cube, rows):
    return read_drawn([cube], rows, 0.2)


def test_collecting_does_not_change_the_callers_list():
    cube = make_cube(VALUES).chunk({"y": 3, "x": 4})
    blocks = drawn_of(cube, np.arange(77))
    intakes = [intake_of(cube, Preprocess(), common_axis([cube]))]
    before = len(blocks)
    one = collect(blocks, intakes, np.arange(0, 77, 2))
    assert len(blocks) == before > 1
    other = collect(iter(blocks[::-1]), intakes, np.arange(0, 77, 2))
    np.testing.assert_array_equal(one.rows, np.arange(0, 77, 2))
    np.testing.assert_array_equal(one.inputs, other.inputs)


def test_some_spectra_do_not_depend_on_chunks():
    cube, rows = make_cube(VALUES), draw_rows(77, 60, seed=1)
    whole = some_spectra(drawn_of(cube, rows), 0, 20)
    parts = some_spectra(drawn_of(cube.chunk({"y": 2, "x": 3}), rows), 0, 20)
    assert len(whole) == 20
    assert {row.tobytes() for row in whole} == {row.tobytes() for row in parts}
    assert len(some_spectra(drawn_of(cube, rows), 0, 1000)) == 60
    assert len(some_spectra(drawn_of(cube, rows), 1, 20)) == 0
