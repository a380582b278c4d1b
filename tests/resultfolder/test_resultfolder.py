"""A result folder is wholly old or wholly new; files of the user and inputs are never replaced."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import spectessera as spt
from commands import one_line, run, two_stripes
from spectessera.resultfolder import MANIFEST, Plan, result_folder
from spectessera.resultfolder.manifest import ABUNDANCES, BAND_MAPS, EDITED, MAPS, NAMES, SCANS

FAST = ("--epochs", "2", "--k-max", "3", "--encoder", "8", "--restarts", "2", "-q")
CLI = (sys.executable, "-m", "spectessera.cli")
KILLS = Path(__file__).with_name("killed_at_every_step.py")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    spt.write(two_stripes(), folder / "scan.h5")
    run("train", folder / "scan.h5", "--out", folder / "m.safetensors", *FAST, check=0)
    return folder / "scan.h5", folder / "m.safetensors"


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Skip the figures, which take most of the time."""
    from spectessera.resultfolder import contents

    monkeypatch.setattr(contents, "_draw", lambda *_: None)


def segment(scan, out, *flags, cube=None, check=None):
    file, model = scan
    return run("segment", cube or file, "--model", model, "--out", out, "-q", *flags, check=check)


def put(folder, names=("result.nc", "summary.json"), text="old", **plan):
    """Write a small result through a staging folder."""
    with result_folder(folder, Plan(names, **plan)) as staging:
        for name in names:
            (staging.path / name).write_text(text)
        staging.commit({"text": text})


def names_in(folder):
    return {each.name for each in folder.iterdir()}


# --- killed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "with a folder", "in the folder", "new"])
def test_a_run_killed_at_any_file_operation_leaves_all_old_or_all_new(kind, tmp_path):
    command = [sys.executable, str(KILLS), str(tmp_path / "home"), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    turn = outcomes.index("new")
    assert turn > 10
    assert len(outcomes) - turn > 3
    assert outcomes == [outcomes[0]] * turn + ["new"] * (len(outcomes) - turn)


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.03])
def test_segment_killed_at_the_end_leaves_all_old_or_all_new(scan, tmp_path, delay):
    out = tmp_path / "out"
    segment(scan, out, check=0)
    (out / "notes.txt").write_text("mine")
    old = json.loads((out / MANIFEST).read_text())["id"]
    file, model = scan
    command = [*CLI, "segment", file, "--model", model, "--out", out, "--overwrite", "-q", "--zarr"]
    child = subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL)
    while child.poll() is None and not list(tmp_path.glob(".out.*/folder/settings.toml")):
        pass
    threading.Event().wait(delay)
    child.kill()
    child.wait()
    told = json.loads(run("check", out, "--json", check=0).stdout)
    assert told["sound"]
    assert (out / "result.nc").exists() == (told["id"] == old)
    assert (out / "result.zarr").exists() == (told["id"] != old)
    assert told["foreign"] == ["notes.txt"]
    segment(scan, out, "--overwrite", check=0)
    assert names_in(tmp_path) == {"out"}


def test_what_a_killed_run_left_is_named_and_removed_by_the_next_run(tmp_path, caplog):
    out = tmp_path / "out"
    put(out)
    code = (
        "import os, signal; from pathlib import Path\n"
        "from spectessera.resultfolder import Plan, result_folder\n"
        f"out, plan = Path({str(out)!r}), Plan(('result.nc',), overwrite=True)\n"
        "with result_folder(out, plan) as staging:\n"
        "    (staging.path / 'result.nc').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob(".out.spectessera-*")
    assert str(left) in run("check", out, check=0).stdout.replace("\n", "")
    put(out, text="new", overwrite=True)
    assert "removed the unfinished files of a run that was killed" in caplog.text
    assert "was locked by process" in caplog.text
    assert names_in(tmp_path) == {"out"}


# --- files of the user --------------------------------------------------------------------------


# Written by segment: edited.nc is written by edit, bands by maps; their tests have the same.
OF_A_RUN = [
    each for each in NAMES if not each.endswith(".zarr") and each not in (EDITED, BAND_MAPS)
]


@pytest.mark.parametrize("name", OF_A_RUN)
@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_a_file_of_the_user_with_one_of_our_names_is_an_error_before_the_work(
    scan, tmp_path, name, flags
):
    path = tmp_path / name
    path.write_text("mine")
    file, _ = scan
    more = ("--maps",) if name in (*MAPS, *ABUNDANCES) else ()
    if name == SCANS:
        other = tmp_path.with_name(f"{tmp_path.name}-other.h5")
        shutil.copy(file, other)
        more = (other, "--together")
    done = run("segment", file, "--fit", "--report", "--out", tmp_path, *FAST, *flags, *more)
    line = one_line(done)
    assert str(path) in line
    assert "move it away" in line
    assert path.read_text() == "mine"
    assert names_in(tmp_path) == {name}


def test_a_file_that_was_changed_after_the_run_is_not_replaced(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, check=0)
    (out / "settings.toml").write_text("mine")
    assert "settings.toml is not as a run" in one_line(segment(scan, out, "--overwrite"))
    assert (out / "settings.toml").read_text() == "mine"


def test_a_file_that_comes_during_the_work_stays_and_the_result_is_kept_elsewhere(tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def write():
        with result_folder(out, Plan(("result.nc",))) as staging:
            (staging.path / "result.nc").write_text("new")
            (out / "result.nc").write_text("mine")
            staging.commit({})

    with pytest.raises(FileExistsError, match="the results are in") as error:
        write()
    assert (out / "result.nc").read_text() == "mine"
    beside = Path(str(error.value).rpartition(" ")[2])
    assert (beside / "result.nc").read_text() == "new"


def test_other_files_stay_and_files_of_the_older_run_go(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, "--report", check=0)
    (out / "notes.txt").write_text("mine")
    (out / "photos").mkdir()
    (out / "photos" / "one.jpg").write_text("mine")
    segment(scan, out, "--overwrite", "--zarr", check=0)
    assert not (out / "report.html").exists()
    assert not (out / "result.nc").exists()
    assert (out / "notes.txt").read_text() == (out / "photos" / "one.jpg").read_text() == "mine"
    assert names_in(tmp_path) == {"out"}
    told = json.loads(run("check", out, "--json", check=0).stdout)
    assert told["foreign"] == ["notes.txt", "photos"]


def test_results_older_than_manifests_are_moved_aside(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, check=0)
    (out / MANIFEST).unlink()
    (out / "clusters.png").write_text("perhaps of the user")
    assert "--overwrite" in one_line(segment(scan, out))
    segment(scan, out, "--overwrite", check=0)
    (aside,) = out.glob("earlier-*")
    assert (aside / "clusters.png").read_text() == "perhaps of the user"
    assert {"result.nc", "summary.json"} <= names_in(aside)
    run("check", out, check=0)


def test_a_manifest_that_names_files_of_the_user_is_not_believed(tmp_path):
    out = tmp_path / "out"
    put(out)
    for name in ("notes.txt", "../out/notes.txt", "/etc/passwd", "result.zarr/../notes.txt"):
        text = json.loads((out / MANIFEST).read_text())
        text["files"][name] = {"size": 4, "sha256": "0"}
        (out / MANIFEST).write_text(json.dumps(text))
        with pytest.raises(ValueError, match="cannot be read as a manifest"):
            put(out, overwrite=True)


# --- inputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [os.link, os.symlink, None])
def test_no_input_is_replaced_under_any_name(scan, tmp_path, link):
    cube = tmp_path / "labels.fits"
    spt.write(two_stripes(), cube)
    source = cube
    if link is not None:
        (tmp_path / "elsewhere").mkdir()
        source = tmp_path / "elsewhere" / "cube.fits"
        link(cube, source)
    before = cube.read_bytes()
    for flags in ((), ("--overwrite",)):
        assert "is the input itself" in one_line(segment(scan, tmp_path, *flags, cube=source))
    assert cube.read_bytes() == before


def test_a_result_that_is_read_is_not_replaced_by_its_segmentation(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, "--zarr", "--also", "latent", check=0)
    for cube in (out / "result.zarr", out / "result.zarr" / "label"):
        words = one_line(segment(scan, out, "--overwrite", cube=cube))
        assert "input" in words
    run("check", out, check=0)
    words = one_line(segment(scan, out / "result.zarr" / "new", cube=out / "result.zarr"))
    assert "lies in, the input" in words


def test_the_model_in_a_folder_stays_when_it_is_used(scan, tmp_path):
    file, _ = scan
    out = tmp_path / "out"
    run("segment", file, "--fit", "--out", out, *FAST, check=0)
    before = (out / "model.safetensors").read_bytes()
    segment((file, out / "model.safetensors"), out, "--overwrite", check=0)
    assert (out / "model.safetensors").read_bytes() == before
    assert "model.safetensors" in json.loads((out / MANIFEST).read_text())["files"]
    start = ("--fit", "--start", out / "model.safetensors", "--overwrite", *FAST)
    assert "is the input itself" in one_line(run("segment", file, *start, "--out", out))


@pytest.mark.parametrize(
    "command",
    [
        ("encode", "y.h5", "--model", "maxrf", "--out", "y.h5"),
        ("decode", "y.h5", "--model", "maxrf", "--out", "y.h5"),
        ("train", "y.h5", "--start", "m.safetensors", "--out", "m.safetensors"),
        ("train", "y.h5", "--out", "n.safetensors", "--checkpoint", "m.safetensors",
         "--start", "m.safetensors"),
        ("synth", "cube", "y.h5", "--out", "y.h5"),
    ],
)  # fmt: skip
def test_every_command_refuses_to_write_over_its_input(scan, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for source, name in zip(scan, ("y.h5", "m.safetensors"), strict=True):
        (tmp_path / name).write_bytes(source.read_bytes())
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert "input" in one_line(run(*command, "--overwrite"))
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_search_does_not_replace_its_space(scan, tmp_path):
    (tmp_path / "best.toml").write_text("[network]\nlatent = [2, 3]\n")
    done = run("search", scan[0], "--space", tmp_path / "best.toml", "--out", tmp_path)
    assert "is the input itself" in one_line(done)


# --- two writers, full disks --------------------------------------------------------------------


def test_a_second_run_into_a_folder_stops_with_one_line(scan, tmp_path):
    out = tmp_path / "out"
    with result_folder(out, Plan(("result.nc",))) as staging:
        line = one_line(segment(scan, out))
        assert f"process {os.getpid()} on" in line
        (staging.path / "result.nc").write_text("new")
        staging.commit({})
    assert (out / "result.nc").read_text() == "new"
    assert names_in(tmp_path) == {"out"}


def test_a_full_disk_is_an_error_and_leaves_the_older_result(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, check=0)
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    file, model = scan
    command = [*CLI, "segment", file, "--model", model, "--out", out, "--overwrite", "-q", "--zarr"]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "error:" in done.stderr
    assert {each.name: each.read_bytes() for each in out.iterdir()} == before
    assert names_in(tmp_path) == {"out"}


# --- check --------------------------------------------------------------------------------------


def test_check_says_what_is_changed_missing_or_foreign(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, "--zarr", check=0)
    text = json.loads((out / MANIFEST).read_text())
    assert text["inputs"]["cube"]["size"] == scan[0].stat().st_size
    assert len(text["inputs"]["cube"]["sha256"]) == 64
    assert text["command"][0] == "segment"
    assert text["seed"] == 0
    assert "as written" in run("check", out, check=0).stdout
    (out / "notes.txt").touch()
    chunk = next(
        each for each in (out / "result.zarr" / "label" / "c").rglob("*") if each.is_file()
    )
    chunk.write_bytes(b"x" + chunk.read_bytes()[1:])
    (out / "labels.png").unlink()
    (out / "report.html").touch()
    (out / "result.zarr" / "letter.txt").touch()
    told = json.loads(run("check", out, "--json", check=1).stdout)
    assert told["changed"] == [chunk.relative_to(out).as_posix()]
    assert told["missing"] == ["labels.png"]
    assert told["foreign"] == ["notes.txt"]
    assert told["in_the_way"] == ["report.html", "result.zarr/letter.txt"]
    assert "no manifest.json" in one_line(run("check", tmp_path))


def test_a_report_in_the_folder_is_part_of_the_manifest(scan, tmp_path):
    out = tmp_path / "out"
    segment(scan, out, check=0)
    run("report", out, check=0)
    assert "report.html" in json.loads((out / MANIFEST).read_text())["files"]
    run("check", out, check=0)
    run("report", out, "--overwrite", "--name", "1=paper", check=0)
    run("check", out, check=0)
    (out / "report.html").write_text("mine")
    assert "report.html is not as a run" in one_line(run("report", out, "--overwrite"))
