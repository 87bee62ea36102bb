"""Counted requests decided at two versions of a site, each different one once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..decision import Abort, Decision, Outcome, Refused
from ..http.request import Request
from ..http.url import MAX_TARGET_BYTES, Target, UrlRefused, canonicalize
from ..site import Site
from . import outcome
from .entry import SEPARATOR, Keyed
from .inputs import inputs
from .likeness import Likeness
from .log_masking import masked
from .outcome import MAX_HOPS, Way
from .removal import Removal
from .results import Group, Section, add_counts
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

    __slots__ = ("change", "flow", "holds", "new", "new_rules", "old", "old_rules")

    def __init__(self, old: _Side, new: _Side, change: tuple[int, int] | None, holds: bool) -> None:
        self.old, self.new = old, new
        #: The redirects on both sides, where the versions do not do the same.
        self.change = change
        #: Whether it is that of all requests whose queries are alike.
        self.holds = holds
        self.flow = outcome.kind(old.decision), outcome.kind(new.decision)
        self.old_rules = outcome.rules(old.decision)
        self.new_rules = outcome.rules(new.decision)

    def is_like(self, logged: int) -> bool:
        """Whether a logged status is as good as the one that the old version gives."""
        return ALIKE.get(logged, logged) == self.old.status


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
        self._likeness = Likeness((old, new), inputs((old, new)), self.request)
        self._known: dict[tuple[object, ...], _Verdict] = {}

    def section(self, counts: Counts, stop: Callable[[], bool] = lambda: False) -> Section:
        """Decide about the requests of a section. Raises Stopped."""
        found = Section()
        sums: dict[_Verdict, dict[int, int]] = {}
        for number, (text, statuses) in enumerate(counts.items()):
            if number % _ASK_EVERY == 0 and stop():
                raise Stopped
            key = Keyed(*text.split(SEPARATOR))
            known = self._verdict(key)
            counted = sums.setdefault(known, {})
            for status, count in statuses:
                counted[status] = counted.get(status, 0) + count
            if known.change is not None:
                self._add_change(found, key, known, known.change, statuses)
            if known.old.status:
                self._compare_with_log(found, key, known, statuses)
        for known, counted in sums.items():
            _account(found, known, counted)
        found.needed = set(self._needed)
        return found

    def _verdict(self, key: Keyed) -> _Verdict:
        """What both versions do with a request: known from one that is like it, or decided."""
        method, host, port, target, query, *headers = key
        others = (method, host, port, *headers)
        of_query = self._likeness.of_query(query)
        of_path = self._likeness.of_path(key)
        if of_path is not None:
            of_paths = of_path, of_query or query, others
            if (known := self._known.get(of_paths)) is not None:
                return known
        of_queries = target, of_query, others
        if of_query is not None and (known := self._known.get(of_queries)) is not None:
            return known
        made = self._judged(key)
        if made.holds:
            if of_path is not None and self._holds_for_paths(made):
                self._remember(of_paths, made)
            elif of_query is not None:
                self._remember(of_queries, made)
        return made

    def _holds_for_paths(self, made: _Verdict) -> bool:
        """Whether a verdict is that of all paths that are alike. Whether a rule is needed is not:
        without it, rules may make something of the path.
        """
        return self._needed.issuperset(made.new_rules) and self._likeness.holds_for_paths(
            made.old.decision, made.new.decision
        )

    def _remember(self, alike: tuple[object, ...], made: _Verdict) -> None:
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[alike] = made

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

    def _try_without(self, name: str, made: Decision, where: outcome.Destination) -> None:
        """Learn whether a rule is needed."""
        if outcome.destination(self._removal.decide(made, name)) != where:
            self._needed.add(name)

    def _change(self, request: Request | None, old: _Side, new: _Side) -> tuple[int, int] | None:
        """None where both versions do the same, else the redirects on both sides."""
        hops = self._hops(request, old, new)
        return None if old.where == new.where and hops[0] == hops[1] else hops

    def _add_change(
        self,
        found: Section,
        key: Keyed,
        known: _Verdict,
        hops: tuple[int, int],
        statuses: Statuses,
    ) -> None:
        old, new = known.old, known.new
        count = sum(count for _, count in statuses)
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
        """Note where the log has another status than the old version gives."""
        for status, count in statuses:
            if status and not known.is_like(status):
                group = ("", str(status), outcome.label(known.old.decision))
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
            method=key.method,
            target=self._canonical(key.target, key.query),
            headers=tuple(headers),
            scheme=scheme,
            host=host.strip("[]"),
            port=int(key.port),
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


def _account(found: Section, known: _Verdict, counted: dict[int, int]) -> None:
    """Add the requests of a verdict, by logged status, to what was found."""
    count = sum(counted.values())
    found.requests += count
    add_counts(found.flows, {known.flow: count})
    add_counts(found.old_hits, dict.fromkeys(known.old_rules, count))
    add_counts(found.new_hits, dict.fromkeys(known.new_rules, count))
    if known.old.status:
        rule = known.old_rules[-1] if known.old_rules else ""
        parity = found.parity.setdefault(rule, [0, 0])
        parity[0] += sum(count for status, count in counted.items() if status)
        parity[1] += sum(count for status, count in counted.items() if known.is_like(status))


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
