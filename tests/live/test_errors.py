"""httpErrors: errorMode x existingResponse x who asks x what the page is, for the server's errors
and the application's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fcgiemu.decision import ServeFile
from fcgiemu.http.request import make_request
from fcgiemu.modules import sending
from fcgiemu.modules.custom_error import one_liner
from fcgiemu.server import static_file
from fcgiemu.site import Site

from ..sites import web_config, write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/error":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [("page for " + environ["QUERY_STRING"] + " of " + environ["REQUEST_URI"]).encode()]
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("X-App", "1")])
    return [b"the application's own"] if path == "/own" else []
"""


def errors(attributes: str, inner: str = "") -> str:
    return f"<httpErrors {attributes}>{inner}</httpErrors>"


@pytest.mark.parametrize(
    ("mode", "existing", "body", "remote", "local"),
    [
        ("DetailedLocalOnly", "Auto", "own", "one", "own"),
        ("DetailedLocalOnly", "PassThrough", "own", "own", "own"),
        ("Custom", "Auto", "own", "one", "one"),
        ("Custom", "Replace", "own", "one", "one"),
        ("Custom", "PassThrough", "own", "own", "own"),
        ("Detailed", "Auto", "own", "own", "own"),
        ("Detailed", "Auto", "", "detailed", "detailed"),
        ("DetailedLocalOnly", "Auto", "", "one", "detailed"),
        ("Custom", "Auto", "", "one", "one"),
        ("Custom", "PassThrough", "", "", ""),
    ],
)
def test_the_matrix_for_an_applications_error(
    mode: str,
    existing: str,
    body: str,
    remote: str,
    local: str,
    make_site: Callable[..., Site],
    tmp_path: Path,
) -> None:
    from fcgiemu.http.request import make_request
    from fcgiemu.http.response import Response
    from fcgiemu.modules import sending

    site = make_site(
        {"web.config": wsgi_site(inner=errors(f'errorMode="{mode}" existingResponse="{existing}"'))}
    )
    for address, wanted in (("203.0.113.1", remote), ("127.0.0.1", local)):
        decision = site.decide(make_request("/x", remote_addr=address))
        sent = sending.send(
            decision, Response(404, "Not Found", [("X-App", "1")], body.encode())
        ).body.decode()
        seen = (
            "one"
            if sent == one_liner(404)
            else "detailed"
            if "IIS 10.0 Detailed Error - 404.0" in sent
            else sent
        )
        assert seen == wanted, address


def test_pages_by_file_redirect_and_url(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    inner = errors(
        'errorMode="Custom"',
        '<remove statusCode="404" /><error statusCode="404" path="pages\\404.html" />'
        '<error statusCode="404" subStatusCode="8" path="/hidden" responseMode="Redirect" />'
        '<remove statusCode="403" /><error statusCode="403" path="/static/forbidden.html" responseMode="ExecuteURL" />',
    )
    site = write(
        tmp_path,
        {
            "web.config": web_config(inner),
            "pages/404.html": "mine",
            "static/forbidden.html": "child",
            "empty/": "",
        },
    )
    server = serve(site)
    missing = server.get("/nothing")
    assert (missing.status, missing.text, missing.headers["content-type"]) == (
        404,
        "mine",
        "text/html",
    )
    hidden = server.get("/web.config")
    assert (hidden.status, hidden.headers["location"]) == (
        302,
        f"http://127.0.0.1:{server.port}/hidden",
    )
    forbidden = server.get("/empty/")
    assert (forbidden.status, forbidden.text) == (200, "child")


def test_an_applications_page_answers_for_errors(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    inner = errors(
        'errorMode="Custom" existingResponse="Replace"',
        '<remove statusCode="404" />'
        '<error statusCode="404" path="/error" responseMode="ExecuteURL" />',
    )
    server = serve(
        write(tmp_path, {"app.py": APP, "web.config": wsgi_site(inner=inner)}), "--workers", "1"
    )
    answer = server.get("/own?x=1")
    assert answer.status == 200
    assert answer.text == f"page for 404;http://127.0.0.1:{server.port}/own?x=1 of /own?x=1"


def test_defaults_for_local_clients(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site()}))
    assert server.get("/own").text == "the application's own"
    empty = server.get("/empty")
    assert (
        empty.status == 404
        and "Detailed Error - 404.0" in empty.text
        and empty.headers["x-app"] == "1"
    )


def test_a_bad_section_breaks_error_responses_only(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": web_config(errors('errorMode="oops"')), "a.css": ""})
    assert site.explain("/a.css")["outcome"]["status"] == 200
    missing = site.explain("/missing")["outcome"]
    assert (missing["status"], missing["substatus"]) == (500, 19)


PAGES = errors(
    'errorMode="Custom"',
    "".join(
        f'<remove statusCode="{status}" /><error statusCode="{status}" path="{status}.txt" />'
        for status in (404, 500, 502)
    ),
)
PLATFORM = (
    '<handlers><clear /><add name="p" path="*" verb="*" modules="httpPlatformHandler"'
    ' resourceType="Unspecified" /></handlers>'
    '<httpPlatform processPath="/not/there" arguments="" startupRetryCount="0" />'
)
PROXY = (
    '<rewrite><rules><rule name="r"><match url="^far/" />'
    '<action type="Rewrite" url="http://127.0.0.1:9/" /></rule></rules></rewrite>'
)


def test_errors_from_all_places_have_the_sites_own_pages(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """Decided, FastCGI, proxy, httpPlatform and a refused WebSocket."""
    pages = {f"{status}.txt": f"our {status}" for status in (404, 500, 502)}
    broken = wsgi_site("app.missing", path="py", inner=PAGES + PROXY)
    site = write(
        tmp_path,
        {"web.config": broken, "app.py": APP, "platform/web.config": web_config(PLATFORM), **pages},
    )
    server = serve(site, "--arr")
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    for path, headers, status in (
        ("/missing.css", {}, 404),
        ("/py", {}, 500),
        ("/far/x", {}, 502),
        ("/platform/x", {}, 502),
        ("/platform/socket", upgrade, 502),
    ):
        answer = server.get(path, headers=headers)
        assert (answer.status, answer.text) == (status, f"our {status}"), path


def test_a_file_that_has_vanished_has_the_sites_own_page(tmp_path: Path) -> None:
    folder = write(tmp_path, {"web.config": web_config(PAGES), "404.txt": "our 404", "a.css": "a"})
    decision = Site(folder).decide(make_request("/a.css", remote_addr="203.0.113.9"))
    assert isinstance(decision.action, ServeFile)
    (folder / "a.css").unlink()
    exchange = SimpleNamespace(compress=None)
    error = asyncio.run(
        static_file.serve_file(static_file.StaticFiles(), exchange, decision, decision.action)
    )  # type: ignore[arg-type]
    assert error is not None and error.status == 404
    assert sending.own_response(replace(decision, action=error), False).body == b"our 404"


@pytest.mark.parametrize("options", [(), ("--worker", "wfastcgi")], ids=["own", "wfastcgi"])
def test_a_traceback_bears_the_name_of_its_own_request(
    tmp_path: Path, serve: Callable[..., LiveServer], options: tuple[str, ...]
) -> None:
    fails = (
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/print':\n"
        "        print('a word', flush=True)\n"
        "    raise RuntimeError('error of ' + environ['PATH_INFO'])\n"
    )
    write(tmp_path, {"app.py": fails, "web.config": wsgi_site("app.app")})
    server = serve(tmp_path, "--workers", "1", *options)
    for path in ("/one", "/print", "/two", "/three"):
        assert server.get(path).status == 500
        server.wait_for(rf"\[\d+ GET {path}\] RuntimeError: error of {path}")
