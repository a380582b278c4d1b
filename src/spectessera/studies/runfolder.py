"""The folder of a reproduction: which run it holds, and what of it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spectessera._util.documents import read_json
from spectessera._util.files import atomic
from spectessera.settings import to_dict

from .experiments import Experiment
from .rows import Row


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a run to its folder.

    Raises
    ------
    ValueError
        If the folder holds a run with other settings.
    FileExistsError
        If it holds other files.
    """
    path = folder / "run.json"
    if path.exists():
        if _read(path) != json.loads(json.dumps(settings)):
            raise ValueError(f"{folder} holds a run with other settings; give another folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds other files; give an empty or a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def check_same(experiment: Experiment, home: Path) -> None:
    """Write the settings of an experiment beside its rows, or compare them with those there.

    Raises
    ------
    ValueError
        If the rows are of other data, of another choice of k, or of networks with other settings,
        or nothing says which they are.
    """
    image = {
        "data": str(experiment.cube.attrs.get("source", "")),
        "training": [list(each.shape) for each in experiment.train],
        "clusters": to_dict(experiment.clusters),
        "floor": experiment.floor,
    }
    networks = {
        each.name: {
            "preprocess": to_dict(each.preprocess),
            "network": to_dict(each.network),
            "clusters": to_dict(each.clusters or experiment.clusters),
            "training": to_dict(each.training),
        }
        for each in experiment.variants
    }
    wanted = json.loads(json.dumps({"image": image, "networks": networks}))
    path = home / "settings.json"
    if path.exists():
        existing = _read(path)
        known = existing.get("networks", {})
        same = {name: known.get(name, each) for name, each in wanted["networks"].items()}
        if existing.get("image") != wanted["image"] or same != wanted["networks"]:
            raise ValueError(f"{home} holds results of other settings; give another folder")
        wanted["networks"] = known | wanted["networks"]
    elif any(home.iterdir()):
        raise ValueError(f"{home} has results but no settings.json; give another folder")
    write_json(path, wanted)


def read_or_run(home: Path, name: str, work: Callable[[], Row]) -> Row:
    """Return the row of a method from its file, or do the work and write the row."""
    path = home / f"{name}.json"
    if path.exists():
        try:
            return Row(**read_json(path))
        except TypeError as error:
            raise ValueError(f"{path} is no row of a table ({error}); remove it") from error
    row = work()
    write_json(path, row._asdict())
    return row


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = read_json(path)
    except ValueError as error:
        raise ValueError(f"{error}; give another folder") from error
    return content
