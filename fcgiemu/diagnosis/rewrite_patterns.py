"""What a pattern asks of the texts that it matches, such as a slash at their start; and the pattern
that was meant.

Nothing is guessed: where a pattern is not anchored, or not valid, it asks for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

from ..rewrite.dialect import parse
from ..rewrite.pattern_errors import PatternError
from ..rewrite.pattern_parts import (
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

_PRINTABLE = [chr(number) for number in range(33, 127)]


def as_regex(pattern: str, syntax: str) -> str:
    """A pattern of any syntax as a regular expression, to be looked at and not to be run."""
    if syntax == "ECMAScript":
        return pattern
    stars = pattern.split("*") if syntax == "Wildcard" else [pattern]
    return f"^{'.*'.join(map(re.escape, stars))}$"


#: Signs that are special in regular expressions, as people write them for wildcards by mistake. A
#: dot and a star behind a name are a wildcard pattern: index.*, 10.0.*.*, *.*
_OF_REGEX = re.compile(r"[\^$()\\|\[]|\.\+|(?<![\w*-])\.\*")


def is_regex(pattern: str) -> bool:
    """Whether a wildcard pattern was meant as a regular expression."""
    return _OF_REGEX.search(pattern) is not None


def as_wildcard(pattern: str) -> str:
    """The wildcard pattern for a regular expression, as near as it comes."""
    text = re.sub(
        r"\([^()]*\)[*+?]?|\.[*+]\??|\\[dw][*+]?|\[[^\]]*\][*+]?", "*", pattern.strip("^$")
    )
    return re.sub(r"\*+", "*", text.replace("\\", ""))


def has_wildcard(pattern: str) -> bool:
    """Whether some wildcard pattern means the same as a regular expression: it has alternatives,
    sets and repeated letters in no other place than ``*`` stands for.
    """
    return not re.search(r"[\[|{]|\\[dws]|\)[*+?]|[^.)\]][+?]", pattern)


# -- how matches begin -----------------------------------------------------------------------------


def begins(pattern: str) -> frozenset[str]:
    """The characters that the texts may begin with which an ECMAScript pattern matches; none where
    that can be any, or nothing.
    """
    try:
        start = _start(parse(pattern).part, _Start(frozenset(), False))
    except (PatternError, RecursionError):
        return frozenset()
    return start.signs if start.ended and start.signs is not None else frozenset()


class _Start:
    """What is known of the first character while parts are read: the ``signs`` that it may be (None
    = any), whether reading is still ``anchored`` at the start, and whether it has ``ended``.
    """

    __slots__ = ("anchored", "ended", "signs")

    def __init__(self, signs: frozenset[str] | None, anchored: bool, ended: bool = False) -> None:
        self.signs, self.anchored, self.ended = signs, anchored, ended

    def with_signs(self, signs: frozenset[str] | None, ended: bool = True) -> _Start:
        """As this one, after a part that begins with one of ``signs``."""
        known = None if signs is None or self.signs is None else self.signs | signs
        return _Start(known, self.anchored, ended)


def _start(part: Part, before: _Start) -> _Start:
    match part:
        case Characters():
            signs = frozenset(part.text[:1]) if before.anchored else None
            return before.with_signs(signs) if part.text else before
        case Set():
            return before.with_signs(_members(part) if before.anchored else None)
        case Assertion():
            return _Start(before.signs, before.anchored or part.kind == "^")
        case CapturingGroup():
            return _start(part.inner, before)
        case Alternation():
            ways = [_start(branch, before) for branch in part.branches]
            if not all(way.ended and way.signs is not None for way in ways):
                return before.with_signs(None)
            return before.with_signs(frozenset().union(*(way.signs or () for way in ways)))
        case Repeat():
            inner = _start(part.inner, before)
            return inner if part.low or not inner.ended else before.with_signs(inner.signs, False)
        case Sequence():
            for inner_part in part.parts:
                before = _start(inner_part, before)
                if before.ended or before.signs is None:
                    break
            return before
        case Look() | Reference():
            return before.with_signs(None)
        case _:
            assert_never(part)


def _members(part: Set) -> frozenset[str] | None:
    """The characters of a set; None for one that holds most of them."""
    found = frozenset(filter(re.compile(part.python, re.ASCII).match, _PRINTABLE))
    return found if len(found) < len(_PRINTABLE) // 2 else None


# -- what matches hold -----------------------------------------------------------------------------


def needs(pattern: str, sign: str) -> bool:
    """Whether every text that an ECMAScript pattern matches holds ``sign``, a character."""
    try:
        return _needs(parse(pattern).part, sign)
    except (PatternError, RecursionError):
        return False


def _needs(part: Part, sign: str) -> bool:
    match part:
        case Characters():
            return sign in part.text
        case Set():
            return _members(part) == frozenset(sign)
        case CapturingGroup():
            return _needs(part.inner, sign)
        case Alternation():
            return all(_needs(branch, sign) for branch in part.branches)
        case Repeat():
            return part.low > 0 and _needs(part.inner, sign)
        case Sequence():
            return any(_needs(inner, sign) for inner in part.parts)
        case Assertion() | Look() | Reference():
            return False
        case _:
            assert_never(part)


# -- anchors that nothing fits ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a text a match may be: behind a character of it for sure, at its end for sure."""

    is_behind: bool = False
    is_at_end: bool = False


def misses_anchors(pattern: str) -> bool:
    """Whether an ECMAScript pattern matches no text, as something has to stand before its ``^`` or
    behind its ``$``.
    """
    try:
        return _passed(parse(pattern).part, _Place()) is None
    except (PatternError, RecursionError):
        return False


def _passed(part: Part, place: _Place) -> _Place | None:
    """The place behind a part that is matched at ``place``; None where it cannot be."""
    match part:
        case Characters() | Set():
            return None if place.is_at_end else _Place(is_behind=True)
        case Assertion():
            if part.kind == "^" and place.is_behind:
                return None
            return _Place(place.is_behind, place.is_at_end or part.kind == "$")
        case CapturingGroup():
            return _passed(part.inner, place)
        case Alternation():
            ways = [way for branch in part.branches if (way := _passed(branch, place))]
            return _either(ways) if ways else None
        case Repeat():
            once = _passed(part.inner, place)
            if part.low:
                return once
            return place if once is None else _either([place, once])
        case Sequence():
            behind: _Place | None = place
            for inner in part.parts:
                behind = _passed(inner, behind) if behind is not None else None
            return behind
        case Look() | Reference():
            return place
        case _:
            assert_never(part)


def _either(ways: list[_Place]) -> _Place:
    return _Place(all(way.is_behind for way in ways), all(way.is_at_end for way in ways))


def with_anchors(pattern: str) -> str:
    """The pattern that was meant by one which misses its anchors: each of several texts, or one
    without the anchors inside of it; "" where that is not known.
    """
    parts = re.split(r"(?<!\\)\$[\s,;]*\^", pattern)
    if len(parts) > 1:
        inner = "|".join(part.strip("^$ ") for part in parts)
        return f"^(?:{inner})$" if pattern.endswith("$") else f"^(?:{inner})"
    signs = _signs(pattern)
    inside = [
        at
        for at, sign in signs
        if sign == "$"
        and pattern[at + 1 : at + 2] not in ("", ")", "|")
        or sign == "^"
        and at
        and pattern[at - 1] not in "(|:"
    ]
    meant = "".join(sign for at, sign in enumerate(pattern) if at not in inside)
    return "" if not inside or misses_anchors(meant) else meant


# -- the pattern that was meant --------------------------------------------------------------------


def without_first(pattern: str, sign: str) -> str:
    """An ECMAScript pattern whose matches begin behind the ``sign`` that they all begin with."""
    ways = branches(pattern)
    if len(ways) > 1:
        return "|".join(without_first(way, sign) for way in ways)
    head, rest = ("^", pattern[1:]) if pattern.startswith("^") else ("", pattern)
    group = re.match(r"\((?!\?)|\(\?:", rest)
    if group and (end := closing(rest)):
        inner = without_first(rest[group.end() : end], sign)
        return f"{head}{group[0]}{inner}{rest[end:]}"
    for form in (f"\\{sign}", f"[{sign}]", sign):
        if rest.startswith(form):
            return head + rest[len(form) :]
    return pattern


def with_first(pattern: str, sign: str) -> str:
    """An anchored ECMAScript pattern whose matches begin with ``sign`` as well."""
    return "|".join(
        f"^{sign}{branch[1:]}" if branch.startswith("^") else branch for branch in branches(pattern)
    )


def whole(pattern: str) -> str:
    """An ECMAScript pattern that matches the same texts, each to its end."""
    ways = branches(pattern)
    inner = pattern if len(ways) == 1 else f"(?:{pattern})"
    begun = all(way.startswith("^") for way in ways)
    start = "" if begun else "^" if inner.startswith(".*") else "^.*"
    return start + inner + ("" if inner.endswith("$") and not inner.endswith("\\$") else ".*$")


def escaped(text: str) -> str:
    """A text as a pattern that matches it, no more escaped than people write it."""
    return re.sub(r"([.+*?^$()\[\]{}|\\])", r"\\\1", text)


def branches(pattern: str) -> list[str]:
    """The alternatives of a pattern."""
    found, depth, start = [], 0, 0
    for at, sign in _signs(pattern):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "|" and not depth:
            found.append(pattern[start:at])
            start = at + 1
    return [*found, pattern[start:]]


def closing(pattern: str) -> int:
    """Where the group ends that a pattern begins with; 0 for nowhere."""
    depth = 0
    for at, sign in _signs(pattern):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if not depth:
            return at
    return 0


def _signs(pattern: str) -> list[tuple[int, str]]:
    """The special characters of a pattern and where they stand: not those of sets, or escaped."""
    tokens = re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", pattern, re.DOTALL)
    return [(token.start(), token[0]) for token in tokens if len(token[0]) == 1]
