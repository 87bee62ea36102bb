"""``serve --freb FOLDER``: failed-request traces of what this server does, as IIS would write them.

``Recorder.ended`` is called where a request ends. What is to be traced is decided and translated
there, which takes about a millisecond; the files are written by a thread, one after the other.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..decision import Decision, Outcome, Redirect, Respond, ServeFile
from ..errors import SiteError
from ..freb import recording, translate, writer
from ..freb.model import FrebTrace
from ..freb.page import page
from ..freb.traced_exchange import Answered
from ..http.response import Header, reason_phrase
from ..modules import failed_requests_tracing, sending
from ..modules.failed_requests_tracing import EVERY_ERROR, TracingRule
from ..report import traced_exchanges
from ..site import Site
from ..trace import Trace
from .exchange import Exchange

#: Traces that are kept, as maxLogFiles of IIS; only those of this run are ever removed.
MAX_FILES = 50
#: Traces that may wait to be written; what comes meanwhile is not traced.
MAX_WAITING = 100
_NAME = re.compile(r"(?i)fr(\d{6})\.xml")
#: http.sys numbers connections from here on (seen in traces).
_FIRST_CONNECTION = 0x60000001


class Recorder:
    """Writes traces into a folder. Raises SiteError where that cannot be made or lies in the site.

    ``say`` is told what cannot be written.
    """

    def __init__(
        self, site: Site, folder: Path, measured_only: bool, say: Callable[[str], None]
    ) -> None:
        self.folder = folder.absolute()
        self._site = site
        self._measured_only = measured_only
        self._say = say
        for root in site.roots():
            if root in (self.folder, *self.folder.parents):
                raise SiteError(
                    f"--freb {folder} is in the site, whose clients could fetch the traces.",
                    "Name a folder outside of it.",
                )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = [_NAME.fullmatch(entry.name) for entry in os.scandir(self.folder)]
        except OSError as error:
            raise SiteError(f"--freb {folder}: {error.strerror}.") from error
        self._number = max((int(match[1]) for match in names if match), default=0)
        self._written: deque[Path] = deque()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="freb")
        self._waiting = 0
        self._lock = threading.Lock()
        self._connections = 0

    @property
    def has_rules(self) -> bool:
        """Whether the site's configuration says what is traced; else every error is."""
        return bool(self._site.effective("/").view(failed_requests_tracing.tracing_rules))

    def ended(self, exchange: Exchange, outcome: Outcome, substatus: int) -> None:
        """A request has ended: trace it, where a rule says so. Never raises: the request's line in
        the log comes after this.
        """
        if not isinstance(outcome, Decision):
            return  # http.sys answered
        try:
            self._consider(exchange, outcome, substatus)
        except Exception as error:  # an internal error
            self._say(f"{exchange.method} {outcome.path} cannot be traced: {error!r}")

    def _consider(self, exchange: Exchange, outcome: Decision, substatus: int) -> None:
        rule = failed_requests_tracing.rule_for(outcome.effective, outcome.request.target.path)
        if rule is None and not self.has_rules:
            rule = EVERY_ERROR
        if rule is None or self._waiting >= MAX_WAITING:
            return
        seconds = time.perf_counter() - exchange.begun
        if not rule.verbosity and not rule.reason(exchange.status, substatus, seconds, ()):
            return
        trace = self._trace(exchange, outcome, substatus, seconds, rule)
        if trace is not None:
            with self._lock:
                self._waiting += 1
            self._number += 1
            self._writer.submit(self._write, trace, self._number)

    def close(self) -> None:
        """Write what waits."""
        self._writer.shutdown()

    def _trace(
        self,
        exchange: Exchange,
        decision: Decision,
        substatus: int,
        seconds: float,
        rule: TracingRule,
    ) -> FrebTrace | None:
        """The trace of a request; None where its rule is not met after all."""
        events = Trace()
        self._site.decide(decision.request, events)
        answered = _answered(self._site, exchange, decision, substatus)
        traced = traced_exchanges.exchange(self._site, decision, events.events, answered)
        steps = translate.translate(traced, measured_only=self._measured_only)
        reason = rule.reason(exchange.status, substatus, seconds, (step.event for step in steps))
        if not reason:
            return None
        status = str(exchange.status)
        status += f".{substatus}" if substatus and exchange.status >= 400 else ""
        now = time.time()
        self._connections += 1
        occasion = recording.Occasion(
            activity=f"{{{uuid.uuid4()}}}".upper(),
            began=now - seconds,
            ended=now,
            process=os.getpid(),
            thread=threading.get_native_id(),
            computer=socket.gethostname().upper(),
            reason=reason,
            trigger="0" if reason == "TIME_TAKEN" else status,
            connection=str(_FIRST_CONNECTION + self._connections),
        )
        return recording.record(traced, steps, occasion, rule.kept)

    def _write(self, trace: FrebTrace, number: int) -> None:
        """Write a trace and its page; in the writer's thread."""
        path = self.folder / f"fr{number:06}.xml"
        try:
            _create(path, writer.write(trace))
            _create(path.with_suffix(".html"), page([trace]))
            self._written.append(path)
            while len(self._written) > MAX_FILES:
                oldest = self._written.popleft()
                oldest.unlink(missing_ok=True)
                oldest.with_suffix(".html").unlink(missing_ok=True)
        except OSError as error:
            self._say(f"a trace cannot be written: {error}")
        finally:
            with self._lock:
                self._waiting -= 1


def _create(path: Path, data: bytes) -> None:
    """A new file that only its owner reads: it holds cookies, as IIS's traces do."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _answered(
    site: Site, exchange: Exchange, decision: Decision, substatus: int
) -> Answered | None:
    """The response that has gone out; None where the connection was reset without one."""
    if not exchange.status:
        return None
    reason, headers = _head(exchange.sent_head)
    action = decision.action
    size = exchange.bytes_sent
    file = (
        traced_exchanges.file_facts(site, action.entry) if isinstance(action, ServeFile) else None
    )
    body = b""
    if isinstance(action, Redirect | Respond):
        body = sending.own_response(decision, decision.request.is_local).body
        body = body if len(body) == size else b""
    return Answered(
        status=exchange.status,
        substatus=substatus if exchange.status >= 400 else 0,
        reason=reason or reason_phrase(exchange.status),
        headers=headers,
        body=body,
        size=size,
        file=file if exchange.status in (200, 206) else None,
    )


def _head(data: bytes) -> tuple[str, tuple[Header, ...]]:
    """Reason and headers of a response's head."""
    line, *lines = data.decode("latin-1").split("\r\n")
    reason = line.partition(" ")[2].partition(" ")[2]
    pairs = (text.partition(":") for text in lines if ":" in text)
    return reason, tuple((name, value.strip()) for name, _, value in pairs)
