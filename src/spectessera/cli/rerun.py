"""`spectessera rerun`: a result once more, from its manifest, and whether it is the same."""

from __future__ import annotations

import glob
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.files import remove_folder
from spectessera._util.locks import locked

from .besides import is_file
from .console import command, output, print_json, repeating
from .flags import AsJson, Quiet
from .scheduler import Scheduler

if TYPE_CHECKING:
    from spectessera.resultfolder import Difference, Manifest

MOST_ARGUMENTS = 10_000
INPUTS = {"model": "model", "start": "start", "config": "config", "library": "library"}
BESIDE = ("mask", "variance", "error", "ivar")  # a file, or the name of an array in the cube

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=PATH",
        help="Where an input is now, if it was moved: cube=scan.h5. The names are those in "
        "manifest.json: cube, model, start, config, beside-1 ... May be given several times.",
    ),
]
Outside = Annotated[
    bool,
    typer.Option(
        "--outside",
        help="Repeat also a run with --outside: the cube may link to any file that you can read.",
    ),
]


@command
def rerun_command(
    folder: Annotated[Path, typer.Argument(help="A folder that segment wrote.")],
    inputs: Inputs = None,
    outside: Outside = False,
    where: Scheduler = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Repeat a result and say whether it is the same bit for bit.

    The command in manifest.json is run again, with its settings and seed, into a temporary folder;
    nothing in the folder of the result changes. The status is 0 if the result is the same, 1 if it
    differs, and 2 if it cannot be repeated. What differs is printed: variables, inputs, versions,
    machine.
    """
    from spectessera.resultfolder import EDITS, circumstances, compare_results, recorded_result

    manifest = _manifest(folder)
    program, context = recorded_call(folder, manifest, moved_inputs(inputs), outside)
    recorded, touched = recorded_result(folder, manifest)
    with _temporary(folder) as place:
        again = place / "result"
        context.params |= {"out": again, "where": where, "quiet": quiet or as_json}
        token = repeating.set(True)
        try:
            with context:
                program.invoke(context)
        finally:
            repeating.reset(token)
        facts = _manifest(again).facts
        found = compare_results(recorded, again)
    said = {
        "folder": str(folder),
        "same": not found,
        "differences": [each._asdict() for each in found],
        "circumstances": circumstances(manifest.facts, facts),
        "changed_since": touched,
        "edits": (folder / EDITS).exists(),
    }
    if as_json:
        print_json(said)
    elif not quiet:
        _print(said, found)
    if found:
        raise typer.Exit(1)


def _print(said: Mapping[str, Any], found: list[Difference]) -> None:
    """Print what was found."""
    words = (
        "differs" if found else "is the same bit for bit: labels, confidence, means and the rest"
    )
    output.print(f"{said['folder']}: the repeated result {words}")
    for each in found:
        size = "" if each.largest is None else f", by at most {each.largest:.3g}"
        number = f"{each.differing} of {each.total} differ{size}" if each.total else ""
        output.print(f"{each.name}: {'; '.join(filter(None, (number, each.words)))}")
    for name in said["changed_since"]:
        output.print(f"changed after the run, compared as it is: {name}")
    for line in said["circumstances"]:
        output.print(f"not as it was: {line}")
    if said["edits"]:
        output.print("edits.toml has edits of yours; they are not part of the comparison")


def _manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder."""
    from spectessera.resultfolder import MANIFEST, read_manifest

    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder of results")
    manifest = read_manifest(folder)
    if manifest is None:
        raise FileNotFoundError(f"{folder} has no {MANIFEST}, so it is not known how to repeat it")
    return manifest


def moved_inputs(given: list[str] | None) -> dict[str, str]:
    """Return where inputs are now, by their names."""
    moved = {}
    for text in given or ():
        name, sign, path = text.partition("=")
        if not sign or not name.strip() or not path:
            raise ValueError(f"--input is a name and a path, as in cube=scan.h5; got {text!r}")
        moved[name.strip()] = path
    return moved


# --- the command of the manifest, which may come from strangers ---------------------------------


def recorded_call(
    folder: Path, manifest: Manifest, moved: Mapping[str, str], outside: bool
) -> tuple[Any, Any]:
    """Return our own command `segment`, and a context of the flags that are recorded.

    The text of the command is parsed and never run: only the values of known flags are used. No
    output of it is, and of its inputs only those that the manifest lists.

    Raises
    ------
    ValueError, FileNotFoundError
        If that is not possible.
    """
    problem = f"{folder} cannot be repeated: "
    program, context = parsed_call(problem, manifest.facts.get("command"), "segment")
    flags = context.params
    if flags["outside"] and not outside:
        raise ValueError(
            f"{problem}the run has followed links to files outside the folder of the cube; if you "
            "trust the cube, give --outside"
        )
    # A scheduler that strangers name could run their code; the numbers do not depend on it. A
    # checkpoint would be written and removed.
    if flags["report"]:  # for it, the result has the clusters without neighbours
        flags["also"] = [*(flags["also"] or ()), "alone"]
    flags["zarr"] = flags["zarr"] or flags["where"] is not None
    flags |= {"overwrite": False, "report": False, "as_json": False, "checkpoint": None}
    flags |= _paths(problem, manifest.facts, flags, moved)
    return program, context


def parsed_call(problem: str, words: Any, name: str) -> tuple[Any, Any]:
    """Return one of our commands, and a context of the flags in a recorded call of it.

    Raises
    ------
    ValueError
        If it is no call of that command; the message begins with ``problem``.
    """
    from .app import load_command

    if not isinstance(words, list) or not 0 < len(words) <= MOST_ARGUMENTS:
        raise ValueError(f"{problem}its manifest has no command")
    if not all(isinstance(each, str) for each in words) or words[0] != name:
        raise ValueError(f"{problem}the command in its manifest is not {name}; got {words[0]!r}")
    program = load_command(name)
    try:
        return program, program.make_context(name, words[1:], help_option_names=[])
    except Exception as error:
        if not hasattr(error, "format_message"):  # the mark of all errors of usage
            raise
        words_of_error = error.format_message()
        raise ValueError(
            f"{problem}this version does not understand the command in its manifest: "
            f"{words_of_error}"
        ) from error


def _paths(
    problem: str, facts: Mapping[str, Any], flags: Mapping[str, Any], moved: Mapping[str, str]
) -> dict[str, Any]:
    """Return the flags that name inputs, with the paths where these are now."""
    from spectessera.resultfolder import as_table

    listed = {name: str(as_table(about).get("path")) for name, about in
              as_table(facts.get("inputs")).items()}  # fmt: skip
    unknown = sorted(set(moved) - set(listed))
    if unknown:
        raise ValueError(f"--input {unknown[0]} is no input of this result: {', '.join(listed)}")
    directory = Path(str(facts.get("directory", "")))
    found: dict[str, Any] = {"files": []}
    for number, text in enumerate(flags["files"], 1):
        name = f"cube-{number}" if number > 1 else "cube"
        recorded = str((directory / text).absolute())
        if listed.get(name) != recorded:
            raise ValueError(f"{problem}{text} is not among the inputs of its manifest")
        found["files"].append(Path(_present(problem, name, moved.get(name, recorded))))
    for flag in (*INPUTS, *BESIDE):
        text = flags[flag]
        if text is None or (flag in ("model", "start") and not Path(text).suffix):
            continue  # models that ship with the package have names without a suffix
        recorded = str((directory / text).absolute())
        names = [INPUTS[flag]] if flag in INPUTS else [n for n in listed if n.startswith("beside-")]
        known = next((n for n in names if listed.get(n) == recorded), None)
        if known is not None:
            found[flag] = type(text)(_present(problem, known, moved.get(known, recorded)))
        elif flag in INPUTS or is_file(str(text)):
            raise ValueError(f"{problem}{text} (--{flag}) is not among the inputs of its manifest")
    return found


def _present(problem: str, name: str, path: str) -> str:
    """Return the path of an input that is there."""
    if not Path(path).is_file() and not Path(path).is_dir():
        raise FileNotFoundError(
            f"{problem}there is no file {path}; if it was moved, give --input {name}=PATH"
        )
    return path


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Give a new folder beside a folder, or where temporary files are if nothing can be there.

    What killed runs have left beside it is removed first.

    Raises
    ------
    BlockingIOError
        If another process repeats the same result.
    """
    target = folder.resolve()
    above, begin = target.parent, f".{target.name[-64:]}.rerun"
    if not os.access(above, os.W_OK | os.X_OK):
        with tempfile.TemporaryDirectory(prefix="spectessera-") as other:
            yield Path(other)
        return
    with locked(above / f"{begin}.lock", f"a repetition of {folder}"):
        for left in above.glob(f"{glob.escape(begin)}-{8 * '[0-9a-f]'}"):
            if left.is_dir() and not left.is_symlink():
                remove_folder(left)
        place = above / f"{begin}-{secrets.token_hex(4)}"
        place.mkdir()
        try:
            yield place
        finally:
            remove_folder(place)
