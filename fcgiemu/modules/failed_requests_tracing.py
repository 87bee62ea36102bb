"""FailedRequestsTracingModule: which requests are traced, by <tracing><traceFailedRequests>.

Whether anything is written at all is the administrator's to say (<traceFailedRequestsLogging> of
the site, ``--freb`` here), as on IIS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate

from ..config.merge import Node
from ..config.tree import Effective
from ..freb.model import FrebEvent
from ..freb.recording import EventFilter
from . import loaded_modules

SECTION = "system.webServer/tracing/traceFailedRequests"
_LEVELS = {
    "General": 0,
    "CriticalError": 1,
    "Error": 2,
    "Warning": 3,
    "Information": 4,
    "Verbose": 5,
}
_PROVIDER = "www server"
#: One part of statusCodes: a status or a range, each with a substatus or without.
_CODES = re.compile(r"\s*(\d{3})(?:\.(\d{1,3}))?\s*(?:-\s*(\d{3})(?:\.(\d{1,3}))?\s*)?")

StatusRange = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TracingRule:
    """One <add>: the URLs it is for, what makes a request a failed one, and what its trace keeps.

    ``seconds`` 0 = no limit; ``verbosity`` 0 = events do not matter.
    """

    matches: Callable[[str], object]
    statuses: tuple[StatusRange, ...]
    seconds: float
    verbosity: int
    kept: EventFilter

    def reason(
        self, status: int, substatus: int, seconds: float, events: Iterable[FrebEvent]
    ) -> str:
        """Why a request is traced: STATUS_CODE, TIME_TAKEN, VERBOSITY; empty where it is not."""
        if any(low <= (status, substatus) <= high for low, high in self.statuses):
            return "STATUS_CODE"
        if self.seconds and seconds >= self.seconds:
            return "TIME_TAKEN"
        if self.verbosity and any(1 <= event.level <= self.verbosity for event in events):
            return "VERBOSITY"
        return ""


#: What ``--freb`` traces where the configuration has no rule: every error.
EVERY_ERROR = TracingRule(lambda path: True, (((400, 0), (999, 999)),), 0.0, 0, EventFilter())


def tracing_rules(effective: Effective) -> tuple[TracingRule, ...]:
    """The rules of a configuration, in order. A view: see Effective.view."""
    if "FailedRequestsTracingModule" in effective.view(loaded_modules.modules_not_loaded):
        return ()
    return tuple(_rule(item) for item in effective.section(SECTION).items)


def rule_for(effective: Effective, path: str) -> TracingRule | None:
    """The first rule for a URL path."""
    return next((rule for rule in effective.view(tracing_rules) if rule.matches(path)), None)


def _rule(item: Node) -> TracingRule:
    failure = item.child("failureDefinitions")
    return TracingRule(
        _path_matcher(item.text("path") or "*"),
        status_ranges(failure.text("statusCodes")),
        failure.seconds("timeTaken"),
        _LEVELS.get(failure.text("verbosity"), 0),
        _filter(item.child("traceAreas").items),
    )


def _path_matcher(pattern: str) -> Callable[[str], object]:
    """``*``, ``*.aspx``, ``/folder/page.html``: a pattern without slash is for the last segment."""
    search = re.compile(translate(pattern.lower().lstrip("/"))).match
    if "/" in pattern:
        return lambda path: search(path.lower().lstrip("/"))
    return lambda path: search(path.lower().rpartition("/")[2])


def _filter(areas: Iterable[Node]) -> EventFilter:
    """What is kept: the areas and the verbosity of the provider WWW Server; everything where no
    provider is named.
    """
    for area in areas:
        if area.text("provider").lower() == _PROVIDER:
            names = {name.strip().lower() for name in area.text("areas").split(",")} - {""}
            level = _LEVELS.get(area.text("verbosity"), 5)
            return EventFilter(level, frozenset(names) if names else None)
    return EventFilter()


def status_ranges(text: str) -> tuple[StatusRange, ...]:
    """``400-599,200,404.2-404.5`` as pairs of (status, substatus); a status without substatus is
    for all of them. What is none of these is passed over, as nothing is known of what IIS does.
    """
    found = []
    for part in text.split(","):
        match = _CODES.fullmatch(part)
        if match is None:
            continue
        low, low_sub, high, high_sub = match.groups()
        end = int(high or low)
        sub = high_sub if high else low_sub
        found.append(((int(low), int(low_sub or 0)), (end, 999 if sub is None else int(sub))))
    return tuple(found)
