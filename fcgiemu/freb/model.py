"""A failed-request trace as values: exactly what its file says, nothing added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..errors import SiteError
from . import event_table


class TraceError(SiteError):
    """A file that is not a failed-request trace, or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrebEvent:
    """One ``Event``. ``data`` holds (name, value) in order, values with their line ends as written;
    ``descriptions`` the friendly names. ``time`` is the text of the file, UTC with milliseconds.
    """

    name: str
    data: tuple[tuple[str, str], ...] = ()
    descriptions: tuple[tuple[str, str], ...] = ()
    time: str = ""
    level: int = 0
    opcode: int = 0
    version: int = 1
    keywords: str = "0x0"
    keyword_names: tuple[str, ...] = ()
    provider: tuple[str, str] = event_table.WWW_SERVER
    event_id: int = 0
    activity: str = ""
    process: str = ""
    thread: str = ""
    computer: str = ""
    culture: str = "en-US"
    task: str = ""

    def __getitem__(self, name: str) -> str:
        """A value by name; empty where the event has none of it."""
        return next((value for key, value in self.data if key == name), "")

    def shown(self, name: str) -> str:
        """A value's friendly name where there is one, else the value."""
        found = next((text for key, text in self.descriptions if key == name), None)
        return self[name] if found is None else found.replace("\r", "")

    @property
    def area(self) -> str:
        """The area of the event's task, such as ``Rewrite``; empty for an unknown one."""
        known = event_table.keyed(self.task, self.opcode) or event_table.named(self.name)
        return known.area if known else ""


def event(name: str, *values: str, context: str = "", time: str = "") -> FrebEvent:
    """An event of the table from the values behind its context; raises KeyError for a name that the
    table does not have, and ValueError for the wrong number of values.

    Who executed it and where is the trace's to say: see ``writer.placed``.
    """
    known = event_table.named(name)
    if known is None:
        raise KeyError(name)
    leading = {"ContextId": (context,), "ConnID": ("0", context)}
    given = (*leading.get(known.data[0] if known.data else "", ()), *values)
    data = tuple(zip(known.data, given, strict=True))
    described = ((key, known.describe(key, value)) for key, value in data)
    return FrebEvent(
        name=known.name,
        data=data,
        descriptions=tuple((key, text) for key, text in described if text is not None),
        time=time,
        level=known.level,
        opcode=known.opcode,
        version=known.version,
        keywords=known.keywords,
        keyword_names=(known.keyword,) if known.keyword else (),
        provider=known.provider,
        activity=context,
        task=known.task,
    )


@dataclass(frozen=True)
class FrebTrace:
    """A trace: the attributes of its root in order, its events, where it came from, and what is
    missing (``notes``, in words).
    """

    attributes: tuple[tuple[str, str], ...]
    events: tuple[FrebEvent, ...]
    source: str = ""
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> str:
        """An attribute of the root; empty where it has none of that name."""
        return next((value for key, value in self.attributes if key == name), "")

    @property
    def url(self) -> str:
        """Scheme, host, port, decoded path, query as sent."""
        return self["url"]

    @property
    def verb(self) -> str:
        return self["verb"]

    @property
    def status(self) -> int:
        """The status without its substatus; 0 where the file gives none."""
        text = self["statusCode"].partition(".")[0]
        return int(text) if text.isdecimal() and len(text) <= 5 else 0

    @property
    def substatus(self) -> int:
        """The substatus: of the root, else of the request's last end or error."""
        text = self["statusCode"].partition(".")[2]
        if text.isdecimal() and len(text) <= 5:
            return int(text)
        for found in reversed(self.events):
            if found.name in ("GENERAL_REQUEST_END", "MODULE_SET_RESPONSE_ERROR_STATUS"):
                number = found["HttpSubStatus"]
                return int(number) if number.isdecimal() and len(number) <= 5 else 0
        return 0

    @property
    def milliseconds(self) -> int:
        """``timeTaken``; 0 where the file gives none."""
        text = self["timeTaken"]
        return int(text) if text.isdecimal() and len(text) <= 12 else 0

    def named(self, *names: str) -> Iterator[FrebEvent]:
        """The events of these names, in order."""
        return (found for found in self.events if found.name in names)

    @cached_property
    def failed_in(self) -> tuple[str, str]:
        """The module that set an error, and the notification: of the last event that says so.

        Where none does, the module whose notification ended the request; empty for a success.
        """
        for found in reversed(self.events):
            if found.name in ("MODULE_SET_RESPONSE_ERROR_STATUS", "REQUEST_PROCESSING_ERROR"):
                return found["ModuleName"], found.shown("Notification")
        if self.status >= 400:
            for found in reversed(self.events):
                if found.name == "NOTIFY_MODULE_END" and found["NotificationStatus"] == "2":
                    return found["ModuleName"], found.shown("Notification")
        return "", ""
