"""The pytest plugin: ``iis_site`` asks a site in this process, ``iis_server`` serves it with real
workers on a free port. A server is started for the first test that asks for it, and serves every
later one of the same site and settings; ``iis_servers`` starts them for fixtures of a session.

The site is the folder of the ini value ``iis_site`` (relative to the root of the tests), or of the
marker ``@pytest.mark.iis("folder", strict=True)``, whose keywords are fields of Settings; else the
root itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .. import project
from ..errors import SiteError
from ..settings import Settings

if TYPE_CHECKING:
    import httpx

    from .client import Client
    from .server import LiveServer

__tracebackhide__ = True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("iis_site", "folder of the site that iis_site and iis_server take", default=".")
    parser.addini(
        "iis_options", "options of 'fcgiemu serve' for iis_server", type="args", default=[]
    )
    parser.addini("iis_host_config", "an applicationHost.config, or a part of one", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "iis(folder, **settings): the site of iis_site and iis_server, and its settings."
    )


def _site(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    """Folder and settings: the nearest marker's, else those of the ini file."""
    config = request.config
    marker = request.node.get_closest_marker("iis")
    folder = Path(config.getini("iis_site"))
    settings: dict[str, Any] = {}
    if config.getini("iis_host_config"):
        settings["host_config"] = config.rootpath / config.getini("iis_host_config")
    if marker is not None:
        _look_at(marker)
        settings.update(marker.kwargs)
        folder = Path(marker.args[0]) if marker.args else folder
    if isinstance(settings.get("host_config"), str):
        settings["host_config"] = config.rootpath / settings["host_config"]
    return config.rootpath / folder, {**project.read(config.rootpath / folder), **settings}


def _look_at(marker: pytest.Mark) -> None:
    """Refuse a marker that says what there is not. Raises pytest.UsageError."""
    if len(marker.args) > 1 or not all(isinstance(arg, str | os.PathLike) for arg in marker.args):
        raise pytest.UsageError(
            f"@pytest.mark.iis takes one folder, not {', '.join(map(repr, marker.args))}."
        )
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in marker.kwargs:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.6)
            hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}."
            raise pytest.UsageError(f"@pytest.mark.iis has no setting {name}. {hint}")


@pytest.fixture
def iis_site(request: pytest.FixtureRequest) -> Client:
    """A Client: ``iis_site.get("/x")`` gives the decision and its trace. No server, no worker, no
    socket.
    """
    from .client import Client

    with _in_words():
        folder, settings = _site(request)
        client = request.node.stash[_CLIENT] = Client(folder, **settings)
    return client


class Servers:
    """The servers of a session, one for each folder with its settings."""

    def __init__(self, options: list[str]) -> None:
        self._options = options
        self._running: dict[str, LiveServer] = {}

    def __call__(self, folder: Path | str, **settings: Any) -> LiveServer:
        """The server of a folder; keywords are fields of Settings. One that has ended is started
        again.
        """
        from .server import LiveServer

        key = repr((os.path.abspath(folder), sorted(settings.items())))
        server = self._running.get(key)
        if server is None or server.process.poll() is not None:
            server = LiveServer(Path(folder), self._options, **settings)
            self._running[key] = server.__enter__()
        return server

    def stop(self) -> None:
        """End them all."""
        for server in self._running.values():
            server.stop()


@pytest.fixture(scope="session")
def iis_servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """``iis_servers(folder, **settings)`` is a LiveServer for the rest of the session."""
    servers = Servers(pytestconfig.getini("iis_options"))
    yield servers
    servers.stop()


@pytest.fixture
def iis_server(request: pytest.FixtureRequest, iis_servers: Servers) -> LiveServer:
    """A LiveServer with real workers on a free port of loopback, shared by the tests of a session
    that have the same site and settings; the log of a test that fails is shown.
    """
    with _in_words():
        folder, settings = _site(request)
        server = iis_servers(folder, **settings)
    request.node.stash[_SERVER] = server, server.line_count
    return server


@pytest.fixture
def iis_client(iis_server: LiveServer) -> Iterator[httpx.Client]:
    """An httpx.Client of iis_server, with cookies; it follows redirects where it is told to."""
    import httpx

    with httpx.Client(base_url=iis_server.url, trust_env=False) as client:
        yield client


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """What the user can repair is told without a traceback."""
    try:
        yield
    except SiteError as error:
        pytest.fail(f"{error} {error.hint}".strip(), pytrace=False)


_SERVER: pytest.StashKey[Any] = pytest.StashKey()
_CLIENT: pytest.StashKey[Any] = pytest.StashKey()
#: Traces shown of a failed test: those of the requests it made last.
TRACES = 3


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows how its last answers came about, and the server's log."""
    report: Any = yield
    if report.when == "call" and report.failed:
        client = item.stash.get(_CLIENT, None)
        server, begun = item.stash.get(_SERVER, (None, 0))
        for answer in list(client.asked)[-TRACES:] if client is not None else ():
            report.sections.append((f"iis_site: {answer.summary}", answer.trace))
        if server is not None:
            server.stop()  # its last lines come at its end; the next test gets a new one
            report.sections.append(("log of iis_server", server.log(begun)))
    return report  # type: ignore[no-any-return]


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """``assert answer == ...`` names the answers in one line each."""
    from .answer import Answer

    if not isinstance(left, Answer) and not isinstance(right, Answer):
        return None
    return [f"{left!r} {op} {right!r}"]
