import numpy as np
import pytest

import spectessera as spt
from spectessera.axis import Axis
from spectessera.cube import spectral_axis, with_axis
from spectessera.inference import choose_model, model_choice, patches
from spectessera.optical.linetable import vacuum_wavelengths
from spectessera.synth.nebulae.galaxy import rotating_galaxy
from spectessera.synth.xrf.templates import shipped

SIDE = 24


def scan(lines, *, dtype=np.uint16, high=40.0):
    """Return a cube of three stripes, each with its own line (in keV) above a continuum."""
    energy = np.linspace(0.5, high, 256)
    generator = np.random.default_rng(0)
    expected = np.full((SIDE, SIDE, len(energy)), 0.4)
    for number, line in enumerate(lines):
        stripe = slice(number * SIDE // len(lines), (number + 1) * SIDE // len(lines))
        expected[:, stripe] += 8 * np.exp(-(((energy - line) / 0.3) ** 2) / 2)
    return spt.make_cube(generator.poisson(expected).astype(dtype), energy=(0.5, high))


def painted(*, high=None):
    """Return a cube of three stripes of pigments as maxrf was trained on; it may end early."""
    spectra = shipped()
    thick = int(np.argmin(np.abs(spectra.factors - 1)))
    pigments = [spectra.pigments.index(name) for name in ("vermilion", "azurite", "yellow ochre")]
    expected = spectra.spectra[pigments, thick]
    energy = spectra.axis.values
    some = slice(None) if high is None else energy <= high
    stripe = np.arange(SIDE) * 3 // SIDE
    each = 400 * expected[stripe] / expected[stripe].sum(axis=1, keepdims=True)
    counts = np.random.default_rng(0).poisson(np.broadcast_to(each, (SIDE, SIDE, len(energy))))
    return spt.make_cube(counts[..., some].astype(np.uint16), energy=energy[some])


def test_a_shipped_model_is_chosen_for_what_it_was_made_for():
    choice = choose_model(painted(), neighbours=0)
    assert choice.name == "maxrf"
    assert choice.segmenter is not None
    assert choice.gains["maxrf"] > 0.9 * choice.gains["linear"] > 0


def test_a_shipped_model_that_does_not_see_the_differences_is_not_chosen():
    """Lines above the range of the model: what it sees is the continuum, which does not differ."""
    choice = choose_model(scan((42.0, 47.0, 52.0), high=60.0), neighbours=0)
    assert (choice.name, choice.segmenter) == ("", None)
    assert choice.gains["maxrf"] < 0.1 * choice.gains["linear"]
    assert "maxrf predicts less" in choice.reason


@pytest.mark.parametrize(
    ("cube", "words"),
    [
        (spt.make_cube(np.ones((9, 9, 40))), "no shipped model reads its axis"),
        (scan((6.4, 8.05)) * 0.37 - 0.2, "noise of the cube is not known"),
    ],
)
def test_where_nothing_can_be_compared_the_cube_gets_its_own_model(cube, words):
    choice = choose_model(cube)
    assert (choice.name, choice.gains) == ("", {})
    assert words in choice.reason


def test_a_few_pixels_are_not_trained_on():
    choice = choose_model(scan((6.4, 8.05)).isel(y=slice(0, 3), x=slice(0, 9)))
    assert (choice.name, choice.gains) == ("maxrf", {})
    assert "too few pixels" in choice.reason


def test_pieces_are_where_pixels_are_usable():
    """A map in the middle of a large empty border."""
    middle = painted()
    cube = middle.pad(y=100, x=100, constant_values=0)
    cube = spt.make_cube(cube.values, axis=spectral_axis(middle))
    for seed in range(4):
        assert choose_model(cube, neighbours=0, seed=seed).name == "maxrf"


def test_the_choice_is_the_same_for_a_chunked_cube():
    cube = scan((6.4, 8.05, 10.5))
    whole, parts = choose_model(cube, seed=3), choose_model(cube.chunk({"y": 7, "x": 11}), seed=3)
    assert whole[2:] == parts[2:]
    assert whole.name == parts.name


def test_a_model_that_may_not_be_chosen_is_not_warned_of(caplog):
    """The cube covers half of the axis of the model; only what uses the model says so."""
    cube = painted(high=20.0)
    with caplog.at_level("WARNING"):
        segmenter = choose_model(cube, neighbours=0).segmenter
        assert not caplog.records
        assert segmenter is not None
        segmenter.intake(cube)
    assert "covers" in caplog.text


@pytest.mark.parametrize("neighbours", ["auto", 0, 1.0])
def test_the_pieces_of_the_cube_are_read_once(monkeypatch, neighbours):
    read = []

    def counted(cube, block):
        read.append(block)
        return load(cube, block)

    load = patches.load_block
    monkeypatch.setattr(patches, "load_block", counted)
    assert choose_model(painted(), neighbours=neighbours).name == "maxrf"
    assert len(read) == 1  # the cube is small: one piece


@pytest.mark.parametrize("shape", [(9, 14), (1, 2)])
def test_spectra_that_are_all_the_same_choose_nothing(shape):
    cube = spt.make_cube(np.full((*shape, 64), 7, np.uint16), energy=(0.5, 20.0))
    choice = choose_model(cube)
    assert (choice.name, choice.gains) == ("", {})
    assert "all the same" in choice.reason


def test_where_nothing_is_predicted_the_choice_does_not_say_otherwise():
    noise = np.random.default_rng(0).poisson(5, (20, 22, 64)).astype(np.uint16)
    choice = choose_model(spt.make_cube(noise, energy=(0.5, 38.0)), neighbours=0)
    assert choice.name == "maxrf"
    assert max(choice.gains.values()) < 0.01
    assert choice.reason.startswith("no model predicts any difference")


@pytest.mark.parametrize(("share", "name"), [(0.3, ""), (0.2, "maxrf")])
def test_where_many_spectra_are_new_to_a_model_its_gain_must_be_that_of_the_cube(
    monkeypatch, share, name
):
    """Electron beams are new to maxrf, and it predicts nearly as much there, with worse maps."""
    gain = model_choice._gain

    def less(halves, shipped, seed):
        own = gain(halves, shipped, seed)
        return own._replace(mean=0.95 * own.mean, each=0.95 * own.each)

    monkeypatch.setattr(model_choice, "_gain", less)
    monkeypatch.setattr(model_choice, "_novel", lambda *_: share)
    choice = choose_model(painted(), neighbours=0)
    assert choice.gains["maxrf"] < choice.gains["linear"]
    assert choice.name == name
    assert ("unlike those that it was trained on" in choice.reason) is (not name)


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (4700.0, 9400.0, "nebulae"),
        (3500.0, 10_100.0, "nebulae-wide"),
        (3700.0, 6000.0, "nebulae-wide"),
    ],
)
def test_of_the_models_of_nebulae_the_one_whose_range_suits_is_tried(low, high, name):
    generator = np.random.default_rng(0)
    cube = spt.make_cube(
        generator.normal(size=(6, 7, 2400)).astype(np.float32), wavelength=(low, high),
        medium="air", variance=np.ones((6, 7, 2400)),
    )  # fmt: skip
    assert set(model_choice._readable(cube, 0.0, "none")) == {name}


def test_a_galaxy_whose_lines_are_in_the_infrared_is_read_at_its_redshift():
    """At rest its axis is beyond that of the model: the redshift has to be found first."""
    galaxy, _ = rotating_galaxy((8, 9), redshift=0.03, brightness=60.0, seed=3)
    near = vacuum_wavelengths(spectral_axis(galaxy).values)
    far = with_axis(galaxy, Axis(near * 2.9 / 1.03 / 1e4, "um", medium="vacuum"))
    read = model_choice._readable(far, None, None)
    assert set(read) == {"nebulae"}
    assert abs(read["nebulae"].frame.redshift - 1.9) < 1e-3
