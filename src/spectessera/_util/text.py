"""Text that comes from files or names of files, made safe to show to people."""

from __future__ import annotations

import unicodedata

MOST = 2000  # characters of one text that are shown
# Controls, which a terminal obeys; marks of direction and others that are not seen, which change
# what a reader takes a text for; halves of characters; ends of lines; unassigned ones.
_UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def visible(text: str, keep: str = "") -> str:
    r"""Return a text in which every character that is not seen is written as an escape.

    Parameters
    ----------
    text : str
    keep : str
        Characters that stay as they are, such as the end of a line.

    Examples
    --------
    >>> visible("red \x1b[31m unit")
    'red \\x1b[31m unit'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one
        if one in keep or unicodedata.category(one) not in _UNSEEN
        else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )


def shown(text: object, most: int = MOST) -> str:
    r"""Return a text as one line of at most about ``most`` characters, all of which are seen.

    Of a longer one the beginning and the end are left: an error ends with what to do.

    Parameters
    ----------
    text : object
        Anything; its ``str`` is shown.
    most : int

    Examples
    --------
    >>> shown("a\nb"), shown("0123456789" * 9, most=20)
    ('a\\nb', '012345678901234 [...70 characters...] 56789')
    """
    words = str(text)
    if len(words) > most:
        end = most // 4
        cut = len(words) - most
        words = f"{words[: most - end]} [...{cut} characters...] {words[-end:]}"
    return visible(words)


def in_figure(text: object, most: int = 80) -> str:
    r"""Return a text for matplotlib, for which dollars enclose mathematics.

    Examples
    --------
    >>> in_figure("$x$")
    '\\$x\\$'
    """
    return shown(text, most).replace("$", r"\$")
