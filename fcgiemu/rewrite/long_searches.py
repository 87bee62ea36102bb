"""Searches that take long, and whom they must not hold up.

A server answers many requests in one thread. Most searches take microseconds. One in a text that a
client has made for it takes up to a tenth of a second, which all others would wait, and fifty of
them make seconds. So the server has its work done ``briefly``: a search that is not over after
POLICY.regex_brief_work is given up with Postponed, which says how to make it. The server has it
made by a thread that gives way (``elsewhere`` in server/long_searches.py), and does the same work
again with what was found. A decision is a pure function: it comes to the same search and goes on
behind it.

Who does not ask for that (explain, check, a thread) has every search made in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from types import MappingProxyType
from typing import TypeVar

#: What a search gives: the captures of the first match, None without one.
Captures = tuple[str, ...]
#: A compiled pattern and the text in which it is searched.
Key = tuple[object, str]
#: Searches that have been made.
Made = Mapping[Key, "Future[Captures | None]"]

NO_SEARCHES: Made = MappingProxyType({})

T = TypeVar("T")

_made: ContextVar[Made | None] = ContextVar("made", default=None)


class Postponed(Exception):
    """A search takes long: ``make`` it elsewhere, and come again with its result by ``key``."""

    def __init__(self, key: Key, make: Callable[[], Captures | None]) -> None:
        super().__init__()
        self.key = key
        self.make = make


def briefly(made: Made, work: Callable[[], T]) -> T:
    """What ``work`` returns, without a long search but those that are ``made``. Raises
    Postponed.
    """
    token = _made.set(made)
    try:
        return work()
    finally:
        _made.reset(token)


def made() -> Made | None:
    """The searches that have been made; None where they need not be brief."""
    return _made.get()
