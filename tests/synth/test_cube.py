"""Synthetic cubes from images, with their truth."""

import numpy as np
import pytest

from spectessera import read, write
from spectessera.io import read_truth, write_synthetic
from spectessera.kmeans import Clusters
from spectessera.synth import (
    Realism,
    cube_from_rgb,
    load_palette,
    miniature,
    nebular_cube,
    nebular_spectra,
    xrf_spectra,
)

SHAPE = (37, 53)


@pytest.fixture(scope="module")
def image():
    """Return stripes of vermilion, azurite, gold and black, a little noisy; 37 x 53 pixels."""
    palette = load_palette("choirbook")
    pure = palette.rgb[[list(palette.pigments).index(n) for n in ("vermilion", "azurite", "gold")]]
    columns = np.array([*pure, [0, 0, 0]])[np.arange(SHAPE[1]) * 4 // SHAPE[1]]
    noise = np.random.default_rng(0).integers(-2, 3, (*SHAPE, 3))
    return np.clip(np.broadcast_to(columns, (*SHAPE, 3)) + noise, 0, 255).astype(np.uint8)


def test_every_pixel_has_exactly_the_given_counts_also_black_ones(image):
    cube, truth = cube_from_rgb(image, "choirbook", counts=400, seed=0)
    assert cube.dims == ("y", "x", "channel")
    assert cube.shape == (*SHAPE, 1024)
    assert cube.dtype == np.uint16
    assert (cube.values.sum(axis=2) == 400).all()
    assert (truth.total.values == 400).all()


def test_the_counts_follow_the_truth(image):
    """Labels are the stripes; expectation = total * weight @ template; counts scatter about it."""
    cube, truth = cube_from_rgb(image, "choirbook", counts=400, threshold=0.9, seed=0)
    assert truth.sizes["cluster"] == 4
    for stripe in range(4):
        columns = np.flatnonzero(np.arange(SHAPE[1]) * 4 // SHAPE[1] == stripe)
        assert len(np.unique(truth.label.values[:, columns])) == 1
    np.testing.assert_array_equal(cube.coords["reference"].values, truth.label.values)
    weight = truth.weight.values
    np.testing.assert_allclose(weight.sum(axis=2), 1, rtol=1e-6)
    vermilion = list(truth.pigment.values).index("vermilion")
    assert (weight[:, :10, vermilion] == 1).all()
    expected = 400 * weight @ truth.template.values
    np.testing.assert_allclose(truth.expectation.values, expected, rtol=1e-4, atol=1e-6)
    # The sum over the pixels of a stripe is a multinomial: chi-squared per channel is about 1.
    for number in range(1, 5):
        inside = truth.label.values == number
        wanted = expected[inside].sum(axis=0)
        found = cube.values[inside].sum(axis=0)
        many = wanted > 10
        assert np.mean((found - wanted)[many] ** 2 / wanted[many]) == pytest.approx(1, abs=0.5)


REALISM = Realism(dead=0.01, hot=0.02, scale=5.0)


@pytest.mark.parametrize("realism", [None, REALISM])
@pytest.mark.parametrize("chunks", ["auto", 16, {"y": 5, "x": 53}, {"y": 37, "x": 7}])
def test_the_same_seed_gives_the_same_cube_in_any_chunking(image, realism, chunks):
    arguments = {"counts": 300, "seed": 5, "realism": realism}
    whole, truth = cube_from_rgb(image, **arguments)
    lazy, lazy_truth = cube_from_rgb(image, **arguments, chunks=chunks)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.values, whole.values)
    np.testing.assert_array_equal(lazy_truth.expectation.values, truth.expectation.values)
    other, _ = cube_from_rgb(image, counts=300, seed=6, realism=realism)
    assert (other.values != whole.values).any()


def test_a_realistic_cube_follows_its_settings():
    """Poisson totals about their expectation, thickness within bounds, dead and hot pixels."""
    image = miniature(2, (96, 72))
    cube, truth = cube_from_rgb(image, counts=500, realism=REALISM, seed=1)
    pixels = image.shape[0] * image.shape[1]
    total = cube.values.sum(axis=2, dtype=np.int64)
    assert truth.dead.values.sum() == round(0.01 * pixels)
    assert truth.hot.values.sum() == round(0.02 * pixels)
    assert (total[truth.dead.values] == 0).all()
    alive = ~truth.dead.values
    pull = (total - truth.total.values)[alive] / np.sqrt(truth.total.values[alive])
    assert pull.std() == pytest.approx(1, abs=0.05)
    assert abs(pull.mean()) < 0.05
    assert truth.thickness.values.min() >= REALISM.thickness[0] * 0.999
    assert truth.thickness.values.max() <= REALISM.thickness[1] * 1.001
    # Smooth: neighbours differ by little of the whole range.
    steps = np.abs(np.diff(np.log(truth.thickness.values), axis=0)).max()
    assert steps < 0.25 * np.log(REALISM.thickness[1] / REALISM.thickness[0])
    assert truth.weight.values.sum(axis=2) == pytest.approx(1, abs=1e-5)
    expected = truth.expectation.values
    np.testing.assert_allclose(expected.sum(axis=2), truth.total.values, rtol=1e-4)
    # Count rates differ between pigments, so totals do too.
    usual = alive & ~truth.hot.values
    assert truth.total.values[usual].max() > 2 * truth.total.values[usual].min()


def test_counts_beyond_16_bits_are_stored_in_32_bits(image):
    cube, _ = cube_from_rgb(image[:2, :3], counts=100_000)
    assert cube.dtype == np.uint32
    assert (cube.values.sum(axis=2) == 100_000).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5), (4, 1, 4)])
def test_images_of_one_pixel_grey_and_with_alpha_make_cubes(shape):
    cube, truth = cube_from_rgb(np.full(shape, 90, np.uint8), counts=50)
    assert cube.shape[:2] == shape[:2]
    assert (cube.values.sum(axis=2) == 50).all()
    assert (truth.label.values == 1).all()


def test_invalid_arguments_are_refused(image):
    for arguments, words in (
        ({"counts": 0}, "counts"),
        ({"counts": 10.5}, "integer"),
        ({"threshold": 2}, "threshold"),
        ({"palette": "choir"}, "choirbook"),
        ({"distance": "euclid"}, "ciede2000"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            cube_from_rgb(image, **arguments)
    for wrong, words in (
        ({"thickness": (2.0, 0.5)}, "least, most"),
        ({"mixture": 0.9}, "mixture"),
        ({"dead": 0.7, "hot": 0.5}, "hot"),
        ({"background": 1.0}, "background"),
    ):
        with pytest.raises(ValueError, match=words):
            Realism(**wrong)


def test_a_file_contains_cube_axis_and_truth_in_the_layout_of_ganx(image, tmp_path):
    import h5py

    path = tmp_path / "cube.h5"
    cube, truth = cube_from_rgb(image, counts=80, chunks={"y": 10, "x": 53})
    write_synthetic(cube, truth, path)
    with h5py.File(path) as file:
        assert file["img"].shape == cube.shape
        assert file["img"].compression == "gzip"
        np.testing.assert_array_equal(file["img"][:], cube.values)
    again = read(path)
    np.testing.assert_array_equal(again.values, cube.values)
    np.testing.assert_array_equal(again.coords["reference"].values, truth.label.values)
    np.testing.assert_allclose(again.energy.values, cube.energy.values)
    stored = read_truth(path)
    for name in ("label", "weight", "template", "total", "colour"):
        np.testing.assert_array_equal(stored[name].values, truth[name].values)
    assert list(stored.pigment.values) == list(truth.pigment.values)
    assert "expectation" not in stored
    assert set(stored.coords) == set(truth.coords)
    assert stored.energy.attrs["units"] == "keV"


def test_files_without_a_truth_are_refused(image, tmp_path):
    cube, truth = cube_from_rgb(image[:3, :4], counts=20)
    write(cube, tmp_path / "plain.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(ValueError, match="holds no truth"):
        read_truth(tmp_path / "plain.h5")
    with pytest.raises(ValueError, match="is not an HDF5 file"):
        read_truth(tmp_path / "text.h5")
    with pytest.raises(FileNotFoundError):
        read_truth(tmp_path / "none.h5")
    with pytest.raises(ValueError, match=r"\.h5"):
        write_synthetic(cube, truth, tmp_path / "cube.png")


# --- nebulae -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sky():
    """Red, green, blue and grey stripes, 9 x 16 pixels."""
    stripes = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]], np.uint8)
    return np.broadcast_to(np.repeat(stripes, 4, axis=0), (9, 16, 3))


def test_red_green_and_blue_are_nebulae_and_the_rest_is_noise_alone(sky):
    cube, truth = nebular_cube(sky, snr=50.0, seed=3)
    assert cube.shape == (9, 16, 3681)
    np.testing.assert_array_equal(truth.label.values[0], np.repeat([1, 2, 3, 4], 4))
    assert list(truth["class"].values) == ["hii", "pn", "shock", "background"]
    expected = truth.expectation.values
    assert (expected[:, 12:] == 0).all()
    wavelength = cube.wavelength.values
    halpha = np.abs(wavelength - 6562.82) < 4
    peak = expected[:, :12][:, :, halpha].max(axis=2)
    np.testing.assert_allclose(peak / truth.sigma.values[:, :12], 50, rtol=1e-4)
    noise = (cube.values - expected) / truth.sigma.values[:, :, None]
    assert noise.std() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(
        cube.coords["variance"].values[:, :, 7], truth.sigma.values**2, rtol=1e-5
    )
    # Planetary nebulae have the strongest [OIII], shocks the strongest [SII].
    oiii = expected[:, :, np.abs(wavelength - 5006.84) < 4].sum(axis=2)
    sii = expected[:, :, np.abs(wavelength - 6723) < 15].sum(axis=2)
    assert np.median(oiii[:, 4:8]) > np.median(oiii[:, :4])
    assert np.median(sii[:, 8:12]) > np.median(sii[:, :4])


def test_a_nebular_cube_is_the_same_in_any_chunking(sky):
    whole, truth = nebular_cube(sky, snr=(10, 100), seed=3)
    lazy, lazy_truth = nebular_cube(sky, snr=(10, 100), seed=3, chunks={"y": 4, "x": 7})
    np.testing.assert_array_equal(lazy.values, whole.values)
    np.testing.assert_array_equal(lazy.variance.values, whole.variance.values)
    np.testing.assert_array_equal(lazy_truth.sigma.values, truth.sigma.values)
    with pytest.raises(ValueError, match="3 classes"):
        nebular_cube(sky, classes=("hii", "pn"))


# --- pages and training sets -------------------------------------------------------------------


def test_a_page_is_drawn_by_its_seed_with_the_colours_of_its_palette():
    one, other = miniature(3), miniature(3)
    np.testing.assert_array_equal(one, other)
    assert one.shape == (256, 192, 3)
    assert (miniature(4) != one).any()
    palette = load_palette("choirbook")
    _, truth = cube_from_rgb(one, palette, counts=10, clusters=Clusters(4, 12), threshold=0.9)
    assert len(np.unique(truth.weight.values.argmax(axis=2))) >= 4
    with pytest.raises(ValueError, match="height"):
        miniature(0, (8, 200))


@pytest.mark.parametrize("mode", ["pure", "load", "mix"])
def test_training_spectra_are_drawn_from_their_truth(mode):
    stream = xrf_spectra(5000, "choirbook", mode, 400, seed=2)
    block = stream.collect()
    assert len(block.spectra) == 5000
    assert (block.spectra.sum(axis=1) == 400).all()
    np.testing.assert_allclose(block.expectation.sum(axis=1), 400, rtol=1e-4)
    np.testing.assert_allclose(block.weight.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(block.weight.argmax(axis=1) + 1, block.label)
    assert (np.bincount(block.label)[1:] > 500).all()
    many = block.expectation > 0.5
    pull = (block.spectra - block.expectation)[many] ** 2 / block.expectation[many]
    assert pull.mean() == pytest.approx(1, abs=0.05)
    if mode == "pure":
        assert (block.thickness == 1).all()
        template = load_palette("choirbook").template
        np.testing.assert_allclose(block.expectation, 400 * template[block.label - 1], rtol=1e-4)
    if mode == "mix":
        assert block.weight.max(axis=1).min() >= 0.6 - 1e-6


def test_blocks_can_be_computed_alone_and_totals_lie_in_the_given_range():
    stream = xrf_spectra(9000, "choirbook", "mix", (200, 3000), seed=4)
    blocks = list(stream)
    alone = stream.block(1)
    for one, other in zip(alone, blocks[1], strict=True):
        np.testing.assert_array_equal(one, other)
    totals = np.concatenate([each.spectra.sum(axis=1) for each in blocks])
    assert 200 <= totals.min() < 230
    assert 2700 < totals.max() <= 3000


def test_a_stream_and_a_cube_of_the_same_seed_have_nothing_in_common(sky):
    """Otherwise a network would be tested on the models that it was trained on."""
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    _, truth = nebular_cube(red, snr=30.0, seed=0)
    block = nebular_spectra(256, 30.0, seed=0).block(0)
    one = truth.expectation.values.reshape(256, -1)
    other = block.expectation
    strength = [each[:, 1400:1500].max(axis=1) for each in (one, other)]
    assert abs(np.corrcoef(*strength)[0, 1]) < 0.3


def test_without_poisson_totals_are_fixed():
    image = miniature(2, (48, 40))
    realism = Realism(poisson=False, dead=0.01, hot=0.01, hot_factor=3.0)
    cube, truth = cube_from_rgb(image, counts=400, realism=realism)
    total = cube.values.sum(axis=2)
    assert set(np.unique(total)) == {0, 400, 1200}
    assert (total[truth.dead.values] == 0).all()


def test_impossible_combinations_are_refused(image):
    flat = load_palette("choirbook")
    plain = type(flat)("plain", flat.pigments, flat.rgb, flat.axis, [1.0], flat.nominal[:, None])
    with pytest.raises(ValueError, match="one thickness only"):
        cube_from_rgb(image, plain, realism=Realism())
    cube_from_rgb(image[:2, :2], plain, realism=Realism(thickness=(1, 1)))
    with pytest.raises(ValueError, match="32-bit integers"):
        cube_from_rgb(image[:2, :2], counts=10**9, realism=Realism(hot=1.0, hot_factor=1000))
    for arguments in ({"realism": True}, {"clusters": 3}, {"palette": 7}):
        with pytest.raises(TypeError, match="must be"):
            cube_from_rgb(image, **arguments)
    for chunks in (0, {"z": 3}, {"y": 0}):
        with pytest.raises(ValueError, match="chunks"):
            cube_from_rgb(image, chunks=chunks)
    with pytest.raises(TypeError, match="palette"):
        xrf_spectra(10, 7)


def test_invalid_training_sets_are_refused():
    for arguments, words in (
        ((10, "choirbook", "other"), "mode"),
        ((10, "choirbook", "pure", 0), "counts"),
        ((10, "choirbook", "pure", (30, 20)), "least, most"),
        ((-1, "choirbook"), "number of spectra"),
        ((10, "nothing"), "choirbook"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            xrf_spectra(*arguments)
