"""`--neighbours`: how far the spectra of neighbouring pixels are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.inference import Neighbours
    from spectessera.network.checkpoint import Checkpoint
    from spectessera.preprocess.frame import Frame
    from spectessera.preprocess.intake import Intake
    from spectessera.segmenter import SpectralSegmenter

    from .console import Bar


def given_neighbours(given: str) -> str | float:
    """Return the value of the flag: "auto", or a number.

    Raises
    ------
    ValueError
        If it is neither.
    """
    try:
        return given if given == "auto" else float(given)
    except ValueError:
        raise ValueError(
            f"--neighbours is auto, or a number from 0 (none) to 1; got {given!r}"
        ) from None


def check_neighbours(given: str) -> str:
    """Return the value of the flag; raise an error of usage if it is none, before any work."""
    try:
        wanted = given_neighbours(given)
    except ValueError:
        wanted = -1.0
    if wanted != "auto" and not 0 <= float(wanted) <= 1:
        raise typer.BadParameter(f"takes auto, or a number from 0 (none) to 1; got {given!r}")
    return given


def neighbours_of(
    cube: xr.DataArray,
    given: str,
    segmenter: SpectralSegmenter,
    trained: SpectralSegmenter | None,
    frame: Frame | None = None,
) -> Neighbours:
    """Return how far neighbours are used, as it was given on the command line.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    given : str
        "auto", or a number from 0 to 1.
    segmenter : SpectralSegmenter
        That segments the cube; its settings count.
    trained : SpectralSegmenter or None
        That is used as it is, or from which the training starts.
    frame : Frame, optional
        Redshift and continuum of the cube, for a model that needs them.

    Raises
    ------
    ValueError
        If ``given`` is neither.
    """
    from spectessera.inference import choose_neighbours

    wanted = given_neighbours(given)
    intake = _intake(cube, segmenter, trained, frame)
    return choose_neighbours(cube, intake, wanted, seed=segmenter.config("training").seed)


def _intake(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    trained: SpectralSegmenter | None,
    frame: Frame | None = None,
) -> Intake:
    """Return what makes network inputs of spectra: that of a trained model, or of a new one."""
    from spectessera.inference import intake_before_training

    if trained is not None:
        return trained.intake(cube, frame=frame, warn=False)  # what uses the model warns
    return intake_before_training(
        cube, segmenter.config("preprocess"), segmenter.config("training").seed
    )


def fit_on(
    cube: xr.DataArray,
    around: Neighbours,
    segmenter: SpectralSegmenter,
    trained: SpectralSegmenter | None,
    checkpoint: Checkpoint | None,
    bar: Bar,
) -> None:
    """Train on a cube, where neighbours are used on spectra that are averaged with them."""
    from spectessera.inference import averaged_spectra

    spectra = cube
    if around.window > 1:
        training, intake = segmenter.config("training"), _intake(cube, segmenter, trained)
        spectra = averaged_spectra(
            cube, around, intake, most=training.max_spectra, seed=training.seed, progress=bar
        )
    segmenter.fit(spectra, start=trained, checkpoint=checkpoint, progress=bar.epoch)
