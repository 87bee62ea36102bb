"""Searches that take long: given up where others wait, made by a thread, and found again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from fcgiemu.rewrite.long_searches import Postponed, briefly
from fcgiemu.rewrite.regex import Pattern, TooComplex
from fcgiemu.server.long_searches import decided, rewritten

WORDS = r"(\w+\s?)+$"
LONG = "x" * 2000


def _made(search: Callable[[], tuple[str, ...] | None]) -> Future[tuple[str, ...] | None]:
    future: Future[tuple[str, ...] | None] = Future()
    try:
        future.set_result(search())
    except TooComplex as error:
        future.set_exception(error)
    return future


@pytest.mark.parametrize(
    ("pattern", "text", "is_long"),
    [
        (WORDS, LONG, True),
        (WORDS, "x y", False),  # is left to re
        ("(x+x+)+y", "x" * 30, False),  # IIS gives up, which is seen at once
        (r"(x+x+)+\1y", "x" * 300, True),  # has no linear engine
        ("^(?!.*(x+x+)+y)x+z", LONG, True),
        ("^([^/]+)/([^/]+)/?$", "a" * 1000 + "/b", False),
    ],
)
def test_what_takes_long_is_postponed(pattern: str, text: str, is_long: bool) -> None:
    compiled = Pattern(pattern, True)
    for _ in range(3):
        try:
            briefly({}, lambda: compiled.search(text))
            postponed = False
        except TooComplex:
            postponed = False
        except Postponed:
            postponed = True
        assert postponed is is_long


@pytest.mark.parametrize(("pattern", "text"), [(WORDS, LONG), (r"(x+x+)+\1y", LONG)])
def test_a_search_that_has_been_made_is_found(pattern: str, text: str) -> None:
    compiled = Pattern(pattern, True)
    with pytest.raises(Postponed) as caught:
        briefly({}, lambda: compiled.search(text))
    made = {caught.value.key: _made(caught.value.make)}
    try:
        expected = Pattern(pattern, True).search(text)
    except TooComplex:
        with pytest.raises(TooComplex):
            briefly(made, lambda: compiled.search(text))
    else:
        assert briefly(made, lambda: compiled.search(text)) == expected
    with pytest.raises(Postponed):
        briefly(made, lambda: compiled.search(text + "x"))


def test_an_engine_that_was_only_not_built_is_asked_again() -> None:
    words = "|".join(f"word{number}" for number in range(400))
    compiled = Pattern(f"(?:{words})+(b*b*)*c", False)
    text = "z" * 200
    with pytest.raises(Postponed) as caught:
        briefly({}, lambda: compiled.search(text))
    for _ in range(2):
        assert caught.value.make() is None
    assert briefly({}, lambda: compiled.search(text)) is None


def test_bodies() -> None:
    compiled = Pattern("(a+)+b", False)
    with pytest.raises(Postponed):
        briefly({}, lambda: compiled.find("a" * 100_000, 0))
    found = briefly({}, lambda: compiled.find("a" * 100 + "b", 0))
    assert found is not None and found.end() == 101


def test_the_loop_goes_on_meanwhile() -> None:
    """The work is done in the loop, its long searches in one thread; what came of them is the
    same.
    """
    patterns = [Pattern(WORDS, True), Pattern("^" + WORDS, True), Pattern(r"(x+x+)+\1y", True)]
    here = threading.get_ident()
    threads: set[int] = set()
    turns = []

    def work() -> list[object]:
        threads.add(threading.get_ident())
        turns.append(len(turns))
        found: list[object] = []
        for pattern in patterns:
            try:
                found.append(pattern.search(LONG))
            except TooComplex:
                found.append("too complex")
        return found

    async def main() -> None:
        expected = work()
        turns.clear()
        assert await decided(work) == expected == [("x" * 2000, "x" * 2000)] * 2 + ["too complex"]
        assert len(turns) == 4 and threads == {here}
        assert await rewritten(work) == expected
        assert len(turns) == 6 and len(threads) == 2

    asyncio.run(main())
