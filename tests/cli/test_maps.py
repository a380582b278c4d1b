"""The command maps, and segment with --maps."""

import csv
import json
from shutil import copytree

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from PIL import Image

import spectessera as spt
from commands import one_line, run, two_stripes
from linecases import galaxy
from mapcases import FAMILIES, painted
from mixturecases import mixed
from spectessera.maps import abundances, elements, lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a scan, and its segmentation with maps."""
    folder = tmp_path_factory.mktemp("maps")
    cube = painted(3).cube
    spt.write(cube, folder / "scan.h5")
    run("segment", folder / "scan.h5", "--model", "maxrf", "--clusters", "3", "--neighbours", "0",
        "--maps", "--out", folder / "result", "-q", check=0)  # fmt: skip
    return folder


def test_maps_of_a_segmentation_are_those_of_the_function(folder):
    cube, result = spt.read(folder / "scan.h5"), spt.read_result(folder / "result")
    expected = elements(cube, result)
    with xr.open_dataset(folder / "result" / "maps.nc") as written:
        xr.testing.assert_allclose(written.drop_attrs(), expected.drop_attrs(), rtol=0, atol=0)
        assert written.attrs["content"] == "element maps"
        assert set(FAMILIES) <= set(written.element.values.tolist())
    image = np.asarray(Image.open(folder / "result" / "element-maps" / "Cu-K.tif"))
    np.testing.assert_array_equal(image, expected.net_counts.sel(element="Cu K").values)
    assert (folder / "result" / "maps.png").stat().st_size > 10_000
    assert run("check", folder / "result").exit_code == 0


def test_summary_and_table_have_the_net_counts_of_clusters(folder):
    summary = json.loads((folder / "result" / "summary.json").read_text())
    rows = {row["element"]: row for row in summary["elements"]}
    with (folder / "result" / "element-maps" / "net-counts.csv").open() as file:
        table = {row["element"]: row for row in csv.DictReader(file)}
    assert rows.keys() == table.keys()
    copper = rows["Cu K"]["net_counts"]
    assert sum(each > 30 for each in copper) == 1
    assert float(table["Cu K"]["cluster 2"]) == pytest.approx(copper[1], rel=1e-4)


def test_maps_are_added_to_a_result_and_replaced_only_if_asked(folder):
    result = folder / "again"
    copytree(folder / "result", result)
    assert "maps.nc already" in one_line(run("maps", folder / "scan.h5", "--result", result))
    run("maps", folder / "scan.h5", "--result", result, "--no-single-pixels", "--overwrite", "-q",
        check=0)  # fmt: skip
    before, after = (each / "element-maps" / "Cu-K.tif" for each in (folder / "result", result))
    assert after.read_bytes() == before.read_bytes()
    assert after.stat().st_mtime > before.stat().st_mtime
    folders = folder / "result", result
    summaries = [json.loads((each / "summary.json").read_text()) for each in folders]
    assert summaries[0] == summaries[1]
    assert run("check", result).exit_code == 0


def test_maps_have_the_size_of_pixels_that_the_result_was_made_with(folder):
    from spectessera.result import pixel_size

    result = folder / "sized"
    run("segment", folder / "scan.h5", "--model", "maxrf", "--clusters", "3", "--neighbours", "0",
        "--pixel-size", "0.4,0.5mm", "--out", result, "-q", check=0)  # fmt: skip
    run("maps", folder / "scan.h5", "--result", result, "-q", check=0)
    sizes = []
    for name in ("maps.nc", "abundances.nc"):
        with xr.open_dataset(result / name) as written:
            sizes.append(pixel_size(written))
    assert sizes == 2 * [(0.4, 0.5, "mm")]
    run("maps", folder / "scan.h5", "--result", result, "--pixel-size", "1mm", "--overwrite",
        "-q", check=0)  # fmt: skip
    with xr.open_dataset(result / "maps.nc") as written:
        assert pixel_size(written) == (1, 1, "mm")


def test_nothing_of_the_user_is_replaced(folder):
    own = folder / "own"
    own.mkdir()
    (own / "element-maps").mkdir()
    (own / "element-maps" / "mine.txt").write_text("mine")
    done = run("maps", folder / "scan.h5", "--out", own, "--overwrite")
    assert "is never replaced" in one_line(done)
    assert (own / "element-maps" / "mine.txt").read_text() == "mine"
    done = run("maps", folder / "scan.h5", "--out", folder / "result", "--overwrite")
    assert "holds another result" in one_line(done)


def test_without_a_result_pixels_are_clustered(folder):
    run("maps", folder / "scan.h5", "--out", folder / "alone", "-q", check=0)
    with xr.open_dataset(folder / "alone" / "maps.nc") as maps:
        assert set(FAMILIES) <= set(maps.element.values.tolist())
    assert "give --result" in one_line(run("maps", folder / "scan.h5"))


def test_errors_come_before_any_work(folder, tmp_path):
    cube = two_stripes()
    spt.write(cube, tmp_path / "other.h5")
    done = run("maps", tmp_path / "other.h5", "--result", folder / "result", "--overwrite")
    assert "give the cube that was segmented" in one_line(done)
    light = spt.make_cube(cube.values, wavelength=(4800.0, 9300.0))
    spt.write(light, tmp_path / "light.h5")
    out = tmp_path / "out"
    done = run("maps", tmp_path / "light.h5", "--out", out, "--anode", "Rh")
    assert "only X-ray cubes" in one_line(done)
    assert not out.exists()


def test_a_cube_without_elements_or_lines_has_abundances_and_a_tree(tmp_path, caplog):
    made = mixed("residual")
    spt.write(made.cube, tmp_path / "raman.h5")
    out = tmp_path / "result"
    run("segment", tmp_path / "raman.h5", "--fit", "--epochs", "1", "--clusters", "3", "--maps",
        "--report", "--out", out, "-q", check=0)  # fmt: skip
    assert "only of mixtures of clusters" in caplog.text
    assert not (out / "maps.nc").exists()
    cube, result = spt.read(tmp_path / "raman.h5"), spt.read_result(out)
    expected = abundances(cube, result)
    written = spt.io.read_maps(out / "abundances.nc")
    xr.testing.assert_allclose(written.drop_attrs(), expected.drop_attrs(), rtol=0, atol=0)
    image = np.asarray(Image.open(out / "abundance-maps" / "cluster-2.tif"))
    np.testing.assert_array_equal(image, expected.abundance.sel(cluster=2).values)
    with (out / "abundance-maps" / "composition.csv").open() as file:
        (row, *_) = csv.DictReader(file)
    assert float(row["abundance of 1"]) == pytest.approx(
        float(expected.composition[0, 0]), abs=1e-5
    )
    summary = json.loads((out / "summary.json").read_text())
    assert summary["mixtures"]["pixels"] == expected.attrs["mixtures"]
    merges = [(each["first"], each["second"]) for each in summary["tree"]["merges"]]
    assert merges == list(zip(expected.first.values, expected.second.values, strict=True))
    page = (out / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="mixtures"')[2].partition("</section>")[0]
    assert section.count('<details class="element">') == expected.sizes["cluster"]
    assert "of the pixels are mixtures, mostly of" in section
    assert 'alt="Tree of clusters' in section
    assert (out / "tree.png").stat().st_size > 3000
    run("report", out, "--overwrite", check=0)
    assert (out / "report.html").read_text(encoding="utf-8").count(section) == 1
    assert run("check", out).exit_code == 0
    assert "abundances.nc already" in one_line(run("maps", tmp_path / "raman.h5", "--result", out))
    done = run("maps", tmp_path / "raman.h5", "--result", out, "--overwrite", check=0)
    assert "of the pixels are mixtures" in done.output


def test_one_cluster_has_no_maps_of_mixtures_and_a_sentence_why(tmp_path, caplog):
    counts = np.random.default_rng(0).poisson(3.0, (12, 10, 60))
    spt.write(spt.make_cube(counts, energy=(1.0, 20.0)), tmp_path / "flat.h5")
    done = run("maps", tmp_path / "flat.h5", "--out", tmp_path / "out", "-q")
    assert "there are no maps to write" in one_line(done)
    assert "there is one cluster, and a map of mixtures needs two or more" in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_segmentation_without_lines_is_complete_without_maps(tmp_path, caplog):
    counts = np.random.default_rng(0).poisson(3.0, (16, 12, 200))
    spt.write(spt.make_cube(counts, energy=(1.0, 20.0)), tmp_path / "flat.h5")
    run("segment", tmp_path / "flat.h5", "--model", "maxrf", "--clusters", "2", "--neighbours", "0",
        "--maps", "--out", tmp_path / "out", "-q", check=0)  # fmt: skip
    assert (tmp_path / "out" / "result.nc").exists()
    assert not (tmp_path / "out" / "maps.nc").exists()
    assert "no maps: the mean spectra have no lines" in caplog.text


def test_the_report_shows_maps_and_net_counts(folder):
    again = folder / "reported"
    copytree(folder / "result", again)
    run("report", again, check=0)
    page = (again / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="elements"')[2].partition("</section>")[0]
    assert section.count('<details class="element">') == len(
        json.loads((again / "summary.json").read_text())["elements"]
    )
    assert 'alt="Map of Cu K"' in section
    assert "separates best" in section
    assert run("check", again).exit_code == 0


def test_of_a_cube_along_wavelengths_the_lines_are_mapped(tmp_path):
    spt.write(galaxy(seed=4)[0], tmp_path / "galaxy.fits")
    out = tmp_path / "result"
    run("segment", tmp_path / "galaxy.fits", "--fit", "--epochs", "1", "--clusters", "2",
        "--maps", "--report", "--out", out, "-q", check=0)  # fmt: skip
    expected = lines(spt.read(tmp_path / "galaxy.fits"), spt.read_result(out))
    written = spt.io.read_maps(out)
    xr.testing.assert_allclose(written.drop_attrs(), expected.drop_attrs(), rtol=0, atol=0)
    assert written.attrs["content"] == "line maps"
    image = np.asarray(Image.open(out / "line-maps" / "velocity.tif"))
    np.testing.assert_array_equal(image, expected.velocity.values.astype(np.float32))
    with fits.open(out / "line-maps" / "lines.fits") as file:
        shown = file["FLUX_HA_6563"].data
        np.testing.assert_array_equal(shown, expected.flux.sel(line="Ha 6563").astype(np.float32))
    rows = json.loads((out / "summary.json").read_text())["lines"]
    assert [row["line"] for row in rows] == expected.line.values.tolist()
    assert 0 < rows[0]["flux_error"] < rows[0]["flux"]
    assert rows[0]["equivalent_width_unit"] == "angstrom"
    done = run("maps", tmp_path / "galaxy.fits", "--result", out, "--overwrite", "--anode", "Rh")
    assert "only X-ray cubes" in one_line(done)
    shown = run("maps", tmp_path / "galaxy.fits", "--result", out, "--overwrite", check=0)
    assert "Ha 6563" in shown.output
    run("maps", tmp_path / "galaxy.fits", "--result", out, "--overwrite", "--redshift",
        str(expected.attrs["redshift"] + 2e-4), "-q", check=0)  # fmt: skip
    with xr.open_dataset(out / "maps.nc") as written:
        assert written.attrs["redshift"] == pytest.approx(expected.attrs["redshift"] + 2e-4)
    away = ("--overwrite", "--redshift", "0.2", "--out", tmp_path / "away.html")
    said = run("report", out, *away, check=0).output
    assert "[W-NAME-REDSHIFT-MISFIT]" in said
    assert "spectessera maps --redshift 0.2" in (tmp_path / "away.html").read_text()
    run("report", out, "--overwrite", check=0)
    assert run("check", out).exit_code == 0


def test_an_edit_of_clusters_says_that_the_maps_are_of_those_before(folder):
    again = folder / "edited"
    copytree(folder / "result", again)
    words = "makes them again"
    assert words not in run("edit", again, "--rename", "1=robe", check=0).output
    assert words in run("edit", again, "--merge", "1,2", check=0).output
    run("edit", again, "--maps", "-q", check=0)
    with xr.open_dataset(again / "maps.nc") as made:
        assert made.cluster.values.tolist() == [1, 2]
    rows = json.loads((again / "summary.json").read_text())["elements"]
    assert {len(row["net_counts"]) for row in rows} == {2}
    assert run("check", again).exit_code == 0
    run("report", again, "--overwrite", check=0)
    older = "edit FOLDER --maps makes them again"
    assert older not in (again / "report.html").read_text()
    assert words in run("edit", again, "--undo", check=0).output
    run("report", again, "--overwrite", check=0)
    assert older in (again / "report.html").read_text()


def test_bands_are_mapped_into_a_folder_of_their_own(tmp_path):
    shift = np.arange(900.0, 1100.0, 2.0)
    values = np.random.default_rng(0).normal(20, 1, (5, 6, 100)).astype(np.float32)
    cube = spt.make_cube(values, axis=shift, unit="cm-1")
    spt.write(cube, tmp_path / "raman.h5")
    file, out = tmp_path / "raman.h5", tmp_path / "out"
    done = run("maps", file, "--band", "1000:1020", "--band", "950:970", "--out", out, check=0)
    assert "1000 to 1020" in done.stdout
    made = spt.io.read_maps(out / "band-maps" / "bands.nc")
    xr.testing.assert_identical(made, spt.maps.bands(spt.read(file), [(1000, 1020), (950, 970)]))
    image = np.asarray(Image.open(out / "band-maps" / "950-970.tif"))
    np.testing.assert_array_equal(image, made["band_sum"].values[1])
    assert sorted(each.name for each in (out / "band-maps").iterdir()) == [
        "1000-1020.tif", "950-970.tif", "bands.nc", "bands.png",
    ]  # fmt: skip
    assert run("check", out).exit_code == 0
    again = ("maps", file, "--band", "950:970", "--out", out)
    assert "band-maps already" in one_line(run(*again))
    run(*again, "--baseline", "--overwrite", "-q", check=0)
    assert spt.io.read_maps(out / "band-maps" / "bands.nc").attrs["baseline"] == 1
    assert not (out / "band-maps" / "1000-1020.tif").exists()
    for flags in (("--band", "5"), ("--band", "a:b"), ("--baseline",),
                  ("--band", "950:970", "--anode", "Rh")):  # fmt: skip
        assert "band" in one_line(run("maps", file, "--out", tmp_path / "no", *flags))
    assert not (tmp_path / "no").exists()


def test_a_folder_of_the_user_in_the_place_of_band_maps_stays(folder, tmp_path):
    own = tmp_path / "own"
    (own / "band-maps").mkdir(parents=True)
    (own / "band-maps" / "mine.txt").write_text("mine")
    done = run("maps", folder / "scan.h5", "--band", "6:7", "--out", own, "--overwrite")
    assert "is never replaced" in one_line(done)
    assert (own / "band-maps" / "mine.txt").read_text() == "mine"


def test_maps_of_bands_are_added_to_a_result_and_leave_the_others(folder):
    result = folder / "banded"
    copytree(folder / "result", result)
    run("maps", folder / "scan.h5", "--result", result, "--band", "6:7", "-q", check=0)
    assert (result / "band-maps" / "6-7.tif").exists()
    assert (result / "maps.nc").read_bytes() == (folder / "result" / "maps.nc").read_bytes()
    assert run("check", result).exit_code == 0
