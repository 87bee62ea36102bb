"""What ends a redirect that leads to itself: the remedies that may, the most fitting first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

from ..config.tree import Effective
from ..rewrite.compiler import SECTION
from ..rewrite.rule import Condition, Rule
from .condition_remedies import attributes
from .rewrite_patterns import escaped
from .rule_patterns import anchored
from .tried_remedies import Remedy

#: A pattern that is a host name, with or without its anchors and backslashes.
_HOST = re.compile(r"\^?((?:[\w-]|\\?\.)+)\$?")
_SLASH = re.compile(r"(?:https?://[^/]+)?/?\{R:[01]\}/$")


def remedies(
    rule: Rule, hops: Sequence[str], others: Sequence[Rule], look_alike: bool
) -> list[Remedy]:
    """The remedies for a rule whose redirects go along the URLs ``hops`` and never end; ``others``
    are those that redirect back. ``look_alike`` = it looks for capitals with a
    pattern that takes small letters too.
    """
    target = urlsplit(hops[1] if len(hops) > 1 else "")
    found = [
        Remedy("redirect-loop/pair", {"other": other.name, "where": other.span}) for other in others
    ]
    found += _of_pattern(rule, look_alike)
    for condition in rule.conditions:
        found += _of_condition(rule, condition, target.scheme, target.hostname or "")
    found += _exceptions(rule, hops[0], target.scheme, target.hostname or "")
    return [*found, Remedy("redirect-loop", {"target": hops[-1]})]


#: Entries of maps that remedies are made for, at most.
_MOST_ENTRIES = 16


def of_maps(effective: Effective, rule: Rule, hops: Sequence[str]) -> Iterator[Remedy]:
    """Changes of the maps that a rule asks: of how their keys are compared where a key and its
    value differ by case alone, of the entry that leads back, the last one first.
    """
    texts = [condition.input.source for condition in rule.conditions]
    texts += [rule.action.url.source] if rule.action.url is not None else []
    visited = unquote(" ".join(hops)).lower()
    for node in effective.section(SECTION + "/rewriteMaps").items:
        name = node.text("name")
        if node.span is None or not any(f"{{{name}:".lower() in text.lower() for text in texts):
            continue
        pairs = [
            (item.text("key"), item.text("value"), item.span)
            for item in node.items
            if item.span is not None
        ]
        if any(key != value and key.lower() == value.lower() for key, value, _ in pairs):
            yield Remedy(
                "redirect-loop/map",
                {"map": attributes(name=name)},
                (("@ignoreCase=false", node.span),),
            )
        entries = (
            pair for pair in reversed(pairs) if all(text.lower() in visited for text in pair[:2])
        )
        for key, value, span in islice(entries, _MOST_ENTRIES):
            yield Remedy(
                "redirect-loop/entry",
                {"entry": f"<add {attributes(key=key, value=value)}>", "map": name},
                (("without()=", span),),
            )


def _of_pattern(rule: Rule, look_alike: bool) -> Iterator[Remedy]:
    """Changes of the rule's own pattern, and of how its conditions are joined."""
    url = rule.action.url.source if rule.action.url is not None else ""
    if look_alike:
        yield Remedy("redirect-loop/case", {}, (("match/@ignoreCase=false", rule.span),))
    if rule.match_any and sum(condition.negate for condition in rule.conditions) > 1:
        change = "conditions/@logicalGrouping=MatchAll"
        yield Remedy("redirect-loop/grouping", {}, ((change, rule.span),))
    if not rule.negate and (meant := anchored(rule)):
        yield Remedy("redirect-loop/match", {"meant": meant}, ((f"match/@url={meant}", rule.span),))
    if _SLASH.match(url) and rule.pattern_syntax == "ECMAScript" and not rule.negate:
        meant = "^(.*[^/])$"
        yield Remedy("redirect-loop/match", {"meant": meant}, ((f"match/@url={meant}", rule.span),))


def _of_condition(rule: Rule, condition: Condition, scheme: str, host: str) -> Iterator[Remedy]:
    """Changes of a condition that its own target fulfils."""
    name = condition.input.source.strip().upper()
    if condition.matcher is None:
        return
    if name == "{HTTPS}" and scheme == "https":
        if condition.negate:
            yield _changed(condition, name, "negate", "false")
        yield _changed(
            condition, name, "pattern", "^off$" if rule.pattern_syntax == "ECMAScript" else "off"
        )
    if name in ("{HTTP_HOST}", "{SERVER_NAME}"):
        plain = _HOST.fullmatch(condition.pattern)
        if plain and rule.pattern_syntax == "ECMAScript":
            bare = plain[1].replace("\\", "")
            bare = host if condition.negate and host.endswith(bare) else bare
            yield _changed(condition, name, "pattern", f"^{escaped(bare)}$")
        if not condition.negate and condition.matcher(host) is not None:
            yield _changed(condition, name, "negate", "true")


def of_proxy(rule: Rule, condition: Condition, other: str) -> Iterator[Remedy]:
    """Changes of a condition that a client with the scheme of the target fulfils, so that one with
    the ``other`` scheme does.
    """
    form, name = "redirect-loop/proxy", condition.input.source
    exact = f"^{other}$" if rule.pattern_syntax == "ECMAScript" else other
    fits_both = condition.matcher is not None and condition.matcher(other) is not None
    if fits_both and not condition.negate:
        yield _changed(condition, name, "pattern", exact, form)
    yield _changed(condition, name, "negate", "false" if condition.negate else "true", form)
    yield _changed(condition, name, "pattern", exact, form)


def _changed(
    condition: Condition,
    name: str,
    attribute: str,
    meant: str,
    form: str = "redirect-loop/condition",
) -> Remedy:
    tested = f"<add input={quoteattr(name)} pattern={quoteattr(condition.pattern)}>"
    values = {"attribute": attribute, "meant": meant, "tested": tested}
    change = f"@{attribute}={meant}"
    return Remedy(form, values, ((change, condition.span),))


def _exceptions(rule: Rule, first: str, scheme: str, host: str) -> Iterator[Remedy]:
    """Conditions that the target does not fulfil."""
    url = rule.action.url.source if rule.action.url is not None else ""
    if scheme == "https" and first.startswith("http://"):
        yield _added(rule, "{HTTPS}", "^off$", negate=False)
    if host and "{" not in (urlsplit(url).netloc or "{"):
        yield _added(rule, "{HTTP_HOST}", f"^{escaped(host)}$")
    path, _, query = re.sub(r"^https?://[^/]*", "", url).partition("?")
    path = path if path.startswith("/") or not path else f"{rule.base}/{path}"
    start, reference, _ = path.partition("{")
    end = path.rpartition("}")[2]
    if path and not reference:
        if query and "{" not in query:
            yield _added(rule, "{QUERY_STRING}", f"(^|&){re.escape(query)}(&|$)")
        yield _added(rule, "{URL}", f"^{escaped(path)}$")
    elif start.rpartition("/")[0]:
        yield _added(rule, "{URL}", f"^{escaped(start)}")
    if reference and end:
        yield _added(rule, "{URL}", f"{escaped(end)}$")


def _added(rule: Rule, variable: str, pattern: str, *, negate: bool = True) -> Remedy:
    """A condition more; under MatchAny it would be one that suffices."""
    text = pattern
    if rule.pattern_syntax != "ECMAScript":
        text = re.sub(r"\\(.)", r"\1", pattern.removeprefix("^").removesuffix("$"))
        text = (
            ("" if pattern.startswith("^") else "*") + text + ("" if pattern.endswith("$") else "*")
        )
    mark = ' negate="true"' if negate else ""
    condition = f"<add input={quoteattr(variable)} pattern={quoteattr(text)}{mark} />"
    change = f"inside(conditions)={condition}"
    return Remedy("redirect-loop/exception", {"condition": condition}, ((change, rule.span),))
