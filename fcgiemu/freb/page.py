"""Traces as one HTML page that needs nothing else: no script, no XSLT, no file beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..pages import render
from ..pages.story import EventValues, NotificationJson, RequestStory, judged
from ..version import __version__
from . import listing, trace_masking, trace_text
from .model import FrebEvent, FrebTrace, TraceError
from .rewriting import PREFIX

#: Stories on one page; a listing may have more rows.
MAX_STORIES = 200


#: What a pattern captures in a text: a trace does not say it. None = nothing, or not known.
Captures = Callable[[str, str], Sequence[str] | None]


def page(
    traces: list[FrebTrace],
    sort: str = "file",
    errors: list[TraceError] | None = None,
    captures: Captures = lambda _pattern, _text: None,
) -> bytes:
    """One trace, or a listing and the story of each, by ``sort``."""
    order = {trace.source: trace for trace in traces}
    rows = listing.ordered([listing.summary(trace) for trace in order.values()], sort)
    shown = [trace_masking.masked(order[row.source]) for row in rows[:MAX_STORIES]]
    title = trace_text.headline(shown[0]) if len(shown) == 1 else f"{len(rows)} traces"
    return render(
        "freb.html",
        title=title,
        rows=rows if len(rows) > 1 else [],
        errors=[str(error) for error in errors or ()],
        traces=[_shown(trace, captures, len(shown) > 1) for trace in shown],
        version=__version__,
    )


def _shown(trace: FrebTrace, captures: Captures, is_one_of_many: bool) -> dict[str, object]:
    told = RequestStory(
        outcome=trace_text.headline(trace) if is_one_of_many else "",
        reasons=_reasons(trace),
        pipeline=_notifications(trace),
        rules=judged(_plain(event, captures) for event in trace.events),
        lines=list(trace_text.timed(trace, trace_text.lines(trace))),
    )
    events = [
        {
            "name": event.name,
            "text": "\n".join(
                f"{name} = {value}{_friendly(event.shown(name), value)}"
                for name, value in event.data
                if name not in trace_text.CONTEXT
            ),
        }
        for event in trace.events
    ]
    return {"source": trace.source, "told": told, "events": events}


def _plain(event: FrebEvent, captures: Captures) -> EventValues:
    """An event as those of our own traces are: flags as flags, kinds by their names."""
    flags = {"true": True, "false": False}
    values: dict[str, Any] = {"name": event.name.removeprefix(PREFIX)}
    values |= {name: flags.get(value, event.shown(name)) for name, value in event.data}
    text = values.get("ExpandedInput", values.get("Input"))
    if text and values.get("Pattern") and values.get("Negate") is False:
        values["Captures"] = captures(values["Pattern"], text)
    return values


def _reasons(trace: FrebTrace) -> list[str]:
    """What the trace says about the cause; nothing for a success."""
    module, notification = trace.failed_in
    if not module:
        return []
    error = next(
        (event for event in reversed(trace.events) if event["HttpReason"] and event["ModuleName"]),
        None,
    )
    reason = f" {error['HttpReason']}" if error is not None else ""
    code = error.shown("ErrorCode") if error is not None and error["ErrorCode"] != "0" else ""
    where = f" in {notification}" if notification else ""
    status = f"{trace.status}.{trace.substatus}"
    return [f"{module} answers {status}{reason}{where}" + (f": {code}" if code else ".")]


def _notifications(trace: FrebTrace) -> list[NotificationJson]:
    """The notifications in their order, with the modules that did more than to be asked."""
    acted: dict[str, list[str]] = {}
    answered = ""
    nodes = trace_text.tree(trace.events)
    while nodes:
        node = nodes.pop(0)
        nodes = [*node.children, *nodes]
        if node.event.name != "NOTIFY_MODULE_START":
            continue
        name = _camel(node.event.shown("Notification"))
        modules, module = acted.setdefault(name, []), node.event["ModuleName"]
        finished = node.end is not None and node.end["NotificationStatus"] not in ("0", "")
        if (node.children or finished) and module not in modules:
            modules.append(module)
        answered = answered or (name if finished else "")
    module, notification = trace.failed_in
    if notification:
        answered = _camel(notification)
        modules = acted.setdefault(answered, [])
        modules += [module] if module not in modules else []
    return [
        {"notification": name, "modules": modules, "answered": name == answered}
        for name, modules in acted.items()
        if not name.isdigit()
    ]


def _friendly(shown: str, value: str) -> str:
    return f" ({shown})" if shown != value.replace("\r", "") else ""


def _camel(notification: str) -> str:
    """The name of a notification as IIS's own pages write it."""
    return "".join(part.title() for part in notification.split("_"))
