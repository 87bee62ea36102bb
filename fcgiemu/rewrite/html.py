"""Where attribute values stand in HTML: tolerant of what browsers tolerate, and nothing is ever
re-written but values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9:._-]*)(?=[\s/>])")
_ATTRIBUTE = re.compile(
    r"""[\s/]*([^\s=>/"'][^\s=>/]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?"""
)
#: Elements whose content is text, not tags.
_RAW = {
    tag: re.compile(f"</{tag}", re.IGNORECASE)
    for tag in ("script", "style", "textarea", "title", "xmp")
}


@dataclass(frozen=True, slots=True)
class TagAttribute:
    """An attribute of a wanted tag; its value is ``text[start:end]``, entities undecoded. Names are
    in lower case.
    """

    tag: str
    name: str
    start: int
    end: int


def attributes(text: str, tags: Collection[str]) -> Iterator[TagAttribute]:
    """Attributes with a value of the wanted tags (lower case), in document order."""
    position = 0
    while (position := text.find("<", position)) >= 0:
        if text.startswith("<!--", position):
            end = text.find("-->", position + 4)
            if end < 0:
                return
            position = end + 3
            continue
        opening = _TAG.match(text, position)
        if not opening:
            position += 1
            continue
        tag = opening[1].lower()
        position = opening.end()
        while (found := _ATTRIBUTE.match(text, position)) and found.end() > position:
            position = found.end()
            if tag in tags:
                for group in (2, 3, 4):
                    if found[group] is not None:
                        yield TagAttribute(
                            tag, found[1].lower(), found.start(group), found.end(group)
                        )
        if tag in _RAW:
            closing = _RAW[tag].search(text, position)
            if not closing:
                return
            position = closing.start()
