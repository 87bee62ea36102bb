"""The page that devErrorsEnabled of iisnode shows in the place of an error."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import render, secret_masking

#: Characters of what a process wrote that are shown, from the end.
MAX_OUTPUT = 1 << 16


@dataclass(frozen=True, slots=True)
class NodePage:
    """What the page tells: the cause, (label, value) rows, the last that the process wrote to
    stderr or why there is nothing of it, and what to try.
    """

    cause: str
    rows: tuple[tuple[str, str], ...] = ()
    output: str = ""
    lack: str = ""
    hints: tuple[str, ...] = ()


def page(failed: NodePage) -> bytes:
    """The page. Without secrets: see secret_masking."""
    clean = secret_masking.text
    return render(
        "iisnode.html",
        failed=replace(
            failed,
            cause=clean(failed.cause),
            output=clean(failed.output[-MAX_OUTPUT:]),
            hints=tuple(map(clean, failed.hints)),
        ),
    )
