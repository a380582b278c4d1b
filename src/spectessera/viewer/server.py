"""The server of the viewer: on this machine only, and only for who knows its token."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
LOCAL = ("127.0.0.1", "localhost", "::1")  # names under which a browser reaches this machine
MOST_MESSAGE = 2**22  # bytes of a message of the browser; its requests are short
_PATIENCE = 5.0  # seconds for the server to end

MakePage = Callable[[Any], None]


def check_bokeh() -> None:
    """Raise an ImportError that names the pip line if bokeh is not installed."""
    try:
        import bokeh.server  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'the viewer needs bokeh, which is not installed: pip install "spectessera[view]"'
        ) from error


def bind(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine; 0 is any free one.

    Raises
    ------
    ValueError
        If it is no port.
    OSError
        If it is taken, or not allowed.
    """
    if not 0 <= port < 2**16:
        raise ValueError(f"a port is a number from 1 to 65535, or 0 for any free one; got {port!r}")
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # one that was just closed can be used again; one in use cannot
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen(128)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(
            f"port {port} of this machine cannot be used: {error.strerror or error}; another "
            "program has it, or another viewer; give another one (--port), or none for any free one"
        ) from error
    return bound


def is_allowed(path: str, host: str, origin: str | None, token: str) -> bool:
    """Return whether a request may be answered.

    Its path begins with the token, compared in constant time; it was sent to this machine by a name
    of this machine (no name of another site that points here); and where a page has sent it, that
    is a page of this server.

    Examples
    --------
    >>> is_allowed("/abc/ws", "localhost:8000", "http://localhost:8000", "abc")
    True
    >>> is_allowed("/abc/ws", "localhost:8000", "http://localhost:9000", "abc")
    False
    """
    first = path.lstrip("/").partition("/")[0].partition("?")[0]
    known = hmac.compare_digest(first.encode("utf-8", "replace"), token.encode())
    try:
        here = urlsplit(f"//{host}").hostname in LOCAL
        same = origin is None or urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # brackets that do not match, and the like
        return False
    return known and here and same


def _gate(make_page: MakePage, token: str) -> Any:
    """Return the application: bokeh's own, behind a gate that every request has to pass."""
    from bokeh.server.tornado import BokehTornado
    from tornado.web import ErrorHandler

    class Gate(BokehTornado):
        def find_handler(self, request: Any, **settings: Any) -> Any:
            origin = request.headers.get("Origin")
            if is_allowed(request.path, request.host, origin, token):
                return super().find_handler(request, **settings)
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})

    return Gate(
        make_page,
        prefix=token,
        extra_websocket_origins=[f"{name}:*" for name in LOCAL[:2]],
        secret_key=secrets.token_bytes(32),
        sign_sessions=True,
        include_headers=[],
        include_cookies=[],
        websocket_max_message_size_bytes=MOST_MESSAGE,
    )


def _http(application: Any) -> Any:
    """Return a server that sends short messages at once.

    Otherwise the system holds the parts of an answer back until the browser has acknowledged the
    first one, which it does after up to 40 ms.
    """
    from tornado.httpserver import HTTPServer

    class Prompt(HTTPServer):
        def handle_stream(self, stream: Any, address: Any) -> None:
            stream.set_nodelay(True)
            super().handle_stream(stream, address)

    return Prompt(application)


class Server:
    """A server that shows pages, in a thread of its own.

    Parameters
    ----------
    make_page : callable
        Fills a document of bokeh; called once for every page that is opened.
    bound : socket, optional
        Of :func:`bind`; by default on any free port.
    """

    def __init__(self, make_page: MakePage, bound: socket.socket | None = None) -> None:
        check_bokeh()
        self.token = secrets.token_urlsafe(24)
        self._make_page = make_page
        self._socket = bind(0) if bound is None else bound
        self.port: int = self._socket.getsockname()[1]
        self._started, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._loop: Any = None
        self._thread = threading.Thread(target=self._run, name="spectessera-view", daemon=True)

    @property
    def address(self) -> str:
        """The address of the page, with the token."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def start(self) -> None:
        """Start the thread, and wait until pages can be opened."""
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise RuntimeError(f"the server of the viewer did not start: {self._error}") from (
                self._error
            )

    def _run(self) -> None:
        """Serve until the loop is stopped."""
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            from bokeh.server.server import BaseServer
            from tornado.ioloop import IOLoop

            application = _gate(self._make_page, self.token)
            http = _http(application)
            http.add_socket(self._socket)
            self._loop = IOLoop.current()
            server = BaseServer(self._loop, application, http)
            server.start()
            self._loop.add_callback(self._started.set)
            self._loop.start()
            server.stop(wait=False)
            self._loop.run_sync(http.close_all_connections)
            self._loop.close()
        except BaseException as error:  # handed to the thread that has started this one
            self._error = error
            raise
        finally:
            self._ended.set()
            self._started.set()

    def wait(self) -> None:
        """Wait until the server has ended; Ctrl-C raises KeyboardInterrupt as usual."""
        while not self._ended.wait(0.5):
            pass

    def close(self) -> None:
        """Stop; pages that are open say that they have lost their server."""
        if self._thread.is_alive():
            self._loop.add_callback(self._loop.stop)
            self._thread.join(_PATIENCE)
        self._socket.close()
