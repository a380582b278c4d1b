"""`spectessera edit`: what a person changes is in all files of the folder, and can be undone."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

import spectessera as spt
from commands import one_line, run
from editcases import striped_counts, striped_cube
from spectessera import read_result, write
from spectessera.cli.anymaps import Maps
from spectessera.edits import (
    Mask,
    Merge,
    Rectangle,
    Rename,
    Split,
    apply_edits,
    open_edits,
    save_edits,
)
from spectessera.io import result_in
from spectessera.resultfolder import recorded_result, verify

FAST = ("--epochs", "20", "--encoder", "16", "--restarts", "2", "--k-max", "5")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a cube and its result, which has a report."""
    folder = tmp_path_factory.mktemp("edit")
    write(striped_cube(), folder / "scan.h5")
    run("segment", folder / "scan.h5", "--fit", *FAST, "--out", folder / "out", "--report", "-q",
        check=0)  # fmt: skip
    return folder


@pytest.fixture
def out(home, tmp_path, monkeypatch):
    """Return a copy of the result; its reports and figures take little time."""

    def page(result, cards, warnings, maps, detail):
        return '<meta name="generator" content="spectessera">' + ", ".join(c.name for c in cards)

    def figure(_figure, path, **_settings):
        path.write_bytes(b"a figure")

    monkeypatch.setattr("spectessera.htmlreport.page._page", page)
    monkeypatch.setattr("spectessera.resultfolder.edits.save_png", figure)
    shutil.copytree(home / "out", tmp_path / "out")
    return tmp_path / "out"


def edit(out, *flags, check=0):
    return run("edit", out, *flags, check=check)


def summary(out):
    return json.loads((out / "summary.json").read_text())


def content(out):
    return {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_every_file_shows_the_changes_and_undo_restores_them(out):
    first, before = content(out), summary(out)
    said = edit(out, "--merge", "3,4", "--rename", "3=robe <b>", "--recolour", "2=#aa3366").stdout
    assert "are merged into cluster 3" in said
    assert verify(out).sound
    after = read_result(out)
    assert after.attrs["n_clusters"] == before["n_clusters"] - 1
    assert result_in(out).name == "edited.nc"
    assert (out / "result.nc").read_bytes() == first[Path("result.nc")]
    rows = summary(out)["clusters"]
    assert [row["size"] for row in rows] == after["size"].values.tolist()
    assert (rows[2]["name"], rows[1]["colour"]) == ("robe <b>", "#aa3366")
    assert "robe <b>" in (out / "clusters.csv").read_text()
    assert "robe <b>" in (out / "report.html").read_text()  # here of names alone: see above
    picture = np.asarray(Image.open(out / "labels.png"))
    assert (picture == (0xAA, 0x33, 0x66)).all(axis=-1).any()
    edit(out, "--undo", "-q")
    edit(out, "--undo", "-q")
    assert "it is as the run wrote it" in edit(out, "--undo").stdout
    last = content(out)
    assert last.keys() == first.keys()
    changed = {str(name) for name in first if first[name] != last[name]}
    stubs = {"report.html", "clusters.png", "integrated.png"}
    assert changed == {*stubs, "manifest.json"}
    assert summary(out) == before
    assert "no edit to undo" in one_line(edit(out, "--undo", check=2))


def test_flags_are_applied_in_the_order_in_which_they_are_typed(out):
    edit(out, "--rename", "4=last", "--merge", "1,2", "--rename=3=robe", "--merge", "1,2", "-q")
    lines = json.loads(edit(out, "--list", "--json").stdout)
    assert [each.split('"')[1] for each in lines["edits"]] == ["rename", "merge"] * 2
    assert lines["applied"]
    assert summary(out)["clusters"][1]["name"] == "robe"


def test_a_split_and_a_mask_read_the_cube_of_the_run(out, home):
    edit(out, "--merge", "1,2", "--split", "1", "--mask", "0:4,0:9", "-q")
    result = read_result(out)
    for number in result["cluster"].values:
        pixels = striped_counts()[result["label"].values == number]
        np.testing.assert_allclose(
            result["mean_spectrum"].sel(cluster=number), pixels.mean(axis=0), rtol=1e-5
        )
    said = json.loads(edit(out, "--rename", "2=a", "--json").stdout)  # (without the cube)
    assert "by evidence" in said["edits"][1]["words"]
    assert said["clusters"][1]["name"] == "a"
    whole = open_edits(out)
    again = apply_edits(whole.recorded, whole.edits, *_cube_and_model(home))
    xr.testing.assert_identical(again, read_result(out))


def _cube_and_model(home):
    from spectessera import load, read

    return read(home / "scan.h5"), load(home / "out" / "model.safetensors")


def test_a_cube_that_was_moved_is_asked_for(home, tmp_path):
    shutil.copytree(home / "out", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    gone = str(tmp_path / "gone.h5")
    manifest["inputs"]["cube"]["path"] = gone
    manifest["command"] = [gone if each.endswith("scan.h5") else each
                           for each in manifest["command"]]  # fmt: skip
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    said = one_line(edit(tmp_path / "out", "--split", "1", check=2))
    assert "give --input cube=PATH" in said
    edit(tmp_path / "out", "--split", "1", "--input", f"cube={home / 'scan.h5'}", "-q")


def test_a_file_of_edits_replaces_others_only_if_that_is_said(out, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[edit]]\nact = "merge"\nclusters = [1, 3]\n')
    edit(out, file, "-q")
    assert summary(out)["n_clusters"] == 3
    file.write_text('edit = [{ act = "rename", cluster = 1, name = "a" }]')
    assert "--overwrite replaces them" in one_line(edit(out, file, check=2))
    edit(out, file, "--overwrite", "-q")
    assert summary(out)["n_clusters"] == 4
    assert summary(out)["clusters"][0]["name"] == "a"


def test_report_names_are_lines_and_other_commands_see_the_changes(out):
    edit(out, "--merge", "3,4", "-q")
    run("report", out, "--overwrite", "--name", "3=robe", check=0)
    assert open_edits(out).edits == (Merge((3, 4)), Rename(3, "robe"))
    assert "robe" in (out / "report.html").read_text()
    assert verify(out).sound
    said = run("compare", out, out / "result.nc").stdout
    assert said  # labels of both are read
    recorded, touched = recorded_result(out, verify(out).manifest)
    assert (recorded.attrs["n_clusters"], touched) == (4, [])  # rerun repeats that one
    text = (out / "edits.toml").read_text()
    (out / "edits.toml").write_text(text.replace("robe", "coat"))
    assert "was changed: apply it" in edit(out, "--list").stdout
    edit(out, "-q")
    assert summary(out)["clusters"][2]["name"] == "coat"
    (out / "edits.toml").write_text(
        text.replace('"merge", clusters = [3, 4]', '"split", cluster = 1')
    )
    assert "run spectessera edit" in one_line(run("report", out, "--overwrite"))


@pytest.mark.parametrize(
    "flags",
    [
        ("--merge", "2"), ("--merge", "1,99"), ("--merge", "a,b"), ("--rename", "2"),
        ("--rename", "2=" + "a" * 201), ("--recolour", "2=red"), ("--mask", "0:4"),
        ("--mask", "4:4,0:1"), ("--mask", "900:901,0:1"), ("--split", "0"), ("--split", "1=1"),
        ("--split", "9" * 10), ("--list", "--undo"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line_and_changes_nothing(out, flags):
    before = content(out)
    one_line(edit(out, *flags, check=2))
    assert content(out) == before


def test_a_file_or_a_folder_without_a_manifest_keeps_no_edits(out, tmp_path):
    assert "is not a folder" in one_line(edit(out / "result.nc", "--undo", check=2))
    (out / "manifest.json").unlink()
    assert "no manifest.json" in one_line(edit(out, "--undo", check=2))


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("where", "error"),
    [("write", FULL), ("save_png", KeyboardInterrupt()), ("_write_summary", FULL)],
)
def test_an_interruption_leaves_the_folder_as_it_was(out, monkeypatch, where, error):
    edit(out, "--rename", "1=kept", "-q")
    before = content(out)

    def fails(*_arguments, **_settings):
        raise error

    monkeypatch.setattr(f"spectessera.resultfolder.edits.{where}", fails)
    done = edit(out, "--merge", "1,2", check=130 if isinstance(error, KeyboardInterrupt) else 2)
    assert "stopped" in done.stderr or "the disk is full" in done.stderr
    assert content(out) == before
    assert not [each for each in out.parent.iterdir() if each.name != "out"]
    assert verify(out).sound


def test_edits_of_another_program_meanwhile_are_not_lost(out, monkeypatch):
    from spectessera.edits import folder

    real = folder.edited_result

    def meanwhile(opened, *arguments):
        (out / "edits.toml").write_text('edit = [{ act = "rename", cluster = 1, name = "b" }]')
        return real(opened, *arguments)

    monkeypatch.setattr(folder, "edited_result", meanwhile)
    with pytest.raises(BlockingIOError, match="changed by another program"):
        save_edits(out, [Merge((1, 2))])
    assert open_edits(out).edits == (Rename(1, "b"),)


def test_a_known_result_is_kept_as_it_is_and_one_of_other_acts_is_not(out):
    opened = open_edits(out)
    edited = apply_edits(opened.recorded, [Merge((1, 2))])
    save_edits(out, [Merge((1, 2))], edited=edited)
    xr.testing.assert_identical(read_result(out), edited)
    with pytest.raises(ValueError, match="other acts"):
        save_edits(out, [Split(1)], edited=edited)
    half = [Mask(Rectangle(0, 2, 0, 2))]
    unknown = apply_edits(opened.recorded, half, means=False)
    with pytest.raises(ValueError, match="give the cube and the model"):
        save_edits(out, half, edited=unknown)


def test_lines_give_the_same_file_at_once_and_one_after_the_other(out, home, tmp_path):
    """The values were the same, the numbers of dimensions in the file not."""
    other = tmp_path / "other"
    shutil.copytree(out, other)
    edit(out, "--merge", "1,2", "--mask", "0:4,0:9", "-q")
    edit(other, "--merge", "1,2", "-q")
    edit(other, "--mask", "0:4,0:9", "-q")
    one, two = (folder / "edited.nc" for folder in (out, other))
    assert stored(one) == stored(two)
    # Older versions of h5py write the time into the file.
    if h5py.version.version_tuple[:2] >= (3, 15):
        assert one.read_bytes() == two.read_bytes()


def stored(path):
    """Return everything in an HDF5 file: values and attributes by their names, in their order."""
    found = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, each: found.append(
                (name, repr(dict(each.attrs)), each[()].tobytes(), each.dtype)
            )
        )
        return found, repr(dict(file.attrs))


def test_a_file_of_the_user_in_the_place_of_ours_is_neither_replaced_nor_read(out):
    (out / "edited.nc").write_text("mine")
    line = one_line(run("edit", out, "--merge", "1,2"))
    assert "edited.nc is not a file that a run has recorded there" in line
    assert (out / "edited.nc").read_text() == "mine"
    assert not (out / "edits.toml").exists()
    assert result_in(out).name == "result.nc"


@pytest.fixture
def mapped(out, home):
    """Return the copy with maps that were added to it."""
    run("maps", home / "scan.h5", "--result", out, "--no-single-pixels", "-q", check=0)
    return out


def test_maps_are_made_again_for_other_clusters_only_if_that_is_asked(mapped, home):
    from spectessera.io import read_maps
    from spectessera.maps import abundances

    first = {name: (mapped / name).read_bytes() for name in ("abundances.nc", "abundances.png")}
    said = edit(mapped, "--merge", "3,4").stdout
    assert f"spectessera edit {mapped} --maps makes them again" in said.replace("\n", " ")
    assert first == {name: (mapped / name).read_bytes() for name in first}
    assert "makes them again" not in edit(mapped, "--maps").stdout
    assert verify(mapped).sound
    made = read_maps(mapped / "abundances.nc")
    expected = abundances(spt.read(home / "scan.h5"), read_result(mapped))
    xr.testing.assert_identical(made.drop_attrs(), expected.drop_attrs())
    assert made["label"].values.tolist() == [1, 2, 3]
    assert len(summary(mapped)["mixtures"]["composition"]) == 3
    assert "makes them again" in edit(mapped, "--undo").stdout  # now they are of three clusters


def test_maps_are_made_again_with_the_flags_that_they_were_made_with(mapped, monkeypatch):
    seen = {}

    def maps_of(cube, result, kind, bar, **how):
        seen.update(how, clusters=result.sizes["cluster"])
        return Maps(None, None)

    monkeypatch.setattr("spectessera.cli.origin.maps_of", maps_of)
    before = content(mapped)
    said = one_line(edit(mapped, "--merge", "3,4", "--maps", check=2))
    assert "leave out --maps" in said
    assert seen == {"anode": None, "single_pixels": False, "redshift": None, "clusters": 3}
    assert content(mapped) == before


def test_figures_of_maps_have_the_colours_of_the_clusters(mapped):
    names = ("abundances.png", "tree.png")
    first = [(mapped / name).read_bytes() for name in names]
    edit(mapped, "--recolour", "2=#aa3366", "-q")
    for name, older in zip(names, first, strict=True):
        assert (mapped / name).read_bytes() != older
    picture = np.asarray(Image.open(mapped / "tree.png").convert("RGB"))
    assert (picture == (0xAA, 0x33, 0x66)).all(axis=-1).any()
    edit(mapped, "--undo", "-q")
    assert [(mapped / name).read_bytes() for name in names] == first


def test_several_edits_are_taken_back_at_once(out):
    edit(out, "--rename", "1=a", "--rename", "2=b", "--rename", "3=c", "--rename", "4=d", "-q")
    edit(out, "--undo", "--undo", "-q")
    assert open_edits(out).edits == (Rename(1, "a"), Rename(2, "b"))
    assert "only 2 edits to undo" in one_line(edit(out, "--undo", "--undo", "--undo", check=2))
    assert "as the run wrote it" in edit(out, "--undo-all").stdout
    assert open_edits(out).edits == ()
    assert not (out / "edited.nc").exists()
