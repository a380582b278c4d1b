"""The server of the viewer: who may ask, and what it says when it cannot start."""

import http.client
import socket

import pytest

pytest.importorskip("bokeh")

from spectessera.viewer.server import Server, bind, is_allowed

TOKEN = "right-token"


@pytest.fixture(scope="module")
def server():
    server = Server(lambda doc: None)
    server.start()
    yield server
    server.close()


def status(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def websocket(server, path, origin, session="none"):
    """Return the status of an answer to a websocket that wants to open, and its first byte."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as opened:
        lines = (
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Origin: {origin}",
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"Sec-WebSocket-Protocol: bokeh, {session}", "", "",
        )  # fmt: skip
        opened.sendall("\r\n".join(lines).encode())
        with opened.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            while answer.readline().strip():
                pass
            return status, answer.read(1) if status == 101 else b""


def test_only_the_token_opens_a_page(server):
    assert status(server, f"/{server.token}/") == 200
    for wrong in (
        "/",
        "/wrong/",
        f"/{server.token[:-1]}/",
        f"/x{server.token}/",
        "/static/js/bokeh.min.js",
    ):
        assert status(server, wrong) == 403


def test_only_the_token_and_the_own_origin_open_a_websocket(server):
    own, path = f"http://127.0.0.1:{server.port}", f"/{server.token}/ws"
    assert websocket(server, "/wrong/ws", own) == (403, b"")
    assert websocket(server, path, "http://example.org") == (403, b"")
    assert websocket(server, path, f"http://127.0.0.1:{server.port + 1}") == (403, b"")


def test_a_websocket_without_a_signed_session_is_closed_at_once(server):
    own, path = f"http://127.0.0.1:{server.port}", f"/{server.token}/ws"
    forged = "eyJzZXNzaW9uX2lkIjogIngifQ"  # {"session_id": "x"}
    assert websocket(server, path, own, forged) == (101, b"\x88")  # a frame that closes


def test_a_name_of_another_site_that_points_here_is_refused(server):
    assert status(server, f"/{server.token}/", Host=f"evil.example:{server.port}") == 403
    assert status(server, f"/{server.token}/", Host=f"localhost:{server.port}") == 200


@pytest.mark.parametrize(
    ("path", "host", "origin", "allowed"),
    [
        (f"/{TOKEN}/", "127.0.0.1:5", None, True),
        (f"/{TOKEN}", "[::1]:5", None, True),
        (f"/{TOKEN}/ws", "localhost:9", "http://localhost:9", True),  # ssh -L 9:127.0.0.1:5
        (f"/{TOKEN}/ws", "localhost:9", "http://localhost:8", False),
        (f"/{TOKEN}/ws", "localhost:9", "null", False),
        ("/%72ight-token/", "127.0.0.1:5", None, False),
        ("/\udc80/", "127.0.0.1:5", None, False),
        (f"/{TOKEN}/", "127.0.0.1.evil.org:5", None, False),
        (f"/{TOKEN}/", "[", None, False),
        ("", "127.0.0.1:5", None, False),
    ],
)
def test_who_may_ask(path, host, origin, allowed):
    assert is_allowed(path, host, origin, TOKEN) == allowed


def test_it_listens_on_this_machine_only(server):
    assert server._socket.getsockname()[0] == "127.0.0.1"
    assert server.address.startswith("http://127.0.0.1:")
    assert len(server.token) >= 32


def test_a_port_that_is_taken_is_said_in_words():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of this machine cannot be used.*--port"):
            bind(port)
    with pytest.raises(ValueError, match="a port is a number"):
        bind(70_000)


def test_closing_frees_the_port():
    server = Server(lambda doc: None)
    server.start()
    server.close()
    assert not server._thread.is_alive()
    bind(server.port).close()
