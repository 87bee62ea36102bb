"""An answer of ``explain`` for people: what was compared with what, in order, and the outcome last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def story(answer: dict[str, Any]) -> str:
    """The answer as lines of text."""
    request, outcome = answer["request"], answer["outcome"]
    lines = [f"{request['method']} {request['url']}"]
    for event in answer.get("events", ()):
        lines += _lines(event)
    lines += ["", *_outcome(outcome, answer)]
    for finding in answer["findings"]:
        if finding["severity"] != "info":
            where = f"{finding['file']}:{finding['line']}: " if finding["file"] else ""
            lines.append(f"{finding['severity']}: {where}{finding['message']}")
            if finding["hint"]:
                lines.append(f"    {finding['hint']}")
    return "\n".join(lines)


def _lines(event: dict[str, Any]) -> Iterator[str]:
    name = event["name"]
    if name == "URL_REWRITE_START":
        yield f"  {'global rules' if event['Scope'] == 'Global' else 'rules'} for {event['RequestURL']}"
    elif name == "RULE_EVALUATION_START":
        yield f"  {event['File']}:{event['Line']} rule '{event['RuleName']}'"
    elif name == "PATTERN_MATCH":
        if event["Pattern"] is None:
            yield "      no pattern: every URL matches"
        else:
            yield f"      {_compared(event)}{_captured(event, 'R')}"
    elif name == "CONDITION_EVALUATION":
        yield "      condition " + _condition(event)
    elif name == "REWRITE_ACTION":
        yield f"      rewrites to {_url(event['RewriteURL'], event['QueryString'])}"
    elif name == "REDIRECT_ACTION":
        yield f"      redirects ({event['StatusCode']}) to {event['RedirectURL']}"
    elif name == "CUSTOM_RESPONSE_ACTION":
        yield f"      answers {event['StatusCode']}.{event['SubStatusCode']} {event['StatusReason']}"
    elif name == "ABORT_REQUEST_ACTION":
        yield "      aborts the request"
    elif name == "SET_SERVER_VARIABLE":
        yield f"      sets {event['Name']} to '{event['Value']}'"
    elif name == "AZURE_PAGE_PROMISE":
        yield f"  rule '{event['RuleName']}' (line {event['Line']}): {event['Message']}"
    elif name == "RULE_EVALUATION_END":
        if event.get("Error"):
            yield f"      fails: {event['Error']}"
        elif event.get("StopProcessing"):
            yield "      stops processing"
        elif not event["Succeeded"]:
            yield "      does not apply"
    elif name == "GENERAL_CHILD_REQUEST_START":
        yield f"  the request goes on as {event['RequestURL']}"
    elif name == "HANDLER_CHANGED":
        origin = f" ({event['Origin']})" if event["Origin"] else ""
        yield f"  handler '{event['NewHandlerName']}' takes it: path {event['Path']}{origin}"
    elif name == "FILE_CACHE_ACCESS_END":
        yield f"  {event['FileName']}: " + (f"found, {event['File'] or 'the root'}" if event["Successful"] else "not found")
    elif name == "MODULE_SET_RESPONSE_ERROR_STATUS":
        yield f"  {event['ModuleName']} refuses: {event['HttpStatus']}.{event['HttpSubStatus']} {event['HttpReason']}"


def _compared(event: dict[str, Any]) -> str:
    relation = "does not match" if event["Matched"] == event["Negate"] else "matches"
    return f"'{event['Input']}' {relation} {event['Pattern']}" + (" (negated)" if event["Negate"] else "")


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


def _outcome(outcome: dict[str, Any], answer: dict[str, Any]) -> Iterator[str]:
    kind, status = outcome["kind"], outcome["status"]
    if kind == "static":
        yield f"=> {status} static file {outcome['file']} (handler {outcome['handler']})"
    elif kind == "fastcgi":
        yield f"=> FastCGI, handler '{outcome['handler']}', URL {_url(outcome['path'], outcome['query'])}"
        environ = outcome["environ"]
        yield f"   the application sees SCRIPT_NAME '{environ['SCRIPT_NAME']}', PATH_INFO '{environ['PATH_INFO']}', " \
              f"QUERY_STRING '{environ['QUERY_STRING']}'"
    elif kind == "redirect":
        yield f"=> {status} {outcome['reason']}, Location: {outcome['location']}"
    elif kind == "abort":
        yield "=> the connection is reset"
    elif kind == "directory":
        yield f"=> 200 listing of {outcome['file'] or 'the root'}"
    elif kind in ("proxy", "httpPlatform"):
        yield f"=> {kind} {_url(outcome['path'], outcome['query'])}"
    else:
        yield f"=> {status}.{outcome['substatus']} {outcome['reason'] or ''} ({outcome['module']})"
        if outcome["message"]:
            yield f"   {outcome['message']}"
