"""CORS, WebDAV and dynamic IP restrictions with a server and an application."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path

from ..sites import python_handler, web_config, write
from .server import LiveServer

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode()]
"""
ORIGIN = "https://app.example"
CORS = (
    f'<cors enabled="true"><add origin="{ORIGIN}"><exposeHeaders><add header="X-1" />'
    "</exposeHeaders></add></cors>"
)


def site(folder: Path, inner: str, path: str = "app/*") -> Path:
    settings = {"WSGI_HANDLER": "app.application"}
    config = web_config(python_handler(path) + inner, settings)
    return write(folder, {"app.py": APP, "page.html": "page", "web.config": config})


def test_cors_headers_come_with_every_answer(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site(tmp_path, CORS), "--module", "CorsModule")
    for _ in range(2):  # the second time, decisions and heads are remembered
        for url, status in (("/page.html", 200), ("/app/x", 200), ("/none", 404)):
            answer = server.request("GET", url, headers={"Origin": ORIGIN})
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert answer.headers["access-control-expose-headers"] == "X-1"
            plain = server.request("GET", url)
            assert plain.status == status
            assert "access-control-allow-origin" not in plain.headers
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    preflight = server.request("OPTIONS", "/app/x", headers=headers)
    assert (preflight.status, preflight.text) == (204, "")
    assert preflight.headers["access-control-allow-origin"] == ORIGIN


def test_webdav_keeps_put_from_the_application(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site(tmp_path, ""), "--module", "WebDAVModule")
    answer = server.request("PUT", "/app/x", body=b"body")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, TRACE")
    assert server.request("POST", "/app/x", body=b"body").text == "POST"


def test_requests_in_progress_are_limited(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    limit = (
        "<security><dynamicIpSecurity><denyByConcurrentRequests"
        ' enabled="true" maxConcurrentRequests="1" /></dynamicIpSecurity></security>'
    )
    server = serve(site(tmp_path, limit))
    assert "at most 1 requests of a client in progress" in server.log()
    waiting = http.client.HTTPConnection("127.0.0.1", server.port)
    waiting.putrequest("POST", "/app/x")
    waiting.putheader("Content-Length", "4")
    waiting.endheaders()
    waiting.send(b"ab")
    while server.request("GET", "/page.html").status == 200:
        pass  # until the head of the waiting request has been read
    assert server.request("GET", "/page.html").status == 403
    waiting.send(b"cd")
    assert waiting.getresponse().read() == b"POST"
    waiting.close()
    while server.request("GET", "/page.html").status != 200:
        pass  # until the end of the other one has been seen
    assert server.request("GET", "/app/x").status == 200


COUNTING = """
count = 0
def application(environ, start_response):
    global count
    count += 1
    headers = [("Content-Type", "text/plain")]
    if "cookie" in environ["PATH_INFO"]:
        headers.append(("Set-Cookie", "a=b"))
    start_response("200 OK", headers)
    return [str(count).encode()]
"""


def profile(location: str, more: str) -> str:
    return (
        '<caching><profiles><add extension="*" policy="CacheForTimePeriod" duration="01:00:00"'
        f' location="{location}" {more} /></profiles></caching>'
    )


def test_the_output_cache_gives_answers_again(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    inner = profile("Any", 'varyByQueryString="a" varyByHeaders="Accept-Language"')
    folder = write(site(tmp_path, inner), {"app.py": COUNTING})
    server = serve(folder, "--module", "HttpCacheModule", "--workers", "1")

    def text(url: str, **headers: str) -> str:
        return server.request("GET", url, headers=headers).text

    assert [text("/app/x"), text("/app/x"), text("/APP/x?b=1")] == ["1", "1", "1"]
    assert [text("/app/x?a=1"), text("/app/x?b=2&a=1")] == ["2", "2"]
    assert [text("/app/x", **{"Accept-Language": "de"}) for _ in range(2)] == ["3", "3"]
    assert [text("/app/cookie"), text("/app/cookie")] == ["4", "5"]
    assert server.request("POST", "/app/x", body=b"x").text == "6"
    answer = server.request("GET", "/app/x")
    assert answer.text == "1"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert server.request("HEAD", "/app/x").headers["content-length"] == "1"


def test_nothing_is_cached_without_the_module(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    folder = write(site(tmp_path, profile("Any", "")), {"app.py": COUNTING})
    server = serve(folder, "--workers", "1")
    answers = [server.request("GET", "/app/x") for _ in range(2)]
    assert [answer.text for answer in answers] == ["1", "2"]
    assert "cache-control" not in answers[0].headers


WARMING = """
import os, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/app/init":
        open("asked", "w").close()
        while not os.path.exists("ready"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["HTTP_USER_AGENT"].encode()]
"""


def test_rules_see_that_a_site_is_warming_up(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    inner = (
        "<applicationInitialization>"
        '<add initializationPage="/app/init" hostName="shop.example" /></applicationInitialization>'
        '<rewrite><rules><rule name="wait"><match url="^page" /><conditions>'
        '<add input="{APP_WARMING_UP}" pattern="1" /></conditions>'
        '<action type="CustomResponse" statusCode="503" statusReason="Wait" />'
        "</rule></rules></rewrite>"
    )
    folder = write(site(tmp_path, inner), {"app.py": WARMING})
    server = serve(folder, "--app-init", "--no-reload")
    while not (folder / "asked").exists():
        pass
    assert server.request("GET", "/page.html").status == 503
    write(folder, {"ready": ""})
    while server.request("GET", "/page.html").status == 503:
        pass
    assert server.request("GET", "/page.html").text == "page"
    server.wait_for("warming up: /app/init 200")
