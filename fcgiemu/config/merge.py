"""Levels folded into the effective section: attributes override, collections add, remove and
clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from . import schema, values
from .diagnostics import E_DUPLICATE, E_INVALID_DATA, E_LOCKED, Finding, Span
from .file import ConfigFile, Directive, SectionInstance, TypedElement
from .schema import CollectionSchema, ElementSchema
from .values import Value

#: Collections whose duplicates IIS reports as invalid data rather than as an existing object
#: (measured).
_DUPLICATE_IS_INVALID_DATA = {
    "system.webServer/handlers",
    "system.webServer/modules",
    "system.webServer/httpProtocol",
}
#: Collections in which a removed and re-added name keeps its inherited place (measured for these
#: two).
_KEEPS_PLACE = {"system.webServer/handlers", "system.webServer/modules"}


@dataclass(frozen=True, slots=True)
class Lock:
    """One lockAttributes, lockElements, lockItem … on an element: what deeper levels must not
    mention.
    """

    kind: str
    names: frozenset[str]
    span: Span
    file: ConfigFile
    location: str

    def forbids(self, what: str, name: str) -> bool:
        """Whether an attribute or element (``what``) called ``name`` is locked."""
        if what not in self.kind.lower():
            return False
        return (
            name not in self.names
            if self.kind.startswith("lockAll")
            else name in self.names or "*" in self.names
        )


@dataclass(slots=True)
class Node:
    """An effective element: values by attribute name, child elements, and the entries of its
    collections.
    """

    schema: ElementSchema
    span: Span | None = None
    file: ConfigFile | None = None
    location: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)

    def text(self, name: str) -> str:
        """A string or enum attribute, else its default; "" where there is neither."""
        value = self.value(name)
        return value if isinstance(value, str) else _unset(value, name, "")

    def flag(self, name: str) -> bool:
        """A bool attribute, else its default."""
        value = self.value(name)
        return value if isinstance(value, bool) else _unset(value, name, False)

    def integer(self, name: str) -> int:
        """A number attribute, else its default; 0 where there is neither."""
        value = self.value(name)
        return value if isinstance(value, int) else _unset(value, name, 0)

    def seconds(self, name: str) -> float:
        """A timeSpan attribute in seconds, else its default; 0 where there is neither."""
        value = self.value(name)
        if isinstance(value, timedelta):
            return value.total_seconds()
        return _unset(value, name, 0.0)

    def names(self, name: str) -> frozenset[str]:
        """The names that a flags attribute holds, else those of its default."""
        value = self.value(name)
        return value if isinstance(value, frozenset) else _unset(value, name, frozenset())

    def value(self, name: str) -> Value:
        """The value of an attribute of any type, else its default."""
        if name in self.values:
            return self.values[name]
        return values.default(self.schema.attributes[name])

    def given(self, name: str) -> str | None:
        """A string attribute as some level sets it; None where none does."""
        return self.text(name) if name in self.values else None

    def has(self, name: str) -> bool:
        """Whether some level sets the attribute."""
        return name in self.values

    def child(self, name: str) -> Node:
        """A child element; an empty one with the schema's defaults where no level has it."""
        node = self.children.get(name)
        return node if node is not None else Node(self.schema.children[name])


T = TypeVar("T")


def _unset(value: Value, name: str, neutral: T) -> T:
    """``neutral`` for a required attribute that the file lacks, which is an error of its own."""
    if value is not None:
        raise TypeError(f"{name} holds {value!r}: it has another type")
    return neutral


@dataclass(frozen=True, slots=True)
class Level:
    """The part of one file that concerns a URL: the file and the <location> paths in it that cover
    the URL.
    """

    file: ConfigFile
    locations: tuple[str, ...] = ()

    def instances(self, section: str) -> Iterable[SectionInstance]:
        """The file's top-level section, then those of matching locations from the shortest path to
        the longest.
        """
        found = [
            part
            for part in self.file.sections
            if part.path == section and (not part.location or part.location in self.locations)
        ]
        return sorted(found, key=lambda part: part.location.count("/") + bool(part.location))


def merge_section(
    path: str, levels: Sequence[Level], strict_locks: bool = False
) -> tuple[Node, list[Finding]]:
    """The effective section ``path`` and the errors that only show when levels meet (duplicates,
    locks).
    """
    node = Node(schema.sections()[path])
    merger = _Merger(path, strict_locks)
    for level in levels:
        for instance in level.instances(path):
            merger.apply(node, instance.element, level.file, instance.location)
    return node, merger.findings


class _Merger:
    def __init__(self, section: str, strict_locks: bool) -> None:
        self.section = section
        self.strict_locks = strict_locks
        self.findings: list[Finding] = []

    def apply(self, node: Node, element: TypedElement, file: ConfigFile, location: str) -> None:
        """Lay one level's element over what shallower levels gave."""
        if node.locks:
            self.check(node, element, file, location)
        for kind, text in element.locks.items():
            names = frozenset(part.strip() for part in text.split(","))
            node.locks.append(Lock(kind, names, element.span, file, location))
        node.span, node.file, node.location = element.span, file, location
        for name, value in element.values.items():
            node.values[name] = value
            node.spans[name] = element.span
        for child in element.children:
            target = node.children.setdefault(child.schema.name, Node(child.schema))
            self.apply(target, child, file, location)
        if element.directives:
            self.collection(node, element.directives, file, location)

    def collection(
        self, node: Node, directives: list[Directive], file: ConfigFile, location: str
    ) -> None:
        rules = node.schema.collections[directives[0].collection]
        inherited: list[Node | None] = list(node.items)
        index = {_key(rules, item.values): item for item in node.items}
        places: dict[tuple[Any, ...], int] = {}
        fresh: list[Node] = []
        for directive in directives:
            if directive.kind == "clear":
                for item in index.values():
                    self.check_item(item, directive.element, file, location)
                inherited, fresh, index, places = [], [], {}, {}
                continue
            key = _key(rules, directive.element.values)
            present = index.pop(key, None) if key else None
            if directive.kind == "remove":
                if present is not None:
                    self.check_item(present, directive.element, file, location)
                    self.drop(present, inherited, fresh, places, key)
                continue
            if present is not None:
                index[key] = present
                if not rules.replace:
                    self.duplicate(rules, directive.element, present)
                    continue
                self.drop(present, inherited, fresh, places, key)
            item = Node(rules.entry)
            self.apply(item, directive.element, file, location)
            if key:
                index[key] = item
            if key in places and self.section in _KEEPS_PLACE:
                inherited[places[key]] = item
            else:
                fresh.append(item)
        kept = [item for item in inherited if item is not None]
        node.items = fresh + kept if rules.prepend else kept + fresh

    def check(self, node: Node, element: TypedElement, file: ConfigFile, location: str) -> None:
        """Report what a level mentions although a level above it has locked it."""
        rules = node.schema.collections
        mentioned = [("attributes", name, element.span) for name in element.values]
        mentioned += [("elements", child.schema.name, child.span) for child in element.children]
        for directive in element.directives:
            words = {
                "clear": rules[directive.collection].clear,
                "remove": rules[directive.collection].remove,
            }
            mentioned.append(
                (
                    "elements",
                    words.get(directive.kind) or directive.collection,
                    directive.element.span,
                )
            )
        for lock in node.locks:
            if lock.file is not file or lock.location != location:
                for what, name, span in mentioned:
                    if lock.forbids(what, name):
                        self.violation(lock, f"'{name}'", span)

    def check_item(
        self, item: Node, element: TypedElement, file: ConfigFile, location: str
    ) -> None:
        """Report the removal of an entry that carries lockItem."""
        for lock in item.locks:
            if (
                lock.kind == "lockItem"
                and "true" in lock.names
                and (lock.file is not file or lock.location != location)
            ):
                keys = [
                    str(item.value(part.name))
                    for part in item.schema.attributes.values()
                    if part.is_key
                ]
                self.violation(lock, f"the entry '{', '.join(keys)}'", element.span)
                return

    def violation(self, lock: Lock, what: str, span: Span) -> None:
        fatal = self.strict_locks or not lock.file.is_shipped
        self.findings.append(
            Finding(
                "config-lock-violation",
                "error" if fatal else "warning",
                f"Lock violation: {what} of {self.section} is locked at {lock.span}",
                span,
                f"Remove it here, or unlock it there ({lock.kind}).",
                E_LOCKED,
                self.section if self.section == "system.webServer/httpErrors" else "",
            )
        )  # measured: on error responses only

    @staticmethod
    def drop(
        item: Node,
        inherited: list[Node | None],
        fresh: list[Node],
        places: dict[tuple[Any, ...], int],
        key: tuple[Any, ...],
    ) -> None:
        for position, other in enumerate(inherited):
            if other is item:
                inherited[position] = None
                places[key] = position
                return
        fresh[:] = [other for other in fresh if other is not item]

    def duplicate(self, rules: CollectionSchema, element: TypedElement, present: Node) -> None:
        keys = rules.keys
        shown = [str(element.values.get(part.name, values.default(part))) for part in keys]
        what = (
            f"unique key attribute '{keys[0].name}' set to '{shown[0]}'"
            if len(keys) == 1
            else (
                f"combined key attributes '{', '.join(part.name for part in keys)}' respectively"
                f" set to '{', '.join(shown)}'"
            )
        )
        owner = self.section
        if owner.startswith("system.webServer/rewrite/") and not owner.endswith(
            ("/outboundRules", "/globalRules")
        ):
            owner = "system.webServer/rewrite"  # one module consumes them together
        if self.section == "system.webServer/httpProtocol":
            owner = ""  # measured: a duplicate custom header fails every request
        self.findings.append(
            Finding(
                "config-duplicate-entry",
                "error",
                f"Cannot add duplicate collection entry of type '{rules.entry.name}' with {what}",
                element.span,
                f"It is already defined at {present.span}: put <remove …/> before this entry, or"
                " drop it.",
                E_INVALID_DATA if self.section in _DUPLICATE_IS_INVALID_DATA else E_DUPLICATE,
                owner,
            )
        )


def _key(rules: CollectionSchema, given: dict[str, Any]) -> tuple[Any, ...]:
    """What identifies an entry; empty for collections without keys. Texts compare without case but
    where said.
    """
    parts = []
    for attribute in rules.keys:
        value = given.get(attribute.name)
        if value is None:
            value = values.default(attribute)
        if isinstance(value, str) and "casesensitive" not in attribute.words:
            value = value.lower()
        parts.append(value)
    return tuple(parts)
