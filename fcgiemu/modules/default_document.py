"""DefaultDocumentModule: the document that stands for a folder."""

from __future__ import annotations

from ..config.tree import Effective

SECTION = "system.webServer/defaultDocument"


def documents(effective: Effective) -> tuple[str, ...]:
    """The names to try, in order; none when the section is disabled. A view: see Effective.view."""
    section = effective.section(SECTION)
    if not section["enabled"]:
        return ()
    return tuple(
        str(item["value"]).strip().lstrip("/\\")
        for item in section.child("files").items
        if item["value"]
    )
