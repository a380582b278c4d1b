"""Outlines of label maps: drawn again, they give the map; every ring is simple."""

from itertools import pairwise

import numpy as np
import pytest

from spectessera.export.outlines import outlines, regions_of


def drawn(polygons, shape):
    """Return the label map of polygons: a pixel is inside by the even-odd rule at its middle."""
    label = np.zeros(shape, np.int32)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    for each in polygons:
        inside = np.zeros(shape, bool)
        for ring in (each.outer, *each.holes):
            for (x0, y0), (x1, y1) in pairwise(ring):
                if x0 == x1:  # upright: crossed by the ray to the right
                    inside ^= (x < x0) & (y > min(y0, y1)) & (y < max(y0, y1))
        assert not label[inside].any()
        label[inside] = each.cluster
    return label


@pytest.mark.parametrize("clusters", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_outlines_of_a_noisy_map_give_the_map_again(clusters, seed):
    label = np.random.default_rng(seed).integers(0, clusters + 1, (17, 23))
    polygons = outlines(label)
    np.testing.assert_array_equal(drawn(polygons, label.shape), label)
    assert len(polygons) == regions_of(label).max()
    for each in polygons:
        for ring in (each.outer, *each.holes):
            assert ring[0].tolist() == ring[-1].tolist()
            assert len({tuple(one) for one in ring.tolist()}) == len(ring) - 1  # simple
            steps = np.diff(ring, axis=0)
            assert ((steps == 0).sum(axis=1) == 1).all()  # along rows or columns
            assert (np.diff((steps != 0).argmax(axis=1)) != 0).all()  # a corner is a turn


def test_a_hole_that_touches_the_border_at_a_corner_is_a_ring_of_its_own():
    label = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    (found,) = outlines(label)
    assert found.outer.tolist() == [[0, 0], [3, 0], [3, 2], [2, 2], [2, 3], [0, 3], [0, 0]]
    assert [set(map(tuple, hole.tolist())) for hole in found.holes] == [
        {(1, 1), (1, 2), (2, 1), (2, 2)}
    ]


def test_pixels_that_touch_at_corners_are_regions_of_their_own():
    assert len(outlines(np.eye(4, dtype=int))) == 4
    assert outlines(np.zeros((2, 3), int)) == []
