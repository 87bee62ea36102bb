"""StaticFileModule: which files are served, with which headers, to conditional and range
requests; 404.3 for a file without a MIME map, 405, and the redirect of a folder without its slash.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from .. import catalogue
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Action, Redirect, Respond, ServeFile, configuration_error
from ..files import FileEntry
from ..http.numbers import MAX_LENGTH, bounded
from ..http.request import Request
from ..http.url import encode_location
from ..rewrite.inferred_behaviours import POLICY
from .context import Context
from .handlers import not_found

SECTION = "system.webServer/staticContent"
ALLOWED = "GET, HEAD, OPTIONS, TRACE"  # measured: Allow of a 405
#: More ranges than this are refused (documented limit); the whole file is sent instead. # inferred
MAX_RANGES = 5
WEAK_SECONDS = 2.0
BOUNDARY = "<q1w2e3r4t5y6u7i8o9p0zaxscdvfbgnhmjklkl>"
_FILETIME_EPOCH = 116444736000000000  # 1970 in units of 100 ns since 1601

Header = tuple[str, str]


@dataclass(slots=True)
class StaticContent:
    """The compiled section: MIME map by lower-case extension, and the cache headers."""

    mime_types: dict[str, str]
    cache_headers: tuple[Header, ...]
    set_etag: bool
    #: What is appended to every HTML document, or the name of the file that holds it.
    footer: bytes
    footer_is_file: bool

    def mime_type(self, path: str) -> str | None:
        """The type for a file name; "." stands for names without extension, ".*" for all that are
        not mapped.
        """
        name = path.rpartition("/")[2].lower()
        dot = name.find(".") if POLICY.mime_map_by_longest_extension else name.rfind(".")
        while dot >= 0:
            mime_type = self.mime_types.get(name[dot:])
            if mime_type is not None:
                return mime_type
            dot = name.find(".", dot + 1)
        return (self.mime_types.get(".") if "." not in name else None) or self.mime_types.get(".*")


def handle(context: Context) -> Action | None:
    """The file itself; a folder without its slash is redirected; 404.3 for an unknown type, 405 for
    other methods than GET and HEAD.
    """
    entry, method = context.entry, context.request.method
    if entry is None:
        return None
    if entry.is_directory and method in ("GET", "HEAD", "POST"):
        return _courtesy_redirect(context)
    if context.state.path.endswith("/") and not entry.is_directory:
        return not_found("ExecuteRequestHandler")
    if method not in ("GET", "HEAD"):
        return Respond(
            405,
            0,
            "The page you are looking for cannot be displayed because an invalid method (HTTP verb)"
            " is being used.",
            0x80070001,
            notification="ExecuteRequestHandler",
            headers=(("Allow", ALLOWED),),
        )
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    mime_type = context.effective.view(static_content).mime_type(entry.path)
    if mime_type is None:
        return Respond(
            404,
            3,
            "The page you are requesting cannot be served because of the extension configuration.",
            0x80070032,
            notification="ExecuteRequestHandler",
            hints=(
                catalogue.hint(
                    "error-no-php" if entry.path.lower().endswith(".php") else "error-no-mime-type"
                ),
            ),
        )
    return ServeFile(entry, mime_type)


def _courtesy_redirect(context: Context) -> Redirect | None:
    """A folder without its slash: 301 to the same URL with it. Shows the rewritten path after a
    rewrite.
    """
    path, query, request = context.state.path, context.state.query, context.request
    if path.endswith("/"):
        return None
    runtime = context.effective.section("system.webServer/serverRuntime")
    host = runtime.text("alternateHostName") or request.authority
    return Redirect(
        301, encode_location(f"{request.scheme}://{host}{path}/{'?' + query if query else ''}")
    )


def static_content(effective: Effective) -> StaticContent:
    """Compile <staticContent> of a configuration. A view: see Effective.view."""
    return effective.view_of(SECTION, _compiled)


def _compiled(section: Node) -> StaticContent:
    mime_types = {
        item.text("fileExtension").lower(): item.text("mimeType") for item in section.items
    }
    cache = section.child("clientCache")
    headers = _cache_headers(
        cache.text("cacheControlMode"),
        cache.seconds("cacheControlMaxAge"),
        cache.text("httpExpires"),
        cache.text("cacheControlCustom"),
    )
    footer = section.text("defaultDocFooter").encode() if section.flag("enableDocFooter") else b""
    return StaticContent(
        mime_types,
        headers,
        cache.flag("setEtag"),
        footer,
        bool(footer) and section.flag("isDocFooterFileName"),
    )


def _cache_headers(mode: str, max_age: float, expires: str, custom: str) -> tuple[Header, ...]:
    """Cache-Control and Expires as measured for each mode."""
    directives = [custom] if custom else []
    if mode == "DisableCache":
        directives.append("no-cache")
    elif mode == "UseMaxAge":
        directives.append(f"max-age={int(max_age)}")
    headers = [("Cache-Control", ",".join(directives))] if directives else []
    if mode == "UseExpires" and expires:
        headers.append(("Expires", expires))
    return tuple(headers)


@lru_cache(maxsize=1024)
def etag(mtime_ns: int) -> str:
    """IIS's form: the eight bytes of the FILETIME, low byte first, in hexadecimal without padding,
    then ``:0``.
    """
    filetime = (mtime_ns // 100 + _FILETIME_EPOCH) % (1 << 64)
    return '"' + "".join(f"{byte:x}" for byte in filetime.to_bytes(8, "little")) + ':0"'


#: The years that a date can have, 1 and 9999, in seconds since 1970.
_FIRST_SECOND = -62135596800
_LAST_SECOND = 253402300799


@lru_cache(maxsize=1024)
def _modified(seconds: int) -> tuple[datetime, str]:
    """A time stamp as a date and as HTTP writes it. A file system may tell one that no calendar
    has.
    """
    moment = datetime.fromtimestamp(min(max(seconds, _FIRST_SECOND), _LAST_SECOND), UTC)
    return moment, format_datetime(moment, usegmt=True)


@dataclass(frozen=True, slots=True)
class FileResponse:
    """Status, headers, and the byte ranges of the file to send (start, end exclusive); none for
    HEAD and 304.
    """

    status: int
    headers: list[Header]
    ranges: tuple[tuple[int, int], ...] = ()
    multipart: bool = False
    #: Sent behind the file (enableDocFooter).
    footer: bytes = b""


def respond(
    action: ServeFile,
    content: StaticContent,
    request: Request,
    now: datetime | None = None,
    footer: bytes = b"",
) -> FileResponse:
    """The response for a file, by the conditional and range headers of the request (RFC 9110).

    An HTML document with a ``footer`` is sent whole: its ranges would not be the file's.  #
    inferred
    """
    entry = action.entry
    modified, text = _modified(entry.mtime_ns // 1_000_000_000)
    tag = etag(entry.mtime_ns) if content.set_etag else ""
    if tag and ((now.timestamp() if now else time.time()) - entry.mtime_ns / 1e9) < WEAK_SECONDS:
        tag = (
            "W/" + tag
        )  # measured: a file that has just changed may change again within its time stamp
    validators = [("Last-Modified", text), ("Accept-Ranges", "bytes")]
    if tag:
        validators.append(("ETag", tag))
    fields = request.fields
    if fields:
        status = _precondition(fields, tag, modified, now)
        if status == 412:
            return FileResponse(412, [])
        if status == 304:  # measured with both validators sent: no Last-Modified
            return FileResponse(304, [*content.cache_headers, *validators[1:]])
    base = [("Content-Type", action.mime_type), *content.cache_headers, *validators]
    send = request.method != "HEAD"
    if not action.mime_type.startswith("text/html"):
        footer = b""
    if "range" in fields and request.method == "GET" and not footer:
        partial = _range(action, fields, tag, modified, base)
        if partial is not None:
            return partial
    base.append(("Content-Length", str(entry.size + len(footer))))
    return FileResponse(200, base, ((0, entry.size),) if send else (), footer=footer)


def is_timeless(request: Request, entry: FileEntry) -> bool:
    """Whether the same request for the same state of a file has the same response at any time."""
    return (
        time.time() - entry.mtime_ns / 1e9 >= WEAK_SECONDS
        and request.fields.keys().isdisjoint(_CONDITIONS)
        and request.method == "GET"
    )


def _precondition(
    fields: Mapping[str, str], tag: str, modified: datetime, now: datetime | None
) -> int:
    """412, 304 or 200 by If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since."""
    if not fields.keys() & _CONDITIONS:
        return 200
    from werkzeug.http import (
        parse_etags,
    )  # late: it takes 50 ms to import, and few requests need it

    if (match := fields.get("if-match")) is not None:
        if match.strip() != "*" and not (
            tag.startswith('"') and parse_etags(match).is_strong(tag.strip('"'))
        ):
            return 412
    elif (date := _date(fields.get("if-unmodified-since"))) is not None and modified > date:
        return 412
    if (none_match := fields.get("if-none-match")) is not None:
        if none_match.strip() == "*" or (
            tag and parse_etags(none_match).contains_weak(tag.removeprefix("W/").strip('"'))
        ):
            return 304
    elif (date := _date(fields.get("if-modified-since"))) is not None:
        if (
            modified <= date <= (now or datetime.now(UTC))
        ):  # measured: a date in the future is ignored
            return 304
    return 200


_CONDITIONS = frozenset({"if-match", "if-unmodified-since", "if-none-match", "if-modified-since"})


def _date(text: str | None) -> datetime | None:
    """A date of HTTP in UTC; None for what is none, or lies where no calendar reaches."""
    from werkzeug.http import parse_date

    try:
        date = parse_date(text) if text else None
        return date.astimezone(UTC) if date is not None else None
    except (ValueError, OverflowError):
        return None


def _range(
    action: ServeFile, fields: Mapping[str, str], tag: str, modified: datetime, base: list[Header]
) -> FileResponse | None:
    """206, 416, or None where the Range header does not apply."""
    size = action.entry.size
    condition = fields.get("if-range")
    if (
        condition is not None
        and (condition.strip() != tag or tag.startswith("W/"))
        and _date(condition) != modified
    ):
        return None
    requested = parse_ranges(fields["range"], size)
    if requested is None or len(requested[0]) + requested[1] > MAX_RANGES:
        return None
    ranges = requested[0]
    if not ranges:
        return FileResponse(416, [("Content-Range", f"bytes */{size}")])
    if len(ranges) == 1:
        start, end = ranges[0]
        return FileResponse(
            206,
            [
                *base,
                ("Content-Range", f"bytes {start}-{end - 1}/{size}"),
                ("Content-Length", str(end - start)),
            ],
            tuple(ranges),
        )
    length = sum(
        len(part_head(action.mime_type, start, end, size)) + end - start for start, end in ranges
    )
    headers = [
        ("Content-Type", f"multipart/byteranges; boundary={BOUNDARY}"),
        *base[1:],
        ("Content-Length", str(length + len(MULTIPART_END))),
    ]
    return FileResponse(206, headers, tuple(ranges), multipart=True)


MULTIPART_END = f"\r\n--{BOUNDARY}--\r\n".encode()


def part_head(mime_type: str, start: int, end: int, size: int) -> bytes:
    """What stands before each part of a multipart/byteranges body."""
    return (
        f"\r\n--{BOUNDARY}\r\nContent-Type: {mime_type}\r\n"
        f"Content-Range: bytes {start}-{end - 1}/{size}\r\n\r\n"
    ).encode("latin-1")


#: More digits than a file can have bytes are not a number of any use.
_DIGITS = re.compile(r"[0-9]{1,20}")


def _number(digits: str) -> int:
    """A position in a file; beyond all of them where it is too large."""
    number = bounded(digits, MAX_LENGTH)
    return MAX_LENGTH if number is None else number


def parse_ranges(text: str, size: int) -> tuple[list[tuple[int, int]], int] | None:
    """Satisfiable ranges (start, end exclusive) and the number of others; None for what is not a
    byte range.
    """
    unit, _, specs = text.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    found: list[tuple[int, int]] = []
    unsatisfiable = 0
    for spec in specs.split(","):
        first, dash, last = spec.strip().partition("-")
        if (
            not dash
            or not (first or last)
            or not all(_DIGITS.fullmatch(part) for part in (first, last) if part)
        ):
            return None
        if not first:
            start, end = max(0, size - _number(last)), size
        else:
            start, end = _number(first), min(size, _number(last) + 1) if last else size
            if last and _number(last) < start:
                return None
        if start < end:
            found.append((start, end))
        else:
            unsatisfiable += 1
    return found, unsatisfiable
