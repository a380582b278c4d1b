"""Text of files is shown so that every character of it is seen, and none is obeyed."""

import pytest

from spectessera._util.text import MOST, in_figure, shown, visible

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
