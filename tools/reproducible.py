"""Build the distributions twice, in two folders, and tell whether their bytes are the same.

``python tools/reproducible.py`` needs the packages of the group ``build``. The time that is written
into the files is that of the last commit, or SOURCE_DATE_EPOCH; without git, that of CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commit_time() -> int:
    """Return the time of the last commit, in seconds; SOURCE_DATE_EPOCH comes first."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    except (FileNotFoundError, subprocess.CalledProcessError):
        # A copy without git, or an unpacked source distribution: its files keep their times.
        return int((ROOT / "CHANGELOG.md").stat().st_mtime)


def normalise(path: Path, epoch: int) -> None:
    """Write a source distribution again, sorted, with one time, one owner and plain permissions."""
    again = path.with_suffix(".again")
    with (
        tarfile.open(path) as source,
        again.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda each: each.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime, member.pax_headers = epoch, {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    again.replace(path)


def build(out: Path, *, isolated: bool, source: Path = ROOT) -> None:
    """Build the sdist and, from it, the wheel, both with the time of the last commit.

    Parameters
    ----------
    out : Path
        The folder of the distributions.
    isolated : bool
        Build in an environment of its own; otherwise in this one.
    source : Path
        The checkout.
    """
    epoch = commit_time()
    os.umask(0o022)  # the wheel keeps the permissions of the files that are built
    flags = ["--quiet", *([] if isolated else ["--no-isolation"]), "--outdir", str(out)]
    command = [sys.executable, "-m", "build", *flags]
    settings = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run([*command, "--sdist", str(source)], check=True, env=settings)
    (archive,) = out.glob("*.tar.gz")
    normalise(archive, epoch)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as unpacked:
            unpacked.extractall(folder, filter="data")
        (inside,) = Path(folder).iterdir()
        subprocess.run([*command, "--wheel", str(inside)], check=True, env=settings)


def sums(folder: Path) -> dict[str, str]:
    """Return the checksums of the files of a folder."""
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.iterdir())
    }


def main() -> None:
    """Build once into dist, or twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", type=Path, help="build once, into this folder")
    parser.add_argument("--no-isolation", action="store_true", help="build in this environment")
    given = parser.parse_args()
    if given.once is not None:
        build(given.once, isolated=not given.no_isolation)
        return
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "one"), Path(folder, "the other")
        # The second build is of a copy, in another folder, whose files are younger.
        copy = Path(folder, "copy")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        build(first, isolated=not given.no_isolation)
        shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
        build(second, isolated=not given.no_isolation, source=copy)
        one, other = sums(first), sums(second)
    for name in sorted({*one, *other}):
        print(name, one.get(name), other.get(name))
    if one != other:
        sys.exit("two builds of one commit differ: commit all changes, or look for what differs")
    print(f"{len(one)} files, the same in both builds")


if __name__ == "__main__":
    main()
