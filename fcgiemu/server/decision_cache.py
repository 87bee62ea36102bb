"""Repeated requests over a connection, as most are: the same bytes are the same request, and
mostly the same decision. Where only the request line differs, the headers at least are the same.

What is kept of a request (``RememberedDecision``) is used in three steps, and each of them can be
refused:

    recall      the bytes that have arrived are, all of them, a head that has come before over
                this connection; or its headers are, below another plain request line.
    holds       the configuration has not been read again, every file that was found is as it was,
                and every name that was not found is absent. Only then is the decision the same.
    ready       the answer itself, for a small file whose answer does not depend on the time.

``derived_decision.py`` says for which other targets a decision holds.

Only heads without a body are kept, of connections that stay open, for decisions that serve a file
or call a FastCGI application and that no rewrite provider influenced. No client can fill the
memory: KEPT requests of LONGEST_HEAD bytes for one connection, until it is idle for a few seconds.

It pays. CPU time of the server for a request, with and without (no sockets): an application asked
in the same bytes 17 us and 59 us, with another query each time 31 us and 66 us, by another path
each time 50 us and 68 us. A file of 1 KB (wrk, 16 connections, a busy machine): 17 us and 113 us.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TypeVar

from ..config.tree import Effective
from ..decision import CallFastCgi, Decision, ServeFile
from ..files import FileView, Listing, is_settled
from ..hosting import Answers, SiteFiles
from ..http.framing import RequestHead
from ..rewrite.long_searches import briefly
from ..site import Site
from .derived_decision import holds_for_any_path, holds_for_any_query, with_target
from .exchange import Exchange
from .remembered_decision import RememberedDecision

K = TypeVar("K")
T = TypeVar("T")

PROVIDERS = "system.webServer/rewrite/providers"
#: Requests that are remembered for one connection, the latest ones, and the bytes that each may
#: have.
KEPT = 16
LONGEST_HEAD = 4096

#: Request lines that the parser takes, whatever the headers say.
_LINE = re.compile(rb"[A-Z]+ (/[A-Za-z0-9/._~%?&=+,;:@!$'()*-]*) HTTP/1\.1")
#: What requests by plain lines have in common that differ in nothing but the target: the method,
#: and what follows the request line.
Alike = tuple[bytes, bytes]


class DecisionCache:
    """The decisions made for one connection, whose requests have client, port and scheme in
    common.
    """

    __slots__ = ("_heads", "_kept", "_of_any_path", "_of_any_query")

    def __init__(self) -> None:
        self._kept: dict[bytes, RememberedDecision] = {}
        #: A head of such requests.
        self._heads: dict[Alike, RequestHead] = {}
        #: The same with the path -> what holds for any query.
        self._of_any_query: dict[tuple[Alike, bytes], RememberedDecision] = {}
        #: What holds for many a path.
        self._of_any_path: dict[Alike, RememberedDecision] = {}

    def recall(self, data: bytes) -> tuple[RequestHead, RememberedDecision | None] | None:
        """The head that ``data`` is, where it is known, and what is kept of the request if it has
        come before.

        ``decide`` says whether its decision still holds.
        """
        kept = self._kept.get(data)
        if kept is not None:
            return kept.head, kept
        line, alike = _parted(data)
        like = self._heads.get(alike)
        match = _LINE.fullmatch(line) if like is not None else None
        if like is None or match is None:
            return None
        head = RequestHead(like.method, match[1], like.headers, like.version, True)
        path, mark, _ = match[1].partition(b"?")
        kept = self._of_any_query.get((alike, path)) if mark else None
        kept = kept or self._of_any_path.get(alike)
        made = None if kept is None else with_target(kept, head)
        if made is not None:
            self._remember(data, alike, made)
        return head, made

    def keep(self, data: bytes, exchange: Exchange) -> None:
        """Remember a request that has been decided, if it may be: the bytes were its head, all of
        it, and nothing else.

        A client that asks for an Upgrade may get one the next time.
        """
        kept = exchange.kept
        if kept is None or len(data) > LONGEST_HEAD:
            return
        line, alike = _parted(data)
        if alike not in self._heads and any(
            name.lower() == b"upgrade" for name, _ in kept.head.headers
        ):
            return
        if _LINE.fullmatch(line) is None:  # it may name a host, and hold more than one line
            _put(self._kept, data, kept)
            return
        if alike not in self._heads:
            _put(self._heads, alike, kept.head)
        self._remember(data, alike, kept)

    def _remember(self, data: bytes, alike: Alike, kept: RememberedDecision) -> None:
        _put(self._kept, data, kept)
        if kept.any_query:
            _put(self._of_any_query, (alike, kept.head.target.partition(b"?")[0]), kept)
        if kept.any_path:
            _put(self._of_any_path, alike, kept)

    def forget(self) -> None:
        """Give the memory back."""
        self._kept.clear()
        self._heads.clear()
        self._of_any_query.clear()
        self._of_any_path.clear()


def _parted(data: bytes) -> tuple[bytes, Alike]:
    """The request line, and what it has in common with others."""
    line, _, rest = data.partition(b"\r\n")
    return line, (line.partition(b" ")[0], rest)


def _put(memory: dict[K, T], key: K, value: T) -> None:
    if len(memory) >= KEPT and key not in memory:
        del memory[next(iter(memory))]
    memory[key] = value


def decide(site: Site, exchange: Exchange) -> Decision:
    """What the site does with a request. Raises UrlRefused where http.sys answers by itself, and
    Postponed where a search takes long: see long_searches.py.
    """
    kept = exchange.kept
    if kept is not None and holds(site, kept):
        return kept.decision
    answers: Answers = {}
    request, files = exchange.request(), SiteFiles(site, answers)
    decision = briefly(exchange.searches, partial(site.decide, request, None, files))
    exchange.kept = None
    if _may_be_kept(site, exchange, decision, answers):
        any_query, any_path = holds_for_any_query(site, decision), not answers
        folders: dict[FileView, Listing] = {}
        for (view, relative), answer in list(answers.items()):
            listing = view.absent_while(relative.strip("/")) if answer is None else None
            if listing is not None:
                folders[view] = listing
                del answers[view, relative]
        exchange.kept = RememberedDecision(
            head=RequestHead(
                exchange.method, exchange.target, exchange.headers, exchange.version, True
            ),
            decision=decision,
            epoch=site.tree.epoch,
            answers=answers,
            folders=tuple(folders.items()),
            any_query=any_query,
            any_path=any_query and any_path and holds_for_any_path(decision),
        )
    return decision


def holds(site: Site, kept: RememberedDecision) -> bool:
    """Whether a decision would be made again: nothing that it depends on has changed."""
    return kept.epoch == site.tree.epoch and _same(kept)


def _same(kept: RememberedDecision) -> bool:
    for view, listing in kept.folders:
        if not view.holds(listing):
            return False
    for (view, relative), answer in kept.answers.items():
        if answer is None:
            if view.find(relative) is not None:
                return False
        elif not view.has_still(relative, answer):
            return False
    return True


def _may_be_kept(site: Site, exchange: Exchange, decision: Decision, answers: Answers) -> bool:
    """Errors are made again each time, and so is whatever a rewrite provider may have influenced:
    what it reads is not known by time stamp and size alone.
    """
    if (
        exchange.has_body
        or not exchange.keep_alive
        or not isinstance(decision.action, (CallFastCgi, ServeFile))
    ):
        return False
    effective, asked = decision.effective, site.effective(decision.request.target.path)
    if effective.view(_has_providers) or asked is not effective and asked.view(_has_providers):
        return False
    for answer in answers.values():
        if answer is not None and not is_settled(answer.mtime_ns):
            return False
    return True


def _has_providers(effective: Effective) -> bool:
    """Whether a configuration has rewrite providers. A view: see Effective.view."""
    return bool(effective.section(PROVIDERS).items)
