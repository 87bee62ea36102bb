"""Decisions for requests that come again over a connection, as most do: the same URL with the same headers.

A decision depends on the request, on the configuration and on what the site's files answered, so it holds while the
configuration has not been read anew and the files, asked again, answer the same.
"""

from __future__ import annotations

from typing import NamedTuple

from ..decision import CallFastCgi, Decision, ServeFile
from ..files import FileEntry, is_settled
from ..site import Site
from .exchange import Exchange

PROVIDERS = "system.webServer/rewrite/providers"
#: Requests that are remembered for one connection, the latest ones, and the bytes of URL and headers that each may have.
KEPT = 16
LONGEST_HEAD = 4096

Answers = dict[str, FileEntry | None]


class Kept(NamedTuple):
    """A decision, and what it depends on beside the request."""

    decision: Decision
    generation: int
    answers: Answers


class Decisions:
    """The decisions made for one connection, whose requests have client, port and scheme in common."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Kept] = {}

    def decide(self, site: Site, exchange: Exchange) -> Decision:
        """What the site does with a request. Raises UrlRefused where http.sys answers by itself."""
        if exchange.too_long:  # its headers are not all there
            return site.decide(exchange.request())
        key = (exchange.target, exchange.method, exchange.version, *exchange.headers)
        kept = self._kept.get(key)
        if kept is not None and kept.generation == site.tree.generation and _same(site, kept.answers):
            return kept.decision
        answers: Answers = {}
        decision = site.decide(exchange.request(), answers=answers)
        if not exchange.has_body and _may_be_kept(site, exchange, decision, answers):
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = Kept(decision, site.tree.generation, answers)
        return decision

    def forget(self) -> None:
        """Give the memory back."""
        self._kept.clear()


def _same(site: Site, answers: Answers) -> bool:
    for path, answer in answers.items():
        if site.find(path) != answer:
            return False
    return True


def _may_be_kept(site: Site, exchange: Exchange, decision: Decision, answers: Answers) -> bool:
    """Errors are made anew each time, and so is whatever a rewrite provider may have had a say in: what it reads is not
    known by time stamp and size alone. Long heads would fill the memory."""
    if not isinstance(decision.action, (CallFastCgi, ServeFile)):
        return False
    if len(exchange.target) + sum([len(name) + len(value) for name, value in exchange.headers]) > LONGEST_HEAD:
        return False
    assert decision.request is not None
    if any(site.effective(path).section(PROVIDERS).items for path in (decision.request.target.path, decision.path)):
        return False
    return all(answer is None or is_settled(answer.mtime_ns) for answer in answers.values())
