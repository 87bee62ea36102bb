"""What ``check --fix`` changes: the fixes of findings, as changes to the bytes of their files.

A fix is found by its finding's place, line and column, which are expat's. So the file is parsed
once more, for the byte at which each element begins. A start tag is then read as text, in the
file's encoding, and only the characters of the change are replaced: byte order mark, line ends,
indentation and everything else stay as they are. Two fixes of one place are two rounds of check.

A change holds the bytes that it was made for; ``write`` refuses where the file has others by now.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ..catalogue.findings import Finding, Span
from ..errors import SiteError
from ..site import Site

#: (first byte, byte behind the last, what stands there from now on)
Edit = tuple[int, int, bytes]

_TAG = re.compile(r"<[^\s/>]+((?:\s+[^\s=/>]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*/?>")
_ATTRIBUTE = re.compile(r"\s+([^\s=/>]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_FIX = re.compile(
    r"(?:([\w.]+)/)?(?:@([\w.]+)|(name\(\))|(before\(\))|inside\(([\w.]+)\)|(without\()@?([\w.]*)\))"
    r"=(.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class FileChange:
    """What the fixes of some findings make of one file."""

    path: Path
    #: The file as messages call it.
    name: str
    before: bytes
    after: bytes
    fixed: tuple[Finding, ...]

    def diff(self, name: str = "") -> str:
        """The change as a unified diff, of the file by its name in the site or by another."""
        name = name or self.name
        encoding = encoding_of(self.before)
        texts = [data.decode(encoding, "replace") for data in (self.before, self.after)]
        old, new = (text.removeprefix("\ufeff").splitlines(keepends=True) for text in texts)
        ended = (
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
        )
        return "".join(ended).replace("\r\n", "\n")

    def write(self) -> None:
        """Write the file. Raises SiteError where it is not what was looked at, and OSError."""
        if self.path.read_bytes() != self.before:
            raise SiteError(f"{self.path} has changed meanwhile.", "Run check --fix again.")
        self.path.write_bytes(self.after)


def changes(site: Site, findings: Iterable[Finding]) -> list[FileChange]:
    """The changes that the fixes of ``findings`` make to the files of a site, a file each. Raises
    SiteError where a file has changed since it was checked, and OSError.
    """
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix and finding.span is not None:
            by_file.setdefault(finding.span.file, []).append(finding)
    read = {
        file.name: Path(site.local_path(file.directory), file.name.rpartition("/")[2])
        for file in site.tree.files()
        if file.name in by_file
    }
    contents = {name: path.read_bytes() for name, path in read.items()}
    generation = site.tree.generation
    site.tree.refresh()
    if site.tree.generation != generation:
        raise SiteError("The configuration has changed meanwhile.", "Run check --fix again.")
    found = (
        _change(path, name, contents[name], by_file[name]) for name, path in sorted(read.items())
    )
    return [change for change in found if change.fixed]


def edits(data: bytes, fix: str, span: Span) -> list[Edit]:
    """What the fix of a finding at ``span`` changes in the bytes of its file; nothing where the
    file is not as the finding says.
    """
    return _Document(data).edit(fix, span)


def applied(data: bytes, changes: Iterable[tuple[str, Span]]) -> bytes | None:
    """The bytes of a file after several fixes, each with its place; None where one of them cannot
    be made.
    """
    document = _Document(data)
    made = [document.edit(fix, span) for fix, span in changes]
    return _edited(data, (edit for part in made for edit in part)) if all(made) else None


def source(data: bytes, span: Span) -> str:
    """The element at ``span`` as it is written in a file; "" where there is none."""
    return _Document(data).source(span)


def _change(path: Path, name: str, before: bytes, findings: Iterable[Finding]) -> FileChange:
    edits: list[Edit] = []
    fixed = []
    document = _Document(before)
    for finding in findings:
        edit = document.edit(finding.fix, finding.span)
        if edit and not any(_overlap(one, other) for one in edit for other in edits):
            edits += edit
            fixed.append(finding)
    return FileChange(path, name, before, _edited(before, edits), tuple(fixed))


def _overlap(one: Edit, other: Edit) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text + data[end:]
    return data


def encoding_of(data: bytes) -> str:
    """The encoding of a configuration file: of its mark, its declaration, else UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-le" if data.startswith(b"\xff") else "utf-16-be"
    text = data.removeprefix(b"\xef\xbb\xbf")
    declared = re.match(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", text)
    return declared[1].decode("ascii") if declared else "utf-8"


@dataclass(slots=True)
class _Place:
    """An element of a file: its name, the bytes at which its tags begin, what stands in it."""

    tag: str
    start: int
    end: int = -1
    inside: list[_Place] = field(default_factory=list)

    def first(self, tag: str) -> _Place | None:
        """The first element of a name below this one."""
        for place in self.inside:
            found = place if place.tag == tag else place.first(tag)
            if found is not None:
                return found
        return None


class _Document:
    """The elements of a file by line and column; none where it is not XML."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._encoding = encoding_of(data)
        self._places: dict[tuple[int, int], _Place] = {}
        self._open: list[_Place] = []
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, ValueError, LookupError):
            self._places.clear()

    def _start(self, tag: str, _attributes: object) -> None:
        parser = self._parser
        place = _Place(tag, parser.CurrentByteIndex)
        self._places[parser.CurrentLineNumber, parser.CurrentColumnNumber + 1] = place
        for outer in self._open[-1:]:
            outer.inside.append(place)
        self._open.append(place)

    def _end(self, _tag: str) -> None:
        self._open.pop().end = self._parser.CurrentByteIndex

    def edit(self, fix: str, span: Span | None) -> list[Edit]:
        """What a fix changes; nothing where the file is not as it says."""
        parts = _FIX.fullmatch(fix)
        place = self._places.get((span.line, span.column)) if span is not None else None
        if place is None or parts is None:
            return []
        inner, attribute, renames, _, parent, removes, removed, value = parts.groups()
        if re.search(r"[\x00-\x1f]" if attribute else r"[\x00-\x08\x0b\x0c\x0e-\x1f]", value):
            return []  # XML has no way to write most of them
        if inner:
            named = [part for part in place.inside if part.tag == inner]
            if len(named) != 1:
                return []  # two of them are a mistake of their own
            place = named[0]
        if attribute:
            return self._attribute(place, attribute, value)
        if parent:
            return self._inside(place, parent, value)
        if removes:
            return self._without(place, removed)
        return list(self._renamed(place, value) if renames else self._before(place, value))

    def _attribute(self, place: _Place, name: str, value: str) -> list[Edit]:
        tag = _TAG.match(self._text(place.start))
        if tag is None:
            return []
        there = next((part for part in _ATTRIBUTE.finditer(tag[1]) if part[1] == name), None)
        if there is None:
            return [self._insert(place, tag[0][: tag.end(1)], f' {name}="{_escaped(value)}"')]
        start = place.start + self._size(tag[0][: tag.start(1) + there.start(2) + 1])
        end = start + self._size(there[2][1:-1])
        text = self._bytes(_escaped(value, there[2][0]))
        return [(start, end, text)] if text != self._data[start:end] else []

    def _insert(self, place: _Place, behind: str, text: str) -> Edit:
        at = place.start + self._size(behind)
        return at, at, self._bytes(text)

    def _renamed(self, place: _Place, name: str) -> Iterator[Edit]:
        for at, sign in ((place.start, "<"), (place.end, "</")):
            if self._text(at).startswith(f"{sign}{place.tag}"):
                start = at + self._size(sign)
                yield start, start + self._size(place.tag), self._bytes(name)

    def _inside(self, place: _Place, parent: str, element: str) -> list[Edit]:
        """An element at the end of ``place`` or of the ``parent`` in it, which is made where there
        is none.
        """
        if place.tag != parent:
            outer = place.first(parent)
            if outer is None:
                return self._inside(place, place.tag, f"<{parent}>{element}</{parent}>")
            place = outer
        tag = _TAG.match(self._text(place.start))
        if tag is None:
            return []
        if tag[0].endswith("/>"):
            at = place.start + self._size(tag[0][:-2])
            return [(at, at + self._size("/>"), self._bytes(f">{element}</{place.tag}>"))]
        return [(place.end, place.end, self._bytes(element))]

    def _without(self, place: _Place, attribute: str) -> list[Edit]:
        """An element gone, or an attribute of it."""
        tag = _TAG.match(self._text(place.start))
        if tag is None:
            return []
        if not attribute:
            return [(place.start, self._behind(place, tag[0]), b"")]
        there = next((part for part in _ATTRIBUTE.finditer(tag[1]) if part[1] == attribute), None)
        if there is None:
            return []
        start, end = (
            place.start + self._size(tag[0][: tag.start(1) + at])
            for at in (there.start(), there.end())
        )
        return [(start, end, b"")]

    def _behind(self, place: _Place, tag: str) -> int:
        """The byte behind an element that begins with ``tag``."""
        if tag.endswith("/>"):
            return place.start + self._size(tag)
        return place.end + self._size(self._text(place.end).partition(">")[0] + ">")

    def source(self, span: Span) -> str:
        """An element as it is written; "" where there is none."""
        place = self._places.get((span.line, span.column))
        tag = _TAG.match(self._text(place.start)) if place is not None else None
        if place is None or tag is None:
            return ""
        data = self._data[place.start : self._behind(place, tag[0])]
        return data.decode(self._encoding, "replace")

    def _before(self, place: _Place, element: str) -> Iterator[Edit]:
        """An element before another one: on a line of its own where that one has its own."""
        text = self._data[: place.start].decode(self._encoding, "replace")
        line = re.search(r"\r?\n[ \t]*\Z", text)
        yield place.start, place.start, self._bytes(element + (line[0] if line else ""))

    def _text(self, start: int) -> str:
        """What stands from a byte on, as far as a start tag may reach."""
        return self._data[start : start + _LONGEST].decode(self._encoding, "replace")

    def _size(self, text: str) -> int:
        return len(text.encode(self._encoding))

    def _bytes(self, text: str) -> bytes:
        return text.encode(self._encoding, "xmlcharrefreplace")


#: Bytes of a start tag that is changed, at most.
_LONGEST = 1 << 16


def _escaped(value: str, quote: str = '"') -> str:
    """A value as it stands between quotation marks."""
    named = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "'": "&apos;"}
    return re.sub(rf"[&<{quote}]", lambda sign: named[sign[0]], value)
