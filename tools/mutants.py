#!/usr/bin/env python
"""Measure how many small errors in the code the tests detect: ``python tools/mutants.py``.

A mutant is the code with one small error: another comparison, operator, constant or sign, a negated
condition, ``min`` for ``max``, ``and`` for ``or``, ``return None``. Annotations, strings and
``zip(strict=True)`` are not mutated. A sample is drawn from all mutants of the modules below. Each
is tested in a temporary copy of the tree, with the tests of its own module only. Mutants in lines
that no test executes count as survivors.

Results are written to a journal (JSON lines); the same command continues an interrupted run.
Results of other sources or tests are not reused. Linux only. mutmut (which selects tests by
coverage and skips module level and decorated functions) and cosmic-ray (which has one test command
for all modules) do not draw samples.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import hashlib
import json
import os
import queue
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

# Sources (patterns) and tests, separated by commas; --module options are used instead if given.
MODULES = {
    "kmeans": ("src/spectessera/kmeans/*.py", "tests/kmeans"),
    "losses": ("src/spectessera/network/losses.py", "tests/network/test_losses.py"),
    "preprocess": ("src/spectessera/preprocess/*.py", "tests/preprocess"),
    "evaluate": ("src/spectessera/evaluate.py", "tests/test_evaluate.py"),
    "confidence": ("src/spectessera/inference/confidence.py", "tests/inference/test_confidence.py"),
}
ROOT = Path(__file__).resolve().parents[1]

SWAPS = {"Lt": ["LtE", "GtE"], "LtE": ["Lt", "Gt"], "Gt": ["GtE", "LtE"], "GtE": ["Gt", "Lt"],
         "FloorDiv": ["Mult"], "Mod": ["Mult"], "Pow": ["Mult"]}  # fmt: skip
for _pair in ("Eq NotEq", "Is IsNot", "In NotIn", "Add Sub", "Mult Div", "BitAnd BitOr", "And Or",
              "min max", "minimum maximum", "argmin argmax", "any all", "floor ceil"):  # fmt: skip
    SWAPS |= {one: [other] for one, other in (_pair.split(), _pair.split()[::-1])}


class Mutant(NamedTuple):
    """Bytes ``start:stop`` of a file become ``text``; ``change`` and ``code`` are printed."""

    module: str
    file: str
    line: int
    start: int
    stop: int
    text: str
    change: str
    code: str


def changes(node: Any) -> Iterator[tuple[Any, str, str]]:
    """Yield the mutations of a node: the replaced node, the new text, a description."""
    match node:
        case ast.Compare() | ast.BinOp() | ast.BoolOp() | ast.AugAssign():
            ops = node.ops if isinstance(node, ast.Compare) else [node.op]
            for at, old in enumerate(type(op).__name__ for op in ops):
                for new in SWAPS.get(old, ()):
                    other: Any = copy.copy(node)
                    other.op = getattr(ast, new)()
                    other.ops = [*ops[:at], other.op, *ops[at + 1 :]]
                    text = "{}" if isinstance(node, ast.AugAssign) else "({})"
                    yield node, text.format(ast.unparse(other)), f"{old} -> {new}"
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert() as op, operand=operand):
            yield node, f"({ast.unparse(operand)})", f"{type(op).__name__} removed"
        case ast.Constant(value=bool() as value):
            yield node, str(not value), f"{value} -> {not value}"
        case ast.Constant(value=int() | float() as value):
            for number in {value + 1, value - 1} - {value}:  # 1e30 + 1 is 1e30
                yield node, f"({number!r})", f"{value!r} -> {number!r}"
        case ast.Call(func=ast.Name(id=old) | ast.Attribute(attr=old)) if old in SWAPS:
            (new,) = SWAPS[old]
            yield node.func, ast.unparse(node.func).removesuffix(old) + new, f"{old} -> {new}"
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield node, "return None", "return None"
            if isinstance(value, ast.BinOp | ast.Call):
                yield value, f"(-({ast.unparse(value)}))", "sign of the result"
    tests = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
    for test in tests + getattr(node, "ifs", []):
        compared = isinstance(test, ast.Compare) and len(test.ops) == 1
        if not compared and not isinstance(getattr(test, "op", None), ast.Not):  # done above
            yield test, f"(not ({ast.unparse(test)}))", "condition negated"


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all nodes inside it that may be mutated."""
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            strict = isinstance(child, ast.keyword) and child.arg == "strict"
            text = isinstance(child, ast.JoinedStr) or field in ("annotation", "returns")
            if isinstance(child, ast.AST) and not strict and not text:
                yield from walk(child)


def mutants_of(module: str, tree: Path, sources: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its files."""
    mutants: dict[tuple, Mutant] = {}
    for path in files_of(tree, sources):
        content, file = path.read_bytes(), path.relative_to(tree).as_posix()
        lines = content.splitlines(keepends=True)
        first = [sum(map(len, lines[:at])) for at in range(len(lines))]
        found = (each for node in walk(ast.parse(content)) for each in changes(node))
        for old, text, change in found:
            start = first[old.lineno - 1] + old.col_offset
            stop = first[old.end_lineno - 1] + old.end_col_offset
            code = lines[old.lineno - 1].decode().strip()
            mutant = Mutant(module, file, old.lineno, start, stop, text, change, code)
            mutants.setdefault((file, start, stop, text), mutant)
    return list(mutants.values())


def files_of(tree: Path, patterns: str) -> list[Path]:
    """Return the Python files of comma-separated patterns; of a folder, all files inside it."""
    files: set[Path] = set()
    for pattern in patterns.split(","):
        if not (matches := list(tree.glob(pattern))):
            raise SystemExit(f"no file matches {pattern}; correct MODULES in {__file__}")
        files.update(*([each] if each.is_file() else each.rglob("*.py") for each in matches))
    return sorted(files)


def copy_tree(target: Path) -> Path:
    """Copy all files of the working tree that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(command, cwd=ROOT, text=True).split("\0"):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def run_tests(tree: Path, tests: str, limit: float = 3600.0) -> str:
    """Run tests in a copy of the tree: "survived", "killed" or "timeout". Output: output.txt."""
    own = {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    with (tree / "output.txt").open("w") as out:
        process = subprocess.Popen([*command, *tests.split(",")], cwd=tree, env=os.environ | own,
                                   stdout=out, stderr=out, start_new_session=True)  # fmt: skip
    # Bytes, and seconds of processor time, which end an endless loop even without this program.
    resource.prlimit(process.pid, resource.RLIMIT_DATA, (2**33, 2**33))
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (int(limit) + 60, int(limit) + 60))
    try:
        return "killed" if process.wait(limit) else "survived"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:  # end all processes that the tests have started
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def table(possible: dict[str, int], rows: list[dict[str, Any]]) -> str:
    """Return the score of each module (the share that does not survive) and all survivors."""
    lines = ["module       possible  drawn  killed  timeout  survived   score"]
    for name, total in (possible | {"all": sum(possible.values())}).items():
        results = [row["result"] for row in rows if name in ("all", row["module"])]
        killed, late, left = map(results.count, ("killed", "timeout", "survived"))
        score = f"{1 - left / len(results):.1%}" if results else "-"
        numbers = (total, len(results), killed, late, left, score)
        lines.append("{:<12} {:8} {:6} {:7} {:8} {:9} {:>7}".format(name, *numbers))
    alive = [row for row in rows if row["result"] == "survived"]
    alive.sort(key=lambda row: (row["file"], row["line"]))
    return "\n".join(lines + ["{file}:{line}: {change}: {code}".format(**row) for row in alive])


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a journal; the last line of an interrupted run may be incomplete."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def time_limit(tree: Path, name: str, tests: str) -> float:
    """Return the seconds allowed for the tests of a module, which must pass without a mutant."""
    start = time.monotonic()
    if run_tests(tree, tests) != "survived":
        output = (tree / "output.txt").read_text()
        raise SystemExit(f"{output}\nthe tests of {name} fail without a mutant")
    return 30 + 5 * (time.monotonic() - start)


def run(options: argparse.Namespace, modules: dict[str, tuple[str, str]], folder: Path) -> str:
    """Run the mutants that are not in the journal, and return the table of all."""
    trees: queue.Queue[Path] = queue.Queue()
    for number in range(options.workers):
        trees.put(tree := copy_tree(folder / str(number)))
    all_of = {name: mutants_of(name, tree, sources) for name, (sources, _) in modules.items()}
    everything = [mutant for each in all_of.values() for mutant in each]
    drawn = random.Random(options.seed).sample(everything, len(everything))[: options.count]
    state = {name: [path.read_text() for path in files_of(tree, ",".join(pair))]
             for name, pair in modules.items()}  # fmt: skip
    keys = {hashlib.sha256(repr((each, state[each.module])).encode()).hexdigest(): each
            for each in drawn}  # fmt: skip
    rows = {row["key"]: row for row in read_journal(options.journal) if row["key"] in keys}
    todo = {key: mutant for key, mutant in keys.items() if key not in rows}
    limits = {name: time_limit(tree, name, modules[name][1])
              for name in sorted({mutant.module for mutant in todo.values()})}  # fmt: skip

    def measure(key: str, mutant: Mutant) -> dict[str, Any]:
        own, start = trees.get(), time.monotonic()
        path, content = own / mutant.file, (own / mutant.file).read_bytes()
        changed = content[: mutant.start] + mutant.text.encode() + content[mutant.stop :]
        compile(changed, path, "exec")  # an invalid mutant is an error, not a killed mutant
        path.write_bytes(changed)
        result = run_tests(own, modules[mutant.module][1], limits[mutant.module])
        path.write_bytes(content)
        trees.put(own)
        measured = {"key": key, "result": result, "seconds": round(time.monotonic() - start, 1)}
        return measured | mutant._asdict()

    with ThreadPoolExecutor(options.workers) as pool, options.journal.open("a") as journal:
        futures = [pool.submit(measure, *each) for each in todo.items()]
        try:
            for future in as_completed(futures):
                row = future.result()
                rows[row["key"]] = row
                print(json.dumps(row), file=journal, flush=True)
                message = "{result} {file}:{line}: {change} ({seconds} s)".format(**row)
                print(f"{len(rows)}/{len(drawn)} {message}", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # waits for the runs that have begun
    return table({name: len(each) for name, each in all_of.items()}, list(rows.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="mutants tested at a time")
    parser.add_argument("--journal", type=Path, default=ROOT / "mutants.jsonl")
    parser.add_argument("--module", action="append", default=[], metavar="NAME=SOURCES:TESTS")
    options = parser.parse_args()
    given = [each.replace(":", "=").split("=") for each in options.module]
    with tempfile.TemporaryDirectory() as folder:
        print(run(options, {name: tuple(pair) for name, *pair in given} or MODULES, Path(folder)))


if __name__ == "__main__":
    main()
