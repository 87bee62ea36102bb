"""Requests that are malformed or ambiguous: each gets its refusal, none reaches an application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import web_config, write, wsgi_site
from .server import LiveServer

#: What is sent, the status it gets (0 = the connection may just be closed), and the clause of RFC
#: 9110, RFC 9112 or http.sys's own.
CASES = [
    (b"GET / HTTP/1.1\r\n\r\n", 400, "9112 3.2: no Host"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "9112 3.2: two Hosts"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "9112 3.2: a blank in Host"),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "9112 3.2: a path in Host"),
    (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "9110 4.2.4: userinfo in Host"),
    (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "9112 3.2: an unclosed address"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400, "9112 5.1: a blank before the colon"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400, "9112 5.2: a folded line"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", 400, "9110 5.1: no name"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, "9112 5: no colon"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400, "9110 5.5: NUL in a value"),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX\xff: 1\r\n\r\n",
        400,
        "9110 5.6.2: a name that is not a token",
    ),
    (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3.2: NUL in the target"),
    (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3.2: raw bytes in the target"),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3: a blank in the target"),
    (b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3.2.2: no authority"),
    (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3.2.2: another scheme"),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3.2: no form of a target"),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 3.2.4: an asterisk without OPTIONS"),
    (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505, "http.sys: Version_N/S"),
    (b"GET / HTP/1.1\r\nHost: a\r\n\r\n", 400, "9112 2.3: no such protocol"),
    (b"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "9110 9.1: a method that is not a token"),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400, "9112 2.2: bare line feeds"),
    (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 411, "http.sys: no length"),
    (b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 411, "http.sys: no length"),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        400,
        "9112 6.3: two lengths",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
        400,
        "9112 6.3: a list of lengths",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        400,
        "9110 8.6: a negative length",
    ),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400, "9110 8.6: a sign"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na", 400, "9110 8.6: hexadecimal"),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        400,
        "9110 8.6: an overflow",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "9112 6.1: both",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        400,
        "9112 6.1",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
        "9112 6.1: unknown coding",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        400,
        "9112 7.1: no chunk size",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        400,
        "9112 7.1: a negative chunk size",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        400,
        "9112 7.1: data beyond its chunk",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        400,
        "9112 7.1: an overflow",
    ),
    (b"GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 403, "http.sys: above the root"),
    (b"GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", 403, "http.sys: above the root"),
    (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.sys: an encoded NUL"),
    (b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.sys: a bad escape"),
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.sys: a bad escape"),
    (b"GET /<b> HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.sys: an illegal character"),
    (b"GET /" + b"a" * 261 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.sys: a segment over 260"),
    (b"GET /" + b"a/" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "http.sys: a long URL"),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000 + b"\r\n\r\n",
        400,
        "http.sys: a long head",
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000000,
        400,
        "http.sys: a head that does not end",
    ),
    (b"GET " + b"/a" * 500000, 0, "http.sys: a request line that does not end"),
    (b"\r\n\r\n\r\n\x16\x03\x01", 400, "no HTTP at all: TLS"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "9113 3.4: HTTP/2"),
    (b"GET /a+b HTTP/1.1\r\nHost: a\r\n\r\n", 404, "request filtering: 404.11"),
    (b"GET /web.config HTTP/1.1\r\nHost: a\r\n\r\n", 404, "request filtering: 404.8"),
    (b"GET /a::$DATA HTTP/1.1\r\nHost: a\r\n\r\n", 404, "NTFS: an alternate stream"),
    (b"GET /con HTTP/1.1\r\nHost: a\r\n\r\n", 404, "Windows: a device"),
    (b"GET /static.css. HTTP/1.1\r\nHost: a\r\n\r\n", 404, "Windows: a trailing dot"),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "TRACE is off"),
    (b"DELETE /static.css HTTP/1.1\r\nHost: a\r\n\r\n", 405, "StaticFileModule: methods"),
    (
        b"POST /static.css HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        405,
        "StaticFileModule: methods",
    ),
]
APP = "def application(environ, start_response):\n    print('REACHED', environ['PATH_INFO'])\n    start_response('200 OK', [])\n    return []\n"


def test_each_gets_its_refusal_and_none_reaches_the_application(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(
        write(tmp_path, {"app.py": APP, "web.config": wsgi_site(path="*.py"), "static.css": "x"})
    )
    wrong = []
    for data, status, why in CASES:
        with server.connect() as sock:
            try:
                sock.sendall(data)
                sock.shutdown(1)
            except OSError:
                pass
            raw = b""
            try:
                while part := sock.recv(65536):
                    raw += part
            except OSError:
                pass
        seen = int(raw[9:12]) if raw.startswith(b"HTTP/1.1 ") else 0
        if seen != status and not (status == 0 and seen in (400, 414)):
            wrong.append((why, data[:60], status, seen))
    assert wrong == []
    assert server.get("/static.css").status == 200
    assert "REACHED" not in server.log() and "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("head", "host"),
    [
        (b"GET http://other:99/dir HTTP/1.1\r\nHost: h\r\n", b"http://other:99/dir/"),
        (b"GET /dir HTTP/1.0\r\nHost: h\r\n", b"http://h/dir/"),
        (b"GET /dir HTTP/1.1\r\nHost: [::1]:80\r\n", b"http://[::1]:80/dir/"),
    ],
)
def test_the_authority_of_a_request(
    head: bytes, host: bytes, tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    raw = serve(write(tmp_path, {"dir/": ""})).raw(head + b"Connection: close\r\n\r\n")
    assert b"Location: " + host + b"\r\n" in raw


def test_options_ranges_and_keep_alive(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(
        write(
            tmp_path,
            {
                "a.txt": "0123456789",
                "web.config": "<configuration><system.webServer><httpProtocol "
                "allowKeepAlive='false' /></system.webServer></configuration>",
                "sub/": "",
            },
        )
    )
    options = server.request("OPTIONS", "/a.txt")
    assert (options.status, options.headers["allow"], options.headers["public"]) == (
        200,
        "OPTIONS, TRACE, GET, HEAD, POST",
        "OPTIONS, TRACE, GET, HEAD, POST",
    )
    part = server.get("/a.txt", {"Range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    parts = server.get("/a.txt", {"Range": "bytes=0-0,9-9"})
    assert (
        parts.status == 206
        and len(parts.body) == int(parts.headers["content-length"])
        and b"bytes 9-9/10" in parts.body
    )
    assert server.get("/a.txt", {"Range": "bytes=0-" + "9" * 5000}).status == 200
    refused = server.get("/a.txt", {"Range": "bytes=20-"})
    assert (refused.status, refused.headers["content-range"]) == (416, "bytes */10")
    assert part.headers["connection"] == "close"


def test_a_w3c_log_on_standard_output(tmp_path: Path) -> None:
    import subprocess
    import sys
    import urllib.request

    write(tmp_path, {"a.css": "x"})
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "fcgiemu",
            "serve",
            str(tmp_path),
            "--port",
            "0",
            "--log-format",
            "w3c",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "listening" in line)
            urllib.request.urlopen(line.split()[1] + "a.css?x=1", timeout=60).close()
            process.terminate()
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    rows = [line for line in out.splitlines() if not line.startswith("#")]
    assert (
        len(rows) == 1
        and " GET /a.css x=1 " in rows[0]
        and out.startswith("#Software: Microsoft Internet")
    )


def test_a_footer_stands_behind_every_page(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    text = '<staticContent enableDocFooter="true" defaultDocFooter="&lt;p>by us&lt;/p>" />'
    file = '<staticContent enableDocFooter="true" isDocFooterFileName="true" defaultDocFooter="foot.txt" />'
    server = serve(
        write(
            tmp_path,
            {
                "web.config": web_config(text),
                "a.html": "<h1>a</h1>",
                "a.txt": "plain",
                "foot.txt": "from a file",
                "file/web.config": web_config(file),
                "file/a.html": "<h1>b</h1>",
            },
        )
    )
    assert server.get("/a.html").text == "<h1>a</h1><p>by us</p>"
    assert server.request("HEAD", "/a.html").headers["content-length"] == "22"
    assert (
        server.request("GET", "/a.html", headers={"Range": "bytes=0-1"}).text
        == "<h1>a</h1><p>by us</p>"
    )
    assert server.get("/a.txt").text == "plain"
    assert server.get("/file/a.html").text == "<h1>b</h1>from a file"
