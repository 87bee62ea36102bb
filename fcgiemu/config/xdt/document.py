"""XML text as a tree that keeps what a transform must not lose: comments, white space, the layout
of start tags, and where everything stands.

lxml keeps none of the last two, and its XPath cannot be bounded; so this is a small tree of our
own. expat decides first whether the text is well-formed, which lets the reader here be a few
regular expressions. Nothing is fetched and nothing is expanded: a DOCTYPE is refused.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator
from xml.parsers import expat

from ... import catalogue
from ...catalogue.findings import Span
from ..errors import ConfigurationError
from ..reader import MAX_BYTES

#: Elements within each other; files of real sites have fewer than 20.
MAX_DEPTH = 100
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
XMLNS_NAMESPACE = "http://www.w3.org/2000/xmlns/"

_TOKEN = re.compile(
    r"<!--(?P<comment>.*?)-->"
    r"|<!\[CDATA\[(?P<cdata>.*?)\]\]>"
    r"|<\?(?P<instruction>.*?)\?>"
    r"|</(?P<end>[^\s>]+)\s*>"
    r"|<(?P<start>[^\s/>]+)(?P<attributes>(?:[^\"'>/]+|\"[^\"]*\"|'[^']*')*)(?P<close>/?)>"
    r"|(?P<text>[^<]+)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"(\s*)([^\s=]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_REFERENCE = re.compile(r"&(#x[0-9A-Fa-f]+|#[0-9]+|\w+);")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ENCODING = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class XmlNode:
    """Anything in a tree. ``offset`` is where it begins in ``source``'s text."""

    __slots__ = ("offset", "parent", "source")

    def __init__(self, source: XmlDocument | None = None, offset: int = 0) -> None:
        self.parent: XmlElement | XmlDocument | None = None
        self.source = source
        self.offset = offset

    @property
    def span(self) -> Span:
        """File, line and column, from 1: of the name behind ``<``, or of the attribute."""
        assert self.source is not None
        return self.source.span_at(self.offset)


class XmlText(XmlNode):
    """Character data. ``kind`` is text, space (white space only), significant (white space below
    ``xml:space="preserve"``), cdata, comment, instruction or declaration.
    """

    __slots__ = ("kind", "value")

    def __init__(
        self, kind: str, value: str, source: XmlDocument | None = None, offset: int = 0
    ) -> None:
        super().__init__(source, offset)
        self.kind = kind
        self.value = value


class XmlAttribute(XmlNode):
    """An attribute; ``name`` is the qualified name as written."""

    __slots__ = ("local", "name", "namespace", "value")

    def __init__(
        self,
        name: str,
        namespace: str,
        value: str,
        source: XmlDocument | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__(source, offset)
        self.name = name
        self.local = name.rpartition(":")[2]
        self.namespace = namespace
        self.value = value

    def copy(self) -> XmlAttribute:
        """A copy that belongs to no element."""
        return XmlAttribute(self.name, self.namespace, self.value, self.source, self.offset)


class XmlElement(XmlNode):
    """An element. ``empty`` is whether it is written ``<a/>``; ``spaces`` is the white space before
    each attribute of its start tag, "" standing for that before the end of the tag.
    """

    __slots__ = (
        "attributes",
        "children",
        "empty",
        "local",
        "name",
        "namespace",
        "order",
        "original",
        "scope",
        "spaces",
        "wrap",
    )

    def __init__(
        self, name: str, scope: dict[str, str], source: XmlDocument | None = None, offset: int = 0
    ) -> None:
        super().__init__(source, offset)
        self.name = name
        prefix, _, self.local = name.rpartition(":")
        self.scope = scope
        self.namespace = scope.get(prefix, "")
        self.attributes: list[XmlAttribute] = []
        self.children: list[XmlElement | XmlText] = []
        self.empty = False
        self.original = True
        self.order: list[str] = []
        self.spaces: dict[str, str] = {}
        #: What a line break between two attributes looks like here, where that is known.
        self.wrap: str | None = None

    @property
    def prefix(self) -> str:
        """The prefix of the name, "" without one."""
        return self.name.rpartition(":")[0]

    def attribute(self, name: str) -> XmlAttribute | None:
        """The attribute of a qualified name."""
        return next((found for found in self.attributes if found.name == name), None)

    def attribute_of(self, namespace: str, local: str) -> XmlAttribute | None:
        """The attribute of a namespace."""
        return next(
            (
                found
                for found in self.attributes
                if found.local == local and found.namespace == namespace
            ),
            None,
        )

    def elements(self) -> list[XmlElement]:
        """The child elements."""
        return [child for child in self.children if isinstance(child, XmlElement)]


Child = XmlElement | XmlText


class XmlDocument(XmlNode):
    """A file as a tree: what stands before, in and behind its root element."""

    __slots__ = ("_numbers", "_starts", "children", "encoding", "name", "text")

    def __init__(self, name: str, text: str, encoding: str | None) -> None:
        super().__init__(self)
        self.name = name
        self.text = text
        #: The encoding that the declaration names; None without one.
        self.encoding = encoding
        self.children: list[Child] = []
        self._starts: list[int] | None = None
        self._numbers: dict[XmlNode, int] | None = None

    @property
    def root(self) -> XmlElement | None:
        """The root element; a transform may have removed it."""
        return next((child for child in self.children if isinstance(child, XmlElement)), None)

    def span_at(self, offset: int) -> Span:
        """Line and column of a place in the text."""
        if self._starts is None:
            self._starts = [
                0,
                *(match.end() for match in re.finditer(r"\r\n|\n|\r", self.text)),
            ]
        line = bisect_right(self._starts, offset)
        return Span(self.name, line, offset - self._starts[line - 1] + 1)

    def elements(self) -> Iterator[XmlElement]:
        """Every element, in document order."""
        stack: list[Child] = self.children[::-1]
        while stack:
            node = stack.pop()
            if isinstance(node, XmlElement):
                yield node
                stack += node.children[::-1]

    # -- changing ----------------------------------------------------------------------------------

    def insert(self, parent: XmlElement, index: int, node: Child) -> None:
        """Put a node into the tree."""
        node.parent = parent
        parent.children.insert(index, node)
        parent.empty = False
        self._numbers = None

    def remove(self, node: Child) -> None:
        """Take a node out of the tree."""
        assert node.parent is not None
        node.parent.children.remove(node)
        node.parent = None
        self._numbers = None

    def replace(self, old: Child, new: Child) -> None:
        """Put a node into the place of another."""
        assert old.parent is not None
        siblings = old.parent.children
        siblings[siblings.index(old)] = new
        new.parent, old.parent = old.parent, None
        self._numbers = None

    def numbers(self) -> dict[XmlNode, int]:
        """Each node's place in document order; counted again after a change."""
        if self._numbers is None:
            found: dict[XmlNode, int] = {self: 0}
            stack: list[Child] = self.children[::-1]
            while stack:
                node = stack.pop()
                found[node] = len(found)
                if isinstance(node, XmlElement):
                    for attribute in node.attributes:
                        found[attribute] = len(found)
                    stack += node.children[::-1]
            self._numbers = found
        return self._numbers

    def forget_order(self) -> None:
        """To be called when attributes have come or gone."""
        self._numbers = None


def parse(data: bytes, name: str) -> XmlDocument:
    """The tree of a file called ``name``. Raises ConfigurationError with line and column where it
    is not well-formed, too large, too deep, or has a DOCTYPE.
    """
    if len(data) > MAX_BYTES:
        raise _refused(
            "config-too-large/transform",
            Span(name, 1, 1),
            limit=MAX_BYTES,
        )
    text, encoding = _decoded(data, name)
    _check(text, name)
    document = XmlDocument(name, text, encoding)
    _read(document)
    return document


def _decoded(data: bytes, name: str) -> tuple[str, str | None]:
    """The text without byte order mark, and the encoding that its declaration names."""
    for bom, marked in _BOMS:
        if data.startswith(bom):
            declared = re.search(
                r"<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"']+)", data[:400].decode(marked, "replace")
            )
            return _decode(data[len(bom) :], marked, name), declared[1] if declared else None
    match = _ENCODING.match(data[:400].lstrip())
    declared_name = match[1].decode() if match else None
    return _decode(data, declared_name or "utf-8", name), declared_name


def _decode(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise _refused(
            "config-malformed-xml/encoding",
            Span(name, 1, 1),
            encoding=encoding,
            reason=error,
        ) from error


def _check(text: str, name: str) -> None:
    """Have expat decide that the text is well-formed, has no DOCTYPE and is not too deep."""
    parser = expat.ParserCreate("utf-8", " ")
    depth = 0

    def here() -> Span:
        return Span(name, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)

    def doctype(*_: object) -> None:
        raise _refused("config-doctype", here())

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise _refused("config-malformed-xml/depth", here(), limit=MAX_DEPTH)

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        detail = expat.ErrorString(error.code)
        raise _refused(
            "config-malformed-xml", Span(name, error.lineno, error.offset + 1), reason=detail
        ) from error


def _refused(code: str, span: Span, **values: object) -> ConfigurationError:
    return ConfigurationError(catalogue.filled(code, values, span))


def _read(document: XmlDocument) -> None:
    """Fill the document with the nodes of its text, which is known to be well-formed."""
    parent: XmlElement | XmlDocument = document
    scope = {"xml": XML_NAMESPACE, "": ""}
    for match in _TOKEN.finditer(document.text):
        kind = match.lastgroup
        node: Child
        if kind == "end":
            assert parent.parent is not None
            parent = parent.parent
            continue
        if kind == "close":
            node = _element(
                document, match, parent.scope if isinstance(parent, XmlElement) else scope
            )
        else:
            assert kind is not None
            node = _text(document, match, kind, parent)
        node.parent = parent
        parent.children.append(node)
        if isinstance(node, XmlElement) and not node.empty:
            parent = node


def _element(document: XmlDocument, match: re.Match[str], scope: dict[str, str]) -> XmlElement:
    base = match.start("attributes")
    raw = match["attributes"]
    found: list[tuple[str, str, int]] = []
    spaces: dict[str, str] = {}
    end = 0
    for part in _ATTRIBUTE.finditer(raw):
        found.append((part[2], unescape(part[3][1:-1]), base + part.start(2)))
        spaces[part[2]] = part[1]
        end = part.end()
    spaces[""] = raw[end:]
    declared = {
        name[6:]: value for name, value, _ in found if name == "xmlns" or name.startswith("xmlns:")
    }
    element = XmlElement(
        match["start"], {**scope, **declared} if declared else scope, document, match.start() + 1
    )
    for name, value, offset in found:
        attribute = XmlAttribute(
            name, _attribute_namespace(name, element.scope), value, document, offset
        )
        attribute.parent = element
        element.attributes.append(attribute)
    element.order = [name for name, _, _ in found]
    element.spaces = spaces
    element.empty = bool(match["close"])
    return element


def _attribute_namespace(name: str, scope: dict[str, str]) -> str:
    prefix, colon, _ = name.partition(":")
    if name == "xmlns" or prefix == "xmlns" and colon:
        return XMLNS_NAMESPACE
    return scope.get(prefix, "") if colon else ""


def _text(
    document: XmlDocument, match: re.Match[str], kind: str, parent: XmlElement | XmlDocument
) -> XmlText:
    value = match[kind]
    if kind == "instruction" and re.match(r"xml\s", value):
        kind = "declaration"
    elif kind == "text" and not value.strip(" \t\r\n"):
        kind = "significant" if _preserved(parent) else "space"
    elif kind == "text":
        value = unescape(value)
    return XmlText(kind, value, document, match.start())


def _preserved(node: XmlElement | XmlDocument | None) -> bool:
    """Whether white space counts here, by the nearest xml:space."""
    while isinstance(node, XmlElement):
        space = node.attribute_of(XML_NAMESPACE, "space")
        if space is not None:
            return space.value == "preserve"
        node = node.parent
    return False


def unescape(text: str) -> str:
    """Text with the five entities and character references replaced."""
    if "&" not in text:
        return text
    return _REFERENCE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    reference = match[1]
    if reference.startswith("#x"):
        return chr(int(reference[2:], 16))
    if reference.startswith("#"):
        return chr(int(reference[1:]))
    return _ENTITIES.get(reference, match[0])
