"""Everything public says what it is, and the arguments it documents are the arguments it has."""

import ast
import inspect
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent
PATHS = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.stem == "__init__" or not path.stem.startswith("_")
}
# The contract of scikit-learn asks for it.
ANY_KEYWORDS = {"segmenter/estimator.py: SpectralSegmenter.set_params"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public(path: Path) -> dict[str, ast.ClassDef | Function]:
    """Return the public classes, functions and methods of a file by name."""
    found: dict[str, ast.ClassDef | Function] = {}

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if node.name.startswith("_"):
                continue
            found[prefix + node.name] = node
            if isinstance(node, ast.ClassDef):
                walk(node.body, f"{prefix}{node.name}.")

    walk(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return found


EVERYTHING = {
    f"{name}: {dotted}": node
    for name, path in PATHS.items()
    for dotted, node in public(path).items()
}


def section(docstring: str, title: str) -> list[str] | None:
    """Return the names that a section of a numpy docstring documents; None without it."""
    lines = inspect.cleandoc(docstring).splitlines()
    rules = [at for at, line in enumerate(lines) if line and set(line) == {"-"}]
    starts = [at for at in rules if lines[at - 1] == title]
    if not starts:
        return None
    end = min([at - 1 for at in rules if at > starts[0]], default=len(lines))
    heads = [line for line in lines[starts[0] + 1 : end] if line and not line.startswith(" ")]
    return [name.strip() for head in heads for name in head.split(" : ")[0].split(",")]


def parameters(node: Function) -> list[str]:
    """Return the names of the parameters, without self and cls."""
    each = node.args
    names = [arg.arg for arg in (*each.posonlyargs, *each.args)]
    names += [each.vararg.arg] if each.vararg else []
    names += [arg.arg for arg in each.kwonlyargs]
    return [name for name in names if name not in ("self", "cls")]


def holds_fields(node: ast.ClassDef) -> bool:
    """Tell a dataclass or a NamedTuple."""
    bases = {each.id for each in node.bases if isinstance(each, ast.Name)}
    return "NamedTuple" in bases or any("dataclass" in ast.unparse(d) for d in node.decorator_list)


def signature(node: ast.ClassDef | Function) -> list[str]:
    """Return what the docstring of a class or function may document as its parameters."""
    if not isinstance(node, ast.ClassDef):
        return parameters(node)
    if holds_fields(node):
        return [
            each.target.id
            for each in node.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
    makers = [each for each in node.body if getattr(each, "name", "") == "__init__"]
    return parameters(makers[0]) if makers else []  # type: ignore[arg-type]


def test_the_reader_of_docstrings_understands_shared_lines_and_ends_with_its_section():
    text = """Say it.

    Parameters
    ----------
    k_min, k_max : int
        Every k : tried.
    how : "a" or "b"

    Returns
    -------
    array
    """
    assert section(text, "Parameters") == ["k_min", "k_max", "how"]
    assert section(text, "Raises") is None


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_public_says_what_it_is(name):
    assert ast.get_docstring(EVERYTHING[name]), f"{name} has no docstring"


@pytest.mark.parametrize("name", EVERYTHING)
def test_documented_parameters_are_those_of_the_signature(name):
    node = EVERYTHING[name]
    docstring = ast.get_docstring(node) or ""
    titles = ["Parameters"]
    if isinstance(node, ast.ClassDef) and holds_fields(node):
        titles.append("Attributes")
    for title in titles:
        told = section(docstring, title)
        if told is not None:
            assert told == signature(node), f"{name}: {title}"


def test_the_settings_and_results_document_every_field():
    """A flag of the command line takes its help from these docstrings."""
    for name in ("Clusters", "Network", "Preprocess", "Schedule", "Training"):
        kind = getattr(spectessera, name)
        assert section(kind.__doc__, "Parameters") == list(inspect.signature(kind).parameters)


@pytest.mark.parametrize("name", spectessera.__all__)
def test_a_function_of_the_public_api_documents_its_parameters(name):
    thing = getattr(spectessera, name)
    if inspect.isfunction(thing):
        assert section(thing.__doc__ or "", "Parameters") == list(
            inspect.signature(thing).parameters
        )


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_public_function_takes_just_any_keyword(name):
    node = EVERYTHING[name]
    if not isinstance(node, ast.ClassDef) and name not in ANY_KEYWORDS:
        assert node.args.kwarg is None, f"{name} takes **{node.args.kwarg.arg}"


def test_the_exceptions_still_exist():
    assert set(EVERYTHING) >= ANY_KEYWORDS
