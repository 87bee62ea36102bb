"""What is taken down of a request while somebody watches: the beginnings of both bodies, and when
it reached which stage. Nothing of this is made without an observer (see Server.observer).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

#: Bytes of a body that are kept.
CAPTURED = 1 << 16


@dataclass(slots=True, kw_only=True)
class Capture:
    """A request in progress. Times are those of ``time.perf_counter``, 0 = not reached."""

    request_body: bytearray = field(default_factory=bytearray)
    response_body: bytearray | bytes = field(default_factory=bytearray)
    #: Bytes in all, of which the bodies above are the beginnings.
    request_bytes: int = 0
    response_bytes: int = 0
    #: The process that had the request last.
    pid: int = 0
    taken_at: float = 0.0
    begun_at: float = 0.0

    def asked(self, data: bytes) -> None:
        """More of the request's body."""
        self.request_bytes += len(data)
        if len(self.request_body) < CAPTURED:
            self.request_body += data[: CAPTURED - len(self.request_body)]

    def answered(self, data: bytes) -> None:
        """More of the response's body, before it is compressed."""
        self.response_bytes += len(data)
        if len(self.response_body) < CAPTURED:
            assert isinstance(self.response_body, bytearray)
            self.response_body += data[: CAPTURED - len(self.response_body)]

    def taken(self, pid: int) -> None:
        """A process has the request."""
        self.pid, self.taken_at = pid, time.perf_counter()

    def begins(self) -> None:
        """The head of the response has been made."""
        self.begun_at = time.perf_counter()
