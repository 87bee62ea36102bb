"""Requests that come again over a connection, as most do: the same bytes are the same request, and mostly the same decision.

A decision depends on the request, on the configuration and on what the site's files answered, so it holds while the
configuration has not been read anew and the files, asked again, answer the same.
"""

from __future__ import annotations

from typing import NamedTuple

from ..config.tree import Effective
from ..decision import CallFastCgi, Decision, ServeFile
from ..files import FileView, Listing, is_settled
from ..site import Answers, Site
from .exchange import Exchange

PROVIDERS = "system.webServer/rewrite/providers"
#: Requests that are remembered for one connection, the latest ones, and the bytes that each may have.
KEPT = 16
LONGEST_HEAD = 4096

class Kept(NamedTuple):
    """A request, its decision, and what that depends on beside it."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    version: str
    decision: Decision
    generation: int
    #: What was found, and the folders whose listings show, while they hold, that all else was not.
    answers: Answers
    folders: tuple[tuple[FileView, Listing], ...]


class Decisions:
    """The decisions made for one connection, whose requests have client, port and scheme in common."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[bytes, Kept] = {}

    def recall(self, data: bytes) -> Kept | None:
        """The request that ``data`` is, if it has come before; ``decide`` says whether its decision still holds."""
        return self._kept.get(data)

    def keep(self, data: bytes, exchange: Exchange) -> None:
        """Remember a request that has been decided, if it may be: the bytes were its head, all of it, and nothing else."""
        if exchange.kept is not None and len(data) <= LONGEST_HEAD:
            if len(self._kept) >= KEPT and data not in self._kept:
                del self._kept[next(iter(self._kept))]
            self._kept[data] = exchange.kept

    def forget(self) -> None:
        """Give the memory back."""
        self._kept.clear()


def decide(site: Site, exchange: Exchange) -> Decision:
    """What the site does with a request. Raises UrlRefused where http.sys answers by itself."""
    kept = exchange.kept
    if kept is not None and kept.generation == site.tree.generation and _same(kept):
        return kept.decision
    answers: Answers = {}
    decision = site.decide(exchange.request(), answers=answers)
    exchange.kept = None
    if _may_be_kept(site, exchange, decision, answers):
        folders: dict[FileView, Listing] = {}
        for (view, relative), answer in list(answers.items()):
            listing = view.absent_while(relative.strip("/")) if answer is None else None
            if listing is not None:
                folders[view] = listing
                del answers[view, relative]
        exchange.kept = Kept(exchange.method, exchange.target, exchange.headers, exchange.version,
                             decision, site.tree.generation, answers, tuple(folders.items()))
    return decision


def _same(kept: Kept) -> bool:
    for view, listing in kept.folders:
        if not view.holds(listing):
            return False
    for (view, relative), answer in kept.answers.items():
        if view.find(relative) != answer:
            return False
    return True


def _may_be_kept(site: Site, exchange: Exchange, decision: Decision, answers: Answers) -> bool:
    """Errors are made anew each time, and so is whatever a rewrite provider may have had a say in: what it reads is not
    known by time stamp and size alone."""
    if exchange.has_body or not exchange.keep_alive or not isinstance(decision.action, (CallFastCgi, ServeFile)):
        return False
    assert decision.request is not None and decision.effective is not None
    if decision.effective.view(_has_providers) or site.effective(decision.request.target.path).view(_has_providers):
        return False
    return all(answer is None or is_settled(answer.mtime_ns) for answer in answers.values())


def _has_providers(effective: Effective) -> bool:
    """Whether a configuration has rewrite providers. A view: see Effective.view."""
    return bool(effective.section(PROVIDERS).items)
