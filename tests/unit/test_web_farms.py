"""<webFarms> of a host configuration: which server a request gets, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fcgiemu.config.tree import Effective
from fcgiemu.decision import Decision, Proxy, Respond
from fcgiemu.diagnosis.check import check
from fcgiemu.http.request import make_request
from fcgiemu.modules.application_request_routing import front_headers
from fcgiemu.modules.web_farms import Asked, Balance, Farm, FarmServer, codes, digest, farms
from fcgiemu.report.explanation_text import story
from fcgiemu.server.application_request_routing import address
from fcgiemu.server.forwarded_request import request_headers
from fcgiemu.server.web_farm import FarmState, question_of
from fcgiemu.site import Site

from ..sites import rules

RULE = '<rule name="r"><match url="(.*)" /><action type="Rewrite" url="{}://Shop/{{R:1}}" /></rule>'
SERVERS = (
    '<server address="10.0.0.1"><applicationRequestRouting weight="200" httpPort="8001" /></server>'
    '<server address="10.0.0.2"><applicationRequestRouting hostName="two.example" /></server>'
    '<server address="10.0.0.3" enabled="false" />'
)
Sites = Callable[..., Site]


@pytest.fixture
def farming(make_site: Sites, tmp_path: Path) -> Sites:
    def made(
        routing: str = "",
        servers: str = SERVERS,
        scheme: str = "http",
        farm: str = "",
        **settings: Any,
    ) -> Site:
        host = tmp_path.parent / f"{tmp_path.name}.config"
        host.write_text(
            f'<configuration><webFarms><webFarm name="shop" {farm}>{servers}'
            f"<applicationRequestRouting>{routing}</applicationRequestRouting></webFarm></webFarms>"
            "</configuration>"
        )
        return make_site({"web.config": rules(RULE.format(scheme))}, host_config=host, **settings)

    return made


def only(site: Site) -> Farm:
    return site.effective("/").view(farms)["shop"]


def decided(site: Site, url: str = "http://www.example.com/a?b=c", **headers: str) -> Decision:
    return site.decide(make_request(url, headers=headers))


def test_a_rewrite_to_the_name_of_a_farm_goes_to_its_server(farming: Sites) -> None:
    decision = decided(farming())
    action = decision.action
    assert isinstance(action, Proxy)
    assert (action.farm, action.server) == ("shop", "10.0.0.1:8001")
    assert "WeightedRoundRobin, weight 200 of 300" in action.reason
    assert address(action) == "http://10.0.0.1:8001/a?b=c"
    https = decided(farming(scheme="https")).action
    assert isinstance(https, Proxy) and https.server == "10.0.0.1:443"


def test_the_story_says_who_is_asked_and_why(farming: Sites) -> None:
    told = farming().explain("/a")
    assert told["outcome"]["server"] == "10.0.0.1:8001"
    event = next(event for event in told["events"] if event["name"] == "ARR_SERVER_ROUTED")
    assert event["RoutingReason"] == "LoadBalancing"
    assert "web farm 'shop': 10.0.0.1:8001 is asked (WeightedRoundRobin" in story(told)


def test_a_farm_needs_no_proxy(farming: Sites) -> None:
    assert not [known for known in check(farming()) if known.code.startswith("rewrite-")]


@pytest.mark.parametrize(
    ("servers", "farm", "status"),
    [
        ('<server address="10.0.0.1" enabled="false" />', "", (502, 4)),
        ("", "", (502, 4)),
        (SERVERS, 'enabled="false"', (404, 4)),
        ('<server address="10.0.0.1" /><server address="10.0.0.1" />', "", (500, 19)),
        ('<server address="" />', "", (500, 19)),
        ("<server />", "", (500, 19)),
        ('<server address="a"><applicationRequestRouting weight="0" /></server>', "", (500, 19)),
    ],
)
def test_what_cannot_be_used(
    farming: Sites, servers: str, farm: str, status: tuple[int, int]
) -> None:
    action = decided(farming(servers=servers, farm=farm)).action
    assert isinstance(action, Respond)
    assert (action.status, action.substatus) == status
    assert action.hints or status[0] == 500


def test_check_names_what_is_wrong_with_a_farm(farming: Sites) -> None:
    routing = '<healthCheck interval="5 seconds" /><loadBalancing algorithm="Random" />'
    found = [known for known in check(farming(routing)) if known.severity == "error"]
    assert [known.code for known in found] == ["config-bad-value"] * 2
    assert all(known.span is not None and known.span.file.endswith(".config") for known in found)
    assert not [known for known in check(farming()) if known.severity == "error"]


def test_no_web_config_may_have_farms(make_site: Sites) -> None:
    config = rules(RULE.format("http")).replace("</configuration>", "<webFarms /></configuration>")
    action = decided(make_site({"web.config": config})).action
    assert isinstance(action, Respond) and (action.status, action.substatus) == (500, 19)


@pytest.mark.parametrize(
    ("protocol", "host"),
    [
        ("", "www.example.com"),
        ('<protocol preserveHostHeader="false" />', "10.0.0.1:8001"),
        ('<protocol preserveHostHeader="false" alternateHostName="inner" />', "inner"),
    ],
)
def test_the_host_that_a_server_gets(farming: Sites, protocol: str, host: str) -> None:
    decision = decided(farming(protocol))
    assert isinstance(decision.action, Proxy)
    assert dict(request_headers(decision, decision.action))["Host"] == host
    second = replace(decision.action, server="10.0.0.2:80")
    if "alternate" not in protocol and protocol:
        assert dict(request_headers(decision, second))["Host"] == "two.example"


def test_a_location_stays_as_it_is(farming: Sites) -> None:
    sent = [("Location", "http://elsewhere.example/")]
    assert front_headers(decided(farming()), sent)[0] == sent[0]


# -- whose turn it is ------------------------------------------------------------------------------


def turns(farm: Farm, count: int, usable: tuple[FarmServer, ...] | None = None) -> str:
    balance = Balance(farm)
    found = ""
    for _ in range(count):
        choice = balance.choose(Asked((), "", ""), farm.servers if usable is None else usable)
        assert choice is not None
        found += choice.server.address[-1]
    return found


@pytest.mark.parametrize(
    "algorithm",
    ["WeightedRoundRobin", "LeastRequests", "LeastResponseTime", "WeightedTotalTraffic"],
)
def test_servers_take_turns_as_their_weights_say(farming: Sites, algorithm: str) -> None:
    farm = only(farming(f'<loadBalancing algorithm="{algorithm}" />'))
    assert turns(farm, 6) == "121121"
    assert turns(farm, 2, farm.servers[1:]) == "22"
    choice = Balance(farm).choose(Asked((), "", ""), farm.servers)
    assert choice is not None
    assert ("means in ARR 3" in choice.why) == (algorithm != "WeightedRoundRobin")


@pytest.mark.parametrize(
    ("balancing", "same", "other"),
    [
        ("", "/a", "/b"),
        ('hashServerVariable="HTTP_X_USER"', "/b", "/c"),
        ('queryStringNames="id, shop"', "/x?id=7&z=1", "/y?z=2&ID=7"),
    ],
)
def test_the_same_value_gets_the_same_server(
    farming: Sites, balancing: str, same: str, other: str
) -> None:
    site = farming(f'<loadBalancing algorithm="RequestHash" {balancing} />')
    seen = {url: decided(site, url, **{"X-User": "ada"}).action for url in (same, other)}
    assert all(isinstance(action, Proxy) for action in seen.values())
    again = decided(site, same, **{"X-User": "ada"}).action
    assert again == seen[same]
    if balancing:
        servers = {action.server for action in seen.values() if isinstance(action, Proxy)}
        assert len(servers) == 1
    spread = {
        decided(site, f"/p?id={number}", **{"X-User": str(number)}).action.server
        for number in range(20)
    }
    assert len(spread) == 2


def test_only_requests_of_the_lost_server_move(farming: Sites) -> None:
    farm = only(farming('<loadBalancing algorithm="RequestHash" />'))
    for number in range(20):
        asked = Asked((), "", str(number))
        before = Balance(farm).choose(asked, farm.servers)
        after = Balance(farm).choose(asked, farm.servers[:1])
        assert before is not None and after is not None
        assert before.server != farm.servers[0] or after.server == before.server


def test_a_cookie_binds_a_client_to_its_server(farming: Sites) -> None:
    site = farming('<affinity useCookie="true" cookieName="Farm" />')
    farm = only(site)
    first = decided(site)
    assert isinstance(first.action, Proxy)
    set_cookie = dict(front_headers(first, []))["Set-Cookie"]
    assert set_cookie == f"Farm={digest(farm, farm.servers[0])};Path=/;Domain=www.example.com"
    for server in farm.servers:
        bound = decided(site, Cookie=f"a=b; Farm={digest(farm, server)}")
        assert isinstance(bound.action, Proxy)
        assert bound.action.server == server.authority("http")
        assert bound.action.reason.startswith("affinity")
        assert "Set-Cookie" not in dict(front_headers(bound, []))
    unknown = decided(site, Cookie="Farm=0")
    assert "Set-Cookie" in dict(front_headers(unknown, []))


def test_a_host_name_keeps_its_server(farming: Sites) -> None:
    farm = only(farming('<affinity useHostName="true" />'))
    balance = Balance(farm)
    hosts = ["a", "b", "a", "b", "c", "a"]
    chosen = [balance.choose(Asked((), host, ""), farm.servers) for host in hosts]
    assert "".join(choice.server.address[-1] for choice in chosen if choice) == "121211"


@pytest.mark.parametrize(
    ("text", "within", "outside"),
    [
        ("200-399", (200, 399), (199, 400)),
        ("500-", (500, 599), (499,)),
        ("404, 500-502", (404, 501), (405, 503)),
        ("", (), (200,)),
        ("x, 200-y, -3", (), (201, 3)),
    ],
)
def test_status_codes(text: str, within: tuple[int, ...], outside: tuple[int, ...]) -> None:
    found = codes(text)
    assert all(status in found for status in within)
    assert "y" in text or not any(status in found for status in outside)


# -- who is usable ---------------------------------------------------------------------------------


def asked_for(state: FarmState, decision: Decision) -> str:
    action = decision.action
    assert isinstance(action, Proxy)
    found = state.route(decision, action)
    return found.server if isinstance(found, Proxy) else f"{found.status}.{found.substatus}"


def test_failures_of_requests_count_within_a_period(farming: Sites) -> None:
    site = farming('<healthCheck liveTrafficFailurePeriod="00:01:00" maxLiveTrafficFailures="2" />')
    decision, said = decided(site), list[str]()
    state = FarmState(only(site), said.append)
    first, second = state.farm.servers
    for now in (0.0, 30.0, 95.0, 100.0):  # never three within a minute
        state.answered(first, 503, now)
        state.answered(first, 404, now)
    assert not said
    state.answered(first, 500, 110.0)
    assert "10.0.0.1:8001 is unhealthy: 3 requests" in said[0]
    assert [asked_for(state, decision) for _ in range(2)] == ["10.0.0.2:80"] * 2
    state.is_unhealthy(second, "test")
    assert asked_for(state, decision) == "502.4"
    state.is_healthy(first)
    assert asked_for(state, decision) == "10.0.0.1:8001"
    assert "healthy again" in said[-1]


def test_without_a_period_failures_do_not_count(farming: Sites) -> None:
    state = FarmState(only(farming()), lambda text: pytest.fail(text))
    for now in range(20):
        state.answered(state.farm.servers[0], 500, float(now))


def test_too_few_healthy_servers_mean_all_of_them(farming: Sites) -> None:
    site = farming('<healthCheck minServers="2" />')
    state = FarmState(only(site), lambda text: None)
    state.is_unhealthy(state.farm.servers[0], "test")
    assert asked_for(state, decided(site)) == "10.0.0.1:8001"


@pytest.mark.parametrize(
    ("url", "routing", "wanted"),
    [
        ("http://shop/up", "", ("http://10.0.0.1:80/up", "shop")),
        ("/up?x=1", "", ("http://10.0.0.1:80/up?x=1", "10.0.0.1:80")),
        ("https://shop:9/up", "", ("https://10.0.0.1:443/up", "shop:9")),
        ("http://shop", 'healthCheckAlternatePort="81"', ("http://10.0.0.1:81/", "shop")),
        ("http://shop/", 'healthCheckAlternateHostName="h"', ("http://10.0.0.1:80/", "h")),
    ],
)
def test_how_a_server_is_tested(
    farming: Sites, url: str, routing: str, wanted: tuple[str, str]
) -> None:
    servers = f'<server address="10.0.0.1"><applicationRequestRouting {routing} /></server>'
    assert question_of(url, only(farming(servers=servers)).servers[0]) == wanted


def test_a_site_without_farms_asks_for_none(make_site: Sites) -> None:
    effective = make_site({"web.config": rules("")}).effective("/")
    assert isinstance(effective, Effective) and effective.view(farms) == {}
