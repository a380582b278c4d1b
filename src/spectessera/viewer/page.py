"""A page of the viewer: its figures, and the answers to what its script asks for."""

from __future__ import annotations

import json
import logging
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from spectessera._util.files import package_data

from . import requests
from .actions import Apply
from .acts import ACTS
from .session import Session
from .state import State

log = logging.getLogger(__name__)
# The parts of the script of the page, in their order.
SCRIPTS = ("asking", "maps", "spectra", "lists", "more", "start")
# What a person, a file or a full disk may cause: said on the page. Anything else is a fault.
EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)


class Pages:
    """All pages of a viewer.

    Parameters
    ----------
    state : State
    """

    def __init__(self, state: State) -> None:
        self.state = state
        # One thread answers what takes milliseconds; what takes long has its own, so that spectra
        # under the mouse do not wait for it.
        self.quick = ThreadPoolExecutor(1, thread_name_prefix="spectessera-quick")
        self.slow = ThreadPoolExecutor(1, thread_name_prefix="spectessera-slow")
        self.saving = ThreadPoolExecutor(1, thread_name_prefix="spectessera-save")
        self.open: list[Page] = []

    def fill(self, doc: Any) -> None:
        """Fill the document of a new page."""
        page = Page(doc, self)
        self.open.append(page)
        doc.on_session_destroyed(lambda _: self.open.remove(page))

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to every page."""
        for page in list(self.open):
            page.doc.add_next_tick_callback(partial(page.send, message))

    def save(self) -> None:
        """Keep the corrections, in a thread of its own: the page goes on meanwhile."""
        self.saving.submit(self._save)

    def _save(self) -> None:
        editing = self.state.editing
        assert editing is not None
        try:
            if editing.save():
                words = f"Your corrections are kept in {editing.folder}."
                self.tell({"act": "saved", "words": words})
        except EXPECTED as error:
            log.warning("corrections are not kept: %s", error)
            reason = (error.strerror if isinstance(error, OSError) else "") or error
            self.tell({"act": "saved", "words": f"Not kept: {reason}", "wrong": True})
        except Exception:
            log.exception("corrections are not kept")
            self.tell({"act": "saved", "words": "Not kept; the terminal says why", "wrong": True})

    def close(self) -> None:
        """End the threads; corrections are kept first, what else has not begun is dropped."""
        self.state.closing.set()
        for pool in (self.quick, self.slow):
            pool.shutdown(wait=False, cancel_futures=True)
        self.saving.shutdown(wait=True)


class Page:
    """One page.

    Parameters
    ----------
    doc : Document
    pages : Pages
    """

    def __init__(self, doc: Any, pages: Pages) -> None:
        from bokeh.models import ColumnDataSource
        from jinja2 import Template

        self.doc, self.pages = doc, pages
        self.session = Session(pages.state)
        self._ask = ColumnDataSource({"text": []}, name="ask")
        self._answer = ColumnDataSource({"text": []}, name="answer")
        self._ask.on_change("data", self._receive)
        for root in (*self.session.roots(), self._ask, self._answer):
            doc.add_root(root)
        doc.title = f"{pages.state.title} - spectessera"
        doc.template = Template(_data("viewer.html"), autoescape=True)
        script = "\n".join(_data(f"{name}.js") for name in SCRIPTS)
        doc.template_variables.update(
            nonce=secrets.token_urlsafe(16), style=_data("viewer.css"), script=script,
            heading=pages.state.title, figures=[each.name for each in self.session.roots()],
        )  # fmt: skip

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the script of the page."""
        self._answer.data = {"text": [json.dumps(message, allow_nan=False)]}

    def _receive(self, _name: str, _old: Any, new: dict[str, Any]) -> None:
        """Take a request of the page."""
        try:
            request = requests.parse(next(iter(new.get("text", ()))))
            act = ACTS[request["act"]]
        except (ValueError, LookupError, StopIteration) as error:
            log.warning("a request of the page was refused: %s", error)
            return
        pool = self.pages.slow if act.is_slow(self.session) else self.pages.quick
        future = pool.submit(act.work, self.session, request)
        future.add_done_callback(partial(self._done, request, act.edits))

    def _done(self, request: dict[str, Any], edits: bool, future: Future[Apply]) -> None:
        """Hand what a thread has computed to the loop of the server."""
        if future.cancelled():
            return
        if edits and future.exception() is None:  # also if this page was closed meanwhile
            self.pages.tell({"act": "changed"})
            self.pages.save()
        if not self.pages.state.closing.is_set():
            self.doc.add_next_tick_callback(partial(self._finish, request, future))

    def _finish(self, request: dict[str, Any], future: Future[Apply]) -> None:
        """Show what was computed, and answer."""
        answer = {"act": request["act"], "n": request["n"]}
        try:
            answer |= future.result()()
        except EXPECTED as error:
            answer["error"] = str(error) or type(error).__name__
        except Exception:
            log.exception("a request of the page failed")
            answer["error"] = "this did not work; the terminal of the viewer says why"
        self.send(answer)


def _data(name: str) -> str:
    return package_data(f"viewer/{name}").read_text(encoding="utf-8")
