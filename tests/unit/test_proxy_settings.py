"""<proxy> of a host configuration: whether requests are forwarded, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.decision import Decision, Proxy, Respond
from fcgiemu.diagnosis.check import check
from fcgiemu.http.request import make_request
from fcgiemu.modules.application_request_routing import compiled, front_headers
from fcgiemu.report.explanation_text import story
from fcgiemu.server.forwarded_request import request_headers
from fcgiemu.site import Site

from ..sites import rules, web_config

RULE = rules(
    '<rule name="r"><match url="(.*)" /><action type="Rewrite" url="http://back.example:81/{R:1}" /></rule>'
)
Sites = Callable[..., Site]


@pytest.fixture
def proxying(make_site: Sites, tmp_path: Path) -> Sites:
    def made(attributes: str | None, arr: bool = False) -> Site:
        host = tmp_path.parent / f"{tmp_path.name}.config"
        host.write_text(web_config(f"<proxy {attributes} />" if attributes is not None else ""))
        return make_site({"web.config": RULE}, arr=arr, host_config=host)

    return made


def decided(site: Site) -> Decision:
    return site.decide(make_request("http://www.example.com/x"))


@pytest.mark.parametrize(
    ("attributes", "arr", "remedy"),
    [
        (None, False, "start with --arr"),
        (None, True, ""),
        ('enabled="true"', False, ""),
        ('enabled="false"', True, 'write <proxy enabled="true"> there'),
        ('preserveHostHeader="true"', True, ""),
        ('preserveHostHeader="true"', False, "start with --arr"),
    ],
)
def test_whether_requests_are_forwarded(
    proxying: Sites, attributes: str | None, arr: bool, remedy: str
) -> None:
    site = proxying(attributes, arr)
    action = decided(site).action
    if remedy:
        assert isinstance(action, Respond) and (action.status, action.substatus) == (404, 4)
        assert remedy in action.hints[0]
    else:
        assert action == Proxy("http://back.example:81/x")
    told = [known.code for known in check(site)]
    assert ("rewrite-needs-proxy" in told) == bool(remedy)


@pytest.mark.parametrize(
    ("attributes", "name", "value"),
    [
        ("", "host", "back.example:81"),
        ('preserveHostHeader="true"', "host", "www.example.com"),
        ("", "x-forwarded-for", "127.0.0.1:50000"),
        ('includePortInXForwardedFor="false"', "x-forwarded-for", "127.0.0.1"),
        ('xForwardedForHeaderName="X-Client"', "x-client", "127.0.0.1:50000"),
        ('xForwardedForHeaderName=""', "x-forwarded-for", None),
        ("", "max-forwards", "10"),
        ('maxForwards="3"', "max-forwards", "3"),
        ('xForwardedByHeader="edge"', "x-forwarded-by", "edge"),
        ("", "x-forwarded-by", None),
        ("", "x-arr-ssl", None),
    ],
)
def test_what_the_other_server_gets(
    proxying: Sites, attributes: str, name: str, value: str | None
) -> None:
    decision = decided(proxying(f'enabled="true" {attributes}'))
    assert isinstance(decision.action, Proxy)
    headers = request_headers(decision, decision.action)
    assert {key.lower(): text for key, text in headers}.get(name) == value


ANSWERED = [
    ("Location", "https://login.example/sign-in?x=1"),
    ("Content-Location", "http://back.example:81/doc"),
    ("Set-Cookie", "a=b; Domain=back.example; Path=/"),
]


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        (
            "",
            [
                "http://www.example.com/sign-in?x=1",
                "http://www.example.com/doc",
                "a=b; Domain=www.example.com; Path=/",
                "ARR/3.0",
            ],
        ),
        (
            'reverseRewriteHostInResponseHeaders="false" arrResponseHeader="false"',
            [value for _, value in ANSWERED],
        ),
    ],
)
def test_what_the_client_gets(proxying: Sites, attributes: str, wanted: list[str]) -> None:
    decision = decided(proxying(f'enabled="true" {attributes}'))
    assert [value for _, value in front_headers(decision, ANSWERED)] == wanted


def test_a_location_elsewhere_is_said_and_shown(proxying: Sites) -> None:
    """check warns where nobody has decided it; explain shows what becomes of a header."""
    for attributes, warned in (
        ("", True),
        ('reverseRewriteHostInResponseHeaders="false"', False),
        ('reverseRewriteHostInResponseHeaders="true"', False),
    ):
        site = proxying(f'enabled="true" {attributes}')
        assert ("rewrite-front-host" in [known.code for known in check(site)]) == warned
    told = proxying('enabled="true"').explain(
        "http://www.example.com/x",
        response={"status": 302, "headers": {"Location": "https://login.example/a?b=c"}},
    )
    assert told["response"]["headers"]["Location"] == "http://www.example.com/a?b=c"
    assert told["response"]["headers"]["X-Powered-By"] == "ARR/3.0, ASP.NET"
    assert "'https://login.example/a?b=c' becomes 'http://www.example.com/a?b=c'" in story(told)


@pytest.mark.parametrize(("sent", "passed"), [("2", "1"), ("1", "0"), ("0", None), ("x", "10")])
def test_requests_go_round_only_so_often(proxying: Sites, sent: str, passed: str | None) -> None:
    site = proxying('enabled="true"')
    decision = site.decide(make_request("/x", headers={"Max-Forwards": sent}))
    action = decision.action
    if passed is None:
        assert isinstance(action, Respond) and (action.status, action.substatus) == (400, 605)
        return
    assert isinstance(action, Proxy)
    assert dict(request_headers(decision, action))["Max-Forwards"] == passed


def test_what_a_client_says_of_its_certificate_is_dropped(proxying: Sites) -> None:
    site = proxying('enabled="true"')
    sent = {"X-ARR-SSL": "forged", "x-arr-clientcert": "forged", "X-ARR-LOG-ID": "forged"}
    for url, words in (("https://www.example.com/x", "2048|256|CN=a|CN=b"), ("/x", None)):
        decision = site.decide(make_request(url, headers=sent))
        assert isinstance(decision.action, Proxy)
        headers = request_headers(decision, decision.action, "2048|256|CN=a|CN=b")
        assert [value for name, value in headers if name.lower() == "x-arr-ssl"] == (
            [words] if words else []
        )
        assert "forged" not in dict(headers).values()


@pytest.mark.parametrize(
    ("attributes", "server"),
    [
        ("", "Microsoft-IIS/10.0"),
        ('passServerHeader="PassThrough"', "back"),
        ('passServerHeader="Remove"', None),
    ],
)
def test_who_says_the_server(proxying: Sites, attributes: str, server: str | None) -> None:
    site = proxying(f'enabled="true" {attributes}')
    told = site.explain("/x", response={"headers": {"Server": "back"}})
    assert told["response"]["headers"].get("Server") == server


def test_the_timeout(proxying: Sites) -> None:
    def seconds(attributes: str | None) -> float:
        return decided(proxying(attributes)).effective.view(compiled).timeout

    assert (seconds('timeout="00:00:30"'), seconds(None)) == (30, 120)


def test_no_web_config_may_have_it(make_site: Sites) -> None:
    site = make_site({"web.config": web_config('<proxy enabled="true" />')}, arr=True)
    action = decided(site).action
    assert isinstance(action, Respond) and (action.status, action.substatus) == (500, 19)
