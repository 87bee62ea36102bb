"""Strings with expansions: ``{R:1}``, ``{C:1}``, ``{ToLower:…}``, ``{Map:…}``,
``{SERVER_VARIABLE}``; and what happens where there is nothing to put in their place (500.50).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

from .inferred_behaviours import POLICY
from .state import ExpansionError, RewriteState, variable_reader

MAX_BACK_REFERENCE = 31  # the registry value MaxBackReferences: default and maximum
MAX_DEPTH = 32

__all__ = ["ExpansionError", "Lookup", "Template", "TemplateError", "compile_template"]


class TemplateError(ValueError):
    """A template IIS refuses when it reads the rule set."""


#: A rewrite map or a provider: argument -> result.
Lookup = Callable[[str, RewriteState], str]


Part = Callable[[RewriteState], str]


class Template:
    """A compiled string. ``constant`` is its value where nothing in it changes, else None."""

    __slots__ = ("_parts", "constant", "source")

    def __init__(self, source: str, parts: list[Part | str]) -> None:
        self.source = source
        self.constant = "".join(parts) if all(isinstance(part, str) for part in parts) else None  # type: ignore[arg-type]
        self._parts = parts

    def expand(self, state: RewriteState) -> str:
        """The string for this request. Raises ExpansionError."""
        if self.constant is not None:
            return self.constant
        parts = self._parts
        if len(parts) == 1 and not isinstance(parts[0], str):
            text = parts[0](state)
            if len(text) <= POLICY.text_limit:
                return text
        texts = []
        left = state.text_limit
        for part in parts:
            text = part if isinstance(part, str) else part(state)
            left -= len(text)
            if left < 0:
                raise ExpansionError(
                    f'The expression "{_short(self.source)}" expands to more than'
                    f" {state.text_limit} characters."
                )
            texts.append(text)
        return "".join(texts)


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"


def compile_template(source: str, lookups: Mapping[str, Lookup]) -> Template:
    """Parse ``source``; ``lookups`` are maps and providers by lower-case name. Raises
    TemplateError.
    """
    parts, end = _parse(source, 0, lookups, 0)
    assert end == len(source)
    return Template(source, parts)


def _parse(
    source: str, position: int, lookups: Mapping[str, Lookup], depth: int
) -> tuple[list[Part | str], int]:
    """Parts up to the end, or up to the closing brace of the surrounding item when depth > 0."""
    if depth > MAX_DEPTH:
        raise TemplateError("The expression is nested too deeply")
    parts: list[Part | str] = []
    while position < len(source):
        text = (_TEXT_IN_ITEM if depth else _TEXT).match(source, position)
        if text:
            parts.append(text[0])
            position = text.end()
        elif source[position] == "{":
            part, position = _item(source, position + 1, lookups, depth)
            parts.append(part)
        else:
            break
    return parts, position


#: A lone closing brace is text outside of an item.
_TEXT, _TEXT_IN_ITEM = re.compile(r"[^{]+"), re.compile(r"[^{}]+")
_NAME = re.compile(r"[^{}:]+")


def _item(
    source: str, position: int, lookups: Mapping[str, Lookup], depth: int
) -> tuple[Part, int]:
    """One ``{…}``; ``position`` is behind the opening brace."""
    start = position - 1
    match = _NAME.match(source, position)
    if not match:
        raise TemplateError(
            f'The expression "{source[start:]}" has no name after its opening brace'
        )
    name = match[0].strip()
    position = match.end()
    if source[position : position + 1] == "}":
        return _variable(name), position + 1
    if source[position : position + 1] != ":":
        raise TemplateError(f'The expression "{source[start:]}" has no closing brace')
    arguments, end = _parse(source, position + 1, lookups, depth + 1)
    if source[end : end + 1] != "}":
        raise TemplateError(f'The expression "{source[start:]}" has no closing brace')
    argument = Template(source[position + 1 : end], arguments)
    return _call(name, argument, lookups), end + 1


def _variable(name: str) -> Part:
    return variable_reader(name.upper())


def _call(name: str, argument: Template, lookups: Mapping[str, Lookup]) -> Part:
    lower = name.lower()
    if lower in ("r", "c"):
        return _back_reference(lower, name, argument.source)
    function = _FUNCTIONS.get(lower)
    if function is not None:
        return lambda state: function(argument.expand(state))
    lookup = lookups.get(lower)
    if lookup is None:
        raise TemplateError(f'The rewrite map or provider "{name}" does not exist')
    return lambda state: lookup(argument.expand(state), state)


@lru_cache(maxsize=256)
def _back_reference(kind: str, name: str, text: str) -> Part:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_BACK_REFERENCE:
        raise TemplateError(
            f"The back-reference {{{name}:{text}}} requires a number from 0 to {MAX_BACK_REFERENCE}"
        )
    number = int(text)

    def expand(state: RewriteState) -> str:
        captures = state.rule_captures if kind == "r" else state.condition_captures
        if captures is None or number >= len(captures):
            raise ExpansionError(f'The expression "{{{name}:{text}}}" cannot be expanded.')
        return captures[number]

    return expand


def url_encode(text: str) -> str:
    """UTF-8 percent-encoding of everything but unreserved characters."""
    return quote(text, safe="-_.~").replace("%20", POLICY.url_encode_space)


def url_decode(text: str) -> str:
    """One level of percent-decoding. A doubly encoded text fails, as by default on IIS."""
    once = unquote(text, errors="replace")
    if once != text and re.search(r"%[0-9A-Fa-f]{2}", once):
        raise ExpansionError(
            f'The expression "{{UrlDecode:{_short(text)}}}" cannot be expanded: the text is'
            " encoded twice."
        )
    return once


_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "tolower": str.lower,
    "urlencode": url_encode,
    "urldecode": url_decode,
    "htmlencode": lambda text: html.escape(text).replace("&#x27;", "'"),
}
