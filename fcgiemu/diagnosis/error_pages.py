"""``<httpErrors>``: pages that cannot be found, that are never shown, or that change the status."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallFastCgi, CallHttpPlatform, Respond, ServeFile
from ..modules import custom_error
from ..modules.handlers import SECTION
from ..site import Site
from .configuration_files import holds_files
from .decisions import decided

_ERRORS = "system.webServer/httpErrors"
#: Pages that a server runs where it has their language, and not by a handler of the site.
_SCRIPT = re.compile(r"(?i)\.(?:php\d?|aspx?|cfml?|jsp|pl|py)(?:[/?]|$)")


def findings(site: Site, effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Findings about the pages that ``file`` gives to a configuration."""
    section = effective.section(_ERRORS)
    default = section.text("defaultResponseMode")
    absolute: list[Node] = []
    executed: dict[str, list[Node]] = {}
    yield from _details(effective, file)
    for item in section.items:
        if item.file is not file or item.span is None or not item.text("path"):
            continue
        if not item.has("statusCode"):
            continue  # an error of its own
        path = item.text("path")
        mode = item.text("responseMode") if item.has("responseMode") else default
        status = item.integer("statusCode")
        prefix = item.text("prefixLanguageFilePath") if item.has("prefixLanguageFilePath") else ""
        if mode == "File" and custom_error.absolute_path(item):
            if not section.flag("allowAbsolutePathsWhenDelegated"):
                absolute.append(item)
        elif prefix and mode == "File" and _is_before_prefix(site, file, path, prefix):
            yield finding("errors-page/prefix", item.span, status=status, path=path, prefix=prefix)
        elif mode != "Redirect" and re.match(r"(?i)https?:|//", path):
            yield finding("errors-page/outside", item.span, status=status, path=path, mode=mode)
        elif path.startswith("~"):
            meant = path[1:] if mode == "ExecuteURL" else path[2:].replace("/", "\\")
            form = "tilde"
            if mode == "ExecuteURL" and not file.directory and _is_static(site, meant):
                form, meant = "tilde-file", path[2:].replace("/", "\\")
            yield finding(f"errors-page/{form}", item.span, status=status, path=path, meant=meant)
        elif mode == "File" and path.startswith("/"):
            meant = path.lstrip("/").replace("/", "\\")
            yield finding("errors-page/slash", item.span, status=status, path=path, meant=meant)
        elif mode == "File" and not prefix:  # it is the folder
            yield from _missing(site, file, item, path.replace("\\", "/"))
        elif mode == "ExecuteURL" and path.startswith("/"):
            if status >= 400 and _is_static(site, path):
                executed.setdefault(path, []).append(item)
            else:
                yield from _executed(site, file, item, path)
        elif mode == "ExecuteURL":
            meant = "/" + path.replace("\\", "/")
            is_page = status >= 400 and _is_static(site, meant) and not meant.endswith("/")
            yield finding(
                f"errors-page/relative{'-file' if is_page else ''}",
                item.span,
                status=status,
                path=path,
                meant=_as_file(file, meant) if is_page else meant,
            )
        elif mode == "Redirect" and status >= 400:
            is_page = path.startswith("/") and _is_static(site, path)
            yield finding(
                f"errors-redirect{'' if is_page else '/elsewhere'}",
                item.span,
                severity="" if is_page else "info",
                status=status,
                path=path,
                meant=_as_file(file, path),
            )
    for path, items in executed.items():
        yield from _soft(site, file, items, path)
    if absolute:
        yield _absolute(site, file, absolute)


#: The pages that Plesk writes into every web.config.
_OF_PLESK = re.compile(r"(?i)\\vhosts\\[^\\]+\\error_docs\\")


def _absolute(site: Site, file: ConfigFile, items: Sequence[Node]) -> Finding:
    """That absolute paths are not allowed: one finding for all that a file has."""
    form = "/several" if len(items) > 1 else ""
    path, more = custom_error.absolute_path(items[0]), len(items) - 1
    parts = re.split(r"[\\/]+", path)
    below = ("/".join(parts[start:]) for start in range(1, len(parts)))
    there = (page for page in below if page and site.find(f"{file.directory}/{page}"))
    return finding(
        f"errors-absolute-path{form}",
        items[0].span,
        severity="info" if _OF_PLESK.search(path) else "",  # its servers allow them
        section=_ERRORS,
        path=path,
        more=more,
        meant=custom_error.relative(items[0], next(there, parts[-1]).replace("/", "\\")),
    )


def _is_before_prefix(site: Site, file: ConfigFile, path: str, prefix: str) -> bool:
    """Whether a page lies where it would be without its prefix, and not below that."""
    page = path.replace("\\", "/").lstrip("/")
    below = f"{prefix}/{page}".replace("\\", "/").lstrip("/")
    return (
        site.find(f"{file.directory}/{page}") is not None
        and site.find(f"{file.directory}/{below}") is None
    )


def _details(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """That everybody is sent the details of errors: the pages of a file are never seen then."""
    section = effective.section(_ERRORS)
    if section.text("errorMode") != "Detailed":
        return
    own = [item for item in section.items if item.file is file and item.text("path")]
    if own and own[0].span is not None:
        yield finding("errors-unused", own[0].span)
    elif section.file is file and section.text("existingResponse") != "PassThrough":
        runs = any(_RUNS.search(item.text("modules")) for item in effective.section(SECTION).items)
        yield finding(f"errors-detailed{'/program' if runs else ''}", section.span)


#: Modules behind which a program answers, with errors of its own.
_RUNS = re.compile(r"(?i)fastcgimodule|httpplatformhandler|iisnode|aspnetcoremodule")


def _missing(site: Site, file: ConfigFile, item: Node, path: str) -> Iterator[Finding]:
    """A page of the disk that is not there."""
    found = site.find(f"{file.directory}/{path}")
    if found is not None and not found.is_directory:
        if os.path.basename(found.path) != os.path.basename(path):
            status, name = item.integer("statusCode"), os.path.basename(found.path)
            yield finding("errors-case", item.span, status=status, path=path, near=name)
        return
    if not holds_files(Path(site.local_path(file.directory))):
        return
    near = _near_page(Path(site.local_path(file.directory)), path)
    yield finding(
        f"errors-page/{'near' if near else 'missing'}",
        item.span,
        status=item.integer("statusCode"),
        path=path,
        near=near,
    )


def _near_page(folder: Path, path: str) -> str:
    """The page that is meant by one which is not there: of the same name in another folder, or of
    almost the same name in its own; "" for none.
    """
    name = os.path.basename(path)
    for place in chain([folder], folder.glob("*/"), folder.glob("*/*/")):
        if os.path.isfile(place / name):
            return str((place / name).relative_to(folder)).replace(os.sep, "\\")
    own = folder / os.path.dirname(path)
    names = [one.name for one in own.iterdir() if one.is_file()] if os.path.isdir(own) else []
    statuses = set(re.findall(r"[45]\d\d", name))
    names = [one for one in names if set(re.findall(r"[45]\d\d", one)) <= statuses]
    near = get_close_matches(name, names, 1)
    return "".join(str((own / one).relative_to(folder)).replace(os.sep, "\\") for one in near)


#: Scripts that a server may have a handler for, for all of its sites.
_OF_PROGRAMS = re.compile(r"(?i)\.(?:php\d?|aspx?|ashx|cshtml|cfm|jsp)(?:[/?]|$)")


#: Names of pages that say of an error, and of nothing else.
_OF_ERRORS = re.compile(
    r"(?i)(?:^|[^a-z0-9])(?:4\d\d|5\d\d)(?:[^0-9]|$)|error|not[-_ ]?found|forbidden|denied|oops"
    r"|lost"
)


def _page_of_disk(site: Site, file: ConfigFile, status: int) -> str:
    """A page of the site that is a file and named after a status, as responseMode="File" takes it;
    "" for none.
    """
    folder = Path(site.local_path(file.directory))
    known = (folder.glob(f"{place}{status}.htm*") for place in ("", "*/", "*/*/"))
    page = next(chain.from_iterable(known), None)
    return str(page.relative_to(folder)).replace(os.sep, "\\") if page is not None else ""


def _executed(site: Site, file: ConfigFile, item: Node, path: str) -> Iterator[Finding]:
    """A page that is executed, and that may not be there."""
    status = item.integer("statusCode")
    decision = decided(site, path.partition("?")[0])
    action = decision.action if decision is not None else None
    if isinstance(action, CallFastCgi | CallHttpPlatform) and status >= 500:
        page = _page_of_disk(site, file, status)
        form = "" if page else "/new"
        yield finding(f"errors-own-program{form}", item.span, status=status, path=path, page=page)
    elif (
        isinstance(action, Respond) and _leads_to_a_file(site, path) and action.status in (403, 404)
    ):
        answer = f"{action.status}.{action.substatus}"
        if not (action.status == 404 and _OF_PROGRAMS.search(path)):
            yield finding("errors-page/refused", item.span, status=status, path=path, answer=answer)
    elif (
        isinstance(action, Respond)
        and action.status == 404
        and "." in path
        and not _is_of_application(site, path)
        and not _leads_to_a_file(site, path.partition("?")[0])
    ):
        yield finding("errors-page/url", item.span, status=status, path=path)


def _is_of_application(site: Site, path: str) -> bool:
    """Whether a path begins with the name that this site has as an application of its server."""
    first, _, rest = path.partition("?")[0].strip("/").partition("/")
    return bool(rest) and site.find(f"/{first}") is None and site.find(f"/{rest}") is not None


#: Names of pages that an application in the browser may have for all of its paths.
_OF_SITE = re.compile(r"(?i)(?:index|default|home|app|main)\.x?html?$")


def _soft(site: Site, file: ConfigFile, items: Sequence[Node], path: str) -> Iterator[Finding]:
    """A file that is executed as the page for some errors: it is answered 200. The site's first
    page may be meant so, for an application in the browser that has paths of its own.
    """
    decision = decided(site, path.partition("?")[0])
    if decision is None or decision.rules or path.endswith("/"):
        return  # a page for other URLs as well
    first, own = decided(site, "/"), decision.action
    is_first = (
        first is not None
        and isinstance(first.action, ServeFile)
        and isinstance(own, ServeFile)
        and first.action.entry.path == own.entry.path
    )
    name = path.rpartition("/")[2]
    is_of_errors = _OF_ERRORS.search(name)
    is_meant = not is_of_errors and (is_first or _OF_SITE.match(name))
    yield finding(
        f"errors-soft{'/first' if is_first and not is_of_errors else ''}",
        items[0].span,
        severity="info" if is_meant else "",
        status=", ".join(str(item.integer("statusCode")) for item in items),
        path=path,
        meant=_as_file(file, path),
    )


def _as_file(file: ConfigFile, path: str) -> str:
    """The path of a page as responseMode="File" takes it: from the folder of its web.config on."""
    below = path.removeprefix(f"{file.directory}/").lstrip("/")
    return below.replace("/", "\\")


def _is_static(site: Site, path: str) -> bool:
    """Whether a URL path is answered with a file, and so with 200."""
    decision = decided(site, path.partition("?")[0])
    return decision is not None and isinstance(decision.action, ServeFile)


def _leads_to_a_file(site: Site, path: str) -> bool:
    """Whether a URL path is that of a file, or of one with further segments behind it: such a page
    is there, and what keeps it from being answered is said by itself.
    """
    parts = path.strip("/").split("/")
    found = (site.find("/" + "/".join(parts[:end])) for end in range(len(parts), 0, -1))
    return any(entry is not None and not entry.is_directory for entry in found)
