"""The API of the pages: which path answers what. See openapi.py for its description.

Reading calls change nothing. Exactly three calls change something, all of them POST with the token
and an Origin: replay, restart of a worker, save.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

from .. import pages
from ..errors import SiteError
from ..pages import secret_masking
from ..site import Site
from ..version import __version__
from . import editing, explaining, identity, openapi, processes, replay, rules, traces, views
from .access import Access
from .editing import CannotEdit
from .endpoint import Answer, ApiAnswer, ApiRequest, EventStream, Send, as_json, problem
from .explaining import BadQuestion
from .recent_requests import Seen
from .watching import Watch

#: Where version 1 of the API lies.
PREFIX = "/api/v1/"
_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript"}
_STATIC = re.compile(r"/static/([a-z]+\.(css|js))")


class NotThere(Exception):
    """What is asked for does not exist (any more); says what."""


@dataclass(frozen=True, slots=True)
class Route:
    """A call of the API; ``pattern`` matches what follows PREFIX."""

    method: str
    pattern: re.Pattern[str]
    call: Callable[..., Awaitable[Answer]]
    changes: bool = False


class Router:
    """Answers what is asked of the pages, for those who may ask."""

    def __init__(self, watch: Watch, access: Access) -> None:
        self._watch = watch
        self._access = access
        self._routes = [
            _route("GET", "requests", self._requests),
            _route("GET", r"requests/(\d{1,15})", self._request),
            _route("GET", r"requests/(\d{1,15})/freb", self._freb),
            _route("GET", r"requests/(\d{1,15})/headers", self._secrets),
            _route("GET", "explain", self._explain),
            _route("POST", "explain", self._explain_draft),
            _route("GET", "check", self._check),
            _route("POST", "check", self._check_draft),
            _route("POST", "pattern", self._pattern),
            _route("GET", "config", self._config),
            _route("GET", "rules", self._rules),
            _route("GET", "urls", self._urls),
            _route("GET", "workers", self._workers),
            _route("POST", "replay", self._replay, changes=True),
            _route("POST", r"workers/(\d{1,15})/restart", self._restart, changes=True),
            _route("POST", "save", self._save, changes=True),
            _route("GET", "identity", self._identity),
            _route("POST", "identity", self._change_identity, changes=True),
            _route("GET", r"openapi\.json", self._openapi),
        ]

    async def answer(self, asked: ApiRequest) -> Answer:
        """The answer to a request."""
        static = _STATIC.fullmatch(asked.path)
        route, groups = self._find(asked)
        refusal = self._access.refusal(
            asked.method,
            asked.headers,
            asked.query.get("token"),
            is_public=static is not None,
            changes=route is not None and route.changes,
        )
        if refusal is not None:
            return problem(403, refusal)
        if static is not None:
            return _file(static[1])
        if asked.path == "/":
            return _file("index.html")
        if route is None:
            return problem(404, f"There is no {asked.method} {asked.path}; see openapi.json.")
        try:
            return await route.call(asked, *groups)
        except BadQuestion as error:
            return problem(400, str(error))
        except NotThere as error:
            return problem(404, str(error))
        except CannotEdit as error:
            return problem(error.status, str(error))
        except SiteError as error:
            return problem(409, f"{error} {error.hint}".strip())

    def _find(self, asked: ApiRequest) -> tuple[Route | None, tuple[str, ...]]:
        if asked.path.startswith(PREFIX):
            for route in self._routes:
                match = route.pattern.fullmatch(asked.path, len(PREFIX))
                if match is not None and route.method == asked.method:
                    return route, match.groups()
        return None, ()

    # -- requests ----------------------------------------------------------------------------------

    async def _requests(self, asked: ApiRequest) -> Answer:
        after = _number(asked.headers.get("last-event-id") or asked.query.get("after") or "0")
        if "text/event-stream" in asked.headers.get("accept", "") or "stream" in asked.query:
            return EventStream(partial(self._stream, after))
        ring = self._watch.ring
        newest = [views.summary(seen) for seen in reversed(ring.after(after))]
        return as_json({"total": ring.total, "requests": newest})

    def _stream(self, after: int, send: Send) -> Callable[[], None]:
        def tell(seen: Seen) -> None:
            if not send(seen.number, views.summary(seen)):
                stop()

        stop = self._watch.ring.listen(tell)
        for seen in self._watch.ring.after(after):
            if not send(seen.number, views.summary(seen)):
                break
        return stop

    async def _request(self, asked: ApiRequest, number: str) -> Answer:
        seen = self._seen(int(number))
        return as_json(views.details(seen, self._watch.output_of(seen)))

    async def _secrets(self, asked: ApiRequest, number: str) -> Answer:
        if self._access.is_exposed:
            raise CannotEdit("Values are not shown on an address that other machines reach.", 403)
        return as_json(views.unmasked(self._seen(int(number))))

    async def _freb(self, asked: ApiRequest, number: str) -> Answer:
        seen, explainer = self._seen(int(number)), self._watch.explainer
        decision = seen.decision
        if decision is None:
            raise NotThere("http.sys answered by itself: IIS traces nothing of that.")
        data = await explainer.run(lambda: traces.as_freb(explainer.site(), seen, decision))
        name = ("Content-Disposition", f'attachment; filename="fr{seen.number:06}.xml"')
        return ApiAnswer(200, data, "text/xml", (name,))

    def _seen(self, number: int) -> Seen:
        seen = self._watch.ring.get(number)
        if seen is None:
            raise NotThere(f"Request {number} is not kept: the last 1,000 are.")
        return seen

    # -- explanations ------------------------------------------------------------------------------

    async def _explain(self, asked: ApiRequest) -> Answer:
        explainer, query = self._watch.explainer, asked.query
        if "request" in query:
            seen = self._seen(_number(query["request"]))
            return as_json(
                await explainer.run(lambda: explaining.of_request(explainer.site(), seen))
            )
        url, method = query.get("url", ""), query.get("method", "GET")
        return as_json(
            await explainer.run(lambda: explaining.of_url(explainer.site(), url, method))
        )

    async def _explain_draft(self, asked: ApiRequest) -> Answer:
        given, explainer = _object(asked), self._watch.explainer
        urls = given.get("urls")
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise BadQuestion('urls is a list such as ["/blog/1"].')
        config = _text(given, "config")

        def work() -> dict[str, Any]:
            before = explaining.of_urls(explainer.site(), urls)
            return {
                "before": before,
                "after": explaining.of_urls(explainer.with_config(config), urls),
            }

        return as_json(await explainer.run(work))

    async def _check(self, _: ApiRequest) -> Answer:
        explainer = self._watch.explainer

        def work() -> list[dict[str, Any]]:
            return explaining.findings(Site(self._watch.site.path, self._watch.site.settings))

        return as_json({"findings": await explainer.run(work)})

    async def _check_draft(self, asked: ApiRequest) -> Answer:
        config, explainer = _text(_object(asked), "config"), self._watch.explainer

        def work() -> dict[str, Any]:
            source = editing.read(self._watch.site.path)
            return {
                "findings": explaining.findings(explainer.with_config(config)),
                "diff": editing.diff(source, config, self._watch.writes),
            }

        return as_json(await explainer.run(work))

    async def _pattern(self, asked: ApiRequest) -> Answer:
        given, explainer = _object(asked), self._watch.explainer
        pattern, text = _text(given, "pattern"), _text(given, "input")
        syntax, ignore_case = given.get("syntax", "ECMAScript"), given.get("ignore_case", True)
        if syntax not in ("ECMAScript", "Wildcard", "ExactMatch"):
            raise BadQuestion("syntax is ECMAScript, Wildcard or ExactMatch.")
        if not isinstance(ignore_case, bool):
            raise BadQuestion("ignore_case is true or false.")
        return as_json(
            await explainer.run(lambda: explaining.try_pattern(pattern, text, syntax, ignore_case))
        )

    # -- the site ----------------------------------------------------------------------------------

    async def _config(self, _: ApiRequest) -> Answer:
        source = await self._watch.explainer.run(lambda: editing.read(self._watch.site.path))
        return as_json(self._source(source))

    def _source(self, source: editing.EditedFile) -> dict[str, object]:
        shown = source.text if self._watch.writes else secret_masking.text(source.text)
        return {
            "name": source.path.name,
            "text": shown,
            "stamp": source.stamp,
            "is_writable": self._watch.writes,
        }

    async def _rules(self, _: ApiRequest) -> Answer:
        watch = self._watch
        used = watch.waiting.take()
        hits, last_hits = dict(watch.ring.hits), dict(watch.ring.last_hits)

        def work() -> dict[str, Any]:
            site = watch.explainer.site()
            watch.counts.add(site, used)
            return rules.overview(site, watch.counts, hits, last_hits)

        return as_json(await watch.explainer.run(work))

    async def _urls(self, _: ApiRequest) -> Answer:
        explainer = self._watch.explainer
        return as_json({"urls": await explainer.run(lambda: explaining.urls(explainer.site()))})

    async def _workers(self, _: ApiRequest) -> Answer:
        watch = self._watch
        return as_json(
            {"workers": processes.workers(watch.server), "changes": list(watch.changes)[::-1]}
        )

    async def _openapi(self, _: ApiRequest) -> Answer:
        return as_json(openapi.document(__version__))

    # -- what changes something --------------------------------------------------------------------

    async def _replay(self, asked: ApiRequest) -> Answer:
        given = _object(asked)
        number = given.get("number")
        if number is not None and type(number) is not int:
            raise BadQuestion("number is that of a request.")
        seen = self._seen(number) if number is not None else None
        return as_json(await self._watch.replayer.send(replay.question(given, seen)))

    async def _restart(self, _: ApiRequest, pid: str) -> Answer:
        if not await processes.restart(self._watch.server, int(pid)):
            raise NotThere(f"No process {pid} serves this site.")
        return as_json({"restarted": int(pid)})

    async def _identity(self, _: ApiRequest) -> Answer:
        return as_json(identity.state(self._watch.site))

    async def _change_identity(self, asked: ApiRequest) -> Answer:
        site, explainer = self._watch.site, self._watch.explainer
        identity.change(site, _object(asked))
        await explainer.run(lambda: explainer.use(site.settings))
        return as_json(identity.state(site))

    async def _save(self, asked: ApiRequest) -> Answer:
        if not self._watch.writes:
            raise CannotEdit("Nothing is saved without --ui-write: restart serve with it.", 403)
        given = _object(asked)
        text, stamp = _text(given, "text"), _text(given, "stamp")
        folder = self._watch.site.path
        source = await self._watch.explainer.run(lambda: editing.save(folder, text, stamp))
        return as_json(self._source(source))


def _route(
    method: str, pattern: str, call: Callable[..., Awaitable[Answer]], changes: bool = False
) -> Route:
    return Route(method, re.compile(pattern), call, changes)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise BadQuestion(f"{text[:40]!r} is not a number of a request.")
    return int(text)


def _object(asked: ApiRequest) -> dict[str, Any]:
    """The body of a POST."""
    try:
        found = json.loads(asked.body)
    except (ValueError, RecursionError) as error:
        raise BadQuestion(f"The body is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise BadQuestion("The body is a JSON object.")
    return found


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise BadQuestion(f"{name} is a text.")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise BadQuestion(f"{name} holds half a character.")
    return value


def _file(name: str) -> ApiAnswer:
    """A file of the pages."""
    try:
        data = resources.files("fcgiemu.inspector").joinpath("static", name).read_bytes()
    except FileNotFoundError:
        return problem(404, f"There is no {name}.")
    if name == "style.css":
        data = pages.shared_style() + data
    return ApiAnswer(200, data, _TYPES[name.rpartition(".")[2]])
