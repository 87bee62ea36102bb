"""Transforms of a site: --transform, what check says of the files beside web.config, the command
``fcgiemu xdt``, and applicationHost.xdt with --azure.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu import Site, SiteError
from fcgiemu.app_service.environment import AppSetting
from fcgiemu.cli import main
from fcgiemu.config.xdt.application_host import expanded, places
from fcgiemu.diagnosis.check import check
from fcgiemu.programs.fastcgi_launch import Launcher, PoolOptions
from fcgiemu.server import transform_log
from fcgiemu.settings import Settings

from ..sites import write

XDT = 'xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform"'
CONFIG = """<configuration>
  <appSettings>
    <add key="MODE" value="dev" />
  </appSettings>
  <system.webServer>
    <rewrite>
      <rules>
        <rule name="own"><match url="^own$" /><action type="Redirect" url="/there" /></rule>
      </rules>
    </rewrite>
  </system.webServer>
</configuration>"""


def rules(inner: str) -> str:
    """A transform file that works on the rules."""
    return (
        f"<configuration {XDT}>\n<system.webServer><rewrite><rules>\n{inner}\n"
        "</rules></rewrite></system.webServer></configuration>"
    )


RELEASE = rules(
    '<rule name="new" xdt:Transform="Insert"><match url="^new$" />'
    '<action type="Redirect" url="/release" /></rule>'
)
STAGING = rules(
    '<rule name="new" xdt:Locator="Match(name)">'
    '<action url="/staging" xdt:Transform="SetAttributes(url)" /></rule>'
)


def target(site: Site, url: str) -> str:
    """Where a URL is redirected to, else its status."""
    outcome = site.explain(url)["outcome"]
    return outcome.get("location") or f"{outcome['status']}.{outcome['substatus']}"


def site_of(folder: Path, files: dict[str, str], *transforms: str) -> Site:
    write(folder, {"web.config": CONFIG, **files})
    return Site(folder, Settings(transforms=transforms))


def test_web_config_is_read_through_its_transforms(tmp_path: Path) -> None:
    files = {"Web.Release.config": RELEASE, "web.Staging.config": STAGING}
    assert target(site_of(tmp_path, files), "/new") == "404.0"
    assert target(site_of(tmp_path, files, "release"), "/new").endswith("/release")
    both = site_of(tmp_path, files, "Release", "Staging")
    assert target(both, "/new").endswith("/staging")
    assert target(both, "/own").endswith("/there")
    one = site_of(tmp_path, files, str(tmp_path / "Web.Release.config"))
    assert target(one, "/new").endswith("/release")


def test_a_change_of_a_transform_is_seen(tmp_path: Path) -> None:
    site = site_of(tmp_path, {"web.Release.config": RELEASE}, "Release")
    assert target(site, "/new").endswith("/release")
    write(tmp_path, {"web.Release.config": RELEASE.replace("/release", "/changed-since")})
    assert target(site, "/new").endswith("/changed-since")


def test_a_transform_that_fails_fails_every_request(tmp_path: Path) -> None:
    broken = RELEASE.replace('"Insert"', '"Inset"')
    site = site_of(tmp_path, {"web.Release.config": broken}, "Release")
    assert target(site, "/own") == "500.19"
    finding = site.explain("/own")["findings"][0]
    assert (finding["code"], finding["file"], finding["line"], finding["column"]) == (
        "xdt-failed",
        "web.Release.config",
        3,
        18,
    )
    write(tmp_path, {"web.Release.config": "<configuration"})
    assert site.explain("/own")["findings"][0]["code"] == "xdt-failed"


def test_what_is_wrong_is_placed_where_it_is_written(tmp_path: Path) -> None:
    release = RELEASE.replace('url="/release"', 'url="/release" bogus="1"')
    config = CONFIG.replace('type="Redirect"', 'type="Redirect" stray="1"')
    site = site_of(tmp_path, {"web.config": config, "web.Release.config": release}, "Release")
    assert [str(finding.span) for finding in check(site) if finding.severity == "error"] == [
        "web.Release.config:3:62",
        "web.config:8:47",
    ]


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({}, "Release", "There is no transform web.Release.config"),
        ({"web.config": ""}, "../x", "and no file ../x"),
    ],
)
def test_a_transform_that_is_not_there(
    tmp_path: Path, files: dict[str, str], name: str, message: str
) -> None:
    with pytest.raises(SiteError, match="transform") as caught:
        site_of(tmp_path, {"web.Debug.config": RELEASE, **files}, name)
    assert message in str(caught.value)
    assert "Debug" in caught.value.hint


def test_no_web_config_to_transform(tmp_path: Path) -> None:
    write(tmp_path, {"web.Release.config": RELEASE})
    with pytest.raises(SiteError, match=r"There is no web\.config"):
        Site(tmp_path, Settings(transforms=("Release",)))


def test_the_project_names_transforms(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "web.config": CONFIG,
            "web.Release.config": RELEASE,
            "fcgiemu.toml": 'transform = "Release"',
        },
    )
    answer = CliRunner().invoke(main, ["explain", str(tmp_path), "/new"])
    assert "/release" in answer.output
    write(tmp_path, {"fcgiemu.toml": "transform = 1"})
    answer = CliRunner().invoke(main, ["explain", str(tmp_path), "/new"])
    assert answer.exit_code == 2
    assert "transform cannot be 1" in answer.output


# -- check -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("web.Staging.config", STAGING, ["xdt-no-match"]),
        ("web.Staging.config", RELEASE, []),
        ("web.Release.config", RELEASE, ["xdt-not-applied"]),
        (
            "web.QA.config",
            RELEASE.replace("http://schemas", "https://schemas"),
            ["xdt-no-namespace"],
        ),
        ("web.QA.config", "<configuration/>", []),
        ("web.3.4.config", RELEASE.replace('"Insert"', '"Inset"'), []),
        ("web.QA.config", RELEASE.replace('"Insert"', '"Inset"'), ["xdt-failed"]),
        ("web.QA.config", RELEASE + "<", ["xdt-failed"]),
    ],
)
def test_check_tries_the_files_beside_web_config(
    tmp_path: Path, file: str, content: str, expected: list[str]
) -> None:
    found = check(site_of(tmp_path, {file: content}))
    assert [finding.code for finding in found] == expected
    assert all(finding.hint and finding.span and finding.severity != "error" for finding in found)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ('<location path="%XDT_SITENAME%" xdt:Locator="Match(path)" xdt:Transform="Remove" />', []),
        (
            '<location path="other" xdt:Locator="Match(path)" xdt:Transform="Remove" />',
            ["no-match"],
        ),
        (
            "<system.webServer><fastCgi><application"
            ' fullPath="D:\\Python34\\python.exe" maxInstances="4" xdt:Locator="Match(fullPath)"'
            ' xdt:Transform="SetAttributes(maxInstances)" /></fastCgi></system.webServer>',
            [],
        ),
        ("<proxy xdt:Transform='Insert' /><proxy xdt:Transform='Insrt' />", ["failed"]),
    ],
)
def test_check_tries_an_applicationhost_xdt(
    tmp_path: Path, inner: str, expected: list[str]
) -> None:
    text = f"<configuration {XDT}>{inner}</configuration>"
    found = check(site_of(tmp_path, {"applicationHost.xdt": text}))
    assert [finding.code for finding in found] == [f"xdt-{code}" for code in expected]


# -- fcgiemu xdt -----------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(
        tmp_path, {"web.config": CONFIG, "release.config": RELEASE, "staging.config": STAGING}
    )


def test_the_command_prints_the_result(files: Path) -> None:
    answer = CliRunner().invoke(main, ["xdt", "web.config", "release.config", "staging.config"])
    assert answer.exit_code == 0
    assert '<action type="Redirect" url="/staging"/>' in answer.stdout
    assert not answer.stderr


def test_the_command_writes_a_file_or_nothing(files: Path) -> None:
    run = CliRunner()
    assert run.invoke(main, ["xdt", "web.config", "release.config", "-o", "out"]).exit_code == 0
    assert "/release" in (files / "out").read_text("utf-8")
    (files / "web.config").chmod(0o640)
    assert (
        run.invoke(main, ["xdt", "web.config", "release.config", "-o", "web.config"]).exit_code == 0
    )
    assert (files / "web.config").stat().st_mode & 0o777 == 0o640
    write(files, {"bad.config": RELEASE.replace('"Insert"', '"Inset"')})
    answer = run.invoke(main, ["xdt", "web.config", "bad.config", "-o", "never"])
    assert answer.exit_code == 1
    assert "bad.config:3:18: error: There is no Transform 'Inset'" in answer.stderr
    assert not (files / "never").exists()
    assert {path.name for path in files.iterdir()} == {
        "web.config",
        "release.config",
        "staging.config",
        "bad.config",
        "out",
    }


def test_the_command_explains(files: Path) -> None:
    answer = CliRunner().invoke(main, ["xdt", "--explain", "web.config", "staging.config"])
    assert answer.exit_code == 0
    assert "not executed: SetAttributes (line 3, 67)" in answer.stdout
    assert "warning: No element of web.config is at" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["web.config", "none.config"], "none.config cannot be read: No such file"),
        (["web.config", "release.config", "-o", "no/where"], "no/where cannot be written"),
        (["web.config", "release.config", "-o", "release.config"], "would be overwritten"),
        (["web.config"], "Missing argument"),
        (["web.config", "."], "cannot be read"),
    ],
)
def test_wrong_use_of_the_command(files: Path, arguments: list[str], says: str) -> None:
    answer = CliRunner().invoke(main, ["xdt", *arguments])
    assert answer.exit_code == 2
    assert says in answer.stderr


# -- applicationHost.xdt ---------------------------------------------------------------------------

EXTENSION = f"""<configuration {XDT}><system.applicationHost><sites>
<site name="%XDT_SITENAME%" xdt:Locator="Match(name)">
<application path="/tool" applicationPool="%XDT_APPPOOLNAME%" xdt:Transform="Insert">
<virtualDirectory path="/" physicalPath="%xdt_extensionpath%\\files" /></application>
</site></sites></system.applicationHost></configuration>"""
OWN = f"""<configuration {XDT}><system.webServer>
<rewrite><globalRules><rule name="g" xdt:Transform="Insert"><match url="^g$" />
<action type="Redirect" url="/%COLOUR%" /></rule></globalRules></rewrite>
<runtime xdt:Transform="InsertIfMissing"><environmentVariables>
<add name="ADDED" value="%HOME%\\data" /><add name="PATH" value="D:\\home\\bin;/usr/bin" />
</environmentVariables></runtime>
<proxy xdt:Transform="Replace" />
</system.webServer></configuration>"""


def app_service(folder: Path, files: dict[str, str], *settings: AppSetting) -> Site:
    write(
        folder / "shop",
        {"site/wwwroot/web.config": CONFIG, "SiteExtensions/Tool/files/a.txt": "tool", **files},
    )
    return Site(folder / "shop/site/wwwroot", Settings(azure=True, app_settings=settings))


def test_the_transforms_of_an_app_service(tmp_path: Path) -> None:
    site = app_service(
        tmp_path,
        {"SiteExtensions/Tool/applicationHost.xdt": EXTENSION, "site/ApplicationHost.xdt": OWN},
        AppSetting("COLOUR", "a&b"),
    )
    assert target(site, "/g").endswith("/a&b")
    assert site.explain("/tool/a.txt")["outcome"]["kind"] == "static"
    warnings = [finding for finding in site.findings() if finding.severity == "warning"]
    assert [(finding.code, str(finding.span)) for finding in warnings] == [
        ("xdt-no-match", "../ApplicationHost.xdt:7:2")
    ]
    assert warnings[0] in check(site)
    launcher = Launcher(site, PoolOptions())
    limits = launcher.limits("python|wfastcgi.py", site.root)
    environment = launcher.environment(site.root, limits)
    assert environment["ADDED"] == str(tmp_path / "shop" / "data")
    assert environment["PATH"].split(":")[0] == str(tmp_path / "shop" / "bin")


def test_without_transforms_nothing_changes(tmp_path: Path) -> None:
    site = app_service(tmp_path, {})
    assert site.host_transforms is None
    off = app_service(
        tmp_path,
        {"SiteExtensions/Tool/applicationHost.xdt": EXTENSION},
        AppSetting("WEBSITE_PRIVATE_EXTENSIONS", "0"),
    )
    assert off.host_transforms is None
    assert Site(tmp_path / "shop/site/wwwroot").host_transforms is None


def test_a_transform_that_fails_leaves_the_others(tmp_path: Path) -> None:
    site = app_service(
        tmp_path,
        {
            "SiteExtensions/Able/applicationHost.xdt": "<configuration",
            "SiteExtensions/Tool/applicationHost.xdt": EXTENSION,
            "site/applicationHost.xdt": OWN.replace('"Replace"', '"Exchange"'),
        },
    )
    assert target(site, "/g").endswith("/%COLOUR%")
    assert site.explain("/tool/a.txt")["outcome"]["kind"] == "static"
    log = transform_log.write(site)
    lines = [line[20:] for line in Path(log).read_text("utf-8").splitlines()]
    assert "failed: D:\\home\\SiteExtensions\\Able\\applicationHost.xdt" in lines
    assert "applied: D:\\home\\SiteExtensions\\Tool\\applicationHost.xdt" in lines
    assert (
        "D:\\home\\site\\applicationHost.xdt (7, 8) error: There is no Transform 'Exchange'"
        in lines
    )
    assert lines[-1] == "ended"


def test_the_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    site = app_service(tmp_path, {"site/applicationHost.xdt": OWN, "LogFiles/": ""})
    (tmp_path / "shop/LogFiles/Transform").symlink_to(tmp_path)
    assert transform_log.write(site).startswith("not written")
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_links_are_no_transforms(tmp_path: Path) -> None:
    write(tmp_path, {"home/site/wwwroot/": "", "own.xdt": OWN, "Tool/applicationHost.xdt": OWN})
    (tmp_path / "home/site/applicationHost.xdt").symlink_to(tmp_path / "own.xdt")
    (tmp_path / "home/SiteExtensions").mkdir()
    (tmp_path / "home/SiteExtensions/Tool").symlink_to(tmp_path / "Tool")
    assert places(tmp_path / "home") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"<a b='%A%%a%%none%'/>", b"<a b='1&lt;1&lt;%none%'/>"),
        (b"100% %A", b"100% %A"),
        (b"\xff%A%", b"\xff%A%"),
    ],
)
def test_variables(text: bytes, found: bytes) -> None:
    assert expanded(text, {"A": "1<"}) == found


def test_a_site_that_serves_reads_a_changed_transform(
    tmp_path: Path, make_site: Callable[..., Site]
) -> None:
    site = make_site({"web.config": CONFIG, "web.R.config": RELEASE}, transforms=("R",))
    assert target(site, "/new").endswith("/release")
    site.tree.invalidate()
    assert target(site, "/new").endswith("/release")
