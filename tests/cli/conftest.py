"""What tests of the command line share."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def fresh_modules():
    """Return what runs a command in a fresh interpreter and gives the modules that it loads."""

    def modules(*arguments, env=None):
        code = (
            f"import sys, atexit; sys.argv = {['spectessera', *arguments]!r}\n"
            "atexit.register(lambda: print('\\n', *sys.modules))\n"
            "from spectessera.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False,
            env=os.environ | (env or {}),
        )  # fmt: skip
        return set(done.stdout.splitlines()[-1].split())

    return modules
