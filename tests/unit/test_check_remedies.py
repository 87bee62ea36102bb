"""What check says was meant: values of headers and attributes, files that are not XML; and what a
reader gets who follows the remedy of a finding to the letter.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fcgiemu import catalogue
from fcgiemu.catalogue import Example
from fcgiemu.config import schema, values
from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site
from fcgiemu.testing import expectations
from fcgiemu.testing.client import Client

from ..remedies import followed
from ..sites import example_site, web_config, write

#: A header, its value, and what is meant; "" where the value is right, or nothing is known.
HEADERS = [
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains", ""),
    (
        "Strict-Transport-Security",
        "max-age:31536000; includeSubDomains",
        "max-age=31536000; includeSubDomains",
    ),
    ("Strict-Transport-Security", "31536000", "max-age=31536000"),
    ("Content-Security-Policy", "default-src 'self'; img-src *", ""),
    ("Content-Security-Policy", "default-src: 'self'; img-src *", "default-src 'self'; img-src *"),
    (
        "Content-Security-Policy",
        "script-src self unsafe-inline https://x.example",
        "script-src 'self' 'unsafe-inline' https://x.example",
    ),
    ("X-Frame-Options", "sameorigin", ""),
    ("X-Frame-Options", "SAME-ORIGIN", "SAMEORIGIN"),
    ("X-Content-Type-Options", "no-sniff", "nosniff"),
    ("Cache-Control", "public, max-age=3600", ""),
    ("Cache-Control", 'no-cache="Set-Cookie"', ""),
    ("Cache-Control", "max-age: 3600", "max-age=3600"),
    ("Cache-Control", "no-cache; no-store", "no-cache, no-store"),
    ("Cache-Control", "no-cache no-store", "no-cache, no-store"),
    ("Access-Control-Allow-Methods", "GET,POST", ""),
    ("Access-Control-Allow-Methods", "GET POST", "GET, POST"),
    ("Access-Control-Max-Age", "1d", "86400"),
    ("Referrer-Policy", "no-referer", "no-referrer"),
]


@pytest.mark.parametrize(("name", "value", "meant"), HEADERS)
def test_values_of_headers(tmp_path: Path, name: str, value: str, meant: str) -> None:
    add = f'<add name="{name}" value="{value.replace(chr(34), "&quot;")}" />'
    config = web_config(f"<httpProtocol><customHeaders>{add}</customHeaders></httpProtocol>")
    write(tmp_path, {"web.config": config})
    found = [known for known in check(Site(tmp_path)) if known.code == "static-header-value"]
    assert [known.hint for known in found] == ([f'Write value="{meant}".'] if meant else [])


#: An entry of <staticContent>, what else is there, and the severity and words of its finding.
MAPS = [
    ("avif", "", "warning", 'Write fileExtension=".avif".'),
    ("*.avif", "", "warning", 'Write fileExtension=".avif".'),
    (
        "woff",
        "",
        "info",
        'Remove the line; for another type write <remove fileExtension=".woff" />',
    ),
    ("woff", '<remove fileExtension=".woff" />', "warning", 'Write fileExtension=".woff".'),
    ("avif", '<mimeMap fileExtension=".avif" mimeType="image/avif" />', "info", "Remove the line;"),
    ("avif;jxl", "", "warning", 'the first with fileExtension=".avif"'),
    (".avif", "", "", ""),
    ("*", "", "", ""),
]


@pytest.mark.parametrize(("written", "more", "severity", "words"), MAPS)
def test_extensions_without_a_dot(
    tmp_path: Path, written: str, more: str, severity: str, words: str
) -> None:
    entry = f'<mimeMap fileExtension="{written}" mimeType="image/avif" />'
    write(tmp_path, {"web.config": web_config(f"<staticContent>{more}{entry}</staticContent>")})
    found = [one for one in check(Site(tmp_path)) if one.code == "static-mime-dot"]
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert words in "".join(one.hint for one in found)


#: A page that is executed, and the severity and words of its finding.
SOFT = [
    ("/404.html", "warning", 'Write path="404.html" responseMode="File" for each status.'),
    (
        "/errors/not-found.html",
        "warning",
        'Write path="errors\\not-found.html" responseMode="File" for each status.',
    ),
    ("/error.htm", "warning", 'path="error.htm"'),
    ("/index.html", "info", 'path="index.html"'),
    ("/page1404.html", "info", 'path="page1404.html"'),
]


@pytest.mark.parametrize(("page", "severity", "words"), SOFT)
def test_pages_that_are_executed(tmp_path: Path, page: str, severity: str, words: str) -> None:
    error = f'<error statusCode="404" path="{page}" responseMode="ExecuteURL" />'
    inner = f'<httpErrors errorMode="Custom"><remove statusCode="404" />{error}</httpErrors>'
    write(tmp_path, {"web.config": web_config(inner), page[1:]: ""})
    found = [one for one in check(Site(tmp_path)) if one.code == "errors-soft"]
    assert [one.severity for one in found] == [severity] and words in found[0].hint
    meant = re.search('path=".*?" responseMode="File"', found[0].hint)
    assert meant is not None
    fixed = inner.replace(f'path="{page}" responseMode="ExecuteURL"', meant[0])
    write(tmp_path, {"web.config": web_config(fixed)})
    assert not check(Site(tmp_path))


#: A section, an attribute, a text that it does not take, and the value that is meant.
VALUES = [
    ("httpErrors", "errorMode", "On", "Custom"),
    ("httpErrors", "errorMode", "RemoteOnly", "DetailedLocalOnly"),
    ("httpErrors", "errorMode", "Detail", "Detailed"),
    ("httpRedirect", "httpResponseStatus", "308", "PermRedirect"),
    ("httpRedirect", "httpResponseStatus", "MovedPermanently", "Permanent"),
    ("httpPlatform", "requestTimeout", "120", "00:02:00"),
    ("httpPlatform", "requestTimeout", "2min", "00:02:00"),
    ("httpPlatform", "requestTimeout", "12 months", ""),
    ("directoryBrowse", "enabled", "yes", "true"),
]


@pytest.mark.parametrize(("section", "name", "text", "meant"), VALUES)
def test_values_of_attributes(section: str, name: str, text: str, meant: str) -> None:
    known = schema.sections()[schema.WEB_SERVER + section].attributes[name]
    assert values.meant(known, text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [("50MB", "52428800"), ("30_000", "30000"), ("4294967296", "4294967295"), ("-1", "")],
)
def test_numbers_with_units(text: str, meant: str) -> None:
    limits = schema.sections()[schema.WEB_SERVER + "security/requestFiltering"]
    known = limits.children["requestLimits"].attributes["maxAllowedContentLength"]
    assert values.meant(known, text) == meant


#: A file that is no configuration, and words of its remedy.
FILES = [
    ('{"rewrites": []}', "JSON"),
    ("RewriteEngine On\nRewriteRule ^(.*)$ index.php [L]\n", ".htaccess"),
    ("<!DOCTYPE html>\n<html><body><br></body></html>", "page of HTML"),
    ("```xml\n<configuration />\n```\n", "```"),
    ("--- a/web.config\n+++ b/web.config\n@@ -1 +1 @@\n", "patch"),
    ("server {\n  listen 80;\n}\n", "not XML"),
    ('<?xml version="1.0" encoding="utf-16"?>\n<configuration />', 'encoding="utf-8"'),
    ("<configuration>\n<handlers>\x0b</handlers></configuration>", "U+000B"),
    ("<configuration>\n</configuration", "has no end"),
]


@pytest.mark.parametrize(("text", "words"), FILES)
def test_files_that_are_something_else(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "web.config").write_text(text, "utf-8")
    found = check(Site(tmp_path))
    assert found[0].severity == "error" and words in found[0].hint


#: Examples whose remedy no test can follow, and why.
NOT_FOLLOWED = {
    "rewrite-query-in-pattern/other": "How the conditions are joined has to change: a choice.",
    "rewrite-bad-reference/condition": "Which host is meant is the author's.",
    "rewrite-bad-reference/negated": "Which host is meant is the author's.",
    "rewrite-bad-reference/each": "What is to be made without the group is the author's.",
    "rewrite-bad-reference/more": "What each group is to hold is the author's.",
    "rewrite-variable-not-allowed": "It belongs into applicationHost.config.",
    "rewrite-variable-name/alone": "It belongs into applicationHost.config.",
    "rewrite-bad-pattern": "A pattern of another engine that this one has nothing like.",
    "rewrite-bad-template/map": "The keys of the map are the author's.",
    "rewrite-missing-url": "Where the rule leads is the author's.",
    "rewrite-file-test-out-of-place": "Inbound rules do something else: it has to be thought out.",
    "rewrite-folder-in-pattern/other": "The numbers of the groups change.",
    "rewrite-look-ahead/nothing": "What is to be made of the empty one is the author's.",
    "rewrite-user-variable": "The application has to do it.",
    "rewrite-user-variable/sent": "The application has to do it.",
    "rewrite-user-variable/front": "How the application is started is the author's.",
    "rewrite-user-variable/redirect": "The application has to do it.",
    "rewrite-client-principal": "The application has to do it.",
    "rewrite-map-unused/other": "What the map is for is the author's.",
    "rewrite-target-glued/inside": "The group is in the middle of a pattern.",
    "rewrite-fragment": "A script of the page has to do it.",
    "rewrite-foreign-rules": "The rules have to be translated.",
    "rewrite-foreign-rules/file": "The rules have to be translated.",
    "rewrite-unknown-variable/none": "A note: the header may exist.",
    "rewrite-origin-pattern/unknown": "Which hosts are meant is the author's.",
    "redirect-section/nowhere": "Where it leads is the author's.",
}
#: Findings that a remedy may bring, because what it makes work has a mistake of its own.
NEXT = {"rewrite-to-source": {"iisnode-error-bodies"}}
FOLLOWED = [
    pytest.param(kind.code, example, id=name)
    for kind in catalogue.kinds()
    if kind.severity != "info" and kind.code.startswith(("rewrite-", "redirect-", "azure-"))
    for name, example in kind.examples()
    if name not in NOT_FOLLOWED and kind.needs in ("configuration", "files")
]


@pytest.mark.parametrize(("code", "example"), FOLLOWED)
def test_remedies_do_what_they_promise(tmp_path: Path, code: str, example: Example) -> None:
    """The finding goes, no other comes but notes, and a request gets what was meant."""
    site = example_site(tmp_path, example, example.before)
    before = check(site)
    followed(site, next(found for found in before if found.code == code))
    now = Site(tmp_path)
    after = {found.code for found in check(now) if found.severity != "info"}
    assert code not in after
    assert after <= {found.code for found in before} | NEXT.get(code, set())
    if example.expects:
        lines = list(expectations.parse([example.expects[1]], code))
        results = expectations.judge(Client(now).open, lines)
        assert [result.differences for result in results] == [[]]


def test_what_is_not_followed_exists() -> None:
    names = {name for kind in catalogue.kinds() for name, _ in kind.examples()}
    assert names >= set(NOT_FOLLOWED)
