"""The formats of a request's line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fcgiemu.decision import Refused
from fcgiemu.http.request import make_request
from fcgiemu.http.url import UrlRefused
from fcgiemu.logs.entry import sent_query
from fcgiemu.server import access_log
from fcgiemu.server.log_entry import LogEntry
from fcgiemu.site import Site

from ..schemas import hold
from ..sites import rules

NOW = datetime(2026, 3, 17, 8, 1, 15, tzinfo=UTC)


def entry(
    site: Site, url: str, status: int, substatus: int = 0, gone: bool = False, **headers: str
) -> LogEntry:
    request = make_request(
        url, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return LogEntry(
        method="GET",
        url=request.target.raw,
        outcome=site.decide(request),
        status=status,
        substatus=substatus,
        when=NOW.timestamp(),
        seconds=0.0123,
        bytes_sent=5,
        client_gone=gone,
    )


def test_w3c(make_site: Callable[..., Site]) -> None:
    site = make_site({"a b.css": ""})
    assert access_log.w3c_header(NOW).splitlines()[2:] == [
        "#Date: 2026-03-17 08:01:15",
        "#Fields: " + access_log.FIELDS,
    ]
    line = access_log.w3c(entry(site, "http://h:81/a%20b.css?x=%20", 200, User_Agent="A (b c)\t"))
    assert (
        line
        == "2026-03-17 08:01:15 127.0.0.1 GET /a+b.css x=%20 81 - 127.0.0.1 A+(b+c)+ - 200 0 0 12"
    )
    missing = access_log.w3c(entry(site, "/missing", 404, Referer="http://r/"))
    assert missing is not None and missing.endswith(
        "/missing - 80 - 127.0.0.1 - http://r/ 404 0 2 12"
    )
    gone = access_log.w3c(entry(site, "/?" + "q" * 5000, 200, gone=True))
    assert gone is not None and " ... " in gone and gone.endswith(" 200 0 64 12")
    assert (
        access_log.w3c(
            LogEntry(
                method="GET",
                url="/..",
                outcome=Refused.of(UrlRefused(403, "", "")),
                status=403,
                substatus=0,
                when=0.0,
                seconds=0.1,
                bytes_sent=0,
                client_gone=False,
            )
        )
        is None
    )
    assert len(line.split()) == len(access_log.FIELDS.split())


def test_what_is_routed_has_the_marks_of_arr(make_site: Callable[..., Site]) -> None:
    rule = (
        '<rule name="out"><match url="(.*)" />'
        '<action type="Rewrite" url="http://other.example/{R:1}" /></rule>'
    )
    site = make_site({"web.config": rules(rule)}, arr=True)
    for url, query in (("/a?q=1", "q=1"), ("/a", "")):
        line = access_log.w3c(entry(site, url, 301))
        assert line is not None
        logged = line.split()[5]
        assert re.fullmatch(
            r".*X-ARR-CACHE-HIT=0&X-ARR-LOG-ID=[0-9a-f-]{36}&SERVER-STATUS=301", logged
        )
        assert sent_query(logged) == query


def test_json_and_text(make_site: Callable[..., Site]) -> None:
    shown = entry(make_site({"a.css": ""}), "/a.css", 200)
    values = hold("serve-log", access_log.as_json(shown))
    assert (values["time"], values["status"], values["handler"], values["milliseconds"]) == (
        "2026-03-17T08:01:15.000+00:00",
        200,
        "StaticFile",
        12.3,
    )
    assert access_log.text(shown)[9:] == "200 GET /a.css -> StaticFile a.css 12.3 ms"


@pytest.mark.parametrize(("status", "note"), [(200, "  client went away"), (101, "")])
def test_a_client_that_goes(make_site: Callable[..., Site], status: int, note: str) -> None:
    line = access_log.text(entry(make_site({"a.css": ""}), "/a.css", status, gone=True))
    assert line.endswith(f"12.3 ms{note}")


BROKEN = "<configuration><system.webServer><handlers bad='' /></system.webServer></configuration>"
RULE = '<rule name="go"><match url="a" /><action type="Rewrite" url="/b.css?x=1" /></rule>'


def test_the_reason_stands_beside_an_error(make_site: Callable[..., Site]) -> None:
    line = access_log.text(entry(make_site({"web.config": BROKEN}), "/", 500))
    assert line[9:].startswith("500.0 GET / -> ")
    assert "ms  web.config:1:" in line
    assert "Unrecognized attribute 'bad'" in line
    missing = access_log.text(entry(make_site({"web.config": "<configuration />"}), "/no", 404))
    assert missing[9:].startswith("404.0 GET /no -> ")


def test_colour_quiet_and_verbose(make_site: Callable[..., Site]) -> None:
    site = make_site({"b.css": "", "web.config": rules(RULE)})
    fine, wrong = entry(site, "/a", 200), entry(site, "/no", 404)
    assert "\x1b[32m200\x1b[0m GET /a" in str(access_log.for_people(colour=True)(fine))
    assert "\x1b[33m404.0\x1b[0m GET" in str(access_log.for_people(colour=True)(wrong))
    assert access_log.for_people(quiet=True)(fine) is None
    assert access_log.for_people(quiet=True)(wrong) == access_log.text(wrong)
    lines = str(access_log.for_people(verbose=True)(fine)).splitlines()
    assert [line.strip() for line in lines[1:]][0] == "rule 'go' -> /b.css?x=1"
    assert "handler 'StaticFile'" in lines[-1]
