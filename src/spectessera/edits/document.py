"""edits.toml: the acts of a person, one in each line, and of which result they are."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spectessera._util.documents import MOST_BYTES, parse_toml, read_toml
from spectessera._util.files import atomic_text
from spectessera._util.text import shown
from spectessera.result import MAX_CLUSTERS, clean_name

from .acts import Act, Rename, as_line, of_table

MOST = 10_000  # acts
HEAD = (
    "# What you have changed in this result, one line after the other. Each line speaks of the\n"
    "# numbers of the clusters before it. After a change by hand, run: spectessera edit FOLDER\n"
)


def read_edits(path: str | Path, owner: str | None = None) -> tuple[Act, ...]:
    """Read the acts of a file.

    Parameters
    ----------
    path : str or Path
        An edits.toml; one of an earlier version, with a table [names], is read too.
    owner : str, optional
        The id of the result that they are to be applied to, as its manifest.json has it.

    Returns
    -------
    tuple of Act

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a link, larger than 1 MiB, no TOML, has anything else in it, or belongs to another
        result.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from spectessera.edits import Merge
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "edits.toml"
    ...     write_edits([Merge((2, 5))], path)
    ...     read_edits(path)
    (Merge(clusters=(2, 5)),)
    """
    path = Path(path)
    if path.is_symlink():
        raise ValueError(f"{path} is a link; put the file itself there")
    return _acts(read_toml(path), str(path), owner)


def parse_edits(text: str, owner: str | None = None) -> tuple[Act, ...]:
    """Return the acts of the text of an edits.toml; errors as :func:`read_edits`.

    Examples
    --------
    >>> parse_edits('edit = [ { act = "rename", cluster = 2, name = "robe" } ]')
    (Rename(cluster=2, name='robe'),)
    """
    try:
        stored = parse_toml(text)
    except RecursionError as error:
        raise ValueError("edits are nested too deeply") from error
    return _acts(stored, "edits", owner)


def _acts(stored: dict[str, Any], where: str, owner: str | None) -> tuple[Act, ...]:
    """Return the acts in the tables of a file."""
    of, names, listed = (stored.pop(name, None) for name in ("result", "names", "edit"))
    if stored:
        known = "it has result, and a list edit; see the docs"
        raise ValueError(f"{where}: {shown(next(iter(stored)), 60)} is not known; {known}")
    if of is not None and owner is not None and of != owner:
        raise ValueError(
            f"{where} belongs to another result, run {shown(of, 60)}; move it away, or remove its "
            "line 'result' if the clusters are the same"
        )
    listed = [] if listed is None else listed
    if not isinstance(listed, list) or len(listed) > MOST:
        raise ValueError(f"{where}: edit is a list of at most {MOST} tables")
    try:
        named = _names(names)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return (*named, *(_act(each, number, where) for number, each in enumerate(listed, start=1)))


def _act(table: Any, number: int, where: str) -> Act:
    try:
        return of_table(table)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: edit {number}: {error}") from error


def _names(names: Any) -> list[Act]:
    """Return the acts of a table [names], as earlier versions wrote it."""
    if names is None:
        return []
    if not isinstance(names, dict) or not all(isinstance(each, str) for each in names.values()):
        raise ValueError('[names] has lines such as 2 = "Azurite"')
    for each in names:
        if not re.fullmatch("[1-9][0-9]{0,4}", each) or int(each) > MAX_CLUSTERS:
            raise ValueError(f"{shown(each, 60)!r} is not the number of a cluster")
    return [Rename(int(n), clean_name(names[n])) for n in sorted(names, key=int)]


def edits_text(acts: Sequence[Act], owner: str | None = None) -> str:
    """Return the text of an edits.toml.

    Raises
    ------
    ValueError
        If it would be larger than 1 MiB, which could not be read again, or has too many acts.
    """
    head = "" if owner is None else f"result = {json.dumps(owner)}\n"
    lines = "".join(f"  {as_line(each)},\n" for each in acts)
    text = f"{HEAD}{head}edit = [\n{lines}]\n"
    if len(text.encode()) > MOST_BYTES or len(acts) > MOST:
        raise ValueError(
            f"edits.toml holds at most {MOST} acts and {MOST_BYTES >> 20} MiB; give regions as "
            "rectangles, or as polygons of fewer corners"
        )
    return text


def write_edits(acts: Sequence[Act], path: str | Path, owner: str | None = None) -> None:
    """Write acts into a file, as a whole; a file that is there is replaced.

    Parameters
    ----------
    acts : sequence of Act
    path : str or Path
    owner : str, optional
        The id of the result that they belong to.

    Raises
    ------
    ValueError
        If the file would be larger than 1 MiB.
    """
    atomic_text(Path(path), edits_text(acts, owner))
