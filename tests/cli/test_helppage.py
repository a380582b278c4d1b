"""The pages of help: few flags, choices, no markup, examples that run; usage errors in one line."""

import re
import shlex

import numpy as np
import pytest

from commands import one_line, run, two_stripes
from spectessera import write
from spectessera.cli.app import COMMANDS, load_command
from spectessera.cli.completion import choices
from spectessera.cli.examples import EXAMPLES
from spectessera.cli.flags import SHIPPED
from spectessera.cli.helppage import plain
from spectessera.network.modelfile import MODELS

FAST = ("--epochs", "2", "--k-max", "3", "--encoder", "8", "--restarts", "2")
SYNTH = [f"synth {name}" for name in ("cube", "nebula", "spectra", "page", "palettes")]
PAGES = [*(name for name in COMMANDS if name != "synth"), *SYNTH]
MARKUP = re.compile(r"``|:\w+:`|\*\w|\w\*|\[/?\w+\](?=\S)|\bWORD\b|\bTEXT\b|<\w+>")
# These take long, and tests of their own run them; here their flags are checked alone.
LONG = (
    "rerun", "reproduce", "search", "maps", "train scan.h5 --start", "synth cube",
    "segment scan.h5 --model", "segment scan.h5 --fit --clusters", "view",
)  # fmt: skip


def page(name, flag="--help", columns=80):
    return run(*name.split(), flag, env={"COLUMNS": str(columns)}, check=0).stdout


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_few_flags_and_all_of_them_with_help_all(name):
    short, long = page(name), page(name, "--help-all")
    flags = set(re.findall(r"--[a-z][a-z0-9-]+", long.partition("Examples")[0]))
    assert flags == set(re.findall(r"--[a-z][a-z0-9-]+", short.partition("Examples")[0])) | flags
    listed = short.partition("More flags")[0].partition("\nFlags\n")[2]
    explained = [line for line in listed.splitlines() if re.match(r"  -", line)]
    assert 2 <= len(explained) <= 17, explained
    assert "--help-all" in short


@pytest.mark.parametrize("name", ["", "synth", *PAGES])
def test_no_page_has_markup_or_a_line_that_is_too_long(name):
    for flag in ("--help", "--help-all") if name in PAGES else ("--help",):
        text = page(name, flag)
        assert not MARKUP.findall(text.partition("\nExamples")[0]), name
        for line in text.partition("\nExamples")[0].splitlines():
            assert len(line) <= 80, line


def test_every_flag_says_which_words_it_takes():
    """What the settings check is what the page shows, and what the shell completes."""
    text = page("segment", "--help-all", columns=100)
    assert "--model [auto|maxrf|nebulae|nebulae-wide|FILE]" in text
    assert "--neighbours [auto|0|WEIGHT]" in text
    assert "--criterion [evidence|stability|silhouette]" in text
    assert "--despike [yes|no]" in text
    assert tuple(SHIPPED.split("|")) == MODELS


def test_the_page_of_segment_is_short():
    text = page("segment").partition("More flags")[0]
    assert len(text.splitlines()) < 60
    assert "--epochs" not in text
    assert "--epochs" in page("segment")  # named


def test_help_of_segment_loads_no_torch(fresh_modules):
    names = fresh_modules("segment", "--help-all")
    assert not {"torch", "sklearn", "xarray", "scipy", "matplotlib"} & names


def test_text_of_docstrings_becomes_plain():
    text = plain(
        "``None``: of ``k_min``, see :func:`a.b`. See :mod:`c`. :class:`~d.Ef`.", ["k_min"]
    )
    assert text == "None: of --k-min. Ef."


@pytest.fixture
def scans(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(two_stripes(), "scan.h5")
    np.save("scan.npy", np.random.default_rng(0).poisson(3, (8, 5, 6)))
    (tmp_path / "space.toml").write_text(
        "[training]\nepochs = [1, 2]\n[network]\nencoder = [[8]]\n[clusters]\nk_max = 2\n"
    )


@pytest.mark.usefixtures("scans")
def test_every_example_of_the_pages_runs(monkeypatch):
    """Trainings are made short, and the model is one of the cube itself."""
    monkeypatch.setattr("spectessera.resultfolder.contents._draw", lambda *_: None)
    done = set()
    for name in (*COMMANDS, *SYNTH):
        for line, words in EXAMPLES.get(name, ()):
            assert words
            program, *arguments = shlex.split(line)
            assert program == "spectessera"
            if line in done or " ".join(arguments).startswith(LONG):
                load_command(arguments[0]).make_context(arguments[0], arguments[1:])
                continue
            trains = arguments[0] in ("train", "segment") and "--model" not in arguments
            fit = ["--fit"] * (arguments[0] == "segment" and trains and "--fit" not in arguments)
            run(*arguments, *fit, *(FAST if trains else ()), check=0)
            done.add(line)
    assert set(EXAMPLES) >= {name for name in COMMANDS if name != "synth"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("segment", "--modle", "x"), "there is no flag --modle; did you mean --model?"),
        (("maps", "a.h5", "--fit"), "there is no flag --fit here; it is one of segment ("),
        (("info", "a.h5", "--redshift", "1"), "one of train, segment, maps and report ("),
        (("segment", "-out", "q", "a.h5"), "there is no flag -out; did you mean --out?"),
        (("segment", "a.h5"), "--out FOLDER is missing: the folder to write the results to"),
        (("info",), "FILE is missing: the file or Zarr folder of a cube"),
        (("info", "a", "b"), "got unexpected extra argument"),
        (("info", "a", "--energy", "0,", "20"), "leave out the space: --energy 0,20"),
        (("infoo",), "did you mean 'info'"),
        (("synth", "cbe"), "did you mean 'cube'"),
        (("compare", "a", "--seed", "x", "b"), "--seed takes an integer; got 'x'"),
        (("segment", "a", "--out", "q", "--continuum", "no"), "--continuum takes median or none"),
        (("segment", "a", "--out", "q", "--clusters", "no"), "--clusters takes cube, trained or"),
        (("segment", "a", "--out", "q", "--clusters", "3-5"), "a range is --fit --k-min 3 --k-max"),
        (("segment", "a", "--out", "q", "--clusters", "1"), "number of clusters from 2 on"),
        (("segment", "a", "--out", "q", "--neighbours", "7"), "a number from 0 (none) to 1"),
        (
            ("segment", "a", "--out", "q", "--fit", "--k-min", "5", "--k-max", "3"),
            "--k-max must be at least --k-min; got 5 to 3",
        ),
        (("segment", "a", "--out", "q", "--fit", "--epochs", "0"), "--epochs must be at least 1"),
        (("segment", "a", "--out", "q", "--model"), "--model needs a value"),
        (("search", "a", "--space", "s", "--out", "q", "--sampler", "no"), "takes grid or tpe"),
    ],
)
def test_what_was_typed_wrongly_is_one_line_that_says_what_to_type(words, said):
    line = one_line(run(*words))
    assert said.lower() in line.lower()


def test_a_place_where_nothing_can_be_is_named_without_a_lock_file(tmp_path):
    write(two_stripes(), tmp_path / "scan.h5")
    line = one_line(run("segment", tmp_path / "scan.h5", "--fit", "--out", "/proc/x", *FAST))
    assert "nothing can be written into /proc" in line
    assert "lock" not in line


# --- completion ----------------------------------------------------------------------------------


def completed(words, monkeypatch, capsys, place=None):
    """Return what a shell offers after these words."""
    from spectessera.cli.app import app

    monkeypatch.setenv("_SPECTESSERA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(["spectessera", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words) if place is None else place))
    with pytest.raises(SystemExit):
        app(prog_name="spectessera")
    return capsys.readouterr().out.split()


def test_the_shell_completes_commands_flags_choices_and_models(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.safetensors").write_text("")
    assert completed(["seg"], monkeypatch, capsys) == ["segment"]
    assert completed(["segment", "--neigh"], monkeypatch, capsys) == ["--neighbours"]
    assert completed(["segment", "--metric", "white"], monkeypatch, capsys) == [
        "whitened", "whitened-sphere",
    ]  # fmt: skip
    assert completed(["segment", "--model", "m"], monkeypatch, capsys) == [
        "maxrf", "mine.safetensors",
    ]  # fmt: skip
    assert completed(["info", "sc"], monkeypatch, capsys) == []  # the shell completes files


def test_choices_are_the_words_in_small_letters():
    assert choices("[auto|0|WEIGHT]") == ["auto", "0"]
    assert choices("FIRST,LAST") == []
    assert choices("NAME|FILE") == []


def test_completing_loads_no_torch(fresh_modules):
    names = fresh_modules(
        env={
            "_SPECTESSERA_COMPLETE": "complete_bash",
            "COMP_WORDS": "spectessera segment --model m",
            "COMP_CWORD": "3",
        }
    )
    assert not {"torch", "xarray"} & names
