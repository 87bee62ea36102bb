"""CustomErrorModule: which page a status of 400 and more gets, by <httpErrors> and by who asks
(measured matrix).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .. import catalogue
from ..catalogue.findings import Finding
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallWebServer, Decision, Respond
from ..hosting import Hosting
from ..http.response import Response, reason_phrase, redirect_body
from ..pages import SourceLine, detailed, secret_masking
from ..pages.story import RequestStory, judged
from ..trace import Trace
from ..worker import paths
from . import loaded_modules, static_file
from .acted_modules import notifications
from .pipeline import decide
from .reasons import reasons

SECTION = "system.webServer/httpErrors"
#: The bodies for remote clients where there is no error file: 401, 403, 404, 405, 413 and 500 are
#: measured; 400, 409, 410, 415 and 502 stand in logs of public clients; 406, 412 and 503 are
#: inferred.
ONE_LINERS = {
    400: "Bad Request",
    401: "You do not have permission to view this directory or page.",
    403: "You do not have permission to view this directory or page.",
    404: (
        "The resource you are looking for has been removed, had its name changed, or is temporarily"
        " unavailable."
    ),
    405: (
        "The page you are looking for cannot be displayed because an invalid method (HTTP verb) is"
        " being used."
    ),
    406: (
        "The page you are looking for cannot be displayed because the file extension is not being"
        " accepted by your browser."
    ),
    409: "The page was not displayed because there was a conflict.",
    410: "The page you requested was removed.",
    412: "The request was not completed due to preconditions that are set in the request header.",
    413: "The page was not displayed because the request entity is too large.",
    415: "The server cannot service the request because the media type is unsupported.",
    500: "The page cannot be displayed because an internal server error has occurred.",
    502: "Bad Gateway",
    503: "The service is unavailable.",
}
#: Public clients log it for 402, 422 and 429; # inferred for every other status.
_UNKNOWN = "The custom error module does not recognize this error."


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """An <error> entry. ``mode`` is File, ExecuteURL or Redirect; ``folder`` is the one of the file
    that declares it.

    ``shipped`` marks the server's own entries: their files (custerr) are not part of fcgiemu, the
    one-line text stands in.
    """

    mode: str
    path: str
    prefix: str
    folder: str
    shipped: bool


@dataclass(frozen=True, slots=True)
class Errors:
    """The compiled section."""

    mode: str
    existing: str
    entries: dict[tuple[int, int], ErrorPage]
    #: defaultPath with its defaultResponseMode, for what has no entry.
    default: ErrorPage | None = None
    #: An absolute path in a web.config that may not have one: every error response fails.
    invalid: Finding | None = None

    def entry(self, status: int, substatus: int) -> ErrorPage | None:
        """The page for a status: that of the substatus, else that of any, else the default."""
        return (
            self.entries.get((status, substatus)) or self.entries.get((status, -1)) or self.default
        )

    def is_detailed(self, local: bool) -> bool:
        """Whether this client gets detailed errors."""
        return self.mode == "Detailed" or (self.mode == "DetailedLocalOnly" and local)


def error_pages(effective: Effective) -> Errors:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    entries = {}
    invalid: Finding | None = None
    may_be_absolute = section.flag("allowAbsolutePathsWhenDelegated")
    for item in section.items:
        if not item.has("statusCode"):
            continue  # the file has its own error
        shipped = item.file is None or item.file.is_shipped
        delegated = item.file is not None and not item.file.is_host
        if delegated and not may_be_absolute and (path := absolute_path(item)):
            invalid = invalid or catalogue.finding(
                "errors-absolute-path",
                item.span,
                section=SECTION,
                path=path,
                meant=relative(item, path.replace("/", "\\").rpartition("\\")[2]),
            )
        entries[item.integer("statusCode"), item.integer("subStatusCode")] = ErrorPage(
            item.text("responseMode"),
            item.text("path"),
            item.text("prefixLanguageFilePath"),
            item.file.directory if item.file is not None and delegated else "",
            shipped,
        )
    default = None
    if section.text("defaultPath"):
        default = ErrorPage(
            section.text("defaultResponseMode"),
            section.text("defaultPath"),
            "",
            section.file.directory if section.file else "",
            False,
        )
    mode, existing = section.text("errorMode"), section.text("existingResponse")
    return Errors(mode, existing, entries, default, invalid)


def absolute_path(item: Node) -> str:
    """The absolute path that an <error> names, of its page or of the folder of languages, or "".

    IIS's message is the same for both (reported by users; not measured).
    """
    if item.text("responseMode") != "File":
        return ""
    named = (item.text("prefixLanguageFilePath"), item.text("path"))
    return next((path for path in named if paths.is_windows(path) or path.startswith("%")), "")


def relative(item: Node, page: str) -> str:
    """The attribute of an <error> that is absolute, as it has to be: its ``page``, or no folder of
    languages.
    """
    prefix = item.text("prefixLanguageFilePath")
    is_prefix = prefix and absolute_path(item) == prefix
    return 'prefixLanguageFilePath=""' if is_prefix else f'path="{page}"'


def errors(effective: Effective) -> list[Finding]:
    """What is wrong with the section: it fails error responses, and no others (measured)."""
    invalid = effective.view(error_pages).invalid
    return [*effective.errors(SECTION), *([invalid] if invalid is not None else [])]


def execute_url(
    decision: Decision, status: int, substatus: int, has_entity: bool, local: bool
) -> str | None:
    """The URL whose child request answers instead (responseMode ExecuteURL), or None where there is
    none.
    """
    entry = replacement(decision, status, substatus, has_entity, local)
    return entry.path if entry is not None and entry.mode == "ExecuteURL" else None


def replacement(
    decision: Decision, status: int, substatus: int, has_entity: bool, local: bool
) -> ErrorPage | None:
    """The entry whose page takes the place of an error's body, or None where there is none."""
    if decision.is_error_page or status < 400:
        return None
    section = decision.effective.view(error_pages)
    if (section.existing == "PassThrough" and has_entity) or section.is_detailed(local):
        return None
    if _asks_to_skip(decision, section):
        return None
    return section.entry(status, substatus)


def answers(decision: Decision, response: Response, local: bool) -> bool:
    """Whether CustomErrorModule sets the body of a handler's response: an error in Custom mode, or
    one without a body; never with PassThrough.
    """
    if response.status < 400:
        return False
    if decision.is_error_page:
        return not response.body
    if errors(decision.effective):
        return True
    section = decision.effective.view(error_pages)
    if section.existing == "PassThrough" or _asks_to_skip(decision, section):
        return False
    return not response.body or not section.is_detailed(local)


def _asks_to_skip(decision: Decision, section: Errors) -> bool:
    """Whether the handler asks for its errors to be left alone, empty ones among them, as
    httpPlatformHandler and AspNetCoreModule do; Replace does not listen.  # inferred
    """
    action = decision.action
    asks = isinstance(action, CallWebServer) or (
        isinstance(action, Respond) and action.skips_errors
    )
    return asks and section.existing == "Auto"


def keeps_own_page(decision: Decision, action: Respond) -> bool:
    """Whether an error goes out with the page that its module made."""
    if not action.skips_errors or errors(decision.effective):
        return False
    return decision.effective.view(error_pages).existing != "Replace"


def page(decision: Decision, action: Respond, reason: str, local: bool) -> Response | None:
    """The server's page for an error: detailed, the configured file or redirect, or one line.

    Its headers are those that the module sets. None where the module is not loaded.
    """
    if "CustomErrorModule" in decision.effective.view(loaded_modules.modules_not_loaded):
        return None
    # A broken httpErrors section is ignored while it reports itself.
    section = (
        Errors("DetailedLocalOnly", "Auto", {})
        if errors(decision.effective)
        else decision.effective.view(error_pages)
    )
    status = action.status
    if section.is_detailed(local) and not decision.is_error_page:
        body = detailed.detailed_error(_report(decision, action, reason))
        headers = [("Cache-Control", "private"), ("Content-Type", "text/html; charset=utf-8")]
        return Response(status, reason, headers, body)
    entry = None if decision.is_error_page else section.entry(status, action.substatus)
    if entry is not None and entry.mode == "Redirect":
        return _redirect(decision, entry)
    found = _file(decision, entry) if entry is not None and entry.mode == "File" else None
    mime_type, body = found or ("text/html", one_liner(status).encode())
    return Response(status, reason, [("Content-Type", mime_type)], body)


def _redirect(decision: Decision, entry: ErrorPage) -> Response:
    location = entry.path
    if location.startswith("/"):
        location = f"{decision.request.scheme}://{decision.request.authority}{location}"
    return Response(
        302,
        reason_phrase(302),
        [("Content-Type", "text/html; charset=UTF-8"), ("Location", location)],
        redirect_body(location),
    )


def _file(decision: Decision, entry: ErrorPage) -> tuple[str, bytes] | None:
    """Type and bytes of an error file below the folder that declares it; None where there is
    none.
    """
    relative = entry.path.replace("\\", "/")
    if entry.shipped or entry.prefix:
        return None  # custerr is not part of fcgiemu
    if paths.is_windows(entry.path):
        body = decision.site.files.read_physical(entry.path)
    elif relative.startswith("/") or ".." in relative.split("/"):
        return None
    else:
        body = decision.site.files.read(f"{entry.folder}/{relative}")
    if body is None:
        return None
    return decision.effective.view(static_file.static_content).mime_type(
        relative
    ) or "text/html", body


def _report(decision: Decision, action: Respond, reason: str) -> detailed.ErrorReport:
    """What the detailed page says of an error."""
    request, handler, rewrite = decision.request, decision.handler, decision.rewrite
    path = rewrite.path
    rows = [
        ("Module", decision.module),
        ("Notification", action.notification),
        (
            "Handler",
            f"{handler.name} {handler.origin}" if handler is not None else "Not yet determined",
        ),
        ("Error Code", f"0x{action.hresult:08x}"),
        (
            "Requested URL",
            f"{request.scheme}://{request.host}:{request.port}{request.target.raw}",
        ),
        (
            "Physical Path",
            decision.site.files.physical_path(path) if path.startswith("/") else path,
        ),
        ("Logon Method", "Anonymous" if handler is not None else "Not yet determined"),
    ]
    if rewrite.rewritten:
        query = f"?{decision.query}" if decision.query else ""
        rows.append(("Rewritten URL", decision.path + query))
        rows.append(("Rewrite rules", ", ".join(decision.rules)))
    finding = action.finding
    if finding is not None:
        finding = decision.site.tree.as_written(finding)
    return detailed.ErrorReport(
        status=action.status,
        substatus=action.substatus,
        reason=reason or reason_phrase(action.status),
        message=action.message,
        rows=rows,
        hints=action.hints,
        description=action.description,
        error=_config_error(finding) if finding is not None else None,
        source=_source(decision.site, finding) if finding is not None else [],
        output=action.output,
        story=_story(decision),
    )


def _story(decision: Decision) -> RequestStory | None:
    """How an error came about, for those who ask for HTML; None where asking once more leads
    elsewhere, because a module that remembers has refused.
    """
    site, request = decision.site, decision.request
    if "text/html" not in request.fields.get("accept", ""):
        return None
    trace = Trace()
    now = decide(site, request, trace, site.files)
    if (now.path, now.query, now.rules) != (decision.path, decision.query, decision.rules):
        return None
    events: list[dict[str, Any]] = [event.as_json() for event in trace.events]
    clean: Any = secret_masking.data(events)
    return RequestStory(
        outcome="",
        reasons=[secret_masking.text(reason) for reason in reasons(decision, events)],
        pipeline=notifications(decision),
        rules=judged(clean),
        sources=site.files.configuration,
    )


def _config_error(finding: Finding) -> detailed.ConfigError:
    span = finding.span
    place = f"{span.file}, line {span.line}, column {span.column}" if span is not None else ""
    return detailed.ConfigError(finding.message, place, finding.hint)


def _source(site: Hosting, finding: Finding) -> list[SourceLine]:
    """The lines of web.config around a configuration error."""
    span = finding.span
    if span is None or span.file == "applicationHost.config":
        return []
    lines = (site.files.read("/" + span.file) or b"").decode("utf-8", "replace").splitlines()
    first = max(1, span.line - 2)
    return [
        SourceLine(number, _masked(lines[number - 1]), number == span.line)
        for number in range(first, min(len(lines), span.line + 2) + 1)
    ]


def _masked(line: str) -> str:
    """A line of configuration without the passwords of connection strings."""
    return re.sub(
        r"(?i)((?:password|pwd|accountkey|sharedaccesskey|secret)\s*=\s*)[^;\"']+",
        r"\1********",
        line,
    )


def one_liner(status: int) -> str:
    """The built-in text for a status: what remote clients get."""
    return ONE_LINERS.get(status, _UNKNOWN)
