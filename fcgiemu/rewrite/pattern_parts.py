"""What a parsed pattern consists of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile


@dataclass(slots=True, eq=False)
class Characters:
    """Characters that stand for themselves."""

    text: str


@dataclass(slots=True, eq=False)
class Set:
    """One character of a set; ``python`` is the set in Python's syntax."""

    python: str


@dataclass(slots=True, eq=False)
class Assertion:
    """``^``, ``$``, ``\\b`` or ``\\B``, by that spelling."""

    kind: str


@dataclass(slots=True, eq=False)
class CapturingGroup:
    """A group that captures, by its number."""

    number: int
    inner: Part


@dataclass(slots=True, eq=False)
class Look:
    """A lookahead."""

    inner: Part
    negated: bool


@dataclass(slots=True, eq=False)
class Reference:
    """A back-reference."""

    number: int


@dataclass(slots=True, eq=False)
class Repeat:
    """A repetition; ``high`` is None where there is no upper count."""

    inner: Part
    low: int
    high: int | None
    lazy: bool


@dataclass(slots=True, eq=False)
class Sequence:
    """One part after the other."""

    parts: list[Part]


@dataclass(slots=True, eq=False)
class Alternation:
    """The first alternative that works."""

    branches: list[Part]


Part = (
    Characters
    | Set
    | Assertion
    | CapturingGroup
    | Look
    | Reference
    | Repeat
    | Sequence
    | Alternation
)


def required_prefix(part: Part) -> str:
    """The text with which every text that matches begins; "" where nothing is sure."""
    if not isinstance(part, Sequence) or not part.parts or not _is_start(part.parts[0]):
        return ""
    texts = takewhile(lambda inner: isinstance(inner, Characters), part.parts[1:])
    return "".join(inner.text for inner in texts if isinstance(inner, Characters))


def _is_start(part: Part) -> bool:
    return isinstance(part, Assertion) and part.kind == "^"
