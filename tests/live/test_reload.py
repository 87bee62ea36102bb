"""A saved file reaches the next request."""

from __future__ import annotations

import http.client
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import rules, write, wsgi_site
from .server import READY_SECONDS, Answer, LiveServer, eventually

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%s"]
"""


def test_saved_code_runs_at_the_next_request_and_errors_heal(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": APP % "one", "web.config": wsgi_site()})
    server = serve(tmp_path)
    assert server.get("/").text == "one"
    for body, expected in ((APP % "two", "two"), ("def broken(:\n", "SyntaxError")):
        seen = server.line_count
        write(tmp_path, {"app.py": body})
        server.wait_for("app.py changed", seen)
        assert expected in server.get("/").text
    write(
        tmp_path, {"app.py": APP % "three"}
    )  # the process that could not load it has ended: nothing is left to restart
    assert server.get("/").text == "three"


def test_a_file_in_another_case_that_appears_and_goes(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """PATH_TRANSLATED has the spelling on disk, also of requests that have come before over their
    connection.
    """
    app = (APP % "%s").replace('b"%s"', 'environ["PATH_TRANSLATED"].encode()')
    write(tmp_path, {"app.py": app, "web.config": wsgi_site()})
    server = serve(tmp_path)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=READY_SECONDS)

    def told() -> str:
        connection.request("GET", "/Notes.TXT?x")
        return Path(connection.getresponse().read().decode()).name

    assert told() == told() == "Notes.TXT"
    (tmp_path / "notes.txt").write_text("")
    assert eventually(lambda: told() == "notes.txt")
    (tmp_path / "notes.txt").unlink()
    assert eventually(lambda: told() == "Notes.TXT")
    connection.close()


def test_a_burst_of_saves_does_not_restart_for_each(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": APP % "one", "web.config": wsgi_site()})
    server = serve(tmp_path)
    server.get("/")
    write(tmp_path, {f"module_{number}.py": "" for number in range(40)})
    write(tmp_path, {"app.py": APP % "two", "notes.txt": ""})
    server.wait_for("changed: workers restart")
    assert server.get("/").text == "two"
    # The request may have come in the middle of the burst: what it loaded is stale once more then,
    # but only once.
    assert len([line for line in server.log().splitlines() if "workers restart" in line]) <= 2


def test_ignored_folders_and_other_files_restart_nothing(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(
        tmp_path,
        {
            "app.py": APP % "one",
            "web.config": wsgi_site(),
            "env/lib/x.py": "",
            "node_modules/y.py": "",
        },
    )
    server = serve(tmp_path)
    server.get("/")
    write(tmp_path, {"env/lib/x.py": "1", "node_modules/y.py": "1", "data.txt": "1"})
    write(
        tmp_path, {"app.py": APP % "two"}
    )  # events arrive in order: this one is the first to restart anything
    assert server.wait_for(r"(\S+) changed: workers restart")[1] == "app.py"


TEMPLATED = """
TEXT = open("shop/templates/page.html").read()
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [TEXT.encode()]
"""


@pytest.mark.parametrize(
    ("options", "is_seen"),
    [((), True), (("--strict",), False), (("--reload-also", ""), False)],
)
def test_templates_restart_workers_where_iis_would_go_on(
    options: tuple[str, ...],
    is_seen: bool,
    tmp_path: Path,
    serve: Callable[..., LiveServer],
) -> None:
    template = "shop/templates/page.html"
    write(tmp_path, {"app.py": TEMPLATED, template: "one", "web.config": wsgi_site()})
    server = serve(tmp_path, *options)
    assert ("  reload      **/templates/** also restart" in server.log()) == is_seen
    assert server.get("/").text == "one"
    write(tmp_path, {template: "two"})
    if is_seen:
        server.wait_for(r"page\.html changed: workers restart \(reload-also; not on IIS\)")
        assert server.get("/").text == "two"
    else:
        write(tmp_path, {"app.py": TEMPLATED})
        assert server.wait_for(r"(\S+) changed: workers restart")[1] == "app.py"


def test_the_regex_of_the_site_decides(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(
        tmp_path,
        {"app.py": APP % "one", "web.config": wsgi_site(WSGI_RESTART_FILE_REGEX=r".*\.txt$")},
    )
    server = serve(tmp_path)
    server.get("/")
    write(tmp_path, {"app.py": APP % "two"})
    write(tmp_path, {"now.txt": ""})
    assert server.wait_for(r"(\S+) changed: workers restart")[1] == "now.txt"
    assert server.get("/").text == "two"


@pytest.mark.parametrize("worker", ["fcgiemu", "wfastcgi"])
def test_each_application_has_its_own_regex(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str
) -> None:
    """And ``touch`` is a change, as it is on NTFS."""
    if worker == "wfastcgi" and importlib.util.find_spec("wfastcgi") is None:
        pytest.skip("wfastcgi is not installed: pip install -e .[wfastcgi]")
    pids = (
        (APP % "one").replace('b"one"', 'b"%d" % os.getpid()').replace("def", "import os\ndef", 1)
    )
    write(
        tmp_path,
        {
            "root/web.config": wsgi_site(),
            "root/app.py": pids,
            "root/a.txt": "",
            "a/app.py": pids,
            "a/a.txt": "",
            "host.config": '<configuration><system.applicationHost><sites><site name="s"><application path="/"><virtualDirectory path="/" '
            'physicalPath="root" /></application><application path="/a"><virtualDirectory path="/" physicalPath="a" /></application>'
            "</site></sites></system.applicationHost></configuration>",
            "a/web.config": wsgi_site(WSGI_RESTART_FILE_REGEX=r".*\.txt$").replace(
                'name="Python"', 'name="Below"'
            ),
        },
    )
    server = serve(
        tmp_path / "root",
        "--host-config",
        str(tmp_path / "host.config"),
        "--workers",
        "1",
        "--worker",
        worker,
    )
    root, below = server.get("/").text, server.get("/a/").text
    for name in ("root/a.txt", "a/app.py"):  # neither is its application's
        os.utime(tmp_path / name)
        (tmp_path / name).open("a").close()
    os.utime(tmp_path / "a/a.txt")
    server.wait_for("a.txt changed: workers restart")
    assert server.get("/").text == root
    assert server.get("/a/").text != below
    (tmp_path / "root/web.config").open("a").close()
    server.wait_for("web.config changed: workers restart")
    assert server.get("/").text != root


def test_a_broken_web_config_shows_its_page_and_heals(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(
        tmp_path,
        {"index.html": "fine", "sub/index.html": "below", "sub/web.config": "<configuration/>"},
    )
    server = serve(tmp_path)
    assert server.get("/sub/index.html").text == "below"
    write(tmp_path, {"sub/web.config": "<configuration><oops></configuration>"})
    page = wait_for_status(server, "/sub/index.html", 500)
    assert "500.19" in page and "not well-formed XML" in page and "sub/web.config, line 1" in page
    assert "0x8007000d" in page
    assert server.get("/index.html").text == "fine"
    write(tmp_path, {"sub/web.config": rules("")})
    wait_for_status(server, "/sub/index.html", 200)


def wait_for_status(server: LiveServer, target: str, status: int) -> str:
    """Ask until the watcher has told the server."""

    def ask() -> Answer | None:
        answer = server.get(target)
        return answer if answer.status == status else None

    found = eventually(ask)
    assert found is not None, f"{target} never answered {status}"
    return found.text
