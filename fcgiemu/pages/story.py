"""What happened to a request, as the parts of every page that tells it: the reasons, the
notifications, the rules with what they compared.

The live page, saved pages, failed-request traces and error pages show the same parts: values come
in here, ``templates/story.jinja`` makes HTML of them. Events are those of a decision's trace, as
dictionaries; see trace.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any, Protocol, TypedDict

from . import markup

#: An event as JSON: ``name``, and its values.
EventValues = Mapping[str, Any]
#: The text of a configuration file by the name that events have for it; None = not known.
Sources = Callable[[str], str | None]
#: Lines of one rule, and characters of one line, that are shown.
MAX_LINES, MAX_WIDTH = 60, 2000


class NotificationJson(TypedDict):
    """A notification of the pipeline: the modules that acted in it, and whether one of them
    answered.
    """

    notification: str
    modules: list[str]
    answered: bool


@dataclass(slots=True, kw_only=True)
class JudgedRule:
    """A rule that was evaluated. ``text`` is what its pattern was held against; ``steps`` are the
    events between its beginning and its end.
    """

    name: str
    file: str
    line: int
    base: str
    text: str
    steps: list[EventValues] = field(default_factory=list)
    applied: bool = False
    stops: bool = False
    error: str = ""

    @property
    def place(self) -> str:
        """File and line; "" where they are not known, as in traces of IIS."""
        return f"{self.file}:{self.line}" if self.file else ""

    @property
    def label(self) -> str:
        """The rule in a sentence."""
        return f"rule '{self.name}'" + (f" ({self.place})" if self.file else "")

    def source(self, sources: Sources) -> str:
        """Its lines in its file, without what all are indented by; "" where they are not known."""
        text = sources(self.file) if self.file else None
        found: list[str] = []
        for line in (text or "").split("\n")[self.line - 1 : self.line - 1 + MAX_LINES]:
            found.append(line if len(line) <= MAX_WIDTH else line[:MAX_WIDTH] + " …")
            if "</rule>" in line:
                break
        return dedent("\n".join(found))

    def step(self, name: str) -> EventValues | None:
        """The first step of this name."""
        return next((event for event in self.steps if event["name"] == name), None)


def judged(events: Iterable[EventValues]) -> list[JudgedRule]:
    """The rules of a trace in the order in which they were evaluated."""
    found: list[JudgedRule] = []
    rule: JudgedRule | None = None
    for event in events:
        name = event["name"]
        if name == "RULE_EVALUATION_START":
            rule = JudgedRule(
                name=event["RuleName"],
                file=event.get("File", ""),
                line=event.get("Line", 0),
                base=event.get("RelativePath", "").rstrip("/"),
                text=event.get("RequestURL", ""),
            )
            found.append(rule)
        elif rule is None:
            continue
        elif name == "RULE_EVALUATION_END":
            rule.applied = event["Succeeded"]
            rule.stops = bool(event.get("StopProcessing"))
            rule.error = event.get("Error", "")
            rule = None
        else:
            rule.steps.append(event)
    return found


class StoryLine(Protocol):
    """A line of a story."""

    @property
    def depth(self) -> int: ...
    @property
    def role(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStory:
    """What is told of a request. ``reasons`` begin with the one that answers why; ``remarks`` are
    lines that stand below them; ``lines`` are the whole story, each with its time or "".
    """

    outcome: str
    reasons: Sequence[str]
    pipeline: Sequence[NotificationJson]
    rules: Sequence[JudgedRule]
    remarks: Sequence[StoryLine] = ()
    lines: Sequence[tuple[StoryLine, str]] = ()
    sources: Sources = lambda _name: None


def fragment(story: RequestStory) -> str:
    """The parts of a story as HTML, for a page that has the shared style."""
    return markup("story.jinja", "story", story)


def marked_text(text: str, captures: Sequence[str | None] | None) -> str:
    """A text as HTML with what was matched in it, and the groups in that."""
    return markup("story.jinja", "marked", text, captures)
