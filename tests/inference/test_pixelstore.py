"""Numbers of every pixel, in memory or in a file, in the order of the image."""

import gc
from itertools import pairwise

import numpy as np
import pytest

from spectessera.cube import Block
from spectessera.inference import pixelstore
from spectessera.inference.pixelstore import (
    Grid,
    Pixels,
    is_usable,
    members,
    nth,
    positions_in_block,
)
from spectessera.preprocess.steps import QUALITY

HEIGHT, WIDTH, SIZE = 11, 7, 3
# Of an image of 77 pixels: many tiles, tiles that end with the image, and one.
TILES = [1, 5, 11, 16, 76, 77, 78, 2**16]


def some_blocks():
    """Return blocks of different sizes that tile the image, in random order."""
    y, x = (0, 4, 9, HEIGHT), (0, 5, WIDTH)
    cut = [
        Block(slice(top, bottom), slice(left, right))
        for top, bottom in pairwise(y)
        for left, right in pairwise(x)
    ]
    return [cut[each] for each in (3, 0, 5, 1, 4, 2)]


def image_and_quality(seed=0):
    """Return numbers (y, x, size) and quality bits (y, x); a third is not usable."""
    generator = np.random.default_rng(seed)
    numbers = generator.standard_normal((HEIGHT, WIDTH, SIZE)).astype(np.float32)
    bits = [0, QUALITY["repaired"], QUALITY["masked"], QUALITY["empty"]]
    quality = generator.choice(bits, (HEIGHT, WIDTH), p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    return numbers, quality


def filled(memory, order=None):
    """Return a grid and pixels that were filled block by block, and the truth."""
    numbers, quality = image_and_quality()
    pixels = Pixels((HEIGHT, WIDTH), SIZE, memory)
    for block in order or some_blocks():
        bits = quality[block.y, block.x].ravel()
        rows = numbers[block.y, block.x].reshape(-1, SIZE)[is_usable(bits)]
        pixels.put(block, bits, rows)
    good = (quality == 0) | (quality == QUALITY["repaired"])
    return pixels, numbers, good


@pytest.fixture(params=["memory", "file"])
def memory(request):
    return 2**20 if request.param == "memory" else 0


# --- Grid --------------------------------------------------------------------------------------


def test_a_grid_is_in_memory_up_to_a_limit_and_otherwise_in_a_file():
    bytes_of_it = 4 * HEIGHT * WIDTH * SIZE
    assert Grid((HEIGHT, WIDTH), SIZE, bytes_of_it).in_memory is not None
    spilled = Grid((HEIGHT, WIDTH), SIZE, bytes_of_it - 1)
    assert spilled.in_memory is None
    assert spilled.path.stat().st_size == bytes_of_it


def test_rows_of_usable_pixels_are_taken_from_blocks(memory):
    pixels, numbers, good = filled(memory)
    for block in some_blocks():
        usable = good[block.y, block.x].ravel()
        found = pixels.latents.take(block, usable)
        assert np.array_equal(found, numbers[block.y, block.x].reshape(-1, SIZE)[usable])
    whole = pixels.latents.take(Block(slice(0, HEIGHT), slice(0, WIDTH)), good.ravel())
    assert np.array_equal(whole, numbers[good])


def test_pixels_that_are_not_usable_are_zero(memory):
    pixels, _, good = filled(memory)
    everything = pixels.latents.at(np.arange(HEIGHT * WIDTH)).reshape(HEIGHT, WIDTH, SIZE)
    assert (everything[~good] == 0).all()
    assert (everything[good] != 0).any(axis=1).all()


@pytest.mark.parametrize("tile", TILES)
def test_rows_are_taken_at_positions_and_from_tiles(memory, tile, monkeypatch):
    monkeypatch.setattr(pixelstore, "TILE", max(16, tile))
    pixels, numbers, good = filled(memory)
    flat = np.where(good[..., None], numbers, 0).reshape(-1, SIZE)
    for positions in (np.array([], int), np.array([76]), np.array([0, 3, 4, 50]), np.arange(77)):
        assert np.array_equal(pixels.latents.at(positions), flat[positions])
    monkeypatch.setattr(pixelstore, "TILE", tile)
    count = -(-len(flat) // tile)
    parts = [pixels.latents.tile(number) for number in range(count)]
    assert {len(part) for part in parts[:-1]} <= {tile}
    assert np.array_equal(np.concatenate(parts), flat)


def test_taken_rows_are_a_copy(memory):
    pixels, *_ = filled(memory)
    positions = np.arange(HEIGHT * WIDTH)
    before = pixels.latents.at(positions)
    block = Block(slice(0, HEIGHT), slice(0, WIDTH))
    for taken in (
        pixels.latents.tile(0),
        pixels.latents.take(block, np.ones(77, bool)),
        pixels.latents.at(positions),
    ):
        taken += 1
    assert np.array_equal(pixels.latents.at(positions), before)


def test_the_file_is_removed_with_the_object():
    grid = Grid((HEIGHT, WIDTH), SIZE, 0)
    grid.put(Block(slice(0, 2), slice(0, 2)), np.ones(4, bool), np.ones((4, SIZE), np.float32))
    folder = grid.path.parent
    assert folder.is_dir()
    # It says nothing when nobody closes it: that would be a warning, here an error.
    del grid
    gc.collect()
    assert not folder.exists()


# --- Pixels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", TILES)
def test_pixels_are_numbered_in_the_order_of_the_image_for_any_blocks(memory, tile, monkeypatch):
    monkeypatch.setattr(pixelstore, "TILE", tile)
    for order in (some_blocks(), some_blocks()[::-1], [Block(slice(0, 11), slice(0, 7))]):
        pixels, numbers, good = filled(memory, order)
        assert len(pixels) == good.sum()
        assert np.array_equal(np.concatenate(list(pixels.parts())), numbers[good])


@pytest.mark.parametrize("tile", [16, 40, 76, 77, 78, 2**16])
def test_pixels_of_given_ranks_are_found(memory, tile, monkeypatch):
    monkeypatch.setattr(pixelstore, "TILE", tile)
    pixels, numbers, good = filled(memory)
    n = int(good.sum())
    for ranks in (np.arange(n), np.array([0]), np.array([n - 1]), np.array([1, 7, 8, n - 2])):
        assert np.array_equal(pixels.positions(ranks), np.flatnonzero(good)[ranks])
        assert np.array_equal(pixels.take(ranks), numbers[good][ranks])


def test_before_anything_is_read_no_pixel_is_usable():
    pixels = Pixels((HEIGHT, WIDTH), SIZE)
    assert len(pixels) == 0
    assert sum(len(part) for part in pixels.parts()) == 0
    assert (pixels.quality == QUALITY["masked"]).all()
    assert pixels.label_map(np.empty(0, np.int16)).tolist() == [0] * 77


def test_a_label_map_has_labels_from_1_and_0_where_there_is_no_spectrum():
    pixels, _, good = filled(2**20)
    labels = np.random.default_rng(1).integers(0, 999, good.sum()).astype(np.int16)
    found = pixels.label_map(labels)
    assert found.shape == (77,)
    assert found.dtype == np.int16
    assert np.array_equal(found[good.ravel()], labels + 1)
    assert (found[~good.ravel()] == 0).all()


# --- the n-th of many --------------------------------------------------------------------------


def tiles_of(true, tile):
    """Yield numbers and tiles of a flat mask."""
    for number, first in enumerate(range(0, len(true), tile)):
        yield number, true[first : first + tile]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("kind", ["some", "rare", "none", "all", "the last alone"])
def test_the_nth_true_value_is_that_of_all_positions(kind, tile, monkeypatch):
    monkeypatch.setattr(pixelstore, "TILE", tile)
    generator = np.random.default_rng(0)
    true = {
        "some": generator.random(77) < 0.4,
        "rare": generator.random(77) < 0.04,
        "none": np.zeros(77, bool),
        "all": np.ones(77, bool),
        "the last alone": np.arange(77) == 76,
    }[kind]
    expected = np.flatnonzero(true)
    every = np.arange(len(expected))
    for ranks in (every, every[::3], every[-1:], every[:0]):
        found = nth(tiles_of(true, tile), ranks)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected[ranks])


@pytest.mark.parametrize("tile", TILES)
def test_members_are_the_pixels_of_a_label_tile_by_tile(tile, monkeypatch):
    monkeypatch.setattr(pixelstore, "TILE", tile)
    labels = np.random.default_rng(0).integers(0, 4, 77).astype(np.int16)
    for label in range(5):  # no pixel has the last one
        parts = list(members(labels, label))
        assert [number for number, _ in parts] == list(range(-(-77 // tile)))
        assert np.array_equal(np.concatenate([mine for _, mine in parts]), labels == label)
        expected = np.flatnonzero(labels == label)
        ranks = np.arange(len(expected))[1::2]
        assert np.array_equal(nth(members(labels, label), ranks), expected[ranks])


def test_an_image_has_the_values_of_usable_pixels_and_nan_elsewhere():
    pixels, numbers, good = filled(2**20)
    image = pixels.image(numbers[good])
    assert image.dtype == np.float32
    assert image.shape == numbers.shape
    assert np.array_equal(image[good], numbers[good])
    assert np.isnan(image[~good]).all()


def test_positions_in_a_block_are_those_of_the_flattened_block():
    block = Block(slice(2, 5), slice(3, 6))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[3, 4] = inside[4, 5] = inside[2, 3] = inside[1, 4] = inside[3, 6] = True
    found = positions_in_block(np.flatnonzero(inside), block, WIDTH)
    assert found.tolist() == np.flatnonzero(inside[block.y, block.x]).tolist() == [0, 4, 8]
