"""XPath 1.0 as text -> an expression as values, by the grammar of the recommendation."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Longest path that is read, in characters, and how deep it may be nested.
MAX_LENGTH = 32 * 1024
MAX_NESTING = 24

AXES = frozenset(
    {
        "ancestor",
        "ancestor-or-self",
        "attribute",
        "child",
        "descendant",
        "descendant-or-self",
        "following",
        "following-sibling",
        "namespace",
        "parent",
        "preceding",
        "preceding-sibling",
        "self",
    }
)
_NODE_TYPES = frozenset({"node", "text", "comment", "processing-instruction"})
_LEXEME = re.compile(
    r"\s*(?:"
    r"(?P<literal>\"[^\"]*\"|'[^']*')"
    r"|(?P<number>\d+(?:\.\d*)?|\.\d+)"
    r"|(?P<variable>\$[\w.:-]+)"
    r"|(?P<name>[^\W\d][\w.-]*(?::(?:[^\W\d][\w.-]*|\*)(?!:))?)"
    r"|(?P<symbol>::|//|\.\.|!=|<=|>=|[()\[\].@,/|+\-=<>*])"
    r")"
)


class BadPath(Exception):
    """An expression that cannot be read or evaluated; the message says why."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string or a number."""

    value: str | float


@dataclass(frozen=True, slots=True)
class Call:
    """A function call."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """Two expressions and the operator between them; ``|`` is a union."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Negative:
    """A minus sign before an expression."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class LocationStep:
    """One step of a path. ``kind`` is name or a node type; ``name`` a qualified name, ``*`` or
    ``prefix:*``, or the target of a processing instruction.
    """

    axis: str
    kind: str
    name: str
    predicates: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A location path. ``start`` is an expression that gives the first nodes; else the path begins
    at the root (``absolute``) or at the context node.
    """

    absolute: bool
    start: Expression | None
    predicates: tuple[Expression, ...]
    steps: tuple[LocationStep, ...]


Expression = Literal | Call | Operation | Negative | Path

_DESCEND = LocationStep("descendant-or-self", "node", "", ())
#: Binary operators from the loosest to the tightest.
_LEVELS = (
    frozenset({"or"}),
    frozenset({"and"}),
    frozenset({"=", "!="}),
    frozenset({"<", "<=", ">", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "div", "mod"}),
)
_OPERATOR_NAMES = frozenset({"and", "or", "div", "mod"})


def parse(text: str) -> Expression:
    """The expression that ``text`` spells. Raises BadPath."""
    if len(text) > MAX_LENGTH:
        raise BadPath(f"it is longer than {MAX_LENGTH} characters")
    parser = _Parser(_lexemes(text))
    expression = parser.expression()
    if parser.kind:
        raise BadPath(f"'{parser.text}' is not expected")
    return expression


def _lexemes(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each lexeme; what is an operator by its place has the kind operator."""
    found: list[tuple[str, str]] = []
    position = 0
    text = text.rstrip(" \t\r\n")
    while position < len(text):
        match = _LEXEME.match(text, position)
        if match is None:
            raise BadPath(f"'{text[position:].strip()[:20]}' cannot be read")
        kind = match.lastgroup or ""
        value = match[kind]
        if _ends_operand(found) and (value == "*" or kind == "name" and value in _OPERATOR_NAMES):
            kind = "operator"
        found.append((kind, value))
        position = match.end()
    return found


def _ends_operand(found: list[tuple[str, str]]) -> bool:
    """Whether what was read last can only be followed by an operator (XPath 1.0, section 3.7)."""
    if not found:
        return False
    kind, value = found[-1]
    if kind == "operator":
        return False
    return kind != "symbol" or value in (")", "]", ".", "..", "*")


class _Parser:
    """Recursive descent over lexemes."""

    def __init__(self, lexemes: list[tuple[str, str]]) -> None:
        self._lexemes = lexemes
        self._position = 0
        self._nesting = 0

    @property
    def kind(self) -> str:
        return self._ahead(0)[0]

    @property
    def text(self) -> str:
        return self._ahead(0)[1]

    def _ahead(self, distance: int) -> tuple[str, str]:
        place = self._position + distance
        return self._lexemes[place] if place < len(self._lexemes) else ("", "")

    def _take(self) -> str:
        text = self.text
        self._position += 1
        return text

    def _accept(self, symbol: str) -> bool:
        if self.kind in ("symbol", "operator") and self.text == symbol:
            self._position += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise BadPath(
                f"'{symbol}' is missing" + (f" before '{self.text}'" if self.kind else "")
            )

    def expression(self) -> Expression:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise BadPath(f"it is nested more than {MAX_NESTING} deep")
        found = self._binary(0)
        self._nesting -= 1
        return found

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.kind in ("operator", "symbol") and self.text in _LEVELS[level]:
            left = Operation(self._take(), left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        signs = 0
        while self._accept("-"):
            signs += 1
        found = self._union()
        if signs == 0:
            return found
        return Negative(found) if signs % 2 else Negative(Negative(found))

    def _union(self) -> Expression:
        left = self._path()
        while self._accept("|"):
            left = Operation("|", left, self._path())
        return left

    def _path(self) -> Expression:
        if self._begins_filter():
            return self._filter()
        if self._accept("//"):
            return Path(True, None, (), (_DESCEND, *self._steps()))
        if self._accept("/"):
            return Path(True, None, (), self._steps() if self._begins_step() else ())
        return Path(False, None, (), self._steps())

    def _begins_filter(self) -> bool:
        if self.kind in ("literal", "number", "variable") or self.text == "(":
            return True
        return (
            self.kind == "name"
            and self._ahead(1) == ("symbol", "(")
            and self.text not in _NODE_TYPES
        )

    def _begins_step(self) -> bool:
        return self.kind == "name" or self.text in (".", "..", "@", "*") and self.kind == "symbol"

    def _filter(self) -> Expression:
        primary = self._primary()
        predicates = self._predicates()
        steps: tuple[LocationStep, ...] = ()
        if self._accept("//"):
            steps = (_DESCEND, *self._steps())
        elif self._accept("/"):
            steps = self._steps()
        return Path(False, primary, predicates, steps) if predicates or steps else primary

    def _primary(self) -> Expression:
        if self.kind == "variable":
            raise BadPath(f"there is no variable {self.text}")
        if self.kind == "literal":
            return Literal(self._take()[1:-1])
        if self.kind == "number":
            return Literal(float(self._take()))
        if self._accept("("):
            inner = self.expression()
            self._expect(")")
            return inner
        name = self._take()
        self._expect("(")
        arguments: list[Expression] = []
        if not self._accept(")"):
            arguments.append(self.expression())
            while self._accept(","):
                arguments.append(self.expression())
            self._expect(")")
        return Call(name, tuple(arguments))

    def _steps(self) -> tuple[LocationStep, ...]:
        steps = [self._step()]
        while True:
            if self._accept("//"):
                steps += [_DESCEND, self._step()]
            elif self._accept("/"):
                steps.append(self._step())
            else:
                return tuple(steps)

    def _step(self) -> LocationStep:
        if self._accept("."):
            return LocationStep("self", "node", "", ())
        if self._accept(".."):
            return LocationStep("parent", "node", "", ())
        axis = "child"
        if self._accept("@"):
            axis = "attribute"
        elif self._ahead(1) == ("symbol", "::"):
            axis = self._take()
            self._take()
            if axis not in AXES:
                raise BadPath(f"there is no axis '{axis}'")
        kind, name = self._node_test()
        return LocationStep(axis, kind, name, self._predicates())

    def _node_test(self) -> tuple[str, str]:
        if self._accept("*"):
            return "name", "*"
        if self.kind != "name":
            raise BadPath(
                f"a name is missing before '{self.text}'" if self.kind else "a name is missing"
            )
        name = self._take()
        if name not in _NODE_TYPES or not self._accept("("):
            return "name", name
        target = ""
        if name == "processing-instruction" and self.kind == "literal":
            target = self._take()[1:-1]
        self._expect(")")
        return name, target

    def _predicates(self) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while self._accept("["):
            found.append(self.expression())
            self._expect("]")
        return tuple(found)
