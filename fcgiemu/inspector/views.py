"""What is kept of a request as JSON, without secrets."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import zlib
from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

from ..pages import secret_masking
from ..server.access_log import handled_by
from ..server.request_capture import CAPTURED
from .recent_requests import Seen


class RequestSummary(TypedDict):
    """A line of the list of requests; ``time`` in seconds since 1970."""

    number: int
    time: float
    method: str
    url: str
    status: int | None
    substatus: int
    handled_by: str
    handler: str | None
    module: str
    rules: list[str]
    milliseconds: float
    bytes_sent: int
    client_gone: bool
    remark: str | None
    replay_of: int | None
    page: str | None


class Body(TypedDict):
    """A body as far as it is kept: as text, or in base64 where it is not one."""

    bytes: int
    is_complete: bool
    content_type: str
    text: NotRequired[str]
    base64: NotRequired[str]


class Timing(TypedDict):
    """Milliseconds until a process had the request, until the response began, and until its end;
    None where no process was asked.
    """

    queue: float | None
    application: float | None
    sending: float | None
    total: float


class Details(RequestSummary):
    """All that is kept of a request."""

    scheme: str
    version: str
    client: str
    path: str
    query: str
    request_headers: list[list[str]]
    response_headers: list[list[str]]
    request_body: Body | None
    response_body: Body | None
    timing: Timing
    process: int | None
    output: list[str]
    copies: dict[str, str]


def summary(seen: Seen) -> RequestSummary:
    """The line of a request."""
    entry, decision = seen.entry, seen.decision
    return {
        "number": seen.number,
        "time": entry.when,
        "method": entry.method,
        "url": secret_masking.text(seen.target),
        "status": entry.status or None,
        "substatus": entry.substatus,
        "handled_by": handled_by(entry),
        "handler": decision.handler.name if decision and decision.handler else None,
        "module": decision.module if decision else "http.sys",
        "rules": list(seen.rules),
        "milliseconds": round(entry.seconds * 1000, 3),
        "bytes_sent": entry.bytes_sent,
        "client_gone": entry.client_gone,
        "remark": secret_masking.text(entry.remark) or None,
        "replay_of": seen.replay_of or None,
        "page": _page(seen),
    }


def _page(seen: Seen) -> str | None:
    """The page of this site that a request is made for, by Referer and Host; None for a page that
    somebody goes to from there.
    """
    fields = {name.lower(): value for name, value in seen.headers}
    goes_to = fields.get(b"sec-fetch-dest") or (
        b"document" if fields.get(b"accept", b"").startswith(b"text/html") else b""
    )
    if goes_to == b"document":
        return None
    referer, host = fields.get(b"referer", b""), fields.get(b"host", b"")
    before, _, path = referer.partition(b"://" + host + b"/")
    if not host or before not in (b"http", b"https") or referer == before:
        return None
    return secret_masking.text("/" + path.decode("latin-1"))


def details(seen: Seen, output: Iterable[str]) -> Details:
    """All of a request."""
    capture, decision = seen.capture, seen.decision
    request = request_headers(seen)
    response = response_headers(seen.head)
    return {
        **summary(seen),
        "scheme": seen.scheme,
        "version": f"HTTP/{seen.version}",
        "client": seen.client[0],
        "path": decision.path if decision else "",
        "query": secret_masking.text(decision.query) if decision else "",
        "request_headers": masked(request),
        "response_headers": masked(response),
        "request_body": body(bytes(capture.request_body), capture.request_bytes, request)
        if capture
        else None,
        "response_body": body(bytes(capture.response_body), capture.response_bytes, response)
        if capture
        else None,
        "timing": _timing(seen),
        "process": capture.pid or None if capture else None,
        "output": [secret_masking.text(line) for line in output],
        "copies": {"curl": _curl(seen)},
    }


class Headers(TypedDict):
    """The headers of a request and its response with all values."""

    request_headers: list[list[str]]
    response_headers: list[list[str]]


def unmasked(seen: Seen) -> Headers:
    """What somebody has asked to see: the secrets of one request, which no page shows unasked."""
    return {
        "request_headers": [list(pair) for pair in request_headers(seen)],
        "response_headers": [list(pair) for pair in response_headers(seen.head)],
    }


def request_headers(seen: Seen) -> list[tuple[str, str]]:
    """The headers of a request as text, in their order."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in seen.headers]


def response_headers(head: bytes) -> list[tuple[str, str]]:
    """The headers of a response, but for Date."""
    pairs = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    return [(name, value.strip()) for name, colon, value in pairs if colon and name != "Date"]


def masked(headers: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Headers without their secrets."""
    return [[name, masked_value(name, value)] for name, value in headers]


def masked_value(name: str, value: str) -> str:
    """A header's value: of cookies the names stay, of Authorization the scheme."""
    lower = name.lower()
    if lower in ("cookie", "set-cookie"):
        first, *rest = value.split(";")
        kept = rest if lower == "set-cookie" else [_masked_cookie(part) for part in rest]
        return ";".join([_masked_cookie(first), *kept])
    if lower in ("authorization", "proxy-authorization"):
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {secret_masking.MASK}" if space else secret_masking.MASK
    return secret_masking.value(name, value)


def _masked_cookie(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={secret_masking.MASK}" if equals else secret_masking.MASK


def body(data: bytes, size: int, headers: list[tuple[str, str]]) -> Body | None:
    """A body; None where there was none."""
    if not size:
        return None
    fields = {name.lower(): value for name, value in headers}
    kind = fields.get("content-type", "")
    found: Body = {"bytes": size, "is_complete": size <= len(data), "content_type": kind}
    data = _decompressed(data, fields.get("content-encoding", ""))
    text = _text(data, kind)
    if text is None:
        found["base64"] = base64.b64encode(data).decode("ascii")
    else:
        found["text"] = text
    return found


def _text(data: bytes, kind: str) -> str | None:
    """A body as text without secrets; None where it is not text."""
    if kind.startswith(("image/", "audio/", "video/", "font/")) and "svg" not in kind:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3 or b"\0" in data:  # else a character that is cut
            return None
        text = data[: error.start].decode("utf-8")
    if "\0" in text:
        return None
    if "json" in kind:
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(secret_masking.data(json.loads(text)), ensure_ascii=False, indent=1)
    return secret_masking.text(text)


def _decompressed(data: bytes, encoding: str) -> bytes:
    """The beginning of what was compressed; as it is where that is not known here."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return data
    try:
        return zlib.decompressobj(47).decompress(data, CAPTURED)
    except zlib.error:
        return data


def _timing(seen: Seen) -> Timing:
    total = seen.entry.seconds * 1000
    capture = seen.capture
    timing: Timing = {"queue": None, "application": None, "sending": None, "total": round(total, 3)}
    if capture is None or not capture.begun_at:
        return timing
    begun = (capture.begun_at - seen.began) * 1000
    if capture.taken_at:
        timing["queue"] = round((capture.taken_at - seen.began) * 1000, 3)
        timing["application"] = round((capture.begun_at - capture.taken_at) * 1000, 3)
    timing["sending"] = round(max(0.0, total - begun), 3)
    return timing


#: Headers that a client sets by itself.
_BY_CLIENT = frozenset({"host", "content-length", "connection", "accept-encoding"})


def _curl(seen: Seen) -> str:
    """The request as a command; secrets stay out of it."""
    fields = dict(masked(request_headers(seen)))
    host = next((fields[name] for name in fields if name.lower() == "host"), "localhost")
    words = ["curl", "-i", "-X", seen.entry.method]
    for name, value in fields.items():
        if name.lower() not in _BY_CLIENT:
            words += ["-H", f"{name}: {value}"]
    capture = seen.capture
    if capture is not None and 0 < capture.request_bytes <= CAPTURED:
        sent = body(bytes(capture.request_body), capture.request_bytes, request_headers(seen))
        if sent is not None and "text" in sent:
            words += ["--data-binary", sent["text"]]
    words.append(f"{seen.scheme}://{host}{secret_masking.text(seen.target)}")
    return shlex.join(words)


def clean(answer: Any) -> Any:
    """An answer of ``explain`` or ``check`` without secrets."""
    return secret_masking.data(answer)
