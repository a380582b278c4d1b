"""Numbers of every pixel, in memory or, for large images, in a temporary file."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spectessera._util.writing import allocate, writing
from spectessera.cube import Block
from spectessera.preprocess.steps import QUALITY, UNUSABLE

# Bytes of latents that stay in memory; more go into a temporary file.
MEMORY = 2**26
# Pixels that are processed together, for any blocks of the cube: 65,536 are 256 x 256.
TILE = 2**16


class Grid:
    """Numbers of every pixel, (y, x, size) float32, in memory or in a temporary file.

    The file is mapped into memory anew for each access, because the pages of a permanent mapping
    count as memory of the process. It is deleted with the object.
    """

    def __init__(self, shape: tuple[int, int], size: int, memory: int = MEMORY) -> None:
        self.shape = (*shape, size)
        if 4 * math.prod(self.shape) <= memory:
            self.in_memory: np.ndarray | None = np.zeros(self.shape, np.float32)
            return
        self.in_memory = None
        folder = tempfile.mkdtemp(prefix="spectessera-")
        weakref.finalize(self, shutil.rmtree, folder)
        self.path = Path(folder, "pixels")
        # without room for all of it, the process would end when a page of the mapping is written
        with writing(self.path), self.path.open("wb") as file:
            allocate(file.fileno(), 4 * math.prod(self.shape))

    def _array(self) -> np.ndarray:
        if self.in_memory is not None:
            return self.in_memory
        return np.memmap(self.path, np.float32, "r+", shape=self.shape)

    def put(self, block: Block, usable: np.ndarray, rows: np.ndarray) -> None:
        """Store rows (m, size) of the usable pixels (y * x,) of a block."""
        height, width = (side.stop - side.start for side in (block.y, block.x))
        whole = np.zeros((height * width, self.shape[2]), np.float32)
        whole[usable] = rows
        self._array()[block.y, block.x] = whole.reshape(height, width, -1)

    def take(self, block: Block, usable: np.ndarray) -> np.ndarray:
        """Return the rows (m, size) of the usable pixels of a block."""
        return np.array(self._array()[block.y, block.x]).reshape(-1, self.shape[2])[usable]

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Return rows (m, size) at ascending positions of the flattened image."""
        rows = np.empty((len(positions), self.shape[2]), np.float32)
        for first in range(0, len(positions), TILE // 16):
            part = slice(first, first + TILE // 16)
            rows[part] = self._array().reshape(-1, self.shape[2])[positions[part]]
        return rows

    def tile(self, number: int) -> np.ndarray:
        """Return the rows of ``TILE`` consecutive pixels of the flattened image."""
        part = slice(number * TILE, (number + 1) * TILE)
        return np.array(self._array().reshape(-1, self.shape[2])[part])


class Pixels:
    """Quality and latent of every pixel.

    Usable pixels have ranks in the order of the image, for any order of the blocks.

    Attributes
    ----------
    quality : array (y, x), uint8
        Bits of :data:`spectessera.preprocess.steps.QUALITY`.
    latents : Grid
    repeats : array (y, x), float32, or None
        As how many measurements the spectra are, where they are averaged with neighbours.
    weights : Grid or None
        Of the neighbours with which they are averaged, ``(y, x, place)``.
    """

    def __init__(self, shape: tuple[int, int], size: int, memory: int = MEMORY) -> None:
        self.quality = np.full(shape, QUALITY["masked"], np.uint8)
        self.repeats: np.ndarray | None = None
        self.weights: Grid | None = None
        self.latents = Grid(shape, size, memory)

    def add_averages(self, places: int, memory: int) -> None:
        """Make room for how spectra are averaged with so many places around them.

        ``memory``: bytes of all that stays in memory, latents included.
        """
        shape = self.quality.shape
        self.repeats = np.ones(shape, np.float32)
        latents = self.latents.in_memory
        left = memory - (0 if latents is None else latents.nbytes)
        self.weights = Grid((shape[0], shape[1]), places, left)

    def put(self, block: Block, quality: np.ndarray, latent: np.ndarray) -> None:
        """Take the quality (y * x,) of a block and the latents (m, size) of its usable pixels."""
        side = self.quality[block.y, block.x]
        side[...] = quality.reshape(side.shape)
        self.latents.put(block, is_usable(quality), latent)

    def repeats_at(self, positions: np.ndarray) -> np.ndarray | None:
        """Return the repeats (n,) at positions of the flattened image, if there are any."""
        return None if self.repeats is None else self.repeats.ravel()[positions]

    def usable(self, block: Block) -> np.ndarray:
        """Return which pixels of a block are usable, flattened."""
        return is_usable(self.quality[block.y, block.x]).ravel()

    def _tiles(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield number and usable pixels of every tile of the flattened image."""
        flat = self.quality.ravel()
        for number in range(-(-flat.size // TILE)):
            yield number, is_usable(flat[number * TILE : (number + 1) * TILE])

    def __len__(self) -> int:
        """Return the number of usable pixels."""
        return sum(int(usable.sum()) for _, usable in self._tiles())

    def parts(self) -> Iterator[np.ndarray]:
        """Yield the latents of all usable pixels in order, in parts that are always the same."""
        for number, usable in self._tiles():
            yield self.latents.tile(number)[usable]

    def label_map(self, labels: np.ndarray) -> np.ndarray:
        """Return (y * x,), int16: 0 where a pixel is not usable, else its label (from 0) plus 1."""
        usable = is_usable(self.quality).ravel()
        label_map = np.zeros(len(usable), np.int16)
        label_map[usable] = labels + 1
        return label_map

    def image(self, values: np.ndarray) -> np.ndarray:
        """Return the image (y, x, ...) of values (n, ...), float32, of usable pixels, else NaN."""
        usable = is_usable(self.quality)
        image = np.full((*usable.shape, *values.shape[1:]), np.nan, np.float32)
        image[usable] = values
        return image

    def positions(self, ranks: np.ndarray) -> np.ndarray:
        """Return the positions in the flattened image of usable pixels of ascending ranks."""
        return nth(self._tiles(), ranks)

    def take(self, ranks: np.ndarray) -> np.ndarray:
        """Return the latents of usable pixels of ascending ranks."""
        return self.latents.at(self.positions(ranks))


def is_usable(quality: np.ndarray) -> np.ndarray:
    """Return which pixels have a spectrum that can be labelled; masked pixels have none."""
    return quality & UNUSABLE == 0


def nth(tiles: Iterator[tuple[int, np.ndarray]], ranks: np.ndarray) -> np.ndarray:
    """Return the positions of the n-th true values, for ascending n, in tiles of ``TILE`` values.

    The positions of all true values would need eight bytes each.
    """
    positions, before = [], 0
    for number, true in tiles:
        count = int(np.count_nonzero(true))
        first, last = np.searchsorted(ranks, (before, before + count))
        if last > first:
            positions.append(number * TILE + np.flatnonzero(true)[ranks[first:last] - before])
        before += count
    return np.concatenate(positions) if positions else np.empty(0, np.int64)


def members(labels: np.ndarray, label: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, tile by tile, which pixels of a flattened label map have a label."""
    for number in range(-(-labels.size // TILE)):
        yield number, labels[number * TILE : (number + 1) * TILE] == label


def positions_in_block(pixels: np.ndarray, block: Block, width: int) -> np.ndarray:
    """Return which of some pixels of an image are in a block, as positions in the flattened block.

    Parameters
    ----------
    pixels : array (n,)
        Positions in the flattened image.
    block : Block
    width : int
        Of the image.
    """
    y, x = np.divmod(pixels, width)
    here = (y >= block.y.start) & (y < block.y.stop) & (x >= block.x.start) & (x < block.x.stop)
    return (y[here] - block.y.start) * (block.x.stop - block.x.start) + x[here] - block.x.start
