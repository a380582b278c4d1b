"""What commands say to a person: tables, places of files, and what happens after Ctrl-C."""

import json
import re

import pytest
import typer

from commands import one_line, run, two_stripes
from spectessera import load, read_result, studies, write
from spectessera.cli import app, check, console
from spectessera.cli.options import parse
from spectessera.cli.summary import cluster_table, print_summary
from spectessera.network.schedule import Schedule

FAST = ("--epochs", "3", "--k-max", "3", "--encoder", "8", "--restarts", "2")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "scan.h5"
    write(two_stripes(), path)
    return path


@pytest.fixture(scope="module")
def model(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "model.safetensors"
    run("train", scan, "--out", path, *FAST, "-q", check=0)
    return path


@pytest.fixture
def undrawn(monkeypatch):
    """Skip the figures, which take most of the time."""
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)


@pytest.fixture
def interrupted(monkeypatch):
    """Press Ctrl-C after the second epoch of a training."""

    def stop(self, done, total, row):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(console.Bar, "epoch", stop)


def words(done):
    return " ".join(done.stdout.split())


# --- segment and report -------------------------------------------------------------------------


def test_segment_prints_a_row_for_every_cluster_and_where_the_results_are(
    scan, model, tmp_path, undrawn
):
    out = tmp_path / "out"
    done = run("segment", scan, "--model", model, "--report", "--out", out, check=0)
    result = read_result(out / "result.nc")
    shown = words(done)
    assert f"{result.attrs['n_clusters']} clusters" in shown
    rows = re.findall(r"██ (\d+) +(\d+) +([\d.]+) % +(-|[\d.]+)", done.stdout)
    assert [(int(row[0]), int(row[1])) for row in rows] == list(
        zip(result["cluster"].values.tolist(), result["size"].values.tolist(), strict=True)
    )
    assert sum(float(row[2]) for row in rows) == pytest.approx(100, abs=0.2)
    assert f"results in {out}" in done.stdout
    assert f"open {out / 'report.html'} in a browser" in done.stdout
    again = run("segment", scan, "--model", model, "--out", out, "--overwrite", "--json", check=0)
    assert json.loads(again.stdout) == json.loads((out / "summary.json").read_text())


def test_warnings_and_clusters_without_pixels_are_printed(tmp_path):
    summary = {
        "n_clusters": 1, "warnings": [{"text": "too [few] spectra", "code": "few"}], "rare": "",
        "clusters": [{"cluster": 1, "size": 0, "share": 0.0, "confidence": None, "name": "",
                      "colour": "#0072b2", "lines": []}],
    }  # fmt: skip
    with console.output.capture() as shown:
        print_summary(summary, [], tmp_path)
    assert "warning: too [few] spectra [few]" in shown.get()
    (row,) = zip(*(column.cells for column in cluster_table(summary).columns), strict=True)
    assert row[3] == "-"
    assert str(row[4]) == "-"


def test_a_start_without_a_training_is_refused(scan, model, tmp_path):
    flags = ("--model", model, "--start", model, "--out", tmp_path / "out")
    assert "--start belongs to --fit" in one_line(run("segment", scan, *flags))


def test_a_report_is_written_beside_a_result_alone_and_anywhere_else(
    scan, model, tmp_path, undrawn
):
    out = tmp_path / "out"
    run("segment", scan, "--model", model, "--out", out, "-q", check=0)
    (out / "result.nc").rename(tmp_path / "result.nc")
    for place in (tmp_path / "report.html", tmp_path / "other.html"):
        flags = [] if place.name == "report.html" else ["--out", place]
        done = run("report", tmp_path / "result.nc", *flags, check=0)
        assert f"open {place} in a browser" in done.stdout
        assert "<html" in place.read_text(encoding="utf-8")[:200]
    assert {each.name for each in tmp_path.iterdir()} == {
        "out", "result.nc", "report.html", "other.html",
    }  # fmt: skip


def test_check_names_what_is_wrong_but_no_more_than_a_screen_of_it(
    scan, model, tmp_path, undrawn, monkeypatch
):
    out = tmp_path / "out"
    run("segment", scan, "--model", model, "--out", out, "-q", check=0)
    for number in range(3):
        (out / f"note-{number}.txt").touch()
    (out / "labels.png").unlink()
    monkeypatch.setattr(check, "MOST_NAMES", 2)
    shown = run("check", out, check=1).stdout
    assert "not as written" in shown
    assert "missing: labels.png" in shown
    assert shown.count("yours: note-") == 2
    assert "yours: 1 more" in shown


# --- training -----------------------------------------------------------------------------------


def test_train_says_where_the_model_is(scan, tmp_path):
    out = tmp_path / "m.safetensors"
    done = run("train", scan, "--out", out, *FAST, check=0)
    assert f"model written to {out}" in done.stdout
    assert "silhouette" in done.stderr or "loss" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "give either cubes to train on, or --simulate"),
        (("--simulate", "xrf", "--start", "maxrf"), "leave out --start"),
        (("--simulate", "xrf", "--out", "m.npz"), "--out is a .safetensors file; got m.npz"),
    ],
)
def test_flags_of_a_training_that_contradict_each_other_are_refused(tmp_path, flags, words):
    out = () if "--out" in flags else ("--out", tmp_path / "m.safetensors")
    assert words in one_line(run("train", *flags, *out))
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_a_training_of_a_model_leaves_the_best_one(scan, tmp_path, interrupted):
    out, state = tmp_path / "m.safetensors", tmp_path / "state.safetensors"
    flags = ("--checkpoint", state, *FAST, "--json")
    done = run("train", scan, "--out", out, *flags, check=130)
    assert json.loads(done.stdout)["interrupted"]
    assert "holds the best weights so far" in done.stderr
    assert state.exists(), "the same command continues from there"
    assert load(out).n_clusters_ > 1


def test_ctrl_c_in_a_training_leaves_older_results_and_puts_the_model_beside_them(
    scan, model, tmp_path, undrawn, interrupted
):
    out = tmp_path / "out"
    run("segment", scan, "--model", model, "--out", out, "-q", check=0)
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    done = run("segment", scan, "--fit", "--out", out, "--overwrite", *FAST, "-q", check=130)
    assert {each.name: each.read_bytes() for each in out.iterdir()} == before
    (beside,) = tmp_path.glob("out-interrupted-*.safetensors")
    assert str(beside) in done.stderr
    assert load(beside).n_clusters_ > 1
    assert {each.name for each in tmp_path.iterdir()} == {"out", beside.name}


# --- latents ------------------------------------------------------------------------------------


def test_encode_and_decode_say_what_was_gained_and_where_it_is(scan, model, tmp_path):
    latent, again = tmp_path / "latent.nc", tmp_path / "again.nc"
    shown = words(run("encode", scan, "--model", model, "--out", latent, check=0))
    assert "30 channels to 10 latents: 1.5 times smaller" in shown
    assert re.search(r"error \d+\.\d\d %", shown)
    assert f"latent cube in {latent}" in shown
    assert f"decoded cube in {again}" in words(
        run("decode", latent, "--model", model, "--out", again, check=0)
    )


# --- what is shared by all commands -------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), "error: no space left on device"),
        (OSError(28, "No space left on device", "a.h5"), "error: a.h5: no space left on device"),
        (MemoryError(), "error: MemoryError"),
    ],
)
def test_errors_of_the_system_are_told_without_their_number(error, line):
    @console.command
    def fail():
        raise error

    with console.errors.capture() as shown, pytest.raises(typer.Exit) as ended:
        fail()
    assert shown.get().strip() == line
    assert ended.value.exit_code == 2


def test_a_developer_may_ask_for_the_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTESSERA_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        run("info", tmp_path / "nowhere.h5")


def test_ctrl_c_outside_of_a_command_is_one_line_and_status_130(monkeypatch):
    def stop(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "app", stop)
    with console.errors.capture() as shown, pytest.raises(SystemExit) as ended:
        app.main()
    assert (shown.get(), ended.value.code) == ("stopped by Ctrl-C\n", 130)


@pytest.mark.parametrize(
    ("name", "text", "hint", "value"),
    [
        ("keep", ["1,2.5", "4,8"], tuple, ((1.0, 2.5), (4.0, 8.0))),
        ("gamma", "0,0.1,2,8", float | Schedule, Schedule(0, 0.1, 2, 8)),
        ("gamma", "0.1", float | Schedule, 0.1),
        ("epochs", "7", int, 7),
        ("metric", " cosine ", str, "cosine"),
    ],
)
def test_a_flag_of_every_kind_is_read(name, text, hint, value):
    assert parse(name, text, hint) == value


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"[network", "is not a TOML file"), (b"\xff", "is not a TOML file"), (None, "no file")],
)
def test_a_file_of_settings_that_cannot_be_read_is_one_line(scan, tmp_path, content, expected):
    config = tmp_path / "settings.toml"
    if content is not None:
        config.write_bytes(content)
    flags = ("--fit", "--config", config, "--out", tmp_path / "out")
    assert expected in one_line(run("segment", scan, *flags))


# --- reproduce, synth ---------------------------------------------------------------------------


def test_reproduce_prints_the_scores_and_where_the_figures_are(tmp_path, monkeypatch):
    (tmp_path / "scores.md").write_text("| method | score |")
    calls = []

    def reproduce(name, out, *, progress, announce, **settings):
        calls.append((name, settings))
        progress("train", 1, 2)
        if announce is not None:
            announce("takes at most 3.0 hours")
        return studies.Reproduction((), tmp_path)

    monkeypatch.setattr(studies, "reproduce", reproduce, raising=False)
    done = run("reproduce", "astro", "--out", tmp_path, "--quick", "--seeds", 2, check=0)
    assert "| method | score |" in done.stdout
    assert f"figures in {tmp_path / 'figures'}" in done.stdout
    assert "takes at most 3.0 hours" in done.stderr
    assert calls == [("astro", {"scale": "quick", "seeds": 2, "pictures": None, "methods": None})]
    flags = ("--scale", "published", "--methods", "paper,umap", "-q")
    run("reproduce", "astro", "--out", tmp_path, *flags, check=0)
    assert calls[-1][1]["scale"] == "published"
    assert calls[-1][1]["methods"] == ["paper", "umap"]
    assert json.loads(run("reproduce", "astro", "--out", tmp_path, "--json", check=0).stdout) == []


def test_pictures_are_for_the_experiment_that_uses_them(tmp_path):
    flags = ("--pictures", tmp_path, "--out", tmp_path / "out")
    assert "--pictures is for the heritage experiment" in one_line(
        run("reproduce", "astro", *flags)
    )
    flags = ("--quick", "--scale", "published", "--out", tmp_path / "out")
    assert "leave it out for --scale published" in one_line(run("reproduce", "astro", *flags))


def test_pictures_are_not_replaced_and_have_a_known_format(tmp_path):
    """Of a palette, and of a page."""
    picture = tmp_path / "a.png"
    picture.write_text("mine")
    for command in (("palettes", "choirbook"), ("page",)):
        assert "or --overwrite" in one_line(run("synth", *command, "--out", picture))
    assert picture.read_text() == "mine"
    line = one_line(run("synth", "palettes", "choirbook", "--out", tmp_path / "a.gif"))
    assert "--out is a .png, .pdf or .svg file" in line


def test_synth_prints_a_table_of_what_was_made(tmp_path):
    out = tmp_path / "spectra.h5"
    shown = words(run("synth", "spectra", "-n", 7, "--out", out, check=0))
    assert "spectra 7" in shown
    assert "channels 1024" in shown
    done = run("synth", "page", "--size", "64,48", "--out", tmp_path / "page.png", check=0)
    assert f"page written to {tmp_path / 'page.png'}" in done.stdout


def test_a_log_has_a_line_for_every_step_when_it_starts(capsys):
    with console.progress(quiet=False) as bar:
        bar("train", 0, 9)
        first = capsys.readouterr().err
        bar("train", 1, 9)
        bar("train", 9, 9, "loss 0.5")
        bar("segment", 1, 2)
    assert first == "train ...\n"
    assert capsys.readouterr().err == "train: done, loss 0.5\nsegment ...\n"
