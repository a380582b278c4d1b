"""A Raman map from the command line: spikes, baseline, names of a library, bands."""

import csv
import json

import numpy as np
import pytest

from commands import one_line, run

AXIS = np.linspace(200, 1800, 120)
PLACES = {"calcite <b>": (712, 1086), "gypsum": (414, 1008)}


def pure(name):
    return sum(np.exp(-0.5 * ((AXIS - at) / 20) ** 2) for at in PLACES[name])


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a map of two minerals on fluorescence, with spikes, and a library."""
    rng = np.random.default_rng(0)
    names = list(PLACES)
    values = np.stack([100 * pure(names[x // 6]) for x in range(12)])[None].repeat(10, axis=0)
    values = values + rng.uniform(0, 300, (10, 12, 1)) * np.exp(-(((AXIS - 300) / 900) ** 2))
    values += rng.normal(20, 3, values.shape)
    for number in range(15):
        values[number % 10, (5 * number) % 12, 8 + 7 * number] += 900
    np.savez(tmp_path / "map.npz", cube=values, axis=AXIS, axis_unit="cm-1")
    rows = [f"{at},{','.join(str(pure(name)[n]) for name in names)}" for n, at in enumerate(AXIS)]
    (tmp_path / "library.csv").write_text("\n".join([f"shift (cm-1),{','.join(names)}", *rows]))
    return tmp_path


def test_a_raman_map_is_cleaned_segmented_and_named(folder):
    library = folder / "library.csv"
    done = run(
        "segment", folder / "map.npz", "--out", folder / "out", "--fit", "--epochs", 1,
        "--clusters", 2, "--despike", "yes", "--baseline", "arpls", "--library", library,
        "--neighbours", 0, check=0,
    )  # fmt: skip
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert {row["name"] for row in summary["clusters"]} == set(PLACES)
    assert "W-DATA-DESPIKED" in {each["code"] for each in summary["warnings"]}
    with (folder / "out" / "bands.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {round(float(row["position"]), -1) for row in rows} >= {410, 710, 1010, 1090}
    assert "bands at" in done.stdout
    run("check", folder / "out", check=0)
    run("report", folder / "out", "--library", library, check=0)
    page = (folder / "out" / "report.html").read_text()
    assert "calcite &lt;b&gt;" in page
    assert "suggested by the library" in page
    assert "calcite <b>" not in page.partition("report-data")[0]


def test_a_library_that_does_not_fit_is_one_line(folder):
    assert "--library-unit belongs" in one_line(
        run("segment", folder / "map.npz", "--out", folder / "a", "--library-unit", "nm")
    )
    assert "no library" in one_line(
        run("segment", folder / "map.npz", "--out", folder / "b", "--library", folder / "x.sli")
    )
