"""What iisnode answers where Node does not: a status with a substatus of its own, or with
devErrorsEnabled a page with the status 200 (seen in its source and tests).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..decision import Respond
from ..http.response import Response, reason_phrase
from ..pages import iisnode as pages

# Substatus of a 500; the numbers between these are for details of named pipes.
NOT_DISPATCHED = 1000
NOT_CONNECTED = 1001
ENDED = 1002
HEAD_NOT_SENT = 1004
HEAD_TOO_LARGE = 1005
BODY_NOT_SENT = 1007
ANSWER_TOO_LARGE = 1012
BAD_STATUS = 1013
BAD_HEADERS = 1014
BAD_CHUNK = 1015
BODY_BROKE = 1016
#: Substatus of 503: maxConcurrentRequestsPerProcess requests are with the process.
TOO_MANY = 1002

E_FILE_NOT_FOUND = 0x80070002  # measured: where the process ends as it starts
E_BROKEN_PIPE = 0x8007006D  # measured: where the process ends during a request
E_INVALID_DATA = 0x8007000D
E_NOT_ENOUGH_QUOTA = 0x80070718


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailure:
    """Why Node does not answer: ``message`` is for people. ``known`` = iisnode has a page of its
    own for the cause, which needs no process; ``output`` is what the process wrote to stderr last.
    """

    substatus: int
    message: str
    hresult: int = 0
    status: int = 500
    known: bool = False
    had_process: bool = True
    output: str = ""
    hints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The status as logs have it."""
        return f"{self.status}.{self.substatus}"

    @property
    def shows_page(self) -> bool:
        """Whether devErrorsEnabled has a page for it."""
        return self.known or (self.had_process and self.status == 500)

    def as_error(self) -> Respond:
        """The error that <httpErrors> answers."""
        return Respond(
            self.status,
            self.substatus,
            self.message,
            self.hresult,
            notification="ExecuteRequestHandler",
            output=self.output,
            hints=self.hints,
        )

    def as_page(self, logging: bool) -> Response:
        """The page of devErrorsEnabled, which has the status 200."""
        return page(self, logging)


def page(failure: NodeFailure, logging: bool) -> Response:
    """The page for developers: what failed, and the last that the process wrote to stderr."""
    rows = []
    if not failure.known:
        rows = [
            ("HRESULT", f"0x{failure.hresult & 0xFFFF if failure.hresult else 0:x}"),
            ("HTTP status", str(failure.status)),
            ("HTTP subStatus", str(failure.substatus)),
            ("HTTP reason", reason_phrase(failure.status)),
        ]
    lack = ""
    if not failure.known and not failure.output:
        lack = (
            "The process has written nothing to stderr."
            if logging
            else "loggingEnabled is false: what the process writes is not kept on a server."
        )
    body = pages.page(
        pages.NodePage(failure.message, tuple(rows), failure.output, lack, failure.hints)
    )
    return Response(200, "OK", [("Content-Type", "text/html"), ("Cache-Control", "no-cache")], body)
