"""What a result was made from: its inputs with their checksums, the command, versions, machine."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spectessera._util.files import encodable
from spectessera._version import __version__

BLOCK = 2**20
_PATIENCE = 0.2  # seconds between two reports of the progress
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "xarray", "dask", "h5py", "zarr", "astropy")
# Files that belong to a header file: all of the same name but for the suffix.
_HEADERS = (".hdr", ".rpl")


class Origin:
    """The inputs of a run; their checksums are computed in a thread while the run goes on.

    Parameters
    ----------
    inputs : mapping of str to Path
        What they are for ("cube", "model", "mask") and where they are: files, or folders.
    """

    def __init__(self, inputs: Mapping[str, Path]) -> None:
        self._started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._stopped = threading.Event()
        self._inputs: dict[str, dict[str, Any]] = {}
        self._blocks = 0  # of BLOCK bytes, or of the rest of a file, that have been read
        self._threads: list[threading.Thread] = []
        self.add(inputs)

    def add(self, inputs: Mapping[str, Path]) -> None:
        """Add inputs that were not known before, such as a model that was chosen for a cube."""
        self._inputs |= {name: _described(path) for name, path in inputs.items()}
        thread = threading.Thread(target=self._sum, args=(dict(inputs),), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _sum(self, inputs: dict[str, Path]) -> None:
        """Add the checksums."""
        for name, path in inputs.items():
            about = self._inputs[name]
            try:
                about["sha256"] = self._checksum(path)
                now = _described(path)
                changed = any(about[each] != now[each] for each in ("size", "mtime", "files"))
            except OSError:
                changed = True  # it was removed or cannot be read any more
            if self._stopped.is_set():
                about["sha256"] = None  # of a part only
                return
            if changed:
                about |= {"sha256": None, "changed": True}

    def _checksum(self, path: Path) -> str:
        """Return the SHA-256 of a file; of several, that of the list of their names and sums."""
        files = list(_files(path))
        sums = []
        for each in files:
            digest = hashlib.sha256()
            with each.open("rb") as file:
                while not self._stopped.is_set() and (block := file.read(BLOCK)):
                    digest.update(block)
                    self._blocks += 1
            sums.append(digest.hexdigest())
        if files == [path]:
            return sums[0]
        above = path if path.is_dir() else path.parent
        names = [each.relative_to(above).as_posix() for each in files]
        listed = "".join(f"{one}  {encodable(n)}\n" for one, n in zip(sums, names, strict=True))
        return hashlib.sha256(listed.encode()).hexdigest()

    def close(self) -> None:
        """End the threads: the run has failed, or is complete."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def facts(
        self,
        command: Sequence[str],
        others: Mapping[str, Any],
        progress: Callable[[str, int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Return all that a manifest says of the origin, when the checksums are there.

        After :meth:`close`, those that were not complete are None.

        Parameters
        ----------
        command : sequence of str
            The arguments of the command line.
        others : mapping of str to str, int or float
            More facts, such as the seed.
        progress : callable, optional
            Called with "checksum", the MiB that have been read and those of all inputs, while these
            are still being read.
        """
        total = sum(-(-each["size"] // BLOCK) for each in self._inputs.values())
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_PATIENCE)
                if progress is not None and thread.is_alive():
                    progress("checksum", min(self._blocks, total), total)
        return {
            "started": self._started,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "spectessera": __version__,
            "command": [encodable(each) for each in command],
            "directory": encodable(os.getcwd()),
            **others,
            "inputs": self._inputs,
            "versions": {"python": platform.python_version(), **_versions()},
            "machine": {
                "system": platform.platform(),
                "processor": _processor(),
                "cores": os.cpu_count(),
            },
        }


def _described(path: Path) -> dict[str, Any]:
    """Return the path, the size and the time of the last change of an input, without checksum."""
    states = [each.stat() for each in _files(path)]
    latest = max((each.st_mtime for each in states), default=0.0)
    changed = datetime.datetime.fromtimestamp(latest, datetime.UTC)
    return {
        "path": encodable(str(path.absolute())),
        "files": len(states),
        "size": sum(each.st_size for each in states),
        "mtime": changed.isoformat(),
        "sha256": None,
    }


def _files(path: Path) -> Iterator[Path]:
    """Yield the files of an input, sorted: of a folder, of a header and its data, or itself."""
    if path.is_dir():
        yield from sorted(each for each in path.rglob("*") if each.is_file())
    elif path.suffix.lower() in _HEADERS:
        same = (each for each in path.parent.iterdir() if each.stem == path.stem)
        yield from sorted(each for each in same if each.is_file())
    elif path.exists():
        yield path


def _versions() -> dict[str, str]:
    """Return the versions of the packages on which the numbers of a result depend."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    if sys.platform == "linux" and path.exists():
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
