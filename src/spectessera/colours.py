"""One fixed set of colours for clusters, so that cluster 2 has the same colour in every figure.

The first ten are from the colour-blind-safe sets of Okabe & Ito (2008) and of Tol (2021). Each
further one is that colour of a grid which is farthest from all earlier ones in CIELAB, for normal,
protanope and deuteranope eyes (matrices of Machado, Oliveira & Fernandes 2009, severity 1).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ._util.check import check_ndim, check_number

MASKED = np.array([217, 217, 217], dtype=np.uint8)  # light grey
MASKED.setflags(write=False)

_FIRST = np.array(
    [
        [0, 114, 178],  # blue
        [213, 94, 0],  # vermillion
        [0, 158, 115],  # green
        [240, 228, 66],  # yellow
        [204, 121, 167],  # pink
        [86, 180, 233],  # sky
        [230, 159, 0],  # orange
        [51, 34, 136],  # indigo
        [136, 34, 85],  # wine
        [0, 0, 0],  # black
    ],
    dtype=np.uint8,
)
_COUNT = 256  # colours; they repeat for further clusters

_TO_XYZ = np.array(  # linear sRGB to XYZ over the D65 white point
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
_PROTANOPE = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)
_DEUTERANOPE = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


def colours(n: int) -> np.ndarray:
    """Return the colours of clusters 1 to ``n``.

    Parameters
    ----------
    n : int
        Number of clusters, 0 or more.

    Returns
    -------
    array (n, 3), uint8
        Red, green, blue. The first m of ``colours(n)`` are ``colours(m)``. The first 256 are all
        different; then they repeat.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer, or is negative.

    Examples
    --------
    >>> colours(2)[1].tolist()  # vermillion
    [213, 94, 0]
    """
    check_number("the number of colours", n, low=0, integer=True)
    return _table()[np.arange(n) % _COUNT]


def as_hex(colour: Any) -> str:
    """Return a colour, three numbers of 0..255, as "#rrggbb".

    Examples
    --------
    >>> as_hex([213, 94, 0])
    '#d55e00'
    """
    red, green, blue = (int(each) for each in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def paint(label_map: Any, palette: Any = None) -> np.ndarray:
    """Return an image of a label map in the colours of the clusters.

    Parameters
    ----------
    label_map : array (y, x) of integers
        0 = masked, 1..K = clusters.
    palette : array (K or more, 3), uint8, optional
        Their colours; by default :func:`colours`.

    Returns
    -------
    array (y, x, 3), uint8

    Raises
    ------
    TypeError, ValueError
        If it does not have two axes, its values are not integers of at least 0, or the palette
        has too few colours.
    """
    labels = np.asarray(label_map)
    check_ndim("a label map", labels, 2, "(y, x)")
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"a label map holds integers (0 = masked, 1..K = clusters); got dtype {labels.dtype}"
        )
    most = int(labels.max(initial=0))
    if int(labels.min(initial=0)) < 0:
        raise ValueError(
            f"labels are 0 (masked) or 1..K; got {int(labels.min())}; add 1 to labels that count "
            "from 0"
        )
    shades = colours(most) if palette is None else np.asarray(palette, np.uint8)
    if len(shades) < most:
        raise ValueError(f"the palette has {len(shades)} colours; the largest label is {most}")
    return np.concatenate([MASKED[None], shades])[labels]


@cache
def _table() -> np.ndarray:
    """Return all colours, (256, 3) uint8."""
    levels = np.linspace(0, 255, 9).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    grid_lab = _lab_of_eyes(grid)  # (3 eyes, candidates, 3)
    backgrounds = np.array([MASKED, [255, 255, 255]])
    near = np.full(len(grid), np.inf)
    for colour in np.concatenate([backgrounds, _FIRST]):
        near = np.minimum(near, _distance(grid_lab, _lab_of_eyes(colour[None])))
    chosen = list(_FIRST)
    while len(chosen) < _COUNT:
        best = int(np.argmax(near))
        chosen.append(grid[best].astype(np.uint8))
        near = np.minimum(near, _distance(grid_lab, grid_lab[:, best : best + 1]))
    table = np.array(chosen)
    table.setflags(write=False)
    return table


def to_lab(rgb: Any) -> np.ndarray:
    """Return CIELAB (D65) of sRGB colours.

    Parameters
    ----------
    rgb : array (..., 3)
        Red, green, blue in 0..255.

    Returns
    -------
    array (..., 3), float64
        Lightness L* (0..100), a* and b* (CIE 15:2018).

    Examples
    --------
    >>> to_lab([255, 0, 0]).round(1).tolist()
    [53.2, 80.1, 67.2]
    """
    return _lab(_linear(np.asarray(rgb, dtype=np.float64)))


def _linear(rgb: np.ndarray) -> np.ndarray:
    """Undo the transfer function of sRGB (IEC 61966-2-1), 0..255 -> 0..1."""
    share = rgb / 255.0
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    xyz = np.clip(linear, 0.0, 1.0) @ _TO_XYZ.T
    small = xyz <= (6 / 29) ** 3
    f = np.where(small, xyz * (29 / 6) ** 2 / 3 + 4 / 29, np.cbrt(xyz))
    lightness = 116 * f[..., 1] - 16
    return np.stack(
        [lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    )


def _lab_of_eyes(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB for normal, protanope and deuteranope eyes, (n, 3) -> (3, n, 3)."""
    linear = _linear(rgb)
    return _lab(np.stack([linear, linear @ _PROTANOPE.T, linear @ _DEUTERANOPE.T]))


def _distance(lab: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Return the smallest distance over the three kinds of eyes, (3, n, 3), (3, 1, 3) -> (n,)."""
    return np.sqrt(((lab - one) ** 2).sum(axis=-1)).min(axis=0)
