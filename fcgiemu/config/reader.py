"""Bytes of a web.config -> elements with file, line and column. Safe: no DOCTYPE, no entities, no
network, bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from lxml import etree

from .diagnostics import ConfigurationError, Finding, Span

#: IIS refuses configuration files over 250 KB unless a registry value raises the limit; rewrite
#: maps of real sites
#: do raise it, so the bound here only protects the reader.
MAX_BYTES = 32 * 1024 * 1024
_DOTNET_NAMESPACE = "{http://schemas.microsoft.com/.NetConfiguration/v2.0}"


@dataclass(slots=True)
class Element:
    """An XML element: tag, attributes in document order, child elements, and where its start tag
    begins.
    """

    tag: str
    attributes: dict[str, str]
    span: Span
    children: list[Element] = field(default_factory=list)

    def find(self, tag: str) -> Element | None:
        """The first child element called ``tag``."""
        return next((child for child in self.children if child.tag == tag), None)

    def iter(self, tag: str) -> Iterator[Element]:
        """Every element below this one, in document order, called ``tag``."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.iter(tag)


@dataclass(frozen=True, slots=True)
class Comment:
    """An XML comment and the line it begins on."""

    text: str
    line: int


@dataclass(slots=True)
class Document:
    """A well-formed file: its root element and its comments."""

    root: Element
    comments: list[Comment]


def read_file(path: Path, name: str) -> Document:
    """Read the configuration file at ``path``, called ``name`` in messages.

    Raises ConfigurationError, as IIS answers 500.19, for a file that cannot be read or is not
    well-formed XML.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refused(
            name,
            1,
            1,
            "config-unreadable",
            f"Cannot read configuration file: {error.strerror}",
            "Give the account that runs the server read access to this file.",
        ) from error
    return read_bytes(data, name)


def read_bytes(data: bytes, name: str) -> Document:
    """Parse the bytes of a configuration file called ``name``; see read_file for errors."""
    if len(data) > MAX_BYTES:
        raise _refused(
            name,
            1,
            1,
            "config-too-large",
            f"Configuration file exceeds {MAX_BYTES} bytes",
            "Move large rewrite maps into a file of their own (configSource).",
        )
    positions = _positions(data, name)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise _malformed(name, line, column, str(error.msg)) from error
    comments = [
        Comment(str(node.text or ""), int(str(node.sourceline or 0)))
        for node in (*root.itersiblings(etree.Comment, preceding=True), *root.iter(etree.Comment))
    ]
    return Document(_convert(root, positions, name), comments)


def _positions(data: bytes, name: str) -> Iterator[tuple[int, int]]:
    """Line and column of each start tag in document order: expat knows them, lxml only knows where
    the tag ends.
    """
    found: list[tuple[int, int]] = []
    parser = expat.ParserCreate()

    def start(_tag: str, _attributes: dict[str, str]) -> None:
        found.append((parser.CurrentLineNumber, parser.CurrentColumnNumber + 1))

    def doctype(*_: object) -> None:
        raise _refused(
            name,
            parser.CurrentLineNumber,
            parser.CurrentColumnNumber + 1,
            "config-doctype",
            "Configuration file contains a document type declaration",
            "Remove the <!DOCTYPE ...>; configuration files have no entities.",
        )

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _malformed(
            name, error.lineno, error.offset + 1, expat.ErrorString(error.code)
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that expat does not take or know
        raise _malformed(name, 1, 1, str(error)) from error
    return iter(found)


def _convert(root: etree._Element, positions: Iterator[tuple[int, int]], name: str) -> Element:
    """lxml's tree as ours; ``positions`` are consumed in the same (document) order."""
    top: Element | None = None
    stack: list[Element] = []
    for event, node in etree.iterwalk(root, events=("start", "end")):
        if not isinstance(node.tag, str):
            continue
        if event == "end":
            stack.pop()
            continue
        line, column = next(positions)
        attributes = {str(key): str(value) for key, value in node.attrib.items()}
        element = Element(
            node.tag.removeprefix(_DOTNET_NAMESPACE), attributes, Span(name, line, column)
        )
        if stack:
            stack[-1].children.append(element)
        else:
            top = element
        stack.append(element)
    assert top is not None
    return top


def _malformed(name: str, line: int, column: int, detail: str) -> ConfigurationError:
    hint = "Mend the XML here: " + re.sub(r", line \d+, column \d+.*$", "", detail) + "."
    if "declaration not at start" in detail:
        hint = (
            "Remove what stands before <?xml: the declaration must be the very first characters of"
            " the file."
        )
    return _refused(
        name,
        line,
        column,
        "config-malformed-xml",
        "Configuration file is not well-formed XML",
        hint,
    )


def _refused(
    name: str, line: int, column: int, code: str, message: str, hint: str
) -> ConfigurationError:
    return ConfigurationError(Finding(code, "error", message, Span(name, line, column), hint))
