"""DefaultDocumentModule: the document that answers for a folder."""

from __future__ import annotations

from ..config.tree import Effective
from ..decision import Respond, configuration_error
from .context import MAX_DEPTH, ChildRequest, Context

SECTION = "system.webServer/defaultDocument"


def handle(context: Context) -> ChildRequest | Respond | None:
    """The first default document that exists runs as a child request of its own."""
    entry = context.entry
    if entry is None or not entry.is_directory or context.depth >= MAX_DEPTH:
        return None
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    for name in context.effective.view(documents):
        path = context.state.path.rstrip("/") + "/" + name.replace("\\", "/")
        found = context.files.find(path)
        if found is not None and found.is_file:
            return ChildRequest(path)
    return None


def documents(effective: Effective) -> tuple[str, ...]:
    """The names to try, in order; none when the section is disabled. A view: see Effective.view."""
    section = effective.section(SECTION)
    if not section.flag("enabled"):
        return ()
    return tuple(
        item.text("value").strip().lstrip("/\\")
        for item in section.child("files").items
        if item.text("value")
    )
