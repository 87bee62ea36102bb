"""A trace compared with a site: no difference in what this site would have written, the first
planted difference otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.freb import reader, recording, translate, writer
from fcgiemu.freb.model import FrebTrace
from fcgiemu.http.request import make_request
from fcgiemu.modules import failed_requests_tracing as tracing
from fcgiemu.parity import findings, trace_replay
from fcgiemu.report import traced_exchanges
from fcgiemu.site import Site
from fcgiemu.testing.client import Client
from fcgiemu.testing.expectations import judge, parse
from fcgiemu.trace import Trace

from .. import traces
from ..schemas import hold
from ..sites import python_handler, rules, web_config

MakeSite = Callable[..., Site]
OCCASION = recording.Occasion(
    activity="{00000000-0000-0000-0000-000000000001}",
    began=1_700_000_000.25,
    ended=1_700_000_000.5,
    process=7,
    thread=8,
    computer="HOST",
)


def written(site: Site, url: str, method: str = "GET", **headers: str) -> bytes:
    """The file that a server of this site would write."""
    trace = Trace()
    pairs = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_request(url, method, pairs, remote_addr="203.0.113.9")
    decision = site.decide(request, trace)
    answered = traced_exchanges.answered(site, decision, None)
    exchange = traced_exchanges.exchange(site, decision, trace.events, answered)
    steps = translate.translate(exchange)
    return writer.write(recording.record(exchange, steps, OCCASION, recording.EventFilter()))


def compare(data: bytes, site: Site) -> trace_replay.TraceComparison:
    return trace_replay.compare(reader.parse(data, "fr000001.xml"), site)


RULES = (
    '<rule name="old"><match url="^old/(.*)"/>\n'
    '<conditions><add input="{HTTP_USER_AGENT}" pattern="Probe"/></conditions>\n'
    '<action type="Rewrite" url="/new/{R:1}"/></rule>\n'
    '<rule name="go" stopProcessing="true"><match url="^go/(.*)"/>\n'
    '<action type="Redirect" url="/there/{R:1}"/></rule>\n'
    '<rule name="no" stopProcessing="true"><match url="^no"/>\n'
    '<action type="CustomResponse" statusCode="410"/></rule>\n'
    '<rule name="drop"><match url="^drop"/><action type="AbortRequest"/></rule>'
)
FILES: dict[str, str | bytes] = {
    "web.config": rules(RULES),
    "index.html": "hello",
    "new/a.txt": "a",
    "x.unknown": "",
    "folder/": "",
}


@pytest.mark.parametrize(
    ("url", "method"),
    [
        ("http://h/", "GET"),
        ("http://h/index.html?a=b%20c", "GET"),
        ("http://h/index.html", "HEAD"),
        ("http://h/index.html", "POST"),
        ("http://h/missing", "GET"),
        ("https://h:8443/old/a.txt", "GET"),
        ("http://h/go/x", "GET"),
        ("http://h/no", "GET"),
        ("http://h/drop", "GET"),
        ("http://h/web.config", "GET"),
        ("http://h/x.unknown", "GET"),
        ("http://h/folder", "GET"),
        ("http://h/folder/", "GET"),
        ("http://h/a%20b%C3%A9%25", "GET"),
    ],
)
@pytest.mark.parametrize("profile", ["iis-express-10", "iis10-default"])
def test_own_traces_show_no_difference(
    make_site: MakeSite, url: str, method: str, profile: str
) -> None:
    site = make_site(FILES, profile=profile)
    data = written(site, url, method, user_agent="Probe/1")
    assert writer.write(reader.parse(data, "x")) == data
    found = compare(data, site)
    assert (found.difference, found.not_compared) == (None, [])
    assert found.compared > 2


def test_conditional_requests(make_site: MakeSite) -> None:
    site = make_site(FILES)
    found = compare(written(site, "/index.html", if_none_match="*"), site)
    assert found.difference is None
    assert found.not_compared == ["conditional headers were left out: files have other times"]


def test_applications(make_site: MakeSite) -> None:
    site = make_site({"web.config": web_config(python_handler())})
    found = compare(written(site, "/x"), site)
    assert found.difference is None
    assert found.not_compared == [
        "what FastCgiModule answers is not known here: only rewriting is compared"
    ]


def test_a_changed_pattern(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(FILES)
    data = written(site, "/go/x")
    text = (tmp_path / "web.config").read_text()
    (tmp_path / "web.config").write_text(text.replace("^go/(.*)", "^gone/(.*)"))
    found = compare(data, Site(tmp_path))
    difference = found.difference
    assert difference is not None
    assert (difference.server, difference.here) == ("PATTERN_MATCH", "PATTERN_MATCH")
    assert ("Pattern", "^go/(.*)", "^gone/(.*)") in difference.rows
    assert ("Matched", "true", "false") in difference.rows
    assert difference.place == "web.config:4"
    assert difference.line.startswith('<rule name="go"')
    shown = trace_replay.text(found)
    assert "! Pattern  ^go/(.*)" in shown and "web.config:4: <rule" in shown


def test_an_application_with_a_rule_that_is_not_here(make_site: MakeSite, tmp_path: Path) -> None:
    rule = '<rewrite><rules><rule name="r"><match url="x"/><action type="None"/></rule></rules></rewrite>'
    site = make_site({"web.config": web_config(python_handler() + rule)})
    data = written(site, "/x")
    (tmp_path / "web.config").write_text(web_config(python_handler()))
    difference = compare(data, Site(tmp_path)).difference
    assert difference is not None
    assert (difference.server, difference.here) == ("URL_REWRITE_START", "nothing")


def test_an_error_page_that_an_application_makes(make_site: MakeSite) -> None:
    errors = (
        '<httpErrors errorMode="Custom"><remove statusCode="404"/>'
        '<error statusCode="404" path="/e.py" responseMode="ExecuteURL"/></httpErrors>'
    )
    site = make_site({"web.config": web_config(python_handler("*.py") + errors)})
    assert site.explain("/x")["trace"][-1]["name"] == "NOTIFY_MODULE_END"
    assert compare(written(site, "/x"), site).difference is None


def test_a_rule_that_is_not_here(make_site: MakeSite, tmp_path: Path) -> None:
    data = written(make_site(FILES), "/index.html")
    (tmp_path / "web.config").write_text(rules(""))
    difference = compare(data, Site(tmp_path)).difference
    assert difference is not None
    assert (difference.server, difference.here) == ("URL_REWRITE_START", "FILE_CACHE_ACCESS")


def test_other_handler_status_and_headers(make_site: MakeSite, tmp_path: Path) -> None:
    data = written(make_site({"a.css": ""}), "/a.css")
    (tmp_path / "a.css").unlink()
    difference = compare(data, Site(tmp_path)).difference
    assert difference is not None and difference.server == "FILE_CACHE_ACCESS"
    assert ("Successful", "true", "false") in difference.rows
    (tmp_path / "a.css").write_text("")
    header = (
        '<httpProtocol><customHeaders><add name="X-A" value="1"/></customHeaders></httpProtocol>'
    )
    (tmp_path / "web.config").write_text(web_config(header))
    difference = compare(data, Site(tmp_path)).difference
    assert difference is not None
    assert difference.rows == (("x-a", "", "1"),)
    assert (difference.place, '<add name="X-A"' in difference.line) == ("web.config:1", True)
    (tmp_path / "web.config").write_text(web_config(python_handler()))
    difference = compare(data, Site(tmp_path)).difference
    assert difference is not None and difference.server == "HANDLER_CHANGED"
    assert difference.place.startswith("web.config:1")


def test_a_made_up_trace(make_site: MakeSite) -> None:
    config = rules(
        '<rule name="to https" patternSyntax="Wildcard" stopProcessing="true"><match url="*"/>'
        '<conditions><add input="{HTTPS}" pattern="OFF"/></conditions>'
        '<action type="Redirect" url="https://{HTTP_HOST}/{R:0}"/></rule>'
    )
    found = trace_replay.compare(traces.missing(), make_site({"web.config": config}))
    difference = found.difference
    # the trace has a second condition
    assert difference is not None
    assert (difference.server, difference.here) == (
        "CONDITION_EVALUATION",
        "CONDITIONS_EVALUATION_END",
    )


def test_global_rules_of_the_server(make_site: MakeSite) -> None:
    whole = traces.missing()
    start = [
        traces.at("URL_REWRITE_START", "/tulips.html", "0", "0"),
        traces.at("RULE_EVALUATION_START", "acme", "tulips.html", "", "0", "true", "/"),
        traces.at("RULE_EVALUATION_END", "acme", "tulips.html", "", "true", "false"),
        traces.at("URL_REWRITE_END", ""),
    ]
    events = (*whole.events[:2], *start, *whole.events[2:])
    plain = tuple(event for event in events if event.area != "Rewrite" or event in start)
    found = trace_replay.compare(replace(whole, events=plain), make_site({}))
    assert found.difference is None
    assert "global rules of the server" in found.not_compared[0]


def test_truncated_and_late_traces(make_site: MakeSite) -> None:
    site = make_site(FILES)
    trace = reader.parse(written(site, "/index.html"), "x")
    cut = replace(trace, events=trace.events[:40])
    assert trace_replay.compare(reader.parse(writer.write(cut), "x"), site).difference is None
    begin = next(
        number
        for number, event in enumerate(trace.events)
        if event["ModuleName"] == "FailedRequestsTracingModule" and event["Notification"] == "1"
    )
    late = replace(trace, events=trace.events[begin + 1 :])
    found = trace_replay.compare(reader.parse(writer.write(late), "x"), site)
    assert found.difference is None
    assert "begins late" in found.not_compared[0]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h:80/a b%#c?q=1", "http://h:80/a%20b%25%23c?q=1"),
        ("https://[::1]:444/x[1]", "https://[::1]:444/x%5B1%5D"),
        ("HTTP://h", "http://h/"),
        ("http://h/?a?b", "http://h/?a?b"),
    ],
)
def test_urls_of_traces(url: str, asked: str) -> None:
    assert trace_replay.request_of(traces.of([], url=url)).url == asked


@pytest.mark.parametrize("url", ["", "/x", "http://[", "ftp://h/", "nonsense"])
def test_traces_without_a_url(tmp_path: Path, url: str) -> None:
    file = _save(tmp_path, writer.write(traces.of(traces.start(), url=url)))
    for option in (("--site", str(tmp_path)), ("--expect", str(tmp_path / "x.expect"))):
        run = CliRunner().invoke(main, ["freb", str(file), *option])
        assert run.exit_code == 2
        assert "names no URL that could be asked" in run.output


# -- expectations and cases ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://h/go/x", "GET http://h/go/x -> 301 http://h/there/x rule go"),
        ("http://h/index.html", "GET http://h/index.html -> static"),
        ("https://h/no", "GET https://h/no -> 410 rule no"),
        ("http://h:81/web.config", "GET http://h:81/web.config -> 404.8"),
    ],
)
def test_expectations(make_site: MakeSite, url: str, line: str) -> None:
    site = make_site(FILES)
    found = findings.expectation(reader.parse(written(site, url), "x"))
    assert found == line + "\n"
    [result] = judge(Client(site).open, parse([line], "x"))
    assert result.differences == []


def test_expectations_name_headers_that_rules_look_at(make_site: MakeSite) -> None:
    site = make_site(FILES)
    data = written(site, "http://h/old/a.txt", user_agent="Probe/1", accept="*/*")
    line = findings.expectation(reader.parse(data, "x"))
    assert line == "GET http://h/old/a.txt [User-Agent: Probe/1] -> static rule old\n"
    line = findings.expectation(traces.missing())
    assert line.startswith("# left out: Cookie\nGET https://www.garden.example/tulips.html -> 404")


def test_expectations_of_applications(make_site: MakeSite) -> None:
    site = make_site({"web.config": web_config(python_handler())})
    trace = reader.parse(written(site, "http://h/x"), "x")
    assert findings.expectation(trace) == "GET http://h/x -> fastcgi\n"


def _save(tmp_path: Path, data: bytes) -> Path:
    folder = tmp_path / "W3SVC1"
    folder.mkdir()
    (folder / "fr000001.xml").write_bytes(data)
    return folder / "fr000001.xml"


def test_the_command(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(FILES)
    file = _save(
        tmp_path, written(site, "http://secret.example/go/x", cookie="a=very-secret-value")
    )
    case, expect = tmp_path / "case.json", tmp_path / "site.expect"
    run = CliRunner().invoke(main, ["freb", str(file), "--site", str(tmp_path)])
    assert (run.exit_code, "no difference in" in run.output) == (0, True)
    text = (tmp_path / "web.config").read_text()
    (tmp_path / "web.config").write_text(text.replace("/there/", "/elsewhere/"))
    arguments = ["freb", str(file), "--site", str(tmp_path), "--case", str(case), "--json"]
    run = CliRunner().invoke(main, [*arguments, "--expect", str(expect)])
    assert run.exit_code == 1, run.output
    assert not hold("freb-site", run.stdout)["same"]
    assert "301 http://secret.example/there/x rule go" in expect.read_text()
    told = json.loads(case.read_text())
    assert told["difference"]["server"] == "GENERAL_RESPONSE_HEADERS"
    assert "very-secret" not in case.read_text() and "secret.example" not in case.read_text()
    assert ["Cookie", "a=********"] in told["request"]["headers"]


def test_a_case_needs_a_site() -> None:
    run = CliRunner().invoke(main, ["freb", "x.xml", "--case", "case.json"])
    assert run.exit_code == 2 and "--case needs --site" in run.output


# -- which requests are traced ---------------------------------------------------------------------


def _traced(make_site: MakeSite, inner: str) -> Site:
    section = f"<tracing><traceFailedRequests>{inner}</traceFailedRequests></tracing>"
    return make_site({"web.config": web_config(section)})


RULE = (
    '<add path="{}"><traceAreas><add provider="WWW Server" areas="{}" verbosity="{}"/></traceAreas>'
    '<failureDefinitions statusCodes="{}" timeTaken="{}" verbosity="{}"/></add>'
)


@pytest.mark.parametrize(
    ("codes", "status", "substatus", "traced"),
    [
        ("400-599", 404, 0, True),
        ("400-599", 599, 7, True),
        ("400-599", 399, 0, False),
        ("404.2", 404, 2, True),
        ("404.2", 404, 0, False),
        ("404.2-404.5", 404, 5, True),
        ("404.2-404.5", 404, 6, False),
        ("200, 301", 301, 0, True),
        ("nonsense,500", 500, 19, True),
        ("", 500, 0, False),
    ],
)
def test_statuses(
    make_site: MakeSite, codes: str, status: int, substatus: int, traced: bool
) -> None:
    site = _traced(make_site, RULE.format("*", "Rewrite", "Verbose", codes, "00:00:00", "Ignore"))
    rule = tracing.rule_for(site.effective("/"), "/x")
    assert rule is not None
    assert rule.reason(status, substatus, 0.0, []) == ("STATUS_CODE" if traced else "")


def test_time_and_verbosity(make_site: MakeSite) -> None:
    inner = RULE.format("*.php", "", "Warning", "", "00:00:05", "Warning")
    rule = tracing.rule_for(_traced(make_site, inner).effective("/"), "/a/B.PHP")
    assert rule is not None
    assert rule.reason(200, 0, 5.0, []) == "TIME_TAKEN"
    assert rule.reason(200, 0, 4.9, []) == ""
    error = traces.missing().named("MODULE_SET_RESPONSE_ERROR_STATUS")
    assert rule.reason(200, 0, 0.0, error) == "VERBOSITY"
    assert tracing.rule_for(_traced(make_site, inner).effective("/"), "/a.html") is None


def test_areas(make_site: MakeSite) -> None:
    inner = RULE.format("*", "Rewrite,Cache", "Verbose", "400-599", "00:00:00", "Ignore")
    rule = tracing.rule_for(_traced(make_site, inner).effective("/"), "/")
    assert rule is not None
    kept = {event.area for event in traces.missing().events if rule.kept.keeps(event)}
    assert kept == {"IISGeneral", "Rewrite", "IISCache"}


def test_a_trace_that_is_too_long(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 20_000)
    data = written(make_site(FILES), "/index.html")
    assert len(data) < 21_500
    trace: FrebTrace = reader.parse(data, "x")
    assert trace.events[-1].name == "LOG_FILE_MAX_SIZE_TRUNCATE"
    assert "largest size" in trace.notes[0]
