"""An event of a translated trace: how it is made, shown as JSON, and put into a trace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from . import event_table, model
from .model import FrebEvent

#: Characters of values up to which an event may be the same in the next trace.
_SHORT = 80


@dataclass(frozen=True, slots=True)
class TranslatedEvent:
    """An event of a translated trace. ``measured`` is whether genuine traces have shown such an
    event there; ``place`` the line of configuration behind it (``web.config:12``).
    """

    event: FrebEvent
    measured: bool = True
    place: str = ""


def translated(name: str, *values: str, measured: bool = True, place: str = "") -> TranslatedEvent:
    """An event of IIS by its name and values; see TranslatedEvent."""
    if not place and sum(map(len, values)) <= _SHORT:
        return _common(name, values, measured)
    return TranslatedEvent(model.event(name, *values), measured, place)


@lru_cache(1024)
def _common(name: str, values: tuple[str, ...], measured: bool) -> TranslatedEvent:
    """An event that every request has; most of a trace is made of such ones."""
    return TranslatedEvent(model.event(name, *values), measured)


def is_measured(step: TranslatedEvent) -> bool:
    """Whether genuine traces have shown the event, wherever it stood."""
    known = event_table.named(step.event.name)
    return known is not None and known.measured


def as_json(steps: Iterable[TranslatedEvent]) -> list[dict[str, object]]:
    """Steps as JSON: the events' names, levels and values; ``measured``; ``place``."""
    return [_as_json(step) for step in steps]


def _as_json(step: TranslatedEvent) -> dict[str, object]:
    event = step.event
    entry: dict[str, object] = {
        "name": event.name,
        "level": event.level,
        "data": dict(event.data[1:]),  # without ContextId
        "measured": step.measured and is_measured(step),
    }
    if event.descriptions:
        entry["descriptions"] = {name: text.replace("\r", "") for name, text in event.descriptions}
    if step.place:
        entry["place"] = step.place
    return entry


def placed(
    steps: Iterable[TranslatedEvent],
    *,
    context: str,
    times: Iterable[str] = (),
    connection: str = "0",
) -> list[model.FrebEvent]:
    """The events of steps for one request: with its activity, its connection and times.

    ``times`` are taken one after the other, the last one again for what is left.
    """
    found = []
    moments = iter(times)
    time = ""
    for step in steps:
        time = next(moments, time)
        values = {"ContextId": context, "ConnId": connection}
        data = tuple((name, values.get(name, value)) for name, value in step.event.data)
        found.append(replace(step.event, data=data, activity=context, time=time))
    return found
