"""What the authentication modules have in common: the ways of authentication that a configuration
offers, and the challenges of a 401.

Basic, Windows, Digest and anonymous authentication are asked in the order of the server's profile,
anonymous access last; the first one that establishes a user ends the question (measured: order of
traces). IIS Web Core answers 401.2 where none does. So with anonymous access enabled nobody is
challenged unless something refuses the anonymous user (documented).

Basic passwords are checked against --basic-users. Negotiate and NTLM are never negotiated here: a
client that is said to be somebody (``Request.identity``) answers challenges as a browser does. Its
request is decided without credentials first; where that gives 401.2, once more with them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

from ..catalogue.findings import E_ACCESS_DENIED
from ..config.tree import Effective
from ..decision import Action, Respond
from ..http.identity import Identity, User
from ..http.request import Request
from ..http.response import Header
from . import loaded_modules
from .context import Context, Step

_GROUP = "system.webServer/security/authentication/"
ANONYMOUS = "AnonymousAuthenticationModule"
BASIC = "BasicAuthenticationModule"
DIGEST = "DigestAuthenticationModule"
WINDOWS = "WindowsAuthenticationModule"
NOTIFICATION = "AuthenticateRequest"
MESSAGE = "You are not authorized to view this page due to invalid authentication headers."


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """The ways of authentication that are enabled and whose module is loaded. A realm of None means
    that the method is not there; "" is the realm that is not configured.
    """

    anonymous: bool
    basic_realm: str | None
    basic_domain: str
    #: Names of WWW-Authenticate that Windows authentication offers, in order.
    windows: tuple[str, ...]
    digest_realm: str | None

    @property
    def names(self) -> str:
        """The methods by name, in the order in which they are asked."""
        offered = (
            ("Basic", self.basic_realm is not None),
            ("Windows", bool(self.windows)),
            ("Digest", self.digest_realm is not None),
            ("Anonymous", self.anonymous),
        )
        return ", ".join(name for name, is_offered in offered if is_offered) or "none"


def methods(effective: Effective) -> Methods:
    """The compiled sections. A view: see Effective.view."""
    absent = effective.view(loaded_modules.modules_not_loaded)
    basic = _enabled(effective, absent, "basicAuthentication", BASIC)
    digest = _enabled(effective, absent, "digestAuthentication", DIGEST)
    section = effective.section(_GROUP + "basicAuthentication")
    return Methods(
        anonymous=_enabled(effective, absent, "anonymousAuthentication", ANONYMOUS),
        basic_realm=section.text("realm") if basic else None,
        basic_domain=section.text("defaultLogonDomain"),
        windows=_providers(effective)
        if _enabled(effective, absent, "windowsAuthentication", WINDOWS)
        else (),
        digest_realm=effective.section(_GROUP + "digestAuthentication").text("realm")
        if digest
        else None,
    )


def _enabled(effective: Effective, absent: frozenset[str], section: str, module: str) -> bool:
    """A section without its module is declared and does nothing. # inferred"""
    return module not in absent and effective.section(_GROUP + section).flag("enabled")


def _providers(effective: Effective) -> tuple[str, ...]:
    """``Negotiate:Kerberos`` offers Negotiate as well. # inferred"""
    section = effective.section(_GROUP + "windowsAuthentication").child("providers")
    names = [item.text("value").partition(":")[0] for item in section.items]
    return tuple(dict.fromkeys(names))


def challenges(effective: Effective, request: Request) -> list[Header]:
    """WWW-Authenticate of a 401, one field for each way (measured: Basic, Negotiate, NTLM; that
    Digest comes last is inferred).
    """
    offered = effective.view(methods)
    values = []
    if offered.basic_realm is not None:
        values.append(f'Basic realm="{offered.basic_realm or request.host}"')
    values += offered.windows
    if offered.digest_realm is not None:
        values.append(_digest(offered.digest_realm or "Digest"))
    return [("WWW-Authenticate", value) for value in values]


def _digest(realm: str) -> str:
    """The nonce is the same each time: digests are not checked here."""
    nonce = "+Upgraded+v1" + hashlib.sha256(realm.encode()).hexdigest()
    return f'Digest qop="auth",algorithm=MD5-sess,nonce="{nonce}",charset=utf-8,realm="{realm}"'


def answer(effective: Effective, client: Identity | None) -> str:
    """The scheme by which a client answers the challenges of a configuration; "" = it cannot."""
    offered = effective.view(methods)
    schemes = (*offered.windows, *(("Basic",) if offered.basic_realm is not None else ()))
    if client is None or not schemes:
        return ""
    return next((name for name in schemes if client.scheme in ("", name)), "")


def is_challenge(action: Action) -> bool:
    """Whether an outcome is IIS's own 401 for lack of a user."""
    return isinstance(action, Respond) and (action.status, action.substatus) == (401, 2)


def establish(context: Context, user: User) -> None:
    """The request is this user's from now on."""
    context.user, context.authenticated = user, True


def require_user(effective: Effective) -> Step | None:
    """IIS Web Core: 401.2 where no module has established a user. A plan: see context.py."""
    offered = effective.view(methods)
    return None if offered.names == "Anonymous" else partial(_require_user, offered)


def _require_user(offered: Methods, context: Context) -> Respond | None:
    user = context.user
    if context.trace is not None:
        context.trace.add(
            "AUTH_END",
            Methods=offered.names,
            AuthType=user.scheme,
            User=user.name,
            Roles=", ".join(user.roles),
        )
    if context.authenticated or offered.anonymous:
        return None
    return Respond(
        401,
        2,
        MESSAGE,
        E_ACCESS_DENIED,
        notification=NOTIFICATION,
        hints=hints(context.effective),
    )


def hints(effective: Effective) -> tuple[str, ...]:
    """What to type to be somebody under a configuration."""
    offered = effective.view(methods)
    if offered.windows:
        return ("To ask as a signed-in Windows user: fcgiemu serve --as 'DOMAIN\\user'.",)
    if offered.basic_realm is not None:
        return ("To name users and passwords: fcgiemu serve --basic-users FILE.",)
    return ('No way of authentication is enabled: set <anonymousAuthentication enabled="true" />.',)
