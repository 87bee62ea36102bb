"""The pytest plugin: ``iis_site`` asks a site in this process, ``iis_server`` serves it with real
workers on a free port.

The site is the folder of the ini value ``iis_site`` (relative to the root of the tests), or of the
marker ``@pytest.mark.iis("folder", strict=True)``, whose keywords are fields of Settings; else the
root itself.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .. import project
from ..settings import Settings

if TYPE_CHECKING:
    import httpx

    from .client import Client
    from .server import LiveServer


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

    folder, settings = _site(request)
    client = request.node.stash[_CLIENT] = Client(folder, **settings)
    return client


@pytest.fixture
def iis_server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """A LiveServer with real workers on a free port of loopback, ended whatever happens; its log is
    shown when a test fails.
    """
    from .server import LiveServer

    folder, settings = _site(request)
    with LiveServer(folder, request.config.getini("iis_options"), **settings) as server:
        request.node.stash[_SERVER] = server
        yield server


@pytest.fixture
def iis_client(iis_server: LiveServer) -> Iterator[httpx.Client]:
    """An httpx.Client of iis_server, with cookies; it follows redirects where it is told to."""
    import httpx

    with httpx.Client(base_url=iis_server.url, trust_env=False) as client:
        yield client


_SERVER: pytest.StashKey[Any] = pytest.StashKey()
_CLIENT: pytest.StashKey[Any] = pytest.StashKey()
#: Traces shown of a failed test: those of the requests it made last.
TRACES = 3


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows how its last answers came about, and the server's log."""
    report: Any = yield
    if report.when == "call" and report.failed:
        client, server = item.stash.get(_CLIENT, None), item.stash.get(_SERVER, None)
        for answer in list(client.asked)[-TRACES:] if client is not None else ():
            report.sections.append((f"iis_site: {answer.summary}", answer.trace))
        if server is not None:
            server.stop()  # its last lines come at its end
            report.sections.append(("log of iis_server", server.log()))
    return report  # type: ignore[no-any-return]


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """``assert answer == ...`` names the answers in one line each."""
    from .answer import Answer

    if not isinstance(left, Answer) and not isinstance(right, Answer):
        return None
    return [f"{left!r} {op} {right!r}"]
