"""`spectessera check`: whether a result folder is as a run has written it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.text import counted

from .console import command, output, print_json
from .flags import AsJson

if TYPE_CHECKING:
    from spectessera.resultfolder import Verdict

MOST_NAMES = 20  # of one kind that are printed; a store has many files


@command
def check_command(
    folder: Annotated[Path, typer.Argument(help="A folder that segment wrote.")],
    as_json: AsJson = False,
) -> None:
    """Check that the files of a result are those that a run has written there.

    Every file is compared with its size and SHA-256 in manifest.json. The status is 1 if one was
    changed, is missing, or has been added to a store. Other files of yours are listed, but are not
    wrong.
    """
    from spectessera.resultfolder import verify

    verdict = verify(folder)
    if as_json:
        print_json(_facts(folder, verdict))
    else:
        _print(folder, verdict)
    if not verdict.sound:
        raise typer.Exit(1)


def _facts(folder: Path, verdict: Verdict) -> dict[str, Any]:
    """Return what was found, as plain values."""
    facts = verdict.manifest.facts
    return {
        "folder": str(folder),
        "sound": verdict.sound,
        "id": verdict.manifest.id,
        "created": facts.get("created"),
        "spectessera": facts.get("spectessera"),
        "command": facts.get("command"),
        "files": len(verdict.manifest.files),
        "changed": verdict.changed,
        "missing": verdict.missing,
        "in_the_way": verdict.in_the_way,
        "foreign": verdict.foreign,
        "leftovers": [str(each) for each in verdict.leftovers],
        "busy": verdict.busy,
    }


def _print(folder: Path, verdict: Verdict) -> None:
    """Print what was found."""
    said = _facts(folder, verdict)
    words = "as written" if verdict.sound else "not as written"
    _line(f"{folder}: {words} on {said['created']} by spectessera {said['spectessera']}")
    _line(f"{counted(said['files'], 'file')}, run {said['id']}")
    kinds = {
        "changed": verdict.changed,
        "missing": verdict.missing,
        "not of the run, but in its place": verdict.in_the_way,
        "yours": verdict.foreign,
    }
    for kind, names in kinds.items():
        for name in names[:MOST_NAMES]:
            _line(f"{kind}: {name}")
        if len(names) > MOST_NAMES:
            _line(f"{kind}: {len(names) - MOST_NAMES} more")
    for each in verdict.leftovers:
        whose = "a run is writing" if verdict.busy else "left by a run that was killed"
        _line(f"{whose}: {each}")
    if verdict.leftovers and not verdict.busy:
        _line("the next run into this folder removes that")


def _line(text: str) -> None:
    output.print(text)
