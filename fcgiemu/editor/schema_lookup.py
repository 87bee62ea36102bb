"""What the schema has at a place of a file, by the names of the elements around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..config import schema
from ..config.schema import Attribute, CollectionSchema, ElementSchema

_LOCATION = {
    attribute.name: attribute
    for attribute in (
        Attribute(name="path", type="string"),
        Attribute(
            name="overrideMode", type="enum", values=("Allow", "Deny", "Inherit"), default="Inherit"
        ),
        Attribute(name="allowOverride", type="bool"),
        Attribute(name="inheritInChildApplications", type="bool", values=(), default="true"),
    )
}
_TOP = ("appSettings", "location", "system.webServer", "system.web", "connectionStrings")
_NOTHING: Mapping[str, Attribute] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownElement:
    """An element that the schema knows.

    ``kind``: "file" (around the root), "top" (<configuration>, <location>), "group", "section",
    "element", "add", "remove" or "clear".
    """

    kind: str
    #: Of the section that it is in, or of the group; "" above those.
    section: str = ""
    #: What it may hold; None where that is not the schema's matter.
    element: ElementSchema | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    #: Of an element that changes a collection: that one.
    collection: CollectionSchema | None = None

    def children(self) -> dict[str, KnownElement]:
        """The elements that may stand in it, by name."""
        if self.kind == "file":
            return {"configuration": KnownElement(kind="top")}
        if self.kind == "top":
            return {name: _top(name) for name in _TOP}
        if self.kind == "group":
            return _of_group(self.section)
        if self.element is None or self.kind in ("remove", "clear"):
            return {}
        found = {
            name: KnownElement(
                kind="element", section=self.section, element=child, attributes=child.attributes
            )
            for name, child in self.element.children.items()
        }
        for collection in self.element.collections.values():
            found.update(_of_collection(self.section, collection))
        return found


def at(names: Iterable[str]) -> KnownElement | None:
    """The element that these names lead to from the root on; None where the schema knows none."""
    found: KnownElement | None = KnownElement(kind="file")
    for name in names:
        found = found.children().get(name) if found is not None else None
    return found


def _top(name: str) -> KnownElement:
    if name == "location":
        return KnownElement(kind="top", attributes=_LOCATION)
    if name == "system.webServer":
        return KnownElement(kind="group", section=schema.WEB_SERVER.rstrip("/"))
    if name in schema.sections():
        return _section(name)
    return KnownElement(kind="element")


def _section(path: str) -> KnownElement:
    found = schema.sections()[path]
    return KnownElement(kind="section", section=path, element=found, attributes=found.attributes)


def _of_group(group: str) -> dict[str, KnownElement]:
    """The sections and groups of a group."""
    prefix = f"{group}/"
    groups = {
        name.rpartition("/")[2]: KnownElement(kind="group", section=f"{schema.WEB_SERVER}{name}")
        for name in schema.GROUPS
        if f"{schema.WEB_SERVER}{name}".rpartition("/")[0] == group
    }
    sections = {
        path.removeprefix(prefix): _section(path)
        for path in schema.sections()
        if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
    }
    return {**sections, **groups}


def _of_collection(section: str, collection: CollectionSchema) -> dict[str, KnownElement]:
    entry = collection.entry
    found = {
        entry.name: KnownElement(
            kind="add",
            section=section,
            element=entry,
            attributes=entry.attributes,
            collection=collection,
        )
    }
    if collection.remove:
        keys = {attribute.name: attribute for attribute in collection.keys}
        found[collection.remove] = KnownElement(
            kind="remove", section=section, attributes=keys, collection=collection
        )
    if collection.clear:
        found[collection.clear] = KnownElement(
            kind="clear", section=section, attributes=_NOTHING, collection=collection
        )
    return found
