"""Quick fixes: what ``check --fix`` would do, and else the edit that follows the hint of a finding,
where the hint names what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from xml.sax.saxutils import escape, unescape

from ..catalogue.findings import Span
from ..diagnosis.fixes import edits, encoding_of
from . import schema_lookup
from .examining import encoded, quoted
from .outline import Outline, OutlineAttribute, Tag

#: Where a hint names what was meant.
_MEANT = re.compile(
    r"Did you mean [<{]?['\"]?([^'\"?<>{}]+?)['\"]?[>}]?\?|Write \w+=\"([^\"]+)\"\."
)


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that are made together: (begin, end, what stands there then). ``is_sure``: the finding
    leaves no choice, and ``check --fix`` does the same.
    """

    title: str
    edits: tuple[tuple[int, int, str], ...]
    is_sure: bool = False


def fixes(outline: Outline, begin: int, code: str, message: str, fix: str = "") -> list[Fix]:
    """What can be done about a finding whose range begins at ``begin``. ``message`` is what the
    editor shows: message and hint; ``fix`` is Finding.fix.
    """
    place = outline.at(begin + 1)
    tag = place.tag
    if tag is None:
        return []
    if sure := _of_check(outline, tag, fix):
        return [Fix(_title(message), sure, True)]
    found = [*_meant(outline, tag, message)]
    if code == "config-bad-value" and not found:
        names = [around.name for around in place.around]
        found = [*_near_value(outline, tag, names, message)]
    return found


def _of_check(outline: Outline, tag: Tag, fix: str) -> tuple[tuple[int, int, str], ...]:
    """The edits of ``check --fix``, whose bytes become characters."""
    line, column = outline.position(tag.begin)
    span = Span("", line + 1, column + 1)
    data = encoded(outline.text)
    encoding = encoding_of(data)
    mark = 1 if data.startswith((b"\xff\xfe", b"\xfe\xff")) else 0
    return tuple(
        (
            len(data[:first].decode(encoding, "replace")) - mark,
            len(data[:last].decode(encoding, "replace")) - mark,
            text.decode(encoding),
        )
        for first, last, text in (edits(data, fix, span) if fix else ())
    )


def _title(message: str) -> str:
    """The hint as the title of what it says."""
    return message.rpartition("\n")[2].rstrip(".") or "Fix"


def _meant(outline: Outline, tag: Tag, message: str) -> Iterator[Fix]:
    """The name that the hint proposes, in the place of the one that the message names."""
    hint = _MEANT.search(message)
    if hint is None:
        return
    meant = hint[1] or hint[2]
    words = [word for word in quoted(message[: hint.start()]) if word != meant]
    wrong = get_close_matches(meant, words, len(words) or 1, 0.5)
    for begin, end in _places(outline, tag, wrong):
        changed = [(begin, end, escape(meant, {'"': "&quot;"}))]
        if (begin, end) == (tag.name_begin, tag.name_end):
            closing = None if tag.is_empty else outline.closing(tag)
            if closing is not None:
                changed.append((closing.name_begin, closing.name_end, meant))
        yield Fix(f"Change to {meant}", tuple(changed))
        return


def _places(outline: Outline, tag: Tag, words: list[str]) -> Iterator[tuple[int, int]]:
    """Where in a tag one of the words stands: its name, a value or a part of one, an attribute."""
    for word in words:
        if tag.name == word.rpartition("/")[2]:
            yield tag.name_begin, tag.name_end
        for attribute in tag.attributes:
            if attribute.name == word:
                yield attribute.begin, attribute.end
            if attribute.value is not None:
                at = unescape(outline.value(attribute)).find(word)
                if at >= 0 and unescape(outline.value(attribute)) == outline.value(attribute):
                    yield attribute.value[0] + at, attribute.value[0] + at + len(word)


def _near_value(outline: Outline, tag: Tag, names: list[str], message: str) -> Iterator[Fix]:
    """The value of the schema that is near the one that does not exist."""
    element = schema_lookup.at([*names, tag.name])
    for word in quoted(message) if element is not None else ():
        attribute = tag.attribute(word)
        allowed = element.attributes.get(word) if element is not None else None
        if attribute is None or attribute.value is None or allowed is None:
            continue
        values = allowed.values or (("true", "false") if allowed.type == "bool" else ())
        yield from _values(outline, attribute, values)
        return


def _values(
    outline: Outline, attribute: OutlineAttribute, values: tuple[str, ...]
) -> Iterator[Fix]:
    assert attribute.value is not None
    begin, end = attribute.value
    text = outline.value(attribute)
    parts = [part for part in re.split(r"\s*,\s*", text) if part and part not in values]
    lower = {value.lower(): value for value in values}
    for part in parts:
        near = get_close_matches(part.lower(), list(lower), 1, 0.5)
        if near:
            meant = text.replace(part, lower[near[0]], 1)
            yield Fix(f"Change to {meant}", ((begin, end, meant),))
            return
