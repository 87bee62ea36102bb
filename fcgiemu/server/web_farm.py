"""The web farms of a site while it is served: whose turn it is, and which servers are healthy.

A server is healthy at first. Two things change that (documented):

    a test     every ``interval`` the health check's URL is asked of each server: a wrong status, a
               body without ``responseMatch`` or no answer in time makes it unhealthy, a right
               answer healthy again.
    requests   more than ``maxLiveTrafficFailures`` answers with a status of
               ``liveTrafficFailureCodes`` within ``liveTrafficFailurePeriod`` make it unhealthy.
               Only a test makes it healthy again.

Everything is bounded: one task a farm, TESTS_AT_ONCE tests at a time, each with its timeout and
MAX_BODY bytes of body. The tasks end with the server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..decision import Decision, Proxy, Respond
from ..modules import application_request_routing as routing
from ..modules import web_farms
from ..modules.web_farms import Balance, Farm, FarmServer, HealthCheck
from ..rewrite.state import RewriteState
from ..site import Site

if TYPE_CHECKING:
    import httpx

#: Tests of one farm that are in progress together.  # our own
TESTS_AT_ONCE = 16
#: Bytes of a test's answer that ``responseMatch`` is looked for in.  # our own
MAX_BODY = 1 << 20
#: The shortest time between two rounds of tests, in seconds.  # our own
SHORTEST_INTERVAL = 1.0


class FarmState:
    """One farm. ``say`` prints a line."""

    def __init__(self, farm: Farm, say: Callable[[str], None]) -> None:
        self.farm = farm
        self._say = say
        self._balance = Balance(farm)
        #: Address -> why the server is unhealthy.
        self._unhealthy: dict[str, str] = {}
        #: Address -> the moments of its latest failures.
        self._failures: dict[str, deque[float]] = {}

    def route(self, decision: Decision, action: Proxy) -> Proxy | Respond:
        """The action with the server whose turn it is; 502.4 where none is usable."""
        state = RewriteState.of(decision.request, decision.site.files, decision.rewrite)
        asked = web_farms.asked(self.farm, decision.request, state)
        choice = self._balance.choose(asked, self._usable())
        if choice is None:
            return routing.no_server(self.farm, "; ".join(self._unhealthy.values()))
        return routing.routed(action, choice)

    def _usable(self) -> list[FarmServer]:
        servers = list(self.farm.servers)
        healthy = [server for server in servers if server.address not in self._unhealthy]
        return healthy if len(healthy) >= self.farm.health.min_servers else servers

    def answered(self, server: FarmServer, status: int, now: float) -> None:
        """A request to a server has ended with this status; ``now`` in seconds."""
        health = self.farm.health
        if not health.period or status not in health.failures:
            return
        failures = self._failures.setdefault(server.address, deque(maxlen=health.max_failures + 1))
        failures.append(now)
        within = sum(now - moment <= health.period for moment in failures)
        if within > health.max_failures:
            words = f"{within} requests were answered with {status} or the like"
            if not health.url:
                words += ", and no test of <healthCheck url> can make it healthy again"
            self.is_unhealthy(server, words)

    def is_unhealthy(self, server: FarmServer, why: str) -> None:
        """Ask a server no more."""
        text = f"{server.authority('http')} is unhealthy: {why}"
        if server.address not in self._unhealthy:
            self._say(f"web farm '{self.farm.name}': {text}")
        self._unhealthy[server.address] = text

    def is_healthy(self, server: FarmServer) -> None:
        """Ask a server again."""
        self._failures.pop(server.address, None)
        if self._unhealthy.pop(server.address, None) is not None:
            self._say(f"web farm '{self.farm.name}': {server.authority('http')} is healthy again")


class WebFarms:
    """The farms of a site. ``connect`` says where a URL leads on this machine."""

    def __init__(
        self, site: Site, say: Callable[[str], None], connect: Callable[[str], str]
    ) -> None:
        self._site = site
        self._say = say
        self._connect = connect
        self._states: dict[str, FarmState] = {}
        self._tests: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to test the servers of farms with a health check. To be called in the loop."""
        for farm in self._site.effective("/").view(web_farms.farms).values():
            if farm.health.url:
                self._tests.append(asyncio.ensure_future(self._test(self.state(farm))))

    async def close(self) -> None:
        """End the tests."""
        for task in self._tests:
            task.cancel()
        await asyncio.gather(*self._tests, return_exceptions=True)

    def state(self, farm: Farm) -> FarmState:
        """The state of a farm; another farm of the same name begins again."""
        known = self._states.get(farm.name.lower())
        if known is None or known.farm != farm:
            known = self._states[farm.name.lower()] = FarmState(farm, self._say)
        return known

    def route(self, decision: Decision, action: Proxy) -> Proxy | Respond:
        """See FarmState.route."""
        farm = decision.effective.view(web_farms.farms)[action.farm.lower()]
        return self.state(farm).route(decision, action)

    def answered(self, decision: Decision, action: Proxy, status: int) -> None:
        """See FarmState.answered."""
        farm = decision.effective.view(web_farms.farms)[action.farm.lower()]
        server = web_farms.server_of(decision.effective, action)
        if server is not None and status:
            self.state(farm).answered(server, status, asyncio.get_running_loop().time())

    # -- tests -------------------------------------------------------------------------------------

    async def _test(self, state: FarmState) -> None:
        import httpx

        health, free = state.farm.health, asyncio.Semaphore(TESTS_AT_ONCE)
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:

            async def one(server: FarmServer) -> None:
                async with free:
                    why = await self._wrong(client, health, server)
                if why:
                    state.is_unhealthy(server, why)
                else:
                    state.is_healthy(server)

            while True:
                await asyncio.gather(*map(one, state.farm.servers))
                await asyncio.sleep(max(health.interval, SHORTEST_INTERVAL))

    async def _wrong(
        self, client: httpx.AsyncClient, health: HealthCheck, server: FarmServer
    ) -> str:
        """What is wrong with a server's answer to the test; "" = nothing."""
        import httpx

        url, host = question_of(health.url, server)
        try:
            async with asyncio.timeout(health.timeout):
                return await self._looked(client, health, url, host)
        except TimeoutError:
            return f"{url} was not answered within {health.timeout:g} seconds"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return f"{url} does not answer: {error}"

    async def _looked(
        self, client: httpx.AsyncClient, health: HealthCheck, url: str, host: str
    ) -> str:
        headers, body = {"Host": host, "User-Agent": "fcgiemu health test"}, bytearray()
        async with client.stream(
            "GET", self._connect(url), headers=headers, timeout=None
        ) as answer:
            if answer.status_code not in health.codes:
                return f"{url} was answered with {answer.status_code}"
            if health.text:
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_BODY:
                        break
        missing = health.text and health.text.encode() not in body
        return f"the answer of {url} does not have '{health.text}'" if missing else ""


def question_of(url: str, server: FarmServer) -> tuple[str, str]:
    """The URL by which a server is tested, and the Host that it gets: the check's URL with the
    server in the place of its host.  # inferred
    """
    parts = urlsplit(url)
    scheme = parts.scheme or "http"
    authority = server.authority(scheme)
    if server.test_port:
        authority = f"{authority.rpartition(':')[0]}:{server.test_port}"
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{authority}{path}{query}", server.test_host or parts.netloc or authority
