"""Traces as one HTML page that needs nothing else: no script, no XSLT, no file beside it."""

from __future__ import annotations

from ..pages import render
from ..version import __version__
from . import listing, masking, trace_text
from .model import FrebTrace, TraceError

#: Stories on one page; a listing may have more rows.
MAX_STORIES = 200


def page(
    traces: list[FrebTrace], sort: str = "file", errors: list[TraceError] | None = None
) -> bytes:
    """One trace, or a listing and the story of each, by ``sort``."""
    order = {trace.source: trace for trace in traces}
    rows = listing.ordered([listing.summary(trace) for trace in order.values()], sort)
    shown = [masking.masked(order[row.source]) for row in rows[:MAX_STORIES]]
    title = trace_text.headline(shown[0]) if len(shown) == 1 else f"{len(rows)} traces"
    return render(
        "freb.html",
        title=title,
        rows=rows if len(rows) > 1 else [],
        errors=[str(error) for error in errors or ()],
        traces=[_shown(trace) for trace in shown],
        version=__version__,
    )


def _shown(trace: FrebTrace) -> dict[str, object]:
    events = [
        {
            "name": event.name,
            "text": "\n".join(
                f"{name} = {value}{_friendly(event.shown(name), value)}"
                for name, value in event.data
                if name not in trace_text.CONTEXT
            ),
        }
        for event in trace.events
    ]
    lines = list(trace_text.timed(trace, trace_text.lines(trace)))
    return {"source": trace.source, "lines": lines, "events": events}


def _friendly(shown: str, value: str) -> str:
    return f" ({shown})" if shown != value.replace("\r", "") else ""
