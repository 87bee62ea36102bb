"""Values of XPath 1.0, their conversions, and the core library of functions (its section 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from .document import XML_NAMESPACE, XmlAttribute, XmlDocument, XmlElement, XmlNode, XmlText

Value = list[XmlNode] | str | float | bool

_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)")


def string_of(node: XmlNode) -> str:
    """The string-value of a node (XPath 1.0, section 5)."""
    if isinstance(node, XmlAttribute):
        return node.value
    if isinstance(node, XmlText):
        return node.value.partition(" ")[2] if node.kind == "instruction" else node.value
    parts: list[str] = []
    stack = list(node.children)[::-1] if isinstance(node, XmlElement | XmlDocument) else []
    while stack:
        child = stack.pop()
        if isinstance(child, XmlElement):
            stack += child.children[::-1]
        elif child.kind in ("text", "space", "significant", "cdata"):
            parts.append(child.value)
    return "".join(parts)


def string(value: Value) -> str:
    """A value as string()."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return string_of(value[0]) if value else ""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value):
        return str(int(value))
    text = format(value, ".17f" if abs(value) < 1e-4 else ".15g")
    return text.rstrip("0") if "e" not in text else format(value, "f")


def number(value: Value) -> float:
    """A value as number()."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, float):
        return value
    text = string(value).strip(" \t\r\n")
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def boolean(value: Value) -> bool:
    """A value as boolean()."""
    if isinstance(value, float):
        return bool(value) and not math.isnan(value)
    return bool(value)


@dataclass(frozen=True, slots=True)
class XPathFunction:
    """A function: how many arguments it takes, and what they are: ``nodes``, ``strings`` (nodes are
    turned into one) or ``any``. ``run`` is given the context node and the arguments.
    """

    least: int
    most: int
    run: Callable[[XmlNode, list[Value]], Value]
    takes: str = "strings"


#: Functions of the context's position and size.
POSITIONAL = frozenset({"position", "last"})


def _subject(node: XmlNode, values: list[Value]) -> Value:
    """The argument, else the context node's string."""
    return values[0] if values else string_of(node)


def _named(node: XmlNode, values: list[Value]) -> XmlNode | None:
    if not values:
        return node
    nodes = values[0]
    assert isinstance(nodes, list)
    return nodes[0] if nodes else None


def _name(node: XmlNode, values: list[Value]) -> str:
    found = _named(node, values)
    return found.name if isinstance(found, XmlElement | XmlAttribute) else ""


def _local_name(node: XmlNode, values: list[Value]) -> str:
    found = _named(node, values)
    return found.local if isinstance(found, XmlElement | XmlAttribute) else ""


def _namespace_uri(node: XmlNode, values: list[Value]) -> str:
    found = _named(node, values)
    return found.namespace if isinstance(found, XmlElement | XmlAttribute) else ""


def _count(_node: XmlNode, values: list[Value]) -> float:
    assert isinstance(values[0], list)
    return float(len(values[0]))


def _sum(_node: XmlNode, values: list[Value]) -> float:
    assert isinstance(values[0], list)
    return math.fsum(number(string_of(node)) for node in values[0])


def _substring(_node: XmlNode, values: list[Value]) -> str:
    text, start = string(values[0]), _rounded(number(values[1]))
    end = start + _rounded(number(values[2])) if len(values) > 2 else math.inf
    return "".join(char for place, char in enumerate(text, 1) if start <= place < end)


def _rounded(value: float) -> float:
    """Half away from the smaller number: round(-0.5) is -0, round(0.5) is 1."""
    return value if math.isnan(value) or math.isinf(value) else float(math.floor(value + 0.5))


def _translate(_node: XmlNode, values: list[Value]) -> str:
    text, old, new = (string(value) for value in values)
    table: dict[int, str | None] = {}
    for place, char in enumerate(old):
        table.setdefault(ord(char), new[place] if place < len(new) else None)
    return text.translate(table)


def _lang(node: XmlNode, values: list[Value]) -> bool:
    language = string(values[0]).lower()
    current: XmlNode | None = node
    while current is not None:
        if isinstance(current, XmlElement):
            declared = current.attribute_of(XML_NAMESPACE, "lang")
            if declared is not None:
                spoken = declared.value.lower()
                return spoken == language or spoken.startswith(language + "-")
        current = current.parent
    return False


def _finite(change: Callable[[float], float]) -> Callable[[XmlNode, list[Value]], Value]:
    def run(_node: XmlNode, values: list[Value]) -> float:
        value = number(values[0])
        return value if math.isnan(value) or math.isinf(value) else float(change(value))

    return run


def _of_strings(run: Callable[..., str | bool]) -> Callable[[XmlNode, list[Value]], Value]:
    return lambda _node, values: run(*(string(value) for value in values))


FUNCTIONS: dict[str, XPathFunction] = {
    "count": XPathFunction(1, 1, _count, takes="nodes"),
    "sum": XPathFunction(1, 1, _sum, takes="nodes"),
    "name": XPathFunction(0, 1, _name, takes="nodes"),
    "local-name": XPathFunction(0, 1, _local_name, takes="nodes"),
    "namespace-uri": XPathFunction(0, 1, _namespace_uri, takes="nodes"),
    # no DTD, so no attribute is an ID
    "id": XPathFunction(1, 1, lambda _node, _values: [], takes="any"),
    "string": XPathFunction(0, 1, lambda node, values: string(_subject(node, values))),
    "concat": XPathFunction(2, 1000, _of_strings(lambda *parts: "".join(parts))),
    "starts-with": XPathFunction(2, 2, _of_strings(lambda text, part: text.startswith(part))),
    "contains": XPathFunction(2, 2, _of_strings(lambda text, part: part in text)),
    "substring-before": XPathFunction(
        2, 2, _of_strings(lambda text, part: text[: max(text.find(part), 0)])
    ),
    "substring-after": XPathFunction(
        2, 2, _of_strings(lambda text, part: text[text.find(part) + len(part) :] * (part in text))
    ),
    "substring": XPathFunction(2, 3, _substring),
    "string-length": XPathFunction(
        0, 1, lambda node, values: float(len(string(_subject(node, values))))
    ),
    "normalize-space": XPathFunction(
        0, 1, lambda node, values: " ".join(string(_subject(node, values)).split())
    ),
    "translate": XPathFunction(3, 3, _translate),
    "boolean": XPathFunction(1, 1, lambda _node, values: boolean(values[0]), takes="any"),
    "not": XPathFunction(1, 1, lambda _node, values: not boolean(values[0]), takes="any"),
    "true": XPathFunction(0, 0, lambda _node, _values: True),
    "false": XPathFunction(0, 0, lambda _node, _values: False),
    "lang": XPathFunction(1, 1, _lang),
    "number": XPathFunction(0, 1, lambda node, values: number(_subject(node, values))),
    "floor": XPathFunction(1, 1, _finite(math.floor)),
    "ceiling": XPathFunction(1, 1, _finite(math.ceil)),
    "round": XPathFunction(1, 1, _finite(_rounded)),
}
