"""Bytes of a configuration file -> elements with file, line and column. Safe: no DOCTYPE, no
entities, no network, bounded.

A rewrite map may have hundreds of thousands of entries, so memory decides the shape. An element
keeps its attribute names as one tuple that all elements of its shape share, and its place as one
number. A long run of childless siblings of one shape, as the entries of a map are, becomes one
``Run`` with a flat list of texts: an entry then costs its texts and three machine words. A
parent's ``children`` are elements all the same, made when they are read.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from .. import catalogue
from ..catalogue.findings import Span
from ..files import read_bounded
from .errors import ConfigurationError

#: IIS refuses configuration files over 250 KB unless a registry value raises the limit; rewrite
#: maps of real sites do raise it, so the bound here only protects the reader.
MAX_BYTES = 32 * 1024 * 1024
#: Elements within elements; the configuration system of Windows knows a dozen at most.
MAX_DEPTH = 256
#: Childless siblings of one shape, from which on they are kept as a run.
_RUN = 64
_DOTNET_NAMESPACE = "{http://schemas.microsoft.com/.NetConfiguration/v2.0}"


class Element:
    """An XML element: tag, attributes in document order, child elements, and where its start tag
    begins.
    """

    __slots__ = ("_names", "_parts", "_place", "_texts", "file", "tag")

    def __init__(self, tag: str, attributes: Mapping[str, str], span: Span) -> None:
        self.tag = tag
        self._names = tuple(attributes)
        self._texts: Sequence[str] = tuple(attributes.values())
        self.file = span.file
        self._place = _packed(span.line, span.column)
        self._parts: list[Element | ElementRun] | None = None

    @classmethod
    def at(
        cls, tag: str, names: tuple[str, ...], texts: Sequence[str], file: str, place: int
    ) -> Element:
        """An element whose parts are known already."""
        made = cls.__new__(cls)
        made.tag, made._names, made._texts = tag, names, texts
        made.file, made._place, made._parts = file, place, None
        return made

    @property
    def attributes(self) -> dict[str, str]:
        """A new dictionary of the attributes."""
        return dict(zip(self._names, self._texts, strict=True))

    @property
    def span(self) -> Span:
        return _span(self.file, self._place)

    @property
    def children(self) -> Sequence[Element]:
        """The child elements in document order."""
        parts = self._parts
        if parts is None:
            return ()
        return [
            child for part in parts for child in (part if isinstance(part, ElementRun) else (part,))
        ]

    @property
    def parts(self) -> Sequence[Element | ElementRun]:
        """The child elements, where long runs of one shape stand as one part."""
        return self._parts or ()

    def find(self, tag: str) -> Element | None:
        """The first child element called ``tag``."""
        return next((child for child in self.children if child.tag == tag), None)

    def iter(self, tag: str) -> Iterator[Element]:
        """Every element below this one, in document order, called ``tag``."""
        for part in self.parts:
            if isinstance(part, ElementRun):
                if part.tag == tag:
                    yield from part
                continue
            if part.tag == tag:
                yield part
            yield from part.iter(tag)

    def lines(self) -> Iterator[int]:
        """The lines on which this element and those below it begin."""
        yield _line(self._place)
        for part in self.parts:
            if isinstance(part, ElementRun):
                yield from map(_line, part.places)
            else:
                yield from part.lines()

    def append(self, child: Element) -> None:
        """Add a child; the ``_RUN``-th of one shape in a row turns them into a run."""
        if self._parts is None:
            self._parts = [child]
            return
        self._parts.append(child)
        if len(self._parts) % _RUN == 0:
            last = self._parts[-_RUN:]
            if all(isinstance(part, Element) and part._fits(child) for part in last):
                self._parts[-_RUN:] = [ElementRun(child.tag, child._names, child.file, last)]

    def add_leaf(self, tag: str, names: tuple[str, ...], texts: list[str], place: int) -> None:
        """Add a child that has no children itself."""
        if self._parts:
            last = self._parts[-1]
            if type(last) is ElementRun and last.names is names and last.tag == tag:
                last.texts += texts
                last.places.append(place)
                return
        self.append(Element.at(tag, names, tuple(texts), self.file, place))

    def _fits(self, other: Element) -> bool:
        return self._names is other._names and self.tag == other.tag and self._parts is None

    def flat(self) -> tuple[Sequence[str], int]:
        """What a run keeps of an element."""
        return self._texts, self._place


class ElementRun:
    """Childless siblings that have one tag and the same attributes in the same order."""

    __slots__ = ("file", "names", "places", "tag", "texts")

    def __init__(
        self, tag: str, names: tuple[str, ...], file: str, elements: Sequence[Element | ElementRun]
    ) -> None:
        self.tag = tag
        self.names = names
        self.file = file
        #: The attributes of all elements, one element after the other.
        self.texts: list[str] = []
        self.places = array("Q")
        for element in elements:
            assert isinstance(element, Element)
            texts, place = element.flat()
            self.texts += texts
            self.places.append(place)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Element:
        width = len(self.names)
        texts = self.texts[index * width : (index + 1) * width]
        return Element.at(self.tag, self.names, texts, self.file, self.places[index])

    def __iter__(self) -> Iterator[Element]:
        return (self[index] for index in range(len(self.places)))

    def column(self, name: str) -> list[str]:
        """The texts of one attribute, in document order."""
        return self.texts[self.names.index(name) :: len(self.names)]


def _packed(line: int, column: int) -> int:
    return line << 32 | column


def _line(place: int) -> int:
    return place >> 32


def _span(file: str, place: int) -> Span:
    return Span(file, place >> 32, place & 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Comment:
    """An XML comment and the line it ends on."""

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
        data = read_bounded(path, MAX_BYTES + 1)
    except OSError as error:
        form = "/missing" if isinstance(error, FileNotFoundError) else ""
        raise _refused(
            f"config-unreadable{form}", Span(name, 1, 1), reason=error.strerror
        ) from error
    return read_bytes(data, name)


def read_bytes(data: bytes, name: str) -> Document:
    """Parse the bytes of a configuration file called ``name``; see read_file for errors."""
    if len(data) > MAX_BYTES:
        raise _refused("config-too-large", Span(name, 1, 1), limit=MAX_BYTES)
    builder = _Builder(name)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        detail = expat.ErrorString(error.code)
        raise _malformed(name, error.lineno, error.offset + 1, detail) from error
    except (ValueError, LookupError) as error:  # an encoding that expat does not take or know
        raise _malformed(name, 1, 1, str(error)) from error
    assert builder.root is not None
    return Document(builder.root, builder.comments)


class _Builder:
    """Builds elements from expat's calls. A start tag waits until it is known whether anything
    stands in the element: most elements are leaves.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Element | None = None
        self.comments: list[Comment] = []
        self._open: list[Element] = []
        self._waiting: tuple[str, tuple[str, ...], list[str], int] | None = None
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.parser = parser = expat.ParserCreate(namespace_separator="}")
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        parser.CommentHandler = self._comment

    def _start(self, tag: str, attributes: list[str]) -> None:
        if self._waiting is not None:
            self._enter()
        parser = self.parser
        place = parser.CurrentLineNumber << 32 | parser.CurrentColumnNumber + 1
        names = tuple(attributes[::2])
        shape = self._shapes.get(names)
        if shape is None:
            shape = self._shapes[names] = tuple(map(_clark, names))
        self._waiting = tag, shape, attributes[1::2], place

    def _end(self, _name: str) -> None:
        waiting = self._waiting
        if waiting is None:
            self._open.pop()
        elif self._open:
            tag, names, texts, place = waiting
            if "}" in tag:
                tag = _tag(tag)
            self._open[-1].add_leaf(tag, names, texts, place)
            self._waiting = None
        else:
            self._enter()
            self._open.pop()

    def _enter(self) -> None:
        """The element that waits has children, or is the root: it is open from here on."""
        assert self._waiting is not None
        tag, names, texts, place = self._waiting
        self._waiting = None
        element = Element.at(_tag(tag), names, tuple(texts), self.name, place)
        if not self._open:
            self.root = element
        elif len(self._open) < MAX_DEPTH:
            self._open[-1].append(element)
        else:
            span = element.span
            raise _malformed(self.name, span.line, span.column, "elements are nested too deeply")
        self._open.append(element)

    def _comment(self, text: str) -> None:
        if self.root is None or self._open or self._waiting is not None:
            line = self.parser.CurrentLineNumber + text.count("\n")
            self.comments.append(Comment(text, line))

    def _doctype(self, *_: object) -> None:
        parser = self.parser
        raise _refused(
            "config-doctype",
            Span(self.name, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1),
        )


def _clark(name: str) -> str:
    """A name as ``{namespace}local``; plain where it has no namespace."""
    return "{" + name if "}" in name else name


def _tag(name: str) -> str:
    return _clark(name).removeprefix(_DOTNET_NAMESPACE)


def _malformed(name: str, line: int, column: int, detail: str) -> ConfigurationError:
    span = Span(name, line, column)
    if "declaration not at start" in detail:
        return _refused("config-malformed-xml/declaration", span)
    return _refused("config-malformed-xml", span, reason=detail)


def _refused(code: str, span: Span, **values: object) -> ConfigurationError:
    return ConfigurationError(catalogue.filled(code, values, span))
