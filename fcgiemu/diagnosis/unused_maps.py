"""Rewrite maps that no rule of the site asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.reader import Element
from . import map_remedies

_ASKED = re.compile(r"\{([^{}:]+):")
#: What of a rule may hold a look-up.
_TAGS = ("rule", "preCondition")


def findings(files: Sequence[ConfigFile], host: Sequence[ConfigFile]) -> Iterator[Finding]:
    """Maps with pairs that no rule of any file asks, those of the ``host`` configuration among
    them; of a file whose rules may stand in another one (configSource) nothing is said, nor of a
    map that a rule asks by a misspelt name.
    """
    roots = [file.root for file in files if file.root is not None]
    maps = [found for root in roots for found in root.iter("rewriteMap") if found.parts]
    asking = [*roots, *(file.root for file in host if file.root is not None)]
    if not maps or any(map(_is_elsewhere, asking)):
        return
    asked = {
        name.strip().lower()
        for root in asking
        for tag in _TAGS
        for rule in root.iter(tag)
        for text in _texts(rule)
        for name in _ASKED.findall(text)
    }
    names = [found.attributes.get("name", "").strip().lower() for found in maps]
    misspelt = {near for name in asked - set(names) for near in get_close_matches(name, names, 1)}
    for found in maps:
        name = found.attributes.get("name", "")
        if name and name.strip().lower() not in asked | misspelt:
            yield _unused(name, found)


def _unused(name: str, found: Element) -> Finding:
    pairs = [
        (part.attributes.get("key", ""), part.attributes.get("value", ""))
        for part in found.children
    ]
    element = map_remedies.rule_for(name, pairs, found.span.file.rpartition("/")[0])
    code = f"rewrite-map-unused{'' if element else '/other'}"
    return finding(code, found.span, map=name, element=element)


def _is_elsewhere(root: Element) -> bool:
    return any(
        "configSource" in element.attributes
        for tag in ("rules", "outboundRules", "globalRules", "rewriteMaps")
        for element in root.iter(tag)
    )


def _texts(element: Element) -> Iterator[str]:
    yield from element.attributes.values()
    for child in element.children:
        yield from _texts(child)
