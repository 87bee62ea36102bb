"""/.auth/login/<provider>: a page of the emulator in the place of a real provider's, or a session
for a provider's token; /.auth/refresh, which prolongs one. Signing in is for clients on this
machine only; the session is a signed cookie, or the value of X-ZUMO-AUTH.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote

from ..app_service import principal as principals
from ..app_service.easy_auth import COOKIE, EasyAuth
from ..app_service.principal import Principal, principal_of
from ..decision import Decision, Respond
from ..errors import SiteError
from ..http.request import Request
from ..http.response import Header, Response, reason_phrase
from ..http.url import encode_location
from ..modules import easy_auth
from ..pages import render
from .exchange import Exchange

#: Bytes that the form may have.
MAX_FORM = 1 << 16
#: Characters of a session: browsers keep cookies of 4096 bytes.
MAX_COOKIE = 3800
_HINT = 'Send {"id_token": "…"}, or {"access_token": "ada@example.com"}.'


def covers(decision: Decision) -> bool:
    """Whether the page answers a request."""
    action, settings = decision.action, decision.site.settings.easy_auth
    if decision.module != easy_auth.MODULE or settings is None or not isinstance(action, Respond):
        return False
    if action.status == 200 and settings.is_refresh(decision.request):
        return True
    path = decision.request.target.path.lower()
    is_login = path.startswith(f"{settings.prefix.lower()}/login/")
    return is_login and action.status == 200 and not action.body


async def answer(exchange: Exchange, decision: Decision) -> None:
    """Show the page, or take what it sends."""
    settings, request = decision.site.settings.easy_auth, decision.request
    assert settings is not None
    if settings.is_refresh(request):
        await exchange.respond(refreshed(settings, request))
        return
    if not ip_address(request.remote_addr).is_loopback:
        await exchange.respond(_page(404, b"Signing in is for clients on this machine.\n"))
        return
    if request.method != "POST":
        requested = easy_auth.parameter(request.target.query, "post_login_redirect_uri")
        await exchange.respond(_form(settings, request, requested))
        return
    body = await exchange.whole_body()
    data = b"" if body is None or body.received > MAX_FORM else body.read(MAX_FORM)
    if not request.target.path.lower().endswith("/callback"):
        await exchange.respond(exchanged(settings, request, data))
        return
    given = dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))
    await exchange.respond(taken(settings, request, given))


def taken(settings: EasyAuth, request: Request, given: dict[str, str]) -> Response:
    """The answer to a form: a session, and on to where the client wanted to go."""
    requested = given.get("post_login_redirect_uri", "")
    token = _token(settings, _provider(settings, request))
    sent = given.get("token", "").encode("utf-8", "replace")
    if not hmac.compare_digest(token.encode(), sent):
        return _form(settings, request, requested, "The form has expired: send it again.", given)
    try:
        who = _principal(settings, given, _provider(settings, request))
        session = settings.session(who)
        if len(session) > MAX_COOKIE:
            raise SiteError("The identity is too long for a cookie.", "Give fewer claims.")
    except SiteError as error:
        return _form(settings, request, requested, f"{error} {error.hint or ''}", given)
    place = (
        settings.destination(requested, request) if requested else f"{settings.prefix}/login/done"
    )
    cookie = _cookie(settings, request, session)
    return _page(302, b"", ("Location", encode_location(place)), cookie)


def _cookie(settings: EasyAuth, request: Request, session: str) -> Header:
    """The session, for as long as it lasts and can be refreshed."""
    seconds = settings.session_seconds + settings.refresh_seconds
    secure = "; Secure" if request.https else ""
    value = f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    return "Set-Cookie", value


def refreshed(settings: EasyAuth, request: Request) -> Response:
    """The answer to /.auth/refresh: the session begins again."""
    who = settings.refreshable(request)
    if who is None:  # somebody who is signed in without a session: --as
        return _page(200, b"")
    return _page(200, b"", _cookie(settings, request, settings.session(who)))


# -- a provider's token ----------------------------------------------------------------------------


def exchanged(settings: EasyAuth, request: Request, data: bytes) -> Response:
    """The answer to a provider's token (JSON): the token that X-ZUMO-AUTH sends from then on, and
    the user's identifier (documented). 401 for a token that says nothing.
    """
    provider = _provider(settings, request)
    try:
        given = json.loads(data)
        if not isinstance(given, dict):
            raise ValueError("it is not a JSON object")
        who = _of_tokens(settings, provider, given)
    except (ValueError, RecursionError, SiteError) as error:
        return _json(401, {"code": 401, "message": f"{error} {_HINT}"})
    identifier = hashlib.sha256(f"{provider}/{who.identifier}".encode("utf-8", "replace"))
    user = {"userId": f"sid:{identifier.hexdigest()[:32]}"}
    return _json(200, {"authenticationToken": settings.session(who), "user": user})


def _of_tokens(settings: EasyAuth, provider: str, given: dict[str, object]) -> Principal:
    """Who the tokens of a provider name. Nobody is asked whether they are good: a JSON Web Token is
    taken at its word; any other text is the name or identifier of a person of the sign-in page.
    Raises SiteError.
    """
    for name in ("id_token", "access_token", "authentication_token"):
        token = given.get(name)
        if not isinstance(token, str) or not token:
            continue
        claims = principals.claims_of(token)
        if claims is not None:
            return principals.of_claims(provider, claims)
        for person in _people(settings, provider):
            if token in (person.get("id"), person.get("name"), person.get("email")):
                return principal_of({**person, "provider": provider})
    raise SiteError("No token is a JSON Web Token, or the name of a person of the sign-in page.")


def _json(status: int, body: dict[str, object]) -> Response:
    found = _page(status, json.dumps(body, separators=(",", ":")).encode())
    found.headers[0] = ("Content-Type", "application/json; charset=utf-8")
    return found


# -- the form --------------------------------------------------------------------------------------


def _people(settings: EasyAuth, provider: str) -> list[dict[str, object]]:
    """Those who sign in with a provider: also those for whom none is named."""
    return [who for who in settings.people if who.get("provider", provider) == provider]


def _principal(settings: EasyAuth, given: dict[str, str], provider: str) -> Principal:
    """Who a form names. Raises SiteError."""
    person, people = given.get("person", ""), _people(settings, provider)
    if person.isascii() and person.isdigit() and int(person[:3]) < len(people):
        return principal_of({**people[int(person[:3])], "provider": provider})
    text = given.get("claims", "").strip()
    try:
        claims = json.loads(text) if text else []
    except (ValueError, RecursionError) as error:
        raise SiteError(f"The claims are not JSON: {error}.") from None
    roles = [line.strip() for line in given.get("roles", "").splitlines() if line.strip()]
    name = given.get("name", "").strip()
    identifier = given.get("id", "").strip() or name
    return principal_of(
        {"provider": provider, "name": name, "id": identifier, "roles": roles, "claims": claims}
    )


def _provider(settings: EasyAuth, request: Request) -> str:
    return request.target.path[len(settings.prefix) :].lower().split("/")[2]


def _token(settings: EasyAuth, provider: str) -> str:
    """Proves that a form is ours: other sites cannot read it."""
    return settings.sign(f"form {provider}")


def _form(
    settings: EasyAuth,
    request: Request,
    requested: str,
    error: str = "",
    given: dict[str, str] | None = None,
) -> Response:
    provider = _provider(settings, request)
    page = render(
        "sign_in.html",
        provider=provider,
        action=f"{settings.prefix}/login/{quote(provider)}/callback",
        token=_token(settings, provider),
        requested=requested,
        people=_people(settings, provider),
        error=error,
        given=given or {},
    )
    return _page(400 if error else 200, page)


def _page(status: int, body: bytes, *headers: Header) -> Response:
    own = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Frame-Options", "DENY"),
        ("Content-Length", str(len(body))),
    )
    return Response(status, reason_phrase(status), [*own, *headers], body)
