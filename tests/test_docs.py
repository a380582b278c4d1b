"""What the pages say is what the program does: lines to install, words, commands."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from spectessera.preprocess.steps import QUALITY
from spectessera.result import VARIABLES
from spectessera.segmenter.defaults import CONFIGS, DEFAULTS

object_of = pytest.importorskip("crosslinks", reason="without the folder docs").object_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# The first installation, from a folder of the repository; everywhere else one line is the same.
LINE = r'(?:-c constraints.txt |--no-index .*)?"(spectessera|\.)\[([a-z0-9,]+)\]"'
FIRST = ("README.md", "install.md", "quickstart.md", "tour.md", "release.md", "development.md")


def test_one_line_adds_an_extra_in_every_page_and_message():
    """Double quotes work in every shell, and ``spectessera[...]`` in every folder."""
    lines = 0
    for path in [*PAGES, *SOURCES]:
        for found in re.findall(r"pip install ([^\n]*?\[[a-z0-9,]+\].?)", path.read_text()):
            lines += 1
            what = re.fullmatch(LINE, found)
            assert what, f"{path.name}: {found}"
            assert what[1] == "spectessera" or path.name in FIRST, f"{path.name}: {found}"
            assert set(what[2].split(",")) <= set(EXTRAS), f"{path.name}: {found}"
    assert lines > 15


def test_the_page_of_installation_lists_every_extra():
    text = (ROOT / "docs" / "install.md").read_text()
    listed = set(re.findall(r"`([a-z0-9]+)`", "".join(re.findall(r"^\| (.*?) \|", text, re.M))))
    assert listed == set(EXTRAS)


def test_the_page_of_settings_lists_where_the_defaults_are_not_those_of_an_object():
    text = (ROOT / "docs" / "settings.md").read_text()
    table = text.partition("<!-- defaults: begin -->\n")[2].partition("<!-- defaults: end -->")[0]
    rows = [
        f"| `{name}__{each.name}` | `{json_like(default)}` | `{json_like(own)}` |"
        for name, settings in DEFAULTS.items()
        for each in fields(settings)
        if (default := getattr(settings, each.name))
        != (own := getattr(type(settings)(), each.name))
    ]
    assert table.splitlines()[2:] == rows


def json_like(value):
    return repr(value).replace("'", '"')


ROLES = re.compile(r":(?:func|class|mod|data|meth):`~?(spectessera\.[\w.]+)`")


def test_every_name_of_the_package_in_a_docstring_or_page_exists():
    """The build of the site checks the short ones too."""
    names = {name for path in [*PAGES, *SOURCES] for name in ROLES.findall(path.read_text())}
    assert len(names) > 100
    for name in names:
        object_of(name)


def test_a_name_that_is_not_there_is_found_out():
    assert object_of("spectessera.Training.epochs") is None  # the default of a field
    assert object_of("spectessera.kmeans.silhouette").__name__ == "silhouette"
    for name in ("spectessera.trainings", "spectessera.Training.epoch", "no_such_package.name"):
        with pytest.raises(LookupError):
            object_of(name)


# --- the words ----------------------------------------------------------------------------------

WORDS = (ROOT / "docs" / "words.md").read_text()


def test_every_name_among_the_words_is_one_of_the_program():
    source = "\n".join(path.read_text() for path in SOURCES)
    known = set(re.findall(r"\w+", source))
    names = set()
    for code in re.findall(r"`([^`\n]+)`", WORDS):
        names |= set(re.findall(r"--[a-z-]+|[A-Za-z_]\w*", code))
    assert len(names) > 45
    flags = {name for name in names if name.startswith("--")}
    assert names - flags <= known
    assert {flag[2:].replace("-", "_") for flag in flags} <= known


def test_axes_of_the_words_are_those_of_a_result():
    found = re.findall(r"(?:\*\*|`)(\w+)(?:\*\*|`)?,?(?: \*\*\w+\*\*)? `?\(([\w, ]+)\)`", WORDS)
    axes = {name: tuple(dims.split(", ")) for name, dims in found if name in VARIABLES}
    assert {"confidence", "novelty", "quality", "input_mean", "rare"} <= set(axes)
    for name, dims in axes.items():
        assert dims == VARIABLES[name].dims, name


def test_bits_and_settings_of_the_words_are_those_of_the_program():
    bits = re.search(r"one bit each: (.*?)\.", WORDS, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", bits) == list(QUALITY)
    named = re.search(r"frozen dataclasses (.*?)\.", WORDS, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", named) == [each.__name__ for each in CONFIGS.values()]
