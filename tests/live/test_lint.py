"""Every kind of response, read by httplint: nothing it finds is left unexplained."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ..sites import python_handler, web_config, write
from .server import LiveServer

httplint = pytest.importorskip(
    "httplint", reason="httplint is a test dependency: pip install -e .[test]"
)

APP = """
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.endswith("/redirect"):
        start_response("302 Found", [("Location", "/app/x"), ("Content-Type", "text/plain")])
        return [b"moved"]
    if path.endswith("/nothing"):
        start_response("204 No Content", [])
        return []
    if path.endswith("/raise"):
        raise ValueError("on purpose")
    if path.endswith("/missing"):
        start_response("404 Not Found", [])
        return []
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"hello " * 2000] if path.endswith("/long") else [b"hello"]
"""
FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "page.txt": "0123456789",
    "index.html": "<html></html>",
    "long.txt": "text " * 2000,
    "empty/": "",
    "web.config": web_config(
        '<rewrite><rules><rule name="go"><match url="^go$" /><action type="Redirect" url="/page.txt" /></rule>'
        '<rule name="say"><match url="^say$" /><action type="CustomResponse" statusCode="403" statusReason="Not now" '
        'statusDescription="short" /></rule></rules></rewrite>' + python_handler("app"),
        {"WSGI_HANDLER": "app.application"},
    ),
    "listed/web.config": web_config(
        '<defaultDocument enabled="false" /><directoryBrowse enabled="true" />'
    ),
    "listed/a.txt": "",
    "moved/web.config": web_config('<httpRedirect enabled="true" destination="/page.txt" />'),
    "cached/web.config": web_config(
        '<staticContent><clientCache cacheControlMode="UseMaxAge" /></staticContent>'
    ),
    "cached/a.txt": "a",
    "broken/web.config": "<configuration>",
}
GZIP = "Accept-Encoding: gzip"
#: Request line, more headers, the status. Together: every way in which a response comes about.
REQUESTS: list[tuple[str, tuple[str, ...], int]] = [
    ("GET /page.txt", (), 200),
    ("HEAD /page.txt", (), 200),
    ("GET /", (), 200),
    ("GET /cached/a.txt", (), 200),
    ("GET /page.txt", ("If-None-Match: *",), 304),
    ("GET /page.txt", ('If-Match: "no"',), 412),
    ("GET /page.txt", ("Range: bytes=1-2",), 206),
    ("GET /page.txt", ("Range: bytes=1-2,4-5",), 206),
    ("GET /page.txt", ("Range: bytes=50-",), 416),
    ("GET /long.txt", (GZIP,), 200),
    ("GET /long.txt", (GZIP,), 200),
    ("GET /empty", (), 301),
    ("GET /empty/", (), 403),
    ("GET /listed/", (), 200),
    ("GET /go", (), 301),
    ("GET /say", (), 403),
    ("GET /moved/x", (), 302),
    ("GET /web.config", (), 404),
    ("GET /none.txt", (), 404),
    ("GET /broken/", (), 500),
    ("OPTIONS /page.txt", (), 200),
    ("TRACE /page.txt", (), 501),
    ("POST /page.txt", ("Content-Length: 0",), 405),
    ("POST /page.txt", (), 411),
    ("GET /..", (), 403),
    ("GET /%00", (), 400),
    ("GET /page.txt?" + "q" * 3000, (), 404),
    ("GET /app/x", (), 200),
    ("HEAD /app/x", (), 200),
    ("GET /app/long", (GZIP,), 200),
    ("GET /app/redirect", (), 302),
    ("GET /app/nothing", (), 204),
    ("GET /app/raise", (), 500),
    ("GET /app/missing", (), 404),
]
#: What httplint says of a response that is IIS's own way, and why it stays.
EXPLAINED = {
    "FRESHNESS_HEURISTIC": "IIS sends no Cache-Control unless clientCache or customHeaders ask for it",
    "FIELD_DEPRECATED": "Public is what IIS answers to OPTIONS",
    "STATUS_BAD_REQUEST": "says only that 400 is a client error",
    "BAD_SYNTAX_DETAILED": "the boundary of IIS's multipart/byteranges, in angle brackets without quotes",
    "PARTIAL_WITHOUT_RANGE": "a multipart 206 has its Content-Range in the parts; httplint asks for one in the head",
}
#: Those of them that a response of several ranges alone may show.
OF_MULTIPART = {"BAD_SYNTAX_DETAILED", "PARTIAL_WITHOUT_RANGE"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(write(tmp_path_factory.mktemp("lint"), FILES), ["--compression"]) as running:
        yield running


def receive(sock: socket.socket) -> bytes:
    data = b""
    while part := sock.recv(1 << 16):
        data += part
    return data


def exchange(server: LiveServer, line: str, headers: tuple[str, ...]) -> bytes:
    more = "".join(f"{header}\r\n" for header in headers)
    with server.connect() as sock:
        sock.sendall(
            f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode()
        )
        return receive(sock)


def notes(line: str, answer: bytes) -> tuple[int, list[tuple[str, str]]]:
    """Status, and (class name, level) of every note that is more than information."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    version, status, reason = first.split(b" ", 2)
    bodiless = line.startswith("HEAD ") or status in (b"204", b"304")
    linter = httplint.HttpResponseLinter(no_content=bodiless)
    linter.process_response_topline(version, status, reason)
    fields = [(name, value.strip()) for name, _, value in (part.partition(b":") for part in lines)]
    linter.process_headers(fields)
    if (b"Transfer-Encoding", b"chunked") in fields:
        body = dechunked(body)
    linter.feed_content(body)
    linter.finish_content(True)
    return int(status), [
        (type(note).__name__, note.level.name)
        for note in linter.notes
        if note.level.name in ("BAD", "WARN")
    ]


def dechunked(data: bytes) -> bytes:
    parts = []
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        parts.append(data[:length])
        data = data[length + 2 :]
    return b"".join(parts)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    REQUESTS,
    ids=[f"{row[0][:40]} {' '.join(row[1])}" for row in REQUESTS],
)
def test_responses(server: LiveServer, line: str, headers: tuple[str, ...], status: int) -> None:
    found, said = notes(line, exchange(server, line, headers))
    assert found == status
    explained = (
        EXPLAINED.keys() if "Range: bytes=1-2,4-5" in headers else EXPLAINED.keys() - OF_MULTIPART
    )
    assert [note for note in said if note[0] not in explained] == []


def test_the_walk_covers_compression(server: LiveServer) -> None:
    for target in ("/long.txt", "/app/long"):
        for _ in range(3):
            answer = exchange(server, f"GET {target}", (GZIP,))
        assert b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n" in answer, target
