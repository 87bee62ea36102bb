"""The facts of a request that has ended, for the log (access_log.py makes the line) and for those
who watch.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..decision import Outcome
from ..http.url import UrlRefused

#: http.sys's names for its refusals, as its error log has them (Microsoft's article 820729), by the
#: heading of the page; a 400 with another heading is a BadRequest.
_REASONS = {
    "Bad Request - Invalid Verb": "Verb",
    "Bad Request - Invalid URL": "URL",
    "Bad Request - Invalid Header": "Header",
    "Bad Request - Invalid Hostname": "Hostname",
    "Bad Request - Request Too Long": "RequestLength",
    "Request URL Too Long": "URL_Length",
    "Length Required": "LengthRequired",
    "Forbidden URL": "Forbidden",
    "HTTP Version Not Supported": "Version_N/S",
    "Not Implemented": "N/I",
}
#: What a refusal that is about a limit says of it.
_LIMITS = {
    "RequestLength": "the head is longer than MaxRequestBytes, 16384 bytes",
    "URL_Length": "the request line is longer than MaxRequestBytes, 16384 bytes",
}


@dataclass(slots=True, kw_only=True)
class LogEntry:
    """A request as it ended, at ``when`` (seconds since 1970). ``seconds`` from its first byte to
    the last of its response.
    """

    method: str
    url: str
    outcome: Outcome
    status: int
    substatus: int
    when: float
    seconds: float
    bytes_sent: int
    client_gone: bool
    #: Why the response is an error of FastCGI, was cut short, or is a refusal.
    remark: str = ""


def reason_and_remark(error: UrlRefused) -> tuple[str, str]:
    """http.sys's name for a refusal, and what the log says of it."""
    reason = _REASONS.get(error.heading, "BadRequest")
    return reason, _LIMITS.get(reason, error.text)
