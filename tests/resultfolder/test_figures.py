"""The figures in a result folder say what was found, not only which number it has."""

import json

from commands import run
from mapcases import painted
from spectessera import write
from spectessera.plots import result as plots


def test_the_figure_of_clusters_has_the_suggested_names_and_those_by_people(tmp_path, monkeypatch):
    drawn, figure_of = [], plots.clusters
    monkeypatch.setattr(
        plots, "clusters", lambda *a, **how: drawn.append(figure_of(*a, **how)) or drawn[-1]
    )
    out = tmp_path / "out"
    write(painted(3).cube, tmp_path / "scan.h5")
    run("segment", tmp_path / "scan.h5", "--model", "maxrf", "--clusters", "3", "--neighbours", "0",
        "--out", out, "-q", check=0)  # fmt: skip
    rows = json.loads((out / "summary.json").read_text())["clusters"]
    names = [row["name"] for row in rows]
    assert any(names)
    run("edit", out, "--rename", "1=Robe", "-q", check=0)
    for figure in drawn:
        (axes,) = (each for each in figure.axes if "spectrum" in each.get_title())
        labels = [each.get_text() for each in axes.texts if each.get_gid() == "line-name"]
        assert {"Cu Ka", "Ca Ka"} <= set(labels)
    before, after = (
        [each.get_text() for each in figure.legends[0].get_texts()] for figure in drawn
    )
    for texts, expected in ((before, names), (after, ["Robe", *names[1:]])):
        for number, (name, text) in enumerate(zip(expected, texts, strict=True), 1):
            assert text.startswith(f"{number}: {name[:30]}")
