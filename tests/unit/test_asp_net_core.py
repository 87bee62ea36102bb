"""aspNetCore without a process: what is decided, started, sent on and said."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.decision import CallAspNetCore, Respond
from fcgiemu.diagnosis.asp_net_core import of_failed_start
from fcgiemu.diagnosis.check import check
from fcgiemu.http.request import make_request
from fcgiemu.modules.asp_net_core import asp_net_core
from fcgiemu.programs.asp_net_core import command, command_line, log_suffix
from fcgiemu.programs.fastcgi_launch import Launcher, PoolOptions
from fcgiemu.programs.interpreters import ProgramMissing
from fcgiemu.server.start_up import report
from fcgiemu.site import Site

from ..sites import web_config

Make = Callable[..., Site]


def config(
    attributes: str = 'processPath="python" arguments=".\\app.py"',
    inner: str = "",
    module: str = "AspNetCoreModuleV2",
) -> str:
    return web_config(
        f'<handlers><add name="aspNetCore" path="*" verb="*" modules="{module}" resourceType="Unspecified" /></handlers>'
        f"<aspNetCore {attributes}>{inner}</aspNetCore>"
    )


def variables(**given: str) -> str:
    items = "".join(
        f'<environmentVariable name="{name}" value="{value}" />' for name, value in given.items()
    )
    return f"<environmentVariables>{items}</environmentVariables>"


def host(first: str, second: str) -> str:
    """A host configuration with applications at / and /app, in these pools."""
    return (
        "<configuration><system.applicationHost><sites><site name='S' id='1'>"
        f"<application path='/' applicationPool='{first}'>"
        "<virtualDirectory path='/' physicalPath='C:\\inetpub\\wwwroot' /></application>"
        f"<application path='/app' applicationPool='{second}'>"
        "<virtualDirectory path='/' physicalPath='C:\\inetpub\\wwwroot\\app' /></application>"
        "</site></sites></system.applicationHost></configuration>"
    )


def started(site: Site, **options: bool | int) -> tuple[tuple[str, ...], dict[str, str]]:
    settings = site.effective("/").view(asp_net_core)
    return command_line(site, site.root, settings, 5000, **options)  # type: ignore[arg-type]


# -- what is decided -------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["AspNetCoreModule", "AspNetCoreModuleV2"])
def test_the_process_answers(make_site: Make, module: str) -> None:
    site = make_site({"web.config": config(module=module), "index.html": ""})
    decision = site.decide(make_request("/index.html?x=1"))
    assert isinstance(decision.action, CallAspNetCore) and decision.action.module == module
    outcome = site.explain("/index.html")["outcome"]
    assert (outcome["kind"], outcome["status"], outcome["module"]) == ("aspNetCore", None, module)


@pytest.mark.parametrize(
    ("attributes", "module", "status", "words"),
    [
        ('hostingModel="InProcess"', "AspNetCoreModuleV2", None, ""),
        ('hostingModel="outofprocess"', "AspNetCoreModuleV2", None, ""),
        ('hostingModel=""', "AspNetCoreModuleV2", None, ""),
        ('hostingModel="Inside"', "AspNetCoreModuleV2", (500, 0), "hostingModel is 'Inside'"),
        ('hostingModel="InProcess"', "AspNetCoreModule", (500, 19), "hostingModel is unknown"),
        (
            'hostingModel="InProcess" processesPerApplication="2"',
            "AspNetCoreModuleV2",
            (500, 0),
            "processesPerApplication is more than 1",
        ),
        ('requestTimeout="00:00:30"', "AspNetCoreModuleV2", None, ""),
        ('requestTimeout="00:00:30"', "AspNetCoreModule", (500, 19), "whole minutes"),
        ('startupTimeLimit="3601"', "AspNetCoreModuleV2", (500, 19), "startupTimeLimit"),
        ('noSuch="1"', "AspNetCoreModuleV2", (500, 19), "noSuch"),
    ],
)
def test_what_the_section_takes(
    make_site: Make, attributes: str, module: str, status: tuple[int, int] | None, words: str
) -> None:
    site = make_site({"web.config": config(f'processPath="python" {attributes}', module=module)})
    action = site.decide(make_request("/")).action
    if status is None:
        assert isinstance(action, CallAspNetCore)
        return
    assert isinstance(action, Respond) and (action.status, action.substatus) == status
    assert words in action.message
    assert any(words in known.message for known in check(site) if known.severity == "error")


def test_app_offline_answers_every_request_of_its_application(
    make_site: Make, tmp_path: Path
) -> None:
    static = '<add name="Static" path="*.css" verb="*" modules="StaticFileModule" />'
    site = make_site(
        {
            "web.config": config().replace("<handlers>", f"<handlers>{static}"),
            "site.css": "",
            "app/App_Offline.htm": "<h1>back soon</h1>",
            "host.config": host("P", "P"),
        },
        host_config=tmp_path / "host.config",
    )
    assert site.explain("/x")["outcome"]["kind"] == "aspNetCore"
    answer = site.explain("/app/any/thing")
    outcome, response = answer["outcome"], answer["response"]
    assert (outcome["status"], outcome["substatus"], outcome["kind"]) == (503, 0, "respond")
    assert response["body"] == "<h1>back soon</h1>"
    assert response["headers"]["Content-Type"] == "text/html"
    assert site.explain("/site.css")["outcome"]["kind"] == "static"


@pytest.mark.parametrize(
    ("existing", "body"), [("Auto", "wait"), ("PassThrough", "wait"), ("Replace", "own page")]
)
def test_app_offline_is_left_alone_by_http_errors(
    make_site: Make, existing: str, body: str
) -> None:
    errors = (
        f'<httpErrors existingResponse="{existing}" errorMode="Custom"><remove statusCode="503" />'
        '<error statusCode="503" path="own.html" responseMode="File" /></httpErrors>'
    )
    whole = config().replace("</system.webServer>", f"{errors}</system.webServer>")
    site = make_site({"web.config": whole, "own.html": "own page", "app_offline.htm": "wait"})
    assert site.explain("/")["response"]["body"] == body


# -- what is started -------------------------------------------------------------------------------


def test_the_environment_of_a_process(make_site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASPNETCORE_HOSTINGSTARTUPASSEMBLIES", "Mine")
    monkeypatch.setenv("aspnetcore_environment", "Production")
    given = variables(ASPNETCORE_ENVIRONMENT="Development", Where="on %ASPNETCORE_PORT%")
    site = make_site({"web.config": config(inner=given), "app.py": ""})
    words, environment = started(site, https_port=443)
    assert words[1:] == (str(site.path / "app.py"),)
    token = environment.pop("ASPNETCORE_TOKEN")
    assert len(token) == 36
    assert {
        name: value
        for name, value in environment.items()
        if name.upper().startswith("ASPNETCORE_") or name == "Where"
    } == {
        "ASPNETCORE_PORT": "5000",
        "ASPNETCORE_APPL_PATH": "/",
        "ASPNETCORE_IIS_HTTPAUTH": "anonymous;",
        "ASPNETCORE_IIS_PHYSICAL_PATH": f"{site.path}{os.sep}",
        "ASPNETCORE_IIS_WEBSOCKETS_SUPPORTED": "true",
        "ASPNETCORE_ANCM_HTTPS_PORT": "443",
        "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES": "Mine;Microsoft.AspNetCore.Server.IISIntegration",
        "ASPNETCORE_ENVIRONMENT": "Development",
        "Where": "on %ASPNETCORE_PORT%",
    }


def test_the_first_version_replaces_the_port(make_site: Make) -> None:
    attributes = 'processPath="python" arguments="app.py --port %ASPNETCORE_PORT%"'
    given = variables(WHERE="on %ASPNETCORE_PORT%")
    site = make_site({"web.config": config(attributes, given), "app.py": ""})
    words, environment = started(site, replaces_port=True)
    assert words[1:] == ("app.py", "--port", "5000") and environment["WHERE"] == "on 5000"


@pytest.mark.parametrize(("preferred", "expected"), [("1", "worker"), ("0", "config")])
def test_which_environment_comes_first(
    make_site: Make, monkeypatch: pytest.MonkeyPatch, preferred: str, expected: str
) -> None:
    monkeypatch.setenv("ANCM_PREFER_ENVIRONMENT_VARIABLES", preferred)
    monkeypatch.setenv("SET_TWICE", "worker")
    given = variables(SET_TWICE="config", Aspnetcore_Hostingstartupassemblies="Own")
    site = make_site({"web.config": config(inner=given), "app.py": ""})
    _, environment = started(site)
    assert environment["SET_TWICE"] == expected
    assert environment["Aspnetcore_Hostingstartupassemblies"] == "Own"
    assert "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES" not in environment


@pytest.fixture
def dotnet(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called dotnet, the only one on PATH."""
    folder = tmp_path_factory.mktemp("programs")
    program = folder / "dotnet"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return program


@pytest.mark.parametrize(
    ("attributes", "files", "words", "note"),
    [
        (
            'processPath="dotnet" arguments=".\\App.dll --x"',
            ["App.dll"],
            ["{site}/App.dll", "--x"],
            "",
        ),
        (
            'processPath=".\\App.exe" arguments="--x"',
            ["App.exe", "App.dll"],
            ["{site}/App.dll", "--x"],
            "is a program for Windows",
        ),
        (
            'processPath="%LAUNCHER_PATH%" arguments="%LAUNCHER_ARGS%"',
            ["Web.csproj"],
            ["run", "--no-launch-profile", "--project", "{site}/Web.csproj"],
            "dotnet run starts the project",
        ),
    ],
)
def test_what_dotnet_runs(
    make_site: Make, dotnet: Path, attributes: str, files: list[str], words: list[str], note: str
) -> None:
    site = make_site({"web.config": config(attributes), **dict.fromkeys(files, "")})
    found = command(site, site.root, site.effective("/").view(asp_net_core), {})
    assert found.program.path == str(dotnet) and note in found.note
    assert list(found.words) == [word.format(site=site.path) for word in words]
    told = "\n".join(report(site, Launcher(site, PoolOptions()), False))
    assert f"process     {dotnet} " in told and note in told


@pytest.mark.parametrize(
    ("attributes", "cause", "remedy"),
    [
        ('processPath="dotnet" arguments=".\\App.dll"', "no dotnet here", "--map 'dotnet=/path/to"),
        ('processPath="%LAUNCHER_PATH%"', "Visual Studio replaces", "dotnet publish"),
        ("", "no processPath", 'processPath="dotnet"'),
    ],
)
def test_a_program_that_is_missing_is_said_with_its_remedy(
    make_site: Make, monkeypatch: pytest.MonkeyPatch, attributes: str, cause: str, remedy: str
) -> None:
    monkeypatch.setenv("PATH", "")
    site = make_site({"web.config": config(attributes)})
    with pytest.raises(ProgramMissing, match=cause) as caught:
        started(site)
    assert remedy in caught.value.hint
    assert remedy in "\n".join(report(site, Launcher(site, PoolOptions()), False))


def test_dotnet_is_found_by_map(
    make_site: Make, dotnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    mapped = make_site(
        {"web.config": config('processPath="dotnet"')}, path_map=(("dotnet", str(dotnet)),)
    )
    assert started(mapped)[0][0] == str(dotnet)


def test_the_name_of_a_log_has_the_time_in_utc() -> None:
    assert log_suffix(4908, time.gmtime(1456837538)) == "_20160301130538_4908.log"


# -- what is said ----------------------------------------------------------------------------------


def test_in_process_is_said_once(make_site: Make) -> None:
    attributes = 'processPath="python" arguments="app.py" hostingModel="inprocess"'
    site = make_site({"web.config": config(attributes), "app.py": ""})
    codes = [known.code for known in check(site)]
    assert codes.count("aspnetcore-in-process") == 1
    assert "aspnetcore-in-process" not in "\n".join(
        report(site, Launcher(site, PoolOptions()), False)
    )


@pytest.mark.parametrize(
    ("models", "pools", "code"),
    [
        (("InProcess", "InProcess"), ("P", "P"), "500.35"),
        (("InProcess", "OutOfProcess"), ("P", "P"), "500.34"),
        (("OutOfProcess", "OutOfProcess"), ("P", "P"), ""),
        (("InProcess", "InProcess"), ("P", "Q"), ""),
    ],
)
def test_applications_of_one_pool(
    make_site: Make, tmp_path: Path, models: tuple[str, str], pools: tuple[str, str], code: str
) -> None:
    one, other = (
        f'processPath="python" arguments="app.py" hostingModel="{model}"' for model in models
    )
    clear = config(other).replace("<handlers>", "<handlers><clear />")
    site = make_site(
        {
            "web.config": config(one),
            "app.py": "",
            "app/web.config": clear,
            "app/app.py": "",
            "host.config": host(*pools),
        },
        host_config=tmp_path / "host.config",
    )
    found = [known.message for known in check(site) if known.code == "aspnetcore-pool"]
    assert (len(found) == 1 and code in found[0]) if code else not found


@pytest.mark.parametrize(
    ("output", "ports", "code"),
    [
        ("", (5000,), "aspnetcore-port"),
        ("You must install or update .NET to run this application.", (), "aspnetcore-runtime"),
        (
            "The application to execute does not exist: '/srv/App.dll'.",
            (),
            "aspnetcore-no-library",
        ),
        ("The application 'App.dll' does not exist.", (), "aspnetcore-no-library"),
    ],
)
def test_what_is_behind_a_failed_start(
    make_site: Make, output: str, ports: tuple[int, ...], code: str
) -> None:
    site = make_site({"web.config": config()})
    assert [known.code for known in of_failed_start(site.root, output, ports)] == [code]
