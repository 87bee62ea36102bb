"""Outbound rules: preconditions, response headers, tags and whole bodies. Pure text
in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from ..catalogue.findings import Finding, Span
from ..config.merge import Node
from ..config.tree import Effective
from ..trace import Trace
from .compiler import OUTBOUND, Compiler, condition
from .html import TagAttribute, attributes
from .inferred_behaviours import POLICY
from .pattern import Captures, Matcher
from .regex import Pattern, PatternError, compile_pattern
from .rule import Condition, conditions_hold
from .state import RewriteState
from .template import Template

#: Tag -> attributes that filterByTags looks at (documented table).
TAGS = {
    "A": ("a", ("href",)),
    "Area": ("area", ("href",)),
    "Base": ("base", ("href",)),
    "Form": ("form", ("action",)),
    "Frame": ("frame", ("src", "longdesc")),
    "Head": ("head", ("profile",)),
    "IFrame": ("iframe", ("src", "longdesc")),
    "Img": ("img", ("src", "longdesc", "usemap")),
    "Input": ("input", ("src", "usemap")),
    "Link": ("link", ("href",)),
    "Script": ("script", ("src",)),
}


@dataclass(frozen=True, slots=True)
class PreCondition:
    """A named <preCondition>: conditions on the response."""

    conditions: tuple[Condition, ...]
    match_any: bool
    track_all_captures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRule:
    """An outbound rule. ``header`` names a response header; ``tags`` maps tag to attributes;
    neither = the whole body.
    """

    name: str
    pre_condition: PreCondition | None
    header: str
    tags: dict[str, frozenset[str]]
    pattern: str
    matcher: Matcher
    search: Pattern | None
    occurrences: int
    negate: bool
    conditions: tuple[Condition, ...]
    match_any: bool
    track_all_captures: bool
    value: Template | None
    replace: bool
    stop_processing: bool
    span: Span


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """The compiled outbound side of one configuration."""

    rules: tuple[OutboundRule, ...]
    errors: tuple[Finding, ...]
    before_cache: bool
    warnings: tuple[Finding, ...] = ()


def outbound(effective: Effective) -> OutboundRules:
    """Compile <outboundRules> of a configuration. A view: see Effective.view."""
    section = effective.section(OUTBOUND)
    if (
        not section.items
        and "preConditions" not in section.children
        and not effective.errors(OUTBOUND)
    ):
        return OutboundRules((), (), False)
    compiler = Compiler(effective, OUTBOUND)
    compiler.load_lookups()
    conditions = {
        node.text("name").lower(): _pre_condition(compiler, node)
        for node in section.child("preConditions").items
    }
    custom_tags = {
        node.text("name").lower(): [(tag.text("name"), tag.text("attribute")) for tag in node.items]
        for node in section.child("customTags").items
    }
    rules = [_rule(compiler, node, conditions, custom_tags) for node in section.items]
    return OutboundRules(
        tuple(rule for rule in rules if rule is not None),
        (*effective.errors(OUTBOUND), *compiler.errors),
        section.flag("rewriteBeforeCache"),
        tuple(compiler.warnings),
    )


def _pre_condition(compiler: Compiler, node: Node) -> PreCondition:
    what = f"preCondition '{node.text('name')}'"
    return PreCondition(
        tuple(
            condition(compiler, item, node.text("patternSyntax"), "Outbound", what)
            for item in node.items
        ),
        node.text("logicalGrouping") == "MatchAny",
    )


def _rule(
    compiler: Compiler,
    node: Node,
    known: dict[str, PreCondition],
    custom_tags: dict[str, list[tuple[str, str]]],
) -> OutboundRule | None:
    assert node.span is not None
    name = node.text("name")
    what = f"Outbound rule '{name}'"
    match, action = node.child("match"), node.child("action")
    span = match.span or node.span
    syntax, pattern = node.text("patternSyntax"), match.text("pattern")
    precondition = node.text("preCondition")
    if precondition and precondition.lower() not in known:
        compiler.report("rewrite-unknown-precondition", node.span, what=what, name=precondition)
    tags = _tags(compiler, match, custom_tags, span, what)
    variable = match.text("serverVariable")
    header = _header_name(variable)
    if variable and not header:
        meant = re.sub(r"^(?:HTTP_|RESPONSE-?)", "", variable.upper()).replace("-", "_")
        compiler.report(
            "rewrite-not-a-response-header", span, what=what, variable=variable, header=meant
        )
        return None
    whole_body = not tags and not header
    if whole_body and syntax == "Wildcard":
        meant = ".*".join(map(re.escape, pattern.split("*")))
        compiler.report(
            "rewrite-wildcard-body", node.span, what=what, meant=f'pattern="{escape(meant)}"'
        )
    conditions = node.child("conditions")
    return (
        OutboundRule(
            name=name,
            pre_condition=known.get(precondition.lower()) if precondition else None,
            header=header,
            tags=tags,
            pattern=pattern,
            matcher=compiler.matcher(pattern, syntax, match.flag("ignoreCase"), span, what),
            search=_searcher(pattern, syntax, match.flag("ignoreCase")) if whole_body else None,
            occurrences=match.integer("occurrences"),
            negate=match.flag("negate"),
            conditions=tuple(
                condition(compiler, item, syntax, "Outbound", what) for item in conditions.items
            ),
            match_any=conditions.text("logicalGrouping") == "MatchAny",
            track_all_captures=conditions.flag("trackAllCaptures"),
            value=compiler.template(action.text("value"), action.span or node.span, what)
            if action.text("type") == "Rewrite"
            else None,
            replace=action.flag("replace"),
            stop_processing=node.flag("stopProcessing"),
            span=node.span,
        )
        if node.flag("enabled")
        else None
    )


def _searcher(pattern: str, syntax: str, ignore_case: bool) -> Pattern | None:
    """What finds the occurrences in a body; the matcher has already reported a bad pattern."""
    try:
        return compile_pattern(
            re.escape(pattern) if syntax == "ExactMatch" else pattern, ignore_case
        )
    except PatternError:
        return None


def _tags(
    compiler: Compiler, match: Node, custom: dict[str, list[tuple[str, str]]], span: Span, what: str
) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for flag in match.names("filterByTags"):
        if flag != "CustomTags":
            tag, names = TAGS[flag]
            found.setdefault(tag, set()).update(names)
            continue
        collection = custom.get(match.text("customTags").lower())
        if collection is None:
            name = match.text("customTags")
            compiler.report("rewrite-unknown-custom-tags", span, what=what, name=name)
            continue
        for tag, attribute in collection:
            found.setdefault(tag.lower(), set()).add(attribute.lower())
    return {tag: frozenset(names) for tag, names in found.items()}


def _header_name(variable: str) -> str:
    return variable[9:].replace("_", "-") if variable.upper().startswith("RESPONSE_") else ""


# -- running ---------------------------------------------------------------------------------------


def selected(
    rules: Iterable[OutboundRule], state: RewriteState, trace: Trace | None
) -> list[OutboundRule]:
    """The rules whose precondition holds for this response."""
    found = []
    for rule in rules:
        if rule.pre_condition is not None:
            state.rule_captures = ("",)
            state.condition_captures = None
            holds = conditions_hold(rule.pre_condition, state, None)
            if trace is not None:
                trace.add("PRECONDITION_EVALUATION", RuleName=rule.name, Succeeded=holds)
            if not holds:
                continue
        found.append(rule)
    return found


def rewrite_headers(
    rules: Iterable[OutboundRule],
    headers: list[tuple[str, str]],
    state: RewriteState,
    trace: Trace | None,
) -> list[tuple[str, str]]:
    """Header rules in order; each header line on its own, an absent header as the empty text."""
    stopped: set[str] = set()
    for rule in rules:
        lower = rule.header.lower()
        if not lower or lower in stopped:
            continue
        present = [index for index, (name, _) in enumerate(headers) if name.lower() == lower]
        for index in present:
            name, value = headers[index]
            applied, result = _apply(rule, value, state, trace)
            if result is not None and (rule.replace or not value):
                headers[index] = (name, result)
            if applied and rule.stop_processing:
                stopped.add(lower)
        if not present:
            applied, result = _apply(rule, "", state, trace)
            if result:
                headers.append((rule.header, result))
            if applied and rule.stop_processing:
                stopped.add(lower)
        headers[:] = [
            pair for pair in headers if pair[1] or pair[0].lower() not in POLICY.dropped_when_empty
        ]
    return headers


def rewrite_body(
    rules: Iterable[OutboundRule], text: str, state: RewriteState, trace: Trace | None
) -> str:
    """Tag rules and whole-body rules in order. What no rule changes stays as it is, character by
    character.
    """
    pending: list[OutboundRule] = []
    stopped = False
    for rule in rules:
        if rule.tags:
            pending.append(rule)
        elif not rule.header and not stopped:
            text = _rewrite_tags(pending, text, state, trace)
            pending = []
            applied, text = _rewrite_text(rule, text, state, trace)
            stopped = (
                applied and rule.stop_processing
            )  # of whole-body rules; attributes are another input
    return _rewrite_tags(pending, text, state, trace)


def _rewrite_tags(
    rules: list[OutboundRule], text: str, state: RewriteState, trace: Trace | None
) -> str:
    if not rules:
        return text
    precondition = {tag for rule in rules for tag in rule.tags}
    parts: list[str] = []
    position = 0
    for attribute in attributes(text, precondition):
        value = _rewrite_attribute(
            rules, attribute, text[attribute.start : attribute.end], state, trace
        )
        parts += (text[position : attribute.start], value)
        position = attribute.end
    return "".join((*parts, text[position:]))


def _rewrite_attribute(
    rules: list[OutboundRule],
    attribute: TagAttribute,
    value: str,
    state: RewriteState,
    trace: Trace | None,
) -> str:
    """Each rule gets the previous one's output; the last output is written."""
    for rule in rules:
        if attribute.name in rule.tags.get(attribute.tag, ()):
            applied, result = _apply(rule, value, state, trace)
            if result is not None:
                value = result
            if applied and rule.stop_processing:
                break
    return value


def _apply(
    rule: OutboundRule, value: str, state: RewriteState, trace: Trace | None
) -> tuple[bool, str | None]:
    """Whether the rule applies to a header or attribute, and the new value where its action gives
    one.
    """
    captures = rule.matcher(value)
    _trace_match(rule, value, captures, trace)
    if (captures is None) != rule.negate:
        return False, None
    return _value(rule, captures or (value,), state, trace)


def _value(
    rule: OutboundRule, captures: Captures, state: RewriteState, trace: Trace | None
) -> tuple[bool, str | None]:
    state.rule_captures = captures
    state.condition_captures = None
    if rule.conditions and not conditions_hold(rule, state, trace):
        return False, None
    if rule.value is None:
        return True, None
    result = rule.value.expand(state)
    state.grow(captures[0], result)
    if trace is not None:
        trace.add("OUTBOUND_REWRITE_ACTION", RuleName=rule.name, Value=result, Line=rule.span.line)
    return True, result


def _rewrite_text(
    rule: OutboundRule, text: str, state: RewriteState, trace: Trace | None
) -> tuple[bool, str]:
    """Whether a whole-body rule applies anywhere, and the text after it."""
    if rule.search is None:
        return False, text
    if rule.negate:
        applied, result = _apply(rule, text, state, trace)
        return applied, text if result is None else result
    parts: list[str] = []
    position = scan = count = 0
    applied = False
    while scan <= len(text) and (not rule.occurrences or count < rule.occurrences):
        found = rule.search.find(text, scan)
        if found is None:
            break
        applies, value = _value(rule, (found[0], *found.groups("")), state, trace)
        applied = applied or applies
        if value is not None:
            parts += (text[position : found.start()], value)
            position = found.end()
        count += 1
        scan = found.end() if found.end() > found.start() else found.end() + 1
    _trace_match(rule, f"(body of {len(text)} characters)", (str(count),) if count else None, trace)
    return applied, "".join((*parts, text[position:]))


def _trace_match(
    rule: OutboundRule, text: str, captures: Captures | None, trace: Trace | None
) -> None:
    if trace is not None:
        trace.add(
            "OUTBOUND_PATTERN_MATCH",
            RuleName=rule.name,
            Pattern=rule.pattern,
            Input=text,
            Negate=rule.negate,
            Matched=(captures is not None) != rule.negate,
            Captures=captures,
            Line=rule.span.line,
        )
