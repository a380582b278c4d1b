"""Colours of an image, and the pigments of similar colour."""

import numpy as np
import pytest
from PIL import Image

from spectessera.colours import to_lab
from spectessera.kmeans import Clusters
from spectessera.synth.paint.rgb import (
    check_image,
    delta_e,
    few_colours,
    pigment_weights,
    read_image,
)

# Pairs and differences of the test data of Sharma, Wu & Dalal 2005, table 1.
SHARMA = (
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
    ((50.0, -1.0, 2.0), (50.0, 0.0, 0.0), 2.3669),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
)
PIGMENTS = np.array([[227, 66, 52], [40, 82, 150], [233, 220, 190]])


@pytest.mark.parametrize(("one", "other", "expected"), SHARMA)
def test_ciede2000_is_that_of_the_published_pairs(one, other, expected):
    assert delta_e(np.array(one), np.array(other)) == pytest.approx(expected, abs=6e-5)
    assert delta_e(np.array(other), np.array(one)) == pytest.approx(expected, abs=6e-5)


def test_colours_and_differences_are_those_of_scikit_image():
    color = pytest.importorskip("skimage.color")
    rgb = np.random.default_rng(0).integers(0, 256, (500, 2, 3)).astype(np.uint8)
    lab = color.rgb2lab(rgb)
    np.testing.assert_allclose(to_lab(rgb), lab, atol=0.02)
    one, other = lab[:, 0], lab[:, 1]
    np.testing.assert_allclose(delta_e(one, other), color.deltaE_ciede2000(one, other), atol=1e-8)
    expected = color.deltaE_ciede94(one, other)
    np.testing.assert_allclose(delta_e(one, other, "cie94"), expected, atol=1e-8)


def test_thresholds_0_and_1():
    """0 mixes all pigments, 1 keeps those of just this colour, or else the most similar one."""
    colours = np.array([[227, 66, 52], [60, 90, 160]])
    every = pigment_weights(colours, PIGMENTS, 0.0)
    assert (every > 0).all()
    np.testing.assert_allclose(every.sum(axis=1), 1)
    only = pigment_weights(colours, PIGMENTS, 1.0)
    np.testing.assert_array_equal(only, [[1, 0, 0], [0, 1, 0]])


def test_a_mixture_is_proportional_to_the_similarity():
    colour = np.array([[200, 120, 100]])
    difference = delta_e(to_lab(colour)[:, None], to_lab(PIGMENTS)[None])[0]
    similarity = (101 - difference) / 101
    found = pigment_weights(colour, PIGMENTS, 0.6)[0]
    similar = np.where(similarity >= 0.6, similarity, 0)
    assert 0 < (similar > 0).sum() < 3
    np.testing.assert_allclose(found, similar / similar.sum())


def test_a_colour_below_the_threshold_gets_the_most_similar_pigment():
    found = pigment_weights(np.array([[0, 255, 0], [0, 0, 0]]), PIGMENTS, 0.99)
    np.testing.assert_array_equal(np.sort(found, axis=1), [[0, 0, 1], [0, 0, 1]])


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        pigment_weights(PIGMENTS, PIGMENTS, threshold)


def stripes(colours, height=40, noise=3):
    """Return stripes of equal width, with a little noise; 40 x 20 pixels each."""
    image = np.repeat(np.repeat([colours], height, axis=0), 20, axis=1).astype(float)
    image += noise * np.random.default_rng(0).standard_normal(image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def test_the_stripes_of_a_flag_are_its_colours():
    colours = [[200, 30, 40], [30, 60, 200], [240, 240, 230], [20, 20, 20]]
    found = few_colours(stripes(colours), Clusters(2, 8))
    assert len(found.rgb) == 4
    for number in range(4):
        assert len(np.unique(found.colour[:, 20 * number + 1 : 20 * number + 19])) == 1
    truth = np.array(colours)[found.colour[0, 10::20].argsort()]
    np.testing.assert_allclose(found.rgb, truth, atol=4)


def test_the_same_seed_gives_the_same_colours_and_the_largest_is_first():
    image = np.random.default_rng(1).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    one, other = few_colours(image, seed=3), few_colours(image, seed=3)
    np.testing.assert_array_equal(one.colour, other.colour)
    sizes = np.bincount(one.colour.ravel())
    assert (np.diff(sizes) <= 0).all()
    for number, colour in enumerate(one.rgb):
        np.testing.assert_allclose(colour, image[one.colour == number].mean(axis=0))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1)])
def test_tiny_images_of_one_colour_have_that_colour(shape):
    image = np.full((*shape, 3), 77, np.uint8)
    found = few_colours(image)
    np.testing.assert_array_equal(found.rgb, [[77, 77, 77]])
    assert found.colour.shape == shape
    assert not found.colour.any()


def test_grey_alpha_and_16_bit_images_become_rgb(tmp_path):
    """Transparent images are laid over white, grey is repeated, 16 bits are scaled."""
    rgba = np.zeros((3, 5, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[0, 0] = (200, 0, 0, 0)  # fully transparent
    found = check_image(rgba)
    assert found.shape == (3, 5, 3)
    np.testing.assert_array_equal(found[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(found[1, 1], [0, 0, 0])
    deep = np.full((3, 5), 65535, np.uint16)
    assert (check_image(deep) == 255).all()
    assert (check_image(np.full((3, 5, 3), 0.5)) == 128).all()
    for name, picture, value in (
        ("rgba.png", Image.fromarray(rgba), 255),
        ("grey.png", Image.fromarray(np.full((3, 5), 255, np.uint8)), 255),
        ("deep.png", Image.fromarray(deep), 255),
        ("one.png", Image.fromarray(np.full((1, 1, 3), 255, np.uint8)), 255),
        ("palette.gif", Image.fromarray(np.full((3, 5, 3), 255, np.uint8)).convert("P"), 255),
    ):
        picture.save(tmp_path / name)
        found = read_image(tmp_path / name)
        assert found.dtype == np.uint8
        assert found.shape[2] == 3
        assert found[0, 0, 0] == value, name


def test_files_and_arrays_that_are_not_images_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_image(tmp_path / "text.png")
    whole = tmp_path / "whole.png"
    Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(whole)
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:60])
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_image(tmp_path / "half.png")
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")
    for wrong, match in (
        (np.zeros((2, 2, 5)), "shape"),
        (np.zeros((0, 2, 3)), "shape"),
        (np.full((2, 2, 3), 7.0), r"0\.\.1"),
        (np.full((2, 2, 3), np.nan), r"0\.\.1"),
    ):
        with pytest.raises(ValueError, match=match):
            check_image(wrong)
    with pytest.raises(TypeError, match="uint8"):
        check_image(np.zeros((2, 2, 3), np.int64))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    monkeypatch.setattr("spectessera.synth.paint.rgb.MAX_PIXELS", 599)
    with pytest.raises(ValueError, match=r"a\.png has 30 x 20 pixels; 599 are the most"):
        read_image(tmp_path / "a.png")


def test_pictures_are_converted_in_parts(monkeypatch):
    values = np.random.default_rng(0).integers(0, 256, (7, 4, 4), np.uint8)
    whole = check_image(values)
    monkeypatch.setattr("spectessera.synth.paint.rgb._ROWS", 3)
    np.testing.assert_array_equal(check_image(values), whole)
