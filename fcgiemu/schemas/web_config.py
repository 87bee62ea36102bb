"""An XML Schema of web.config, made from the table that ``check`` reads (``config/schema.iis``).

It accepts what ``check`` accepts without an error, and refuses of the rest what XSD 1.0 can say:
unknown sections, elements and attributes below system.webServer, values of a wrong type, missing
attributes, children that stand twice. What it cannot say: keys that stand twice, rules about
several attributes, the sections that <configSections> declares for a module of somebody else.

XSD 1.0 has no content model for "these elements, and any others": so the children of
<configuration> are any elements, and those that are known are global declarations, which a
processor applies where it finds one (``processContents="lax"``).

Where the configuration system takes a value in any case (bool, enum, flags), the type is a union:
an enumeration with the spelling to write, which editors offer, and a pattern for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lxml import etree

from ..config import descriptions, schema
from ..config.schema import Attribute, CollectionSchema, ElementSchema

#: The namespace that old files of Visual Studio declare on their root element.
DOTNET = "http://schemas.microsoft.com/.NetConfiguration/v2.0"
_XS = "http://www.w3.org/2001/XMLSchema"
#: The lock attributes, which any element may have, and configSource.
_EVERYWHERE = (
    "configSource",
    "lockAttributes",
    "lockAllAttributesExcept",
    "lockElements",
    "lockAllElementsExcept",
    "lockItem",
)
_LOCATION = ("path", "allowOverride", "inheritInChildApplications")
_MAX = {"uint": 0xFFFFFFFF}


def xsd(namespace: str = "") -> str:
    """The schema as text; ``namespace`` is that of the elements, none or DOTNET."""
    return _Schema(namespace).text()


class _Schema:
    """Builds one schema document."""

    def __init__(self, namespace: str) -> None:
        names = {"xs": _XS, **({"t": namespace} if namespace else {})}
        self.prefix = "t:" if namespace else ""
        self.root = etree.Element(f"{{{_XS}}}schema", nsmap=names)
        self.root.set("elementFormDefault", "qualified")
        if namespace:
            self.root.set("targetNamespace", namespace)
        _document(self.root, "web.config as IIS 10 with URL Rewrite 2.1 reads it; by fcgiemu.")
        self._shared()
        self._top_level("configuration", ())
        self._top_level("location", _LOCATION)
        self._server()
        self._element(self.root, schema.sections()["appSettings"], "appSettings")

    def text(self) -> str:
        """The document."""
        etree.indent(self.root, " ")
        data = etree.tostring(self.root, xml_declaration=True, encoding="utf-8")
        return data.decode() + "\n"

    # -- structure ---------------------------------------------------------------------------------

    def _shared(self) -> None:
        """Types and attributes that stand in many places."""
        group = _add(self.root, "attributeGroup", name="everywhere")
        for name in _EVERYWHERE:
            _add(group, "attribute", name=name, type="xs:string")
        _add(group, "anyAttribute", namespace="##other", processContents="skip")
        kind = _add(self.root, "simpleType", name="bool")
        _union(kind, ("true", "false"), "|".join(map(_any_case, ("true", "false"))))

    def _top_level(self, name: str, attributes: Iterable[str]) -> None:
        """<configuration>, or <location>, whose children are the same."""
        kind = _add(_add(self.root, "element", name=name), "complexType")
        choice = _many(kind)
        _add(choice, "any", namespace="##any", processContents="lax")
        for attribute in attributes:
            _add(kind, "attribute", name=attribute, type="xs:string")
        if name == "location":
            mode = _add(_add(kind, "attribute", name="overrideMode"), "simpleType")
            _enumeration(mode, ("Allow", "Deny", "Inherit"))
        _add(kind, "anyAttribute", namespace="##other", processContents="skip")

    def _server(self) -> None:
        """<system.webServer>, its groups and sections."""
        top = _many(_add(_add(self.root, "element", name="system.webServer"), "complexType"))
        groups = {"": top}
        for path, section in schema.sections().items():
            if not path.startswith(schema.WEB_SERVER) or path in schema.HOST_ONLY:
                continue
            place, _, name = path.removeprefix(schema.WEB_SERVER).rpartition("/")
            self._element(self._group(groups, place), section, name)
        for name in sorted({*schema.TOLERATED, *schema.OF_OTHERS}):
            _document(_add(top, "element", name=name), "Of a module that fcgiemu does not know.")

    def _group(self, groups: dict[str, etree._Element], path: str) -> etree._Element:
        """The content of a section group, made where it is met first."""
        if path not in groups:
            above, _, name = path.rpartition("/")
            kind = _add(
                _add(self._group(groups, above), "element", name=name, minOccurs="0"), "complexType"
            )
            groups[path] = _many(kind)
            _add(kind, "attributeGroup", ref=f"{self.prefix}everywhere")
        return groups[path]

    def _element(
        self,
        parent: etree._Element,
        known: ElementSchema,
        name: str,
        section: str = "",
        is_entry: bool = False,
    ) -> None:
        """An element of a section with all that it may hold; only entries of collections must have
        what is required.
        """
        element = _add(parent, "element", name=name, **_optional(parent))
        is_section = known.name in schema.sections()
        section = known.name if is_section else section
        _document(
            element,
            _of_section(known) if is_section else descriptions.of_element(section, name),
        )
        kind = _add(element, "complexType")
        if known.children or known.collections:
            content = _many(kind) if known.collections else _add(kind, "all")
            for child in known.children.values():
                self._element(content, child, child.name, section)
            for collection in known.collections.values():
                self._collection(content, collection, section)
        owner = (section, "" if is_section else name)
        self._attributes(kind, known.attributes.values(), owner, is_entry)

    def _collection(
        self, content: etree._Element, collection: CollectionSchema, section: str
    ) -> None:
        """The elements that add an entry, remove one (by its attributes), and remove all (the
        configuration system looks at nothing in that one).
        """
        entry = collection.entry
        self._element(content, entry, entry.name, section, is_entry=True)
        if collection.remove:
            kind = _add(_add(content, "element", name=collection.remove), "complexType")
            self._attributes(kind, entry.attributes.values(), (section, entry.name), False)
        if collection.clear:
            _add(content, "element", name=collection.clear)

    # -- attributes --------------------------------------------------------------------------------

    def _attributes(
        self,
        kind: etree._Element,
        attributes: Iterable[Attribute],
        owner: tuple[str, str],
        is_entry: bool,
    ) -> None:
        """The attributes of ``owner``: a section and the element in it ("" = the section)."""
        for attribute in attributes:
            made = _add(kind, "attribute", name=attribute.name)
            if is_entry and "required" in attribute.words:
                made.set("use", "required")
            _document(
                made, _of_attribute(attribute, descriptions.of_attribute(*owner, attribute.name))
            )
            if attribute.type == "bool":
                made.set("type", f"{self.prefix}bool")
            elif attribute.type == "string" and "nonempty" not in attribute.words:
                made.set("type", "xs:string")
            else:
                _TYPES[attribute.type](_add(made, "simpleType"), attribute)
        _add(kind, "attributeGroup", ref=f"{self.prefix}everywhere")


# -- simple types ----------------------------------------------------------------------------------


def _string(kind: etree._Element, attribute: Attribute) -> None:
    trimmed = "trimmed" in attribute.words
    _pattern(kind, r"[\s\S]*\S[\s\S]*" if trimmed else r"[\s\S]+")


def _enum(kind: etree._Element, attribute: Attribute) -> None:
    _union(kind, attribute.values, "|".join(map(_any_case, attribute.values)))


def _flags(kind: etree._Element, attribute: Attribute) -> None:
    """Names with commas between them; empty places count for nothing."""
    name = "|".join(map(_any_case, attribute.values))
    _union(kind, attribute.values, rf"\s*({name})?\s*(,\s*({name})?\s*)*")


def _integer(kind: etree._Element, attribute: Attribute) -> None:
    """A number in its range, or ``infinite``."""
    union = _add(kind, "union")
    bottom, top = (0, _MAX["uint"]) if attribute.type == "uint" else (None, None)
    low, high = attribute.low, attribute.high
    if low is None or high is None:
        ranges = [(bottom, top)]
    elif attribute.exclude:
        ranges = [(bottom, low - 1), (high + 1, top)]
    else:
        ranges = [(low, high)]
    for first, last in ranges:
        if first is not None and last is not None and first > last:
            continue
        number = _add(_add(union, "simpleType"), "restriction", base="xs:integer")
        if first is not None:
            _add(number, "minInclusive", value=str(first))
        if last is not None:
            _add(number, "maxInclusive", value=str(last))
    _pattern(_add(union, "simpleType"), rf"\s*{_any_case('infinite')}\s*")


def _time_span(kind: etree._Element, _attribute: Attribute) -> None:
    _pattern(kind, r"\s*([0-9]+\.)?[0-9]+:[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]+)?\s*")


_TYPES: dict[str, Callable[[etree._Element, Attribute], None]] = {
    "string": _string,
    "enum": _enum,
    "flags": _flags,
    "int": _integer,
    "uint": _integer,
    "int64": _integer,
    "timeSpan": _time_span,
}


def _any_case(word: str) -> str:
    """A pattern for a word in any case."""
    return "".join(
        f"[{char.upper()}{char.lower()}]" if char.isalpha() else re.escape(char) for char in word
    )


# -- writing ---------------------------------------------------------------------------------------


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    made = etree.SubElement(parent, f"{{{_XS}}}{tag}")
    for name, value in attributes.items():
        made.set(name, value)
    return made


def _many(kind: etree._Element) -> etree._Element:
    """A content of any of its elements, in any order and number."""
    return _add(kind, "choice", minOccurs="0", maxOccurs="unbounded")


def _optional(parent: etree._Element) -> dict[str, str]:
    """What an element of ``xs:all`` needs so that it may be left out."""
    return {"minOccurs": "0"} if parent.tag == f"{{{_XS}}}all" else {}


def _enumeration(kind: etree._Element, values: Iterable[str]) -> None:
    restriction = _add(kind, "restriction", base="xs:string")
    for value in dict.fromkeys(values):
        _add(restriction, "enumeration", value=value)


def _pattern(kind: etree._Element, pattern: str) -> None:
    _add(_add(kind, "restriction", base="xs:string"), "pattern", value=pattern)


def _union(kind: etree._Element, values: Iterable[str], pattern: str) -> None:
    """The values as they are to be written, and whatever fits the pattern."""
    union = _add(kind, "union")
    _enumeration(_add(union, "simpleType"), values)
    _pattern(_add(union, "simpleType"), pattern)


def _document(element: etree._Element, text: str) -> None:
    if not text:
        return
    note = _add(element, "annotation")
    element.insert(0, note)
    _add(note, "documentation").text = text


_SUPPORT = {
    "emulated": "",
    "accepted": " fcgiemu checks it; it has no effect there.",
    "refused": " fcgiemu answers what it is for with an error that says so.",
}


def _of_section(section: ElementSchema) -> str:
    """What an editor shows of a section."""
    locked = (
        " Locked by default: usable where applicationHost.config allows it."
        if section.name in schema.LOCKED
        else ""
    )
    meaning = descriptions.of_section(section.name) or f"{section.name}."
    return f"{meaning}{locked}{_SUPPORT[section.support]}"


def _of_attribute(attribute: Attribute, meaning: str) -> str:
    """What an editor shows of an attribute."""
    default = f" Default: {attribute.default}." if attribute.default is not None else ""
    kind = f"{attribute.type}{limits(attribute)}.{default}{_SUPPORT[attribute.support]}"
    return f"{meaning} {kind}".lstrip()


def limits(attribute: Attribute) -> str:
    """The range of a number or time span in words, with a comma before it; "" where it has
    none.
    """
    if attribute.low is None or attribute.high is None:
        return ""
    unit = " seconds" if attribute.type == "timeSpan" else ""
    word = "not from" if attribute.exclude else "from"
    return f", {word} {attribute.low} to {attribute.high}{unit}"
