"""Pages that the server shows, made from templates beside this file. Here is what they share, and
the small ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from ..http.url import encode_path
from . import secret_masking
from .highlighting import highlighted


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fcgiemu.pages", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["highlighted"] = highlighted
    return environment


def render(template: str, **values: object) -> bytes:
    """A template of this package as UTF-8."""
    text: str = _environment().get_template(template).render(**values)
    return text.encode()


def prepare() -> None:
    """Load ahead what error pages are made with: the first one would take a tenth of a second."""
    for name in ("error.html", "components.html", "tokens.css", "parts.css", "story.jinja"):
        _environment().get_template(name)


def markup(template: str, macro: str, *values: object) -> str:
    """What a macro of a template makes of values."""
    made: str = getattr(_environment().get_template(template).module, macro)(*values)
    return made


@cache
def shared_style() -> bytes:
    """The style sheet of every page: colours, and the parts that pages are made of."""
    folder = resources.files(__package__).joinpath("templates")
    return b"".join(folder.joinpath(f"{name}.css").read_bytes() for name in ("tokens", "parts"))


@dataclass(frozen=True, slots=True)
class Reload:
    """Where a page asks whether to load again: when the answer is not ``seen`` any more."""

    path: str
    seen: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of a configuration file; ``is_cause`` marks the one that an error is about."""

    number: int
    text: str
    is_cause: bool


def start_failure(title: str, message: str, hints: Sequence[str], output: str) -> bytes:
    """The page of AspNetCoreModule, or of its fork, about a process that does not start. What is
    known of the cause may be empty. Without secrets: see secret_masking.
    """
    clean = secret_masking.text
    return render(
        "start_failure.html",
        title=title,
        message=clean(message),
        hints=[clean(hint) for hint in hints],
        output=clean(output),
    )


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
