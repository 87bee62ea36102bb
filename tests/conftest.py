"""Fixtures of all tests: a folder that becomes a site, and a real server over it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from fcgiemu.settings import Settings
from fcgiemu.site import Site

from .live.server import LiveServer
from .sites import write

settings.register_profile("same every time", derandomize=True, database=None, deadline=None)
settings.load_profile("same every time")


@pytest.fixture(autouse=True)
def no_active_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not depend on the environment that is active where they are run."""
    for name in (
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "UV_PROJECT_ENVIRONMENT",
        "POETRY_VIRTUALENVS_PATH",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Site]:
    """``make_site({"web.config": …}, strict=True)``: a Site over freshly written files."""

    def make(files: dict[str, str | bytes], **settings: object) -> Site:
        return Site(write(tmp_path, files), Settings(**settings))  # type: ignore[arg-type]

    return make


@pytest.fixture
def not_under_nohup() -> Iterator[None]:
    """SIGHUP as a terminal's processes have it, for the servers that are started meanwhile."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-standby", action="store_true", help="no interpreter stands by behind live servers"
    )


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., LiveServer]]:
    """``serve(folder, "--strict")``: a running server, stopped whatever happens; its log is shown
    when the test fails.
    """
    with ExitStack() as stack:
        first = ("--no-standby",) if request.config.getoption("--no-standby") else ()
        yield lambda folder, *options: stack.enter_context(LiveServer(folder, (*first, *options)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.failed:  # type: ignore[attr-defined]
        for number, server in enumerate(LiveServer.started):
            report.sections.append((f"log of server {number}", server.log()))  # type: ignore[attr-defined]
    if report.when == "teardown":  # type: ignore[attr-defined]
        LiveServer.started.clear()
    return report
