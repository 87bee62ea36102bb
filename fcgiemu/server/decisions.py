"""Decisions for requests that come again over a connection, as most do: the same URL with the same headers.

A decision depends on the request, on the configuration and on what the site's files answered, so it holds while the
configuration has not been read anew and the files, asked again, answer the same. (IIS keeps what its rules made of a
URL as well.)
"""

from __future__ import annotations

from typing import NamedTuple

from ..decision import CallFastCgi, Decision, ServeFile
from ..files import FileEntry, is_settled
from ..site import Site
from .exchange import Exchange

#: Requests that are remembered for one connection.
KEPT = 16

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
        if not exchange.has_body and _may_be_kept(site, decision, answers):
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = Kept(decision, site.tree.generation, answers)
        return decision


def _same(site: Site, answers: Answers) -> bool:
    for path, answer in answers.items():
        if site.find(path) != answer:
            return False
    return True


def _may_be_kept(site: Site, decision: Decision, answers: Answers) -> bool:
    """Errors are made anew each time, and so is what a Python function in the place of a provider had a say in."""
    return isinstance(decision.action, (CallFastCgi, ServeFile)) and not site.settings.providers and all(
        answer is None or is_settled(answer.mtime_ns) for answer in answers.values())
