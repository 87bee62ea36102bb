"""Files of the site that are there to be seen, and that request filtering refuses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..decision import Respond
from ..files import text_if_readable
from ..modules.request_filtering import request_filter
from ..site import Site
from .decisions import decided

#: Extensions of what a page consists of.
_OF_PAGES = frozenset(
    """.html .htm .css .js .mjs .png .jpg .jpeg .gif .svg .ico .webp .avif .woff .woff2 .ttf .pdf
    .mp4 .webm""".split()
)
_MAX_PAGES = 100


def findings(site: Site, paths: Iterator[str]) -> Iterator[Finding]:
    """Findings about files by their URL paths; one for a reason and an extension or segment."""
    said, pages = set[tuple[int, str]](), list[str]()
    refused = []
    for path in paths:
        extension = os.path.splitext(path)[1].lower()
        if extension in (".html", ".htm") and len(pages) < _MAX_PAGES:
            pages.append(path)
        if extension not in _OF_PAGES:
            continue
        action = decision.action if (decision := decided(site, path)) is not None else None
        if isinstance(action, Respond) and action.status == 404 and action.substatus:
            refused.append((path, action.substatus, extension))
    text = "\n".join(_text(site, page) for page in pages) if refused else ""
    for path, reason, extension in refused:
        segments = [part for part in path.split("/")[1:-1] if part]
        about = extension if reason == 7 else "" if reason == 11 else "/".join(segments)
        if (reason, about) in said:
            continue
        if reason == 8 and not re.search(rf"[\"'/(]{re.escape(path.lstrip('/'))}", text):
            continue  # it is hidden on purpose
        if reason == 7 and extension in site.effective(path).view(request_filter).extensions:
            continue  # it is listed, on purpose too
        if form := {7: "extension", 8: "segment", 11: "escape"}.get(reason):
            said.add((reason, about))
            yield finding(
                f"static-refused/{form}",
                None,
                path=path,
                extension=extension,
                segment=next(
                    (part for part in segments if part.lower() in _HIDDEN), "".join(segments[:1])
                ),
            )


#: Folders that IIS hides by itself.
_HIDDEN = frozenset(
    """bin app_code app_data app_globalresources app_localresources app_webreferences
    app_browsers""".split()
)


def _text(site: Site, path: str) -> str:
    entry = site.find(path)
    if entry is None or entry.is_directory:
        return ""
    return text_if_readable(entry.path)
