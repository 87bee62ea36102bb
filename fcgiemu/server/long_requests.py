"""Requests that take long are named while they wait, so that nobody looks at a silent console."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

from ..pages import secret_masking
from .exchange import Exchange

#: Seconds after which a request is named.
LONG_SECONDS = 3.0
#: Requests that are named at once; of the others their number.
_NAMED = 5


class LongRequests:
    """Says of each request once that it has no answer yet. ``say`` prints a line."""

    def __init__(self, say: Callable[[str], None], seconds: float = LONG_SECONDS) -> None:
        self._say = say
        self._seconds = seconds
        self._told: weakref.WeakSet[Exchange] = weakref.WeakSet()

    def look(self, waiting: Iterable[Exchange], now: float) -> None:
        """Look at the requests in progress; ``now`` is by the clock of ``Exchange.begun``."""
        late = [
            exchange
            for exchange in waiting
            if exchange.begun
            and now - exchange.begun >= self._seconds
            and exchange not in self._told
        ]
        for exchange in late[:_NAMED]:
            target = secret_masking.text(exchange.target.decode("latin-1"))
            state = "is being sent" if exchange.status else "no answer yet"
            seconds = f"{now - exchange.begun:.0f} s"
            self._say(f"  waiting     {exchange.method} {target}: {state} after {seconds}")
        if len(late) > _NAMED:
            self._say(f"  waiting     and {len(late) - _NAMED} more")
        self._told.update(late)
