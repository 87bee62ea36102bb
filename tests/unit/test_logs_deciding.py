"""What decides, and what deciding finds: kinds of change, rules, the log's own statuses."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fcgiemu import Settings, Site
from fcgiemu.logs.deciding import Judge
from fcgiemu.logs.entry import Keyed
from fcgiemu.logs.inputs import inputs
from fcgiemu.logs.likeness import Likeness
from fcgiemu.logs.log_masking import masked
from fcgiemu.logs.results import EXAMPLES, MAX_GROUPS, Section, totals
from fcgiemu.logs.store import Section as Counts

from ..sites import rules, web_config, write

Make = Callable[..., Site]


def rule(name: str, match: str, action: str, *conditions: str, more: str = "") -> str:
    adds = "".join(f"<add {condition} />" for condition in conditions)
    return (
        f'<rule name="{name}" {more}><match url="{match}" /><conditions>{adds}</conditions>'
        f"<action {action} /></rule>"
    )


def opened(folder: Path, inner: str | Mapping[str, str], azure: bool = False) -> Site:
    files = {"web.config": rules(inner)} if isinstance(inner, str) else inner
    return Site(write(folder, files), Settings(azure=azure))


REWRITE = 'type="Rewrite" url="/x"'


@pytest.mark.parametrize(
    ("inner", "columns"),
    [
        (rule("a", "^x", REWRITE), []),
        (rule("a", "^x", REWRITE, 'input="{QUERY_STRING}" pattern="a=1"'), ["query"]),
        (rule("a", "^x", 'type="Rewrite" url="/x?u={UrlEncode:{HTTP_HOST}}"'), ["host"]),
        (rule("a", "^x", 'type="Redirect" url="/y"'), ["host"]),
        (rule("a", "^x", 'type="Rewrite" url="/x?a=1" appendQueryString="false"'), ["query"]),
        (rule("a", "^x", REWRITE, 'input="{REQUEST_URI}" pattern="^/static/.*"'), []),
        (rule("a", "^x", REWRITE, 'input="{REQUEST_URI}" pattern="^/a.b"'), ["query"]),
        (rule("a", "^x", REWRITE, 'input="{REQUEST_URI}" pattern="/static/"'), ["query"]),
        (rule("a", "^x", 'type="Rewrite" url="/{C:0}"', 'input="{REQUEST_URI}" pattern="^/s/.*"'), ["query"]),
        (rule("a", "^x", REWRITE, 'input="{HTTP_USER_AGENT}" pattern="x"'), ["agent"]),
        (rule("a", "^x", REWRITE, 'input="{HTTP_COOKIE}" pattern="x"'), ["cookie"]),
        (rule("a", "^x", REWRITE, 'input="{http_referer}" pattern="x"'), ["referer"]),
        (rule("a", "^x", REWRITE, 'input="{REMOTE_ADDR}" pattern="x"'), ["client"]),
        (rule("a", "^x", REWRITE, 'input="{HTTPS}{REQUEST_METHOD}" pattern="x"'), []),
        (rule("a", "^x", REWRITE, 'input="{HTTP_USER_AGENT}" pattern="x"', more='enabled="false"'), []),
    ],
)  # fmt: skip
def test_which_columns_decide(tmp_path: Path, inner: str, columns: list[str]) -> None:
    found = inputs([opened(tmp_path, inner)])
    assert list(found.reasons) == columns and found.lacking == []


SECURITY = "<security>{}</security>"


@pytest.mark.parametrize(
    ("inner", "columns"),
    [
        (SECURITY.format('<ipSecurity><add ipAddress="192.0.2.1" /></ipSecurity>'), ["client"]),
        (
            SECURITY.format(
                '<requestFiltering><denyQueryStringSequences><add sequence="x" />'
                "</denyQueryStringSequences></requestFiltering>"
            ),
            ["query"],
        ),
        (
            SECURITY.format(
                '<requestFiltering><filteringRules><filteringRule name="f"><scanHeaders>'
                '<add requestHeader="User-Agent" /></scanHeaders><denyStrings>'
                '<add string="bot" /></denyStrings></filteringRule></filteringRules>'
                "</requestFiltering>"
            ),
            ["agent"],
        ),
        ('<httpRedirect enabled="true" destination="/x" />', ["query", "host"]),
    ],
)
def test_which_sections_decide(tmp_path: Path, inner: str, columns: list[str]) -> None:
    assert list(inputs([opened(tmp_path, {"web.config": web_config(inner)})]).reasons) == columns


def test_what_no_log_holds_is_named(tmp_path: Path) -> None:
    inner = rule(
        "lang",
        "^x",
        REWRITE,
        'input="{HTTP_ACCEPT_LANGUAGE}" pattern="de"',
        'input="{HTTP_X_FORWARDED_PROTO}" pattern="https"',
    )
    site = opened(tmp_path / "a", inner)
    assert inputs([site]).lacking == [
        "rule 'lang' (web.config:1:77) reads {HTTP_ACCEPT_LANGUAGE}",
        "rule 'lang' (web.config:1:77) reads {HTTP_X_FORWARDED_PROTO}",
    ]
    assert inputs([opened(tmp_path / "a", inner, azure=True)]).lacking == [
        "rule 'lang' (web.config:1:77) reads {HTTP_ACCEPT_LANGUAGE}"
    ]


def test_folders_and_locations_count(tmp_path: Path) -> None:
    agent = rule("a", "^x", REWRITE, 'input="{HTTP_USER_AGENT}" pattern="x"')
    cookie = rule("c", "^x", REWRITE, 'input="{HTTP_COOKIE}" pattern="x"')
    located = (
        '<configuration><location path="deep/er"><system.webServer><rewrite><rules>'
        f"{cookie}</rules></rewrite></system.webServer></location></configuration>"
    )
    site = opened(tmp_path, {"web.config": located, "sub/web.config": rules(agent)})
    assert list(inputs([site]).reasons) == ["agent", "cookie"]


# -- deciding --------------------------------------------------------------------------------------


def key(path: str, query: str = "", **given: str) -> str:
    values = {"method": "GET", "host": "", "port": "80", "agent": "", "referer": "", "cookie": ""}
    return Keyed(**{**values, "client": "", "target": path, "query": query, **given}).text


def decided(
    old: Site, new: Site, *keys: str, ignored: frozenset[tuple[str, str]] = frozenset()
) -> Section:
    return Judge(old, new, ignored).section({one: [(200, 1)] for one in sorted(keys)})


def test_kinds_of_change(tmp_path: Path) -> None:
    old = opened(
        tmp_path / "old",
        {
            "web.config": rules(rule("a", "^hop", 'type="Redirect" url="/two"')),
            **dict.fromkeys(("gone.txt", "denied.txt", "moved.txt", "same.txt", "two"), ""),
        },
    )
    new = opened(
        tmp_path / "new",
        {
            "web.config": rules(
                rule("a", "^hop", 'type="Redirect" url="/two"')
                + rule("b", "^two", 'type="Redirect" url="/three"')
                + rule("loop", "^loop", 'type="Redirect" url="/loop"')
                + rule("c", "^denied", 'type="CustomResponse" statusCode="403"')
                + rule("d", "^moved", 'type="Rewrite" url="/same.txt"')
            ),
            "same.txt": "",
        },
    )
    names = ("/gone.txt", "/denied.txt", "/moved.txt", "/same.txt", "/hop", "/loop")
    found = decided(old, new, *map(key, names))
    assert {
        (group[0], next(iter(texts)).split(": ")[0]) for group, texts in found.changes.items()
    } == {
        ("new 404", "/gone.txt"),
        ("new error", "/denied.txt"),
        ("new error", "/loop"),
        ("new redirect hop", "/hop"),
        ("other", "/moved.txt"),
    }
    hop = next(text for texts in found.changes.values() for text in texts if text[:4] == "/hop")
    assert hop.endswith("(redirects: 1 before, 2 now)")
    assert (found.requests, found.changed) == (6, 5)


def test_rules_that_are_needed(tmp_path: Path) -> None:
    inner = (
        rule("none", "^x", 'type="None"')
        + rule("first", "^x", 'type="Redirect" url="/y"')
        + rule("late", "^x", 'type="Redirect" url="/z"')
        + rule("twin", "^y", 'type="CustomResponse" statusCode="410"', more='stopProcessing="true"')
        + rule("same", "^y", 'type="CustomResponse" statusCode="410"')
    )
    site = opened(tmp_path, inner)
    found = decided(site, site, key("/x"), key("/y"), key("/other"))
    assert found.new_hits == {"none": 1, "first": 1, "twin": 1}
    assert found.needed == {"first"}
    assert Judge(site, site).section({key("/x"): [(0, 1)]}).needed == {
        "first"
    }  # nothing is left out


def test_a_rule_in_a_folder_is_needed(tmp_path: Path) -> None:
    site = opened(tmp_path, {"sub/web.config": rules(rule("a", "^x", 'type="Redirect" url="/y"'))})
    assert decided(site, site, key("/sub/x")).needed == {"a"}


def test_the_log_and_the_old_version(tmp_path: Path) -> None:
    inner = rule("a", "^x", 'type="Redirect" url="/y"')
    site = opened(tmp_path, {"web.config": rules(inner), "a.css": ""})
    found = Judge(site, site).section(
        {
            key("/a.css"): [(0, 7), (200, 5), (206, 1), (304, 3), (500, 2)],
            key("/x"): [(301, 4), (302, 1)],
        }
    )
    assert found.parity == {"": [11, 9], "a": [5, 4]}
    assert found.unlike == {
        ("", "302", "redirect 301 by rule 'a'"): {"/x": 1},
        ("", "500", "static"): {"/a.css": 2},
    }


def test_kinds_can_be_ignored(tmp_path: Path) -> None:
    old = opened(tmp_path / "old", {"a.txt": ""})
    new = opened(tmp_path / "new", rule("a", "^a", 'type="Redirect" url="/b"'))
    for kinds, changed in ((("static", "redirect"), 0), (("fastcgi", "httpPlatform"), 1)):
        found = decided(old, new, key("/a.txt"), ignored=frozenset({kinds}))
        assert (found.changed, found.ignored) == (changed, 1 - changed)


def test_requests_have_what_the_log_holds(tmp_path: Path) -> None:
    site = opened(tmp_path, "")
    request = Judge(site, site).request(
        Keyed("POST", "[::1]", "8443", "/a%20b", "q", "A+(+http://b)", "r", "a=1;+b=2", "192.0.2.1")
    )
    assert (request.host, request.port, request.scheme, request.authority) == (
        "::1",
        8443,
        "http",
        "[::1]:8443",
    )
    assert (request.target.path, request.target.query, request.remote_addr) == (
        "/a b",
        "q",
        "192.0.2.1",
    )
    assert (
        request.fields["user-agent"] == "A (+http://b)" and request.fields["cookie"] == "a=1; b=2"
    )


def test_the_front_end_of_app_service_adds_its_headers(tmp_path: Path) -> None:
    inner = rule(
        "tls",
        "(.*)",
        'type="CustomResponse" statusCode="418"',
        'input="{HTTP_X_ARR_SSL}" pattern="^$"',
    )
    plain, azure = opened(tmp_path, inner), opened(tmp_path, inner, azure=True)
    found = decided(plain, azure, key("/", port="443"))
    assert next(iter(found.changes))[1] == "418.0 by rule 'tls'"


def decided_singly(old: Site, new: Site, counts: Counts) -> Section:
    """What is found where no request is taken for another."""
    judge = Judge(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Likeness, "of_query", lambda *_: None)
        patch.setattr(Likeness, "of_path", lambda *_: None)
        return judge.section(counts)


@pytest.mark.parametrize("seed", range(5))
def test_queries_that_no_condition_tells_apart(tmp_path: Path, seed: int) -> None:
    """Decided together or each on its own: the same is found."""
    draw = random.Random(seed)
    test = 'input="{QUERY_STRING}" pattern="id=1"'
    old = opened(
        tmp_path / "old",
        rule("a", "^a", 'type="Rewrite" url="/c.txt"', test)
        + rule("b", "^b", 'type="Redirect" url="/a"', 'input="{QUERY_STRING}" pattern="x"')
        + rule(
            "s",
            "^s",
            'type="CustomResponse" statusCode="410"',
            'input="{REQUEST_URI}" pattern="^/static/.*"',
        ),
    )
    new = opened(
        tmp_path / "new",
        rule(
            "a",
            "^a",
            'type="CustomResponse" statusCode="403"',
            test,
            'input="{HTTPS}" pattern="on"',
        )
        + rule("b", "^b", 'type="Redirect" url="/a"'),
    )
    keys = {
        key(
            f"/{draw.choice('abs')}{draw.randrange(3)}",
            draw.choice(("", f"id={n % 20}", "x", "y" * 1100)),
            port=draw.choice(("80", "443")),
        )
        for n in range(400)
    }
    counts = {one: [(draw.choice((200, 404)), draw.randrange(1, 9))] for one in sorted(keys)}
    assert inputs([old, new]).tests_tell
    assert Judge(old, new).section(counts) == decided_singly(old, new, counts)


@pytest.mark.parametrize(
    ("inner", "tells"),
    [
        (rule("a", "^x", REWRITE, 'input="{QUERY_STRING}" pattern="a=1"'), True),
        (rule("a", "^x", 'type="Rewrite" url="/{C:0}"', 'input="{QUERY_STRING}" pattern="a"'), False),
        (rule("a", "^x", REWRITE, 'input="{QUERY_STRING}&amp;" pattern="a=1"'), False),
        (rule("a", "^x", 'type="Rewrite" url="/x?a=1"', 'input="{QUERY_STRING}" pattern="a"'), False),
        (rule("a", "^x", 'type="Redirect" url="/{QUERY_STRING}"'), False),
    ],
)  # fmt: skip
def test_whether_tests_tell_queries_apart(tmp_path: Path, inner: str, tells: bool) -> None:
    assert inputs([opened(tmp_path, inner)]).tests_tell is tells


def test_urls_that_http_sys_refuses(tmp_path: Path) -> None:
    site = opened(tmp_path, "")
    found = decided(site, site, key("/%"), key("*"))
    assert found.flows == {("400", "400"): 2} and found.changed == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/a?token=abc&x=1", "/a?token=***&x=1"),
        ("/a?access_token=abc", "/a?access_token=***"),
        ("/a?user=fred&page=2", "/a?user=***&page=2"),
        ("/a?mail=fred.x@example.org", "/a?mail=***"),
        ("/fred%40example.org/x", "/***/x"),
        ("/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1", "/reset/***"),
        ("/x/0123456789abcdef0123456789abcdef", "/x/***"),
        ("/x?r=6f9619ff-8b86-d011-b42d-00cf4fc964ff", "/x?r=***"),
        ("/x?v=aB3dE5fG7hI9jK1lM3nO5pQ7", "/x?v=***"),
        ("/how-to-write-a-very-long-title-in-2026", "/how-to-write-a-very-long-title-in-2026"),
        ("/shop/spare_parts_and_other_things/12345", "/shop/spare_parts_and_other_things/12345"),
        ("/a?code=1&sig=%2Babc", "/a?code=***&sig=***"),
        ("/a?page=2: 301 -> /b?key=1", "/a?page=2: 301 -> /b?key=***"),
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_groups_and_examples_are_bounded() -> None:
    section = Section()
    for number in range(MAX_GROUPS + 10):
        for text in range(EXAMPLES + 2):
            section.put(section.changes, ("other", f"{number:05}", "x"), f"{text}", text + 1)
    found = totals([section]).changes
    assert len(found) == MAX_GROUPS + 1
    rest = found["other", "something else", "something else"]
    assert rest.count == 150 and list(rest.examples) == ["4", "3", "2"]
    assert totals([section, section]).changed == 0


def test_sections_survive_json() -> None:
    section = Section(
        requests=3,
        changed=2,
        ignored=1,
        needed={"b", "a"},
        flows={("a", "b"): 1},
        parity={"": [1, 0]},
    )
    section.put(section.changes, ("other", "a", "b"), "/x", 2)
    assert Section.of_json(section.as_json()) == section
