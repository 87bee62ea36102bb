"""Several requests on one connection, requests to upgrade it, and clients that leave: each gets its
own answer, or none.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import python_handler, web_config, write, wsgi_site
from .server import LiveServer

APP = r"""
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        while not os.path.exists("go"):
            time.sleep(0.005)
    if path == "/missing":
        environ["wsgi.input"].read()
        start_response("404 Not Found", [])
        return []
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %s %s|" % (environ["REQUEST_METHOD"], path, environ["CONTENT_LENGTH"])).encode() + body + b"."]
"""
CLOSE = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def server(tmp_path: Path, serve: Callable[..., LiveServer]) -> LiveServer:
    return serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site()}), "--workers", "1")


def post(body: bytes, more: bytes = b"", length: bytes | None = None) -> bytes:
    return (
        b"POST /p HTTP/1.1\r\nHost: a\r\n"
        + more
        + (length or b"Content-Length: %d" % len(body))
        + b"\r\n\r\n"
        + body
    )


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        ([post(b"abc", H2C) + CLOSE], [b"POST /p 3|abc.", b"GET /last 0|."]),
        (
            [
                post(b"", H2C, b"Content-Length: 38"),
                b"GET /id/SMUGGLED HTTP/1.1\r\nHost: a\r\n\r\n",
                CLOSE,
            ],
            [b"POST /p 38|GET /id/SMUGGLED HTTP/1.1\r\nHost: a\r\n\r\n.", b"GET /last 0|."],
        ),
        (
            [post(b"3\r\nabc\r\n0\r\n\r\n", H2C, b"Transfer-Encoding: chunked"), CLOSE],
            [b"POST /p 3|abc.", b"GET /last 0|."],
        ),
        (
            [b"GET /g HTTP/1.1\r\nHost: a\r\n" + H2C + b"\r\n" + CLOSE],
            [b"GET /g 0|.", b"GET /last 0|."],
        ),
        (
            [post(b"abc", H2C + b"Proxy-Connection: upgrade\r\n") + CLOSE],
            [b"POST /p 3|abc.", b"GET /last 0|."],
        ),
        (
            [post(b"abc", H2C).replace(b"POST", b"FOO") + CLOSE],
            [b"FOO /p 3|abc.", b"GET /last 0|."],
        ),
        ([b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"], [b"HTTP Error 400"]),
        ([post(b"abc", WEBSOCKET) + CLOSE], [b"POST /p 3|abc.", b"GET /last 0|."]),
        (
            [b"GET /ws HTTP/1.1\r\nHost: a\r\n" + WEBSOCKET + b"\r\n", CLOSE],
            [b"GET /ws 0|.", b"GET /last 0|."],
        ),
        (
            [
                b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                + b"GET /ws HTTP/1.1\r\nHost: a\r\n"
                + WEBSOCKET
                + b"\r\n"
                + CLOSE
            ],
            [b"GET /1 0|.", b"GET /ws 0|.", b"GET /last 0|."],
        ),
        (
            [b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGARBAGE\r\n\r\n"],
            [b"GET /1 0|.", b"HTTP Error 400"],
        ),
        (
            [post(b"one") + post(b"two") + CLOSE],
            [b"POST /p 3|one.", b"POST /p 3|two.", b"GET /last 0|."],
        ),
    ],
)
def test_every_request_of_a_connection_gets_its_own_answer(
    server: LiveServer, sent: list[bytes], answers: list[bytes]
) -> None:
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for data in sent:
            sock.sendall(data)
        raw = b""
        while part := sock.recv(65536):
            raw += part
    places = [raw.find(answer) for answer in answers]
    assert -1 not in places and places == sorted(places), raw
    assert raw.count(b"HTTP/1.1 ") == len(answers), raw
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("first", "rest", "answers"),
    [
        (
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /ab",
            b"cd HTTP/1.1\r\nHost: a\r\n\r\n",
            [b"GET /1 0|.", b"GET /abcd 0|."],
        ),
        (
            post(b"abc") + b"PUT /2 HTTP/1.1\r\nHost: a\r\nX: aaa",
            b"bbb ccc\r\nContent-Length: 1\r\n\r\nz",
            [b"POST /p 3|abc.", b"PUT /2 1|z."],
        ),
        (
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"FOO /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            [b"GET /1 0|.", b"FOO /2 0|."],
        ),
    ],
)
def test_a_head_that_begins_behind_another_request_and_goes_on_later(
    server: LiveServer, first: bytes, rest: bytes, answers: list[bytes]
) -> None:
    with server.connect() as sock:
        sock.sendall(first)
        raw = b""
        while answers[0] not in raw:  # so the first packet has been read
            raw += sock.recv(65536)
        sock.sendall(rest + CLOSE)
        while part := sock.recv(65536):
            raw += part
    assert all(answer in raw for answer in (*answers, b"GET /last 0|.")), raw
    assert raw.count(b"HTTP/1.1 200") == 3, raw


def test_a_body_is_not_waited_for_twice(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    """An error page that a child request makes comes after the body of the request that failed."""
    errors = (
        '<httpErrors errorMode="Custom" existingResponse="Auto"><remove statusCode="404" />'
        '<error statusCode="404" path="/page" responseMode="ExecuteURL" /></httpErrors>'
    )
    server = serve(
        write(
            tmp_path,
            {
                "app.py": APP,
                "web.config": web_config(
                    python_handler() + errors, {"WSGI_HANDLER": "app.application"}
                ),
            },
        ),
        "--workers",
        "1",
    )
    answer = server.request("POST", "/missing", b"abc")
    assert (answer.status, answer.text) == (200, "POST /page 0|.")  # the status is the page's own
    expecting = post(b"abc", b"Expect: 100-continue\r\n").replace(b"/p ", b"/missing ")
    with server.connect() as sock:
        sock.sendall(expecting[:-3])
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc" + CLOSE)
        answers = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == 2 and b"100 Continue" not in answers


def test_clients_that_leave_with_requests_waiting(server: LiveServer) -> None:
    for _ in range(3):
        with server.connect() as sock:
            sock.sendall(
                b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"
            )
    server.wait_for("GET /wait -> .*client went away")
    write(server.folder, {"go": ""})
    assert server.get("/after").text == "GET /after 0|."
    assert "/second" not in server.log() and "Traceback" not in server.log()


def test_output_without_an_end_of_line_stays_with_its_request(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    app = (
        "def application(environ, start_response):\n    print('said by', environ['PATH_INFO'], end='')\n"
        "    start_response('200 OK', [])\n    return []\n"
    )
    server = serve(write(tmp_path, {"app.py": app, "web.config": wsgi_site()}), "--workers", "1")
    for name in ("one", "two", "three"):
        server.get(f"/{name}")
    server.wait_for(r"\[\d+ GET /one\] said by /one$")
    server.wait_for(r"\[\d+ GET /two\] said by /two$")


def test_a_connection_sees_files_as_they_are(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """What is remembered of a request holds only while its files stay the same."""
    server = serve(write(tmp_path, {"a.css": "one"}))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    seen = []
    for content in ("one", "three", "three", None, None, "four"):
        if content is None:
            (tmp_path / "a.css").unlink(missing_ok=True)
        else:
            write(tmp_path, {"a.css": content})
        connection.request("GET", "/a.css")
        answer = connection.getresponse()
        body = answer.read()
        seen.append(body if answer.status == 200 else answer.status)
    connection.close()
    assert seen == [b"one", b"three", b"three", 404, 404, b"four"]
