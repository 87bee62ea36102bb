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
        'Remove it; for another type write <remove fileExtension=".woff" />',
    ),
    ("woff", '<remove fileExtension=".woff" />', "warning", 'Write fileExtension=".woff".'),
    ("avif", '<mimeMap fileExtension=".avif" mimeType="image/avif" />', "info", "Remove it;"),
    ("avif;jxl", "", "warning", 'Write fileExtension=".avif"'),
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
    ("/app.html", "info", 'path="app.html"'),
    ("/page1404.html", "warning", 'path="page1404.html"'),
    ("/index1.htm", "warning", 'path="index1.htm"'),
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
    ("httpPlatform", "requestTimeout", "365.00:00:00", "30.00:00:00"),
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
    "config-bad-value/empty": "The value is the author's.",
    "rewrite-query-in-pattern/other": "How the conditions are joined has to change: a choice.",
    "rewrite-bad-reference/condition": "Which host is meant is the author's.",
    "rewrite-bad-reference/negated": "Which host is meant is the author's.",
    "rewrite-bad-reference/few": "What another group is to hold is the author's.",
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
    "redirect-section/nowhere": "Where it leads is the author's.",
    "redirect-section/host": "A rule takes the place of a section.",
    "handler-never-reached/list": "Which entries the site needs is the author's.",
    "handler-unknown-module/none": "The server's administrator has to do it.",
    "handler-no-module/unknown": "Which module is meant is the author's.",
    "handler-unknown-variable": "What the variable stands for is the author's.",
    "filtering-allowed-url/there": "It belongs into another file.",
    "filtering-allowed-url/star": "Which URLs are meant is the author's.",
    "settings-missing-file": "A file is missing.",
    "settings-missing-file/folder": "A folder is missing.",
    "settings-interface": "A choice of the author's.",
    "settings-no-handler": "What the application is called is the author's.",
    "settings-server-at-import": "A change of the program.",
    "settings-missing-module": "A file is missing.",
    "settings-missing-module/part": "A file is missing.",
    "settings-unexpanded-variable": "What the variable stands for is the author's.",
    "static-source": "Which program runs them is the author's.",
    "rewrite-origin-pattern/unknown": "Which hosts are meant is the author's.",
    "platform-log-folder/unix": "Where the log is to lie is the author's.",
    "config-integrated-mode/handlers": "The entries get names, and another form.",
    "config-integrated-mode/modules": "The entries get names, and another form.",
    "static-mime-blocked": "A choice between security and the files.",
    "static-header-value/obsolete": "Which origins are meant is the author's.",
    "static-header-stays/mvc": "A change of the program.",
    "static-cors-origin": "Which origin is meant is the author's.",
    "static-cors-origin/credentials": "Which origin is meant is the author's.",
    "static-cors-origin/star": "Which names are meant is the author's.",
    "aspnetcore-request-timeout": "How long it is to be is the author's.",
    "aspnetcore-launcher": "The project has to be published.",
    "aspnetcore-no-process": "The project has to be published.",
    "aspnetcore-not-dotnet/port": "The section and its arguments become others.",
    "aspnetcore-not-dotnet/within": "The section and its arguments become others.",
    "auth-module-missing": "The server's administrator has to do it.",
    "auth-remote-user-empty": "It belongs into applicationHost.config.",
    "auth-windows-token": "A change of the program.",
    "errors-soft/first": "It may be meant.",
    "errors-redirect/elsewhere": "The page has to be one of the site.",
    "errors-page/missing": "A file is missing.",
    "errors-page/url": "A file is missing.",
    "errors-page/refused": "The file has to lie elsewhere.",
    "platform-missing-script": "A file is missing.",
    "platform-no-port/script": "A change of the program.",
    "platform-fork/script": "A change of the program.",
    "platform-log-folder": "A folder is missing.",
    "platform-unknown-variable/none": "What the variable stands for is the author's.",
    "platform-windows-token": "A change of the program.",
    "platform-below-root": "It belongs into another file.",
    "platform-reloader/script": "A change of the program.",
    "platform-application": "A file is missing.",
    "platform-interface/dash": "A change of the program.",
    "iisnode-no-script/none": "A file is missing.",
    "config-bad-value": "Which value is meant is the author's.",
    "config-aspnet-setting/errors": "Which pages are meant is the author's.",
    "config-bad-value/time": "How long it is to be is the author's.",
    "config-duplicate-section": "What is in both has to be joined by the author.",
    "config-duplicate-element": "What is in both has to be joined by the author.",
    "config-host-only": "It belongs into applicationHost.config.",
    "config-host-only/rules": "A choice: rules of the site, or of the server.",
    "config-host-only/proxy": "It belongs into applicationHost.config.",
    "config-locked-section": "It belongs into applicationHost.config.",
    "config-misplaced-section/nested": "What changes is the text around the elements.",
    "config-nested-location": "Where its content belongs is the author's.",
    "config-location-path/absolute": "Which folder is meant is the author's.",
    "config-sections-position": "A change of the text.",
    "config-encrypted-section": "The server's administrator has to do it.",
    "config-source": "The file has to lie elsewhere.",
    "config-unreadable/source": "The account's rights have to change.",
    "check-unknown-code": "A comment.",
}
#: Kinds of which no test follows the remedy, and why.
NOT_FOLLOWED_KINDS = {
    "config-malformed-xml": "The file is not XML: what changes is its text.",
    "config-root": "The file has another root: what changes is its text.",
    "config-doctype": "What changes is the text before the root.",
    "config-text": "What changes is the text between elements.",
    "config-missing": "There is no file.",
    "config-too-large": "A file of that size is split by its author.",
    "settings-secret": "It is set on the server.",
    "iisnode-yml-broken": "A line of iisnode.yml.",
    "iisnode-yml-quoted": "A line of iisnode.yml.",
    "iisnode-yml-value": "A line of iisnode.yml.",
    "iisnode-yml-key": "A line of iisnode.yml.",
    "iisnode-dev-errors": "A line of iisnode.yml.",
    "iisnode-command": "An attribute that is the server's affair.",
    "iisnode-port-number": "A change of the program.",
    "iisnode-main-module": "A change of the program.",
    "iisnode-es-module": "A change of the program.",
    "xdt-no-match": "A transform file, whose path the author means.",
    "xdt-taken-by-earlier": "The order of a transform file.",
    "xdt-several-targets": "Which element is meant is the author's.",
    "xdt-warning": "A word of a transform file.",
    "xdt-failed": "A word of a transform file.",
    "xdt-no-namespace": "The root of a transform file.",
}
#: Findings of a kind that an example has, at most.
MOST_ROUNDS = 3
#: Findings that a remedy may bring: what it makes work has a mistake, or a lack, of its own.
NEXT = {
    "rewrite-to-source": {"iisnode-error-bodies"},
    "handler-removed": {"handler-few-urls"},
    "config-element-case": {"redirect-loop"},
    "handler-unknown-module": {"handler-python-alone", "handler-relative-program"},
    "aspnetcore-hosting-model": {"aspnetcore-not-dotnet"},
    "errors-absolute-path": {"errors-page"},
    "platform-no-process": {"platform-application"},
    "platform-wfastcgi": {"platform-application"},
}
#: Those that tell what the examples, which have no application, lack.
NO_APPLICATION = {"settings-no-handler", "settings-missing-module"}
FOLLOWED = [
    pytest.param(kind.code, example, id=name)
    for kind in catalogue.kinds()
    if kind.severity != "info" and kind.code not in NOT_FOLLOWED_KINDS
    for name, example in kind.examples()
    if name not in NOT_FOLLOWED and kind.needs in ("configuration", "files")
]


@pytest.mark.parametrize(("code", "example"), FOLLOWED)
def test_remedies_do_what_they_promise(tmp_path: Path, code: str, example: Example) -> None:
    """The finding goes, no other comes but notes, and a request gets what was meant."""
    before = {found.code for found in check(example_site(tmp_path, example, example.before))}
    for _ in range(MOST_ROUNDS):
        site = Site(tmp_path)
        told = [one for one in check(site) if one.code == code]
        for one in sorted(told, key=lambda one: one.span is None)[:1]:
            followed(site, one)
    now = Site(tmp_path)
    after = {found.code for found in check(now) if found.severity != "info"}
    assert code not in after
    assert after <= before | NEXT.get(code, set()) | NO_APPLICATION
    if example.expects:
        lines = list(expectations.parse([example.expects[1]], code))
        results = expectations.judge(Client(now).open, lines)
        assert [result.differences for result in results] == [[]]


def test_what_is_not_followed_exists() -> None:
    names = {name for kind in catalogue.kinds() for name, _ in kind.examples()}
    assert names >= set(NOT_FOLLOWED)
    assert {kind.code for kind in catalogue.kinds()} >= set(NOT_FOLLOWED_KINDS)
