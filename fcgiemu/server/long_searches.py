"""Work of a request that may search for long, done where it holds nobody up; see
rewrite/long_searches.py.

``decided`` is for decisions, which read configuration and files and so stay in the loop: the
searches alone are made elsewhere, one after another. ``rewritten`` is for outbound rules, which
read neither, but search a body a thousand times: all of the work is done once more by the thread.

There is one thread for all requests, so that at most one competes with the loop, and they wait for
one another in their order. It gives way to the loop at once: see listener.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import TypeVar

from ..decision import Decision
from ..http.response import Response
from ..modules import rewrite_outbound, sending
from ..rewrite.long_searches import Captures, Key, Postponed, briefly

T = TypeVar("T")
#: Searches that have been made for a request.
Searches = dict[Key, "Future[Captures | None]"]


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "long searches")


async def made(searches: Searches, postponed: Postponed) -> None:
    """Have a search made, and add it to ``searches`` with what came of it."""
    future = _thread().submit(postponed.make)
    finding = asyncio.wrap_future(future)
    await asyncio.wait([finding])
    finding.exception()  # the work is told of it
    searches[postponed.key] = future


async def decided(work: Callable[[], T]) -> T:
    """What ``work`` returns, which changes nothing and is begun again behind each long search."""
    searches: Searches = {}
    while True:
        try:
            return briefly(searches, work)
        except Postponed as postponed:
            await made(searches, postponed)


async def rewritten(work: Callable[[], T]) -> T:
    """What ``work`` returns, which changes nothing and is begun again by the thread where it takes
    long.
    """
    try:
        return briefly({}, work)
    except Postponed:
        return await asyncio.get_running_loop().run_in_executor(_thread(), work)


async def sent(decision: Decision, response: Response) -> Response:
    """A complete response of a handler on its way out: see sending.send."""
    if rewrite_outbound.active_rules(decision.effective) is None:
        return sending.send(decision, response)
    return await rewritten(
        lambda: sending.send(decision, replace(response, headers=list(response.headers)))
    )


async def own(decision: Decision) -> Response:
    """The response where IIS itself makes it: see sending.own_response."""
    local = decision.request.is_local
    if rewrite_outbound.active_rules(decision.effective) is None:
        return sending.own_response(decision, local)
    return await rewritten(lambda: sending.own_response(decision, local))
