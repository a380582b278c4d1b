"""`--neighbours`: how far the spectra of neighbouring pixels are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.inference import Neighbours
    from spectessera.preprocess.intake import Intake
    from spectessera.segmenter import SpectralSegmenter

    from .console import Bar


def neighbours_of(
    cube: xr.DataArray,
    given: str,
    trained: SpectralSegmenter | None,
    configs: dict[str, Any],
) -> Neighbours:
    """Return how far neighbours are used, as it was given on the command line."""
    from spectessera.inference import Neighbours, choose_neighbours

    try:
        wanted: str | float = given if given == "auto" else float(given)
    except ValueError:
        raise ValueError(
            f"--neighbours is auto, or a number from 0 (none) to 1; got {given!r}"
        ) from None
    if wanted == 0:
        return Neighbours()
    seed = configs["training"].seed
    return choose_neighbours(cube, _intake(cube, trained, configs), wanted, seed=seed)


def _intake(
    cube: xr.DataArray, trained: SpectralSegmenter | None, configs: dict[str, Any]
) -> Intake:
    """Return what makes network inputs of spectra: that of a trained model, or of a new one."""
    from spectessera.inference import intake_before_training

    if trained is not None:
        return trained.intake(cube)
    return intake_before_training(cube, configs["preprocess"], configs["training"].seed)


def to_train_on(
    cube: xr.DataArray,
    around: Neighbours,
    trained: SpectralSegmenter | None,
    configs: dict[str, Any],
    bar: Bar,
) -> xr.DataArray:
    """Return the cube, or spectra of it that are averaged with those of their neighbours."""
    from spectessera.inference import averaged_spectra

    if around.window == 1:
        return cube
    training, intake = configs["training"], _intake(cube, trained, configs)
    drawn = {"most": training.max_spectra, "seed": training.seed}
    return averaged_spectra(cube, around, intake, progress=bar, **drawn)
