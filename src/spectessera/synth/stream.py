"""Synthetic spectra made block by block: any number of them needs the memory of one block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar, final

import numpy as np

from spectessera._util.check import check_number
from spectessera.axis import Axis

BLOCK = 4096  # spectra; random numbers are keyed to blocks of this size
MOST_BYTES = 8 * 2**30  # default limit of collected arrays

Block = TypeVar("Block", bound=NamedTuple)


@final
class Stream(Generic[Block]):
    """Blocks of spectra with their truth, made on request and not stored.

    Iteration yields the blocks in order; :meth:`block` returns one of them, with equal values. A
    block is a NamedTuple of arrays, all with one row per spectrum.

    Parameters
    ----------
    make : function of a block number and a number of spectra
        Returns that block. It must depend on these arguments only, so that a block always has
        the same values; a seed must be part of the function.
    n : int
        Total number of spectra.
    axis : Axis
        The common spectral axis.
    size : int
        Spectra per block; the last block may be smaller.
    names : (str, tuple of str)
        Kind and names of the labels 1, 2, ... and of the columns of weights, such as "pigment"
        and the names of the pigments.
    source : str
        Description for files.

    Attributes
    ----------
    n : int
    axis : Axis
    size : int
    names : (str, tuple of str)
    source : str
    block_count : int
        Number of blocks; also ``len()`` of the stream.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is negative, ``size`` is below 1, or one of them is not an integer.

    Examples
    --------
    >>> import spectessera as spt
    >>> stream = spt.synth.xrf_spectra(10_000, "choirbook", "mix", seed=0)
    >>> stream
    Stream of 10000 spectra, 1024 channels each, in 3 blocks
    >>> stream.block(2).spectra.shape
    (1808, 1024)
    """

    def __init__(
        self,
        make: Callable[[int, int], Block],
        n: int,
        axis: Axis,
        size: int = BLOCK,
        *,
        names: tuple[str, tuple[str, ...]] = ("class", ()),
        source: str = "",
    ) -> None:
        check_number("the number of spectra", n, low=0, integer=True)
        check_number("the size of a block", size, low=1, integer=True)
        self._make = make
        self.n = int(n)
        self.axis = axis
        self.size = int(size)
        self.names = names
        self.source = source
        self.block_count = -(-self.n // self.size)

    def __len__(self) -> int:
        return self.block_count

    def __iter__(self) -> Iterator[Block]:
        return (self.block(number) for number in range(self.block_count))

    def __repr__(self) -> str:
        return (
            f"Stream of {self.n} spectra, {len(self.axis)} channels each, in {self.block_count} "
            "blocks"
        )

    def block(self, number: int) -> Block:
        """Make one block.

        Parameters
        ----------
        number : int
            Counted from 0.

        Returns
        -------
        NamedTuple of arrays (m, ...)

        Raises
        ------
        IndexError
            If there is no such block.
        """
        check_number("the number of a block", number, integer=True)
        if not 0 <= number < self.block_count:
            raise IndexError(
                f"there is no block {number}: {self.n} spectra are in {self.block_count} blocks, "
                "counted from 0"
            )
        return self._make(int(number), min(self.size, self.n - int(number) * self.size))

    def collect(self, most_bytes: int = MOST_BYTES) -> Block:
        """Make all spectra and return them as one block.

        Parameters
        ----------
        most_bytes : int
            Limit of the total size of the arrays.

        Returns
        -------
        NamedTuple of arrays (n, ...)

        Raises
        ------
        MemoryError
            If they need more memory; only the first block has been made then.
        ValueError
            If there are no spectra.
        """
        if self.block_count == 0:
            raise ValueError("the stream has no spectra to collect")
        first = self.block(0)
        if self.block_count == 1:
            return first
        need = sum(array.nbytes for array in first) * self.n // self.size
        if need > most_bytes:
            raise MemoryError(
                f"{self.n} spectra need {need / 2**30:.1f} GiB, more than the limit of "
                f"{most_bytes / 2**30:.1f} GiB; use the blocks one by one, or a larger most_bytes"
            )
        whole = [np.empty((self.n, *array.shape[1:]), array.dtype) for array in first]
        _fill(whole, first, 0)
        for number in range(1, self.block_count):
            _fill(whole, self.block(number), number * self.size)
        return first._make(whole)


def _fill(whole: list[np.ndarray], block: Any, start: int) -> None:
    """Copy the arrays of a block to the rows from ``start`` on."""
    for target, array in zip(whole, block, strict=True):
        target[start : start + len(array)] = array
