"""`segment FILE FILE --together`: common clusters, the files of each scan, and what is refused."""

import json

import numpy as np
import pytest

from commands import one_line, run, two_stripes
from spectessera import read_result, write
from spectessera.scans import places_of

FAST = ("--fit", "--epochs", "2", "--k-max", "3", "--encoder", "8", "--restarts", "2", "-q")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with two scans of the same two materials, and a result of both."""
    folder = tmp_path_factory.mktemp("together")
    cube = two_stripes()
    write(cube, folder / "left.h5")
    write(cube.isel(x=slice(None, None, -1), y=slice(0, 5)), folder / "right.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
        patch.chdir(folder)
        run("segment", "left.h5", "right.h5", "--together", "--out", "out", "--report", *FAST,
            check=0)  # fmt: skip
    return folder


def test_a_material_has_one_number_in_all_scans(home):
    parts = {name: read_result(home / "out" / "scans" / name / "result.nc")
             for name in ("left", "right")}  # fmt: skip
    left, right = (parts[name]["label"].values for name in ("left", "right"))
    assert left.shape == (6, 9)
    assert right.shape == (5, 9)
    np.testing.assert_array_equal(left[:5, ::-1], right)
    assert set(np.unique(left)) == {1, 2}
    np.testing.assert_array_equal(parts["left"]["size"].values, np.bincount(left.ravel())[1:])
    assert parts["left"].attrs["source"] == "left"
    assert (home / "out" / "scans" / "right" / "labels.png").exists()


def test_the_whole_result_and_the_summary_say_where_the_scans_are(home):
    result = read_result(home / "out" / "result.nc")
    assert [each.name for each in places_of(result.attrs)] == ["left", "right"]
    summary = json.loads((home / "out" / "summary.json").read_text())
    assert [row["scan"] for row in summary["scans"]] == ["left", "right"]
    assert sum(row["pixels"] for row in summary["scans"]) == 6 * 9 + 5 * 9
    assert summary["quality"]["masked"] == 0  # the pixels between the scans are of none
    assert not [each for each in summary["warnings"] if each["code"] == "W-DATA-MASKED"]
    page = (home / "out" / "report.html").read_text(encoding="utf-8")
    assert "Share of the clusters in each scan" in page
    assert "99 pixels of these scans" in page.replace("\u2009", " ")


def test_the_result_of_several_scans_is_repeated_and_checked(home, monkeypatch):
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    assert "same bit for bit" in run("rerun", home / "out", check=0).stdout
    run("check", home / "out", check=0)


def test_a_moved_scan_is_found_where_it_is_now(home, monkeypatch):
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    (home / "right.h5").rename(home / "moved.h5")
    try:
        assert "--input cube-2=PATH" in one_line(run("rerun", home / "out"))
        done = run("rerun", home / "out", "--input", f"cube-2={home / 'moved.h5'}", check=0)
        assert "same bit for bit" in done.stdout
    finally:
        (home / "moved.h5").rename(home / "right.h5")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["left.h5", "right.h5"], "add --together"),
        (["left.h5", "--together"], "two files or more"),
        (["left.h5", "./left.h5", "--together"], "given twice"),
        (["left.h5", "--match-response"], "belongs to --together"),
        (["left.h5", "none.h5", "--together"], "none.h5"),
        (["left.h5", "right.h5", "--together", "--mask", "mask.npy"], "would hold for every scan"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(home, monkeypatch, given, words):
    monkeypatch.chdir(home)
    assert words in one_line(run("segment", *given, "--out", "other"))
    assert not (home / "other").exists()


def test_a_folder_scans_of_the_user_is_not_replaced(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    own = tmp_path / "scans" / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    line = one_line(run("segment", "left.h5", "right.h5", "--together", "--out", tmp_path, *FAST))
    assert "scans" in line
    assert own.read_text() == "mine"
