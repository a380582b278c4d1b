"""Made-up measurements whose truth is known, for all tests."""

import logging
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

import dask
import numpy as np
import pytest
import torch
import xarray as xr

from spectessera.cube import make_cube

# A shell lets what it starts in the background ignore Ctrl-C, and the commands that tests start and
# interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class LineCube(NamedTuple):
    """A cube of counts and what it was made of."""

    cube: xr.DataArray  # (11, 14, 96), counts along an energy axis in keV
    label: np.ndarray  # (11, 14), 0..3
    expected: np.ndarray  # (4, 96), counts expected in each channel


def line_spectra(channels: int = 96) -> np.ndarray:
    """Return four spectra (4, channel) of three Gaussian lines each; each sums to 1."""
    x = np.arange(channels)
    centers = np.array([[10, 30, 62], [16, 40, 75], [23, 52, 62], [10, 46, 86]])
    heights = np.array([[3, 2, 1], [1, 3, 2], [2, 1, 3], [1, 1, 3]])
    lines = np.exp(-0.5 * ((x - centers[..., None]) / 1.8) ** 2)  # (4, 3, channel)
    spectra = (heights[..., None] * lines).sum(axis=1) + 0.02
    return spectra / spectra.sum(axis=1, keepdims=True)


@pytest.fixture
def line_cube() -> LineCube:
    """Return a non-square cube of four regions of unlike size, 400 counts per pixel."""
    label = np.zeros((11, 14), dtype=np.int64)
    label[:4, 5:] = 1
    label[4:, :6] = 2
    label[7:, 9:] = 3
    expected = 400 * line_spectra()
    counts = np.random.default_rng(0).poisson(expected[label]).astype(np.float32)
    return LineCube(make_cube(counts, energy=(1.0, 20.0)), label, expected)


@pytest.fixture
def two_blobs() -> torch.Tensor:
    """Return 60 points (60, 5), float32, of which the first 40 and the last 20 lie together."""
    points = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    points[40:] += 6.0
    return points


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Give a Dask cluster of two workers on this machine, each of one thread."""
    distributed = pytest.importorskip("distributed")
    # By default workers wait half a minute for a worker that was killed.
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "5s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as local,
    ):  # fmt: skip
        yield local


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """Give an active client: the workers of the cluster do the work."""
    from distributed import Client

    with Client(cluster) as active:
        yield active
