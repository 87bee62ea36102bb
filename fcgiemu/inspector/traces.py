"""A request that is kept as the file that failed-request tracing would have written, without
secrets. As with a story, its events are those that the files lead to when somebody asks.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid

from ..decision import Decision, ServeFile
from ..freb import recording, trace_masking, translate, writer
from ..freb.recording import EventFilter
from ..freb.traced_exchange import Answered
from ..http.response import reason_phrase
from ..report import traced_exchanges
from ..site import Site
from ..trace import Trace
from . import views
from .recent_requests import Seen


def as_freb(site: Site, seen: Seen, decision: Decision) -> bytes:
    """The trace of a request as XML."""
    events = Trace()
    now = site.decide(decision.request, events)
    traced = traced_exchanges.exchange(site, now, events.events, _answered(site, seen, now))
    steps = translate.translate(traced)
    trace = recording.record(traced, steps, _occasion(seen), EventFilter())
    return writer.write(trace_masking.masked(trace))


def _occasion(seen: Seen) -> recording.Occasion:
    entry = seen.entry
    substatus = f".{entry.substatus}" if entry.substatus else ""
    return recording.Occasion(
        activity=f"{{{uuid.uuid4()}}}".upper(),
        began=entry.when - entry.seconds,
        ended=entry.when,
        process=os.getpid(),
        thread=threading.get_native_id(),
        computer=socket.gethostname().upper(),
        trigger=f"{entry.status}{substatus}",
    )


def _answered(site: Site, seen: Seen, decision: Decision) -> Answered | None:
    """The response that has gone out; None where there was none."""
    entry, action = seen.entry, decision.action
    if not entry.status:
        return None
    capture = seen.capture
    is_file = isinstance(action, ServeFile) and entry.status in (200, 206)
    body = bytes(capture.response_body) if capture is not None and not is_file else b""
    return Answered(
        status=entry.status,
        substatus=entry.substatus if entry.status >= 400 else 0,
        reason=reason_phrase(entry.status),
        headers=tuple(views.response_headers(seen.head)),
        body=body if len(body) == entry.bytes_sent else b"",
        size=entry.bytes_sent,
        file=traced_exchanges.file_facts(site, action.entry)
        if isinstance(action, ServeFile) and is_file
        else None,
    )
