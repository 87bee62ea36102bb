"""Patterns as compiled objects: which engine searches, and for how long.

Python's ``re`` searches in the same order as IIS's library and is fast, but cannot be stopped, and
while it runs nobody else does. So it only gets what is sure to be short: from the pattern alone
there is a bound on the steps of a search (``cost.py``), and a text may be so long that the bound is
``regex_cheap_steps``. What is longer goes to a linear engine (``automaton.py``), which also knows
when IIS would give up. What that cannot express, and searches in whole bodies, go to the ``regex``
package under a time limit. A pattern that has used up its limit gets half of it the next time, so
that many requests with such texts cannot add up; one that has come to an end gets it back.

Where others wait (see long_searches.py) both get a small part of that, and a text half as long as
one that was not searched by then is not begun again there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from time import monotonic
from typing import TypeVar

import regex as bounded_regex

from . import long_searches
from .automaton import Automaton, Inexpressible, OutOfBudget, SearchBudget
from .cost import cost, takes_anything_first
from .dialect import END as _END
from .dialect import EXPONENTIAL, MAX_GROUPS, parse
from .inferred_behaviours import POLICY
from .long_searches import Captures, Postponed
from .pattern_errors import MESSAGES, PatternError
from .pattern_parts import required_prefix

T = TypeVar("T")

__all__ = [
    "EXPONENTIAL",
    "MAX_GROUPS",
    "MESSAGES",
    "Pattern",
    "PatternError",
    "TooComplex",
    "compile_pattern",
]

#: Seconds that a search under a time limit may take.
REGEX_SECONDS = POLICY.regex_seconds
#: The same where others wait for it.
BRIEF_SECONDS = 0.001
#: Characters of a body that are searched where others wait.
BRIEF_LENGTH = 1 << 16
#: Characters of a known text that are passed for a unit of work.
_PASSED = 8
#: A pattern that never comes to an end keeps this part of its limits.
_LEAST_PATIENCE = 1 / 64
#: Bits of choice with which a search that passes a text once is quick, however long the text is.
_FEW_WAYS = 6


class TooComplex(Exception):
    """A match was given up after as much work as IIS's engine would do (error_complexity)."""


class Pattern:
    """A compiled pattern. ``search`` gives the captures, group 0 first, "" for groups that took no
    part.
    """

    __slots__ = (
        "_at_start",
        "_automaton",
        "_bounded",
        "_brief_length",
        "_fast",
        "_flags",
        "_lines",
        "_limits",
        "_patience",
        "_refined",
        "_safe_length",
        "_text",
        "groups",
        "prefix",
        "source",
    )

    def __init__(self, source: str, ignore_case: bool) -> None:
        parsed = parse(_utf16(source))
        self.source = source
        self.groups = parsed.groups
        #: The text with which everything begins that matches, where it has no line ends.
        self.prefix = required_prefix(parsed.part)
        self._text = parsed.python
        self._flags = re.ASCII | (re.IGNORECASE if ignore_case else 0)
        # A search that is not anchored tries every start.
        degree = parsed.powers + (0 if self._is_anchored else 1)
        #: The longest text that is left to ``re``, and the longest for which it is sure that IIS
        #: does not give up.
        self._safe_length, self._limits = _lengths(degree, parsed.ways)
        self._refined = False
        #: Whether a match can only begin at the start of a text without line ends.
        self._at_start = False
        self._patience = 1.0
        #: The shortest text that is not searched where others wait for it.
        self._brief_length = BRIEF_LENGTH
        self._fast: Callable[[str], re.Match[str] | None] | None = None
        self._lines: re.Pattern[str] | None = None
        self._bounded: bounded_regex.Pattern[str] | None = None
        self._automaton: Automaton | None = None

    @property
    def _is_anchored(self) -> bool:
        return self._text.startswith("^") and "|" not in self._text

    def search(self, text: str) -> Captures | None:
        """The first match's captures, or None. Raises TooComplex."""
        if not text.isascii() and max(text) > "\uffff":
            captures = self.search(_utf16(text))
            return None if captures is None else tuple(map(_from_utf16, captures))
        if len(text) > self._safe_length and not self._is_cheap(text):
            return self._search_long(text)
        if "\n" in text:
            found = self._by_lines().search(text)
        else:
            found = (self._fast or self._compile())(text)
        return None if found is None else (found[0], *found.groups(""))

    def find(self, text: str, start: int) -> re.Match[str] | None:
        """The first match at or after ``start`` of a long text. Raises TooComplex, and Postponed
        where others wait: the whole work is one for a thread then.
        """
        if len(text) > self._safe_length and not self._is_cheap(text):
            if long_searches.made() is None:
                return self._search_bounded(text, start)
            return self._briefly(text, partial(self._limited, text, start, BRIEF_SECONDS))
        return self._by_lines().search(text, start)

    def _is_cheap(self, text: str) -> bool:
        """Whether a closer look at the pattern lets ``re`` have a text of this length."""
        if not self._refined:
            self._refined = True
            part = parse(_utf16(self.source)).part
            found = cost(part, bool(self._flags & re.IGNORECASE))
            anchored = self._is_anchored
            self._at_start = not anchored and takes_anything_first(part)
            degree = found.degree + (0 if anchored or self._at_start else 1)
            self._safe_length, self._limits = _lengths(degree, found.ways)
            self._fast = None
        if self._at_start and ("\r" in text or "\n" in text):
            return False
        return len(text) <= self._safe_length

    def _compile(self) -> Callable[[str], re.Match[str] | None]:
        """The engine for a text without line ends, made when it is first needed: a long list
        compiles few of its patterns.
        """
        compiled = re.compile(self._text.replace(_END, r"\Z"), self._flags)
        self._fast = compiled.search
        if self._at_start:
            self._fast = lambda text: (compiled.search if "\r" in text else compiled.match)(text)
        return self._fast

    def _by_lines(self) -> re.Pattern[str]:
        if self._lines is None:
            self._lines = re.compile(self._text.replace(_END, "$"), self._flags | re.MULTILINE)
        return self._lines

    # -- long texts --------------------------------------------------------------------------------

    def _search_long(self, text: str) -> Captures | None:
        made = long_searches.made()
        if made is None:
            return self._search_patiently(text)
        known = made.get((self, text))
        if known is not None:
            return known.result()
        budget = SearchBudget(POLICY.regex_brief_work)
        return self._briefly(text, partial(self._search_within, text, budget, BRIEF_SECONDS))

    def _briefly(self, text: str, search: Callable[[], T]) -> T:
        """A search where others wait."""
        if len(text) < self._brief_length:
            try:
                return search()
            except (OutOfBudget, TimeoutError):
                self._brief_length = len(text) // 2
        raise Postponed((self, text), partial(self._search_patiently, text))

    def _search_patiently(self, text: str) -> Captures | None:
        started, seconds = monotonic(), REGEX_SECONDS * self._patience
        work = int(POLICY.regex_work * self._patience)
        budget = SearchBudget(work)
        try:
            found = self._search_within(text, budget, seconds)
        except (OutOfBudget, TimeoutError) as error:
            self._lose_patience()
            raise TooComplex(self.source) from error
        if self._automaton is not None and work - budget.left <= POLICY.regex_brief_work:
            # only its engine had not been built yet; a text that is too complex stays elsewhere
            self._brief_length = max(self._brief_length, len(text) + 1)
        self._came_to_an_end(self._automaton is None and monotonic() - started > seconds / 2)
        return found

    def _search_within(self, text: str, budget: SearchBudget, seconds: float) -> Captures | None:
        """By the linear engine, or where that cannot express the pattern by the other one. Raises
        OutOfBudget and TimeoutError.
        """
        try:
            if self._automaton is None:
                part = parse(_utf16(self.source)).part
                self._automaton = Automaton(part, self.groups, bool(self._flags & re.IGNORECASE))
            return self._run(self._automaton, text, budget)
        except (Inexpressible, RecursionError):
            match = self._limited(text, 0, seconds)
            return None if match is None else (match[0], *match.groups(""))

    def _run(self, automaton: Automaton, text: str, budget: SearchBudget) -> Captures | None:
        budget.spend(len(text) // _PASSED)
        if not automaton.has_lookaheads and not automaton.exists(text, budget):
            # The library counts the parts it enters, about one for two characters. # inferred
            limit = 2 * POLICY.regex_step_limit
            if len(text) > self._limits and automaton.steps(text, limit, budget) > limit:
                raise TooComplex(self.source)
            return None
        slots = automaton.captures(text, budget)
        if slots is None:
            return None
        return tuple(
            text[begin:end] if end >= 0 else ""
            for begin, end in zip(slots[::2], slots[1::2], strict=True)
        )

    def _search_bounded(self, text: str, start: int) -> re.Match[str] | None:
        seconds = REGEX_SECONDS * self._patience
        started = monotonic()
        try:
            found = self._limited(text, start, seconds)
        except TimeoutError as error:
            self._lose_patience()
            raise TooComplex(self.source) from error
        self._came_to_an_end(monotonic() - started > seconds / 2)
        return found

    def _limited(self, text: str, start: int, seconds: float) -> re.Match[str] | None:
        """By the engine that can be stopped. Raises TimeoutError."""
        if self._bounded is None:
            flags = bounded_regex.ASCII | bounded_regex.MULTILINE | bounded_regex.VERSION0
            if self._flags & re.IGNORECASE:
                flags |= bounded_regex.IGNORECASE
            self._bounded = bounded_regex.compile(self._text.replace(_END, "$"), flags)
        found = self._bounded.search(text, start, timeout=seconds)
        return found  # type: ignore[return-value]  # a match of the same shape

    def _came_to_an_end(self, barely: bool) -> None:
        if barely:
            self._lose_patience()
        else:
            self._patience = min(1.0, self._patience * 2)

    def _lose_patience(self) -> None:
        self._patience = max(_LEAST_PATIENCE, self._patience / 2)


def _lengths(degree: int, ways: float) -> tuple[int, int]:
    """The longest texts for which length ** degree * 2 ** ways stays within what ``re`` may do, and
    within IIS's own limit of steps.
    """
    choices: float = 2 ** min(ways, 64)
    longest = int((POLICY.regex_step_limit / choices) ** (1 / max(1, degree))) - 1
    if degree <= 1 and ways <= _FEW_WAYS:
        return longest, longest
    return int((POLICY.regex_cheap_steps / choices) ** (1 / max(1, degree))) - 1, longest


def _utf16(text: str) -> str:
    """Characters beyond the BMP as two, as Windows counts them."""
    if text.isascii():
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(
        chr(int.from_bytes(units[index : index + 2], "little")) for index in range(0, len(units), 2)
    )


def _from_utf16(text: str) -> str:
    return (
        text
        if text.isascii()
        else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )


@lru_cache(maxsize=8192)
def compile_pattern(source: str, ignore_case: bool) -> Pattern:
    """Compile; the same text is compiled once. Raises PatternError."""
    return Pattern(source, ignore_case)
