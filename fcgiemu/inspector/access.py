"""Who may ask: a request needs the token of this run, a Host that names the pages themselves, and,
where it says from which page it comes, an Origin that is theirs.

The token keeps other users of the machine out, Host a page elsewhere whose name has been made to
lead here (DNS rebinding), Origin a page on another port of this machine. There is no cookie: those
are sent to every port of a host, so the served site would get it.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping

from ..server.serve import exposed


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(24)


class Access:
    """The checks of one endpoint at ``host`` and ``port``."""

    def __init__(self, token: str, host: str, port: int) -> None:
        self._token = token
        self._port = port
        self._names = {"127.0.0.1", "localhost", "[::1]"}
        self._any_address = host in ("0.0.0.0", "::")
        self._is_exposed = exposed(host)
        if not self._any_address:
            self._names.add(f"[{host}]" if ":" in host else host.lower())

    @property
    def is_exposed(self) -> bool:
        """Whether other machines may reach the endpoint."""
        return self._is_exposed

    def refusal(
        self,
        method: str,
        headers: Mapping[str, str],
        token: str | None,
        *,
        is_public: bool,
        changes: bool,
    ) -> str | None:
        """Why a request is refused; None where it is not. ``is_public`` needs no token; what
        ``changes`` something needs an Origin.
        """
        host = headers.get("host", "").lower()
        if not self._is_own(host):
            return f"Host is {host or 'missing'}: use the address that serve has printed."
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return f"Origin is {origin}: only the pages of --ui may ask."
        if origin is None and changes:
            return f"{method} needs an Origin header, here http://{host}."
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else token or ""
        if not is_public and not secrets.compare_digest(
            given.encode("utf-8", "replace"), self._token.encode()
        ):
            return "The token is missing or wrong: use the address that serve has printed."
        return None

    def _is_own(self, authority: str) -> bool:
        name, _, port = authority.rpartition(":")
        if self._any_address:  # a container's port may have another number outside
            return name in self._names or _is_address(name)
        return port == str(self._port) and name in self._names


def _is_address(name: str) -> bool:
    """Whether a host is written as an address, which no name server can make lead elsewhere."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
