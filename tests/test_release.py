"""What a release says about itself is the same in all files that say it."""

import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from spectessera import _version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def line_of(name, pattern):
    return re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[1]


def versions():
    """Return the version that each file gives."""
    return {
        "CITATION.cff": line_of("CITATION.cff", r"^version: (.*)$"),
        "codemeta.json": json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))[
            "version"
        ],
        "recipe": line_of("recipe/recipe.yaml", r'^  version: "(.*)"$'),
    }


def test_all_files_have_one_version_and_at_a_tag_it_is_that_of_the_tag():
    assert len(set(versions().values())) == 1
    command = ["git", "describe", "--tags", "--exact-match", "--match", "v*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no git")
    if done.returncode == 0:
        assert set(versions().values()) == {done.stdout.strip().removeprefix("v")}


def test_names_licence_and_words_agree():
    meta = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    assert meta["name"] == PROJECT["name"] == line_of("CITATION.cff", r'^title: "(.*)"$')
    for text in (meta["description"], line_of("CITATION.cff", r'^abstract: "(.*)"$'),
                 line_of("recipe/recipe.yaml", r"^  summary: (.*)$")):  # fmt: skip
        assert text == PROJECT["description"]
    assert meta["license"].endswith(PROJECT["license"])
    assert meta["author"][0]["name"] == PROJECT["authors"][0]["name"]
    assert meta["keywords"] == PROJECT["keywords"]


def test_codemeta_names_what_the_project_needs_as_nodes():
    """CodeMeta 3.0 takes a bare string for an address where it asks for a node."""
    meta = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    needed = {"Python": PROJECT["requires-python"]}
    needed |= {each.name: str(each.specifier) for each in map(Requirement, PROJECT["dependencies"])}
    nodes = meta["softwareRequirements"]
    assert {each["name"]: each["version"] for each in nodes} == needed
    for each in (*nodes, *meta["author"], meta["referencePublication"]):
        assert each.keys() >= {"@type", "name"}


def test_a_package_that_was_never_installed_invents_no_version(monkeypatch):
    def nothing(name):
        raise _version.PackageNotFoundError(name)

    monkeypatch.setattr(_version, "version", nothing)
    assert _version._installed() == "0.0.0"


def test_the_lowest_versions_are_those_of_the_project():
    """Each is what pyproject.toml allows, and the lowest: perhaps with more numbers after them."""
    extras = chain.from_iterable(PROJECT["optional-dependencies"].values())
    asked = [Requirement(each) for each in (*PROJECT["dependencies"], *extras)]
    lines = (ROOT / "constraints-minimum.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(each.split("==") for each in lines if not each.startswith("#"))
    needed = {each.name: each.specifier for each in asked if each.name != PROJECT["name"]}
    assert pinned.keys() == needed.keys()
    for name, specifier in needed.items():
        (bound,) = specifier
        assert specifier.contains(pinned[name]), name
        assert f"{pinned[name]}.".startswith(f"{bound.version}."), name


def test_the_recipe_needs_what_the_project_needs():
    names = {"torch": "pytorch", "dask": "dask-core", "matplotlib": "matplotlib-base"}
    recipe = (ROOT / "recipe/recipe.yaml").read_text(encoding="utf-8")
    for each in map(Requirement, PROJECT["dependencies"]):
        assert f"    - {names.get(each.name, each.name)} {each.specifier}\n" in recipe


def test_the_paper_has_the_sections_and_the_length_that_the_journal_asks_for():
    """The sections of the instructions of JOSS; 750 to 1750 words."""
    text = (ROOT / "paper.md").read_text(encoding="utf-8").split("---", 2)[2]
    assert re.findall(r"^# (.*)$", text, re.MULTILINE) == [
        "Summary", "Statement of need", "State of the field", "Software design",
        "Research impact statement", "AI usage disclosure", "Acknowledgements", "References",
    ]  # fmt: skip
    assert 750 <= len(re.findall(r"\w[\w'-]*", text)) <= 1750
    known = re.findall(r"^@\w+\{([\w-]+),", (ROOT / "paper.bib").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"\[@([\w-]+)\]", text)) == set(known)
