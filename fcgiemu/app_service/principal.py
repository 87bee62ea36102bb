"""A signed-in user as App Service authentication tells the application: X-MS-CLIENT-PRINCIPAL and
its companions, and what /.auth/me answers.

Spelling and claim types of Microsoft Entra ID are measured (decoded headers of public reports);
those of other providers are taken to be alike.  # inferred
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from ..errors import SiteError

_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
NAME_TYPE = _CLAIMS + "emailaddress"
ROLE_TYPE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
#: Claim of a token -> type in the header (measured; the beginning of the last one is inferred).
RENAMED = {
    "email": NAME_TYPE,
    "oid": "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "sub": _CLAIMS + "nameidentifier",
    "tid": "http://schemas.microsoft.com/identity/claims/tenantid",
}
#: Tokens are made up and do not expire.
EXPIRES = "2099-01-01T00:00:00.0000000Z"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who has signed in with ``provider``, by its alias (``aad``). Claims are (type, value)."""

    provider: str
    identifier: str
    name: str
    claims: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, object]:
        """The principal as a session cookie and a batch line hold it."""
        return {
            "provider": self.provider,
            "id": self.identifier,
            "name": self.name,
            "claims": [{"typ": kind, "val": value} for kind, value in self.claims],
        }


#: The people that a sign-in page offers where nobody names others.
PEOPLE: tuple[dict[str, object], ...] = (
    {"name": "ada@example.com", "id": "00000000-0000-0000-0000-00000000ada0", "roles": ["Admin"]},
    {"name": "bob@example.com", "id": "00000000-0000-0000-0000-00000000b0b0"},
)


def read_people(path: Path) -> tuple[dict[str, object], ...]:
    """The identities of a file: a JSON list of what principal_of takes. Raises SiteError, naming
    file and place.
    """
    try:
        given = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SiteError(f"{path}: {error}.", "Name a JSON list of identities.") from error
    if not isinstance(given, list):
        raise SiteError(f"{path} is not a list.", "Name a JSON list of identities.")
    for number, person in enumerate(given, 1):
        try:
            principal_of(person)
        except SiteError as error:
            raise SiteError(f"{path}: identity {number}: {error}", error.hint) from None
    return tuple(given)


def principal_of(given: object) -> Principal:
    """The principal of an object with provider, id, name, email, roles and claims; claims that are
    not given are made of the others. Raises SiteError.
    """
    hint = (
        'Write {"provider": "aad", "id": "…", "name": "…", "claims": [{"typ": "…", "val": "…"}]}.'
    )
    if not isinstance(given, dict):
        raise SiteError("An identity is a JSON object.", hint)
    provider, name = given.get("provider", "aad"), given.get("name", given.get("email"))
    identifier = given.get("id", name)
    for key, value in (("provider", provider), ("name", name), ("id", identifier)):
        if not isinstance(value, str) or not value or not value.isprintable():
            raise SiteError(f"The {key} of an identity is not a text.", hint)
    roles, claims = given.get("roles") or [], given.get("claims") or []
    if not isinstance(roles, list) or not isinstance(claims, list):
        raise SiteError("roles and claims of an identity are lists.", hint)
    pairs = [_claim(claim, hint) for claim in claims]
    if not pairs:
        pairs = [
            (NAME_TYPE, str(given.get("email", name))),
            ("name", str(name)),
            (RENAMED["oid"], str(identifier)),
            ("preferred_username", str(name)),
        ]
    if not any(kind == "roles" for kind, _ in pairs):
        pairs += [("roles", str(role)) for role in roles]
    return Principal(str(provider), str(identifier), str(name), tuple(pairs))


def _claim(claim: object, hint: str) -> tuple[str, str]:
    if not isinstance(claim, dict) or not isinstance(claim.get("typ"), str) or "val" not in claim:
        raise SiteError("A claim is an object with typ and val.", hint)
    value = claim["val"]
    text = value if isinstance(value, str) else json.dumps(value)
    kind = str(claim["typ"])
    return RENAMED.get(kind, kind), text


def header(principal: Principal) -> str:
    """X-MS-CLIENT-PRINCIPAL: base64 of JSON without blanks, whose slashes are escaped
    (measured).
    """
    found = {
        "auth_typ": principal.provider,
        "claims": [{"typ": kind, "val": value} for kind, value in principal.claims],
        "name_typ": NAME_TYPE,
        "role_typ": ROLE_TYPE,
    }
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/")
    return b64encode(text.encode("utf-8", "replace")).decode()


def headers(principal: Principal, has_tokens: bool, has_secret: bool) -> dict[str, str]:
    """What the application gets. Tokens come with the token store, an access token only with a
    client secret (documented).
    """
    found = {
        "X-MS-CLIENT-PRINCIPAL-NAME": _latin(principal.name),
        "X-MS-CLIENT-PRINCIPAL-ID": _latin(principal.identifier),
        "X-MS-CLIENT-PRINCIPAL-IDP": principal.provider,
        "X-MS-CLIENT-PRINCIPAL": header(principal),
    }
    if has_tokens:
        prefix = f"X-MS-TOKEN-{principal.provider.upper()}-"
        if principal.provider in ("aad", "google"):
            found[prefix + "ID-TOKEN"] = token(principal)
        if has_secret:
            found[prefix + "ACCESS-TOKEN"] = token(principal)
        found[prefix + "EXPIRES-ON"] = EXPIRES
    return found


def _latin(text: str) -> str:
    """A header's value as bytes of UTF-8, each a character."""
    return text.encode("utf-8", "replace").decode("latin-1")


def token(principal: Principal) -> str:
    """A made-up JSON Web Token with the claims: unsigned (alg none)."""
    claims = {"iss": "fcgiemu", **dict(principal.claims)}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*encoded, ""))


def claims_of(token: str) -> dict[str, object] | None:
    """The claims of a JSON Web Token, whose signature is not checked; None for what is not one."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = json.loads(urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def of_claims(provider: str, claims: dict[str, object]) -> Principal:
    """The principal that a token's claims make. Raises SiteError where they name nobody."""

    def first(*names: str) -> object:
        either = (key for name in names for key in (name, RENAMED.get(name, name)))
        return next((claims[key] for key in either if claims.get(key)), None)

    pairs = [
        {"typ": name, "val": one}
        for name, value in claims.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    name = first("email", "preferred_username", "upn", "name", "sub")
    return principal_of(
        {"provider": provider, "id": first("oid", "sub") or name, "name": name, "claims": pairs}
    )


def me(principal: Principal, has_secret: bool) -> bytes:
    """The body of /.auth/me: a list with one object (documented)."""
    found: dict[str, object] = {
        "expires_on": EXPIRES,
        "id_token": token(principal),
        "provider_name": principal.provider,
        "user_claims": [{"typ": kind, "val": value} for kind, value in principal.claims],
        "user_id": principal.name,
    }
    if has_secret:
        found["access_token"] = token(principal)
    return json.dumps([found], separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
