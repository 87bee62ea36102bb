"""The notifications of a request from the first to the last, with the modules that acted."""

from __future__ import annotations

from ..decision import Decision, Respond
from ..pages.story import NotificationJson

#: The notifications of a request, in order; IIS has more, in which nothing here happens.
NOTIFICATIONS = (
    "BeginRequest",
    "AuthenticateRequest",
    "AuthorizeRequest",
    "MapRequestHandler",
    "ExecuteRequestHandler",
    "SendResponse",
)
#: Where modules answer that do not say it themselves.
_ANSWERS_AT = {"RewriteModule": "BeginRequest", "HttpRedirectionModule": "MapRequestHandler"}


def notifications(decision: Decision) -> list[NotificationJson]:
    """The notifications with the modules that did something: those that changed the URL, and the
    one that answered.
    """
    action = decision.action
    answered = _ANSWERS_AT.get(decision.module, "ExecuteRequestHandler")
    if isinstance(action, Respond):
        answered = action.notification
    acted: dict[str, list[str]] = {name: [] for name in NOTIFICATIONS}
    if decision.rules:
        acted["BeginRequest"].append("RewriteModule")
    if answered in acted and decision.module not in acted[answered]:
        acted[answered].append(decision.module)
    return [
        {"notification": name, "modules": modules, "answered": name == answered}
        for name, modules in acted.items()
    ]
