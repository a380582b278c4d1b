"""One answer to "what is in this?" in a notebook: map, table and warnings of a result, or a cube.

The HTML is one block without scripts: all text is escaped, pictures are inside, and colours of text
and lines are those of the notebook, light or dark.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import xarray as xr

from spectessera.cube import DIMS

from ._cube import cube_html, cube_words
from ._result import result_html, result_words
from ._segmenter import segmenter_html, segmenter_words

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter

_KINDS = "a cube (DataArray of y, x, channel), a result (Dataset of segment) or a SpectralSegmenter"


class Shown:
    """What a notebook, and a terminal, show of an object.

    Parameters
    ----------
    html, words : str
    """

    def __init__(self, html: str, words: str) -> None:
        self._html, self._words = html, words

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        return self._html

    def __repr__(self) -> str:
        """Return the words that a terminal shows."""
        return self._words


def show(value: xr.Dataset | xr.DataArray | SpectralSegmenter) -> Shown:
    """Return what a notebook shows of a result, a cube or a segmenter.

    At the end of a cell, a result is a map, a table of its clusters and its warnings. After
    ``%load_ext spectessera`` they all show themselves so.

    Parameters
    ----------
    value : Dataset, DataArray (y, x, channel) or SpectralSegmenter

    Returns
    -------
    Shown
        With the HTML, and a few words for a terminal.

    Raises
    ------
    TypeError
        If it is none of these.

    Notes
    -----
    No value of a lazy cube is read; of a lazy result, the label map is.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> spt.show(spt.make_cube(np.ones((3, 4, 5)), energy=(1.0, 5.0)))
    cube of 3 x 4 pixels (y, x), 5 channels, energy 1 to 5 keV, float64
    """
    if is_result(value):
        return Shown(result_html(value), result_words(value))
    if is_cube(value):
        return Shown(cube_html(value), cube_words(value))
    if is_segmenter(value):
        return Shown(segmenter_html(value), segmenter_words(value))
    raise TypeError(f"show takes {_KINDS}; got {type(value).__name__}")


def is_result(value: Any) -> TypeGuard[xr.Dataset]:
    """Whether something is a result of a segmentation."""
    if not isinstance(value, xr.Dataset) or "label" not in value or "cluster" not in value:
        return False
    label = value["label"]
    return set(label.dims) == {"y", "x"} and np.issubdtype(label.dtype, np.integer)


def is_cube(value: Any) -> TypeGuard[xr.DataArray]:
    """Whether something is a cube."""
    return isinstance(value, xr.DataArray) and set(value.dims) == set(DIMS)


def is_segmenter(value: Any) -> TypeGuard[SpectralSegmenter]:
    """Whether something is a segmenter; where none was made, its module need not be loaded."""
    module = sys.modules.get("spectessera.segmenter.estimator")
    return module is not None and isinstance(value, module.SpectralSegmenter)
