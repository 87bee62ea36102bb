"""WindowsAuthenticationModule: the identity of a client that answers Negotiate or NTLM.

Nothing is negotiated: a real client's tokens are not looked at, and it stays unknown.
"""

from __future__ import annotations

from functools import partial

from ..config.tree import Effective
from ..http.identity import User
from . import authentication
from .authentication import Methods
from .context import Context, Step


def plan(effective: Effective) -> Step | None:
    """The user of a client that answers the challenge. A plan: see context.py."""
    offered = effective.view(authentication.methods)
    return partial(_authenticate, offered) if offered.windows else None


def _authenticate(offered: Methods, context: Context) -> None:
    client = context.request.identity
    if client is None or context.authenticated or context.answering not in offered.windows:
        return
    user = User(client.name, context.answering, "", client.roles)
    authentication.establish(context, user)
