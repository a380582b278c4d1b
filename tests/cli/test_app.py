"""The table of commands: what the first help page says without importing any command."""

import inspect
import subprocess
import sys

import pytest
import typer

from commands import run
from spectessera.cli import app as cli_app
from spectessera.cli.app import COMMANDS, load_command


def first_line(text):
    return inspect.cleandoc(text).splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_line_of_a_command_is_the_first_line_of_its_docstring(name):
    command = load_command(name)
    assert command.name == name
    assert COMMANDS[name].help == first_line(command.help)


def test_commands_are_listed_in_the_order_of_work():
    text = run("--help", env={"COLUMNS": "120"}, check=0).stdout
    places = [text.index(f" {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert list(COMMANDS) == [
        "info", "convert", "train", "segment", "encode", "decode", "maps", "report", "edit",
        "export", "view", "compare", "rerun", "check", "synth", "reproduce", "search",
    ]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_of_help_under_its_name(name):
    text = run(name, "-h", env={"COLUMNS": "120"}, check=0).stdout
    assert f" {name} " in text.splitlines()[0]
    assert COMMANDS[name].help in " ".join(text.split())
    assert ":mod:" not in text
    assert ":class:" not in text


def test_an_unknown_command_is_answered_with_a_similar_one():
    done = run("segmnt")
    assert done.exit_code == 2
    assert "'segment'" in done.stderr


def test_ctrl_c_while_a_command_is_imported_is_one_line_and_status_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_app, "import_module", interrupted)
    with pytest.raises(typer.Exit) as ended:
        load_command("info")
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "stopped by Ctrl-C\n"


@pytest.mark.parametrize(
    "program", [["-m", "spectessera.cli"], ["-c", "from spectessera.cli import main; main()"]]
)
def test_both_entry_points_run_a_command(program, tmp_path):
    done = subprocess.run(
        [sys.executable, *program, "info", str(tmp_path / "none.h5")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"error: there is no file {tmp_path / 'none.h5'}\n"
    assert done.stdout == ""
