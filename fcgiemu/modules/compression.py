"""StaticCompressionModule and DynamicCompressionModule: who gets gzip. Off unless asked for: see
Settings.compression.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass

from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Decision
from ..http.request import Request
from ..http.response import Header
from . import loaded_modules

SECTION = "system.webServer/httpCompression"
#: The window size with which zlib writes gzip's header and trailer.
_GZIP = 31

Types = dict[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """The compiled sections: urlCompression, httpCompression, and serverRuntime's idea of a
    frequent hit.
    """

    static: bool
    dynamic: bool
    static_types: Types
    dynamic_types: Types
    static_level: int
    dynamic_level: int
    min_size: int
    not_http10: bool
    not_proxies: bool
    not_range: bool
    hits: int
    period: float

    def accepted(self, request: Request) -> bool:
        """Whether this client gets compressed answers at all."""
        from werkzeug.http import parse_accept_header

        fields = request.fields
        if (
            "accept-encoding" not in fields
            or parse_accept_header(fields["accept-encoding"]).quality("gzip") <= 0
        ):
            return False
        return not (
            self.not_http10
            and request.protocol == "HTTP/1.0"
            or self.not_proxies
            and "via" in fields
            or self.not_range
            and "range" in fields
        )


def compression(effective: Effective) -> Compression:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    url = effective.section("system.webServer/urlCompression")
    runtime = effective.section("system.webServer/serverRuntime")
    gzip = next((item for item in section.items if item.text("name").lower() == "gzip"), None)
    absent = effective.view(loaded_modules.modules_not_loaded)

    def does(kind: str) -> bool:
        switch = f"do{kind}Compression"
        return (
            gzip is not None
            and url.flag(switch)
            and gzip.flag(switch)
            and f"{kind}CompressionModule" not in absent
        )

    hits = (
        0
        if section.flag("staticCompressionIgnoreHitFrequency")
        else runtime.integer("frequentHitThreshold")
    )
    return Compression(
        static=does("Static"),
        dynamic=does("Dynamic"),
        static_types=_types(section.child("staticTypes")),
        dynamic_types=_types(section.child("dynamicTypes")),
        static_level=_level(gzip, "staticCompressionLevel"),
        dynamic_level=_level(gzip, "dynamicCompressionLevel"),
        min_size=section.integer("minFileSizeForComp"),
        not_http10=section.flag("noCompressionForHttp10"),
        not_proxies=section.flag("noCompressionForProxies"),
        not_range=section.flag("noCompressionForRange"),
        hits=hits,
        period=runtime.seconds("frequentHitTimePeriod"),
    )


def _types(node: Node) -> Types:
    return {item.text("mimeType").lower(): item.flag("enabled") for item in node.items}


def _level(scheme: Node | None, name: str) -> int:
    """IIS's level 0 is its fastest, zlib's is none at all."""
    return max(1, min(9, scheme.integer(name))) if scheme is not None else 1


def listed(types: Types, content_type: str) -> bool:
    """Whether a type is enabled: the exact entry before ``type/*`` before ``*/*``."""
    name = content_type.partition(";")[0].strip().lower()
    for pattern in (name, name.partition("/")[0] + "/*", "*/*"):
        if pattern in types:
            return types[pattern]
    return False


class Hits:
    """Counts how often a file is asked for, so that only frequent ones are compressed."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def frequent(self, path: str, threshold: int, period: float, now: float) -> bool:
        """Count a hit at ``now`` (seconds); True from the ``threshold``-th within ``period``
        seconds on.
        """
        if threshold == 0:
            return True
        times = self._times.setdefault(path, deque(maxlen=threshold))
        times.append(now)
        return len(times) == threshold and now - times[0] <= period


class Encoder:
    """gzip of a body that comes in parts; each part can be read by the client when it has been
    sent.
    """

    def __init__(self, level: int) -> None:
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def part(self, data: bytes) -> bytes:
        return self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH) if data else b""

    def end(self, data: bytes) -> bytes:
        return self._zlib.compress(data) + self._zlib.flush()


def compress(data: bytes, level: int) -> bytes:
    """The whole of ``data`` as gzip."""
    return Encoder(level).end(data)


def encoded(headers: list[Header], length: int | None = None) -> list[Header]:
    """The headers of a response that is sent compressed; without ``length`` it goes out in
    chunks.
    """
    kept = [pair for pair in headers if pair[0].lower() != "content-length"]
    kept += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return kept if length is None else [*kept, ("Content-Length", str(length))]


def dynamic(decision: Decision, status: int, headers: list[Header]) -> Encoder | None:
    """The encoder for a handler's response, or None where it goes out as it is."""
    settings = decision.effective.view(compression)
    if (
        status != 200
        or not settings.dynamic
        or decision.request.method == "HEAD"
        or not settings.accepted(decision.request)
    ):
        return None
    fields = {name.lower(): value for name, value in headers}
    if "content-encoding" in fields or not listed(
        settings.dynamic_types, fields.get("content-type", "")
    ):
        return None
    return Encoder(settings.dynamic_level)


def static(decision: Decision, mime_type: str, size: int) -> Compression | None:
    """How a file is compressed for this request, or None where it is sent as it is. Hits are the
    caller's to count.
    """
    settings = decision.effective.view(compression)
    if (
        settings.static
        and size >= settings.min_size
        and listed(settings.static_types, mime_type)
        and settings.accepted(decision.request)
    ):
        return settings
    return None
