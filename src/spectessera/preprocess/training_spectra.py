"""The spectra of cubes that a network is trained on: how they are drawn and read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.threads import prefetch
from spectessera.axis import Axis
from spectessera.channels import bad_channels, marked
from spectessera.cube import DIMS, Block, blocks, check_cube, read_block, spectral_axis, with_axis
from spectessera.foreign import is_object

from .intake import Intake, saturation_of
from .steps import QUALITY, UNUSABLE, screen


def axis_range(axis: Axis) -> str:
    """Return the range of an axis in words, such as "energy 1 to 20 keV"."""
    return f"{axis.kind} {axis.values[0]:g} to {axis.values[-1]:g} {axis.unit}".strip()


def as_cubes(X: Any) -> list[xr.DataArray] | None:
    """Return a list of cubes, or None where X is one array (n, channel).

    In a sequence, arrays (n, channel) stand for cubes of one column.
    """
    if isinstance(X, xr.DataArray) or is_object(X):  # of an object, check_cube says what to do
        return [check_cube(X)]
    kinds = (xr.DataArray, np.ndarray)
    if not isinstance(X, Sequence) or not X or not all(isinstance(each, kinds) for each in X):
        return None
    if all(isinstance(each, np.ndarray) and each.ndim < 2 for each in X):
        return None  # a list of spectra: scikit-learn converts it to one array
    return [
        with_axis(xr.DataArray(each[:, None, :], dims=DIMS), Axis(np.arange(each.shape[1])))
        if isinstance(each, np.ndarray) and each.ndim == 2
        else check_cube(each)
        for each in X
    ]


def common_axis(cubes: list[xr.DataArray]) -> Axis:
    """Return the spectral axis of cubes.

    Raises
    ------
    ValueError
        If it is not the same for all.
    """
    axes = [spectral_axis(cube) for cube in cubes]
    for position, axis in enumerate(axes):
        if not axes[0].matches(axis):
            raise ValueError(
                "cubes for one training need one spectral axis; cube "
                f"{position + 1} has {axis_range(axis)}, the first {axis_range(axes[0])}"
            )
    return axes[0]


def commonly_marked(cubes: list[xr.DataArray]) -> list[xr.DataArray]:
    """Return cubes with the bad channels of all of them, if they have one axis."""
    marks = [bad for bad in map(bad_channels, cubes) if bad is not None]
    first = spectral_axis(cubes[0])
    if not marks or not all(first.matches(spectral_axis(cube)) for cube in cubes[1:]):
        return cubes
    return [marked(cube, np.any(marks, axis=0)) for cube in cubes]


def draw_rows(n: int, max_spectra: int, seed: int) -> np.ndarray:
    """Return the rows (m,) to train on, ascending: all, or a random sample."""
    if n <= max_spectra:
        return np.arange(n)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(n, max_spectra, replace=False))


def signal_pixels(cube: xr.DataArray, share: float, seed: list[int]) -> np.ndarray:
    """Return a mask (y * x,) of the pixels with signal, and a random share of the others.

    A pixel has signal if the sum of log(1 + x) over its channels, negative values taken as 0,
    exceeds both 25 and the mean of all pixels plus 1.5 standard deviations: the rule of arXiv
    2401.17695 for emission-line cubes.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    share : float
        Share of the pixels without signal, empty pixels included.
    seed : list of int
    """
    strength = np.zeros(cube.sizes["y"] * cube.sizes["x"])
    unmasked = np.zeros(len(strength), dtype=bool)
    for block in blocks(cube):
        spectra = read_block(cube, block)
        positive = np.maximum(np.nan_to_num(spectra.values, nan=0.0, posinf=0.0), 0)
        strength[spectra.pixel] = np.log1p(positive).sum(axis=1, dtype=np.float64)
        unmasked[spectra.pixel] = True
    known = strength[unmasked]
    level = max(known.mean() + 1.5 * known.std(), 25.0) if len(known) else 0.0
    signal = strength > level
    others = np.flatnonzero(unmasked & ~signal)
    generator = np.random.default_rng(seed)
    signal[generator.choice(others, round(share * len(others)), replace=False)] = True
    return signal


class Sampling(NamedTuple):
    """How the spectra to train on are drawn from cubes.

    Attributes
    ----------
    rule : "random" or "signal"
    fraction : float
        Random share of the pixels of each cube; by the rule "signal", of those without signal.
    seed : int
    """

    rule: str
    fraction: float
    seed: int


class TrainingSpectra(NamedTuple):
    """Training spectra.

    Attributes
    ----------
    inputs : array (m, input channel)
    variance : array (m, input channel), or None
    rows : array (m,)
        Positions of the pixels in all cubes, flattened one after the other.
    values : array (m, channel), or None
        Measured spectra.
    """

    inputs: np.ndarray
    variance: np.ndarray | None
    rows: np.ndarray
    values: np.ndarray | None = None


class DrawnBlock(NamedTuple):
    """Measured spectra that were drawn from one block, screened.

    Attributes
    ----------
    cube : int
        Position of the cube among all.
    rows : array (n,)
        Positions of the pixels in all cubes, flattened one after the other.
    values : array (n, good channel), float32
        Of usable pixels.
    variance : array (n, good channel), float32, or None
    left_out : array (m,), uint8
        Quality bits of the other pixels that were drawn, which are not usable.
    """

    cube: int
    rows: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    left_out: np.ndarray = np.empty(0, np.uint8)


def candidates(cubes: list[xr.DataArray], sampling: Sampling) -> np.ndarray:
    """Return the positions of the pixels that may be drawn, in all cubes one after the other.

    They do not depend on the chunks of the cubes.
    """
    masks = []
    for number, cube in enumerate(cubes):
        pixels = cube.sizes["y"] * cube.sizes["x"]
        seed = [sampling.seed, number]
        if sampling.rule == "signal":
            masks.append(signal_pixels(cube, sampling.fraction, seed))
        else:
            mask = np.zeros(pixels, dtype=bool)
            count = max(1, round(sampling.fraction * pixels))
            mask[np.random.default_rng(seed).choice(pixels, count, replace=False)] = True
            masks.append(mask)
    return np.flatnonzero(np.concatenate(masks))


def read_drawn(
    cubes: list[xr.DataArray], positions: np.ndarray, max_missing: float
) -> list[DrawnBlock]:
    """Read the spectra at some positions of cubes, block by block in several threads.

    Each block that contains such a position is read once; only the spectra that are drawn are held
    in memory.

    Parameters
    ----------
    cubes : list of DataArray (y, x, channel)
    positions : array (n,)
        In all cubes, flattened one after the other.
    max_missing : float
        See :func:`spectessera.preprocess.screen`.
    """
    starts = np.cumsum([0] + [cube.sizes["y"] * cube.sizes["x"] for cube in cubes])
    wanted = np.zeros(starts[-1], dtype=bool)
    wanted[positions] = True

    def wanted_in(block: Block, number: int) -> np.ndarray:
        own = wanted[starts[number] : starts[number + 1]]
        return own.reshape(cubes[number].sizes["y"], -1)[block.y, block.x]

    def tasks() -> Iterator[tuple[int, Block, np.ndarray]]:
        for number, cube in enumerate(cubes):
            own = wanted[starts[number] : starts[number + 1]]
            for block in blocks(cube):
                # Without any position, blocks without spectra give the number of channels.
                if wanted_in(block, number).any() or len(positions) == 0:
                    yield number, block, own

    def read(task: tuple[int, Block, np.ndarray]) -> DrawnBlock:
        number, block, own = task
        spectra = read_block(cubes[number], block)
        drawn = np.flatnonzero(own[spectra.pixel])
        values, quality = screen(
            spectra.values[drawn],
            max_missing=max_missing,
            saturation=saturation_of(cubes[number]),
        )
        usable = quality & UNUSABLE == 0
        masked = np.count_nonzero(wanted_in(block, number)) - len(drawn)
        left_out = np.append(quality[~usable], np.full(masked, QUALITY["masked"], np.uint8))
        drawn = drawn[usable]
        variance = None if spectra.variance is None else spectra.variance[drawn]
        rows = spectra.pixel[drawn] + starts[number]
        return DrawnBlock(number, rows, values[usable], variance, left_out)

    return list(prefetch(read, tasks()))


def some_spectra(drawn: Sequence[DrawnBlock], cube: int, count: int) -> np.ndarray:
    """Return about ``count`` (m, channel) of the spectra drawn of one cube; all, if fewer.

    They are spread evenly over the image and do not depend on its chunks.
    """
    blocks_of_cube = [each for each in drawn if each.cube == cube]
    if not blocks_of_cube:
        return np.empty((0, 0), dtype=np.float32)
    rows = np.sort(np.concatenate([each.rows for each in blocks_of_cube]))
    rows = rows[:: max(1, len(rows) // count)]
    return np.concatenate([each.values[np.isin(each.rows, rows)] for each in blocks_of_cube])


def collect(
    drawn: Iterable[DrawnBlock], intakes: Sequence[Intake], rows: np.ndarray, *, extra: str = ""
) -> TrainingSpectra:
    """Return the training spectra of blocks that were read.

    Parameters
    ----------
    drawn : iterable of DrawnBlock
        Taken one by one: an iterator that drops a block after yielding it keeps spectra and inputs
        from being in memory together.
    intakes : sequence of Intake
        One for each cube.
    rows : array (n,)
        Positions of the spectra to take; those that are not usable are left out.
    extra : "", "variance" or "values"
        Also return the variance of the inputs, or the measured values.

    Raises
    ------
    ValueError
        If the variance is requested and the preprocessing does not propagate it.
    """
    parts = []
    for block in drawn:
        taken = np.isin(block.rows, rows)
        values = block.values if taken.all() else block.values[taken]
        further = values if extra == "values" else None
        intake = intakes[block.cube]
        if extra == "variance":
            assert block.variance is not None
            inputs = intake.apply(values, block.variance[taken])
            further = inputs.variance
            if further is None:
                raise ValueError(
                    'stabilise="log-quantile" leaves no variance for the loss "variance"'
                )
        else:
            inputs = intake.apply(values)
        parts.append((inputs.values, further, block.rows[taken]))
    # In the order of the image, whatever the order of the blocks.
    positions = np.concatenate([part[2] for part in parts])
    order = np.argsort(positions)
    inputs_in_order = np.concatenate([part[0] for part in parts])[order]
    further = np.concatenate([part[1] for part in parts])[order] if extra else None
    return TrainingSpectra(
        inputs_in_order,
        further if extra == "variance" else None,
        positions[order],
        further if extra == "values" else None,
    )
