"""A deployed site and the same site here, asked the same: what differs, by rule.

The local side is a real ``fcgiemu serve`` on a free port, so bodies, headers and applications are
real too; which rule or handler stands behind an answer is asked of ``Site.explain``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ..report.explanation import Explanation
from ..site import Site
from . import answer_differences
from .answer_differences import AnswerDifference, ComparisonPolicy
from .requesting import Asker, LiveAnswer, Question

#: Examples kept of each difference.
EXAMPLES = 3
#: Differences told apart; what comes beyond is counted together.
MAX_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class Cause:
    """What decided here: the last rule that applied with its place, else the handler or module."""

    description: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedAnswer:
    """One question that was answered differently."""

    question: Question
    live: LiveAnswer
    local: LiveAnswer
    differences: tuple[AnswerDifference, ...]
    cause: Cause
    rules: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class DifferenceGroup:
    """A difference that several questions share."""

    cause: Cause
    aspect: str
    live: str
    local: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Report:
    """What a comparison found. ``known`` counts differences that the baseline has; ``gone`` are
    entries of the baseline that do not differ any more.
    """

    live: str
    site: str
    asked: int = 0
    differing: int = 0
    known: int = 0
    groups: dict[tuple[str, str, str, str], DifferenceGroup] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    #: What was not asked or not compared, in words.
    left_out: list[str] = field(default_factory=list)
    #: Every difference, for a new baseline.
    keys: list[tuple[str, str, str, str, str]] = field(default_factory=list)


def compare(
    site: Site,
    live: Asker,
    local: Asker,
    questions: Iterable[Question],
    *,
    report: Report,
    policy: ComparisonPolicy,
    baseline: frozenset[tuple[str, ...]] = frozenset(),
    learn: Callable[[Question, LiveAnswer], None] | None = None,
    capture: Callable[[ChangedAnswer], None] | None = None,
) -> None:
    """Ask both sides every question; ``report`` is filled as answers come.

    ``learn`` hears every live answer (a crawler), ``capture`` every one that differs. Raises
    SiteError where a side stops answering.
    """
    still: set[tuple[str, ...]] = set()
    asked: set[tuple[str, str]] = set()
    for question in questions:
        there = live.ask(question)
        if learn is not None:
            learn(question, there)
        here = local.ask(question)
        report.asked += 1
        asked.add((question.method, question.target))
        if answer_differences.is_foreign(there) and not policy.foreign:
            policy = replace(policy, foreign=True)
            server = there.header("server").partition("/")[0]
            report.left_out.append(
                f"the live server is {server}, not IIS: Server, X-Powered-By and X-AspNet-Version"
                " are not compared"
            )
        found = tuple(answer_differences.differences(question, there, here, policy))
        new = []
        for difference in found:
            key = _key(question, difference)
            report.keys.append(key)
            if key in baseline:
                still.add(key)
                report.known += 1
            else:
                new.append(difference)
        if new:
            _count(report, site, question, there, here, new=tuple(new), capture=capture)
    report.gone = [
        f"{method} {target}: {aspect}"
        for method, target, aspect, *_ in sorted(baseline - still)
        if (method, target) in asked
    ]


def _key(question: Question, found: AnswerDifference) -> tuple[str, str, str, str, str]:
    return question.method, question.target, found.aspect, found.live, found.local


def _count(
    report: Report,
    site: Site,
    question: Question,
    there: LiveAnswer,
    here: LiveAnswer,
    *,
    new: tuple[AnswerDifference, ...],
    capture: Callable[[ChangedAnswer], None] | None,
) -> None:
    report.differing += 1
    cause, rules = _cause(site, question, report.live)
    for difference in new:
        # bodies and places differ from one URL to the next: they are counted together
        own = difference.aspect in ("body", "Location", "Content-Length")
        live, local = ("", "") if own else (difference.live, difference.local)
        key = (cause.description, difference.aspect, live, local)
        if key not in report.groups and len(report.groups) >= MAX_GROUPS:
            cause, key = Cause("further differences"), ("further differences", "", "", "")
        group = report.groups.setdefault(
            key, DifferenceGroup(cause=cause, aspect=key[1], live=live, local=local)
        )
        group.count += 1
        if len(group.examples) < EXAMPLES:
            shown = f"{question.method} {question.target}"
            if own:
                shown += f": live {difference.live}, local {difference.local}"
            group.examples.append(shown)
    if capture is not None:
        capture(
            ChangedAnswer(
                question=question, live=there, local=here, differences=new, cause=cause, rules=rules
            )
        )


def _cause(site: Site, question: Question, live: str) -> tuple[Cause, tuple[str, ...]]:
    """The rule that decided here, as ``explain`` tells it; never raises."""
    answer = site.explain(
        live + question.target,
        question.method,
        question.headers,
        body_length=0 if question.method not in ("GET", "HEAD") else None,
    )
    return cause_of(answer), tuple(answer["rules"])


def cause_of(answer: Explanation) -> Cause:
    """What decided in an answer of ``explain``."""
    outcome = answer["outcome"]
    if answer["rules"]:
        name = answer["rules"][-1]
        return Cause(f"rule '{name}'", _place(answer.get("events", ()), name))
    if outcome["kind"] == "respond" and outcome["module"]:
        return Cause(f"no rule, {outcome['module']}")
    if outcome["handler"]:
        return Cause(f"no rule, handler {outcome['handler']}")
    return Cause(f"no rule, {outcome['module'] or 'http.sys'}")


def _place(events: Iterable[dict[str, Any]], rule: str) -> str:
    """File and line of the rule, from its last evaluation."""
    place = ""
    for event in events:
        if event["name"] == "RULE_EVALUATION_START" and event["RuleName"] == rule:
            place = f"{event['File']}:{event['Line']}" if event.get("File") else ""
    return place


def text(report: Report) -> str:
    """The report for people: by rule, most frequent first."""
    lines: list[str] = []
    causes: dict[str, list[DifferenceGroup]] = {}
    for group in report.groups.values():
        causes.setdefault(group.cause.description, []).append(group)
    for description, groups in sorted(causes.items(), key=_weight):
        place = groups[0].cause.place
        lines.append(f"{description} ({place})" if place else description)
        for group in sorted(groups, key=lambda group: (-group.count, group.aspect)):
            values = f": live {group.live}, local {group.local}" if group.live else ""
            lines.append(f"{group.count:6}  {group.aspect}{values}")
            lines += [f"          {example}" for example in group.examples]
    lines += [f"not different any more: {entry}" for entry in report.gone]
    lines += [f"note: {entry}" for entry in report.left_out]
    known = f", {report.known} known differences" if report.known else ""
    lines.append(f"{report.differing} of {report.asked} answers differ{known}")
    return "\n".join(lines)


def _weight(entry: tuple[str, list[DifferenceGroup]]) -> tuple[int, str]:
    return -sum(group.count for group in entry[1]), entry[0]


def as_json(report: Report) -> dict[str, Any]:
    """The report as a JSON object; see docs/compare.md."""
    return {
        "live": report.live,
        "site": report.site,
        "asked": report.asked,
        "differing": report.differing,
        "known": report.known,
        "gone": report.gone,
        "leftOut": report.left_out,
        "differences": [
            {
                "cause": group.cause.description,
                "place": group.cause.place or None,
                "aspect": group.aspect,
                "live": group.live or None,
                "local": group.local or None,
                "count": group.count,
                "examples": group.examples,
            }
            for group in report.groups.values()
        ],
    }
