"""A site asked without a socket or a worker, in the manner of werkzeug's test client."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..identities import identity
from ..settings import Settings
from ..site import Site
from .answer import Answer
from .expectations import BadExpectation, judge, parse

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

#: A failed test shows its own lines, not these.
__tracebackhide__ = True


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
        as_user: str | None = None,
        roles: Iterable[str] = (),
    ) -> Answer:
        """Ask about one request; ``url`` is a path or absolute. ``as_user`` is who the client is,
        as for serve --as, with its groups.
        """
        given = list(headers.items() if isinstance(headers, Mapping) else headers)
        answer = Answer(
            self.site.explain(
                url,
                method,
                given,
                https=https,
                remote_addr=remote_addr,
                body_length=body_length,
                identity=identity(as_user, roles) if as_user is not None else None,
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
        expectation = next(parse([line], "expect"), None)
        if expectation is None:
            raise BadExpectation("The line says nothing: write 'URL -> what comes of it'.")
        result = next(judge(self.open, [expectation]))
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
