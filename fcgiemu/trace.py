"""Events of how a decision came about, under the names of IIS's failed-request tracing."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its FREB name and its values."""

    name: str
    values: dict[str, object]

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, **self.values}


@dataclass(slots=True)
class Trace:
    """Collects events in order. Code that decides takes ``Trace | None`` and says nothing when it
    is None.
    """

    events: list[Event] = field(default_factory=list)

    def add(self, event_name: str, /, **values: object) -> None:
        self.events.append(Event(event_name, values))
