"""App Service authentication: settings, what is answered, and what the application gets."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fcgiemu import Site, SiteError
from fcgiemu.app_service.easy_auth import COOKIE, EasyAuth, parse, read
from fcgiemu.app_service.principal import Principal, principal_of, read_people, token
from fcgiemu.http.identity import Identity
from fcgiemu.http.request import make_request
from fcgiemu.server import sign_in

from ..sites import python_handler, web_config

MakeSite = Callable[..., Site]
BROWSER = {"User-Agent": "Mozilla/5.0"}
ADA = principal_of({"provider": "aad", "id": "1", "name": "ada@contoso.example", "roles": ["R"]})
PROVIDERS = {
    "azureActiveDirectory": {"enabled": True},
    "gitHub": {},
    "google": {"enabled": False},
    "openIdConnectProviders": {"Own": {}},
}


def settings(action: str = "RedirectToLoginPage", **login: object) -> EasyAuth:
    return parse(
        {
            "globalValidation": {
                "unauthenticatedClientAction": action,
                "redirectToProvider": "azureactivedirectory",
                "excludedPaths": ["/health", "/open/*"],
            },
            "httpSettings": {"requireHttps": False},
            "login": {"tokenStore": {"enabled": True}, **login},
            "identityProviders": PROVIDERS,
        }
    )


def site_of(make_site: MakeSite, auth: EasyAuth | None) -> Site:
    files = {"web.config": web_config(python_handler()), "app.py": ""}
    return make_site(files, azure=True, easy_auth=auth)


UNAUTHENTICATED = {
    "a browser": ("RedirectToLoginPage", BROWSER, 302),
    "another client": ("RedirectToLoginPage", {}, 401),
    "401": ("Return401", BROWSER, 401),
    "403": ("Return403", BROWSER, 403),
    "anybody": ("AllowAnonymous", {}, None),
}


@pytest.mark.parametrize(
    ("action", "headers", "status"), UNAUTHENTICATED.values(), ids=UNAUTHENTICATED
)
def test_who_has_not_signed_in(
    make_site: MakeSite, action: str, headers: dict[str, str], status: int | None
) -> None:
    site = site_of(make_site, settings(action))
    found = site.explain("/a?b=1", headers=headers)
    assert found["outcome"]["status"] == status
    if status == 302:
        location = "/.auth/login/aad?post_login_redirect_uri=%2Fa%3Fb%3D1"
        assert found["outcome"]["location"] == location
    elif status == 401:
        assert found["response"]["headers"]["WWW-Authenticate"] == 'Bearer realm="localhost"'
    elif status is None:
        environ = found["outcome"]["environ"]
        assert not [name for name in environ if name.startswith("HTTP_X_MS_")]
    for path in ("/health", "/HEALTH/x", "/open/x"):
        assert site.explain(path, headers=headers)["outcome"]["kind"] == "fastcgi"
    assert (site.explain("/healthy", headers=headers)["outcome"]["kind"] == "fastcgi") == (
        action == "AllowAnonymous"
    )


def test_the_application_gets_the_principal(make_site: MakeSite) -> None:
    spoofed = {"X-MS-CLIENT-PRINCIPAL-NAME": "eve", "X_MS_CLIENT_PRINCIPAL": "e30="}
    found = site_of(make_site, settings()).explain("/x", headers=spoofed, signed_in=ADA)
    environ = found["outcome"]["environ"]
    assert environ["HTTP_X_MS_CLIENT_PRINCIPAL_NAME"] == environ["REMOTE_USER"] == ADA.name
    assert environ["HTTP_X_MS_CLIENT_PRINCIPAL_IDP"] == "aad"
    assert environ["HTTP_X_MS_TOKEN_AAD_ID_TOKEN"].endswith(".")
    text = b64decode(environ["HTTP_X_MS_CLIENT_PRINCIPAL"]).decode()
    assert text.startswith('{"auth_typ":"aad","claims":[{"typ":"http:\\/\\/schemas.')
    assert {"typ": "roles", "val": "R"} in json.loads(text)["claims"]


@pytest.mark.parametrize("name", ["X-MS-CLIENT-PRINCIPAL", "x_ms_token_aad_id_token"])
def test_a_clients_own_headers_never_arrive_on_azure(make_site: MakeSite, name: str) -> None:
    found = site_of(make_site, None).explain("/x", headers={name: "e30="})
    assert not [key for key in found["outcome"]["environ"] if key.startswith("HTTP_X_MS_")]


def test_claims_as_tokens_name_them() -> None:
    claims = [{"typ": "oid", "val": "1"}, {"typ": "exp", "val": 17}, {"typ": "name", "val": "ä/b"}]
    who = principal_of({"name": "a", "claims": claims})
    assert who.claims == (
        ("http://schemas.microsoft.com/identity/claims/objectidentifier", "1"),
        ("exp", "17"),
        ("name", "ä/b"),
    )


@pytest.mark.parametrize(
    "given",
    [
        3,
        {},
        {"name": 3},
        {"name": "a\nb"},
        {"name": "a", "claims": ["x"]},
        {"name": "a", "roles": 1},
    ],
)
def test_what_is_not_an_identity(given: object) -> None:
    with pytest.raises(SiteError):
        principal_of(given)


ENDPOINTS = {
    "me": ("/.auth/me", True, 200),
    "me without a session": ("/.auth/me", False, 401),
    "refresh": ("/.auth/refresh", True, 200),
    "refresh without a session": ("/.auth/refresh", False, 401),
    "logout": ("/.auth/logout", True, 302),
    "done": ("/.auth/login/done", False, 200),
    "login": ("/.auth/login/aad", False, 200),
    "login by its own name": ("/.auth/login/own", False, 200),
    "a provider that is off": ("/.auth/login/google", False, 404),
    "something else": ("/.auth/x", True, 404),
    "nothing": ("/.auth/", True, 404),
}


@pytest.mark.parametrize(("url", "signed_in", "status"), ENDPOINTS.values(), ids=ENDPOINTS)
def test_endpoints(make_site: MakeSite, url: str, signed_in: bool, status: int) -> None:
    site = site_of(make_site, settings())
    found = site.explain(url, headers=BROWSER, signed_in=ADA if signed_in else None)
    assert found["outcome"]["status"] == status
    assert found["outcome"]["module"] == "EasyAuthModule"


def test_me(make_site: MakeSite) -> None:
    found = site_of(make_site, settings()).explain("/.auth/me", signed_in=ADA)
    (body,) = json.loads(found["response"]["body"])
    assert (body["provider_name"], body["user_id"]) == ("aad", ADA.name)
    assert {"typ": "roles", "val": "R"} in body["user_claims"]


def test_https_is_required(make_site: MakeSite) -> None:
    site = site_of(make_site, replace(settings("AllowAnonymous"), require_https=True))
    assert site.explain("http://a.example/x?y")["outcome"]["location"] == "https://a.example/x?y"
    assert site.explain("https://a.example/x")["outcome"]["kind"] == "fastcgi"
    allowed = {"X-MS-ALLOW-HTTP": "true"}
    assert site.explain("http://a.example/x", headers=allowed)["outcome"]["kind"] == "fastcgi"


DESTINATIONS = {
    "/a?b": "/a?b",
    "//evil.example/": "/",
    "/\\evil.example": "/",
    "https://evil.example/": "/",
    "https://ok.example/app": "https://ok.example/app",
    "https://ok.example/app/x": "https://ok.example/app/x",
    "https://ok.example/apple": "/",
    "https://ok.example.evil.example/app": "/",
    "http://localhost/x": "http://localhost/x",
    "javascript:alert(1)": "/",
    "/a\r\nb": "/",
}


@pytest.mark.parametrize(("wanted", "place"), DESTINATIONS.items())
def test_where_a_client_may_be_sent(wanted: str, place: str) -> None:
    auth = settings(allowedExternalRedirectUrls=["https://ok.example/app"])
    assert auth.destination(wanted, make_request("/")) == place


def test_a_session_is_signed(make_site: MakeSite) -> None:
    auth = settings()
    site = site_of(make_site, auth)
    cookie = auth.session(ADA)
    found = site.explain("/x", headers={"Cookie": f"a=b; {COOKIE}={cookie}"})
    assert found["outcome"]["environ"]["REMOTE_USER"] == ADA.name
    other = settings().session(ADA)
    for forged in (other, "x" + cookie, cookie[:-1], "", "e30=.", cookie.partition(".")[0]):
        found = site.explain("/x", headers={"Cookie": f"{COOKIE}={forged}"})
        assert found["outcome"]["status"] == 401


def test_as_stands_for_somebody_who_has_signed_in(make_site: MakeSite) -> None:
    site = site_of(make_site, settings())
    site.settings = replace(site.settings, identity=Identity("CONTOSO\\ada", ("R",)))
    environ = site.explain("/x")["outcome"]["environ"]
    assert environ["HTTP_X_MS_CLIENT_PRINCIPAL_NAME"] == "CONTOSO\\ada"


def test_the_form(make_site: MakeSite) -> None:
    auth = settings()
    request = make_request("/.auth/login/aad/callback", "POST")
    token = auth.sign("form aad")
    answer = sign_in.taken(auth, request, {"token": token, "person": "0"})
    assert (answer.status, answer.header("location")) == (302, "/.auth/login/done")
    assert "HttpOnly; SameSite=Lax" in answer.header("set-cookie")
    own = {"token": token, "name": "x", "roles": "A\r\nB", "post_login_redirect_uri": "/back"}
    answer = sign_in.taken(auth, request, own)
    assert answer.header("location") == "/back"
    cookie = answer.header("set-cookie").partition(";")[0]
    who = auth.signed_in(make_request("/", headers={"Cookie": cookie}))
    assert isinstance(who, Principal) and who.claims[-2:] == (("roles", "A"), ("roles", "B"))
    long = {**own, "claims": json.dumps([{"typ": "x", "val": "y" * 4000}])}
    deep = {**own, "claims": "[" * 60000}
    for bad in (
        long,
        deep,
        {"token": "é"},
        {"token": "x", "person": "0"},
        {**own, "claims": "{"},
        {**own, "name": ""},
        {},
    ):
        answer = sign_in.taken(auth, request, bad)
        assert answer.status == 400 and not answer.header("set-cookie")


BAD = {
    "not JSON": ("{", "auth.json"),
    "a list": ("[]", "not a JSON object"),
    "an action": ('{"globalValidation": {"unauthenticatedClientAction": "X"}}', "cannot be 'X'"),
    "a part": ('{"login": 3}', "login is not a JSON object"),
    "paths": ('{"globalValidation": {"excludedPaths": "/x"}}', "excludedPaths is not a list"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_files_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "auth.json"
    path.write_text(text)
    with pytest.raises(SiteError, match=message):
        read(path)


def test_files_may_be_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text('{"properties": {"platform": {"enabled": false}, "x": 1}}')
    assert (read(path).action, read(path).unknown) == ("AllowAnonymous", ("x",))


def test_a_file_of_identities(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    path.write_text('[{"name": "eve"}, {"provider": "github", "name": "zoe"}]')
    auth = replace(settings(), people=read_people(path))
    form = {"token": auth.sign("form aad"), "person": "1"}
    request = make_request("/.auth/login/aad/callback", "POST")
    assert sign_in.taken(auth, request, form).status == 400  # zoe is not one of this provider's
    answer = sign_in.taken(auth, request, {**form, "person": "0"})
    cookie = answer.header("set-cookie").partition(";")[0]
    who = auth.signed_in(make_request("/", headers={"Cookie": cookie}))
    assert who is not None and (who.provider, who.name) == ("aad", "eve")
    for text, message in (("{", "people.json"), ("{}", "not a list"), ("[3]", "identity 1")):
        path.write_text(text)
        with pytest.raises(SiteError, match=message):
            read_people(path)


# -- sessions and tokens ---------------------------------------------------------------------------


def later(auth: EasyAuth, seconds: float) -> EasyAuth:
    now = auth.clock()
    return replace(auth, clock=lambda: now + seconds)


@pytest.mark.parametrize(
    ("login", "seconds", "status", "refreshed"),
    [
        ({}, 8 * 3600 - 5, 200, 200),
        ({}, 8 * 3600 + 5, 302, 200),
        ({}, 80 * 3600 + 5, 302, 401),
        ({"cookieExpiration": {"timeToExpiration": "00:01:00"}}, 65, 302, 200),
        ({"cookieExpiration": {"timeToExpiration": "1.00:00:00"}}, 23 * 3600, 200, 200),
        (
            {"tokenStore": {"enabled": True, "tokenRefreshExtensionHours": 0}},
            8 * 3600 + 5,
            302,
            401,
        ),
    ],
)
def test_a_session_ends_whatever_the_client_keeps(
    make_site: MakeSite, login: dict[str, object], seconds: float, status: int, refreshed: int
) -> None:
    auth = settings(**login)
    cookie = {"Cookie": f"{COOKIE}={auth.session(ADA)}", **BROWSER}
    site = site_of(make_site, later(auth, seconds))
    canned = {"status": 200}
    found = site.explain("/a", headers=cookie, response=canned)  # type: ignore[arg-type]
    assert found["outcome"]["status"] == status
    assert site.explain("/.auth/refresh", headers=cookie)["outcome"]["status"] == refreshed


def test_a_refresh_begins_the_session_anew() -> None:
    auth = settings()
    request = make_request("/.auth/refresh", headers={"Cookie": f"{COOKIE}={auth.session(ADA)}"})
    ended = later(auth, 9 * 3600)
    answer = sign_in.refreshed(ended, request)
    cookie = dict(answer.headers)["Set-Cookie"]
    again = make_request("/a", headers={"Cookie": cookie.partition(";")[0]})
    assert answer.status == 200 and ended.signed_in(again) == ADA
    assert "Set-Cookie" not in dict(
        sign_in.refreshed(ended, make_request("/.auth/refresh")).headers
    )


@pytest.mark.parametrize(
    "login",
    [
        {"cookieExpiration": {"timeToExpiration": "8 hours"}},
        {"tokenStore": {"tokenRefreshExtensionHours": "72"}},
        {"tokenStore": {"tokenRefreshExtensionHours": -1}},
    ],
)
def test_times_that_are_none(login: dict[str, object]) -> None:
    with pytest.raises(SiteError) as caught:
        settings(**login)
    assert caught.value.hint


GRACE = token(principal_of({"name": "grace", "claims": [{"typ": "email", "val": "g@x.example"}, {"typ": "sub", "val": "7"}]}))  # fmt: skip
TOKENS = {
    "a name": (b'{"access_token": "ada@example.com"}', "ada@example.com"),
    "an identifier": (b'{"authentication_token":"00000000-0000-0000-0000-00000000b0b0"}', "bob@example.com"),
    "a web token": (json.dumps({"access_token": "opaque", "id_token": GRACE}).encode(), "g@x.example"),
    "nobody": (b'{"access_token": "eve"}', ""),
    "nothing": (b"{}", ""),
    "an empty web token": (b'{"id_token": "e30.e30."}', ""),
    "not JSON": (b"access_token=x", ""),
    "a list": (b"[]", ""),
    "a number": (b'{"access_token": 7}', ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "name"), TOKENS.values(), ids=TOKENS)
def test_a_token_of_a_provider_becomes_one_of_ours(body: bytes, name: str) -> None:
    auth = settings()
    answer = sign_in.exchanged(auth, make_request("/.auth/login/aad", "POST"), body)
    assert dict(answer.headers)["Content-Type"].startswith("application/json")
    given = json.loads(answer.body)
    if not name:
        assert answer.status == 401 and "Send" in given["message"]
        return
    assert answer.status == 200 and given["user"]["userId"].startswith("sid:")
    request = make_request("/a", headers={"X-ZUMO-AUTH": given["authenticationToken"]})
    who = auth.signed_in(request)
    assert who is not None and (who.name, who.provider) == (name, "aad")
    assert later(auth, 9 * 3600).signed_in(request) is None
    assert settings().signed_in(request) is None  # another start, another key
