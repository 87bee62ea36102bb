"""What a run of a transform has to say: the sentences, each with a code, a place and a remedy."""

from __future__ import annotations

from dataclasses import dataclass

from ...catalogue.findings import Span

#: Code -> what to do about it. {about} is what the message is about.
REMEDIES = {
    "no-match": (
        "Compare the path with the file, letter by letter: names and values are compared with case,"
        " and every ancestor counts, <location> too."
    ),
    "taken-by-earlier": "Put this element before the one that changes or removes its target.",
    "several-targets": 'Add xdt:Locator="Match(...)" with the attributes that tell them apart.',
    "arguments-ignored": "Remove the parentheses and what is in them.",
    "argument-without-attribute": "Write the attribute's name as it is spelled, or drop it.",
    "nothing-to-set": "Give the element the attributes that are to be set.",
    "nothing-to-remove": "The attributes are not there: this element can go.",
    "unknown-name": (
        "Transforms are Replace, Remove, RemoveAll, Insert, InsertIfMissing, InsertBefore,"
        " InsertAfter, SetAttributes, RemoveAttributes, SetTokenizedAttributes and CommentOut;"
        " locators are Match, Condition and XPath. Names are compared with case."
    ),
    "bad-syntax": "Write a name, or a name and its arguments in parentheses: Match(name).",
    "path-missing": "Write the path of the sibling: InsertBefore(/configuration/*[1]).",
    "argument-count": (
        "Write the right number of arguments; a comma separates them even between quotes, but not"
        " between parentheses."
    ),
    "path-not-element": "Write a path that ends in an element of the file, below its root.",
    "match-without-attribute": "Give this element the attribute, or match by another one.",
    "bad-path": (
        "Correct the XPath. A value with an apostrophe cannot be matched: write"
        ' Condition(@name="...") with &quot; for the quotes.'
    ),
    "unknown-xdt-element": "Only xdt:Import is known: move the settings out of the xdt namespace.",
    "bad-import": 'Write <xdt:Import assembly="..." namespace="..." />, or path= for assembly=.',
    "import-ignored": (
        "Assemblies are not loaded here; of their transforms only InsertOrAppendAttribute of"
        " Microsoft.Web.Xdt.Extensions is known."
    ),
    "no-namespace": (
        'Declare xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform" on the root'
        " element: http, not https."
    ),
    "too-costly": "Write paths from the root without '//', and fewer elements a file.",
    "comment-dashes": "Remove the comments within the element, or the dashes, or use Remove.",
    "no-parent": "Put the element below the root element.",
    "no-root": "The root element was removed: replace what is in it instead.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One line of the log of a run.

    ``kind`` is ``error`` (the run fails), ``warning``, ``message``, or ``verbose`` (a step's own
    account). ``about`` is the path, name or argument that it is about. ``depth`` is 1 inside of a
    step's section. ``hint`` takes the place of the code's own remedy.
    """

    kind: str
    code: str
    text: str
    span: Span | None = None
    about: str = ""
    depth: int = 0
    hint: str = ""

    @property
    def remedy(self) -> str:
        """What to do about it, "" where there is nothing to do."""
        return self.hint or REMEDIES.get(self.code, "") if self.kind != "verbose" else ""

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        return f"{place}{self.kind}: {self.text}"


class TransformFailed(Exception):
    """A step that cannot be carried out. ``span`` is where the cause stands; without one, the place
    of whatever was being worked on.
    """

    def __init__(self, code: str, text: str, about: str = "", span: Span | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.about = about
        self.span = span


class MessageLog:
    """Collects messages. ``suppressed`` turns warnings into messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.suppressed = False
        self.depth = 0

    def say(self, text: str, kind: str = "verbose", code: str = "", about: str = "") -> None:
        """A line without a place."""
        self.messages.append(
            Message(kind=kind, code=code, text=text, span=None, about=about, depth=self.depth)
        )

    def warn(self, code: str, text: str, about: str, span: Span | None) -> None:
        """A warning, or a message while warnings are suppressed."""
        if self.suppressed:
            self.messages.append(
                Message(
                    kind="message", code=code, text=text, span=None, about=about, depth=self.depth
                )
            )
        else:
            self.messages.append(
                Message(
                    kind="warning", code=code, text=text, span=span, about=about, depth=self.depth
                )
            )

    def fail(self, failure: TransformFailed, span: Span | None = None) -> None:
        """An error, at its own place or else at ``span``."""
        self.messages.append(
            Message(
                kind="error",
                code=failure.code,
                text=failure.text,
                span=failure.span or span,
                about=failure.about,
                depth=self.depth,
            )
        )

    @property
    def ok(self) -> bool:
        """Whether no error has been said."""
        return not any(message.kind == "error" for message in self.messages)
