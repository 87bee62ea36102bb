"""Which elements of the base file an element of a transform file means.

An element's path is its parent's path and one step more: its own name, narrowed by its Locator.
Without a Locator, attributes narrow nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .document import XmlElement
from .messages import TransformFailed

TRANSFORM_NAMESPACE = "http://schemas.microsoft.com/XML-Document-Transform"
#: Prefix by which paths name elements of a default namespace.
DEFAULT_PREFIX = "_defaultNamespace"
#: A path of nested elements may not grow beyond this, in characters.
MAX_PATH = 32 * 1024

_NAME_AND_ARGUMENTS = re.compile(r"\s*(\w+)(?:\s*\((.*)\))?\s*", re.DOTALL)


def name_and_arguments(text: str) -> tuple[str, str]:
    """``Match(name)`` -> ("Match", "name"); the arguments reach to the last parenthesis.

    Raises Failed for anything else.
    """
    match = _NAME_AND_ARGUMENTS.fullmatch(text)
    if match is None:
        raise TransformFailed(
            "bad-syntax", f"'{text}' is not a name with optional arguments in parentheses", text
        )
    return match[1], match[2] or ""


def split_arguments(text: str) -> list[str]:
    """The arguments in a pair of parentheses: separated by commas outside of inner parentheses, and
    trimmed if there is a comma at all.
    """
    if not text:
        return []
    if "," not in text:
        return [text]
    found: list[str] = []
    pending: list[str] = []
    depth = 0
    for part in text.split(","):
        pending.append(part)
        depth += part.count("(") - part.count(")")
        if depth == 0:
            found.append(",".join(pending))
            pending = []
    if pending:
        found.append(",".join(pending))
    return [argument.strip() for argument in found]


def own_name(element: XmlElement) -> str:
    """An element's name as its step says it."""
    if element.namespace and not element.prefix:
        return f"{DEFAULT_PREFIX}:{element.local}"
    return element.name


def namespaces_of(element: XmlElement) -> dict[str, str]:
    """The prefixes that a path written at an element may use."""
    return {prefix or DEFAULT_PREFIX: uri for prefix, uri in element.scope.items() if prefix or uri}


def joined(parent: str, step: str) -> str:
    """A path and one step more. Raises Failed where it grows too long."""
    path = f"{parent}{step}" if parent.endswith("/") else f"{parent}/{step}"
    if len(path) > MAX_PATH:
        raise TransformFailed(
            "bad-path", f"The path is longer than {MAX_PATH} characters", path[:80]
        )
    return path


def _narrowed(parent: str, element: XmlElement, predicate: str) -> str:
    if predicate and not predicate.startswith("["):
        predicate = "[" + predicate
    if predicate and not predicate.endswith("]"):
        predicate += "]"
    return joined(parent, own_name(element) + predicate)


def _by_name(parent: str, element: XmlElement, _arguments: list[str]) -> str:
    return _narrowed(parent, element, "")


def _by_match(parent: str, element: XmlElement, arguments: list[str]) -> str:
    if not arguments:
        raise TransformFailed("argument-count", "Match needs at least one argument", "Match")
    parts = []
    for name in arguments:
        attribute = element.attribute(name)
        if attribute is None:
            raise TransformFailed(
                "match-without-attribute",
                f"This element has no attribute '{name}' for Match to compare with",
                name,
            )
        parts.append(f"@{attribute.name}='{attribute.value}'")
    return _narrowed(parent, element, " and ".join(parts))


def _only(name: str, arguments: list[str]) -> str:
    if len(arguments) != 1:
        raise TransformFailed(
            "argument-count", f"{name} needs one argument and has {len(arguments)}", name
        )
    return arguments[0]


def _by_condition(parent: str, element: XmlElement, arguments: list[str]) -> str:
    return _narrowed(parent, element, _only("Condition", arguments))


def _by_xpath(parent: str, element: XmlElement, arguments: list[str]) -> str:
    path = _only("XPath", arguments)
    if path.startswith("/"):
        return path
    return joined(joined(parent, own_name(element)), path).replace("/./", "/")


Locator = Callable[[str, XmlElement, list[str]], str]

LOCATORS: dict[str, Locator] = {
    "DefaultLocator": _by_name,
    "Match": _by_match,
    "Condition": _by_condition,
    "XPath": _by_xpath,
}


def locator_of(element: XmlElement) -> tuple[Locator, list[str]]:
    """The Locator of an element and its arguments; by name where it has none.

    Raises Failed, at the attribute, for one that cannot be read.
    """
    attribute = element.attribute_of(TRANSFORM_NAMESPACE, "Locator")
    if attribute is None:
        return _by_name, []
    try:
        name, arguments = name_and_arguments(attribute.value)
        if name not in LOCATORS:
            raise TransformFailed("unknown-name", f"There is no Locator '{name}'", name)
    except TransformFailed as failure:
        failure.span = attribute.span
        raise
    return LOCATORS[name], split_arguments(arguments)


def path_of(parent: str, element: XmlElement) -> str:
    """The path of an element below its parent's. Raises Failed, with a place."""
    locator, arguments = locator_of(element)
    try:
        return locator(parent, element, arguments)
    except TransformFailed as failure:
        failure.span = failure.span or element.span
        raise


def parent_path_of(parent: str, element: XmlElement) -> str:
    """Where an element of the Insert family goes: below the parent's path, or below what an XPath
    Locator leads to. Raises Failed, with a place.
    """
    locator, _ = locator_of(element)
    return path_of(parent, element) if locator is _by_xpath else parent
