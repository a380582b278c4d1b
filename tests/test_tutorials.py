"""The tutorials are text notebooks that the build of the site executes: none is lost or stale."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
GALLERY = ROOT / "docs" / "gallery"
PAGES = sorted(path for path in TUTORIALS.glob("*.md") if path.name != "index.md")
SCRIPTS = sorted(GALLERY.glob("*.py"))
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n((?::[^\n]*\n)*)(.*?)^```$", re.DOTALL | re.MULTILINE
)
HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n"

pytestmark = pytest.mark.skipif(not TUTORIALS.is_dir(), reason="without the folder docs")


def cells(page: Path) -> list[str]:
    """Return the code of every cell, without the magic lines of IPython."""
    found = [code for _, code in CELL.findall(page.read_text(encoding="utf-8"))]
    return ["".join(f"{x}\n" for x in code.splitlines() if x[:1] != "%") for code in found]


def test_every_tutorial_is_listed_once_and_every_listed_one_is_there():
    text = (TUTORIALS / "index.md").read_text(encoding="utf-8")
    listed = re.search(r"```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)```", text, re.DOTALL)[1].split()
    assert sorted(listed) == [page.stem for page in PAGES]
    assert all(f"]({page.name})" in text for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_is_a_text_notebook_without_outputs(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert "kernelspec:\n" in text.split("\n---\n")[0]
    assert len(cells(page)) == text.count("```{code-cell}")
    assert "data:image" not in text
    assert "```{output" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_cells_of_a_tutorial_are_short_and_are_python(page):
    for code in cells(page):
        ast.parse(code)
        assert len(code.splitlines()) <= 50
        assert max(map(len, code.splitlines()), default=0) <= 100


@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS], ids=lambda path: path.stem)
def test_no_path_of_a_machine_and_no_address_of_data(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|tmp|work|Users|root|mnt|data)/|[A-Z]:\\", text)
    assert not re.search(r"urlretrieve|requests\.get|pooch", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_tutorial_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).resolve().exists(), target


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_of_the_gallery_begins_with_a_title(script):
    tree = ast.parse(script.read_text(encoding="utf-8"))
    lines = (ast.get_docstring(tree) or "").splitlines()
    assert script.stem.startswith("plot_")
    assert len(lines) > 2
    assert lines[1] == "=" * len(lines[0])
