"""Pages that the server shows: the detailed error page and the directory listing. Templates are
beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Protocol

from ..http.url import encode_path
from . import masking


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


@cache
def shared_style() -> bytes:
    """The style sheet of every page: colours, and the parts that pages are made of."""
    folder = resources.files(__package__).joinpath("templates")
    return b"".join(folder.joinpath(f"{name}.css").read_bytes() for name in ("tokens", "parts"))


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of a configuration file; ``is_cause`` marks the one that an error is about."""

    number: int
    text: str
    is_cause: bool


@dataclass(frozen=True, slots=True)
class ConfigError:
    """What is wrong with a configuration; ``place`` is file, line and column."""

    message: str
    place: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """What the detailed error page shows. ``rows`` are (label, value) pairs; ``output`` is what a
    process wrote last.
    """

    status: int
    substatus: int
    reason: str
    message: str
    rows: list[tuple[str, str]]
    hints: tuple[str, ...]
    description: str
    error: ConfigError | None
    source: list[SourceLine]
    output: str


def detailed_error(report: ErrorReport) -> bytes:
    """The page that local clients get: what failed, where, the line of web.config, and what to
    try. Without secrets: see masking.
    """
    return render("error.html", report=_masked(report))


def _masked(report: ErrorReport) -> ErrorReport:
    clean, error = masking.text, report.error
    return replace(
        report,
        message=clean(report.message),
        rows=[(label, masking.value(label, shown)) for label, shown in report.rows],
        hints=tuple(clean(hint) for hint in report.hints),
        description=clean(report.description),
        error=error and ConfigError(clean(error.message), clean(error.place), clean(error.hint)),
        source=[replace(line, text=clean(line.text)) for line in report.source],
        output=clean(report.output),
    )


def start_failure(title: str, message: str, hints: Sequence[str], output: str) -> bytes:
    """The page of AspNetCoreModule, or of its fork, about a process that does not start. What is
    known of the cause may be empty. Without secrets: see masking.
    """
    clean = masking.text
    return render(
        "start_failure.html",
        title=title,
        message=clean(message),
        hints=[clean(hint) for hint in hints],
        output=clean(output),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationPage:
    """An answer of ``explain`` as its page shows it; ``tables`` are (title, rows)."""

    request: str
    outcome: str
    lines: Sequence[StoryLine]
    tables: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    version: str


class StoryLine(Protocol):
    """A line of a story."""

    @property
    def depth(self) -> int: ...
    @property
    def role(self) -> str: ...
    @property
    def text(self) -> str: ...


def explained(explanation: ExplanationPage) -> bytes:
    """An answer of ``explain`` as one page that needs nothing else."""
    return render("explain.html", explanation=explanation)


@dataclass(frozen=True, slots=True)
class ListingRow:
    """One entry of a listing; ``size`` in bytes, None for folders."""

    name: str
    modified: datetime
    size: int | None


def listing(host: str, path: str, rows: list[ListingRow], flags: frozenset[str]) -> bytes:
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
