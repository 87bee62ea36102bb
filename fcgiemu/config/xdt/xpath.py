"""XPath 1.0 over a Document: which nodes an expression leads to.

Every node that is looked at costs one unit of a Budget, and characters of strings cost too. So no
expression can take longer than its budget allows, which a library's evaluation cannot promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from .document import XMLNS_NAMESPACE, XmlAttribute, XmlDocument, XmlElement, XmlNode, XmlText
from .xpath_functions import FUNCTIONS, POSITIONAL, Value, boolean, number, string, string_of
from .xpath_syntax import (
    BadPath,
    Call,
    Expression,
    Literal,
    LocationStep,
    Negative,
    Operation,
    Path,
)
from .xpath_syntax import parse as parse_text


class Exhausted(Exception):
    """The work or the growth that one transform file may cause has been used up."""


class XPathBudget:
    """Units of work that are left: a node looked at is one, as are 16 characters of a string."""

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: int = 1) -> None:
        """Take units away. Raises Exhausted where fewer are left."""
        self.left -= units
        if self.left < 0:
            raise Exhausted


@lru_cache(maxsize=512)
def _parsed(text: str) -> Expression:
    return parse_text(text)


def select(
    text: str,
    context: XmlNode,
    document: XmlDocument,
    namespaces: Mapping[str, str],
    budget: XPathBudget,
) -> list[XmlNode]:
    """The nodes that an expression leads to, in document order. Raises BadPath, also where it leads
    to a string, number or boolean.
    """
    try:
        found = _Evaluator(document, namespaces, budget).value(_parsed(text), context, 1, 1)
    except RecursionError as error:
        raise BadPath("it is nested too deeply") from error
    if not isinstance(found, list):
        raise BadPath("it gives no nodes but a value")
    return found


class _Evaluator:
    def __init__(
        self, document: XmlDocument, namespaces: Mapping[str, str], budget: XPathBudget
    ) -> None:
        self._document = document
        self._namespaces = namespaces
        self._budget = budget

    def value(self, expression: Expression, node: XmlNode, position: int, size: int) -> Value:
        """What an expression gives with ``node`` as context node."""
        self._budget.spend()
        match expression:
            case Literal(value):
                return value
            case Path():
                return self._path(expression, node, position, size)
            case Negative(operand):
                return -number(self._cheap(self.value(operand, node, position, size)))
            case Operation():
                return self._operation(expression, node, position, size)
            case Call(name, arguments):
                return self._call(name, arguments, node, position, size)

    def _cheap(self, value: Value) -> Value:
        """The value, once the characters that its string has are paid."""
        if isinstance(value, list):
            value = self._string_value(value[0]) if value else ""
        return value

    def _string_value(self, node: XmlNode) -> str:
        text = string_of(node)
        self._budget.spend(1 + len(text) // 16)
        return text

    def _operation(self, operation: Operation, node: XmlNode, position: int, size: int) -> Value:
        operator = operation.operator
        first = self.value(operation.left, node, position, size)
        if operator in ("or", "and"):
            if boolean(first) == (operator == "or"):
                return operator == "or"
            return boolean(self.value(operation.right, node, position, size))
        second = self.value(operation.right, node, position, size)
        if operator == "|":
            if not isinstance(first, list) or not isinstance(second, list):
                raise BadPath("'|' stands between values that are not nodes")
            return self._sorted([*first, *second])
        if operator in _COMPARISONS:
            return self._compare(operator, first, second)
        return _calculate(operator, number(self._cheap(first)), number(self._cheap(second)))

    def _compare(self, operator: str, first: Value, second: Value) -> bool:
        """XPath 1.0, section 3.4: node-sets compare as true where any of their nodes does."""
        test = _COMPARISONS[operator]
        if isinstance(first, list) and isinstance(second, list):
            values = {self._string_value(node) for node in second}
            if operator == "=":
                return any(self._string_value(node) in values for node in first)
            self._budget.spend(len(first) * len(values))
            return any(
                _compare_atoms(test, operator, self._string_value(node), other)
                for node in first
                for other in values
            )
        if isinstance(first, list):
            return self._compare_nodes(first, second, operator, test, swapped=False)
        if isinstance(second, list):
            return self._compare_nodes(second, first, operator, test, swapped=True)
        return _compare_atoms(test, operator, first, second)

    def _compare_nodes(
        self,
        nodes: list[XmlNode],
        atom: Value,
        operator: str,
        test: Callable[[float, float], bool],
        *,
        swapped: bool,
    ) -> bool:
        if isinstance(atom, bool):
            left, right = (atom, bool(nodes)) if swapped else (bool(nodes), atom)
            return _compare_atoms(test, operator, left, right)
        for node in nodes:
            text = self._string_value(node)
            value: Value = number(text) if isinstance(atom, float) else text
            left_value, right_value = (atom, value) if swapped else (value, atom)
            if _compare_atoms(test, operator, left_value, right_value):
                return True
        return False

    def _call(
        self, name: str, arguments: tuple[Expression, ...], node: XmlNode, position: int, size: int
    ) -> Value:
        if name in POSITIONAL and not arguments:
            return float(position if name == "position" else size)
        function = FUNCTIONS.get(name)
        if function is None:
            raise BadPath(f"there is no function {name}()")
        if not function.least <= len(arguments) <= function.most:
            raise BadPath(f"{name}() has the wrong number of arguments")
        values = [self.value(argument, node, position, size) for argument in arguments]
        if function.takes == "strings":
            values = [self._cheap(value) for value in values]
        elif function.takes == "nodes" and any(not isinstance(value, list) for value in values):
            raise BadPath(f"{name}() requires nodes")
        found = function.run(node, values)
        if isinstance(found, str):
            self._budget.spend(1 + len(found) // 16)
        return found

    # -- paths -------------------------------------------------------------------------------------

    def _path(self, path: Path, node: XmlNode, position: int, size: int) -> list[XmlNode]:
        nodes: list[XmlNode] = [self._document] if path.absolute else [node]
        if path.start is not None:
            start = self.value(path.start, node, position, size)
            if not isinstance(start, list):
                raise BadPath("a step follows a value that is not nodes")
            nodes = start
            for predicate in path.predicates:
                nodes = self._filtered(nodes, predicate)
        #: Whether one of the nodes may lie in another, so that steps down mix up their order.
        nested = path.start is not None
        for step in path.steps:
            nodes = self._step(step, nodes, nested)
            nested = nested or step.axis not in ("child", "attribute", "self")
        return nodes

    def _step(self, step: LocationStep, nodes: list[XmlNode], nested: bool) -> list[XmlNode]:
        fits = self._test(step)
        axis = _AXES[step.axis]
        found: list[XmlNode] = []
        sideways = step.axis.startswith(("following", "preceding"))
        for node in nodes:
            self._budget.spend(1 + (_breadth(node) if sideways else 0))
            candidates = list(axis(node))
            self._budget.spend(len(candidates))
            reached = [candidate for candidate in candidates if fits(candidate)]
            for predicate in step.predicates:
                reached = self._filtered(reached, predicate)
            found += reached
        ordered = step.axis in ("child", "attribute", "self") and not nested
        reverse = step.axis in _REVERSE or "preceding" in step.axis
        if len(found) > 1 and (reverse or len(nodes) > 1 and not ordered):
            return self._sorted(found)
        return found

    def _filtered(self, nodes: list[XmlNode], predicate: Expression) -> list[XmlNode]:
        size = len(nodes)
        equal = _attribute_equality(predicate)
        if equal is not None:
            self._budget.spend(size)
            return [node for node in nodes if equal(node)]
        if isinstance(predicate, Literal) and isinstance(predicate.value, float):
            wanted = predicate.value
            return nodes[int(wanted) - 1 : int(wanted)] if wanted in range(1, size + 1) else []
        kept = []
        for position, node in enumerate(nodes, 1):
            value = self.value(predicate, node, position, size)
            if value == position if isinstance(value, float) else boolean(value):
                kept.append(node)
        return kept

    def _sorted(self, nodes: list[XmlNode]) -> list[XmlNode]:
        """Without repetition, in document order."""
        numbers = self._document.numbers()
        self._budget.spend(len(nodes))
        # attributes and elements of a document of their own (what is inserted) have no number
        return sorted(dict.fromkeys(nodes), key=lambda node: numbers.get(node, 0))

    def _test(self, step: LocationStep) -> Callable[[XmlNode], bool]:
        if step.kind != "name":
            return _type_test(step.kind, step.name)
        principal = XmlAttribute if step.axis == "attribute" else XmlElement
        if step.name == "*":
            return lambda node: isinstance(node, principal)
        prefix, colon, local = step.name.rpartition(":")
        if colon and prefix not in self._namespaces:
            raise BadPath(f"the prefix '{prefix}' is not declared")
        namespace = self._namespaces[prefix] if colon else ""
        if local == "*":
            return lambda node: isinstance(node, principal) and node.namespace == namespace
        return lambda node: (
            isinstance(node, principal) and node.local == local and node.namespace == namespace
        )


@lru_cache(maxsize=512)
def _attribute_equality(predicate: Expression) -> Callable[[XmlNode], bool] | None:
    """A quick test for what Match writes, ``@a='1' and @b='2'``; None for any other predicate."""
    match predicate:
        case Operation("and", left, right):
            first, second = _attribute_equality(left), _attribute_equality(right)
            if first is None or second is None:
                return None
            one, other = first, second
            return lambda node: one(node) and other(node)
        case Operation(
            "=",
            Path(False, None, (), (LocationStep("attribute", "name", str() as name, ()),)),
            Literal(str() as value),
        ) if name != "*" and ":" not in name:
            return lambda node: (
                isinstance(node, XmlElement)
                and any(
                    attribute.local == name and attribute.value == value and not attribute.namespace
                    for attribute in node.attributes
                )
            )
    return None


def _type_test(kind: str, target: str) -> Callable[[XmlNode], bool]:
    if kind == "node":
        return lambda node: True
    kinds = {
        "text": ("text", "space", "significant", "cdata"),
        "comment": ("comment",),
        "processing-instruction": ("instruction",),
    }[kind]

    def fits(node: XmlNode) -> bool:
        return (
            isinstance(node, XmlText)
            and node.kind in kinds
            and (not target or node.value.split(None, 1)[0] == target)
        )

    return fits


# -- axes ------------------------------------------------------------------------------------------

_REVERSE = frozenset({"ancestor", "ancestor-or-self", "parent"})


def _children(node: XmlNode) -> Iterator[XmlNode]:
    if isinstance(node, XmlElement | XmlDocument):
        yield from (
            child
            for child in node.children
            if not (isinstance(child, XmlText) and child.kind == "declaration")
        )


def _descendants(node: XmlNode) -> Iterator[XmlNode]:
    stack = list(_children(node))[::-1]
    while stack:
        found = stack.pop()
        yield found
        if isinstance(found, XmlElement):
            stack += found.children[::-1]


def _descendants_or_self(node: XmlNode) -> Iterator[XmlNode]:
    yield node
    yield from _descendants(node)


def _parent(node: XmlNode) -> Iterator[XmlNode]:
    if node.parent is not None:
        yield node.parent


def _ancestors(node: XmlNode) -> Iterator[XmlNode]:
    while node.parent is not None:
        node = node.parent
        yield node


def _ancestors_or_self(node: XmlNode) -> Iterator[XmlNode]:
    yield node
    yield from _ancestors(node)


def _attributes(node: XmlNode) -> Iterator[XmlNode]:
    if isinstance(node, XmlElement):
        yield from (
            attribute for attribute in node.attributes if attribute.namespace != XMLNS_NAMESPACE
        )


def _siblings(node: XmlNode) -> tuple[list[XmlNode], int]:
    if node.parent is None or isinstance(node, XmlAttribute):
        return [], 0
    siblings: list[XmlNode] = list(_children(node.parent))
    return siblings, siblings.index(node)


def _breadth(node: XmlNode) -> int:
    """How many siblings a node and its ancestors have."""
    return sum(
        len(ancestor.children)
        for ancestor in _ancestors(node)
        if isinstance(ancestor, XmlElement | XmlDocument)
    )


def _following_siblings(node: XmlNode) -> Iterator[XmlNode]:
    siblings, place = _siblings(node)
    yield from siblings[place + 1 :]


def _preceding_siblings(node: XmlNode) -> Iterator[XmlNode]:
    siblings, place = _siblings(node)
    yield from siblings[:place][::-1]


def _following(node: XmlNode) -> Iterator[XmlNode]:
    if isinstance(node, XmlAttribute) and node.parent is not None:
        yield from _descendants(node.parent)
        node = node.parent
    for ancestor in _ancestors_or_self(node):
        for sibling in _following_siblings(ancestor):
            yield from _descendants_or_self(sibling)


def _preceding(node: XmlNode) -> Iterator[XmlNode]:
    if isinstance(node, XmlAttribute) and node.parent is not None:
        node = node.parent
    for ancestor in _ancestors_or_self(node):
        for sibling in _preceding_siblings(ancestor):
            yield from list(_descendants_or_self(sibling))[::-1]


def _self(node: XmlNode) -> Iterator[XmlNode]:
    yield node


def _nothing(_node: XmlNode) -> Iterator[XmlNode]:
    yield from ()


_AXES: dict[str, Callable[[XmlNode], Iterator[XmlNode]]] = {
    "ancestor": _ancestors,
    "ancestor-or-self": _ancestors_or_self,
    "attribute": _attributes,
    "child": _children,
    "descendant": _descendants,
    "descendant-or-self": _descendants_or_self,
    "following": _following,
    "following-sibling": _following_siblings,
    "namespace": _nothing,
    "parent": _parent,
    "preceding": _preceding,
    "preceding-sibling": _preceding_siblings,
    "self": _self,
}


# -- operators -------------------------------------------------------------------------------------

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _compare_atoms(
    test: Callable[[float, float], bool], operator: str, left: Value, right: Value
) -> bool:
    if operator not in ("=", "!="):
        return test(number(left), number(right))
    if isinstance(left, bool) or isinstance(right, bool):
        return test(boolean(left), boolean(right))
    if isinstance(left, float) or isinstance(right, float):
        return test(number(left), number(right))
    return (string(left) == string(right)) == (operator == "=")


def _calculate(operator: str, left: float, right: float) -> float:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if right == 0 and operator == "div":
        if left == 0 or math.isnan(left):
            return math.nan
        return math.inf * math.copysign(1, left) * math.copysign(1, right)
    if operator == "div":
        return left / right
    if right == 0 or math.isinf(left) or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.fmod(left, right)
