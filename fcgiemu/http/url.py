"""The request target as http.sys hands it to IIS: decoded once, dot segments gone, bad ones
refused.

Sources: the URL parser that Microsoft published in IIS.Common, and measured answers (see the
pipeline documentation).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

#: http.sys registry defaults (Microsoft's article 820129), in bytes or counts.
MAX_TARGET_BYTES = 16384
MAX_SEGMENT_LENGTH = 260
MAX_SEGMENTS = 255

_LEGAL = re.compile(r"[A-Za-z0-9;/\\?:@&=+$,%\-_.!~*'(){}|^\[\]`#\"]*")
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?|/")
_ESCAPE = re.compile(r"%u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}")
#: What stays literal in an encoded path, as X-Original-URL and Location show it.
_PATH_SAFE = "/;:@&=+$,-_.!~*'()|[]"


#: What people are told who ask about something else than a URL.
NOT_A_URL = "A URL begins with / or http://, for example /blog/1."


def is_url(text: str) -> bool:
    """Whether a text that a person has written is meant as a URL: http.sys refuses any other."""
    return text.lower().startswith(("/", "http://", "https://"))


class UrlRefused(Exception):
    """http.sys answers by itself: ``status``, the heading of its page, and its one sentence."""

    def __init__(self, status: int, heading: str, text: str) -> None:
        super().__init__(f"{status} {heading}")
        self.status = status
        self.heading = heading
        self.text = text


@dataclass(frozen=True, slots=True)
class Target:
    """A canonical target. ``path`` is decoded and begins with ``/``; ``query`` is raw, without
    ``?``.
    """

    path: str
    query: str
    raw: str


@lru_cache(maxsize=4096)
def canonicalize(raw: str) -> Target:
    """Canonicalise an origin-form target such as ``/a%20b/../c?x=1``. Raises UrlRefused as http.sys
    would.
    """
    path, _, query = raw.partition("?")
    if len(raw) > MAX_TARGET_BYTES:
        raise UrlRefused(414, "Request URL Too Long", "The request URL is too long.")
    if _PLAIN.fullmatch(path) and ".." not in path:
        canonical = path
    else:
        if not path.startswith("/") or not _LEGAL.fullmatch(path):
            raise _invalid()
        canonical = normalize(_decode(path))
    _check_segments(canonical)
    return Target(canonical, query, raw)


def normalize(path: str) -> str:
    """Backslashes to slashes, repeated slashes to one, dot segments resolved; climbing above the
    root is refused.
    """
    parts: list[str] = []
    segments = re.sub(r"/+", "/", path.replace("\\", "/")).split("/")[1:]
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == ".":
            if last:
                parts.append("")
        elif segment == "..":
            if not parts:
                raise UrlRefused(403, "Forbidden URL", "The request URL is forbidden.")
            parts.pop()
            if last:
                parts.append("")
        else:
            parts.append(segment)
    return "/" + "/".join(parts)


@lru_cache(maxsize=4096)
def encode_path(path: str) -> str:
    """A decoded path percent-encoded as UTF-8; a ``%`` in it becomes ``%25``."""
    if _PLAIN.fullmatch(path):
        return path
    return quote(path, safe=_PATH_SAFE, errors="replace")


def encode_location(location: str) -> str:
    """A Location header: what is not ASCII or not allowed is encoded, existing escapes and ``#``
    stay.
    """  # inferred
    return quote(location, safe=_PATH_SAFE + "%#?{}^`\\", errors="replace")


def double_escaped(path: str) -> bool:
    """Whether decoding the decoded path again would change it, or it holds ``+`` (404.11)."""
    return "+" in path or ("%" in path and _ESCAPE.search(path) is not None)


def _invalid() -> UrlRefused:
    return UrlRefused(400, "Bad Request - Invalid URL", "The request URL is invalid.")


def _decode(path: str) -> str:
    """One level of percent-decoding: UTF-8, else the whole path as Windows' ANSI code page
    (EnableNonUTF8).
    """
    if re.search(r"%(?!u[0-9A-Fa-f]{4}|[0-9A-Fa-f]{2})", path):
        raise _invalid()
    wide = re.sub(
        r"%u([0-9A-Fa-f]{4})", lambda match: quote(chr(int(match[1], 16)), errors="replace"), path
    )
    data = re.sub(
        rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), wide.encode("utf-8")
    )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    else:
        if _PRIVATE_USE.search(text):  # one report: such characters are not taken as UTF-8
            text = data.decode("cp1252", "replace")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise _invalid()
    return text


_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")


def _check_segments(path: str) -> None:
    if len(path) <= MAX_SEGMENT_LENGTH and path.count("/") <= MAX_SEGMENTS:
        return
    segments = path.split("/")
    if len(segments) - 1 > MAX_SEGMENTS or any(len(part) > MAX_SEGMENT_LENGTH for part in segments):
        raise _invalid()
