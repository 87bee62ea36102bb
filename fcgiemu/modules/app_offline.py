"""app_offline.htm: while a file of this name is in an application's folder, it answers in the place
of the process of AspNetCoreModule, or of its fork HttpPlatformHandlerV2.
"""

from __future__ import annotations

from ..decision import Respond
from .context import Context

#: The name of the file (documented).
OFFLINE = "app_offline.htm"


def answer(context: Context) -> Respond | None:
    """503 with the bytes of the file (seen in code); None where it is not there."""
    page = f"{context.hosting.application(context.state.path).url}/{OFFLINE}"
    entry = context.files.find(page)
    if entry is None or not entry.is_file:
        return None
    return Respond(
        503,
        0,
        f"{OFFLINE} is in the folder of the application: it answers every request, and the process"
        " is stopped.",
        notification="ExecuteRequestHandler",
        headers=(("Content-Type", "text/html"),),
        hints=(f"Remove {OFFLINE}: the next request starts the process.",),
        body=context.files.read(page) or b"",
        skips_errors=True,
    )
