"""``<staticContent>``: MIME maps that no file has, types that browsers refuse, maps of files that
nobody should get.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.reader import Element
from ..config.tree import Effective
from ..modules import static_file
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


def findings(section: Element) -> Iterator[Finding]:
    """Findings about a section of a file."""
    for element in section.iter("mimeMap"):
        extension = element.attributes.get("fileExtension", "")
        mime_type = element.attributes.get("mimeType", "")
        if mime_type.startswith(".") and "/" in extension:
            yield finding(
                "static-mime-dot/swapped", element.span, written=extension, mime_type=mime_type
            )
        elif len(parts := re.findall(r"\.[\w-]+", extension)) > 1 and re.search(
            r"[;,|\s]", extension
        ):
            yield finding(
                "static-mime-dot/several", element.span, written=extension, first=parts[0]
            )
        elif extension and not extension.startswith(".") and extension != "*":
            bare = extension.lstrip("*.")
            yield finding("static-mime-dot", element.span, written=extension, extension=bare)
        else:
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
    elif mime_type and "/" not in mime_type:
        yield finding("static-mime-type/slash", element.span, extension=extension, type=mime_type)
    elif extension in SECRET and "keynote" not in is_text:
        yield finding("static-secret", element.span, extension=extension)


def of_configuration(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Maps of ``file`` whose extensions request filtering refuses all the same."""
    if static_file.SECTION not in file.by_path:
        return
    filtering = effective.view(request_filter)
    for item in effective.section(static_file.SECTION).items:
        extension = item.text("fileExtension").lower()
        if item.file is file and filtering.extensions.get(extension) is False:
            yield finding("static-mime-blocked", item.span, extension=extension)
