"""Odd folders and names, and who may see what: a site that is replaced, bytes that are no text,
what cannot be read, and hosts that are not this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import web_config, write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%s"]
"""
BROWSE = '<directoryBrowse enabled="true" />'


@pytest.mark.parametrize("name", ["sit\xe9", "\u0441\u0430\u0439\u0442", "a b"])
def test_a_folder_by_any_name(tmp_path: Path, serve: Callable[..., LiveServer], name: str) -> None:
    files = {"app.py": APP % "one", "web.config": wsgi_site()}
    server = serve(write(tmp_path / name, files))
    assert server.get("/").text == "one"


def test_a_site_that_another_folder_replaces(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    site = write(tmp_path / "site", {"app.py": APP % "one", "web.config": wsgi_site()})
    other = write(tmp_path / "new", {"app.py": APP % "two", "web.config": wsgi_site()})
    server = serve(site)
    assert server.get("/").text == "one"
    site.rename(tmp_path / "old")
    other.rename(site)
    server.wait_for("has been replaced by another folder: workers restart")
    assert server.get("/").text == "two"
    write(site, {"app.py": APP % "three"})
    server.wait_for("app.py changed")
    assert server.get("/").text == "three"


@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
def test_a_listing_leaves_out_what_is_no_text(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"good.txt": "x", "web.config": web_config(BROWSE)})
    with open(os.fsencode(tmp_path) + b"/bad\xff.txt", "wb"):
        pass
    page = serve(tmp_path).get("/")
    assert page.status == 200 and "good.txt" in page.text and "bad" not in page.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"secret.txt": "x", "dir/a": "", "web.config": web_config(BROWSE)})
    (tmp_path / "secret.txt").chmod(0)
    (tmp_path / "dir").chmod(0o100)
    server = serve(tmp_path)
    for url in ("/secret.txt", "/dir/"):
        answer = server.get(url)
        assert answer.status == 401 and "401.3" in answer.text
    (tmp_path / "dir").chmod(0o700)


def test_a_folder_of_ours_is_no_part_of_the_site(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {".fcgiemu/home/a.txt": "x", "a.txt": "x", "web.config": web_config(BROWSE)})
    server = serve(tmp_path)
    assert server.get("/a.txt").status == 200
    for url in ("/.fcgiemu/home/a.txt", "/.FCGIEMU/home/a.txt", "/.fcgiemu/"):
        assert server.get(url).status == 404
    assert ".fcgiemu" not in server.get("/").text


def test_detailed_pages_need_a_name_of_this_machine(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(write(tmp_path, {"web.config": web_config()}), "--local-host", "dev.example")
    for host, detailed in [
        ("localhost", True),
        (f"127.0.0.1:{server.port}", True),
        ("dev.example:80", True),
        ("evil.example", False),
    ]:
        request = f"GET /absent HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        page = server.raw(request.encode())
        assert page.startswith(b"HTTP/1.1 404 ") and (b"404.0" in page) is detailed, host


def test_secrets_are_not_shown(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    app = "import sys\nprint('DB_PASSWORD=hunter2')\nsys.stderr.write('at postgres://u:hunter2@db/x\\n')\nsys.exit(3)\n"
    files = {"app.py": app, "web.config": wsgi_site(DB_PASSWORD="hunter2").replace("<rules", "<r")}
    server = serve(write(tmp_path, files))
    page = server.get("/reset?token=hunter2")
    server.wait_for(r"GET /reset\?token=\*+ ")
    assert page.status == 500 and "hunter2" not in page.text + server.log()


@pytest.mark.parametrize("command", ["explain . /", "check .", "serve . --port 0"])
def test_a_command_in_a_folder_that_is_no_more(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = f"cd {folder} && rmdir {folder} && exec {sys.executable} -c {{}} {command}"
    program = "'from fcgiemu.cli import main; main()'"
    done = subprocess.run(
        ["sh", "-c", script.format(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("fcgiemu: The current folder has been deleted. Type cd ")


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_host_is_refused(tmp_path: Path, host: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fcgiemu", "serve", str(tmp_path), "--host", host, "--port", "0"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "--host is empty" in done.stderr


def test_an_address_for_everybody_is_warned_of(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(write(tmp_path, {"a.txt": "x"}), "--host", "0.0.0.0")
    server.wait_for("warning +every machine that reaches 0.0.0.0")
    shutil.rmtree(tmp_path)
