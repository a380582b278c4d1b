"""The gallery: every example runs and leaves its figure."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"
# Arguments of each example for a figure at FIGURE; a new example needs a line here.
ARGUMENTS = {
    "plot_bpt.py": ["--out", "FIGURE"],
    "plot_nebula.py": ["FIGURE"],
    "plot_painting.py": [str(EXAMPLES / "data" / "shipwreck.png"), "FIGURE"],
}


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(ARGUMENTS)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_an_example_draws_its_figure(name, tmp_path, pytestconfig):
    figure = tmp_path / "figure.png"
    arguments = [str(figure) if each == "FIGURE" else each for each in ARGUMENTS[name]]
    # newer packages warn about old ones: tests of the lowest versions say that it is no error
    warnings = pytestconfig.getini("filterwarnings")[0]
    done = subprocess.run(
        [sys.executable, "-W", warnings, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    with Image.open(figure) as drawn:
        assert min(drawn.size) > 300
        assert len(drawn.convert("RGB").getcolors(1_000_000)) > 20
