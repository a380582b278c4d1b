"""Maps of emission lines against cubes whose velocities and fluxes are known."""

import json
import pickle

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from linecases import RED, WIDE, galaxy, result_of, single
from spectessera._util.constants import SPEED_OF_LIGHT
from spectessera.io import read_maps
from spectessera.maps import emission
from spectessera.maps._lineblocks import QUALITY, fit_block
from spectessera.maps.emission import lines
from spectessera.naming.numbers import integrated_unit
from spectessera.resultfolder.linefiles import write_line_maps
from spectessera.synth.nebulae.galaxy import observed_redshift
from spectessera.synth.nebulae.lines import line_labels, line_wavelengths, nebular_axis, paint_lines

POOLED, FAINT, UNUSED = QUALITY["pooled"], QUALITY["too_faint"], QUALITY["not_used"]


def painted(fluxes, axis=RED, *, velocity=0.0, width=40.0, level=50.0, seed=0, rows=12):
    """Return spectra (row, channel) with noise 1 and lines of some fluxes."""
    flux = np.zeros((rows, len(line_labels())))
    for name, value in fluxes.items():
        flux[:, line_labels().index(name)] = value
    step = float(np.median(np.diff(axis.values)))
    clean = paint_lines(
        flux / step, axis, velocity=velocity, width=width, wavelength=line_wavelengths()
    )
    return clean + level + np.random.default_rng(seed).standard_normal(clean.shape)


def maps_of(values, axis=RED, *, variance=1.0, attrs=None, **options):
    """Return the maps of one row of spectra, in one cluster, at redshift 0."""
    given = None if variance is None else np.full((1, *values.shape), variance)
    cube = single(values, axis, variance=given, attrs={"instrument": "MUSE"} | (attrs or {}))
    result = result_of(cube, np.ones(cube.shape[:2], int))
    return lines(cube, result, **({"redshift": 0.0} | options))


@pytest.fixture(scope="module")
def bright():
    cube, truth, result = galaxy(seed=11)
    return cube, truth, result, lines(cube, result, redshift=0.0)


# --- velocities ---------------------------------------------------------------------------------


def test_velocities_and_dispersions_are_those_of_the_truth_within_their_errors(bright):
    _, truth, _, maps = bright
    alone = maps.quality.values & 3 == 0
    assert alone.mean() > 0.3
    for name in ("velocity", "dispersion"):
        pull = ((maps[name] - truth[name]) / maps[f"{name}_error"]).values[alone]
        assert np.abs(pull).max() < 5
        assert 0.6 < pull.std() < 1.5


def test_a_rotation_of_500_km_s_is_found_although_a_cluster_has_both_sides():
    """The mean spectrum of the only cluster has velocity 0."""
    values = np.concatenate(
        [painted({"Ha 6563": 60, "[NII] 6583": 30}, velocity=v, seed=k, rows=6)
         for k, v in enumerate((-500.0, 500.0))]
    )  # fmt: skip
    maps = maps_of(values)
    expected = np.repeat([-500.0, 500.0], 6)
    assert (maps.quality == 0).all()
    assert np.abs((maps.velocity.values[0] - expected) / maps.velocity_error.values[0]).max() < 5


def test_the_redshift_of_a_rotating_galaxy_is_fitted():
    redshift = 0.03
    axis = nebular_axis(4900.0, 7050.0)
    cube, truth, result = galaxy((7, 8), seed=12, redshift=redshift, axis=axis)
    maps = lines(cube, result)
    assert abs(maps.attrs["redshift"] - redshift) < 1e-4
    found = observed_redshift(maps.attrs["redshift"], maps.velocity.values)
    expected = observed_redshift(redshift, truth.velocity.values)
    alone = maps.quality.values == 0
    assert np.abs(found - expected)[alone].max() < 6e-4
    assert np.median(np.abs(found - expected)[alone]) < 1e-4


def test_axes_in_vacuum_and_in_other_units_give_the_same_velocity():
    values = painted({"Ha 6563": 80, "[NII] 6583": 40}, velocity=120.0)
    in_air = maps_of(values)
    nanometres = spt.make_cube(
        values[None] * 10, wavelength=RED.values / 10, unit="nm", medium="air",
        variance=np.full((1, *values.shape), 100.0), attrs={"instrument": "MUSE", "unit": "x/nm"},
    )  # fmt: skip
    result = result_of(nanometres, np.ones((1, len(values)), int))
    maps = lines(nanometres, result, redshift=0.0)
    np.testing.assert_allclose(maps.velocity, in_air.velocity, rtol=1e-3)
    np.testing.assert_allclose(maps.flux, in_air.flux, rtol=1e-3, atol=1e-3)
    assert maps.flux.attrs["units"] == "x"
    assert maps.equivalent_width.attrs["units"] == "nm"


def test_an_axis_that_falls_gives_the_same_maps(bright):
    cube, _, result, maps = bright
    turned = spt.make_cube(
        cube.values[:, :, ::-1], wavelength=cube.wavelength.values[::-1], medium="air",
        variance=cube.variance.values[:, :, ::-1], attrs=dict(cube.attrs),
    )  # fmt: skip
    same(maps, lines(turned, result_of(turned, result.label.values), redshift=0.0))


def test_the_dispersion_is_without_the_instrument_only_if_that_is_known():
    values = painted({"Ha 6563": 300, "[NII] 6583": 150}, width=60.0)
    assert abs(maps_of(values).dispersion.values.mean() - 60) < 4
    unknown = maps_of(values, attrs={"instrument": "other"})
    assert unknown.dispersion.values.mean() > 70
    assert "with the width of the instrument" in unknown.dispersion.attrs["long_name"]
    given = maps_of(values, attrs={"instrument": "other"}, resolution=2.54)
    assert abs(given.dispersion.values.mean() - 60) < 5


def test_a_line_as_narrow_as_the_instrument_is_unresolved():
    maps = maps_of(painted({"Ha 6563": 60, "[NII] 6583": 30}, width=0.0))
    unresolved = maps.quality.values & QUALITY["unresolved"] > 0
    assert unresolved.mean() > 0.7
    assert (maps.dispersion.values < 3 * maps.dispersion_error.values).all()


# --- fluxes -------------------------------------------------------------------------------------


def test_fluxes_are_integrals_and_their_errors_hold(bright):
    _, truth, _, maps = bright
    alone = maps.quality.values & 3 == 0
    names = ["Ha 6563", "[NII] 6583", "[SII] 6716", "[SII] 6731"]
    pull = ((maps.flux - truth.flux) / maps.flux_error).sel(line=names).values[:, alone]
    assert abs(pull.mean()) < 0.3
    assert 0.8 < pull.std() < 1.25


def test_the_flux_of_a_line_that_is_not_there_is_0_on_average():
    """Fluxes are not cut off at 0: a mean over pixels would be wrong."""
    maps = maps_of(painted({"Ha 6563": 60, "[NII] 6583": 30}, rows=120, seed=3))
    pull = (maps.flux / maps.flux_error).sel(line="[SII] 6716").values
    assert abs(pull.mean()) < 0.3
    assert (pull < 0).mean() > 0.35


def test_the_fainter_line_of_a_doublet_is_fitted_with_the_stronger_one():
    maps = maps_of(painted({"Ha 6563": 60, "[NII] 6583": 90, "[NII] 6548": 90 / 3.05}))
    assert "[NII] 6548" not in maps.line
    assert str(maps.tied.sel(line="[NII] 6583").values) == "[NII] 6548 / 3.05"
    asked = maps_of(painted({"Ha 6563": 60}), names=["[NII] 6548", "Ha 6563"])
    assert list(asked.line.values) == ["Ha 6563", "[NII] 6583"]


def test_the_equivalent_width_is_the_flux_over_the_continuum_at_rest():
    maps = maps_of(painted({"Ha 6563": 200, "[NII] 6583": 90}, level=40.0))
    width = maps.equivalent_width.sel(line="Ha 6563")
    pull = (width - 5.0) / maps.equivalent_width_error.sel(line="Ha 6563")
    assert np.abs(pull).max() < 4
    assert abs(float(width.mean()) - 5.0) < 0.1
    dark = maps_of(painted({"Ha 6563": 200, "[NII] 6583": 90}, level=0.0))
    assert np.isnan(dark.equivalent_width.values).mean() > 0.9


@pytest.mark.parametrize(
    ("unit", "axis", "expected"),
    [
        ("10**(-20)*erg/s/cm**2/Angstrom", "angstrom", "10**(-20)*erg/s/cm**2"),
        ("erg s-1 cm-2 Angstrom-1", "angstrom", "erg s-1 cm-2"),
        ("1e-17 erg/(s cm2 AA)", "angstrom", "1e-17 erg/(s cm2 AA) angstrom"),
        ("W m-2 nm-1", "nm", "W m-2"),
        ("mJy", "angstrom", "mJy angstrom"),
    ],
)
def test_the_unit_of_a_flux_is_that_of_the_cube_times_that_of_the_axis(unit, axis, expected):
    assert integrated_unit(unit, axis) == expected


# --- noise --------------------------------------------------------------------------------------


def test_errors_follow_the_measured_noise_where_the_variance_is_wrong():
    values = painted({"Ha 6563": 60, "[NII] 6583": 30}, rows=30, seed=4)
    right = maps_of(values)
    for variance in (0.25, 9.0, None):
        wrong = maps_of(values, variance=variance)
        ratio = wrong.velocity_error.values / right.velocity_error.values
        assert 0.9 < np.median(ratio) < 1.12, variance
    assert abs(maps_of(values, variance=9.0).attrs["measured_noise"] - 1 / 3) < 0.05


def test_noise_alone_has_no_lines():
    values = painted({}, rows=150, seed=5)
    values[:20] = painted({"Ha 6563": 60, "[NII] 6583": 30}, rows=20, seed=6)
    maps = maps_of(values, neighbours=0)
    assert (maps.quality.values[0, :20] & 3 == 0).all()
    assert (maps.quality.values[0, 20:] & 3 == FAINT).all()
    assert np.isnan(maps.velocity.values[0, 20:]).all()


# --- faint pixels -------------------------------------------------------------------------------


def faint_field(seed=7):
    """Return a cube whose lines have a signal-to-noise ratio of about 3 in every pixel."""
    rows = painted({"Ha 6563": 8, "[NII] 6583": 6}, velocity=150.0, rows=64, seed=seed)
    variance = np.ones((8, 8, len(RED)))
    cube = spt.make_cube(
        rows.reshape(8, 8, -1).astype(np.float32), axis=RED, variance=variance,
        attrs={"instrument": "MUSE"},
    )  # fmt: skip
    return cube, result_of(cube, np.ones((8, 8), int))


def test_faint_pixels_are_pooled_until_their_lines_are_seen_and_the_maps_say_so():
    cube, result = faint_field()
    alone = lines(cube, result, redshift=0.0, neighbours=0)
    assert (alone.quality.values & 3 == FAINT).mean() > 0.8
    maps = lines(cube, result, redshift=0.0)
    pooled = maps.quality.values & 3 == POOLED
    assert pooled.mean() > 0.8
    assert (maps.pixels.values[pooled] >= 3).all()
    assert maps.attrs["pixels_pooled"] == pooled.sum()
    pull = ((maps.velocity - 150) / maps.velocity_error).values[pooled]
    assert np.abs(pull).max() < 4.5
    # Fluxes are those of the pixel: not smoothed, and not biased by the search.
    flux = maps.flux.sel(line="Ha 6563").values[pooled]
    assert abs(flux.mean() - 8) < 3 * 2.5 / 8
    assert flux.std() > 1.0


def test_pools_stay_in_their_cluster():
    cube, _ = faint_field()
    label = np.ones((8, 8), int)
    label[0, 0] = 2
    maps = lines(cube, result_of(cube, label), redshift=0.0)
    assert maps.quality.values[0, 0] & 3 in (0, FAINT)
    assert maps.pixels.values[0, 0] <= 1


def test_a_second_velocity_that_fits_as_well_is_no_velocity_of_a_single_pixel():
    """Two lines of equal strength, 600 km/s apart, where the model has one."""
    values = painted({"Ha 6563": 25}, velocity=-300.0, rows=40, seed=8)
    values += painted({"Ha 6563": 25}, velocity=300.0, rows=40, level=0.0, seed=9)
    maps = maps_of(values, names=["Ha 6563"], neighbours=0, variance=2.0)
    assert (maps.signal_to_noise > maps.attrs["least_signal_to_noise"]).mean() > 0.8
    assert (maps.quality.values & 3 == FAINT).mean() > 0.7


# --- class of the gas ---------------------------------------------------------------------------


def test_the_nucleus_is_an_agn_and_the_disk_an_hii_region():
    cube, truth, result = galaxy((9, 9), seed=13, axis=WIDE, brightness=300.0)
    maps = lines(cube, result, redshift=0.0)
    legend = json.loads(maps.gas_class.attrs["legend"])
    kind = np.vectorize(lambda number: legend.get(str(number), ""))(maps.gas_class.values)
    assert (kind[truth.nucleus.values > 0.9] == "AGN (Seyfert-like) or fast shock").all()
    disk = (truth.nucleus.values < 1e-3) & (maps.quality.values & 3 == 0)
    assert (np.isin(kind[disk], ["HII region", "composite", "undecided"])).all()
    ratio = maps.log_ratio.sel(ratio="[NII] 6583 / Ha 6563")
    flux = truth.flux
    expected = np.log10(flux.sel(line="[NII] 6583") / flux.sel(line="Ha 6563"))
    pull = (ratio - expected) / maps.log_ratio_error.sel(ratio="[NII] 6583 / Ha 6563")
    assert np.nanmax(np.abs(pull)) < 4.5


# --- the same in any blocks ---------------------------------------------------------------------


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


@pytest.fixture(scope="module")
def fainter():
    """A galaxy with pixels that are fitted alone, pooled, and too faint."""
    cube, _, result = galaxy((8, 9), seed=14, brightness=25.0)
    return cube, result, lines(cube, result, redshift=0.0)


def test_chunked_cubes_have_the_same_maps_bit_for_bit(fainter):
    """Chunks of 2 rows are less than what is read around a block."""
    cube, result, maps = fainter
    assert set(np.unique(maps.quality.values & 3)) == {0, POOLED, FAINT}
    same(maps, lines(cube.chunk({"y": (5, 2, 1), "x": 5}), result, redshift=0.0))


def test_a_worker_is_sent_all_that_a_block_needs(fainter, monkeypatch):
    """Context, labels and block survive pickle, and give the same numbers."""
    cube, result, maps = fainter

    def sent(context, part, labels, inner):
        context, labels, inner = pickle.loads(pickle.dumps((context, labels, inner)))
        return fit_block(context, part, labels, inner)

    monkeypatch.setattr(emission, "fit_block", sent)
    same(maps, lines(cube, result, redshift=0.0))


# --- what is given ------------------------------------------------------------------------------


def test_masked_pixels_and_bad_channels_are_not_used():
    values = painted({"Ha 6563": 60, "[NII] 6583": 30})
    bad = np.abs(RED.values - 6583.45) < 6
    spoiled = values.copy()
    spoiled[:, bad] = 1e5
    mask = np.zeros((1, len(values)), bool)
    mask[0, 3] = True
    cube = single(
        spoiled, variance=np.ones((1, *values.shape)), mask=mask, bad_channel=bad,
        attrs={"instrument": "MUSE"},
    )  # fmt: skip
    maps = lines(cube, result_of(cube, np.ones((1, len(values)), int)), redshift=0.0)
    assert maps.quality.values[0, 3] == UNUSED
    assert np.isnan(maps.flux.values[:, 0, 3]).all()
    assert np.isnan(maps.flux.sel(line="[NII] 6583")).all()
    alpha = maps.flux.sel(line="Ha 6563").values[0]
    assert np.nanmax(np.abs(alpha - 60)) < 20


def test_missing_values_are_left_out():
    values = painted({"Ha 6563": 60, "[NII] 6583": 30}, rows=4)
    values[0, np.abs(RED.values - 6562.8) < 2.0] = np.nan
    values[1, :] = np.nan
    maps = maps_of(values)
    assert np.isnan(maps.flux.sel(line="Ha 6563").values[0, :2]).all()
    assert abs(float(maps.velocity[0, 0])) < 5 * float(maps.velocity_error[0, 0])
    assert maps.quality.values[0, 1] == UNUSED
    assert np.isnan(maps.velocity.values[0, 1])


def test_values_without_a_variance_are_left_out():
    """Pipelines write 0, or a number below 0, where they masked a value."""
    values = painted({"Ha 6563": 60, "[NII] 6583": 30}, rows=4)
    variance = np.ones((1, *values.shape))
    spoiled = values.copy()
    spoiled[2, 130] = spoiled[3, 150] = 1e4
    variance[0, 2, 130], variance[0, 3, 150] = 0.0, -1.0
    cube = single(spoiled, variance=variance, attrs={"instrument": "MUSE"})
    maps = lines(cube, result_of(cube, np.ones((1, 4), int)), redshift=0.0)
    assert np.abs(maps.velocity / maps.velocity_error).max() < 4.5
    assert np.abs((maps.flux.sel(line="Ha 6563") - 60) / maps.flux_error[0]).max() < 4.5


def test_errors_say_what_to_do(bright):
    cube, _, result, _ = bright
    with pytest.raises(ValueError, match="give the cube that was segmented"):
        lines(cube.isel(y=slice(3)), result)
    with pytest.raises(ValueError, match="labels up to 3, but mean spectra of clusters up to 2"):
        lines(cube, result.assign(label=result.label + 1))
    with pytest.raises(ValueError, match="no line"):
        lines(cube, result, names=["Hx"], redshift=0.0)
    with pytest.raises(ValueError, match="at redshift 2"):
        lines(cube, result, redshift=2.0)
    with pytest.raises(ValueError, match="resolution is a width above 0"):
        lines(cube, result, resolution=-1.0, redshift=0.0)
    flat = single(painted({}, rows=30))
    with pytest.raises(ValueError, match="give one"):
        lines(flat, result_of(flat, np.ones((1, 30), int)))
    xray = spt.make_cube(np.ones((2, 3, 40)), energy=(1.0, 20.0))
    with pytest.raises(ValueError, match="wavelengths between 3000 and 11000"):
        lines(xray, result_of(cube, np.ones(cube.shape[:2], int)))


def test_the_maps_can_be_written_and_read(tmp_path, bright):
    maps = bright[-1]
    rows = write_line_maps(maps, tmp_path)
    assert (tmp_path / "maps.png").stat().st_size > 10_000
    again = read_maps(tmp_path)
    same(maps, again)
    assert again.velocity.attrs["units"] == "km/s"
    assert again.attrs == maps.attrs
    files = {path.name for path in (tmp_path / "line-maps").iterdir()}
    assert {"Ha-6563.tif", "NII--6583.tif", "velocity.tif", "lines.csv"} <= files
    assert rows[0]["line"] == "Ha 6563"
    assert rows[0]["pixels"] > 20
    assert rows[0]["flux"] > 0


def test_velocities_follow_the_formula_of_the_attribute(bright):
    maps = bright[-1]
    assert "1 + velocity / c" in maps.velocity.attrs["long_name"]
    z = (1 + maps.attrs["redshift"]) * (1 + maps.velocity.values / SPEED_OF_LIGHT) - 1
    np.testing.assert_allclose(z, observed_redshift(0.0, maps.velocity.values))
