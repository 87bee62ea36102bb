"""Browsers of this machine get a page about an application that failed; all others IIS's text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    print("printed for", environ["PATH_INFO"])
    raise KeyError(environ["PATH_INFO"])
"""
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


def test_who_gets_the_page(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    server = serve(tmp_path, "--editor", "vscode")
    assert server.get("/first").headers["content-type"] == "text/plain; charset=utf-8"
    page = server.get("/second", BROWSER)
    assert (page.status, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "<h1>KeyError: &#39;/second&#39;</h1>" in page.text
    assert "printed for /second" in page.text
    assert "/first" not in page.text
    assert f"vscode://file{tmp_path}/app.py:4" in page.text
    assert page.headers["server"] == "Microsoft-IIS/10.0"
    assert "text/plain" in server.get("/x", {"Accept": "*/*"}).headers["content-type"]


def test_strict_is_as_iis(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    server = serve(tmp_path, "--strict")
    assert "text/plain" in server.get("/", BROWSER).headers["content-type"]


def test_an_unknown_editor(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(
        tmp_path, {"fcgiemu.toml": "editor = 'vscode'\n", "app.py": APP, "web.config": wsgi_site()}
    )
    assert "vscode://file/" in serve(tmp_path).get("/", BROWSER).text


CHAINED = """
import json

def parsed(text):
    return json.loads(text)

def checked(text):
    try:
        return parsed(text)
    except ValueError as error:
        raise LookupError("no price") from error

def application(environ, start_response):
    try:
        checked("{")
    except LookupError:
        raise RuntimeError("no cart")
"""


def test_every_error_of_a_chain_has_its_own_lines(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": CHAINED, "web.config": wsgi_site()})
    page = serve(tmp_path).get("/", BROWSER).text
    order = [
        "<h1>RuntimeError: no cart</h1>",
        "<h2>Where</h2>",
        "<h2>While handling: LookupError: no price</h2>",
        "app.py:11, in checked",
        "<h2>Caused by: json.decoder.JSONDecodeError: ",
        "app.py:5, in parsed",
    ]
    places = [page.find(words) for words in order]
    assert -1 not in places and places == sorted(places), page


# -- it loads again ------------------------------------------------------------------------------


def asked(page: str) -> str | None:
    found = re.search(r'fetch\("([^"]+)"', page)
    return found[1] if found else None


def test_the_page_knows_when_something_is_saved(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site(), "notes.txt": ""})
    server = serve(tmp_path)
    path = asked(server.get("/", BROWSER).text)
    assert path is not None and server.get(path).text == "0"
    write(tmp_path, {"notes.txt": "more", "app.py": APP + "\n"})
    server.wait_for(r"app\.py changed: workers restart")
    assert server.get(path).text == "1"
    assert path not in server.log()
    assert server.get(path + "x").status == 500  # the site's own


@pytest.mark.parametrize(("config", "status"), [("<broken", 500), ("<configuration />", 404)])
def test_error_pages_of_iis_load_again(
    tmp_path: Path, serve: Callable[..., LiveServer], config: str, status: int
) -> None:
    write(tmp_path, {"web.config": config})
    server = serve(tmp_path)
    page = server.get("/x", BROWSER)
    path = asked(page.text)
    assert page.status == status and path is not None and server.get(path).text == "0"
    assert page.headers["content-length"] == str(len(page.body))
    assert asked(server.request("POST", "/x", b"", BROWSER).text) is None
    write(tmp_path, {"web.config": "<broken" if status == 404 else "<configuration />"})
    server.wait_for("error +web.config:1:1" if status == 404 else "fixed +web.config:1:1")
    assert server.get(path).text == "1"


def test_where_it_does_not_load_again(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    assert asked(serve(tmp_path, "--no-reload").get("/", BROWSER).text) is None
    server = serve(tmp_path)
    assert asked(server.request("POST", "/", b"x=1", BROWSER).text) is None


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_browser_shows_what_has_been_saved(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    server = serve(tmp_path)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(server.url)
        heading = page.locator("h1")
        playwright.expect(heading).to_contain_text("KeyError")
        write(tmp_path, {"app.py": "1 / 0\n"})  # it fails while it is loaded: no process is left
        playwright.expect(heading).to_contain_text("ZeroDivisionError", timeout=20_000)
        good = APP.replace(
            "raise KeyError(environ", "start_response('200 OK', []); return (b'good',) #"
        )
        write(tmp_path, {"app.py": good})
        playwright.expect(page.locator("body")).to_contain_text("good", timeout=20_000)
        browser.close()
