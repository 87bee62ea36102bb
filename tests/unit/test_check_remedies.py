"""What check says was meant: values of headers and attributes, and files that are not XML."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.config import schema, values
from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import web_config, write

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
