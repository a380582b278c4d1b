"""`spectessera edit`: corrections of a result by a person, which last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectessera._util.text import counted

from .console import arguments, command, output, print_json, progress
from .flags import AsJson, Quiet
from .rerun import Inputs, Outside, moved_inputs

if TYPE_CHECKING:
    import xarray as xr

    from spectessera.edits import Act, Opened

FLAGS = ("merge", "split", "rename", "recolour", "mask")

Folder = Annotated[Path, typer.Argument(help="A folder that segment wrote.")]
File = Annotated[
    Path | None,
    typer.Argument(
        help="Edits to apply, a TOML file; by default those in edits.toml of the folder."
    ),
]
Merged = Annotated[
    list[str] | None,
    typer.Option("--merge", metavar="A,B", help="Merge clusters: 2,5. The lowest number stays."),
]
Divided = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="A",
        help="Cluster one cluster again, in as many parts as evidence shows; 3=2: in two parts.",
    ),
]
Named = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="A=NAME", help="Name a cluster: 2=robe."),
]
Coloured = Annotated[
    list[str] | None,
    typer.Option("--recolour", metavar="A=COLOUR", help="Give a cluster a colour: 2=#aa3366."),
]
Masked = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="Y0:Y1,X0:X1",
        help="Take rows y0 to y1-1 of columns x0 to x1-1 out of all clusters.",
    ),
]
Undo = Annotated[
    int,
    typer.Option(
        "--undo",
        count=True,
        help="Take the last edit back: one, also if a command made several. --undo --undo takes "
        "back two.",
    ),
]
UndoAll = Annotated[
    bool, typer.Option("--undo-all", help="Take all edits back: the result is that of the run.")
]
Again = Annotated[
    bool,
    typer.Option(
        "--maps",
        help="Make the maps of elements, lines and abundances again, for the new clusters. Reads "
        "the cube of the run.",
    ),
]
Listed = Annotated[bool, typer.Option("--list", help="List the edits; change nothing.")]
Replace = Annotated[
    bool,
    typer.Option("--overwrite", help="With a file: replace the edits that are in the folder."),
]
Seed = Annotated[int, typer.Option(help="Seed of a split.")]


@command
def edit_command(
    folder: Folder,
    file: File = None,
    merge: Merged = None,
    split: Divided = None,
    rename: Named = None,
    recolour: Coloured = None,
    mask: Masked = None,
    undo: Undo = 0,
    undo_all: UndoAll = False,
    maps: Again = False,
    list_: Listed = False,
    seed: Seed = 0,
    inputs: Inputs = None,
    outside: Outside = False,
    overwrite: Replace = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Change a result by hand: merge, split, rename, recolour clusters, mask regions; undo.

    Each change is a line of edits.toml in the folder. The flags may be given several times and are
    applied in their order; every number of a cluster is that after the changes before. The result
    of the run stays; edited.nc, the summary, the tables, figures, label files and the report show
    the changes. A split, a mask and --maps read the cube of the run again.
    """
    from spectessera.edits import open_edits

    opened = open_edits(folder)
    given = {"merge": merge, "split": split, "rename": rename, "recolour": recolour, "mask": mask}
    new = [_act(name, text, seed) for name, text in _in_order(given)]
    if list_:
        if new or undo or undo_all or maps or file is not None:
            raise ValueError("--list changes nothing; leave out the other flags")
        _print_list(opened, as_json)
        return
    acts = (*_start(opened, file, None if undo_all else undo, overwrite), *new)
    with progress(quiet or as_json) as bar:
        result = _save(opened, acts, moved_inputs(inputs), outside, bar, maps=maps)
    if as_json:
        print_json(_said(folder, result))
    elif not quiet:
        _print(opened, result, len(acts))


def _save(
    opened: Opened, acts: Sequence[Act], moved: dict[str, str], outside: bool, bar: Any,
    *, maps: bool,
) -> xr.Dataset:  # fmt: skip
    """Apply edits and keep them, with the cube where one needs it, or maps are made again."""
    from spectessera.edits import acts_to_do, edited_result, needs_cube, save_edits

    if not maps and not any(needs_cube(each) for each in acts_to_do(opened, acts)):
        return save_edits(opened.folder, acts, progress=bar)
    from .origin import cube_and_model, maps_again

    cube, model = cube_and_model(opened.folder, opened.manifest, moved, bar, outside=outside)
    result = edited_result(opened, acts, cube, model, bar)
    made = maps_again(opened.manifest, cube, model, result, bar) if maps else None
    return save_edits(opened.folder, acts, edited=result, maps=made, before=opened.edits)


def _start(
    opened: Opened, file: Path | None, undone: int | None, overwrite: bool
) -> tuple[Act, ...]:
    """Return the edits with which those of the flags go on; ``undone`` None: none of them."""
    from spectessera.edits import read_edits

    acts = opened.edits
    if file is not None:
        acts = read_edits(file, opened.manifest.id)
        if acts[: len(opened.edits)] != opened.edits and not overwrite:
            raise ValueError(
                f"the folder has {counted(len(opened.edits), 'edit')} with which those of {file} "
                "do not begin; --overwrite replaces them"
            )
    if undone is None:
        return ()
    if undone > len(acts):
        there = f"only {counted(len(acts), 'edit')}" if acts else "no edit"
        raise ValueError(f"there is {there} to undo; the result of the run is that of --undo-all")
    return acts[: len(acts) - undone]


def _in_order(given: dict[str, list[str] | None]) -> Iterator[tuple[str, str]]:
    """Yield the flags that are acts, with their texts, in the order in which they were typed."""
    left = {name: list(texts or ()) for name, texts in given.items()}
    for word in arguments.get()[1:]:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and left.get(name):
            yield name, left[name].pop(0)
    for name, texts in left.items():  # none where the words are known
        yield from ((name, text) for text in texts)


def _act(name: str, text: str, seed: int) -> Act:
    """Return the act of a flag."""
    from spectessera.edits import Mask, Merge, Recolour, Rectangle, Rename, Split

    if name == "merge":
        return Merge(tuple(_number(name, each) for each in text.split(",")))
    if name == "mask":
        parts = [each.split(":") for each in text.split(",")]
        if [len(each) for each in parts] != [2, 2]:
            raise ValueError(f"--mask is rows and columns, as in 10:20,0:35; got {text!r}")
        return Mask(Rectangle(*(_number(name, each) for part in parts for each in part)))
    cluster, sign, value = text.partition("=")
    if name == "split":
        k = _number(name, value) if sign else None
        return Split(_number(name, cluster), k, seed)
    if not sign:
        example = {"rename": "2=robe", "recolour": "2=#aa3366"}[name]
        raise ValueError(f"--{name} is a cluster and its {name[2:]}, as in {example}; got {text!r}")
    number, value = _number(name, cluster), value.strip()
    return Rename(number, value) if name == "rename" else Recolour(number, value)


def _number(name: str, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"--{name} takes whole numbers; got {text!r}")
    return int(text)


def _print_list(opened: Opened, as_json: bool) -> None:
    """Print the edits in a folder, and whether they are applied."""
    from spectessera.edits import as_line

    lines = [as_line(each) for each in opened.edits]
    if as_json:
        applied = opened.edits == opened.applied
        print_json({"folder": str(opened.folder), "edits": lines, "applied": applied})
        return
    for number, line in enumerate(lines, start=1):
        output.print(f"{number}: {line}")
    if not lines:
        output.print(f"{opened.folder} has no edits")
    if opened.edits != opened.applied:
        output.print(f"edits.toml was changed: apply it by spectessera edit {opened.folder}")


def _said(folder: Path, result: xr.Dataset) -> dict[str, Any]:
    """Return what JSON says of an edited result."""
    from spectessera.colours import as_hex
    from spectessera.result import cluster_colours, cluster_names, stored_edits

    names, shades = cluster_names(result), cluster_colours(result)
    columns = zip(result["cluster"].values.tolist(), result["size"].values.tolist(), strict=True)
    rows = [
        {"cluster": n, "name": names.get(n), "colour": as_hex(shades[n - 1]), "size": size}
        for n, size in columns
    ]
    return {"folder": str(folder), "edits": stored_edits(result), "clusters": rows}


def _print(opened: Opened, result: xr.Dataset, number: int) -> None:
    """Print what the edits did, those that are new last."""
    from spectessera.result import stored_edits

    words = [each["words"] for each in stored_edits(result)]
    same = opened.applied == opened.edits
    first = len(opened.applied) if same and number >= len(opened.applied) else 0
    for text in words[first:] if first < len(words) else words[-1:]:
        output.print(text)
    if _older_maps(opened, result):
        output.print(
            f"the maps in {opened.folder} are still those of other clusters or pixels; "
            f"spectessera edit {opened.folder} --maps makes them again"
        )
    left = f"{counted(len(words), 'edit')} in {opened.folder / 'edits.toml'}"
    output.print(left if words else f"{opened.folder} has no edits: it is as the run wrote it")


def _older_maps(opened: Opened, result: xr.Dataset) -> bool:
    """Return whether the folder has maps of other clusters, or of pixels that are masked now."""
    from spectessera.htmlreport.changes import of_same_clusters
    from spectessera.resultfolder import maps_in

    made = maps_in(opened.folder, opened.manifest)
    return any(each is not None and not of_same_clusters(result, each) for each in made)
