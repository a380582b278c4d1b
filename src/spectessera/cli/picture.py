"""A small picture of a label map in a terminal, of half blocks in the colours of the clusters."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.text import Text

from .console import output

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

WIDEST, TALLEST = 72, 24  # characters and lines
MOST_ZOOM = 4  # screen points of one pixel along a side
VOTES = 3  # pixels along a side that choose the cluster of a point
HALF = "▀"  # the upper half of a character; the lower half is its background
COLOURS = ("256", "truecolor", "windows")


def can_show() -> bool:
    """Whether standard output is a terminal with enough colours, and with these characters.

    It has none where ``NO_COLOR`` is set or ``TERM`` is dumb, nor in a pipe or a file.
    """
    if not output.is_terminal or output.no_color or output.color_system not in COLOURS:
        return False
    return output.encoding.lower().startswith("utf")


def points(result: xr.Dataset, width: int, height: int) -> np.ndarray:
    """Return the clusters of a picture of a label map, 0 where there is none.

    Each is that of most of the pixels that are looked at; the map may be lazy.

    Parameters
    ----------
    result : Dataset
        With ``label (y, x)``.
    width, height : int
        The picture has at most so many points; of a small map, several for each pixel.
    """
    import numpy as np

    label = result["label"].transpose("y", "x")
    rows, columns = label.shape
    zoom = min(width / columns, height / rows)
    zoom = min(int(zoom), MOST_ZOOM) if zoom >= 1 else zoom
    down, along = max(1, round(rows * zoom)), max(1, round(columns * zoom))
    y, x = _looked_at(rows, down), _looked_at(columns, along)  # (VOTES, down), (VOTES, along)
    seen = np.asarray(label.isel(y=y.ravel(), x=x.ravel()).values)
    votes = seen.reshape(VOTES, down, VOTES, along).swapaxes(1, 2).reshape(-1, down, along)
    number = [(votes == each).sum(axis=0) for each in votes]  # (votes, down, along)
    best = np.argmax(number, axis=0)  # of as many, the first
    chosen: np.ndarray = np.take_along_axis(votes, best[None], axis=0)[0]
    return chosen[::-1] if "wcs" in label.attrs or "wcs" in result.attrs else chosen


def _looked_at(pixels: int, points: int) -> np.ndarray:
    """Return the pixels along one side that are looked at for every point, (VOTES, points)."""
    import numpy as np

    shares = (np.arange(VOTES)[:, None] + 0.5) / VOTES
    return np.minimum(((np.arange(points) + shares) * pixels / points).astype(int), pixels - 1)


def picture(result: xr.Dataset) -> list[Text]:
    """Return the lines of the picture of a label map, as wide as the terminal allows."""
    import numpy as np

    from spectessera.colours import MASKED
    from spectessera.result import cluster_colours

    width = max(1, min(WIDEST, output.width - 2))
    clusters = points(result, width, 2 * max(1, min(TALLEST, output.height - 4)))
    table = [tuple(each) for each in np.concatenate([MASKED[None], cluster_colours(result)])]
    if len(clusters) % 2:
        clusters = np.concatenate([clusters, np.full_like(clusters[:1], -1)])
    pairs = zip(clusters[::2].tolist(), clusters[1::2].tolist(), strict=True)
    return [_line(upper, lower, table) for upper, lower in pairs]


def _line(upper: list[int], lower: list[int], table: list[Any]) -> Text:
    """Return one line of characters: an upper and a lower row of points."""
    line = Text("  ")
    for (above, below), run in groupby(zip(upper, lower, strict=True)):
        style = f"rgb({','.join(map(str, table[above]))})"
        if below >= 0:
            style += f" on rgb({','.join(map(str, table[below]))})"
        line.append(HALF * len(list(run)), style)
    return line
