"""The detailed error page: what failed, where, the line of web.config, how it came about, and what
to try.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import Reload, SourceLine, render, secret_masking
from .story import RequestStory

#: Where the script stands that loads the page again: see with_reload.
_PLACE = b"<!-- reload -->"


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
    #: How it came about; its events are masked already.
    story: RequestStory | None = None


def detailed_error(report: ErrorReport) -> bytes:
    """The page that local clients get: what failed, where, the line of web.config, and what to
    try. Without secrets: see secret_masking.
    """
    return render("error.html", report=_masked(report))


def _masked(report: ErrorReport) -> ErrorReport:
    clean, error = secret_masking.text, report.error
    return replace(
        report,
        message=clean(report.message),
        rows=[(label, secret_masking.value(label, shown)) for label, shown in report.rows],
        hints=tuple(clean(hint) for hint in report.hints),
        description=clean(report.description),
        error=error and ConfigError(clean(error.message), clean(error.place), clean(error.hint)),
        source=[replace(line, text=clean(line.text)) for line in report.source],
        output=clean(report.output),
    )


def with_reload(page: bytes, reload: Reload) -> bytes:
    """A detailed page that loads itself again; any other page stays as it is."""
    before, place, behind = page.rpartition(_PLACE)
    return before + render("reload.jinja", reload=reload) + behind if place else page
