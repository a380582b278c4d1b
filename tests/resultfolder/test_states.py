"""What a folder may hold before a run, what a killed run may leave, and what results are made from.

Nothing is segmented here: small texts stand for the files of a result.
"""

import json
import math
import os
import shutil
import threading
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from spectessera.resultfolder import MANIFEST, Origin, Plan, _moves, origin, result_folder, verify
from spectessera.resultfolder import staging as staging_module
from spectessera.resultfolder.manifest import record_file

NAMES = ("result.nc", "labels.png", "summary.json")


def put(folder, text="old", names=NAMES, **plan):
    """Write a small result through a staging folder."""
    with result_folder(folder, Plan(names, **plan)) as staging:
        for name in names:
            (staging.path / name).write_text(text)
        staging.commit({"text": text})


def texts(folder):
    return {each.name: each.read_text() for each in folder.iterdir() if each.name != MANIFEST}


@pytest.fixture
def out(tmp_path):
    put(tmp_path / "out")
    return tmp_path / "out"


def left_by_a_killed_run(out, **record):
    """Return a staging folder beside a result, with a record and a new file."""
    work = out.with_name(f".{out.name}.spectessera-0123abcd")
    (work / "folder").mkdir(parents=True)
    (work / "folder" / "result.nc").write_text("new")
    full = {"target": out.name, "names": ["result.nc"], **record}
    (work / "record.json").write_text(json.dumps(full))
    return work


# --- how a result takes its place ---------------------------------------------------------------


@pytest.mark.parametrize("way", ["exchanged", "another system", "no exchange", "attributes"])
def test_a_result_is_replaced_in_every_way_that_a_system_has(out, monkeypatch, way):
    """In one step, or file by file; the user's file is in the new folder, the older ones gone."""
    if way == "another system":
        monkeypatch.setattr(staging_module.sys, "platform", "darwin")
        monkeypatch.delattr(staging_module.os, "listxattr")
    if way == "no exchange":
        monkeypatch.setattr(staging_module, "exchange", lambda *_: False)
    if way == "attributes":
        monkeypatch.setattr(staging_module.os, "listxattr", lambda _: ["user.comment"])
    (out / "notes.txt").write_text("mine")
    inode = out.stat().st_ino
    put(out, "new", NAMES[:1], overwrite=True)
    assert texts(out) == {"result.nc": "new", "notes.txt": "mine"}
    assert (out.stat().st_ino == inode) == (way != "exchanged")
    assert verify(out).sound
    assert [each.name for each in out.parent.iterdir()] == ["out"]


def test_a_folder_whose_rights_cannot_be_copied_is_not_exchanged(out, monkeypatch):
    copy = shutil.copymode

    def refuse(source, target):
        if target.is_dir():
            raise PermissionError
        copy(source, target)

    monkeypatch.setattr(staging_module.shutil, "copymode", refuse)
    inode = out.stat().st_ino
    put(out, "new", overwrite=True)
    assert out.stat().st_ino == inode
    assert texts(out) == dict.fromkeys(NAMES, "new")


def test_a_file_system_without_hard_links_gets_a_copy_of_the_model_that_is_used(out, monkeypatch):
    put(out, names=("result.nc", "model.safetensors"), overwrite=True)

    def refuse(*_, **__):
        raise OSError("no hard links")

    monkeypatch.setattr(staging_module.os, "link", refuse)
    (out / "notes.txt").write_text("mine")
    put(out, "new", NAMES, overwrite=True, inputs=(out / "model.safetensors",))
    assert texts(out)["model.safetensors"] == "old"
    assert texts(out)["notes.txt"] == "mine"
    assert verify(out).sound


def test_files_that_are_added_leave_the_others_in_the_manifest(out):
    put(out, "added", ("report.html",), overwrite=True, add=True)
    assert texts(out) == dict.fromkeys(NAMES, "old") | {"report.html": "added"}
    verdict = verify(out)
    assert verdict.sound
    assert set(verdict.manifest.files) == {*NAMES, "report.html"}


# --- places in which nothing can be written -----------------------------------------------------


@pytest.mark.parametrize(
    ("place", "words"), [("file", "is a file; --out is a folder"), ("file/a/b", "is a file, so")]
)
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path, place, words):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match=words):
        put(tmp_path / place)
    assert texts(tmp_path) == {"file": "mine"}


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(staging_module.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="no permission to write into"):
        put(tmp_path / "new" / "out")
    assert not list(tmp_path.iterdir())


# --- what killed runs left ----------------------------------------------------------------------


def test_moves_that_a_kill_interrupted_are_finished_by_check(out):
    """One file was moved before the kill, the older ones are in the way of the others."""
    replaced = {name: _moves.signature(out / name) for name in (*NAMES, MANIFEST)}
    work = left_by_a_killed_run(
        out, names=list(NAMES), state="moving", new=["result.nc", "summary.json", MANIFEST],
        replaced=replaced,
    )  # fmt: skip
    (out / "summary.json").write_text("moved before")
    files = {
        "result.nc": record_file(work / "folder" / "result.nc"),
        "summary.json": record_file(out / "summary.json"),
    }
    manifest = {"program": "spectessera", "format": 1, "id": "1"}
    manifest |= {"files": {name: each._asdict() for name, each in files.items()}}
    (work / "folder" / MANIFEST).write_text(json.dumps(manifest))
    assert verify(out).sound
    assert texts(out) == {"result.nc": "new", "summary.json": "moved before"}
    assert not work.exists()


def test_moves_stop_at_a_file_that_came_since(out):
    replaced = {"result.nc": _moves.signature(out / "result.nc")}
    left_by_a_killed_run(out, state="moving", new=["result.nc"], replaced=replaced)
    (out / "result.nc").write_text("mine, since")
    with pytest.raises(FileExistsError, match="is not the file that was to be replaced"):
        put(out, "newer", overwrite=True)
    assert texts(out)["result.nc"] == "mine, since"


@pytest.mark.parametrize(
    "record",
    ["{", "[]", '{"target": "out"}', '{"target": "out", "names": ["notes.txt"]}',
     '{"target": "out", "names": [], "aside": "../elsewhere"}', '{"target": 1, "names": []}'],
)  # fmt: skip
def test_a_record_that_makes_no_sense_moves_and_removes_nothing(out, record):
    work = left_by_a_killed_run(out)
    (work / "record.json").write_text(record)
    with pytest.raises(ValueError, match=r"cannot be read; move .* away"):
        put(out, "newer", overwrite=True)
    assert texts(out) == dict.fromkeys(NAMES, "old")
    assert (work / "folder" / "result.nc").exists()


def test_a_run_that_was_killed_before_its_first_file_leaves_an_empty_folder_that_goes(out):
    out.with_name(".out.spectessera-0123abcd").mkdir()
    out.with_name(".out.spectessera-12345678").write_text("a file of this name is not of a run")
    put(out, "new", overwrite=True)
    assert {each.name for each in out.parent.iterdir()} == {"out", ".out.spectessera-12345678"}


def test_a_file_of_the_user_in_what_a_killed_run_left_comes_back(out):
    """After an exchange the older folder is there: what came into it since is the user's."""
    work = left_by_a_killed_run(out)
    (work / "folder" / "notes.txt").write_text("mine")
    put(out, "new", overwrite=True)
    assert texts(out) == dict.fromkeys(NAMES, "new") | {"notes.txt": "mine"}
    assert not work.exists()


def test_locks_and_temporary_files_of_a_killed_run_are_no_files_of_the_user(out):
    work = left_by_a_killed_run(out)
    (work / "folder" / ".result.zarr.spectessera.lock").write_text("{}")
    (work / "folder" / ".0123abcd-result.zarr").mkdir()
    (out / ".result.zarr.spectessera.lock").write_text("other")
    put(out, "new", overwrite=True)
    assert not work.exists()


def test_two_files_of_the_user_with_one_name_both_stay(out, caplog):
    work = left_by_a_killed_run(out)
    (work / "folder" / "notes.txt").write_text("mine")
    (out / "notes.txt").write_text("mine too")
    put(out, "new", overwrite=True)
    assert texts(out)["notes.txt"] == "mine too"
    assert (work / "folder" / "notes.txt").read_text() == "mine"
    assert "notes.txt is not a file of spectessera and stays" in caplog.text


# --- check --------------------------------------------------------------------------------------


def test_check_of_a_folder_into_which_a_run_is_writing_says_so(out):
    with result_folder(out, Plan(NAMES, overwrite=True)) as staging:
        verdict = verify(out)
        assert verdict.busy
        assert verdict.leftovers == [staging.work]
    assert not verify(out).busy


def test_a_folder_that_can_only_be_read_is_checked_too(out, monkeypatch):
    work = left_by_a_killed_run(out)

    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr("spectessera._util.locks.os.open", refuse)
    verdict = verify(out)
    assert verdict.sound
    assert (verdict.leftovers, verdict.busy) == ([work], False)


def test_only_folders_are_checked(out):
    with pytest.raises(NotADirectoryError, match="is not a folder of results"):
        verify(out / "result.nc")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"program": "another"}, "it is of another program"),
        ({"format": 99}, "it has format 99, this version reads 1"),
        ({"files": {"result.zarr/../a": {"size": 1, "sha256": ""}}}, "outside its store"),
        ({"files": {"result.nc": {"size": "?"}}}, "cannot be read as a manifest"),
        ({"files": {"result.nc": {"size": math.inf}}}, "cannot be read as a manifest"),
        ({"files": []}, "cannot be read as a manifest"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(out, change, words):
    text = json.loads((out / MANIFEST).read_text()) | change
    (out / MANIFEST).write_text(json.dumps(text))
    with pytest.raises(ValueError, match=words):
        verify(out)


def test_a_manifest_that_is_a_link_is_refused(out):
    (out / MANIFEST).rename(out / "other.json")
    (out / MANIFEST).symlink_to("other.json")
    with pytest.raises(ValueError, match="is not a manifest of spectessera"):
        verify(out)


@pytest.mark.parametrize("summary", ["half of a {", "[]", '{"spectessera": "1"}'])
def test_a_summary_that_is_not_of_this_package_makes_no_folder_a_result(out, summary):
    """Without a manifest, files with our names are the user's unless the summary says more."""
    (out / MANIFEST).unlink()
    (out / "summary.json").write_text(summary)
    with pytest.raises(FileExistsError, match="is never replaced"):
        put(out, "new", overwrite=True)
    assert texts(out) == dict.fromkeys(NAMES, "old") | {"summary.json": summary}


# --- origin -------------------------------------------------------------------------------------


def facts_of(path):
    with closing(Origin({"cube": path})) as made:
        return made.facts(["segment"], {"seed": 7})


def test_the_origin_of_a_result_says_what_it_was_made_from(tmp_path):
    path = tmp_path / "scan.h5"
    path.write_bytes(b"values")
    facts = facts_of(path)
    cube = facts["inputs"]["cube"]
    assert (cube["path"], cube["files"], cube["size"]) == (str(path), 1, 6)
    assert cube["sha256"] == record_file(path).sha256
    assert (facts["seed"], facts["command"]) == (7, ["segment"])
    assert "numpy" in facts["versions"]


@pytest.mark.parametrize("name", ["folder", "scan.hdr"])
def test_the_checksum_of_several_files_changes_with_each_content_and_name(tmp_path, name):
    """A folder; a header with the file of values that belongs to it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for each in ("scan.hdr", "scan.raw"):
        (folder / each).write_text(each)
    (tmp_path / "other.raw").write_text("not of this cube")
    path = folder if name == "folder" else folder / name

    def checksum():
        return facts_of(path)["inputs"]["cube"]["sha256"]

    first = checksum()
    assert facts_of(path)["inputs"]["cube"]["files"] == 2
    assert checksum() == first
    (folder / "scan.raw").write_text("another")
    second = checksum()
    (folder / "scan.raw").rename(folder / "scan.img")
    assert len({first, second, checksum()}) == 3


@pytest.mark.parametrize("happens", ["changed", "unreadable"])
def test_an_input_that_changes_during_the_run_has_no_checksum(tmp_path, monkeypatch, happens):
    path, checksum = tmp_path / "scan.h5", Origin._checksum
    path.write_text("values")

    def meanwhile(*arguments):
        if happens == "unreadable":
            raise PermissionError
        result = checksum(*arguments)
        path.write_text("other values")
        return result

    monkeypatch.setattr(Origin, "_checksum", meanwhile)
    cube = facts_of(path)["inputs"]["cube"]
    assert (cube["sha256"], cube["changed"]) == (None, True)


class SlowFile:
    """Bytes of which every second part waits until it is allowed to go on."""

    def __init__(self, monkeypatch):
        self.reached, self.allowed = threading.Event(), threading.Event()
        monkeypatch.setattr(origin, "BLOCK", 2)
        monkeypatch.setattr(origin.hashlib, "sha256", lambda: self)

    def update(self, block):
        if block != b"va":
            self.reached.set()
            assert self.allowed.wait(10)

    def hexdigest(self):
        return "00"


def test_the_end_of_a_run_waits_for_checksums_and_shows_how_much_is_read(tmp_path, monkeypatch):
    slow, seen = SlowFile(monkeypatch), []
    (tmp_path / "scan.h5").write_text("values")

    def progress(*row):
        seen.append(row)
        slow.allowed.set()

    with closing(Origin({"cube": tmp_path / "scan.h5"})) as made:
        assert slow.reached.wait(10)
        facts = made.facts([], {}, progress)
    assert seen[0] == ("checksum", 1, 3)
    assert facts["inputs"]["cube"]["sha256"] == "00"


def test_a_run_that_ends_early_does_not_wait_and_records_no_checksum_of_a_part(
    tmp_path, monkeypatch
):
    slow = SlowFile(monkeypatch)
    for name in "ab":
        (tmp_path / name).write_text("values")
    made = Origin({name: tmp_path / name for name in "ab"})
    assert slow.reached.wait(10)
    threading.Timer(0.05, slow.allowed.set).start()
    made.close()
    inputs = made.facts([], {})["inputs"]
    assert [inputs[name]["sha256"] for name in "ab"] == [None, None]
    assert made._blocks == 2


def test_what_is_not_installed_or_not_known_is_left_out(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(origin, "version", missing)
    assert origin._versions() == {}
    monkeypatch.setattr(origin.platform, "processor", lambda: "a processor")
    monkeypatch.setattr(origin.sys, "platform", "darwin")
    assert origin._processor() == "a processor"
    assert not list(origin._files(Path("nowhere.h5")))


def test_names_of_files_may_have_bytes_that_are_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.h5")
    path.write_text("values")
    assert facts_of(path)["inputs"]["cube"]["path"].endswith("bad?.h5")
