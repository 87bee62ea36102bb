"""An interpreter stands by, and never shows anything stale: what could go wrong with that, tried."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from ..sites import make_env, python_handler, web_config, write
from .server import LiveServer, eventually

SETTINGS = {
    "WSGI_HANDLER": "ptvs_virtualenv_proxy.get_venv_handler()",
    "WSGI_ALT_VIRTUALENV_HANDLER": "app.application",
    "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe",
    "FROM_CONFIG": "one",
}
APP = """
import os, sys
%s

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(%s).encode()]
"""
#: What the site asks to see how it was loaded: whether the package was there before the site.
AHEAD = "[package.LOADED < STARTED, package.VALUE]"
IMPORTS = "import time; STARTED = time.perf_counter(); import package"
PACKAGE = "import os, time\nLOADED = time.perf_counter()\nVALUE = %s\n"


class Site:
    """A site with an environment of its own and packages in it."""

    def __init__(self, folder: Path, serve: Callable[..., LiveServer]) -> None:
        self.folder = folder
        self.packages = make_env(folder)
        self._serve = serve
        self._saves = 0
        #: The processes that stood by once and have taken the site up.
        self.used: set[int] = set()

    def packaged(self, files: dict[str, str | bytes]) -> None:
        write(self.packages, files)

    def app(self, imports: str = IMPORTS, shown: str = AHEAD) -> None:
        self._saves += 1
        write(self.folder, {"app.py": (APP % (imports, shown)) + f"# {self._saves}\n"})

    def start(self, *options: str, **settings: str) -> LiveServer:
        write(self.folder, {"web.config": web_config(python_handler(), {**SETTINGS, **settings})})
        self.server = self._serve(self.folder, "--workers", "1", *options)
        return self.server

    def save(
        self,
        imports: str = IMPORTS,
        shown: str = AHEAD,
        files: dict[str, str | bytes] | None = None,
    ) -> str:
        """The answer after a save, when a stand-by is ready."""
        self.used.add(wait_for_standby(self.server, self.used))
        seen = self.server.line_count
        write(self.folder, files or {})
        self.app(imports, shown)
        self.server.wait_for("changed: workers restart", seen)
        return self.server.get("/").text


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in os.listdir(f"/proc/{pid}/task")
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    ]


def standing_by(server: LiveServer) -> list[int]:
    """The processes that stand by and have loaded what they load."""
    found = []
    for pid in children(server.process.pid):
        try:
            if b"\0FCGIEMU_STANDBY=" in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            pass
    return found


def wait_for_standby(server: LiveServer, used: Collection[int] = ()) -> int:
    """Until one waits for its first request: it sleeps in poll or accept. ``used`` are those that
    stood by once.
    """
    found = eventually(lambda: [pid for pid in standing_by(server) if waits(pid, used)])
    assert found, f"nothing stands by:\n{server.log()}"
    server.get("/")  # by the time of its answer the server knows as well
    return found[0]


def waits(pid: int, used: Collection[int]) -> bool:
    """Whether a process that has not been used waits for a connection or a request."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        where = Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False
    return (
        pid not in used
        and state == "S"
        and re.search("accept|poll|recv|wait_for_packet|unix_stream", where) is not None
    )


pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are looked at in /proc"
)


@pytest.fixture
def site(tmp_path: Path, serve: Callable[..., LiveServer], request: pytest.FixtureRequest) -> Site:
    if request.config.getoption("--no-standby"):
        pytest.skip("the suite runs without a stand-by")
    made = Site(tmp_path / "site", serve)
    made.packaged({"package/__init__.py": PACKAGE % "os.environ['FROM_CONFIG']"})
    made.app()
    return made


def test_packages_are_loaded_ahead_with_the_environment_and_the_site_is_not(site: Site) -> None:
    server = site.start()
    assert server.get("/").text == "[False, 'one']"
    assert [site.save(), site.save()] == ["[True, 'one']"] * 2
    wait_for_standby(server, site.used)
    assert len(set(standing_by(server)) - site.used) == 1


def test_without_it(site: Site) -> None:
    server = site.start("--no-standby")
    server.get("/")
    site.app(shown="'new'")
    server.wait_for("app.py changed: workers restart")
    assert server.get("/").text == "'new'" and not standing_by(server)


@pytest.mark.parametrize(
    ("files", "imports", "shown", "answer"),
    [
        ({"package.py": "VALUE = 'mine'; LOADED = 1e99"}, IMPORTS, AHEAD, "[False, 'mine']"),
        (
            {"vendor/package.py": "VALUE = 'vendored'; LOADED = 1e99"},
            "import sys; sys.path.insert(0, 'vendor'); " + IMPORTS,
            AHEAD,
            "[False, 'vendored']",
        ),
        (
            {"vendor/other.py": "VALUE = 'vendored'"},
            IMPORTS + "; sys.path.insert(0, 'vendor'); import other; sys.path.pop(0)",
            "other.VALUE",
            "'vendored'",
        ),
        ({}, "import sys", "'package' in sys.modules", "False"),
        ({}, IMPORTS, "hasattr(package, 'sub')", "False"),
        (
            {},
            IMPORTS + "; import package.sub",
            "[package.sub.__spec__.loader.__class__.__name__]",
            "['SourceFileLoader']",
        ),
    ],
    ids=["shadowed", "vendored", "vendored later", "not imported", "submodule", "loader"],
)
def test_what_the_site_would_not_find_is_not_given(
    site: Site, files: dict[str, str | bytes], imports: str, shown: str, answer: str
) -> None:
    site.packaged({"package/sub.py": "", "other.py": "VALUE = 'of env'"})
    site.app(IMPORTS + ", package.sub, other")
    site.start().get("/")
    assert site.save(IMPORTS + ", package.sub, other").startswith("[True")
    assert site.save(imports, shown, files) == answer


@pytest.mark.parametrize("change", ["file", "new package", "pth"])
def test_a_changed_environment(site: Site, change: str) -> None:
    site.start().get("/")
    wait_for_standby(site.server)
    if change == "file":
        site.packaged({"package/__init__.py": PACKAGE % "'upgraded'"})
        assert site.save() == "[False, 'upgraded']"
        return
    site.packaged({"new/x.py": ""} if change == "new package" else {"x.pth": "# nothing\n"})
    assert site.save() == "[False, 'one']"


def test_a_changed_web_config(site: Site) -> None:
    server = site.start()
    server.get("/")
    wait_for_standby(server)
    settings = {**SETTINGS, "FROM_CONFIG": "two"}
    seen = server.line_count
    write(site.folder, {"web.config": web_config(python_handler(), settings)})
    server.wait_for("web.config changed: workers restart", seen)
    assert server.get("/").text == "[False, 'two']"


@pytest.mark.parametrize(
    "leaves",
    [
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])",
        "import socket\nkept = socket.socket()",
        "import os\nkept = open(os.devnull)",
        "import os\nos.environ['LEFT'] = '1'",
        "import sys\nsys.path.append('/nowhere')",
        "import builtins\nreal = builtins.__import__\nbuiltins.__import__ = lambda *a, **k: real(*a, **k)",
        "import helper",
        "try:\n    import helper\nexcept ImportError:\n    pass",
    ],
    ids=["thread", "child", "socket", "file", "environment", "path", "import", "site", "optional"],
)
def test_modules_that_leave_something_behind_are_not_loaded_ahead(site: Site, leaves: str) -> None:
    site.packaged({"leaves.py": leaves + "\nimport time\nLOADED = time.perf_counter()\n"})
    write(site.folder, {"helper.py": "VALUE = 'of the site'\n"})
    imports = "import helper; " + IMPORTS + ", leaves"
    shown = "[package.LOADED < STARTED, leaves.LOADED < STARTED]"
    site.app(imports, shown)
    site.start().get("/")
    assert site.save(imports, shown) == "[True, False]"
    assert children(wait_for_standby(site.server, site.used)) == []


@pytest.mark.parametrize("name", ["gevent", "eventlet"])
def test_never_with_these(site: Site, name: str) -> None:
    site.packaged({f"{name}/__init__.py": ""})
    imports = f"import {name}; " + IMPORTS
    site.app(imports)
    site.start().get("/")
    assert site.save(imports) == "[False, 'one']"


def test_what_a_pth_file_brings_in_is_not_loaded_ahead(site: Site) -> None:
    outside = site.folder.parent / "source"
    write(outside, {"editable.py": "import time\nLOADED = time.perf_counter()\n"})
    site.packaged({"editable.pth": f"{outside}\n"})
    imports, shown = IMPORTS + ", editable", "[package.LOADED < STARTED, editable.LOADED < STARTED]"
    site.app(imports, shown)
    site.start().get("/")
    assert site.save(imports, shown) == "[True, False]"


def test_a_site_that_fails_is_loaded_as_ever_and_heals(site: Site) -> None:
    server = site.start()
    server.get("/")
    wait_for_standby(server)
    seen = server.line_count
    broken = "print('said while loading'); " + IMPORTS + "\nimport no_such_module"
    text = site.save(broken)
    assert "No module named 'no_such_module'" in text and text.count("said while loading") == 1
    server.wait_for("] said while loading", seen)
    assert server.log().count("] said while loading") == 1
    site.app()
    server.wait_for("500", seen)
    assert server.get("/").text in ("[True, 'one']", "[False, 'one']")


def test_the_request_that_is_given_on_is_whole(site: Site) -> None:
    read = (
        "\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [environ['wsgi.input'].read()[::-1]]\n"
    )
    server = site.start()
    server.get("/")
    wait_for_standby(server)
    seen = server.line_count
    write(site.folder, {"app.py": read})  # no longer asks for the package: the stand-by gives up
    server.wait_for("app.py changed: workers restart", seen)
    body = bytes(range(256)) * 40000
    assert server.request("POST", "/", body).body == body[::-1]


def test_output_of_loading_and_streams_that_are_kept(site: Site) -> None:
    imports = IMPORTS + "; print('hello'); KEPT = sys.stdout"
    site.app(imports, "KEPT is sys.stdout")
    server = site.start()
    assert server.get("/").text == "True" and server.get("/").text == "False"
    seen = server.line_count
    assert site.save(imports, "KEPT is sys.stdout") == "True"
    server.wait_for(r"\[\d+ GET /\] hello", seen)


def test_the_genuine_file_is_started_ahead(site: Site) -> None:
    if importlib.util.find_spec("wfastcgi") is None:
        pytest.skip("wfastcgi is not installed: pip install -e .[wfastcgi]")
    server = site.start("--worker", "wfastcgi")
    assert server.get("/").text == "[False, 'one']"
    assert site_answers_from_standby(site)


def site_answers_from_standby(site: Site) -> bool:
    ahead = eventually(lambda: standing_by(site.server))
    seen = site.server.line_count
    site.app(shown="os.getppid()")
    site.server.wait_for("app.py changed: workers restart", seen)
    return int(site.server.get("/").text) in ahead
