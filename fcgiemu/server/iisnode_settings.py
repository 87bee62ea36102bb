"""What iisnode answers where its settings cannot be read: no process is needed for it."""

from __future__ import annotations

from ..decision import Decision, Respond
from ..modules import iisnode_failures as failures
from ..modules.iisnode import MODULE
from ..modules.iisnode_failures import NodeFailure
from . import long_searches
from .exchange import Exchange


def covers(decision: Decision) -> bool:
    """Whether iisnode shows a client of this machine its own page for settings that it cannot
    read, whatever devErrorsEnabled says.
    """
    action = decision.action
    return (
        isinstance(action, Respond)
        and decision.module == MODULE
        and action.finding is not None
        and action.substatus == failures.NOT_DISPATCHED
        and decision.request.is_local
    )


async def answer(exchange: Exchange, decision: Decision) -> None:
    """That page."""
    action = decision.action
    assert isinstance(action, Respond)
    finding = action.finding
    place = f"{finding.span}: " if finding is not None and finding.span is not None else ""
    failure = NodeFailure(
        substatus=action.substatus,
        message=f"The settings of iisnode cannot be read. {place}{action.message}.",
        hresult=action.hresult,
        known=True,
        hints=action.hints,
    )
    exchange.remark = f"developer error {failure.name}: {failure.message}"
    page = failure.as_page(logging=True)
    await exchange.respond(await long_searches.sent(decision, page))
