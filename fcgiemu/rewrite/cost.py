"""What a search may cost: a bound on the steps of backtracking, from the pattern alone.

A search that may backtrack takes up to length ** degree * 2 ** ways steps. The parser counts every
repetition and every choice. Here it is asked whether a repetition can give anything back at all: in
``[^/]+/`` no character that ends the run belongs to it, so there is one way to split the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import log2
from typing import assert_never

from .dialect import DOT, EXPONENTIAL
from .pattern_parts import (
    Alternation,
    Assertion,
    CapturingGroup,
    Characters,
    Look,
    Part,
    Reference,
    Repeat,
    Sequence,
    Set,
)

#: Characters as bits: ASCII, one for all others, and one that stands for the end of the pattern,
#: where nothing can fail any more.
_OTHERS = 1 << 128
_END = 1 << 129
#: An assertion, which may fail whatever the characters are.
_MAYBE = 1 << 130
_ALL = _OTHERS | _OTHERS - 1


@dataclass(slots=True)
class Cost:
    """Repetitions that compete for text, one for all others together, and bits of choice."""

    powers: int = 0
    linear: int = 0
    ways: float = 0.0

    @property
    def degree(self) -> int:
        return self.powers + self.linear


def cost(part: Part, ignore_case: bool) -> Cost:
    """The cost of one try of a pattern at one place of a text."""
    return _Estimate(re.ASCII | (re.IGNORECASE if ignore_case else 0)).cost(part, _END)


class _Estimate:
    def __init__(self, flags: int) -> None:
        self.flags = flags

    def cost(self, part: Part, follow: int) -> Cost:
        """The cost of a part behind which the characters ``follow`` may come."""
        match part:
            case Characters() | Set() | Assertion():
                return Cost()
            case Reference():
                return Cost(powers=1)
            case CapturingGroup():
                return self.cost(part.inner, follow)
            case Look():
                return self.cost(part.inner, _END)
            case Repeat():
                return self._repeat(part, follow)
            case Sequence():
                return self._sequence(part.parts, follow)
            case Alternation():
                return self._choice(part.branches, follow)
            case _:
                assert_never(part)

    def _sequence(self, parts: list[Part], follow: int) -> Cost:
        total = Cost()
        for part in reversed(parts):
            found = self.cost(part, follow)
            total.powers += found.powers
            total.linear = max(total.linear, found.linear)
            total.ways += found.ways
            if isinstance(part, Assertion | Look):
                follow = follow & ~_END | _MAYBE
            first, empty = self.first(part)
            follow = first | follow if empty else first
        return total

    def _choice(self, branches: list[Part], follow: int) -> Cost:
        costs = [self.cost(branch, follow) for branch in branches]
        ways = max(found.ways for found in costs)
        seen = 0
        exclusive = True
        for branch in branches:
            first, empty = self.first(branch)
            first |= follow if empty else 0
            exclusive = exclusive and not first & seen
            seen |= first
        return Cost(
            max(found.powers for found in costs),
            max(found.linear for found in costs),
            ways if exclusive else ways + log2(len(branches)),
        )

    def _repeat(self, part: Repeat, follow: int) -> Cost:
        first, empty = self.first(part.inner)
        again = part.high is None or part.high > 1
        inner = self.cost(part.inner, (first if again else 0) | follow)
        fixed = part.high == part.low
        #: Whether another round and what follows can begin with the same character.
        competes = bool((first | (_ALL if empty else 0)) & follow)
        if not again:
            return Cost(inner.powers, inner.linear, inner.ways + (not fixed and competes))
        if inner.powers or inner.ways:
            return Cost(EXPONENTIAL, 1)
        if follow == _END:
            return Cost()  # nothing can fail any more, so nothing is given back
        return Cost(int(not fixed and competes), 1)

    def first(self, part: Part) -> tuple[int, bool]:
        """The characters that a part may begin with, and whether it may match nothing."""
        match part:
            case Characters():
                return (self._chars(re.escape(part.text[0])), False) if part.text else (0, True)
            case Set():
                return self._chars(part.python), False
            case Assertion() | Look():
                return 0, True
            case Reference():
                return _ALL, True
            case CapturingGroup():
                return self.first(part.inner)
            case Repeat():
                found, empty = self.first(part.inner)
                return found, empty or part.low == 0
            case Sequence():
                found = 0
                for inner in part.parts:
                    first, empty = self.first(inner)
                    found |= first
                    if not empty:
                        return found, False
                return found, True
            case Alternation():
                firsts = [self.first(branch) for branch in part.branches]
                found = 0
                for first, _empty in firsts:
                    found |= first
                return found, any(empty for _first, empty in firsts)
            case _:
                assert_never(part)

    def _chars(self, python: str) -> int:
        return _chars(python, self.flags)


def takes_anything_first(part: Part) -> bool:
    """Whether a pattern begins with ``.*`` or its like: where it does not match at the start of a
    line, it does not match further on either.
    """
    match part:
        case CapturingGroup():
            return takes_anything_first(part.inner)
        case Sequence():
            return bool(part.parts) and takes_anything_first(part.parts[0])
        case Repeat():
            return part.high is None and isinstance(part.inner, Set) and part.inner.python == DOT
        case _:
            return False


@lru_cache(maxsize=512)
def _chars(python: str, flags: int) -> int:
    matches = re.compile(python, flags).match
    found = sum(1 << code for code in range(128) if matches(chr(code)))
    return found | (_OTHERS if matches("\u00e9") or not python.isascii() else 0)
