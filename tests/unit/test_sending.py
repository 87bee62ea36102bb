"""Responses on their way out: outbound rules before error pages, the order of headers, the texts of
IIS's own errors.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fcgiemu.decision import ServeFile
from fcgiemu.http.request import make_request
from fcgiemu.http.response import ordered
from fcgiemu.modules import static_file
from fcgiemu.modules.custom_error import one_liner
from fcgiemu.site import Site

from ..sites import python_handler, web_config

SEES_TYPE = (
    '<rewrite><outboundRules><rule name="saw"><match serverVariable="RESPONSE_X_Saw" pattern=".*" />'
    '<conditions><add input="{RESPONSE_CONTENT_TYPE}" pattern="(.*)" /></conditions>'
    '<action type="Rewrite" value="[{C:1}]" /></rule>'
    '<rule name="body"><match pattern="resource" /><action type="Rewrite" value="thing" /></rule>'
    "</outboundRules></rewrite>"
    '<httpErrors errorMode="Custom"><remove statusCode="404" />'
    '<error statusCode="404" path="404.txt" /></httpErrors>'
)


def response(site: Site, url: str, **more: object) -> tuple[dict[str, str], str]:
    answer = site.explain(url, **more)["response"]  # type: ignore[arg-type]
    return answer["headers"], answer["body"]


def test_outbound_rules_see_an_error_before_its_page(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": web_config(SEES_TYPE), "404.txt": "no resource"})
    headers, body = response(site, "/missing")
    assert (headers["X-Saw"], headers["Content-Type"], body) == ("[]", "text/plain", "no resource")


def test_a_handlers_error_has_been_rewritten_when_its_page_replaces_it(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(
        {"web.config": web_config(SEES_TYPE + python_handler("*")), "404.txt": "no resource"}
    )
    canned = {"status": 404, "headers": {"Content-Type": "text/html", "X-App": "1"}, "body": "a"}
    headers, body = response(site, "/x", remote_addr="203.0.113.9", response=canned)
    assert (headers["X-Saw"], headers["X-App"], body) == ("[text/html]", "1", "no resource")


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["X-A", "Server", "Content-Type"], ["Content-Type", "Server", "X-A"]),
        (["Content-Length", "ETag", "Last-Modified"], ["Last-Modified", "ETag", "Content-Length"]),
        (["Location", "content-type", "b", "a"], ["content-type", "Location", "b", "a"]),
        (["Set-Cookie", "Vary", "Set-Cookie"], ["Set-Cookie", "Set-Cookie", "Vary"]),
        (["Connection", "X", "Date"], ["X", "Date", "Connection"]),
    ],
)
def test_headers_in_the_order_of_http_sys(names: list[str], wanted: list[str]) -> None:
    assert [name for name, _ in ordered([(name, "") for name in names])] == wanted


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Bad Request"),
        (402, "The custom error module does not recognize this error."),
        (409, "The page was not displayed because there was a conflict."),
        (410, "The page you requested was removed."),
        (422, "The custom error module does not recognize this error."),
        (429, "The custom error module does not recognize this error."),
        (502, "Bad Gateway"),
    ],
)
def test_the_text_of_an_error_for_remote_clients(status: int, text: str) -> None:
    assert one_liner(status) == text


@pytest.mark.parametrize("sent", ["If-None-Match", "If-Modified-Since"])
def test_304_has_no_last_modified(make_site: Callable[..., Site], sent: str) -> None:
    site = make_site({"web.config": web_config(""), "a.txt": "a"})
    action = site.decide(make_request("/a.txt")).action
    value = "*" if sent == "If-None-Match" else "Tue, 24 Nov 2099 00:00:00 GMT"
    assert isinstance(action, ServeFile)
    content = site.effective("/").view(static_file.static_content)
    now = datetime(2100, 1, 1, tzinfo=UTC)
    answer = static_file.respond(
        action, content, make_request("/a.txt", headers={sent: value}), now
    )
    assert answer.status == 304
    assert [name for name, _ in answer.headers] == ["Accept-Ranges", "ETag"]
