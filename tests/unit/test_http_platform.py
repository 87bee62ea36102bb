"""Processes of httpPlatform without one: failures that count, names of logs, who has a port."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.modules.http_platform import http_platform, without_cmd
from fcgiemu.programs.http_platform import log_suffix
from fcgiemu.programs.ports import stranger_on
from fcgiemu.server.process_handlers.supervisor import FailCounter
from fcgiemu.site import Site

from ..sites import web_config


def test_failures_count_for_a_minute_from_the_first_one_on() -> None:
    now = [1000.0]
    fails = FailCounter(2, lambda: now[0])
    fails.add()
    assert not fails.used_up
    now[0] += 59
    fails.add()
    assert fails.used_up and fails.count == 2
    now[0] += 1  # a minute after the first one: both are forgotten
    assert not fails.used_up and fails.count == 0
    fails.add()
    assert fails.count == 1


def test_a_limit_of_0_is_none() -> None:
    fails = FailCounter(0)
    for _ in range(200):
        fails.add()
    assert not fails.used_up and fails.count == 200


def test_the_name_of_a_log_has_the_time_in_utc_unpadded() -> None:
    started = time.gmtime(1456837538)  # 2016-03-01 13:05:38
    assert log_suffix(4908, started) == "_4908_20163113538.log"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux tells who has a port")
def test_who_else_has_a_port() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert stranger_on(port, os.getsid(0), ["X=1"]) == 0
        assert stranger_on(port, -1, ["X=1"]) == os.getpid()
        name, value = next(iter(Path("/proc/self/environ").read_text().split("\0"))).split("=", 1)
        assert stranger_on(port, -1, [f"{name}={value}"]) == 0
    assert stranger_on(port, -1, ["X=1"]) == 0


def platform(attributes: str, inner: str = "") -> str:
    return web_config(
        '<handlers><add name="p" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="python" {attributes}>{inner}</httpPlatform>'
    )


SETTINGS = '<handlerSettings><handlerSetting name="debugLevel" value="FILE" /></handlerSettings>'


@pytest.mark.parametrize(
    ("text", "version_12", "version_2"),
    [
        (platform('startupRetryCount="3"'), "", "HttpPlatformHandlerV2 has no such attribute"),
        (platform('requestTimeout="00:00:30"'), 'Did you mean requestTimeout="00:01:00"?', ""),
        (platform('requestTimeout="00:90:00"'), '"01:30:00"', '"01:30:00"'),
        (platform('requestTimeout="20.00:00:00"'), "", '"15.00:00:00"'),
        (platform("", SETTINGS), "It is HttpPlatformHandlerV2 that has it", ""),
        (platform('startupTimeLimit="3601"'), "0 and 3600", "0 and 3600"),
    ],
)
def test_each_version_has_its_own_schema(
    make_site: Callable[..., Site], text: str, version_12: str, version_2: str
) -> None:
    for modules, wanted in (((), version_12), (("HttpPlatformHandlerV2",), version_2)):
        site = make_site({"web.config": text}, modules=modules)
        assert (site.explain("/")["outcome"]["kind"] == "httpPlatform") == (not wanted)
        assert wanted in " ".join(f"{each.message} {each.hint}" for each in site.findings())


@pytest.mark.parametrize(
    ("image", "is_second"),
    [
        (r"%SystemRoot%\System32\inetsrv\httpPlatformHandler.dll", False),
        (r"%ProgramFiles%\IIS\HttpPlatformHandler Module\V2\httpPlatformHandlerV2.dll", True),
        (r"%ProgramFiles%\IIS\HTTP Bridge Module\V2\httpbridge.dll", True),
    ],
)
def test_a_host_configuration_says_which_version_it_has(
    make_site: Callable[..., Site], tmp_path: Path, image: str, is_second: bool
) -> None:
    added = f'<globalModules><add name="httpPlatformHandler" image="{image}" /></globalModules>'
    host = tmp_path / "applicationHost.config"
    host.write_text(f"<system.webServer>{added}</system.webServer>")
    site = make_site({"site/web.config": platform("")}, host_config=host)
    settings = site.effective("/site").view(http_platform)
    assert settings.is_second is is_second
    assert settings.startup_time_limit == (120 if is_second else 10)
    assert settings.startup_retry_count == (2 if is_second else 10)


def test_sections_that_say_the_same_are_equal(make_site: Callable[..., Site]) -> None:
    """A configuration that is read anew does not end the processes."""
    site = make_site({"web.config": web_config('<httpPlatform processPath="a" arguments="b" />')})
    before = site.effective("/").view(http_platform)
    site.tree.invalidate()
    again = site.effective("/").view(http_platform)
    assert again == before and hash(again) == hash(before)
    (site.path / "web.config").write_text(
        web_config('<httpPlatform processPath="a" arguments="c" />'), "utf-8"
    )
    site.tree.invalidate()
    assert site.effective("/").view(http_platform) != before


@pytest.mark.parametrize(
    ("path", "arguments", "program"),
    [
        ("cmd", "/c env\\Scripts\\python.exe run.py -v", ("env\\Scripts\\python.exe", "run.py -v")),
        ("C:\\Windows\\System32\\CMD.EXE", "/S /C python app.py", ("python", "app.py")),
        ("cmd.exe", '/c "python app.py"', ("python", "app.py")),
        ("cmd", '/c "C:\\my env\\python.exe" app.py', ("C:\\my env\\python.exe", "app.py")),
        # what only cmd.exe can do stays
        ("cmd", "/c python app.py > log.txt", None),
        ("cmd", "/c cd src && python app.py", None),
        ("cmd", "/c start.cmd", None),
        ("cmd", "/c call python app.py", None),
        ("cmd", "/k python app.py", None),
        ("cmdlet.exe", "/c python app.py", None),
    ],
)
def test_what_cmd_only_starts(path: str, arguments: str, program: tuple[str, str] | None) -> None:
    assert without_cmd(path, arguments) == (program or (path, arguments))
