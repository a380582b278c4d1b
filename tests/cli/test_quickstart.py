"""The commands of the quick start, as they stand on the page, give what the page says."""

import json
import re
import shlex
from pathlib import Path

import pytest

from commands import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quickstart.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="without the folder docs")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Run the commands on the example cube in a folder that has the examples; return its answers.

    The last ones are of a file of the reader.
    """
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "examples").symlink_to(ROOT / "examples")
    lines = re.findall(r"^spectessera (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in lines:
            command, *words = shlex.split(line)
            if "scan.h5" not in words:
                told[command] = run(command, *words, check=0).stdout
    return folder / "here", told


def test_info_prints_what_the_page_says(answers):
    _, told = answers
    for words in ("36 x 40", "480", "air wavelength (angstrom)", "6901.141 to 7499.891"):
        assert words in told["info"]


def test_segment_gives_the_clusters_and_warnings_of_the_page(answers):
    """Shares of another processor may differ by a pixel or two."""
    folder, told = answers
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^ +(\d) +(\d+) +([\d.]+) % +([\d.]+)  (.*)$", text, re.MULTILINE)
    summary = json.loads((folder / "summary.json").read_text())
    assert len(rows) == summary["n_clusters"] == len(summary["clusters"])
    for row, found in zip(rows, summary["clusters"], strict=True):
        assert int(row[1]) == pytest.approx(found["size"], abs=5)
        assert float(row[3]) == pytest.approx(found["confidence"], abs=0.02)
        assert row[4] == found["name"]
    assert {each["code"] for each in summary["warnings"]} == set(re.findall(r"`(W-[A-Z-]+)`", text))
    assert "4 clusters" in told["segment"]
    assert (folder / "report.html").stat().st_size > 100_000
    assert (folder / "labels.fits").is_file()


def test_the_commands_for_a_file_of_the_reader_have_flags_that_exist():
    lines = re.findall(r"^spectessera (\w+) scan.h5(.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) >= 3
    for command, rest in lines:
        usage = run(command, "--help-all", check=0).stdout
        assert all(f"{flag} " in usage for flag in re.findall(r"--[a-z-]+", rest))
