"""Pages of the API and of the command line, made from the program itself.

The public names are those of ``spectessera.__all__`` and of the modules among them; a name that is
in no topic below stops the build, so that none can be forgotten.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import spectessera
from spectessera.cli.app import COMMANDS, load_command

FOLDER = Path(__file__).resolve().parents[1] / "_generated"
# Methods that scikit-learn adds to every estimator; its own pages describe them.
ROUTING = ("set_fit_request", "set_predict_request", "set_score_request", "set_transform_request",
           "get_metadata_routing")  # fmt: skip
TOPICS = {
    "cubes": (
        "Cubes",
        "Read a file, or make a cube from an array; join scans and take them apart.",
        ("read", "make_cube", "read_library", "join_scans", "split_scans"),
    ),
    "segmentation": (
        "Segmentation",
        "Train a model or load one, and segment a cube.",
        ("segment", "SpectralSegmenter", "load", "Preprocess", "Network", "Training", "Schedule",
         "Clusters"),
    ),
    "results": (
        "Results",
        "Look at a result, report it, save it, compare it.",
        ("show", "view", "report", "write", "read_result", "compare", "stability", "degrade"),
    ),
}  # fmt: skip


def _data(module: ModuleType, name: str, value: object) -> str:
    """Return the entry of a constant: what it is, and the names in it."""
    words = f"A {type(value).__name__}."
    names = list(value) if isinstance(value, Mapping | tuple | list | frozenset | set) else []
    if names and all(isinstance(each, str) for each in names):
        words = f"A {type(value).__name__} of {', '.join(f'``{each}``' for each in names)}."
    elif isinstance(value, int | float | str):
        words = f"``{value!r}``"
    return f".. py:data:: {module.__name__}.{name}\n\n   {words}"


def _entry(module: ModuleType, name: str) -> str:
    found = getattr(module, name)
    if module is not spectessera and getattr(spectessera, name, None) is found:
        return f"``{name}`` is :py:obj:`spectessera.{name}`."
    return _anchors(module, name) + _directive(module, name, found)


def _anchors(module: ModuleType, name: str) -> str:
    """Return anchors for the longer names of a top-level one, by which sources link to it."""
    rooms = [getattr(spectessera, each) for each in spectessera.__all__]
    longer = [
        f'<span id="{each.__name__}.{name}"></span>'
        for each in rooms
        if module is spectessera and isinstance(each, ModuleType) and name in each.__all__
    ]
    return f".. raw:: html\n\n   {''.join(longer)}\n\n" if longer else ""


def _directive(module: ModuleType, name: str, found: object) -> str:
    if inspect.isclass(found):
        return "\n".join(
            [
                f".. autoclass:: {module.__name__}.{name}",
                "   :members:",
                f"   :exclude-members: {', '.join(ROUTING)}",
            ]
        )
    if callable(found):
        return f".. autofunction:: {module.__name__}.{name}"
    return _data(module, name, found)


def _page(title: str, words: str, entries: list[str], name: str) -> str:
    body = "\n\n".join(entries)
    return f"({name})=\n# {title}\n\n{words}\n\n```{{eval-rst}}\n{body}\n```\n"


def api_pages() -> dict[str, str]:
    """Return the pages of the API by their names."""
    modules, topics = {}, {name for *_, names in TOPICS.values() for name in names}
    for name in spectessera.__all__:
        found = getattr(spectessera, name)
        if isinstance(found, ModuleType):
            modules[name] = found
        elif name not in topics and name != "__version__":
            raise ExtensionError(f"Put {name} under a topic of docs/_ext/reference.py.")
    pages = {
        key: _page(title, words, [_entry(spectessera, name) for name in names], f"api-{key}")
        for key, (title, words, names) in TOPICS.items()
    }
    for name, module in modules.items():
        summary = (inspect.getdoc(module) or "").strip()
        entries = [_entry(module, each) for each in module.__all__]
        pages[name] = _page(f"spectessera.{name}", summary, entries, f"api-{name}")
    return pages


def _row(parameter: Any) -> str:
    flags = ", ".join(f"`{each}`" for each in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        flags = f"`{parameter.metavar or parameter.name.upper()}`"
    words = " ".join((getattr(parameter, "help", None) or "").split())
    default = parameter.default
    shown = default not in (None, False, "", (), []) and not callable(default)
    told = f"`{default}`" if shown and not str(default).startswith("Sentinel") else ""
    return f"| {flags} | {_plain(words)} | {told} |"


def _plain(words: str) -> str:
    """Return words in which no sign means anything to Markdown, as code in them is no code."""
    return re.sub(r"([\\`*_<>\[\]|$#{}])", r"\\\1", words)


def _words(help_: str) -> str:
    """Return the help of a command: paragraphs, and lines that keep their breaks as code."""
    pieces = []
    for piece in inspect.cleandoc(help_).replace("\f", "").split("\n\n"):
        kept = piece.lstrip("\n").startswith("\b")
        text = piece.replace("\b\n", "").replace("\b", "").strip("\n")
        pieces.append(f"```text\n{text}\n```" if kept else _plain(text))
    return "\n\n".join(pieces)


def _command(name: str, command: Any, level: int = 2) -> list[str]:
    lines = [f"{'#' * level} {name}", "", _words(command.help or ""), ""]
    if hasattr(command, "commands"):
        for each, below in command.commands.items():
            lines += _command(f"{name} {each}", below, level + 1)
        return lines
    rows = [_row(each) for each in command.params if not getattr(each, "hidden", False)]
    return [*lines, "| argument | meaning | default |", "|---|---|---|", *rows, ""]


def command_page() -> str:
    """Return the page of all commands with their flags, from the program's own help."""
    lines = [
        "# Command line",
        "",
        "Every command with all of its flags, as `spectessera COMMAND --help-all` shows them.",
        "",
    ]
    for name in COMMANDS:
        lines += _command(name, load_command(name))
    return "\n".join(lines) + "\n"


def write_pages(_: Sphinx) -> None:
    """Write the pages to ``docs/_generated``; a page that has not changed keeps its time."""
    pages = {Path("api") / f"{name}.md": text for name, text in api_pages().items()}
    pages[Path("commands.md")] = command_page()
    folder = FOLDER / "api"
    for old in folder.glob("*.md"):
        if Path("api") / old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before the build reads any."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
