"""Clients that are slow, stop, or send too much: none holds a worker, a place at an upstream, or
the memory, and each is closed by the timer that http.sys has for it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..sites import python_handler, web_config, write
from .server import LiveServer

APP = """
def application(environ, start_response):
    print("REACHED", environ["PATH_INFO"], flush=True)
    read = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/huge":
        return (b"x" * 65536 for _ in range(400))
    return [b"%d bytes" % len(read)]
"""
SETTINGS = {"WSGI_HANDLER": "app.application"}
LIMIT = (
    '<security><requestFiltering><requestLimits maxAllowedContentLength="1000" />'
    "</requestFiltering></security>"
)
HASTY = (
    "<configuration><system.applicationHost><webLimits connectionTimeout='00:00:01'"
    " headerWaitTimeout='00:00:01' /></system.applicationHost></configuration>"
)
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /upload HTTP/1.1\r\nHost: localhost\r\n"


def site(folder: Path, more: str = "") -> Path:
    config = web_config(python_handler() + more, SETTINGS)
    return write(folder, {"app.py": APP, "web.config": config})


@contextmanager
def held(server: LiveServer, data: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have sent ``data`` and read nothing."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            sock.settimeout(60)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(data)
            found.append(sock)
        yield found


@pytest.mark.parametrize(
    "begun", [b"Content-Length: 1000\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"]
)
def test_an_upload_takes_a_worker_when_it_is_complete(
    tmp_path: Path, serve: Callable[..., LiveServer], begun: bytes
) -> None:
    server = serve(site(tmp_path), "--workers", "1")
    with held(server, POST + begun, 5) as uploads:
        assert server.get("/other").text == "0 bytes"
        rest = b"c" * 997 if b"Length" in begun else b"cde\r\n0\r\n\r\n"
        uploads[0].sendall(rest)
        assert uploads[0].recv(65536).endswith(b"%d bytes" % (1000 if b"Length" in begun else 5))
    server.get("/last")
    server.stop()
    assert server.log().count("REACHED /upload") == 1


def test_a_worker_is_free_when_it_has_said_its_last_word(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site(tmp_path), "--workers", "1")
    with held(server, GET % b"/huge", 3) as readers:
        assert server.get("/other").text == "0 bytes"
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += readers[0].recv(1 << 20)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body.count(b"x") == 400 * 65536


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1001\r\n\r\n",
        b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n"
        + b"1f4\r\n"
        + b"a" * 500
        + b"\r\n1f5\r\n"
        + b"a" * 501,
    ],
)
def test_more_than_a_body_may_have(
    tmp_path: Path, serve: Callable[..., LiveServer], body: bytes
) -> None:
    server = serve(site(tmp_path, LIMIT))
    answer = server.raw(POST + body)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"100 Continue" not in answer
    assert b"\r\nConnection: close\r\n" in answer
    server.wait_for(r"413\.1 POST /upload -> RequestFilteringModule respond")
    server.stop()
    assert "REACHED" not in server.log()


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"GET / HTTP/1.1\r\nHost: ", r"headerWaitTimeout \(1 seconds\) \[Timer_HeaderWait\]"),
        (
            POST + b"Content-Length: 9\r\n\r\nabc",
            r"connectionTimeout \(1 seconds\) \[Timer_EntityBody\]",
        ),
        (GET % b"/large.txt", r"minBytesPerSecond \(240\).*\[Timer_MinBytesPerSecond\]"),
        (GET % b"/huge", r"minBytesPerSecond \(240\).*\[Timer_MinBytesPerSecond\]"),
    ],
    ids=["head", "body", "file", "program"],
)
def test_timers(tmp_path: Path, serve: Callable[..., LiveServer], data: bytes, limit: str) -> None:
    """Twenty of each are closed, and the log says which limit did it."""
    write(tmp_path, {"host.config": HASTY})
    root = site(tmp_path / "site")
    handler = 'path="*"'
    config = (root / "web.config").read_text()
    assert handler in config
    file = '<add name="F" path="*.txt" verb="*" modules="StaticFileModule" resourceType="File" />'
    config = config.replace("<handlers>", "<handlers>" + file)
    write(root, {"large.txt": "x" * (24 << 20), "web.config": config})
    server = serve(root, "--host-config", str(tmp_path / "host.config"))
    with held(server, data, 20) as stalled:
        server.wait_for(limit)
        for sock in stalled:
            try:
                while sock.recv(1 << 20):
                    pass
            except ConnectionError:
                pass
    assert server.get("/other").text == "0 bytes"


def test_custom_headers_do_not_say_where_an_answer_ends(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    names = {"Content-Length": "1", "Transfer-Encoding": "chunked", "X-Own": "yes"}
    adds = "".join(f'<add name="{name}" value="{value}" />' for name, value in names.items())
    custom = f"<httpProtocol><customHeaders>{adds}</customHeaders></httpProtocol>"
    head, _, body = (
        serve(site(tmp_path, custom))
        .raw(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .partition(b"\r\n\r\n")
    )
    assert body == b"0 bytes" and b"\r\nX-Own: yes\r\n" in head
    assert head.count(b"Content-Length") == 1 and b"Transfer-Encoding" not in head


UPSTREAM_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nup"


def test_slow_requests_to_an_upstream_leave_room_for_others(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    rule = (
        '<rewrite><rules><rule name="p"><match url="^up/(.*)" />'
        '<action type="Rewrite" url="http://127.0.0.1:{}/{{R:1}}" /></rule></rules></rewrite>'
    )
    arrived = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening, ExitStack() as stack:

        def answer() -> None:
            while True:
                try:
                    sock = stack.enter_context(listening.accept()[0])
                except OSError:
                    return
                if b"/slow" in sock.recv(9999):
                    arrived.release()
                    continue
                sock.sendall(UPSTREAM_ANSWER)
                sock.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        config = web_config(rule.format(listening.getsockname()[1]))
        server = serve(write(tmp_path, {"web.config": config}), "--arr")
        with held(server, GET % b"/up/slow", 110):
            for _ in range(110):
                assert arrived.acquire(timeout=60)
            assert server.get("/up/fast").text == "up"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
