"""``breakpoint()``: pdb in the terminal that the server runs in."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from fcgiemu.testing.server import READY_SECONDS, STOP_SECONDS

from ..sites import write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    value = 42
    breakpoint()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % value]
"""


class Terminal:
    """A server in a terminal of its own, and the person in front of it."""

    def __init__(self, site: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fcgiemu", "serve", str(site), "--port", "0"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._seen = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """What matches next; all before it is forgotten."""
        end = time.monotonic() + READY_SECONDS
        while (found := re.search(pattern, self._seen)) is None:
            ready = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))[0]
            assert ready, f"{pattern!r} never came: {self._seen}"
            self._seen += os.read(self._ours, 65536).decode()
        self._seen = self._seen[found.end() :]
        return found

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode() + b"\n")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(write(tmp_path, {"app.py": APP, "web.config": wsgi_site()}))
    yield made
    made.close()


def test_pdb_opens_in_the_terminal_and_holds_the_timeouts(terminal: Terminal) -> None:
    url = terminal.wait_for(r"http://\S+:\d+/")[0]

    def ask() -> bytes:
        with urlopen(url, timeout=READY_SECONDS) as answer:
            body: bytes = answer.read()
        return body

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)
        terminal.wait_for(r"app\.py\([45]\)application")  # Python 3.13 stops at breakpoint() itself
        terminal.wait_for(r"\(Pdb\) ")
        terminal.type("value = 43")
        terminal.wait_for(r"\(Pdb\) ")
        terminal.type("c")
        assert answer.result(READY_SECONDS) == b"43"
    terminal.wait_for("the debugger has left")


def test_without_a_terminal_it_says_what_to_type(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site()}))
    assert server.get("/").text == "42"
    server.wait_for(rf"app\.py, line 4: .*fcgiemu serve {tmp_path} --debugpy 5678")


def test_a_debugger_that_is_not_installed(tmp_path: Path) -> None:
    """The command line says so at start; a setting of the site's does not stop the site."""
    write(
        tmp_path,
        {
            "no/sitecustomize.py": "import sys\nsys.modules['debugpy'] = None\n",
            "site/app.py": APP.replace("breakpoint()", "pass"),
            "site/web.config": wsgi_site(WSGI_PTVSD_ADDRESS="localhost:nonsense"),
        },
    )
    (tmp_path / "no" / "sitecustomize.py").write_text(
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'debugpy' else find(name, *more)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "fcgiemu", "serve", str(tmp_path / "site"), "--debugpy", "5678"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "no")},
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
    )
    assert ended.returncode and "pip install 'fcgiemu[debug]'" in ended.stderr
    for more in ({}, {"WSGI_PTVSD_SECRET": "x"}):
        config = wsgi_site(WSGI_PTVSD_ADDRESS="localhost:nonsense", **more)
        write(tmp_path, {"site/web.config": config})
        with LiveServer(
            tmp_path / "site", environment={"PYTHONPATH": str(tmp_path / "no")}
        ) as server:
            assert server.get("/").text == "42"
