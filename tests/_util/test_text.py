"""Text of files is shown so that every character of it is seen, and none is obeyed."""

import re
from pathlib import Path

import pytest

import spectessera
from spectessera._util.text import MOST, in_figure, per_cent, shown, visible

HOSTILE = "\x1b[31m\x07\x9b\u202e\u200b\u2028\n\r\t\udcff\ufeff\U000e0041"


@pytest.mark.parametrize("one", HOSTILE)
def test_a_character_that_is_not_seen_is_an_escape(one):
    assert shown(f"a{one}b").isprintable()
    assert visible(f"a{one}b", keep=one) == f"a{one}b"


def test_what_is_seen_stays():
    for text in ("[/x] [bold] :smile: $x$", "Å μm  cm⁻¹ 光", "two words\u00a0and\u202fspaces"):
        assert shown(text) == visible(text) == text


def test_a_long_text_keeps_its_ends():
    text = shown("head" + "x" * 10**6 + "tail")
    assert len(text) < MOST + 50
    assert text.startswith("head")
    assert text.endswith("tail")


def test_dollars_are_no_mathematics_in_figures():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.suptitle(in_figure(r"$\frac{$ and $x$"))
    figure.canvas.draw()  # mathematics that cannot be read raises here


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 0, "0 %"), (1 / 576, 0, "less than 1 %"), (0.006, 0, "1 %"), (0.5, 1, "50.0 %"),
        (0.0004, 1, "less than 0.1 %"), (0.9996, 1, "more than 99.9 %"),
        (0.996, 0, "more than 99 %"), (1.0, 0, "100 %"), (1e-9, 2, "less than 0.01 %"),
    ],
)  # fmt: skip
def test_a_few_are_not_none_and_nearly_all_are_not_all(share, digits, text):
    assert per_cent(share, digits) == text


def test_shares_are_written_in_one_way():
    """A format such as .0% says "0%" of one pixel in hundreds."""
    root = Path(spectessera.__file__).parent
    own = re.compile(r":\.\d%\}|\{100 \* [^{}]*:\.\d[fg]\} ?%")
    written = {
        path.name
        for path in root.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if own.search(line)
    }
    assert written <= {"published.py", "info.py"}  # a setting; any share, to three digits
