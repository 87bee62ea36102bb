"""What check says of users: ways of authentication that do nothing, and code that trusts what nobody
has checked, or what stays empty.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.app_service.easy_auth import parse
from fcgiemu.app_service.environment import AppSetting
from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import python_handler, web_config

MakeSite = Callable[..., Site]
READS = 'def user(environ):\n    return environ["HTTP_X_MS_CLIENT_PRINCIPAL_NAME"]\n'
DJANGO = 'MIDDLEWARE = ["django.contrib.auth.middleware.RemoteUserMiddleware"]\n'
ENVIRON = "import os\nuser = os.environ.get('LOGON_USER')\n"
PLATFORM = (
    '<handlers><add name="Web" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
    '<httpPlatform processPath="python" arguments="app.py" />'
)


def ways(anonymous: str = "true", windows: str = "true") -> str:
    return (
        f'<security><authentication><anonymousAuthentication enabled="{anonymous}" />'
        f'<windowsAuthentication enabled="{windows}" /></authentication></security>'
    )


def found(site: Site) -> list[str]:
    return [
        f"{known.code} {known.span.file if known.span else ''}"
        for known in check(site)
        if known.code.startswith("auth-")
    ]


def host(folder: Path, inner: str) -> Path:
    path = folder.parent / f"{folder.name}.config"
    path.write_text(web_config(inner))
    return path


# -- modules that are missing ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "inner", "words"),
    [
        ("iis10-default", ways(), "everybody is let in"),
        ("iis10-default", ways(anonymous="false"), "nobody can sign in"),
        ("azure-windows", ways(), "everybody is let in"),
        ("iis10-default", ways(windows="false"), ""),
        ("iis-express-10", ways(), ""),
    ],
)
@pytest.mark.parametrize("place", ["site", "host"])
def test_a_way_without_its_module(
    make_site: MakeSite, tmp_path: Path, profile: str, inner: str, words: str, place: str
) -> None:
    settings = {"profile": profile}
    if place == "host":
        site = make_site(
            {"web.config": web_config()}, host_config=host(tmp_path, inner), **settings
        )
    else:
        site = make_site({"web.config": web_config(inner)}, **settings)
    known = [item for item in check(site) if item.code == "auth-module-missing"]
    assert len(known) == bool(words)
    assert all(words in item.message and profile in item.message for item in known)


def test_a_module_that_is_said_to_be_there(make_site: MakeSite) -> None:
    site = make_site(
        {"web.config": web_config(ways())},
        profile="iis10-default",
        modules=("WindowsAuthenticationModule",),
    )
    assert not found(site)


# -- headers that anybody can send -----------------------------------------------------------------

TRUSTED = {
    "as WSGI names it": (READS, True),
    "as it is sent": ('name = request.headers["X-MS-CLIENT-PRINCIPAL"]\n', True),
    "a token": ('token = request.META.get("HTTP_X_MS_TOKEN_AAD_ID_TOKEN")\n', True),
    "in lower case": ('name = headers["x-ms-client-principal-id"]\n', True),
    "in a comment": ("# X-MS-CLIENT-PRINCIPAL\n", False),
    "in a sentence": ('"""We do not read X-MS-CLIENT-PRINCIPAL here."""\n', False),
    "another header": ('name = headers["X-MS-CLIENT-REQUEST-ID"]\n', False),
    "not Python": ('print "HTTP_X_MS_CLIENT_PRINCIPAL"\n', False),
}


@pytest.mark.parametrize(("code", "is_found"), TRUSTED.values(), ids=TRUSTED)
def test_code_that_trusts_a_header(make_site: MakeSite, code: str, is_found: bool) -> None:
    files: dict[str, str] = {"web.config": web_config(python_handler()), "pkg/views.py": code}
    wanted = ["auth-spoofable-principal pkg/views.py"] if is_found else []
    assert found(make_site(files)) == wanted
    assert found(make_site(files, azure=True)) == wanted


@pytest.mark.parametrize(
    ("text", "is_on"),
    [
        ('{"identityProviders": {}}', True),
        ('{"properties": {"globalValidation": {}}}', True),
        ('{"platform": {"enabled": false}, "identityProviders": {}}', False),
        ('{"user": "ada"}', False),
        ("[", False),
        ("[" * 100_000, False),
    ],
)
def test_authentication_that_a_file_of_the_site_configures(
    make_site: MakeSite, text: str, is_on: bool
) -> None:
    files = {"web.config": web_config(), "app.py": READS, "auth.json": text}
    assert bool(found(make_site(files))) == (not is_on)


def test_authentication_that_options_configure(make_site: MakeSite) -> None:
    files = {"web.config": web_config(), "app.py": READS + DJANGO}
    assert not found(make_site(files, azure=True, easy_auth=parse({})))
    setting = AppSetting("WEBSITE_AUTH_ENABLED", "True")
    assert not found(make_site(files, azure=True, app_settings=(setting,)))


def test_code_of_others_is_not_read(make_site: MakeSite) -> None:
    files = {
        "web.config": web_config(),
        "env/lib/a.py": READS,
        "own/pyvenv.cfg": "",
        "own/lib/a.py": READS,
        "tests/a.py": READS,
        "test_a.py": READS,
        "node_modules/a.py": READS,
    }
    assert not found(make_site(files))


# -- users that never come -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "inner", "is_found"),
    [
        (DJANGO, "", True),
        (DJANGO.replace("Remote", "PersistentRemote"), "", True),
        (DJANGO, ways(), True),
        (DJANGO, ways(anonymous="false"), False),
        ("class Own(RemoteUserMiddleware):\n    header = 'HTTP_X_USER'\n", "", False),
        (f"# {DJANGO}", "", False),
    ],
)
def test_a_middleware_that_asks_for_the_user(
    make_site: MakeSite, tmp_path: Path, code: str, inner: str, is_found: bool
) -> None:
    files = {"web.config": web_config(python_handler()), "app/settings.py": code}
    site = make_site(files, host_config=host(tmp_path, inner))
    assert found(site) == (["auth-remote-user-empty app/settings.py"] if is_found else [])


@pytest.mark.parametrize(
    ("handler", "inner", "code", "is_found"),
    [
        (PLATFORM, ways(anonymous="false"), ENVIRON, True),
        (PLATFORM, ways(), ENVIRON, True),
        (PLATFORM, ways(windows="false"), ENVIRON, False),
        (PLATFORM, ways(), "user = headers['X-IIS-WindowsAuthToken']\n", False),
        (python_handler(), ways(), ENVIRON, False),
    ],
)
def test_a_user_that_no_process_of_httpplatform_has(
    make_site: MakeSite, tmp_path: Path, handler: str, inner: str, code: str, is_found: bool
) -> None:
    files = {"web.config": web_config(handler), "app.py": code}
    site = make_site(files, host_config=host(tmp_path, inner))
    assert found(site) == (["auth-windows-token app.py"] if is_found else [])


# -- what stands in the wrong file -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "is_found"),
    [
        (web_config('<proxy enabled="true" />'), True),
        (web_config().replace("<system.webServer>", "<webFarms /><system.webServer>"), True),
        (web_config("<rewrite />"), False),
    ],
)
def test_arr_in_a_web_config(make_site: MakeSite, config: str, is_found: bool) -> None:
    known = [item for item in check(make_site({"web.config": config})) if item.severity == "error"]
    assert [item.code for item in known] == ["config-host-only"] * is_found
    assert all("applicationHost.config alone" in item.hint for item in known)


MANAGED = "<system.web><authorization><deny users='?' /></authorization></system.web>"


@pytest.mark.parametrize(
    ("inner", "is_found"),
    [
        (python_handler(), True),
        (PLATFORM, True),
        (python_handler() + '<modules runAllManagedModulesForAllRequests="true" />', False),
        ("", False),
    ],
)
def test_authorization_for_managed_handlers_only(
    make_site: MakeSite, inner: str, is_found: bool
) -> None:
    for place in (MANAGED, f'<location path="admin">{MANAGED}</location>'):
        config = web_config(inner).replace("<system.webServer>", f"{place}<system.webServer>", 1)
        codes = [item.code for item in check(make_site({"web.config": config}))]
        assert ("config-aspnet-authorization" in codes) == is_found
