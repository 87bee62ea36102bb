"""Requests that an application in Python is there for, and that never reach it: those of its plain
URLs, and those with the methods that its code answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.merge import Node
from ..decision import Action, CallFastCgi, CallHttpPlatform, Redirect, Respond
from ..files import text_if_readable
from ..modules.custom_error import error_pages
from ..modules.handlers import SECTION
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from . import rewrite_patterns
from .decisions import decided
from .python_files import python_files

_PROTOCOL = "system.webServer/httpProtocol"
_PROGRAMS = re.compile(r"(?i)fastcgimodule|httpplatformhandler")
#: URLs as the routes of an application have them.
_PLAIN = ("sample", "sample/", "api/sample/1", "")
#: How code names the methods that it answers, but GET.
_METHODS = re.compile(
    r"methods\s*=\s*[\[({]([^\])}]*)[\])}]"
    r"|@\w+(?:\.\w+)*\.(post|put|patch|delete)\("
    r"|^\s+(?:async )?def (post|put|patch|delete)\(self"
    r"|request\.method\s*==\s*[\"'](POST|PUT|PATCH|DELETE)[\"']",
    re.MULTILINE,
)


def findings(site: Site) -> Iterator[Finding]:
    """Findings of every application whose own web.config gives requests to Python."""
    for application in site.layout.applications:
        file = site.tree.file_of(application.url)
        section = site.effective(application.url or "/").section(SECTION)
        own = [item for item in section.items if item.file is file and _is_for_python(item)]
        if file is None or not own or any(known.severity == "error" for known in file.findings):
            continue
        yield from _cors(site, application)
        yield from _bodies(site, application, own[0])
        reached = [_answered(site, f"{application.url}/{path}") for path in _PLAIN]
        if not any(map(_reaches, reached)):
            if not any(_leads_to(rule, own) for rule in _rules(site, application)):
                yield from _never(own, reached, application)
        else:
            yield from _methods(site, application, own[0])


def _is_for_python(item: Node) -> bool:
    return (
        _PROGRAMS.search(item.text("modules")) is not None
        and re.search(r"(?i)wfastcgi", item.text("scriptProcessor")) is not None
        or "httpplatformhandler" in item.text("modules").lower()
    )


def _answered(site: Site, url: str, method: str = "GET") -> Action | None:
    decision = decided(site, url, method)
    return decision.action if decision is not None else None


def _reaches(action: Action | None) -> bool:
    return isinstance(action, CallFastCgi | CallHttpPlatform)


def _rules(site: Site, application: Application) -> Sequence[Rule]:
    return site.effective(application.url or "/").view(inbound).rules


def _leads_to(rule: Rule, own: list[Node]) -> bool:
    """Whether a rule gives some URLs, not all, to the path of a handler."""
    url = rule.action.url.source if rule.action.url is not None else ""
    target = url.partition("?")[0].strip("/").lower()
    first = rewrite_patterns.begins(rule.pattern or "")
    paths = (item.text("path").strip("/").lower() for item in own)
    return bool(first) and "/" not in first and any(fnmatch(target, path) for path in paths)


def _never(
    own: list[Node], reached: list[Action | None], application: Application
) -> Iterator[Finding]:
    """That no plain URL reaches the application, and why."""
    first, status = (
        own[0],
        [(action.status, action.substatus) for action in reached if isinstance(action, Respond)],
    )
    if any(isinstance(action, Redirect) for action in reached) or len(status) < len(reached):
        return
    if all(one == (403, 1) for one in status):
        yield finding("handler-access-policy", first.span, handler=first.text("name"))
        return
    if all(one == (404, 7) for one in status[:2]):
        yield finding("filtering-extension/none", first.span)
        return
    paths = [item.text("path") for item in own]
    is_narrow = all(re.fullmatch(r"\*\.\w+|[\w.-]+", path.strip("/")) for path in paths)
    if is_narrow and all(one[0] in (403, 404) for one in status):
        yield finding(
            "handler-few-urls",
            first.span,
            handler=first.text("name"),
            path=" and ".join(dict.fromkeys(paths)),
            url=f"{application.url}/",
            status=".".join(map(str, status[-1])),
        )


def _methods(site: Site, application: Application, item: Node) -> Iterator[Finding]:
    """Methods that the code answers, and that are refused or given to another handler."""
    used = _used(application.path)
    dav = next((method for method in ("PUT", "DELETE") if method in used), "")
    if dav and not _removes_dav(site, application):
        yield finding("handler-webdav", item.span, method=dav, place=used[dav])
    for method, place in used.items():
        url = next(
            f"{application.url}/{path}"
            for path in _PLAIN
            if _reaches(_answered(site, f"{application.url}/{path}"))
        )
        action = _answered(site, url, method)
        if isinstance(action, Respond) and (action.status, action.substatus) == (404, 6):
            yield finding("filtering-verb", item.span, method=method, place=place)
        elif isinstance(action, Respond) and action.status in (403, 404, 405):
            yield finding(
                "handler-verb/used",
                item.span,
                severity="warning",
                handler=item.text("name"),
                verb=item.text("verb"),
                meant=f"{item.text('verb')},{method}",
                method=method,
                place=place,
            )


#: What makes answers of its own for errors, in the code of an application.
_ERROR_HANDLERS = re.compile(
    r"\.(?:app_)?errorhandler\(|exception_handler\(|\bhandler(?:404|500)\s*="
)


def _bodies(site: Site, application: Application, item: Node) -> Iterator[Finding]:
    """Answers of the application for errors, in whose place IIS puts pages of its own."""
    errors = site.effective(application.url or "/").view(error_pages)
    if errors.existing == "Replace":
        yield finding("errors-own-bodies", item.span)
    elif errors.existing == "Auto" and errors.mode != "Detailed":
        for file in python_files(application.path):
            if match := _ERROR_HANDLERS.search(text := text_if_readable(file)):
                line = text.count("\n", 0, match.start()) + 1
                place = f"{file.relative_to(application.path).as_posix()}:{line}"
                yield finding("errors-own-bodies/code", item.span, severity="info", place=place)
                return


#: What adds the headers for other origins in the code of an application.
_CORS = re.compile(r"\b(?:flask_cors|CORSMiddleware|corsheaders|aiohttp_cors)\b")


def _cors(site: Site, application: Application) -> Iterator[Finding]:
    """Access-Control-Allow-Origin that both the application and IIS add: browsers refuse two."""
    section = site.effective(application.url or "/").section(_PROTOCOL).child("customHeaders")
    for item in section.items:
        if item.text("name").lower() == "access-control-allow-origin" and item.span is not None:
            for file in python_files(application.path):
                if match := _CORS.search(text_if_readable(file)):
                    place = file.relative_to(application.path).as_posix()
                    yield finding("static-cors-twice", item.span, library=match[0], file=place)
                    return


def _removes_dav(site: Site, application: Application) -> bool:
    """Whether the web.config of an application takes WebDAV out of the way."""
    file = site.tree.file_of(application.url)
    elements = file.root.iter("remove") if file is not None and file.root is not None else ()
    return any("webdav" in part.attributes.get("name", "").lower() for part in elements)


def _used(folder: Path) -> dict[str, str]:
    """The methods that code of a folder answers -> the file and line of the first that does."""
    found: dict[str, str] = {}
    for file in python_files(folder):
        text = text_if_readable(file)
        for match in _METHODS.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            for method in re.findall(r"[A-Za-z]+", " ".join(filter(None, match.groups()))):
                if method.upper() in ("POST", "PUT", "PATCH", "DELETE"):
                    place = f"{file.relative_to(folder).as_posix()}:{line}"
                    found.setdefault(method.upper(), place)
    return found
