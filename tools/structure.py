"""Count imports between rooms, import cycles and long files of a source tree.

    python tools/structure.py src/spectessera [OTHER/src/spectessera]

A room is a module or a folder directly below the package. Prints a table with a column per tree.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

LONG_FILE, LONG_FUNCTION = 400, 40
SKIPPED = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def modules(root: Path) -> dict[str, Path]:
    """Return the modules of a package by dotted name, without ``__init__`` and ``__main__``."""
    paths = [
        path for path in sorted(root.rglob("*.py")) if path.stem not in ("__init__", "__main__")
    ]
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in paths}


def imports(name: str, known: dict[str, Path], package: str) -> set[str]:
    """Return the modules that a module imports anywhere; an import of a room counts as the room."""
    folder = name.split(".")[:-1]
    rooms = {each.partition(".")[0] for each in known}
    found = set()
    for node in ast.walk(ast.parse(known[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = [package, *folder[: len(folder) - node.level + 1]] if node.level else []
            base = [*above, *(node.module.split(".") if node.module else [])]
            targets = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            inner = target[1:] if target[0] == package else []
            while inner and ".".join(inner) not in known:
                if len(inner) == 1 and inner[0] in rooms:
                    break
                inner = inner[:-1]
            found |= {".".join(inner)} - {"", name}
    return found


def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that are neither blank nor only a comment."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type not in SKIPPED:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def length(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: set[int]) -> int:
    """Return the number of code lines of a function, with its signature, without its docstring."""
    own = lines & set(range(function.lineno, (function.end_lineno or 0) + 1))
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        own -= set(range(text.lineno, (text.end_lineno or 0) + 1))
    return len(own)


def long_functions(path: Path) -> int:
    """Return the number of functions with more code lines than allowed."""
    lines, tree = code_lines(path), ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return sum(length(function, lines) > LONG_FUNCTION for function in functions)


def cycles(edges: dict[str, set[str]]) -> int:
    """Return how many cycles are found when one edge of each found cycle is removed."""
    edges, found = {name: set(others) for name, others in edges.items()}, 0
    while True:
        try:
            TopologicalSorter(edges).prepare()
            return found
        except CycleError as error:
            cycle = error.args[1]
            edges[cycle[1]].discard(cycle[0])
            found += 1


def measure(root: Path) -> dict[str, int]:
    """Return the numbers of one tree."""
    known = modules(root)
    between = {
        (name.partition(".")[0], other.partition(".")[0])
        for name in known
        for other in imports(name, known, root.name)
    }
    between = {(room, other) for room, other in between if room != other}
    rooms = {name.partition(".")[0] for name in known}
    sizes = [len(path.read_text(encoding="utf-8").splitlines()) for path in known.values()]
    return {
        "modules": len(known),
        "modules at the root": sum("." not in name for name in known),
        "rooms": len(rooms),
        "imports between rooms": len(between),
        "import cycles between rooms": cycles(
            {room: {other for one, other in between if one == room} for room in rooms}
        ),
        "import cycles between modules": cycles(
            {name: imports(name, known, root.name) & set(known) for name in known}
        ),
        f"files over {LONG_FILE} lines": sum(size > LONG_FILE for size in sizes),
        f"functions over {LONG_FUNCTION} code lines": sum(map(long_functions, known.values())),
        "lines": sum(sizes),
    }


def main() -> None:
    """Print the table."""
    trees = [Path(each) for each in sys.argv[1:]]
    if not trees or not all(tree.is_dir() for tree in trees):
        sys.exit("usage: python tools/structure.py PACKAGE_FOLDER [PACKAGE_FOLDER ...]")
    columns = [measure(tree.resolve()) for tree in trees]
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(str(column[name]) for column in columns) + " |")


if __name__ == "__main__":
    main()
