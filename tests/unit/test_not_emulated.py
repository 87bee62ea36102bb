"""Handlers that are not emulated: explain, check, serve's report and doctor say it alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fcgiemu.decision import Respond
from fcgiemu.diagnosis.check import check
from fcgiemu.diagnosis.doctor import examine
from fcgiemu.http.request import make_request
from fcgiemu.programs.fastcgi_launch import Launcher, PoolOptions
from fcgiemu.report.explanation_text import story
from fcgiemu.server.start_up import report
from fcgiemu.site import Site

from ..sites import web_config

PLATFORM = (
    '<handlers><add name="P" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
    '<httpPlatform processPath="python" arguments="app.py" />'
)


def handler(module: str) -> str:
    program = ' scriptProcessor="C:\\Python311\\python.exe"' if module == "CgiModule" else ""
    add = f'<add name="Own" path="*" verb="*" modules="{module}" resourceType="Unspecified"{program} />'
    return web_config(f"<handlers>{add}</handlers>")


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("CgiModule", "Python runs with wfastcgi"),
        ("IsapiModule", "Which requests reach it is decided all the same"),
    ],
)
def test_every_command_says_it(make_site: Callable[..., Site], module: str, remedy: str) -> None:
    site = make_site({"web.config": handler(module), "index.html": ""})
    words = f"uses {module}, which fcgiemu does not emulate"
    (known,) = (known for known in check(site) if known.code == "handler-not-emulated")
    assert words in known.message and remedy in known.hint and known.severity == "info"
    (told,) = site.explain("/x")["findings"]
    assert words in told["message"] and remedy in str(told["hint"])
    launcher = Launcher(site, PoolOptions())
    (line,) = (line for line in report(site, launcher, False) if words in line)
    assert remedy in line
    steps = list(examine(site, site.layout.applications[0]))
    (step,) = (step for step in steps if words in step.text and step.name == "web.config")
    assert not any("no handler uses" in step.text for step in steps)


@pytest.mark.parametrize(("url", "said"), [("/a%3Fb", True), ("/a?b=%3F", False)])
def test_an_encoded_mark_in_a_path_is_said(
    make_site: Callable[..., Site], url: str, said: bool
) -> None:
    site = make_site({"web.config": web_config(PLATFORM), "app.py": ""})
    answer = site.explain(url)
    assert answer["outcome"]["kind"] == "httpPlatform"
    assert [known["code"] for known in answer["findings"]] == ["platform-encoded-mark"] * said
    assert ("begins the query" in story(answer) or "for the query" in story(answer)) == said


def test_handlers_of_folders_and_locations_are_named_too(make_site: Callable[..., Site]) -> None:
    cgi = '<add name="Cgi" path="*.cgi" verb="*" modules="CgiModule" scriptProcessor="C:\\python.exe %s %s" />'
    location = (
        f'<location path="deep"><system.webServer><handlers>{cgi}</handlers></system.webServer>'
        "</location></configuration>"
    )
    files: dict[str, str | bytes] = {
        "web.config": web_config().replace("</configuration>", location),
        "sub/web.config": handler("ServerSideIncludeModule"),
        "sub/deeper/web.config": web_config(),
    }
    site = make_site(files)
    codes = [known.code for known in check(site)]
    assert codes.count("handler-not-emulated") == 2 and "handler-placeholder" not in codes
    told = [
        line for line in report(site, Launcher(site, PoolOptions()), False) if "emulate" in line
    ]
    assert len(told) == 2 and "CgiModule" in told[0] + told[1]
    outcome = site.explain("/deep/x.cgi")["outcome"]
    assert "Python runs with wfastcgi" in outcome["hints"][0]
    assert "Python runs with wfastcgi" in story(site.explain("/deep/x.cgi"))


@pytest.mark.parametrize("azure", [False, True])
def test_php_without_a_handler_names_the_option(
    make_site: Callable[..., Site], azure: bool
) -> None:
    files: dict[str, str | bytes] = {"index.php": "<?php", "x.odd": ""}
    action = make_site(files, azure=azure).decide(make_request("/index.php")).action
    assert isinstance(action, Respond) and (action.status, action.substatus) == (404, 3)
    assert "start with --php" in action.hints[0]
    assert "start with --php" in story(make_site(files, azure=azure).explain("/index.php"))
    other = make_site(files, azure=azure).decide(make_request("/x.odd")).action
    assert isinstance(other, Respond) and "--php" not in other.hints[0]
    mapped = make_site(files, azure=azure, php=True)
    assert [mapped.explain(path)["outcome"]["handler"] for path in ("/", "/index.php")] == [
        "PHP74_via_FastCGI",
        "PHP74_via_FastCGI",
    ]


def test_the_servers_own_handlers_are_not_named(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": web_config("<directoryBrowse enabled='true' />")})
    assert not any(known.code == "handler-not-emulated" for known in check(site))


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        ({}, []),
        ({"sub/web.config": web_config(PLATFORM[PLATFORM.index("<httpP") :])}, ["/sub"]),
    ],
)
def test_a_platform_below_the_root_has_no_effect(
    make_site: Callable[..., Site], files: dict[str, str], folders: list[str]
) -> None:
    site = make_site({"web.config": web_config(PLATFORM), "app.py": "", **files})
    found = [known for known in check(site) if known.code == "platform-below-root"]
    assert [known.message.split()[2] for known in found] == folders


def test_a_location_that_gives_files_back_leaves_the_platform_in_use(
    make_site: Callable[..., Site],
) -> None:
    location = (
        "<location path='static'><system.webServer><handlers><remove name='P' /></handlers>"
        "</system.webServer></location></configuration>"
    )
    config = web_config(PLATFORM)
    site = make_site(
        {
            "web.config": config.replace("</configuration>", location),
            "app.py": "",
            "static/site.css": "",
        }
    )
    assert "handler-platform-unused" not in {known.code for known in check(site)}
