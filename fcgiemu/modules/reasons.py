"""Why a request was answered as it was: one sentence, and what else was nearly decisive.

The sentence names the cause and its line: the rule that leads to a file that does not exist, the
condition that kept a rule from applying, the segment that is hidden. Nothing is decided here: it is
told from the decision and the events of its trace. Where an error needs an explanation, rules that
nearly applied are looked for: those whose pattern fits but not their conditions, those behind a
rule that stops, and those whose pattern would fit without a common slip (a slash in front, the
folder of the file, the case of letters).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import assert_never

from ..catalogue.findings import Span
from ..config.merge import Node
from ..decision import (
    Abort,
    CallAspNetCore,
    CallFastCgi,
    CallHttpPlatform,
    CallIisnode,
    Decision,
    ListDirectory,
    Proxy,
    Redirect,
    Respond,
    ServeFile,
)
from ..pages.story import EventValues, JudgedRule, judged
from ..rewrite.compiler import SECTION as REWRITE
from ..rewrite.compiler import inbound
from ..rewrite.pattern import compile_matcher
from ..rewrite.regex import PatternError, TooComplex
from ..rewrite.rule import Rule
from ..rewrite.state import ExpansionError, RewriteState
from ..rewrite.template import TemplateError, compile_template
from . import request_filtering

#: Rules that nearly applied, of which a request tells.
MAX_NEAR = 3
#: Keys of a map among which a similar one is looked for.
MAX_KEYS = 2000


def reasons(decision: Decision, events: Sequence[EventValues]) -> list[str]:
    """Sentences, the one that answers why first."""
    rules = judged(events)
    action = decision.action
    if not isinstance(action, Respond) or action.status < 400:
        return [_success(decision, rules)]
    near = list(_near(decision, rules)) if action.finding is None else []
    first = _error(decision, action, rules)
    if near and not _changing(rules) and (action.status, action.substatus) == (404, 0):
        first = f"{_nothing_at(decision)}: {near.pop(0)}"
    return [_sentence(text) for text in (first, *near)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


# -- the cause -------------------------------------------------------------------------------------


def _changing(rules: Sequence[JudgedRule]) -> list[JudgedRule]:
    """The rules that gave the request another URL."""
    return [rule for rule in rules if rule.applied and rule.step("REWRITE_ACTION")]


def _led(decision: Decision, rules: Sequence[JudgedRule]) -> str:
    """Which rules made which URL; "" where none did."""
    changing = _changing(rules)
    if not changing:
        return ""
    verb = "rewrites" if len(changing) == 1 else "rewrite"
    names = " and ".join(rule.label for rule in changing)
    where = f"{decision.path}?{decision.query}" if decision.query else decision.path
    return f"{names} {verb} {decision.request.target.path} to {where}"


def _nothing_at(decision: Decision) -> str:
    return f"there is no file at {decision.path}, and no rule gives the request another URL"


def _deciding(rules: Sequence[JudgedRule], *steps: str) -> JudgedRule | None:
    """The last rule that applied with one of these steps."""
    return next(
        (rule for rule in reversed(rules) if rule.applied and any(map(rule.step, steps))), None
    )


def _success(decision: Decision, rules: Sequence[JudgedRule]) -> str:
    action, led = decision.action, _led(decision, rules)
    rule = _deciding(rules, "REDIRECT_ACTION", "CUSTOM_RESPONSE_ACTION", "ABORT_REQUEST_ACTION")
    by_rule = rule is not None and decision.module == "RewriteModule"
    match action:
        case Redirect():
            who = rule.label if rule is not None and by_rule else decision.module
            told = f"{who} redirects to {action.location}"
        case Abort():
            told = f"{rule.label if rule is not None else decision.module} aborts the request"
        case Respond():
            who = rule.label if rule is not None and by_rule else decision.module
            told = f"{who} answers {action.status}"
        case ServeFile():
            told = f"{decision.module} sends the file {decision.site.spelled(action.entry)}"
        case ListDirectory():
            told = f"{decision.module} lists the folder"
        case Proxy():
            told = f"the request is forwarded to {action.url}"
        case CallFastCgi() | CallHttpPlatform() | CallAspNetCore() | CallIisnode():
            name = decision.handler.name if decision.handler is not None else decision.module
            told = f"handler '{name}' takes it, and its application answers"
        case _:
            assert_never(action)
    return _sentence(f"{led}; {told}" if led and not by_rule else told)


def _error(decision: Decision, action: Respond, rules: Sequence[JudgedRule]) -> str:
    finding, led = action.finding, _led(decision, rules)
    if finding is not None:
        finding = decision.site.tree.as_written(finding)
        return f"{finding.message.rstrip('.')}{_at(finding.span)}"
    rule = _deciding(rules, "CUSTOM_RESPONSE_ACTION")
    if rule is not None and decision.module == "RewriteModule":
        return f"{rule.label} answers {action.status}.{action.substatus} {action.reason}".rstrip()
    if decision.module == request_filtering.MODULE:
        told = f"request filtering refuses it: {_filtered(decision, action)}"
    elif (action.status, action.substatus) == (404, 0) and not action.output:
        if not led:
            return _nothing_at(decision) if rules else f"there is no file at {decision.path}"
        told = "there is no such file"
    elif (action.status, action.substatus) == (404, 3):
        extension = decision.path[max(decision.path.rfind("."), decision.path.rfind("/") + 1) :]
        told = f"no MIME type is declared for '{extension}', and no handler takes it"
    else:
        told = action.message or f"{decision.module} answers {action.status}.{action.substatus}"
    return f"{led}, and {told[:1].lower()}{told[1:]}" if led else told


def _at(span: Span | None) -> str:
    """Where something stands, in brackets; what a server ships has no lines to look at."""
    if span is None or span.file == "applicationHost.config":
        return ""
    return f" ({span.file}:{span.line})"


def _filtered(decision: Decision, action: Respond) -> str:
    """What request filtering refuses, with the entry that says so."""
    section = decision.effective.section(request_filtering.SECTION)
    path = decision.path.lower()
    match action.substatus:
        case 8:
            item = _entry(section.child("hiddenSegments"), "segment", path.split("/"))
            if item is not None:
                return f"hiddenSegments hides '{item.text('segment')}'{_origin(item)}"
        case 7:
            extensions = ["." + part.rpartition(".")[2] for part in path.split("/") if "." in part]
            item = _entry(section.child("fileExtensions"), "fileExtension", extensions)
            if item is not None:
                return f"fileExtensions refuses '{item.text('fileExtension')}'{_origin(item)}"
        case 5:
            for item in section.child("denyUrlSequences").items:
                if item.text("sequence").lower() in path:
                    return f"denyUrlSequences refuses '{item.text('sequence')}'{_origin(item)}"
    return action.message


def _entry(collection: Node, name: str, wanted: list[str]) -> Node | None:
    """The entry of a collection that names one of these."""
    return next((item for item in collection.items if item.text(name).lower() in wanted), None)


def _origin(item: Node) -> str:
    return _at(item.span) or ", as every IIS does"


# -- what nearly applied ---------------------------------------------------------------------------


def _near(decision: Decision, rules: Sequence[JudgedRule]) -> Iterator[str]:
    """Why rules did not apply that seem to be meant for this URL."""
    compiled = decision.site.effective(decision.request.target.path).view(inbound)
    by_place = {
        (rule.span.file, rule.span.line): rule for rule in (*compiled.global_rules, *compiled.rules)
    }
    found: list[str] = []
    for told in rules:
        rule = by_place.get((told.file, told.line))
        if rule is None or len(found) >= MAX_NEAR:
            continue
        if told.applied:
            found += _lost(decision, told, rule)
            if told.stops:
                found += _hidden(told, rule, compiled.rules)
        elif (reason := _missed(decision, told, rule)) is not None:
            found.append(reason)
    yield from found[:MAX_NEAR]


def _missed(decision: Decision, told: JudgedRule, rule: Rule) -> str | None:
    """Why a rule did not apply whose pattern fits, or nearly does."""
    pattern = told.step("PATTERN_MATCH")
    if pattern is None:
        return None
    if not pattern["Matched"]:
        slip = None if rule.negate or rule.pattern is None else _slip(told, rule, rule.pattern)
        return f"{told.label} does not match: {slip}" if slip else None
    failed = [
        event
        for event in told.steps
        if event["name"] == "CONDITION_EVALUATION" and not event["Succeeded"]
    ]
    if not failed:
        return None
    condition = failed[-1]
    missing = next(_unknown_keys(decision, told, condition["Input"]), None)
    return f"{told.label} fits the URL, but {missing or _condition(condition)}"


def _condition(event: EventValues) -> str:
    """A condition that is false."""
    source, text, negate = event["Input"], event["ExpandedInput"], event["Negate"]
    shown = f"'{text}'" if source == text else f"{source} is '{text}'"
    if event["MatchType"] != "Pattern":
        what = "file" if event["MatchType"] == "IsFile" else "folder"
        return f"'{text}' is {'a' if negate else 'not a'} {what}"
    relation = "matches" if negate else "does not match"
    return f"its condition is false: {shown}, which {relation} {event['Pattern']}"


def _slip(told: JudgedRule, rule: Rule, pattern: str) -> str | None:
    """A common slip without which the pattern would match."""
    if rule.pattern_syntax != "ECMAScript":
        return None
    if (
        (bare := re.sub(r"^(\^?)/", r"\1", pattern)) != pattern
        and _fits(bare, told.text, rule.ignore_case)
    ):  # fmt: skip
        return f"its pattern begins with a slash, which rules do not see: they see '{told.text}'"
    whole = f"{told.base.lstrip('/')}/{told.text}"
    if told.base and _fits(pattern, whole, rule.ignore_case):
        return f"rules of {told.file} see '{told.text}', without the folder"
    if not rule.ignore_case and _fits(pattern, told.text, True):
        return "it distinguishes upper and lower case (ignoreCase)"
    return None


def _fits(pattern: str, text: str, ignore_case: bool) -> bool:
    try:
        return compile_matcher(pattern, "ECMAScript", ignore_case)(text) is not None
    except (PatternError, TooComplex):
        return False


def _hidden(told: JudgedRule, rule: Rule, rules: Sequence[Rule]) -> Iterator[str]:
    """The rules behind one that stops whose pattern fits the URL as well."""
    behind = rules[rules.index(rule) + 1 :] if rule in rules else ()
    for other in behind:
        if other.base != rule.base or other.matcher is None or other.negate:
            continue
        try:
            fits = other.matcher(told.text) is not None
        except TooComplex:
            continue
        if fits:
            name = f"rule '{other.name}'{_at(other.span)}"
            yield f"{name}, which fits as well, is never asked: {told.label} stops processing"


def _lost(decision: Decision, told: JudgedRule, rule: Rule) -> Iterator[str]:
    """Keys that a rule that applied has looked up and not found for its URL."""
    if rule.action.url is not None:
        for missing in _unknown_keys(decision, told, rule.action.url.source):
            yield f"{told.label} uses a key that is not there: {missing}"


_LOOKUP = re.compile(r"\{([^{}:]+):")


def _unknown_keys(decision: Decision, told: JudgedRule, source: str) -> Iterator[str]:
    """The lookups of a template in maps that have no such key, each with the nearest one."""
    effective = decision.site.effective(decision.request.target.path)
    maps = {
        item.text("name").lower(): item
        for item in effective.section(f"{REWRITE}/rewriteMaps").items
    }
    for found in _LOOKUP.finditer(source):
        item = maps.get(found[1].strip().lower())
        key = _expanded(decision, told, _argument(source, found.end())) if item else None
        if item is None or key is None:
            continue
        keys = {entry.lower(): entry for entry, _ in item.rows("key", "value")}
        if (key.lower() if item.flag("ignoreCase") else key) in (
            keys if item.flag("ignoreCase") else keys.values()
        ):
            continue
        near = get_close_matches(key.lower(), list(keys)[:MAX_KEYS], 1)
        nearest = f"; the nearest is '{keys[near[0]]}'" if near else ""
        yield f"the map '{item.text('name')}'{_at(item.span)} has no key '{key}'{nearest}"


def _argument(source: str, begin: int) -> str:
    """What stands up to the brace that closes the one before ``begin``."""
    depth = 1
    for at in range(begin, len(source)):
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        if not depth:
            return source[begin:at]
    return source[begin:]


def _expanded(decision: Decision, told: JudgedRule, source: str) -> str | None:
    """A template as it was for a rule; None where that is not known any more."""
    state = RewriteState(decision.request, decision.rewrite.place, decision.site.files)
    state.path = f"{told.base}/{told.text}"
    pattern = told.step("PATTERN_MATCH")
    state.rule_captures = tuple((pattern and pattern["Captures"]) or (told.text,))
    for event in told.steps:
        if event["name"] == "CONDITION_EVALUATION" and event["Succeeded"] and event["Captures"]:
            state.condition_captures = tuple(event["Captures"])
    try:
        return compile_template(source, {}).expand(state)
    except (TemplateError, ExpansionError):
        return None
