"""A trace for people: what happened, in order, as lines with a depth and a role.

Events come in pairs (…_START and …_END, …Enter and …Leave), so a trace is a tree. Modules that did
nothing are named together; events that tell of the worker process rather than of the request
(preconditions) are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from . import trace_masking
from .model import FrebEvent, FrebTrace

_ENDS = (("_START", "_END"), ("Enter", "Leave"), ("Begin", "End"), ("Start", "End"))
_NOTIFICATIONS = ("NOTIFY_MODULE_START", "PRE_BEGIN_REQUEST_START")
_COUNTED = {
    "HANDLER_PRECONDITION_NOT_MATCH": "handler mappings passed over by their preconditions",
    "MODULE_PRECONDITION_NOT_MATCH": "modules passed over by their preconditions",
    "VIRTUAL_MODULE_UNRESOLVED": "module entries that name no loaded module",
}
#: Values that every event begins with.
CONTEXT = ("ContextId", "Context ID", "ConnID")
#: Characters of one value that a line shows.
_WIDTH = 300


@dataclass(slots=True)
class EventNode:
    """An event, the one that ends it, and those between."""

    event: FrebEvent
    end: FrebEvent | None = None
    children: list[EventNode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TraceLine:
    """A line of the story. ``role``: request, module, rule, yes, no, action, error, warning, value;
    ``time`` is that of its event.
    """

    text: str
    depth: int = 0
    role: str = "value"
    time: str = ""


def tree(events: Iterable[FrebEvent]) -> list[EventNode]:
    """The events as a tree. An end without a beginning stands for itself; what was begun and never
    ended holds nothing.
    """
    top: list[EventNode] = []
    open_nodes: list[EventNode] = []
    for event in events:
        start = _beginning(event)
        found = next(
            (node for node in reversed(open_nodes) if start and _matches(node.event, event, start)),
            None,
        )
        if found is not None:
            while open_nodes[-1] is not found:
                _dissolve(open_nodes, top)
            found.end = event
            open_nodes.pop()
            continue
        node = EventNode(event)
        (open_nodes[-1].children if open_nodes else top).append(node)
        if any(event.name.endswith(begin) for begin, _ in _ENDS):
            open_nodes.append(node)
    while open_nodes:
        _dissolve(open_nodes, top)
    return top


def _dissolve(open_nodes: list[EventNode], top: list[EventNode]) -> None:
    """An event that never ends: what came after it did not happen inside it."""
    node = open_nodes.pop()
    siblings = open_nodes[-1].children if open_nodes else top
    siblings.extend(node.children)
    node.children = []


def _beginning(event: FrebEvent) -> str:
    """The name of the event that this one ends; empty where it ends none."""
    for begin, end in _ENDS:
        if event.name.endswith(end):
            return event.name[: -len(end)] + begin
    return ""


def _matches(begin: FrebEvent, end: FrebEvent, name: str) -> bool:
    return begin.name == name and all(
        begin[key] == end[key] for key in ("ModuleName", "Notification") if begin[key] and end[key]
    )


def text(trace: FrebTrace, *, every: bool = False) -> str:
    """The story as text; ``every`` event on a line of its own where wanted."""
    shown = timed(trace, lines(trace, every=every))
    return "\n".join(f"{'  ' * line.depth}{when}{line.text}" for line, when in shown)


def timed(trace: FrebTrace, lines: Iterable[TraceLine]) -> Iterator[tuple[TraceLine, str]]:
    """Lines, each with the milliseconds since the first event where more have passed than at the
    line before, such as ``[16 ms] ``.
    """
    first = trace.events[0].time if trace.events else ""
    last = 0
    for line in lines:
        passed = _passed(first, line.time) or last
        yield line, f"[{passed} ms] " if passed != last else ""
        last = passed


def lines(trace: FrebTrace, *, every: bool = False) -> Iterator[TraceLine]:
    """The story of a trace, secrets masked."""
    trace = trace_masking.masked(trace)
    yield TraceLine(headline(trace), 0, "request")
    module, notification = trace.failed_in
    if module:
        yield TraceLine(
            f"failed in {module}" + (f", {notification}" if notification else ""), 0, "error"
        )
    where = [
        f"{word} {trace[name]}"
        for word, name in (
            ("site", "siteId"),
            ("application pool", "appPoolId"),
            ("process", "processId"),
            ("as", "tokenUserName"),
        )
        if trace[name]
    ]
    yield TraceLine(", ".join([*where, trace["authenticationType"]]).strip(", "))
    for note in trace.notes:
        yield TraceLine(note, 0, "warning")
    if every:
        yield from (_plain(event) for event in trace.events)
    else:
        yield from _told(tree(trace.events), 0)


def headline(trace: FrebTrace) -> str:
    """Request, status, time and reason in one line."""
    status = f"{trace.status}.{trace.substatus}" if trace.status >= 400 else str(trace.status)
    reason = trace["failureReason"]
    if trace["triggerStatusCode"] not in ("", "0", trace["statusCode"]):
        reason += f" {trace['triggerStatusCode']}"
    return f"{trace.verb} {trace.url} -> {status} in {trace.milliseconds} ms ({reason})"


def _plain(event: FrebEvent) -> TraceLine:
    return TraceLine(f"{event.name}{_values(event)}", 0, _role(event), event.time)


def _passed(first: str, time: str) -> int:
    """Milliseconds between two times of a trace; 0 where one cannot be read."""
    try:
        passed = datetime.fromisoformat(time) - datetime.fromisoformat(first)
    except (ValueError, TypeError):
        return 0
    return round(passed.total_seconds() * 1000)


def _values(event: FrebEvent) -> str:
    shown = [
        f"{name}='{_short(event.shown(name))}'" for name, _ in event.data if name not in CONTEXT
    ]
    return "  " + " ".join(shown) if shown else ""


def _short(value: str) -> str:
    """A value on one line, cut where it is long."""
    shown = value[:_WIDTH].replace("\r", "\\r").replace("\n", "\\n")
    return shown if len(value) <= _WIDTH else f"{shown}… ({len(value)} characters)"


def _role(event: FrebEvent) -> str:
    if event.level in (1, 2) or event.name == "MODULE_SET_RESPONSE_ERROR_STATUS":
        return "error"
    return "warning" if event.level == 3 else "value"


def _told(nodes: list[EventNode], depth: int) -> Iterator[TraceLine]:
    idle: list[tuple[str, str]] = []
    counted: dict[str, int] = {}
    for node in nodes:
        name = node.event.name
        if name in _COUNTED:
            counted[name] = counted.get(name, 0) + 1
            continue
        if _is_idle(node):
            idle.append((_notification(node), node.event["ModuleName"]))
            continue
        yield from _pending(idle, counted, depth)
        yield from _node(node, depth)
    yield from _pending(idle, counted, depth)


def _is_idle(node: EventNode) -> bool:
    end = node.end
    return (
        node.event.name in _NOTIFICATIONS
        and not node.children
        and end is not None
        and end["NotificationStatus"] in ("0", "")
    )


def _pending(
    idle: list[tuple[str, str]], counted: dict[str, int], depth: int
) -> Iterator[TraceLine]:
    """Modules that did nothing, by notification, and events that are counted."""
    for name, count in counted.items():
        yield TraceLine(f"{count} {_COUNTED[name]}", depth, "no")
    counted.clear()
    notification = ""
    modules: list[str] = []
    for where, module in [*idle, ("", "")]:
        if where != notification and modules:
            yield TraceLine(f"{notification}: {', '.join(modules)}", depth, "no")
            modules = []
        notification = where
        modules.append(module.removesuffix("Module") or module)
    idle.clear()


def _notification(node: EventNode) -> str:
    event = node.event
    if event.name == "PRE_BEGIN_REQUEST_START":
        return "PRE_BEGIN_REQUEST"
    return event.shown("Notification") + (
        " (post)" if event["fIsPostNotification"] == "true" else ""
    )


def _node(node: EventNode, depth: int) -> Iterator[TraceLine]:
    event = node.event
    if event.name in _NOTIFICATIONS:
        end = node.end
        finished = end is not None and end["NotificationStatus"] not in ("0", "")
        more = f" -> {end.shown('NotificationStatus')}" if end is not None and finished else ""
        more = more if end is not None else " (never ended)"
        yield TraceLine(
            f"{_notification(node)}: {event['ModuleName']}{more}",
            depth,
            "action" if finished else "module",
            event.time,
        )
    else:
        sentence, role = _sentence(node)
        yield TraceLine(sentence, depth, role, event.time)
        if event["Headers"]:
            yield from (
                TraceLine(line, depth + 1) for line in event["Headers"].splitlines() if line
            )
    # the whole request is not a step of its own
    inner = depth if event.name == "GENERAL_REQUEST_START" else depth + 1
    yield from _told(node.children, inner)
    if node.end is not None and event.name not in _NOTIFICATIONS and _ends_with_values(node):
        yield TraceLine(
            f"{node.end.name}{_values(node.end)}", inner, _role(node.end), node.end.time
        )


def _ends_with_values(node: EventNode) -> bool:
    """Whether an end says more than that it is one; what a sentence has told is not repeated."""
    assert node.end is not None
    return node.event.name not in _SENTENCES and any(
        name not in CONTEXT for name, _ in node.end.data
    )


def _sentence(node: EventNode) -> tuple[str, str]:
    make = _SENTENCES.get(node.event.name)
    if make is not None:
        return make(node)
    return f"{node.event.name}{_values(node.event)}", _role(node.event)


def _rewrite(node: EventNode) -> tuple[str, str]:
    event, end = node.event, node.end
    became = f" -> {end['RequestURL']}" if end is not None and end["RequestURL"] else ""
    scope = event.shown("Scope").lower()
    return f"{scope} rules for {event['RequestURL']}{became}", "rule"


def _rule(node: EventNode) -> tuple[str, str]:
    applied = node.end is not None and node.end["Succeeded"] == "true"
    verdict = "applies" if applied else "does not apply"
    stop = ", stops processing" if applied and node.event["StopProcessing"] == "true" else ""
    return f"rule '{node.event['RuleName']}' {verdict}{stop}", "yes" if applied else "no"


def _pattern(node: EventNode) -> tuple[str, str]:
    event = node.event
    matched = event["Matched"] == "true"
    outcome = "matches" if matched else "does not match"
    return (
        f"'{event['Input']}' {outcome} {event['Pattern']}"
        + (" (negated)" if event["Negate"] == "true" else ""),
        "yes" if matched else "no",
    )


def _conditions(node: EventNode) -> tuple[str, str]:
    held = node.end is not None and node.end["Succeeded"] == "true"
    outcome = "hold" if held else "do not hold"
    return f"conditions ({node.event.shown('LogicalGrouping')}) {outcome}", "yes" if held else "no"


def _condition(node: EventNode) -> tuple[str, str]:
    event = node.event
    held = event["Succeeded"] == "true"
    return (
        f"{event['Input']} = '{_short(event['ExpandedInput'])}' against {event['Pattern']}: "
        + ("holds" if held else "does not hold")
        + (" (negated)" if event["Negate"] == "true" else ""),
        "yes" if held else "no",
    )


def _file(node: EventNode) -> tuple[str, str]:
    event, end = node.event, node.end
    if end is None:
        return f"looks for {event['FileName']}", "value"
    found = end["Successful"] == "true"
    return f"{event['FileName']}: {'found' if found else end.shown('ErrorCode')}", (
        "yes" if found else "no"
    )


def _error(node: EventNode) -> tuple[str, str]:
    event = node.event
    why = event.shown("ErrorCode") if event["ErrorCode"] not in ("", "0") else ""
    return (
        f"{event['ModuleName']} sets {event['HttpStatus']}.{event['HttpSubStatus']}"
        f" {event['HttpReason']}"
        + "".join(f": {part}" for part in (why, event["ConfigExceptionInfo"]) if part)
    ), "error"


def _handler(node: EventNode) -> tuple[str, str]:
    event = node.event
    old = f" (was {event['OldHandlerName']})" if event["OldHandlerName"] else ""
    more = event["NewHandlerScriptProcessor"] or event["NewHandlerType"]
    return (
        f"handler {event['NewHandlerName']}{old}: {event['NewHandlerModules']}"
        + (f" {more}" if more else ""),
        "action",
    )


def _child(node: EventNode) -> tuple[str, str]:
    end = node.end
    status = f" -> {end['HttpStatus']}.{end['HttpSubStatus']}" if end is not None else ""
    return (
        f"child request {node.event['RecursiveLevel']}: {node.event['RequestVerb']}"
        f" {node.event['RequestURL']}{status}",
        "action",
    )


def _request_headers(_node: EventNode) -> tuple[str, str]:
    return "request headers", "module"


def _response_headers(_node: EventNode) -> tuple[str, str]:
    return "response headers", "module"


_SENTENCES: dict[str, Callable[[EventNode], tuple[str, str]]] = {
    "URL_REWRITE_START": _rewrite,
    "RULE_EVALUATION_START": _rule,
    "PATTERN_MATCH": _pattern,
    "CONDITIONS_EVALUATION_START": _conditions,
    "CONDITION_EVALUATION": _condition,
    "FILE_CACHE_ACCESS_START": _file,
    "MODULE_SET_RESPONSE_ERROR_STATUS": _error,
    "HANDLER_CHANGED": _handler,
    "GENERAL_CHILD_REQUEST_START": _child,
    "GENERAL_REQUEST_HEADERS": _request_headers,
    "GENERAL_RESPONSE_HEADERS": _response_headers,
}


def as_json(trace: FrebTrace) -> dict[str, object]:
    """A trace as JSON, secrets masked: attributes of the root, what is missing, every event."""
    trace = trace_masking.masked(trace)
    module, notification = trace.failed_in
    return {
        "file": trace.source,
        "url": trace.url,
        "verb": trace.verb,
        "status": trace.status,
        "substatus": trace.substatus,
        "timeTaken": trace.milliseconds,
        "failedIn": {"module": module, "notification": notification} if module else None,
        "attributes": dict(trace.attributes),
        "notes": list(trace.notes),
        "events": [_event_json(event) for event in trace.events],
    }


def _event_json(event: FrebEvent) -> dict[str, object]:
    answer: dict[str, object] = {
        "name": event.name,
        "time": event.time,
        "level": event.level,
        "data": {name: value for name, value in event.data if name not in CONTEXT},
    }
    if event.descriptions:
        answer["descriptions"] = {
            name: value.replace("\r", "") for name, value in event.descriptions
        }
    return answer
