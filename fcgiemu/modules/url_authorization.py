"""UrlAuthorizationModule: <authorization>, for anonymous users."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..config.tree import Effective
from ..decision import Respond
from .context import Context, Step

SECTION = "system.webServer/security/authorization"


@dataclass(frozen=True, slots=True)
class AuthorizationRule:
    """An authorization rule: ``users`` and ``verbs`` as sets, empty verbs = all."""

    allow: bool
    users: frozenset[str]
    verbs: frozenset[str]

    def covers_anonymous(self, method: str) -> bool:
        """Whether the rule is about an anonymous request with this method."""
        return bool(self.users & {"*", "?"}) and (not self.verbs or method in self.verbs)


Rules = tuple[AuthorizationRule, ...]


def plan(effective: Effective) -> Step | None:
    """401.2 where rules deny anonymous users. A plan: see context.py."""
    rules = effective.view(compiled)
    if rules and all(rule.allow and rule.users >= {"*"} and not rule.verbs for rule in rules):
        return None
    return partial(_authorize, rules)


def compiled(effective: Effective) -> Rules:
    """The compiled section. A view: see Effective.view."""
    return tuple(
        AuthorizationRule(
            item.text("accessType") == "Allow",
            _names(item.text("users")),
            _names(item.text("verbs")),
        )
        for item in effective.section(SECTION).items
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _authorize(rules: Rules, context: Context) -> Respond | None:
    """Deny rules go first."""
    covering = [rule for rule in rules if rule.covers_anonymous(context.request.method)]
    if covering and all(rule.allow for rule in covering):
        return None
    return Respond(
        401,
        2,
        "You are not authorized to view this page due to invalid authentication headers.",
        notification="AuthorizeRequest",
    )
