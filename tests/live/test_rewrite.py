"""Rewriting over the wire: reason phrases, resets, proxies, bodies rewritten on their way out."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..sites import rules, web_config, write, wsgi_site
from .server import LiveServer


class Backend(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = (
            f"{self.command} {self.path}\n"
            + "".join(f"{name}: {value}\n" for name, value in self.headers.items())
            + self.rfile.read(length).decode()
        ).encode()
        self.send_response(302 if "moved" in self.path else 200)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/new?x=1")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def proxying(port: int) -> str:
    return rules(
        f'<rule name="P"><match url="^back/(.*)" /><action type="Rewrite" url="http://127.0.0.1:{port}/{{R:1}}" /></rule>'
    )


def test_a_foreign_host_is_404_4_without_arr_and_proxied_with_it(
    tmp_path: Path, backend: int, serve: Callable[..., LiveServer]
) -> None:
    site = write(tmp_path, {"web.config": proxying(backend)})
    assert serve(site).get("/back/x").status == 404
    server = serve(site, "--arr")
    answer = server.request(
        "POST", "/back/a%20b?q=1", b"the body", {"X-Forwarded-For": "203.0.113.7", "Accept": "a/b"}
    )
    assert answer.status == 200
    lines = answer.text.splitlines()
    assert lines[0] == "POST /a%20b?q=1" and lines[-1] == "the body"
    assert f"Host: 127.0.0.1:{backend}" in lines and "X-Original-URL: /back/a%20b?q=1" in lines
    assert any(line.startswith("X-Forwarded-For: 203.0.113.7, 127.0.0.1:") for line in lines)
    assert any(line.startswith("X-ARR-LOG-ID: ") for line in lines) and "Max-Forwards: 10" in lines
    assert not any(line.lower().startswith("user-agent") for line in lines)
    moved = server.get("/back/moved")
    assert (moved.status, moved.headers["location"]) == (
        302,
        f"http://127.0.0.1:{server.port}/new?x=1",
    )


def test_a_backend_that_does_not_answer_is_502_3(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    answer = serve(write(tmp_path, {"web.config": proxying(1)}), "--arr").get("/back/x")
    assert answer.status == 502 and "502.3" in answer.text


@pytest.mark.parametrize(
    ("action", "line"),
    [
        ('type="Redirect" url="x" redirectType="Found"', b"HTTP/1.1 302 Redirect\r\n"),
        ('type="Redirect" url="x" redirectType="Temporary"', b"HTTP/1.1 307 Moved Temporarily\r\n"),
        ('type="Redirect" url="x"', b"HTTP/1.1 301 Moved Permanently\r\n"),
        (
            'type="CustomResponse" statusCode="403" subStatusCode="7" statusReason="Nope" statusDescription="Because"',
            b"HTTP/1.1 403 Nope\r\n",
        ),
        ('type="Rewrite" url="{R:1}"', b"HTTP/1.1 500 URL Rewrite Module Error.\r\n"),
    ],
)
def test_status_lines(
    tmp_path: Path, action: str, line: bytes, serve: Callable[..., LiveServer]
) -> None:
    site = write(
        tmp_path,
        {"web.config": rules(f'<rule name="R"><match url=".*" /><action {action} /></rule>')},
    )
    raw = serve(site).raw(b"GET / HTTP/1.1\r\nHost: h:9\r\nConnection: close\r\n\r\n")
    assert raw.startswith(line)
    if b"301" in line:
        assert b"Location: http://h:9/x\r\n" in raw and b"<title>Document Moved</title>" in raw


def test_abort_resets_the_connection(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    site = write(
        tmp_path,
        {
            "web.config": rules(
                '<rule name="R"><match url=".*" /><action type="AbortRequest" /></rule>'
            )
        },
    )
    with serve(site).connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


OUTBOUND = (
    '<rewrite><outboundRules><rule name="links"><match filterByTags="A" pattern="^/(.*)" />'
    '<action type="Rewrite" value="/app/{R:1}" /></rule><rule name="server"><match serverVariable="RESPONSE_SERVER" '
    'pattern=".+" /><action type="Rewrite" value="" /></rule></outboundRules></rewrite>'
)
APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<p><A HREF='/x'>1</A><!-- <a href='/no'> --><a href=/y", b">2</a>"]
"""


def test_outbound_rules_reach_python_and_static_responses(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    site = write(
        tmp_path,
        {
            "app.py": APP,
            "web.config": wsgi_site(inner=OUTBOUND),
            "static/page.html": "<a href='/z'>",
            "static/web.config": web_config("<handlers><remove name='Python' /></handlers>"),
        },
    )
    server = serve(site)
    answer = server.get("/")
    assert answer.text == "<p><A HREF='/app/x'>1</A><!-- <a href='/no'> --><a href=/app/y>2</a>"
    assert (
        int(answer.headers["content-length"]) == len(answer.body) and answer.headers["server"] == ""
    )
    assert server.get("/static/page.html").text == "<a href='/app/z'>"


def test_patterns_that_take_long(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    """Their searches are made beside the loop; the answers are what they would be anyway."""
    words = r"(\w+\s?)+$"
    inbound = (
        f'<rule name="q"><match url="^q$" /><conditions><add input="{{QUERY_STRING}}"'
        f' pattern="{words}" /><add input="{{HTTP_COOKIE}}" pattern="{words}" /></conditions>'
        '<action type="Rewrite" url="page.html" /></rule>'
        r'<rule name="bomb"><match url="^bomb$" /><conditions><add input="{QUERY_STRING}"'
        r' pattern="(x+x+)+\1y" /></conditions><action type="Rewrite" url="page.html" /></rule>'
    )
    outbound = (
        '<rule name="header"><match serverVariable="RESPONSE_Content-Type" pattern="html" />'
        f'<conditions><add input="{{QUERY_STRING}}" pattern="{words}" /></conditions>'
        '<action type="Rewrite" value="text/html; of=rule" /></rule>'
        '<rule name="tag"><match filterByTags="A" pattern="^/(x+)+$" />'
        '<action type="Rewrite" value="/y" /></rule>'
        '<rule name="body"><match pattern="(z+z*)+!" /><action type="Rewrite" value="zs" /></rule>'
    )
    page = "<a href='/" + "x" * 500 + "'>" + "z" * 500 + "!</a>"
    config = web_config(
        f"<rewrite><rules>{inbound}</rules><outboundRules>{outbound}</outboundRules></rewrite>"
    )
    server = serve(write(tmp_path, {"page.html": page, "web.config": config}))
    long = "x" * 1900
    answer = server.get(f"/q?{long}", headers={"Cookie": long})
    assert answer.text == "<a href='/y'>zs</a>"
    assert answer.headers["content-type"] == "text/html; of=rule"
    assert server.get("/page.html").headers["content-type"] == "text/html"
    for target in (f"/bomb?{long}", f"/q?{long}!"):
        bomb = server.get(target)
        assert bomb.status == 500 and "exceeded a pre-set level" in bomb.text


def test_a_rewritten_url_in_the_log(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    site = write(
        tmp_path,
        {
            "web.config": rules(
                '<rule name="R"><match url="^a$" /><action type="Rewrite" url="b.css?x=1" '
                'logRewrittenUrl="true" /></rule>'
            ),
            "b.css": "",
        },
    )
    server = serve(site)
    server.get("/a")
    server.wait_for(r"GET /b.css\?x=1 -> StaticFile")


def test_a_provider_of_the_users_own(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    config = (
        '<rewrite><providers><provider name="P" type="Some.Net.Type, Assembly" /></providers><rules><rule name="R">'
        '<match url="(.*)" /><action type="Redirect" url="/{P:{R:1}}" /></rule></rules></rewrite>'
    )
    site = write(
        tmp_path,
        {
            "web.config": web_config(config),
            "my_provider.py": "def upper(text):\n    return text.upper()\n",
        },
    )
    assert (
        serve(site, "--provider", "P=my_provider:upper")
        .get("/abc")
        .headers["location"]
        .endswith("/ABC")
    )
    answer = serve(site).get("/abc")
    assert answer.status == 500 and "cannot run here" in answer.text
