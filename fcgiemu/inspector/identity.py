"""Who clients are: what ``--as`` says, changed while the site is served.

It stands for a browser that answers challenges, so it shows only where the site asks. It holds for
every client of the site; one that sends X-Fcgiemu-As says itself who it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import SiteError
from ..http.identity import Identity
from ..identities import identity
from ..modules import authentication
from ..site import Site

#: Groups that somebody may have, and characters of a name.
MAX_ROLES, MAX_NAME = 100, 256


def state(site: Site) -> dict[str, Any]:
    """Who clients are, whom the page offers, and whether the site asks at all."""
    who = site.settings.identity
    return {
        "name": who.name if who is not None else None,
        "roles": list(who.roles) if who is not None else [],
        "people": _people(site),
        "asks": _asks(site),
    }


def _people(site: Site) -> list[dict[str, Any]]:
    """Those of --identities: a Windows account is their ``windows``, else their name up to the
    @.
    """
    found = []
    for person in site.settings.people:
        name = str(person.get("name") or person.get("email") or person.get("id") or "")
        if site.settings.easy_auth is None:
            name = str(person.get("windows") or name.partition("@")[0])
        roles = person.get("roles")
        found.append(
            {"name": name, "roles": list(map(str, roles)) if isinstance(roles, list) else []}
        )
    return found


def _asks(site: Site) -> str:
    """How the site asks who a client is at its root; "" = it does not."""
    auth = site.settings.easy_auth
    if auth is not None:
        return f"App Service authentication, {auth.redirect_to}"
    offered = site.effective("/").view(authentication.methods)
    return offered.names if authentication.answer(site.effective("/"), _SOMEBODY) else ""


_SOMEBODY = Identity("somebody")


def change(site: Site, given: dict[str, Any]) -> None:
    """Let clients be somebody else: ``{"name": "CONTOSO\\\\ada", "roles": [...]}``, "" = nobody.
    Raises SiteError.
    """
    name, roles = given.get("name", ""), given.get("roles", [])
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise SiteError("The name is not a text.", f"It has at most {MAX_NAME} characters.")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise SiteError("roles is not a list of texts.", 'Write for example ["CONTOSO\\\\Admins"].')
    if len(roles) > MAX_ROLES:
        raise SiteError(f"There are at most {MAX_ROLES} roles.", "Leave some out.")
    who = identity(name, roles) if name.strip() else None
    site.settings = replace(site.settings, identity=who)
