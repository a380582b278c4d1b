"""Lay a photograph, or an infrared picture, under a map: read it, align it by points, warp it.

Positions are (x, y), counted from the corner of the first pixel: its centre is (0.5, 0.5), in the
image as in the map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spectessera._util.check import check_choice, check_ndim, check_numeric
from spectessera._util.text import counted

LEAST_POINTS = {"affine": 3, "projective": 4}
# Points on a line: their spread across it is less than this part of that along it.
_FLAT = 1e-3
# A projective alignment whose scale differs more between the corners of the points has its
# horizon among them.
_LARGEST_RATIO = 1e3
# Least size of a number that others are divided by, relative to them.
_HORIZON = 1e-9


@dataclass(frozen=True)
class Alignment:
    """How positions in an image become positions in a map.

    Attributes
    ----------
    kind : str
        "affine" or "projective".
    matrix : array (3, 3), float64
        ``matrix @ (x, y, 1)`` of the image is ``(x, y, 1)`` of the map, times a number.
    residuals : array (pair,), float64
        Distance of every point of the image from its partner, in pixels of the map.
    left_out : array (pair,), float64, or None
        The same, each with an alignment by the other pairs; None where these are too few, or lie on
        a line.
    """

    kind: str
    matrix: np.ndarray
    residuals: np.ndarray
    left_out: np.ndarray | None

    @property
    def rms(self) -> float:
        """Root mean square of the residuals, in pixels of the map."""
        return float(np.sqrt(np.mean(np.square(self.residuals))))

    def to_map(self, points: Any) -> np.ndarray:
        """Return positions (n, 2) in the map of positions (n, 2) in the image."""
        return _applied(self.matrix, np.atleast_2d(np.asarray(points, np.float64)))

    def to_image(self, points: Any) -> np.ndarray:
        """Return positions (n, 2) in the image of positions (n, 2) in the map."""
        inverse = np.linalg.inv(self.matrix)
        return _applied(inverse, np.atleast_2d(np.asarray(points, np.float64)))

    def sentence(self) -> str:
        """Return how well it fits, in words."""
        pairs = f"{self.kind} by {counted(len(self.residuals), 'pair')}"
        if len(self.residuals) == LEAST_POINTS[self.kind]:
            return f"{pairs}; so few always fit, give more to see how well"
        words = (
            f"{pairs}: residual {self.rms:.2g} pixels of the map (root mean square), at most "
            f"{self.residuals.max():.2g}"
        )
        if self.left_out is not None:
            rms = float(np.sqrt(np.mean(np.square(self.left_out))))
            words += f"; of pairs that are left out {rms:.2g}"
        return words


def align(
    points_image: Any,
    points_map: Any,
    kind: Literal["affine", "projective"] = "affine",
) -> Alignment:
    """Return the alignment that brings points of an image to their partners in a map.

    The sum of the squared distances in the map is the least. ("projective" begins with the
    normalised linear solution of Hartley 1997.)

    Parameters
    ----------
    points_image, points_map : array (pair, 2)
        Positions (x, y) of the same places; at least three for "affine", four for "projective".
    kind : str
        "affine" (shift, scale, rotation, shear) or "projective" (also a view from the side).

    Raises
    ------
    ValueError, TypeError
        If there are too few pairs, they are the same or lie on a line (for "projective": three of
        four do), or the numbers are not finite.

    Examples
    --------
    >>> image = [[0, 0], [100, 0], [0, 100]]
    >>> alignment = align(image, [[5, 5], [15, 5], [5, 15]])
    >>> alignment.to_map([[50, 50]]).round(6).tolist()
    [[10.0, 10.0]]
    """
    check_choice("kind", kind, tuple(LEAST_POINTS))
    image, partners = _pairs(points_image, points_map, kind)
    matrix = _estimated(image, partners, kind)
    residuals = np.linalg.norm(_applied(matrix, image) - partners, axis=1)
    return Alignment(kind, matrix, residuals, _left_out(image, partners, kind))


def _pairs(points_image: Any, points_map: Any, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the points, float64, checked."""
    pairs = []
    for name, points in (("points_image", points_image), ("points_map", points_map)):
        array = np.asarray(points)
        check_numeric(name, array)
        check_ndim(name, array, 2, "(pair, 2)")
        if array.shape[1] != 2:
            raise ValueError(f"{name} has one x and one y a row; got shape {array.shape}")
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite; got {points!r}")
        pairs.append(array)
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(
            f"every point of the image has a partner in the map; got {len(pairs[0])} and "
            f"{len(pairs[1])} points"
        )
    if len(pairs[0]) < LEAST_POINTS[kind]:
        raise ValueError(
            f"{kind} needs at least {LEAST_POINTS[kind]} pairs of points; got {len(pairs[0])}: "
            "mark more places that are seen in both"
        )
    return pairs[0], pairs[1]


def _estimated(image: np.ndarray, partners: np.ndarray, kind: str) -> np.ndarray:
    """Return the matrix (3, 3) from image to map."""
    for points, where in ((image, "in the image"), (partners, "in the map")):
        _check_spread(points, where, kind)
    to_unit, unit = _normalised(image)
    from_unit, target = _normalised(partners)
    if kind == "affine":
        rows = np.column_stack([unit, np.ones(len(unit))])
        solved, *_ = np.linalg.lstsq(rows, target, rcond=None)
        inner = np.vstack([solved.T, [0.0, 0.0, 1.0]])
    else:
        inner = _refined(_homography(unit, target), unit, target)
    matrix = np.linalg.inv(from_unit) @ inner @ to_unit
    depths = np.column_stack([image, np.ones(len(image))]) @ matrix[2]
    if np.abs(depths).min() * _LARGEST_RATIO < np.abs(depths).max() or np.ptp(np.sign(depths)):
        raise ValueError(
            "no plane seen from any side has these points: some pair is not the same place, or "
            "the pairs are in another order; compare them, or use kind='affine'"
        )
    matrix = matrix / np.mean(depths)
    if abs(np.linalg.det(matrix[:2, :2])) == 0 or np.linalg.cond(matrix) > 1 / np.finfo(float).eps:
        raise ValueError("the points give no alignment that can be inverted; mark other places")
    return matrix


def _homography(unit: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) of a plane seen from the side, between normalised points."""
    x, y = unit.T
    u, v = target.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    upper = np.column_stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u])
    lower = np.column_stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v])
    _, sizes, basis = np.linalg.svd(np.vstack([upper, lower]))
    if sizes[7] < _FLAT**2 * sizes[0]:
        raise ValueError(
            "three of the four points lie on a line (or nearly), so a view from the side is not "
            "determined; mark the corners of a large quadrangle, or use kind='affine'"
        )
    return basis[-1].reshape(3, 3)


def _refined(start: np.ndarray, unit: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) with the least sum of squared distances, from a good one."""
    if len(unit) == LEAST_POINTS["projective"]:  # the distances are 0
        return start
    from scipy.optimize import least_squares

    start = start / np.linalg.norm(start)
    fixed = int(np.abs(start).argmax())

    def matrix_of(numbers: np.ndarray) -> np.ndarray:
        return np.insert(numbers, fixed, start.ravel()[fixed]).reshape(3, 3)

    def distances(numbers: np.ndarray) -> np.ndarray:
        apart = (_applied(matrix_of(numbers), unit) - target).ravel()
        return np.nan_to_num(apart, nan=1e6, posinf=1e6, neginf=-1e6)

    return matrix_of(least_squares(distances, np.delete(start.ravel(), fixed)).x)


def _check_spread(points: np.ndarray, where: str, kind: str) -> None:
    """Raise ValueError unless enough different points are there, not on a line."""
    different = len(np.unique(points, axis=0))
    if different < LEAST_POINTS[kind]:
        raise ValueError(
            f"{kind} needs at least {LEAST_POINTS[kind]} different points; {where} there are "
            f"{different}: mark other places"
        )
    sizes = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if sizes[1] <= _FLAT * sizes[0]:
        raise ValueError(
            f"the points {where} lie on a line (or nearly), which leaves open how the image lies "
            "across it; mark a place far from that line"
        )


def _normalised(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix (3, 3), and the points that it gives: of mean 0 and mean length sqrt(2)."""
    centre = points.mean(axis=0)
    scale = math.sqrt(2) / np.linalg.norm(points - centre, axis=1).mean()
    matrix = np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])
    return matrix, (points - centre) * scale


def _left_out(image: np.ndarray, partners: np.ndarray, kind: str) -> np.ndarray | None:
    """Return the distance of every pair with an alignment by the others, None where there is none.

    Those are on a line where all but one point are.
    """
    if len(image) <= LEAST_POINTS[kind]:
        return None
    distances = []
    for number in range(len(image)):
        others = np.arange(len(image)) != number
        try:
            matrix = _estimated(image[others], partners[others], kind)
        except ValueError:  # the other pairs alone determine nothing
            return None
        (point,) = _applied(matrix, image[~others])
        distances.append(float(np.linalg.norm(point - partners[number])))
    return np.array(distances)


def _applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return positions (n, 2) of positions (n, 2)."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):  # a point of the horizon is infinite
        return moved[:, :2] / moved[:, 2:]


def warp(
    image: np.ndarray,
    alignment: Alignment,
    shape: tuple[int, int],
    part: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Return an image as it lies under a map.

    Where a pixel of the result covers several of the image, these are averaged first.

    Parameters
    ----------
    image : array (y, x, 4), uint8
        Red, green, blue and opacity, as :func:`spectessera.viewer.images.read_image` gives it.
    alignment : Alignment
    shape : (int, int)
        Rows and columns of the result.
    part : (y0, y1, x0, x1), optional
        What part of the map the result shows, in pixels of the map; by default the rows and columns
        from 0 to ``shape``: one pixel for each of the map.

    Returns
    -------
    array (y, x, 4), uint8
        Transparent where the image does not reach.

    Raises
    ------
    ValueError
        If the image has no such shape, or the part or the shape is empty.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((20, 20, 4), 255, np.uint8)
    >>> alignment = align([[0, 0], [20, 0], [0, 20]], [[1, 1], [3, 1], [1, 3]])
    >>> warp(image, alignment, (4, 4))[..., 3].tolist()
    [[0, 0, 0, 0], [0, 255, 255, 0], [0, 255, 255, 0], [0, 0, 0, 0]]
    """
    from PIL import Image

    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(
            f"an image is (y, x, 4) of uint8; got {image.shape} of {image.dtype}; read it with "
            "read_image"
        )
    height, width = (int(size) for size in shape)
    y0, y1, x0, x1 = part or (0, height, 0, width)
    if height < 1 or width < 1 or not (y1 > y0 and x1 > x0):
        raise ValueError(f"nothing is seen: shape {tuple(shape)}, part {(y0, y1, x0, x1)}")
    from_result = np.array([[(x1 - x0) / width, 0, x0], [0, (y1 - y0) / height, y0], [0, 0, 1]])
    to_image = np.linalg.inv(alignment.matrix) @ from_result
    picture = Image.fromarray(image)
    factor = min(_pixels_covered(to_image, (height, width)), *image.shape[:2])
    if factor > 1:
        picture = picture.reduce(factor)
        to_image = np.diag([1 / factor, 1 / factor, 1]) @ to_image
    return _transformed(picture, to_image, (height, width))


def _pixels_covered(to_image: np.ndarray, shape: tuple[int, int]) -> int:
    """Return how many pixels of the image a pixel in the middle of the result covers along x or y.

    The smaller of both numbers.
    """
    y, x = (size / 2 for size in shape)
    corner, right, below = _applied(to_image, np.array([[x, y], [x + 1, y], [x, y + 1]]))
    steps = np.linalg.norm(right - corner), np.linalg.norm(below - corner)
    return max(1, int(min(steps))) if np.isfinite(steps).all() else 1


def _transformed(picture: Any, to_image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels (y, x, 4) of a picture at the positions that a matrix says."""
    from PIL import Image

    height, width = shape
    corner = to_image[2, 2]
    if abs(corner) < _HORIZON * np.abs(to_image[2]).max():  # Pillow divides by it
        corner = math.copysign(_HORIZON * np.abs(to_image[2]).max(), corner)
    numbers = (to_image / corner).ravel()[:8].tolist()
    seen = picture.transform(
        (width, height), Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BILINEAR
    )
    image = np.array(seen)
    # Beyond the horizon a picture is seen once more, upside down.
    y, x = np.ogrid[0.5:height, 0.5:width]
    behind = to_image[2, 0] * x + to_image[2, 1] * y + to_image[2, 2] <= 0
    image[np.broadcast_to(behind, image.shape[:2])] = 0
    return image
