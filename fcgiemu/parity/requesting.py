"""Requests to two servers, one at a time and slowly, and what they answer.

A server that is asked belongs to somebody: two requests a second unless told, GET and HEAD unless
told, Retry-After is obeyed, nothing is sent to another host, and three failures in a row end it.
"""

from __future__ import annotations

import ipaddress
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ..errors import SiteError
from ..version import __version__

Header = tuple[str, str]
USER_AGENT = f"fcgiemu-compare/{__version__}"
#: Methods that change nothing on a server.
SAFE = ("GET", "HEAD")
#: Bytes of a body that are read and compared.
MAX_BODY = 16 * 1024 * 1024
SECONDS = 60.0
#: Seconds after which a body that still arrives is taken as it is.
BODY_SECONDS = 120.0
#: Longest wait that a server may ask for with Retry-After, in seconds.
MAX_RETRY_AFTER = 120.0
FAILURES = 3
#: Our side of connections to this machine: an address that is not the server's own, so that both
#: servers see a remote client and show it the error pages of one.
_REMOTE = "127.0.0.2" if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the target as it is sent, and headers beyond those that every request has."""

    target: str
    method: str = "GET"
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What came back. ``error`` says why nothing did; ``cut`` is whether the body was longer than
    MAX_BODY.
    """

    status: int = 0
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    error: str = ""
    cut: bool = False

    def header(self, name: str) -> str:
        """The first value of a header; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a site is: ``authority`` is what its Host header says."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def origin(url: str) -> Origin:
    """The origin of an absolute URL. Raises SiteError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise SiteError(
            f"{url} is not the URL of a site.", "Write for example https://www.example.org."
        )
    return Origin(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))


class Pace:
    """Keeps requests apart: ``wait`` returns when the next one may be sent."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    def wait(self) -> None:
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._interval

    def hold(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._next = max(self._next, self._clock() + min(seconds, MAX_RETRY_AFTER))


class Asker:
    """Asks one server. A context manager; raises SiteError where the server stops answering."""

    def __init__(
        self,
        where: Origin,
        pace: Pace | None = None,
        headers: Iterable[Header] = (),
        *,
        authority: str = "",
        verify: bool = True,
    ) -> None:
        self.where = where
        self._pace = pace
        self._host = authority or where.authority
        self._headers = tuple(headers)
        self._failures = 0
        address = _REMOTE if where.is_loopback else None
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(verify=verify, local_address=address),
            timeout=SECONDS,
            follow_redirects=False,
            trust_env=not where.is_loopback,
        )

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, question: Question) -> LiveAnswer:
        """The answer to one request; asked once more where the server says when."""
        answer = self._once(question)
        wait = _retry_after(answer)
        if self._pace is not None and wait is not None:
            self._pace.hold(wait)
            answer = self._once(question)
        self._failures = self._failures + 1 if answer.error.startswith("no connection") else 0
        if self._failures >= FAILURES:
            hint = "Look whether it runs and is reachable from here."
            if "CERTIFICATE" in answer.error.upper():
                hint = "Give --insecure if its certificate is to be accepted as it is."
            raise SiteError(
                f"{self.where.url} did not answer {FAILURES} times in a row: {answer.error}.", hint
            )
        return answer

    def _once(self, question: Question) -> LiveAnswer:
        if self._pace is not None:
            self._pace.wait()
        headers = [
            ("Host", self._host),
            ("User-Agent", USER_AGENT),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            *self._headers,
            *question.headers,
        ]
        request = httpx.Request(
            question.method,
            self.where.url,
            headers=[(name.encode("latin-1"), _encoded(value)) for name, value in headers],
            # the path as it stands: httpx would decode and encode it its own way
            extensions={"target": _encoded(question.target.partition("#")[0])},
        )
        # httpx adds the timeout to requests that a client builds only
        request.extensions["timeout"] = httpx.Timeout(SECONDS).as_dict()
        try:
            response = self._client.send(request, stream=True)
            try:
                body, cut = _body(response)
            finally:
                response.close()
        except httpx.TimeoutException:
            return LiveAnswer(error="no answer in time")
        except httpx.ConnectError as error:
            return LiveAnswer(error=f"no connection ({error})")
        except httpx.DecodingError as error:
            return LiveAnswer(error=f"the body cannot be decoded ({error})")
        except httpx.TransportError:
            return LiveAnswer(error="the connection was closed without an answer")
        pairs = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.headers.raw
        )
        return LiveAnswer(response.status_code, pairs, body, cut=cut)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _body(response: httpx.Response) -> tuple[bytes, bool]:
    """The body, and whether it has been cut."""
    parts, size = [], 0
    end = time.monotonic() + BODY_SECONDS
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY or time.monotonic() > end:
            return b"".join(parts)[:MAX_BODY], True
    return b"".join(parts), False


def _retry_after(answer: LiveAnswer) -> float | None:
    """Seconds that a busy server wants to be left alone."""
    text = answer.header("retry-after")
    return float(text) if answer.status in (429, 503) and text.isdecimal() and text else None


def secret_headers(path: Path) -> tuple[Header, ...]:
    """Cookies and authorization from a file: ``Name: value`` lines, ``#`` begins a comment.

    Raises SiteError, which never shows a value.
    """
    found = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip().replace("-", "").replace("_", "").isalnum():
            raise SiteError(
                f"{path}:{number}: this line is not a header.",
                "Write for example 'Cookie: session=…'.",
            )
        found.append((name.strip(), value.strip()))
    return tuple(found)


def unique(questions: Iterable[Question], limit: int, left_out: list[str]) -> Iterator[Question]:
    """Each question once and at most ``limit`` of them; ``left_out`` says what was not asked."""
    seen: set[Question] = set()
    for question in questions:
        if question in seen:
            continue
        if len(seen) >= limit:
            left_out.append(f"more than {limit} requests; give --limit to ask more")
            return
        seen.add(question)
        yield question
