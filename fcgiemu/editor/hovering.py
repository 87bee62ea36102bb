"""What IIS does with what stands at a place, in Markdown: from the schema's table and the facts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ..config import descriptions, schema
from ..config.schema import Attribute
from ..report import facts, support
from ..schemas.web_config import limits
from . import schema_lookup, vocabulary
from .outline import Outline, Surroundings
from .schema_lookup import KnownElement

#: Facts that one hover shows at most.
_MOST = 6
_LOCKS = {
    "server": "Only applicationHost.config may hold it.",
    "locked": "Locked by default: usable where applicationHost.config allows it.",
    "application": "Read in the root folder of an application only.",
}
_TOP = {
    "configuration": "The root element of a configuration file.",
    "location": (
        "Settings for the URLs below `path`. They count after the file itself and before files of"
        " deeper folders; the path has no case."
    ),
}


@dataclass(frozen=True, slots=True)
class Hover:
    """A text in Markdown about [begin, end)."""

    text: str
    begin: int
    end: int


def hover(outline: Outline, offset: int) -> Hover | None:
    """What is known of the word at an offset; None where that is nothing."""
    place = outline.at(offset)
    tag = place.tag
    if tag is None:
        return None
    element = schema_lookup.at([*_names(outline, place), tag.name])
    if element is None:
        return None
    if place.part == "name":
        parts = (f"**{title(tag.name, element)}**", of_element(element, tag.name), _facts(tag.name))
        return Hover("\n\n".join(filter(None, parts)), tag.name_begin, tag.name_end)
    written = place.attribute
    if written is None:
        return None
    if place.part == "value" and written.value is not None:
        variable = _variable(outline.text, *written.value, offset)
        if variable is not None:
            return variable
        words = vocabulary.KEYS.get(outline.value(written))
        if words and element.section == "appSettings":
            return Hover(f"**{outline.value(written)}**\n\n{words}", *written.value)
    attribute = element.attributes.get(written.name)
    if attribute is None:
        return None
    begin = written.begin
    end = written.end if place.part == "attribute" or written.value is None else written.value[1]
    title_of = f"**{attribute.name}**: {kind_of(attribute)}"
    parts = (title_of, of_attribute(attribute, element, tag.name), _facts(attribute.name))
    return Hover("\n\n".join(filter(None, parts)), begin, end)


def _names(outline: Outline, place: Surroundings) -> list[str]:
    """The elements around a tag; an end tag is not in the element that it ends."""
    names = [tag.name for tag in place.around]
    tag = place.tag
    if tag is not None and tag.closes and tag.name in names:
        del names[len(names) - 1 - names[::-1].index(tag.name) :]
    return names


def title(name: str, element: KnownElement) -> str:
    """What an element is, in a few words."""
    collection = element.collection
    if collection is not None:
        what = {"add": "adds an entry to", "remove": "removes an entry of", "clear": "empties"}
        return f"<{name}> {what[element.kind]} {element.section.rpartition('/')[2]}"
    if element.kind in ("section", "group"):
        return f"{element.section}"
    return f"<{name}>"


def of_element(element: KnownElement, name: str) -> str:
    """What IIS does with an element called ``name``, and fcgiemu."""
    parts = [_TOP.get(name, "") or descriptions.of_element(element.section, name)]
    if element.kind == "section":
        parts.append(descriptions.of_section(element.section))
    if element.kind == "section" and element.element is not None:
        section = element.element
        parts += [
            f"Here: {support.MEANING[section.support]}.",
            _LOCKS.get(support.lock(section.name), ""),
            f"It is part of {schema.EXTENSIONS[section.name]}, which the server must have."
            if section.name in schema.EXTENSIONS
            else "",
        ]
    if element.collection is not None and element.kind == "add":
        keys = ", ".join(attribute.name for attribute in element.collection.keys)
        order = "before" if element.collection.prepend else "after"
        parts += [
            f"Its key is {keys}; an entry that is there already is an error." if keys else "",
            f"Entries of a deeper file come {order} inherited ones.",
        ]
    return "\n\n".join(filter(None, parts))


def kind_of(attribute: Attribute) -> str:
    """The type of an attribute with its values or limits, and its default."""
    values = f" ({' | '.join(attribute.values)})" if attribute.values else ""
    default = f", default {attribute.default}" if attribute.default is not None else ""
    needed = ", required" if "required" in attribute.words else ""
    return f"{attribute.type}{values}{limits(attribute)}{default}{needed}"


def of_attribute(attribute: Attribute, element: KnownElement, tag: str) -> str:
    """What an attribute of a tag does, and what is said of it beside its type."""
    words = attribute.words
    name = "" if element.kind == "section" else tag
    notes = [
        descriptions.of_attribute(element.section, name, attribute.name),
        "A key of the collection." if attribute.is_key else "",
        "`%NAME%` is replaced by the environment's value." if "expanded" in words else "",
        "Compared with case." if "casesensitive" in words else "",
        "It must not be empty." if "nonempty" in words else "",
        f"Here: {support.MEANING['accepted']}." if attribute.support == "accepted" else "",
    ]
    return " ".join(filter(None, notes))


def _variable(text: str, begin: int, end: int, offset: int) -> Hover | None:
    """The ``{…}`` of a value that holds an offset."""
    for found in re.finditer(r"\{([A-Za-z_][\w]*(?::\d*)?)", text[begin:end]):
        first, last = begin + found.start(1), begin + found.end(1)
        if first - 1 <= offset <= last:
            name = found[1]
            words = vocabulary.meaning(name) or _capture(name)
            return Hover(f"**{{{name}}}**\n\n{words}", first, last) if words else None
    return None


def _capture(name: str) -> str:
    head = name.partition(":")[0].upper()
    if head == "R":
        return "A group of the rule's pattern; 0 is all that it has matched."
    if head == "C":
        return (
            "A group of the last condition that matched, or of all of them with"
            " trackAllCaptures; 0 is all that it has matched."
        )
    return next(
        (words for text, words in vocabulary.FUNCTIONS.items() if text.upper() == f"{head}:"), ""
    )


def _facts(name: str) -> str:
    """The facts that name an element or attribute, each with its grade."""
    found = list(_naming(name))
    more = f"\n\nMore: `fcgiemu support --facts {name}`" if len(found) > _MOST else ""
    return "\n".join(f"- {fact.text} *({fact.grade})*" for fact in found[:_MOST]) + more


def _naming(name: str) -> Iterator[facts.Fact]:
    """Only names that are not words of English: ``requireAccess``, and ``<location>``."""
    is_word = name.islower()
    word = re.compile(rf"<{name}>" if is_word else rf"\b{re.escape(name)}\b")
    for fact in _all_facts():
        if word.search(fact.text):
            yield fact


@cache
def _all_facts() -> tuple[facts.Fact, ...]:
    return tuple(facts.facts())
