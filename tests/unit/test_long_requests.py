"""Requests that take long are named once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fcgiemu.server.exchange import Exchange
from fcgiemu.server.long_requests import LongRequests


class Waiting(SimpleNamespace):
    """What LongRequests reads of an exchange."""

    __hash__ = object.__hash__


def waiting(target: str, begun: float, status: int = 0) -> Exchange:
    made: Any = Waiting(method="GET", target=target.encode(), begun=begun, status=status)
    return cast(Exchange, made)


def test_each_once_after_three_seconds() -> None:
    said: list[str] = []
    long = LongRequests(said.append)
    first, second = waiting("/a?password=x", 10), waiting("/b", 12, 200)
    unbegun = waiting("/c", 0)
    long.look([first, second, unbegun], 12.9)
    assert said == []
    long.look([first, second, unbegun], 13)
    long.look([first, second, unbegun], 14)
    assert len(said) == 1
    assert "no answer yet after 3 s" in said[0]
    assert "password=x" not in said[0]
    long.look([first, second], 15)
    assert said[1:] == ["  waiting     GET /b: is being sent after 3 s"]


def test_many_at_once_are_counted() -> None:
    said: list[str] = []
    LongRequests(said.append).look([waiting(f"/{number}", 1) for number in range(9)], 9)
    assert len(said) == 6
    assert said[-1] == "  waiting     and 4 more"
