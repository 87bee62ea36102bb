"""A tree -> text and bytes, as the engine's tools write it."""

from __future__ import annotations

import re

from ...catalogue.findings import Span
from .document import XML_NAMESPACE, XMLNS_NAMESPACE, XmlDocument, XmlElement
from .messages import TransformFailed
from .transforms import escaped, text_markup

#: A line that would be longer gets a break before the next attribute, where that one is new.
LINE = 160
_DECLARED = re.compile(r"([\w:]+)\s*=\s*[\"']([^\"']*)[\"']")


#: (line, column) of each ``<`` that begins an element in a written text -> where it comes from.
Origins = dict[tuple[int, int], Span]


def text_of(document: XmlDocument) -> tuple[str, Origins]:
    """The document as text. Raises Failed where it cannot be written: a comment with ``--``."""
    writer = _Writer()
    for node in document.children:
        if isinstance(node, XmlElement):
            writer.element(node, {"xml": XML_NAMESPACE, "": ""}, 1)
        elif node.kind == "declaration":
            writer.write(_declaration(node.value))
        else:
            if node.kind == "comment" and ("--" in node.value or node.value.endswith("-")):
                raise _unwritable(node.value)
            writer.write(text_markup(node))
    return "".join(writer.parts), writer.origins


def bytes_of(document: XmlDocument, text: str) -> bytes:
    """Text in the encoding that its declaration names, with a byte order mark where it names a
    Unicode one; without a declaration UTF-8.
    """
    encoding = (document.encoding or "").lower()
    if not encoding:
        return text.encode("utf-8")
    if encoding in ("utf-8", "utf8"):
        return text.encode("utf-8-sig")
    if encoding in ("utf-16", "unicode"):
        return b"\xff\xfe" + text.encode("utf-16-le")
    return text.encode(encoding, "xmlcharrefreplace")


def _declaration(value: str) -> str:
    parts = "".join(f' {name}="{given}"' for name, given in _DECLARED.findall(value))
    return f"<?xml{parts}?>"


def _unwritable(comment: str) -> TransformFailed:
    return TransformFailed(
        "comment-dashes",
        "The result cannot be written: a comment would hold '--' or end in '-'",
        comment.strip()[:60],
    )


class _Writer:
    """Writes nodes and knows how long the current line is."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.origins: Origins = {}
        self._line = self._column = 1

    def write(self, text: str) -> None:
        self.parts.append(text)
        line = text.rfind("\n")
        self._line += text.count("\n")
        self._column = self._column + len(text) if line < 0 else len(text) - line

    def element(self, element: XmlElement, scope: dict[str, str], depth: int) -> None:
        """An element with everything in it; ``scope`` is what prefixes mean around it."""
        declared = {
            attribute.name[6:]: attribute.value
            for attribute in element.attributes
            if attribute.namespace == XMLNS_NAMESPACE
        }
        scope = {**scope, **declared} if declared else scope
        added: dict[str, str] = {}
        name = self._name(element, scope, added)
        source = element.span
        self.origins[self._line, self._column] = Span(source.file, source.line, source.column - 1)
        self.write("<" + name)
        self._attributes(element, {**scope, **added}, added, depth)
        for prefix, uri in added.items():
            colon = ":" + prefix if prefix else ""
            self.write(f' xmlns{colon}="{escaped(uri, in_attribute=True)}"')
        if element.empty and not element.children:
            self.write("/>")
            return
        self.write(">")
        inner = {**scope, **added} if added else scope
        for child in element.children:
            if isinstance(child, XmlElement):
                self.element(child, inner, depth + 1)
                continue
            if child.kind == "comment" and ("--" in child.value or child.value.endswith("-")):
                raise _unwritable(child.value)
            self.write(text_markup(child))
        self.write(f"</{name}>")

    def _name(self, element: XmlElement, scope: dict[str, str], added: dict[str, str]) -> str:
        """The qualified name; a namespace that is not in scope is declared."""
        prefix = element.prefix
        if scope.get(prefix, "") != element.namespace:
            known = [key for key, uri in scope.items() if uri == element.namespace and uri]
            if known:
                prefix = known[-1]
            else:
                added[prefix] = element.namespace
        return f"{prefix}:{element.local}" if prefix else element.local

    def _attributes(
        self, element: XmlElement, scope: dict[str, str], added: dict[str, str], depth: int
    ) -> None:
        given = {attribute.name: attribute for attribute in element.attributes}
        for name in element.order:
            attribute = given.get(name)
            if attribute is None:
                continue
            written = attribute.name
            if attribute.namespace not in ("", XMLNS_NAMESPACE, XML_NAMESPACE):
                prefix = _prefix_of(attribute.namespace, scope, added, depth)
                written = f"{prefix}:{attribute.local}"
            text = f'{written}="{escaped(attribute.value, in_attribute=True)}"'
            space = element.spaces.get(name)
            if space is None:
                too_long = self._column + len(text) + 1 > LINE
                space = (element.wrap or "\r\n") if too_long else " "
            self.write(space + text)
        if given:
            self.write(element.spaces.get("", ""))


def _prefix_of(namespace: str, scope: dict[str, str], added: dict[str, str], depth: int) -> str:
    known = [prefix for prefix, uri in scope.items() if uri == namespace and prefix]
    if known:
        return known[-1]
    prefix = f"d{depth}p{len(added) + 1}"
    added[prefix] = scope[prefix] = namespace
    return prefix
