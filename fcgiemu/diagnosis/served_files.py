"""What requests for the files of a site come to: files without a MIME map, a root without a default
document, error pages that are not found, redirects of whole folders that lead to themselves.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..catalogue import filled, finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.tree import Effective
from ..decision import Redirect, Respond, ServeFile
from ..files import UNWATCHED, read_bounded
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..modules import handlers, http_redirection, static_file
from ..site import Site
from . import error_pages, refused_files
from .condition_remedies import attributes
from .configuration_files import holds_files
from .decisions import decided, decided_at_last
from .tried_remedies import Remedy, first_that_works

_DOCUMENTS = "system.webServer/defaultDocument"
_REDIRECT = "system.webServer/httpRedirect"
#: Extensions of files that browsers ask for and that a MIME map of IIS may lack.
_WEB = frozenset(
    """.webmanifest .avif .webp .mjs .geojson .wasm .woff2 .woff .json .glb .gltf .m3u8 .topojson
    .appcache .webapp
    .unityweb .vtt .opus .apk .ipa .usdz .pbf .mvt .cur .heic .jxl .php .dat .blat .dll .pdb .br .gz
    .""".split()
)
#: The folder of files that others look for by their names, which often have no extension.
_WELL_KNOWN = "/.well-known/"
#: The types of those that have one of their own.
_MIME_TYPES = {
    ".webmanifest": "application/manifest+json",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".mjs": "text/javascript",
    ".geojson": "application/geo+json",
    ".topojson": "application/json",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".json": "application/json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".vtt": "text/vtt",
    ".appcache": "text/cache-manifest",
    ".webapp": "application/x-web-app-manifest+json",
    ".opus": "audio/ogg",
    ".apk": "application/vnd.android.package-archive",
    ".heic": "image/heic",
    ".jxl": "image/jxl",
    ".": "application/json",  # apple-app-site-association; browsers do not mind
}
#: Those of them that count only where pages of Blazor ask for them.
_BLAZOR = frozenset({".dat", ".blat", ".dll", ".pdb", ".br", ".gz"})
MAX_FILES = 2000
MAX_HOPS = 10


def findings(site: Site) -> Iterator[Finding]:
    """Findings about the files of a site as a whole."""
    yield from _mime_types(site)
    yield from _secrets(site)
    yield from refused_files.findings(site, _files(site))
    yield from _root(site)


def of_configuration(site: Site, effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Findings about what ``file`` says of error pages and redirects."""
    yield from error_pages.findings(site, effective, file)
    yield from _whole_redirects(site, file)
    yield from _wildcards(effective, file)


# -- files -----------------------------------------------------------------------------------------


def _mime_types(site: Site) -> Iterator[Finding]:
    """Files that browsers ask for and that are answered 404.3; one finding an extension."""
    texts = cache(partial(_texts, site))  # read once, and only where there is such data
    said = {
        element.attributes.get("fileExtension", "").lower()  # that it is removed has been said
        for file in site.tree.files()
        for section in (file.root.iter("staticContent") if file.root is not None else ())
        for element in section.iter("remove")
    }
    for path in _files(site):
        extension = os.path.splitext(path)[1].lower()
        if not extension and path.startswith(_WELL_KNOWN):
            extension = "."
        if extension in said or extension not in _WEB:
            continue
        if extension in _BLAZOR and "/_framework/" not in path and "/Build/" not in path:
            continue
        parts = path.strip("/").split("/")
        urls = ["/" + "/".join(parts[start:]) for start in range(min(2, len(parts)))]
        if _has_type(site, path, extension):
            continue  # what is refused is something else, which a rule leads to
        if _OF_SERVER.search(path) or extension in _DATA and _is_read_by_a_script(texts, path):
            continue
        if refused := next((url for url in urls if _is_refused(site, url, (404, 3))), None):
            said.add(extension)
            is_php = extension == ".php"
            form = "/php" if is_php else "/nameless" if extension == "." else ""
            mime_type = _MIME_TYPES.get(extension, "application/octet-stream")
            yield finding(
                f"static-no-mime-type{form}",
                None,
                # most servers with PHP map it for every site; scripts may read data by a built name
                severity="info" if is_php or _may_be_read(site, texts, path, extension) else "",
                path=refused,
                extension=extension,
                type=mime_type,
            )


#: Scripts that Node runs, as Angular's for rendering at the server.
_OF_SERVER = re.compile(r"(?i)(?:/server/[^/]*|/(?:server|main\.server)[\w.-]*)\.mjs$")
#: Data that a script of the server may read itself.
_DATA = frozenset({".geojson", ".topojson", ".json", ".pbf"})
#: Where a file is named by what runs at the server, and by what runs in the browser.
_SCRIPTS, _PAGES = (".php", ".py", ".cshtml"), (".html", ".htm", ".js", ".mjs", ".css")
#: Files that are looked into, at most, and bytes of each.
_MOST_LOOKED_INTO, _MOST_BYTES = 100, 1 << 18


#: What the files with one of some suffixes hold.
_Texts = Callable[[tuple[str, ...]], list[bytes]]


def _is_read_by_a_script(texts: _Texts, path: str) -> bool:
    """Whether a script that runs at the server names a file, and no page does: nobody has to ask
    for it then.
    """
    return _is_named(path, texts(_SCRIPTS)) and not _is_named(path, texts(_PAGES))


def _may_be_read(site: Site, texts: _Texts, path: str, extension: str) -> bool:
    """Whether data is more likely read by a script of the server: there are some, and no page names
    the file.
    """
    if extension not in _DATA or _is_named(path, texts(_PAGES)):
        return False
    return any(place.lower().endswith(_SCRIPTS) for place in _files(site))


def _is_named(path: str, texts: Sequence[bytes]) -> bool:
    """Whether a text holds the name of a file."""
    name = path.rpartition("/")[2].encode()
    return any(name in text for text in texts)


def _texts(site: Site, suffixes: tuple[str, ...]) -> list[bytes]:
    """What the files with one of these suffixes hold, within bounds."""
    found = []
    places = (path for path in _files(site) if path.lower().endswith(suffixes))
    for place in islice(places, _MOST_LOOKED_INTO):
        with contextlib.suppress(OSError):
            found.append(read_bounded(site.local_path(place), _MOST_BYTES))
    return found


#: Names of files that hold what is nobody's business: the application, its data, keys.
_SECRET_FILE = re.compile(
    r"(?i)\.env(?:\..*)?|.*\.(?:pem|key|pfx|p12|kdbx|sqlite3?|mdb|bak|sql|pyc?|ini|htpasswd)"
    r"|(?:secrets?|credentials|client_secrets?|service[-_]account|local\.settings)\.json"
    r"|web\.config\..*|id_rsa"
)


def _secrets(site: Site) -> Iterator[Finding]:
    """Files of that kind which StaticFileModule sends; one finding an extension."""
    said = set[str]()
    is_python = has_python_handler(site)
    for path in _files(site):
        name = path.rpartition("/")[2]
        extension = os.path.splitext(name)[1].lower() or name
        if extension in said or not _SECRET_FILE.fullmatch(name):
            continue
        if extension in (".py", ".pyc", ".sql") and not is_python:
            continue  # pages run Python in the browser, and data may be there to be had
        decision = decided_at_last(site, path)
        if decision is not None and isinstance(decision.action, ServeFile):
            said.add(extension)
            yield finding("static-secret/file", None, path=path, name=name)


def has_python_handler(site: Site) -> bool:
    """Whether a handler of the root gives requests to a program."""
    items = site.effective("/").section(handlers.SECTION).items
    return any(re.search(r"(?i)fastcgi|httpplatform", item.text("modules")) for item in items)


def _has_type(site: Site, path: str, extension: str) -> bool:
    """Whether the MIME map has the type of a file. For PHP a type does not help."""
    types = site.effective(path).view(static_file.static_content)
    return extension != ".php" and bool(types.mime_type(os.path.basename(path)))


def _is_refused(site: Site, path: str, status: tuple[int, int]) -> bool:
    """Whether a URL path is answered with an error."""
    decision = decided_at_last(site, path)
    action = decision.action if decision is not None else None
    return isinstance(action, Respond) and (action.status, action.substatus) == status


def _files(site: Site) -> Iterator[str]:
    """The URL paths of a site's files, MAX_FILES at most; folders of tools are left out."""
    count = 0
    for directory in site.layout.directories:
        for folder, names, files in os.walk(directory.view.root):
            names[:] = sorted(
                name
                for name in names
                if name.lower() not in UNWATCHED and (name[0] != "." or name == ".well-known")
            )
            base = directory.path + folder[len(directory.view.root) :].replace(os.sep, "/")
            for file in sorted(files):
                count += 1
                if count > MAX_FILES:
                    return
                yield f"{base}/{file}"


_FIRST_PAGES = ("index.html", "index.htm", "default.htm", "default.html")


def _root(site: Site) -> Iterator[Finding]:
    """That the site's own list of default documents names none that is there."""
    section = site.effective("/").section(_DOCUMENTS)
    items = section.child("files").items
    own = [item for item in items if item.file is not None and not item.file.is_host]
    section_file = section.file
    is_off = not section.flag("enabled") and section_file is not None and not section_file.is_host
    if is_off and section.span and _is_refused(site, "/", (403, 14)):
        page = next((f"/{name}" for name in _FIRST_PAGES if site.find(f"/{name}")), "")
        if page:
            yield finding("static-no-default-document/off", section.span, page=page)
        return
    if not own:
        return
    if _is_refused(site, "/", (403, 14)) and holds_files(Path(site.local_path(""))):
        names = ", ".join(item.text("value") for item in items)
        span = own[0].span
        pages = [page for page in _pages(site) if page.endswith((".html", ".htm"))]
        first = [page for page in pages if page.lower() in _FIRST_PAGES]
        page = (first or (pages if len(pages) == 1 else [""]))[0]
        form = "/there" if page else ""
        yield finding(f"static-no-default-document{form}", span, names=names, page=page)


def _pages(site: Site) -> list[str]:
    """The names of the files in the root of a site."""
    return [entry.name for entry in os.scandir(site.local_path("/")) if entry.is_file()]


# -- httpRedirect ----------------------------------------------------------------------------------


#: Sections that are followed, at most: each takes some decisions.
_MAX_REDIRECTS = 20


def _whole_redirects(site: Site, file: ConfigFile) -> Iterator[Finding]:
    """<httpRedirect> of a file or of a <location> that leads to a URL which it redirects again."""
    for instance in islice(file.instances(_REDIRECT), _MAX_REDIRECTS):
        folder = "/".join(filter(None, (file.directory.strip("/"), instance.location.strip("/"))))
        if "," not in folder and site.effective(f"/{folder}").section(_REDIRECT).flag("enabled"):
            yield from _whole_redirect(site, file, instance.element.span, f"/{folder}".rstrip("/"))


def _whole_redirect(site: Site, file: ConfigFile, span: Span, folder: str) -> Iterator[Finding]:
    """The redirects of one section, followed from a request below its ``folder``."""
    hops = [encode_path(f"{folder}/sample")]
    for _ in range(MAX_HOPS):
        try:
            decision = site.decide(make_request(hops[-1]))
        except (UrlRefused, ValueError):
            return
        if not isinstance(decision.action, Redirect) or decision.rules:
            return
        target = re.sub(r"^https?://localhost(?=/|$)", "", decision.action.location) or "/"
        if not target.startswith("/"):
            return
        hops.append(target)
        if target in hops[:-1]:
            break
    yield _endless(site, file, span, hops)


def _endless(site: Site, file: ConfigFile, span: Span, hops: Sequence[str]) -> Finding:
    """A loop of <httpRedirect>, with the <location> that ends it."""
    folder = hops[1].partition("?")[0].strip("/").removesuffix("/sample").strip("/")
    path = folder.removeprefix(file.directory.strip("/")).strip("/")
    element = f"<location path={quoteattr(path)}><system.webServer><{_REDIRECT.rpartition('/')[2]}"
    element += ' enabled="false" /></system.webServer></location>'
    changes = ((f"inside(configuration)={element}", file.root.span),) if file.root else ()
    known = [Remedy("redirect-loop/section", {"element": element}, changes)] if path else []

    def ends(changed: Site) -> bool:
        first, last = (decided(changed, path) for path in hops[:2])
        return (
            isinstance(first and first.action, Redirect)
            and last is not None
            and not isinstance(last.action, Redirect)
        )

    chosen = first_that_works(site, [*known, Remedy("redirect-loop/itself")], ends)
    shown = " -> ".join(hops[:4])
    return filled(chosen.form, {"hops": shown, **chosen.values}, span)


#: What a star may stand for.
_STARS = ("", "sample", "x/y.z")
#: Entries of one section that are compared, at most.
_MOST_WILDCARDS = 200


def _wildcards(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Entries of <httpRedirect> that are never asked: the first that fits a URL counts, and only
    where the section has no destination of its own.
    """
    section = effective.section(_REDIRECT)
    items = [item for item in section.items if item.file is file and item.span is not None]
    if not items or not section.flag("enabled"):
        return
    if target := section.text("destination"):
        text = attributes(destination=target)
        yield finding("redirect-wildcard/destination", section.span, target=target, text=text)
        return
    redirect = effective.view(http_redirection.http_redirection)
    patterns = [pattern for pattern, _ in redirect.wildcards] if redirect is not None else []
    everything = list(zip(section.items, patterns, strict=True))[:_MOST_WILDCARDS]
    for number, (item, _) in enumerate(everything):
        texts = [item.text("wildcard").replace("*", star) for star in _STARS]
        for earlier, pattern in everything[:number] if item in items else ():
            if earlier in items and all(
                pattern.fullmatch(text) or pattern.fullmatch(text.lstrip("/")) for text in texts
            ):
                yield finding(
                    "redirect-wildcard",
                    item.span,
                    wildcard=item.text("wildcard"),
                    earlier=earlier.text("wildcard"),
                    where=earlier.span,
                )
                break
