"""Pages that the server shows: the detailed error page and the directory listing. Templates are
beside this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ..decision import Decision, Respond
from ..http.response import reason_phrase
from ..http.url import encode_path


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("fcgiemu.pages", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> bytes:
    """A template of this package as UTF-8."""
    text: str = _environment().get_template(template).render(**values)
    return text.encode()


def detailed_error(decision: Decision, action: Respond, reason: str) -> bytes:
    """The page that local clients get: what failed, where, the line of web.config, and what to
    try.
    """
    request, state = decision.request, decision.state
    url = path = ""
    if request is not None and state is not None:
        url = f"{request.scheme}://{request.host}:{request.port}{request.target.raw}"
        path = state.files.physical_path(state.path) if state.path.startswith("/") else state.path
    rows = [
        ("Module", decision.module),
        ("Notification", action.notification),
        (
            "Handler",
            " ".join((decision.handler.name, decision.handler.origin))
            if decision.handler
            else "Not yet determined",
        ),
        ("Error Code", f"0x{action.hresult:08x}"),
        ("Requested URL", url),
        ("Physical Path", path),
        ("Logon Method", "Anonymous" if decision.handler else "Not yet determined"),
    ]
    if decision.state is not None and decision.state.rewritten:
        rows.append(
            ("Rewritten URL", decision.path + ("?" + decision.query if decision.query else ""))
        )
        rows.append(("Rewrite rules", ", ".join(decision.rules)))
    finding = action.finding
    return render(
        "error.html",
        status=action.status,
        substatus=action.substatus,
        reason=reason or reason_phrase(action.status),
        message=action.message,
        rows=rows,
        hints=action.hints,
        description=action.description,
        finding=finding,
        words=action.words,
        source=_source(decision, action) if finding and finding.span else (),
    )


def _source(decision: Decision, action: Respond) -> list[tuple[int, str, bool]]:
    """The lines around a configuration error: number, text, whether it is the one."""
    assert action.finding is not None and action.finding.span is not None
    span = action.finding.span
    if decision.site is None or span.file == "applicationHost.config":
        return []
    try:
        lines = (
            Path(decision.site.local_path("/" + span.file))
            .read_text("utf-8", "replace")
            .splitlines()
        )
    except OSError:
        return []
    first = max(1, span.line - 2)
    return [
        (number, _masked(lines[number - 1]), number == span.line)
        for number in range(first, min(len(lines), span.line + 2) + 1)
    ]


def _masked(line: str) -> str:
    """A line of configuration without the passwords of connection strings."""
    return re.sub(
        r"(?i)((?:password|pwd|accountkey|sharedaccesskey|secret)\s*=\s*)[^;\"']+",
        r"\1********",
        line,
    )


def explained(answer: dict[str, Any]) -> bytes:
    """An answer of ``explain`` as one page that needs nothing else."""
    from .. import __version__
    from ..report.story import lines

    told = [line for line in lines(answer) if line.text]
    request, *rest = told
    outcome = next((line.text for line in rest if line.role == "outcome"), "")
    tables = [
        ("Server variables that rules set", sorted(answer["server_variables"].items())),
        ("URL variables as the handler finds them", list(answer["variables"].items())),
        ("What a WSGI application sees", sorted(answer["outcome"].get("environ", {}).items())),
    ]
    return render(
        "explain.html",
        request=request.text,
        outcome=outcome.removeprefix("=> "),
        lines=rest,
        tables=tables,
        version=__version__,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a listing; ``size`` in bytes, None for folders."""

    name: str
    modified: datetime
    size: int | None


def listing(host: str, path: str, rows: list[Row], flags: frozenset[str]) -> bytes:
    """A folder as a page: the information that IIS's listing gives, by showFlags."""
    parent = path.rstrip("/").rpartition("/")[0] + "/" if path != "/" else None
    entries = [
        {
            "name": row.name,
            "href": encode_path(path + row.name) + ("/" if row.size is None else ""),
            "date": row.modified.strftime("%-m/%-d/%Y") if "Date" in flags else "",
            "time": row.modified.strftime("%-I:%M %p") if "Time" in flags else "",
            "size": ("<dir>" if row.size is None else f"{row.size:,}") if "Size" in flags else "",
        }
        for row in rows
    ]
    return render("listing.html", host=host, path=path, parent=parent, entries=entries)
