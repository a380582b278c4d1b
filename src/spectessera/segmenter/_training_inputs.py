"""From an array or cubes to what a network is trained on, and to the settings that suit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.text import counted
from spectessera.axis import Axis
from spectessera.channels import BAD, Windows, bad_channels, bad_windows
from spectessera.cube import noise_of
from spectessera.network.settings import Training
from spectessera.preprocess.auto import AVERAGED, SAMPLE_SPECTRA
from spectessera.preprocess.frame import AS_MEASURED, Expects
from spectessera.preprocess.intake import Intake, intake_of
from spectessera.preprocess.spikes import despiked
from spectessera.preprocess.steps import why_unusable
from spectessera.preprocess.training_spectra import (
    DrawnBlock,
    Sampling,
    TrainingSpectra,
    candidates,
    collect,
    common_axis,
    commonly_marked,
    draw_rows,
    read_drawn,
    some_spectra,
)
from spectessera.variance import with_usable_variance

from .defaults import Chosen, choose_settings, filled, open_settings
from .frame import frame_of


class TrainingInputs(NamedTuple):
    """What a network is trained on.

    Attributes
    ----------
    spectra : TrainingSpectra
    intake : Intake
        How measured spectra, those of the first cube, become inputs.
    axis : Axis
        Spectral axis of the model.
    pixels : int
        Rows of the array, or pixels of all cubes, masked ones included.
    configs : dict
        All settings by their names, none of them open.
    chosen : dict
        Those of them that were chosen for the spectra.
    """

    spectra: TrainingSpectra
    intake: Intake
    axis: Axis
    pixels: int
    configs: dict[str, Any]
    chosen: Chosen


class _Draw(NamedTuple):
    """Spectra that were read, and which (n,) of them to train on and to choose settings by."""

    blocks: list[DrawnBlock]
    train: np.ndarray
    sample: np.ndarray


def gather(
    data: np.ndarray | list[xr.DataArray],
    configs: Mapping[str, Any],
    axis: Axis | None,
    expects: Expects = AS_MEASURED,
) -> TrainingInputs:
    """Read the spectra to train on, choose the open settings by them, and preprocess them.

    Cubes are read once, and only what is drawn of them is held in memory.

    Parameters
    ----------
    data : array (n, channel), float32, or list of DataArray (y, x, channel)
        Checked; the array is finite.
    configs : mapping
        Settings by their names; some may be open.
    axis : Axis or None
        That of the trained model that the training starts from; None for a new model. Only for a
        new one are settings chosen.
    expects : Expects
        What spectra that model was trained on.

    Raises
    ------
    ValueError
        If the cubes of a new model have different axes, the usable spectra are too few, or they do
        not have the variance or the counts that the training needs.
    """
    trained = axis is not None
    cubes = [] if isinstance(data, np.ndarray) else commonly_marked(_settled(data, configs))
    data = cubes or data
    if axis is None:
        axis = common_axis(cubes) if cubes else Axis(np.arange(data[0].shape[0]))
    training: Training = configs["training"]
    if training.loss == "variance" and not (cubes and all("variance" in c.coords for c in cubes)):
        raise ValueError('the loss "variance" needs cubes with a variance')
    chooses = not trained and any(open_settings(*each) for each in configs.items())
    draw = _draw(data, configs, SAMPLE_SPECTRA if chooses else 0)
    _refuse_constant(draw.blocks)
    bad = () if trained or not cubes else bad_windows(axis, bad_channels(cubes[0]))
    chosen = _chosen(draw, configs, _intakes(cubes, configs, axis, bad), cubes) if chooses else {}
    if bad:
        chosen["preprocess"] = chosen.get("preprocess", {}) | {BAD: bad}
    configs = {name: filled(name, config, chosen) for name, config in configs.items()}
    intakes = _intakes(cubes, configs, axis, expects=expects)
    extra = "variance" if training.loss == "variance" else ""
    if _thins(training, cubes, draw.blocks, trained):
        if cubes:
            common_axis(cubes)  # counts of several axes cannot be one array
        extra = "values"
    left_out = np.concatenate([block.left_out for block in draw.blocks])
    spectra = collect(_released(draw.blocks), intakes, draw.train, extra=extra)
    least = configs["clusters"].k_min + 1
    if len(spectra.inputs) < least:
        raise ValueError(
            f"{counted(len(spectra.inputs), 'usable spectrum', 'usable spectra')}: too few; "
            f"at least {least} are needed for {least - 1} clusters{why_unusable(left_out)}"
        )
    pixels = sum(cube.sizes["y"] * cube.sizes["x"] for cube in cubes) if cubes else len(data)
    return TrainingInputs(spectra, intakes[0], axis, pixels, configs, chosen)


def _settled(cubes: list[xr.DataArray], configs: Mapping[str, Any]) -> list[xr.DataArray]:
    """Return cubes without spikes, and channels whose noise is not known where others' is."""
    steps, counted = configs["preprocess"], configs["training"].loss != "variance"
    cubes = [with_usable_variance(each, compute=True, counted=counted) for each in cubes]
    return [despiked(each, steps) for each in cubes]


def _draw(
    data: np.ndarray | list[xr.DataArray], configs: Mapping[str, Any], sample_spectra: int
) -> _Draw:
    """Draw the spectra to train on, and those to choose settings by, and read both at once."""
    training: Training = configs["training"]
    if isinstance(data, np.ndarray):
        allowed = np.arange(len(data))
    else:
        allowed = candidates(data, Sampling(training.sampling, training.fraction, training.seed))
    train, sample = (
        allowed[draw_rows(len(allowed), count, training.seed)]
        for count in (training.max_spectra, sample_spectra)
    )
    rows = np.union1d(train, sample)
    if isinstance(data, np.ndarray):
        blocks = [DrawnBlock(0, rows, data[rows], None)]
    else:
        blocks = read_drawn(data, rows, configs["preprocess"].max_missing)
    return _Draw(blocks, train, sample)


def _refuse_constant(blocks: list[DrawnBlock]) -> None:
    """Raise ValueError if all spectra are the same: no loss of them is finite."""
    parts = [each.values for each in blocks if len(each.values)]
    count = sum(map(len, parts))
    if count > 1 and all(np.array_equal(row, parts[0][0]) for each in parts for row in each):
        raise ValueError(
            f"all {count} spectra are the same, so there is nothing to learn or to segment; check "
            "how the file was read (spectessera info)"
        )


def _intakes(
    cubes: list[xr.DataArray],
    configs: Mapping[str, Any],
    axis: Axis,
    bad: Windows = (),
    expects: Expects = AS_MEASURED,
) -> list[Intake]:
    """Return what makes inputs of the spectra of each cube, or of the one array.

    The windows ``bad`` are left out too.
    """
    preprocess = configs["preprocess"].without(bad)
    return [
        intake_of(cube, preprocess, axis, frame=frame_of(cube, expects), expects=expects)
        for cube in cubes
    ] or [Intake(preprocess, axis)]


def _chosen(
    draw: _Draw, configs: Mapping[str, Any], intakes: list[Intake], cubes: list[xr.DataArray]
) -> Chosen:
    """Choose the open settings, see :mod:`spectessera.preprocess.auto`."""
    plain_steps = replace(intakes[0].preprocess, stabilise=None, normalise=None)
    intakes = [each._replace(preprocess=plain_steps) for each in intakes]
    plain = collect(draw.blocks, intakes, draw.sample).inputs
    if not len(plain):
        return {}
    known = {
        _noise_before(cube) or noise_of(cube, some_spectra(draw.blocks, number, SAMPLE_SPECTRA))
        for number, cube in enumerate(cubes)
    } - {"residual"}
    # Cubes with unlike noise: not all are counts.
    noise = known.pop() if len(known) == 1 else ("variance" if known else "residual")
    return choose_settings(plain, configs, noise=noise, kind=intakes[0].axis.kind)


def _noise_before(cube: xr.DataArray) -> str:
    """Return what the noise of averages of spectra is; "" for spectra as they were measured."""
    given = cube.attrs.get(AVERAGED)  # of any type in the file of a stranger
    return given if isinstance(given, str) and given in ("counts", "variance", "residual") else ""


def _thins(
    training: Training, cubes: list[xr.DataArray], drawn: list[DrawnBlock], trained: bool
) -> bool:
    """Return whether a training splits counts into halves.

    Raises
    ------
    ValueError
        If it should, and a cube does not hold counts.
    """
    if not cubes:
        return bool(training.thinning)
    if training.thinning is False or (training.thinning is None and not trained):
        return False
    numbers = sorted({block.cube for block in drawn if len(block.rows)})
    others = [
        number
        for number in numbers
        if noise_of(cubes[number], some_spectra(drawn, number, SAMPLE_SPECTRA)) != "counts"
    ]
    if training.thinning and others:
        raise ValueError(
            f"thinning halves counts, but cube {others[0] + 1} holds none: it needs non-negative "
            'whole numbers along an energy axis, or the attribute noise="counts"'
        )
    return bool(numbers) and not others


def _released(blocks: list[DrawnBlock]) -> Iterator[DrawnBlock]:
    """Yield blocks and drop them from the list: their inputs take the place of their spectra."""
    while blocks:
        yield blocks.pop()
