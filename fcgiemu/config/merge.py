"""Levels folded into the effective section: attributes override, collections add, remove and
clear.

Two kinds of nodes come out. A section, and what stands in it once, is a ``Node`` that every level
writes into. An entry of a collection comes from one element of one file and is never written into
again, so it is an ``Entry``: a view of that element which merges what is below it when asked. A
rule set of 100,000 rules or a map of as many entries therefore costs little more than the file that
says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar, overload

from .. import catalogue
from ..catalogue.findings import E_DUPLICATE, E_INVALID_DATA, Finding, Span
from . import schema, values
from .model import (
    ConfigFile,
    Entries,
    LockPolicy,
    SectionInstance,
    TypedElement,
)
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

#: Sections whose entries may have any name: a second one of a name was meant as one of its own.
_NAMES_ARE_FREE = {
    "system.webServer/handlers",
    "system.webServer/rewrite/rules",
    "system.webServer/rewrite/outboundRules",
}


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

    def is_of_another_level(self, file: ConfigFile, location: str) -> bool:
        """Whether what a file says for a location is said below the lock: the shipped files are one
        level together.
        """
        if self.file.is_shipped and file.is_shipped:
            return False
        return self.file is not file or self.location != location

    def forbids(self, what: str, name: str) -> bool:
        """Whether an attribute or element (``what``) called ``name`` is locked."""
        if what not in self.kind.lower():
            return False
        return (
            name not in self.names
            if self.kind.startswith("lockAll")
            else name in self.names or "*" in self.names
        )


class Node:
    """An effective element: values by attribute name, child elements, and the entries of its
    collections.
    """

    __slots__ = ("children", "file", "items", "location", "locks", "schema", "span", "values")

    children: Mapping[str, Node]
    items: Sequence[Node]
    locks: Sequence[Lock]
    span: Span | None
    values: Mapping[str, Value]

    def __init__(self, schema: ElementSchema) -> None:
        self.schema = schema
        self.span = None
        self.file: ConfigFile | None = None
        self.location = ""
        self.values = {}
        self.children = {}
        self.items = ()
        self.locks = ()

    def copy(self) -> Node:
        """A node of the same parts, to lay another level over."""
        made = Node(self.schema)
        made.span, made.file, made.location = self.span, self.file, self.location
        made.values, made.children = self.values, self.children
        made.items, made.locks = self.items, self.locks
        return made

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

    def rows(self, *names: str) -> Iterable[tuple[str, ...]]:
        """The texts of these attributes of every entry, without a node for each."""
        items = self.items
        if isinstance(items, _Items):
            return items.rows(names)
        return (tuple(map(item.text, names)) for item in items)

    def child(self, name: str) -> Node:
        """A child element; an empty one with the schema's defaults where no level has it."""
        node = self.children.get(name)
        return node if node is not None else _nothing(self.schema.children[name])


class Entry(Node):
    """An entry of a collection, or an element in one: what one element of one file says."""

    __slots__ = ("element",)

    def __init__(self, element: TypedElement, file: ConfigFile | None, location: str) -> None:
        self.schema = element.schema
        self.element = element
        self.file = file
        self.location = location
        self.values = element.values

    @property
    def span(self) -> Span:  # type: ignore[override]  # made from a number each time
        return self.element.span

    @property
    def locks(self) -> Sequence[Lock]:  # type: ignore[override]
        assert self.file is not None
        return _locks(self.element, self.file, self.location)

    @property
    def items(self) -> Sequence[Node]:  # type: ignore[override]
        return self._merged().items if self.element.directives else ()

    @property
    def children(self) -> Mapping[str, Node]:  # type: ignore[override]
        return self._merged().children

    def child(self, name: str) -> Node:
        found = [child for child in self.element.children if child.schema.name == name]
        if len(found) == 1:
            return Entry(found[0], self.file, self.location)
        return self._merged().child(name) if found else _nothing(self.schema.children[name])

    def _merged(self) -> Node:
        assert self.file is not None
        node = Node(self.schema)
        _Merger("", False).apply(node, self.element, self.file, self.location)
        return node


@cache
def _nothing(schema: ElementSchema) -> Node:
    """What no level says."""
    return Node(schema)


class _Items(Sequence[Node]):
    """The entries that a long run makes."""

    def __init__(self, entries: Entries, file: ConfigFile, location: str) -> None:
        self._entries = entries
        self._file = file
        self._location = location

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | Sequence[Node]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return Entry(self._entries[range(len(self))[index]], self._file, self._location)

    def __iter__(self) -> Iterator[Node]:
        return (self[index] for index in range(len(self)))

    def rows(self, names: Sequence[str]) -> Iterable[tuple[str, ...]]:
        """See Node.rows."""
        run = self._entries.run
        if all(name in run.names for name in names):
            return zip(*map(run.column, names), strict=True)
        return (tuple(map(item.text, names)) for item in self)


T = TypeVar("T")


def _unset(value: Value, name: str, neutral: T) -> T:
    """``neutral`` for a required attribute that the file lacks, which is an error of its own."""
    if value is not None:
        raise TypeError(f"{name} holds {value!r}: it has another type")
    return neutral


def _locks(element: TypedElement, file: ConfigFile, location: str) -> list[Lock]:
    return [
        Lock(
            kind, frozenset(part.strip() for part in text.split(",")), element.span, file, location
        )
        for kind, text in element.locks.items()
    ]


@dataclass(frozen=True, slots=True)
class Level:
    """The part of one file that concerns a URL: the file and the <location> paths in it that cover
    the URL.
    """

    file: ConfigFile
    locations: tuple[str, ...] = ()

    def instances(self, section: str) -> list[SectionInstance]:
        """The file's top-level section, then those of matching locations from the shortest path to
        the longest.
        """
        places = self.file.by_path.get(section)
        if places is None:
            return []
        covering = sorted(self.locations, key=lambda place: place.count("/"))
        return [part for place in ("", *covering) for part in places.get(place, ())]


#: A section, and what its merging brought up.
Merged = tuple[Node, list[Finding]]


def nothing_merged(path: str, policy: LockPolicy) -> Merged:
    """The section ``path`` before any level says something."""
    return Node(schema.section(path, policy.modules)), []


def merge_level(
    path: str, above: Merged, file: ConfigFile, instance: SectionInstance, policy: LockPolicy
) -> Merged:
    """The section ``path`` of one level more than ``above``, which stays as it is, and the errors
    that only show when levels meet (duplicates, locks).
    """
    merger = _Merger(path, policy.strict_locks)
    node = above[0].copy()
    merger.apply(node, instance.element, file, instance.location)
    return node, above[1] + merger.findings


class _Merger:
    def __init__(self, section: str, strict_locks: bool) -> None:
        self.section = section
        self.strict_locks = strict_locks
        self.findings: list[Finding] = []

    def apply(self, node: Node, element: TypedElement, file: ConfigFile, location: str) -> None:
        """Lay one level's element over what shallower levels gave."""
        if node.locks:
            self.check(node, element, file, location)
        if element.locks:
            node.locks = [*node.locks, *_locks(element, file, location)]
        node.span, node.file, node.location = element.span, file, location
        if element.values:
            node.values = {**node.values, **element.values}
        if element.children:
            node.children = children = dict(node.children)
            for child in element.children:
                above = children.get(child.schema.name)
                target = Node(child.schema) if above is None else above.copy()
                children[child.schema.name] = target
                self.apply(target, child, file, location)
        if element.directives:
            self.collection(node, element.directives, file, location)

    def collection(
        self,
        node: Node,
        directives: Sequence[TypedElement | Entries],
        file: ConfigFile,
        location: str,
    ) -> None:
        """Carry out what one level does to a collection."""
        name = directives[0].schema.name
        rules = node.schema.collections[name]
        first = directives[0]
        if (
            len(directives) == 1
            and isinstance(first, Entries)
            and not node.items
            and first.distinct
        ):
            node.items = _Items(first, file, location)
            return
        inherited: list[Node | None] = list(node.items)
        fresh: list[Node | None] = []
        #: Where an entry stands: the list, and its place in that.
        index = {_key(rules, item.values): (inherited, at) for at, item in enumerate(node.items)}
        places: dict[tuple[Value, ...], int] = {}
        for element in _each(directives):
            if element.kind == "clear":
                for item in (*inherited, *fresh):
                    if item is not None:
                        self.check_item(item, element, file, location)
                inherited, fresh, index, places = [], [], {}, {}
                continue
            key = _key(rules, element.values)
            present = index.get(key) if key else None
            if present is not None:
                where, at = present
                item = where[at]
                assert item is not None
                if element.kind == "remove":
                    self.check_item(item, element, file, location)
                elif not rules.replace:
                    # a key that cannot be read, or is not there, is an error already
                    if None not in key and set(key) != {""}:
                        self.duplicate(rules, element, item)
                    continue
                del index[key]
                where[at] = None
                if where is inherited:
                    places[key] = at
            if element.kind == "remove":
                continue
            added = self.entry(element, file, location)
            if key in places and self.section in _KEEPS_PLACE:
                inherited[places[key]] = added
                index[key] = inherited, places[key]
            else:
                fresh.append(added)
                index[key] = fresh, len(fresh) - 1
        both = (fresh, inherited) if rules.prepend else (inherited, fresh)
        node.items = [item for items in both for item in items if item is not None]

    def entry(self, element: TypedElement, file: ConfigFile, location: str) -> Node:
        """The node of an entry; what is wrong within it is reported."""
        if _has_collections(element):
            self.apply(Node(element.schema), element, file, location)
        return Entry(element, file, location)

    def check(self, node: Node, element: TypedElement, file: ConfigFile, location: str) -> None:
        """Report what a level mentions although a level above it has locked it."""
        rules = node.schema.collections
        mentioned = [("attributes", name, element.span) for name in element.values]
        mentioned += [("elements", child.schema.name, child.span) for child in element.children]
        for directive in _each(element.directives):
            name = directive.schema.name
            words = {"clear": rules[name].clear, "remove": rules[name].remove}
            mentioned.append(("elements", words.get(directive.kind) or name, directive.span))
        for lock in node.locks:
            if lock.is_of_another_level(file, location):
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
                and lock.is_of_another_level(file, location)
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
            catalogue.finding(
                "config-lock-violation",
                span,
                severity="error" if fatal else "warning",
                section=self.section if self.section == "system.webServer/httpErrors" else "",
                what=what,
                name=self.section,
                where=lock.span,
                lock=lock.kind,
            )
        )  # measured: on error responses only

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
        is_served = self.section == "system.webServer/httpCompression"  # measured: it fails none
        same_file = present.span is not None and present.span.file == element.span.file
        is_own = rules.remove is not None and rules.entry.name in ("rule", "add")
        is_name = same_file and is_own and self.section in _NAMES_ARE_FREE
        form = "/served" if is_served else "/name" if is_name else "" if rules.remove else "/whole"
        self.findings.append(
            catalogue.finding(
                f"config-duplicate-entry{form}",
                element.span,
                severity="info" if is_served else "",
                hresult=E_INVALID_DATA
                if self.section in _DUPLICATE_IS_INVALID_DATA
                else E_DUPLICATE,
                section=owner,
                type=rules.entry.name,
                keys=what,
                where=present.span,
                remove=_remove(rules, element),
                name=shown[0],
            )
        )


def _remove(rules: CollectionSchema, element: TypedElement) -> str:
    """The element that takes the entry away which ``element`` repeats."""
    from xml.sax.saxutils import quoteattr  # it loads urllib, http and ssl: a tenth of explain

    keys = (
        f"{part.name}={quoteattr(str(element.values.get(part.name, values.default(part))))}"
        for part in rules.keys
    )
    return f"<{rules.remove or 'remove'} {' '.join(keys)} />"


def _key(rules: CollectionSchema, given: Mapping[str, Value]) -> tuple[Value, ...]:
    """What identifies an entry; empty for collections without keys. Texts compare without case but
    where said.
    """
    parts: list[Value] = []
    for attribute in rules.keys:
        value = given.get(attribute.name)
        if value is None:
            value = values.default(attribute)
        if isinstance(value, str) and "casesensitive" not in attribute.words:
            value = value.lower()
        parts.append(value)
    return tuple(parts)


def _each(directives: Iterable[TypedElement | Entries]) -> Iterator[TypedElement]:
    for directive in directives:
        if isinstance(directive, Entries):
            yield from (directive[index] for index in range(len(directive)))
        else:
            yield directive


def _has_collections(element: TypedElement) -> bool:
    """Whether anything in an element can clash with something else in it."""
    return bool(element.directives) or any(map(_has_collections, element.children))
