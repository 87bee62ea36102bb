"""A genuine trace and the same request here: the first event that differs.

Compared is what says something about the site: rewrite events, the handler, the files that are
looked at, statuses that modules set, error pages, child requests, response headers, the status.
What tells of the server, the process or the moment is left out. What differs by design (managed
code, the server's own configuration, answers of applications) is listed separately.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from ..freb import wire
from ..freb.model import FrebTrace, TraceError
from ..report.explanation import Explanation
from ..site import Site
from . import compared_events
from .compared_events import ComparedEvent, last_names, root_of

#: Modules whose answers fcgiemu cannot know, or that it does not have.
_FOREIGN = re.compile(
    r"Managed|FastCgi|iisnode|AspNetCore|httpPlatform|Isapi|CgiModule|ServerSideInclude|WebDAV"
    r"|ApplicationRequestRouting|__DynamicModule|AspNet"
)
_CONDITIONAL = frozenset(
    "if-none-match if-modified-since if-match if-unmodified-since if-range".split()
)


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """The request of a trace, as ``Site.explain`` takes it."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    remote_addr: str


@dataclass(frozen=True, slots=True)
class EventDifference:
    """The first event that differs. ``rows``: field, value on the server, value here; ``place`` is
    the line of configuration here, ``line`` its text.
    """

    server: str
    here: str
    rows: tuple[tuple[str, str, str], ...]
    place: str = ""
    line: str = ""


@dataclass(slots=True)
class TraceComparison:
    """What came of comparing a trace with a site."""

    request: TracedRequest
    compared: int = 0
    difference: EventDifference | None = None
    #: What differs by design or could not be compared, in words.
    not_compared: list[str] = field(default_factory=list)
    answer: Explanation | None = None


def request_of(trace: FrebTrace) -> TracedRequest:
    """The request that a trace tells of. Headers are missing where the trace begins late. Raises
    TraceError where it names no URL.
    """
    parts = wire.split(trace.url)
    if not parts.authority:
        raise TraceError(f"{trace.source} names no URL that could be asked: {trace.url!r}.")
    path = quote(parts.path, safe="/:@!$&'()*+,;=~", errors="replace")
    url = f"{parts.scheme}://{parts.authority}{path}"
    url += f"?{parts.query}" if parts.query else ""
    block = next((found["Headers"] for found in trace.named("GENERAL_REQUEST_HEADERS")), "")
    remote = next(
        (found["RemoteAddress"] for found in trace.named("GENERAL_ENDPOINT_INFORMATION")), ""
    )
    return TracedRequest(trace.verb or "GET", url, tuple(wire.pairs(block)), remote or "127.0.0.1")


def compare(trace: FrebTrace, site: Site) -> TraceComparison:
    """Run the request of a trace here, and compare."""
    request = request_of(trace)
    found = TraceComparison(request)
    headers = [pair for pair in request.headers if pair[0].lower() not in _CONDITIONAL]
    if len(headers) < len(request.headers):
        found.not_compared.append("conditional headers were left out: files have other times")
    answer = site.explain(request.url, request.method, headers, remote_addr=request.remote_addr)
    found.answer = answer
    root = root_of(trace)
    server = compared_events.of_trace(trace, root)
    here = compared_events.of_answer(answer, site.files.physical_path("/").rstrip("\\"))
    is_open = not any(event.name == "GENERAL_REQUEST_END" for event in here)
    if not root:
        server, here = last_names(server), last_names(here)
    server, here = _aligned(trace, server, here, found)
    for number, (one, other) in enumerate(zip(server, here, strict=False)):
        difference = _difference(one, other, found)
        if difference is not None:
            found.compared, found.difference = number, _explained(difference, one, answer, site)
            return found
    found.compared = min(len(server), len(here))
    is_complete = not trace.notes or "begins late" in trace.notes[0] and len(trace.notes) == 1
    missing = ComparedEvent("nothing", {})
    if len(server) > len(here) and is_open and not _is_rewriting(server[len(here)]):
        found.not_compared.append("what an application answers is not known here")
    elif len(server) > len(here):
        last = _difference(server[len(here)], missing, found)
        found.difference = last and _explained(last, server[len(here)], answer, site)
    elif len(here) > len(server) and is_complete and not _is_open(trace):
        last = _difference(missing, here[len(server)], found)
        found.difference = last and _explained(last, here[len(server)], answer, site)
    return found


def _is_open(trace: FrebTrace) -> bool:
    """Whether a trace does not reach the end of its request."""
    return not any(True for _ in trace.named("GENERAL_REQUEST_END"))


# -- what differs by design ------------------------------------------------------------------------


def _aligned(
    trace: FrebTrace, server: list[ComparedEvent], here: list[ComparedEvent], found: TraceComparison
) -> tuple[list[ComparedEvent], list[ComparedEvent]]:
    """Both sides without what cannot be compared; ``found.not_compared`` says what that is."""
    if any("begins late" in note for note in trace.notes):
        found.not_compared.append(
            "the trace begins late: headers, global rules and handler are unknown"
        )
        here = [event for event in _without_global(here) if event.name != "HANDLER_CHANGED"]
    if _has_global(server) and not _has_global(here):
        found.not_compared.append(
            "global rules of the server ran first: give its applicationHost.config with"
            " --host-config"
        )
        server = _without_global(server)
    if _has_global(here) and not _has_global(server):
        here = _without_global(here)
    decided = next((event for event in server if event.name.startswith("MODULE_SET_")), None)
    foreign = next((event for event in server if _is_foreign(event)), None)
    if foreign is not None and decided is not None and not _is_foreign(decided):
        # a native module answered before the handler could
        server, here = _without_handler(server), _without_handler(here)
    elif foreign is not None:
        who = foreign.values.get("ModuleName") or foreign.values["NewHandlerModules"]
        found.not_compared.append(
            f"what {who} answers is not known here: only rewriting is compared"
        )
        return _rewriting(server), _rewriting(here)
    if trace.status >= 400 and _is_local(trace):
        server, here = _without_page(server, found), _without_page(here, found)
    if trace.status == 304:
        return _without_304(server), _without_304(here)
    return server, here


def _has_global(events: list[ComparedEvent]) -> bool:
    return any(event.values.get("Scope") == "Global" for event in events)


def _without_global(events: list[ComparedEvent]) -> list[ComparedEvent]:
    """Without the global run of rules, which lasts to the first event that is not a rule's."""
    left, inside = [], False
    for event in events:
        if event.name == "URL_REWRITE_START":
            inside = event.values["Scope"] == "Global"
        elif not _is_rewriting(event):
            inside = False
        if not inside:
            left.append(event)
    return left


def _is_rewriting(event: ComparedEvent) -> bool:
    return event.name.startswith(("URL_REWRITE", "RULE_", "PATTERN_", "CONDITION"))


def _rewriting(events: list[ComparedEvent]) -> list[ComparedEvent]:
    return [event for event in events if _is_rewriting(event)]


def _is_local(trace: FrebTrace) -> bool:
    """Whether the client was on the server's own machine, where it gets detailed pages."""
    return any(
        event["RemoteAddress"] in ("127.0.0.1", "::1", event["LocalAddress"])
        for event in trace.named("GENERAL_ENDPOINT_INFORMATION")
    )


def _without_page(events: list[ComparedEvent], found: TraceComparison) -> list[ComparedEvent]:
    """Without what tells a detailed page from the one for remote clients."""
    note = "the client was local: its error page may be the detailed one"
    if note not in found.not_compared:
        found.not_compared.append(note)
    page = ("content-type", "cache-control", "content-language")
    return [
        replace(event, values={k: v for k, v in event.values.items() if k not in page})
        if event.name == "GENERAL_RESPONSE_HEADERS"
        else event
        for event in events
        if event.name != "GENERAL_SEND_CUSTOM_ERROR"
    ]


def _without_handler(events: list[ComparedEvent]) -> list[ComparedEvent]:
    return [event for event in events if event.name != "HANDLER_CHANGED"]


def _without_304(events: list[ComparedEvent]) -> list[ComparedEvent]:
    """A 304 and the 200 that stands for it here: without what tells them apart."""
    apart = ("MODULE_SET_RESPONSE_SUCCESS_STATUS", "GENERAL_RESPONSE_HEADERS")
    return [event for event in events if event.name not in (*apart, "GENERAL_REQUEST_END")]


def is_foreign(modules: str) -> bool:
    """Whether modules answer with what is not known here."""
    return bool(_FOREIGN.search(modules))


def _is_foreign(event: ComparedEvent) -> bool:
    """Whether an event is of a module whose answers are not known here."""
    if event.name == "HANDLER_CHANGED":
        return is_foreign(event.values["NewHandlerModules"])
    if event.name.startswith("MODULE_SET_RESPONSE"):
        return is_foreign(event.values["ModuleName"])
    return False


# -- differences -----------------------------------------------------------------------------------


def _difference(
    one: ComparedEvent, other: ComparedEvent, found: TraceComparison
) -> EventDifference | None:
    """What differs between two events; None where nothing does, or only by design."""
    if one.name != other.name:
        rows = [(name, one.values.get(name, ""), "") for name in one.values]
        rows += [(name, "", value) for name, value in other.values.items()]
        return EventDifference(one.name, other.name, tuple(rows), other.place)
    names = list(dict.fromkeys([*one.values, *other.values]))
    rows = [(name, one.values.get(name, ""), other.values.get(name, "")) for name in names]
    differing = [row for row in rows if row[1] != row[2] and not _by_design(one, row, found)]
    if not differing:
        return None
    shown = differing if one.name == "GENERAL_RESPONSE_HEADERS" else rows
    return EventDifference(one.name, other.name, tuple(shown), other.place)


#: Variables that tell of the server or the connection.
_OF_SERVER = re.compile(
    r"(?i)\{(?:LOCAL_ADDR|REMOTE_PORT|SERVER_SOFTWARE|INSTANCE_ID|APPL_MD_PATH|INSTANCE_META_PATH"
    r"|COMPUTERNAME|APP_POOL_ID)\}"
)


def _by_design(event: ComparedEvent, row: tuple[str, str, str], found: TraceComparison) -> bool:
    """Whether two values must differ; says so once."""
    name, server, here = row
    note = ""
    if event.name == "FILE_CACHE_ACCESS" and name == "FileName":
        if server.lower() == here.lower():
            return True
    elif event.name == "GENERAL_SEND_CUSTOM_ERROR" and name == "FileNameOrURL":
        if re.match(r"(?i)[a-z]:\\|\\\\", server) and not here:
            note = f"the error file {server} is outside of the site"
    elif name == "ExpandedInput" and _OF_SERVER.search(event.values["Input"]):
        note = f"{event.values['Input']} tells of the server"
    elif event.name == "HANDLER_CHANGED" and name == "NewHandlerScriptProcessor":
        note = "the script processor's path is the server's" if server and here else ""
    elif event.name == "GENERAL_RESPONSE_HEADERS" and name == "x-powered-by":
        note = "X-Powered-By is set by the server's configuration"
    if note and note not in found.not_compared:
        found.not_compared.append(note)
    return bool(note)


def _explained(
    difference: EventDifference, server: ComparedEvent, answer: Explanation, site: Site
) -> EventDifference:
    """The difference with the line of configuration that explains it: of the event here, else of
    the rule that the server's event names.
    """
    place = (
        difference.place
        or _place_of_rule(server.values.get("RuleName", ""), answer)
        or _place_of_section(difference, answer, site)
    )
    return EventDifference(
        difference.server, difference.here, difference.rows, place, line_of(site, place)
    )


def _place_of_rule(rule: str, answer: Explanation) -> str:
    for event in answer.get("events", []):
        if rule and event["name"] == "RULE_EVALUATION_START" and event["RuleName"] == rule:
            return f"{event['File']}:{event['Line']}" if event.get("File") else ""
    return ""


#: Module or event -> the section of configuration that it obeys.
_SECTIONS = {
    "HttpRedirectionModule": "httpRedirect",
    "RequestFilteringModule": "security/requestFiltering",
    "UrlAuthorizationModule": "security/authorization",
    "IpRestrictionModule": "security/ipSecurity",
    "GENERAL_SEND_CUSTOM_ERROR": "httpErrors",
    "HANDLER_CHANGED": "handlers",
    "GENERAL_CHILD_REQUEST_START": "defaultDocument",
    "GENERAL_RESPONSE_HEADERS": "httpProtocol",
}


def _place_of_section(difference: EventDifference, answer: Explanation, site: Site) -> str:
    """Where the site's configuration says something about an event: the header that differs, else
    the section.
    """
    modules = [one for row in difference.rows if row[0] == "ModuleName" for one in row[1:]]
    named = next(
        (
            _SECTIONS[word]
            for word in (*modules, difference.here, difference.server)
            if word in _SECTIONS
        ),
        "",
    )
    path = answer["outcome"]["path"]
    if not named or not path.startswith("/"):
        return ""
    node = site.effective(path).section(f"system.webServer/{named}")
    names = {name for name, _, _ in difference.rows}
    for header in node.child("customHeaders").items if named == "httpProtocol" else ():
        if header.text("name").lower() in names:
            node = header
            break
    if node.span is None or node.file is None or node.file.is_host:
        return ""
    return f"{node.span.file}:{node.span.line}"


def line_of(site: Site, place: str) -> str:
    """The text of a line of the site's configuration; empty where there is none."""
    file, _, number = place.rpartition(":")
    if not file or not number.isdecimal():
        return ""
    lines = (site.files.read("/" + file) or b"").decode("utf-8-sig", "replace").splitlines()
    return lines[int(number) - 1].strip() if 0 < int(number) <= len(lines) else ""


# -- for people ------------------------------------------------------------------------------------


def text(found: TraceComparison) -> str:
    """The comparison as text: the difference with both values, then what is not compared."""
    lines = []
    difference = found.difference
    if difference is None:
        lines.append(f"no difference in {found.compared} events")
    else:
        lines.append(f"{found.compared} events are the same; then")
        lines += _table(difference)
        if difference.place:
            lines.append(f"{difference.place}: {difference.line}".rstrip(": "))
    lines += [f"by design: {note}" for note in found.not_compared]
    return "\n".join(lines)


def _table(difference: EventDifference) -> list[str]:
    rows = [("", "on the server", "here"), ("event", difference.server, difference.here)]
    rows += list(difference.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    marked = []
    for name, one, other in rows:
        mark = "!" if name and one != other else " "
        line = f"{mark} {name.ljust(widths[0])}  {one.ljust(min(widths[1], 60))}  {other}"
        marked.append(line.rstrip())
    return marked


def as_json(found: TraceComparison) -> dict[str, object]:
    """The comparison as a JSON object."""
    difference = found.difference
    return {
        "request": {"method": found.request.method, "url": found.request.url},
        "same": difference is None,
        "compared": found.compared,
        "byDesign": found.not_compared,
        "difference": difference
        and {
            "server": difference.server,
            "here": difference.here,
            "values": [
                {"name": name, "server": one, "here": other} for name, one, other in difference.rows
            ],
            "place": difference.place or None,
            "line": difference.line or None,
        },
    }
