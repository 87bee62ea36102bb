"""The answers that HttpCacheModule keeps: they are given again without asking the application."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..decision import Decision
from ..http.response import Header, Response, set_header
from ..modules import http_cache
from ..modules.http_cache import Key

#: Answers that are kept, and bytes of all their bodies (limits of ours).
KEPT = 1000
KEPT_BYTES = 64 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Recording:
    """An answer on its way to a client, for the cache. ``until`` is the time in seconds when it is
    out of date, None for one that is kept until something changes.
    """

    key: Key
    until: float | None
    limit: int
    generation: int
    response: Response | None = None
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    complete: bool = False

    def begin(self, status: int, reason: str, headers: list[Header]) -> None:
        """The head of the answer."""
        self.response = Response(status, reason, list(headers))

    def add(self, data: bytes, more: bool) -> None:
        """A part of the body."""
        self.size += len(data)
        if self.size <= self.limit:
            self.parts.append(data)
        else:
            self.parts.clear()
        self.complete = not more


class OutputCache:
    """Answers by key. Times are those of one clock, in seconds."""

    def __init__(self) -> None:
        self._answers: dict[Key, tuple[float | None, Response]] = {}
        self._bytes = 0
        self._generation = 0

    def find(self, decision: Decision, now: float) -> Response | Recording | None:
        """The answer that is kept; else a Recording where this one is to be kept; None where the
        request has nothing to do with the cache.
        """
        profile = http_cache.profile_of(decision)
        caching = decision.effective.view(http_cache.caching)
        if profile is None or caching is None or not profile.is_kept:
            return None
        key = http_cache.key_of(decision, profile)
        until, response = self._answers.get(key, (None, None))
        if response is not None and (until is None or now < until):
            return Response(response.status, response.reason, response.headers, response.body)
        if decision.request.method != "GET":
            return None
        until = None if profile.seconds is None else now + profile.seconds
        return Recording(
            key=key, until=until, limit=caching.max_response, generation=self._generation
        )

    def keep(self, recording: Recording) -> None:
        """Keep an answer that went out as a whole, if it may be."""
        response = recording.response
        if response is None or not recording.complete or recording.generation != self._generation:
            return
        if recording.size > recording.limit:
            return
        response.body = b"".join(recording.parts)
        if not http_cache.may_be_kept(response, recording.limit):
            return
        set_header(response, "Content-Length", str(len(response.body)))
        self._drop(recording.key)
        self._answers[recording.key] = recording.until, response
        self._bytes += len(response.body)
        while len(self._answers) > KEPT or self._bytes > KEPT_BYTES:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        _, gone = self._answers.pop(key, (None, None))
        if gone is not None:
            self._bytes -= len(gone.body)

    def clear(self) -> None:
        """Something has changed: nothing that was kept counts, nor what is on its way."""
        self._answers.clear()
        self._bytes = 0
        self._generation += 1
