"""The site: what its checker finds in pages that are known to be wrong, and what its pages list."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import check_site
import spectessera as spt

DOCS = Path(__file__).parents[1] / "docs"
GOOD = '<h1 id="top">A</h1><a href="#top">up</a><a href="b.html#here">b</a><img src="a.png">'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "a.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<p id="here"></p><a href="https://example.org/x">x</a>')
    (tmp_path / "a.png").write_bytes(b"picture")
    return tmp_path


def test_a_sound_site_has_no_problems(site):
    assert list(check_site.problems(site)) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('<a href="c.html">c</a>', "a link to c.html, which is not there"),
        ('<a href="b.html#gone">b</a>', "there is no #gone"),
        ('<script src="https://example.org/m.js"></script>', "from a network"),
        ('<link rel="stylesheet" href="//example.org/m.css">', "from a network"),
        ('<img src="gone.png">', "loads gone.png, which is not there"),
    ],
)
def test_what_is_wrong_with_a_page_is_told(site, wrong, words):
    (site / "a.html").write_text(GOOD + wrong)
    found = list(check_site.problems(site))
    assert len(found) == 1
    assert words in found[0]


def test_a_font_from_a_network_is_found(site):
    (site / "a.css").write_text("@font-face { src: url(https://example.org/f.woff2) }")
    assert "from a network" in next(check_site.problems(site))


def test_an_empty_folder_is_no_site(tmp_path):
    assert "no page" in next(check_site.problems(tmp_path))


def test_a_public_name_without_an_entry_is_told(tmp_path):
    folder = tmp_path / "_generated" / "api"
    folder.mkdir(parents=True)
    names = sorted(check_site.public_names())
    entries = "".join(f'<dt id="{name}"></dt>' for name in names if name != "spectessera.read")
    (folder / "all.html").write_text(entries)
    assert list(check_site.undocumented(tmp_path)) == ["spectessera.read has no entry"]


@pytest.mark.skipif(not DOCS.is_dir(), reason="without the folder docs")
def test_the_reference_lists_every_public_room_and_name():
    listed = set(re.findall(r"_generated/api/(\w+)", (DOCS / "api" / "index.md").read_text()))
    rooms = {name for name in spt.__all__ if isinstance(getattr(spt, name), ModuleType)}
    assert listed == rooms | {"cubes", "segmentation", "results"}
    source = (DOCS / "_ext" / "reference.py").read_text()
    missing = [name for name in spt.__all__ if name not in rooms and f'"{name}"' not in source]
    assert missing == []


@pytest.mark.skipif(not DOCS.is_dir(), reason="without the folder docs")
def test_links_of_the_readme_lead_to_files():
    readme = DOCS.parent / "README.md"
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", readme.read_text("utf-8"))
    assert len(targets) > 20
    assert [each for each in targets if not (readme.parent / each).exists()] == []


def searchable(site, docnames='"a","b"', loads="searchindex.js"):
    (site / "search.html").write_text(f'<script src="{loads}"></script>')
    (site / "searchindex.js").write_text(f'Search.setIndex({{"docnames":[{docnames}],"x":1}})')
    return list(check_site.unsearchable(site))


def test_the_search_finds_every_page_from_a_disk(site):
    assert list(check_site.unsearchable(site)) == ["there is no search.html with a searchindex.js"]
    assert searchable(site) == []
    assert searchable(site, docnames='"a"') == ["b is not found by the search"]
    (words,) = searchable(site, loads="other.js")  # a page of the site that is called search
    assert "does not load searchindex.js" in words


def test_no_page_has_the_name_of_one_that_sphinx_makes():
    assert not [each for each in check_site.OF_SPHINX if (DOCS / f"{each}.md").exists()]
