"""``fcgiemu compare`` against a second fcgiemu and against nginx: it finds what was planted, and
nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..schemas import hold
from ..sites import web_config, write
from .server import LiveServer

PAGES = {
    "index.html": '<a href="/a.html">a</a> <a href="/folder/b.html">b</a> <img src="/c.svg">\n',
    "a.html": '<a href="/missing.html">x</a><a href="https://elsewhere.example/">y</a>\n',
    "folder/b.html": "<p>b</p>\n",
    "c.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>\n',
    "site.css": "p { color: red }\n",
    "site.js": "var a = 1;\n",
    "data.json": "{}\n",
}
URLS = """\
/
/a.html
/a.html?x=1
/folder
/folder/b.html
/c.svg
/site.css
/site.js
/data.json
/missing.html
HEAD /a.html
POST /a.html
"""


def run(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "fcgiemu", "compare", *map(str, arguments), "--rate", "100"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def found(*arguments: str | Path) -> dict[str, Any]:
    code, output = run(*arguments, "--format", "json")
    assert code in (0, 1), output
    answer: dict[str, Any] = hold("compare", output)
    return answer


def planted(answer: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    return sorted(
        (entry["aspect"], entry["live"] or "", entry["local"] or "", entry["count"])
        for entry in answer["differences"]
    )


@pytest.fixture
def urls(tmp_path: Path) -> Path:
    path = tmp_path / "urls.txt"
    path.write_text(URLS)
    return path


ERRORS = (
    '<httpErrors><remove statusCode="404"/><error statusCode="404" path="no.html"/></httpErrors>'
)
RULES = (
    "<rewrite><rules>"
    '<rule name="old" stopProcessing="true"><match url="^old/(.*)"/>'
    '<action type="Redirect" url="/{}/{{R:1}}"/></rule>'
    '<rule name="gone"><match url="^gone"/><action type="CustomResponse" statusCode="{}"/></rule>'
    "</rules></rewrite>"
)


def site(folder: Path, inner: str, **more: str) -> Path:
    return write(
        folder, {**PAGES, "no.html": "not here\n", "web.config": web_config(inner), **more}
    )


def test_a_site_and_itself(tmp_path: Path, urls: Path) -> None:
    folder = site(tmp_path / "site", RULES.format("a", 410) + ERRORS)
    with urls.open("a") as stream:
        stream.write("/old/x\n/gone\n/%2e%2e/x\n/a%20b\n/web.config\n")
    with LiveServer(folder) as server:
        code, output = run(folder, server.url, "--urls", urls)
    assert code == 0, output
    assert "0 of 16 answers differ" in output
    assert "1 POST requests were not sent; give --any-method to send them" in output


def test_planted_differences_are_found_and_nothing_else(tmp_path: Path, urls: Path) -> None:
    here = site(tmp_path / "here", RULES.format("a", 410) + ERRORS)
    headers = (
        '<httpProtocol><customHeaders><remove name="X-Powered-By"/>'
        '<add name="X-Frame-Options" value="DENY"/></customHeaders></httpProtocol>'
    )
    there = site(
        tmp_path / "there", RULES.format("b", 404) + headers + ERRORS, **{"site.css": "p { }\n"}
    )
    (there / "data.json").unlink()
    urls.write_text("/a.html\n/site.css\n/data.json\n/old/x\n/gone\n/missing.html\n")
    with LiveServer(there) as server:
        answer = found(here, server.url, "--urls", urls)
    assert planted(answer) == [
        ("Location", "", "", 1),
        *[("X-Frame-Options", "DENY", "none", count) for count in (1, 1, 2)],
        *[("X-Powered-By", "none", "ASP.NET", count) for count in (1, 1, 2)],
        ("body", "", "", 1),
        ("status", "404", "200", 1),
        ("status", "404", "410", 1),
    ]
    by_rule = {entry["cause"]: entry for entry in answer["differences"]}
    assert by_rule["rule 'gone'"]["place"].startswith("web.config:")


def test_baseline_and_capture(tmp_path: Path, urls: Path) -> None:
    here = site(tmp_path / "here", RULES.format("a", 410))
    there = site(tmp_path / "there", RULES.format("b", 410))
    urls.write_text("/old/x?token=very-secret-thing\n/a.html\n")
    secrets = tmp_path / "headers.txt"
    secrets.write_text("# of a test\nCookie: session=very-secret-cookie\n")
    baseline, cases = tmp_path / "known.json", tmp_path / "cases"
    with LiveServer(there) as server:
        arguments = (here, server.url, "--urls", urls, "--headers", secrets)
        code, output = run(*arguments, "--capture", cases)
        assert code == 1
        assert "rule 'old' (web.config:1)" in output
        code, output = run(*arguments, "--baseline", baseline)
        assert code == 2 and "--update-baseline" in output
        assert run(*arguments, "--baseline", baseline, "--update-baseline")[0] == 0
        code, output = run(*arguments, "--baseline", baseline)
        assert (code, output) == (0, "0 of 2 answers differ, 1 known differences\n")
        (there / "web.config").write_text((here / "web.config").read_text())
    with LiveServer(there) as server:
        code, output = run(here, server.url, "--urls", urls, "--baseline", baseline)
    assert code == 0
    assert "not different any more: GET /old/x?token=very-secret-thing: Location" in output
    [case] = cases.iterdir()
    text = case.read_text()
    assert "very-secret" not in text and "127.0.0.1" not in text
    told = json.loads(text)
    assert told["rules"] == ["old"]
    assert "<rule name=" in told["configuration"][0]


def test_crawl(tmp_path: Path) -> None:
    folder = site(tmp_path / "site", "", **{"robots.txt": "User-agent: *\nDisallow: /folder/\n"})
    (folder / "other").mkdir()
    with LiveServer(folder) as server:
        answer = found(folder, server.url, "--crawl", "10")
    assert (answer["asked"], answer["differing"]) == (4, 0)  # /, a, c.svg, missing


def test_log(tmp_path: Path) -> None:
    folder = site(tmp_path / "site", "")
    log = tmp_path / "u_ex.log"
    log.write_text(
        "#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status\n"
        "2026-01-01 00:00:00 GET /a.html x=1 200\n"
        "2026-01-01 00:00:01 GET /a.html x=1 200\n"
        "2026-01-01 00:00:02 POST /a.html - 200\n"
    )
    with LiveServer(folder) as server:
        answer = found(folder, server.url, "--log", log)
    assert (answer["asked"], answer["differing"]) == (1, 0)


def test_a_server_that_does_not_answer(tmp_path: Path, urls: Path) -> None:
    folder = site(tmp_path / "site", "")
    code, output = run(folder, "http://127.0.0.1:9", "--urls", urls)
    assert code == 2
    assert "did not answer 3 times in a row" in output


def test_https(tmp_path: Path, urls: Path) -> None:
    rule = (
        '<rewrite><rules><rule name="s"><match url=".*"/><conditions>'
        '<add input="{HTTPS}" pattern="off"/></conditions>'
        '<action type="Redirect" url="https://{HTTP_HOST}/{R:0}"/></rule></rules></rewrite>'
    )
    folder = site(tmp_path / "site", rule)
    with LiveServer(folder, ["--https"]) as server:
        url = f"https://127.0.0.1:{server.port}"
        answer = found(folder, url, "--urls", urls, "--insecure")
    assert (answer["differing"], answer["asked"]) == (0, 11)


# -- nginx -----------------------------------------------------------------------------------------

NGINX = """\
daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    {planted}
  }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``nginx(root, "directives")``: a running nginx, its URL. It inherits a socket that listens
    already, so there is nothing to wait for.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None or not Path("/etc/nginx/mime.types").exists():
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    processes: list[subprocess.Popen[bytes]] = []

    def start(root: Path, planted: str = "") -> str:
        folder = tmp_path / "nginx"
        folder.mkdir()
        config = folder / "nginx.conf"
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            user = "user root;" if os.geteuid() == 0 else ""
            values = {"folder": folder, "port": port, "root": root, "planted": planted}
            text = NGINX.format(user=user, **values)
            config.write_text(text)
            processes.append(
                subprocess.Popen(
                    [program, "-p", str(folder), "-c", str(config)],
                    env={**os.environ, "NGINX": f"{listening.fileno()};"},
                    pass_fds=[listening.fileno()],
                    stderr=subprocess.DEVNULL,
                )
            )
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


def test_nginx_that_serves_the_same(tmp_path: Path, urls: Path, nginx: Callable[..., str]) -> None:
    folder = site(tmp_path / "site", "")
    answer = found(folder, nginx(folder), "--urls", urls)
    assert (planted(answer), answer["asked"]) == ([], 11)
    assert "the live server is nginx, not IIS" in "".join(answer["leftOut"])


def test_nginx_with_planted_differences(
    tmp_path: Path, urls: Path, nginx: Callable[..., str]
) -> None:
    folder = site(tmp_path / "site", RULES.format("a", 410))
    root = site(tmp_path / "root", "", **{"site.js": "var a = 2;\n"})
    url = nginx(
        root,
        "rewrite ^/old/(.*)$ /b/$1 permanent; location = /gone { return 404; }"
        "location = /a.html { add_header X-Frame-Options DENY; }"
        "location = /site.css { types { } default_type text/plain; }",
    )
    urls.write_text(URLS + "/old/x\n/gone\n")
    answer = found(folder, url, "--urls", urls)
    assert planted(answer) == [
        ("Content-Type", "text/plain", "text/css", 1),
        ("Location", "", "", 1),
        ("X-Frame-Options", "DENY", "none", 3),
        ("body", "", "", 1),
        ("status", "404", "410", 1),
    ]
