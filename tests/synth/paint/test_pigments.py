"""Pigments, palettes and palette files."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xraylib

from spectessera.axis import Axis
from spectessera.synth.paint.palettefile import resample
from spectessera.synth.paint.palettes import Palette, load_palette
from spectessera.synth.paint.pigments import BINDER, FACTORS, PALETTES, PIGMENTS, Pigment
from spectessera.synth.xrf.detector import Detector, width
from spectessera.synth.xrf.fluorescence import expected_spectrum
from spectessera.synth.xrf.templates import TEMPLATES, shipped
from spectessera.synth.xrf.tube import Tube
from spectessera.synth.xrf.xraydata import elements

# --- the table ---------------------------------------------------------------------------------


def test_the_formulas_of_all_pigments_are_valid():
    assert len(PIGMENTS) == 24
    for name, pigment in PIGMENTS.items():
        assert pigment.name == name
        assert sum(elements(pigment.mixture).values()) == pytest.approx(1, abs=1e-9)
    assert sum(share for share, _ in BINDER) == pytest.approx(1)


def test_the_source_of_every_colour_is_given():
    published = {name for name, each in PIGMENTS.items() if "valuesets 0.4.2" in each.source}
    assert published == {"lead white", "vermilion", "yellow ochre"}
    assert all("our choice" in pigment.source for pigment in PIGMENTS.values())


def test_metal_leaf_and_parchment_have_no_binder_and_paint_has_a_quarter():
    assert {name for name, each in PIGMENTS.items() if not each.binder} == {
        "gold",
        "silver",
        "parchment",
    }
    paint = PIGMENTS["vermilion"].layers()[0]
    assert sum(share for share, formula in paint.mixture if formula != "HgS") == pytest.approx(0.25)
    assert PIGMENTS["gold"].layers()[0].mixture == PIGMENTS["gold"].mixture


def test_paint_lies_on_parchment_and_the_factor_is_that_of_the_paint():
    paint, support = PIGMENTS["azurite"].layers(2.0)
    assert (paint.thickness, support.thickness) == (10.0, 25.0)
    assert [layer.thickness for layer in PIGMENTS["parchment"].layers(0.5)] == [12.5]


def test_palettes_have_eight_to_twelve_pigments_and_use_all_of_them():
    assert len(PALETTES) == 7
    assert len(PALETTES["choirbook"]) == 8
    for members in PALETTES.values():
        assert 8 <= len(members) <= 12
        assert len(set(members)) == len(members)
        assert set(members) <= set(PIGMENTS)
    assert {name for members in PALETTES.values() for name in members} == set(PIGMENTS)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"name": ""}, ValueError, "1 to 100 characters"),
        ({"thickness": -1.0}, ValueError, "thickness of 'one' .* above 0"),
        ({"rgb": (0, 0, 256)}, ValueError, "three integers from 0 to 255"),
        ({"rgb": (0, 0.5, 1)}, ValueError, "three integers from 0 to 255"),
        ({"rgb": (0, 0)}, ValueError, "three integers from 0 to 255"),
        ({"rgb": ((0, 1), 0, 3)}, ValueError, "three integers from 0 to 255"),
        ({"binder": 1}, TypeError, "binder of 'one' must be true or false"),
        ({"mixture": ((0.5, "C"),)}, ValueError, "mixture of 'one' must sum to 1"),
        ({"mixture": "C"}, TypeError, "mixture of 'one' is a list"),
    ],
)
def test_invalid_settings_of_a_pigment_are_refused(settings, error, words):
    with pytest.raises(error, match=words):
        replace(Pigment("one", ((1.0, "C"),), 1.0, (0, 0, 0)), **settings)


# --- the spectra in the package -----------------------------------------------------------------


def test_the_stored_spectra_contain_all_pigments_and_the_settings_of_their_computation():
    stored = shipped()
    assert stored.pigments == tuple(PIGMENTS)
    assert tuple(stored.factors) == FACTORS
    assert 1.0 in FACTORS
    assert stored.axis == Detector().axis
    assert stored.spectra.shape == (24, len(FACTORS), 1024)
    settings = json.loads(stored.settings)
    assert settings["tube"] == json.loads(json.dumps(asdict(Tube())))
    assert settings["detector"] == json.loads(json.dumps(asdict(Detector())))
    assert settings["xraylib"] == "4.3.0"
    assert TEMPLATES.stat().st_size < 2e6


def test_the_stored_file_contains_no_pickles():
    with np.load(TEMPLATES, allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind in "fU" for name in stored.files)


@pytest.mark.parametrize("name", PIGMENTS)
def test_a_stored_spectrum_equals_one_computed_now(name):
    """After a change of a pigment or of the physics: python tools/make_xrf_templates.py."""
    place = list(PIGMENTS).index(name)
    chosen = (4, place % len(FACTORS))  # nominal thickness, and one other
    assert FACTORS[4] == 1.0
    for step in chosen:
        computed = expected_spectrum(PIGMENTS[name].layers(FACTORS[step]), Tube(), Detector())
        np.testing.assert_allclose(
            shipped().spectra[place, step], computed, rtol=1e-5, atol=1e-6 * computed.max()
        )


def peak(spectrum: np.ndarray, energy: np.ndarray, near: float) -> float:
    """Return where a peak has its top, by a parabola through the logarithms."""
    window = np.flatnonzero(np.abs(energy - near) < 0.5 * width(Detector(), np.array([near]))[0])
    top = window[np.argmax(spectrum[window])]
    assert window[0] < top < window[-1], "no peak there"
    left, middle, right = np.log(spectrum[top - 1 : top + 2])
    return energy[top] + (left - right) / (left - 2 * middle + right) / 2 * (energy[1] - energy[0])


# The energies of published tables (Bearden 1967): of the first line, and of the mean of it and its
# weaker neighbour (2 : 1 in K alpha). The detector does not resolve them: the top is in between.
CHECKS = [  # pigment, line, energy, mean with its neighbour
    ("lead white", "Pb La", 10.55, 10.55),
    ("lead white", "Pb Lb", 12.61, 12.61),
    ("vermilion", "Hg La", 9.99, 9.99),
    ("red ochre", "Fe Ka", 6.40, 6.40),
    ("azurite", "Cu Ka", 8.05, 8.04),
    ("chalk", "Ca Ka", 3.69, 3.69),
    ("gold", "Au La", 9.71, 9.71),
    ("smalt", "Co Ka", 6.93, 6.93),
    ("realgar", "As Ka", 10.54, 10.53),
    ("silver", "Ag Ka", 22.16, 22.10),
    ("mosaic gold", "Sn Ka", 25.27, 25.19),
]


@pytest.mark.parametrize(("name", "line", "first", "mean"), CHECKS, ids=[c[1] for c in CHECKS])
def test_lines_have_their_published_energies_within_one_channel(name, line, first, mean):
    stored = shipped()
    energy = stored.axis.values
    spectrum = stored.spectra[stored.pigments.index(name), 4]
    channel = energy[1] - energy[0]
    assert mean - channel < peak(spectrum, energy, mean) < first + channel
    code = {"Ka": "KL3", "La": "L3M5", "Lb": "L2M4"}[line[3:]]
    element = xraylib.SymbolToAtomicNumber(line[:2])
    assert xraylib.LineEnergy(element, getattr(xraylib, f"{code}_LINE")) == pytest.approx(
        first, abs=0.01
    )


def test_the_scattered_lines_of_the_anode_are_at_19_4_and_20_2_kev():
    """Parchment scatters more inelastically, a heavy pigment does not."""
    stored = shipped()
    energy = stored.axis.values
    for name, more in (("parchment", True), ("vermilion", False)):
        spectrum = stored.spectra[stored.pigments.index(name), 4]
        compton, elastic = (spectrum[np.abs(energy - at) < 0.25].sum() for at in (19.40, 20.17))
        assert (compton > elastic) == more
        assert peak(spectrum, energy, 19.40) == pytest.approx(19.40, abs=0.05)
        assert peak(spectrum, energy, 20.17) == pytest.approx(20.17, abs=0.05)


def test_thicker_paint_has_stronger_lines_and_absorbs_those_of_the_layers_below():
    stored = shipped()
    spectra = stored.spectra[stored.pigments.index("azurite")]
    copper, calcium = (
        spectra[:, np.abs(stored.axis.values - at) < 0.08].sum(axis=1) for at in (8.04, 3.69)
    )
    assert (np.diff(copper) > 0).all()
    assert (np.diff(calcium) < 0).all()


def test_spectra_of_pigments_with_the_same_heavy_elements_are_similar():
    stored = shipped()
    nominal = np.sqrt(stored.spectra[:, 4])
    nominal /= np.linalg.norm(nominal, axis=1, keepdims=True)
    like = dict(zip(stored.pigments, nominal, strict=True))
    for one, other in (
        ("malachite", "azurite"), ("minium", "lead white"), ("red ochre", "yellow ochre"),
        ("realgar", "orpiment"), ("indigo", "carbon black"), ("carbon black", "parchment"),
    ):  # fmt: skip
        assert like[one] @ like[other] > 0.99, (one, other)
    for one, other in (("vermilion", "azurite"), ("gold", "vermilion"), ("silver", "lead white")):
        assert like[one] @ like[other] < 0.8, (one, other)


# --- palettes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PALETTES)
def test_a_built_in_palette_has_spectra_templates_and_rates(name):
    palette = load_palette(name)
    pigments = len(PALETTES[name])
    assert palette.name == name
    assert palette.pigments == PALETTES[name]
    assert (palette.rgb.shape, palette.rgb.dtype) == ((pigments, 3), np.uint8)
    assert palette.spectra.shape == (pigments, len(FACTORS), len(palette.axis))
    assert palette.spectra.dtype == np.float64
    np.testing.assert_allclose(palette.template.sum(axis=1), 1, rtol=1e-12)
    assert palette.rate.mean() == pytest.approx(1)
    np.testing.assert_allclose(
        palette.rate[:, None] * palette.template * palette.nominal.sum(axis=1).mean(),
        palette.nominal,
        rtol=1e-12,
    )
    assert (palette.rgb == [PIGMENTS[each].rgb for each in palette.pigments]).all()
    assert palette.axis.unit == "keV"
    for array in (palette.rgb, palette.factors, palette.spectra):
        assert not array.flags.writeable


def test_a_built_in_palette_needs_no_xraylib_but_a_new_pigment_does(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xraylib", None)
    assert load_palette("choirbook").pigments[0] == "parchment"
    path = tmp_path / "own.toml"
    path.write_text(OWN_TOML)
    with pytest.raises(ImportError, match=r'pip install "spectessera\[synth\]"'):
        load_palette(path)


def test_an_unknown_palette_is_refused():
    with pytest.raises(
        ValueError, match=r"unknown palette 'choirbok'; built-in palettes are choirbook, gothic-b"
    ):
        load_palette("choirbok")
    with pytest.raises(FileNotFoundError, match=r"no palette file .*nowhere.json"):
        load_palette(Path("nowhere.json"))
    with pytest.raises(TypeError, match="a palette is a name or a path"):
        load_palette(3)


def small_palette(**changes: object) -> Palette:
    """Return a palette of two pigments and three channels, with changes."""
    given: dict[str, object] = {
        "name": "small",
        "pigments": ("one", "two"),
        "rgb": np.array([[0, 0, 0], [255, 255, 255]]),
        "axis": Axis(np.array([1.0, 2.0, 3.0]), "keV"),
        "factors": np.array([0.5, 1.0]),
        "spectra": np.ones((2, 2, 3)),
    }
    return Palette(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pigments": ()}, "a palette has 1 to 256 pigments; got 0"),
        ({"pigments": ("one", "one")}, "must differ; got one twice"),
        ({"rgb": np.zeros((3, 3))}, r"rgb has shape \(3, 3\)"),
        ({"rgb": np.array([[0, 0, 0], [0, 0, 300]])}, "colour of 'two' must be three integers"),
        ({"factors": np.array([0.5, 2.0])}, "ascending, and include 1"),
        ({"factors": np.array([1.0, 0.5])}, "ascending, and include 1"),
        ({"factors": np.array([np.nan, 1.0])}, "ascending, and include 1"),
        ({"spectra": np.ones((2, 3))}, r"the spectra has shape \(2, 3\)"),
        ({"spectra": np.full((2, 2, 3), np.inf)}, "'one' contains values that are not finite"),
        ({"spectra": -np.ones((2, 2, 3))}, "'one' contains negative values"),
        ({"spectra": np.array([1.0, 0.0])[:, None, None] * np.ones((2, 2, 3))}, "'two' is 0 in"),
    ],
)
def test_an_invalid_palette_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        small_palette(**changes)


def test_a_palette_copies_its_arrays():
    spectra = np.ones((2, 2, 3))
    palette = small_palette(spectra=spectra)
    spectra[:] = 7
    assert (palette.spectra == 1).all()


# --- palette files -----------------------------------------------------------------------------

OWN_TOML = """
name = "garden"
pigments = ["parchment", "vermilion"]

[[own]]
name = "emerald green"
mixture = [[1.0, "Cu4(C2H3O2)2(AsO2)6"]]
thickness = 4.0
rgb = [80, 200, 120]
"""


def test_a_palette_file_contains_known_and_new_pigments(tmp_path):
    toml, js = tmp_path / "garden.toml", tmp_path / "garden.json"
    toml.write_text(OWN_TOML)
    emerald = {
        "name": "emerald green",
        "mixture": [[1.0, "Cu4(C2H3O2)2(AsO2)6"]],
        "thickness": 4,
        "rgb": [80, 200, 120],
    }
    js.write_text(json.dumps({"pigments": ["parchment", "vermilion"], "own": [emerald]}))
    palette = load_palette(toml)
    assert (palette.name, load_palette(str(js)).name) == ("garden", "garden")
    np.testing.assert_array_equal(palette.spectra, load_palette(js).spectra)
    assert palette.pigments == ("parchment", "vermilion", "emerald green")
    np.testing.assert_array_equal(palette.spectra[1], load_palette("choirbook").spectra[2])
    energy = palette.axis.values
    for line in (8.04, 10.53):  # Cu and As
        assert peak(palette.nominal[2], energy, line) == pytest.approx(line, abs=0.04)
    assert palette.rgb[2].tolist() == [80, 200, 120]


def test_a_new_pigment_with_a_known_name_is_computed_from_its_own_settings(tmp_path):
    path = tmp_path / "thin.json"
    thin = {"name": "gold", "mixture": [[1, "Au"]], "thickness": 0.5, "rgb": [1, 2, 3]}
    path.write_text(json.dumps({"own": [thin | {"binder": False}]}))
    palette = load_palette(path)
    assert palette.nominal[0].sum() < 0.9 * load_palette("icon").nominal[1].sum()


@pytest.mark.parametrize(
    ("suffix", "text", "words"),
    [
        (".toml", "pigments = [", "is not a TOML file"),
        (".json", '{"pigments": [', "is not a JSON file"),
        (".json", b"\xff\xfe\x00", "is not a JSON file"),
        (".json", "[" * 100_000, "is not a JSON file"),
        (".json", "[1]", "contains a list; a palette is a table"),
        (".json", '{"pigments": [], "pigments": []}', "pigments occurs twice"),
        (".json", "{}", "a palette has 1 to 256 pigments"),
        (".json", '{"pigments": "gold"}', "pigments is a list of names"),
        (".json", '{"pigments": [{"name": "x"}]}', "other pigments are tables in the list own"),
        (".json", '{"own": ["gold"]}', "own is a list of tables"),
        (
            ".json",
            '{"pigment": ["gold"]}',
            "unknown key pigment; known keys are name, pigments, own",
        ),
        (".json", '{"pigments": ["gold", "gold"]}', "must differ; got gold twice"),
        (
            ".json",
            '{"pigments": ["vermillion"]}',
            "unknown pigment 'vermillion'; did you mean vermil",
        ),
        (
            ".json",
            '{"pigments": ["qqq"]}',
            "unknown pigment 'qqq'; known pigments are parchment, lead white",
        ),
        (".json", '{"name": 3, "pigments": ["gold"]}', "name is a string of 1 to 100 characters"),
        (".json", '{"own": [{"name": "x"}]}', "pigment 1 of own lacks mixture, thickness, rgb"),
        (".json", '{"own": [{"nme": "x"}]}', "pigment 1 of own: unknown key nme"),
        (".txt", "pigments = []", "a palette file has the suffix .toml or .json"),
    ],
)
def test_an_invalid_palette_file_is_refused(tmp_path, suffix, text, words):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=words):
        load_palette(path)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"rgb": [0, 0]}, ValueError, "colour of 'new' must be three integers"),
        ({"thickness": "4"}, TypeError, "thickness of 'new' .* must be a number"),
        ({"thickness": float("nan")}, ValueError, "must be finite"),
        ({"mixture": [[0.5, "C"]]}, ValueError, "sum to 1"),
        ({"mixture": [[1.0, "Qq"]]}, ValueError, "'Qq' is not a formula"),
        ({"name": None}, ValueError, "name of a pigment"),
    ],
)
def test_an_invalid_new_pigment_is_refused(tmp_path, change, error, words):
    good = {"name": "new", "mixture": [[1.0, "C"]], "thickness": 4, "rgb": [80, 200, 120]}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"own": [good | change]}))
    with pytest.raises(error, match=words):
        load_palette(path)


def test_a_palette_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "large.json"
    path.write_text(" " * (1 << 20) + "{}")
    with pytest.raises(ValueError, match="a palette file has at most"):
        load_palette(path)


# --- ganX --------------------------------------------------------------------------------------


def write_h5(path: Path, **arrays: object) -> None:
    """Write arrays as the datasets of an HDF5 file."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


@pytest.fixture
def ganx(tmp_path) -> Path:
    """Return a palette of ganX: one spectrum with a relative path, one with an absolute path."""
    energy = np.linspace(0.5, 38.5, 50)
    (tmp_path / "spectra").mkdir()
    write_h5(tmp_path / "spectra" / "azurite.h5", x=energy, y=np.arange(50))
    write_h5(tmp_path / "gold.h5", x=energy, y=np.ones(50, dtype=np.float32))
    path = tmp_path / "palette.json"
    document = {
        "Azurite blue": {"xrf": "spectra/azurite.h5", "RGB": [40, 82, 150]},
        "gold": {"xrf": str(tmp_path / "gold.h5"), "RGB": [212, 175, 55]},
    }
    path.write_text(json.dumps(document))
    return path


def test_a_palette_of_ganx_is_read(ganx):
    palette = load_palette(ganx)
    assert (palette.name, palette.pigments) == ("palette", ("Azurite blue", "gold"))
    assert palette.rgb.tolist() == [[40, 82, 150], [212, 175, 55]]
    assert palette.factors.tolist() == [1.0]
    assert (palette.axis.unit, len(palette.axis)) == ("keV", 50)
    np.testing.assert_array_equal(palette.spectra[:, 0], [np.arange(50), np.ones(50)])
    np.testing.assert_allclose(palette.rate, np.array([1225, 50]) / 637.5)


def test_ganx_spectra_on_other_axes_are_resampled_onto_the_first_and_conserve_their_counts(ganx):
    energy = np.linspace(2.0, 36.0, 333)
    counts = np.exp(-0.5 * ((energy - 9.7) / 1.5) ** 2)
    write_h5(ganx.parent / "gold.h5", x=energy, y=counts)
    palette = load_palette(ganx)
    found = palette.spectra[1, 0]
    assert found.sum() == pytest.approx(counts.sum(), rel=1e-9)
    centroid = (found * palette.axis.values).sum() / found.sum()
    assert centroid == pytest.approx((counts * energy).sum() / counts.sum(), abs=0.01)


def test_resampling_conserves_counts_and_is_exact_where_channels_are_summed():
    x = np.arange(12.0)
    y = np.random.default_rng(0).poisson(20, 12).astype(float)
    np.testing.assert_allclose(resample(x, y, np.arange(0.5, 12, 2)), y.reshape(6, 2).sum(axis=1))
    np.testing.assert_allclose(resample(x, y, x), y)
    assert resample(x, y, np.linspace(-3, 20, 77)).sum() == pytest.approx(y.sum())
    assert resample(x, y, np.array([50.0, 51.0])).sum() == 0


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        ({"xrf": "gold.h5"}, ValueError, "needs \"RGB\""),
        ({"RGB": [1, 2, 3]}, ValueError, "needs \"xrf\", the path of an HDF5 file"),
        ({"xrf": 3, "RGB": [1, 2, 3]}, ValueError, "needs \"xrf\""),
        ({"xrf": "gold.h5", "RGB": [1, 2, -3]}, ValueError, "three integers"),
        ({"xrf": "gold.h5", "RGB": "red"}, ValueError, "three integers"),
        ({"xrf": "lost.h5", "RGB": [1, 2, 3]}, FileNotFoundError, "'bad': there is no file"),
        ({"xrf": "palette.json", "RGB": [1, 2, 3]}, ValueError, "cannot be read as HDF5"),
    ],
)  # fmt: skip
def test_an_invalid_entry_of_ganx_is_refused(ganx, entry, error, words):
    document = json.loads(ganx.read_text())
    ganx.write_text(json.dumps(document | {"bad": entry}))
    with pytest.raises(error, match=words):
        load_palette(ganx)


ENERGY = np.linspace(1.0, 5.0, 20)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": ENERGY}, "has no dataset 'y'"),
        ({"x": ENERGY, "y": np.ones(19)}, "one value per channel"),
        ({"x": np.ones(1), "y": np.ones(1)}, "at least two channels"),
        ({"x": ENERGY[::-1], "y": np.ones(20)}, "finite and ascending"),
        ({"x": np.full(20, np.nan), "y": np.ones(20)}, "finite and ascending"),
        ({"x": ENERGY, "y": np.full(20, np.inf)}, "finite, 0 or more, and not all 0"),
        ({"x": ENERGY, "y": -np.ones(20)}, "finite, 0 or more, and not all 0"),
        ({"x": ENERGY, "y": np.zeros(20)}, "finite, 0 or more, and not all 0"),
        ({"x": ENERGY, "y": np.ones((20, 2))}, r"list of numbers; got shape \(20, 2\)"),
        ({"x": ENERGY, "y": np.array([b"a"] * 20)}, "must be a list of numbers"),
        ({"x": np.arange(70_000.0), "y": np.ones(70_000)}, "at most 65536 are read"),
        ({"x": 100 + ENERGY, "y": np.ones(20)}, "'gold' is 0 in all channels"),
    ],
)
def test_an_invalid_spectrum_of_ganx_is_refused(ganx, arrays, words):
    write_h5(ganx.parent / "gold.h5", **arrays)
    with pytest.raises(ValueError, match=words):
        load_palette(ganx)
