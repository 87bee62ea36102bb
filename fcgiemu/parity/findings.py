"""What a genuine trace says, as a line of expectations and as a case for a bug report."""

from __future__ import annotations

import re
import shlex

from ..freb import trace_masking, wire
from ..freb.model import FrebTrace
from ..site import Site
from ..version import __version__
from .cases import Redactor, rules_of
from .trace_replay import TraceComparison, TracedRequest, as_json, is_foreign, request_of

#: Variables of request headers that rules look at.
_HEADER = re.compile(r"\{HTTP_([A-Z0-9_]+)\}", re.IGNORECASE)


def expectation(trace: FrebTrace) -> str:
    """What the server did, as a line for ``fcgiemu test``: status, Location, file, rules.

    Headers are in it where a rule looked at them; secret ones are left out, which is said in a
    comment before the line.
    """
    traced = request_of(trace)
    shown, left_out = _headers(trace, traced)
    request = " ".join([traced.method, _shown(traced.url), *shown])
    who, words = _application(trace), _outcome(trace)
    if who and not words:
        return f"# {request}: {who} answered {trace.status}, which is not known here\n"
    comment = f"# left out: {', '.join(left_out)}\n" if left_out else ""
    return f"{comment}{request} -> {' '.join(words)}\n"


def _shown(url: str) -> str:
    """A URL without the port that its scheme has anyway, secrets masked."""
    parts = wire.split(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    authority = parts.authority.removesuffix(default) if default else parts.authority
    return trace_masking.parameters(url.replace(parts.authority, authority, 1))


def _headers(trace: FrebTrace, traced: TracedRequest) -> tuple[list[str], list[str]]:
    looked_at = {
        name.lower().replace("_", "-")
        for found in trace.named("CONDITION_EVALUATION")
        for name in _HEADER.findall(found["Input"])
    } - {"host"}
    shown, left_out = [], []
    for name, value in traced.headers:
        if name.lower() not in looked_at:
            continue
        if trace_masking.is_secret(name) or "]" in value:
            left_out.append(name)
        else:
            shown.append(f"[{name}: {value}]")
    return shown, left_out


#: Modules of handlers whose answers are the application's, and the word for them.
_KINDS = (
    ("FastCgiModule", "fastcgi"),
    ("httpPlatformHandler", "httpPlatform"),
    ("iisnode", "iisnode"),
    ("AspNetCoreModule", "aspNetCore"),
)


def _application(trace: FrebTrace) -> str:
    """The modules of the handler, where it is they that answered and nobody knows what."""
    modules = ""
    for found in trace.events:
        if found.name == "HANDLER_CHANGED":
            modules = found["NewHandlerModules"]
        elif found.name.startswith("MODULE_SET_RESPONSE_"):
            modules = found["ModuleName"]
    return modules if is_foreign(modules) else ""


def _outcome(trace: FrebTrace) -> list[str]:
    words: list[str] = []
    who = _application(trace)
    headers = [
        pair
        for found in trace.named("GENERAL_RESPONSE_HEADERS")
        for pair in wire.pairs(found["Headers"])
    ]
    location = next((value for name, value in headers if name.lower() == "location"), "")
    if who:
        words += [word for module, word in _KINDS if module in who]
        return words + _rules(trace)
    file = next(iter(trace.named("GENERAL_STATIC_FILE_HANDLER")), None)
    if file is not None and trace.status in (200, 304):
        words.append("static")
    elif trace.status:
        status = f"{trace.status}.{trace.substatus}" if trace.substatus else str(trace.status)
        words.append(status)
    if location and trace.status in range(300, 400) and "://" in location:
        words.append(shlex.quote(location))
    elif location.startswith("/"):
        words.append(shlex.quote(location))
    return words + _rules(trace)


def _rules(trace: FrebTrace) -> list[str]:
    """The rules that applied."""
    return [
        word
        for found in trace.named("RULE_EVALUATION_END")
        if found["Succeeded"] == "true"
        for word in ("rule", shlex.quote(found["RuleName"]))
    ]


def case(trace: FrebTrace, found: TraceComparison, site: Site) -> dict[str, object]:
    """The case of a trace that differs: request, the first difference, the rules behind it."""
    trace = trace_masking.masked(trace)
    host = wire.split(trace.url).host
    redactor = Redactor([host])
    traced = request_of(trace)
    compared = as_json(found)
    difference = found.difference
    rules = found.answer["rules"] if found.answer else []
    return {
        "fcgiemu": __version__,
        "kind": "freb",
        "request": {
            "method": traced.method,
            "url": redactor.text(traced.url),
            "headers": redactor.headers(traced.headers),
        },
        "server": {
            "status": trace.status,
            "substatus": trace.substatus,
            "failedIn": list(trace.failed_in),
            "rewrite": [
                {
                    "name": event.name,
                    "data": {
                        name: redactor.text(value)
                        for name, value in event.data
                        if name != "ContextId"
                    },
                }
                for event in trace.events
                if event.area == "Rewrite"
            ],
        },
        "difference": difference
        and {
            "server": difference.server,
            "here": difference.here,
            "values": [
                [name, _redacted(name, one, redactor), _redacted(name, other, redactor)]
                for name, one, other in difference.rows
            ],
            "place": difference.place or None,
        },
        "byDesign": [redactor.text(str(note)) for note in found.not_compared],
        "compared": compared["compared"],
        "rules": list(rules),
        "configuration": rules_of(site, difference.place, redactor) if difference else [],
    }


def _redacted(name: str, value: str, redactor: Redactor) -> str:
    """A value of a difference; those of secret headers are masked."""
    return trace_masking.MASK if value and trace_masking.is_secret(name) else redactor.text(value)
