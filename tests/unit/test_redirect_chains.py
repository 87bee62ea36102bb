"""Redirects that lead to redirects: how many, from which URLs, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.catalogue.findings import Finding
from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import web_config, write


def rule(name: str, match: str, url: str, condition: str = "") -> str:
    return (
        f'<rule name="{name}" stopProcessing="true"><match url="{match}" ignoreCase="false" />'
        f'<conditions>{condition}</conditions><action type="Redirect" url="{url}" /></rule>'
    )


OFF = '<add input="{HTTPS}" pattern="^off$" />'
HTTPS = rule("https", "(.*)", "https://{HTTP_HOST}/{R:1}", OFF)
WWW = rule(
    "www",
    "(.*)",
    "https://www.example.com/{R:1}",
    '<add input="{HTTP_HOST}" pattern="^example\\.com$" />',
)
LOWER = rule("lower", ".*[A-Z].*", "https://www.example.com/{ToLower:{R:0}}")
SLASH = rule("slash", "(.+)/$", "https://www.example.com/{R:1}")
AT_ONCE = rule("https", "(.*)", "https://www.example.com/{ToLower:{R:1}}", OFF)


def chains(folder: Path, rules: str, maps: str = "") -> dict[str, Finding]:
    """The chains of a site, by the name of the rule that they begin with."""
    inner = f"<rewrite><rules>{rules}</rules><rewriteMaps>{maps}</rewriteMaps></rewrite>"
    write(folder, {"web.config": web_config(inner)})
    found = (one for one in check(Site(folder)) if one.code == "redirect-chain")
    return {one.message.split("'")[1]: one for one in found}


@pytest.mark.parametrize(
    ("rules", "count", "severity", "told"),
    [
        (HTTPS + WWW, 2, "info", 'Write url="https://www.example.com/{R:1}" in <action>.'),
        (
            HTTPS + WWW + LOWER,
            3,
            "warning",
            'Write url="https://www.example.com/{ToLower:{R:1}}" in <action>.',
        ),
        (HTTPS + WWW + LOWER + SLASH, 4, "warning", "Redirect to https://www.example.com/sample"),
        (HTTPS + LOWER, 2, "info", 'Write url="https://www.example.com/{ToLower:{R:1}}"'),
        (
            HTTPS + rule("lower", ".*[A-Z].*", "{ToLower:{URL}}"),
            2,
            "info",
            'Write url="https://{HTTP_HOST}/{ToLower:{R:1}}" in <action>.',
        ),
        (AT_ONCE + WWW + LOWER, 0, "", ""),
        (HTTPS, 0, "", ""),
    ],
)
def test_hosts_schemes_and_forms(
    tmp_path: Path, rules: str, count: int, severity: str, told: str
) -> None:
    """Each rule alone is right; a URL that needs all of them is redirected by each."""
    found = chains(tmp_path, rules).get("https")
    assert (found is not None) == bool(count)
    if found is not None:
        assert f"needs {count} redirects" in found.message
        assert (found.severity, found.hint[: len(told)]) == (severity, told)


def test_the_host_of_one_of_several_sites_is_not_offered(tmp_path: Path) -> None:
    other = WWW.replace("example", "example2").replace('"www"', '"other"')
    found = chains(tmp_path, HTTPS + WWW + other)["https"]
    assert found.hint.startswith("Redirect to https://www.example")


MOVED = rule("moved", ".*", "{C:1}", '<add input="{Moved:{URL}}" pattern="(.+)" />') + rule(
    "other", "^x$", "/y"
)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([("/a", "/b"), ("/b", "/c")], "Write value=\"/c\" for the key '/a' of the map 'Moved'."),
        (
            [("/a", "/b"), ("/b", "/c"), ("/c", "/d")],
            "Write value=\"/d\" for the key '/a' of the map 'Moved'; 1 other keys of it",
        ),
        ([("/a/", "/b"), ("/b", "/c")], "Write value=\"/c\" for the key '/a/'"),
        ([("/a", "/c"), ("/b", "/c")], ""),
    ],
)
def test_keys_whose_values_are_keys(
    tmp_path: Path, pairs: list[tuple[str, str]], told: str
) -> None:
    entries = "".join(f'<add key="{key}" value="{value}" />' for key, value in pairs)
    found = chains(tmp_path, MOVED, f'<rewriteMap name="Moved">{entries}</rewriteMap>')
    assert [one.severity for one in found.values()] == ["warning"] * bool(told)
    assert all(one.hint.startswith(told) for one in found.values()), found


def test_a_key_that_leads_to_itself(tmp_path: Path) -> None:
    entries = '<add key="/a" value="/a" />'
    assert not chains(tmp_path, MOVED, f'<rewriteMap name="Moved">{entries}</rewriteMap>')
    assert "redirect-loop" in {one.code for one in check(Site(tmp_path))}
