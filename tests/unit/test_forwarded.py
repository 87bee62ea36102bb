"""A request as a process of httpPlatform gets it, and as another server does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from fcgiemu.decision import Decision, Proxy, Respond
from fcgiemu.http.request import make_request
from fcgiemu.http.response import Header, Response
from fcgiemu.modules import sending
from fcgiemu.server.application_request_routing import Forwarder
from fcgiemu.server.exchange import Exchange
from fcgiemu.server.forwarded_request import local_headers, local_target, request_headers
from fcgiemu.server.process_handlers.http_platform import HttpPlatforms
from fcgiemu.server.server_interface import ServerInterface
from fcgiemu.site import Site

from ..sites import web_config

PLATFORM = (
    '<handlers><add name="P" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
    '<httpPlatform processPath="python" arguments="app.py" />'
)
RULE = (
    '<rewrite><allowedServerVariables><add name="HTTP_X_FORWARDED_FOR" /><add name="HTTP_HOST" />'
    '</allowedServerVariables><rules><rule name="r"><match url="^old/(.*)" /><serverVariables>'
    '<set name="HTTP_X_FORWARDED_FOR" value="192.0.2.1" /><set name="HTTP_HOST" value="inner" />'
    '</serverVariables><action type="Rewrite" url="new/{R:1}" /></rule></rules></rewrite>'
)


def decided(site: Site, url: str, **headers: str) -> Decision:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    outcome = site.decide(make_request(url, headers=named))
    assert isinstance(outcome, Decision)
    return outcome


@pytest.fixture
def platform(make_site: Callable[..., Site]) -> Site:
    return make_site({"web.config": web_config(PLATFORM + RULE)})


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/", "/"),
        ("/a%2Fb%41/c?q=%2F%20&r=a+b", "/a/bA/c?q=%2F%20&r=a+b"),
        ("/a%20b", "/a%20b"),
        ("/a\\b", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/a%3Fb", "/a?b"),
        ("/a%3Fb?c", "/a?b?c"),
        ("/a%23b", "/a%23b"),
        ("/a?", "/a?"),
        ("/old/x%20y?z=%41", "/new/x%20y?z=%41"),
    ],
)
def test_the_target_is_the_decoded_path_and_the_raw_query(
    platform: Site, url: str, target: str
) -> None:
    assert local_target(decided(platform, url)) == target


def fields(headers: list[Header]) -> dict[str, str]:
    found = {name.lower(): value for name, value in headers}
    assert len(found) == len(headers), "no header comes twice"
    return found


def test_what_forwarding_headers_say(platform: Site) -> None:
    found = fields(local_headers(decided(platform, "/", Host="www.example.com")))
    assert found == {
        "connection": "Keep-Alive",
        "host": "www.example.com",
        "x-forwarded-for": "127.0.0.1:50000",
        "x-forwarded-proto": "http",
    }


def test_forwarding_headers_continue_the_clients(platform: Site) -> None:
    decision = decided(
        platform,
        "/",
        X_Forwarded_For="203.0.113.9",
        X_Forwarded_Proto="https",
        X_Forwarded_Host="kept",
        Connection="close, X-Mine",
        X_Mine="1",
        Expect="100-continue",
    )
    found = fields(local_headers(decision))
    assert found["x-forwarded-for"] == "203.0.113.9, 127.0.0.1:50000"
    assert found["x-forwarded-proto"] == "https, http"
    assert (found["x-forwarded-host"], found["connection"]) == ("kept", "Keep-Alive")
    assert not {"x-mine", "expect", "x-original-url", "x-arr-log-id", "max-forwards"} & set(found)


def test_an_ipv6_client_stands_in_brackets(platform: Site) -> None:
    decision = decided(platform, "/")
    decision = replace(decision, request=replace(decision.request, remote_addr="::1"))
    assert fields(local_headers(decision))["x-forwarded-for"] == "[::1]:50000"


def test_what_rules_set_comes_before_the_clients_address(platform: Site) -> None:
    found = fields(local_headers(decided(platform, "/old/x?y", X_Forwarded_For="203.0.113.9")))
    assert found["x-forwarded-for"] == "192.0.2.1, 127.0.0.1:50000"
    assert (found["host"], found["x-original-url"]) == ("inner", "/old/x?y")


def test_application_request_routing_continues_what_a_rule_has_set(
    make_site: Callable[..., Site],
) -> None:
    to = RULE.replace("new/{R:1}", "http://back.example/{R:1}")
    site = make_site({"web.config": web_config(to)}, arr=True)
    found = fields(request_headers(decided(site, "/old/x"), Proxy("http://back.example/x")))
    assert found["x-forwarded-for"] == "192.0.2.1, 127.0.0.1:50000"
    assert "x-forwarded-proto" not in found


class Answered:
    """An exchange that takes the response down."""

    has_body = started = False
    remark = ""
    response: Response

    async def respond(self, response: Response, substatus: int) -> None:
        self.response = response


class Failing:
    """A server that only knows how to answer with an error."""

    async def fail(self, exchange: Answered, decision: Decision, error: Respond) -> None:
        exchange.remark = error.message
        await exchange.respond(sending.own_response(replace(decision, action=error), True), 0)


def test_a_request_timeout_says_what_it_waited_for(platform: Site) -> None:
    async def ask() -> Answered:
        held = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await held.wait()
            writer.close()

        exchange, forwarder = Answered(), Forwarder()
        forwarder.server = cast(ServerInterface, Failing())
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            decision = decided(platform, "/slow?x=1")
            await forwarder.send(
                cast(Exchange, exchange),
                decision,
                url,
                local_headers(decision),
                timeout=0.05,
                backend=HttpPlatforms.backend,
            )
            await forwarder.close()
            held.set()
        return exchange

    exchange = asyncio.run(ask())
    said = (
        "did not answer GET /slow?x=1 within 0.05 seconds (requestTimeout): no part of the answer"
    )
    page = exchange.response.body.decode()
    assert exchange.response.status == 502 and said in exchange.remark
    assert said in page and "raise requestTimeout" in page and "0x80072ee2" in page
