"""Run commands of the command line in this process."""

import numpy as np
from typer.testing import CliRunner

from spectessera import make_cube
from spectessera.cli.app import app


def run(*arguments, check=None, **kwargs):
    """Run a command in this process; returns its exit code, stdout and stderr."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], **kwargs)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if check is not None:
        assert done.exit_code == check, done.stderr
    return done


def one_line(done):
    """Assert that a command ended with one clear line, and return it."""
    assert done.exit_code == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def two_stripes():
    """Return a cube of 6 x 9 pixels, counts, one line in each stripe."""
    values = np.random.default_rng(0).poisson(1, (6, 9, 30)).astype(np.uint16)
    values[:, :4, 5:8] += 30
    values[:, 4:, 20:23] += 30
    return make_cube(values, energy=(1.0, 15.0))
