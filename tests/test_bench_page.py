"""The page of measured results: the script reads its table from its sections."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "benchmarks" / "RESULTS.md"


@pytest.fixture
def bench(monkeypatch):
    """Return a function that imports a module of the benchmarks, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield lambda name: __import__(f"benchmarks.{name}", fromlist=["main"])
    for name in [each for each in sys.modules if each.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_the_page_is_what_the_script_writes(bench):
    main, text = bench("__main__"), PAGE.read_text(encoding="utf-8")
    assert "\n".join(main.page_of(main.sections(text))) + "\n" == text


def test_every_section_with_an_aim_has_rows(bench):
    """A section that says "aim" or "goal" has a row with a limit, if it was measured."""
    main, aims = bench("__main__"), bench("aims")
    page = main.sections(PAGE.read_text(encoding="utf-8"))
    titles = {section.title for section in main.SECTIONS}
    assert set(aims.READERS) <= titles
    assert set(page) <= titles
    for title, lines in page.items():
        words = " ".join(lines)
        if "(aim" in words or "| aim |" in words or "goal," in words:
            assert any(aim.limit for aim in aims.READERS[title](lines)), title


def test_without_words_no_study_runs_that_takes_long(bench):
    main = bench("__main__")
    assert "Cubes that grow" not in [section.title for section in main.chosen([])]
    assert [section.title for section in main.chosen(["GROW"])] == ["Cubes that grow"]


def test_a_section_that_is_measured_again_changes_its_rows_alone(bench, tmp_path, capsys):
    main = bench("__main__")
    target = tmp_path / "RESULTS.md"
    target.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    lines = [
        "4 prototypes, against the noise-free ones (aim: 20, SNN).",
        "",
        "| blocks | dropout | gamma | gain | best epoch | seconds |",
        "|---|---|---|---|---|---|",
        "| snn | 0.0 | 0.0 | 17 | 33 | 36 |",
        "| mlp | 0.0 | 0.0 | 400 | 33 | 36 |",
    ]
    main.write_sections({"The astronomical network of the paper": lines}, target)
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (PAGE, target))
    (row,) = [line for line in after if line.startswith("| gain of the astronomical")]
    assert row.startswith("| gain of the astronomical network | 17 | at least 20 | no |")
    others = [line for line in after if line.startswith("| `read` of") or "peak, MiB" in line]
    assert others
    assert all(line in before for line in others)


@pytest.mark.parametrize(
    ("value", "limit", "met"),
    [
        ("1.36", "at most 1.3", "no"),
        ("1.3", "at most 1.3", "yes"),
        ("387,786", "at least 30,000", "yes"),
        ("DIFFERENT and the same", "the same", "no"),
        ("none", "none", "yes"),
        ("5", "", ""),
    ],
)
def test_an_aim_is_met_or_not(bench, value, limit, met):
    assert bench("aims").Aim("what", value, limit).met == met


def test_the_largest_ratio_of_a_kind_of_step_counts(bench):
    head = "| blocks | batch | steps before | step | ms | against | ms | ratio | aim | early |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    ratios = ("1.10", "1.24", "1.17")
    lines += [f"| mlp | 512 | 0 | joint | 2 | plain | 2 | {each} | 1.2 | |" for each in ratios]
    (aim,) = bench("aims").steps(lines)
    assert (aim.what, aim.value, aim.met) == ("joint, batch 512", "1.24", "no")


def test_how_long_a_section_took_is_at_its_end(bench):
    *_, last = bench("__main__").timed(lambda: ["measured"])
    assert last.startswith("Measured in 0 s, ")


def test_the_profile_has_all_parts_of_a_joint_step(bench):
    """In a process of its own: the profile replaces functions of the package."""
    code = (
        "from benchmarks.step_profile import profile;"
        "print(chr(10).join(profile('mlp', n=64, steps=2, before=0)))"
    )
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": paths}, cwd=ROOT,
    )  # fmt: skip
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    rows = {row[0]: row[1:] for row in table}
    assert rows["gradient of the silhouette"][:2] == ["", ""]
    for part in ("- - Lloyd's iterations", "- silhouettes of all k", "gradient of the silhouette"):
        assert all(float(each) > 0 for each in rows[part][2:])
    assert float(rows["whole step"][3]) > float(rows["forward"][3])
