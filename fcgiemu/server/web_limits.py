"""http.sys's limits on time, as <webLimits> of a host configuration sets them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..config.file import ConfigFile
from ..http.numbers import bounded

#: Defaults of <webLimits> (documented): connectionTimeout and headerWaitTimeout in seconds, where 0
#: means the former, and minBytesPerSecond.
CONNECTION_TIMEOUT = 120.0
HEADER_WAIT_TIMEOUT = 0.0
MIN_BYTES_PER_SECOND = 240
_TIME_SPAN = re.compile(r"(?:([0-9]{1,5})\.)?([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})")
_UINT = (1 << 32) - 1


class Timers:
    """In seconds, and bytes a second (0 = no minimum)."""

    __slots__ = ("connection", "header_wait", "minimum_rate")

    def __init__(
        self,
        connection: float = CONNECTION_TIMEOUT,
        header_wait: float = HEADER_WAIT_TIMEOUT,
        minimum_rate: int = MIN_BYTES_PER_SECOND,
    ) -> None:
        self.connection = connection
        self.header_wait = header_wait or connection
        self.minimum_rate = minimum_rate


def timers(host: Iterable[ConfigFile]) -> Timers:
    """The timers of host configurations, a later one wins. What cannot be read counts as absent."""
    found: dict[str, str] = {}
    for file in host:
        if file.root is not None:
            for element in file.root.iter("webLimits"):
                found.update(element.attributes)
    rate = bounded(found.get("minBytesPerSecond", ""), _UINT)
    return Timers(
        _seconds(found.get("connectionTimeout", ""), CONNECTION_TIMEOUT),
        _seconds(found.get("headerWaitTimeout", ""), HEADER_WAIT_TIMEOUT),
        MIN_BYTES_PER_SECOND if rate is None else rate,
    )


def _seconds(text: str, default: float) -> float:
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        return default
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
