"""A request as the file that IIS's failed-request tracing would write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from . import event_table, model, writer
from .model import FrebEvent, FrebTrace
from .rewriting import PROVIDER
from .traced_exchange import TracedExchange
from .translate import is_anonymous
from .translated_event import TranslatedEvent, placed
from .wire import absolute

#: Largest file, in bytes: maxLogFileSizeKB of IIS, as installed.
MAX_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a trace keeps: areas by their names in lower case (None = all), and the largest
    level. General events are always kept.
    """

    level: int = 5
    areas: frozenset[str] | None = None

    def keeps(self, event: FrebEvent) -> bool:
        if event.level > self.level:
            return False
        if self.areas is None or not event.keyword_names:
            return event.provider != PROVIDER or self.areas is None or "rewrite" in self.areas
        return any(name.lower() in self.areas for name in event.keyword_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When and by whom a request was handled, and why it is traced. ``began`` and ``ended`` are
    seconds since 1970; ``trigger`` is the status that triggered the trace, 0 for TIME_TAKEN.
    """

    activity: str
    began: float
    ended: float
    process: int
    thread: int
    computer: str
    reason: str = "STATUS_CODE"
    trigger: str = "0"
    connection: str = "0"


def record(
    exchange: TracedExchange, steps: list[TranslatedEvent], occasion: Occasion, kept: EventFilter
) -> FrebTrace:
    """The trace of a request, cut at MAX_BYTES as IIS cuts it."""
    first, last = _time(occasion.began), _time(occasion.ended)
    turn = _turning_point(steps)
    times = [first if number < turn else last for number in range(len(steps))]
    events = placed(steps, context=occasion.activity, times=times, connection=occasion.connection)
    placed_events = writer.placed(
        [event for event in events if kept.keeps(event)],
        process=str(occasion.process),
        thread=str(occasion.thread),
        computer=occasion.computer,
    )
    trace = FrebTrace(_attributes(exchange, occasion), placed_events)
    return _cut(trace)


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _turning_point(steps: list[TranslatedEvent]) -> int:
    """The event from which on the answer is known: it has the time of the end."""
    for number, step in enumerate(steps):
        if step.event.name in ("FASTCGI_RESPONSE_WRITTEN", "HTTPSYS_CACHEABLE"):
            return number
    return max(0, len(steps) - 1)


def _attributes(exchange: TracedExchange, occasion: Occasion) -> tuple[tuple[str, str], ...]:
    answered = exchange.answered
    status = "0"
    if answered is not None:
        status = str(answered.status)
        status += f".{answered.substatus}" if answered.substatus else ""
    url = absolute(exchange.scheme, exchange.host, exchange.port, exchange.path, exchange.query)
    user = (
        ("remoteUserName", exchange.user),
        ("userName", exchange.user),
        ("tokenUserName", exchange.user or "NT AUTHORITY\\IUSR"),
        ("authenticationType", exchange.auth_type or "anonymous"),
    )
    milliseconds = int(occasion.ended * 1000) - int(occasion.began * 1000)
    return (
        ("url", url),
        ("siteId", str(exchange.site_id)),
        ("appPoolId", exchange.pool),
        ("processId", str(occasion.process)),
        ("verb", exchange.verb),
        *(
            user
            if exchange.has_user and is_anonymous(exchange)
            else (("authenticationType", "NOT_AVAILABLE"),)
        ),
        ("activityId", occasion.activity),
        ("failureReason", occasion.reason),
        ("statusCode", status),
        ("triggerStatusCode", occasion.trigger),
        ("timeTaken", str(max(0, milliseconds))),
    )


def _cut(trace: FrebTrace) -> FrebTrace:
    """Measured: a trace that becomes too long ends with an event that says so."""
    if len(writer.write(trace)) <= MAX_BYTES:
        return trace
    empty = len(writer.write(replace(trace, events=())))
    size = empty
    for number, event in enumerate(trace.events):
        size += len(writer.write(replace(trace, events=(event,)))) - empty
        if size > MAX_BYTES:
            last = replace(
                model.event(event_table.TRUNCATED, context=event.activity, time=event.time),
                process=event.process,
                thread=event.thread,
                computer=event.computer,
            )
            return replace(trace, events=(*trace.events[:number], last))
    return trace
