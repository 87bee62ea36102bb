"""Application Request Routing with real servers behind it: farms, health tests, WebSockets, and what
outbound rules make of the answers of others.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_websockets

from ..sites import web_config, write
from .server import LiveServer, eventually

PAGE = b'<html><a href="http://inner.example/a">a</a> <img src="http://inner.example/b.png"></html>'
Serve = Callable[..., LiveServer]


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers by the path; its server's ``answers`` are set by a test."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        given: dict[str, tuple[int, dict[str, str], bytes]] = self.server.answers  # type: ignore[attr-defined]
        name = str(self.server.server_address[1])
        asked = "\n".join(f"{key}: {value}" for key, value in self.headers.items())
        status, headers, body = given.get(path, (200, {}, f"{name}\n{asked}".encode()))
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), "X-Name": name, **headers}.items():
            for part in value.split("\n"):
                self.send_header(key, part)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def upstream() -> Iterator[Callable[..., int]]:
    """``upstream({"/path": (status, headers, body)})``: the port of a server."""
    with contextlib.ExitStack() as stack:

        def start(answers: dict[str, tuple[int, dict[str, str], bytes]] | None = None) -> int:
            server = stack.enter_context(
                http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
            )
            server.answers = answers if answers is not None else {}  # type: ignore[attr-defined]
            stack.enter_context(running(server))
            return int(server.server_address[1])

        yield start


def forwarding(target: str, outbound: str = "", variables: str = "") -> str:
    """A web.config that forwards everything to ``target``."""
    return web_config(
        "<rewrite><rules>"
        f'<rule name="all"><match url="(.*)" /><serverVariables>{variables}</serverVariables>'
        f'<action type="Rewrite" url="{target}/{{R:1}}" /></rule></rules>'
        f"<outboundRules>{outbound}</outboundRules></rewrite>"
    )


ALLOWED = "".join(
    f'<add name="HTTP_{name}" />'
    for name in ("ACCEPT_ENCODING", "SEC_WEBSOCKET_EXTENSIONS", "X_FORWARDED_FOR")
)
PROXY = (
    '<configuration><system.webServer><proxy enabled="true" {} /><rewrite><allowedServerVariables>'
    f"{ALLOWED}</allowedServerVariables></rewrite></system.webServer></configuration>"
)


def farm(routing: str, *weights: int) -> str:
    servers = "".join(
        f'<server address="10.0.0.{number}"><applicationRequestRouting weight="{weight}" /></server>'
        for number, weight in enumerate(weights, 1)
    )
    return (
        f'<configuration><webFarms><webFarm name="shop">{servers}<applicationRequestRouting>{routing}'
        "</applicationRequestRouting></webFarm></webFarms></configuration>"
    )


def site(folder: Path, config: str, host: str) -> tuple[Path, str, str]:
    write(folder, {"site/web.config": config, "host.config": host})
    return folder / "site", "--host-config", str(folder / "host.config")


def mapped(*ports: int) -> list[str]:
    pairs = (f"10.0.0.{number}=127.0.0.1:{port}" for number, port in enumerate(ports, 1))
    return [word for pair in pairs for word in ("--map-server", pair)]


# -- farms -----------------------------------------------------------------------------------------


def test_servers_of_a_farm_take_turns(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    ports = upstream(), upstream()
    server = serve(*site(tmp_path, forwarding("http://shop"), farm("", 200, 100)), *mapped(*ports))
    assert "web farm    shop: 10.0.0.1:80, 10.0.0.2:80 (WeightedRoundRobin)" in server.log()
    answers = [server.get("/x") for _ in range(6)]
    names = [answer.headers["x-name"] for answer in answers]
    first, second = map(str, ports)
    assert names == [first, second, first] * 2
    assert f"Host: 127.0.0.1:{server.port}" in answers[0].text.splitlines()
    fields = httpx.get(f"http://127.0.0.1:{server.port}/x").headers
    assert fields["x-powered-by"] == "ARR/3.0, ASP.NET"
    line = eventually(lambda: "10.0.0.2:80 (WeightedRoundRobin" in server.log())
    assert line


def test_a_cookie_keeps_a_client_at_its_server(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    ports = upstream(), upstream()
    host = farm('<affinity useCookie="true" />', 100, 100)
    server = serve(
        *site(tmp_path, forwarding("http://shop"), host), *mapped(*ports), "--log-format", "w3c"
    )
    first = server.get("/x")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("ARRAffinity=")
    for _ in range(3):
        answer = server.get("/x", {"Cookie": cookie})
        assert answer.headers["x-name"] == first.headers["x-name"]
        assert "set-cookie" not in answer.headers
    sent = next(line for line in first.text.splitlines() if line.startswith("X-ARR-LOG-ID"))
    guid = sent.partition(": ")[2]
    wanted = f"X-ARR-LOG-ID={guid}&SERVER-ROUTED=10.0.0.1&SERVER-STATUS=200"
    assert eventually(lambda: wanted in server.log())


def test_a_health_test_takes_a_server_out_and_in_again(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    broken: dict[str, tuple[int, dict[str, str], bytes]] = {"/up": (200, {}, b"down")}
    ports = upstream(broken), upstream({"/up": (200, {}, b"it is up")})
    check = '<healthCheck url="http://shop/up" interval="00:00:01" responseMatch="up" />'
    server = serve(
        *site(tmp_path, forwarding("http://shop"), farm(check, 100, 100)), *mapped(*ports)
    )
    assert eventually(lambda: "10.0.0.1:80 is unhealthy" in server.log())
    assert {server.get("/x").headers["x-name"] for _ in range(4)} == {str(ports[1])}
    broken["/up"] = (200, {}, b"up")
    assert eventually(lambda: "10.0.0.1:80 is healthy again" in server.log())
    assert {server.get("/x").headers["x-name"] for _ in range(4)} == set(map(str, ports))


def test_a_farm_without_a_usable_server_is_502_4(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    check = '<healthCheck url="http://shop/up" statusCodeMatch="204" />'
    arguments = (*site(tmp_path, forwarding("http://shop"), farm(check, 100)), *mapped(upstream()))
    server = serve(*arguments)
    assert eventually(
        lambda: "unhealthy: http://10.0.0.1:80/up was answered with 200" in server.log()
    )
    answer = server.get("/x")
    assert answer.status == 502 and "502.4" in answer.text and "--map-server" in answer.text
    assert serve(*arguments, "--no-health-checks").get("/x").status == 200


def test_answers_that_fail_take_a_server_out(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    ports = upstream({"/x": (503, {}, b"busy")}), upstream()
    check = '<healthCheck liveTrafficFailurePeriod="01:00:00" maxLiveTrafficFailures="1" />'
    server = serve(
        *site(tmp_path, forwarding("http://shop"), farm(check, 100, 100)), *mapped(*ports)
    )
    statuses = [server.get("/x").status for _ in range(6)]
    assert statuses == [503, 200, 503, 200, 200, 200]


# -- failures --------------------------------------------------------------------------------------


@contextlib.contextmanager
def speaking(words: bytes) -> Iterator[int]:
    """The port of a server that says ``words`` to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client:
                        client.recv(65536)
                        client.sendall(words)

        thread = threading.Thread(target=talk)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("target", "words", "code"),
    [
        ("http://127.0.0.1:1", b"", "0x80072efd"),
        ("http://no-such-host.invalid", b"", "0x80072ee7"),
        ("https://127.0.0.1:{port}", b"HTTP/1.1 400 Bad Request\r\n\r\n", "0x80072f8f"),
        ("http://127.0.0.1:{port}", b"220 mail.example\r\n\r\n", "0x80072f78"),
        ("http://127.0.0.1:{port}", b"", "0x80072efe"),
    ],
)
def test_502_3_has_the_code_of_its_cause(
    tmp_path: Path, serve: Serve, target: str, words: bytes, code: str
) -> None:
    with speaking(words) as port:
        config = forwarding(target.format(port=port))
        answer = serve(*site(tmp_path, config, PROXY.format(""))).get("/x")
    assert answer.status == 502 and "502.3" in answer.text
    assert code in answer.text.lower()


def test_a_server_that_says_nothing_is_502_3(tmp_path: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = forwarding(f"http://127.0.0.1:{silent.getsockname()[1]}")
        server = serve(*site(tmp_path, config, PROXY.format('timeout="00:00:01"')))
        answer = server.get("/x")
    assert (answer.status, "0x80072ee2" in answer.text.lower()) == (502, True)
    assert "timeout of &lt;proxy&gt;" in answer.text


def test_a_loop_of_forwarding_ends(tmp_path: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    host = PROXY.format("")
    server = serve(
        *site(tmp_path, forwarding(f"http://127.0.0.1:{port}"), host), "--port", str(port)
    )
    answer = server.get("/x")
    assert answer.status == 400
    assert eventually(lambda: " 400.605 " in server.log())


# -- what passes -----------------------------------------------------------------------------------


def test_tls_is_told_to_the_other_server(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    config = forwarding(f"http://127.0.0.1:{upstream()}")
    server = serve(*site(tmp_path, config, PROXY.format("")), "--https")
    url = f"https://127.0.0.1:{server.port}/x"
    lines = httpx.get(url, headers={"X-ARR-SSL": "forged"}, verify=False).text.splitlines()
    told = [line for line in lines if line.lower().startswith("x-arr-ssl")]
    assert len(told) == 1 and "|256|" in told[0] and "fcgiemu" in told[0]
    assert not [line for line in lines if line.lower().startswith("x-forwarded-proto")]


def test_a_rule_says_who_the_client_is(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    rule = '<set name="HTTP_X_FORWARDED_FOR" value="192.0.2.7" />'
    config = forwarding(f"http://127.0.0.1:{upstream()}", variables=rule)
    server = serve(*site(tmp_path, config, PROXY.format("")))
    text = server.get("/x", {"X-Forwarded-For": "198.51.100.1"}).text
    line = next(line for line in text.splitlines() if line.lower().startswith("x-forwarded-for"))
    assert line.partition(": ")[2].startswith("192.0.2.7, 127.0.0.1:")


STREAMING = b"first line\n"


@contextlib.contextmanager
def dripping() -> Iterator[tuple[int, threading.Event]]:
    """A server that sends a line, and goes on when the event is set."""
    go_on = threading.Event()

    class Drip(Upstream):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(STREAMING)
            self.wfile.flush()
            go_on.wait(30)
            self.wfile.write(b"last line\n")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drip) as server, running(server):
        try:
            yield int(server.server_address[1]), go_on
        finally:
            go_on.set()


def test_answers_stream_without_a_buffer(tmp_path: Path, serve: Serve) -> None:
    with dripping() as (port, go_on):
        host = PROXY.format('minResponseBuffer="0"')
        server = serve(*site(tmp_path, forwarding(f"http://127.0.0.1:{port}"), host))
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        client.request("GET", "/x")
        answer = client.getresponse()
        assert answer.readline() == STREAMING
        go_on.set()
        assert answer.read() == b"last line\n"
        client.close()


def test_answers_wait_for_256_kb_by_default(tmp_path: Path, serve: Serve) -> None:
    with dripping() as (port, go_on):
        config = forwarding(f"http://127.0.0.1:{port}")
        server = serve(*site(tmp_path, config, PROXY.format("")))
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        client.request("GET", "/x")
        assert eventually(lambda: "before 256 KB are there" in server.log())
        client.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.sock.recv(1)
        client.sock.settimeout(30)
        go_on.set()
        assert client.getresponse().read() == STREAMING + b"last line\n"
        client.close()


# -- WebSockets ------------------------------------------------------------------------------------


def echo(connection: ServerConnection) -> None:
    request = connection.request
    assert request is not None
    for message in connection:
        extension = request.headers.get("Sec-WebSocket-Extensions", "none")
        connection.send(f"{request.path} {extension} {message!s}")


@pytest.mark.parametrize("in_farm", [False, True])
def test_websockets_pass_through_rules(tmp_path: Path, serve: Serve, in_farm: bool) -> None:
    with serve_websockets(echo, "127.0.0.1", 0, subprotocols=["chat"]) as other, running(other):  # type: ignore[list-item]
        port = other.socket.getsockname()[1]
        target = "http://shop" if in_farm else f"http://127.0.0.1:{port}"
        host = farm("", 100) if in_farm else PROXY.format("")
        server = serve(*site(tmp_path, forwarding(target), host), *mapped(port))
        url = f"ws://127.0.0.1:{server.port}/chat?room=1"
        with connect(url, subprotocols=["chat"], proxy=None) as client:  # type: ignore[list-item]
            assert client.subprotocol == "chat"
            client.send("hello")
            assert client.recv(30) == "/chat?room=1 none hello"
        assert "ARR knows no WebSocket extensions" in server.log()


def test_an_extension_breaks_as_on_the_server_with_strict(tmp_path: Path, serve: Serve) -> None:
    blank = '<set name="HTTP_SEC_WEBSOCKET_EXTENSIONS" value="" />'
    with serve_websockets(echo, "127.0.0.1", 0) as other, running(other):
        target = f"http://127.0.0.1:{other.socket.getsockname()[1]}"
        for variables, works in (("", False), (blank, True)):
            config = forwarding(target, variables=variables)
            server = serve(*site(tmp_path, config, PROXY.format("")), "--strict")
            url = f"ws://127.0.0.1:{server.port}/x"
            if works:
                with connect(url, proxy=None) as client:
                    client.send("hello")
                    assert client.recv(30) == "/x none hello"
                continue
            with pytest.raises(InvalidStatus) as caught:
                connect(url, proxy=None)
            assert caught.value.response.status_code == 502
            assert eventually(lambda server=server: " 502.5 " in server.log())  # type: ignore[misc]


def test_a_websocket_that_nobody_answers_is_502_3(tmp_path: Path, serve: Serve) -> None:
    server = serve(*site(tmp_path, forwarding("http://127.0.0.1:1"), PROXY.format("")))
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{server.port}/x", proxy=None)
    assert caught.value.response.status_code == 502


# -- outbound rules --------------------------------------------------------------------------------

HTML = (
    '<preConditions><preCondition name="html"><add input="{RESPONSE_CONTENT_TYPE}" pattern="^text/html" />'
    "</preCondition></preConditions>"
)
LINKS = (
    '<rule name="links" preCondition="html"><match filterByTags="A, Img" pattern="^http://inner\\.example/(.*)" />'
    '<action type="Rewrite" value="/{R:1}" /></rule>'
)
COOKIES = (
    '<rule name="cookie"><match serverVariable="RESPONSE_Set_Cookie" pattern="^(.*?); ?Domain=inner\\.example(.*)$" />'
    '<action type="Rewrite" value="{R:1}; Domain=shop.example; SameSite=None; Secure{R:2}" /></rule>'
    '<rule name="path"><match serverVariable="RESPONSE_Set_Cookie" pattern="^(.*); Path=/app(.*)$" />'
    '<action type="Rewrite" value="{R:1}; Path=/{R:2}" /></rule>'
)
LOCATION = (
    '<rule name="location"><match serverVariable="RESPONSE_Location" pattern="^https?://[^/]+/(.*)" />'
    '<action type="Rewrite" value="http://{HTTP_HOST}/front/{R:1}" /></rule>'
)
UNTOUCHED = PROXY.format('reverseRewriteHostInResponseHeaders="false"')


def test_headers_of_an_answer_have_a_limit(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    port = upstream({f"/{size}": (200, {"X-Long": "x" * size}, b"") for size in (500, 2000, 70000)})
    config = forwarding(f"http://127.0.0.1:{port}")
    server = serve(*site(tmp_path, config, PROXY.format('maxResponseHeaderSize="1024"')))
    assert server.get("/500").status == 200
    answer = server.get("/2000")
    assert answer.status == 502 and "more than 1 KiB of headers" in answer.text
    usual = serve(*site(tmp_path, config, PROXY.format("")))
    assert usual.get("/2000").status == 200 and usual.get("/70000").status == 502


def test_outbound_rules_change_headers_and_links(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    answers = {
        "/page": (200, {"Content-Type": "text/html; charset=utf-8"}, PAGE),
        "/plain": (200, {"Content-Type": "text/plain"}, PAGE),
        "/sign-in": (
            302,
            {
                "Location": "https://login.example/authorize?x=1",
                "Set-Cookie": "s=1; Domain=inner.example; Path=/app\nt=2; Path=/app",
            },
            b"",
        ),
    }
    port = upstream(answers)
    config = forwarding(f"http://127.0.0.1:{port}", HTML + LINKS + COOKIES + LOCATION)
    server = serve(*site(tmp_path, config, UNTOUCHED))
    page = server.get("/page")
    changed = PAGE.replace(b"http://inner.example", b"")
    assert page.body == changed
    assert page.headers["content-length"] == str(len(changed))
    assert server.get("/plain").body == PAGE
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    client.request("GET", "/sign-in")
    moved = client.getresponse()
    moved.read()
    client.close()
    place = f"http://127.0.0.1:{server.port}/front/authorize?x=1"
    assert (moved.status, moved.headers["Location"]) == (302, place)
    assert moved.headers.get_all("Set-Cookie") == [
        "s=1; Domain=shop.example; SameSite=None; Secure; Path=/",
        "t=2; Path=/",
    ]


def test_compressed_pages_need_the_rule_that_everybody_writes(
    tmp_path: Path, serve: Serve, upstream: Callable[..., int]
) -> None:
    class Gzip(Upstream):
        def do_GET(self) -> None:
            packed = "gzip" in self.headers.get("Accept-Encoding", "")
            body = gzip.compress(PAGE) if packed else PAGE
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(body)

    blank = '<set name="HTTP_ACCEPT_ENCODING" value="" />'
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gzip) as other, running(other):
        target = f"http://127.0.0.1:{other.server_address[1]}"
        asked = {"Accept-Encoding": "gzip"}
        refused = serve(*site(tmp_path, forwarding(target, HTML + LINKS), UNTOUCHED))
        answer = refused.get("/x", asked)
        assert answer.status == 500 and "500.52" in answer.text
        passed = serve(*site(tmp_path, forwarding(target), UNTOUCHED)).get("/x", asked)
        assert gzip.decompress(passed.body) == PAGE
        plain = serve(*site(tmp_path, forwarding(target, HTML + LINKS, blank), UNTOUCHED))
        answer = plain.get("/x", asked)
        assert answer.body == PAGE.replace(b"http://inner.example", b"")
        assert "content-encoding" not in answer.headers


# -- nginx -----------------------------------------------------------------------------------------

NGINX = """\
daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; absolute_redirect on; root {folder}; default_type text/html;
    location = /old {{ add_header Set-Cookie "s=1; domain=inner.example; path=/app"; return 302 /new; }}
  }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    """The port of an nginx, which inherits its listening socket: there is nothing to wait for."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    folder = write(tmp_path / "nginx", {"page": PAGE * 50})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "conf").write_text(NGINX.format(folder=folder, port=port, user=user))
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "conf")],
            env={**os.environ, "NGINX": f"{listening.fileno()};"},
            pass_fds=[listening.fileno()],
            stderr=subprocess.DEVNULL,
        )
    yield port
    process.terminate()
    process.wait(30)


def test_nginx_behind_the_proxy(tmp_path: Path, serve: Serve, nginx: int) -> None:
    target = f"http://127.0.0.1:{nginx}"
    blank = '<set name="HTTP_ACCEPT_ENCODING" value="" />'
    server = serve(*site(tmp_path, forwarding(target, HTML + LINKS, blank), PROXY.format("")))
    page = server.get("/page", {"Accept-Encoding": "gzip"})
    assert page.status == 200 and page.headers["server"] == "Microsoft-IIS/10.0"
    assert page.body == (PAGE * 50).replace(b"http://inner.example", b"")
    moved = server.get("/old")
    assert moved.headers["location"] == f"http://127.0.0.1:{server.port}/new"
    assert moved.headers["set-cookie"] == "s=1; domain=127.0.0.1; path=/app"
    packed = serve(*site(tmp_path, forwarding(target), PROXY.format("")))
    answer = packed.get("/page", {"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.body) == PAGE * 50
