"""Files of the site that are there to be seen, and that request filtering refuses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..decision import Respond
from ..files import text_if_readable
from ..modules.request_filtering import SECTION, request_filter
from ..site import Site
from .decisions import decided_at_last

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
        decision = decided_at_last(site, path)
        action = decision.action if decision is not None else None
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
            segment, span = _hidden(site, path, segments)
            if segment and span is not None:
                is_deep = segment != segments[0] and site.find(f"/{segment}") is not None
                form = "deep-segment" if is_deep else "own-segment"
            yield finding(
                f"static-refused/{form}",
                span,
                path=path,
                extension=extension,
                segment=segment,
                top="".join(segments[:1]),
            )


def _hidden(site: Site, path: str, segments: list[str]) -> tuple[str, Span | None]:
    """The segment of a path that is hidden, and where the site says so; the server's have no
    place.
    """
    section = site.effective(path).section(SECTION).child("hiddenSegments")
    for item in section.items:
        for segment in segments:
            if segment.lower() == item.text("segment").lower():
                is_own = item.file is not None and not item.file.is_host
                return segment, item.span if is_own else None
    return "", None


def _text(site: Site, path: str) -> str:
    entry = site.find(path)
    if entry is None or entry.is_directory:
        return ""
    return text_if_readable(entry.path)
