"""``explain``: its JSON, its batches, its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fcgiemu
from fcgiemu.cli import main
from fcgiemu.http.request import make_request
from fcgiemu.http.url import UrlRefused
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import POSIX_ONLY, rules, write, wsgi_site

RULE = '<rule name="R"><match url="^old/(.*)$" /><action type="Rewrite" url="new/{R:1}" /></rule>'


def run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {"web.config": rules(RULE), "new/a.css": "", "broken/web.config": "<configuration>"},
    )


def test_the_keys_of_an_answer(folder: Path) -> None:
    answer = json.loads(
        run("explain", folder, "https://www.example.org/old/a.css?x=1", "--json").output
    )
    outcome = answer["outcome"]
    assert answer["request"] == {"method": "GET", "url": "https://www.example.org/old/a.css?x=1"}
    assert (outcome["kind"], outcome["status"], outcome["file"]) == ("static", 200, "new/a.css")
    assert (outcome["path"], outcome["query"], outcome["handler"], outcome["module"]) == (
        "/new/a.css",
        "x=1",
        "StaticFile",
        "StaticFileModule",
    )
    assert answer["rules"] == ["R"] and answer["findings"] == []
    names = [event["name"] for event in answer["events"]]
    assert names[names.index("HANDLER_CHANGED") + 1 :][:3] == [
        "URL_REWRITE_START",
        "RULE_EVALUATION_START",
        "PATTERN_MATCH",
    ]
    assert "events" not in json.loads(run("explain", folder, "/", "--json", "--no-events").output)


def test_fastcgi_shows_what_the_application_would_see(tmp_path: Path) -> None:
    write(tmp_path, {"web.config": wsgi_site(SCRIPT_NAME="/app")})
    environ = fcgiemu.Site(tmp_path).explain("http://h:8080/app/x%20y?q=1", "POST", body_length=3)[
        "outcome"
    ]["environ"]
    assert {
        name: environ[name]
        for name in (
            "SCRIPT_NAME",
            "PATH_INFO",
            "QUERY_STRING",
            "REQUEST_METHOD",
            "REQUEST_URI",
            "SERVER_NAME",
            "SERVER_PORT",
            "HTTPS",
            "CONTENT_LENGTH",
            "wsgi.url_scheme",
        )
    } == {
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/x y",
        "QUERY_STRING": "q=1",
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/app/x%20y?q=1",
        "SERVER_NAME": "h",
        "SERVER_PORT": "8080",
        "HTTPS": "off",
        "CONTENT_LENGTH": "3",
        "wsgi.url_scheme": "http",
    }


def test_a_batch_answers_in_order_and_may_name_other_sites(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {"web.config": wsgi_site()})
    lines = [
        {"id": 1, "url": "/old/a.css"},
        {"id": "two", "url": "/x", "site": str(other)},
        {"url": "/..", "method": "HEAD"},
        {
            "url": "/old/b",
            "headers": {"Host": "h"},
            "response": {"status": 201, "headers": {}, "body": "made"},
        },
    ]
    output = run(
        "explain", folder, "--batch", "-", "--json", stdin="\n".join(map(json.dumps, lines))
    ).output.splitlines()
    answers = [json.loads(line) for line in output]
    assert [answer.get("id") for answer in answers] == [1, "two", None, None]
    assert [answer["outcome"]["kind"] for answer in answers] == [
        "static",
        "fastcgi",
        "respond",
        "respond",
    ]
    assert answers[3]["response"]["status"] == 201 and answers[3]["response"]["body"] == "made"


@pytest.mark.parametrize(
    ("words", "stdin", "status", "text"),
    [
        (("/",), None, 0, "403.14"),
        (("/", "--fail-on-error"), None, 0, ""),
        (("/broken/x", "--fail-on-error"), None, 1, "500.19"),
        (("/broken/x",), None, 0, "not well-formed"),
        ((), None, 2, "is the folder of a site, and could be a URL"),
        (("/", "-H", "nonsense"), None, 2, "Name: value"),
        (("--batch", "-"), '{"url": "/"}\nnot json\n', 2, "batch line 2"),
        (("--batch", "-"), '{"no": "url"}', 2, "batch line 1"),
        (
            ("--batch", "-"),
            '{"url": "/", "site": "/not/there"}',
            2,
            "batch line 1: There is no folder",
        ),
        (("/", "--map", "x"), None, 2, "is not WINDOWS=LOCAL"),
        (("/", "--host-config", "absent"), None, 2, "Cannot read"),
    ],
)
def test_exit_status(
    folder: Path, words: tuple[str, ...], stdin: str | None, status: int, text: str
) -> None:
    result = run("explain", folder, *words, stdin=stdin)
    assert result.exit_code == status, result.output
    assert text in result.output


def test_no_such_site() -> None:
    result = run("explain", "/not/there", "/")
    assert result.exit_code == 2 and "There is no folder" in result.output


@POSIX_ONLY
def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        result = run("serve", tmp_path, "--port", sock.getsockname()[1])
    assert result.exit_code == 2 and "is in use. Choose another one" in result.output


@pytest.mark.parametrize(
    ("rule", "strict", "kind", "findings"),
    [
        (
            '<rule name="S" stopProcessing="true"><conditions><add input="true" pattern="false" /></conditions></rule>',
            False,
            "static",
            1,
        ),
        (
            '<rule name="S" stopProcessing="true"><conditions><add input="true" pattern="false" /></conditions></rule>',
            True,
            "fastcgi",
            1,
        ),
        (
            '<rule name="S" stopProcessing="true"><conditions><add input="true" pattern="true" /></conditions></rule>',
            False,
            "static",
            0,
        ),
        (
            '<rule name="S" stopProcessing="true"><match url="^/x/.*" /><action type="Rewrite" url="^/static/.*" /></rule>',
            False,
            "fastcgi",
            1,
        ),
    ],
)
def test_the_azure_pages_rules(
    rule: str, strict: bool, kind: str, findings: int, tmp_path: Path
) -> None:
    catch_all = '<rule name="P"><match url="(.*)" /><action type="Rewrite" url="handler.fcgi/{R:1}" /></rule>'
    config = wsgi_site(
        path="handler.fcgi", inner=f"<rewrite><rules>{rule}{catch_all}</rules></rewrite>"
    )
    write(tmp_path, {"web.config": config, "static/a.css": "", "x/a.css": ""})
    site = Site(tmp_path, Settings(strict=strict))
    answer = site.explain("/static/a.css")
    assert answer["outcome"]["kind"] == kind
    assert (
        len(
            [
                finding
                for finding in answer["findings"]
                if finding["code"] == "azure-page-static-rule"
            ]
        )
        == findings
    )
    if "x/" in rule:
        assert site.explain("/x/a.css")["outcome"]["file"] == "static/a.css"


WORDS = st.sampled_from(
    [
        "^a",
        "(.*)",
        "{R:1}",
        "{C:1}",
        "{R:9}",
        "{URL}",
        "{",
        "b/",
        "/",
        "*",
        "..",
        "http://h/",
        "?x=1",
        "{ToLower:",
        "}",
        "[",
        "(?:x|y)+",
        "%",
        "é",
        "{M:a}",
    ]
)
TEXTS = st.lists(WORDS, max_size=4).map("".join)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    parts = []
    for number in range(draw(st.integers(0, 4))):
        parts.append(
            f'<rule name="{draw(st.sampled_from("ABC"))}{number}" stopProcessing="{draw(st.sampled_from(["true", "false"]))}" '
            f'patternSyntax="{draw(st.sampled_from(["ECMAScript", "Wildcard", "ExactMatch"]))}"><match url="{draw(TEXTS) or "x"}" '
            f'negate="{draw(st.sampled_from(["true", "false"]))}" /><conditions><add input="{draw(TEXTS)}" pattern="{draw(TEXTS)}" />'
            f'</conditions><action type="{draw(st.sampled_from(["None", "Rewrite", "Redirect", "AbortRequest"]))}" '
            f'url="{draw(TEXTS)}" /></rule>'
        )
    return rules("".join(parts))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configurations(), st.text(max_size=20).map(lambda text: "/" + text))
def test_no_configuration_and_no_url_breaks_decide(tmp_path: Path, config: str, url: str) -> None:
    (tmp_path / "web.config").write_text(config, "utf-8")
    site = Site(tmp_path)
    try:
        request = make_request(url)
    except UrlRefused:
        return
    first, second = site.decide(request), site.decide(request)
    assert (first.action, first.path, first.query, first.rules) == (
        second.action,
        second.path,
        second.query,
        second.rules,
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab/.%20", max_size=12).map(lambda text: "/" + text))
def test_no_rules_are_as_good_as_empty_ones(tmp_path: Path, url: str) -> None:
    without = write(tmp_path / "a", {"a/b.css": "", "b/index.html": ""})
    empty = write(
        tmp_path / "b",
        {
            "a/b.css": "",
            "b/index.html": "",
            "web.config": "<configuration><system.webServer><rewrite /></system.webServer></configuration>",
        },
    )
    outcomes = [Site(folder).explain(url)["outcome"] for folder in (without, empty)]
    for outcome in outcomes:
        outcome.pop("hints", None)  # a folder without web.config is told to get one
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("before_cache, substatus", [("", 52), (' rewriteBeforeCache="true"', 53)])
@pytest.mark.parametrize("url", ["/a.css", "/nothing.css"])
def test_outbound_rules_that_are_not_valid_replace_every_response(
    tmp_path: Path, before_cache: str, substatus: int, url: str
) -> None:
    outbound = (
        f"<rewrite><outboundRules{before_cache}><preConditions/><preConditions/></outboundRules>"
        "</rewrite>"
    )
    site = write(
        tmp_path,
        {
            "web.config": "<configuration><system.webServer>"
            f"{outbound}</system.webServer></configuration>",
            "a.css": "",
        },
    )
    outcome = json.loads(run("explain", site, url, "--json").output)["outcome"]
    assert (outcome["kind"], outcome["status"], outcome["substatus"], outcome["module"]) == (
        "respond",
        500,
        substatus,
        "RewriteModule",
    )
