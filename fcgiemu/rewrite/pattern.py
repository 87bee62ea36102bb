"""The three pattern syntaxes as matchers: text -> captures or None."""

from __future__ import annotations

import re
from collections.abc import Callable

from .inferred_behaviours import POLICY
from .regex import compile_pattern

Captures = tuple[str, ...]
Matcher = Callable[[str], Captures | None]

WILDCARD, EXACT = "Wildcard", "ExactMatch"


def compile_matcher(pattern: str, syntax: str, ignore_case: bool) -> Matcher:
    """A matcher for ``pattern``. Raises PatternError for what IIS's engine refuses."""
    if syntax == WILDCARD:
        return _wildcard(pattern, ignore_case)
    if syntax == EXACT:
        return _exact(pattern, ignore_case)
    if pattern in ("(.*)", "^(.*)$"):
        return _everything(compile_pattern(pattern, ignore_case).search)
    if pattern == ".*":
        return _everything_uncaptured(compile_pattern(pattern, ignore_case).search)
    return compile_pattern(pattern, ignore_case).search


def required_prefix(pattern: str, syntax: str, ignore_case: bool) -> str:
    """The text with which every ASCII text without line ends begins that matches; "" where nothing
    is sure. Raises PatternError.
    """
    if syntax == WILDCARD:
        return pattern.partition("*")[0] if "?" not in pattern else ""
    return pattern if syntax == EXACT else compile_pattern(pattern, ignore_case).prefix


def capture_count(pattern: str, syntax: str, ignore_case: bool) -> int:
    """How many groups ``pattern`` captures besides the whole match. Raises PatternError."""
    if syntax == WILDCARD:
        return pattern.count("*")
    return 0 if syntax == EXACT else compile_pattern(pattern, ignore_case).groups


def _everything(search: Matcher) -> Matcher:
    """``(.*)``, the commonest pattern of all, without the engine where the text has no line
    ends.
    """
    return lambda text: (text, text) if "\n" not in text and "\r" not in text else search(text)


def _everything_uncaptured(search: Matcher) -> Matcher:
    return lambda text: (text,) if "\n" not in text and "\r" not in text else search(text)


def _exact(pattern: str, ignore_case: bool) -> Matcher:
    if not ignore_case:
        return lambda text: (text,) if text == pattern else None
    folded = pattern.lower()
    return lambda text: (text,) if text.lower() == folded else None


def _wildcard(pattern: str, ignore_case: bool) -> Matcher:
    """Each ``*`` takes as little as possible, left to right (policy): every piece between stars at
    its first place.

    Linear in the text, however many stars there are.
    """
    if POLICY.wildcard_question_mark or not POLICY.wildcard_lazy:
        return _wildcard_by_engine(pattern, ignore_case)
    first, *rest = (pattern.lower() if ignore_case else pattern).split("*")
    if not rest:
        return _exact(pattern, ignore_case)
    *middle, last = rest

    def match(text: str) -> Captures | None:
        folded = text.lower() if ignore_case and len(text.lower()) == len(text) else text
        if not folded.startswith(first) or not folded.endswith(last):
            return None
        captures = [text]
        position, end = len(first), len(text) - len(last)
        for piece in middle:
            found = folded.find(piece, position, max(position, end))
            if found < 0:
                return None
            captures.append(text[position:found])
            position = found + len(piece)
        if position > end:
            return None
        return (*captures, text[position:end])

    return match


def _wildcard_by_engine(pattern: str, ignore_case: bool) -> Matcher:
    """The other readings of the documentation: greedy stars, or ``?`` as one character."""
    star = "(.*?)" if POLICY.wildcard_lazy else "(.*)"
    one = "." if POLICY.wildcard_question_mark else r"\?"
    parts = [star if char == "*" else one if char == "?" else re.escape(char) for char in pattern]
    compiled = re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))

    def match(text: str) -> Captures | None:
        found = compiled.fullmatch(text)
        return None if found is None else (found[0], *found.groups(""))

    return match
