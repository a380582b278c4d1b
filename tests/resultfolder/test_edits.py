"""Names of the user stay with their result: in reports, summary and figure, and with no other."""

import csv
import json
import os
import shutil

import pytest

from commands import one_line, run, two_stripes
from spectessera import read_result, write
from spectessera.plots import result as plots
from spectessera.resultfolder import verify

FAST = ("--epochs", "2", "--k-max", "3", "--encoder", "8", "--restarts", "2", "-q")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edits")
    write(two_stripes(), folder / "scan.h5")
    run("train", folder / "scan.h5", "--out", folder / "m.safetensors", *FAST, check=0)
    segment(folder, folder / "out")
    return folder


@pytest.fixture
def out(home, tmp_path, monkeypatch):
    """Return a copy of a result; reports of it are their names only, which takes less time."""

    def page(result, cards, warnings, maps, detail):
        return '<meta name="generator" content="spectessera">' + ", ".join(c.name for c in cards)

    monkeypatch.setattr("spectessera.htmlreport.page._page", page)
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    shutil.copytree(home / "out", tmp_path / "out")
    return tmp_path / "out"


def segment(home, out, *flags):
    model = home / "m.safetensors"
    return run("segment", home / "scan.h5", "--model", model, "--out", out, "-q", *flags, check=0)


def report(out, *flags, check=0):
    return run("report", out, "--overwrite", *flags, check=check)


def names_in(out):
    return [row["name"] for row in json.loads((out / "summary.json").read_text())["clusters"]]


def test_a_name_is_in_every_later_report_the_summary_and_the_figure(out):
    figure = (out / "clusters.png").read_bytes()
    before = json.loads((out / "summary.json").read_text())
    assert "kept in" in report(out, "--name", "2=Azurite").stdout
    assert verify(out).sound
    assert verify(out).manifest.id == json.loads((out / "manifest.json").read_text())["id"]
    assert (out / "clusters.png").read_bytes() != figure
    report(out, "--name", "1= Lead  white ", "--out", out.parent / "other.html")
    report(out)
    for page in (out / "report.html", out.parent / "other.html"):
        text = page.read_text()
        assert "Azurite" in text
        assert "Lead white" in text
    assert names_in(out)[:2] == ["Lead white", "Azurite"]
    assert verify(out).sound
    report(out, "--name", "2=Smalt")
    after = json.loads((out / "summary.json").read_text())
    assert names_in(out)[:2] == ["Lead white", "Smalt"]
    for row, old in zip(after["clusters"], before["clusters"], strict=True):
        assert row.pop("suggested", old["name"]) == old["name"]
        row["name"] = old["name"]
    assert len(after.pop("edits")) == 3  # in words
    assert after == before  # nothing else has changed
    assert "Azurite" not in (out / "report.html").read_text()


def test_the_table_of_the_clusters_has_the_names_and_no_other_change(out):
    path = out / "clusters.csv"
    before = path.read_bytes()
    report(out, "--name", "2==1+1, or 2")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {row["name"] for row in rows if row["cluster"] == "2"} == {"'=1+1, or 2"}
    assert verify(out).sound
    (out / "edits.toml").unlink()
    report(out)
    assert path.read_bytes() == before


def test_a_change_by_hand_is_named_by_check_and_applied_by_report(out):
    report(out, "--name", "1=Smalt")
    path = out / "edits.toml"
    path.write_text(path.read_text().replace("Smalt", "Ultramarine"))
    assert verify(out).changed == ["edits.toml"]
    report(out)
    assert verify(out).sound
    assert names_in(out)[0] == "Ultramarine"
    path.unlink()
    report(out)
    assert "Ultramarine" not in names_in(out)
    path.write_text('[names]\n2 = "by hand"\n')
    report(out)
    assert names_in(out)[1] == "by hand"
    assert verify(out).sound


def test_a_new_result_does_not_get_the_names_of_the_older_one_which_are_kept(home, out):
    report(out, "--name", "1=Smalt")
    text = (out / "edits.toml").read_text()
    segment(home, out, "--overwrite")
    (kept,) = out.glob("edits-*.toml")
    assert kept.read_text() == text
    assert not (out / "edits.toml").exists()
    assert "Smalt" not in names_in(out)
    verdict = verify(out)
    assert verdict.sound
    assert verdict.foreign == [kept.name]
    kept.rename(out / "edits.toml")
    assert "belongs to another result" in one_line(report(out, check=2))
    assert verify(out).sound


def test_names_written_by_hand_into_a_folder_are_kept_too(home, out):
    (out / "edits.toml").write_text('[names]\n1 = "mine"\n')
    assert verify(out).sound
    (out / "more").mkdir()  # files are moved one by one where there are folders of the user
    segment(home, out, "--overwrite")
    (kept,) = out.glob("edits-*.toml")
    assert "mine" in kept.read_text()
    assert verify(out).sound


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[names", "is not a TOML file"),
        ("a = " + "[" * 100_000, "is not a TOML file"),
        ("#" * 2**20 + "\n", "larger than 1 MiB"),
        ("colour = 3", "colour is not known"),
        ('result = "other"', "belongs to another result"),
        ("names = 3", "[names] has lines such as"),
        ("[names]\n1 = 3", "[names] has lines such as"),
        ('[names]\nx = "a"', "'x' is not the number of a cluster"),
        ('[names]\n1 = ""', "1 to 200 characters"),
        (f'[names]\n1 = "{"a" * 201}"', "1 to 200 characters"),
        ('[names]\n99 = "a"', "there is no cluster 99"),
    ],
)
def test_edits_that_make_no_sense_change_nothing(out, text, words):
    (out / "edits.toml").write_text(text)
    before = {each: each.read_bytes() for each in out.iterdir()}
    assert words in one_line(report(out, check=2))
    assert {each: each.read_bytes() for each in out.iterdir()} == before


def test_a_link_and_a_folder_are_no_edits(home, out, tmp_path):
    (tmp_path / "secret").write_text("[names]")
    (out / "edits.toml").symlink_to(tmp_path / "secret")
    assert "is a link" in one_line(report(out, check=2))
    (out / "edits.toml").unlink()
    (out / "edits.toml").mkdir()
    assert "is not a file" in one_line(report(out, check=2))
    done = run("segment", home / "scan.h5", "--model", home / "m.safetensors", "--out", out,
               "--overwrite")  # fmt: skip
    assert "is a folder" in one_line(done)


@pytest.mark.parametrize("name", ["1=" + "a" * 201, "1=", "one=a", "1", "9" * 10 + "=a", "9=a"])
def test_a_name_that_makes_no_sense_is_one_line(out, name):
    one_line(report(out, "--name", name, check=2))
    assert not (out / "edits.toml").exists()


def test_a_summary_that_makes_no_sense_is_one_line(out):
    manifest = json.loads((out / "manifest.json").read_text())
    from spectessera.resultfolder.manifest import record_file

    (out / "summary.json").write_text("{}")
    manifest["files"]["summary.json"] = record_file(out / "summary.json")._asdict()
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert "is not a summary" in one_line(report(out, "--name", "1=a", check=2))
    assert not (out / "edits.toml").exists()


def test_a_name_for_a_file_or_without_a_manifest_is_in_that_report_only(out):
    report(out / "result.nc", "--name", "1=Smalt")
    assert "Smalt" in (out / "report.html").read_text()
    assert not (out / "edits.toml").exists()
    (out / "manifest.json").unlink()
    assert "this report only" in report(out, "--name", "1=Azurite").stdout
    assert "Azurite" in (out / "report.html").read_text()
    assert not (out / "edits.toml").exists()


def test_a_folder_that_cannot_be_written_to_still_gives_a_report_elsewhere(out, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, m: (p != out or not m & os.W_OK) and real(p, m))
    done = report(out, "--name", "1=Smalt", "--out", out.parent / "r.html")
    assert "in this report only" in done.stdout
    assert "Smalt" in (out.parent / "r.html").read_text()


def test_a_long_name_is_shortened_in_a_figure_and_is_no_mathematics(home):
    figure = plots.clusters(read_result(home / "out"), {1: r"$\frac{ " + "x" * 300})
    (legend,) = figure.legends
    text = legend.get_texts()[0].get_text()
    assert r"\$" in text
    assert len(text) < 100
    figure.canvas.draw()
