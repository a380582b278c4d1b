"""`--model`, `--fit`, `--start`: which model segments a cube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .checkpoint import CheckpointOption
from .console import errors
from .flags import MODEL, SHIPPED, TRAINING, ConfigOption
from .neighbours import given_neighbours
from .options import Fields, base_settings, configurations

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.preprocess.frame import Frame
    from spectessera.segmenter import SpectralSegmenter

    from .console import Bar

AUTO = "auto"
# Settings of the preprocessing that a model of lines at rest takes for the cube at hand.
AT_REST = ("redshift", "continuum")


@dataclass(frozen=True)
class ModelOptions:
    """Which model segments a cube: a trained one, or one that is trained on the cube itself.

    Parameters
    ----------
    model : str, optional
        A trained model, used as it is; "auto", also if neither it nor ``fit`` is given: a shipped
        one or a training on the cube, see :func:`spectessera.inference.choose_model`.
    fit : bool
        Train a model on the cube.
    start : str, optional
        A trained model from which that training continues.
    config, checkpoint : Path, optional
        File of the settings, and file of the state of the training.

    Raises
    ------
    ValueError
        If both ``model`` and ``fit`` are given, or ``start`` without ``fit``.
    """

    model: Annotated[
        str | None,
        typer.Option(
            metavar=f"[auto|{SHIPPED}|FILE]",
            help="A trained model: one that ships with the package, or a file (.safetensors). "
            "auto (the default): one of these if it suits the cube, else one that is trained on "
            "it.",
        ),
    ] = None
    fit: Annotated[bool, typer.Option("--fit", help="Train a model on this cube.")] = False
    start: Annotated[
        str | None,
        typer.Option(
            metavar=MODEL,
            help="With --fit: continue from a trained model.",
            rich_help_panel=TRAINING,
        ),
    ] = None

    config: ConfigOption = None
    checkpoint: CheckpointOption = None

    def __post_init__(self) -> None:
        if self.model is not None and self.fit:
            raise ValueError("give either --model FILE or --fit, not both")
        if self.start is not None and not self.fit:
            raise ValueError("--start belongs to --fit; to use a trained model as it is: --model")

    def load(self) -> SpectralSegmenter | None:
        """Return the trained model that is used or from which the training continues, if any."""
        from spectessera.segmenter import load

        name = self.start or (None if self.auto else self.model)
        return None if name is None else load(name)

    @property
    def auto(self) -> bool:
        """Whether the model is chosen for the cube."""
        return not self.fit and self.model in (None, AUTO)


def trained_model(
    settings: Fields, source: ModelOptions, clusters: str
) -> SpectralSegmenter | None:
    """Return the trained model that is given, if any.

    Raise if there are flags that have no effect on one that is used as it is: only how its latents
    are clustered, and the seed, may be changed.
    """
    if source.fit:
        return source.load()
    if source.auto and clusters == "trained":
        raise ValueError("--clusters trained: labels agree across cubes of one model; give --model")
    trained = source.load()
    rest = source.auto or (trained is not None and trained.expects_.frame != "measured")
    flags = [
        f"--{name.replace('_', '-')}"
        for group in ("preprocess", "network", "training")
        for name in settings[group]
        if name != "seed" and not (rest and name in AT_REST)
    ]
    others = (("config", source.config), ("checkpoint", source.checkpoint))
    flags += [f"--{name}" for name, path in others if path is not None]
    if flags and source.auto:
        raise ValueError(
            f"{', '.join(flags)}: without --fit the model is chosen for the cube, and this would "
            "have no effect on one that is trained already; add --fit"
        )
    if flags and set(flags) <= {"--redshift", "--continuum"}:
        raise ValueError(
            f"{', '.join(flags)}: for models of lines at rest, such as nebulae; this one takes "
            "spectra as they are measured, so leave it out"
        )
    if flags:
        raise ValueError(
            f"{', '.join(flags)} would have no effect on a trained model; "
            "leave it out, or train anew with --fit"
        )
    return trained


def at_rest(settings: Fields) -> dict[str, Any]:
    """Return redshift and continuum for a model of lines at rest, where they are given."""
    given = {
        name: settings["preprocess"][name] for name in AT_REST if name in settings["preprocess"]
    }
    if "continuum" in given:
        given["continuum"] = given["continuum"] or "none"
    return given


def frame_for(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    settings: Fields,
    known: Frame | None,
    bar: Bar,
) -> Frame:
    """Return redshift and continuum of a cube for a trained model, and say what they are."""
    frame = segmenter.frame(cube, **at_rest(settings)) if known is None else known
    if frame.words and bar.shows:
        errors.print(frame.words)
    return frame


class Chosen(NamedTuple):
    """The model that was chosen for a cube: as it would be given, loaded, and the settings."""

    options: ModelOptions
    segmenter: SpectralSegmenter | None
    configs: dict[str, Any]
    frame: Frame


def chosen_for(cube: xr.DataArray, neighbours: str, settings: Fields, bar: Bar) -> Chosen:
    """Return the model that suits a cube; say why."""
    from spectessera.inference import choose_model

    wanted, seed = given_neighbours(neighbours), configurations(settings)["training"].seed
    given = at_rest(settings)
    choice = choose_model(cube, neighbours=wanted, seed=seed, progress=bar, **given)
    if given and choice.segmenter is not None and choice.segmenter.expects_.frame == "measured":
        raise ValueError(
            f"{', '.join(f'--{name}' for name in given)} would have no effect: the model "
            f"{choice.name} suits the cube, which takes spectra as they are; leave it out, or add "
            "--fit"
        )
    name = choice.name or "trained on this cube"
    gains = ", ".join(f"{each} {gain:.4g}" for each, gain in choice.gains.items())
    why = f"{name}: {choice.reason}"
    why += f" (gain in logarithmic units per pixel: {gains})" if gains else ""
    if bar.shows:
        errors.print(f"model {why}")
    cube.attrs["model_choice"] = why
    options = ModelOptions(model=choice.name or None, fit=not choice.name)
    configs = configurations(settings, None, base_settings(choice.segmenter, None))
    return Chosen(options, choice.segmenter, configs, choice.frame)
