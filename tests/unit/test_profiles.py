"""Kinds of servers: what each has before a site says anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu import Site, SiteError
from fcgiemu.cli import main
from fcgiemu.config import schema
from fcgiemu.diagnosis.check import check
from fcgiemu.profiles import MISSING_ON_FRESH_IIS, PROFILES
from fcgiemu.report import profile_support
from fcgiemu.settings import Settings

from ..sites import python_handler, web_config, write

MakeSite = Callable[..., Site]
DENIED = (
    '<httpRedirect enabled="true" destination="https://www.example.org/" />'
    '<security><authorization><add accessType="Deny" users="?" /></authorization></security>'
)
MODULES = "system.webServer/modules"


def loaded(site: Site) -> list[str]:
    return [item.text("name") for item in site.effective("/").section(MODULES).items]


def test_a_fresh_server_does_nothing_with_sections_of_modules_it_lacks(
    make_site: MakeSite,
) -> None:
    files = {"web.config": web_config(DENIED), "a.txt": "hello"}
    found = make_site(files, profile="iis10-default").explain("/a.txt", response={"status": 200})
    assert found["outcome"]["status"] == 200
    assert "X-Powered-By" not in found["response"]["headers"]
    assert make_site(files).explain("/a.txt")["outcome"]["status"] == 401


@pytest.mark.parametrize(
    ("module", "status"), [("UrlAuthorizationModule", 401), ("HttpRedirectionModule", 302)]
)
def test_a_feature_may_be_installed(make_site: MakeSite, module: str, status: int) -> None:
    files = {"web.config": web_config(DENIED), "a.txt": "hello"}
    site = make_site(files, profile="iis10-default", modules=(module,))
    assert site.explain("/a.txt")["outcome"]["status"] == status


def test_url_authorization_comes_with_a_rule(make_site: MakeSite) -> None:
    site = make_site({"a.txt": ""}, profile="iis10-default", modules=("UrlAuthorizationModule",))
    assert site.explain("/a.txt")["outcome"]["status"] == 200


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_free_of_findings(make_site: MakeSite, name: str) -> None:
    site = make_site({}, profile=name, strict_locks=True)
    effective = site.effective("/")
    for section in schema.sections():
        effective.section(section)
    assert not effective.findings()
    assert not PROFILES[name].lacking.keys() & set(loaded(site))
    assert len(loaded(site)) == len(set(loaded(site)))
    assert len(effective.section("system.webServer/staticContent").items) == 378


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("module", MISSING_ON_FRESH_IIS)
def test_a_module_is_there_once(make_site: MakeSite, name: str, module: str) -> None:
    site = make_site({}, profile=name, modules=(module,))
    assert loaded(site).count(module) == 1 and not site.effective("/").errors("")


def test_handlers_are_locked_on_a_fresh_server(make_site: MakeSite) -> None:
    files = {"web.config": web_config(python_handler()), "app.py": ""}
    fresh = make_site(files, profile="iis10-default")
    found = fresh.explain("/x")
    assert found["outcome"]["kind"] == "fastcgi"
    assert [finding["code"] for finding in found["findings"]] == ["config-locked-section"]
    strict = make_site(files, profile="iis10-default", strict_locks=True).explain("/x")
    assert (strict["outcome"]["status"], strict["outcome"]["substatus"]) == (500, 19)
    assert make_site(files, strict_locks=True).explain("/x")["outcome"]["kind"] == "fastcgi"


@pytest.mark.parametrize(
    "host",
    [
        '<configuration><location path="" overrideMode="Allow"><system.webServer><handlers />'
        "</system.webServer></location></configuration>",
        '<configuration><configSections><sectionGroup name="system.webServer"><section '
        'name="handlers" overrideModeDefault="Allow" /></sectionGroup></configSections>'
        "</configuration>",
    ],
)
def test_handlers_are_unlocked_by_the_host_configuration(tmp_path: Path, host: str) -> None:
    config = web_config(python_handler())
    write(tmp_path, {"host.config": host, "site/web.config": config, "site/app.py": ""})
    settings = Settings(
        profile="iis10-default", strict_locks=True, host_config=tmp_path / "host.config"
    )
    found = Site(tmp_path / "site", settings).explain("/x")
    assert found["outcome"]["kind"] == "fastcgi"


def test_azure_means_its_profile(make_site: MakeSite) -> None:
    site = make_site({}, azure=True)
    assert site.profile.name == "azure-windows"
    assert "WindowsAuthenticationModule" not in loaded(site)
    assert "HttpCacheModule" in loaded(site)
    assert make_site({}, azure=True, profile="iis10-default").profile.name == "iis10-default"


def test_without_it_nothing_changes(make_site: MakeSite) -> None:
    site = make_site({})
    assert site.profile.name == "iis-express-10"
    assert {"WindowsAuthenticationModule", "UrlAuthorizationModule"} <= set(loaded(site))
    assert "HttpCacheModule" not in loaded(site)


def test_a_profile_that_is_none(make_site: MakeSite) -> None:
    with pytest.raises(SiteError, match="no server profile 'iis6'"):
        make_site({}, profile="iis6")


CHECKED = {
    "a fresh server": (DENIED, "iis10-default", ["Web-Http-Redirect", "Web-Url-Auth"]),
    "IIS Express has them": (DENIED, "iis-express-10", []),
    "what no feature brings": (
        '<security><authentication><windowsAuthentication enabled="true" /></authentication>'
        "</security>",
        "azure-windows",
        ["Do without it"],
    ),
    "switched off": ('<httpRedirect enabled="false" />', "iis10-default", []),
}


@pytest.mark.parametrize(("inner", "profile", "hints"), CHECKED.values(), ids=CHECKED)
def test_check_names_what_does_nothing(
    make_site: MakeSite, inner: str, profile: str, hints: list[str]
) -> None:
    site = make_site({"web.config": web_config(inner)}, profile=profile)
    found = [
        item.hint
        for item in check(site)
        if item.code in ("config-absent-module", "auth-module-missing")
    ]
    assert len(found) == len(hints)
    assert all(any(wanted in hint for hint in found) for wanted in hints)


def test_sections_of_a_server() -> None:
    found = {
        entry.section.removeprefix(schema.WEB_SERVER): entry
        for entry in profile_support.sections(PROFILES["iis10-default"])
    }
    assert found["rewrite/rules"].does == profile_support.ACTS
    assert found["handlers"].lock == "locked"
    assert found["cors"].does == profile_support.UNKNOWN
    assert "Install-WindowsFeature Web-Url-Auth" in found["security/authorization"].remedy
    assert set(profile_support.MODULES) <= set(found)


def test_the_command_line(tmp_path: Path) -> None:
    run = CliRunner().invoke
    text = run(main, ["support", "--profile", "iis10-default", "httpRedirect"]).output
    assert "accepted without effect here: HttpRedirectionModule is not installed" in text
    entries = json.loads(
        run(main, ["support", "--profile", "azure-windows", "--format", "json"]).output
    )
    assert {entry["does"] for entry in entries} >= {"acts", "accepted without effect here"}
    site = write(tmp_path, {"web.config": web_config(DENIED), "a.txt": "x"})
    asked = ["explain", str(site), "/a.txt", "--json", "--profile", "iis10-default"]
    assert json.loads(run(main, asked).output)["outcome"]["status"] == 200
    line = json.dumps({"url": "/a.txt", "profile": "iis10-default"})
    batch = run(main, ["explain", str(site), "--batch", "-", "--json"], line).output
    assert json.loads(batch)["outcome"]["status"] == 200
    (site / "fcgiemu.toml").write_text('profile = "iis10-default"')
    asked = ["explain", str(site), "/a.txt", "--json"]
    assert json.loads(run(main, asked).output)["outcome"]["status"] == 200
