"""App Service authentication: its settings (authsettingsV2), and the session of a signed-in client.

The session is a cookie, or the token of X-ZUMO-AUTH, that the emulator signs with a key of its own,
made at each start. When it ends stands in it, so that no client can prolong it. Nothing is asked of
a real provider.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import SiteError
from ..http.request import Request
from . import principal as principals
from .principal import PEOPLE, Principal, principal_of

COOKIE = "AppServiceAuthSession"
#: The header of a client that has sent a provider's token, and got one of ours (documented).
TOKEN_HEADER = "X-ZUMO-AUTH"
#: Seconds that a session lasts, and for which an ended one can be refreshed (documented:
#: cookieExpiration FixedTime, tokenRefreshExtensionHours).
SESSION_SECONDS = 8 * 3600
REFRESH_SECONDS = 72 * 3600
#: Bytes that a file of settings may have where it is only looked for.
MAX_FILE = 1 << 20
ACTIONS = ("RedirectToLoginPage", "Return401", "Return403", "AllowAnonymous")
#: Names of identityProviders -> alias in URLs; others are their name in lower case.
_ALIASES = {
    "azureactivedirectory": "aad",
    "legacymicrosoftaccount": "microsoftaccount",
}
_KNOWN = {
    "platform",
    "globalValidation",
    "httpSettings",
    "login",
    "identityProviders",
    "clearInboundClaimsMapping",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EasyAuth:
    """The settings. ``providers`` are the aliases of the enabled ones, in order."""

    action: str
    redirect_to: str
    excluded: tuple[str, ...]
    require_https: bool
    prefix: str
    logout: str
    has_tokens: bool
    has_secret: bool
    allowed_redirects: tuple[str, ...]
    providers: tuple[str, ...]
    #: Keys of the file that have no meaning here.
    unknown: tuple[str, ...] = ()
    #: Who is offered on the sign-in page; see principal.read_people.
    people: tuple[dict[str, object], ...] = PEOPLE
    #: Seconds that a session lasts, and that it can be refreshed after that.
    session_seconds: int = SESSION_SECONDS
    refresh_seconds: int = REFRESH_SECONDS
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    #: Seconds since 1970.
    clock: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def sign(self, text: str) -> str:
        """The signature of a text, in hexadecimal digits."""
        return hmac.new(self.key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def session(self, signed_in: Principal) -> str:
        """The value of the session's cookie, and of X-ZUMO-AUTH."""
        given = {"ends": int(self.clock()) + self.session_seconds, **signed_in.as_json()}
        text = urlsafe_b64encode(json.dumps(given).encode()).decode()
        return f"{text}.{self.sign(text)}"

    def signed_in(self, request: Request) -> Principal | None:
        """Who the request's session belongs to; None without one that is ours and has not ended."""
        return self._of_session(request, 0)

    def refreshable(self, request: Request) -> Principal | None:
        """The same, of a session that may have ended but can still be refreshed."""
        return self._of_session(request, self.refresh_seconds)

    def _of_session(self, request: Request, grace: int) -> Principal | None:
        cookies = (part.strip() for part in request.fields.get("cookie", "").split(";"))
        values = [part.partition("=")[2] for part in cookies if part.partition("=")[0] == COOKIE]
        values.append(request.fields.get(TOKEN_HEADER.lower(), ""))
        for value in values:
            text, _, signature = value.partition(".")
            if not hmac.compare_digest(
                self.sign(text).encode(), signature.encode("utf-8", "replace")
            ):
                continue
            given = json.loads(urlsafe_b64decode(text))
            if self.clock() < given["ends"] + grace:
                return principal_of(given)
        return None

    def is_refresh(self, request: Request) -> bool:
        """Whether a request asks for a session to be prolonged."""
        return request.target.path.lower() == f"{self.prefix.lower()}/refresh"

    def is_excluded(self, path: str) -> bool:
        """Whether a path is one of excludedPaths: itself and what lies below.  # inferred"""
        lower = path.lower()
        return any(
            lower == requested or lower.startswith(requested.rstrip("/") + "/")
            for requested in (excluded.lower().rstrip("*") for excluded in self.excluded)
        )

    def destination(self, requested: str, request: Request) -> str:
        """Where a client may be sent after it has signed in or out: a path of this host, or an
        allowed URL; else "/".
        """
        if not requested.isprintable() or "\\" in requested:
            return "/"
        if requested.startswith("/") and not requested.startswith("//"):
            return requested
        parts = urlsplit(requested)
        if parts.scheme in ("http", "https") and parts.netloc == request.authority:
            return requested
        for allowed in map(urlsplit, self.allowed_redirects):
            same_place = (parts.scheme, parts.netloc) == (allowed.scheme, allowed.netloc)
            if allowed.netloc and same_place and _is_below(parts.path, allowed.path):
                return requested
        return "/"


def _is_below(path: str, folder: str) -> bool:
    folder = folder.rstrip("/")
    return path == folder or path.startswith(folder + "/")


def read(path: Path) -> EasyAuth:
    """The settings of a file. Raises SiteError, naming it."""
    try:
        given = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SiteError(
            f"{path}: {error}.", "Name a JSON file in the form of authsettingsV2."
        ) from error
    try:
        return parse(given)
    except SiteError as error:
        raise SiteError(f"{path}: {error}", error.hint) from None


def is_settings(path: Path) -> bool:
    """Whether a file holds settings that turn App Service authentication on."""
    try:
        if path.stat().st_size > MAX_FILE:
            return False
        document = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    document = document.get("properties", document) if isinstance(document, dict) else document
    if not isinstance(document, dict) or not document.keys() & {
        "globalValidation",
        "identityProviders",
    }:
        return False
    platform = document.get("platform")
    return not isinstance(platform, dict) or platform.get("enabled") is not False


def parse(given: object) -> EasyAuth:
    """The settings in the form of authsettingsV2, bare or below ``properties``. Raises
    SiteError.
    """
    document = _object(given, "the file")
    document = _object(document.get("properties", document), "properties")
    validation = _part(document, "globalValidation")
    http, login = _part(document, "httpSettings"), _part(document, "login")
    enabled = _providers(_part(document, "identityProviders"))
    action = validation.get("unauthenticatedClientAction", "RedirectToLoginPage")
    if action not in ACTIONS:
        raise SiteError(
            f"unauthenticatedClientAction cannot be {action!r}.", f"Known are {', '.join(ACTIONS)}."
        )
    is_off = _part(document, "platform").get("enabled", True) is False
    if is_off or validation.get("requireAuthentication", True) is False:
        action = "AllowAnonymous"
    requested = _alias(str(validation.get("redirectToProvider") or ""))
    return EasyAuth(
        action=str(action),
        redirect_to=requested or next(iter(enabled), "aad"),
        excluded=_texts(validation, "excludedPaths"),
        require_https=http.get("requireHttps", True) is not False,
        prefix=str(_part(http, "routes").get("apiPrefix") or "/.auth").rstrip("/"),
        logout=str(_part(login, "routes").get("logoutEndpoint") or ""),
        has_tokens=_part(login, "tokenStore").get("enabled") is True,
        has_secret="clientSecretSettingName" in json.dumps(document.get("identityProviders", {})),
        allowed_redirects=_texts(login, "allowedExternalRedirectUrls"),
        providers=enabled,
        session_seconds=_span(_part(login, "cookieExpiration"), "timeToExpiration"),
        refresh_seconds=_hours(_part(login, "tokenStore"), "tokenRefreshExtensionHours"),
        unknown=tuple(sorted(document.keys() - _KNOWN)),
    )


def _object(given: object, name: str) -> dict[str, object]:
    if not isinstance(given, dict):
        raise SiteError(f"{name} is not a JSON object.", "Write it in the form of authsettingsV2.")
    return given


def _part(document: dict[str, object], name: str) -> dict[str, object]:
    return _object(document.get(name) or {}, name)


def _texts(part: dict[str, object], name: str) -> tuple[str, ...]:
    found = part.get(name) or []
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise SiteError(f"{name} is not a list of texts.", 'Write for example ["/health"].')
    return tuple(found)


def _span(part: dict[str, object], name: str) -> int:
    """Seconds of a time span such as ``08:00:00``."""
    found = part.get(name)
    if found is None:
        return SESSION_SECONDS
    match = re.fullmatch(
        r"(?:(\d{1,4})\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?", str(found), re.ASCII
    )
    if match is None:
        raise SiteError(f"{name} cannot be {found!r}.", 'Write for example "08:00:00".')
    days, hours, minutes, seconds = (int(digits or 0) for digits in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _hours(part: dict[str, object], name: str) -> int:
    """Seconds of a number of hours."""
    found = part.get(name, REFRESH_SECONDS / 3600)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 100_000:
        raise SiteError(f"{name} cannot be {found!r}.", "Write a number of hours, such as 72.")
    return int(found * 3600)


def _providers(given: dict[str, object]) -> tuple[str, ...]:
    found: list[str] = []
    for name, provider in given.items():
        if name == "openIdConnectProviders":
            found += _providers(_object(provider or {}, name))
        elif _object(provider or {}, name).get("enabled", True) is not False:
            found.append(_alias(name))
    return tuple(found)


def _alias(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


def is_own(name: str) -> bool:
    """Whether a header is one that App Service alone may send: as a variable, - and _ are the
    same.
    """
    spelled = name.lower().replace("_", "-")
    return spelled.startswith(("x-ms-client-principal", "x-ms-token-"))


def strip(request: Request) -> Request:
    """The request without a client's own X-MS-CLIENT-PRINCIPAL* and X-MS-TOKEN-*."""
    if not any(map(is_own, request.fields)):
        return request
    return replace(
        request,
        headers=tuple(pair for pair in request.headers if not is_own(pair[0])),
        fields={name: value for name, value in request.fields.items() if not is_own(name)},
    )


def arrive(request: Request, settings: EasyAuth, signed_in: Principal | None) -> Request:
    """The request of a signed-in client with its headers; ``signed_in`` takes the place of the
    session.
    """
    who = signed_in or settings.signed_in(request)
    if who is None and settings.is_refresh(request):
        who = settings.refreshable(request)
    if who is None:
        return request
    added = principals.headers(who, settings.has_tokens, settings.has_secret)
    return replace(
        request,
        headers=(*request.headers, *added.items()),
        fields={**request.fields, **{name.lower(): value for name, value in added.items()}},
        principal=(who.provider, who.identifier, who.name, who.claims),
    )
