"""Elements of one section -> typed ones, checked against the schema: all errors, with what is the
nearest known name.
"""

from __future__ import annotations

from dataclasses import replace

from .. import catalogue
from ..catalogue.findings import Span
from . import meant_names, schema, values
from .model import ConfigFile, Entries, TypedElement
from .reader import Element, ElementRun
from .schema import ElementSchema

REWRITE = schema.WEB_SERVER + "rewrite"
#: Unknown names in one file for which the nearest known one is looked up.
MAX_HINTS = 100
_NAMED = ("rule", "preCondition", "rewriteMap")
#: Words of an attribute that do not change its text.
_PLAIN = frozenset({"key", "combinedkey", "required", "casesensitive", "accepted"})
_LOCK_ATTRIBUTES = frozenset(
    {
        "lockAttributes",
        "lockAllAttributesExcept",
        "lockElements",
        "lockAllElementsExcept",
        "lockItem",
    }
)


def _only_texts(run: ElementRun, known: ElementSchema) -> bool:
    """Whether the elements of a run are right as they are: nothing but plain texts, nothing
    missing.
    """
    attributes = known.attributes
    return all(
        name in attributes
        and attributes[name].type == "string"
        and attributes[name].words <= _PLAIN
        for name in run.names
    ) and all(
        "required" not in attribute.words or attribute.name in run.names
        for attribute in attributes.values()
    )


#: What a required attribute mostly is, where one value is for everything.
_LIKELY = {"path": "*", "verb": "*", "modules": "FastCgiModule"}


class Typer:
    """Turns the elements of one section into typed ones and reports what the schema does not
    know.
    """

    def __init__(self, file: ConfigFile, section: str, place: str) -> None:
        self.file = file
        self.place = place
        self.section = section
        #: Unknown names break every request below the file, the rewrite module's own
        #: sections apart.
        self.names_section = section if section.startswith(REWRITE) else ""
        self.locks = False

    def element(self, element: Element, known: ElementSchema) -> TypedElement:
        """An element with all that is in it."""
        typed = self.entry(element, known)
        if not element.parts:
            return typed
        children: list[TypedElement] = []
        directives: list[TypedElement | Entries] = []
        for part in element.parts:
            collection = known.collections.get(part.tag)
            if isinstance(part, Element):
                self.part(part, known, children, directives)
            elif collection is not None and _only_texts(part, collection.entry):
                directives.append(Entries(collection.entry, part))
            else:
                for child in part:
                    self.part(child, known, children, directives)
        typed.children, typed.directives = children, directives
        return typed

    def part(
        self,
        element: Element,
        known: ElementSchema,
        children: list[TypedElement],
        directives: list[TypedElement | Entries],
    ) -> None:
        """Sort a child element into the children or the directives of its parent."""
        if element.tag in known.children:
            if any(child.schema.name == element.tag for child in children):
                self.report(
                    "config-duplicate-element",
                    element.span,
                    name=element.tag,
                    parent=known.name.rpartition("/")[2],
                )
            children.append(self.element(element, known.children[element.tag]))
        elif (directive := self.directive(element, known)) is not None:
            directives.append(directive)

    def entry(self, element: Element, known: ElementSchema, kind: str = "add") -> TypedElement:
        """An element's own attributes."""
        typed = TypedElement(known, element, kind)
        found: dict[str, values.Value] = {}
        locks: dict[str, str] = {}
        for name, text in element.attributes.items():
            attribute = known.attributes.get(name)
            if attribute is not None:
                self.attribute(found, attribute, text, element)
            elif name in _LOCK_ATTRIBUTES:
                locks[name] = text
                self.locks = True
            elif name != "configSource":
                self.unknown("attribute", name, element, known)
        typed.values = found
        if locks:
            typed.locks = locks
        return typed

    def attribute(
        self,
        found: dict[str, values.Value],
        attribute: schema.Attribute,
        text: str,
        element: Element,
    ) -> None:
        """Put the value of one attribute into ``found``, or report why it has none."""
        try:
            found[attribute.name] = values.parse(attribute, text)
        except values.OddCase as odd:
            found[attribute.name] = odd.value
            # In rewrite sections another case is known to work, and True is written everywhere.
            is_known = self.section.startswith(REWRITE) or attribute.type == "bool"
            severity = "info" if is_known else "warning"
            self.report(
                "config-value-case",
                element.span,
                severity=severity,
                text=text,
                name=attribute.name,
                meant=odd.text,
            )
        except values.BadValue as bad:
            meant = values.meant(attribute, text)
            form = "/near" if meant else "/time" if attribute.type == "timeSpan" else ""
            form = form or ("" if text.strip() else "/empty")
            self.report(
                f"config-bad-value{form}",
                element.span,
                name=attribute.name,
                text=text,
                reason=bad,
                meant=meant,
            )

    def directive(self, element: Element, known: ElementSchema) -> TypedElement | None:
        """What an element does to one of the collections; None for an unknown element."""
        for name, collection in known.collections.items():
            if element.tag == name:
                return self.added(element, collection.entry)
            if element.tag == collection.clear:
                return TypedElement(collection.entry, element, "clear")
            if element.tag == collection.remove:
                return self.entry(element, collection.entry, "remove")
        self.unknown("element", element.tag, element, known)
        return None

    def added(self, element: Element, known: ElementSchema) -> TypedElement:
        before = len(self.file.findings)
        typed = self.element(element, known)
        name = element.attributes.get("name", "")
        if len(self.file.findings) > before and element.tag in _NAMED and name:
            self.file.findings[before:] = [
                replace(finding, hint=f"{finding.hint} (In {element.tag} '{name}'.)")
                for finding in self.file.findings[before:]
            ]
        present = element.attributes
        for attribute in known.attributes.values():
            if "required" in attribute.words and attribute.name not in present:
                self.report(
                    "config-missing-attribute",
                    element.span,
                    section=self.names_section,
                    name=attribute.name,
                    tag=element.tag,
                    meant=f'{attribute.name}="{_LIKELY.get(attribute.name, "…")}"',
                )
        return typed

    def unknown(self, kind: str, name: str, element: Element, known: ElementSchema) -> None:
        """Note a name that the schema, ``known``, does not have here."""
        self.file.unknown_names += 1
        if self.file.unknown_names > MAX_HINTS:
            remedy = f"Remove it: this place knows no such {kind}."
        elif kind == "attribute":
            remedy = meant_names.of_attribute(self.section, name, element, known)
        else:
            remedy = meant_names.of_element(self.section, element, known)
        self.report(
            f"config-unknown-{kind}",
            element.span,
            section=self.names_section,
            name=name,
            remedy=remedy,
        )

    def report(
        self,
        code: str,
        span: Span,
        /,
        *,
        severity: str = "",
        section: str | None = None,
        **values: object,
    ) -> None:
        """Note a finding of the catalogue, by default as one of this section."""
        self.file.findings.append(
            catalogue.filled(
                code,
                values,
                span,
                severity=severity,
                section=self.section if section is None else section,
                location=self.place,
            )
        )
