"""The room of ``serve --ui``: what is kept, who may ask, what the views leave out."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fcgiemu.decision import Refused
from fcgiemu.http.framing import RequestHead
from fcgiemu.inspector import editing, explaining, replay, views
from fcgiemu.inspector.access import Access
from fcgiemu.inspector.explaining import BadQuestion
from fcgiemu.inspector.recent_requests import Ring, Seen
from fcgiemu.inspector.rules import WAITING, Counts, Waiting, overview
from fcgiemu.server.exchange import Exchange
from fcgiemu.server.log_entry import LogEntry
from fcgiemu.server.request_capture import CAPTURED, Capture
from fcgiemu.site import Site

from ..sites import rules, write

OLD = (
    '<rule name="old"><match url="^old/(\\d+)$" /><conditions>'
    '<add input="{QUERY_STRING}" pattern="no=1" negate="true" /></conditions>'
    '<action type="Redirect" url="/new/{R:1}" /></rule>'
)


def entry(outcome: Any = None, status: int = 200) -> LogEntry:
    outcome = outcome or Refused(status, "", "")
    return LogEntry(
        method="GET",
        url="/",
        outcome=outcome,
        status=status,
        substatus=0,
        when=5.0,
        seconds=0.25,
        bytes_sent=3,
        client_gone=False,
    )


def exchange(
    target: str = "/a",
    headers: tuple[tuple[str, str], ...] = (),
    capture: Capture | None = None,
    head: bytes = b"",
) -> Exchange:
    fields = [(name.encode(), value.encode()) for name, value in headers]
    protocol = SimpleNamespace(scheme="http", client=("127.0.0.1", 4))
    made = Exchange(cast(Any, protocol), RequestHead("GET", target.encode(), fields, "1.1", True))
    made.capture, made.sent_head = capture, head
    return made


def seen(**keywords: Any) -> Seen:
    return Ring().add(exchange(**keywords), entry())


# -- the ring --------------------------------------------------------------------------------------


def test_the_ring_keeps_the_last_ones_by_number() -> None:
    ring = Ring(3)
    for number in range(5):
        ring.add(exchange(f"/{number}"), entry())
    assert [kept.number for kept in ring.after(0)] == [3, 4, 5]
    assert [kept.number for kept in ring.after(4)] == [5]
    assert ring.after(5) == ring.after(99) == []
    assert ring.get(2) is None and ring.get(6) is None
    found = ring.get(3)
    assert found is not None and found.target == "/2"


def test_an_empty_ring() -> None:
    assert Ring().get(1) is None and Ring().after(0) == []


def test_listeners_are_told_until_they_stop() -> None:
    ring, told = Ring(), list[int]()
    stop = ring.listen(lambda kept: told.append(kept.number))
    ring.add(exchange(), entry())
    stop()
    ring.add(exchange(), entry())
    assert told == [1]


def test_rules_are_counted(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": rules(OLD)})
    ring = Ring()
    decision = site.decide(site.as_received(explaining.make_request("/old/7")))
    ring.add(exchange("/old/7"), entry(decision, 301))
    assert ring.hits == {"old": 1} and ring.last_hits == {"old": 5.0}
    counts, waiting = Counts(), Waiting()
    for _ in range(3):
        waiting.add(decision)
    for _ in range(2):  # what has been counted is not counted again
        counts.add(site, waiting.take())
    found = overview(site, counts, dict(ring.hits), ring.last_hits)
    (rule,) = found["rules"]
    assert (rule["name"], rule["hits"], rule["line"]) == ("old", 1, 1)
    assert [(one["true"], one["false"]) for one in rule["conditions"]] == [(3, 0)]
    assert found["files"][0]["text"].startswith("<configuration>")


def test_a_capture_keeps_beginnings() -> None:
    capture = Capture()
    for _ in range(3):
        capture.answered(b"x" * (CAPTURED - 1))
        capture.asked(b"ab")
    assert (len(capture.response_body), capture.response_bytes) == (CAPTURED, 3 * (CAPTURED - 1))
    assert (capture.request_body, capture.request_bytes) == (b"ababab", 6)


# -- who may ask -----------------------------------------------------------------------------------

OWN = {"host": "127.0.0.1:90"}
#: Headers, token, whether it is public, whether it changes something; a word of the refusal.
ASKED: list[tuple[dict[str, str], str | None, bool, bool, str]] = [
    (OWN, "t", False, False, ""),
    ({"host": "LOCALHOST:90"}, "t", False, False, ""),
    ({"host": "[::1]:90"}, "t", False, False, ""),
    (OWN | {"authorization": "Bearer t"}, None, False, False, ""),
    (OWN | {"origin": "http://127.0.0.1:90"}, "t", False, True, ""),
    (OWN, None, True, False, ""),
    (OWN, None, False, False, "token"),
    (OWN, "T", False, False, "token"),
    (OWN, "\udce4", False, False, "token"),
    (OWN | {"authorization": "Basic t"}, None, False, False, "token"),
    (OWN | {"authorization": "Bearer x"}, "t", False, False, "token"),
    ({}, "t", False, False, "Host"),
    ({"host": "127.0.0.1"}, "t", False, False, "Host"),
    ({"host": "127.0.0.1:91"}, "t", False, False, "Host"),
    ({"host": "evil.example:90"}, "t", False, False, "Host"),
    ({"host": "evil.example:90"}, None, True, False, "Host"),
    (OWN | {"origin": "http://127.0.0.1:8000"}, "t", False, False, "Origin"),
    (OWN | {"origin": "https://127.0.0.1:90"}, "t", False, False, "Origin"),
    (OWN | {"origin": "null"}, "t", False, False, "Origin"),
    (OWN | {"origin": "http://localhost:90"}, "t", False, False, "Origin"),
    (OWN, "t", False, True, "Origin"),
]


@pytest.mark.parametrize(("headers", "token", "public", "changes", "word"), ASKED)
def test_access(
    headers: dict[str, str], token: str | None, public: bool, changes: bool, word: str
) -> None:
    access = Access("t", "127.0.0.1", 90)
    refusal = access.refusal("GET", headers, token, is_public=public, changes=changes)
    assert (refusal is None) == (word == "") and word in (refusal or "")


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("192.0.2.1:90", True),
        ("localhost:9000", True),
        ("[2001:db8::1]:1", True),
        ("a.b:90", False),
    ],
)
def test_access_from_outside_needs_an_address(host: str, may: bool) -> None:
    access = Access("t", "0.0.0.0", 90)
    refusal = access.refusal("GET", {"host": host}, "t", is_public=False, changes=False)
    assert (refusal is None) == may


# -- views -----------------------------------------------------------------------------------------

HEADERS = [
    ("Cookie", "a=1; b=2", "a=********; b=********"),
    ("Cookie", "odd", "********"),
    ("Set-Cookie", "s=1; Path=/; HttpOnly", "s=********; Path=/; HttpOnly"),
    ("Authorization", "Bearer abc", "Bearer ********"),
    ("Authorization", "abc", "********"),
    ("X-Api-Key", "abc", "********"),
    ("Referer", "http://h/?token=abc", "http://h/?token=********"),
    ("Accept", "text/html", "text/html"),
]


@pytest.mark.parametrize(("name", "value", "shown"), HEADERS)
def test_headers_without_secrets(name: str, value: str, shown: str) -> None:
    assert views.masked_value(name, value) == shown


#: Bytes, how many there were, type, encoding; what is shown of them.
BODIES: list[tuple[bytes, int, str, str, dict[str, object]]] = [
    (b"hello", 5, "text/plain", "", {"text": "hello", "is_complete": True}),
    (b'{"password": "x"}', 17, "application/json", "", {"text": '{\n "password": "********"\n}'}),
    (b'{"password": "x', 99, "application/json", "", {"is_complete": False}),
    (b"\xc3\xa4\xc3", 9, "text/plain", "", {"text": "\u00e4"}),
    (b"\xff\xfe\x00", 3, "text/plain", "", {"base64": "//4A"}),
    (b"a\x00", 2, "", "", {"base64": "YQA="}),
    (b"GIF", 3, "image/gif", "", {"base64": "R0lG"}),
    (gzip.compress(b"hello", mtime=0), 25, "text/plain", "gzip", {"text": "hello"}),
    (b"broken", 6, "text/plain", "gzip", {"text": "broken"}),
    (b"[" * 50_000, 50_000, "application/json", "", {"text": "[" * 50_000}),
]


@pytest.mark.parametrize(("data", "size", "kind", "encoding", "shown"), BODIES)
def test_bodies(data: bytes, size: int, kind: str, encoding: str, shown: dict[str, object]) -> None:
    found = views.body(data, size, [("Content-Type", kind), ("Content-Encoding", encoding)])
    assert found is not None and found.items() >= shown.items()
    assert '"x' not in str(found.get("text", ""))


def test_no_body_is_none_and_bombs_stay_small() -> None:
    assert views.body(b"", 0, []) is None
    bomb = gzip.compress(b"x" * 50_000_000, mtime=0)
    found = views.body(bomb, len(bomb), [("Content-Encoding", "gzip")])
    assert found is not None and len(found["text"]) == CAPTURED


def test_details_hold_no_secret() -> None:
    capture = Capture()
    capture.asked(b"password=hunter2")
    found = seen(
        target="/x?token=hunter2",
        headers=(("Host", "h"), ("Cookie", "s=hunter2"), ("Authorization", "Basic hunter2")),
        capture=capture,
        head=b"HTTP/1.1 200 OK\r\nSet-Cookie: s=hunter2; Path=/\r\nDate: ",
    )
    shown = views.details(found, ["SECRET_KEY=hunter2"])
    assert "hunter2" not in str(shown)
    assert shown["response_headers"] == [["Set-Cookie", "s=********; Path=/"]]
    assert shown["copies"]["curl"].startswith("curl -i -X GET -H 'Cookie: s=********'")


# -- stories and drafts ----------------------------------------------------------------------------


def test_the_story_says_whether_files_have_changed(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site({"web.config": rules(OLD)})
    decision = site.decide(site.as_received(explaining.make_request("/old/7")))
    kept = Ring().add(exchange("/old/7"), entry(decision, 301))
    story = explaining.of_request(site, kept)
    assert story["is_as_it_was"] and story["outcome"]["location"].endswith("/new/7")
    assert story["copies"]["expect"] == '/old/7 -> 301 /new/7 rule "old"'
    compile(story["copies"]["pytest"], "test", "exec")
    write(tmp_path, {"web.config": rules(OLD.replace("/new/", "/other/"))})
    site.tree.invalidate()
    assert explaining.of_request(site, kept)["is_as_it_was"] is True  # the same rule applies
    write(tmp_path, {"web.config": rules("")})
    site.tree.invalidate()
    assert explaining.of_request(site, kept)["is_as_it_was"] is False


def test_a_draft_is_answered_and_not_written(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site({"web.config": rules(OLD)})
    explainer = explaining.Explainer(site.path, site.settings)
    try:
        draft = explainer.with_config(rules(OLD.replace("/new/", "/newer/")))
        answers = explaining.of_urls(draft, ["/old/1", "old/1", "/.."])
        assert answers[0]["outcome"]["location"].endswith("/newer/1")
        assert answers[1]["error"].startswith("A URL begins with /")
        assert answers[2]["outcome"]["status"] == 403
        broken = explaining.findings(explainer.with_config("<configuration>"))
        assert (broken[0]["severity"], broken[0]["file"]) == ("error", "web.config")
        with pytest.raises(BadQuestion):
            explainer.with_config("x" * (explaining.MAX_CONFIG + 1))
        with pytest.raises(BadQuestion):
            explaining.of_urls(draft, ["/"] * (explaining.MAX_URLS + 1))
    finally:
        explainer.close()
    assert (tmp_path / "web.config").read_text() == rules(OLD)


#: Pattern, text, syntax; what comes of it.
PATTERNS: list[tuple[str, str, str, dict[str, object]]] = [
    ("^a(b)?", "ABC", "ECMAScript", {"matches": True, "captures": ["AB", "B"]}),
    ("x", "abc", "ECMAScript", {"matches": False, "captures": []}),
    ("a*c", "abc", "Wildcard", {"matches": True, "captures": ["abc", "b"]}),
    ("abc", "abc", "ExactMatch", {"matches": True, "captures": ["abc"]}),
]


@pytest.mark.parametrize(("pattern", "text", "syntax", "found"), PATTERNS)
def test_a_single_pattern(pattern: str, text: str, syntax: str, found: dict[str, object]) -> None:
    assert explaining.try_pattern(pattern, text, syntax, True).items() >= found.items()


def test_a_bad_pattern_says_why() -> None:
    assert explaining.try_pattern("(", "", "ECMAScript", True)["error"]
    with pytest.raises(BadQuestion):
        explaining.try_pattern("a" * 5000, "", "ECMAScript", True)


# -- replay ----------------------------------------------------------------------------------------


def test_a_replay_restores_what_is_masked() -> None:
    capture = Capture()
    capture.asked(b"body")
    kept = seen(target="/a?token=s", headers=(("Cookie", "a=1"), ("Host", "h")), capture=capture)
    asked = replay.question({"url": "/a?token=********"}, kept)
    assert (asked.target, asked.body, asked.origin) == ("/a?token=s", b"body", 1)
    given = {"headers": [["Cookie", "a=********"], ["X", "y"], ["Content-Length", "9"]]}
    assert replay.question(given, kept).headers == (("Cookie", "a=1"), ("X", "y"))
    assert replay.question({"url": "/a b\u00e4"}, None).target == "/a%20b%C3%A4"


@pytest.mark.parametrize(
    "given",
    [
        {"method": "GET /"},
        {"method": 1},
        {"url": "http://elsewhere/"},
        {"url": 1},
        {"headers": "x"},
        {"headers": [["a"]]},
        {"headers": [["a", "b\r\nc: d"]]},
        {"headers": [["a b", "c"]]},
        {"body": 1},
    ],
)
def test_what_cannot_be_sent(given: dict[str, object]) -> None:
    with pytest.raises(BadQuestion):
        replay.question(given, None)


def test_a_body_that_is_not_kept_is_not_sent_again() -> None:
    capture = Capture()
    capture.asked(b"x" * (CAPTURED + 1))
    with pytest.raises(BadQuestion):
        replay.question({}, seen(capture=capture))


# -- saving ----------------------------------------------------------------------------------------


def test_saving_keeps_mark_line_ends_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "Web.config"
    file.write_bytes(b"\xef\xbb\xbf<a>\r\n</a>\r\n")
    os.chmod(file, 0o640)
    source = editing.read(tmp_path)
    assert source.text == "<a>\n</a>\n"
    assert "+<b/>" in editing.diff(source, "<a>\n<b/>\n</a>\n", True)
    editing.save(tmp_path, "<a>\n<b/>\n</a>\n", source.stamp)
    assert file.read_bytes() == b"\xef\xbb\xbf<a>\r\n<b/>\r\n</a>\r\n"
    assert file.stat().st_mode & 0o777 == 0o640 and os.listdir(tmp_path) == ["Web.config"]


def test_a_file_that_has_changed_is_not_overwritten(tmp_path: Path) -> None:
    stamp = editing.read(tmp_path).stamp
    write(tmp_path, {"web.config": "theirs"})
    with pytest.raises(editing.CannotEdit, match="changed"):
        editing.save(tmp_path, "ours", stamp)
    assert (tmp_path / "web.config").read_text() == "theirs"


@pytest.mark.parametrize("data", [b"\xff\xfe<\x00", b"x" * (editing.MAX_FILE + 1)])
def test_what_cannot_be_edited(data: bytes, tmp_path: Path) -> None:
    write(tmp_path, {"web.config": data})
    with pytest.raises(editing.CannotEdit):
        editing.read(tmp_path)


def test_a_link_out_of_the_site_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"outside": "secret", "site/": ""})
    (tmp_path / "site" / "web.config").symlink_to(tmp_path / "outside")
    with pytest.raises(editing.CannotEdit, match="link"):
        editing.read(tmp_path / "site")


def test_a_diff_shows_no_secret(tmp_path: Path) -> None:
    write(tmp_path, {"web.config": '<add key="PASSWORD" value="hunter2" />\n'})
    assert "hunter2" not in editing.diff(editing.read(tmp_path), "", False)


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({b"Referer": b"http://x/a"}, "/a"),
        ({b"referer": b"http://x/a?b=1"}, "/a?b=1"),
        ({b"Referer": b"http://elsewhere/a"}, None),
        ({b"Referer": b"http://x/a", b"Sec-Fetch-Dest": b"document"}, None),
        ({b"Referer": b"http://x/a", b"Sec-Fetch-Dest": b"script", b"Accept": b"text/html"}, "/a"),
        ({b"Referer": b"http://x/a", b"Accept": b"text/html,*/*"}, None),
        ({}, None),
    ],
)
def test_the_page_that_a_request_is_for(headers: dict[bytes, bytes], page: str | None) -> None:
    asked = exchange("/b")
    asked.headers = [(b"Host", b"x"), *headers.items()]
    seen = Ring().add(asked, entry(Refused(400, "", ""), 400))
    assert views.summary(seen)["page"] == page


def test_many_decisions_are_counted_without_a_look() -> None:
    waiting = Waiting()
    decisions = [object() for _ in range(WAITING)]
    full = [waiting.add(one) for one in decisions]  # type: ignore[arg-type]
    assert full.index(True) == WAITING - 1
    assert len(waiting.take()) == WAITING and waiting.take() == []


def test_urls_of_a_site(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": rules(OLD), "a b/site.css": "", "notes.txt": ""})
    found = explaining.urls(site)
    assert found[0] == "/" and "/a%20b/site.css" in found
    assert any("old" in site.decide(explaining.make_request(url)).rules for url in found)
