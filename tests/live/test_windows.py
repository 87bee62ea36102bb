"""What works on Windows, in an interpreter that has lost what Windows lacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from fcgiemu.windows import Job

from ..sites import write, wsgi_site
from ..without_posix import JOB, Kernel32
from .server import LiveServer, all_end

ROOT = Path(__file__).parents[2]
APP = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
FILES: dict[str, str | bytes] = {
    "web.config": wsgi_site(),
    "app.py": APP,
    "new/app.py": APP,
    "site.expect": "GET / -> fastcgi\n",
    "urls.txt": "/\n/a\n",
    "web.Release.config": '<configuration xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform">'
    '<system.webServer><httpErrors errorMode="Detailed" xdt:Transform="Insert" />'
    "</system.webServer></configuration>",
}
COMMANDS = [
    (["explain", "{site}", "/a?b=1"], 0, "=> FastCGI"),
    (["check", "{site}"], 0, ""),
    (["test", "{site}/site.expect"], 0, "1 of 1 as expected"),
    (["diff", "{site}", "{site}", "--urls", "{site}/urls.txt"], 0, ""),
    (["init", "{site}/new", "--dry-run"], 0, "web.config"),
    (["xdt", "{site}/web.config", "{site}/web.Release.config"], 0, "httpErrors"),
    (["freb", "{site}"], 0, "No trace was found"),
    (["support", "httpErrors"], 0, "httpErrors"),
    (["explain", "{site}", "/", "--run"], 0, "=> run: 200 OK"),
]


def as_windows(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.without_posix", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(("arguments", "code", "says"), COMMANDS)
def test_commands(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    write(tmp_path, FILES)
    done = as_windows("fcgiemu", *(text.format(site=tmp_path) for text in arguments))
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_the_tests_of_what_works_there(tmp_path: Path) -> None:
    done = as_windows(*JOB, "--basetemp", str(tmp_path / "tests"))
    assert done.returncode == 0, done.stdout + done.stderr


# -- serve -----------------------------------------------------------------------------------------

WORKER = """import os, sys
def application(environ, start_response):
    if environ["PATH_INFO"] == "/end":
        os._exit(3)
    start_response("200 OK", [])
    print("worked")
    return [b"%d " % os.getpid(), environ["wsgi.input"].read()]
"""
#: A server that does not end when it is asked to, with a child of its own: only its job ends them.
PLATFORM = """import http.server, os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d %d" % (os.getpid(), child.pid))
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def handler(module: str, processor: str = "", more: str = "") -> str:
    return (
        f'<configuration><system.webServer><handlers><add name="H" path="*" verb="*" modules="{module}" '
        f'scriptProcessor="{processor}" resourceType="Unspecified" /></handlers>{more}</system.webServer>'
        "</configuration>"
    )


PLATFORM_SITE = handler(
    "httpPlatformHandler",
    more='<httpPlatform processPath="python" arguments="serve.py"><environmentVariables>'
    '<environmentVariable name="PORT" value="%HTTP_PLATFORM_PORT%" /></environmentVariables></httpPlatform>',
)


class WindowsServer(LiveServer):
    """A server in an interpreter that has lost what Windows lacks."""

    program: ClassVar = (sys.executable, "-m", "tests.without_posix", "fcgiemu")


def serving(site: Path, files: dict[str, str | bytes], *options: str) -> WindowsServer:
    write(site, files)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return WindowsServer(site, options, {"PYTHONPATH": path})


def test_a_worker_listens_on_a_port_of_its_own(tmp_path: Path) -> None:
    with serving(
        tmp_path, {"web.config": wsgi_site(), "app.py": WORKER}, "--workers", "1"
    ) as server:
        assert "note        serve is untested on Windows" in server.log()
        first = server.post("/a", b"x" * 100_000)
        pid, _, body = first.text.partition(" ")
        assert (first.status, body) == (200, "x" * 100_000)
        assert server.get("/b").text == f"{pid} "
        server.wait_for(rf"\[{pid} .*\] worked")
        ended = server.get("/end")
        assert (ended.status, "exit code 3" in ended.text) == (500, True)
        again = server.get("/c").text.strip()
        assert again != pid
        with all_end(again):
            write(tmp_path, {"app.py": WORKER + "#\n"})
            server.wait_for("app.py changed: workers restart")
        last = server.get("/d").text
        with all_end(last):
            assert server.stop() == 0


def test_a_job_ends_what_a_process_has_started(tmp_path: Path) -> None:
    with serving(tmp_path, {"web.config": PLATFORM_SITE, "serve.py": PLATFORM}) as server:
        with all_end(server.get("/").text):
            server.stop()


@pytest.mark.skipif(not shutil.which("php-cgi"), reason="needs php-cgi")
def test_php_is_told_its_port(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "web.config": handler("FastCgiModule", r"C:\PHP\php-cgi.exe"),
        "a.php": "<?php echo getmypid(), ' ', $_GET['b'];",
    }
    with serving(tmp_path, files, "--workers", "1") as server:
        pid, _, said = server.get("/a.php?b=c").text.partition(" ")
        assert said == "c"
        with all_end(pid):
            server.stop()


REFUSED = [
    (wsgi_site(), ("--worker", "wfastcgi"), "cannot be run on Windows"),
    (handler("iisnode"), (), "on Windows fcgiemu has no named pipes for iisnode"),
]


@pytest.mark.parametrize(("config", "options", "says"), REFUSED)
def test_what_is_not_served_there_says_so(
    tmp_path: Path, config: str, options: tuple[str, ...], says: str
) -> None:
    files: dict[str, str | bytes] = {"web.config": config, "app.py": APP, "server.js": ""}
    with serving(tmp_path, files, *options) as server:
        answer = server.get("/server.js")
        assert re.search(says, answer.text + server.log())


# -- Job Objects -----------------------------------------------------------------------------------


def test_a_job_kills_on_close() -> None:
    kernel32 = Kernel32()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        job = Job(process.pid, kernel32)
        assert list(kernel32.limits.values()) == [0x2000]
        assert list(kernel32.jobs.values()) == [{process.pid}]
        job.close()
        assert process.wait(60) == -9
    finally:
        process.kill()
        process.communicate()


def test_a_job_of_a_process_that_has_ended() -> None:
    kernel32 = Kernel32()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(OSError, match="OpenProcess failed"):
        Job(process.pid, kernel32)
    assert not kernel32.jobs
