"""UrlAuthorizationModule: <authorization>, for the user of the request.

Deny rules are asked first, those of parents before their children's; then Allow rules. A request
that no rule is about is refused (documented; the last part is inferred).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..catalogue.findings import E_ACCESS_DENIED
from ..config.tree import Effective
from ..decision import Respond
from ..http.identity import User
from . import authentication
from .context import Context, Step

SECTION = "system.webServer/security/authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRule:
    """An authorization rule: ``users`` and ``roles`` without case; empty verbs = all."""

    allow: bool
    users: frozenset[str]
    roles: frozenset[str]
    verbs: frozenset[str]
    origin: str = ""

    def covers(self, user: User, method: str) -> bool:
        """Whether the rule is about this user's request. Users or roles suffice. # inferred"""
        if self.verbs and method not in self.verbs:
            return False
        name = user.name.casefold() or "?"
        return "*" in self.users or name in self.users or self._has_role(user)

    def _has_role(self, user: User) -> bool:
        return any(_same_group(mine, role) for mine in user.roles for role in self.roles)


Rules = tuple[AuthorizationRule, ...]


def _same_group(mine: str, allowed_group: str) -> bool:
    """``DOMAIN\\group`` is also ``group``, but not the group of another domain. # inferred"""
    domain, _, name = mine.casefold().rpartition("\\")
    other, _, group = allowed_group.rpartition("\\")
    return name == group and (domain == other or not domain or not other)


def plan(effective: Effective) -> Step | None:
    """401.2 where rules refuse the user. A plan: see context.py."""
    rules = effective.view(authorization_rules)
    if rules and all(rule.allow and rule.users >= {"*"} and not rule.verbs for rule in rules):
        return None
    return partial(_authorize, rules)


def authorization_rules(effective: Effective) -> Rules:
    """The compiled section, Deny rules first. A view: see Effective.view."""
    rules = [
        AuthorizationRule(
            allow=item.text("accessType") == "Allow",
            users=_names(item.text("users").casefold()),
            roles=_names(item.text("roles").casefold()),
            verbs=_names(item.text("verbs")),
            origin=str(item.span or ""),
        )
        for item in effective.section(SECTION).items
    ]
    return tuple(sorted(rules, key=lambda rule: rule.allow))


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _authorize(rules: Rules, context: Context) -> Respond | None:
    user, method = context.user, context.request.method
    rule = next((rule for rule in rules if rule.covers(user, method)), None)
    allowed = rule is not None and rule.allow
    if context.trace is not None:
        context.trace.add(
            "URL_AUTHORIZATION",
            User=user.name,
            Allowed=allowed,
            Rule=rule.origin if rule is not None else "",
        )
    if allowed:
        return None
    return Respond(
        401,
        2,
        authentication.MESSAGE,
        E_ACCESS_DENIED,
        notification="AuthorizeRequest",
    )
