"""Configuration -> rules. Every error that IIS sees while it reads a rule set is collected, with
its place and what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from typing import TypeVar

from .. import catalogue
from ..catalogue.findings import Finding, Span
from ..config.merge import Node
from ..config.tree import Effective
from . import page_rules, providers
from .inferred_behaviours import POLICY
from .pattern import Matcher, compile_matcher, required_prefix
from .pattern_errors import with_groups, with_slashes
from .regex import PatternError
from .repaired_patterns import repaired, with_reference
from .rule import Condition, Rule, RuleAction, RuleList, SetVariable, never_holds
from .state import RewriteState
from .template import Lookup, Template, TemplateError, compile_template

T = TypeVar("T")

SECTION = "system.webServer/rewrite"
OUTBOUND = SECTION + "/outboundRules"
GLOBAL = SECTION + "/globalRules"
#: An expansion in two pairs of braces, as templates of JavaScript have them.
_DOUBLED = re.compile(r"\{(\{\w+(?::\w+)?\})\}")
#: Variables that hold a path of the disk.
_OF_DISK = re.compile(r"(?i)FILENAME|PHYSICAL|TRANSLATED|DOCUMENT_ROOT")
_NOTHING = compile_template("", {})
_REDIRECT_STATUS = {"Permanent": 301, "Found": 302, "SeeOther": 303, "Temporary": 307}


@dataclass(slots=True, kw_only=True)
class InboundRules:
    """The compiled inbound side of one configuration. With ``errors`` every governed URL answers
    500.
    """

    global_rules: RuleList = RuleList()
    rules: RuleList = RuleList()
    errors: tuple[Finding, ...] = ()
    global_errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    use_original_url_encoding: bool = True


@dataclass(slots=True)
class Compiler:
    """Shared by inbound and outbound rules: lookups by name, and the list of what went wrong."""

    effective: Effective
    section: str
    lookups: dict[str, Lookup] = field(default_factory=dict)
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def report(self, code: str, span: Span, /, **values: object) -> Finding:
        """Note a finding of the catalogue, by its severity; it is returned."""
        found = catalogue.filled(code, values, span, section=self.section)
        (self.errors if found.severity == "error" else self.warnings).append(found)
        return found

    def once(self, node: Node, build: Callable[[Compiler], T], *others: object) -> T:
        """What ``build`` makes of an entry, compiled once for all folders that inherit it, and
        reported for each. ``others`` is what it is, and what else it depends on.
        """

        def compiled() -> tuple[T, list[Finding], list[Finding]]:
            own = Compiler(self.effective, self.section, self.lookups)
            return build(own), own.errors, own.warnings

        key = (self.section, id(node.file), node.span, *others)
        made, errors, warnings = self.effective.shared(key, compiled)
        self.errors += errors
        self.warnings += warnings
        return made

    def load_lookups(self) -> None:
        """Rewrite maps and providers that templates may name."""
        for node in self.effective.section(SECTION + "/providers").items:
            assert node.span is not None
            name = node.text("name")
            settings = {
                item.text("key"): item.text("value") for item in node.child("settings").items
            }
            self.lookups[name.lower()] = providers.make(
                name, node.text("type"), settings, node.span
            )
        for name, function in self.effective.providers.items():
            self.lookups[name.lower()] = providers.stand_in(function)
        for node in self.effective.section(
            SECTION + "/rewriteMaps"
        ).items:  # a map wins over a provider of its name
            made = self.once(node, partial(Compiler.map, node=node), "map")
            self.lookups[node.text("name").lower()] = made

    def map(self, node: Node) -> Lookup:
        """A rewrite map: whole key, default value; of keys that fold together the first counts
        (policy).
        """
        fold: Callable[[str], str] = str.lower if node.flag("ignoreCase") else str
        default = node.text("defaultValue")
        rows = node.rows("key", "value")
        if fold is str:
            entries = {key: value for key, value in rows}  # noqa: C416
        else:  # a key that is in lower case already stays the string it is, which saves its memory
            entries = {key if (low := key.lower()) == key else low: value for key, value in rows}
        if len(entries) < len(node.items):
            entries = self.first_of_each(node, fold)
        return lambda argument, _state: entries.get(fold(argument), default)

    def first_of_each(self, node: Node, fold: Callable[[str], str]) -> dict[str, str]:
        """The entries of a map in which keys fold together, each of which is reported."""
        entries: dict[str, str] = {}
        for item in node.items:
            key = fold(item.text("key"))
            if key not in entries or not POLICY.first_map_key_wins:
                entries[key] = item.text("value")
                continue
            assert item.span is not None
            form = "/same" if entries[key] == item.text("value") else ""
            self.report(f"rewrite-map-duplicate-key{form}", item.span, key=item.text("key"))
        return entries

    def template(self, source: str, span: Span, what: str) -> Template:
        try:
            return compile_template(source, self.lookups)
        except TemplateError as error:
            meant = _DOUBLED.sub(r"\1", source)
            form = "/doubled" if meant != source else ""
            self.report(
                f"rewrite-bad-template{form}",
                span,
                what=what,
                reason=error,
                source=source,
                meant=meant,
            )
            return compile_template("", {})

    def matcher(
        self,
        pattern: str,
        syntax: str,
        ignore_case: bool,
        span: Span,
        what: str,
        *,
        tested: str = "",
    ) -> Matcher:
        """The compiled pattern; of one that is not valid, which is reported, one that matches
        nothing. ``tested`` is the input of its condition.
        """
        try:
            return compile_matcher(pattern, syntax, ignore_case)
        except PatternError as error:
            of_disk = _OF_DISK.search(tested) is not None  # those have backslashes
            slashes = "" if of_disk else with_slashes(pattern)
            groups = with_groups(pattern)
            compared = with_reference(pattern, tested) if tested else None
            meant = slashes or groups or ("" if of_disk else repaired(pattern))
            form = "backslash" if slashes else "placeholder" if groups else "meant"
            if compared is not None:
                form = "reference"
                meant = f'input="{escape(compared[0])}" pattern="{escape(compared[1])}"'
            self.report(
                f"rewrite-bad-pattern{f'/{form}' if meant else ''}",
                span,
                meant=meant,
                what=what,
                pattern=pattern,
                position=error.position + 1,
                reason=error,
                remedy=error.hint or "Fix the regular expression.",
            )
            return lambda _text: None

    def prefix(self, pattern: str, syntax: str, ignore_case: bool) -> str:
        """What every URL that matches begins with; "" for a pattern that ``matcher`` refuses."""
        try:
            return required_prefix(pattern, syntax, ignore_case)
        except PatternError:
            return ""


def inbound(effective: Effective) -> InboundRules:
    """Compile the inbound rules of a configuration. A view: see Effective.view."""
    compiler = Compiler(effective, SECTION)
    compiler.load_lookups()
    globals_compiler = Compiler(effective, GLOBAL, compiler.lookups)
    allowed = frozenset(
        node.text("name").upper()
        for node in effective.section(SECTION + "/allowedServerVariables").items
    )
    rules = effective.section(SECTION + "/rules")
    names = tuple(
        id(effective.section(f"{SECTION}/{kind}")) for kind in ("rewriteMaps", "providers")
    )
    global_rules = [
        globals_compiler.once(
            node, partial(_rule, node=node, scope="Global", allowed=None), "rule", names
        )
        for node in effective.section(GLOBAL).items
    ]
    local = [
        compiler.once(
            node,
            partial(_rule, node=node, scope="Distributed", allowed=allowed),
            "rule",
            names,
            allowed,
        )
        for node in rules.items
    ]
    return InboundRules(
        global_rules=RuleList(rule for rule in global_rules if rule is not None),
        rules=RuleList(rule for rule in local if rule is not None),
        errors=(*effective.errors_of(SECTION), *compiler.errors),
        global_errors=(*effective.errors_of(GLOBAL), *globals_compiler.errors),
        warnings=tuple(compiler.warnings + globals_compiler.warnings),
        use_original_url_encoding=rules.flag("useOriginalURLEncoding"),
    )


def _rule(
    compiler: Compiler, node: Node, scope: str, allowed: frozenset[str] | None
) -> Rule | None:
    """One rule; None for a disabled one, which must be valid all the same."""
    assert node.span is not None and node.file is not None
    name = node.text("name").strip()
    what = f"Rule '{name}'" if name else "Rule without a name"
    syntax = node.text("patternSyntax")
    match = node.child("match")
    pattern = match.given("url")
    ignore_case = match.flag("ignoreCase")
    matcher, prefix = None, ""
    if pattern is not None:
        span = match.span or node.span
        matcher = compiler.matcher(pattern, syntax, ignore_case, span, what)
        prefix = compiler.prefix(pattern, syntax, ignore_case)
        if syntax == "Wildcard" and "?" in pattern:
            meant = f'url="{escape(pattern.replace("?", "*"))}"'
            compiler.report("rewrite-wildcard-question-mark", span, what=what, meant=meant)
    conditions = node.child("conditions")
    rule = Rule(
        name=name,
        base="" if scope == "Global" else node.file.directory,
        scope=scope,
        pattern=pattern,
        matcher=matcher,
        prefix=prefix,
        pattern_syntax=syntax,
        ignore_case=ignore_case,
        negate=match.flag("negate"),
        conditions=tuple(
            condition(compiler, item, syntax, scope, what) for item in conditions.items
        ),
        match_any=conditions.text("logicalGrouping") == "MatchAny",
        track_all_captures=conditions.flag("trackAllCaptures"),
        variables=tuple(
            _set(compiler, item, allowed, what) for item in node.child("serverVariables").items
        ),
        action=_action(compiler, node.child("action"), node.span, what),
        stop_processing=node.flag("stopProcessing"),
        span=node.span,
    )
    page_rule = page_rules.page_rule(node)
    if page_rule is not None and node.flag("enabled"):
        found = compiler.report(page_rule.code, node.span, what=what, **page_rule.values)
        rule = replace(rule, page_rule=replace(page_rule, message=found.message))
    if matcher is None and not rule.match_any and any(map(never_holds, rule.conditions)):
        rule = replace(rule, never_applies=True)
    return rule if node.flag("enabled") else None


def condition(compiler: Compiler, node: Node, syntax: str, scope: str, what: str) -> Condition:
    assert node.span is not None
    match_type = node.text("matchType")
    pattern = node.text("pattern")
    matcher = None
    if match_type == "Pattern":
        matcher = compiler.matcher(
            pattern,
            syntax,
            node.flag("ignoreCase"),
            node.span,
            f"{what}, condition",
            tested=node.text("input"),
        )
    elif scope != "Distributed":
        compiler.report("rewrite-file-test-out-of-place", node.span, what=what, test=match_type)
    return Condition(
        input=compiler.template(node.text("input"), node.span, f"{what}, condition"),
        match_type=match_type,
        pattern=pattern,
        matcher=matcher,
        ignore_case=node.flag("ignoreCase"),
        negate=node.flag("negate"),
        span=node.span,
    )


def _set(compiler: Compiler, node: Node, allowed: frozenset[str] | None, what: str) -> SetVariable:
    assert node.span is not None
    name = node.text("name").strip()
    return SetVariable(
        name,
        compiler.template(node.text("value"), node.span, f"{what}, serverVariables"),
        node.flag("replace"),
        allowed is None or name.upper() in allowed,
        node.span,
    )


def _action(compiler: Compiler, node: Node, rule_span: Span, what: str) -> RuleAction:
    kind = node.text("type")
    span = node.span or rule_span
    url = node.given("url")
    if kind in ("Rewrite", "Redirect") and url is None:
        compiler.report("rewrite-missing-url", span, what=what, kind=kind)
    status = node.integer("statusCode")
    if kind == "CustomResponse" and not status:
        compiler.report("rewrite-missing-status", span, what=what)

    def text(name: str) -> Template | None:
        source = node.given(name)
        return None if source is None else compiler.template(source, span, f"{what}, action")

    return RuleAction(
        type=kind,
        url=text("url") or _NOTHING,
        append_query_string=node.flag("appendQueryString"),
        redirect_status=_REDIRECT_STATUS[node.text("redirectType")],
        log_rewritten_url=node.has("logRewrittenUrl") and node.flag("logRewrittenUrl"),
        status=status,
        substatus=node.integer("subStatusCode"),
        reason=text("statusReason"),
        description=text("statusDescription"),
    )


__all__ = ["OUTBOUND", "SECTION", "Compiler", "InboundRules", "RewriteState", "inbound"]
