"""The worker leaves the site alone: what a site does to its own process works, ours and genuine."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.testing.server import READY_SECONDS

from ..sites import web_config, write, wsgi_site
from .server import LiveServer, all_end

WORKERS = [
    "fcgiemu",
    pytest.param(
        "wfastcgi",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("wfastcgi") is None,
            reason="wfastcgi is not installed: pip install -e .[wfastcgi]",
        ),
    ),
]
HEAD = """
import os, sys, threading
%s

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(%s).encode()]
"""


@pytest.mark.parametrize("worker", WORKERS)
def test_no_thread_runs_while_the_site_is_imported(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str
) -> None:
    """gevent's ``monkey.patch_all`` at import wants to be the first."""
    seen = "SEEN = (threading.active_count(), len(os.listdir('/proc/self/task')))"
    if not os.path.isdir("/proc/self/task"):
        seen = "SEEN = (threading.active_count(), 1)"
    site = write(tmp_path, {"app.py": HEAD % (seen, "SEEN"), "web.config": wsgi_site()})
    assert serve(site, "--worker", worker).get("/").text == "(1, 1)"


@pytest.mark.parametrize("worker", WORKERS)
def test_a_site_may_patch_what_the_worker_uses(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str
) -> None:
    patch = (
        "import select, socket, os, threading, time\n"
        "def refused(*args, **more):\n    raise RuntimeError('patched')\n"
        "select.select = select.poll = socket.socket.recv = socket.socket.sendall = refused\n"
        "threading.Thread.start = time.sleep = refused\n"
    )
    if worker == "fcgiemu":
        patch = patch.replace("socket.socket.recv = socket.socket.sendall = ", "")
    site = write(tmp_path, {"app.py": HEAD % (patch, "1"), "web.config": wsgi_site()})
    server = serve(site, "--worker", worker, "--workers", "1")
    assert [server.get("/").text for _ in range(3)] == ["1"] * 3


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_of_multiprocessing(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str, method: str
) -> None:
    app = f"""
import multiprocessing

def put(queue):
    queue.put(6 * 7)

def application(environ, start_response):
    context = multiprocessing.get_context("{method}")
    queue = context.SimpleQueue()
    process = context.Process(target=put, args=(queue,))
    process.start()
    process.join()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d" % (process.exitcode, 0 if process.exitcode else queue.get())]
"""
    site = write(tmp_path, {"app.py": app, "web.config": wsgi_site()})
    assert serve(site, "--worker", worker).get("/").text == "0 42"


@pytest.mark.parametrize("worker", WORKERS)
def test_bodies_of_any_size_are_what_wfastcgi_gives(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str
) -> None:
    app = HEAD % (
        "",
        "(len(environ['wsgi.input'].getvalue()), len(environ['wsgi.input'].getbuffer()),"
        " environ['wsgi.input'].read(3), len(environ['wsgi.input'].getvalue()), environ['wsgi.input'].read(2))",
    )
    limits = '<security><requestFiltering><requestLimits maxAllowedContentLength="99000000" /></requestFiltering></security>'
    site = write(tmp_path, {"app.py": app, "web.config": wsgi_site(inner=limits)})
    server = serve(site, "--worker", worker)
    # wfastcgi 3.0.0 takes the square of the time for the last one
    for size in (0, 3 << 20, 33 << 20)[: 2 if worker == "wfastcgi" else 3]:
        body = (b"abcde" * (size // 5 + 1))[:size]
        assert server.request("POST", "/", body).text == repr(
            (size, size, body[:3], size, body[3:5])
        )


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.parametrize("name", ["caf\xe9", "\u2603 snow", "a b", "100%25"])
def test_folders_of_any_name(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str, name: str
) -> None:
    """And applications below in such folders."""
    shown = HEAD % ("", "os.path.basename(os.getcwd())")
    site = tmp_path / name
    below = wsgi_site().replace('name="Python"', 'name="Below"')
    host = (
        "<configuration><system.applicationHost><sites><site name='s'><application path='/'>"
        "<virtualDirectory path='/' physicalPath='site' /></application><application path='/sub'>"
        f"<virtualDirectory path='/' physicalPath='sub {name}' /></application>"
        "</site></sites></system.applicationHost></configuration>"
    )
    write(
        site,
        {
            "host.config": host,
            "site/app.py": shown,
            "site/web.config": wsgi_site(),
            f"sub {name}/app.py": shown,
            f"sub {name}/web.config": below,
        },
    )
    server = serve(site / "site", "--worker", worker, "--host-config", str(site / "host.config"))
    assert server.get("/").text == "'site'"
    assert server.get("/sub/").text == repr(f"sub {name}")


def test_lines_belong_to_the_request_that_writes_them(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """Also where ``logging`` was set up at import and keeps the streams of the first request."""
    app = HEAD % (
        "import logging\nlogging.basicConfig(level='INFO', stream=sys.stderr)\nlog = logging.getLogger('x')",
        "log.info('at %s', environ['PATH_INFO'])",
    )
    site = write(tmp_path, {"app.py": app, "web.config": wsgi_site()})
    server = serve(site, "--workers", "1")
    for path in ("/one", "/two", "/three", "/two"):
        seen = server.line_count
        server.get(path)
        server.wait_for(rf"\[\d+ GET {path}\] INFO:x:at {path}$", seen)


def test_what_a_process_wrote_last_is_of_its_last_request(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    app = HEAD.replace(
        "    start_response",
        "    if environ['PATH_INFO'] == '/die':\n        os.write(2, b'dying\\n')\n        os._exit(3)\n"
        "    print('printed by', environ['PATH_INFO'])\n    start_response",
        1,
    ) % ("", "1")
    site = write(tmp_path, {"app.py": app, "web.config": wsgi_site()})
    server = serve(site, "--workers", "1")
    server.get("/other")
    page = server.get("/die").text
    assert "dying" in page and "printed by" not in page
    server.wait_for(r"\[\d+ GET /die\] dying")


def test_a_server_ends_with_the_test_process_that_is_killed(tmp_path: Path) -> None:
    """And its workers."""
    write(tmp_path, {"app.py": HEAD % ("", "os.getpid()"), "web.config": wsgi_site()})
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys\nfrom fcgiemu.testing.server import LiveServer\n"
            "server = LiveServer(pathlib.Path(sys.argv[1])).__enter__()\n"
            "print(server.process.pid, server.get('/').text, flush=True)\nsys.stdin.read()",
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None and starter.stdin is not None
    with starter:
        pids = starter.stdout.readline()
        with all_end(pids):
            starter.send_signal(signal.SIGKILL)
            starter.wait(READY_SECONDS)


@pytest.mark.parametrize("worker", WORKERS)
def test_the_real_cause_comes_first(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str
) -> None:
    write(
        tmp_path,
        {
            "shop/__init__.py": "",
            "shop/config/__init__.py": "",
            "shop/config/wsgi.py": "import not_installed_anywhere\n",
            "web.config": wsgi_site("shop.config.wsgi.application"),
        },
    )
    text = serve(tmp_path, "--worker", worker).get("/").text
    real = text.index("No module named 'not_installed_anywhere'")
    assert real < text.index("module 'shop.config' has no attribute 'wsgi'")


@pytest.mark.parametrize("worker", WORKERS)
def test_the_first_failure_of_django(
    tmp_path: Path, serve: Callable[..., LiveServer], worker: str
) -> None:
    pytest.importorskip("django", reason="django is not installed: pip install -e .[test]")
    settings = {
        "DJANGO_SETTINGS_MODULE": "conf",
        "WSGI_HANDLER": "django.core.wsgi.get_wsgi_application()",
    }
    handler = web_config(
        '<handlers><add name="Python" path="*" verb="*" modules="FastCgiModule" resourceType="Unspecified" '
        f'scriptProcessor="{sys.executable}|wfastcgi.py" /></handlers>',
        settings,
    )
    conf = "SECRET_KEY = 'x'\nINSTALLED_APPS = ['not_installed_anywhere']\n"
    server = serve(write(tmp_path, {"conf.py": conf, "web.config": handler}), "--worker", worker)
    text = server.get("/").text
    assert text.index("No module named 'not_installed_anywhere'") < text.index("populate() isn't")
    server.wait_for("likely cause: .*not_installed_anywhere")
