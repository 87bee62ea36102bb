"""A site asked without a socket or a worker, in the manner of werkzeug's test client."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..report.explanation import Explanation
from ..report.story import story
from ..settings import Settings
from ..site import Site

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


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
        """static, directory, fastcgi, httpPlatform, proxy, redirect, respond or abort."""
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


class Client:
    """``Client("path/to/site").get("/x").status``. Options are those of Settings, such as
    ``strict=True``.

    Raises SiteError where the folder is none. Files that change are seen at the next request.
    """

    def __init__(self, site: Site | Path | str, **settings: Any) -> None:
        self.site = site if isinstance(site, Site) else Site(Path(site), Settings(**settings))
        #: The last answers given.
        self.asked: deque[Answer] = deque(maxlen=20)

    def open(
        self,
        url: str,
        method: str = "GET",
        headers: Headers = (),
        *,
        https: bool = False,
        remote_addr: str = "127.0.0.1",
        body_length: int | None = None,
    ) -> Answer:
        """Ask about one request; ``url`` is a path or absolute."""
        given = list(headers.items() if isinstance(headers, Mapping) else headers)
        answer = Answer(
            self.site.explain(
                url, method, given, https=https, remote_addr=remote_addr, body_length=body_length
            ),
            given,
        )
        self.asked.append(answer)
        return answer

    def expect(self, line: str) -> Answer:
        """Ask and compare, by a line such as ``/old -> 301 /new`` (see docs/test.md).

        Raises AssertionError with what differs and the trace, BadExpectation for a line that says
        nothing.
        """
        from .expectations import BadExpectation, judge, parse

        expectation = next(parse([line], "expect"), None)
        if expectation is None:
            raise BadExpectation("The line says nothing: write 'URL -> what comes of it'.")
        result = next(judge(self, [expectation]))
        if result.differences:
            raise AssertionError("; ".join(result.differences) + "\n" + result.answer.trace)
        return result.answer

    def get(self, url: str, headers: Headers = (), **more: Any) -> Answer:
        return self.open(url, "GET", headers, **more)

    def head(self, url: str, headers: Headers = (), **more: Any) -> Answer:
        return self.open(url, "HEAD", headers, **more)

    def post(self, url: str, headers: Headers = (), *, body_length: int = 0, **more: Any) -> Answer:
        return self.open(url, "POST", headers, body_length=body_length, **more)

    def put(self, url: str, headers: Headers = (), *, body_length: int = 0, **more: Any) -> Answer:
        return self.open(url, "PUT", headers, body_length=body_length, **more)

    def delete(self, url: str, headers: Headers = (), **more: Any) -> Answer:
        return self.open(url, "DELETE", headers, **more)
