"""Rules and how a list of them is evaluated: pattern, conditions, variables, action."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from ..catalogue.findings import E_ACCESS_DENIED, E_INVALID_DATA, Span
from ..trace import Trace
from . import targets
from .inferred_behaviours import POLICY
from .page_rules import PageRule
from .pattern import Captures, Matcher
from .regex import TooComplex
from .state import RewriteState
from .template import MAX_BACK_REFERENCE, ExpansionError, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition. ``match_type`` is Pattern, IsFile or IsDirectory."""

    input: Template
    match_type: str
    pattern: str
    matcher: Matcher | None
    ignore_case: bool
    negate: bool
    span: Span


@dataclass(frozen=True, slots=True)
class SetVariable:
    """``<set name value replace>``; ``allowed`` says whether the server lets distributed rules set
    it.
    """

    name: str
    value: Template
    replace: bool
    allowed: bool
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAction:
    """What a rule does; ``type`` is None, Rewrite, Redirect, CustomResponse or AbortRequest."""

    type: str = "None"
    url: Template | None = None
    append_query_string: bool = True
    redirect_status: int = 301
    log_rewritten_url: bool = False
    status: int = 0
    substatus: int = 0
    reason: Template | None = None
    description: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An inbound rule. ``base`` is the folder of the file that defines it, "" for the root."""

    name: str
    base: str
    scope: str
    pattern: str | None
    matcher: Matcher | None
    #: What every URL that matches begins with, as far as the pattern says it.
    prefix: str
    pattern_syntax: str
    ignore_case: bool
    negate: bool
    conditions: tuple[Condition, ...]
    match_any: bool
    track_all_captures: bool
    variables: tuple[SetVariable, ...]
    action: RuleAction
    stop_processing: bool
    span: Span
    #: Set on the two static-file rules of the Azure page, which IIS never applies; see
    #: page_rules.py.
    page_rule: PageRule | None = None
    #: Whether its conditions alone tell that it never applies; who traces evaluates it all the
    #: same.
    never_applies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How an evaluation ended, where it did not simply run to the end of the list."""

    kind: Literal["redirect", "custom", "abort", "error"]
    rule: Rule
    status: int = 0
    substatus: int = 0
    location: str = ""
    reason: str = ""
    description: str = ""
    hresult: int = 0


class RuleList(tuple[Rule, ...]):
    """Rules in order, with an index of those that only match below a certain prefix: of a list of
    thousands a request needs to look at few.
    """

    def candidates(self, path: str, begin: int) -> Iterable[int]:
        """The numbers, from ``begin`` on, of the rules that can match a URL path at all."""
        if len(self) < _INDEXED or not path.isascii() or "\n" in path:
            return range(begin, len(self))
        found: list[int] = []
        for base, index in self._index.items():
            text = _relative(base, path)
            if text is not None:
                found += index.candidates(text.lower())
        if len(self._index) > 1:
            found.sort()
        return found[bisect_left(found, begin) :] if begin else found

    @cached_property
    def _index(self) -> dict[str, _Index]:
        by_base: dict[str, _Index] = {}
        for number, rule in enumerate(self):
            by_base.setdefault(rule.base, _Index()).add(number, rule)
        return by_base


#: Rules from which on a list has an index.
_INDEXED = 8


class _Index:
    """The rules of one folder by the prefix that they require, in lower case."""

    __slots__ = ("_always", "_by_prefix", "_lengths")

    def __init__(self) -> None:
        self._always: list[int] = []
        self._by_prefix: dict[str, list[int]] = {}
        self._lengths: list[int] = []

    def add(self, number: int, rule: Rule) -> None:
        if rule.negate or rule.page_rule is not None or not rule.prefix:
            self._always.append(number)
            return
        prefix = rule.prefix.lower()
        self._by_prefix.setdefault(prefix, []).append(number)
        if len(prefix) not in self._lengths:
            insort(self._lengths, len(prefix))

    def candidates(self, text: str) -> list[int]:
        """Numbers in order."""
        found: list[int] = []
        for length in self._lengths:
            if length > len(text):
                break
            hits = self._by_prefix.get(text[:length])
            if hits is not None:
                found += hits
        return sorted(found + self._always) if found else list(self._always)


def evaluate(
    rules: RuleList, state: RewriteState, applied: list[str], trace: Trace | None, begin: int = 0
) -> Verdict | None:
    """Run a list, from the rule number ``begin`` on, over ``state``, which it changes. Names of the
    rules that applied are added to ``applied``.
    """
    while begin < len(rules):
        path = state.path
        base = text = None
        numbers = rules.candidates(path, begin) if trace is None else range(begin, len(rules))
        begin = len(rules)
        for number in numbers:
            rule = rules[number]
            if rule.base != base:
                base = rule.base
                text = _relative(base, path)
            if text is None:
                continue
            page_rule = rule.page_rule
            if page_rule is not None and not state.strict and page_rule.applies(text, state):
                if not page_rule.source and _untouched_by(rules, number + 1, state):
                    continue  # the rules that follow leave the file alone by themselves
                _apply_page_rule(rule, page_rule, text, state, trace)
                applied.append(rule.name)
                return None
            if rule.never_applies and trace is None:
                continue
            try:
                matched, verdict = _try(rule, text, state, trace)
            except (ExpansionError, NotAllowed, TooComplex) as error:
                return _failed(rule, error, trace)
            if not matched:
                continue
            applied.append(rule.name)
            if verdict is not None:
                return verdict
            if rule.stop_processing or (
                targets.is_foreign(state.path) and POLICY.foreign_url_is_final
            ):
                return None
            if state.path != path:
                begin = number + 1
                break
    return None


def _try(
    rule: Rule, text: str, state: RewriteState, trace: Trace | None
) -> tuple[bool, Verdict | None]:
    """Whether one rule applies, and how that ends the evaluation."""
    if trace is not None:
        trace.add(
            "RULE_EVALUATION_START",
            RuleName=rule.name,
            RequestURL=text,
            QueryString=state.query,
            PatternSyntax=rule.pattern_syntax,
            StopProcessing=rule.stop_processing,
            RelativePath=rule.base + "/",
            File=rule.span.file,
            Line=rule.span.line,
            Column=rule.span.column,
        )
    captures = (text,) if rule.matcher is None else rule.matcher(text)
    if trace is None and (captures is None) != rule.negate:
        return False, None  # as most rules of a list
    if trace is None and captures is not None:
        state.rule_captures, state.condition_captures = captures, None
        if rule.conditions and not conditions_hold(rule, state, None):
            return False, None
        return True, _act(rule, state, None)
    matched = _applies(rule, text, captures, state, trace)
    verdict = _act(rule, state, trace) if matched else None
    if trace is not None:
        trace.add(
            "RULE_EVALUATION_END",
            RuleName=rule.name,
            RequestURL=state.path,
            QueryString=state.query,
            StopProcessing=matched and rule.stop_processing,
            Succeeded=matched,
        )
    return matched, verdict


def _apply_page_rule(
    rule: Rule, page_rule: PageRule, text: str, state: RewriteState, trace: Trace | None
) -> None:
    page_rule.apply(text, rule.base, state)
    if trace is not None:
        trace.add(
            "AZURE_PAGE_PROMISE",
            RuleName=rule.name,
            Line=rule.span.line,
            RewriteURL=state.path,
            Message=page_rule.message,
        )


def _untouched_by(rules: RuleList, begin: int, state: RewriteState) -> bool:
    """Whether the rules from number ``begin`` on would leave the URL as it is."""
    copy = RewriteState(state.request, state.place, state.files, state.strict)
    copy.path, copy.query, copy.assigned = state.path, state.query, dict(state.assigned)
    return evaluate(rules, copy, [], None, begin) is None and not copy.rewritten


class NotAllowed(Exception):
    """A rule sets a server variable that the server does not allow."""


def _failed(
    rule: Rule, error: ExpansionError | NotAllowed | TooComplex, trace: Trace | None
) -> Verdict:
    message = (
        "The complexity of an attempted match exceeded a pre-set level."
        if isinstance(error, TooComplex)
        else str(error)
    )
    hresult = E_ACCESS_DENIED if isinstance(error, NotAllowed) else E_INVALID_DATA
    if trace is not None:
        trace.add("RULE_EVALUATION_END", RuleName=rule.name, Succeeded=False, Error=message)
    return Verdict(
        kind="error",
        rule=rule,
        status=500,
        substatus=50,
        description=message,
        hresult=hresult,
    )


def _relative(base: str, path: str) -> str | None:
    """A rule's input: the path below its folder, no leading slash; None where the path lies
    elsewhere.
    """
    if not base:
        return path[1:]
    if path[: len(base)].lower() == base.lower() and path[len(base) : len(base) + 1] in ("/", ""):
        return path[len(base) + 1 :]
    return None if POLICY.skip_rules_out_of_folder else path[1:]


def _applies(
    rule: Rule, text: str, captures: Captures | None, state: RewriteState, trace: Trace | None
) -> bool:
    """Whether pattern (which has made ``captures`` of ``text``) and conditions hold."""
    if trace is not None:
        trace.add(
            "PATTERN_MATCH",
            Pattern=rule.pattern,
            Input=text,
            Negate=rule.negate,
            IgnoreCase=rule.ignore_case,
            Matched=(captures is not None) != rule.negate,
            Captures=captures,
        )
    if (captures is None) != rule.negate:
        return False
    if captures is None or rule.negate:
        captures = (text,) if POLICY.negated_match_r0_is_input else ("",)
    state.rule_captures = captures
    state.condition_captures = None
    return not rule.conditions or conditions_hold(rule, state, trace)


class Conditional(Protocol):
    """What inbound and outbound rules have in common: conditions and how they combine."""

    @property
    def conditions(self) -> tuple[Condition, ...]: ...
    @property
    def match_any(self) -> bool: ...
    @property
    def track_all_captures(self) -> bool: ...


def conditions_hold(rule: Conditional, state: RewriteState, trace: Trace | None) -> bool:
    if trace is not None:
        trace.add(
            "CONDITIONS_EVALUATION_START",
            LogicalGrouping="MatchAny" if rule.match_any else "MatchAll",
        )
    result = not rule.match_any or not rule.conditions
    for condition in rule.conditions:
        captures = _test(condition, state, trace)
        if captures is None:
            if not rule.match_any:
                result = False
                break
            continue
        if captures:
            _remember(rule, captures, state)
        elif condition.negate and not POLICY.captures_survive_negated_condition:
            state.condition_captures = None
        if rule.match_any:
            result = True
            break
    if trace is not None:
        trace.add("CONDITIONS_EVALUATION_END", Succeeded=result)
    return result


def never_holds(condition: Condition) -> bool:
    """Whether a condition is false for every request: a text without variables does not match."""
    text = condition.input.constant
    if text is None or condition.matcher is None:
        return False
    try:
        return (condition.matcher(text) is not None) == condition.negate
    except TooComplex:
        return False


def _remember(rule: Conditional, captures: Captures, state: RewriteState) -> None:
    if rule.track_all_captures and state.condition_captures is not None:
        tracked = (*state.condition_captures, *captures[1:])
        state.condition_captures = tracked[: MAX_BACK_REFERENCE + 1]  # no template names more
    else:
        state.condition_captures = captures


def _test(condition: Condition, state: RewriteState, trace: Trace | None) -> Captures | None:
    """The captures of a true condition (empty where it has none), None of a false one."""
    text = condition.input.expand(state)
    captures: Captures | None
    if condition.matcher is not None:
        captures = condition.matcher(text)
        if trace is None and captures is None and not condition.negate:
            return None  # as most
    else:
        physical = text or state.physical_path()
        exists = (
            state.files.is_file if condition.match_type == "IsFile" else state.files.is_directory
        )(physical)
        captures = () if exists else None
    succeeded = (captures is not None) != condition.negate
    if trace is not None:
        trace.add(
            "CONDITION_EVALUATION",
            Input=condition.input.source,
            ExpandedInput=text,
            MatchType=condition.match_type,
            Pattern=condition.pattern,
            IgnoreCase=condition.ignore_case,
            Negate=condition.negate,
            Succeeded=succeeded,
            Captures=captures,
            Line=condition.span.line,
            Column=condition.span.column,
        )
    if not succeeded:
        return None
    return captures if captures is not None and not condition.negate else ()


def _act(rule: Rule, state: RewriteState, trace: Trace | None) -> Verdict | None:
    for variable in rule.variables:
        _set(variable, state, trace)
    action = rule.action
    if action.type == "Rewrite":
        assert action.url is not None
        target = action.url.expand(state)
        path, query = targets.rewrite(rule.base, target, state.query, action.append_query_string)
        state.keep(path, query)
        state.path, state.query = path, query
        state.rewritten = True
        state.log_rewritten = action.log_rewritten_url
        if trace is not None:
            trace.add(
                "REWRITE_ACTION",
                Substitution=action.url.source,
                RewriteURL=state.path,
                QueryString=state.query,
                AppendQueryString=action.append_query_string,
                LogRewrittenUrl=action.log_rewritten_url,
            )
        return None
    if action.type == "Redirect":
        return _redirect(rule, state, trace)
    if action.type == "CustomResponse":
        return _custom(rule, state, trace)
    if action.type == "AbortRequest":
        if trace is not None:
            trace.add("ABORT_REQUEST_ACTION")
        return Verdict(kind="abort", rule=rule)
    return None


def _set(variable: SetVariable, state: RewriteState, trace: Trace | None) -> None:
    if not variable.allowed:
        raise NotAllowed(
            f'The server variable "{variable.name}" is not allowed to be set. Add the server'
            " variable name to the allowed server variable list."
        )
    name = variable.name.upper()
    if not variable.replace and state.variable(name):
        return
    value = variable.value.expand(state)
    state.keep(value)
    state.assigned[name] = value
    if trace is not None:
        trace.add("SET_SERVER_VARIABLE", Name=variable.name, Value=value, Line=variable.span.line)


def _redirect(rule: Rule, state: RewriteState, trace: Trace | None) -> Verdict:
    action = rule.action
    assert action.url is not None
    where = targets.location(
        rule.base, action.url.expand(state), state.query, action.append_query_string, state.request
    )
    state.keep(where)
    if trace is not None:
        trace.add(
            "REDIRECT_ACTION",
            Substitution=action.url.source,
            RedirectURL=where,
            StatusCode=action.redirect_status,
            AppendQueryString=action.append_query_string,
        )
    return Verdict(kind="redirect", rule=rule, status=action.redirect_status, location=where)


def _custom(rule: Rule, state: RewriteState, trace: Trace | None) -> Verdict:
    action = rule.action
    reason = action.reason.expand(state) if action.reason else ""
    description = action.description.expand(state) if action.description else ""
    if trace is not None:
        trace.add(
            "CUSTOM_RESPONSE_ACTION",
            StatusCode=action.status,
            SubStatusCode=action.substatus,
            StatusReason=reason,
            StatusDescription=description,
        )
    return Verdict(
        kind="custom",
        rule=rule,
        status=action.status,
        substatus=action.substatus,
        reason=reason,
        description=description,
    )
