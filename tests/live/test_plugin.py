"""The fixtures in a test session of their own: marks that are wrong, and the HTTP client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..sites import write, wsgi_site

APP = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/to":
        start_response("302 Found", [("Location", "/cart"), ("Set-Cookie", "a=1; Path=/")])
        return [b""]
    start_response("200 OK", [("Content-Type", "application/json")])
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    cookie = environ.get("HTTP_COOKIE", "")
    return [b'{"body": %d, "cookie": "%s"}' % (len(body), cookie.encode())]
"""


def session(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    write(folder, {"app.py": APP, "web.config": wsgi_site(), "test_it.py": test})
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_client_posts_follows_and_keeps_cookies(tmp_path: Path) -> None:
    test = """
def test_it(iis_client):
    assert iis_client.post("/", json={"a": 1}).json()["body"] == 7
    assert iis_client.get("/to", follow_redirects=True).json()["cookie"] == "a=1"
"""
    done = session(tmp_path, test)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("strikt=True", "has no setting strikt. Did you mean strict?"),
        ("'a', 'b'", "takes one folder, not 'a', 'b'"),
        ("3", "takes one folder, not 3"),
    ],
)
def test_marks_that_are_wrong(mark: str, words: str, tmp_path: Path) -> None:
    test = f"import pytest\n@pytest.mark.iis({mark})\ndef test_it(iis_site): pass\n"
    done = session(tmp_path, test)
    assert done.returncode == 1
    assert words in done.stdout


def test_a_server_serves_the_whole_session(tmp_path: Path) -> None:
    test = """
import pytest
ports = []

@pytest.fixture(scope="session")
def home(iis_servers):
    return iis_servers(".").get("/").json()

def test_one(iis_server):
    assert iis_server.post("/", data=[1, 2]).json()["body"] == 6
    ports.append(iis_server.port)

def test_two(iis_server, home):
    assert home["body"] == 0
    ports.append(iis_server.port)
    iis_server.stop()

def test_three(iis_server):
    ports.append(iis_server.port)
    assert iis_server.get("/").status == 200

@pytest.mark.iis(strict=True)
def test_four(iis_server):
    ports.append(iis_server.port)

def test_five():
    assert ports[0] == ports[1] and len(set(ports)) == 3
"""
    done = session(tmp_path, test)
    assert done.returncode == 0, done.stdout


def test_a_failure_shows_the_lines_of_the_test_alone(tmp_path: Path) -> None:
    test = """
def test_fine(iis_server):
    assert iis_server.get("/before").status == 200

def test_wrong(iis_server):
    iis_server.get("/asked")
    iis_server.stop()
    iis_server.wait_for("never said")

def test_line(iis_site):
    iis_site.expect("/ -> 404")

def test_after(iis_server):
    assert iis_server.get("/later").status == 200
"""
    done = session(tmp_path, test)
    assert done.returncode == 1 and "2 failed, 2 passed" in done.stdout
    assert "fcgiemu/testing" not in done.stdout and "GET /asked" in done.stdout
    assert "GET /later" not in done.stdout


def test_a_site_that_cannot_be_opened_is_told_in_words(tmp_path: Path) -> None:
    test = """
import pytest
@pytest.mark.iis("nowhere")
def test_it(iis_site): pass
"""
    done = session(tmp_path, test)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "nowhere" in done.stdout and "fcgiemu/" not in done.stdout
