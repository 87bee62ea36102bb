"""What is known of a running server: its last requests, what its processes have written, which
files have changed.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from ..decision import Decision
from ..server.exchange import Exchange
from ..server.log_entry import LogEntry
from ..server.protocol import ClientConnection
from ..server.remembered_decision import RememberedDecision
from ..server.serve import Serving
from .explaining import Explainer
from .recent_requests import Ring, Seen
from .replay import Replayer
from .rules import Counts, Waiting

#: Lines of processes that are kept, and changes of files.
KEPT_LINES, KEPT_CHANGES = 4000, 50
#: Seconds after its end in which a line may still belong to a request: pipes are read later.
LATE = 1.0


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line that a process has written; ``when`` by ``time.perf_counter``."""

    pid: int
    label: str
    text: str
    when: float


class Watch:
    """Watches ``serving``. ``writes`` says whether its web.config may be saved."""

    def __init__(self, serving: Serving, *, writes: bool) -> None:
        self.server = serving.server
        self.site = serving.site
        self.writes = writes
        self.ring = Ring()
        self.counts, self.waiting = Counts(), Waiting()
        self.explainer = Explainer(self.site.path, self.site.settings)
        self.replayer = Replayer(serving.options.host, serving.options.certificate is not None)
        self.lines: deque[OutputLine] = deque(maxlen=KEPT_LINES)
        self.changes: deque[dict[str, object]] = deque(maxlen=KEPT_CHANGES)

    def close(self) -> None:
        """End its threads."""
        self.replayer.close()
        self.explainer.close()

    def ended(self, exchange: Exchange, entry: LogEntry) -> None:
        """A request has ended."""
        client_port = exchange.protocol.client[1]
        seen = self.ring.add(exchange, entry, self.replayer.origin_of(client_port))
        self.replayer.ended(client_port, seen.number)
        if seen.decision is not None:
            self._waits(seen.decision)

    def again(
        self, connection: ClientConnection, kept: RememberedDecision, entry: LogEntry, begun: float
    ) -> None:
        """A small file has been sent as before."""
        self.ring.add_again(connection, kept, entry, begun)
        self._waits(kept.decision)

    def _waits(self, decision: Decision) -> None:
        """Have the conditions of a request counted some time."""
        if self.waiting.add(decision):
            used = self.waiting.take()
            self.explainer.begin(lambda: self.counts.add(self.explainer.site(), used))

    def output(self, pid: int, label: str, text: str) -> None:
        """A process has written a line."""
        self.lines.append(OutputLine(pid, label, text, time.perf_counter()))

    def changed(self, relative: str, restarted: bool) -> None:
        """A file has changed."""
        self.changes.append({"time": time.time(), "file": relative, "restarted": restarted})

    def output_of(self, seen: Seen) -> list[str]:
        """What a process has written during a request."""
        capture, decision = seen.capture, seen.decision
        if capture is None or not capture.pid or decision is None:
            return []
        label = decision.request.label
        end = seen.began + seen.entry.seconds + LATE
        return [
            line.text
            for line in self.lines
            if line.pid == capture.pid and line.label == label and seen.began <= line.when <= end
        ]
