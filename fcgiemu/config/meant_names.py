"""What somebody means who writes a name that the schema does not have at its place: the nearest of
those that may stand there, the place where this one may stand, or at least what may stand here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache

from . import schema
from .reader import Element
from .schema import ElementSchema

#: Names that another version of a module has, or none, with what to write.
_OF_OTHER_VERSIONS = {
    (schema.WEB_SERVER + "httpPlatform", "handlerSettings"): (
        "It is HttpPlatformHandlerV2 that has it. Where the server has that, say so here:"
        " --module HttpPlatformHandlerV2. Or remove it."
    ),
    (schema.WEB_SERVER + "httpPlatform", "startupRetryCount"): (
        "HttpPlatformHandlerV2 has no such attribute: it starts a program twice for a request."
        " Remove it."
    ),
    (schema.WEB_SERVER + "iisnode", "skipIISCustomErrors"): (
        "No release of iisnode has it (it stands in two pull requests that were never merged)."
        ' Remove it, and write <httpErrors existingResponse="PassThrough" />.'
    ),
}
#: What stands directly under <configuration>.
_OF_ROOT = frozenset({"system.webServer", "system.web", "connectionStrings", "appSettings"})
#: Names that are listed at most.
_LISTED = 8
#: Places that are listed at most.
_HOMES = 2


def of_attribute(section: str, name: str, element: Element, known: ElementSchema) -> str:
    """What to do about an attribute that ``known``, the schema of its element, does not have."""
    if remedy := _OF_OTHER_VERSIONS.get((section, name)):
        return remedy
    if near := get_close_matches(name, known.attributes, 1):
        return f"Did you mean '{near[0]}'?"
    ends = [full for full in known.attributes if full.lower().endswith(name.lower())]
    if ends:
        return f"Did you mean '{min(ends, key=len)}'?"
    missing = [
        part.name
        for part in known.attributes.values()
        if "required" in part.words
        and part.support == "emulated"
        and part.name not in element.attributes
    ]
    if len(missing) == 1 and len(set(element.attributes) - set(known.attributes)) == 1:
        return f"Did you mean '{missing[0]}'?"
    root = schema.sections().get(section, known)
    owner = next((path[-1] for path, part in _inside(root) if name in part.attributes), "")
    if owner and owner != element.tag:
        return f"Move it: it is an attribute of <{owner}>."
    return _remove(element.tag, "the attributes ", known.attributes)


def of_element(section: str, element: Element, known: ElementSchema) -> str:
    """What to do about an element that ``known``, its parent, does not have."""
    holder = known.name.rpartition("/")[2]
    if remedy := _OF_OTHER_VERSIONS.get((section, element.tag)):
        return remedy
    if entry := next((name for name in known.collections if _is_entry(element, known, name)), ""):
        return f"Write <{entry}>."
    if element.tag in known.attributes:
        return f'It is an attribute: write <{holder} {element.tag}="…">.'
    words = list(_words(known))
    if near := get_close_matches(element.tag, words, 1):
        return f"Did you mean '{near[0]}'?"
    places = [path for path, part in _inside(known) if _takes(part, element)]
    if places:
        return f"Put it into <{'><'.join(places[0])}>."
    roots = [
        part for path, part in schema.sections().items() if f"{path}/".startswith(f"{section}/")
    ]
    places = [path for root in roots for path, part in _inside(root) if _takes(part, element)]
    if places and places[0][-1] != holder:
        return f"Move it: its place is in <{places[0][-1]}>."
    if element.tag in schema.GROUPS:
        return "Move it: its place is in <system.webServer>."
    if element.tag in _OF_ROOT:
        return "Move it: its place is in <configuration>."
    above = [path for path in schema.sections() if path.endswith(f"/{element.tag}")]
    if above:
        return f"Move it: its place is in <{above[0].split('/')[-2]}>."
    return _remove(holder, "", words)


def homes(element: Element, prefix: str) -> str:
    """Where an element may stand as it is that stands where a section should, below ``prefix``: two
    places at most, of those that are not deeper than others; "" where there are more, or none.
    """
    found = {
        (*path.removeprefix(prefix).split("/"), *inner)
        for path, known in schema.sections().items()
        if path.startswith(schema.WEB_SERVER) and path not in schema.HOST_ONLY
        for inner, part in [((), known), *_inside(known)]
        if _takes(part, element) and _holds_rest(part, element) or _takes_away(part, element)
    }
    nearest = sorted(names for names in found if len(names) == min(map(len, found)))
    texts = ["".join(f"<{name}>" for name in names) for names in nearest]
    return " or ".join(texts) if len(texts) <= _HOMES else ""


def in_another_case(element: Element) -> Iterator[str]:
    """The names of elements and attributes below one of <system.webServer> that are written in
    another case there, as they should be.
    """
    for part in element.children:
        yield from in_right_case(part.tag, *part.attributes)
        yield from in_another_case(part)


def in_right_case(*names: str) -> Iterator[str]:
    """Those of some names that are written in another case, as they should be."""
    known = _spellings()
    for name in names:
        right = known.get(name.lower(), {name})
        if name not in right:
            yield next(iter(right))


@cache
def _spellings() -> dict[str, set[str]]:
    """Each name of the schema in lower case -> as it is written."""
    found: dict[str, set[str]] = {}
    for path, section in schema.sections().items():
        names = [*path.split("/"), *section.attributes]
        for place, part in _inside(section):
            names += [place[-1], *part.attributes]
        for name in names:
            found.setdefault(name.lower(), set()).add(name)
    return found


def _remove(holder: str, kind: str, words: Iterable[str]) -> str:
    listed = list(words)
    more = ", …" if len(listed) > _LISTED else ""
    if not listed:
        return f"Remove it: <{holder}> has none."
    return f"Remove it: <{holder}> has {kind}{', '.join(listed[:_LISTED])}{more}."


def _words(known: ElementSchema) -> Iterator[str]:
    """The names of the elements that may stand in one."""
    yield from known.children
    for name, collection in known.collections.items():
        yield from filter(None, (name, collection.remove, collection.clear))


def _inside(
    known: ElementSchema, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], ElementSchema]]:
    """The elements below one, with their names from there on."""
    below = {**known.children, **{name: part.entry for name, part in known.collections.items()}}
    for name, part in below.items():
        yield (*path, name), part
        yield from _inside(part, (*path, name))


def _takes(known: ElementSchema, element: Element) -> bool:
    """Whether an element may stand in another one as it is."""
    if element.tag in known.children:
        return set(element.attributes) <= set(known.children[element.tag].attributes)
    return element.tag in known.collections and _is_entry(element, known, element.tag)


def _holds_rest(known: ElementSchema, element: Element) -> bool:
    """Whether what stands in an element may stand there, where ``known`` takes the element."""
    entry = known.collections.get(element.tag)
    taken = entry.entry if entry is not None else known.children[element.tag]
    words = set(_words(taken))
    return all(
        _takes(taken, child) if child.tag in taken.children else child.tag in words
        for child in element.children
    )


def _takes_away(known: ElementSchema, element: Element) -> bool:
    """Whether an element takes an entry out of a collection, by its key."""
    attributes = set(element.attributes)
    return bool(attributes) and any(
        element.tag == collection.remove and attributes <= {key.name for key in collection.keys}
        for collection in known.collections.values()
    )


def _is_entry(element: Element, known: ElementSchema, name: str) -> bool:
    """Whether an element has the attributes of an entry of a collection."""
    attributes = set(element.attributes)
    return bool(attributes) and attributes <= set(known.collections[name].entry.attributes)
