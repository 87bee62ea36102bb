"""What is taken out of answers before they are compared; pace; crawling; redaction."""

from __future__ import annotations

from pathlib import Path
from urllib.robotparser import RobotFileParser

import pytest

from fcgiemu.errors import SiteError
from fcgiemu.parity import answer_differences, crawling, requesting
from fcgiemu.parity.cases import Redactor
from fcgiemu.parity.requesting import Header, LiveAnswer, Origin, Question

LIVE = Origin("https", "www.example.org", 443)
LOCAL = Origin("http", "127.0.0.1", 8000)


def differing(
    live: LiveAnswer, local: LiveAnswer, method: str = "GET", foreign: bool = False
) -> list[tuple[str, str, str]]:
    policy = answer_differences.ComparisonPolicy(LIVE, LOCAL, foreign=foreign)
    found = answer_differences.differences(Question("/a/b", method), live, local, policy)
    return [(one.aspect, one.live, one.local) for one in found]


def with_headers(*headers: Header, status: int = 200, body: bytes = b"") -> LiveAnswer:
    return LiveAnswer(status, headers, body)


@pytest.mark.parametrize(
    ("live", "local"),
    [
        (("Date", "x"), ("Date", "y")),
        (("ETag", '"1"'), ("ETag", 'W/"2"')),
        (("Last-Modified", "x"), ("Last-Modified", "y")),
        (("X-Request-Id", "1"), ("X-Request-Id", "2")),
        (("Server", "Microsoft-IIS/8.5"), ("Server", "Microsoft-IIS/10.0")),
        (("Cache-Control", "public, max-age=3"), ("cache-control", "max-age=3,public")),
        (("Set-Cookie", "a=1; Path=/; Expires=x"), ("Set-Cookie", "a=2; path=/; expires=y")),
        (("Content-Type", "text/css; charset=UTF-8"), ("Content-Type", "text/css;charset=utf-8")),
        (("Link", "<https://www.example.org/x>"), ("Link", "<https://www.example.org/x>")),
        (("Location", "https://www.example.org/x"), ("Location", "/x")),
        (("Location", "https://www.example.org:443/x"), ("Location", "../x")),
        (("Vary", "Accept-Encoding, Cookie"), ("Vary", "cookie")),
    ],
)
def test_what_must_differ(live: Header, local: Header) -> None:
    assert differing(with_headers(live), with_headers(local)) == []


@pytest.mark.parametrize(
    ("live", "local"),
    [
        (("X-Frame-Options", "DENY"), ("X-Frame-Options", "SAMEORIGIN")),
        (("Cache-Control", "public"), ("Cache-Control", "private")),
        (("Set-Cookie", "a=1; Secure"), ("Set-Cookie", "a=1")),
        (("Content-Type", "text/css"), ("Content-Type", "text/html")),
        (("Location", "https://www.example.org/x"), ("Location", "https://other.example/x")),
        (("Location", "http://www.example.org/x"), ("Location", "https://www.example.org/x")),
        (("X-A", "1"), ("X-B", "1")),
        (("Expires", "0"), ("Expires", "Thu, 01 Jan 2026 00:00:00 GMT")),
    ],
)
def test_what_must_not_differ(live: Header, local: Header) -> None:
    assert differing(with_headers(live), with_headers(local))


def test_status_and_connection() -> None:
    assert differing(LiveAnswer(200), LiveAnswer(404)) == [("status", "200", "404")]
    assert differing(LiveAnswer(error="gone"), LiveAnswer(200)) == [
        ("connection", "gone", "status 200")
    ]
    assert differing(LiveAnswer(error="gone"), LiveAnswer(error="gone")) == []


PAGE = ("Content-Type", "text/html")


def test_bodies() -> None:
    one = with_headers(PAGE, body=b"<a href='https://www.example.org/x'>\n")
    assert differing(one, with_headers(PAGE, body=b"<a href='http://127.0.0.1:8000/x'>\n")) == []
    [(aspect, _, local)] = differing(one, with_headers(PAGE, body=one.body.replace(b"\n", b"\r\n")))
    assert (aspect, local.endswith("other line ends")) == ("body", True)
    token = b'<input type="hidden" name="csrfmiddlewaretoken" value="%s">'
    assert (
        differing(with_headers(PAGE, body=token % b"1"), with_headers(PAGE, body=token % b"2"))
        == []
    )
    binary = ("Content-Type", "image/png")
    assert differing(with_headers(binary, body=b"1"), with_headers(binary, body=b"2"))


def test_pages_of_servers() -> None:
    nginx = with_headers(
        PAGE,
        status=404,
        body=b"<center><h1>404 Not Found</h1></center>\n<hr><center>nginx</center>",
    )
    ours = with_headers(PAGE, status=404, body=b"The page you requested was removed.")
    own = with_headers(PAGE, status=404, body=b"<p>our own page</p>")
    assert differing(nginx, ours) == []
    assert differing(nginx, own)[0][0] == "body"


def test_servers_that_are_not_iis() -> None:
    live = with_headers(("Server", "nginx"), ("Content-Type", "application/javascript"))
    local = with_headers(
        ("Server", "Microsoft-IIS/10.0"),
        ("X-Powered-By", "ASP.NET"),
        ("Content-Type", "text/javascript"),
    )
    assert answer_differences.is_foreign(live) and not answer_differences.is_foreign(local)
    assert differing(live, local, foreign=True) == []
    assert differing(live, local)


def test_head_compares_lengths() -> None:
    assert differing(
        with_headers(("Content-Length", "1")), with_headers(("Content-Length", "2")), "HEAD"
    ) == [("Content-Length", "1", "2")]


@pytest.mark.parametrize(
    "url", ["", "www.example.org", "ftp://x/", "https://", "http://u:p@h/", "http://h:99999/"]
)
def test_what_is_not_a_site(url: str) -> None:
    with pytest.raises(SiteError, match="is not the URL of a site"):
        requesting.origin(url)


def test_origins() -> None:
    assert requesting.origin("https://Example.org/x").url == "https://example.org"
    assert requesting.origin("http://[::1]:81").authority == "[::1]:81"
    assert requesting.origin("http://[::1]:81").is_loopback


def test_pace() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    pace = requesting.Pace(2, lambda: now[0], sleep)
    for _ in range(3):
        pace.wait()
    assert slept == [0.5, 0.5]
    pace.hold(10_000)
    pace.wait()
    assert slept[-1] == requesting.MAX_RETRY_AFTER


def test_headers_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_text("# x\n\nCookie: a=b:c\nAuthorization:Bearer x\n")
    assert requesting.secret_headers(path) == (("Cookie", "a=b:c"), ("Authorization", "Bearer x"))
    path.write_text("very-secret-value\n")
    with pytest.raises(SiteError) as caught:
        requesting.secret_headers(path)
    assert "very-secret" not in str(caught.value)


def test_questions_are_asked_once_and_bounded() -> None:
    left_out: list[str] = []
    many = [Question(f"/{number // 2}") for number in range(10)]
    assert len(list(requesting.unique(many, 3, left_out))) == 3
    assert left_out == ["more than 3 requests; give --limit to ask more"]
    assert len(list(requesting.unique(many, 5, []))) == 5


def test_crawling() -> None:
    robots = RobotFileParser()
    robots.parse(["User-agent: *", "Disallow: /private/"])
    crawler = crawling.Crawler(LIVE, 10, robots)
    links = [
        *("b?x=1#part", "/private/c", "https://other.example/", "mailto:x@y", "/logout", "//[bad"),
        *("/a b", "http://www.example.org/insecure", ""),
    ]
    body = "".join(f'<a href="{link}">x</a>' for link in links).encode()
    asked = []
    for question in crawler:
        asked.append(question.target)
        crawler.learn(question, with_headers(("Content-Type", "text/html"), body=body))
    assert asked == ["/", "/b?x=1", "/a%20b"]


def test_crawling_follows_redirects_and_is_bounded() -> None:
    crawler = crawling.Crawler(LIVE, 3)
    asked = []
    for number, question in enumerate(crawler):
        asked.append(question.target)
        crawler.learn(question, with_headers(("Location", f"/{number}"), status=302))
    assert asked == ["/", "/0", "/1"]


def test_redaction() -> None:
    redactor = Redactor(["shop.example"])
    assert redactor.text("https://www.shop.example/x") == "https://www.shop.example/x"
    assert redactor.text("https://shop.example:81/?token=abc") == (
        "https://www.example.org:81/?token=********"
    )
    assert redactor.configuration(['<add key="DbPassword" password="x1" value="y"/>']) == [
        '<add key="DbPassword" password="********" value="y"/>'
    ]
