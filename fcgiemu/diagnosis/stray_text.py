"""Text between the elements of a configuration: remarks that are written as other languages have
them, and what is left of an instruction.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..files import MAX_TEXT, read_bounded

_SHOWN = 40


def findings(name: str, path: Path, unsaved: bytes | None) -> Iterator[Finding]:
    """The first such text of a file that is called ``name``; ``unsaved`` is read in its place."""
    try:
        data = read_bounded(path) if unsaved is None else unsaved
    except OSError:
        return
    found = _first(data) if len(data) < MAX_TEXT else None
    if found is not None:
        text, line, column = found
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        yield finding("config-text", Span(name, line, column), text=shown)


def _first(data: bytes) -> tuple[str, int, int] | None:
    """The first text outside of tags that IIS reads the section of, with its line and column."""
    found: list[tuple[str, int, int]] = []
    open_elements: list[str] = []
    parser = expat.ParserCreate()

    def said(text: str) -> None:
        is_of_iis = len(open_elements) == 1 or "system.webServer" in open_elements
        if text.strip() and is_of_iis and not found:
            column = parser.CurrentColumnNumber + 1 + len(text) - len(text.lstrip())
            found.append((text.strip(), parser.CurrentLineNumber, column))

    parser.StartElementHandler = lambda tag, _: open_elements.append(tag)
    parser.EndElementHandler = lambda _: open_elements.pop()
    parser.CharacterDataHandler = said
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError):
        return None
    return found[0] if found else None
