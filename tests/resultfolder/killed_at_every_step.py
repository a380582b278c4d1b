"""Write a result into a folder, killed at one file operation after the other; run by a test.

Without torch, so that a process can be forked for every step.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from spectessera.resultfolder import staging as staging_module
from spectessera.resultfolder.checking import verify
from spectessera.resultfolder.staging import Plan, result_folder

NAMES = ("result.nc", "result.zarr", "labels.png", "summary.json", "settings.toml", "report.html")
WATCHED = ("open", "os.", "shutil.", "ctypes.")


def write(target, text, names, *, overwrite=True):
    with result_folder(target, Plan(NAMES, overwrite=overwrite)) as staging:
        for name in names:
            path = staging.path / name
            if name.endswith(".zarr"):
                path.mkdir()
                (path / "zarr.json").write_text(text)
            else:
                path.write_text(text)
        staging.commit({"text": text})


def kill_at(step):
    """Kill this process before the file operation of that number."""
    count = 0

    def hook(event, _arguments):
        nonlocal count
        if event.startswith(WATCHED):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def user_files(target, with_folder):
    (target / "notes.txt").write_text("mine")
    (target / "link").symlink_to("notes.txt")
    if with_folder:
        (target / "photos").mkdir()
        (target / "photos" / "one.jpg").write_text("mine")


def snapshot(target):
    """Return the content of all files that are in sight: not those of staging folders."""
    return {
        path.relative_to(target).as_posix(): path.read_text()
        for path in sorted(target.rglob("*"))
        if path.is_file() and ".spectessera-" not in path.as_posix()
    }


def main(home, kind):
    if kind == "in the folder":  # as where it is a mount point
        staging_module._place = lambda target: target if target.exists() else target.parent
    target = Path(home) / "result"
    old_names, new_names = NAMES[1:4], (NAMES[0], *NAMES[2:])
    outcomes = []
    for step in range(1, 10_000):
        shutil.rmtree(home, ignore_errors=True)
        Path(home).mkdir()
        if kind != "new":
            write(target, "old", old_names)
            user_files(target, kind == "with a folder")
        before = snapshot(target)
        child = os.fork()
        if child == 0:
            kill_at(step)
            write(target, "new", new_names)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        outcomes.append(outcome(target, before))
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
    sys.stdout.write(json.dumps(outcomes))


def outcome(target, before):
    """Return "old", "new" or "none"; the next run must find everything in order."""
    mine = {name: each for name, each in before.items() if each == "mine"}
    state = "none"
    if target.exists():
        verdict = verify(target)
        assert verdict.sound, verdict
        state = verdict.manifest.facts["text"]
        after = snapshot(target)
        assert {each for name, each in after.items() if name not in mine} <= {
            state, after["manifest.json"],
        }, after  # fmt: skip
        assert {name: after[name] for name in mine} == mine
        if state == "old":
            assert after == before
    write(target, "next", NAMES[:1])
    left = {path.name for path in (*target.parent.iterdir(), *target.iterdir())}
    tops = {name.partition("/")[0] for name in mine}
    assert left == {"result", "result.nc", "manifest.json", *tops}, left
    assert {name: each for name, each in snapshot(target).items() if name in mine} == mine
    return state


if __name__ == "__main__":
    main(*sys.argv[1:])
