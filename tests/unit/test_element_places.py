"""Elements that stand where IIS does not look for them, and where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.decision import Redirect
from fcgiemu.diagnosis.check import check
from fcgiemu.http.request import make_request
from fcgiemu.site import Site

from ..sites import write

RULES = '<rules><rule name="r"><match url="^old$" /><action type="Redirect" url="/new" /></rule></rules>'
REWRITE = f"<rewrite>{RULES}</rewrite>"
HANDLERS = '<handlers><remove name="StaticFile" /></handlers>'
SERVER = f"<system.webServer>{REWRITE}</system.webServer>"
MAP = '<staticContent><mimeMap fileExtension=".a" mimeType="a/b" /></staticContent>'


def server(inner: str) -> str:
    return f"<system.webServer>{inner}</system.webServer>"


#: What is in <configuration>, the code that it gets, and the words of its remedy; "" for nothing.
PLACES: dict[str, tuple[str, str, str]] = {
    "all in system.web": (
        f'<system.web><compilation debug="false" />{SERVER}</system.web>',
        "config-misplaced-section",
        "out of <system.web>, directly into <configuration>",
    ),
    "all in runtime": (
        f"<runtime>{SERVER}</runtime>",
        "config-misplaced-section",
        "out of <runtime>, directly into <configuration>",
    ),
    "all in system.web of a location": (
        f'<location path="a"><system.web>{SERVER}</system.web></location>',
        "config-misplaced-section",
        "out of <system.web>",
    ),
    "all in appSettings": (
        f"<appSettings>{SERVER}</appSettings>",
        "config-unknown-element",
        "its place is in <configuration>",
    ),
    "all twice": (server(SERVER), "config-unknown-section", "keep what is between them"),
    "rewrite in system.web": (
        f"<system.web>{REWRITE}</system.web>",
        "config-misplaced-section",
        "Move it into <system.webServer>",
    ),
    "rules in system.web": (
        f"<system.web>{RULES}</system.web>",
        "config-misplaced-section",
        "Move it into <rewrite> of <system.webServer>",
    ),
    "filtering in system.web": (
        "<system.web><requestFiltering /></system.web>",
        "config-misplaced-section",
        "Move it into <security> of <system.webServer>",
    ),
    "handlers in rewrite": (
        server(f"<rewrite>{HANDLERS}{RULES}</rewrite>"),
        "config-unknown-section",
        "belongs in system.webServer.",
    ),
    "rules without rewrite": (
        server(RULES),
        "config-unknown-section",
        "belongs in system.webServer/rewrite",
    ),
    "rewrite in handlers": (
        server(f"<handlers>{REWRITE}</handlers>"),
        "config-unknown-element",
        "its place is in <system.webServer>",
    ),
    "rewrite in security": (
        server(f"<security>{REWRITE}</security>"),
        "config-unknown-section",
        "belongs in system.webServer.",
    ),
    "maps of types in another section": (
        server(f"<httpProtocol>{MAP}</httpProtocol>"),
        "config-unknown-element",
        "its place is in <system.webServer>",
    ),
    "conditions in match": (
        server(REWRITE.replace('"^old$" />', '"^old$"><conditions /></match>')),
        "config-unknown-element",
        "its place is in <rule>",
    ),
    "rewrite under the root": (
        REWRITE,
        "config-misplaced-section",
        "Move it into <system.webServer>",
    ),
    "a section of ASP.NET under the root": (
        '<httpRuntime maxRequestLength="4096" />',
        "config-misplaced-section",
        "Move it into <system.web>",
    ),
    "a section of the file's own": (
        '<configSections><section name="pages" type="A.B" /></configSections><pages />',
        "config-misplaced-section",
        "",
    ),
    "each at its place": (
        f"<system.web><compilation /></system.web>{SERVER}",
        "config-misplaced-section",
        "",
    ),
    "a location": (f'<location path="a">{SERVER}</location>', "config-misplaced-section", ""),
}


@pytest.mark.parametrize(("inner", "code", "told"), PLACES.values(), ids=list(PLACES))
def test_elements_at_another_place(tmp_path: Path, inner: str, code: str, told: str) -> None:
    write(tmp_path, {"web.config": f"<configuration>{inner}</configuration>"})
    found = {one.code: one.hint for one in check(Site(tmp_path))}
    assert (code in found) == bool(told) and told in found.get(code, ""), found


def test_the_section_of_a_module_that_is_not_of_iis(tmp_path: Path) -> None:
    """Where it is installed nothing is wrong: a note."""
    inner = server('<ModSecurity enabled="true" />' + REWRITE)
    write(tmp_path, {"web.config": f"<configuration>{inner}</configuration>"})
    site = Site(tmp_path)
    assert [(one.code, one.severity) for one in check(site)] == [("config-other-module", "info")]
    assert isinstance(site.decide(make_request("/old")).action, Redirect)
