"""One line a request: for people, in IIS's W3C format, or as JSON; and what stands in each
column.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import click

from ..catalogue.findings import Span
from ..decision import (
    Abort,
    CallFastCgi,
    Decision,
    Outcome,
    Proxy,
    Redirect,
    Refused,
    Respond,
    ServeFile,
)
from ..pages import secret_masking
from ..rewrite.compiler import inbound
from .log_entry import LogEntry

#: IIS's default fields, in their fixed order.
FIELDS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)"
    " cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
)
#: A longer field is replaced by "...", as IIS does.
MAX_FIELD = 4096
_CLIENT_DISCONNECTED = 64  # ERROR_NETNAME_DELETED

Format = Callable[[LogEntry], str | None]


#: Characters of a reason that are shown.
_MAX_REASON = 300


def text(entry: LogEntry) -> str:
    """Time, status, method, URL, what handled it, how long it took, and the reason of an error."""
    return f"{_clock(int(entry.when))} {_status(entry)} {_rest(entry)}"


def in_colour(entry: LogEntry) -> str:
    """The same with its status coloured: green, cyan for 3xx, yellow for 4xx, red for 5xx."""
    colour = _COLOURS.get(entry.status // 100, "magenta")
    status = click.style(_status(entry), fg=colour, bold=entry.status >= 500 or None)
    return f"{_clock(int(entry.when))} {status} {_rest(entry)}"


_COLOURS = {1: "green", 2: "green", 3: "cyan", 4: "yellow", 5: "red"}


def _status(entry: LogEntry) -> str:
    status = str(entry.status) if entry.status else "---"
    if entry.substatus or _is_error(entry.outcome):
        status += f".{entry.substatus}"
    return status


def _rest(entry: LogEntry) -> str:
    note = _note(entry)
    return (
        f"{entry.method} {_shown(entry.url)} -> {handled_by(entry)}"
        f" {entry.seconds * 1000:.1f} ms{f'  {note}' if note else ''}"
    )


def _note(entry: LogEntry) -> str:
    """Why a request ended as it did; "" where the rest says it."""
    if entry.client_gone:
        return "client went away" if entry.status != 101 else ""  # a WebSocket ends so
    return entry.remark or (_reason(entry.outcome) if entry.status >= 400 else "")


def _reason(outcome: Outcome) -> str:
    """The place and the message of an error that IIS itself decides."""
    if not isinstance(outcome, Decision) or not isinstance(outcome.action, Respond):
        return ""
    action = outcome.action
    span = action.finding.span if action.finding is not None else _rule_span(outcome)
    reason = secret_masking.text(action.message or action.reason).strip().partition("\n")[0]
    if len(reason) > _MAX_REASON:
        reason = reason[:_MAX_REASON] + "…"
    return f"{span}: {reason}" if span is not None else reason


def _rule_span(decision: Decision) -> Span | None:
    """Where the rule stands that applied last: it led to the error, or made the URL that did."""
    if not decision.rules:
        return None
    found = decision.effective.view(inbound).rules
    return next((rule.span for rule in found if rule.name == decision.rules[-1]), None)


def _shown(url: str) -> str:
    """A URL without the secrets in its query."""
    return secret_masking.text(url) if "=" in url or "@" in url else url


def _is_error(outcome: Outcome) -> bool:
    """Whether IIS itself makes the response: its status is shown with the substatus."""
    return isinstance(outcome, Decision) and isinstance(outcome.action, Respond)


def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def handled_by(entry: LogEntry) -> str:
    """What handled a request, in a few words."""
    outcome = entry.outcome
    if isinstance(outcome, Refused):
        return f"http.sys {outcome.kind}"
    action = outcome.action
    match action:
        case ServeFile():
            return f"StaticFile {outcome.site.spelled(action.entry)}"
        case CallFastCgi():
            return f"FastCGI {action.handler.name}"
        case Proxy() if action.server:
            return f"{outcome.module} {action.farm}: {action.server} ({action.reason})"
        case Redirect() | Abort() | Respond() if (
            outcome.module == "RewriteModule" and outcome.rules
        ):
            return f"{action.kind} by rule {outcome.rules[-1]!r}"
        case _:
            return f"{outcome.module} {action.kind}"


def w3c_header(now: datetime) -> str:
    """The four lines with which IIS begins a log file."""
    return (
        "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
        f"#Date: {now:%Y-%m-%d %H:%M:%S}\n#Fields: {FIELDS}"
    )


def w3c(entry: LogEntry) -> str | None:
    """A line of IIS's W3C log; None for what http.sys answered, which IIS keeps in another log."""
    decision = entry.outcome
    if isinstance(decision, Refused):
        return None
    request = decision.request
    moment = datetime.fromtimestamp(entry.when, UTC)
    stem, query = request.target.path, request.target.query
    if decision.rewrite.log_rewritten:
        stem, query = decision.path, decision.query
    if isinstance(decision.action, Proxy):
        query = _as_routed(query, decision.action, entry.status)
    values = (
        f"{moment:%Y-%m-%d}",
        f"{moment:%H:%M:%S}",
        request.local_addr,
        request.method,
        stem,
        secret_masking.text(query),
        str(request.port),
        decision.user.name,
        request.remote_addr,
        request.fields.get("user-agent", ""),
        secret_masking.text(request.fields.get("referer", "")),
        str(entry.status or 200),
        str(entry.substatus),
        str(_win32_status(entry, decision)),
        str(round(entry.seconds * 1000)),
    )
    return " ".join(map(_field, values))


def _as_routed(query: str, action: Proxy, status: int) -> str:
    """The query with what Application Request Routing appends to it in the log (seen)."""
    routed = f"&SERVER-ROUTED={action.server.rpartition(':')[0]}" if action.server else ""
    identifier = action.log_id or uuid.uuid4()
    added = f"X-ARR-CACHE-HIT=0&X-ARR-LOG-ID={identifier}{routed}&SERVER-STATUS={status}"
    return f"{query}&{added}" if query else added  # nothing is cached


def _win32_status(entry: LogEntry, decision: Decision) -> int:
    """The Win32 part of the error; an aborted request shows 0 (measured: status 200)."""
    if entry.client_gone:
        return _CLIENT_DISCONNECTED
    action = decision.action
    return action.hresult & 0xFFFF if isinstance(action, Respond) else 0


def _field(value: str) -> str:
    """Blanks and control characters become ``+``, nothing becomes ``-``: the format is lossy."""
    if len(value.encode("utf-8", "replace")) > MAX_FIELD:
        return "..."
    return re.sub(r"[\x00-\x20\x7f]", "+", value) or "-"


def as_json(entry: LogEntry) -> str:
    """One JSON object."""
    decision = entry.outcome if isinstance(entry.outcome, Decision) else None
    return json.dumps(
        {
            "time": datetime.fromtimestamp(entry.when, UTC).isoformat(timespec="milliseconds"),
            "method": entry.method,
            "url": _shown(entry.url),
            "status": entry.status or None,
            "substatus": entry.substatus,
            "handled_by": handled_by(entry),
            "handler": decision.handler.name if decision and decision.handler else None,
            "module": decision.module if decision else "http.sys",
            "rules": decision.rules if decision else (),
            "remote_addr": decision.request.remote_addr if decision else None,
            "milliseconds": round(entry.seconds * 1000, 3),
            "bytes_sent": entry.bytes_sent,
            "client_gone": entry.client_gone,
            "remark": entry.remark or None,
        }
    )


def for_people(quiet: bool = False, verbose: bool = False, colour: bool = False) -> Format:
    """The lines of the console: only errors where it is to be quiet; rules and the URL after them
    where it is to be verbose.
    """

    def line(entry: LogEntry) -> str | None:
        if quiet and 0 < entry.status < 400 and not entry.remark:
            return None
        shown = in_colour(entry) if colour else text(entry)
        return f"{shown}{_decided(entry.outcome)}" if verbose else shown

    return line


def _decided(outcome: Outcome) -> str:
    """Further lines: the rules that applied, the URL that they made, and the handler."""
    if not isinstance(outcome, Decision):
        return ""
    lines = [f"rule {name!r}" for name in outcome.rules]
    if lines:
        url = outcome.path + ("?" + outcome.query if outcome.query else "")
        lines[-1] += f" -> {_shown(url)}"
    if outcome.handler is not None:
        lines.append(f"handler {outcome.handler.name!r} {outcome.handler.origin}")
    return "".join(f"\n           {line}" for line in lines)


FORMATS: dict[str, Format] = {"text": text, "w3c": w3c, "json": as_json}
