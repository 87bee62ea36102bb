"""Identities that the command line names: --as with the header that takes its place for one
request, and --basic-users.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from .errors import SiteError
from .http.identity import MACHINE, SCHEMES, Identity, User
from .http.request import Request
from .http.url import UrlRefused

#: ``X-Fcgiemu-As: CONTOSO\\bob; roles=A,B``: the identity of one request.
HEADER = "X-Fcgiemu-As"


@dataclass(frozen=True, slots=True)
class Account:
    """A line of --basic-users."""

    password: str
    roles: tuple[str, ...] = ()


#: Name as it is typed, without case -> account.
Accounts = Mapping[str, Account]


def identity(name: str, roles: Iterable[str] = (), scheme: str = "") -> Identity:
    """The identity of an account: ``DOMAIN\\user``, or ``user`` of this machine. Raises SiteError
    for what is not an account.
    """
    name = name.strip()
    account = name.rpartition("\\")[2]
    if not account or account in ("*", "?") or not name.isprintable():
        raise SiteError(
            f"'{name}' is not the name of an account.", "Write for example --as 'CONTOSO\\ada'."
        )
    if scheme and scheme not in SCHEMES:
        raise SiteError(
            f"There is no authentication scheme '{scheme}'.", f"Known are {', '.join(SCHEMES)}."
        )
    if "\\" not in name and "@" not in name:
        name = f"{MACHINE}\\{name}"
    return Identity(name, tuple(role.strip() for role in roles if role.strip()), scheme)


def read_accounts(path: Path) -> dict[str, Account]:
    """The accounts of a file: ``name:password[:role,role]`` lines, # comments. Raises SiteError,
    naming file and line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(
            f"{path}: {error}.", "Name a UTF-8 file of name:password[:role,role] lines."
        ) from error
    found: dict[str, Account] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, rest = line.strip().partition(":")
        password, _, roles = rest.partition(":")
        if not name or not colon:
            raise SiteError(
                f"{path}:{number}: the line is not name:password[:role,role].",
                "Write for example ada:lovelace:CONTOSO\\Admins.",
            )
        if name.casefold() in found:
            raise SiteError(
                f"{path}:{number}: there is a user '{name}' already.", "Remove one of the lines."
            )
        found[name.casefold()] = Account(
            password, tuple(role.strip() for role in roles.split(",") if role.strip())
        )
    return found


def basic_user(accounts: Accounts, name: str, password: str, domain: str = "") -> User | None:
    """The user of a name and password typed for Basic authentication; None where they are wrong.

    A name is looked up as typed, then in the default domain, then without its domain.
    """
    names = (name, f"{domain}\\{name}" if domain else name, name.rpartition("\\")[2])
    account = next(
        (accounts[known] for known in map(str.casefold, names) if known in accounts), None
    )
    expected = (account or Account("")).password
    is_right = hmac.compare_digest(expected.encode(), password.encode())
    if account is None or not is_right:
        return None
    return User(name, "Basic", password, account.roles)


def arrive(request: Request, standing: Identity) -> Request:
    """The request of a client that is ``standing``, or whom its header X-Fcgiemu-As names; the
    header goes no further. Raises UrlRefused for a header that names nobody.
    """
    named = request.fields.get(HEADER.lower())
    if named is None:
        return replace(request, identity=standing)
    fields = {name: value for name, value in request.fields.items() if name != HEADER.lower()}
    headers = tuple(pair for pair in request.headers if pair[0].lower() != HEADER.lower())
    who = _named(named) if _is_loopback(request.remote_addr) else standing
    return replace(request, headers=headers, fields=fields, identity=who)


def _named(text: str) -> Identity:
    try:
        return named(text)
    except SiteError as error:
        raise UrlRefused(
            400,
            f"Bad Request - Invalid {HEADER}",
            f"{error} Write {HEADER}: DOMAIN\\user; roles=A,B",
        ) from None


def named(text: str) -> Identity:
    """The identity of ``DOMAIN\\user; roles=A,B``. Raises SiteError."""
    name, _, rest = text.partition(";")
    key, _, roles = rest.strip().partition("=")
    if rest.strip() and key.strip().lower() != "roles":
        raise SiteError(f"'{rest.strip()}' is not roles=A,B.")
    return identity(name, roles.split(","))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
