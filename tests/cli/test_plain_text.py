"""What files say is text: no markup, no order to the terminal, in no command."""

import logging
import os
import re
import unicodedata

import numpy as np
import pytest

from commands import run, two_stripes
from spectessera import read_result, report, write
from spectessera.cli import console

FAST = ("--epochs", "2", "--k-max", "3", "--encoder", "8", "--restarts", "2", "-q")
BAD = "[/x] :warning: \x1b[31m\x9b7m\x07 \u202egnp\u202c $x"
NAME = BAD.replace("/", "")
UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Skip the figures, which take most of the time."""
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)


def plain(done):
    """Assert that all that a command has written is seen, and return it."""
    text = done.stdout + done.stderr
    assert not [one for one in text if one != "\n" and unicodedata.category(one) in UNSEEN]
    return text


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Return a cube with bad names and units, in a folder and a file with bad names."""
    folder = tmp_path_factory.mktemp("text") / f"a {NAME} \nb"
    folder.mkdir()
    cube = two_stripes()
    cube.attrs |= {"unit": BAD, "object": BAD, "instrument": BAD * 1000}
    write(cube, folder / f"scan {NAME}.h5")
    return folder / f"scan {NAME}.h5"


def test_info_shows_all_of_a_unit_and_a_name(scan):
    text = plain(run("info", scan, check=0))
    assert r"[/x] :warning: \x1b[31m\x9b7m\x07 \u202egnp\u202c $x" in text
    plain(run("info", scan, "--json", check=0))


def test_every_command_shows_names_and_units_as_text(scan, tmp_path, capfd):
    model, out = scan.parent / f"m{NAME}.safetensors", scan.parent / f"out{NAME}"
    plain(run("train", scan, "--out", model, *FAST, check=0))
    shown = plain(run("segment", scan, "--model", model, "--out", out, "--report", check=0))
    assert r"out[x] :warning: \x1b" in shown
    for command in (
        ("check", out),
        ("check", out, "--json"),
        ("report", out, "--overwrite"),
        ("report", out, "--out", scan.parent / f"r{NAME}.html", "--name", f"1={BAD}"),
        ("compare", out / "result.nc", out / "result.nc"),
        ("convert", scan, scan.parent / f"c{NAME}.fits"),
        ("encode", scan, "--model", model, "--out", scan.parent / f"l{NAME}.nc"),
    ):
        plain(run(*command, check=0))
    assert not [one for one in "".join(capfd.readouterr()) if one in "\x1b\x07\x9b\u202e"]


def test_every_error_shows_what_was_typed_as_text(scan):
    missing = scan.with_name(f"no{NAME}.h5")
    for command in (
        ("info", missing),
        ("info", scan, "--energy", BAD),
        ("info", scan, "--key", BAD),
        ("info", f"--{BAD}"),
        (f"info{BAD}",),
        ("info", scan, BAD),
        ("segment", scan, "--model", missing, "--out", scan.parent / "no"),
        ("segment", scan, "--fit", "--clusters", BAD, "--out", scan.parent / "no"),
        ("segment", scan, "--fit", "--out", scan),
        ("train", missing, "--out", scan.parent / "x.safetensors"),
        ("check", missing),
        ("report", missing, "--name", f"{BAD}=1"),
        ("compare", missing, missing),
        ("convert", missing, scan.parent / "x.h5"),
    ):
        plain(run(*command, check=2))


def test_a_report_and_figures_show_a_unit_as_text(scan, tmp_path):
    out = tmp_path / "out"
    run("segment", scan, "--fit", "--report", "--out", out, *FAST, check=0)
    result = read_result(out)
    before = dict(result.attrs)
    place = report(result, tmp_path / "r.html", names={1: BAD * 50})
    assert result.attrs == before
    page = place.read_text(encoding="utf-8")
    body = page[: page.index('<script type="application/json"')]
    assert "\x1b" not in page.partition("<script>")[0]
    assert "\u202e" not in page.partition("<script>")[0]
    assert r"\u202egnp" in body
    assert "characters...]" in body  # of the instrument, and of the name


def test_logs_and_warnings_of_libraries_are_one_line_of_text():
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s\nb", (BAD,), None)
    line = console.PlainFormatter("%(levelname)s: %(message)s").format(record)
    assert line.isprintable()
    assert line.startswith("WARNING: [/x]")
    for kind, name in ((UserWarning, "warning"), (RuntimeWarning, "RuntimeWarning")):
        text = console.format_warning(kind(BAD), kind, "file.py", 3)
        assert text.startswith(f"{name}: [/x]")
        assert text[:-1].isprintable()


def test_a_surrogate_in_a_name_is_shown(tmp_path):
    name = os.fsdecode(b"caf\xe9.npy")
    np.save(tmp_path / name, np.zeros((2, 2, 3)))
    assert r"caf\udce9.npy" in plain(run("info", tmp_path / name, check=0))


def test_a_long_text_is_cut_once_and_says_by_how_much(tmp_path):
    np.save(tmp_path / "scan.npy", np.zeros((2, 2, 3)))
    told = run("info", tmp_path / "scan.npy", "--unit", "y" * 5000, check=2).stderr
    (cut,) = re.findall(r"\[\.\.\.(\d+) characters\.\.\.\]", told)
    assert int(cut) > 3000
