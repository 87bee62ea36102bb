"""Counted requests decided at two versions of a site, each different one once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..decision import Abort, Decision, Outcome, Refused
from ..http.request import Request
from ..http.url import MAX_TARGET_BYTES, Target, UrlRefused, canonicalize
from ..rewrite.regex import TooComplex
from ..site import Site
from . import outcome
from .entry import SEPARATOR, Keyed
from .inputs import inputs
from .log_masking import masked
from .outcome import MAX_HOPS, Way
from .removal import Removal
from .results import Group, Section
from .store import Section as Counts

#: Files and folders remembered, so that memory stays bounded whatever the length of a log.
MAX_REMEMBERED = 50_000
#: Logged statuses that are as good as the one that is predicted: conditional and range requests.
ALIKE = {304: 200, 206: 200}
#: A client elsewhere (an address of documentation), where the log does not say.
ELSEWHERE = "203.0.113.1"
#: How grave a change is, the gravest first.
GRAVITY = ("new 404", "new error", "new redirect hop", "other")
#: Requests after which somebody may stop a section.
_ASK_EVERY = 500

_QUERY = Keyed._fields.index("query")

#: How often a request was answered with which status.
Statuses = Iterable[tuple[int, int]]
#: (kind before, kind after), as --ignore-kind has them.
Kinds = frozenset[tuple[str, str]]


class Stopped(Exception):
    """A section was given up before its end."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One version's answer to one request."""

    decision: Outcome
    where: outcome.Destination
    status: int


class _Verdict:
    """What both versions do with a request."""

    __slots__ = ("change", "flow", "is_of_all", "new", "new_rules", "old", "old_rules")

    def __init__(
        self, old: _Side, new: _Side, change: tuple[int, int] | None, is_of_all: bool
    ) -> None:
        self.old, self.new = old, new
        #: The redirects on both sides, where the versions do not do the same.
        self.change = change
        #: Whether it is one of all requests that differ only in what no rule tells apart.
        self.is_of_all = is_of_all
        self.flow = outcome.kind(old.decision), outcome.kind(new.decision)
        self.old_rules = outcome.rules(old.decision)
        self.new_rules = outcome.rules(new.decision)


class Judge:
    """Decides at both sites; keeps what it has learned from section to section."""

    def __init__(self, old: Site, new: Site, ignored: Kinds = frozenset()) -> None:
        self.old, self.new, self.ignored = old, new, ignored
        for site in (old, new):
            for directory in site.layout.directories:
                directory.view.remember(MAX_REMEMBERED)
        self._old_decide, self._new_decide = _decider(old), _decider(new)
        self._old_way, self._new_way = Way(self._old_decide), Way(self._new_decide)
        self._removal = Removal(new)
        self._needed: set[str] = set()
        self._target = Target("/", "", "/")
        inputs_read = inputs((old, new))
        self._tests_tell, self._query_tests = inputs_read.tests_tell, inputs_read.query_tests
        self._long_query = inputs_read.long_query
        self._known: dict[tuple[object, ...], _Verdict] = {}

    def section(self, counts: Counts, stop: Callable[[], bool] = lambda: False) -> Section:
        """Decide about the requests of a section. Raises Stopped."""
        found = Section()
        for number, (key, statuses) in enumerate(counts.items()):
            if number % _ASK_EVERY == 0 and stop():
                raise Stopped
            self._one(found, Keyed(*key.split(SEPARATOR)), statuses)
        found.needed = set(self._needed)
        return found

    def _one(self, found: Section, key: Keyed, statuses: Statuses) -> None:
        kin = self._kin(key)
        known = self._known.get(kin) if kin is not None else None
        if known is None:
            known = self._judged(key)
            if kin is not None and known.is_of_all:
                if len(self._known) >= MAX_REMEMBERED:
                    self._known.clear()
                self._known[kin] = known
        self._account(found, key, known, statuses)

    def _kin(self, key: Keyed) -> tuple[object, ...] | None:
        """What requests have in common that differ in queries which no rule tells apart."""
        query = key.query
        if not self._tests_tell or len(query) > self._long_query:
            return None
        try:
            tests = [test(query) is not None for test in self._query_tests]
        except TooComplex:
            return None
        return (*key[:_QUERY], bool(query), *tests, *key[_QUERY + 1 :])

    def _judged(self, key: Keyed) -> _Verdict:
        """Decide about a request at both sites."""
        before: Outcome
        after: Outcome
        request: Request | None = None
        try:
            request = self.request(key)
        except UrlRefused as error:
            before = after = Refused.of(error)
        else:
            before, after = self._old_decide(request), self._new_decide(request)
        old = _Side(before, outcome.destination(before), outcome.status(before))
        new = _Side(after, outcome.destination(after), outcome.status(after))
        if isinstance(after, Decision):
            for name in after.rules:
                if name not in self._needed:
                    self._try_without(name, after, new.where)
        change = self._change(request, old, new)
        is_redirect = "redirect" in (old.where[0], new.where[0])  # to the query of each
        return _Verdict(old, new, change, change is None and not is_redirect)

    def _account(self, found: Section, key: Keyed, known: _Verdict, statuses: Statuses) -> None:
        """Add requests to what was found."""
        count = sum(count for _, count in statuses)
        found.requests += count
        flow = known.flow
        found.flows[flow] = found.flows.get(flow, 0) + count
        for name in known.old_rules:
            found.old_hits[name] = found.old_hits.get(name, 0) + count
        for name in known.new_rules:
            found.new_hits[name] = found.new_hits.get(name, 0) + count
        if known.change is not None:
            self._add_change(found, key, known, known.change, count)
        if known.old.status:
            self._compare_with_log(found, key, known, statuses)

    def _try_without(self, name: str, made: Decision, where: outcome.Destination) -> None:
        """Learn whether a rule is needed."""
        if outcome.destination(self._removal.decide(made, name)) != where:
            self._needed.add(name)

    def _change(self, request: Request | None, old: _Side, new: _Side) -> tuple[int, int] | None:
        """None where both versions do the same, else the redirects on both sides."""
        hops = self._hops(request, old, new)
        return None if old.where == new.where and hops[0] == hops[1] else hops

    def _add_change(
        self, found: Section, key: Keyed, known: _Verdict, hops: tuple[int, int], count: int
    ) -> None:
        old, new = known.old, known.new
        if (_kind(old), _kind(new)) in self.ignored:
            found.ignored += count
            return
        found.changed += count
        group: Group = (
            _gravity(old, new, hops),
            outcome.label(old.decision),
            outcome.label(new.decision),
        )
        more = f" ({_hop_words(hops)})" if hops[0] != hops[1] else ""
        summary = f"{outcome.shown(old.where)} -> {outcome.shown(new.where)}{more}"
        found.put(found.changes, group, masked(f"{shown_url(key)}: {summary}"), count)

    def _hops(self, request: Request | None, old: _Side, new: _Side) -> tuple[int, int]:
        if request is None or "redirect" not in (old.where[0], new.where[0]):
            return 0, 0
        return (
            self._old_way.hops(request, old.decision),
            self._new_way.hops(request, new.decision),
        )

    def _compare_with_log(
        self, found: Section, key: Keyed, known: _Verdict, statuses: Statuses
    ) -> None:
        old = known.old
        rule = known.old_rules[-1] if known.old_rules else ""
        parity = found.parity.setdefault(rule, [0, 0])
        for status, count in statuses:
            if not status:
                continue
            parity[0] += count
            if ALIKE.get(status, status) == old.status:
                parity[1] += count
            else:
                group = ("", str(status), outcome.label(old.decision))
                found.put(found.unlike, group, masked(shown_url(key)), count)

    def request(self, key: Keyed) -> Request:
        """The request of a key, as a client elsewhere has sent it. Raises UrlRefused."""
        host = key.host or "localhost"
        scheme = "https" if key.port == "443" else "http"
        authority = host if key.port in ("80", "443") else f"{host}:{key.port}"
        headers = [("Host", authority)]
        fields = {"host": authority}
        for name, value in (
            ("User-Agent", _blanks(key.agent)),
            ("Referer", key.referer),
            ("Cookie", key.cookie.replace(";+", "; ")),
        ):
            if value:
                headers.append((name, value))
                fields[name.lower()] = value
        return Request(
            key.method,
            self._canonical(key.target, key.query),
            tuple(headers),
            scheme,
            host.strip("[]"),
            int(key.port),
            remote_addr=key.client or ELSEWHERE,
            body_length=0,
            fields=fields,
        )

    def _canonical(self, path: str, query: str) -> Target:
        """The target; neighbours often differ in the query alone."""
        raw = f"{path}?{query}" if query else path
        last = self._target
        if last.raw.partition("?")[0] == path and len(raw) <= MAX_TARGET_BYTES:
            return Target(last.path, query, raw)
        self._target = canonicalize(raw)
        return self._target


def _decider(site: Site) -> Callable[[Request], Decision]:
    """How the site decides about what clients send."""
    if not site.settings.azure:
        return site.decide
    return lambda request: site.decide(site.as_received(request))


def _blanks(agent: str) -> str:
    """A user agent with its blanks: a ``+`` before http is one, ``(+http…)`` of robots."""
    if "+" not in agent:
        return agent
    return agent.replace("+http", "\0http").replace("+", " ").replace("\0http", "+http")


def _gravity(old: _Side, new: _Side, hops: tuple[int, int]) -> str:
    if new.status == 404 and old.status != 404:
        return GRAVITY[0]
    if (_fails(new) and not _fails(old)) or hops[1] == MAX_HOPS > hops[0]:
        return GRAVITY[1]
    return GRAVITY[2] if hops[1] > hops[0] else GRAVITY[3]


def _fails(side: _Side) -> bool:
    return side.status >= 400 or side.where == (Abort.kind,)


def _kind(side: _Side) -> str:
    """The kind as --ignore-kind has it."""
    return "respond" if side.where[0] == "status" else side.where[0]


def _hop_words(hops: tuple[int, int]) -> str:
    old, new = ("a loop" if count == MAX_HOPS else str(count) for count in hops)
    return f"redirects: {old} before, {new} now"


def shown_url(key: Keyed) -> str:
    """A request in the words of a list of URLs: method if it is not GET, host where it decides."""
    method = "" if key.method == "GET" else f"{key.method} "
    query = f"?{key.query}" if key.query else ""
    if not key.host:
        return f"{method}{key.target}{query}"
    scheme = "https" if key.port == "443" else "http"
    port = "" if key.port in ("80", "443") else f":{key.port}"
    return f"{method}{scheme}://{key.host}{port}{key.target}{query}"
