"""An answer of ``explain`` for people: what was compared with what, in order, and the outcome
last.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..decision import PROCESS_KINDS
from ..pages import render
from ..pages.story import RequestStory, Sources, judged
from ..version import __version__
from .explanation import Explanation, OutcomeJson

#: Roles of a line, which say how it is coloured: what it is about, or how a comparison went.
ROLES = ("request", "stage", "rule", "yes", "no", "action", "outcome", "warning", "error", "hint")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the story: its depth, its role, its text."""

    depth: int
    role: str
    text: str


Style = Callable[[str, str], str]


#: Lines of a program's output in a story.
MAX_OUTPUT = 20


def plain(text: str, _role: str) -> str:
    """No colours."""
    return text


def story(
    answer: Explanation,
    style: Style = plain,
    width: int | None = None,
    only_matching: bool = False,
) -> str:
    """The answer as lines of text, at most ``width`` characters wide; ``style`` colours a text by
    its role.
    """
    found = []
    for line in lines(answer, only_matching):
        indent = "  " * line.depth
        parts = [line.text]
        if width is not None and len(indent) + len(line.text) > width:
            parts = textwrap.wrap(
                line.text,
                max(20, width - len(indent)),
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            ) or [""]
        found += [indent + style(part, line.role) if part else "" for part in parts]
    return "\n".join(found)


def lines(answer: Explanation, only_matching: bool = False) -> Iterator[Line]:
    """The story's lines. With ``only_matching`` rules that do not apply and handlers that were
    passed over are left out.
    """
    request = answer["request"]
    yield Line(0, "request", f"{request['method']} {request['url']}")
    yield from _events(_in_telling_order(answer), only_matching)
    yield Line(0, "outcome", "")
    for text in _outcome(answer["outcome"], answer):
        yield Line(
            0 if text.startswith("=>") else 1,
            "outcome" if text.startswith("=>") else "stage",
            text.strip(),
        )
    said = {finding["hint"] for finding in answer["findings"] if finding["severity"] != "info"}
    for hint in answer["outcome"].get("hints", ()):
        if hint not in said:
            yield Line(1, "hint", hint)
    yield from _answered(answer)
    for finding in answer["findings"]:
        if finding["severity"] != "info":
            where = f"{finding['file']}:{finding['line']}: " if finding["file"] else ""
            yield Line(
                0, finding["severity"], f"{finding['severity']}: {where}{finding['message']}"
            )
            if finding["hint"]:
                yield Line(2, "hint", finding["hint"])


#: Modules that answer before the handler is asked.
_BEFORE_HANDLERS = frozenset({"IpRestrictionModule", "RequestFilteringModule", "RewriteModule"})


def _in_telling_order(answer: Explanation) -> Iterator[dict[str, Any]]:
    """The events without handlers that were mapped in vain: IIS maps one before the rules of
    web.config, which may give the request another URL.
    """
    held: list[dict[str, Any]] = []
    for event in answer.get("events", ()):
        name = event["name"]
        if name.startswith("HANDLER_"):
            held.append(event)
            continue
        if name == "GENERAL_CHILD_REQUEST_START":
            held = []
        elif name == "FILE_CACHE_ACCESS_END":
            yield from held
            held = []
        yield event
    if answer["outcome"]["module"] not in _BEFORE_HANDLERS:
        yield from held


def _events(events: Iterable[dict[str, Any]], only_matching: bool) -> Iterator[Line]:
    """One rule at a time, so that one that does not apply can be left out; passed-over handlers on
    one line.
    """
    held: list[Line] = []
    passed_over: list[str] = []
    for event in events:
        name = event["name"]
        if name in ("HANDLER_PATH_NOT_MATCH", "HANDLER_VERB_NOT_MATCH"):
            passed_over.append(
                f"'{event['Name']}'"
                f" ({event['Path'] if name == 'HANDLER_PATH_NOT_MATCH' else event['Verb']})"
            )
            continue
        if name == "HANDLER_CHANGED" and passed_over:
            if not only_matching:
                yield Line(1, "no", "passed over: " + ", ".join(passed_over))
            passed_over = []
        found = [Line(depth, role, text) for depth, role, text in _told(event)]
        if name == "RULE_EVALUATION_START":
            held = found
        elif held and name != "RULE_EVALUATION_END":
            held += found
        elif held:
            if event["Succeeded"] or event.get("Error") or not only_matching:
                yield from [*held, *found]
            held = []
        else:
            yield from found
    yield from held


def _told(event: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Depth, role and text of what an event tells."""
    name = event["name"]
    if name == "URL_REWRITE_START":
        yield (
            1,
            "stage",
            (
                f"{'global rules' if event['Scope'] == 'Global' else 'rules'} for"
                f" {event['RequestURL']}"
            ),
        )
    elif name == "RULE_EVALUATION_START":
        yield 1, "rule", f"{event['File']}:{event['Line']} rule '{event['RuleName']}'"
    elif name == "PATTERN_MATCH":
        if event["Pattern"] is None:
            yield 3, "yes", "no pattern: every URL matches"
        else:
            yield (
                3,
                "yes" if event["Matched"] else "no",
                f"{_compared(event)}{_captured(event, 'R')}",
            )
    elif name == "CONDITION_EVALUATION":
        yield 3, "yes" if event["Succeeded"] else "no", "condition " + _condition(event)
    elif name == "REWRITE_ACTION":
        yield 3, "action", f"rewrites to {_url(event['RewriteURL'], event['QueryString'])}"
    elif name == "REDIRECT_ACTION":
        yield 3, "action", f"redirects ({event['StatusCode']}) to {event['RedirectURL']}"
    elif name == "CUSTOM_RESPONSE_ACTION":
        yield (
            3,
            "action",
            f"answers {event['StatusCode']}.{event['SubStatusCode']} {event['StatusReason']}",
        )
    elif name == "ABORT_REQUEST_ACTION":
        yield 3, "action", "aborts the request"
    elif name == "SET_SERVER_VARIABLE":
        yield 3, "action", f"sets {event['Name']} to '{event['Value']}'"
    elif name == "AZURE_PAGE_PROMISE":
        yield 1, "rule", f"rule '{event['RuleName']}' (line {event['Line']}): {event['Message']}"
    elif name == "IISNODE_REQUEST":
        yield 1, "yes", f"iisnode: {event['Script']} gets {event['RequestURL']}"
        for setting, value in event["Settings"].items():
            yield 2, "stage", f"{setting} = {value}"
    elif name == "RULE_EVALUATION_END":
        yield from _ended(event)
    elif name == "GENERAL_CHILD_REQUEST_START":
        yield 1, "stage", f"the request goes on as {event['RequestURL']}"
    elif name == "AUTH_END":
        who = f"{event['User']} by {event['AuthType'] or 'its session'}" if event["User"] else ""
        roles = f" ({event['Roles']})" if event["Roles"] else ""
        yield (
            1,
            "yes" if who else "no",
            f"authentication ({event['Methods']}): {who or 'nobody'}{roles}",
        )
    elif name == "URL_AUTHORIZATION":
        verdict = "allows" if event["Allowed"] else "refuses"
        rule = f"rule at {event['Rule']}" if event["Rule"] else "no rule is about this user, which"
        user = event["User"] or "the anonymous user"
        yield 1, "yes" if event["Allowed"] else "no", f"<authorization>: {rule} {verdict} {user}"
    elif name == "ARR_SERVER_ROUTED":
        yield (
            1,
            "yes",
            f"web farm '{event['Farm']}': {event['Server']} is asked ({event['Reason']})",
        )
    elif name == "ARR_RESPONSE_HEADER_REWRITTEN":
        yield (
            1,
            "action",
            f"reverseRewriteHostInResponseHeaders: {event['Name']} '{event['Before']}' becomes"
            f" '{event['After']}'",
        )
    elif name == "HANDLER_CHANGED":
        origin = f" ({event['Origin']})" if event["Origin"] else ""
        yield (
            1,
            "yes",
            f"handler '{event['NewHandlerName']}' takes it: path {event['Path']}{origin}",
        )
    elif name == "FILE_CACHE_ACCESS_END":
        found = event["Successful"]
        yield (
            1,
            "yes" if found else "no",
            f"{event['FileName']}: "
            + (f"found, {event['File'] or 'the root'}" if found else "not found"),
        )
    elif name == "MODULE_SET_RESPONSE_ERROR_STATUS":
        yield (
            1,
            "no",
            (
                f"{event['ModuleName']} refuses: {event['HttpStatus']}.{event['HttpSubStatus']}"
                f" {event['HttpReason']}"
            ),
        )


def _ended(event: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    if event.get("Error"):
        yield 3, "error", f"fails: {event['Error']}"
    elif event.get("StopProcessing"):
        yield 3, "stage", "stops processing"
    elif not event["Succeeded"]:
        yield 3, "no", "does not apply"


def _compared(event: dict[str, Any]) -> str:
    relation = "does not match" if event["Matched"] == event["Negate"] else "matches"
    return f"'{event['Input']}' {relation} {event['Pattern']}" + (
        " (negated)" if event["Negate"] else ""
    )


def _condition(event: dict[str, Any]) -> str:
    source, text = event["Input"], event["ExpandedInput"]
    shown = f"{source} = '{text}'" if source != text else f"'{text}'"
    verdict = "true" if event["Succeeded"] else "false"
    if event["MatchType"] != "Pattern":
        what = "is a file" if event["MatchType"] == "IsFile" else "is a directory"
        return f"{shown} {'not ' if event['Negate'] else ''}{what}: {verdict}"
    negated = "not " if event["Negate"] else ""
    return f"{shown} {negated}matching {event['Pattern']}: {verdict}{_captured(event, 'C')}"


def _captured(event: dict[str, Any], letter: str) -> str:
    captures = event.get("Captures") or ()
    if len(captures) < 2 or event.get("Negate"):
        return ""
    return "  " + " ".join(f"{{{letter}:{index}}}='{text}'" for index, text in enumerate(captures))


def _url(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


#: Variables of a FastCGI program that people look for.
_SEEN = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING")


def _outcome(outcome: OutcomeJson, answer: Explanation) -> Iterator[str]:
    kind, status = outcome["kind"], outcome["status"]
    if kind == "static":
        yield f"=> {status} static file {outcome['file']} (handler {outcome['handler']})"
    elif kind == "fastcgi":
        yield (
            f"=> FastCGI, handler '{outcome['handler']}', URL"
            f" {_url(outcome['path'], outcome['query'])}"
        )
        environ = outcome["environ"]
        names = [name for name in _SEEN if name in environ]
        yield "   the application sees " + ", ".join(f"{name} '{environ[name]}'" for name in names)
    elif kind == "redirect":
        yield f"=> {status} {outcome['reason']}, Location: {outcome['location']}"
    elif kind == "abort":
        yield "=> the connection is reset"
    elif kind == "directory":
        yield f"=> 200 listing of {outcome['file'] or 'the root'}"
    elif kind == "iisnode":
        node = outcome["iisnode"]
        yield f"=> iisnode, handler '{outcome['handler']}', script {node['script']}"
        yield f"   the application sees the URL '{node['url']}'" + "".join(
            f", {name} '{value}'" for name, value in node["headers"].items()
        )
    elif kind == "proxy" or kind in PROCESS_KINDS:
        yield f"=> {kind} {_url(outcome['path'], outcome['query'])}"
    else:
        yield f"=> {status}.{outcome['substatus']} {outcome['reason'] or ''} ({outcome['module']})"
        if outcome["message"]:
            yield f"   {outcome['message']}"
    page = outcome.get("error_page")
    if page is not None:
        got = page["status"] or "what the program says"
        yield f"   httpErrors answers with {page['path']} ({page['mode']}): the client gets {got}"


def _answered(answer: Explanation) -> Iterator[Line]:
    """What the whole chain answered, where it was asked."""
    got = answer.get("answered")
    if got is None:
        return
    if got["status"] == 0:
        yield Line(0, "outcome", "=> run: the connection was reset")
    else:
        types = [value for name, value in got["headers"].items() if name.lower() == "content-type"]
        status = f"{got['status']}.{got['substatus']}" if got["substatus"] else got["status"]
        what = ", ".join(types or ["no type"])
        yield Line(0, "outcome", f"=> run: {status} {got['reason']} ({what})")
    if got["remark"]:
        yield Line(1, "warning", got["remark"])
    for text in got["output"].splitlines()[-MAX_OUTPUT:]:
        yield Line(1, "stage", text)


def told(answer: Explanation, sources: Sources = lambda _name: None) -> RequestStory:
    """The answer as pages tell it; ``sources`` gives the lines of rules."""
    _, *rest = (line for line in lines(answer) if line.text)
    at = next((at for at, line in enumerate(rest) if line.role == "outcome"), len(rest))
    why = answer.get("why", ())
    return RequestStory(
        outcome=rest[at].text.removeprefix("=> ") if at < len(rest) else "",
        reasons=why,
        pipeline=answer.get("pipeline", ()),
        rules=judged(answer.get("events", ())),
        remarks=rest[at + 1 :],
        lines=[(line, "") for line in rest[:at]],
        sources=sources,
    )


def as_page(answer: Explanation, sources: Sources = lambda _name: None) -> bytes:
    """The answer as one HTML page that needs nothing else."""
    tables = [
        ("Server variables that rules set", sorted(answer["server_variables"].items())),
        ("URL variables as the handler finds them", list(answer["variables"].items())),
        ("What a WSGI application sees", sorted(answer["outcome"].get("environ", {}).items())),
    ]
    return render(
        "explain.html",
        request=f"{answer['request']['method']} {answer['request']['url']}",
        told=told(answer, sources),
        tables=tables,
        version=__version__,
    )
