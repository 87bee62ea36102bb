"""The engine's events of URL Rewrite in IIS's form.

Genuine traces have shown rules that do not apply. What they have not shown is written under a
provider of fcgiemu's own (names begin with FCGIEMU_), so that nobody takes it for IIS's: the
actions of rules, server variables, outbound rules. RequestURL after a rule has applied,
LogicalGrouping 1 and MatchType 1 and 2 are inferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..trace import Event
from . import model
from .model import FrebEvent
from .translated_event import TranslatedEvent

#: The provider and task of events that IIS does not have, or whose numbers are not known.
PROVIDER = ("fcgiemu", "{6C5C1B5E-0F0B-4C7B-9C58-5F1E6A4D9B21}")
TASK = "{B9F6B7C2-6F35-4E0B-8B4C-3C0C5D0E7A10}"
PREFIX = "FCGIEMU_"
_OWN = (
    "REWRITE_ACTION",
    "REDIRECT_ACTION",
    "CUSTOM_RESPONSE_ACTION",
    "ABORT_REQUEST_ACTION",
    "SET_SERVER_VARIABLE",
    "AZURE_PAGE_PROMISE",
    "IISNODE_REQUEST",
    "PRECONDITION_EVALUATION",
    "OUTBOUND_PATTERN_MATCH",
    "OUTBOUND_REWRITE_ACTION",
    "RULE_EVALUATION_ERROR",
)
_SYNTAX = {"ECMAScript": "0", "Wildcard": "1", "ExactMatch": "2"}
_MATCH_TYPES = {"Pattern": "0", "IsFile": "1", "IsDirectory": "2"}
#: Values of the engine that say where something is written, or how it was compared.
_BESIDE = frozenset({"File", "Line", "Column", "Captures", "IgnoreCase"})


def scopes(events: tuple[Event, ...]) -> Iterator[tuple[str, list[Event]]]:
    """The events of each run of rules: its scope, and everything from URL_REWRITE_START to END."""
    current: list[Event] | None = None
    scope = ""
    for event in events:
        if event.name == "URL_REWRITE_START":
            current, scope = [], str(event.values.get("Scope", "Distributed"))
        if current is not None:
            current.append(event)
            if event.name == "URL_REWRITE_END":
                yield scope, current
                current = None


class Translation:
    """Translates one run of rules; remembers the rule that is being evaluated."""

    def __init__(self) -> None:
        self._file = ""
        self._place = ""
        self._stop = "false"
        self._relative = "/"
        self._before = ""

    def run(self, events: list[Event]) -> Iterator[TranslatedEvent]:
        """The steps of a run of rules."""
        for event in events:
            make = getattr(self, f"_{event.name.lower()}", None)
            if make is not None:
                yield from make(event.values)
            elif event.name in _OWN:
                yield own(event, self._line(event.values))

    def _line(self, values: dict[str, object]) -> str:
        line = values.get("Line")
        return f"{self._file}:{line}" if line is not None and self._file else self._place

    def _url_rewrite_start(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        self._before = _url(values)
        scope = "0" if values.get("Scope") == "Global" else "1"
        yield TranslatedEvent(
            model.event("URL_REWRITE_START", str(values["RequestURL"]), scope, "0")
        )

    def _url_rewrite_end(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        after = _url(values)
        yield TranslatedEvent(
            model.event("URL_REWRITE_END", "" if after == self._before else after)
        )

    def _rule_evaluation_start(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        self._file = str(values.get("File", ""))
        self._place = f"{self._file}:{values['Line']}" if self._file else ""
        self._stop = _flag(values["StopProcessing"])
        self._relative = str(values["RelativePath"])
        syntax = str(values["PatternSyntax"])
        yield TranslatedEvent(
            model.event(
                "RULE_EVALUATION_START",
                str(values["RuleName"]),
                str(values["RequestURL"]),
                str(values["QueryString"]),
                _SYNTAX.get(syntax, "0"),
                self._stop,
                self._relative,
            ),
            place=self._place,
        )

    def _rule_evaluation_end(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        if "Error" in values:
            error = Event("RULE_EVALUATION_ERROR", {"Message": values["Error"]})
            yield own(error, self._place)
        # below the rule's folder and without its slash, as at the rule's start; after a rule has
        # applied: inferred
        url = str(values.get("RequestURL", ""))
        yield TranslatedEvent(
            model.event(
                "RULE_EVALUATION_END",
                str(values["RuleName"]),
                url.removeprefix(self._relative),
                str(values.get("QueryString", "")),
                self._stop,
                _flag(values["Succeeded"]),
            ),
            place=self._place,
        )

    def _pattern_match(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        yield TranslatedEvent(
            model.event(
                "PATTERN_MATCH",
                str(values["Pattern"]),
                str(values["Input"]),
                _flag(values["Negate"]),
                _flag(values["Matched"]),
            ),
            place=self._place,
        )

    def _conditions_evaluation_start(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        every = values["LogicalGrouping"] == "MatchAll"
        made = model.event("CONDITIONS_EVALUATION_START", "0" if every else "1")
        if not every:
            made = replace(made, descriptions=(("LogicalGrouping", "MatchAny"),))
        yield TranslatedEvent(made, every, self._place)

    def _conditions_evaluation_end(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        yield TranslatedEvent(
            model.event("CONDITIONS_EVALUATION_END", _flag(values["Succeeded"])),
            place=self._place,
        )

    def _condition_evaluation(self, values: dict[str, object]) -> Iterator[TranslatedEvent]:
        kind = str(values["MatchType"])
        made = model.event(
            "CONDITION_EVALUATION",
            str(values["Input"]),
            str(values["ExpandedInput"]),
            _MATCH_TYPES.get(kind, "0"),
            str(values["Pattern"]),
            _flag(values["Negate"]),
            _flag(values["Succeeded"]),
        )
        if kind != "Pattern":
            made = replace(made, descriptions=(("MatchType", kind),))
        yield TranslatedEvent(made, kind == "Pattern", self._line(values))


def own(event: Event, place: str = "") -> TranslatedEvent:
    """An event that IIS has under a number nobody has seen, or not at all: fcgiemu's own."""
    data = tuple(
        (name, _text(value)) for name, value in event.values.items() if name not in _BESIDE
    )
    made = FrebEvent(
        name=PREFIX + event.name,
        data=(("ContextId", ""), *data),
        level=5,
        opcode=_OWN.index(event.name) + 1 if event.name in _OWN else 0,
        version=0,
        provider=PROVIDER,
        task=TASK,
    )
    return TranslatedEvent(made, False, place)


def _url(values: dict[str, object]) -> str:
    query = values.get("QueryString")
    return f"{values['RequestURL']}?{query}" if query else str(values["RequestURL"])


def _flag(value: object) -> str:
    return "true" if value else "false"


def _text(value: object) -> str:
    return _flag(value) if isinstance(value, bool) else str(value)
