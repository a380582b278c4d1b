"""A result is repeated from its manifest: the same, or what differs; a manifest is not trusted."""

import json
import os
import shutil

import numpy as np
import pytest
import xarray as xr

from commands import one_line, run, two_stripes
from spectessera import read_result, write
from spectessera._util.locks import locked
from spectessera.cli import console
from spectessera.resultfolder import circumstances, compare_results

FAST = ("--epochs", "2", "--k-max", "3", "--encoder", "8", "--restarts", "2", "-q")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a cube, a mask, a model, and a result `out` made with all three."""
    folder = tmp_path_factory.mktemp("rerun")
    write(two_stripes(), folder / "scan.h5")
    mask = np.zeros((6, 9), bool)
    mask[0, 0] = True
    np.save(folder / "mask.npy", mask)
    run("train", folder / "scan.h5", "--out", folder / "m.safetensors", *FAST, check=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
        patch.chdir(folder)
        run("segment", "scan.h5", "--model", "m.safetensors", "--mask", "mask.npy", "--seed", "3",
            "--overwrite", "--out", "out", check=0)  # fmt: skip
    return folder


@pytest.fixture
def copy(home, tmp_path, monkeypatch):
    """Return a copy of that result in another folder; its manifest names the inputs in `home`."""
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    shutil.copytree(home / "out", tmp_path / "out")
    return tmp_path / "out"


def edit(folder, **facts):
    """Change facts of a manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def state(folder):
    """Return names, contents and times of all in a folder."""
    return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in folder.rglob("*")}


def test_a_repeated_result_is_the_same_and_nothing_has_changed(home, copy):
    before = state(copy.parent)
    done = run("rerun", copy, check=0)
    assert "is the same bit for bit" in done.stdout
    assert "not as it was" not in done.stdout
    assert state(copy.parent) == before
    said = json.loads(run("rerun", copy, "--json", check=0).stdout)
    assert said["same"]
    assert said["differences"] == said["circumstances"] == said["changed_since"] == []
    assert run("rerun", copy, "-q", check=0).stdout == ""


def test_a_result_with_a_report_is_repeated_with_all_that_the_report_shows(home, tmp_path):
    """The clusters without neighbours are there for the report alone."""
    flags = ("--model", home / "m.safetensors", "--neighbours", "0.5", "--report", "-q")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
        patch.setattr("spectessera.htmlreport.page._page", lambda *_: "<p>")
        run("segment", home / "scan.h5", *flags, "--out", tmp_path / "out", check=0)
        assert "label_alone" in read_result(tmp_path / "out" / "result.nc")
        run("rerun", tmp_path / "out", check=0)


def test_a_changed_input_is_named_with_the_pixels_that_differ(home, copy):
    cube = two_stripes()
    cube.values[5, 8] += 7
    write(cube, copy.parent / "other.h5")
    text = run("rerun", copy, "--input", f"cube={copy.parent / 'other.h5'}", check=1).stdout
    assert "input cube has changed: SHA-256" in text
    assert "input cube, path" in text
    assert "integrated_input: 1 of 54 differ" in text
    assert "mean_spectrum: " in text


def test_what_was_changed_in_the_folder_is_named(copy):
    path = copy / "result.nc"
    result = xr.open_dataset(path, engine="h5netcdf").load()
    result.close()
    result["label"][2, 3] = 0
    path.unlink()
    result.to_netcdf(path, engine="h5netcdf")
    (copy / "edits.toml").write_text("")
    text = run("rerun", copy, check=1).stdout
    assert "changed after the run, compared as it is: result.nc" in text
    assert "label: 1 of 54 differ, by at most" in text
    assert "edits.toml" in text


def test_other_versions_and_machines_are_named(copy):
    edit(copy, versions={"numpy": "1.0", "old": "2"}, machine={"cores": 4096}, spectessera="0.0")
    text = run("rerun", copy, check=0).stdout
    assert f"numpy: 1.0 -> {np.__version__}" in text
    assert "old: 2 -> not recorded" in text
    assert f"machine, cores: 4096 -> {os.cpu_count()}" in text
    assert "spectessera: 0.0 -> " in text


@pytest.mark.parametrize("flags", [("--zarr", "--also", "latent"), ("--report",)])
def test_a_result_of_a_training_is_repeated(home, tmp_path, monkeypatch, flags):
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    run("segment", home / "scan.h5", "--fit", *FAST, *flags, "--out", tmp_path / "fit",
        "--checkpoint", tmp_path / "state.safetensors", check=0)  # fmt: skip
    assert json.loads(run("rerun", tmp_path / "fit", "--json", check=0).stdout)["same"]
    assert [each.name for each in tmp_path.iterdir()] == ["fit"]


# --- what cannot be repeated --------------------------------------------------------------------


def test_a_missing_input_is_named_and_may_be_given(home, copy):
    inputs = json.loads((copy / "manifest.json").read_text())["inputs"]
    for about in inputs.values():
        about["path"] = about["path"].replace(str(home), "/nowhere")
    edit(copy, directory="/nowhere", inputs=inputs)
    line = one_line(run("rerun", copy))
    assert "there is no file /nowhere/scan.h5" in line
    assert "--input cube=PATH" in line
    places = {"cube": "scan.h5", "model": "m.safetensors", "beside-1": "mask.npy"}
    given = [word for n, p in places.items() for word in ("--input", f"{n}={home / p}")]
    assert "bit for bit" in run("rerun", copy, *given, check=0).stdout
    assert "is no input of this result" in one_line(run("rerun", copy, "--input", "sky=x.h5"))
    assert "cube=scan.h5" in one_line(run("rerun", copy, "--input", "scan.h5"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (None, "no command"),
        ([], "no command"),
        (["rm", "-rf", "/"], "is not segment; got 'rm'"),
        ([["segment"]], "is not segment"),
        (["train", "scan.h5", "--out", "m.safetensors"], "is not segment"),
        (["segment", "--help"], "does not understand"),
        (["segment", "scan.h5", "--model", "m.safetensors", "--out", "o", "--run", "x"], "--run"),
        (["segment", "scan.h5; touch /tmp/x", "--model", "m.safetensors", "--out", "o"], "inputs"),
        (["segment", "/etc/passwd", "--model", "m.safetensors", "--out", "o"], "/etc/passwd"),
        (["segment", "scan.h5", "--model", "/x.safetensors", "--out", "o"], "(--model)"),
        (["segment", "scan.h5", "--fit", "--mask", "/x.npy", "--out", "o"], "(--mask)"),
        (["segment", "scan.h5", "--fit", "--config", "/x.toml", "--out", "o"], "(--config)"),
        (["segment", "scan.h5", "--fit", "--outside", "--out", "o"], "give --outside"),
        (["segment", "scan.h5", "--fit", "--model", "x", "--out", "o"], "not both"),
    ],
)
def test_a_command_of_strangers_is_refused(copy, command, words):
    edit(copy, command=command)
    done = run("rerun", copy)
    assert words in one_line(done)
    assert done.stdout == ""
    assert [each.name for each in copy.parent.iterdir()] == ["out"]


def test_no_scheduler_and_no_output_of_a_command_is_used(home, copy, tmp_path):
    other = tmp_path / "mine.safetensors"
    other.write_text("mine")
    words = json.loads((copy / "manifest.json").read_text())["command"]
    edit(copy, command=[*words, "--scheduler", "tcp://evil.example:1", "--out", str(tmp_path),
                        "--json"])  # fmt: skip
    assert json.loads(run("rerun", copy, "--json", check=0).stdout)["same"]
    assert {each.name for each in tmp_path.iterdir()} == {"out", "mine.safetensors"}
    assert other.read_text() == "mine"


def test_folders_without_a_manifest_or_a_result(home, copy, tmp_path):
    assert "not a folder" in one_line(run("rerun", home / "scan.h5"))
    assert "has no manifest.json" in one_line(run("rerun", home))
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    files = {n: r for n, r in manifest["files"].items() if n != "result.nc"}
    path.write_text(json.dumps({**manifest, "files": files}))
    assert "its training was stopped" in one_line(run("rerun", copy))
    path.write_text("[" * 100_000)
    assert "cannot be read as a manifest" in one_line(run("rerun", copy))


def test_ctrl_c_leaves_nothing_behind(copy, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(console.Bar, "__call__", stop)
    before = state(copy.parent)
    done = run("rerun", copy, check=130)
    assert "stopped by Ctrl-C; no file" in done.stderr
    assert state(copy.parent) == before


def test_what_a_killed_repetition_has_left_is_removed_by_the_next_one(copy):
    left = copy.with_name(f".{copy.name}.rerun-0123abcd")
    left.mkdir()
    (left / "result").mkdir()
    mine = copy.with_name(f".{copy.name}.rerun-notes")
    mine.mkdir()
    run("rerun", copy, check=0)
    assert not left.exists()
    assert mine.exists()
    with locked(copy.with_name(f".{copy.name}.rerun.lock"), "it"):
        assert "a repetition of" in one_line(run("rerun", copy))


def test_ctrl_c_in_a_repeated_training_leaves_no_weights(home, tmp_path, monkeypatch):
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    run("segment", home / "scan.h5", "--fit", *FAST, "--out", tmp_path / "fit", check=0)

    def stop(self, done, total, row):
        raise KeyboardInterrupt

    monkeypatch.setattr(console.Bar, "epoch", stop)
    done = run("rerun", tmp_path / "fit", check=130)
    assert "weights" not in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["fit"]


def test_a_folder_in_which_nothing_can_be_written_is_repeated_elsewhere(copy, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, m: p != copy.parent and real(p, m))
    assert "bit for bit" in run("rerun", copy, check=0).stdout


# --- the comparison -----------------------------------------------------------------------------


def stored(folder, **arrays):
    """Write the least that is a result."""
    label = np.ones((2, 3), np.int32)
    data = {"label": (("y", "x"), arrays.pop("label", label))}
    folder.mkdir()
    xr.Dataset(data | arrays).to_netcdf(folder / "result.nc", engine="h5netcdf")
    return folder


def test_numbers_are_the_same_if_all_their_bits_are(tmp_path):
    values = np.array([[np.nan, 0.0, 0.1], [0.2, 0.3, 0.5]], np.float32)
    one = {"confidence": (("y", "x"), values), "gone": ("k", [1.0]), "name": ("k", ["a"])}
    recorded = xr.open_dataset(stored(tmp_path / "a", **one) / "result.nc", engine="h5netcdf")
    assert compare_results(recorded, tmp_path / "a") == []
    other = values.copy()
    other[0, 1], other[1, 2] = -0.0, 1.0
    new = {"confidence": (("y", "x"), other), "new": ((), 1), "name": ("k", ["b"])}
    stored(tmp_path / "b", label=np.ones((2, 3), np.int16), **new)
    found = {each.name: each for each in compare_results(recorded, tmp_path / "b")}
    assert found["confidence"][1:4] == (2, 6, 0.5)
    assert found["name"].differing == 1
    assert "of int32 -> " in found["label"].words
    assert found["gone"].words == "not repeated"
    assert "new" not in found  # of a later version


def test_inputs_without_a_checksum_are_said_to_have_none():
    now = {"sha256": "ab", "size": 1, "mtime": "t", "path": "p"}
    lines = circumstances({"inputs": {"cube": []}, "versions": 3}, {"inputs": {"cube": now}})
    assert "input cube: its checksum was not recorded" in lines
