"""The ECMAScript dialect of the module, as Microsoft's TR1 library has it: a pattern is parsed once
into the nodes of ``pattern_parts.py``. What that library refuses is refused with its category and
message (``pattern_errors.py``).

While it parses, the parser writes the pattern again in Python's syntax and estimates what a search
may cost; ``regex.py`` chooses the engine by that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import log2
from typing import NoReturn

from .inferred_behaviours import POLICY
from .pattern_errors import PatternError
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

MAX_GROUPS = 31  # documented limit of that library
#: Stands for a cost that grows faster than any power of the input's length.
EXPONENTIAL = 99
MAX_DEPTH = 100  # the library's own stack limit is 600 to 1000 levels of matching
MAX_SIZE = 100_000

_CLASSES = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "d": "0-9",
    "graph": "\\x21-\\x7e",
    "lower": "a-z",
    "print": "\\x20-\\x7e",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "s": "\\s",
    "upper": "A-Z",
    "xdigit": "A-Fa-f0-9",
    "w": "\\w",
}
_CONTROL = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0"}


@dataclass(slots=True)
class Piece:
    """A translated part of a pattern: how many repetitions of variable length follow one another in
    it, how many bits of choice it holds besides, and how many atoms it unfolds to.
    """

    text: str
    part: Part
    powers: int = 0
    ways: float = 0.0
    size: int = 1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole pattern: its nodes, its Python spelling (with END for ``$``), groups and cost."""

    part: Part
    python: str
    groups: int
    powers: int
    ways: float


@lru_cache(maxsize=64)  # the engine and the findings of check ask one after the other
def parse(source: str) -> Parsed:
    """Parse a pattern, characters beyond the BMP written as two. Raises PatternError."""
    parser = _Parser(source)
    piece = parser.parse()
    return Parsed(piece.part, piece.text, parser.groups, piece.powers, piece.ways)


#: Stands for ``$`` until it is known whether the text has lines; cannot occur in a pattern's own
#: translation.
END = "\ue000$\ue000"


#: What a dot stands for, in Python's syntax.
DOT = "[^\\n\\r]"


def _set(python: str) -> Piece:
    return Piece(python, Set(python))


_QUANTIFIERS = frozenset("*+?{")
#: Characters that stand for themselves; the last one of a run is left out where a quantifier
#: follows it.
_LITERALS = re.compile(r"[A-Za-z0-9_/=&-]+(?![*+?{A-Za-z0-9_/=&-])")


class _Parser:
    """Recursive descent over the grammar, writing Python's syntax as it goes."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.groups = 0
        self.closed: set[int] = set()
        self.depth = 0

    def parse(self) -> Piece:
        piece = self.alternatives()
        if self.position < len(self.source):
            self.fail("error_paren", hint="Write \\) for a literal parenthesis.")
        return piece

    def fail(self, category: str, position: int | None = None, hint: str = "") -> NoReturn:
        raise PatternError(category, self.position if position is None else position, hint)

    def peek(self, ahead: int = 0) -> str:
        return self.source[self.position + ahead : self.position + ahead + 1]

    def take(self, text: str) -> bool:
        if self.source.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    def alternatives(self) -> Piece:
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        if len(branches) == 1:
            return branches[0]
        return Piece(
            "|".join(branch.text for branch in branches),
            Alternation([branch.part for branch in branches]),
            max(branch.powers for branch in branches),
            max(branch.ways for branch in branches) + log2(len(branches)),
            sum(branch.size for branch in branches),
        )

    def sequence(self) -> Piece:
        pieces: list[Piece] = []
        while (char := self.peek()) and char not in "|)":
            if run := _LITERALS.match(self.source, self.position):
                pieces.append(Piece(run[0], Characters(run[0]), size=len(run[0])))
                self.position = run.end()
                continue
            pieces.append(self.quantified(*self.atom(char)))
        if len(pieces) == 1:
            return pieces[0]
        return Piece(
            "".join(piece.text for piece in pieces),
            Sequence([piece.part for piece in pieces]),
            sum(piece.powers for piece in pieces),
            sum(piece.ways for piece in pieces),
            sum(piece.size for piece in pieces),
        )

    # -- atoms, and whether a quantifier may follow ------------------------------------------------

    def atom(self, char: str) -> tuple[Piece, bool]:
        if char == "(":
            return self.group()
        self.position += 1
        if char == "^":
            return Piece("^", Assertion("^")), False
        if char == "$":
            return Piece(END, Assertion("$")), False
        if char == ".":
            return Piece(DOT, Set(DOT)), True
        if char == "[":
            return _set(self.char_class()), True
        if char == "\\":
            return self.escape()
        if char in "*+?":
            self.fail(
                "error_badrepeat",
                self.position - 1,
                'Use .* for any text, or patternSyntax="Wildcard".' if char == "*" else "",
            )
        if char == "{":
            self.fail(
                "error_badrepeat",
                self.position - 1,
                "Back-references such as {C:1} are not expanded in patterns; write \\{ for a"
                " literal brace.",
            )
        if char == "}":
            self.fail("error_brace", self.position - 1, "Write \\} for a literal brace.")
        if char == "]":
            self.fail("error_brack", self.position - 1, "Write \\] for a literal bracket.")
        return Piece(re.escape(char), Characters(char)), True

    def group(self) -> tuple[Piece, bool]:
        start = self.position
        self.position += 1
        number = 0
        opening, repeatable = "(", True
        if self.take("?"):
            mark = self.peek()
            if mark not in (":", "=", "!") or not mark:
                hint = "Lookbehind, named groups and inline flags do not exist in this dialect."
                self.fail("error_syntax", start, hint if mark else "")
            self.position += 1
            opening, repeatable = "(?" + mark, mark == ":"
        else:
            self.groups += 1
            number = self.groups
            if self.groups > MAX_GROUPS:
                self.fail(
                    "error_complexity",
                    start,
                    f"At most {MAX_GROUPS} groups; use (?: ) where no capture is needed.",
                )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail("error_stack", start, "Groups are nested too deeply.")
        inner = self.alternatives()
        self.depth -= 1
        if not self.take(")"):
            self.fail(
                "error_paren", start, "Close this parenthesis, or write \\( for a literal one."
            )
        if number:
            self.closed.add(number)
        if number:
            inner.part = CapturingGroup(number, inner.part)
        elif not repeatable:
            inner.part = Look(inner.part, opening == "(?!")
        inner.text = f"{opening}{inner.text})"
        return inner, repeatable

    def quantified(self, piece: Piece, repeatable: bool) -> Piece:
        start = self.position
        if self.peek() not in _QUANTIFIERS:
            return piece
        counts = self.quantifier()
        if counts is None:
            return piece
        if not repeatable:
            self.fail("error_badrepeat", start, "An anchor or assertion cannot be repeated.")
        low, high = counts
        lazy = "?" if self.take("?") else ""
        if self.peek() and self.peek() in "*+?{":
            self.fail(
                "error_badrepeat", self.position, "One quantifier after another: leave one of them."
            )
        suffix = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
        if suffix is None:
            suffix = f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"
        powers, ways = piece.powers, piece.ways
        if high is None or high > 1:
            if powers or ways:
                powers = EXPONENTIAL  # a repeated choice: the ways multiply with every turn
            elif high != low:
                powers = 1
        elif high != low:
            ways += 1
        size = piece.size * max(1, high if high is not None else low)
        if size > MAX_SIZE:
            self.fail(
                "error_complexity", start, "The counts multiply to a pattern that is too large."
            )
        part = Repeat(piece.part, low, high, bool(lazy))
        return Piece(f"{piece.text}{suffix}{lazy}", part, powers, ways, size)

    def quantifier(self) -> tuple[int, int | None] | None:
        if self.take("*"):
            return 0, None
        if self.take("+"):
            return 1, None
        if self.take("?"):
            return 0, 1
        if self.peek() != "{":
            return None
        start = self.position
        match = re.compile(r"\{(\d+)(?:(,)(\d*))?\}").match(self.source, start)
        if not match:
            hint = (
                "Back-references such as {C:1} are not expanded in patterns; write \\{ for a"
                " literal brace."
            )
            if re.compile(r"\{\w+:").match(self.source, start):
                self.fail(
                    "error_badrepeat", start, hint
                )  # the text IIS was seen to give for ^/{C:1}
            self.fail(
                "error_badbrace" if "}" in self.source[start:] else "error_brace", start, hint
            )
        self.position = match.end()
        if len(match[1]) > 5 or len(match[3] or "") > 5:
            self.fail("error_badbrace", start, "The count is too large.")
        low = int(match[1])
        high = low if not match[2] else int(match[3]) if match[3] else None
        if high is not None and high < low:
            self.fail("error_badbrace", start, "The counts are in the wrong order.")
        return low, high

    def escape(self) -> tuple[Piece, bool]:
        start = self.position - 1
        char = self.peek()
        if not char:
            self.fail("error_escape", start, "Write \\\\ for a literal backslash.")
        if char in "bB":
            self.position += 1
            # Python's own \B does not hold in an empty text.
            python = "\\b" if char == "b" else "(?!\\b)"
            return Piece(python, Assertion("\\" + char)), False
        if char in "dDwWsS":
            self.position += 1
            return _set("\\" + char), True
        if char.isdigit() and char in "123456789":
            return self.back_reference(start), True
        literal = self.character(start)
        return Piece(re.escape(literal), Characters(literal)), True

    def back_reference(self, start: int) -> Piece:
        match = re.compile(r"\d+").match(self.source, self.position)
        assert match
        number = int(match[0])
        self.position = match.end()
        if number not in self.closed:
            self.fail(
                "error_backref",
                start,
                "It names a group that does not exist, or is not closed, at this point.",
            )
        return Piece(f"(?:(?({number})\\{number}))", Reference(number))

    def character(self, start: int) -> str:
        """The single character an escape stands for; the position is behind the backslash."""
        char = self.peek()
        self.position += 1
        if char in _CONTROL:
            return _CONTROL[char]
        if char == "c":
            letter = self.peek()
            if not (letter.isascii() and letter.isalpha()):
                self.fail("error_escape", start)
            self.position += 1
            return chr(ord(letter) % 32)
        if char in "xu":
            length = 2 if char == "x" else 4
            digits = self.source[self.position : self.position + length]
            if not re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", digits):
                self.fail("error_escape", start, f"\\{char} requires {length} hexadecimal digits.")
            self.position += length
            return chr(int(digits, 16))
        if char.isascii() and char.isalnum() and POLICY.letter_escapes_refused:
            self.fail(
                "error_escape",
                start,
                f"\\{char} has no meaning in this dialect; write {char} for the letter, and / "
                "between folders.",
            )
        return char

    # -- character classes -------------------------------------------------------------------------

    def char_class(self) -> str:
        start = self.position - 1
        negated = self.take("^")
        items: list[str] = []
        while True:
            if not self.peek():
                self.fail(
                    "error_brack", start, "Close this bracket, or write \\[ for a literal one."
                )
            if self.take("]"):
                break
            items.append(self.class_item())
        if not items:
            return "[\\s\\S]" if negated else "(?!)"
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def class_item(self) -> str:
        position = self.position
        low, is_set = self.class_atom()
        if self.peek() != "-" or self.peek(1) in ("]", ""):
            return low if is_set else _in_class(low)
        if is_set:
            return low  # [\w-.]: the dash is literal and comes next
        self.position += 1
        high, is_set = self.class_atom()
        if is_set or ord(high) < ord(low):
            self.fail(
                "error_range", position, "A range requires two characters in ascending order."
            )
        return f"{_in_class(low)}-{_in_class(high)}"

    def class_atom(self) -> tuple[str, bool]:
        """A character, or Python text for a set of them (True)."""
        start = self.position
        char = self.peek()
        for mark, category in (
            (":", "error_ctype"),
            (".", "error_collate"),
            ("=", "error_collate"),
        ):
            if self.take("[" + mark):
                end = self.source.find(mark + "]", self.position)
                if end < 0:
                    self.fail("error_brack", start)
                name = self.source[self.position : end]
                self.position = end + 2
                if mark == ":":
                    if name.lower() not in _CLASSES:
                        self.fail(
                            category, start, "Known names: " + ", ".join(sorted(_CLASSES)) + "."
                        )
                    return _CLASSES[name.lower()], True
                if len(name) != 1:
                    self.fail(category, start)
                return name, False
        self.position += 1
        if char != "\\":
            return char, False
        follower = self.peek()
        if not follower:
            self.fail("error_escape", start)
        if follower in "dDwWsS":
            self.position += 1
            return "\\" + follower, True
        if follower in "bB" or (follower.isdigit() and follower != "0"):
            if follower.isdigit() or POLICY.letter_escapes_refused:
                self.fail("error_escape", start)
            self.position += 1
            return follower, False
        return self.character(start), False


def _in_class(char: str) -> str:
    return "\\" + char if char in "\\]^-[&~|#" else re.escape(char) if char.isspace() else char
