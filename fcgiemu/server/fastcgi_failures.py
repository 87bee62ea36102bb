"""What is answered where a FastCGI process had the request and died or answered badly: the error of
the FastCGI module, what stderrMode makes of STDERR, and hints.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from .. import catalogue
from ..decision import Decision, Respond
from ..fastcgi.cgi import BadHeaders
from ..fastcgi.records import ProtocolError
from ..http.response import Response
from ..modules import sending
from ..pages import Reload
from . import failure_page

#: HRESULT of WAIT_TIMEOUT.
E_WAIT_TIMEOUT = 0x80070102
_TIMEOUTS = {"activityTimeout": "activity timeout", "requestTimeout": "request timeout"}


class TimedOut(Exception):
    """A timeout of the FastCGI module; ``attribute`` is its name in the configuration."""

    def __init__(self, attribute: str, seconds: float) -> None:
        super().__init__(attribute)
        self.attribute = attribute
        self.seconds = seconds


class CallFailure(NamedTuple):
    """Why a call has failed, as IIS says it, and hints of ours."""

    message: str
    hresult: int = 0
    hints: tuple[str, ...] = ()

    def as_error(self, further: list[str], printed: str) -> Respond:
        """The answer to the client; ``printed`` is what the process has written."""
        return Respond(
            *(500, 0, self.message, self.hresult & 0xFFFFFFFF),
            hints=(*self.hints, *further),
            output=printed,
        )


def timed_out(error: TimedOut) -> CallFailure:
    """A timeout of the module has ended the process."""
    hint = f"The limit is {error.seconds:g} seconds ({error.attribute}); --no-timeouts lifts it."
    return CallFailure(
        f"The FastCGI process exceeded configured {_TIMEOUTS[error.attribute]}",
        E_WAIT_TIMEOUT,
        (hint,),
    )


def bad_headers(error: BadHeaders) -> CallFailure:
    """The header block of the response cannot be read."""
    return CallFailure(f"The FastCGI process sent headers that cannot be used: {error}")


def protocol_broken(error: ProtocolError) -> CallFailure:
    """The process did not keep to FastCGI."""
    return CallFailure(f"The FastCGI process broke the protocol: {error}")


def exited(script_processor: str, code: int | None, watches: bool) -> CallFailure:
    """The connection broke. ``code`` is the process's exit code, None = it went on and was ended;
    ``watches`` is that of its Launch: wfastcgi.py, which ends with 0 without a word.
    """
    hints: tuple[str, ...] = (_of_exit(code),)
    if code == 0 and watches:
        hints += (catalogue.hint("error-silent-exit"),)
    name = script_processor.partition("|")[0]
    return CallFailure(
        f"{name} - The FastCGI process exited unexpectedly", max(code or 0, 0), hints
    )


def _of_exit(code: int | None) -> str:
    if code is None:
        return "The process closed its connection and was ended."
    if code < 0:
        return f"The process was ended by signal {-code}."
    return f"The process ended with exit code {code}."


def wrote_stderr(mode: str, printed: str) -> Respond:
    """The error for STDERR where the client may not see what stands on it."""
    message = f"The FastCGI application wrote to STDERR (stderrMode {mode})."
    return Respond(500, 0, message, output=printed)


async def stderr_as_page(
    decision: Decision,
    printed: str,
    likely: list[str],
    folder: Path,
    *,
    editor: str,
    reload: Reload | None,
) -> Response:
    """STDERR as a page for the developer; see failure_page."""
    page = await asyncio.to_thread(
        failure_page.page,
        *(printed, decision.request.label, likely, folder),
        links=editor,
        reload=reload,
    )
    return _response(decision, page, "text/html")


def stderr_as_text(decision: Decision, printed: str) -> Response:
    """STDERR as IIS sends it: ReturnStdErrIn500."""
    return _response(decision, printed.encode(), "text/plain")


def _response(decision: Decision, body: bytes, media_type: str) -> Response:
    headers = [
        ("Content-Type", f"{media_type}; charset=utf-8"),
        ("Content-Length", str(len(body))),
    ]
    return Response(
        500, "Internal Server Error", sending.decorate(headers, decision.effective), body
    )


def text_of(stderr: bytes | bytearray) -> str:
    """What came on STDERR: UTF-8 where it is that, else Latin-1."""
    try:
        return stderr.decode("utf-8")
    except UnicodeDecodeError:
        return stderr.decode("latin-1")
