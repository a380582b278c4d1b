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


def per_cent(share: float, digits: int = 0, space: str = " ") -> str:
    """Return a share as text, in which a few are not none and nearly all not all.

    Parameters
    ----------
    share : float
        From 0 to 1.
    digits : int
        After the point.
    space : str
        Between number and sign.

    Examples
    --------
    >>> per_cent(0.125, 1), per_cent(1 / 576), per_cent(0.9999), per_cent(0)
    ('12.5 %', 'less than 1 %', 'more than 99 %', '0 %')
    """
    percent, step = 100 * share, 10.0**-digits
    text = f"{percent:.{digits}f}"
    if percent > 0 and float(text) == 0:
        text = f"less than {step:.{digits}f}"
    elif percent < 100 and float(text) == 100:
        text = f"more than {100 - step:.{digits}f}"
    return f"{text}{space}%"


def counted(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun, singular or plural.

    Parameters
    ----------
    number : int
    one, more : str
        Of one, and of several if that is not the same with an s.

    Examples
    --------
    >>> counted(1, "usable spectrum", "usable spectra"), counted(0, "pixel"), counted(2, "pixel")
    ('1 usable spectrum', '0 pixels', '2 pixels')
    """
    return f"{number} {one if number == 1 else more or one + 's'}"


def in_figure(text: object, most: int = 80) -> str:
    r"""Return a text for matplotlib, for which dollars enclose mathematics.

    Examples
    --------
    >>> in_figure("$x$")
    '\\$x\\$'
    """
    return shown(text, most).replace("$", r"\$")
