"""What a configuration file says, as data: sections with typed values, findings, locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..catalogue.findings import Finding, Span
from . import values
from .reader import Comment, Element, ElementRun
from .schema import ElementSchema

_NO_LOCKS: Mapping[str, str] = {}


class TypedElement:
    """An element whose attributes have become values; collections are still directives, in document
    order.

    Of those, ``kind`` says what an element does to its collection: ``add``, ``remove``, ``clear``.
    """

    __slots__ = ("_values", "children", "directives", "kind", "locks", "schema", "source")

    def __init__(self, schema: ElementSchema, source: Element, kind: str = "add") -> None:
        self.schema = schema
        self.source = source
        self.kind = kind
        self._values: Mapping[str, values.Value] | None = None
        self.children: Sequence[TypedElement] = ()
        self.directives: Sequence[TypedElement | Entries] = ()
        #: lockAttributes, lockItem and their like, as written.
        self.locks: Mapping[str, str] = _NO_LOCKS

    @property
    def values(self) -> Mapping[str, values.Value]:
        """The values of the attributes that the element has."""
        return self.source.attributes if self._values is None else self._values

    @values.setter
    def values(self, found: Mapping[str, values.Value]) -> None:
        # Where the values are the texts themselves, a dictionary would only say so again.
        plain = self.source.attributes
        same = len(found) == len(plain) and all(found[name] is plain.get(name) for name in found)
        self._values = None if same else found

    @property
    def span(self) -> Span:
        return self.source.span


class Entries:
    """Many entries of one collection that only have texts, as those of a rewrite map: a run whose
    elements become typed when they are asked for.
    """

    __slots__ = ("_distinct", "run", "schema")

    def __init__(self, schema: ElementSchema, run: ElementRun) -> None:
        self.schema = schema
        self.run = run
        self._distinct: bool | None = None

    @property
    def distinct(self) -> bool:
        """Whether it is sure that no two entries have the same key."""
        if self._distinct is None:
            self._distinct = self._are_distinct()
        return self._distinct

    def _are_distinct(self) -> bool:
        keys = [part for part in self.schema.attributes.values() if part.is_key]
        columns = [
            column if "casesensitive" in part.words else [text.lower() for text in column]
            for part in keys
            if part.name in self.run.names
            for column in (self.run.column(part.name),)
        ]
        if len(columns) == 1:
            return len(set(columns[0])) == len(self)
        return not keys or bool(columns) and len(set(zip(*columns, strict=True))) == len(self)

    def __len__(self) -> int:
        return len(self.run)

    def __getitem__(self, index: int) -> TypedElement:
        source = self.run[index]
        return TypedElement(self.schema, source)


@dataclass(slots=True)
class SectionInstance:
    """A section as it stands once in a file: top level, or in a <location> whose path is
    ``location``.
    """

    path: str
    location: str
    element: TypedElement
    inherit: bool = True


@dataclass(frozen=True, slots=True)
class Override:
    """One overrideMode: for ``section``, below the <location> path ``place`` ("" = everywhere below
    the file).
    """

    section: str
    place: str
    allow: bool
    span: Span


@dataclass(slots=True, kw_only=True)
class ConfigFile:
    """A parsed configuration file of the folder ``directory`` (site-absolute, no trailing slash, ""
    = root).
    """

    name: str
    directory: str
    #: By section: the instance at top level, and that of each <location>, by its path.
    by_path: dict[str, dict[str, list[SectionInstance]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    root: Element | None = None
    #: How many names the schema does not know have been met.
    unknown_names: int = 0
    is_host: bool = False
    #: The distinct <location> paths, lower case without slashes at the ends, in document order, and
    #: their number in that order.
    locations: dict[str, int] = field(default_factory=dict)
    overrides: list[Override] = field(default_factory=list)
    #: Sections in which this file locks attributes, elements or entries.
    locking: set[str] = field(default_factory=set)
    #: Whether this is the configuration that fcgiemu ships: its locks are only warnings unless
    #: asked for.
    is_shipped: bool = False

    def add(self, section: SectionInstance) -> None:
        """Add a section in document order."""
        self.by_path.setdefault(section.path, {}).setdefault(section.location, []).append(section)

    @property
    def sections(self) -> list[SectionInstance]:
        """Every section of the file."""
        return [
            section
            for places in self.by_path.values()
            for instances in places.values()
            for section in instances
        ]

    def instances(self, path: str) -> list[SectionInstance]:
        """A section of the file: where it stands at top level, and in each <location>."""
        return [part for parts in self.by_path.get(path, {}).values() for part in parts]

    def covering(self, path: str, site_name: str) -> tuple[str, ...]:
        """The <location> paths of this file that cover the URL path ``path`` (lower case, as
        ``site_name``), in document order.
        """
        below = (
            path[len(self.directory) :].strip("/")
            if path.startswith(self.directory.lower())
            else ""
        )
        if self.is_host:
            below = f"{site_name}/{below}"
        found = []
        end = below.find("/")
        while end >= 0:
            if below[:end] in self.locations:
                found.append(below[:end])
            end = below.find("/", end + 1)
        if below in self.locations:
            found.append(below)
        return tuple(sorted(found, key=self.locations.__getitem__))


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """How strictly the locks of the server are applied: unlocked with a finding by default; and
    which sections of extensions it has.
    """

    strict_locks: bool = False
    strict_rewrite_locks: bool = False
    #: Optional modules that are installed; see schema.EXTENSIONS.
    modules: frozenset[str] = frozenset()
    #: Sections that this server locks beside those of schema.LOCKED.
    locked: frozenset[str] = frozenset()


SHIPPED_POLICY = LockPolicy()
