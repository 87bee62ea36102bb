"""IIS Web Core: which handler mapping takes a URL, and whether the resource it needs
exists (404.0, 404.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial

from .. import catalogue
from ..catalogue.findings import E_INVALID_DATA, Finding, Span
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import E_FILE_NOT_FOUND, Handler, Respond
from ..files import FileEntry
from ..trace import Trace
from . import access
from .context import Context, Step

SECTION = "system.webServer/handlers"

#: preCondition token -> whether it holds on the emulated server: integrated mode, 64 bit, no
#: managed code.
_PRE_CONDITIONS = {
    "bitness32": False,
    "bitness64": True,
    "integratedmode": True,
    "classicmode": False,
    "runtimeversionv1.1": False,
    "runtimeversionv2.0": False,
    "runtimeversionv4.0": False,
    "managedhandler": False,
}
_FAMILIES = ("bitness", "integrated", "classic", "runtimeversion", "managed")

#: Path -> length of the script part, or None where the pattern does not match.
PathMatch = Callable[[str], int | None]


@dataclass(slots=True)
class HandlerTable:
    """The effective handler mappings, in the order in which they are tried."""

    entries: list[tuple[Handler, PathMatch]]
    access: frozenset[str]
    bad_pre_condition: Finding | None = None

    def choose(self, path: str, method: str, trace: Trace | None) -> tuple[Handler, int] | None:
        """The first entry whose verb and path match, with the length of the script part of
        ``path``.
        """
        for handler, matches in self.entries:
            if handler.verbs and method not in handler.verbs:
                if trace is not None:
                    trace.add(
                        "HANDLER_VERB_NOT_MATCH",
                        Name=handler.name,
                        Verb=",".join(sorted(handler.verbs)),
                        RequestVerb=method,
                    )
                continue
            length = matches(path)
            if length is not None:
                if trace is not None:
                    trace.add(
                        "HANDLER_CHANGED",
                        OldHandlerName="",
                        NewHandlerName=handler.name,
                        NewHandlerModules=",".join(handler.modules),
                        NewHandlerScriptProcessor=handler.script_processor,
                        Path=handler.path,
                        Origin=handler.origin,
                    )
                return handler, length
            if trace is not None:
                trace.add(
                    "HANDLER_PATH_NOT_MATCH", Name=handler.name, Path=handler.path, RequestURL=path
                )
        return None


def table(effective: Effective) -> HandlerTable:
    """Compile <handlers> of a configuration. A view: see Effective.view."""
    return effective.view_of(SECTION, _compiled)


def _compiled(section: Node) -> HandlerTable:
    entries: list[tuple[Handler, PathMatch]] = []
    bad = None
    for node in section.items:
        handler = _handler(node)
        holds = pre_condition_holds(handler.pre_condition)
        if holds is None:
            bad = bad or catalogue.finding(
                "handler-bad-precondition",
                node.span,
                handler=handler.name,
                text=handler.pre_condition,
                meant=_near_pre_condition(handler.pre_condition),
            )
        elif holds:
            entries.append((handler, path_matcher(handler.path)))
    return HandlerTable(entries, section.names("accessPolicy"), bad)


def _handler(node: Node) -> Handler:
    verbs = {verb.strip() for verb in node.text("verb").split(",")}
    return Handler(
        name=node.text("name"),
        path=node.text("path"),
        verbs=frozenset() if "*" in verbs else frozenset(verbs),
        modules=tuple(part.strip() for part in node.text("modules").split(",") if part.strip()),
        script_processor=node.text("scriptProcessor"),
        resource_type=node.text("resourceType"),
        require_access=node.text("requireAccess"),
        allow_path_info=node.flag("allowPathInfo"),
        pre_condition=node.text("preCondition"),
        response_buffer_limit=node.integer("responseBufferLimit"),
        origin=str(node.span) if node.file and not node.file.is_host else "",
    )


def pre_condition_holds(text: str) -> bool | None:
    """Whether a preCondition holds on this server; None for an unknown token.

    Tokens of one family are alternatives, families must all hold.
    """
    families: dict[str, bool] = {}
    for token in filter(None, (part.strip().lower() for part in text.split(","))):
        if token not in _PRE_CONDITIONS:
            return None
        family = next(name for name in _FAMILIES if token.startswith(name))
        families[family] = families.get(family, False) or _PRE_CONDITIONS[token]
    return all(families.values())


def _near_pre_condition(text: str) -> str:
    """A preCondition with the tokens that are near the unknown ones."""
    tokens = [part.strip() for part in text.split(",") if part.strip()]
    near = [
        token
        if token.lower() in _PRE_CONDITIONS
        else "".join(get_close_matches(token.lower(), _PRE_CONDITIONS, 1, 0.5))
        for token in tokens
    ]
    return ",".join(_WRITTEN.get(token, token) for token in near if token)


#: Tokens as they are written.
_WRITTEN = {
    "integratedmode": "integratedMode",
    "classicmode": "classicMode",
    "runtimeversionv4.0": "runtimeVersionv4.0",
    "runtimeversionv2.0": "runtimeVersionv2.0",
    "runtimeversionv1.1": "runtimeVersionv1.1",
}


def path_matcher(pattern: str) -> PathMatch:
    """A matcher for a handler's ``path``; case does not count. Forms and their meaning:
    docs/pipeline.md.
    """
    if pattern == "*":
        return len
    if pattern == "*.":
        return lambda path: len(path) if "." not in path.rpartition("/")[2] else None
    if "*" not in pattern and "/" not in pattern:
        return _segment_matcher(pattern.lower())
    wild = ".*" if "/" in pattern.rstrip("*").lstrip("/") or pattern.startswith("/") else "[^/]*"
    body = "".join(wild if char == "*" else re.escape(char) for char in pattern.lstrip("/"))
    anchor = "^/" if pattern.startswith("/") else "/"
    search = re.compile(f"{anchor}{body}(?=/|$)", re.IGNORECASE).search

    def match(path: str) -> int | None:
        found = search(path)
        return found.end() if found else None

    return match


def _segment_matcher(name: str) -> PathMatch:
    """A plain name matches a segment at any depth; what follows it is path info."""
    middle, end = f"/{name}/", f"/{name}"

    def match(path: str) -> int | None:
        folded = path.lower()
        position = folded.find(middle)
        if position >= 0:
            return position + len(end)
        return len(path) if folded.endswith(end) else None

    return match


def map_url(context: Context, quietly: bool = False) -> None:
    """Take the handler of the current URL. The core does it before BEGIN_REQUEST, and again for a
    child request; where none fits, MAP_REQUEST_HANDLER says so.
    """
    mappings = context.effective.view(table)
    context.handler, context.entry = None, None
    if mappings.bad_pre_condition is None:
        chosen = mappings.choose(
            context.state.path, context.request.method, None if quietly else context.trace
        )
        if chosen is not None:
            context.handler, context.script_length = chosen


def look_up(_effective: Effective) -> Step:
    """Between authentication and authorization: the file or folder that the handler's resourceType
    asks for. A plan: see context.py.
    """
    return _look_up


def _look_up(context: Context) -> None:
    if context.handler is None or context.handler.resource_type == "Unspecified":
        return
    path = context.state.path[: context.script_length]
    entry = context.entry = context.files.find(path)
    if context.trace is not None:
        context.trace.add(
            "FILE_CACHE_ACCESS_END",
            FileName=context.files.physical_path(context.state.path),
            Successful=_fits(context.handler, entry),
            File=context.hosting.spelled(entry) if entry else None,
        )


def _fits(handler: Handler, entry: FileEntry | None) -> bool:
    """Whether what was found is what the handler's resourceType asks for."""
    kind = handler.resource_type
    return entry is not None and (kind == "Either" or entry.is_directory == (kind == "Directory"))


def map_request_handler(effective: Effective) -> Step:
    """404.4 without a handler, 404.0 without its resource, 403 without the access that it requires.
    A plan: see context.py.
    """
    return partial(_check, effective.view(table))


def _check(mappings: HandlerTable, context: Context) -> Respond | None:
    if (bad := mappings.bad_pre_condition) is not None:
        return Respond(
            500, 0, bad.message, E_INVALID_DATA, finding=bad, notification="MapRequestHandler"
        )
    handler = context.handler
    if handler is None:
        return Respond(
            404,
            4,
            "The resource you are looking for does not have a handler associated with it.",
            E_FILE_NOT_FOUND,
            notification="MapRequestHandler",
        )
    if handler.resource_type != "Unspecified" and not _fits(handler, context.entry):
        return not_found("MapRequestHandler")
    return access.missing(handler, mappings.access)


@lru_cache(maxsize=16)
def not_found(notification: str) -> Respond:
    """404.0, made once for each notification: it is the commonest error."""
    return Respond(
        404,
        0,
        "The resource you are looking for has been removed, had its name changed, or is temporarily"
        " unavailable.",
        E_FILE_NOT_FOUND,
        notification=notification,
    )


def access_denied() -> Respond:
    """401.3: the operating system does not let the server read what it would send."""
    return Respond(
        401,
        3,
        "You do not have permission to view this directory or page because of the access control"
        " list (ACL) configuration or encryption settings for this resource on the Web server.",
        0x80070005,
        notification="ExecuteRequestHandler",
        hints=("Give the user that runs the server permission to read it.",),
    )


def bad_module(handler: Handler, module: str) -> Respond:
    """500.21: a handler names a module that the application does not have."""
    return Respond(
        500,
        21,
        f'Handler "{handler.name}" has a bad module "{module}" in its module list',
        notification="ExecuteRequestHandler",
    )


def not_emulated(handler: Handler, module: str) -> Respond:
    """500.0: a handler of a module that exists on servers, but not here."""
    known = lack(handler, module)
    return Respond(
        500,
        0,
        f"The handler '{handler.name}' uses {module}, which fcgiemu does not emulate.",
        notification="ExecuteRequestHandler",
        hints=(known.hint,),
    )


def lack(handler: Handler, module: str, span: Span | None = None) -> Finding:
    """What is said of a handler whose module is not emulated."""
    is_python = re.search(r"(?i)python|\.py\b", f"{handler.script_processor} {handler.path}")
    form = "cgi" if module == "CgiModule" and is_python else "other"
    return catalogue.finding(
        f"handler-not-emulated/{form}", span, handler=handler.name, module=module
    )
