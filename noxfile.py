#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.5"]
# ///
"""The tasks of the Makefile, each in a fresh environment of its own.

``nox`` lints, checks the types and runs the tests; ``nox --list`` shows all tasks. Another version
of Python is one option away: ``nox -s tests --force-python 3.13``. Arguments after ``--`` go to
the tool: ``nox -s tests -- tests/test_kmeans.py``. All versions are those of constraints.txt;
those of ``minimum`` are in constraints-minimum.txt.
"""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PINNED = ("--constraint", "constraints.txt")


def install(session: nox.Session, *groups: str, package: bool = True) -> None:
    """Install groups of pyproject.toml and, if asked, the package with all its extras."""
    if package:
        # Editable: tests and mypy look at the files here, and coverage gives their paths.
        session.install(*PINNED, "--editable", ".[all]")
    for group in groups:
        session.install(*PINNED, *nox.project.dependency_groups(PROJECT, group))


@nox.session
def lint(session: nox.Session) -> None:
    """Run the hooks of pre-commit on all files; the types are a task of their own."""
    install(session, "lint", package=False)
    session.run("pre-commit", "run", "--all-files", *session.posargs, env={"SKIP": "mypy"})


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the package with mypy."""
    install(session, "lint")
    session.run("mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, in two processes of one thread each."""
    install(session, "test")
    arguments = ("-n", "2", "--dist", "loadfile", *session.posargs)
    session.run("pytest", "-q", *arguments, env={"OMP_NUM_THREADS": "1"})


@nox.session(default=False)
def minimum(session: nox.Session) -> None:
    """Run the tests on the lowest versions of what the package needs.

    Newer helpers of these versions warn about them: warnings are no errors here.
    """
    lowest = ("--constraint", "constraints-minimum.txt")
    helpers = nox.project.dependency_groups(PROJECT, "test")
    session.install(*lowest, "--editable", ".[all]", *helpers)
    arguments = ("-n", "2", "--dist", "loadfile", "-o", "filterwarnings=default")
    session.run("pytest", "-q", *arguments, *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Run the tests and measure which lines and branches of the package they reach."""
    install(session, "test")
    arguments = ("-n", "2", "--dist", "loadfile", "--cov", *session.posargs)
    session.run("pytest", "-q", *arguments, env={"OMP_NUM_THREADS": "1"})


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Make the wheel and the source distribution, in dist."""
    shutil.rmtree("dist", ignore_errors=True)
    install(session, "build", package=False)
    constraints = str(Path("constraints.txt").resolve())
    session.run("python", "-m", "build", "--quiet", env={"PIP_CONSTRAINT": constraints})


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Make small errors in the code and count those that a test notices; takes hours."""
    install(session, "test")
    session.run("python", "tools/mutants.py", *session.posargs)


@nox.session(default=False)
def review(session: nox.Session) -> None:
    """Compare the repository with the guide of Scientific Python."""
    install(session, "review", package=False)
    session.run("repo-review", ".", *session.posargs)


if __name__ == "__main__":
    nox.main()
