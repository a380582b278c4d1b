"""An act: what a page can ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .session import Session

Request = dict[str, Any]
Answer = dict[str, Any]
Apply = Callable[[], Answer]


class Act(NamedTuple):
    """A function that computes in a thread, and returns one that shows what it has found.

    Attributes
    ----------
    work : callable
        Of the session and a request. What it returns is called with the lock of the document; it
        changes the figures and returns the answer, of plain values.
    slow : bool
        Whether it may take more than a moment: it has a thread of its own.
    reads : bool
        Whether it is slow where the spectrum of a single pixel is slow to read.
    edits : bool
        Whether it changes the result, for all pages.
    """

    work: Callable[[Session, Request], Apply]
    slow: bool = False
    reads: bool = False
    edits: bool = False

    def is_slow(self, session: Session) -> bool:
        """Whether it may take more than a moment, for the cube of a session."""
        pixels = session.state.pixels
        return self.slow or (self.reads and pixels is not None and bool(pixels.slow))
