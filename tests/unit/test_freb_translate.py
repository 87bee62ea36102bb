"""The engine's trace in the form of IIS: modules in the order of the server, values as traces have
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from fcgiemu.freb import event_table, module_orders, wire
from fcgiemu.profiles import MISSING_ON_FRESH_IIS, PROFILES
from fcgiemu.site import Site

from ..sites import python_handler, rules, web_config

MakeSite = Callable[..., Site]
Trace = list[dict[str, Any]]


def traced(site: Site, url: str, **more: Any) -> Trace:
    answer = site.explain(url, **more)
    return answer["trace"]


def named(trace: Trace, name: str) -> list[dict[str, str]]:
    return [event["data"] for event in trace if event["name"] == name]


def modules(trace: Trace, notification: str, post: bool = False) -> list[str]:
    """The modules that a notification called, in order."""
    flag = "true" if post else "false"
    number = {
        text: str(number)
        for known in event_table.definitions()
        for number, text in known.values.get("Notification", {}).items()
    }[notification]
    return [
        data["ModuleName"].removesuffix("Module")
        for data in named(trace, "NOTIFY_MODULE_START")
        if (data["Notification"], data["fIsPostNotification"]) == (number, flag)
    ]


def inside(trace: Trace, module: str, notification: str) -> list[str]:
    """The events between a module's start and its end."""
    found: list[str] = []
    open_ = False
    for event in trace:
        data = event["data"]
        mine = data.get("ModuleName") == module
        if event["name"] == "NOTIFY_MODULE_START" and mine:
            open_ = event["descriptions"]["Notification"] == notification
        elif event["name"] == "NOTIFY_MODULE_END" and mine:
            open_ = False
        elif open_:
            found.append(event["name"])
    return found


def test_static_file(make_site: MakeSite) -> None:
    trace = traced(make_site({"a.css": "x" * 10}), "http://h/a.css?v=1")
    start = named(trace, "GENERAL_REQUEST_START")[0]
    assert (start["RequestURL"], start["RawConnId"]) == ("http://h:80/a.css?v=1", "0")
    assert named(trace, "URL_CACHE_ACCESS_START") == [{"RequestURL": "/a.css?v=1"}]
    assert modules(trace, "BEGIN_REQUEST") == [
        *("IpRestriction", "RequestFiltering", "FailedRequestsTracing", "Rewrite"),
        *("ConfigurationValidation", "WebSocket", "ApplicationInitialization"),
    ]
    assert modules(trace, "AUTHENTICATE_REQUEST", post=True) == ["IsapiFilter"]
    assert modules(trace, "EXECUTE_REQUEST_HANDLER") == ["StaticFile"]
    assert modules(trace, "RELEASE_REQUEST_STATE", post=True) == ["DynamicCompression", "Rewrite"]
    assert modules(trace, "SEND_RESPONSE")[-4:] == [
        *("IsapiFilter", "Rewrite", "CustomError", "DynamicIpRestriction"),
    ]
    assert inside(trace, "StaticFileModule", "EXECUTE_REQUEST_HANDLER") == [
        *("GENERAL_STATIC_FILE_HANDLER", "GENERAL_SET_RESPONSE_HEADER"),
    ]
    assert named(trace, "GENERAL_STATIC_FILE_HANDLER")[0]["FileName"].endswith("\\A.CSS")
    assert inside(trace, "CustomErrorModule", "SEND_RESPONSE") == ["GENERAL_NOT_SEND_CUSTOM_ERROR"]
    assert named(trace, "HTTPSYS_CACHEABLE")[0]["Reason"] == "23"
    file = named(trace, "GENERAL_RESPONSE_ENTITY_FILE")[0]
    assert file["FileName"].startswith("\\\\?\\C:\\") and file["Size"] == "10"
    assert all(event["measured"] for event in trace)
    names = [event["name"] for event in trace]
    assert names[-4:] == [
        *("GENERAL_RESPONSE_HEADERS", "GENERAL_RESPONSE_ENTITY_FILE"),
        *("GENERAL_FLUSH_RESPONSE_END", "GENERAL_REQUEST_END"),
    ]
    # the file is looked up between authentication and authorization
    place = names.index("FILE_CACHE_ACCESS_START")
    assert names.index("AUTH_SUCCEEDED") < place
    assert trace[place + 3]["data"]["ModuleName"] == "UrlAuthorizationModule"


def test_not_modified(make_site: MakeSite) -> None:
    trace = traced(make_site({"a.css": "x"}), "/a.css", headers={"If-None-Match": "*"})
    assert inside(trace, "StaticFileModule", "EXECUTE_REQUEST_HANDLER") == [
        *("GENERAL_STATIC_FILE_HANDLER", "MODULE_SET_RESPONSE_SUCCESS_STATUS"),
    ]
    assert not inside(trace, "DynamicCompressionModule", "SEND_RESPONSE")
    assert named(trace, "HTTPSYS_CACHEABLE")[0]["Reason"] == "21"
    assert not named(trace, "GENERAL_RESPONSE_ENTITY_FILE")


def test_missing_file(make_site: MakeSite) -> None:
    trace = traced(make_site({}), "/missing.css")
    names = [event["name"] for event in trace]
    error = names.index("MODULE_SET_RESPONSE_ERROR_STATUS")
    assert trace[error]["data"] == {
        "ModuleName": "IIS Web Core",
        "Notification": "16",
        "HttpStatus": "404",
        "HttpReason": "Not Found",
        "HttpSubStatus": "0",
        "ErrorCode": "2147942402",
        "ConfigExceptionInfo": "",
    }
    assert names[error - 1] == "NOTIFY_MODULE_END"
    assert trace[error + 1]["descriptions"]["Notification"] == "LOG_REQUEST"
    assert not modules(trace, "EXECUTE_REQUEST_HANDLER") + modules(trace, "RELEASE_REQUEST_STATE")
    assert named(trace, "GENERAL_SEND_CUSTOM_ERROR")[0]["FileNameOrURL"] == ""
    [buffer] = named(trace, "GENERAL_RESPONSE_ENTITY_BUFFER")
    assert len(buffer["Buffer"]) == 103


def test_error_file(make_site: MakeSite) -> None:
    errors = (
        '<httpErrors errorMode="Custom"><remove statusCode="404"/>'
        '<error statusCode="404" path="no.html"/></httpErrors>'
    )
    trace = traced(make_site({"web.config": web_config(errors), "no.html": "gone"}), "/x")
    assert inside(trace, "CustomErrorModule", "SEND_RESPONSE") == [
        *("GENERAL_SEND_CUSTOM_ERROR", "FILE_CACHE_ACCESS_START", "FILE_CACHE_CREATE_FILE"),
        *("FILE_CACHE_ACCESS_END", "GENERAL_SET_RESPONSE_HEADER"),
    ]
    assert named(trace, "GENERAL_SEND_CUSTOM_ERROR")[0]["FileNameOrURL"].endswith("\\no.html")


def test_full_iis(make_site: MakeSite) -> None:
    site = make_site({}, profile="iis10-default", modules=tuple(MISSING_ON_FRESH_IIS))
    trace = traced(site, "/missing.css")
    assert modules(trace, "BEGIN_REQUEST") == [
        *("HttpCache", "RequestFiltering", "FailedRequestsTracing", "IpRestriction", "WebSocket"),
        *("ConfigurationValidation", "Rewrite", "ApplicationInitialization", "ProtocolSupport"),
    ]
    assert inside(trace, "HttpCacheModule", "RESOLVE_REQUEST_CACHE") == [
        *("OUTPUT_CACHE_LOOKUP_START", "OUTPUT_CACHE_LOOKUP_END"),
    ]
    assert modules(trace, "MAP_REQUEST_HANDLER") == [
        *("StaticCompression", "HttpRedirection", "ManagedPipelineHandler"),
    ]
    assert named(trace, "HTTPSYS_CACHEABLE")[0]["Reason"] == "25"


def test_default_document(make_site: MakeSite) -> None:
    trace = traced(make_site({"index.html": "x"}), "http://h/")
    names = [event["name"] for event in trace]
    assert names.count("GENERAL_REQUEST_START") == names.count("GENERAL_REQUEST_END") == 2
    child = names.index("GENERAL_CHILD_REQUEST_START")
    assert trace[child]["data"]["RequestURL"] == "http://h:80/index.html"
    assert "Content-Length: 0" in named(trace, "GENERAL_REQUEST_HEADERS")[1]["Headers"]
    assert [data["Successful"] for data in named(trace, "FILE_CACHE_ACCESS_END")] == [
        *("true", "false", "false", "false", "true", "true"),
    ]
    assert named(trace, "HTTPSYS_CACHEABLE")[0]["Reason"] == "8"
    after = names[names.index("GENERAL_CHILD_REQUEST_END") :]
    assert after[1:3] == ["NOTIFY_MODULE_COMPLETION", "NOTIFY_MODULE_END"]
    assert "GENERAL_FLUSH_RESPONSE_START" not in after
    ends = named(trace, "GENERAL_REQUEST_END")
    assert ends[0] == ends[1]


RULES = rules(
    '<rule name="no" stopProcessing="true"><match url="^nope$"/><action type="None"/></rule>\n'
    '<rule name="wild" patternSyntax="Wildcard"><match url="*.old"/>\n'
    '<conditions logicalGrouping="MatchAny"><add input="{HTTPS}" pattern="off"/></conditions>\n'
    '<action type="Rewrite" url="a.css"/></rule>\n'
    '<rule name="go" stopProcessing="true"><match url="^go/(.*)"/>'
    '<action type="Redirect" url="/{R:1}"/></rule>'
)


def test_rules_that_do_not_apply(make_site: MakeSite) -> None:
    trace = traced(make_site({"web.config": RULES, "a.css": "x"}), "/a.css?q=1")
    assert named(trace, "URL_REWRITE_START") == [
        {"RequestURL": "/a.css", "Scope": "1", "Type": "0"}
    ]
    assert named(trace, "RULE_EVALUATION_START")[:2] == [
        {
            "RuleName": "no",
            "RequestURL": "a.css",
            "QueryString": "q=1",
            "PatternSyntax": "0",
            "StopProcessing": "true",
            "RelativePath": "/",
        },
        {
            "RuleName": "wild",
            "RequestURL": "a.css",
            "QueryString": "q=1",
            "PatternSyntax": "1",
            "StopProcessing": "false",
            "RelativePath": "/",
        },
    ]
    assert named(trace, "RULE_EVALUATION_END")[0] == {
        "RuleName": "no",
        "RequestURL": "a.css",
        "QueryString": "q=1",
        "StopProcessing": "true",
        "Succeeded": "false",
    }
    assert named(trace, "URL_REWRITE_END") == [{"RequestURL": ""}]
    assert inside(trace, "RewriteModule", "BEGIN_REQUEST")[0] == "URL_REWRITE_START"
    [start, *_] = [event for event in trace if event["name"] == "RULE_EVALUATION_START"]
    assert start["place"] == "web.config:1"


def test_a_rule_that_rewrites(make_site: MakeSite) -> None:
    trace = traced(make_site({"web.config": RULES, "a.css": "x"}), "/x.old")
    own = [event for event in trace if event["name"].startswith("FCGIEMU_")]
    assert [event["name"] for event in own] == ["FCGIEMU_REWRITE_ACTION"]
    assert not own[0]["measured"]
    assert named(trace, "URL_CHANGED") == [{"OldUrl": "/x.old", "NewUrl": "/a.css"}]
    unmeasured = {event["name"] for event in trace if not event["measured"]}
    assert unmeasured == {
        *("CONDITIONS_EVALUATION_START", "FCGIEMU_REWRITE_ACTION"),
        *("URL_CHANGED", "HANDLER_CHANGED"),
    }
    assert named(trace, "GENERAL_REQUEST_END")[0]["HttpStatus"] == "200"


def test_a_rule_that_redirects(make_site: MakeSite) -> None:
    trace = traced(make_site({"web.config": RULES}), "/go/there")
    ends = [data for data in named(trace, "NOTIFY_MODULE_END") if data["NotificationStatus"] == "2"]
    assert [data["ModuleName"] for data in ends] == ["RewriteModule"]
    assert not modules(trace, "AUTHENTICATE_REQUEST")
    assert modules(trace, "LOG_REQUEST") == ["CustomLogging"]
    assert named(trace, "GENERAL_REQUEST_END")[0]["HttpStatus"] == "301"


def test_a_refused_request(make_site: MakeSite) -> None:
    trace = traced(make_site({}), "/web.config")
    assert inside(trace, "RequestFilteringModule", "BEGIN_REQUEST") == [
        "MODULE_SET_RESPONSE_ERROR_STATUS"
    ]
    assert named(trace, "GENERAL_REQUEST_END")[0]["HttpSubStatus"] == "8"


def test_an_application_answers(make_site: MakeSite) -> None:
    site = make_site({"web.config": web_config(python_handler())})
    trace = traced(site, "/x")
    assert [event["name"] for event in trace][-2:] == ["NOTIFY_MODULE_START", "FASTCGI_START"]
    trace = traced(site, "/x", response={"status": 404, "body": "mine"})
    assert named(trace, "GENERAL_REQUEST_END")[0]["HttpStatus"] == "404"


def test_modules_that_are_not_loaded(make_site: MakeSite) -> None:
    removed = '<modules><remove name="WebSocketModule"/></modules>'
    trace = traced(make_site({"web.config": web_config(removed), "a.css": ""}), "/a.css")
    assert "WebSocket" not in modules(trace, "BEGIN_REQUEST")


def test_http_sys_leaves_no_trace(make_site: MakeSite) -> None:
    assert traced(make_site({}), "/%00") == []


def test_without_events_there_is_no_trace(make_site: MakeSite) -> None:
    assert "trace" not in make_site({}).explain("/", events=False)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_its_order(profile: str) -> None:
    assert (
        module_orders.ORDERS[profile]["BEGIN_REQUEST"] == PROFILES[profile].order["BEGIN_REQUEST"]
    )


def test_old_servers_lack_events() -> None:
    assert "RequestMonitorModule" in module_orders.ORDERS["azure-2012"]["PRE_BEGIN_REQUEST"]
    assert not module_orders.ORDERS["azure-2012"]["AUTHORIZE_REQUEST"]


# -- headers, bodies, sizes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "block"),
    [
        (
            [("x-own", "1"), ("user-agent", "U"), ("host", "h"), ("Accept", "*/*")],
            "Accept: */*\r\nHost: h\r\nUser-Agent: U\r\nx-own: 1\r\n",
        ),
        ([("Cookie", "a"), ("Cookie", "b")], "Cookie: a\r\nCookie: b\r\n"),
        ([], ""),
    ],
)
def test_request_headers(headers: Iterable[tuple[str, str]], block: str) -> None:
    assert wire.request_block(headers) == block


def test_response_headers() -> None:
    headers = [
        ("X-Powered-By", "ASP.NET"),
        ("Server", "Microsoft-IIS/10.0"),
        ("Content-Length", "3"),
        ("Date", "now"),
        ("ETag", "e"),
        ("Content-Type", "text/css"),
        ("Connection", "close"),
    ]
    assert wire.response_block(headers) == (
        "Content-Type: text/css\r\nETag: e\r\nServer: Microsoft-IIS/10.0\r\n"
        "X-Powered-By: ASP.NET\r\n"
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\r\nb\tc%41", "a\r\nb%09c%41"),
        ("ä".encode(), "%C3%A4"),
        (b"\xff\xfeU\0S\0", "%FF%FEU"),
        (b"x" * 8193, "x" * 8192 + "TRUNCATED..."),
        (b"", ""),
    ],
)
def test_buffer(data: bytes, text: str) -> None:
    assert wire.buffer(data) == text


def test_sizes() -> None:
    block = "Host: h\r\n"
    assert wire.received("GET", "/a", "HTTP/1.1", block) == len(
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    line = "HTTP/1.1 200 OK\r\n"
    date = "Date: Sun, 01 Mar 2026 10:20:30 GMT\r\n"
    whole = len(line + block + date + "Content-Length: 5\r\n\r\n") + 5
    assert wire.sent(200, "OK", block, 5, True) == whole


def test_urls() -> None:
    assert wire.absolute("https", "h", 443, "/a b", "q=%20") == "https://h:443/a b?q=%20"
    assert wire.absolute("http", "::1", 80, "/", "") == "http://[::1]:80/"


def test_paths_use_the_servers_folder(make_site: MakeSite, tmp_path: Path) -> None:
    trace = traced(make_site({"folder/": ""}), "/folder/")
    [data, *_] = named(trace, "FILE_CACHE_ACCESS_START")
    assert data["FileName"].endswith("wwwroot\\folder")
    assert str(tmp_path) not in str(trace)
