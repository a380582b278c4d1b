"""Trained models by name or file."""

from __future__ import annotations

from pathlib import Path

from spectessera.network.modelfile import model_path

from .estimator import SpectralSegmenter


def load(path: str | Path) -> SpectralSegmenter:
    """Read a model that ships with the package, or one that :meth:`SpectralSegmenter.save` wrote.

    Parameters
    ----------
    path : str or Path
        A name out of :data:`spectessera.network.modelfile.MODELS`, such as "maxrf", or a file.

    Returns
    -------
    SpectralSegmenter

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not a model, or not one that this version can read.

    Examples
    --------
    >>> import spectessera as spt
    >>> spt.load("maxrf").axis_.unit
    'keV'
    """
    return SpectralSegmenter.load(model_path(path))
