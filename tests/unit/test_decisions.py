"""What a connection remembers of its requests: the same decision while nothing has changed, another
one where something has.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fcgiemu.decision import CallFastCgi, Decision, Respond, ServeFile
from fcgiemu.hosting import Answers, SiteFiles
from fcgiemu.http.framing import RequestHead
from fcgiemu.http.request import make_request
from fcgiemu.http.url import UrlRefused
from fcgiemu.modules.fastcgi_variables import ParamsTemplate, encode_params
from fcgiemu.server.decision_cache import KEPT, LONGEST_HEAD, DecisionCache, decide
from fcgiemu.server.exchange import Exchange
from fcgiemu.server.fastcgi_pools import _params
from fcgiemu.server.protocol import ClientConnection
from fcgiemu.server.request_building import RequestHeads
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import python_handler, web_config, write

LONG_AGO = 1_000_000_000
RULES = """<rewrite><rules>
  <rule name="by header"><match url="^page$" /><conditions><add input="{HTTP_X_KIND}" pattern="^css$" /></conditions>
    <action type="Rewrite" url="site.css" /></rule>
  <rule name="by file"><match url="^kept$" />
    <conditions><add input="{REQUEST_FILENAME}.flag" matchType="IsFile" /></conditions>
    <action type="Rewrite" url="site.css" /></rule>
</rules></rewrite>
<handlers><clear /><add name="Static" path="*.css" verb="*" modules="StaticFileModule" resourceType="File" />""" + (
    python_handler().removeprefix("<handlers>")
)
MAPPED = """<rewrite><rules>
  <rule name="by map"><match url="^mapped$" />
    <conditions><add input="{Map:key}" pattern="(.+)" /></conditions>
    <action type="Rewrite" url="{C:1}" /></rule>
</rules><providers><provider name="Map" type="FileMapProvider, Microsoft.Web.Iis.Rewrite.Providers">
  <settings><add key="FilePath" value="{DOCUMENT_ROOT}\\map.txt" /><add key="Separator" value="=" /></settings>
</provider></providers></rewrite>
<handlers><clear /><add name="Static" path="*.css" verb="*" modules="StaticFileModule" resourceType="File" />""" + (
    python_handler().removeprefix("<handlers>")
)
SITE = {"web.config": web_config(RULES), "site.css": "one", "map.txt": "key=site.css\n"}
LONG = "x" * LONGEST_HEAD
PROTOCOL = cast(
    ClientConnection,
    SimpleNamespace(
        client=("127.0.0.1", 5),
        server=("127.0.0.1", 80),
        scheme="http",
        app=SimpleNamespace(request_heads=RequestHeads()),
    ),
)


def exchange(target: str, *headers: tuple[str, str], method: str = "GET") -> Exchange:
    fields = [
        (b"Host", b"localhost"),
        *((name.encode(), value.encode()) for name, value in headers),
    ]
    made = Exchange(PROTOCOL, RequestHead(method, target.encode(), fields, "1.1", True))
    made.has_body = any(name in ("Content-Length", "Transfer-Encoding") for name, _ in headers)
    return made


def aged(site: Path) -> None:
    """Make all files so old that their time stamps tell the next change."""
    for path in (*site.rglob("*"), site):
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    aged(write(tmp_path, SITE))
    return Site(tmp_path)


def asked(decisions: DecisionCache, site: Site, request: Exchange) -> Decision:
    """As a connection does it, for which the same bytes are the same request."""
    data = repr((request.method, request.target, request.headers)).encode()
    known = decisions.recall(data)
    request.kept = known[1] if known is not None else None
    decision = decide(site, request)
    decisions.keep(data, request)
    return decision


def shown(decision: Decision) -> str:
    action = decision.action
    if isinstance(action, ServeFile):
        return f"{Path(action.entry.path).name}, {action.entry.size} bytes"
    return "Python" if isinstance(action, CallFastCgi) else f"error {cast(Respond, action).status}"


@pytest.mark.parametrize("target", ["/site.css", "/other", "/page", "/kept", "/SITE.CSS?a=b"])
def test_the_same_request_is_decided_once(site: Site, target: str) -> None:
    decisions = DecisionCache()
    assert asked(decisions, site, exchange(target)) is asked(decisions, site, exchange(target))


CHANGES: list[tuple[str, Callable[[Path], Any], str, str]] = [
    (
        "/site.css",
        lambda root: (root / "site.css").write_text("longer"),
        "site.css, 3 bytes",
        "site.css, 6 bytes",
    ),
    (
        "/site.css",
        lambda root: os.utime(root / "site.css"),
        "site.css, 3 bytes",
        "site.css, 3 bytes",
    ),
    ("/site.css", lambda root: (root / "site.css").unlink(), "site.css, 3 bytes", "error 404"),
    (
        "/Site.css",
        lambda root: (root / "site.css").rename(root / "SITE.css"),
        "site.css, 3 bytes",
        "SITE.css, 3 bytes",
    ),
    (
        "/site.css",
        lambda root: ((root / "site.css").unlink(), (root / "site.css").mkdir()),
        "site.css, 3 bytes",
        "error 404",
    ),
    ("/kept", lambda root: (root / "kept.flag").write_text(""), "Python", "site.css, 3 bytes"),
]


@pytest.mark.parametrize(("target", "change", "before", "after"), CHANGES)
def test_a_changed_file_is_seen_by_the_next_request(
    site: Site, target: str, change: Callable[[Path], Any], before: str, after: str
) -> None:
    decisions = DecisionCache()
    first = asked(decisions, site, exchange(target))
    assert first is asked(decisions, site, exchange(target))
    change(site.path)
    second = asked(decisions, site, exchange(target))
    assert second is not first
    assert (shown(first), shown(second)) == (before, after)


def test_a_time_stamp_that_goes_back(site: Site) -> None:
    decisions = DecisionCache()
    first = asked(decisions, site, exchange("/kept"))
    (site.path / "kept.flag").write_text("")
    aged(site.path)
    asked(decisions, site, exchange("/KEPT"))
    assert asked(decisions, site, exchange("/kept")) is first  # nobody can see it
    os.utime(site.path, (LONG_AGO + 1, LONG_AGO + 1))
    assert (
        shown(asked(decisions, site, exchange("/none.css"))) == "error 404"
    )  # for which the folder is listed anew
    aged(site.path)
    assert shown(asked(decisions, site, exchange("/kept"))) == "site.css, 3 bytes"


def test_a_root_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """A folder that is renamed keeps its time stamp."""
    rule = (
        '<rewrite><rules><rule name="r"><match url=".*" /><conditions><add input="{DOCUMENT_ROOT}" matchType="IsDirectory" '
        'negate="true" /></conditions><action type="Rewrite" url="gone.css" /></rule></rules></rewrite>'
    )
    root = write(tmp_path / "site", {"web.config": web_config(rule + python_handler()), "a": ""})
    aged(root)
    site = Site(root)
    decisions = DecisionCache()
    assert asked(decisions, site, exchange("/x")).path == "/x"
    root.rename(tmp_path / "away")
    assert asked(decisions, site, exchange("/x")).path == "/gone.css"
    (tmp_path / "away").rename(root)
    assert asked(decisions, site, exchange("/x")).path == "/x"


def test_files_that_have_just_changed_are_asked_about_again(site: Site) -> None:
    """Their time stamp may not tell the next change."""
    (site.path / "site.css").write_text("two")
    decisions = DecisionCache()
    assert asked(decisions, site, exchange("/site.css")) is not asked(
        decisions, site, exchange("/site.css")
    )


def test_new_configuration_makes_new_decisions(site: Site) -> None:
    decisions = DecisionCache()
    assert shown(asked(decisions, site, exchange("/site.css"))) == "site.css, 3 bytes"
    (site.path / "web.config").write_text(web_config(python_handler()))
    site.tree.invalidate()
    assert shown(asked(decisions, site, exchange("/site.css"))) == "Python"


@pytest.mark.parametrize(
    "headers", [(("Content-Length", "3"),), (("Transfer-Encoding", "chunked"),)]
)
def test_requests_with_a_body_are_not_remembered(
    site: Site, headers: tuple[tuple[str, str], ...]
) -> None:
    decisions = DecisionCache()
    first = exchange("/other", *headers, method="POST")
    assert asked(decisions, site, first) is not asked(
        decisions, site, exchange("/other", *headers, method="POST")
    )
    assert first.has_body


def test_what_a_provider_reads_is_read_each_time(site: Site) -> None:
    """A file may change behind its time stamp, and a Python function says what it likes."""
    write(site.path, {"web.config": web_config(MAPPED)})
    answers = iter(["site.css", "else"])
    for settings in (Settings(), Settings(providers={"Map": lambda key: next(answers)})):
        served = Site(site.path, settings)
        decisions = DecisionCache()
        write(site.path, {"map.txt": "key=site.css\n"})
        aged(site.path)
        first = shown(asked(decisions, served, exchange("/mapped")))
        write(site.path, {"map.txt": "key=not.none\n"})
        aged(site.path)
        assert (first, shown(asked(decisions, served, exchange("/mapped")))) == (
            "site.css, 3 bytes",
            "Python",
        )


def test_long_heads_are_not_remembered_and_idle_connections_forget(site: Site) -> None:
    decisions = DecisionCache()
    asked(decisions, site, exchange("/other", ("X-Long", LONG)))
    assert not decisions._kept
    asked(decisions, site, exchange("/other"))
    decisions.forget()
    assert not decisions._kept


def test_the_latest_are_remembered(site: Site) -> None:
    decisions = DecisionCache()
    for number in range(3 * KEPT):
        asked(decisions, site, exchange(f"/{number}"))
    assert [kept.head.target for kept in decisions._kept.values()] == [
        f"/{number}".encode() for number in range(2 * KEPT, 3 * KEPT)
    ]


# -- the same path with other queries --------------------------------------------------------------

FILTERED = """<security><requestFiltering><requestLimits maxQueryString="20" />
  <denyQueryStringSequences><add sequence=".." /></denyQueryStringSequences></requestFiltering></security>
"""
BY_QUERY = """<rewrite><rules><rule name="q"><match url=".*" />
  <conditions><add input="{QUERY_STRING}" pattern="^go=(.+)" /></conditions>
  <action type="Rewrite" url="/to/{C:1}" appendQueryString="false" /></rule></rules></rewrite>"""
REDIRECTED = '<httpRedirect enabled="true" destination="http://else" childOnly="true" />'
BELOW = f"<location path='a'><system.webServer>{BY_QUERY}</system.webServer></location>"
SITES = {
    "plain": (web_config(python_handler()), True),
    "filtered": (web_config(FILTERED + python_handler()), True),
    "rules": (web_config(BY_QUERY + python_handler()), False),
    "redirected": (web_config(REDIRECTED + python_handler()), False),
    "rules below": (
        web_config(python_handler()).replace("</configuration>", f"{BELOW}</configuration>"),
        False,
    ),
    "a handler below": (
        web_config(python_handler()).replace(
            "</configuration>",
            "<location path='a'><system.webServer><handlers><clear /></handlers></system.webServer>"
            "</location></configuration>",
        ),
        None,
    ),
    "another handler": (
        web_config(
            python_handler().replace(
                "<handlers>",
                '<handlers><add name="css" path="*.css" verb="GET" modules="StaticFileModule" />',
            )
        ),
        True,
    ),
    "path info": (web_config(python_handler().replace('path="*"', 'path="b.py"')), None),
    "files only": (
        web_config(python_handler().replace("Unspecified", "File")),
        None,
    ),
}
QUERIES = [
    "?a=1",
    "?",
    "?a=1?b=/x",
    "?go=b",
    "?" + "a" * 21,
    "?..",
    "?%2e",
    "?ä=%c3%a4",
    "",
    "?a=1",
]


def head(target: str, *headers: tuple[str, str]) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", *map(": ".join, headers)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def over_a_connection(
    decisions: DecisionCache, site: Site, target: str, *headers: tuple[str, str]
) -> tuple[Decision, bytes | None]:
    """The decision, and what the process would be asked with."""
    data = head(target, *headers)
    known = decisions.recall(data)
    request = exchange(target, *headers)
    kept = request.kept = known[1] if known is not None else None
    decision = decide(site, request)
    params = None
    if isinstance(decision.action, CallFastCgi):
        params = _params(request, decision, decision.action)
    if request.kept is not kept:
        decisions.keep(data, request)
    return decision, params


@pytest.mark.parametrize(("text", "same"), SITES.values(), ids=SITES)
@pytest.mark.parametrize("path", ["/a", "/a/b.py", "/%C3%A4", "/a//b/../c"])
def test_another_query_is_decided_as_if_nothing_were_known(
    tmp_path: Path, text: str, same: bool | None, path: str
) -> None:
    aged(write(tmp_path, {"web.config": text, "a": ""}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    for query in QUERIES:
        made, params = over_a_connection(decisions, site, path + query, ("X-A", "1"))
        plain, expected = over_a_connection(DecisionCache(), site, path + query, ("X-A", "1"))
        for name in Decision.__slots__:
            if name == "action" and isinstance(made.action, Respond):
                assert made.action.message == cast(Respond, plain.action).message
            else:
                assert getattr(made, name) == getattr(plain, name), (query, name)
        assert params == expected
    if same is not None and path == "/a":
        assert bool(decisions._of_any_query) is same


PATHS = ["/a", "/b", "/b?q", "/a/b.py", "/a/b.py/c", "/x.css", "/X.CSS?a", "/bin/x", "/web.config"]
PATHS += [
    "/a%20b",
    "/a+b",
    "/%25",
    "/..",
    "/a/../../b",
    "/%zz",
    "/sub/x",
    "/sub",
    "/a/",
    "/b",
    "//a",
]
PATHS += ["/" + "s/" * 400, "/" + "x" * 270, "/" + "y" * 4000, "/a?b", "/con", "/a."]


@pytest.mark.parametrize(("text", "same"), SITES.values(), ids=SITES)
@pytest.mark.parametrize("first", ["/first", "/a", "/x.css"])
def test_another_path_is_decided_as_if_nothing_were_known(
    tmp_path: Path, text: str, same: bool | None, first: str
) -> None:
    below = {"sub/web.config": web_config(BY_QUERY), "sub/A": "", "x.css": "x", "Bin/x": ""}
    aged(write(tmp_path, {"web.config": text, **below}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    for target in [first, *PATHS, *PATHS]:
        made, plain = [outcome(known, site, target) for known in (decisions, DecisionCache())]
        assert made == plain, target


def outcome(decisions: DecisionCache, site: Site, target: str) -> object:
    """All that a decision says, or the refusal."""
    try:
        decision, params = over_a_connection(decisions, site, target, ("X-A", "1"))
    except UrlRefused as error:
        return error.status, error.heading
    said = {name: getattr(decision, name) for name in Decision.__slots__}
    if isinstance(decision.action, Respond):
        said["action"] = decision.action.status, decision.action.substatus, decision.action.message
    return said, params


def test_another_query_of_a_default_document(tmp_path: Path) -> None:
    document = (
        '<defaultDocument><files><clear /><add value="index.py" /></files></defaultDocument>'
        '<handlers><add name="Document" path="/" verb="*" modules="DefaultDocumentModule" '
        'resourceType="Either" />'
    )
    inner = document + python_handler("*.py").removeprefix("<handlers>")
    aged(write(tmp_path, {"web.config": web_config(inner), "index.py": "", "a.py": ""}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    for target in ["/?a", "/?b", "/a.py?a", "/?b", "/?c", "/index.py?c"]:
        made, plain = [outcome(known, site, target) for known in (decisions, DecisionCache())]
        assert made == plain, target


def test_paths_that_come_again_are_remembered_each(tmp_path: Path) -> None:
    aged(write(tmp_path, {"web.config": web_config(python_handler())}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    for target in ("/a", "/b", "/c?d", "/c?e"):
        over_a_connection(decisions, site, target)
    for target in ("/a", "/b", "/c?d", "/c?e"):
        known = decisions.recall(head(target))
        assert known is not None and known[1] is not None
        assert known[1] is decisions.recall(head(target))[1]  # type: ignore[index]


def test_a_query_that_is_too_long_for_the_template(tmp_path: Path) -> None:
    filtering = "<security><requestFiltering><requestLimits maxQueryString='99999' maxUrl='99999' /></requestFiltering></security>"
    write(tmp_path, {"web.config": web_config(filtering + python_handler())})
    decision = Site(tmp_path).decide(make_request("/a?" + "x" * 15_000))
    assert isinstance(decision.action, CallFastCgi)
    template = ParamsTemplate.of(decision, decision.action)
    assert template.encode(decision, decision.action) == encode_params(decision, decision.action)


def test_new_configuration_is_seen_by_another_query(tmp_path: Path) -> None:
    aged(write(tmp_path, {"web.config": web_config(python_handler())}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    assert over_a_connection(decisions, site, "/a?go=b")[0].path == "/a"
    write(tmp_path, {"web.config": web_config(BY_QUERY + python_handler())})
    site.tree.invalidate()
    assert over_a_connection(decisions, site, "/a?go=c")[0].path == "/to/c"
    assert over_a_connection(decisions, site, "/a?go=d")[0].path == "/to/d"


def test_other_headers_are_another_request(tmp_path: Path) -> None:
    aged(write(tmp_path, {"web.config": web_config(python_handler())}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    for number in range(3):
        target, header = f"/a?n={number}", ("X-Number", str(number))
        decision, params = over_a_connection(decisions, site, target, header)
        assert decision.request.fields["x-number"] == str(number)
        assert params is not None and f"HTTP_X_NUMBER{number}".encode() in params


def test_few_paths_are_remembered_for_any_query(tmp_path: Path) -> None:
    aged(write(tmp_path, {"web.config": web_config(python_handler())}))
    site = Site(tmp_path)
    decisions = DecisionCache()
    for number in range(3 * KEPT):
        over_a_connection(decisions, site, f"/{number}?a")
    assert len(decisions._of_any_query) == KEPT
    decisions.forget()
    assert not decisions._of_any_query


PAGE = (Path(__file__).parents[2] / "samples" / "azure-page-2015" / "web.config").read_text()


@pytest.mark.parametrize(
    ("target", "expected", "asks"),
    [
        ("/a/b", "Python", False),
        ("/", "Python", False),
        ("/README", "Python", False),
        ("/a.py/", "Python", False),
        ("/none.css", "Python", True),
        ("/folder.css", "Python", True),
        ("/folder.css/", "Python", True),
        ("/site.css", "site.css, 3 bytes", True),
        ("/SITE.CSS", "site.css, 3 bytes", True),
    ],
)
def test_the_page_rule_asks_for_files_that_have_a_mime_type(
    tmp_path: Path, target: str, expected: str, asks: bool
) -> None:
    files = {"web.config": PAGE, "site.css": "one", "README": "", "a.py": "", "folder.css/": ""}
    site = Site(write(tmp_path, files))
    answers: Answers = {}
    decision = site.decide(make_request(target), files=SiteFiles(site, answers))
    assert (shown(decision), bool(answers)) == (expected, asks)
