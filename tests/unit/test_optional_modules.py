"""Modules that a server may have: CORS, WebDAV, dynamic IP restrictions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fcgiemu import Site, SiteError
from fcgiemu.catalogue.findings import Finding
from fcgiemu.decision import Abort, Decision, Respond
from fcgiemu.http.request import make_request
from fcgiemu.http.response import Response
from fcgiemu.modules import dynamic_ip_restriction
from fcgiemu.modules.dynamic_ip_restriction import Clients
from fcgiemu.server.output_cache import OutputCache, Recording
from fcgiemu.settings import Settings

from ..sites import python_handler, web_config

MakeSite = Callable[..., Site]
FILES = {"x.html": "hello", "app.py": ""}
APP, OTHER = "https://app.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-A, X-B"}


def site_of(make_site: MakeSite, inner: str, *modules: str, **settings: object) -> Site:
    return make_site({**FILES, "web.config": web_config(inner)}, modules=modules, **settings)


# -- CORS ------------------------------------------------------------------------------------------


def answer(
    site: Site, origin: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str]]:
    """Status and CORS headers of what a handler would answer with 200."""
    given = {**({"Origin": origin} if origin else {}), **(headers or {})}
    found = site.explain("/x.html", method, given, response={"status": 200})
    response = found["response"]
    assert response is not None
    shown = ("Access-Control-", "Vary")
    return response["status"], {
        name.removeprefix("Access-Control-"): value
        for name, value in response["headers"].items()
        if name.startswith(shown)
    }


ECHOED = {"Allow-Origin": APP, "Vary": "Origin"}
RULE = (
    f'<add origin="{APP}" allowCredentials="true" maxAge="60"><allowHeaders><add header="X-A" />'
    '</allowHeaders><allowMethods><add method="PUT" /><add method="PATCH" /></allowMethods>'
    '<exposeHeaders><add header="X-1" /><add header="X-2" /></exposeHeaders></add>'
)
CORS = {
    "no origin": ('<add origin="*" />', "", {}, (200, {})),
    "only a star": ('<add origin="*" />', APP, {}, (200, {"Allow-Origin": "*"})),
    "a star among others is echoed": (
        f'<add origin="*" /><add origin="{OTHER}" />',
        APP,
        {},
        (200, ECHOED),
    ),
    "origins differ in case only": (f'<add origin="{APP.upper()}" />', APP, {}, (200, ECHOED)),
    "an actual request": (
        RULE,
        APP,
        {},
        (200, {**ECHOED, "Allow-Credentials": "true", "Expose-Headers": "X-1, X-2"}),
    ),
    "an origin that has no rule": (RULE, OTHER, {}, (200, {})),
    "an origin that is not allowed": (
        f'<add origin="*" /><add origin="{APP}" allowed="false" />',
        APP,
        {},
        (200, {}),
    ),
    "a wildcard is for hosts below": (
        '<add origin="https://*.example" />',
        APP,
        {},
        (200, ECHOED),
    ),
    "and not for the domain itself": ('<add origin="https://*.app.example" />', APP, {}, (200, {})),
    "nor for another port": ('<add origin="https://*.example:444" />', APP, {}, (200, {})),
    "the longer suffix counts": (
        '<add origin="https://*.example" allowed="false" /><add origin="https://*.app.example" />',
        "https://a.app.example",
        {},
        (200, {"Allow-Origin": "https://a.app.example", "Vary": "Origin"}),
    ),
    "a scheme is more than a star": (
        '<add origin="*" /><add origin="https://*" allowed="false" />',
        APP,
        {},
        (200, {}),
    ),
    "a preflight": (
        RULE,
        APP,
        PREFLIGHT,
        (
            204,
            {
                **ECHOED,
                "Allow-Credentials": "true",
                "Allow-Methods": "PUT, PATCH",
                "Allow-Headers": "X-A",
                "Max-Age": "60",
            },
        ),
    ),
    "a preflight with all requested headers": (
        f'<add origin="{APP}"><allowHeaders allowAllRequestedHeaders="true" /></add>',
        APP,
        PREFLIGHT,
        (204, {**ECHOED, "Allow-Headers": "X-A, X-B"}),
    ),
    "a preflight that no rule allows goes on": (RULE, OTHER, PREFLIGHT, (200, {})),
}


@pytest.mark.parametrize(("rules", "origin", "headers", "expected"), CORS.values(), ids=CORS.keys())
def test_cors(
    make_site: MakeSite,
    rules: str,
    origin: str,
    headers: dict[str, str],
    expected: tuple[int, dict[str, str]],
) -> None:
    site = site_of(make_site, f'<cors enabled="true">{rules}</cors>', "CorsModule")
    assert answer(site, origin, "OPTIONS" if headers else "GET", headers) == expected


def test_unlisted_origins_may_be_refused(make_site: MakeSite) -> None:
    inner = f'<cors enabled="true" failUnlistedOrigins="true">{RULE}</cors>'
    site = site_of(make_site, inner, "CorsModule")
    assert answer(site, OTHER) == (403, {})
    assert answer(site, OTHER, "OPTIONS", PREFLIGHT) == (403, {})
    assert answer(site, "") == (200, {})


def test_a_preflight_comes_before_filtering_and_rules(make_site: MakeSite) -> None:
    inner = (
        f'<cors enabled="true">{RULE}</cors><security><requestFiltering><verbs>'
        '<add verb="OPTIONS" allowed="false" /></verbs></requestFiltering></security>'
        '<rewrite><rules><rule name="r"><match url=".*" /><action type="Redirect" url="/y" />'
        "</rule></rules></rewrite>"
    )
    site = site_of(make_site, inner, "CorsModule")
    assert answer(site, APP, "OPTIONS", PREFLIGHT)[0] == 204
    assert site.explain("/x.html", "OPTIONS", {"Origin": OTHER})["outcome"]["status"] == 404
    redirected = site.explain("/x.html", headers={"Origin": APP})
    assert redirected["response"]["headers"]["Access-Control-Allow-Origin"] == APP


def test_errors_of_the_server_have_the_headers(make_site: MakeSite) -> None:
    site = site_of(make_site, f'<cors enabled="true">{RULE}</cors>', "CorsModule")
    response = site.explain("/none.html", headers={"Origin": APP})["response"]
    assert (response["status"], response["headers"]["Access-Control-Allow-Origin"]) == (404, APP)


def test_without_the_module_the_section_is_not_declared(make_site: MakeSite) -> None:
    site = site_of(make_site, '<cors enabled="true" />')
    found = site.explain("/x.html")
    assert (found["outcome"]["status"], found["outcome"]["substatus"]) == (500, 19)
    finding: Finding | dict[str, str] = found["findings"][0]
    assert "--module CorsModule" in str(finding["hint"])


def test_the_section_is_checked(make_site: MakeSite) -> None:
    inner = '<cors enabled="true"><add origin="*"><allowMethods><add header="PUT" />'
    site = site_of(make_site, inner + "</allowMethods></add></cors>", "CorsModule")
    assert site.explain("/x.html")["outcome"]["substatus"] == 19


def test_the_module_can_be_removed(make_site: MakeSite) -> None:
    inner = f'<cors enabled="true">{RULE}</cors><modules><remove name="CorsModule" /></modules>'
    assert answer(site_of(make_site, inner, "CorsModule"), APP) == (200, {})


def test_an_unknown_module() -> None:
    with pytest.raises(SiteError, match="no optional module 'Cors'"):
        Site(".", Settings(modules=("Cors",)))


# -- WebDAV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PROPFIND", "MOVE"])
def test_webdav_refuses_its_methods_whatever_the_handlers_are(
    make_site: MakeSite, method: str
) -> None:
    site = site_of(make_site, python_handler(), "WebDAVModule")
    found = site.explain("/x", method)
    assert (found["outcome"]["status"], found["outcome"]["substatus"]) == (405, 0)
    assert found["outcome"]["module"] == "WebDAVModule"
    canned = site.explain("/x", method, response={"status": 200})["response"]
    assert canned is not None and canned["status"] == 405
    assert found["response"]["headers"]["Allow"] == "GET, HEAD, OPTIONS, TRACE"


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "OPTIONS"])
def test_webdav_leaves_other_methods_alone(make_site: MakeSite, method: str) -> None:
    site = site_of(make_site, python_handler(), "WebDAVModule")
    assert site.explain("/x", method)["outcome"]["kind"] == "fastcgi"


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        ('<modules><remove name="WebDAVModule" /></modules>', "fastcgi"),
        ("", "respond"),
    ],
)
def test_webdav_removed(make_site: MakeSite, inner: str, kind: str) -> None:
    site = site_of(make_site, python_handler() + inner, "WebDAVModule")
    assert site.explain("/x", "PUT")["outcome"]["kind"] == kind


def test_removing_what_is_not_installed_is_harmless(make_site: MakeSite) -> None:
    inner = '<modules><remove name="WebDAVModule" /></modules>'
    site = site_of(make_site, python_handler() + inner)
    assert site.explain("/x", "PUT")["outcome"]["kind"] == "fastcgi"


# -- dynamic IP restrictions -----------------------------------------------------------------------

CONCURRENT = '<denyByConcurrentRequests enabled="true" maxConcurrentRequests="2" />'
RATE = '<denyByRequestRate enabled="true" maxRequests="3" requestIntervalInMilliseconds="1000" />'


def limited(make_site: MakeSite, inner: str, attributes: str = "", more: str = "") -> Site:
    section = f"<dynamicIpSecurity {attributes}>{inner}</dynamicIpSecurity>"
    return site_of(make_site, f"<security>{section}{more}</security>")


class Arrivals:
    """Requests that come at given times; ``codes`` is what each got, 200 for those that pass."""

    def __init__(self, site: Site) -> None:
        self.effective = site.effective("/")
        self.clients = Clients()

    def come(self, now: float, address: str = "192.0.2.1", forwarded: str = "") -> str:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        request = make_request("/", headers=headers, remote_addr=address)
        self.verdict = verdict = self.clients.enter(self.effective, request, now)
        if verdict is None or verdict.action is None:
            return "200" if verdict is None or not verdict.substatus else f"200 {verdict.substatus}"
        if isinstance(verdict.action, Abort):
            return "reset"
        assert isinstance(verdict.action, Respond)
        return f"{verdict.action.status}.{verdict.action.substatus}"

    def leave(self) -> None:
        assert self.verdict is not None
        self.clients.leave(self.verdict)


def test_requests_in_progress(make_site: MakeSite) -> None:
    arrivals = Arrivals(limited(make_site, CONCURRENT))
    assert [arrivals.come(0) for _ in range(3)] == ["200", "200", "403.501"]
    assert arrivals.come(0, "192.0.2.2") == "200"
    arrivals.come(0)
    for _ in range(2):
        arrivals.leave()  # the two refused ones
    assert arrivals.come(0) == "403.501"
    for _ in range(2):
        arrivals.leave()
    assert arrivals.come(0) == "200"


def test_requests_within_an_interval(make_site: MakeSite) -> None:
    arrivals = Arrivals(limited(make_site, RATE))
    times = [0, 0.1, 0.2, 0.3, 0.9, 1.25, 2.5]
    assert [arrivals.come(time) for time in times] == [
        *["200"] * 3,
        "403.502",
        "403.502",
        "200",
        "200",
    ]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("Unauthorized", "401.502"),
        ("NotFound", "404.502"),
        ("Forbidden", "403.502"),
        ("AbortRequest", "reset"),
    ],
)
def test_how_it_refuses(make_site: MakeSite, action: str, code: str) -> None:
    arrivals = Arrivals(limited(make_site, RATE, f'denyAction="{action}"'))
    assert [arrivals.come(0) for _ in range(4)][-1] == code


def test_logging_only(make_site: MakeSite) -> None:
    arrivals = Arrivals(limited(make_site, RATE, 'enableLoggingOnlyMode="true"'))
    assert [arrivals.come(0) for _ in range(4)][-1] == "200 502"


def test_proxy_mode(make_site: MakeSite) -> None:
    arrivals = Arrivals(limited(make_site, RATE, 'enableProxyMode="true"'))
    for _ in range(3):
        arrivals.come(0, forwarded="198.51.100.1, 192.0.2.9")
    assert arrivals.come(0, forwarded="198.51.100.1:5000") == "403.502"
    assert arrivals.come(0, forwarded="198.51.100.2") == "200"
    assert arrivals.come(0, forwarded="nobody") == "400.10"
    assert arrivals.come(0) == "200"


def test_addresses_that_ipsecurity_allows_are_not_limited(make_site: MakeSite) -> None:
    listed = '<ipSecurity><add ipAddress="192.0.2.1" allowed="true" /></ipSecurity>'
    arrivals = Arrivals(limited(make_site, RATE, more=listed))
    assert {arrivals.come(0) for _ in range(9)} == {"200"}
    assert [arrivals.come(0, "192.0.2.2") for _ in range(4)][-1] == "403.502"


def test_clients_are_forgotten(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_ip_restriction, "KEPT", 3)
    arrivals = Arrivals(limited(make_site, RATE))
    for number in range(9):
        arrivals.come(0, f"192.0.2.{number}")
    assert len(arrivals.clients._clients) == 3


def test_nothing_is_limited_without_the_section(make_site: MakeSite) -> None:
    assert Arrivals(site_of(make_site, "")).effective.view(dynamic_ip_restriction.limits) is None
    removed = '<modules><remove name="DynamicIpRestrictionModule" /></modules>'
    site = site_of(
        make_site, f"<security><dynamicIpSecurity>{RATE}</dynamicIpSecurity></security>{removed}"
    )
    found = site.effective("/").view(dynamic_ip_restriction.limits)
    assert found is None or site.findings()  # a locked module stays, with a finding


# -- output cache ----------------------------------------------------------------------------------


def cached(make_site: MakeSite, attributes: str, more: str = "") -> Site:
    inner = (
        f'{python_handler()}<caching {more}><profiles><add extension=".py" {attributes} />'
        "</profiles></caching>"
    )
    return site_of(make_site, inner, "HttpCacheModule")


def asked(site: Site, url: str, method: str = "GET", **headers: str) -> Decision:
    return site.decide(make_request(url, method, {"Host": "h", **headers}))


def answered(cache: OutputCache, decision: Decision, now: float, *parts: bytes, **head: str) -> str:
    """What the cache does with a request whose application would answer with ``parts``."""
    found = cache.find(decision, now)
    if isinstance(found, Response):
        return found.body.decode()
    if found is None:
        return "not cached"
    found.begin(200, "OK", [(name.replace("_", "-"), value) for name, value in head.items()])
    for part in parts:
        found.add(part, True)
    found.add(b"", False)
    cache.keep(found)
    return "asked"


TIMED = 'policy="CacheForTimePeriod" duration="00:00:10"'


def test_an_answer_is_kept_for_its_time(make_site: MakeSite) -> None:
    site, cache = cached(make_site, TIMED), OutputCache()
    decision = asked(site, "/a.py?x=1")
    assert answered(cache, decision, 0, b"a", b"b") == "asked"
    assert answered(cache, asked(site, "/A.py?x=2", "HEAD"), 9.9) == "ab"
    assert answered(cache, decision, 10, b"c") == "asked"
    assert answered(cache, decision, 11) == "c"
    cache.clear()
    assert answered(cache, decision, 11) == "asked"


@pytest.mark.parametrize(
    ("attributes", "url", "method"),
    [
        (TIMED, "/a.txt", "GET"),
        (TIMED, "/a.py", "POST"),
        ('policy="DontCache"', "/a.py", "GET"),
        ('policy="DisableCache"', "/a.py", "GET"),
        (f'{TIMED} location="Client"', "/a.py", "GET"),
        (f'{TIMED} location="None"', "/a.py", "GET"),
    ],
)
def test_what_is_not_cached(make_site: MakeSite, attributes: str, url: str, method: str) -> None:
    site = cached(make_site, attributes)
    assert answered(OutputCache(), asked(site, url, method), 0) == "not cached"


def test_what_may_not_be_given_again(make_site: MakeSite) -> None:
    site, cache = cached(make_site, TIMED, 'maxResponseSize="3"'), OutputCache()
    decision = asked(site, "/a.py")
    assert answered(cache, decision, 0, b"ab", b"cd") == "asked"
    assert answered(cache, decision, 0, b"a", Set_Cookie="a=b") == "asked"
    assert answered(cache, decision, 0, b"abc") == "asked"
    assert answered(cache, decision, 0) == "abc"
    assert answered(cache, asked(site, "/a.py", Range="bytes=0-1"), 0) == "not cached"


def test_what_a_key_holds(make_site: MakeSite) -> None:
    site = cached(make_site, f'{TIMED} varyByQueryString="a;b" varyByHeaders="Accept"')
    cache = OutputCache()
    assert answered(cache, asked(site, "/a.py?a=1&c=1"), 0, b"1") == "asked"
    assert answered(cache, asked(site, "/a.py?A=1&c=2"), 0) == "asked"
    assert answered(cache, asked(site, "/a.py?a=1&c=3"), 0) == "1"
    assert answered(cache, asked(site, "/a.py?a=1", Accept="x/y"), 0) == "asked"
    assert answered(cache, asked(site, "/a.py?a=1&b="), 0) == "asked"


def test_the_cache_is_bounded(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcgiemu.server.output_cache.KEPT", 2)
    site, cache = cached(make_site, TIMED), OutputCache()
    for name in "abc":
        answered(cache, asked(site, f"/{name}.py"), 0, name.encode())
    assert [answered(cache, asked(site, f"/{name}.py"), 0) for name in "cba"] == ["c", "b", "asked"]


def test_an_answer_from_before_a_change_is_not_kept(make_site: MakeSite) -> None:
    site, cache = cached(make_site, 'policy="CacheUntilChange"'), OutputCache()
    decision = asked(site, "/a.py")
    recording = cache.find(decision, 0)
    assert isinstance(recording, Recording)
    cache.clear()
    recording.begin(200, "OK", [])
    recording.add(b"old", False)
    cache.keep(recording)
    assert isinstance(cache.find(decision, 0), Recording)
