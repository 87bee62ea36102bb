"""``<staticContent>``: MIME maps that no file has, types that browsers refuse, maps of files that
nobody should get.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.reader import Element
from ..config.tree import Effective
from ..modules import handlers, static_file
from ..modules.request_filtering import request_filter

#: Extensions of files that are not pages of a site: keys, passwords, copies.
SECRET = frozenset(".env .pem .key .pfx .p12 .bak .htpasswd .kdbx .ini".split())
#: Types without which browsers do not take a file for what it is -> (pattern, the usual one).
_NEEDED = {
    ".svg": (r"image/svg\+xml", "image/svg+xml"),
    ".js": (r"(?:text|application)/(?:x-)?(?:java|ecma)script", "text/javascript"),
    ".mjs": (r"(?:text|application)/(?:x-)?(?:java|ecma)script", "text/javascript"),
    ".css": (r"text/css", "text/css"),
    ".wasm": (r"application/wasm", "application/wasm"),
    ".html": (r"text/html|application/xhtml\+xml", "text/html"),
    ".htm": (r"text/html|application/xhtml\+xml", "text/html"),
}
#: The types of files that are no texts.
_USUAL = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".bmp": "image/bmp",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".eot": "application/vnd.ms-fontobject",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
#: What a type begins with (registered).
_FAMILIES = frozenset(
    "application audio chemical example font image message model multipart text video".split()
)
#: Types that say what a file is, and are not those of pictures, sounds and fonts.
_OF_TEXTS = frozenset(
    "application/json application/javascript application/xml application/pdf".split()
)


def findings(section: Element) -> Iterator[Finding]:
    """Findings about a section of a file."""
    for element in section.iter("mimeMap"):
        extension = element.attributes.get("fileExtension", "")
        mime_type = element.attributes.get("mimeType", "")
        if "/" in extension and mime_type and "/" not in mime_type:
            meant = f".{mime_type.lstrip('.')}"
            yield finding("static-mime-dot/swapped", element.span, written=extension, meant=meant)
        elif len(parts := re.findall(r"[\w-]+", extension)) > 1 and _SEPARATOR.search(extension):
            yield finding(
                "static-mime-dot/several", element.span, written=extension, first=f".{parts[0]}"
            )
        elif not _has_no_dot(extension):
            yield from _type(element, extension.lower(), mime_type.strip())


def _type(element: Element, extension: str, mime_type: str) -> Iterator[Finding]:
    pattern, usual = _NEEDED.get(extension, ("", ""))
    is_text = mime_type.partition(";")[0].strip().lower()
    if pattern and is_text and re.fullmatch(pattern, is_text) is None:
        yield finding(
            "static-mime-type",
            element.span,
            extension=extension,
            type=mime_type,
            meant=usual,
        )
    elif meant := _other_kind(extension, is_text):
        yield finding(
            "static-mime-type/other", element.span, extension=extension, type=mime_type, meant=meant
        )
    elif mime_type and "/" not in mime_type:
        yield finding("static-mime-type/slash", element.span, extension=extension, type=mime_type)
    elif extension in SECRET and "keynote" not in is_text:
        yield finding("static-secret", element.span, extension=extension)


def _other_kind(extension: str, mime_type: str) -> str:
    """The usual type of an extension that is given the type of something else, or one that begins
    as no type does; "" where the type may be right.
    """
    family, _, rest = mime_type.partition("/")
    usual = _USUAL.get(extension, "")
    own = "font" if extension == ".eot" else usual.partition("/")[0]
    if rest and family not in _FAMILIES and not family.startswith("x-"):
        near = get_close_matches(family, _FAMILIES, 1, 0.7)
        return usual or (f"{near[0]}/{rest}" if near else "")
    if not usual or not rest or own == family or {own, family} == {"audio", "video"}:
        return ""
    if own == "application":
        is_wrong = mime_type in ("text/html", "text/css") or family in ("image", "audio", "font")
    else:
        is_wrong = family != "application" or mime_type in _OF_TEXTS
    return usual if is_wrong else ""


#: Extensions of pages and scripts that a program runs; nobody should read them.
_RUN = frozenset(
    """.php .php3 .php4 .php5 .php7 .phtml .asp .aspx .ashx .asmx .jsp .jspx .cfm .pl .cgi .rb
    .py""".split()
)


def _source(effective: Effective, extension: str) -> bool:
    """Whether files of an extension that a program should run are sent as they are. Those of Python
    are data for browsers where no program answers.
    """
    if extension not in _RUN or extension == ".py" and not _has_program(effective):
        return False
    chosen = effective.view(handlers.table).choose(f"/sample{extension}", "GET", None)
    return chosen is not None and "StaticFileModule" in chosen[0].modules


def _has_program(effective: Effective) -> bool:
    modules = (item.text("modules") for item in effective.section(handlers.SECTION).items)
    return any(re.search(r"(?i)fastcgi|httpplatform", text) for text in modules)


def _has_no_dot(extension: str) -> bool:
    """Whether a text of fileExtension is one extension without its dot, or with a star for it."""
    several = _SEPARATOR.search(extension)
    return bool(extension) and not extension.startswith(".") and extension != "*" and not several


#: What stands between the extensions of a list.
_SEPARATOR = re.compile(r"[;,|\s/]")


def of_configuration(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Maps of ``file`` without a dot, and those whose extensions request filtering refuses all the
    same, or whose files a program should run.
    """
    if static_file.SECTION not in file.by_path:
        return
    filtering = effective.view(request_filter)
    items = effective.section(static_file.SECTION).items
    known = {item.text("fileExtension").lower(): item for item in items}
    for item in items:
        extension = item.text("fileExtension").lower()
        if item.file is file and _has_no_dot(extension):
            bare = extension.lstrip("*.")
            other = known.get(f".{bare}")
            yield finding(
                f"static-mime-dot{'/known' if other is not None else ''}",
                item.span,
                severity="info" if other is not None else "",
                written=item.text("fileExtension"),
                extension=bare,
                type=other.text("mimeType") if other is not None else "",
            )
        if item.file is file and filtering.extensions.get(extension) is False:
            yield finding("static-mime-blocked", item.span, extension=extension)
        elif item.file is file and _source(effective, extension):
            yield finding("static-source", item.span, extension=extension)
