"""The tags of a text that is being typed: broken XML has an outline too.

The scanner never fails and reads each character once. Where a tag has no end, it ends before the
next ``<``; so does the value of an attribute that lacks its closing quotation mark, since no value
may hold one. Closing tags that close nothing are left out of the nesting.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

_NOT_A_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<[?!][^<>]*>?", re.DOTALL)
_TAG = re.compile(r"<(/?)([^\s<>/=\"']*)")
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s<>/="']+)(?:\s*=\s*(?:"(?P<double>[^"<]*)"?|'(?P<single>[^'<]*)'?)?)?"""
)
_END = re.compile(r"\s*(/?>)?")
_JUNK = re.compile(r"[/=\"'>]")


@dataclass(frozen=True, slots=True)
class OutlineAttribute:
    """An attribute with its place; ``value`` is (begin, end) of its text without the quotation
    marks, None where it has none.
    """

    name: str
    begin: int
    value: tuple[int, int] | None

    @property
    def end(self) -> int:
        """Behind the name."""
        return self.begin + len(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A start tag, or an end tag (``closes``): from its ``<`` to behind its ``>``, or to where it
    stops.
    """

    name: str
    begin: int
    end: int
    closes: bool = False
    #: Whether nothing stands in the element: ``<a />``.
    is_empty: bool = False
    #: Whether its ``>`` is there.
    is_complete: bool = True
    attributes: tuple[OutlineAttribute, ...] = ()

    @property
    def name_begin(self) -> int:
        return self.begin + (2 if self.closes else 1)

    @property
    def name_end(self) -> int:
        return self.name_begin + len(self.name)

    def attribute(self, name: str) -> OutlineAttribute | None:
        """The attribute of this name."""
        return next((found for found in self.attributes if found.name == name), None)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands at an offset: the start tags around it from the root on, the tag that it is in
    (None between tags), and the attribute whose name or value it is in.
    """

    around: tuple[Tag, ...]
    tag: Tag | None = None
    attribute: OutlineAttribute | None = None
    #: "content", "name" (of an element), "attribute" (a name, or where one may stand), "value".
    part: str = "content"


@dataclass(slots=True)
class Outline:
    """A text and its tags in order."""

    text: str
    tags: list[Tag] = field(init=False)
    _begins: list[int] = field(init=False)
    _lines: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.tags = list(_tags(self.text))
        self._begins = [tag.begin for tag in self.tags]
        self._lines = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", self.text))]

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column, both counted from 1 (and as XML counts lines)."""
        if line > len(self._lines):
            return len(self.text)
        return min(self._lines[max(line, 1) - 1] + max(column, 1) - 1, len(self.text))

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset, both counted from 0."""
        line = bisect_right(self._lines, offset) - 1
        return line, offset - self._lines[line]

    def line(self, offset: int) -> tuple[int, int]:
        """(begin, end) of the line that holds an offset, without its end mark."""
        number = bisect_right(self._lines, offset)
        begin = self._lines[number - 1]
        end = self._lines[number] if number < len(self._lines) else len(self.text)
        return begin, begin + len(self.text[begin:end].rstrip("\r\n"))

    def tag_at(self, offset: int) -> Tag | None:
        """The tag that begins before ``offset`` and has not ended there."""
        index = bisect_left(self._begins, offset) - 1
        tag = self.tags[index] if index >= 0 else None
        if tag is None or offset >= tag.end and (tag.is_complete or offset > tag.end):
            return None
        return tag

    def tag_beginning(self, offset: int) -> Tag | None:
        """The tag whose ``<`` stands at ``offset``."""
        index = bisect_right(self._begins, offset) - 1
        return self.tags[index] if index >= 0 and self._begins[index] == offset else None

    def around(self, offset: int) -> tuple[Tag, ...]:
        """The start tags whose elements are open at ``offset``, from the root on."""
        opened: list[Tag] = []
        for tag in self.tags[: bisect_right(self._begins, offset - 1)]:
            if tag.closes:
                depth = next(
                    (at for at in reversed(range(len(opened))) if opened[at].name == tag.name), None
                )
                if depth is not None and tag.end <= offset:
                    del opened[depth:]
            elif not tag.is_empty and tag.end <= offset:
                opened.append(tag)
        return tuple(opened)

    def at(self, offset: int) -> Surroundings:
        """What stands at an offset."""
        tag = self.tag_at(offset)
        if tag is None:
            return Surroundings(self.around(offset))
        around = self.around(tag.begin)
        if offset <= tag.name_end:
            return Surroundings(around, tag, None, "name")
        for attribute in tag.attributes:
            if attribute.begin <= offset <= attribute.end:
                return Surroundings(around, tag, attribute, "attribute")
            if attribute.value and attribute.value[0] <= offset <= attribute.value[1]:
                return Surroundings(around, tag, attribute, "value")
        return Surroundings(around, tag, None, "attribute")

    def value(self, attribute: OutlineAttribute) -> str:
        """The text of an attribute's value as it is written."""
        return self.text[slice(*attribute.value)] if attribute.value else ""

    def closing(self, tag: Tag) -> Tag | None:
        """The end tag of a start tag."""
        depth = 0
        for other in self.tags[bisect_right(self._begins, tag.begin) :]:
            if other.name == tag.name and not other.is_empty:
                depth += -1 if other.closes else 1
                if depth < 0:
                    return other
        return None


def _tags(text: str) -> Iterator[Tag]:
    """The tags of a text."""
    at = text.find("<")
    while at >= 0:
        skipped = _NOT_A_TAG.match(text, at)
        if skipped is not None:
            at = text.find("<", max(skipped.end(), at + 1))
            continue
        tag = _tag(text, at)
        yield tag
        at = text.find("<", max(tag.end, at + 1))


def _tag(text: str, begin: int) -> Tag:
    head = _TAG.match(text, begin)
    assert head is not None
    at = head.end()
    attributes: list[OutlineAttribute] = []
    while True:
        end = _END.match(text, at)
        assert end is not None
        if end[1]:
            break
        at = end.end()
        found = _ATTRIBUTE.match(text, at)
        if found is not None:
            group = "double" if found["double"] is not None else "single"
            value = found.span(group) if found[group] is not None else None
            attributes.append(OutlineAttribute(found["name"], found.start("name"), value))
            at = found.end()
        elif _JUNK.match(text, at):
            at += 1
        else:  # a "<", or the end of the text
            break
    return Tag(
        name=head[2],
        begin=begin,
        end=end.end() if end[1] else at,
        closes=bool(head[1]),
        is_empty=end[1] == "/>",
        is_complete=bool(end[1]),
        attributes=tuple(attributes),
    )
