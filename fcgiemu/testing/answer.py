"""What IIS would do with a request, as tests ask about it."""

from __future__ import annotations

from collections.abc import Iterable

from ..report.explanation import Explanation
from ..report.explanation_text import story

#: A failed test shows its own lines, not these.
__tracebackhide__ = True


class Answer:
    """What IIS would do with a request. ``data`` is the whole answer in the shape of ``fcgiemu
    explain --json``.

    It is true where IIS would serve the request: not where it answers 400 or more by itself.
    """

    def __init__(self, data: Explanation, sent: Iterable[tuple[str, str]] = ()) -> None:
        self.data = data
        #: The headers of the request, as given.
        self.sent = tuple(sent)
        self.outcome = data["outcome"]

    @property
    def kind(self) -> str:
        """static, fastcgi, redirect, respond …: the kind of outcome; see docs/explain.md."""
        return str(self.outcome["kind"])

    @property
    def status(self) -> int | None:
        """The status; None while only the application can know it."""
        return None if self.outcome["status"] is None else int(self.outcome["status"])

    @property
    def substatus(self) -> int:
        return int(self.outcome["substatus"])

    @property
    def location(self) -> str | None:
        """The Location of a redirect, absolute."""
        return None if self.outcome["location"] is None else str(self.outcome["location"])

    @property
    def file(self) -> str | None:
        """The file that is served, relative to the site."""
        return None if self.outcome["file"] is None else str(self.outcome["file"])

    @property
    def path(self) -> str:
        """The path after all rewriting, decoded."""
        return str(self.outcome["path"])

    @property
    def query(self) -> str:
        """The query after all rewriting, without its question mark."""
        return str(self.outcome["query"])

    @property
    def handler(self) -> str | None:
        """The name of the handler mapping that takes the request."""
        return None if self.outcome["handler"] is None else str(self.outcome["handler"])

    @property
    def rules(self) -> list[str]:
        """The names of the rules that applied, in order."""
        return list(self.data["rules"])

    @property
    def environ(self) -> dict[str, str]:
        """What a WSGI application would find in its environ; empty where none is asked."""
        return dict(self.outcome.get("environ", {}))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a response that IIS makes itself; empty for others."""
        return dict(self.data.get("response", {}).get("headers", {}))

    @property
    def trace(self) -> str:
        """How it came about, for people."""
        return story(self.data)

    def __bool__(self) -> bool:
        return self.kind != "respond" or (self.status or 0) < 400

    @property
    def summary(self) -> str:
        """The request and what comes of it, in one line."""
        request = self.data["request"]
        what = self.kind if self.status is None else f"{self.kind} {self.status}"
        if self.kind == "respond":
            what += f".{self.substatus}"
        return (
            f"{request['method']} {request['url']} -> {what}"
            f" {self.location or self.file or self.path}"
        )

    def __repr__(self) -> str:
        return f"<Answer {self.summary}>"
