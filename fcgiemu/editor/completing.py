"""What may be written at a place: elements, attributes, values, server variables, names of maps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from ..config.schema import Attribute, ElementSchema
from ..diagnosis.handlers import MODULES
from . import hovering, schema_lookup, vocabulary
from .outline import Outline, Surroundings, Tag
from .schema_lookup import KnownElement

#: Attributes below ``rewrite`` that are templates.
_TEMPLATES = {("action", "url"), ("action", "value"), ("add", "input"), ("set", "value")}
#: Attributes that name a server variable without braces.
_VARIABLE_NAMES = {("set", "name"), ("match", "serverVariable")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One thing that may stand at [begin, end) of the text.

    ``kind``: "element", "attribute", "value", "variable" or "map". ``snippet`` is the text with
    ``$1`` where the cursor goes next and ``$0`` where it ends.
    """

    label: str
    kind: str
    snippet: str
    begin: int
    end: int
    detail: str = ""
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What other files have: the names of rewrite maps, and by collection the keys of the entries
    that a <remove> may name.
    """

    maps: tuple[str, ...] = ()
    inherited: Mapping[ElementSchema, tuple[Mapping[str, str], ...]] = field(default_factory=dict)


def proposals(outline: Outline, offset: int, elsewhere: Elsewhere = Elsewhere()) -> list[Proposal]:
    """What may stand at an offset."""
    place = outline.at(offset)
    if place.part in ("content", "name"):
        return list(_elements(outline, place, offset))
    element = schema_lookup.at(
        [*(tag.name for tag in place.around), place.tag.name if place.tag else ""]
    )
    if element is None or place.tag is None:
        return []
    if place.part == "attribute":
        return list(_attributes(outline, place, element, offset))
    return list(_values(outline, place, element, offset, elsewhere))


# -- elements --------------------------------------------------------------------------------------


def _elements(outline: Outline, place: Surroundings, offset: int) -> Iterator[Proposal]:
    begin, end, opens = offset, offset, "<"
    if place.tag is not None:
        begin, end, opens = place.tag.name_begin, place.tag.name_end, ""
    if place.around and (place.tag is None or place.tag.closes or not place.tag.name):
        yield _closing(place.around[-1], place.tag, begin, end)
    if place.tag is not None and place.tag.closes:
        return
    around = schema_lookup.at(tag.name for tag in place.around)
    alone = place.tag is None or not place.tag.is_complete and not place.tag.attributes
    for name, child in (around.children() if around is not None else {}).items():
        yield Proposal(
            label=name,
            kind="element",
            snippet=opens + (_written(name, child) if alone else name),
            begin=begin,
            end=end,
            detail=hovering.title(name, child),
            documentation=hovering.of_element(child, name),
        )


def _closing(opened: Tag, tag: Tag | None, begin: int, end: int) -> Proposal:
    """The end of the element that is open."""
    begun = "</" if tag is None else "" if tag.closes else "/"
    ended = "" if tag is not None and tag.is_complete else ">"
    return Proposal(
        label=f"/{opened.name}",
        kind="element",
        snippet=f"{begun}{opened.name}{ended}",
        begin=begin,
        end=end,
    )


def _written(name: str, child: KnownElement) -> str:
    """An element as it is begun: what it must have, and its end."""
    needed = [
        attribute.name
        for attribute in child.attributes.values()
        if "required" in attribute.words or attribute.is_key
    ]
    if child.kind == "add" and child.element is not None and not needed:
        needed = list(child.element.attributes)[:2]
    texts = [f' {attribute}="${number}"' for number, attribute in enumerate(needed, 1)]
    head = name + "".join(texts)
    is_leaf = child.kind in ("remove", "clear") or child.element is not None
    return f"{head}>$0</{name}>" if child.children() or not is_leaf else f"{head} $0/>"


# -- attributes ------------------------------------------------------------------------------------


def _attributes(
    outline: Outline, place: Surroundings, element: KnownElement, offset: int
) -> Iterator[Proposal]:
    assert place.tag is not None
    begin = end = offset
    has_value = False
    if place.attribute is not None:
        begin, end = place.attribute.begin, place.attribute.end
        has_value = outline.text[end : end + 1] == "="
    there = {found.name for found in place.tag.attributes if found is not place.attribute}
    for attribute in element.attributes.values():
        if attribute.name not in there:
            yield Proposal(
                label=attribute.name,
                kind="attribute",
                snippet=attribute.name if has_value else f'{attribute.name}="$1"$0',
                begin=begin,
                end=end,
                detail=hovering.kind_of(attribute),
                documentation=hovering.of_attribute(attribute, element, place.tag.name),
            )


# -- values ----------------------------------------------------------------------------------------


def _values(
    outline: Outline, place: Surroundings, element: KnownElement, offset: int, elsewhere: Elsewhere
) -> Iterator[Proposal]:
    assert place.attribute is not None and place.tag is not None
    attribute = element.attributes.get(place.attribute.name)
    if attribute is None or place.attribute.value is None:
        return
    begin, end = place.attribute.value
    before = outline.text[begin:offset]
    names: dict[str, str] = {}
    if attribute.type in ("bool", "enum"):
        names = dict.fromkeys(attribute.values or ("true", "false"), "")
    elif attribute.type == "flags":
        names = dict.fromkeys(attribute.values, "")
        begin, end = _word(outline.text, begin, offset, end)
    elif "/rewrite/" in element.section and (place.tag.name, attribute.name) in _TEMPLATES:
        yield from _template(outline, before, offset, end, elsewhere.maps)
        return
    elif element.kind == "remove" and element.collection is not None:
        entries = elsewhere.inherited.get(element.collection.entry, ())
        names = dict.fromkeys(filter(None, (keys.get(attribute.name) for keys in entries)), "")
    else:
        names = dict(_names(outline, element, place.tag, attribute))
    for name, words in names.items():
        yield Proposal(
            label=name,
            kind="value",
            snippet=_as_snippet(name),
            begin=begin,
            end=end,
            detail="default" if name == attribute.default else "",
            documentation=words,
        )


def _names(
    outline: Outline, element: KnownElement, tag: Tag, attribute: Attribute
) -> Iterator[tuple[str, str]]:
    """Names that a text may be, with what they mean."""
    section = element.section.rpartition("/")[2]
    if section == "appSettings" and attribute.name == "key":
        yield from vocabulary.KEYS.items()
    elif section == "handlers" and attribute.name == "modules":
        yield from ((module, "") for module in MODULES)
    elif section == "modules" and attribute.name == "name":
        yield from ((module, "") for module in MODULES)
    elif (tag.name, attribute.name) in _VARIABLE_NAMES or section == "allowedServerVariables":
        for name in vocabulary.NAMES:
            if name.startswith(("HTTP_", "RESPONSE_")):
                yield name, vocabulary.meaning(name)
        for name in _declared(outline, "allowedServerVariables", "add"):
            yield name, vocabulary.meaning(name)
    elif attribute.name == "preCondition" and section == "outboundRules":
        for name in _declared(outline, "preConditions", "preCondition"):
            yield name, "A <preCondition> of this file."


def _template(
    outline: Outline, before: str, offset: int, end: int, maps: Iterable[str]
) -> Iterator[Proposal]:
    """What a ``{…}`` may be: a variable, a capture, a function, a map."""
    opened = before.rpartition("{")[2] if "{" in before else None
    if opened is not None and (":" in opened or "}" in opened):
        opened = None
    begin = offset - len(opened) if opened is not None else offset
    rest = re.match(r"[\w:]*", outline.text[offset:end])
    stop = offset + (rest.end() if rest is not None and opened is not None else 0)
    is_closed = outline.text[stop : stop + 1] == "}"

    def written(name: str) -> str:
        text = f"{name}$1" if name.endswith(":") else name
        return ("" if opened is not None else "{") + text + ("" if is_closed else "}")

    own = _declared(outline, "rewriteMaps", "rewriteMap")
    found = [
        *((name, "variable", vocabulary.meaning(name)) for name in vocabulary.NAMES),
        *((name, "variable", words) for name, words in vocabulary.FUNCTIONS.items()),
        *((f"{name}:", "map", "A rewrite map.") for name in dict.fromkeys((*own, *maps))),
    ]
    for name, kind, words in found:
        yield Proposal(
            label=name,
            kind=kind,
            snippet=written(_as_snippet(name)),
            begin=begin,
            end=stop,
            documentation=words,
        )


def _declared(outline: Outline, parent: str, name: str) -> list[str]:
    """The names that elements called ``name`` below ``parent`` have in this text."""
    found: list[str] = []
    inside = False
    for tag in outline.tags:
        if tag.name == parent:
            inside = not tag.closes and not tag.is_empty
        elif inside and tag.name == name and not tag.closes:
            attribute = tag.attribute("name")
            if attribute is not None and outline.value(attribute):
                found.append(outline.value(attribute))
    return list(dict.fromkeys(found))


def _word(text: str, begin: int, offset: int, end: int) -> tuple[int, int]:
    """The part between commas that holds ``offset``, without the blanks around it."""
    first = max(text.rfind(",", begin, offset) + 1, begin)
    last = text.find(",", offset, end)
    last = end if last < 0 else last
    word = text[first:last]
    return first + len(word) - len(word.lstrip()), max(first + len(word.rstrip()), offset)


def _as_snippet(text: str) -> str:
    """A text as it stands in a value, with what snippets read marked as it is."""
    return re.sub(r"([$}\\])", r"\\\1", escape(text, {'"': "&quot;"}))


def plain(snippet: str) -> str:
    """A snippet as a text, for editors without them."""
    return re.sub(r"\\(.)|\$\d", lambda found: found[1] or "", snippet)
