"""EasyAuthModule: App Service authentication, before every other module.

It answers what lies below /.auth, and requests that nobody has signed in for. Signing in itself is
the server's: see server/sign_in.py. That its answers come before rewrite rules is inferred.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote

from ..app_service import principal as principals
from ..app_service.easy_auth import COOKIE, EasyAuth
from ..app_service.principal import Principal
from ..decision import Action, Redirect, Respond
from ..hosting import Hosting
from ..http.request import Request
from ..http.url import encode_location

MODULE = "EasyAuthModule"
_NOTIFICATION = "AuthenticateRequest"
_DONE = b"<!DOCTYPE html><title>%s</title><p>%s</p>\n"
_DONE_PAGES = {
    "/login/done": _DONE % (b"Signed in", b"You have signed in."),
    "/login/complete": _DONE % (b"Signed in", b"You have signed in."),
    "/logout/done": _DONE % (b"Signed out", b"You have been signed out."),
}
_LEAVE = ("Set-Cookie", f"{COOKIE}=; Path=/; HttpOnly; Max-Age=0")


def answer(hosting: Hosting, request: Request) -> Action | None:
    """What App Service itself answers; None where the site does."""
    settings = hosting.settings.easy_auth
    if settings is None:
        return None
    allowed_http = request.fields.get("x-ms-allow-http", "").lower() == "true"
    if settings.require_https and not request.https and not allowed_http:
        return Redirect(302, encode_location(f"https://{request.host}{request.target.raw}"))
    path = request.target.path
    if settings.logout and path.lower() == settings.logout.lower():
        return _logout(settings, request)
    if path.lower().startswith(settings.prefix.lower() + "/"):
        return _endpoint(settings, request, path[len(settings.prefix) :])
    if request.principal is not None or settings.is_excluded(path):
        return None
    return _unauthenticated(settings, request)


def _unauthenticated(settings: EasyAuth, request: Request) -> Action | None:
    """A browser is redirected, other clients get 401 (seen; judged by User-Agent)."""
    if settings.action == "AllowAnonymous":
        return None
    if settings.action == "Return403":
        return Respond(403, notification=_NOTIFICATION)
    browser = request.fields.get("user-agent", "").startswith("Mozilla/")
    if settings.action == "Return401" or not browser:
        return Respond(
            401,
            notification=_NOTIFICATION,
            headers=(("WWW-Authenticate", f'Bearer realm="{request.host}"'),),  # inferred
        )
    requested = quote(request.target.raw, safe="")
    login = f"{settings.prefix}/login/{settings.redirect_to}?post_login_redirect_uri={requested}"
    return Redirect(302, encode_location(login))


def _endpoint(settings: EasyAuth, request: Request, path: str) -> Action:
    """/.auth/…: ``path`` without the prefix."""
    lower = path.lower()
    if lower == "/me":
        return _me(settings, request)
    if lower == "/refresh":
        return Respond(200 if request.principal is not None else 401, notification=_NOTIFICATION)
    if lower == "/logout":
        return _logout(settings, request)
    if lower in _DONE_PAGES:
        return _page(200, "text/html", _DONE_PAGES[lower])
    _, kind, provider, *rest = (*lower.split("/"), "")
    if kind == "login" and provider in settings.providers and rest in ([""], ["callback", ""]):
        return _page(200, "text/html", b"")  # the server shows its own page for signing in
    known = ", ".join(settings.providers) or "none"
    return Respond(
        404,
        0,
        f"App Service authentication has no {path}. Enabled providers: {known}.",
        notification=_NOTIFICATION,
    )


def _me(settings: EasyAuth, request: Request) -> Respond:
    if request.principal is None:
        return Respond(401, notification=_NOTIFICATION)
    if not settings.has_tokens:
        return Respond(
            404, 0, "/.auth/me needs login.tokenStore.enabled.", notification=_NOTIFICATION
        )
    body = principals.me(Principal(*request.principal), settings.has_secret)
    return _page(200, "application/json; charset=utf-8", body)


def _page(status: int, kind: str, body: bytes) -> Respond:
    headers = (("Content-Type", kind), ("Cache-Control", "no-store"))
    return Respond(status, notification=_NOTIFICATION, headers=headers, body=body)


def _logout(settings: EasyAuth, request: Request) -> Respond:
    """Out, then to post_logout_redirect_uri where that may be."""
    done = f"{settings.prefix}/logout/done"
    requested = parameter(request.target.query, "post_logout_redirect_uri")
    where = settings.destination(requested, request) if requested else done
    if requested and where == "/" and requested != "/":
        where = done  # a foreign host that is not allowed is ignored (documented)
    headers = (("Location", encode_location(where)), _LEAVE)
    return Respond(302, reason="Redirect", notification=_NOTIFICATION, headers=headers)


def parameter(query: str, name: str) -> str:
    """The first value of a query's parameter."""
    return next((value for key, value in parse_qsl(query) if key == name), "")
