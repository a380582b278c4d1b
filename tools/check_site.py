"""Check a built site: ``python -m tools.check_site build/site``.

Every link between its pages leads somewhere, with its anchor; nothing is loaded from a network;
every public name of the package has its place in the reference; and the search finds every page
without a server. What is wrong is printed, a line each, and the exit status is 1.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, and from which attribute of a tag.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
OF_SPHINX = ("search", "genindex", "py-modindex")  # pages that it makes by itself
FETCHED = re.compile(r"""(?:url\(\s*|@import\s+)['"]?((?:https?:)?//[^'")\s]+)""")


class Page(HTMLParser):
    """The anchors of a page, its links, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what matters of a tag."""
        told = {name: value or "" for name, value in attrs}
        self.anchors.update(told[each] for each in ("id", "name") if each in told)
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if tag == "link" and told.get("rel") not in (
            "index",
            "search",
            "next",
            "prev",
            "canonical",
        ):
            self.loaded.append(told.get("href", ""))
        if tag in LOADED and LOADED[tag] in told:
            self.loaded.append(told[LOADED[tag]])


def problems(site: Path) -> Iterator[str]:
    """Yield what is wrong with the pages of a site, in words."""
    # The theme leaves a template of its own among its files.
    files = [each for each in sorted(site.rglob("*.html")) if "_static" not in each.parts]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in files}
    if not pages:
        yield f"{site}: no page; expected a folder that sphinx has built"
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in page.loaded:
            if urlsplit(link).netloc:
                yield f"{name}: loads {link} from a network"
            elif not link.startswith("data:") and not _target(path, link).is_file():
                yield f"{name}: loads {link}, which is not there"
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = _target(path, link)
            if not target.exists():
                yield f"{name}: a link to {link}, which is not there"
            elif parts.fragment and target in pages:
                anchor = unquote(parts.fragment)
                if anchor not in pages[target].anchors:
                    yield f"{name}: a link to {link}, but there is no #{anchor}"
    for path in sorted(site.rglob("*.css")):
        for found in FETCHED.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: loads {found} from a network"


def _target(page: Path, link: str) -> Path:
    path = unquote(urlsplit(link).path)
    return (page.parent / path).resolve() if path else page


def public_names() -> set[str]:
    """Return the names that users import, with those of the public modules."""
    import spectessera

    names = set()
    for name in spectessera.__all__:
        found = getattr(spectessera, name)
        if isinstance(found, ModuleType):
            for each in found.__all__:
                same = getattr(spectessera, each, None) is getattr(found, each)
                names.add(f"spectessera.{each}" if same else f"{found.__name__}.{each}")
        elif name != "__version__":
            names.add(f"spectessera.{name}")
    return names


def undocumented(site: Path) -> Iterator[str]:
    """Yield each public name that has no entry in the reference of a site."""
    text = "".join(
        each.read_text(encoding="utf-8") for each in sorted(site.glob("_generated/api/*.html"))
    )
    anchors = Page(text).anchors
    yield from (f"{name} has no entry" for name in sorted(public_names() - anchors))


def unsearchable(site: Path) -> Iterator[str]:
    """Yield what is wrong with the search, which has to work without a server.

    Its page loads the index as a script, since a browser fetches nothing for a page from a disk;
    and the index lists every page that is not made by Sphinx itself.
    """
    page, index = site / "search.html", site / "searchindex.js"
    if not page.is_file() or not index.is_file():
        yield "there is no search.html with a searchindex.js"
        return
    if "searchindex.js" not in {Path(each).name for each in Page(page.read_text("utf-8")).loaded}:
        yield "search.html does not load searchindex.js, or a page of the site has its name"
    found = re.search(r'"docnames":\[(.*?)\]', index.read_text(encoding="utf-8"))
    listed = set(found[1].replace('"', "").split(",")) if found else set()
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).with_suffix("").as_posix()
        own = name in OF_SPHINX or path.relative_to(site).parts[0] in ("_static", "_modules")
        if not own and name not in listed:
            yield f"{name} is not found by the search"


def main() -> int:
    """Check the site that the command line names."""
    site = Path(sys.argv[1]).resolve()
    found = [*problems(site), *undocumented(site), *unsearchable(site)]
    print("\n".join(found) if found else "links, names and loaded files of the site: all there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
