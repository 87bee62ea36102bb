"""The options of every command that opens a site, and the Site that they describe."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .. import project
from ..app_service import easy_auth
from ..app_service.environment import read as read_app_settings
from ..app_service.home import home_of
from ..app_service.principal import read_people
from ..errors import SiteError
from ..http.identity import SCHEMES, Identity
from ..identities import identity, read_accounts
from ..profiles import PROFILES
from ..programs.python_choice import resolve
from ..settings import EVERY, OPTIONAL_MODULES, Settings, server_pair
from ..site import Site
from .shared_options import variable

#: Options of every command that opens a site.
_SITE_OPTIONS = (
    click.option(
        "--strict",
        is_flag=True,
        help="The Azure page's two static-file rules do what IIS does: nothing.",
    ),
    click.option("--strict-locks", is_flag=True, help="Sections locked on the server give 500.19."),
    click.option(
        "--azure",
        is_flag=True,
        help="As on an Azure App Service: paths, environment, headers of the front end.",
    ),
    click.option(
        "--app-settings",
        multiple=True,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help=(
            "App settings: NAME=value lines, local.settings.json, or what 'az webapp config"
            " appsettings list' says."
        ),
    ),
    click.option(
        "--portal-wins",
        is_flag=True,
        help="App settings come before web.config; wfastcgi does the opposite.",
    ),
    click.option(
        "--arr",
        is_flag=True,
        help="Application Request Routing is installed: rewrites to other hosts are proxied.",
    ),
    click.option(
        "--map-server",
        "server_maps",
        multiple=True,
        metavar="SERVER=LOCAL",
        help="Local address that stands in for another server: 10.0.0.1:80=127.0.0.1:9001.",
    ),
    click.option(
        "--php",
        is_flag=True,
        help="The server maps *.php to PHP, as App Service does: php-cgi of this machine answers.",
    ),
    click.option(
        "--profile",
        type=click.Choice(tuple(PROFILES)),
        help="What the server is: its modules, handlers, headers and locks.",
    ),
    click.option(
        "--module",
        "modules",
        multiple=True,
        type=click.Choice(OPTIONAL_MODULES),
        help="A module that is installed on the server beside the usual ones; may be repeated.",
    ),
    click.option(
        "--host-config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="An applicationHost.config, or a part of one.",
    ),
    click.option(
        "--transform",
        "transforms",
        multiple=True,
        metavar="NAME",
        help=(
            "Read web.config through web.NAME.config, as it is published; may be repeated, or name"
            " a file."
        ),
    ),
    click.option(
        "--site-name",
        metavar="NAME",
        help="Which <site> of the host configuration; by default the first one.",
    ),
    click.option(
        "--compression", is_flag=True, help="gzip, by httpCompression and urlCompression."
    ),
    click.option(
        "--provider",
        "providers",
        multiple=True,
        metavar="NAME=MODULE:FUNCTION",
        help="A Python callable that replaces a rewrite provider.",
    ),
    click.option(
        "--python",
        metavar="PATH",
        help=(
            "The Python that runs the site: an interpreter, the folder of an environment, or a"
            " version such as 3.11."
        ),
    ),
    click.option(
        "--as",
        "as_name",
        metavar="DOMAIN\\USER",
        help="Who the client is, where the site asks: as a browser that answers its challenge.",
    ),
    click.option(
        "--role",
        "as_roles",
        multiple=True,
        metavar="GROUP",
        help="A group of the user of --as; may be repeated.",
    ),
    click.option(
        "--as-type",
        type=click.Choice(SCHEMES),
        help="How the user of --as signs in; by default what the site offers first.",
    ),
    click.option(
        "--basic-users",
        "basic_users_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Users of Basic authentication: name:password[:role,role] lines.",
    ),
    click.option(
        "--easy-auth",
        "easy_auth_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="App Service authentication, in the form of authsettingsV2; implies --azure.",
    ),
    click.option(
        "--identities",
        "identities_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Who is offered on the sign-in pages of --easy-auth and --ui: a JSON list.",
    ),
    click.option(
        "--map",
        "maps",
        multiple=True,
        metavar="WINDOWS=LOCAL",
        help="Local folder for a Windows path.",
    ),
)


def site_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command."""
    own = len(getattr(command, "__click_params__", ()))
    for option in reversed(_SITE_OPTIONS):
        command = option(command)
    for param in getattr(command, "__click_params__", ())[own:]:
        if isinstance(param, click.Option):
            param.envvar = variable(param)
            if param.is_flag:  # None is said by nobody, False by FCGIEMU_…=false
                param.default = None
    return command


def open_site(path: Path, **settings: Any) -> Site:
    """The site that the options describe. Raises SiteError."""
    return Site(path, settings_of(path, **settings))


def settings_of(
    path: Path,
    maps: tuple[str, ...],
    server_maps: tuple[str, ...],
    providers: tuple[str, ...],
    app_settings: tuple[Path, ...],
    python: str | None = None,
    as_name: str | None = None,
    as_roles: tuple[str, ...] = (),
    as_type: str | None = None,
    basic_users_file: Path | None = None,
    easy_auth_file: Path | None = None,
    identities_file: Path | None = None,
    **settings: Any,
) -> Settings:
    """The settings that the options describe, over those that the site keeps with itself. Raises
    SiteError.
    """
    kept = project.read(path)
    home = home_of(path.absolute())
    portal = home.remembered().get("app_settings") if home is not None else None
    if portal is not None and not Path(portal).exists():
        raise SiteError(
            f"There is no file {portal}, which deploy --app-settings has named for this site.",
            "Name another one with deploy --app-settings.",
        )
    if portal is not None:
        app_settings = (Path(portal), *app_settings)
    given = {name: value for name, value in settings.items() if value not in (None, ())}
    if easy_auth_file is not None:
        given |= {"azure": True, "easy_auth": easy_auth.read(easy_auth_file)}
    if identities_file is not None:
        given["people"] = read_people(identities_file)
    auth, people = given.get("easy_auth", kept.get("easy_auth")), given.get("people")
    if auth is not None and people is not None:
        given["easy_auth"] = replace(auth, people=people)
    return Settings(
        **{
            **kept,
            **given,
            "python": _pythons(python, kept.get("python", ())),
            "path_map": (*(_pair(text) for text in maps), *kept.get("path_map", ())),
            "server_map": (
                *map(server_pair, server_maps),
                *kept.get("server_map", ()),
            ),
            "app_settings": (
                *kept.get("app_settings", ()),
                *(setting for file in app_settings for setting in read_app_settings(file)),
            ),
            "providers": dict(_provider(text, path) for text in providers),
            "identity": _identity(as_name, as_roles, as_type) or kept.get("identity"),
            "basic_users": (
                read_accounts(basic_users_file) if basic_users_file else kept.get("basic_users", {})
            ),
        }
    )


def _identity(name: str | None, roles: tuple[str, ...], scheme: str | None) -> Identity | None:
    """The identity of --as. Raises SiteError."""
    if name is not None:
        return identity(name, roles, scheme or "")
    if roles or scheme:
        raise SiteError(
            "--role and --as-type belong to --as.", "Write for example --as 'CONTOSO\\ada'."
        )
    return None


def _pythons(option: str | None, kept: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """What is said of Pythons, the command line alone where it says anything. Raises SiteError for
    what is not one.
    """
    said = ((EVERY, option),) if option is not None else kept
    for _, text in said:
        resolve(text)
    return said


def _provider(text: str, site: Path) -> tuple[str, Callable[[str], str]]:
    """``NAME=module:function``; the module may be in the site's folder."""
    name, equals, target = text.partition("=")
    module, colon, function = target.partition(":")
    if not (name and equals and module and colon and function):
        raise SiteError(
            f"--provider {text} is not NAME=MODULE:FUNCTION.",
            "Write for example --provider Redirects=my_maps:lookup.",
        )
    sys.path.insert(0, str(site.absolute()))
    try:
        found: Callable[[str], str] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SiteError(f"--provider {text}: {error}.") from error
    finally:
        sys.path.remove(str(site.absolute()))
    return name, found


def _pair(text: str) -> tuple[str, str]:
    windows, equals, local = text.partition("=")
    if not equals or not windows or not local:
        raise SiteError(
            f"--map {text} is not WINDOWS=LOCAL.",
            "Write for example --map 'D:\\Python34=/usr/bin'.",
        )
    return windows, local
