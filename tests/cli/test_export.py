"""`spectessera export`: files of a result for other programs."""

import json
import sys

import numpy as np
import pytest

from commands import one_line, run
from reportcases import made_result
from spectessera.export import FORMATS
from spectessera.io import write


@pytest.fixture
def result(tmp_path):
    write(made_result(attrs={"cluster_names": '{"2": "robe"}'}), tmp_path / "result.nc")
    return tmp_path / "result.nc"


def test_files_are_written_into_a_new_folder_and_listed(result, tmp_path):
    out = tmp_path / "out"
    done = run("export", result, "--to", "csv", "--to", "npy", "--out", out, check=0)
    names = ["clusters.csv", "labels.npy", "mean-spectra.csv"]
    assert done.stdout.split() == [str(out / name) for name in names]
    assert sorted(each.name for each in out.iterdir()) == names
    assert "robe" in (out / "clusters.csv").read_text()
    run("export", tmp_path, "--to", "npz", "--out", out, check=0)  # beside the others
    assert len(list(out.iterdir())) == 4


def test_a_file_gives_the_format_by_its_suffix(result, tmp_path):
    out = tmp_path / "map.npy"
    told = json.loads(run("export", result, "--out", out, "--json", check=0).stdout)
    assert told == {"result": str(result), "files": [str(out)]}
    np.testing.assert_array_equal(np.load(out), made_result()["label"])
    assert "--overwrite" in one_line(run("export", result, "--out", out))
    run("export", result, "--out", out, "--overwrite", check=0)


def test_errors_are_one_line_that_says_what_to_do(result, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    assert "one of csv" in one_line(run("export", result, "--out", tmp_path / "a.xyz"))
    assert "geotiff" in one_line(run("export", result, "--to", "tif", "--out", tmp_path / "a"))
    assert "imagej" in one_line(run("export", result, "--to", "gpkg", "--out", tmp_path / "a"))
    assert "input" in one_line(run("export", result, "--to", "npy", "--out", result, "--overwrite"))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    monkeypatch.setitem(sys.modules, "roifile", None)
    for name, extra in (("geotiff", "geo"), ("imagej", "imagej")):
        line = one_line(run("export", result, "--to", name, "--out", tmp_path / "a"))
        assert f"spectessera[{extra}]" in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_a_run_has_written_is_not_replaced(result, tmp_path):
    manifest = {"program": "spectessera", "format": 1, "id": "a", "files": {}}
    manifest["files"]["clusters.csv"] = {"size": 4, "sha256": ""}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "clusters.csv").write_text("ours")
    line = one_line(run("export", result, "--out", tmp_path / "clusters.csv", "--overwrite"))
    assert "give another" in line
    assert (tmp_path / "clusters.csv").read_text() == "ours"


def test_help_names_every_format():
    text = run("export", "--help", env={"COLUMNS": "200"}, check=0).stdout
    assert all(name in text for name in FORMATS)


@pytest.mark.parametrize("place", ["", "scans/a", "scans/a/labels.npy"])
def test_nothing_is_written_among_the_files_of_a_result(result, tmp_path, place):
    """Figures of a scan, which belong to the folder of the whole, were replaced."""
    other = tmp_path / "other"
    (other / "scans" / "a").mkdir(parents=True)
    manifest = {"program": "spectessera", "format": 1, "id": "a", "files": {}}
    manifest["files"]["scans/a/clusters.png"] = {"size": 4, "sha256": ""}
    (other / "manifest.json").write_text(json.dumps(manifest))
    line = one_line(run("export", result, "--to", "npy", "--out", other / place, "--overwrite"))
    assert "another --out" in line
    assert len(list(other.rglob("*"))) == 3


def test_a_manifest_of_another_program_is_no_hindrance(result, tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    run("export", result, "--out", tmp_path / "labels.npy", check=0)
