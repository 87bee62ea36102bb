"""BasicAuthenticationModule: names and passwords of the Authorization header, checked against
--basic-users.
"""

from __future__ import annotations

from base64 import b64decode
from functools import partial

from ..config.tree import Effective
from ..decision import Respond
from ..http.identity import User
from ..http.request import Request
from ..identities import basic_user
from . import authentication
from .authentication import Methods
from .context import Context, Step

E_LOGON_FAILURE = 0x8007052E
_NO_USERS = "No user is known: name users and passwords with fcgiemu serve --basic-users FILE."


def plan(effective: Effective) -> Step | None:
    """The user of Basic credentials; 401.1 where they are wrong, also with anonymous access
    enabled (documented; the status is inferred). A plan: see context.py.
    """
    offered = effective.view(authentication.methods)
    return None if offered.basic_realm is None else partial(_authenticate, offered)


def _authenticate(offered: Methods, context: Context) -> Respond | None:
    if context.authenticated:
        return None
    client, sent = context.request.identity, credentials(context.request)
    if sent is not None:
        accounts = context.hosting.settings.basic_users
        user = basic_user(accounts, *sent, offered.basic_domain)
        if user is None:
            return _refused(bool(accounts))
        authentication.establish(context, user)
    elif client is not None and context.answering == "Basic":
        authentication.establish(context, User(client.name, "Basic", "", client.roles))
    return None


def _refused(has_users: bool) -> Respond:
    return Respond(
        401,
        1,
        "You do not have permission to view this page with the credentials that you supplied.",
        E_LOGON_FAILURE,
        notification=authentication.NOTIFICATION,
        hints=() if has_users else (_NO_USERS,),
    )


def credentials(request: Request) -> tuple[str, str] | None:
    """Name and password of a Basic Authorization header, empty ones where it cannot be read; None
    without one.
    """
    scheme, _, text = request.fields.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        data = b64decode(text.strip(), validate=True)
    except ValueError:
        return "", ""
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        decoded = data.decode("latin-1")
    name, _, password = decoded.partition(":")
    return name, password
