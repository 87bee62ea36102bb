"""Handlers and the files of a site: one for every path that also takes the requests for files, and
files that no handler is left for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..catalogue import filled
from ..catalogue.findings import Finding, Span
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Respond, ServeFile
from ..files import text_if_readable
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..modules import handlers as handler_mappings
from ..site import Site
from .python_files import python_files
from .tried_remedies import Remedy, first_that_works

_STATIC = (
    '<add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="File"'
    ' requireAccess="Read" />'
)
_NO_RULES = "<rewrite><rules><clear /></rules></rewrite>"


def taken(
    site: Site, name: str, origin: str, effective: Effective, paths: Sequence[str]
) -> Iterator[Finding]:
    """That the handler ``name`` for every path also gets the requests for files."""
    for item in effective.section(handler_mappings.SECTION).items:
        if item.text("name") == name and str(item.span) == origin and item.span is not None:
            code = _code(site, paths[0])
            if _SENDS_FILES.search(code):
                return  # it is meant
            is_missed = _OF_DJANGO.search(code) is not None
            if is_missed and not (paths := _asked(site, paths, code)):
                return  # sources of its packages, which collectstatic brings elsewhere
            path = max(paths, key=lambda path: path.count("/") > 1)  # one in a folder, if there is
            remedies = _of_folder(site, name, [path]) or _of_file(item, item.span, path)
            chosen = first_that_works(site, remedies, partial(are_served, [path]))
            of_folders = list(_by_folder(site, paths).values())
            if len(of_folders) > 1:
                several = _of_folder(site, name, of_folders)
                tried = first_that_works(site, several, partial(are_served, of_folders))
                chosen = tried if tried.files else chosen
            why = ", which Django does not send" if is_missed else ""
            values = {"handler": name, "path": item.text("path"), "files": listed(paths)}
            yield filled(
                chosen.form,
                {**values, **chosen.values, "why": why},
                item.span,
                severity="warning" if is_missed else "",
            )


#: How code has files sent by the application itself.
_SENDS_FILES = re.compile(
    r"(?i)whitenoise|\bStaticFiles\(|send_from_directory\(|\bstatic_file\(|dj_static|staticfiles_urlpatterns"
    r"|\bstatic\(\s*settings|views\.static\b|SharedDataMiddleware|add_static|StaticFileHandler"
)
#: Django, which sends files with runserver alone (documented).
_OF_DJANGO = re.compile(r"(?m)\bget_[aw]sgi_application\b|^DEBUG\s*=\s*False\b")


#: Where pages of Django ask for files.
_URLS = re.compile(r"^(?:STATIC|MEDIA)_URL\s*=\s*['\"]/?([^'\"]+)['\"]", re.MULTILINE)


def _asked(site: Site, paths: Sequence[str], code: str) -> list[str]:
    """The files that pages of Django ask for by their URLs."""
    urls = [f"/{url.strip('/')}/" for url in _URLS.findall(code)] or ["/static/"]
    base = site.application(paths[0]).url
    return [path for path in paths if path.startswith(tuple(f"{base}{url}" for url in urls))]


def _code(site: Site, path: str) -> str:
    """The sources of the application that a URL path is of."""
    folder = site.application(path).path
    return "\n".join(text_if_readable(file) for file in python_files(folder))


def _by_folder(site: Site, paths: Sequence[str]) -> dict[str, str]:
    """The folders of the application's root that files are in and that hold no program and no
    web.config -> the path of a file in each.
    """
    found: dict[str, str] = {}
    for path in paths:
        if folder := _top(site, path):
            found.setdefault(folder, path)
    return {
        folder: path
        for folder, path in found.items()
        if site.tree.file_of(folder) is None and not any(Path(site.local_path(folder)).glob("*.py"))
    }


def _top(site: Site, path: str) -> str:
    """The folder of the application's root that a file is in; "" for one in the root itself."""
    base = site.application(path).url
    first, below, _ = path.removeprefix(base).strip("/").partition("/")
    return f"{base}/{first}" if first and below else ""


def _of_folder(site: Site, name: str, paths: Sequence[str]) -> list[Remedy]:
    """What a web.config in the folder of each of some files may say; nothing for one in the
    root.
    """
    folders = [_top(site, path) for path in paths]
    if not all(folders):
        return []
    is_there = site.tree.file_of(folders[0]) is not None
    form = f"handler-takes-files{'/several' if folders[1:] else '/there' if is_there else ''}"
    found = []
    for handlers in (f"<remove name={quoteattr(name)} />", f"<clear />{_STATIC}"):
        for more in ("", _NO_RULES):
            inner = f"<handlers>{handlers}</handlers>{more}"
            text = f"<configuration><system.webServer>{inner}</system.webServer></configuration>"
            values = {"folder": ", ".join(folders), "inner": inner}
            found.append(Remedy(form, values, files=dict.fromkeys(folders, text.encode())))
    return [*found, Remedy("handler-takes-files/other")]


def _of_file(item: Node, span: Span, path: str) -> list[Remedy]:
    """What may stand before the handler for a file in the root."""
    name = path.rpartition("/")[2]
    element = _STATIC.replace('"StaticFile"', quoteattr(name)).replace('"*"', quoteattr(name), 1)
    change = f"before()={element}"
    root = Remedy("handler-takes-files/root", {"element": element}, ((change, span),))
    return [root, Remedy("handler-takes-files/other")]


def are_served(paths: Sequence[str], site: Site) -> bool:
    """Whether each of some URL paths is answered with the very file that it names."""
    return all(is_served(path, site) for path in paths)


def is_served(path: str, site: Site) -> bool:
    """Whether a URL path is answered with the very file that it names."""
    action = site.decide(make_request(encode_path(path))).action
    entry = site.find(path)
    return isinstance(action, ServeFile) and entry is not None and action.entry.path == entry.path


def listed(paths: Sequence[str]) -> str:
    """The first of some files, and how many more there are."""
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def without(site: Site, paths: Sequence[str]) -> Iterator[Finding]:
    """That no handler takes the requests for files: 404.4. One finding for each <handlers>."""
    by_place: dict[Span | None, list[str]] = {}
    for path in paths:
        if _has_none(site, path):
            by_place.setdefault(_handlers_of(site, path), []).append(path)
    for span, lost in by_place.items():
        values = {"files": listed(lost), "element": _STATIC}
        yield filled("handler-none-for-files", values, span)


def _has_none(site: Site, path: str) -> bool:
    try:
        action = site.decide(make_request(encode_path(path))).action
    except UrlRefused:
        return False
    return isinstance(action, Respond) and (action.status, action.substatus) == (404, 4)


def _handlers_of(site: Site, path: str) -> Span | None:
    """The nearest <handlers> that a URL path is under."""
    files = [file for file in site.tree.files() if f"{path}/".startswith(f"{file.directory}/")]
    for file in sorted(files, key=lambda file: -len(file.directory)):
        places = {"", *file.covering(path.lower(), site.layout.name)}
        for part in reversed(file.instances(handler_mappings.SECTION)):
            if part.location.lower() in places:
                return part.element.span
    return None
