"""What users' tests get: expectations, coverage, the client, and the pytest plugin run on sample
projects.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from fcgiemu.app_service.easy_auth import parse as parse_auth
from fcgiemu.cli import main
from fcgiemu.site import Site
from fcgiemu.testing import Client
from fcgiemu.testing.coverage import Coverage
from fcgiemu.testing.expectations import BadExpectation, judge, parse, read

from ..sites import python_handler, web_config, write

CONFIG = web_config(
    python_handler("handler.fcgi")
    + """<rewrite><rules>
<rule name="Old page"><match url="^old/(\\d+)$" /><action type="Redirect" url="/new/{R:1}" redirectType="Permanent" /></rule>
<rule name="Gone"><match url="^gone$" /><conditions><add input="{QUERY_STRING}" pattern="^really$" /></conditions>
<action type="CustomResponse" statusCode="410" /></rule>
<rule name="Configure Python" stopProcessing="true"><match url="(.*)" /><conditions>
<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" /></conditions>
<action type="Rewrite" url="handler.fcgi/{R:1}" /></rule></rules></rewrite>""",
    {"WSGI_HANDLER": "app.application"},
)
APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("at " + environ["PATH_INFO"]).encode()]
"""
FILES: dict[str, str | bytes] = {"web.config": CONFIG, "static/site.css": "body {}", "app.py": APP}

GOOD = [
    "/old/7 -> 301 /new/7",
    "/old/7 -> redirect /new/7",
    "/old/7 -> 301",
    "/old/7 -> 301 http://localhost/new/7",
    '/old/7 -> location http://localhost/new/7 rule "Old page"',
    "/static/site.css -> static",
    "/STATIC/site.css -> static /static/site.css",
    "/static/site.css -> 200 file static/site.css",
    "/gone?really -> 410",
    "/gone?really -> 410.0",
    "/gone -> fastcgi",
    'GET /app/x -> fastcgi rule "Configure Python"',
    "/app/x?a=1 -> fastcgi /handler.fcgi/app/x?a=1",
    "/app/x -> path /handler.fcgi/app/x",
    '/app/x -> handler "Python"',
    "/web.config -> 404.8",
    "/web.config -> respond 404",
    "POST /app/x [X-A: b] [Content-Length: 0] -> fastcgi",
    "/static/site.css -> file /static/site.css",
    "https://www.example.org/old/7 -> 301 https://www.example.org/new/7",
    "/old/7 -> 301 /new/7 # for the reader",
]
BAD = [
    ("/old/7 -> 302", "expected status 302, got 301"),
    ("/old/7 -> /new/8", "expected target /new/8, got http://localhost/new/7"),
    ("/static/site.css -> fastcgi", "expected kind fastcgi, got static"),
    ("/gone -> 410", "expected status 410, got the application's own"),
    (
        '/x -> fastcgi rule "Old page"',
        "expected rule 'Old page' to apply, applied: 'Configure Python'",
    ),
    ("/x -> fastcgi /other", "expected target /other, got /handler.fcgi/x"),
    ("/x -> handler Other", "expected handler Other, got Python"),
]


@pytest.fixture
def client(make_site: Callable[..., Site]) -> Client:
    return Client(make_site(FILES))


@pytest.mark.parametrize("line", GOOD)
def test_expectations_that_hold(client: Client, line: str) -> None:
    assert [result.differences for result in judge(client.open, parse([line], "x"))] == [[]]


@pytest.mark.parametrize(("line", "words"), BAD)
def test_expectations_that_do_not_hold(client: Client, line: str, words: str) -> None:
    assert [result.differences for result in judge(client.open, parse([line], "x"))] == [[words]]
    with pytest.raises(AssertionError) as raised:
        client.expect(line)
    assert str(raised.value).startswith(words) and "=>" in str(raised.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/x", "write 'URL -> what comes of it'"),
        ("/x -> ", "write 'URL"),
        ("/x -> nonsense", "'nonsense' is not a status"),
        ("/x [no header] -> 200", "[no header] is not a header"),
        ('/x -> rule "open', "No closing quotation"),
        ("/x -> # only a comment", "nothing follows"),
        ("as *", "'*' is not the name of an account"),
        ("as CONTOSO\\ada; groups=A", "'groups=A' is not roles=A,B"),
        ("/x as ? -> 200", "'?' is not the name of an account"),
    ],
)
def test_lines_that_say_nothing(line: str, words: str) -> None:
    with pytest.raises(BadExpectation) as raised:
        list(parse(["", "# fine", line], "a.expect"))
    assert str(raised.value).startswith("a.expect:3: ") and words in str(raised.value)


CLOSED = web_config(
    python_handler() + '<security><authentication><anonymousAuthentication enabled="false" />'
    '<windowsAuthentication enabled="true" /></authentication><authorization><clear />'
    '<add accessType="Allow" roles="Admins" /></authorization></security>',
)
WHO = r"""
/x -> 401.2
as CONTOSO\ada; roles=Admins,Users   # from here on
/x -> fastcgi
/x [X-A: b] as CONTOSO\bob -> 401.2
POST /x as CONTOSO\bob; roles=Admins -> fastcgi
as
/x -> 401.2
/as -> 401.2
as X\eve
/x -> fastcgi
"""


def test_who_asks(make_site: Callable[..., Site]) -> None:
    client = Client(make_site({"web.config": CLOSED}))
    results = list(judge(client.open, parse(WHO.splitlines(), "x")))
    assert [bool(result.differences) for result in results] == [False] * 6 + [True]
    names = [result.expectation.name for result in results]
    assert names[1:4] == [
        "GET /x as CONTOSO\\ada",
        "GET /x as CONTOSO\\bob",
        "POST /x as CONTOSO\\bob",
    ]
    assert client.expect("/x as ada; roles=admins -> fastcgi").kind == "fastcgi"


def test_who_asks_in_json(make_site: Callable[..., Site], tmp_path: Path) -> None:
    entry = {"url": "/x", "as": "CONTOSO\\ada", "roles": ["Admins"], "expect": {"kind": "fastcgi"}}
    path = tmp_path / "who.json"
    path.write_text(json.dumps([entry]))
    client = Client(make_site({"web.config": CLOSED}))
    assert not next(judge(client.open, read(path))).differences
    for odd in ({"as": 7}, {"roles": "Admins"}, {"as": "*"}):
        path.write_text(json.dumps([{**entry, **odd}]))
        with pytest.raises(BadExpectation) as raised:
            read(path)
        assert "entry 1" in str(raised.value) or ":1: " in str(raised.value)


def test_who_asks_where_app_service_signs_in(make_site: Callable[..., Site]) -> None:
    files = {"web.config": web_config(python_handler())}
    client = Client(
        make_site(
            files, azure=True, easy_auth=parse_auth({"httpSettings": {"requireHttps": False}})
        )
    )
    client.expect("/x -> 401")
    answer = client.expect("/x as ada@example.com -> fastcgi")
    assert answer.environ["HTTP_X_MS_CLIENT_PRINCIPAL_NAME"] == "ada@example.com"


def test_csv_and_json(client: Client, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.csv": "old,new\n/old/1,/new/1\n/gone?really,410\n/old/2,/new/2,302\n\n",
            "a.json": json.dumps(
                [
                    {"url": "/x", "expect": {"kind": "fastcgi", "rules": ["Configure Python"]}},
                    {"url": "/web.config", "expect": {"status": 404, "substatus": 8}},
                    {"url": "/old/1", "expect": {"location": "/new/2"}},
                ]
            ),
        },
    )
    found = [
        result
        for name in ("a.csv", "a.json")
        for result in judge(client.open, read(tmp_path / name))
    ]
    assert [bool(result.differences) for result in found] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    for name, text, words in (
        ("b.csv", "/old\n", "b.csv:1: two cells"),
        ("b.json", "{}", "b.json:1: a JSON list"),
        ("c.json", '[{"url": "/"}]', "entry 1 needs"),
        ("d.json", '[{"url":"/","expect":{"x":1}}]', "'x' cannot"),
    ):
        write(tmp_path, {name: text})
        with pytest.raises(BadExpectation) as raised:
            read(tmp_path / name)
        assert words in str(raised.value)


def test_coverage(client: Client) -> None:
    covered = Coverage(client.site)
    assert [words for _, words in covered.untouched()] == [
        "rule 'Old page' never applies",
        "rule 'Gone' never applies",
        "condition {QUERY_STRING} of rule 'Gone' is never evaluated",
        "rule 'Configure Python' never applies",
        "condition {REQUEST_FILENAME} of rule 'Configure Python' is never evaluated",
        "handler 'Python' is never chosen",
    ]
    for url in ("/gone?really", "/x"):
        covered.add(client.get(url))
    assert [words for _, words in covered.untouched()] == [
        "rule 'Old page' never applies",
        "condition {QUERY_STRING} of rule 'Gone' is never false",
        "condition {REQUEST_FILENAME} of rule 'Configure Python' is never false",
    ]
    for url in ("/gone", "/old/1", "/static/site.css"):
        covered.add(client.get(url))
    assert list(covered.untouched()) == [] and covered.total() == 6


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["test", *arguments])
    return result.exit_code, result.output


def test_the_command(tmp_path: Path) -> None:
    write(
        tmp_path,
        {**FILES, "ok.expect": "/old/1 -> 301 /new/1\n", "tests/bad.expect": "/old/1 -> static\n"},
    )
    assert run("--site", str(tmp_path)) == (0, "1 of 1 as expected\n")
    code, text = run(str(tmp_path / "tests" / "bad.expect"), "--junit", str(tmp_path / "out.xml"))
    assert code == 1 and "bad.expect:1: GET /old/1: expected kind static, got redirect" in text
    assert "'old/1' matches" in text and "0 of 1 as expected" in text
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    code, text = run(str(tmp_path / "tests" / "bad.expect"), "--format", "github")
    assert text.startswith(
        f"::error file={tmp_path}/tests/bad.expect,line=1,title=GET /old/1::expected kind"
    )
    code, text = run("--site", str(tmp_path), "--coverage", "--format", "json")
    assert code == 0 and "rule 'Gone' never applies" in text and "coverage" in text


def test_a_first_file_holds_at_once(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert run("--site", str(tmp_path), "--init")[0] == 0
    text = (tmp_path / "site.expect").read_text()
    assert (
        '/old/1 -> 301 /new/1 rule "Old page"' in text
        and '/gone?really -> 410.0 rule "Gone"' in text
    )
    assert "/static/site.css -> static" in text
    assert run("--site", str(tmp_path))[0] == 0
    code, text = run("--site", str(tmp_path), "--init")
    assert code == 2 and "exists already" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--site", "{}/nowhere"], "There is no folder"),
        (["--site", "{}/empty"], "There is no *.expect"),
        (["/nowhere/x.expect"], "There is no file /nowhere/x.expect"),
        (["{0}/x.expect"], "There is no web.config in {0}, nor above it"),
        (["{0}/empty"], "{0}/empty is empty: there is nothing to expect of it"),
        (["{0}/bare"], "fcgiemu init {0}/bare"),
        (["{}/site/missing.expect"], "There is no file {}/site/missing.expect"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], words: str) -> None:
    write(
        tmp_path,
        {"empty/": "", "bare/index.html": "", "site/web.config": CONFIG, "x.expect": "/ -> 200"},
    )
    code, text = run(*(argument.format(tmp_path) for argument in arguments))
    assert code == 2 and words.format(tmp_path) in text


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    """Each difference names the status, the place and the cause."""
    text = "/a.css -> static\n/ -> 200\n/x -> /y\n"
    write(tmp_path, {"web.config": "<configuration>\n<x", "site.expect": text})
    code, said = run("--site", str(tmp_path))
    cause = "got 500.19 (web.config:2: Configuration file is not well-formed XML)"
    assert code == 1 and said.count(cause) == 3
    assert f"expected kind static, {cause}" in said


def test_an_answer(client: Client) -> None:
    answer = client.get("/old/7", {"X-A": "b"})
    assert (answer.kind, answer.status, answer.substatus, answer.location) == (
        "redirect",
        301,
        0,
        "http://localhost/new/7",
    )
    assert answer.rules == ["Old page"] and bool(answer) and "Old page" in answer.trace
    assert repr(answer) == "<Answer GET /old/7 -> redirect 301 http://localhost/new/7>"
    assert client.get("/x").environ["PATH_INFO"] == "/x" and client.get("/x").handler == "Python"
    assert not client.get("/web.config") and client.post("/x", body_length=3).kind == "fastcgi"
    assert (
        client.head("/static/site.css").file == "static/site.css"
        and client.get("/old/7").headers["Location"]
    )


PROJECT = """
import pytest, urllib.request

def test_in_process(iis_site):
    assert iis_site.get("/old/7").location == "http://localhost/new/7"
    iis_site.expect("/static/site.css -> static")

def test_that_fails(iis_site):
    assert iis_site.get("/old/7").status == 404

@pytest.mark.iis("other", strict_locks=True)
def test_another_site(iis_site):
    assert iis_site.get("/a.txt").status == 200
    assert iis_site.site.settings.strict_locks

@pytest.mark.parametrize("number", range(3))
def test_for_real(iis_server, number):
    assert iis_server.get(f"/x{number}").text == f"at /x{number}"
    with urllib.request.urlopen(iis_server.url + "/static/site.css") as answer:
        assert answer.read() == b"body {}"

def test_server_that_fails(iis_server):
    assert iis_server.get("/x").status == 500
"""


@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n", "2"]], ids=["alone", "xdist"])
def test_the_plugin_on_a_project(tmp_path: Path, options: list[str]) -> None:
    write(tmp_path, {f"site/{name}": content for name, content in FILES.items()})
    write(
        tmp_path,
        {
            "other/a.txt": "",
            "tests/test_site.py": PROJECT,
            "pytest.ini": "[pytest]\niis_site = site\n"
            "iis_options = --workers 1\naddopts = -p no:cacheprovider --strict-markers -W error\n",
        },
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "2 failed, 5 passed" in done.stdout, done.stdout + done.stderr
    assert "'old/7' matches" in done.stdout  # the trace behind the failed assertion
    assert "iis_site: GET /old/7 -> redirect 301" in done.stdout
    assert "log of iis_server" in done.stdout and "200 GET /x -> FastCGI Python" in done.stdout
