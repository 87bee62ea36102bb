"""The last requests of a server, and who is told of new ones."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ..decision import Decision
from ..server.exchange import Exchange
from ..server.log_entry import LogEntry
from ..server.protocol import ClientConnection
from ..server.remembered_decision import RememberedDecision
from ..server.request_capture import CAPTURED, Capture

#: Requests that are kept.
KEPT = 1000


@dataclass(slots=True, kw_only=True)
class Seen:
    """A request that has ended. ``began`` is by ``time.perf_counter``."""

    number: int
    entry: LogEntry
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    version: str
    scheme: str
    client: tuple[str, int]
    head: bytes
    began: float
    capture: Capture | None
    #: The number of the request that this one repeats, 0 = it came by itself.
    replay_of: int = 0

    @property
    def decision(self) -> Decision | None:
        """What was decided; None where http.sys answered."""
        return self.entry.outcome if isinstance(self.entry.outcome, Decision) else None

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that applied."""
        return self.decision.rules if self.decision is not None else ()


class Again(NamedTuple):
    """A small file that was sent as before: what it takes to make a Seen of it, which waits until
    somebody looks. It costs a tenth.
    """

    number: int
    kept: RememberedDecision
    entry: LogEntry
    began: float
    scheme: str
    client: tuple[str, int]

    def whole(self) -> Seen:
        """All that is known of it."""
        assert self.kept.ready is not None
        head, body = self.kept.ready
        capture = Capture(response_bytes=len(body), begun_at=self.began + self.entry.seconds)
        capture.response_body = body[:CAPTURED]
        return Seen(
            number=self.number,
            entry=self.entry,
            target=self.entry.url,
            headers=tuple(self.kept.head.headers),
            version=self.kept.head.version,
            scheme=self.scheme,
            client=self.client,
            head=head.data,
            began=self.began,
            capture=capture,
        )


def _whole(one: Seen | Again) -> Seen:
    return one.whole() if isinstance(one, Again) else one


class Ring:
    """The last ``KEPT`` requests. Numbers begin with 1 and are never used again."""

    def __init__(self, kept: int = KEPT) -> None:
        self._seen: deque[Seen | Again] = deque(maxlen=kept)
        self.total = 0
        #: Rule -> how many requests it applied to since the start, and when it did last.
        self.hits: Counter[str] = Counter()
        self.last_hits: dict[str, float] = {}
        self._listeners: set[Callable[[Seen], None]] = set()

    def add(self, exchange: Exchange, entry: LogEntry, replay_of: int = 0) -> Seen:
        """A request has ended."""
        self.total += 1
        protocol = exchange.protocol
        seen = Seen(
            number=self.total,
            entry=entry,
            target=exchange.target.decode("latin-1"),
            headers=tuple(exchange.headers),
            version=exchange.version,
            scheme=protocol.scheme,
            client=protocol.client,
            head=exchange.sent_head,
            began=exchange.begun,
            capture=exchange.capture,
            replay_of=replay_of,
        )
        self._add(seen)
        return seen

    def add_again(
        self, connection: ClientConnection, kept: RememberedDecision, entry: LogEntry, begun: float
    ) -> None:
        """A small file was sent as before, without an exchange."""
        self.total += 1
        again = Again(
            number=self.total,
            kept=kept,
            entry=entry,
            began=begun,
            scheme=connection.scheme,
            client=connection.client,
        )
        if self._listeners or kept.decision.rules:
            self._add(again.whole())
        else:
            self._seen.append(again)

    def _add(self, seen: Seen) -> None:
        self._seen.append(seen)
        for rule in seen.rules:
            self.hits[rule] += 1
            self.last_hits[rule] = seen.entry.when
        for listener in list(self._listeners):
            listener(seen)

    def get(self, number: int) -> Seen | None:
        """A request by its number; None where it is not kept any more, or has not been."""
        if not self._seen:
            return None
        place = number - self._seen[0].number
        return _whole(self._seen[place]) if 0 <= place < len(self._seen) else None

    def after(self, number: int) -> list[Seen]:
        """The requests that are kept and have a higher number, the oldest first."""
        if not self._seen or number >= self.total:
            return []
        skipped = max(0, number - self._seen[0].number + 1)
        return [_whole(one) for one in islice(self._seen, skipped, None)]

    def newest(self) -> Iterator[Seen]:
        """The requests, the newest first."""
        return map(_whole, list(reversed(self._seen)))

    def listen(self, listener: Callable[[Seen], None]) -> Callable[[], None]:
        """Have ``listener`` told of every request from now on; what is returned ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)
