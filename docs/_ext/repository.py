"""Pages of the repository that lie outside ``docs/``, and links to files that are no pages.

Documents of the repository link to one another by relative paths, which every code host follows.
Here the documents outside ``docs/`` are copied to ``docs/_generated/repository`` before the build,
and each relative link is turned to where its target is on the site. A link to a file that is not a
page (a script, a folder) becomes its text, or a download if it is example data; a link to nothing
is an error.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
COPIES = DOCS / "_generated" / "repository"
DATA = ROOT / "examples" / "data"
# Parts from which the scripts of benchmarks/ put a page together are no pages.
PARTS = re.compile(r"(_(head|tail|cost)|^quality_\w+)\.md$")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
CODE = re.compile(r"(^```.*?^```|^~~~.*?^~~~|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def outside_pages() -> list[Path]:
    """Return the documents of the repository outside ``docs/`` that are pages of the site."""
    top = [each for each in ROOT.glob("*.md") if each.name not in ("README.md", "paper.md")]
    benchmarks = [each for each in ROOT.glob("benchmarks/*.md") if not PARTS.search(each.name)]
    return sorted([*top, *benchmarks])


def copy_pages(_: Sphinx) -> None:
    """Copy the outside pages; what an earlier build copied goes."""
    shutil.rmtree(COPIES, ignore_errors=True)
    for page in outside_pages():
        copy = COPIES / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = page.read_text(encoding="utf-8")
        if not re.search("^# ", text, re.MULTILINE):  # a table that a script wrote, with no title
            text = re.sub("^## ", "# ", text, count=1, flags=re.MULTILINE)
        copy.write_text(text, encoding="utf-8")


def original(docname: str) -> Path:
    """Return the file in the repository that a page of the site was made of."""
    path = DOCS / f"{docname}.md"
    return ROOT / path.relative_to(COPIES) if path.is_relative_to(COPIES) else path


def on_site(target: Path) -> Path | None:
    """Return where a file of the repository lies below ``docs/``, None if it is no page."""
    if target == ROOT / "README.md":
        return DOCS / "index.md"
    if target.is_relative_to(DOCS) and target.is_file():
        return target
    return COPIES / target.relative_to(ROOT) if target in outside_pages() else None


def turned(text: str, docname: str) -> str:
    """Return a document with its relative links turned to the pages of the site."""
    here = original(docname)
    place = (DOCS / f"{docname}.md").parent

    def replaced(match: re.Match[str]) -> str:
        picture, words, link = match.groups()
        path, hash_, anchor = link.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match.group()
        target = Path(os.path.normpath(here.parent / path))
        if not target.exists():
            raise ExtensionError(f"{here.relative_to(ROOT)}: the link to {link} leads to nothing.")
        found = on_site(target)
        if found is None and target.parent == DATA:
            return f"{{download}}`{words} <{Path(os.path.relpath(target, place)).as_posix()}>`"
        if found is None:
            return words
        turned_path = Path(os.path.relpath(found, place)).as_posix()
        return f"{picture}[{words}]({turned_path}{hash_}{anchor})"

    pieces = CODE.split(text)
    pieces[::2] = [LINK.sub(replaced, each) for each in pieces[::2]]
    return "".join(pieces)


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    path = app.env.doc2path(docname)
    if path.suffix == ".md" and original(docname).is_file():
        source[0] = turned(source[0], docname)


def setup(app: Sphinx) -> dict[str, Any]:
    """Copy the pages before the build; turn links as each page is read."""
    app.connect("builder-inited", copy_pages)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
